// SPDX-License-Identifier: MIT
/*
 * Binding to an address, and listening.
 *
 * Promises: the mode of the file is right before anyone can connect, and never wider than asked for; umask(2) is not
 * touched; a file that was there before stays; a file that a failed call made is removed.
 *
 * What surprised us: a mode can be made narrower before bind(2), through the socket itself, but wider only afterwards,
 * through the file; in between, nobody can connect, since nobody listens.
 */
#include "bind.h"
#include "addr.h"
#include "connect.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

int place_of(struct place *p, const struct unx_addr *a)
{
    const void *name = NULL;
    const int r = addr_check(a);
    if (r < 0) {
        return r;
    }
    *p = (struct place){.addr = *a, .dirfd = AT_FDCWD};
    if (unx_addr_name(&p->addr, &name, NULL) == UNX_PATH) {
        /* A path that fills the address ends with it; the union is larger and gives room for a NUL. */
        p->addr.raw[p->addr.len < sizeof p->addr.raw ? p->addr.len : sizeof p->addr.raw - 1] = '\0';
        p->name = name;
    }
    return 0;
}

void place_remove(const struct place *p)
{
    struct sys_file f;
    if (p->name != NULL && p->ino != 0 && sys_file_at(p->dirfd, p->name, &f) == 0 && f.dev == p->dev &&
        f.ino == p->ino) {
        sys_unlink(p->dirfd, p->name);
    }
}

int directory_holds_still(int dir)
{
    struct sys_file d;
    struct unx_cred self;
    const int r = sys_file_of(dir, &d);
    if (r < 0) {
        return r;
    }
    sys_own_cred(&self, true);
    const bool still = (d.uid == self.uid || d.uid == 0) && ((d.mode & 022) == 0 || (d.mode & 01000) != 0);
    /* Otherwise a name may lead to another file by now, and changing that one would be worse than failing. */
    return still ? 0 : -EPERM;
}

/* The umask has taken bits from a file that is ours and that nobody can use yet: gives them back. */
static int widen(const struct place *p, mode_t mode)
{
    const char *name;
    const int dir = path_parent(p->dirfd, p->name, &name);
    if (dir < 0) {
        return dir;
    }
    const int r = directory_holds_still(dir);
    sys_close(dir);
    if (r < 0) {
        return r;
    }
    const struct sys_file is = {.dev = p->dev, .ino = p->ino};
    return sys_set_mode_of(p->dirfd, p->name, &is, mode);
}

struct binding {
    int fd;
    const struct unx_addr *addr;
};

static int bind_there(void *arg)
{
    const struct binding *b = arg;
    return sys_bind(b->fd, b->addr);
}

int place_bind(int fd, struct place *p, mode_t mode)
{
    const bool own_mode = mode != UNX_MODE_UMASK;
    if (own_mode && (p->name == NULL || (mode & ~(mode_t)07777) != 0)) {
        return -EINVAL;
    }
    int r = own_mode ? sys_set_mode(fd, mode) : 0;
    if (r == 0) {
        struct binding b = {.fd = fd, .addr = &p->addr};
        r = p->in_dir ? sys_in_directory(p->dirfd, bind_there, &b) : bind_there(&b);
    }
    struct sys_file f;
    if (r < 0 || p->name == NULL) {
        return r;
    }
    r = sys_file_at(p->dirfd, p->name, &f);
    if (r < 0) {
        if (own_mode) {
            sys_unlink(p->dirfd, p->name); /* bind(2) has just made it */
        }
        return own_mode ? r : 0;
    }
    p->dev = f.dev;
    p->ino = f.ino;
    r = own_mode && f.mode != mode ? widen(p, mode) : 0;
    if (r < 0) {
        place_remove(p);
    }
    return r;
}

/* A socket bound to p->addr. */
static int new_bound(int type, unsigned flags, struct place *p, mode_t mode)
{
    const int fd = socket_new(type, flags);
    if (fd < 0) {
        return fd;
    }
    const int r = place_bind(fd, p, mode);
    if (r < 0) {
        sys_close(fd);
        return r;
    }
    return fd;
}

int unx_bind(int type, unsigned flags, const struct unx_addr *a, mode_t mode)
{
    struct place p;
    const int r = place_of(&p, a);
    return r < 0 ? r : new_bound(type, flags, &p, mode);
}

int listen_check(int type, unsigned flags, int backlog)
{
    if (backlog < -1 || (flags & UNX_TIMESTAMP) != 0) {
        return -EINVAL;
    }
    return type == SOCK_DGRAM ? -EOPNOTSUPP : 0;
}

int unx_listen(int type, unsigned flags, const struct unx_addr *a, int backlog, mode_t mode)
{
    struct place p;
    int r = listen_check(type, flags, backlog);
    if (r == 0) {
        r = place_of(&p, a);
    }
    const int fd = r < 0 ? r : new_bound(type, flags, &p, mode);
    if (fd < 0) {
        return fd;
    }
    r = sys_listen(fd, backlog);
    if (r < 0) {
        place_remove(&p);
        sys_close(fd);
        return r;
    }
    return fd;
}

/* ---- datagram sockets that exist ---- */

static int datagram(int fd)
{
    int r = socket_ours(fd);
    if (r == 0) {
        r = sys_type(fd);
    }
    return r < 0 ? r : r == SOCK_DGRAM ? 0 : -EPROTOTYPE;
}

/* A socket can be bound once, so what widening its mode takes, which is two descriptors, has to be there before. A
 * umask may take any bit away, also the owner's. */
static int room_to_widen(int fd, mode_t mode)
{
    if (mode == UNX_MODE_UMASK || mode == 0) {
        return 0;
    }
    const int first = sys_dup(fd), second = first < 0 ? first : sys_dup(fd);
    if (first >= 0) {
        sys_close(first);
    }
    if (second >= 0) {
        sys_close(second);
    }
    return second < 0 ? second : 0;
}

int unx_bind_to(int fd, const struct unx_addr *a, mode_t mode)
{
    struct place p;
    int r = place_of(&p, a);
    if (r == 0) {
        r = datagram(fd);
    }
    if (r == 0) {
        r = room_to_widen(fd, mode);
    }
    return r < 0 ? r : place_bind(fd, &p, mode);
}

int unx_connect_to(int fd, const struct unx_addr *to)
{
    int r = addr_check(to);
    if (r == 0) {
        r = datagram(fd);
    }
    return r < 0 ? r : connect_once(fd, to);
}

int unx_disconnect(int fd)
{
    int r = datagram(fd);
    if (r == 0) {
        do {
            r = sys_disconnect(fd);
        } while (r == -EINTR);
    }
    return r;
}
