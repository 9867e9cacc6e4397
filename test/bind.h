// SPDX-License-Identifier: MIT
/* What the tests of names in the file system share: every way to make one, and a look at what is there. */
#ifndef TEST_BIND_H
#define TEST_BIND_H

#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/unx.h>

static inline struct unx_addr at(const char *path)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    return a;
}

/* How a name is made: each way has the same contract. */
enum way { BIND, LISTEN, BIND_PATH, LISTEN_PATH, BIND_BELOW, LISTEN_BELOW, BIND_TO, WAYS };
static const char *const way_name[WAYS] = {"bind",       "listen",       "bind path", "listen path",
                                           "bind below", "listen below", "bind_to"};

static inline bool listens(enum way w)
{
    return w == LISTEN || w == LISTEN_PATH || w == LISTEN_BELOW;
}

static inline int make(enum way w, const char *path, mode_t mode)
{
    const struct unx_addr a = at(path);
    const int type = listens(w) ? SOCK_SEQPACKET : SOCK_DGRAM;
    const int backlog = listens(w) ? 4 : UNX_BIND_ONLY;
    if (w == BIND)
        return QUIET(unx_bind(type, 0, &a, mode));
    if (w == LISTEN)
        return QUIET(unx_listen(type, 0, &a, 4, mode));
    if (w == BIND_PATH || w == LISTEN_PATH)
        return QUIET(unx_listen_path(type, 0, AT_FDCWD, path, backlog, mode));
    if (w == BIND_TO) {
        const int fd = unx_socket(type, 0);
        const int r = QUIET(unx_bind_to(fd, &a, mode));
        if (r == 0)
            return fd;
        close(fd);
        return r;
    }
    const int dir = open(harness_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int r = QUIET(unx_listen_path(type, 0, dir, strrchr(path, '/') + 1, backlog, mode));
    close(dir);
    return r;
}

static inline mode_t mode_of(const char *path)
{
    struct stat st;
    CHECK_INT(lstat(path, &st), 0);
    CHECK(S_ISSOCK(st.st_mode));
    return st.st_mode & 07777;
}

static inline unsigned entries(void)
{
    DIR *d = opendir(harness_dir());
    CHECK(d != NULL);
    unsigned n = 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' || e->d_name[1] != (e->d_name[1] == '.' ? '.' : 0);
    closedir(d);
    return n;
}

#endif
