// SPDX-License-Identifier: MIT
/*
 * What becomes of requests to the ring: completions, and sends that complete by silence.
 */
#include "engine_uring.h"
#include "message.h"

#include <errno.h>
#include <string.h>

static void send_over(struct unx_engine *e, struct op *op, int result)
{
    struct uring *const u = uring_of(e);
    if (op->silent) {
        op->silent = false;
        u->submitted = u->submitted == op ? op->back : u->submitted;
        u->sends_last = u->sends_last == op ? op->back : u->sends_last;
        *(op->back == NULL ? &u->sends : &op->back->link) = op->link;
        if (op->link != NULL) {
            op->link->back = op->back;
        }
        op->link = op->back = NULL;
    }
    engine_done(e, op, result);
}

/* Those that were submitted have failed, and say so here, or went. They come before what was received, which may be an
 * answer. */
static void sends_over(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    const struct io_uring_cq *const cq = &u->ring.cq;
    if (u->submitted == NULL || io_uring_cq_has_overflow(&u->ring)) {
        return;
    }
    /* Each is looked at once, however long it waits for room. */
    const unsigned head = *cq->khead, tail = io_uring_smp_load_acquire(cq->ktail);
    for (unsigned at = tail - u->looked > tail - head ? head : u->looked; at != tail; at++) {
        struct io_uring_cqe *const cqe = &cq->cqes[at & cq->ring_mask];
        if ((cqe->user_data & TAGS) == TAG_FAILED) {
            struct op *const op = (struct op *)(uintptr_t)(cqe->user_data & ~(uint64_t)TAGS);
            cqe->user_data = TAG_NOBODY;
            send_over(e, op, cqe->res);
        }
    }
    u->looked = tail;
    while (u->submitted != NULL) {
        send_over(e, u->sends, (int)message_bytes(u->sends->msg));
    }
}

