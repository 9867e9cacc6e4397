// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: messages, one and many, by sendmsg(2) and recvmsg(2) alone.
 *
 * Promises: as on Linux a result that is larger than the room says that a packet was cut. How large it was is known
 * where nothing was taken: a peek looks again, with more room. Who has taken it is told one byte more than there was
 * room for. Descriptors that found no place are a message without them, marked MSG_CTRUNC,
 * whatever error the system has for it.
 *
 * What surprised us: only Linux tells the length of a packet that was cut. A peek with room for control data copies
 * addresses of the kernel where the descriptors would be, so there is no such peek. A receive without room for a byte
 * returns at once, although nothing is there. A full table of descriptors is EMFILE on FreeBSD and EMSGSIZE on OpenBSD
 * and macOS, the descriptors are gone, and the data of a connection is still queued. A datagram for a full receiver is
 * ENOBUFS at once, also for a sender that may wait, so the waiting is done here.
 */
#if !defined(__linux__)
#include "sys_posix.h"

#include <poll.h>
#include <string.h>
#include <sys/uio.h>

static size_t room(const struct msghdr *h)
{
    size_t sum = 0;
    for (size_t i = 0; i < (size_t)h->msg_iovlen; i++) {
        sum += h->msg_iov[i].iov_len;
    }
    return sum;
}

/* ---- sending ---- */

int posix_send_flags(int fd, bool lost)
{
    const int type = sys_type(fd);
    if (type == SOCK_SEQPACKET) {
        return lost ? -EOPNOTSUPP : MSG_NOSIGNAL | MSG_EOR;
    }
    return type < 0 ? type : MSG_NOSIGNAL;
}

/* A full receiver of datagrams is an error there, also for who may wait, and nothing tells when there is room. */
static int pause_sender(int fd, int flags, int64_t since)
{
    int64_t timeout = -1;
    if ((flags & MSG_DONTWAIT) != 0 || sys_get_nonblock(fd) != 0) {
        return -EAGAIN;
    }
    const int r = sys_get_timeout(fd, UNX_SEND, &timeout);
    if (r < 0 || (timeout >= 0 && sys_now() - since >= timeout)) {
        return r < 0 ? r : -EAGAIN;
    }
    return QUIET(UNCANCELLED(poll(NULL, 0, 2)));
}

/* A packet of which `sent` bytes went, and nobody can take them back: what is sent next would be a part of it. So the
 * rest follows, and if nobody makes room for it, nothing more is sent here. */
static ssize_t finish_packet(int fd, const struct msghdr *h, size_t sent, int flags)
{
    const int64_t patience = 1000000000;
    const size_t all = room(h);
    while (sent < all) {
        size_t before = 0, i = 0;
        while (sent >= before + h->msg_iov[i].iov_len) {
            before += h->msg_iov[i++].iov_len;
        }
        const size_t n = before + h->msg_iov[i].iov_len - sent;
        const int mark = sent + n == all ? 0 : MSG_EOR;
        const char *const at = (const char *)h->msg_iov[i].iov_base + (sent - before);
        const ssize_t r = QUIET(UNCANCELLED(send(fd, at, n, flags & ~mark)));
        const bool again = r == -EINTR || (r == -EAGAIN && sys_poll(fd, POLLOUT, patience) != 0);
        if (r < 0 && !again) {
            sys_shutdown(fd, SHUT_WR);
            return r == -EAGAIN ? -EPIPE : r;
        }
        sent += r < 0 ? 0 : (size_t)r;
    }
    return (ssize_t)all;
}

ssize_t sys_sendmsg(int fd, const struct msghdr *h, int flags)
{
    struct iovec none = {.iov_base = &none, .iov_len = 0};
    struct msghdr as_is = *h;
    if (as_is.msg_iovlen == 0) {
        /* An empty array is too many elements for some. */
        as_is.msg_iov = &none;
        as_is.msg_iovlen = 1;
    }
    const int more = system_send_flags(fd, room(h), flags);
    if (more < 0) {
        return more;
    }
    for (int64_t since = 0;;) {
        const ssize_t r = QUIET(UNCANCELLED(sendmsg(fd, &as_is, flags | more)));
        if (r > 0 && (more & MSG_EOR) != 0 && (size_t)r < room(h)) {
            return finish_packet(fd, h, (size_t)r, flags | more);
        }
        if (r != -ENOBUFS || sys_type(fd) != SOCK_DGRAM) {
            return r;
        }
        since = since == 0 ? sys_now() : since;
        const int paused = pause_sender(fd, flags, since);
        if (paused < 0) {
            return paused;
        }
    }
}

int sys_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    for (unsigned i = 0; i < n; i++) {
        const ssize_t r = sys_sendmsg(fd, &v[i].msg_hdr, flags);
        if (r < 0) {
            return i > 0 ? (int)i : (int)r;
        }
        v[i].msg_len = (unsigned)r;
        if ((size_t)r < room(&v[i].msg_hdr)) {
            return (int)i + 1;
        }
    }
    return (int)n;
}

ssize_t sys_send(int fd, const void *p, size_t n, int flags)
{
    struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
    struct msghdr h;
    memset(&h, 0, sizeof h);
    h.msg_iov = &iov;
    h.msg_iovlen = 1;
    return sys_sendmsg(fd, &h, flags);
}

/* ---- receiving ---- */

void posix_make_cloexec(struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        const size_t len = c->cmsg_len >= CMSG_LEN(0) ? c->cmsg_len - CMSG_LEN(0) : 0;
        const bool rights = c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
        for (size_t i = 0; rights && i + sizeof(int) <= len; i += sizeof(int)) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i, sizeof fd);
            (void)sys_set_cloexec(fd);
        }
    }
}

