// SPDX-License-Identifier: MIT
/*
 * A path that this process holds: taken over under a lock, and given back.
 *
 * Promises: of several that take a path at once, one succeeds; what lives is not taken unless asked for; what is no
 * socket stays; the file appears when it can be connected to, with its mode and owner; given back is our own file only.
 *
 * How: the directory is locked, so that no lock file is left behind and the lock is the same for every user. The new
 * socket listens under a name beside, and changes places with what was there; what came out is looked at again, because
 * not everybody asks for our lock, and is put back if it is not what was judged to be stale.
 */
#include "claim.h"
#include "bind.h"
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

/* ---- the lock ---- */

static int lock_wait(int fd, int64_t deadline, int lock_ms)
{
    const int64_t longest = 10000000;
    for (int64_t pause = 200000;; pause = pause * 2 > longest ? longest : pause * 2) {
        const int r = sys_lock(fd);
        if (r != -EAGAIN && r != -EINTR) {
            return r;
        }
        const int64_t left = io_left(deadline);
        if (left == 0) {
            return lock_ms == 0 ? -EAGAIN : -ETIMEDOUT;
        }
        sys_sleep(left < 0 || left > pause ? pause : left);
    }
}

static int lock_file(const struct claim *c, int64_t deadline, int lock_ms)
{
    char name[CLAIM_NAME];
    struct sys_file locked, named;
    claim_beside(name, c, "lock", false);
    for (;;) {
        const int fd = sys_open_lock(c->dir, name);
        if (fd < 0) {
            return fd;
        }
        int r = lock_wait(fd, deadline, lock_ms);
        if (r == 0) {
            r = sys_file_of(fd, &locked);
        }
        /* Whoever had it before us has removed the file. */
        if (r == 0 && sys_file_at(c->dir, name, &named) == 0 && named.ino == locked.ino && named.dev == locked.dev) {
            return fd;
        }
        sys_close(fd);
        if (r < 0) {
            return r;
        }
    }
}

/* Returns what unlock() takes. */
static int lock(struct claim *c, int lock_ms)
{
    const int64_t deadline = io_deadline(lock_ms);
    if (!c->lock_by_file) {
        const int r = lock_wait(c->dir, deadline, lock_ms);
        if (r == 0) {
            return c->dir;
        }
        if (r == -EAGAIN || r == -ETIMEDOUT) {
            return r;
        }
        c->lock_by_file = true;
    }
    return lock_file(c, deadline, lock_ms);
}

static void unlock(const struct claim *c, int locked)
{
    if (locked == c->dir) {
        while (sys_unlock(locked) == -EINTR) {
        }
        return;
    }
    char name[CLAIM_NAME];
    claim_beside(name, c, "lock", false);
    sys_unlink(c->dir, name);
    sys_close(locked);
}

/* ---- taking ---- */

static bool same(const struct sys_file *a, const struct sys_file *b)
{
    return a->dev == b->dev && a->ino == b->ino && a->is_socket == b->is_socket;
}

static int may_take(int there, unsigned flags)
{
    if (there == CLAIM_FOREIGN || (there == CLAIM_LIVE && (flags & UNX_REPLACE) == 0)) {
        return -EADDRINUSE;
    }
    return there;
}

/* Whether our new socket still has the name that it was made with: not everybody asks for our lock. 1, 0, or why that
 * cannot be told. */
static int beside(const struct claim *c, const char *new, const struct sys_file *own)
{
    struct sys_file f;
    const int r = sys_file_at(c->dir, new, &f);
    return r == 0 ? same(&f, own) : r == -ENOENT ? 0 : r;
}

/* One attempt to put our own file, called `new`, in the place of what was seen: -EAGAIN
 * if that has changed meanwhile. */
