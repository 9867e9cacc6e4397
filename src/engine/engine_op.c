// SPDX-License-Identifier: MIT
/*
 * Starting and ending operations.
 *
 * Promises: misuse is said at once and starts nothing; whatever else happens comes as an event.
 */
#include "engine.h"
#include "io.h"
#include "message.h"
#include "send.h"

#include <errno.h>

static int begin(struct unx_engine *e, struct unx_op *u, enum op_kind kind, int fd, int timeout_ms)
{
    struct op *const op = op_of(u);
    if (e == NULL || op == NULL || timeout_ms < -1) {
        return -EINVAL;
    }
    if (op->state != OP_IDLE) {
        return -EBUSY;
    }
    /* One by one: most of it is as its last event has left it, and clearing it whole costs as much as all the rest. */
    op->kind = (uint8_t)kind;
    op->fd = fd;
    op->dont_wait = timeout_ms == 0 && kind != OP_TIMER;
    op->paused = op->starved = op->fed = op->blocked = op->native = op->reset = op->ending = op->hup = op->now = false;
    op->alarms = op->pause_ms = 0;
    op->why = 0;
    op->gone = 0;
    op->flags = 0;
    op->limited = timeout_ms > 0 || kind == OP_TIMER;
    if (op->limited) {
        op->deadline = io_deadline(timeout_ms);
    }
    return 0;
}

/* From here on it has a last event. */
static void out(struct unx_engine *e, struct op *op)
{
    op->state = OP_OUT;
    e->count++;
    if (op->limited) {
        time_set(e, op, op->deadline);
    }
}

/* An operation on a socket. */
static int start(struct unx_engine *e, struct op *op)
{
    if (op->fd < 0) {
        return -EBADF;
    }
    if (line_at(e, op->fd) == NULL && sys_type(op->fd) == -EBADF) {
        /* Nothing is grown for a number that is none. */
        return -EBADF;
    }
    struct line *const l = line_make(e, op->fd);
    if (l == NULL) {
        return -ENOMEM;
    }
    if (l->closing != NULL) {
        return -EBADF;
    }
    if (l->type == 0 || (l->type == NO_SOCKET && op->kind != OP_POLL)) {
        const int type = sys_type(op->fd);
        if (type < 0 && op->kind != OP_POLL) {
            return type;
        }
        l->type = type < 0 ? NO_SOCKET : (uint8_t)type;
    }
    if (op->kind == OP_RECV && (op->flags & UNX_STANDING) != 0) {
        const int r = buffer_pool(e, e->backend->shares != NULL && e->backend->shares(l));
        if (r < 0) {
            return r;
        }
    }
    op->type = l->type;
    out(e, op);
    const bool ask = (op->flags & UNX_STANDING) != 0 && op->kind == OP_RECV && !l->asked;
    l->asked |= ask;
    if (ask && sys_listening(op->fd) == 1) {
        /* Readiness would never tell. */
        event_last(e, op, l->type == SOCK_STREAM ? -EINVAL : -ENOTCONN);
    } else {
        run_new(e, op, l);
    }
    if (op->state != OP_IDLE) {
        engine_nudge(e);
    }
    return 0;
}

enum attempt { STANDS, ENDED, WENT };

/* One that stands behind nobody is tried before it stands anywhere: most go at once. */
static enum attempt send_at_once(struct unx_engine *e, struct op *op)
{
    struct line *const l = line_at(e, op->fd);
    struct unx_msg *const m = op->msg;
    if (l == NULL || l->first[OUT] != NULL || l->closing != NULL || l->type == 0 || l->type == NO_SOCKET) {
        return STANDS;
    }
    const ssize_t n = send_bytes(op->fd, m, MSG_DONTWAIT);
    if (n == -EAGAIN || n == -EINTR) {
        return STANDS;
    }
    if (n < 0) {
        l->tried = l->asked = false;
    } else {
        m->len = m->full_len = op->gone = (size_t)n;
        if (l->type == SOCK_STREAM && op->gone < message_bytes(m)) {
            return STANDS;
        }
        if (op->flags & UNX_NOW) {
            return WENT;
        }
    }
    e->count++;
    event_last(e, op, n < 0 ? (int)n : 1);
    return ENDED;
}

static int send_in_line(struct unx_engine *e, struct op *op)
{
    const struct line *const l = line_at(e, op->fd);
    op->now = (op->flags & UNX_NOW) != 0 && (l == NULL || l->first[OUT] == NULL);
    const int r = start(e, op);
    const bool went = r == 0 && op->now && op->state == OP_IDLE;
    op->now = false;
    return went ? 1 : r;
}

int unx_engine_send(struct unx_engine *e, struct unx_op *u, int fd, struct unx_msg *m, unsigned flags, int timeout_ms)
{
    struct op *const op = op_of(u);
    int r =
        m == NULL || (flags & ~(UNX_PLAIN | UNX_LAZY | UNX_NOW)) != 0 ? -EINVAL : begin(e, u, OP_SEND, fd, timeout_ms);
    const bool simple = r == 0 && message_is_simple(m) && m->nfds == 0 && ((flags & UNX_PLAIN) == 0 || m->niov == 1);
    if (r == 0 && !simple) {
        r = send_check(m, flags & UNX_PLAIN);
    }
    if (r < 0) {
        return r;
    }
    message_reset(m);
    op->msg = m;
    op->flags = flags;
    switch (simple ? send_at_once(e, op) : STANDS) {
    case WENT:
        return 1;
    case ENDED:
        engine_nudge(e);
        return 0;
    default:
        return send_in_line(e, op);
    }
}

