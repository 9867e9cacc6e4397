// SPDX-License-Identifier: MIT
/*
 * What is done for an operation, and when: the first of each queue is tried, waits for readiness, and is tried again.
 *
 * Promises: operations of one direction end in the order in which they were started, but for those that are cancelled
 * or late; nothing is tried while it cannot go on, and nothing that can go on is left alone.
 *
 * What surprised us: a datagram socket polls as writable while its receiver is full, so readiness that was none is
 * answered by a pause. A closed peer is reported for ever to those who watch for anything at all.
 */
#include "engine.h"

#include <errno.h>

#define IN_EVENTS (POLLIN | POLLHUP | POLLERR | POLLNVAL | POLLRDHUP)
#define OUT_EVENTS (POLLOUT | POLLHUP | POLLERR | POLLNVAL)
#define PAUSE_NS INT64_C(1000000)
#define ALARMS 4

/* Its last event. The next in the queue is for run_line(). */
static void end(struct unx_engine *e, struct op *op, int result)
{
    struct line *const l = op->fd < 0 ? NULL : line_at(e, op->fd);
    if (l != NULL) {
        line_remove(l, op);
        if (result < 0) {
            /* What was wrong with it, or what becomes of it now, is worth asking again. */
            l->tried = l->asked = false;
        }
    }
    if (op->starved) {
        feed_remove(e, op);
    }
    event_last(e, op, result);
}

/* Those that do not wait end when the first one has to. */
static void end_impatient(struct unx_engine *e, struct line *l, int dir)
{
    for (struct op *op = l->first[dir], *next; op != NULL; op = next) {
        next = op->next;
        if (op->dont_wait && !op->native) {
            end(e, op, -EAGAIN);
        }
    }
}

static void pause_until(struct unx_engine *e, struct op *op, int64_t ns)
{
    const int64_t at = sys_now() + ns;
    op->paused = true;
    time_set(e, op, op->limited && op->deadline < at ? op->deadline : at);
}

/* One attempt; true if another may be worth it: the next of the queue, or the same operation again. */
static bool attempt(struct unx_engine *e, struct op *op, struct line *l)
{
    const int dir = line_of(op);
    const bool again = op->blocked;
    const size_t gone = op->gone;
    const int r = try_op(e, op, l);
    switch (r) {
    case TRY_MORE:
        op->alarms = 0;
        if (op->pause_ms > 0) {
            pause_until(e, op, op->pause_ms * INT64_C(1000000));
        }
        return false;
    case TRY_STARVED:
        feed_add(e, op);
        return false;
    case TRY_LATER:
        op->blocked = true;
        return false;
    case -EAGAIN:
        if (op->dont_wait) {
            end(e, op, -EAGAIN);
            return true;
        }
        op->blocked = true;
        if (op->gone > gone) {
            op->alarms = 0;
        } else if (again && op->alarms < ALARMS) {
            op->alarms++;
        }
        if (again && op->gone == gone && (dir == OUT || op->alarms == ALARMS)) {
            pause_until(e, op, PAUSE_NS << op->alarms);
        }
        end_impatient(e, l, dir);
        return false;
    default:
        end(e, op, r);
        return true;
    }
}

/* A receive that the backend does may not notice the end of a datagram socket, which its own shutdown makes. */
static bool ends_unheard(const struct op *op)
{
    return op->kind == OP_RECV && op->type == SOCK_DGRAM && !op->ending && !op->hup;
}

unsigned run_wanted(const struct line *l)
{
    unsigned events = 0;
    for (int dir = IN; dir <= OUT; dir++) {
        const struct op *const op = l->first[dir];
        if (op != NULL && run_waits(op)) {
            events |= dir == IN ? POLLIN : POLLOUT;
        }
        if (op != NULL && op->native && ends_unheard(op)) {
            events |= POLLRDHUP;
        }
    }
    for (const struct op *op = l->polls; op != NULL; op = op->next) {
        events |= (unsigned)op->events | POLLERR | POLLHUP;
    }
    return events;
}

