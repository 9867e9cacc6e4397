// SPDX-License-Identifier: MIT
/*
 * FreeBSD, OpenBSD, NetBSD and DragonFly BSD, where they agree.
 *
 * Promises: sockets and received descriptors are close-on-exec from birth; every packet is sent with MSG_EOR, because
 * FreeBSD 15 glues together what comes without, and a peer may look for it anywhere.
 *
 * What surprised us: MSG_EOR on a stream is an error, so each send has to know the type of its socket.
 */
#if defined(__FreeBSD__) || defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__)
#include "sys_bsd.h"

int sys_socket(int type, bool nonblock)
{
    const int r = QUIET(socket(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0));
    return r == -EPROTONOSUPPORT || r == -EPROTOTYPE ? -EOPNOTSUPP : r;
}

int sys_pair(int type, bool nonblock, int fds[2])
{
    const int r = QUIET(socketpair(AF_UNIX, type | SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0), 0, fds));
    return r == -EPROTONOSUPPORT || r == -EPROTOTYPE ? -EOPNOTSUPP : r;
}

int system_accept(int fd, bool nonblock, struct sockaddr *sa, socklen_t *len)
{
    return bsd_accept(fd, sa, len, SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0));
}

int sys_pipe(int fds[2])
{
    return QUIET(pipe2(fds, O_CLOEXEC));
}

#if !defined(__FreeBSD__)
int system_send_flags(int fd, size_t size, int flags)
{
    (void)size;
    (void)flags;
    return posix_send_flags(fd, false);
}
#endif

ssize_t bsd_recvmsg(int fd, struct msghdr *h, int flags)
{
    return QUIET(UNCANCELLED(recvmsg(fd, h, flags | MSG_CMSG_CLOEXEC)));
}

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
