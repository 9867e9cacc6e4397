// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: sockets, their options, waiting.
 * What they do not agree on is asked of the file of the system.
 *
 * What surprised us: a full backlog and nobody at all are one error there, ECONNREFUSED; a datagram connect(2) tells
 * them apart, because it says EPROTOTYPE where somebody is bound. (Who is bound and does not listen yet counts as full
 * too.) A buffer that is larger than allowed is refused instead of lowered. An accepted socket inherits O_NONBLOCK;
 * accept(2) knows no timeout, and tells of clients that have gone again. An unbound socket may have an address of no
 * length. Disconnecting a datagram socket works, and is an error all the same.
 * No system but Linux has SO_DOMAIN for certain, so the address tells the family.
 */
#if !defined(__linux__)
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
    struct unx_addr peer;
    memset(&none, 0, sizeof none);
    none.sa_family = AF_UNSPEC;
    const int r = QUIET(UNCANCELLED(connect(fd, &none, sizeof none)));
    /* Most disconnect, and then dislike the address: by EAFNOSUPPORT, EINVAL, ENOENT. */
    return r < 0 && sys_peer_addr(fd, &peer) == -ENOTCONN ? 0 : r;
}

/* Only Linux has a timeout for accept(2). */
static int wait_for_client(int fd)
{
    int64_t timeout = -1;
    if (sys_get_nonblock(fd) != 0 || sys_get_timeout(fd, UNX_RECV, &timeout) < 0 || timeout < 0) {
        return 0;
    }
    const int r = sys_poll(fd, POLLIN, timeout);
    return r > 0 ? 0 : r == 0 ? -EAGAIN : r;
}

int sys_accept(int fd, bool nonblock, struct unx_addr *peer)
{
    socklen_t len = 0;
    int r = wait_for_client(fd);
    if (r < 0) {
        return r;
    }
    /* Who has gone again is no error, but a listener that was shut down says the same for ever. */
    for (int gone = 0; gone == 0 || (r == -ECONNABORTED && gone < 100); gone++) {
        len = peer == NULL ? 0 : sizeof peer->raw;
        r = system_accept(fd, nonblock, peer == NULL ? NULL : &peer->sa, peer == NULL ? NULL : &len);
    }
    if (r >= 0 && peer != NULL) {
        peer->len = len > 0 && peer->sa.sa_family == AF_UNSPEC ? 0 : len;
    }
    return r;
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
    const int r = QUIET(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    return r == -EINVAL ? -EMFILE : r; /* the limit is 3 or less */
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
    const int r = QUIET(setsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, sizeof tv));
    /* Where there is none, there is no need to switch it off. */
    return r == -ENOPROTOOPT ? (ns < 0 ? 0 : -EOPNOTSUPP) : r;
}

int sys_get_timeout(int fd, unsigned which, int64_t *ns)
{
    struct timeval tv;
    socklen_t len = sizeof tv;
    memset(&tv, 0, sizeof tv);
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &len));
    const bool none = (tv.tv_sec == 0 && tv.tv_usec == 0) || tv.tv_sec > INT64_MAX / 1000000000 - 1;
    *ns = none ? -1 : tv.tv_sec * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
    return r == -ENOPROTOOPT ? 0 : r;
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

/* Adds POLLRDHUP for who asked for it, where it can be: how many of them have something. An end also makes readable, so
 * only who waits for it alone is looked at without an event. */
static int add_ends(struct pollfd *p, unsigned n)
{
    int ready = 0;
    for (unsigned i = 0; i < n; i++) {
        const bool asked = p[i].fd >= 0 && (p[i].events & POLLRDHUP) != 0 && (p[i].revents & POLLNVAL) == 0;
        if (asked && (p[i].revents != 0 || (p[i].events & POLLIN) == 0) && system_read_ended(p[i].fd) > 0) {
            p[i].revents |= POLLRDHUP;
        }
        ready += p[i].revents != 0;
    }
    return ready;
}

/* Waits for any of them. An end that nobody sees as readable is looked for at first, and now and then. */
int sys_poll_many(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    const int64_t slice = 50000000;
    const int64_t until = timeout_ns < 0 ? -1 : sys_now() + timeout_ns;
    bool blind = false;
    for (unsigned i = 0; i < n; i++) {
        p[i].revents = 0;
        blind = blind || (p[i].fd >= 0 && (p[i].events & (POLLRDHUP | POLLIN)) == POLLRDHUP);
    }
    bool ended = blind && add_ends(p, n) > 0;
    for (;;) {
        const int64_t left = until < 0 ? -1 : until - sys_now() < 0 ? 0 : until - sys_now();
        const int64_t wait = ended ? 0 : blind && (left < 0 || left > slice) ? slice : left;
        int r = QUIET(UNCANCELLED(poll(p, n, milliseconds(wait))));
        r = r < 0 ? r : add_ends(p, n);
        if (r != 0 || !blind || (until >= 0 && sys_now() >= until)) {
            return r;
        }
        ended = false;
    }
}

static int poll_first(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    int r;
    do {
        r = sys_poll_many(p, n, timeout_ns);
    } while (r == -EINTR && timeout_ns == 0);
    return r < 0 ? r : (p[0].revents & POLLNVAL) != 0 ? -EBADF : p[0].revents;
}

int sys_poll(int fd, int events, int64_t timeout_ns)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    return poll_first(&p, 1, timeout_ns);
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

#endif