static int move_once(const struct claim *c, const char *new, const struct sys_file *own, int there,
                     const struct sys_file *seen)
{
    int r = beside(c, new, own);
    if (r <= 0) {
        return r < 0 ? r : -EADDRINUSE;
    }
    if (there == CLAIM_FREE) {
        r = sys_rename_new(c->dir, new, c->name);
        return r == -EEXIST ? -EAGAIN : r;
    }
    r = sys_swap(c->dir, new, c->name);
    if (r == -EOPNOTSUPP) {
        r = sys_rename(c->dir, new, c->name);
        return r == -EPERM || r == -EACCES ? -EADDRINUSE : r;
    }
    if (r < 0) {
        /* In a directory with the sticky bit, what others left stays. */
        return r == -ENOENT ? -EAGAIN : r == -EPERM || r == -EACCES ? -EADDRINUSE : r;
    }
    struct sys_file old;
    if (sys_file_at(c->dir, new, &old) == 0 && same(&old, seen)) {
        sys_unlink(c->dir, new);
        return 0;
    }
    if (sys_swap(c->dir, new, c->name) < 0) {
        /* Ours has been removed meanwhile, and there is nothing to change places with. */
        sys_rename_new(c->dir, new, c->name);
    }
    return -EAGAIN;
}

static int take_locked(struct claim *c, const struct claim_wish *w)
{
    char new[CLAIM_NAME];
    struct sys_file seen, own;
    int there = may_take(claim_look(c, w, c->name, &seen), w->flags);
    int r = there < 0 ? there : claim_bind(c, w, new);
    if (r < 0) {
        return r;
    }
    r = sys_file_at(c->dir, new, &own);
    if (r < 0) {
        sys_unlink(c->dir, new); /* bind(2) has just made it */
        return r;
    }
    if (w->backlog != UNX_BIND_ONLY) {
        r = sys_listen(w->fd, w->backlog);
    }
    if (r == 0) {
        r = move_once(c, new, &own, there, &seen);
    }
    for (int i = 0; i < 16 && r == -EAGAIN; i++) {
        there = may_take(claim_look(c, w, c->name, &seen), w->flags);
        r = there < 0 ? there : move_once(c, new, &own, there, &seen);
    }
    if (r < 0) {
        if (beside(c, new, &own) > 0) {
            sys_unlink(c->dir, new);
        }
        return r == -EAGAIN ? -EADDRINUSE : r;
    }
    c->dev = own.dev;
    c->ino = own.ino;
    return 0;
}

/* A directory that may be searched but not read cannot be opened to be locked. */
static int lockable(struct claim *c)
{
    const int readable = sys_open_readable_dir(c->dir);
    c->lock_by_file = readable == -EACCES;
    if (readable >= 0) {
        sys_close(c->dir);
        c->dir = readable;
    }
    return readable < 0 && !c->lock_by_file ? readable : 0;
}

int claim_take(struct claim *c, const struct claim_wish *w)
{
    const char *name;
    c->dir = path_parent(w->dirfd, w->path, &name);
    if (c->dir < 0) {
        return c->dir;
    }
    int r = snprintf(c->name, sizeof c->name, "%s", name) >= (int)sizeof c->name ? -ENAMETOOLONG : lockable(c);
    if (r == 0 && (w->flags & UNX_PRIVATE_DIR) != 0) {
        r = claim_private(c->dir);
    }
    if (r == 0) {
        const int locked = r = lock(c, w->options->lock_ms);
        if (locked >= 0) {
            r = take_locked(c, w);
            unlock(c, locked);
        }
    }
    if (r < 0) {
        claim_close(c);
    }
    return r;
}

/* ---- giving back ---- */

int claim_drop(struct claim *c, int lock_ms)
{
    struct sys_file f;
    const int locked = lock(c, lock_ms);
    if (locked < 0) {
        return locked;
    }
    int r = sys_file_at(c->dir, c->name, &f);
    if (r == 0 && f.is_socket && f.dev == c->dev && f.ino == c->ino) {
        r = sys_unlink(c->dir, c->name);
        r = r == 0 ? 1 : r;
    }
    unlock(c, locked);
    return r == -ENOENT ? 0 : r;
}

void claim_close(struct claim *c)
{
    if (c->dir >= 0) {
        sys_close(c->dir);
    }
    c->dir = -1;
}