int unx_engine_recv(struct unx_engine *e, struct unx_op *u, int fd, struct unx_msg *m, unsigned flags, int timeout_ms)
{
    struct op *const op = op_of(u);
    const bool standing = (flags & UNX_STANDING) != 0;
    const unsigned known = standing ? UNX_STANDING | UNX_PARTIAL | UNX_PLAIN
                                    : UNX_PEEK | UNX_PEEK_FDS | UNX_PARTIAL | UNX_KEEP | UNX_PLAIN;
    if ((flags & ~known) != 0 || standing != (m == NULL) || (standing && timeout_ms == 0)) {
        return -EINVAL;
    }
    int r = begin(e, u, OP_RECV, fd, timeout_ms);
    if (r == 0) {
        r = standing ? 0 : recv_check(m, flags);
    }
    if (r < 0) {
        return r;
    }
    if (!standing) {
        message_reset(m);
        recv_clear(m);
    }
    op->msg = m;
    op->flags = flags;
    return start(e, op);
}

int unx_engine_accept(struct unx_engine *e, struct unx_op *u, int fd, unsigned flags, int timeout_ms)
{
    const bool standing = (flags & UNX_STANDING) != 0;
    if ((flags & ~(UNX_STANDING | UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF)) != 0 || (standing && timeout_ms == 0)) {
        return -EINVAL;
    }
    int r = begin(e, u, OP_ACCEPT, fd, timeout_ms);
    if (r == 0) {
        r = sys_get_nonblock(fd);
    }
    if (r <= 0) {
        return r < 0 ? r : -EINVAL;
    }
    op_of(u)->flags = flags;
    return start(e, op_of(u));
}

int unx_engine_connect(struct unx_engine *e, struct unx_op *u, int type, unsigned flags, const struct unx_addr *from,
                       const struct unx_addr *to, int timeout_ms)
{
    struct op *const op = op_of(u);
    int r = begin(e, u, OP_CONNECT, -1, timeout_ms);
    if (r < 0) {
        return r;
    }
    r = unx_connect(type, flags, from, to, 0);
    if (r == -EINVAL) {
        return r;
    }
    op->type = (uint8_t)type;
    op->flags = flags;
    op->from = from;
    op->to = to;
    out(e, op);
    if (r != -EAGAIN || op->dont_wait) {
        event_last(e, op, r);
    } else {
        run_later(e, op);
    }
    engine_nudge(e);
    return 0;
}

int unx_engine_poll(struct unx_engine *e, struct unx_op *u, int fd, int events, int timeout_ms)
{
    struct op *const op = op_of(u);
    int r = events < 0 || events > INT16_MAX ? -EINVAL : begin(e, u, OP_POLL, fd, timeout_ms);
    if (r < 0 || fd < 0) {
        return r < 0 ? r : -EBADF;
    }
    op->events = events;
    const struct line *const l = line_at(e, fd);
    if (!op->dont_wait || (l != NULL && l->closing != NULL)) {
        return start(e, op);
    }
    r = sys_poll(fd, events, 0);
    if (r == -EBADF) {
        return r;
    }
    op->fd = -1;
    out(e, op);
    event_last(e, op, r == 0 ? -EAGAIN : r);
    engine_nudge(e);
    return 0;
}

int unx_engine_timer(struct unx_engine *e, struct unx_op *u, int timeout_ms)
{
    const int r = timeout_ms < 0 ? -EINVAL : begin(e, u, OP_TIMER, -1, timeout_ms);
    if (r < 0) {
        return r;
    }
    out(e, op_of(u));
    engine_nudge(e);
    return 0;
}

int unx_engine_cancel(struct unx_engine *e, struct unx_op *u)
{
    struct op *const op = op_of(u);
    if (e == NULL || op == NULL || (op->kind == OP_CLOSE && op->state == OP_OUT)) {
        return -EINVAL;
    }
    if (op->state != OP_OUT) {
        return -ENOENT;
    }
    run_end(e, op, -ECANCELED);
    engine_nudge(e);
    return 0;
}

int unx_engine_close(struct unx_engine *e, struct unx_op *u, int fd)
{
    struct op *const op = op_of(u);
    const int r = begin(e, u, OP_CLOSE, -1, -1);
    if (r < 0 || fd < 0) {
        return r < 0 ? r : -EBADF;
    }
    if (line_at(e, fd) == NULL && sys_type(fd) == -EBADF) {
        return -EBADF;
    }
    struct line *const l = line_make(e, fd);
    if (l == NULL || l->closing != NULL) {
        return l == NULL ? -ENOMEM : -EBADF;
    }
    out(e, op);
    l->closing = op;
    for (int dir = IN; dir <= OUT; dir++) {
        if (l->first[dir] != NULL && l->first[dir]->native) {
            run_end(e, l->first[dir], -ECANCELED);
        }
    }
    run_line(e, fd, l);
    engine_nudge(e);
    return 0;
}
