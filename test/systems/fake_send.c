// SPDX-License-Identifier: MIT
/*
 * sendmsg(2) of another system: what it refuses, and what it does with a message that Linux would treat in another way.
 *
 * What surprised us: a packet of FreeBSD 15 that does not wait is sent as far as there is room, and the rest is the
 * sender's to send; an empty one has success and is not there.
 */
#include "fake.h"

#include <fcntl.h>
#include <limits.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* What of the control data goes to Linux. */
struct carried {
    int fds[FDS_MAX];
    unsigned nfds;
    struct mark mark;
};

static size_t total(const struct iovec *iov, size_t n)
{
    size_t sum = 0;
    for (size_t i = 0; i < n; i++) {
        if (iov[i].iov_len > SSIZE_MAX - sum) {
            return SIZE_MAX;
        }
        sum += iov[i].iov_len;
    }
    return sum;
}

static int take_fds(struct carried *c, const char *data, size_t len)
{
    const size_t n = len / sizeof(int);
    if (c->nfds + n > fake->fds_max) {
        return fail(EMSGSIZE);
    }
    memcpy(c->fds + c->nfds, data, n * sizeof(int));
    c->nfds += (unsigned)n;
    return 0;
}

static int take_control(struct carried *c, const struct their_msghdr *h)
{
    const size_t head = CROSS_CMSG_ALIGN(sizeof(struct their_cmsghdr));
    const char *const data = h->msg_control;
    for (size_t at = 0; data != NULL && at < h->msg_controllen;) {
        struct their_cmsghdr one;
        if (h->msg_controllen - at < sizeof one) {
            return fail(EINVAL);
        }
        memcpy(&one, data + at, sizeof one);
        const bool exact = CROSS_CMSG_ALIGN(one.cmsg_len) == h->msg_controllen || one.cmsg_len == h->msg_controllen;
        if (one.cmsg_len < head || one.cmsg_len > h->msg_controllen - at || one.cmsg_level != SOL_SOCKET ||
            (fake->one_control && !exact)) {
            return fail(EINVAL);
        }
        if (one.cmsg_type == SCM_RIGHTS) {
            if (take_fds(c, data + at + head, one.cmsg_len - head) != 0) {
                return -1;
            }
#if defined(FAKE_FREEBSD) || defined(FAKE_DRAGONFLY)
        } else if (one.cmsg_type == SCM_CREDS && one.cmsg_len == head + sizeof(struct cmsgcred)) {
            c->mark.cred = true;
#endif
        } else {
            return fail(EINVAL);
        }
        at += CROSS_CMSG_ALIGN(one.cmsg_len);
    }
    return 0;
}

static ssize_t give(int fd, const struct msghdr *what, const struct carried *c, int flags)
{
    char room[CMSG_SPACE(sizeof(int) * (FDS_MAX + 1))] __attribute__((aligned(8)));
    struct msghdr l = *what;
    int fds[FDS_MAX + 1];
    unsigned n = c->nfds;
    int mark = -1;
    memcpy(fds, c->fds, n * sizeof(int));
    if (c->mark.cred || c->mark.goes_on) {
        struct mark m = c->mark;
        m.pid = getpid();
        m.uid = getuid();
        m.euid = geteuid();
        m.gid = getgid();
        mark = mark_make(&m);
        if (mark < 0) {
            return -1;
        }
        fds[n++] = mark;
    }
    if (n > 0) {
        memset(room, 0, sizeof room);
        l.msg_control = room;
        l.msg_controllen = CMSG_SPACE(n * sizeof(int));
        struct cmsghdr *const one = CMSG_FIRSTHDR(&l);
        one->cmsg_level = SOL_SOCKET;
        one->cmsg_type = SCM_RIGHTS;
        one->cmsg_len = CMSG_LEN(n * sizeof(int));
        memcpy(CMSG_DATA(one), fds, n * sizeof(int));
    }
    const ssize_t r = sendmsg(fd, &l, flags);
    const int error = errno;
    if (mark >= 0) {
        close(mark);
    }
    errno = error;
    return r;
}

