// SPDX-License-Identifier: MIT
/*
 * Echo by hand on io_uring(7): one receive for each socket that stays armed and takes its buffers from a ring, and
 * sends that go out with the next wait; RECV and SEND, or RECVMSG and SENDMSG with room for every control message that
 * can come.
 *
 * "skip": a send says nothing unless it fails. It does not wait either, so it is done when the call that submits it
 * returns, and its buffer can be given back before that call: receives run only after all that was submitted. Without
 * it, each batch of sends wakes the server for their completions alone, and it goes to the kernel twice.
 *
 * "fixed": the sockets are registered, so the kernel need not look each of them up.
 *
 * What surprised us: 256 buffers that all begin at the same place of their pages cost some 5 % more, because they
 * share a few lines of the nearest cache; and the smaller the ring of buffers, the better, for it goes round. With 16
 * connections or more neither "skip" nor "fixed" can be told from the noise; with one connection "skip" saves a
 * twentieth.
 */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#include <liburing.h>

#define GROUP 0
#define MAX_BUFFERS 256u /* more of them only fill the caches */
#define ENTRIES 128

enum { FIXED = 1, SKIP = 2, MESSAGE = 4 };

/* Of a completion: whose it is. */
#define SENT (1ull << 63)

struct server {
    struct io_uring ring;
    struct io_uring_buf_ring *buffers;
    char *memory;
    size_t stride;
    unsigned nbuffers, returned;
    unsigned variant;
    int type;
    const int *fds;
    struct msghdr header;          /* of receiving: how a buffer is divided */
    struct iovec iov[MAX_BUFFERS]; /* of sending, for each buffer */
    struct msghdr out[MAX_BUFFERS];
};

static struct io_uring_sqe *get_sqe(struct server *s)
{
    struct io_uring_sqe *sqe = io_uring_get_sqe(&s->ring);
    while (!sqe) {
        io_uring_submit(&s->ring);
        sqe = io_uring_get_sqe(&s->ring);
    }
    return sqe;
}

static void arm(struct server *s, unsigned i)
{
    struct io_uring_sqe *const sqe = get_sqe(s);
    const int fd = s->variant & FIXED ? (int)i : s->fds[i];
    const unsigned trunc = s->type == SOCK_SEQPACKET ? MSG_TRUNC : 0;
    if (s->variant & MESSAGE)
        io_uring_prep_recvmsg_multishot(sqe, fd, &s->header, trunc | MSG_CMSG_CLOEXEC);
    else
        io_uring_prep_recv_multishot(sqe, fd, NULL, 0, (int)trunc);
    sqe->buf_group = GROUP;
    io_uring_sqe_set_flags(sqe, IOSQE_BUFFER_SELECT | (s->variant & FIXED ? IOSQE_FIXED_FILE : 0));
    sqe->user_data = i;
}

static void give_back(struct server *s, unsigned bid)
{
    io_uring_buf_ring_add(s->buffers, s->memory + bid * s->stride, (unsigned)s->stride, (unsigned short)bid,
                          io_uring_buf_ring_mask(s->nbuffers), (int)s->returned++);
}

static void send_back(struct server *s, unsigned i, unsigned bid, void *p, size_t n)
{
    struct io_uring_sqe *const sqe = get_sqe(s);
    const int fd = s->variant & FIXED ? (int)i : s->fds[i];
    const int flags = MSG_NOSIGNAL | (s->variant & SKIP ? MSG_DONTWAIT : 0);
    if (s->variant & MESSAGE) {
        s->iov[bid] = (struct iovec){p, n};
        io_uring_prep_sendmsg(sqe, fd, &s->out[bid], (unsigned)flags);
    } else {
        io_uring_prep_send(sqe, fd, p, n, flags);
    }
    io_uring_sqe_set_flags(sqe, (s->variant & FIXED ? IOSQE_FIXED_FILE : 0u) |
                                    (s->variant & SKIP ? IOSQE_CQE_SKIP_SUCCESS : 0u));
    sqe->user_data = SENT | (uint64_t)bid << 32 | n;
    if (s->variant & SKIP)
        give_back(s, bid);
}

static int sent(struct server *s, const struct io_uring_cqe *cqe)
{
    const size_t wanted = cqe->user_data & 0xffffffff;
    if (cqe->res < 0 || (size_t)cqe->res != wanted)
        return cqe->res < 0 ? cqe->res : -EPROTO;
    give_back(s, cqe->user_data >> 32 & 0xffff);
    return 1;
}

