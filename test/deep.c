// SPDX-License-Identifier: MIT
/* A directory whose path no address can hold, and a world without /proc (deep.h). */
#include "deep.h"
#include "harness.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

void make_deep(struct deep *d, size_t len)
{
    d->base = open(harness_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    d->fd = dup(d->base);
    CHECK_INT(fcntl(d->fd, F_SETFD, FD_CLOEXEC), 0);
    d->len = (size_t)snprintf(d->path, sizeof d->path, "%s", harness_dir());
    while (d->len < len) {
        char name[101];
        const size_t n = len - d->len <= 101 ? len - d->len - 1 : len - d->len <= 103 ? 50 : 100;
        memset(name, 'd', n);
        name[n] = 0;
        if (mkdirat(d->fd, name, 0755))
            CHECK_INT(errno, EEXIST);
        const int next = openat(d->fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK(next >= 0);
        close(d->fd);
        d->fd = next;
        d->len += (size_t)snprintf(d->path + d->len, sizeof d->path - d->len, "/%s", name);
    }
    CHECK_INT(d->len, len);
}

void close_deep(struct deep *d)
{
    close(d->fd);
    close(d->base);
}

int said(const struct deep *d, enum say s, const char *name, char path[8192])
{
    const char *below = d->path + strlen(harness_dir());
    const char *dir = s == WHOLE ? d->path : s == BELOW_BASE ? below + (*below == '/') : "";
    snprintf(path, 8192, "%s%s%s", dir, *dir ? "/" : "", name);
    return s == WHOLE ? AT_FDCWD : s == BELOW_BASE ? d->base : d->fd;
}

unsigned entries(const struct deep *d)
{
    const int fd = openat(d->fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fdopendir(fd);
    CHECK(dir != NULL);
    unsigned n = 0;
    for (const struct dirent *e; (e = readdir(dir));)
        n += strcmp(e->d_name, ".") && strcmp(e->d_name, "..");
    closedir(dir);
    return n;
}

char without[] = "without /proc";

void take_proc_away(void)
{
    if (unshare(CLONE_NEWNS))
        SKIP("no new mount namespace: %s", strerror(errno));
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) || umount2("/proc", MNT_DETACH))
        SKIP("/proc cannot be unmounted: %s", strerror(errno));
    CHECK_INT(access("/proc/self/fd", F_OK), -1);
}
