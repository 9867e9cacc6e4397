// SPDX-License-Identifier: MIT
/*
 * What becomes of requests to the ring: completions.
 */
#include "engine_uring.h"
#include "message.h"

#include <errno.h>
#include <string.h>

/* Anything but data that is there as a whole. Cold, so that the way of the latter is a straight one. */
static __attribute__((cold)) void received_more(struct unx_engine *e, struct op *op, struct buffer *b, int res)
{
    struct receiving t = {.control_max = RECV_CONTROL_MAX};
    const bool plain = (op->flags & UNX_PLAIN) != 0;
    buffer_ready(e, b, plain, !plain && op->type == SOCK_DGRAM);
    if (plain) {
        t.plain = &b->iov;
        engine_received(e, op, b, &t, res);
        return;
    }
    char *const control = buffer_memory(b) + BUFFER_HEAD + BUFFER_NAME;
    const struct io_uring_recvmsg_out *const out = (const void *)buffer_memory(b);
    if (b->m.addr != NULL) {
        t.h.msg_name = b->x.addr.raw;
        t.h.msg_namelen = out->namelen < BUFFER_NAME ? out->namelen : BUFFER_NAME;
        memcpy(b->x.addr.raw, buffer_memory(b) + BUFFER_HEAD, t.h.msg_namelen);
    }
    t.h.msg_control = control;
    t.h.msg_controllen = out->controllen;
    t.h.msg_flags = (int)out->flags;
    engine_received(e, op, b, &t, out->payloadlen);
}

static void received(struct unx_engine *e, struct op *op, unsigned id, int res)
{
    struct buffer *const b = buffer_at(e, true, id);
    const bool plain = (op->flags & UNX_PLAIN) != 0;
    const struct io_uring_recvmsg_out *const out = (const void *)buffer_memory(b);
    const bool alone =
        plain || (op->type != SOCK_DGRAM && out->controllen == 0 && (out->flags & (MSG_TRUNC | MSG_CTRUNC)) == 0);
    const size_t n = plain ? (size_t)res : out->payloadlen;
    op->fed = false;
    if (alone && n > 0 && n <= e->buffer_size && !op->reset) {
        /* For the answer. */
        __builtin_prefetch(line_at(e, op->fd));
        buffer_hand_out_data(e, b, buffer_memory(b) + (plain ? 0 : BUFFER_ROOM), n);
        event_more(e, op, &b->m, 1);
        return;
    }
    received_more(e, op, b, res);
}

/* A multishot receive is over: the end, an empty packet, a reset, no buffers, cancelled. */
static void recv_over(struct unx_engine *e, struct op *op, int res)
{
    if (op->ending) {
        engine_done(e, op, op->result);
        return;
    }
    if (res == -ECONNRESET && op->why == 0) {
        op->reset = sys_poll(op->fd, POLLIN, 0) > 0;
        engine_done(e, op, op->reset ? -EAGAIN : res);
        return;
    }
    if ((res >= 0 || res == -ECANCELED) && op->why == 0) {
        /* To look for the end, or behind an empty packet. Datagrams that are queued come before the end. */
        const bool end = op->hup && sys_recv(op->fd, NULL, 0, MSG_PEEK | MSG_DONTWAIT) == -EAGAIN;
        engine_done(e, op, end ? 0 : -EAGAIN);
        return;
    }
    if (res == -ENOBUFS && op->why == 0 && uring_emptied(e)) {
        res = -EAGAIN;
    }
    engine_done(e, op, res < 0 ? res : -ECANCELED);
}

/* recv(2) said 0. */
static void received_nothing(struct unx_engine *e, struct op *op)
{
    const struct receiving t = {.plain = &(const struct iovec){.iov_len = 1}};
    const int packet = recv_zero(op->fd, &t);
    if (packet <= 0) {
        op->ending = true;
        op->result = packet < 0 ? packet : op->reset ? -ECONNRESET : 0;
        return;
    }
    engine_received_empty(e, op);
}

static void polled(struct unx_engine *e, uint64_t what, int res)
{
    const int fd = (int)(what >> 32);
    struct line *const l = line_at(e, fd);
    l->flying--;
    uring_of(e)->polls--;
    if (l->closing != NULL) {
        engine_quiet(e, fd, l);
        return;
    }
    if (l->by_epoll) {
        return;
    }
    l->armed &= (uint16_t) ~(what >> 3);
    unsigned events = res >= 0 ? (unsigned)res : 0;
    const bool failed = res < 0 && res != -ECANCELED;
    if (failed || (res > 0 && l->polls != NULL && l->polls->kind == OP_POLL)) {
        /* Whoever wakes a request tells what may have come, not what is; and an error may be that of the request
         * alone. If this cannot be asked either, it is made again. */
        const int is = sys_poll(fd, (int)run_wanted(l), 0);
        events = is >= 0 ? (unsigned)is : is == -EBADF ? (unsigned)POLLNVAL : 0;
    }
    if (res > 0 && ((unsigned)res & (run_wanted(l) | POLLERR | POLLHUP | POLLNVAL)) == 0) {
        l->by_epoll = true;
        l->armed = 0;
    }
    engine_ready(e, fd, l, events);
}

