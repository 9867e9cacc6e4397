// SPDX-License-Identifier: MIT
/*
 * macOS, FreeBSD and DragonFly BSD: who has connected, by LOCAL_PEERCRED. Its pid is told by other ways, or by none.
 *
 * What surprised us: the first group is the effective one, so there is always one. Sixteen groups may be sixteen of
 * more.
 */
#if defined(__APPLE__) || defined(__FreeBSD__) || defined(__DragonFly__)
#include "sys_posix.h"

#include <string.h>
#include <sys/ucred.h>

#define SOL_OF_LOCAL 0 /* unix(4): the level of LOCAL_PEERCRED */

int posix_peer_xucred(int fd, struct xucred *x)
{
    socklen_t len = sizeof *x;
    memset(x, 0, sizeof *x);
    const int r = QUIET(getsockopt(fd, SOL_OF_LOCAL, LOCAL_PEERCRED, x, &len));
    if (r < 0) {
        return r == -EINVAL ? -ENOTCONN : r;
    }
    return x->cr_version == XUCRED_VERSION && len == sizeof *x && x->cr_ngroups > 0 ? 0 : -EOPNOTSUPP;
}

int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    struct xucred x;
    const int r = posix_peer_xucred(fd, &x);
    const unsigned all = r < 0 ? 0 : (unsigned)x.cr_ngroups;
    *n = 0;
    if (r < 0 || all >= sizeof x.cr_groups / sizeof *x.cr_groups) {
        return r < 0 ? r : -EOPNOTSUPP;
    }
    *n = all - 1;
    for (unsigned i = 0; i < *n && *n <= max; i++) {
        groups[i] = x.cr_groups[i + 1];
    }
    return *n > max ? -ERANGE : 0;
}

#endif
