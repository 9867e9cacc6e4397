// SPDX-License-Identifier: MIT
/*
 * OpenBSD, NetBSD, DragonFly BSD and illumos: bind(2) and connect(2) below a directory, by way of /proc,
 * where that is there.
 *
 * A thread has no working directory of its own on these systems, so nothing is run anywhere: while sys_in_directory()
 * runs, this thread's addresses are taken to begin in that directory. Without /proc/self/fd it is -EOPNOTSUPP: OpenBSD
 * has none, NetBSD and DragonFly BSD have one if it is mounted, illumos always.
 */
#if defined(__OpenBSD__) || defined(__NetBSD__) || defined(__DragonFly__) || defined(__sun)
#include "sys_posix.h"

#include <string.h>

static __thread int here = AT_FDCWD;

int sys_in_directory(int dirfd, int (*work)(void *arg), void *arg)
{
    const int before = here;
    here = dirfd;
    const int r = work(arg);
    here = before;
    return r;
}

/* The same address, as this process has to say it. */
static int from_here(struct unx_addr *to, const struct unx_addr *a)
{
    char path[256];
    const void *name;
    size_t len;
    if (here == AT_FDCWD || unx_addr_name(a, &name, &len) != UNX_PATH || *(const char *)name == '/') {
        *to = *a;
        return 0;
    }
    const int n = sys_fd_path(here, path, sizeof path);
    if (n < 0) {
        return n;
    }
    if ((size_t)n + 1 + len + 1 > sizeof path) {
        return -ENAMETOOLONG;
    }
    path[n] = '/';
    memcpy(path + n + 1, name, len);
    path[(size_t)n + 1 + len] = '\0';
    return unx_addr_path(to, path);
}

int system_bind(int fd, const struct unx_addr *a)
{
    struct unx_addr to;
    const int r = from_here(&to, a);
    return r < 0 ? r : posix_bind(fd, &to);
}

int system_connect(int fd, const struct unx_addr *a)
{
    struct unx_addr to;
    const int r = from_here(&to, a);
    return r < 0 ? r : posix_connect(fd, &to);
}

#endif
