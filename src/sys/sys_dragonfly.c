// SPDX-License-Identifier: MIT
/*
 * DragonFly BSD: what it does its own way.
 *
 * What surprised us: a receiver cannot ask for credentials, but who sends can have the kernel attach its own. Nobody tells
 * the pid of who has connected.
 */
#include "sys_bsd.h"

#include <string.h>
#include <sys/ucred.h>

#define SOL_OF_LOCAL 0 /* unix(4): the level of LOCAL_PEERCRED */

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
    struct cmsgcred given;
    (void)type;
    if (len < sizeof given) {
        return -EBADMSG;
    }
    memcpy(&given, data, sizeof given);
    *c = (struct unx_cred){.pid = given.cmcred_pid, .uid = given.cmcred_uid, .gid = given.cmcred_gid};
    return 0;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    /* The kernel writes the sender's own, so no others can be said. */
    const bool own = c->pid == getpid() && c->uid == getuid() && c->gid == getgid();
    memset(data, 0, sizeof(struct cmsgcred));
    *type = SCM_CREDS;
    return own ? sizeof(struct cmsgcred) : 0;
}
_Static_assert(sizeof(struct cmsgcred) <= SYS_CRED_ROOM, "there is room for it");

static int ask(int fd, struct xucred *x)
{
    socklen_t len = sizeof *x;
    memset(x, 0, sizeof *x);
    const int r = QUIET(getsockopt(fd, SOL_OF_LOCAL, LOCAL_PEERCRED, x, &len));
    if (r < 0) {
        return r == -EINVAL ? -ENOTCONN : r;
    }
    return x->cr_version == XUCRED_VERSION && len == sizeof *x && x->cr_ngroups > 0 ? 0 : -EOPNOTSUPP;
}

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct xucred x;
    const int r = ask(fd, &x);
    if (r == 0) {
        c->pid = 0;
        c->uid = x.cr_uid;
        c->gid = x.cr_groups[0];
    }
    return r;
}

int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    struct xucred x;
    const int r = ask(fd, &x);
    *n = 0;
    if (r < 0 || x.cr_ngroups >= XU_NGROUPS) {
        /* So many may be some of more. */
        return r < 0 ? r : -EOPNOTSUPP;
    }
    *n = (unsigned)x.cr_ngroups - 1;
    for (unsigned i = 0; i < *n && *n <= max; i++) {
        groups[i] = x.cr_groups[i + 1];
    }
    return *n > max ? -ERANGE : 0;
}