static void end_all(struct unx_engine *e, struct line *l, int result)
{
    while (l->polls != NULL && l->polls->kind == OP_POLL) {
        end(e, l->polls, result);
    }
    for (int dir = IN; dir <= OUT; dir++) {
        while (l->first[dir] != NULL && !l->first[dir]->native) {
            end(e, l->first[dir], result);
        }
    }
    /* The end of it would never be told. */
    if (l->first[IN] != NULL && ends_unheard(l->first[IN])) {
        run_end(e, l->first[IN], result);
    }
}

static void watch(struct unx_engine *e, int fd, struct line *l)
{
    const unsigned events = run_wanted(l);
    if ((events & ~(unsigned)l->armed) == 0) {
        return;
    }
    const int r = e->backend->want(e, fd, l, events);
    const unsigned asked = events & (POLLIN | POLLOUT);
    const bool own = l->polls != NULL && l->polls->kind == OP_INTERNAL;
    if (r == -EPERM && asked != 0 && !own) {
        /* A file: it is ready, and whoever takes it for a socket is told. */
        engine_ready(e, fd, l, asked);
    } else if (r < 0 && r != -EPERM) {
        end_all(e, l, r);
    }
}

static void finish_close(struct unx_engine *e, int fd, struct line *l)
{
    if (l->closing == NULL || l->first[IN] != NULL || l->first[OUT] != NULL || l->polls != NULL ||
        !e->backend->forget(e, fd, l)) {
        return;
    }
    struct op *const op = l->closing;
    *l = (struct line){.slot = l->slot};
    event_last(e, op, sys_close(fd));
}

static void run_queue(struct unx_engine *e, struct line *l, int dir)
{
    for (struct op *op = l->first[dir]; op != NULL; op = l->first[dir]) {
        if (op->native || op->starved || op->paused || op->blocked) {
            return;
        }
        if (e->backend->start != NULL && e->backend->start(e, op, l)) {
            op->native = true;
            return;
        }
        /* What can be received is for the backend to say, but a new descriptor is asked at once what is wrong with
         * it. */
        const bool wait = dir == IN && l->tried && !op->dont_wait;
        if (wait || (op->flags & UNX_STANDING) != 0) {
            op->blocked = true;
            return;
        }
        l->tried |= dir == IN;
        if (!attempt(e, op, l)) {
            return;
        }
    }
}

void run_line(struct unx_engine *e, int fd, struct line *l)
{
    if (l->closing != NULL) {
        end_all(e, l, -ECANCELED);
        finish_close(e, fd, l);
        return;
    }
    run_queue(e, l, IN);
    run_queue(e, l, OUT);
    watch(e, fd, l);
}

/* Whoever is before an operation that does not wait is asked once more; then it is its turn, or it has to end. */
static void hurry(struct unx_engine *e, struct op *op, struct line *l)
{
    const int dir = line_of(op);
    struct op *first = l->first[dir];
    while (first != op && !first->native && !first->paused && (first->flags & UNX_STANDING) == 0 &&
           attempt(e, first, l)) {
        first = l->first[dir];
    }
    if (op->state == OP_OUT && l->first[dir] != op) {
        end(e, op, -EAGAIN);
    }
}

void run_new(struct unx_engine *e, struct op *op, struct line *l)
{
    const int fd = op->fd;
    line_add(l, op);
    if (op->dont_wait && op->kind != OP_POLL) {
        hurry(e, op, l);
    }
    run_line(e, fd, l);
}

void run_end(struct unx_engine *e, struct op *op, int why)
{
    const int fd = op->fd;
    struct line *const l = fd < 0 ? NULL : line_at(e, fd);
    if (op->native) {
        op->why = op->why == 0 ? (int16_t)why : op->why;
        if (e->backend->stop != NULL) {
            e->backend->stop(e, op);
        }
        return;
    }
    end(e, op, why);
    if (l != NULL) {
        run_line(e, fd, l);
    }
}

void run_later(struct unx_engine *e, struct op *op)
{
    op->pause_ms = (uint8_t)(op->pause_ms == 0 ? 1 : op->pause_ms < 32 ? op->pause_ms * 2 : 50);
    pause_until(e, op, op->pause_ms * INT64_C(1000000));
}