/* The length of the next packet, which stays queued, as far as 256 KiB.
 * One piece of memory takes all of it, again and again. */
static ssize_t next_length(int fd, int flags)
{
    char scratch[1024];
    struct iovec iov[256];
    struct msghdr h;
    for (size_t i = 0; i < sizeof iov / sizeof *iov; i++) {
        iov[i] = (struct iovec){.iov_base = scratch, .iov_len = sizeof scratch};
    }
    memset(&h, 0, sizeof h);
    h.msg_iov = iov;
    h.msg_iovlen = sizeof iov / sizeof *iov;
    return system_recvmsg(fd, &h, flags | MSG_PEEK);
}

static ssize_t peek_packet(int fd, struct msghdr *h, int flags)
{
    const size_t max = room(h);
    const ssize_t n = max == 0 ? 0 : system_recvmsg(fd, h, flags);
    if (n < 0 || (max > 0 && (size_t)n < max)) {
        return n;
    }
    const ssize_t all = next_length(fd, max == 0 ? flags : flags | MSG_DONTWAIT);
    if (all > (ssize_t)max) {
        h->msg_flags |= MSG_TRUNC;
        return all;
    }
    return max == 0 ? all : (h->msg_flags & MSG_TRUNC) != 0 ? (ssize_t)max + 1 : n;
}

static ssize_t peek(int fd, struct msghdr *h, int flags)
{
    if (h->msg_controllen > 0) {
        return -EOPNOTSUPP;
    }
    const int type = sys_type(fd);
    if (type != SOCK_STREAM) {
        return type < 0 ? type : peek_packet(fd, h, flags);
    }
    return room(h) == 0 ? 0 : system_recvmsg(fd, h, flags);
}

/* The descriptors of the next message cannot be installed; the message can be had without, if it is still there. */
static ssize_t receive_without(int fd, struct msghdr *h, int flags, const struct msghdr *asked)
{
    *h = *asked;
    ssize_t n = sys_type(fd) == SOCK_DGRAM ? 0 : system_recvmsg(fd, h, flags | MSG_DONTWAIT);
    if (n < 0 && n != -EAGAIN) {
        return n;
    }
    if (n <= 0) {
        *h = *asked;
        h->msg_namelen = 0;
        n = 0;
    }
    h->msg_controllen = 0;
    h->msg_flags |= MSG_CTRUNC;
    return n;
}

static ssize_t receive(int fd, struct msghdr *h, int flags)
{
    const struct msghdr asked = *h;
    const ssize_t n = system_recvmsg(fd, h, flags);
    if ((n == -EMFILE || n == -EMSGSIZE) && asked.msg_controllen > 0) {
        return receive_without(fd, h, flags, &asked);
    }
    return n;
}

ssize_t sys_recvmsg(int fd, struct msghdr *h, int flags)
{
    struct iovec none = {.iov_base = &none, .iov_len = 0};
    struct msghdr mine = *h;
    if (mine.msg_iovlen == 0) {
        mine.msg_iov = &none;
        mine.msg_iovlen = 1;
    }
    mine.msg_flags = 0;
    const bool looks = (flags & MSG_PEEK) != 0;
    /* What comes to no room at all is dropped without a word, to too little with one. */
    char head[sizeof(struct cmsghdr)] __attribute__((aligned(8)));
    const bool no_room = !looks && mine.msg_control != NULL && mine.msg_controllen == 0;
    if (no_room) {
        mine.msg_control = head;
        mine.msg_controllen = sizeof head;
    }
    ssize_t n = looks ? peek(fd, &mine, flags) : receive(fd, &mine, flags);
    if (n >= 0) {
        h->msg_namelen = mine.msg_namelen;
        h->msg_controllen = no_room ? 0 : mine.msg_controllen;
        h->msg_flags = mine.msg_flags;
    }
    return n >= 0 && !looks && (mine.msg_flags & MSG_TRUNC) != 0 ? (ssize_t)room(h) + 1 : n;
}

/* No message and no end. An error is told once, and the next call shall hear of it: a peek leaves it where it is. */
static bool nothing_is_next(int fd)
{
    char c;
    const ssize_t r = QUIET(UNCANCELLED(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT)));
    return r < 0;
}

int sys_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    for (unsigned i = 0; i < n; i++) {
        if (i > 0 && nothing_is_next(fd)) {
            return (int)i;
        }
        const int how = i > 0 && (flags & MSG_WAITFORONE) != 0 ? MSG_DONTWAIT : 0;
        const ssize_t r = sys_recvmsg(fd, &v[i].msg_hdr, (flags & ~MSG_WAITFORONE) | how);
        if (r < 0) {
            return i > 0 ? (int)i : (int)r;
        }
        v[i].msg_len = (unsigned)r;
        /* Of packets the end is said again and again, as on Linux, since an empty one looks the same. */
        if (r == 0 && sys_type(fd) == SOCK_STREAM) {
            return (int)i + 1;
        }
    }
    return (int)n;
}

ssize_t sys_recv(int fd, void *p, size_t n, int flags)
{
    struct iovec iov = {.iov_base = p, .iov_len = n};
    struct msghdr h;
    memset(&h, 0, sizeof h);
    h.msg_iov = &iov;
    h.msg_iovlen = n == 0 ? 0 : 1;
    return sys_recvmsg(fd, &h, flags);
}

#endif