static void received(struct unx_engine *e, struct op *op, unsigned id, int res)
{
    op->fed = false;
    struct buffer *const b = &e->pools[true].buffers[id];
    struct receiving t = {.control_max = RECV_CONTROL_MAX};
    ssize_t n = res;
    bool whole;
    const bool plain = (op->flags & UNX_PLAIN) != 0;
    if (plain) {
        buffer_ready(e, b, true, false);
        b->iov.iov_base = b->memory;
        t.plain = &b->iov;
        whole = (size_t)res <= b->iov.iov_len;
    } else {
        const struct io_uring_recvmsg_out *const out = (const void *)b->memory;
        buffer_ready(e, b, false, op->type == SOCK_DGRAM);
        n = out->payloadlen;
        if (b->m.addr != NULL) {
            t.h.msg_name = b->addr.raw;
            t.h.msg_namelen = out->namelen < BUFFER_NAME ? out->namelen : BUFFER_NAME;
            memcpy(b->addr.raw, b->memory + BUFFER_HEAD, t.h.msg_namelen);
        }
        t.h.msg_control = b->memory + BUFFER_HEAD + BUFFER_NAME;
        t.h.msg_controllen = out->controllen;
        t.h.msg_flags = (int)out->flags;
        whole = (out->flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && out->controllen == 0;
    }
    if (n > 0 && whole && !op->reset && b->m.addr == NULL) {
        b->m.len = b->m.full_len = (size_t)n;
        buffer_hand_out(e, b);
        event_more(e, op, &b->m, 1);
        return;
    }
    engine_received(e, op, b, &t, n);
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
    if (res == -ENOBUFS && op->why == 0 && uring_offer_more(e)) {
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
    if (res < 0 && res != -ECANCELED) {
        /* No such descriptor, or a file, which is ready. */
        events = sys_poll(fd, 0, 0) < 0 ? (unsigned)POLLNVAL : run_wanted(l) & (POLLIN | POLLOUT);
    }
    if (res > 0 && l->polls != NULL && l->polls->kind == OP_POLL) {
        /* Whoever wakes a request tells what may have come, not what is. */
        const int is = sys_poll(fd, (int)run_wanted(l), 0);
        events = is >= 0 ? (unsigned)is : (unsigned)POLLNVAL;
    }
    if (res > 0 && ((unsigned)res & (run_wanted(l) | POLLERR | POLLHUP | POLLNVAL)) == 0) {
        l->by_epoll = true;
        l->armed = 0;
    }
    engine_ready(e, fd, events);
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
    if (op->kind == OP_SEND) {
        send_over(e, op, res);
        return;
    }
    if ((flags & IORING_CQE_F_BUFFER) != 0 && res < 0) {
        buffer_put(e, &e->pools[true].buffers[flags >> IORING_CQE_BUFFER_SHIFT]);
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

/* Whether nobody waits for a send to be over. */
static bool may_sleep(const struct uring *u, unsigned room)
{
    for (const struct op *op = u->sends; op != NULL; op = op->link) {
        if ((op->flags & UNX_LAZY) == 0 || op->next != NULL || op->why != 0 || --room == 0) {
            return false;
        }
    }
    return room > 0;
}

/* Enters the kernel if there is anything to do there. */
static int enter(struct uring *u, int64_t ns, unsigned room)
{
    struct io_uring *const ring = &u->ring;
    const unsigned waiting = io_uring_sq_ready(ring), there = io_uring_cq_ready(ring);
    int r = uring_enable(u);
    if (r < 0) {
        return r;
    }
    if (ns != 0 && there == 0 && may_sleep(u, room)) {
        struct __kernel_timespec ts = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
        struct io_uring_cqe *cqe;
        r = io_uring_submit_and_wait_timeout(ring, &cqe, 1, ns < 0 ? NULL : &ts, NULL);
    } else if (waiting > 0 || io_uring_cq_has_overflow(ring) ||
               (there == 0 && (IO_URING_READ_ONCE(*ring->sq.kflags) & IORING_SQ_TASKRUN) != 0)) {
        r = io_uring_submit_and_get_events(ring);
    }
    if (io_uring_sq_ready(ring) == 0) {
        u->submitted = u->sends_last;
    }
    return r == -ETIME || r == -EBUSY || r == -EAGAIN || r > 0 ? 0 : r;
}

/* With many descriptors each operation and buffer is a miss of the cache: they are fetched before they are needed. */
static void fetch_ahead(const struct unx_engine *e, unsigned n)
{
    const struct io_uring_cq *const cq = &uring_of(e)->ring.cq;
    const unsigned head = *cq->khead;
    for (unsigned i = 1; i < n && i < 16; i++) {
        const struct io_uring_cqe *const cqe = &cq->cqes[(head + i) & cq->ring_mask];
        if ((cqe->user_data & TAGS) == 0 && (cqe->flags & IORING_CQE_F_BUFFER) != 0) {
            const struct buffer *const b = &e->pools[true].buffers[cqe->flags >> IORING_CQE_BUFFER_SHIFT];
            __builtin_prefetch((const char *)(uintptr_t)cqe->user_data);
            __builtin_prefetch((const char *)(uintptr_t)cqe->user_data + 64);
            __builtin_prefetch(b);
            __builtin_prefetch((const char *)b + 64);
            __builtin_prefetch((const char *)b + 128);
        }
    }
}

int uring_wait(struct unx_engine *e, int64_t ns)
{
    struct uring *const u = uring_of(e);
    const int r = enter(u, ns, run_full(e) ? 1 : e->room - e->nout);
    unsigned head, n = 0;
    struct io_uring_cqe *cqe;
    sends_over(e);
    fetch_ahead(e, io_uring_cq_ready(&u->ring));
    io_uring_for_each_cqe(&u->ring, head, cqe)
    {
        const struct op *const op = (const struct op *)(uintptr_t)cqe->user_data;
        if ((cqe->user_data & TAGS) == 0 ? !event_room_of(e, op) : !event_room(e)) {
            break;
        }
        completed(e, cqe->user_data, cqe->res, cqe->flags);
        n++;
    }
    io_uring_cq_advance(&u->ring, n);
    if (u->missed) {
        uring_stop_missed(e);
    }
    return r;
}
