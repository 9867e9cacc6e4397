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

static int may_begin(const struct unx_engine *e, const struct op *op, int timeout_ms)
{
    return e == NULL || op == NULL || timeout_ms < -1 ? -EINVAL : op->state != OP_IDLE ? -EBUSY : 0;
}

static void set_up(struct op *op, enum op_kind kind, int fd, int timeout_ms)
{
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
}

static int begin(struct unx_engine *e, struct unx_op *u, enum op_kind kind, int fd, int timeout_ms)
{
    const int r = may_begin(e, op_of(u), timeout_ms);
    if (r == 0) {
        set_up(op_of(u), kind, fd, timeout_ms);
    }
    return r;
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

/* One that stands behind nobody is tried before it stands anywhere: most go at once. Bytes that went; -EAGAIN: none. */
static ssize_t send_at_once(const struct unx_engine *e, int fd, struct unx_msg *m)
{
    struct line *const l = line_at(e, fd);
    if (l == NULL || l->first[OUT] != NULL || l->closing != NULL || l->type == 0 || l->type == NO_SOCKET) {
        return -EAGAIN;
    }
    const ssize_t n = send_bytes(fd, m, MSG_DONTWAIT);
    if (n >= 0) {
        m->len = m->full_len = (size_t)n;
    } else if (n != -EAGAIN && n != -EINTR) {
        l->tried = l->asked = false;
    }
    return n == -EINTR ? -EAGAIN : n;
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

/* All but what goes whole and has no event. n: bytes that went at once; -EAGAIN: none, another error: none ever will.
 * Cold, as a compiler knows it: so the way of the rest is a straight one, in fewer lines of the cache. */
static __attribute__((cold)) int send_on(struct unx_engine *e, struct op *op, ssize_t n, bool whole)
{
    op->gone = n > 0 ? (size_t)n : 0;
    if (whole || (n < 0 && n != -EAGAIN)) {
        e->count++;
        event_last(e, op, whole ? 1 : (int)n);
        engine_nudge(e);
        return 0;
    }
    return send_in_line(e, op);
}

int unx_engine_send(struct unx_engine *e, struct unx_op *u, int fd, struct unx_msg *m, unsigned flags, int timeout_ms)
{
    struct op *const op = op_of(u);
    const bool plain = (flags & UNX_PLAIN) != 0;
    const bool known = m != NULL && (flags & ~(UNX_PLAIN | UNX_LAZY | UNX_NOW)) == 0;
    int r = known ? may_begin(e, op, timeout_ms) : -EINVAL;
    const bool simple = r == 0 && message_is_simple(m) && m->nfds == 0 && (!plain || m->niov == 1);
    if (r == 0 && !simple) {
        r = send_check(m, flags & UNX_PLAIN);
    }
    if (r < 0) {
        return r;
    }
    message_reset(m);
    const ssize_t n = simple ? send_at_once(e, fd, m) : -EAGAIN;
    const bool whole = n > 0 && (size_t)n == (m->niov == 1 ? m->iov->iov_len : message_bytes(m));
    if (whole && (flags & UNX_NOW) != 0) {
        return 1;
    }
    set_up(op, OP_SEND, fd, timeout_ms);
    op->msg = m;
    op->flags = flags;
    return send_on(e, op, n, whole);
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