static void close_all(struct server *s, struct io_uring_recvmsg_out *o)
{
    for (struct cmsghdr *m = io_uring_recvmsg_cmsg_firsthdr(o, &s->header); m;
         m = io_uring_recvmsg_cmsg_nexthdr(o, &s->header, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
}

/* 1, 0 at the end, or a negative errno value. */
static int received(struct server *s, const struct io_uring_cqe *cqe)
{
    const unsigned i = (unsigned)cqe->user_data;
    if (!(cqe->flags & IORING_CQE_F_MORE))
        arm(s, i);
    if (cqe->res <= 0)
        return cqe->res == -ENOBUFS ? 1 : cqe->res == -ECONNRESET ? 0 : cqe->res;
    const unsigned bid = cqe->flags >> IORING_CQE_BUFFER_SHIFT;
    char *const p = s->memory + bid * s->stride;
    if (!(s->variant & MESSAGE)) {
        if ((size_t)cqe->res > s->stride)
            return -EMSGSIZE;
        send_back(s, i, bid, p, (size_t)cqe->res);
        return 1;
    }
    struct io_uring_recvmsg_out *const o = io_uring_recvmsg_validate(p, cqe->res, &s->header);
    if (!o)
        return -EPROTO;
    if (o->controllen > 0)
        close_all(s, o);
    if (o->flags & (MSG_TRUNC | MSG_CTRUNC))
        return -EMSGSIZE;
    if (o->payloadlen == 0)
        return 0;
    send_back(s, i, bid, io_uring_recvmsg_payload(o, &s->header), o->payloadlen);
    return 1;
}

static int loop(struct server *s)
{
    for (;;) {
        int r = io_uring_submit_and_wait(&s->ring, 1);
        if (r < 0 && r != -EINTR)
            return r;
        struct io_uring_cqe *cqe;
        unsigned head, n = 0;
        io_uring_for_each_cqe(&s->ring, head, cqe)
        {
            r = cqe->user_data & SENT ? sent(s, cqe) : received(s, cqe);
            if (r <= 0)
                return r;
            n++;
        }
        io_uring_buf_ring_advance(s->buffers, (int)s->returned);
        s->returned = 0;
        io_uring_cq_advance(&s->ring, n);
    }
}

static int make_buffers(struct server *s, unsigned n)
{
    /* A line or two more than a page, so that neighbours lie in different lines of the cache. */
    const size_t room =
        s->variant & MESSAGE ? sizeof(struct io_uring_recvmsg_out) + ECHO_CONTROL + ECHO_ROOM : ECHO_ROOM;
    s->stride = ((room + 63) & ~(size_t)63) + 64;
    s->nbuffers = 16;
    while (s->nbuffers < n * 2 && s->nbuffers < MAX_BUFFERS)
        s->nbuffers *= 2;
    s->memory = aligned_alloc(4096, (s->nbuffers * s->stride + 4095) & ~(size_t)4095);
    s->buffers = mmap(NULL, s->nbuffers * sizeof(struct io_uring_buf), PROT_READ | PROT_WRITE,
                      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (!s->memory || s->buffers == MAP_FAILED)
        return -ENOMEM;
    /* So that no page is new any more. */
    memset(s->memory, 0, s->nbuffers * s->stride);
    io_uring_buf_ring_init(s->buffers);
    struct io_uring_buf_reg reg = {.ring_addr = (uintptr_t)s->buffers, .ring_entries = s->nbuffers, .bgid = GROUP};
    const int r = io_uring_register_buf_ring(&s->ring, &reg, 0);
    for (unsigned i = 0; i < s->nbuffers; i++) {
        s->out[i] = (struct msghdr){.msg_iov = &s->iov[i], .msg_iovlen = 1};
        give_back(s, i);
    }
    io_uring_buf_ring_advance(s->buffers, (int)s->returned);
    s->returned = 0;
    return r;
}

static int run(const struct echo_server *e, const struct echo_job *j)
{
    static struct server s;
    s.variant = e->variant;
    s.type = j->type;
    s.fds = j->fds;
    s.header.msg_controllen = ECHO_CONTROL;
    struct io_uring_params p = {.flags = IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CQSIZE |
                                         IORING_SETUP_CLAMP,
                                .cq_entries = 4096};
    int r = io_uring_queue_init_params(ENTRIES, &s.ring, &p);
    /* Forbidden, or older than these flags. */
    if (r < 0)
        return r == -EPERM || r == -ENOSYS || r == -EINVAL ? -EOPNOTSUPP : r;
    io_uring_register_ring_fd(&s.ring);
    if (s.variant & FIXED)
        r = io_uring_register_files(&s.ring, j->fds, j->nfds);
    if (r >= 0)
        r = make_buffers(&s, j->nfds);
    if (r < 0)
        return r;
    for (unsigned i = 0; i < j->nfds; i++)
        arm(&s, i);
    return loop(&s);
}

#define BOTH (ECHO_SEQPACKET | ECHO_STREAM)

const struct echo_server echo_uring[] = {
    {"raw-uring", ECHO_RAW, BOTH, run, 0, 0},
    {"raw-uring-skip", ECHO_RAW, BOTH, run, SKIP, 0},
    {"raw-uring-fixed-skip", ECHO_RAW, BOTH, run, FIXED | SKIP, 0},
    {"raw-uring-msg", ECHO_RAW_MSG, BOTH, run, MESSAGE, 0},
    {"raw-uring-skip-msg", ECHO_RAW_MSG, BOTH, run, SKIP | MESSAGE, 0},
    {"raw-uring-fixed-skip-msg", ECHO_RAW_MSG, BOTH, run, FIXED | SKIP | MESSAGE, 0},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
