// SPDX-License-Identifier: MIT
/*
 * illumos and Solaris: what they do their own way. Compiled for the X/Open functions (-D_XOPEN_SOURCE=600
 * -D__EXTENSIONS__, -lsocket), since the others know nothing of control data.
 *
 * Promises: descriptors are close-on-exec as soon as this process can make them so; since 2023 illumos does it itself.
 * An empty packet is refused, because it would be lost.
 *
 * What surprised us: an empty packet is sent with success and never received. Timeouts of sockets are not kept. A
 * peer's identity is an object of its own, allocated and freed, which is why asking for it can fail for lack of memory.
 * There are eventfd(3C) and timerfd(3C) on illumos, as on Linux; Solaris has neither, and so no listeners and engines.
 * Socket types and message flags have numbers that nobody else has.
 */
#if defined(__sun)
#include "sys_posix.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <ucred.h>
#if __has_include(<sys/eventfd.h>) && __has_include(<sys/timerfd.h>)
#define WITH_EVENTS
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#endif

#ifndef MSG_CMSG_CLOEXEC
#define MSG_CMSG_CLOEXEC 0 /* older headers, whose kernels would not know it */
#endif

/* ---- sockets ---- */

int sys_socket(int type, bool nonblock)
{
    return QUIET(socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0));
}

int sys_pair(int type, bool nonblock, int fds[2])
{
    return QUIET(socketpair(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0, fds));
}

int system_accept(int fd, bool nonblock, struct sockaddr *sa, socklen_t *len)
{
    const int r = QUIET(UNCANCELLED(accept4(fd, sa, len, SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0))));
    if (r >= 0) {
        /* Whatever it took from the listener. */
        (void)sys_set_nonblock(r, nonblock);
    }
    return r;
}

int sys_pipe(int fds[2])
{
    return QUIET(pipe2(fds, O_CLOEXEC));
}

int sys_pass(int fd, unsigned what, bool on)
{
    switch (what) {
    case UNX_PASSFDS:
        /* Descriptors are always taken, and what is not wanted is closed on arrival. */
        return 0;
    case UNX_PASSCRED:
        return posix_set_option(fd, SOL_SOCKET, SO_RECVUCRED, on);
    default:
        return on ? -EOPNOTSUPP : 0;
    }
}

/* ---- messages ---- */

int system_send_flags(int fd, size_t size, int flags)
{
    (void)flags;
    return posix_send_flags(fd, size == 0);
}

ssize_t system_recvmsg(int fd, struct msghdr *h, int flags)
{
    const ssize_t n = QUIET(UNCANCELLED(recvmsg(fd, h, flags | MSG_CMSG_CLOEXEC)));
    if (n >= 0) {
        posix_make_cloexec(h);
    }
    return n;
}

static void from_ucred(const ucred_t *u, bool effective, struct unx_cred *c)
{
    *c = (struct unx_cred){.pid = ucred_getpid(u),
                           .uid = effective ? ucred_geteuid(u) : ucred_getruid(u),
                           .gid = effective ? ucred_getegid(u) : ucred_getrgid(u)};
}

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    (void)type;
    /* How long one is depends on its groups, and its beginning is made of numbers of 32 bits. */
    if (len < 64 || (uintptr_t)data % sizeof(uint32_t) != 0) {
        return -EBADMSG;
    }
    from_ucred(data, false, c);
    return 0;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    (void)data;
    (void)c;
    *type = -1;
    return 0;
}

/* ---- who ---- */

static int ask(int fd, ucred_t **u)
{
    *u = NULL;
    const int r = QUIET(getpeerucred(fd, u));
    return r == -EINVAL ? -ENOTCONN : r;
}

static void forget(ucred_t *u)
{
    const int errno_before = errno;
    ucred_free(u);
    errno = errno_before;
}

int sys_peer_cred(int fd, struct unx_cred *c)
{
    ucred_t *u;
    const int r = ask(fd, &u);
    if (r == 0) {
        from_ucred(u, true, c);
        forget(u);
    }
    return r;
}

int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    ucred_t *u;
    const gid_t *all = NULL;
    *n = 0;
    int r = ask(fd, &u);
    if (r < 0) {
        return r;
    }
    r = QUIET(ucred_getgroups(u, &all));
    if (r >= 0) {
        *n = (unsigned)r;
        for (unsigned i = 0; i < *n && *n <= max; i++) {
            groups[i] = all[i];
        }
    }
    forget(u);
    return r < 0 ? r : *n > max ? -ERANGE : 0;
}

/* ---- waiting ---- */

int system_read_ended(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    const int r = QUIET(UNCANCELLED(poll(&p, 1, 0)));
    if (r < 0 || (p.revents & POLLRDHUP) != 0) {
        return r < 0 ? r : POLLRDHUP;
    }
    /* Before 2022 it had no such event. No packet is empty here, so nothing to look at is the end. */
    char c;
    const int type = sys_type(fd);
    if (type < 0 || type == SOCK_DGRAM) {
        return type < 0 ? type : 0;
    }
    return QUIET(UNCANCELLED(recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT))) == 0 ? POLLRDHUP : 0;
}

#if defined(WITH_EVENTS)

int sys_event(void)
{
    return QUIET(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int sys_event_set(int event)
{
    const uint64_t one = 1;
    const ssize_t r = QUIET(UNCANCELLED(write(event, &one, sizeof one)));
    return r < 0 ? (int)r : 0;
}

int sys_event_clear(int event)
{
    uint64_t n;
    return (int)QUIET(UNCANCELLED(read(event, &n, sizeof n)));
}

int sys_clock(void)
{
    return QUIET(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

int sys_clock_set(int clock, int64_t at)
{
    /* A time of zero would switch it off. */
    const int64_t ns = at < 0 ? 0 : at == 0 ? 1 : at;
    struct itimerspec when;
    memset(&when, 0, sizeof when);
    when.it_value.tv_sec = (time_t)(ns / 1000000000);
    when.it_value.tv_nsec = (long)(ns % 1000000000);
    return QUIET(timerfd_settime(clock, TFD_TIMER_ABSTIME, &when, NULL));
}

#else

int sys_event(void)
{
    return -EOPNOTSUPP;
}

int sys_event_set(int event)
{
    (void)event;
    return -EOPNOTSUPP;
}

int sys_event_clear(int event)
{
    (void)event;
    return -EOPNOTSUPP;
}

int sys_clock(void)
{
    return -EOPNOTSUPP;
}

int sys_clock_set(int clock, int64_t at)
{
    (void)clock;
    (void)at;
    return -EOPNOTSUPP;
}

#endif

/* ---- files ---- */

int sys_rename_new(int dirfd, const char *from, const char *to)
{
    /* A second name does not replace. */
    const int linked = QUIET(linkat(dirfd, from, dirfd, to, 0));
    const int removed = linked < 0 ? linked : sys_unlink(dirfd, from);
    if (linked == 0 && removed < 0) {
        (void)sys_unlink(dirfd, to);
    }
    return removed;
}

int sys_swap(int dirfd, const char *a, const char *b)
{
    (void)dirfd;
    (void)a;
    (void)b;
    return -EOPNOTSUPP;
}

#endif
