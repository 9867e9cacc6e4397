// SPDX-License-Identifier: MIT
/*
 * The reference side of a script (engine_script.h): the plain calls, which never wait here. What cannot be done yet is
 * kept in the order in which it came, and tried again after each step, until nothing moves any more. So the results are
 * those of blocking calls in threads, but it is known when the sockets are at rest.
 *
 * What surprised us: send(2) would take a message as soon as there is a byte of room, but a sender that waits is woken
 * when three quarters of its buffer are free. The reference waits so, too.
 */
#include "engine_script.h"
#include "harness.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

/* The message of an operation that ended without one. */
static void answer(struct op *o, struct unx_msg *m, size_t len, int error)
{
    *m = o->m;
    memset(&m->len, 0, sizeof *m - offsetof(struct unx_msg, len));
    m->len = m->full_len = len;
    m->error = error;
    if (o->s->kind == STEP_STAND) {
        m->cred = NULL;
        m->addr = NULL;
    }
}

static void end_without(struct side *w, struct op *o, int result)
{
    struct unx_msg m;
    if (o->dir == DIR_POLL || o->dir == DIR_NONE || o->s->kind == STEP_ACCEPT) {
        op_end(w, o, result, false);
        return;
    }
    answer(o, &m, o->dir == DIR_OUT && result < 0 ? o->until : 0, result < 0 ? result : 0);
    op_message(w, o, &m, result, false);
}

/* -EAGAIN: not yet. On a stream o->until says how much has gone. */
static int try_send(struct side *w, struct op *o)
{
    const struct step *s = o->s;
    struct unx_msg m = o->m;
    struct iovec rest;
    int r;
    if (o->tried && !s->addr && unx_wait(o->fd, POLLOUT, 0) == -EAGAIN) {
        return -EAGAIN;
    }
    o->tried = true;
    for (;;) {
        if ((s->flags & UNX_PLAIN) != 0) {
            rest = (struct iovec){o->data + o->until, s->size - o->until};
            m.iov = &rest;
        } else {
            m.skip = o->until;
        }
        r = unx_send(o->fd, &m, s->flags | UNX_DONTWAIT);
        if (r != 1 || o->type != SOCK_STREAM) {
            break;
        }
        o->until += m.len;
        if (o->until == s->size) {
            break;
        }
    }
    if (r == -EAGAIN) {
        return r;
    }
    if (o->type == SOCK_STREAM) {
        m.len = m.full_len = o->until;
    }
    op_message(w, o, &m, r, false);
    return 0;
}

/* Takes what is there, as long as nobody who waits for room has more of it. */
static int drain(struct side *w, struct op *o)
{
    int r;
    while ((r = unx_recv(o->fd, &o->m, (o->s->flags & ~UNX_STANDING) | UNX_DONTWAIT)) == 1 || unx_one_message(r)) {
        op_message(w, o, &o->m, r, true);
    }
    return r;
}

static int try_recv(struct side *w, struct op *o)
{
    const unsigned flags = o->s->flags & ~UNX_STANDING;
    if (o->s->kind == STEP_STAND) {
        int fds[253];
        struct unx_cred cred;
        struct unx_addr addr;
        const bool plain = (flags & UNX_PLAIN) != 0;
        o->m.fds = plain ? NULL : fds;
        o->m.nfds = plain ? 0 : 253;
        o->m.cred = plain ? NULL : &cred;
        o->m.addr = plain || o->type != SOCK_DGRAM ? NULL : &addr; /* sources are for datagrams */
        o->lent = o->m;
        const int r = drain(w, o);
        if (r != -EAGAIN) {
            end_without(w, o, r);
        }
        return r;
    }
    const int r = unx_recv(o->fd, &o->m, flags | UNX_DONTWAIT);
    if (r != -EAGAIN) {
        op_message(w, o, &o->m, r, false);
    }
    return r;
}

static int try_other(struct side *w, struct op *o)
{
    const struct step *s = o->s;
    struct unx_addr a;
    int r = 0;
    switch (s->kind) {
    case STEP_POLL:
        r = unx_wait(o->fd, (int)s->want, 0);
        break;
    case STEP_ACCEPT:
        r = unx_accept(o->fd, s->flags & ~UNX_STANDING, NULL);
        /* What a listener says that was shut down, but only to those who block. */
        r = r == -EAGAIN && unx_wait(o->fd, POLLRDHUP, 0) > 0 ? -EINVAL : r;
        break;
    case STEP_CONNECT:
        a = side_name(w, s->slot2);
        r = unx_connect(s->type, s->flags, NULL, &a, 0);
        break;
    case STEP_CLOSE:
        close(o->fd);
        break;
    default:
        break;
    }
    if (r == -EAGAIN) {
        return r;
    }
    const bool more = r >= 0 && (s->flags & UNX_STANDING) != 0;
    op_end(w, o, r, more);
    return more ? 1 : 0;
}

static int try(struct side *w, struct op *o)
{
    switch (o->s->kind) {
    case STEP_SEND:
        return try_send(w, o);
    case STEP_RECV:
    case STEP_STAND:
        return try_recv(w, o);
    case STEP_DRAIN:
        return drain(w, o);
    default:
        return try_other(w, o);
    }
}

static bool is_head(const struct side *w, const struct op *o)
{
    for (unsigned i = 0; i < w->nlive && w->live[i] != o; i++) {
        if ((o->dir == DIR_IN || o->dir == DIR_OUT) && w->live[i]->dir == o->dir && w->live[i]->fd == o->fd) {
            return false;
        }
    }
    return true;
}

/* One round over all that is out; whether anything moved. */
static bool turn(struct side *w)
{
    bool moved = false;
    for (unsigned i = 0; i < w->nlive;) {
        struct op *o = w->live[i];
        const size_t before = o->r.before, sent = o->until;
        /* A step moves nothing outside its group. */
        if (o->s->group == w->group && is_head(w, o)) {
            try(w, o);
        }
        moved |= o->state == OP_DONE || o->r.before != before || o->until != sent;
        i += o->state == OP_OUT;
    }
    return moved;
}

static void settle(struct side *w)
{
    while (turn(w)) {
    }
    for (unsigned i = 0; i < w->nlive; i++) {
        if (w->live[i]->s->kind == STEP_DRAIN) {
            end_without(w, w->live[i], 1);
            settle(w);
            return;
        }
    }
}

static int model_cancel(struct side *w, struct op *o)
{
    if (o == NULL || o->state != OP_OUT) {
        return -ENOENT;
    }
    end_without(w, o, -ECANCELED);
    settle(w);
    return 0;
}

static void model_start(struct side *w, struct op *o)
{
    for (unsigned i = 0; i < w->nlive && o->s->kind == STEP_CLOSE;) {
        struct op *other = w->live[i];
        if (other != o && other->fd == o->fd) {
            end_without(w, other, -ECANCELED);
        } else {
            i++;
        }
    }
    if (o->s->timeout == 0 && o->s->kind >= STEP_SEND && o->s->kind != STEP_DRAIN && o->s->kind != STEP_TIMER) {
        if (!is_head(w, o) || try(w, o) == -EAGAIN) {
            end_without(w, o, -EAGAIN);
        }
    }
    settle(w);
}

static int model_pump(struct side *w, int timeout_ms)
{
    (void)timeout_ms;
    settle(w);
    return 0;
}

void model_open(struct side *w, unsigned max_id)
{
    side_open(w, "plain calls", max_id, NULL);
    w->start = model_start;
    w->cancel = model_cancel;
    w->pump = model_pump;
}
