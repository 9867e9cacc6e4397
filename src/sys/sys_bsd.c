// SPDX-License-Identifier: MIT
/*
 * FreeBSD, OpenBSD, NetBSD and DragonFly BSD, where they agree.
 *
 * Promises: sockets and received descriptors are close-on-exec from birth; every packet is sent with MSG_EOR, because
 * FreeBSD 15 glues together what comes without, and a peer may look for it anywhere.
 *
 * What surprised us: MSG_EOR on a stream is an error, so each send has to know the type of its socket.
 */
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

int sys_accept(int fd, bool nonblock, struct unx_addr *peer)
{
    socklen_t len = peer == NULL ? 0 : sizeof peer->raw;
    const int flags = SOCK_CLOEXEC | (nonblock ? SOCK_NONBLOCK : 0);
    const int r = bsd_accept(fd, peer == NULL ? NULL : &peer->sa, peer == NULL ? NULL : &len, flags);
    if (r >= 0 && peer != NULL) {
        peer->len = len;
    }
    return r;
}

int sys_pipe(int fds[2])
{
    return QUIET(pipe2(fds, O_CLOEXEC));
}

int system_send_flags(int fd)
{
    const int type = sys_type(fd);
    return type < 0 ? type : MSG_NOSIGNAL | (type == SOCK_SEQPACKET ? MSG_EOR : 0);
}

ssize_t bsd_recvmsg(int fd, struct msghdr *h, int flags)
{
    return QUIET(UNCANCELLED(recvmsg(fd, h, flags | MSG_CMSG_CLOEXEC)));
}

int sys_rename_new(int dirfd, const char *from, const char *to)
{
    /* A second name does not replace. */
    const int linked = QUIET(linkat(dirfd, from, dirfd, to, 0));
    return linked < 0 ? linked : sys_unlink(dirfd, from);
}

int sys_swap(int dirfd, const char *a, const char *b)
{
    (void)dirfd;
    (void)a;
    (void)b;
    return -EOPNOTSUPP;
}
