// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: sockets, their options, waiting. What they do not agree on is asked of the file of the system.
 *
 * What surprised us: a full backlog and nobody at all are one error there, ECONNREFUSED; a datagram connect(2) tells them
 * apart, because it says EPROTOTYPE where somebody is bound. (Who is bound and does not listen yet counts as full too.) A
 * buffer that is larger than allowed is refused instead of lowered. An accepted socket inherits O_NONBLOCK. An unbound
 * socket may have an address of no length. No system but Linux has SO_DOMAIN for certain, so the address tells the family.
 */
#include "sys_posix.h"

#include <poll.h>
#include <string.h>
#include <sys/filio.h>
#include <sys/ioctl.h>
#include <sys/time.h>
#include <time.h>

int sys_bind(int fd, const struct unx_addr *a)
{
    return system_bind(fd, a);
}

int posix_bind(int fd, const struct unx_addr *a)
{
    /* Nobody else finds a free name for a socket. */
    return a->len <= offsetof(struct sockaddr_un, sun_path) ? -EOPNOTSUPP : QUIET(bind(fd, &a->sa, a->len));
}

int sys_listen(int fd, int backlog)
{
    return QUIET(listen(fd, backlog < 0 ? INT32_MAX : backlog));
}

int posix_connect(int fd, const struct unx_addr *a)
{
    return QUIET(UNCANCELLED(connect(fd, &a->sa, a->len)));
}

static bool somebody_is_bound(const struct unx_addr *a)
{
    const int fd = sys_socket(SOCK_DGRAM, true);
    const int r = fd < 0 ? fd : system_connect(fd, a);
    if (fd >= 0) {
        sys_close(fd);
    }
    return r == -EPROTOTYPE;
}

int sys_connect(int fd, const struct unx_addr *a)
{
    const int r = system_connect(fd, a);
    if (r != -ECONNREFUSED || sys_type(fd) == SOCK_DGRAM || !somebody_is_bound(a)) {
        return r;
    }
    /* A full backlog: who may block waits a little, since nothing will tell when there is room. */
    if (sys_get_nonblock(fd) == 0) {
        sys_sleep(5000000);
    }
    return -EAGAIN;
}

int sys_disconnect(int fd)
{
    struct sockaddr none;
    memset(&none, 0, sizeof none);
    none.sa_family = AF_UNSPEC;
    const int r = QUIET(UNCANCELLED(connect(fd, &none, sizeof none)));
    /* Said by some although it was done; the address has no other use. */
    return r == -EAFNOSUPPORT ? 0 : r;
}

int sys_local_addr(int fd, struct unx_addr *a)
{
    a->len = sizeof a->raw;
    return QUIET(getsockname(fd, &a->sa, &a->len));
}

int sys_peer_addr(int fd, struct unx_addr *a)
{
    a->len = sizeof a->raw;
    return QUIET(getpeername(fd, &a->sa, &a->len));
}

int sys_shutdown(int fd, int how)
{
    return QUIET(shutdown(fd, how));
}

int sys_close(int fd)
{
    /* After EINTR the descriptor is gone as well: closing again could close somebody else's. */
    return QUIET(UNCANCELLED(close(fd)));
}

int sys_discard(int fd)
{
    struct linger off;
    memset(&off, 0, sizeof off);
    (void)QUIET(setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off));
    return sys_close(fd);
}

int sys_dup(int fd)
{
    return QUIET(fcntl(fd, F_DUPFD_CLOEXEC, 3));
}

/* ---- what a socket is, and its options ---- */

int posix_option(int fd, int level, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    const int r = QUIET(getsockopt(fd, level, name, &value, &len));
    return r == -ENOPROTOOPT ? -EOPNOTSUPP : r < 0 ? r : value;
}

int posix_set_option(int fd, int level, int name, int value)
{
    const int r = QUIET(setsockopt(fd, level, name, &value, sizeof value));
    return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
}

int sys_family(int fd)
{
    struct unx_addr a;
    const int r = sys_local_addr(fd, &a);
    return r < 0 ? r : a.len == 0 ? AF_UNIX : a.sa.sa_family;
}

int sys_type(int fd)
{
    return posix_option(fd, SOL_SOCKET, SO_TYPE);
}

int sys_listening(int fd)
{
    const int r = posix_option(fd, SOL_SOCKET, SO_ACCEPTCONN);
    return r < 0 ? r : r != 0; /* some answer with the bit itself */
}

int sys_set_timeout(int fd, unsigned which, int64_t ns)
{
    struct timeval tv;
    memset(&tv, 0, sizeof tv);
    if (ns >= 0) {
        const int64_t us = (ns + 999) / 1000;
        tv.tv_sec = (time_t)(us / 1000000);
        tv.tv_usec = (suseconds_t)(us % 1000000);
    }
    return QUIET(setsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, sizeof tv));
}

int sys_get_timeout(int fd, unsigned which, int64_t *ns)
{
    struct timeval tv;
    socklen_t len = sizeof tv;
    memset(&tv, 0, sizeof tv);
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &len));
    const bool none = (tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec > INT64_MAX / 1000000000 - 1;
    *ns = none ? -1 : tv.tv_sec * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
    return r;
}

