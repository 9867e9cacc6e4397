// SPDX-License-Identifier: MIT
/*
 * The engine as a side of a script (engine_script.h), on one of its backends. How much it may complete at once, how
 * many events are reaped, how large its pool is and whether it is waited for by its descriptor, differ from run to run.
 *
 * Beside the results it checks what holds for events: one last event each, with the message that was given; those of
 * one descriptor and direction in the order of their start; and cancelling what has ended is -ENOENT.
 */
#include "engine_script.h"
#include "harness.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

struct own {
    struct unx_engine *e;
    unsigned max, events;
    bool nested, keeps, lazy, now;
    struct unx_msg *kept; /* a buffer returned later than it has to be */
};

static void misuse(struct side *w, struct op *o, int result)
{
    o->misused = true;
    if (o->dir == DIR_POLL || o->dir == DIR_NONE || o->s->kind == STEP_ACCEPT) {
        op_end(w, o, result, false);
        return;
    }
    memset(&o->m.len, 0, sizeof o->m - offsetof(struct unx_msg, len));
    o->m.error = result;
    op_message(w, o, &o->m, result, false);
}

/* The next message of a STEP_DRAIN, or its end. */
static void drain_on(struct side *w, struct op *o)
{
    struct unx_msg m = {.error = 0};
    const struct own *own = w->own;
    if (o->r.before >= o->until) {
        op_message(w, o, &m, 1, false);
        return;
    }
    const size_t left = o->until - o->r.before;
    o->iov[0].iov_len = o->type == SOCK_STREAM && o->s->size > left ? left : o->s->size;
    o->lent = o->m;
    const int r = unx_engine_recv(own->e, &o->op, o->fd, &o->m, o->s->flags, -1);
    if (r < 0) {
        misuse(w, o, r);
    }
}

static int start_other(struct own *own, struct side *w, struct op *o)
{
    const struct step *s = o->s;
    switch (s->kind) {
    case STEP_POLL:
        return unx_engine_poll(own->e, &o->op, o->fd, (int)s->want, s->timeout);
    case STEP_ACCEPT:
        return unx_engine_accept(own->e, &o->op, o->fd, s->flags, s->timeout);
    case STEP_TIMER:
        return unx_engine_timer(own->e, &o->op, s->timeout);
    case STEP_CLOSE:
        return unx_engine_close(own->e, &o->op, o->fd);
    default:
        o->addr = side_name(w, s->slot2);
        return unx_engine_connect(own->e, &o->op, s->type, s->flags, NULL, &o->addr, s->timeout);
    }
}

static int start_send(const struct own *own, struct side *w, struct op *o)
{
    const struct step *s = o->s;
    const unsigned flags = (own->lazy ? UNX_LAZY : 0) | (own->now ? UNX_NOW : 0);
    const int r = unx_engine_send(own->e, &o->op, o->fd, &o->m, s->flags | flags, s->timeout);
    if (r > 1 || (r == 1 && !own->now)) {
        side_complain(w, "an operation was started with this result", r);
    } else if (r == 1) {
        op_message(w, o, &o->m, r, false);
    }
    return r;
}

static void engine_start(struct side *w, struct op *o)
{
    struct own *own = w->own;
    const struct step *s = o->s;
    int r = 0;
    o->op.data = o;
    switch (s->kind) {
    case STEP_SEND:
        r = start_send(own, w, o);
        break;
    case STEP_RECV:
        r = unx_engine_recv(own->e, &o->op, o->fd, &o->m, s->flags, s->timeout);
        break;
    case STEP_STAND:
        r = unx_engine_recv(own->e, &o->op, o->fd, NULL, s->flags, s->timeout);
        break;
    case STEP_DRAIN:
        o->until = side_op(w->model, s->id)->r.before;
        drain_on(w, o);
        break;
    default:
        r = start_other(own, w, o);
        break;
    }
    if (r < 0) {
        misuse(w, o, r);
    }
}

static int engine_cancel(struct side *w, struct op *o)
{
    const struct own *own = w->own;
    return unx_engine_cancel(own->e, &o->op);
}

/* Those started before it on the same descriptor and in the same direction have ended,
 * unless this one was ended early. */
static void check_order(struct side *w, const struct op *o, int result)
{
    const bool early = result == -ECANCELED || result == -ETIMEDOUT || result == -EAGAIN;
    for (unsigned i = 0; i < w->nlive && w->live[i] != o; i++) {
        const struct op *before = w->live[i];
        const bool same = (o->dir == DIR_IN || o->dir == DIR_OUT) && before->dir == o->dir && before->fd == o->fd;
        if ((same && !early) || (o->s->kind == STEP_CLOSE && before->fd == o->fd)) {
            side_complain(w, "ended before an operation that was started before it", o->s->id);
        }
    }
}

static void give_back(struct side *w, struct unx_msg *m)
{
    const struct own *own = w->own;
    if (m == NULL) {
        return;
    }
    /* Empty packets may share a message, where no buffer is free. */
    const bool shared = m->niov == 1 && m->iov->iov_len == 0;
    if (unx_engine_return(own->e, m) != 0) {
        side_complain(w, "a buffer cannot be returned", -1);
    }
    if (!shared && w->run % 8 == 0 && unx_engine_return(own->e, m) != -EINVAL) {
        side_complain(w, "a buffer can be returned twice", -1);
    }
}

