// SPDX-License-Identifier: MIT
/*
 * DragonFly BSD: what it does its own way.
 *
 * What surprised us: a receiver cannot ask for credentials, but who sends can have the kernel attach its own. Nobody
 * tells the pid of who has connected.
 */
#if defined(__DragonFly__)
#include "sys_bsd.h"

#include <sys/ucred.h>

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
    return posix_cmsgcred_read(data, len, c);
}

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct xucred x;
    const int r = posix_peer_xucred(fd, &x);
    if (r == 0) {
        c->pid = 0;
        c->uid = x.cr_uid;
        c->gid = x.cr_groups[0];
    }
    return r;
}

#endif