static void completed(struct unx_engine *e, uint64_t what, int res, unsigned flags)
{
    if ((what & TAGS) == TAG_POLL) {
        polled(e, what, res);
        return;
    }
    if ((what & TAGS) == TAG_NOBODY) {
        return;
    }
    struct op *const op = (struct op *)(uintptr_t)(what & ~(uint64_t)TAGS);
    uring_of(e)->offered -= (flags & IORING_CQE_F_BUFFER) != 0;
    if ((flags & IORING_CQE_F_BUFFER) != 0 && res < 0) {
        buffer_put(e, buffer_at(e, true, flags >> IORING_CQE_BUFFER_SHIFT));
    } else if (flags & IORING_CQE_F_BUFFER) {
        received(e, op, flags >> IORING_CQE_BUFFER_SHIFT, res);
    } else if (res == 0) {
        received_nothing(e, op);
    }
    if ((flags & IORING_CQE_F_MORE) == 0) {
        recv_over(e, op, res);
    } else if (op->ending) {
        uring_stop(e, op);
    }
}

/* Enters the kernel if there is anything to do there. */
static int enter(struct unx_engine *e, struct uring *u, int64_t ns)
{
    struct io_uring *const ring = &u->ring;
    int r = uring_enable(u);
    if (r < 0) {
        return r;
    }
    const bool overflow = io_uring_cq_has_overflow(ring);
    if (u->known > 0 && !overflow) {
        /* What is there comes first: entering would bring more of it, and a socket that was received from early has
         * left the caches when its answer is sent. But only what came with the last look: a full queue of requests is
         * submitted at any time, and what that brings would keep us from ever giving the ring its buffers. */
        return 0;
    }
    feed_all(e);
    uring_offer(e);
    /* Who missed a request is going to ask again, which needs room, and may be what this would wait for. */
    const bool wait = !overflow && !u->missed && io_uring_cq_ready(ring) == 0;
    if (ns < 0 && wait) {
        r = io_uring_submit_and_wait(ring, 1);
    } else if (ns > 0 && wait) {
        struct __kernel_timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        struct io_uring_cqe *cqe;
        r = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);
    } else if (io_uring_sq_ready(ring) > 0 || overflow ||
               (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN) != 0) {
        r = io_uring_submit_and_get_events(ring);
    }
    return r == -ETIME || r == -EBUSY || r == -EAGAIN || r > 0 ? 0 : r;
}

static const struct io_uring_cqe *completion(const struct uring *u, unsigned i)
{
    const struct io_uring_cq *const cq = &u->ring.cq;
    return &cq->cqes[(*cq->khead + i) & cq->ring_mask];
}

/* With many descriptors each operation and buffer is a miss of the cache: they are fetched before they are needed. */
static void fetch_ahead(const struct unx_engine *e, unsigned n)
{
    for (unsigned i = 1; i < n; i++) {
        const struct io_uring_cqe *const cqe = completion(uring_of(e), i);
        if ((cqe->user_data & TAGS) == 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            const char *const m = (const char *)&buffer_at(e, true, cqe->flags >> IORING_CQE_BUFFER_SHIFT)->m;
            __builtin_prefetch((const char *)(uintptr_t)cqe->user_data);
            __builtin_prefetch(m);
            __builtin_prefetch(m + 64);
            __builtin_prefetch(m + 128);
            __builtin_prefetch(m + 192);
        }
    }
}

int uring_wait(struct unx_engine *e, int64_t ns)
{
    struct uring *const u = uring_of(e);
    const int r = enter(e, u, ns);
    const unsigned ready = io_uring_cq_ready(&u->ring);
    const unsigned most = ready < ENGINE_BATCH ? ready : ENGINE_BATCH;
    u->known = u->known == 0 ? ready : u->known;
    fetch_ahead(e, most);
    unsigned n = 0;
    for (; n < most; n++) {
        const struct io_uring_cqe *const cqe = completion(u, n);
        const struct op *const op = (const struct op *)(uintptr_t)cqe->user_data;
        if ((cqe->user_data & TAGS) == 0 ? !event_room_of(e, op) : !event_room(e)) {
            break;
        }
        completed(e, cqe->user_data, cqe->res, cqe->flags);
    }
    io_uring_cq_advance(&u->ring, n);
    u->known -= n < u->known ? n : u->known;
    e->more = u->known > 0;
    if (u->missed) {
        uring_ask_again(e);
    }
    return r;
}
