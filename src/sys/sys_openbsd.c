// SPDX-License-Identifier: MIT
/*
 * OpenBSD: what it does its own way.
 *
 * What surprised us: credentials do not come with messages; who has connected is told by SO_PEERCRED, with a struct
 * that has another order than that of Linux. Descriptors for which there is no place in the table fail the receive with
 * EMSGSIZE. More than 127 of them are E2BIG, because each takes 16 bytes of a buffer of 2048.
 */
#if defined(__OpenBSD__)
#include "sys_bsd.h"

int bsd_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    return QUIET(UNCANCELLED(accept4(fd, sa, len, flags)));
}

int sys_pass(int fd, unsigned what, bool on)
{
    (void)fd;
    return what == UNX_PASSFDS || !on ? 0 : -EOPNOTSUPP;
}

ssize_t system_recvmsg(int fd, struct msghdr *h, int flags)
{
    return bsd_recvmsg(fd, h, flags);
}

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    (void)type;
    (void)data;
    (void)len;
    (void)c;
    return -EBADMSG;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    (void)data;
    (void)c;
    *type = -1;
    return 0;
}

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct sockpeercred peer = {.pid = 0};
    socklen_t len = sizeof peer;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &len));
    if (r < 0) {
        return r == -EINVAL ? -ENOTCONN : r;
    }
    c->pid = peer.pid;
    c->uid = peer.uid;
    c->gid = peer.gid;
    return 0;
}

int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    (void)fd;
    (void)groups;
    (void)max;
    *n = 0;
    return -EOPNOTSUPP;
}

#endif
