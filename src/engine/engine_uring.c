// SPDX-License-Identifier: MIT
/*
 * The backend on io_uring(7), by liburing.
 *
 * Readiness comes from a poll request each time somebody waits. One thing is left to the ring whole, because it is
 * better at it: standing receives of packets. Sends gain nothing there: most go at once, and a system call for each
 * costs no more than a request and the care for its completion.
 *
 * Promises: the same results as without it. A completion is never left unreaped, so no descriptor is lost in one. One
 * request at a time for each direction of a descriptor, because the ring keeps no order among several.
 *
 * What surprised us, on Linux 6.18: an empty packet ends a multishot receive just like the end does, and recv(2) brings
 * no buffer with it. A multishot accept does not notice a listener that was shut down: connections are accepted by
 * readiness. With MSG_WAITALL packets are glued together. A datagram socket that is shut down for reading does not end
 * a receive. A ring that defers its work does not wake those who sleep on its descriptor in epoll(7).
 */
#include "engine_uring.h"
#include "message.h"

#include <errno.h>

int uring_enable(struct uring *u)
{
    if (!u->enabled) {
        /* What io_uring_enable_rings() does, which the shared library of liburing 2.3 does not export. */
        const int r = io_uring_register((unsigned)u->ring.ring_fd, IORING_REGISTER_ENABLE_RINGS, NULL, 0);
        if (r < 0) {
            return r;
        }
        u->enabled = true;
    }
    return 0;
}

static int submit(struct uring *u)
{
    int r = uring_enable(u);
    if (r == 0) {
        do {
            r = io_uring_submit(&u->ring);
        } while (r == -EINTR);
    }
    return r < 0 ? r : 0;
}

static struct io_uring_sqe *next_request(struct uring *u)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&u->ring);
    if (sqe == NULL) {
        submit(u);
        sqe = io_uring_get_sqe(&u->ring);
    }
    return sqe;
}

/* ---- the ring ---- */

#define OWN_REQUESTS 4 /* polls of our own, besides the caller's operations */

static bool forbidden(int r)
{
    return r == -EPERM || r == -ENOSYS || r == -EACCES;
}

static int make_ring(const struct unx_engine *e, struct uring *u, unsigned how)
{
    struct io_uring_params p = {
        .flags = how | IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_TASKRUN_FLAG | IORING_SETUP_SUBMIT_ALL |
                 IORING_SETUP_R_DISABLED | IORING_SETUP_CQSIZE | IORING_SETUP_CLAMP,
        .cq_entries = e->depth * 4 < 4096 ? 4096 : e->depth * 4,
    };
    u->enabled = false;
    const int r = io_uring_queue_init_params(e->depth + OWN_REQUESTS, &u->ring, &p);
    if (r < 0) {
        return r;
    }
    /* A ring that may not be entered is of no use; where it may, this one is not enabled yet. */
    const int entered = io_uring_enter((unsigned)u->ring.ring_fd, 0, 0, 0, NULL);
    const int asked = io_uring_register((unsigned)u->ring.ring_fd, IORING_UNREGISTER_EVENTFD, NULL, 0);
    if (forbidden(entered) || forbidden(asked)) {
        io_uring_queue_exit(&u->ring);
        return -EPERM;
    }
    return 0;
}

static int open_uring(struct unx_engine *e)
{
    struct uring *const u = sys_allocate(sizeof *u);
    if (u == NULL) {
        return -ENOMEM;
    }
    u->epoll = sys_epoll();
    const int r = u->epoll < 0 ? u->epoll : make_ring(e, u, IORING_SETUP_DEFER_TASKRUN);
    if (r < 0) {
        if (u->epoll >= 0) {
            sys_close(u->epoll);
        }
        sys_free(u);
        return r == -EMFILE || r == -ENFILE || r == -ENOMEM ? r : -EOPNOTSUPP;
    }
    u->like = (struct msghdr){.msg_namelen = BUFFER_NAME, .msg_controllen = RECV_CONTROL_MAX};
    e->own = u;
    return engine_watch_own(e, &u->polling, u->epoll);
}

/* The kernel takes a ring apart later, and until then a poll request that is left keeps its socket open. */
static void end_polls(struct uring *u)
{
    struct io_uring_sqe *const sqe = u->enabled ? io_uring_get_sqe(&u->ring) : NULL;
    if (sqe == NULL) {
        return;
    }
    io_uring_prep_cancel64(sqe, 0, IORING_ASYNC_CANCEL_ANY | IORING_ASYNC_CANCEL_ALL);
    io_uring_sqe_set_data64(sqe, TAG_NOBODY);
    while (u->polls > 0) {
        const int r = io_uring_submit_and_wait(&u->ring, 1);
        if (r < 0 && r != -EINTR) {
            return;
        }
        unsigned head, n = 0;
        struct io_uring_cqe *cqe;
        io_uring_for_each_cqe(&u->ring, head, cqe)
        {
            u->polls -= (cqe->user_data & TAGS) == TAG_POLL;
            n++;
        }
        io_uring_cq_advance(&u->ring, n);
    }
}

