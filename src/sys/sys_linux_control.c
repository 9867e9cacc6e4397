// SPDX-License-Identifier: MIT
/*
 * Linux: credentials in a control message. Pure.
 *
 * Promises: the data may have any alignment, and nothing behind its length is read.
 */
#if defined(__linux__)
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    struct ucred u;
    (void)type;
    if (len < sizeof u) {
        return -EBADMSG;
    }
    memcpy(&u, data, sizeof u);
    *c = (struct unx_cred){.pid = u.pid, .uid = u.uid, .gid = u.gid};
    return 0;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    const struct ucred u = {.pid = c->pid, .uid = c->uid, .gid = c->gid};
    memcpy(data, &u, sizeof u);
    *type = SYS_TYPE_CRED;
    return sizeof u;
}

#endif
