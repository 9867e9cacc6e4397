// SPDX-License-Identifier: MIT
/*
 * Linux: sockets, options, messages, waiting. (Identity is in sys_linux_peer.c, files in sys_linux_file.c.)
 *
 * What surprised us: an option that this kernel lacks is found out by asking (ENOPROTOOPT), never when the library is
 * built. glibc's recvmsg() is a cancellation point that can be cancelled after the kernel has installed descriptors,
 * and musl's sendmsg() copies control data through a buffer that is too small for 253 descriptors: messages are moved
 * by direct system calls, which are neither.
 */
#if defined(__linux__)
#include "sys.h"
#include "sys_linux_call.h"
#include "sys_linux_msan.h"

#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>

int sys_socket(int type, bool nonblock)
{
    return QUIET(socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0));
}

int sys_pair(int type, bool nonblock, int fds[2])
{
    return QUIET(socketpair(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0, fds));
}

int sys_bind(int fd, const struct unx_addr *a)
{
    return QUIET(bind(fd, &a->sa, a->len));
}

int sys_listen(int fd, int backlog)
{
    /* The kernel lowers what is above net.core.somaxconn, and takes a negative number for the largest. */
    return QUIET(listen(fd, backlog));
}

int sys_connect(int fd, const struct unx_addr *a)
{
    kernel_reads(a->raw, a->len);
    return (int)linux_socket(connect, CONNECT, fd, (long)&a->sa, a->len, 0, 0, 0);
}

int sys_disconnect(int fd)
{
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    return (int)linux_socket(connect, CONNECT, fd, (long)&none, sizeof none.sa_family, 0, 0, 0);
}

/* Linux 2.6.27, some old systems of other processors, and filters that do not know accept4(2): another thread's
 * execve(2) may take the connection along between these calls. */
static int accept_in_steps(int fd, bool nonblock, struct sockaddr *sa, socklen_t *len)
{
    const int r = QUIET(UNCANCELLED(accept(fd, sa, len)));
    if (r >= 0) {
        sys_set_cloexec(r);
        sys_set_nonblock(r, nonblock);
    }
    return r;
}

int sys_accept(int fd, bool nonblock, struct unx_addr *peer)
{
    socklen_t len = peer == NULL ? 0 : sizeof peer->raw;
    struct sockaddr *sa = peer == NULL ? NULL : &peer->sa;
    const int flags = SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0);
    socklen_t *const plen = peer == NULL ? NULL : &len;
    int r = (int)linux_socket(accept4, ACCEPT4, fd, (long)sa, (long)plen, flags, 0, 0);
    r = r == LINUX_NO_ACCEPT4 ? accept_in_steps(fd, nonblock, sa, plen) : r;
    if (r >= 0 && peer != NULL) {
        kernel_wrote(&len, sizeof len);
        kernel_wrote_addr(peer->raw, len);
        peer->len = len;
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
    const struct linger off = {.l_onoff = 0};
    (void)QUIET(setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off));
    return sys_close(fd);
}

int sys_dup(int fd)
{
    const int r = QUIET(fcntl(fd, F_DUPFD_CLOEXEC, 3));
    return r == -EINVAL ? -EMFILE : r; /* the limit is 3 or less */
}

/* ---- what a socket is, and its options ---- */

static int option(int fd, int name)
{
    int value = 0;
    socklen_t len = sizeof value;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, name, &value, &len));
    return r < 0 ? r : value;
}

static int set_option(int fd, int name, int value)
{
    const int r = QUIET(setsockopt(fd, SOL_SOCKET, name, &value, sizeof value));
    return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
}

int sys_family(int fd)
{
    return option(fd, SO_DOMAIN);
}

int sys_type(int fd)
{
    return option(fd, SO_TYPE);
}

int sys_listening(int fd)
{
    return option(fd, SO_ACCEPTCONN);
}

int sys_pass(int fd, unsigned what, bool on)
{
    int r;
    switch (what) {
    case UNX_PASSFDS:
        r = set_option(fd, LINUX_SO_PASSRIGHTS, on);
        /* Without the option a kernel passes descriptors always: what is not wanted is closed on arrival. */
        return r == -EOPNOTSUPP ? 0 : r;
    case UNX_PASSCRED:
        return set_option(fd, SO_PASSCRED, on);
    case UNX_PASSPIDFD:
        return set_option(fd, LINUX_SO_PASSPIDFD, on);
    case UNX_PASSSEC:
        return set_option(fd, SO_PASSSEC, on);
    default:
        r = set_option(fd, LINUX_SO_TIMESTAMPNS_NEW, on);
        return r == -EOPNOTSUPP ? set_option(fd, LINUX_SO_TIMESTAMPNS_OLD, on) : r;
    }
}

int sys_set_timeout(int fd, unsigned which, int64_t ns)
{
    struct timeval tv = {0, 0};
    if (ns >= 0) {
        tv.tv_sec = (time_t)(ns / 1000000000);
        tv.tv_usec = (suseconds_t)(ns % 1000000000 / 1000);
    }
    /* A C library with 64-bit time on 32 bits may try two options, and succeed with the error of the first. */
    const int errno_before = errno;
    const int r = QUIET(setsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, sizeof tv));
    errno = errno_before;
    return r;
}