static void close_uring(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    end_polls(u);
    io_uring_queue_exit(&u->ring);
    sys_close(u->epoll);
    sys_free(u->given_memory);
    sys_free(u);
}

/* A ring that defers its work to the next call does not wake those who sleep on its descriptor: another kind is
 * needed. */
static int nest(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    struct io_uring old = u->ring;
    const bool enabled = u->enabled;
    const int r = make_ring(e, u, IORING_SETUP_COOP_TASKRUN);
    if (r < 0) {
        u->ring = old;
        u->enabled = enabled;
        return r;
    }
    io_uring_queue_exit(&old);
    for (unsigned i = 0; i < e->nblocks * LINES; i++) {
        struct line *const l = line_at(e, (int)i);
        if (l != NULL) {
            l->flying = 0;
            l->armed = l->by_epoll ? l->armed : 0;
        }
    }
    u->polls = 0;
    run_line(e, e->event, line_at(e, e->event));
    run_line(e, u->epoll, line_at(e, u->epoll));
    if (e->clock >= 0) {
        /* It was asked for before, and failed after that. */
        run_line(e, e->clock, line_at(e, e->clock));
    }
    return u->ring.ring_fd;
}

/* ---- buffers ---- */

#define OFFER_LEAST 16u
#define OFFER_LOOKS 64u

/* The ring fills its buffers in turn. So that they stay in the caches, it never has more of them than it needs, and
 * those that came back last are given first. */
void uring_offer(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    const unsigned first = OFFER_LEAST < e->nbuffers ? OFFER_LEAST : e->nbuffers;
    if (u->turns > 0) {
        u->turns--;
    } else if (u->emptied && u->target < e->nbuffers) {
        u->target = u->target * 2 < e->nbuffers ? u->target * 2 : e->nbuffers;
    } else if (u->emptied && e->nbuffers > first) {
        /* Some sockets have so much queued that they empty the ring each time, and the kernel asks them before the
         * others. With few buffers each of them finds none left, too, and goes behind those that wait. */
        u->target = first;
        u->turns = 4 * OFFER_LOOKS;
    }
    u->least = u->offered < u->least ? u->offered : u->least;
    if (++u->looks == OFFER_LOOKS) {
        u->target = u->least > u->target / 2 && u->target / 2 >= first ? u->target / 2 : u->target;
        u->looks = 0;
        u->least = u->target;
    }
    u->emptied = false;
    int n = 0;
    for (struct buffer *b; u->offered < u->target && (b = buffer_take(e, true)) != NULL; u->offered++) {
        io_uring_buf_ring_add(u->given, buffer_memory(b), (unsigned)(BUFFER_ROOM + e->buffer_size), b->number,
                              (int)u->given_mask, n++);
    }
    if (n > 0) {
        io_uring_buf_ring_advance(u->given, n);
    }
}

bool uring_emptied(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    u->emptied = true;
    return u->turns == 0 && u->target < e->nbuffers && e->free[true] != NULL;
}

static int flush(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    uring_offer(e);
    int r = io_uring_sq_ready(&u->ring) > 0 ? submit(u) : 0;
    /* What was submitted has made room. Our own event may be what was missed, so ringing would tell nobody. */
    while (r == 0 && u->missed) {
        uring_ask_again(e);
        r = submit(u);
    }
    return r;
}

static int share_buffers(struct unx_engine *e)
{
    struct uring *const u = uring_of(e);
    const size_t page = 65536; /* the largest there is */
    unsigned n = 1;
    while (n < e->nbuffers) {
        n *= 2;
    }
    u->given_memory = sys_allocate(n * sizeof(struct io_uring_buf) + page);
    if (u->given_memory == NULL) {
        return -ENOMEM;
    }
    u->given = (void *)(((uintptr_t)u->given_memory + page - 1) / page * page);
    u->given_mask = n - 1;
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)u->given, .ring_entries = n};
    const int r = io_uring_register_buf_ring(&u->ring, &reg, 0);
    if (r < 0) {
        sys_free(u->given_memory);
        u->given_memory = NULL;
        return r;
    }
    u->target = u->least = OFFER_LEAST < e->nbuffers ? OFFER_LEAST : e->nbuffers;
    uring_offer(e);
    return 0;
}

/* ---- requests ---- */

static int poll_request(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    struct io_uring_sqe *const sqe = next_request(uring_of(e));
    if (sqe == NULL) {
        uring_of(e)->missed = true;
        return 0;
    }
    io_uring_prep_poll_add(sqe, fd, events);
    io_uring_sqe_set_data64(sqe, (uint64_t)(unsigned)fd << 32 | events << 3 | TAG_POLL);
    l->armed |= (uint16_t)events;
    l->flying++;
    uring_of(e)->polls++;
    return 0;
}

