// SPDX-License-Identifier: MIT
/*
 * One attempt at an operation, without waiting: the calls of libunx, and so their results.
 *
 * What surprised us: a stream that was given a message in several parts may only be given the descriptors with the
 * first.
 */
#include "engine.h"
#include "message.h"

#include <errno.h>

/* A stream may have taken a part: 1 when all has gone, else -EAGAIN. */
static int sent(struct op *op, size_t n)
{
    struct unx_msg *const m = op->msg;
    op->gone += n;
    m->len = m->full_len = op->gone;
    return op->type != SOCK_STREAM || op->gone >= message_bytes(m) - m->skip ? 1 : -EAGAIN;
}

static int send_rest(struct op *op)
{
    struct unx_msg part = *op->msg;
    struct iovec rest;
    if (op->flags & UNX_PLAIN) {
        rest = (struct iovec){(char *)part.iov->iov_base + op->gone, part.iov->iov_len - op->gone};
        part.iov = &rest;
    } else {
        part.skip += op->gone;
    }
    const int r = unx_send(op->fd, &part, (op->flags & UNX_PLAIN) | UNX_DONTWAIT);
    return r == 1 ? sent(op, part.len) : r;
}

static int try_send(struct op *op)
{
    size_t before = op->gone;
    int r;
    if (before == 0) {
        r = unx_send(op->fd, op->msg, (op->flags & UNX_PLAIN) | UNX_DONTWAIT);
        r = r == 1 ? sent(op, op->msg->len) : r;
    } else {
        r = send_rest(op);
    }
    /* A part may be all that one call takes, and there is room for more. */
    while (r == -EAGAIN && op->gone > before) {
        before = op->gone;
        r = send_rest(op);
    }
    return r;
}

/* As unx_recv(), but into room that is clear already. n: what recv(2) has said, if it was asked. */
static __attribute__((noinline)) int receive_more(struct unx_engine *e, struct op *op, struct buffer *b, ssize_t n)
{
    char control[RECV_CONTROL_MAX] __attribute__((aligned(8)));
    struct unx_msg *const m = &b->m;
    struct receiving t;
    const bool plain = (op->flags & UNX_PLAIN) != 0;
    buffer_ready(e, b, plain, !plain && op->type == SOCK_DGRAM);
    recv_prepare(&t, m, plain ? UNX_PLAIN : 0, control);
    if (!plain) {
        n = sys_recvmsg(op->fd, &t.h, MSG_DONTWAIT);
        if (n > 0 && (t.h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && t.h.msg_controllen == 0 && m->addr == NULL) {
            buffer_hand_out_data(e, b, b->iov.iov_base, (size_t)n);
            return 1;
        }
    }
    n = n < 0 ? recv_take_on(op->fd, &t, 0, UNX_DONTWAIT, n) : n;
    const int r = message_done(m, n < 0 ? (int)n : recv_judge(op->fd, m, &t, n, op->flags));
    if (r == 1 || (r < 0 && unx_one_message(r))) {
        buffer_hand_out(e, b);
    }
    return r;
}

static int receive(struct unx_engine *e, struct op *op, struct buffer *b)
{
    ssize_t n = 0;
    if (op->flags & UNX_PLAIN) {
        n = sys_recv(op->fd, buffer_memory(b), e->buffer_size, MSG_DONTWAIT);
        if (n > 0 && (size_t)n <= e->buffer_size) {
            buffer_hand_out_data(e, b, buffer_memory(b), (size_t)n);
            return 1;
        }
    }
    return receive_more(e, op, b, n);
}

static int try_standing(struct unx_engine *e, struct op *op)
{
    if (!event_room_of(e, op)) {
        return TRY_LATER;
    }
    /* Whoever waits for a buffer already is first. */
    const bool none = run_full(e) || (e->starved != NULL && !op->fed);
    struct buffer *const b = none ? NULL : buffer_take(e, false);
    if (b == NULL) {
        return TRY_STARVED;
    }
    op->fed = false;
    const int r = receive(e, op, b);
    if (b->out) {
        event_more(e, op, &b->m, r);
        return TRY_MORE;
    }
    buffer_put(e, b);
    return r;
}

static int try_accept(struct unx_engine *e, struct op *op)
{
    const bool standing = (op->flags & UNX_STANDING) != 0;
    if (standing && !event_room_of(e, op)) {
        return TRY_LATER;
    }
    int r = unx_accept(op->fd, op->flags & ~UNX_STANDING, NULL);
    if (r == -EAGAIN && op->blocked && sys_poll(op->fd, POLLRDHUP, 0) > 0) {
        /* It was shut down, which is said only to those who block. */
        r = -EINVAL;
    }
    if (!standing || r == -EAGAIN) {
        return r;
    }
    if (r < 0 && r != -EMFILE && r != -ENFILE && r != -ENOBUFS && r != -ENOMEM) {
        return r;
    }
    op->pause_ms = r < 0 ? 100 : 0;
    event_more(e, op, NULL, r);
    return TRY_MORE;
}

int try_op(struct unx_engine *e, struct op *op, const struct line *l)
{
    op->type = l->type;
    switch (op->kind) {
    case OP_SEND:
        return try_send(op);
    case OP_RECV:
        return op->flags & UNX_STANDING ? try_standing(e, op) : unx_recv(op->fd, op->msg, op->flags | UNX_DONTWAIT);
    default:
        return try_accept(e, op);
    }
}
