// SPDX-License-Identifier: MIT
/*
 * NetBSD: what it does its own way.
 *
 * What surprised us: LOCAL_CREDS gives credentials with the first message of a connection alone, and with each
 * datagram; the struct has the pid since NetBSD 8, with a new number for the option. What LOCAL_PEEREID tells a client
 * of its server is from the time of bind(2). A pair of sockets has no peer to tell of.
 */
#if defined(__NetBSD__)
#include "sys_bsd.h"

#include <stddef.h>
#include <string.h>

#define SOL_OF_LOCAL 0 /* unix(4): the level of the options below */

int bsd_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    return QUIET(UNCANCELLED(paccept(fd, sa, len, NULL, flags)));
}

int sys_pass(int fd, unsigned what, bool on)
{
    switch (what) {
    case UNX_PASSFDS:
        /* Descriptors are always taken, and what is not wanted is closed on arrival. */
        return 0;
    case UNX_PASSCRED:
        return posix_set_option(fd, SOL_OF_LOCAL, LOCAL_CREDS, on);
    default:
        return on ? -EOPNOTSUPP : 0;
    }
}

ssize_t system_recvmsg(int fd, struct msghdr *h, int flags)
{
    return bsd_recvmsg(fd, h, flags);
}

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    struct sockcred s;
    const size_t least = offsetof(struct sockcred, sc_groups);
    (void)type;
    if (len < least) {
        return -EBADMSG;
    }
    memcpy(&s, data, least);
    *c = (struct unx_cred){.pid = s.sc_pid, .uid = s.sc_uid, .gid = s.sc_gid};
    return 0;
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
    struct unpcbid peer = {.unp_pid = 0};
    socklen_t len = sizeof peer;
    const int r = QUIET(getsockopt(fd, SOL_OF_LOCAL, LOCAL_PEEREID, &peer, &len));
    if (r < 0) {
        return r == -EINVAL ? -ENOTCONN : r;
    }
    c->pid = peer.unp_pid;
    c->uid = peer.unp_euid;
    c->gid = peer.unp_egid;
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