/* The beginning of a packet for which there is no room, as much as half of it, if there is room for that. */
static ssize_t give_part(int fd, const struct msghdr *what, const struct carried *c, int flags)
{
    char part[4096];
    size_t n = 0;
    const size_t want = total(what->msg_iov, what->msg_iovlen) / 2;
    for (size_t i = 0; i < what->msg_iovlen && n < sizeof part && n < want; i++) {
        size_t here = what->msg_iov[i].iov_len;
        here = here < sizeof part - n ? here : sizeof part - n;
        here = here < want - n ? here : want - n;
        memcpy(part + n, what->msg_iov[i].iov_base, here);
        n += here;
    }
    struct iovec iov = {.iov_base = part, .iov_len = n};
    const struct msghdr l = {.msg_iov = &iov, .msg_iovlen = 1};
    struct carried goes_on = *c;
    goes_on.mark.goes_on = true;
    return n == 0 ? fail(EAGAIN) : give(fd, &l, &goes_on, flags);
}

static int allowed(int type, const struct their_msghdr *h, size_t size, int flags)
{
    if (type < 0) {
        return -1;
    }
    if (h->msg_iovlen <= 0 || h->msg_iovlen > 1024) {
        return fail(EMSGSIZE);
    }
    if (size == SIZE_MAX) {
        return fail(EINVAL);
    }
    if ((flags & MSG_EOR) != 0 && type == SOCK_STREAM && !fake->eor_of_streams) {
        return fail(EINVAL);
    }
    return type == SOCK_DGRAM && fake->datagram_buffer > 0 && size > 65536 ? fail(EMSGSIZE) : 0;
}

static ssize_t send_packet(int fd, const struct msghdr *l, struct carried *c, int flags, size_t size)
{
    if (size == 0 && !fake->empty) {
        return 0;
    }
    c->mark.goes_on = fake->marks && (flags & MSG_EOR) == 0;
    const ssize_t r = give(fd, l, c, flags);
    return r < 0 && errno == EAGAIN && fake->marks && size > 1024 ? give_part(fd, l, c, flags) : r;
}

ssize_t fake_sendmsg(int fd, const struct their_msghdr *h, int flags)
{
    const int type = type_of(fd);
    const size_t size = total(h->msg_iov, h->msg_iovlen < 0 ? 0 : (size_t)h->msg_iovlen);
    struct sockaddr_storage a;
    struct carried c = {.nfds = 0};
    struct msghdr l = {.msg_iov = h->msg_iov, .msg_iovlen = (size_t)h->msg_iovlen};
    if (allowed(type, h, size, flags) != 0 || take_control(&c, h) != 0) {
        return -1;
    }
    if (h->msg_name != NULL && h->msg_namelen > 0) {
        const int n = address_in(&a, h->msg_name, h->msg_namelen);
        if (n < 0) {
            return -1;
        }
        l.msg_name = &a;
        l.msg_namelen = (socklen_t)n;
    }
    if (type == SOCK_SEQPACKET) {
        return send_packet(fd, &l, &c, flags, size);
    }
    if (type == SOCK_DGRAM && size == 0 && !fake->empty_datagram) {
        return 0;
    }
    const bool drops = type == SOCK_DGRAM && fake->drops_full;
    const ssize_t r = give(fd, &l, &c, flags | (drops ? MSG_DONTWAIT : 0));
    return r < 0 && drops && errno == EAGAIN ? fail(ENOBUFS) : r;
}

ssize_t fake_send(int fd, const void *p, size_t n, int flags)
{
    struct iovec iov = {.iov_base = (void *)(uintptr_t)p, .iov_len = n};
    const struct their_msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    return fake_sendmsg(fd, &h, flags);
}