/* A request holds its file, and when a process is killed its requests outlive it by some 20 ms: a listener, or a
 * receiver of datagrams, would go on taking what nobody hears, and keep its successor out. And a poll request tells
 * POLLRDHUP to those who did not ask, again and again. So some are watched by epoll(7), and that by the ring. */
static int want_by_epoll(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    struct uring *const u = uring_of(e);
    const int r = sys_epoll_watch(u->epoll, fd, l->by_epoll ? l->armed : 0, events);
    l->by_epoll = true;
    l->armed = (uint16_t)(r < 0 ? 0 : events);
    return r;
}

static void internal(struct unx_engine *e, struct op *op)
{
    struct sys_ready ready[64];
    const int n = sys_epoll_wait(op->fd, ready, 64, 0);
    for (int i = 0; i < n; i++) {
        struct line *const l = line_at(e, ready[i].fd);
        engine_ready(e, ready[i].fd, l, ready[i].events);
        const unsigned wanted = run_wanted(l);
        if (l->armed != 0 && run_useless(l, ready[i].events, wanted)) {
            want_by_epoll(e, ready[i].fd, l, wanted);
        }
    }
}

static int want(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    const bool outlives = l->type == SOCK_DGRAM || (l->first[IN] != NULL && l->first[IN]->kind == OP_ACCEPT);
    if (l->by_epoll || outlives) {
        return want_by_epoll(e, fd, l, events);
    }
    return poll_request(e, fd, l, events & ~(unsigned)l->armed);
}

static bool forget(struct unx_engine *e, int fd, struct line *l)
{
    if (l->by_epoll && l->armed != 0) {
        want_by_epoll(e, fd, l, 0);
    }
    if (l->flying > 0 && !l->cancelling) {
        struct io_uring_sqe *const sqe = next_request(uring_of(e));
        if (sqe != NULL) {
            io_uring_prep_cancel_fd(sqe, fd, IORING_ASYNC_CANCEL_ALL);
            io_uring_sqe_set_data64(sqe, TAG_NOBODY);
            l->cancelling = true;
        }
        uring_of(e)->missed |= sqe == NULL;
    }
    return l->flying == 0;
}

static bool start_recv(struct unx_engine *e, struct op *op)
{
    struct io_uring_sqe *const sqe = next_request(uring_of(e));
    if (sqe == NULL) {
        return false;
    }
    if (op->flags & UNX_PLAIN) {
        io_uring_prep_recv_multishot(sqe, op->fd, NULL, 0, MSG_TRUNC);
    } else {
        io_uring_prep_recvmsg_multishot(sqe, op->fd, &uring_of(e)->like, MSG_TRUNC | MSG_CMSG_CLOEXEC);
    }
    /* Who has nothing to receive must not ask for a buffer. */
    sqe->ioprio |= op->hup ? 0 : IORING_RECVSEND_POLL_FIRST;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT);
    sqe->buf_group = 0;
    io_uring_sqe_set_data(sqe, op);
    if (op->hup) {
        /* It is to take what is queued, and not to wait for more. */
        uring_stop(e, op);
    }
    return true;
}

/* A multishot receive on a stream goes by the number of bytes that are left, and sleeps when that is 0: although the
 * end is there already, and after a packet was read in parts, although bytes are. */
static bool shares(const struct line *l)
{
    return l->type != SOCK_STREAM;
}

static bool start(struct unx_engine *e, struct op *op, struct line *l)
{
    op->type = l->type;
    return op->kind == OP_RECV && (op->flags & UNX_STANDING) != 0 && shares(l) && start_recv(e, op);
}

void uring_stop(struct unx_engine *e, struct op *op)
{
    if (op->kind != OP_RECV) {
        return;
    }
    struct io_uring_sqe *const sqe = next_request(uring_of(e));
    if (sqe != NULL) {
        io_uring_prep_cancel(sqe, op, 0);
        io_uring_sqe_set_data64(sqe, TAG_NOBODY);
    }
    uring_of(e)->missed |= sqe == NULL;
}

void uring_ask_again(struct unx_engine *e)
{
    uring_of(e)->missed = false;
    for (unsigned i = 0; i < e->nblocks * LINES; i++) {
        struct line *const l = line_at(e, (int)i);
        struct op *const op = l == NULL ? NULL : l->first[IN];
        if (op != NULL && op->native && (op->why != 0 || op->ending || op->hup)) {
            uring_stop(e, op);
        }
        if (l != NULL && l->closing != NULL) {
            engine_quiet(e, (int)i, l);
        } else if (l != NULL && !l->by_epoll && (run_wanted(l) & ~(unsigned)l->armed) != 0) {
            want(e, (int)i, l, run_wanted(l));
        }
    }
}

const struct engine_backend engine_uring = {
    .name = "io_uring",
    .open = open_uring,
    .close = close_uring,
    .nest = nest,
    .want = want,
    .wait = uring_wait,
    .forget = forget,
    .start = start,
    .stop = uring_stop,
    .share = share_buffers,
    .shares = shares,
    .flush = flush,
    .internal = internal,
};