int sys_set_nonblock(int fd, bool on)
{
    int value = on;
    return QUIET(ioctl(fd, FIONBIO, &value));
}

int sys_get_nonblock(int fd)
{
    const int flags = QUIET(fcntl(fd, F_GETFL));
    return flags < 0 ? flags : (flags & O_NONBLOCK) != 0;
}

int sys_set_cloexec(int fd)
{
    return QUIET(fcntl(fd, F_SETFD, FD_CLOEXEC));
}

int sys_send_buffer(int fd)
{
    return posix_option(fd, SOL_SOCKET, SO_SNDBUF);
}

int sys_set_send_buffer(int fd, int bytes)
{
    const int now = sys_send_buffer(fd);
    int r = now < 0 ? now : posix_set_option(fd, SOL_SOCKET, SO_SNDBUF, bytes);
    /* As near as the system allows, by halves, and never below what it is. */
    for (int wish = bytes / 2; (r == -ENOBUFS || r == -EINVAL) && wish > now; wish /= 2) {
        r = posix_set_option(fd, SOL_SOCKET, SO_SNDBUF, wish);
    }
    return now >= 0 && (r == -ENOBUFS || r == -EINVAL) ? 0 : r;
}

int sys_max_packet(int fd)
{
    return sys_send_buffer(fd);
}

int sys_take_error(int fd, int *error)
{
    const int r = posix_option(fd, SOL_SOCKET, SO_ERROR);
    if (r < 0) {
        return r;
    }
    *error = -r;
    return 0;
}

int sys_readable(int fd)
{
    int n = 0;
    const int r = QUIET(ioctl(fd, FIONREAD, &n));
    return r < 0 ? r : n;
}

/* ---- waiting ---- */

static int milliseconds(int64_t ns)
{
    const int64_t ms = ns < 0 ? -1 : ns / 1000000 + (ns % 1000000 > 0);
    return ms > INT32_MAX ? INT32_MAX : (int)ms;
}

/* Adds POLLRDHUP for who asked for it. */
static int with_end(int fd, int asked, int came)
{
    if ((asked & POLLRDHUP) == 0 || (came & POLLNVAL) != 0) {
        return came;
    }
    const int end = system_read_ended(fd);
    return end > 0 ? came | end : came;
}

int sys_poll_many(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    int r = QUIET(UNCANCELLED(poll(p, n, milliseconds(timeout_ns))));
    /* The end makes readable, so who asked for both is told of both. */
    for (unsigned i = 0; r > 0 && i < n; i++) {
        p[i].revents = p[i].revents == 0 ? 0 : (short)with_end(p[i].fd, p[i].events, p[i].revents);
    }
    return r;
}

static int poll_slice(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    const int r = QUIET(UNCANCELLED(poll(p, n, milliseconds(timeout_ns))));
    return r < 0 ? r : with_end(p[0].fd, p[0].events, p[0].revents);
}

/* Waits for p[0], or any of them. An end that nobody sees as readable is looked for now and then. */
static int poll_first(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    const int64_t slice = 50000000;
    const bool blind = (p[0].events & POLLRDHUP) != 0 && (p[0].events & POLLIN) == 0;
    const int64_t until = timeout_ns < 0 ? -1 : sys_now() + timeout_ns;
    for (;;) {
        const int64_t left = until < 0 ? -1 : until - sys_now() < 0 ? 0 : until - sys_now();
        const int r = poll_slice(p, n, blind && (left < 0 || left > slice) ? slice : left);
        const bool other = n > 1 && p[1].revents != 0;
        if (r == -EINTR && timeout_ns == 0) {
            continue;
        }
        if (r != 0 || other || left == 0 || (!blind && left >= 0 && sys_now() >= until)) {
            return r < 0 ? r : (r & POLLNVAL) != 0 ? -EBADF : r;
        }
    }
}

int sys_poll(int fd, int events, int64_t timeout_ns)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    const bool ended = (events & POLLRDHUP) != 0 && system_read_ended(fd) > 0;
    return poll_first(&p, 1, ended ? 0 : timeout_ns);
}

int sys_poll_or(int fd, int events, int event, int64_t timeout_ns)
{
    struct pollfd p[2] = {{.fd = fd, .events = (short)events}, {.fd = event, .events = POLLIN}};
    return poll_first(p, 2, timeout_ns);
}

int64_t sys_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

void sys_sleep(int64_t ns)
{
    (void)QUIET(UNCANCELLED(poll(NULL, 0, milliseconds(ns < 0 ? 0 : ns))));
}

int sys_limit(int what)
{
    switch (what) {
    case UNX_LIMIT_PATH:
        return SYS_PATH_MAX;
    case UNX_LIMIT_ABSTRACT:
        return -EOPNOTSUPP;
    case UNX_LIMIT_FDS:
        return SYS_FDS_MAX;
    case UNX_LIMIT_IOV:
        return SYS_IOV_MAX;
    default:
        return -EINVAL;
    }
}