static void on_standing(struct side *w, struct op *o, const struct unx_event *ev, bool more)
{
    struct own *own = w->own;
    struct unx_msg m = {.error = ev->result < 0 ? ev->result : 0};
    if (!more) {
        op_message(w, o, &m, ev->result, false);
    } else if (ev->msg != NULL) {
        op_message(w, o, ev->msg, ev->result, true);
    } else {
        side_complain(w, "a message without a message", o->s->id);
    }
    give_back(w, own->kept);
    own->kept = NULL;
    if (own->keeps) {
        own->kept = ev->msg;
    } else {
        give_back(w, ev->msg);
    }
}

static void on_event(struct side *w, const struct unx_event *ev)
{
    struct own *own = w->own;
    struct op *o = ev->op->data;
    const bool more = (ev->flags & UNX_MORE) != 0;
    own->events++;
    if (o->op.data != o || o->state != OP_OUT || &o->op != ev->op) {
        side_complain(w, "an event of an operation that is not out", o->s->id);
        return;
    }
    if (more && (o->s->flags & UNX_STANDING) == 0) {
        side_complain(w, "more than one event of an operation that does not stand", o->s->id);
    }
    check_order(w, o, ev->result);
    if (o->s->kind == STEP_STAND) {
        on_standing(w, o, ev, more);
    } else if (o->s->kind == STEP_DRAIN && (ev->result == 1 || unx_one_message(ev->result))) {
        op_message(w, o, &o->m, ev->result, true);
        drain_on(w, o);
    } else if (o->s->kind >= STEP_SEND && o->s->kind <= STEP_DRAIN) {
        if (ev->msg != &o->m) {
            side_complain(w, "an event with another message", o->s->id);
        }
        op_message(w, o, &o->m, ev->result, false);
    } else {
        op_end(w, o, ev->result, more);
    }
    if (o->state == OP_DONE && o->s->kind != STEP_CLOSE && own->events % 16 == 0 &&
        unx_engine_cancel(own->e, &o->op) != -ENOENT) {
        side_complain(w, "an operation can be cancelled that is not out", o->s->id);
    }
}

static int reap(struct side *w, int timeout_ms)
{
    const struct own *own = w->own;
    struct unx_event ev[64];
    const int n = unx_engine_reap(own->e, ev, own->max, timeout_ms);
    if (n < 0 || n > (int)own->max) {
        side_complain(w, "reaping failed", n);
    }
    for (int i = 0; i < n; i++) {
        on_event(w, &ev[i]);
    }
    return n;
}

static int engine_pump(struct side *w, int timeout_ms)
{
    const struct own *own = w->own;
    int n = 0, all = 0;
    /* What is in no hurry comes with the next reaping. */
    timeout_ms = own->lazy && timeout_ms > 1 ? 1 : timeout_ms;
    if (!own->nested) {
        return reap(w, timeout_ms);
    }
    while ((n = reap(w, 0)) > 0) {
        all += n;
    }
    struct pollfd p = {.fd = unx_engine_fd(own->e), .events = POLLIN};
    if (all > 0 || timeout_ms == 0 || poll(&p, 1, timeout_ms) == 0) {
        return all;
    }
    while ((n = reap(w, 0)) > 0) {
        all += n;
    }
    return all > 0 ? all : 1;
}

static void engine_end(struct side *w)
{
    struct own *own = w->own;
    give_back(w, own->kept);
    const int r = unx_engine_free(own->e);
    if (r != 0 && w->nlive == 0) {
        side_complain(w, "the engine cannot be freed when nothing is out", r);
    }
    free(own);
}

void engine_open(struct side *w, unsigned max_id, const struct side *model, unsigned backend, uint64_t seed)
{
    struct own *own = calloc(1, sizeof *own);
    CHECK(own != NULL);
    static const unsigned depths[] = {0, 1, 2, 8, 64, 4096}, events[] = {1, 2, 7, 64}, buffers[] = {1, 2, 5, 40};
    const int r = unx_engine_new(&own->e, depths[seed % 6], backend);
    if (r == -EOPNOTSUPP) {
        free(own);
        SKIP("this backend does not work here");
    }
    CHECK_INT(r, 0);
    side_open(w, unx_engine_backend(own->e), max_id, model);
    w->own = own;
    w->start = engine_start;
    w->cancel = engine_cancel;
    w->pump = engine_pump;
    w->end = engine_end;
    w->leaves = true;
    CHECK_INT(unx_engine_spin(own->e, seed % 7 == 0 ? 50 : 0), 0);
    own->max = events[seed / 6 % 4];
    own->nested = seed / 24 % 3 == 0 && unx_engine_fd(own->e) >= 0;
    own->lazy = seed % 5 == 0;
    own->now = seed / 5 % 3 == 0;
    own->keeps = seed / 72 % 2 == 0 && seed / 144 % 4 != 0;
    CHECK_INT(unx_engine_buffers(own->e, buffers[seed / 144 % 4], POOL_SIZE), 0);
}
