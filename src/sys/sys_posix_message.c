// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: messages, one and many, by sendmsg(2) and recvmsg(2) alone.
 *
 * Promises: as on Linux a result that is larger than the room says that a packet was cut. How large it was is known where
 * nothing was taken: a peek looks again, with more room. Who has taken it is told one byte more than there was room for.
 * Descriptors that found no place are a message without them, marked MSG_CTRUNC, whatever error the system has for it.
 *
 * What surprised us: only Linux tells the length of a packet that was cut. A peek with room for control data copies
 * addresses of the kernel where the descriptors would be, so there is no such peek. A receive without room for a byte
 * returns at once, although nothing is there. A full table of descriptors is EMFILE on FreeBSD and EMSGSIZE on OpenBSD and
 * macOS, the descriptors are gone, and the data of a connection is still queued.
 */
#include "sys_posix.h"

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

ssize_t sys_sendmsg(int fd, const struct msghdr *h, int flags)
{
    struct iovec none = {.iov_base = &none, .iov_len = 0};
    struct msghdr as_is = *h;
    if (as_is.msg_iovlen == 0) {
        /* An empty array is too many elements for some. */
        as_is.msg_iov = &none;
        as_is.msg_iovlen = 1;
    }
    const int more = system_send_flags(fd);
    const ssize_t r = more < 0 ? more : QUIET(UNCANCELLED(sendmsg(fd, &as_is, flags | more)));
    /* A full buffer of the receiver of datagrams: it waits for nobody. */
    return r == -ENOBUFS && sys_type(fd) == SOCK_DGRAM ? -EAGAIN : r;
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

/* The length of the next packet, which stays queued, as far as 256 KiB. One piece of memory takes all of it, again and again. */
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
    ssize_t n = looks ? peek(fd, &mine, flags) : receive(fd, &mine, flags);
    if (n >= 0) {
        h->msg_namelen = mine.msg_namelen;
        h->msg_controllen = mine.msg_controllen;
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
