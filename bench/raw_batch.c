// SPDX-License-Identifier: MIT
/*
 * Batches by hand: sendmmsg(2) and recvmmsg(2), as careful as the single calls in raw_side.c.
 *
 * Careful means, beyond what it means there: what did not go in one call goes in the next, and each message gets a
 * verdict of its own with the descriptors and the credentials that came with it. All SIDES_BATCH messages are one call,
 * which takes 50 KiB of stack for the control messages.
 *
 * What surprised us: the kernel writes msg_controllen and msg_flags of every message, so the vectors have to be made
 * anew for each call. Who keeps them, and sets only those two again, gains less than one percent.
 */
#define _GNU_SOURCE 1 /* sendmmsg(2), recvmmsg(2), struct ucred */
#include "sides.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <unx/unx.h>

#define BATCH SIDES_BATCH

union room {
    struct cmsghdr align;
    char bytes[1536];
};

union lent {
    struct cmsghdr align;
    char bytes[CMSG_SPACE(SIDES_BATCH_FDS * sizeof(int))];
};

/* What became of one message. */
struct arrival {
    int result; /* bytes, or a negative errno value */
    unsigned nfds;
    int fds[SIDES_BATCH_FDS];
    bool has_cred;
    struct ucred cred;
};

static void lend(struct msghdr *h, union lent *control, const int *fds, unsigned nfds)
{
    h->msg_control = control->bytes;
    h->msg_controllen = CMSG_SPACE(nfds * sizeof(int));
    struct cmsghdr *const m = CMSG_FIRSTHDR(h);
    m->cmsg_level = SOL_SOCKET;
    m->cmsg_type = SCM_RIGHTS;
    m->cmsg_len = CMSG_LEN(nfds * sizeof(int));
    memcpy(CMSG_DATA(m), fds, nfds * sizeof(int));
}

static int send_batch(int fd, struct iovec iov[BATCH], const int *fds, unsigned nfds)
{
    union lent control[BATCH];
    struct mmsghdr v[BATCH];
    for (unsigned i = 0; i < BATCH; i++) {
        v[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i], .msg_iovlen = 1};
        if (nfds > 0)
            lend(&v[i].msg_hdr, &control[i], fds, nfds);
    }
    for (unsigned sent = 0; sent < BATCH;) {
        const int r = sendmmsg(fd, v + sent, BATCH - sent, MSG_NOSIGNAL);
        if (r < 0 && errno != EINTR)
            return -errno;
        sent += r < 0 ? 0 : (unsigned)r;
    }
    return 0;
}

static void take_fds(struct arrival *a, const struct cmsghdr *m, unsigned max)
{
    const unsigned n = (unsigned)((m->cmsg_len - CMSG_LEN(0)) / sizeof(int));
    for (unsigned i = 0; i < n; i++) {
        int fd;
        memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
        if (a->nfds < max) {
            a->fds[a->nfds++] = fd;
        } else {
            close(fd);
            a->result = -ENOBUFS;
        }
    }
}

static void judge(struct arrival *a, struct mmsghdr *v, unsigned max_fds)
{
    struct msghdr *const h = &v->msg_hdr;
    a->result = h->msg_flags & MSG_TRUNC ? -EMSGSIZE : h->msg_flags & MSG_CTRUNC ? -EMFILE : (int)v->msg_len;
    a->nfds = 0;
    a->has_cred = false;
    for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
        if (m->cmsg_level != SOL_SOCKET)
            continue;
        if (m->cmsg_type == SCM_RIGHTS) {
            take_fds(a, m, max_fds);
        } else if (m->cmsg_type == SCM_CREDENTIALS && m->cmsg_len >= CMSG_LEN(sizeof a->cred)) {
            memcpy(&a->cred, CMSG_DATA(m), sizeof a->cred);
            a->has_cred = true;
        }
    }
    while (a->result < 0 && a->nfds > 0)
        close(a->fds[--a->nfds]);
}

/* How many came: at least one. */
static int receive_some(int fd, struct iovec *iov, struct arrival *a, unsigned n, unsigned max_fds)
{
    union room control[BATCH];
    struct mmsghdr v[BATCH];
    for (unsigned i = 0; i < n; i++)
        v[i].msg_hdr = (struct msghdr){.msg_iov = &iov[i],
                                       .msg_iovlen = 1,
                                       .msg_control = control[i].bytes,
                                       .msg_controllen = sizeof control[i].bytes};
    int r;
    do
        r = recvmmsg(fd, v, n, MSG_WAITFORONE | MSG_CMSG_CLOEXEC | MSG_TRUNC, NULL);
    while (r < 0 && errno == EINTR);
    for (int i = 0; i < r; i++)
        judge(&a[i], &v[i], max_fds);
    return r < 0 ? -errno : r;
}

static int receive_batch(const struct bench_context *c, struct iovec iov[BATCH])
{
    const bool want_cred = (c->flags & UNX_PASSCRED) != 0;
    struct arrival a[BATCH];
    for (unsigned got = 0; got < BATCH;) {
        const int r = receive_some(c->fds[1], iov + got, a, BATCH - got, c->nfds);
        if (r < 0)
            return r;
        bool right = true;
        for (int i = 0; i < r; i++) {
            const bool cred = a[i].has_cred && a[i].cred.pid > 0;
            right = right && a[i].result == (int)c->size && a[i].nfds == c->nfds && cred == want_cred;
            while (a[i].nfds > 0)
                close(a[i].fds[--a[i].nfds]);
        }
        if (!right)
            return -EPROTO;
        got += (unsigned)r;
    }
    return 0;
}

int raw_batch(struct bench_context *c, unsigned n)
{
    struct iovec data[BATCH], room[BATCH];
    int lent[SIDES_BATCH_FDS], r = 0;
    for (unsigned i = 0; i < SIDES_BATCH_FDS; i++)
        lent[i] = c->extra;
    for (unsigned i = 0; i < BATCH; i++) {
        data[i] = (struct iovec){c->buf + i * SIDES_BATCH_ROOM, c->size};
        room[i] = (struct iovec){c->buf + i * SIDES_BATCH_ROOM, SIDES_BATCH_ROOM};
    }
    for (; r == 0 && n >= BATCH; n -= BATCH) {
        r = send_batch(c->fds[0], data, lent, c->nfds);
        if (r == 0)
            r = receive_batch(c, room);
    }
    return r;
}
