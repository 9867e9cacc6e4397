// SPDX-License-Identifier: MIT
/*
 * Paths of any length: a way around the 108 bytes of an address.
 *
 * Promises: the working directory of the caller is not touched, nothing is cut, and no temporary name is left behind.
 *
 * How: to connect, by an O_PATH descriptor of the socket file, which /proc/self/fd makes a short path. To bind, by a
 * short name in a descriptor of the directory, which is renamed if the wanted name is long itself. Without /proc: in a
 * thread that has the directory as its own working directory.
 */
#include "addr.h"
#include "bind.h"
#include "connect.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

bool path_fits(int dirfd, const char *path)
{
    return (dirfd == AT_FDCWD || path[0] == '/') && strnlen(path, 256) <= (size_t)sys_limit(UNX_LIMIT_PATH);
}

int path_parent(int dirfd, const char *path, const char **name)
{
    char dir[4096]; /* PATH_MAX: what the kernel takes in one call */
    const char *slash = strrchr(path, '/');
    if (slash == NULL) {
        *name = path;
        return sys_open_dir(dirfd, ".");
    }
    const size_t len = slash == path ? 1 : (size_t)(slash - path);
    if (len >= sizeof dir) {
        return -ENAMETOOLONG;
    }
    memcpy(dir, path, len);
    dir[len] = '\0';
    *name = slash + 1;
    return **name == '\0' ? -EINVAL : sys_open_dir(dirfd, dir);
}

/* ---- connect ---- */

struct connecting {
    int fd;
    struct unx_addr to;
    unsigned flags;
    int timeout_ms;
};

static int connect_there(void *arg)
{
    const struct connecting *c = arg;
    return connect_within(c->fd, &c->to, c->flags, c->timeout_ms);
}

static int connect_without_proc(struct connecting *c, int dirfd, const char *path)
{
    const char *name;
    const int dir = path_parent(dirfd, path, &name);
    if (dir < 0) {
        return dir;
    }
    int r = unx_addr_path(&c->to, name);
    if (r == 0) {
        r = sys_in_directory(dir, connect_there, c);
    }
    sys_close(dir);
    return r;
}

static int connect_long(struct connecting *c, int dirfd, const char *path)
{
    char text[32];
    const int file = sys_open_path(dirfd, path);
    if (file < 0) {
        return file == -EOPNOTSUPP ? connect_without_proc(c, dirfd, path) : file;
    }
    int r = sys_fd_path(file, text, sizeof text);
    if (r >= 0) {
        r = unx_addr_path(&c->to, text);
        r = r < 0 ? r : connect_there(c);
    } else if (r == -EOPNOTSUPP) {
        r = connect_without_proc(c, dirfd, path);
    }
    sys_close(file);
    return r;
}

int unx_connect_path(int type, unsigned flags, int dirfd, const char *path, int timeout_ms)
{
    if (path == NULL || path[0] == '\0' || timeout_ms < -1) {
        return -EINVAL;
    }
    struct connecting c = {.flags = flags, .timeout_ms = timeout_ms};
    if (path_fits(dirfd, path)) {
        const int r = unx_addr_path(&c.to, path);
        return r < 0 ? r : unx_connect(type, flags, NULL, &c.to, timeout_ms);
    }
    c.fd = socket_new(type, flags | UNX_NONBLOCK);
    if (c.fd < 0) {
        return c.fd;
    }
    const int r = connect_long(&c, dirfd, path);
    if (r < 0) {
        sys_close(c.fd);
        return r;
    }
    return c.fd;
}

/* ---- bind and listen ---- */

int place_in(struct place *p, int dir, const char *name)
{
    *p = (struct place){.dirfd = dir, .name = name};
    int r = unx_addr_path_at(&p->addr, dir, name);
    if (r == -EOPNOTSUPP) {
        p->in_dir = true;
        r = unx_addr_path(&p->addr, name);
    }
    return r;
}

/* Binds under a short name that nobody uses; `name` has room for it. */
static int bind_temporary(int fd, struct place *p, int dir, char name[24], mode_t mode)
{
    int r = -EADDRINUSE;
    for (int i = 0; i < 100 && r == -EADDRINUSE; i++) {
        snprintf(name, 24, ".unx.%012llx", (unsigned long long)(sys_now() + i) & 0xffffffffffffu);
        r = place_in(p, dir, name);
        if (r == 0) {
            r = place_bind(fd, p, mode);
        }
    }
    return r;
}

static int listen_in(int fd, int dir, const char *name, int backlog, mode_t mode)
{
    struct place p;
    char temporary[24];
    int r = place_in(&p, dir, name);
    const bool moved = r == -ENAMETOOLONG;
    if (moved) {
        r = bind_temporary(fd, &p, dir, temporary, mode);
    } else if (r == 0) {
        r = place_bind(fd, &p, mode);
    }
    if (r < 0) {
        return r;
    }
    if (backlog != UNX_BIND_ONLY) {
        r = sys_listen(fd, backlog);
    }
    if (r == 0 && moved) {
        r = sys_rename_new(dir, temporary, name);
    }
    if (r < 0) {
        place_remove(&p);
    }
    return r == -EEXIST ? -EADDRINUSE : r;
}

int unx_listen_path(int type, unsigned flags, int dirfd, const char *path, int backlog, mode_t mode)
{
    if (path == NULL || path[0] == '\0') {
        return -EINVAL;
    }
    const int checked = backlog == UNX_BIND_ONLY ? 0 : listen_check(type, flags, backlog);
    if (checked < 0) {
        return checked;
    }
    if (path_fits(dirfd, path)) {
        struct unx_addr a;
        const int r = unx_addr_path(&a, path);
        return r < 0                      ? r
               : backlog == UNX_BIND_ONLY ? unx_bind(type, flags, &a, mode)
                                          : unx_listen(type, flags, &a, backlog, mode);
    }
    const char *name;
    const int fd = socket_new(type, flags);
    if (fd < 0) {
        return fd;
    }
    const int dir = path_parent(dirfd, path, &name);
    int r = dir;
    if (r >= 0) {
        r = listen_in(fd, dir, name, backlog, mode);
        sys_close(dir);
    }
    if (r < 0) {
        sys_close(fd);
        return r;
    }
    return fd;
}
