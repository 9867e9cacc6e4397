/* SPDX-License-Identifier: MIT */
/* What the tests of listeners share: opening one at a path, seeing who answers there,
 * and counting what is in a directory. */
#ifndef TEST_LISTENER_H
#define TEST_LISTENER_H

#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/listener.h>

static inline int try_open(struct unx_listener **l, int type, unsigned flags, const char *path,
                           const struct unx_listener_options *o)
{
    *l = (struct unx_listener *)l;
    const int r = QUIET(unx_listener_open_path(l, type, flags, AT_FDCWD, path, o));
    CHECK(r == 0 || (r < 0 && *l == NULL));
    return r;
}

static inline struct unx_listener *open_at(int type, unsigned flags, const char *path)
{
    struct unx_listener *l;
    CHECK_INT(try_open(&l, type, flags, path, NULL), 0);
    return l;
}

static inline void close_listener(struct unx_listener *l)
{
    CHECK_INT(QUIET(unx_listener_close(l)), 0);
}

/* A file without a server, as a server that was killed leaves it. */
static inline void make_stale(int type, const char *path)
{
    close(raw_bind(type, raw_path(path)));
}

/* A connection without waiting for room in the backlog; a negative errno value and nothing open. */
static inline int connect_now(int type, const char *path)
{
    const struct raw_addr a = raw_path(path);
    const int fd = raw_socket(type);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    if (connect(fd, &a.sa, a.len) == 0) {
        return fd;
    }
    const int error = errno;
    close(fd);
    return -error;
}

/* Is it this listener that a client of this path comes to? */
static inline bool leads_to(int type, const char *path, struct unx_listener *l)
{
    const int client = raw_try_connect(type, raw_path(path));
    if (client < 0) {
        return false;
    }
    const int conn = unx_listener_accept(l, 0, NULL, 0);
    if (conn >= 0) {
        close(conn);
    }
    close(client);
    return conn >= 0;
}

/* Another way of getting a path, with the usual calls. Returns a listening descriptor or a negative errno value. */
static inline int bind_and_listen(const char *path)
{
    const int fd = raw_try_bind(SOCK_STREAM, raw_path(path));
    if (fd >= 0) {
        CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        CHECK_INT(listen(fd, 64), 0);
    }
    return fd;
}

static inline int unlink_and_bind(const char *path)
{
    unlink(path);
    return bind_and_listen(path);
}

/* Names in a directory; a test that leaves none but its own proves that no temporary name or lock file stays behind. */
static inline int names_in(const char *dir)
{
    int n = 0;
    DIR *d = opendir(dir);
    CHECK(d != NULL);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0;
    }
    closedir(d);
    return n;
}

static inline bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static inline mode_t mode_of(const char *path)
{
    struct stat st;
    CHECK_INT(lstat(path, &st), 0);
    return st.st_mode & 07777;
}

#endif
