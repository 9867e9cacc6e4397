// SPDX-License-Identifier: MIT
/*
 * FreeBSD and DragonFly BSD: credentials that a sender attaches, and that the kernel fills in, so that no others can be
 * said.
 */
#if defined(__FreeBSD__) || defined(__DragonFly__)
#include "sys_posix.h"

#include <string.h>

int posix_cmsgcred_read(const void *data, size_t len, struct unx_cred *c)
{
    struct cmsgcred given;
    if (len < sizeof given) {
        return -EBADMSG;
    }
    memcpy(&given, data, sizeof given);
    *c = (struct unx_cred){.pid = given.cmcred_pid, .uid = given.cmcred_uid, .gid = given.cmcred_gid};
    return 0;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    const bool own = c->pid == getpid() && c->uid == getuid() && c->gid == getgid();
    memset(data, 0, sizeof(struct cmsgcred));
    *type = SCM_CREDS;
    return own ? sizeof(struct cmsgcred) : 0;
}
_Static_assert(sizeof(struct cmsgcred) <= SYS_CRED_ROOM, "there is room for it");

#endif