int sys_get_timeout(int fd, unsigned which, int64_t *ns)
{
    struct timeval tv = {0, 0};
    socklen_t len = sizeof tv;
    const int errno_before = errno;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, which == UNX_SEND ? SO_SNDTIMEO : SO_RCVTIMEO, &tv, &len));
    errno = errno_before;
    const int64_t seconds = tv.tv_sec;
    const bool none = (seconds == 0 && tv.tv_usec == 0) || seconds > INT64_MAX / 1000000000 - 1;
    *ns = none ? -1 : seconds * INT64_C(1000000000) + tv.tv_usec * INT64_C(1000);
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
    return option(fd, SO_SNDBUF);
}

int sys_set_send_buffer(int fd, int bytes)
{
    /* The kernel doubles what it is told, for its own needs. */
    return set_option(fd, SO_SNDBUF, bytes / 2);
}

int sys_max_packet(int fd)
{
    /* Its own 32 bytes go with each packet, and no packet is larger than this, whatever the buffer (Linux 6.18). */
    const int largest = 4263616, overhead = 32;
    const int buffer = sys_send_buffer(fd);
    return buffer < 0 ? buffer : buffer - overhead > largest ? largest : buffer - overhead;
}

int sys_take_error(int fd, int *error)
{
    const int r = option(fd, SO_ERROR);
    if (r < 0) {
        return r;
    }
    *error = -r;
    return 0;
}

int sys_readable(int fd)
{
    int n = 0;
    const int r = QUIET(ioctl(fd, SIOCINQ, &n));
    return r < 0 ? r : n;
}

/* ---- messages ---- */

ssize_t sys_sendmsg(int fd, const struct msghdr *h, int flags)
{
    kernel_reads_msg(h);
    return linux_socket(sendmsg, SENDMSG, fd, (long)h, flags | MSG_NOSIGNAL, 0, 0, 0);
}

ssize_t sys_recvmsg(int fd, struct msghdr *h, int flags)
{
    const long n = linux_socket(recvmsg, RECVMSG, fd, (long)h, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC, 0, 0, 0);
    if (n >= 0) {
        kernel_wrote_msg(h, (size_t)n);
    }
    return n;
}

int sys_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    for (unsigned i = 0; i < n; i++) {
        kernel_reads_msg(&v[i].msg_hdr);
    }
    const int r = (int)linux_socket(sendmmsg, SENDMMSG, fd, (long)v, n, flags | MSG_NOSIGNAL, 0, 0);
    for (int i = 0; i < r; i++) {
        kernel_wrote(&v[i].msg_len, sizeof v[i].msg_len);
    }
    return r;
}

int sys_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    const int r = (int)linux_socket(recvmmsg, RECVMMSG, fd, (long)v, n, flags | MSG_CMSG_CLOEXEC | MSG_TRUNC, 0, 0);
    for (int i = 0; i < r; i++) {
        kernel_wrote(&v[i].msg_len, sizeof v[i].msg_len);
        kernel_wrote_msg(&v[i].msg_hdr, v[i].msg_len);
    }
    return r;
}

ssize_t sys_send(int fd, const void *p, size_t n, int flags)
{
    kernel_reads(p, n);
    return linux_socket(sendto, SENDTO, fd, (long)p, (long)n, flags | MSG_NOSIGNAL, 0, 0);
}

ssize_t sys_recv(int fd, void *p, size_t n, int flags)
{
    const long r = linux_socket(recvfrom, RECVFROM, fd, (long)p, (long)n, flags | MSG_TRUNC, 0, 0);
    if (r > 0) {
        kernel_wrote(p, (size_t)r < n ? (size_t)r : n);
    }
    return r;
}

/* ---- waiting ---- */

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

int sys_poll(int fd, int events, int64_t timeout_ns)
{
    struct pollfd p = {.fd = fd, .events = (short)events};
    const struct timespec ts = timespec_of(timeout_ns < 0 ? 0 : timeout_ns);
    int r;
    do {
        r = QUIET(UNCANCELLED(ppoll(&p, 1, timeout_ns < 0 ? NULL : &ts, NULL)));
        /* A signal interrupts even a poll that does not wait. */
    } while (r == -EINTR && timeout_ns == 0);
    if (r <= 0) {
        return r;
    }
    return p.revents & POLLNVAL ? -EBADF : p.revents;
}

int64_t sys_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * INT64_C(1000000000) + ts.tv_nsec;
}

void sys_sleep(int64_t ns)
{
    const struct timespec ts = timespec_of(ns);
    (void)QUIET(UNCANCELLED(ppoll(NULL, 0, &ts, NULL)));
}

int sys_limit(int what)
{
    switch (what) {
    case UNX_LIMIT_PATH:
        return SYS_PATH_MAX;
    case UNX_LIMIT_ABSTRACT:
        return sizeof(((struct sockaddr_un *)0)->sun_path) - 1;
    case UNX_LIMIT_FDS:
        return SYS_FDS_MAX; /* SCM_MAX_FD of the kernel, since 2.6.38 */
    case UNX_LIMIT_IOV:
        return SYS_IOV_MAX; /* UIO_MAXIOV of the kernel */
    default:
        return -EINVAL;
    }
}

#endif