static void connect_again(struct unx_engine *e, struct op *op)
{
    const int r = unx_connect(op->type, op->flags, op->from, op->to, 0);
    if (r == -EAGAIN) {
        run_later(e, op);
    } else {
        end(e, op, r);
    }
}

void run_time(struct unx_engine *e, struct op *op, int64_t now)
{
    if (op->limited && now >= op->deadline) {
        time_clear(e, op);
        run_end(e, op, op->kind == OP_TIMER ? 0 : -ETIMEDOUT);
        return;
    }
    if (op->limited) {
        time_set(e, op, op->deadline);
    } else {
        time_clear(e, op);
    }
    if (op->kind == OP_CONNECT) {
        connect_again(e, op);
        return;
    }
    op->paused = false;
    op->pause_ms = 0;
    const int fd = op->fd;
    struct line *const l = line_at(e, fd);
    if (op->kind == OP_SEND) {
        op->blocked = false;
        attempt(e, op, l);
    }
    run_line(e, fd, l);
}

bool engine_ready(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    if (l->closing != NULL) {
        return false;
    }
    for (struct op *op = l->polls, *next; op != NULL; op = next) {
        next = op->next;
        const unsigned came = events & ((unsigned)op->events | POLLERR | POLLHUP | POLLNVAL);
        if (came != 0 && op->kind == OP_INTERNAL) {
            engine_internal(e, op);
        } else if (came != 0) {
            end(e, op, (came & POLLNVAL) != 0 ? -EBADF : (int)came);
        }
    }
    struct op *in = l->first[IN];
    if ((events & IN_EVENTS) != 0 && in != NULL && run_waits(in)) {
        attempt(e, in, l);
        if (run_goes_on(l, in)) {
            return (l->armed & ~(POLLERR | POLLHUP)) == POLLIN;
        }
    } else if ((events & POLLRDHUP) != 0 && in != NULL && in->native && ends_unheard(in)) {
        in->hup = true;
        e->backend->stop(e, in);
    }
    for (struct op *out = l->first[OUT];
         (events & OUT_EVENTS) != 0 && out != NULL && !out->native && !out->paused && attempt(e, out, l);) {
        out = l->first[OUT];
    }
    run_line(e, fd, l);
    return false;
}

void engine_done(struct unx_engine *e, struct op *op, int result)
{
    const int fd = op->fd;
    struct line *const l = line_at(e, fd);
    op->native = false;
    if (result == -ENOBUFS && op->why == 0) {
        feed_add(e, op);
    } else if (result != -EAGAIN || op->why != 0) {
        const bool unanswered = result == -ECANCELED || result == -EINTR || result == -EAGAIN || result == -ENOBUFS;
        end(e, op, unanswered && op->why != 0 ? op->why : result);
    }
    run_line(e, fd, l);
}

void engine_received(struct unx_engine *e, struct op *op, struct buffer *b, struct receiving *t, ssize_t n)
{
    t->reset = op->reset;
    op->reset = false;
    const int r = recv_judge(op->fd, &b->m, t, n, op->flags);
    b->m.error = r < 0 ? r : 0;
    if (r == 1 || (r < 0 && unx_one_message(r))) {
        buffer_hand_out(e, b);
        event_more(e, op, &b->m, r);
        return;
    }
    buffer_put(e, b);
    op->ending = true;
    op->result = r;
}

void engine_received_empty(struct unx_engine *e, struct op *op)
{
    struct buffer *const own = buffer_take(e, true), *const b = own != NULL ? own : &e->empty[op->reset];
    if (own != NULL) {
        buffer_ready(e, own, true, false);
        own->m.got = op->reset ? UNX_GOT_RESET : 0;
        buffer_hand_out(e, own);
    } else {
        /* None is free, and it has been received: several such events share a message. */
        b->iov = (struct iovec){b, 0};
        b->m = (struct unx_msg){.iov = &b->iov, .niov = 1, .got = op->reset ? UNX_GOT_RESET : 0};
        e->empty_out++;
    }
    op->reset = false;
    event_more(e, op, &b->m, 1);
}

void engine_quiet(struct unx_engine *e, int fd, struct line *l)
{
    finish_close(e, fd, l);
}
