// SPDX-License-Identifier: MIT
/*
 * A listener that is safe: opened, stopped, closed. (Its path is in claim.c, accepting in listener_accept.c.)
 *
 * Promises: after an error nothing is open, allocated or left in the file system; stopping wakes everybody who waits,
 * loses nobody who has connected, and may be done in a signal handler; a forked child takes nothing from its parent.
 *
 * What surprised us: shutdown(2) of a listening socket refuses newcomers and keeps who is queued, in one step. But a
 * client that has found the old file just before a successor replaced it is refused too, if it gets the processor only
 * after the shutdown; after a mere close(2) the kernel lets it look again. So the one who was replaced waits a little.
 */
#include "listener.h"
#include "addr.h"
#include "bind.h"
#include "io.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#define OPEN_FLAGS (SOCKET_FLAGS | UNX_REPLACE | UNX_PRIVATE_DIR | UNX_SHED)

static const struct unx_listener_options usual = UNX_LISTENER_OPTIONS;

bool listener_ours(const struct unx_listener *l)
{
    struct unx_cred self;
    sys_own_cred(&self, false);
    return self.pid == l->pid;
}

bool listener_has_event(const struct unx_listener *l)
{
    return SYS_EVENTS_FORK || listener_ours(l);
}

/* The same as listener_ours(), where it matters: the pid may be that of a child in a namespace of its own.
 * 0: not known. */
static bool made_here(const struct unx_listener *l)
{
    const uint64_t id = listener_ours(l) && l->pidfdid != 0 ? sys_own_pidfdid() : 0;
    return listener_ours(l) && (id == 0 || id == l->pidfdid);
}

/* ---- opening ---- */

static int options_check(const struct unx_listener_options *o, int type, unsigned flags)
{
    uint32_t reserved = 0;
    for (size_t i = 0; i < sizeof o->reserved / sizeof *o->reserved; i++) {
        reserved |= o->reserved[i];
    }
    const bool mode = o->mode == UNX_MODE_UMASK || (o->mode & ~(mode_t)07777) == 0;
    if (reserved != 0 || !mode || o->lock_ms < -1 || o->backlog < -1 || (flags & ~OPEN_FLAGS) != 0) {
        return -EINVAL;
    }
    return type == SOCK_DGRAM ? 0 : listen_check(type, flags, o->backlog);
}

/* An object without a socket: an event, and a spare descriptor that is a copy of it. */
static int object_new(struct unx_listener **made, int type, unsigned flags)
{
    struct unx_listener *l = sys_allocate(sizeof *l);
    if (l == NULL) {
        return -ENOMEM;
    }
    struct unx_cred self;
    sys_own_cred(&self, false);
    l->fd = l->claim.dir = -1;
    l->type = type;
    l->flags = flags;
    l->pid = self.pid;
    l->pidfdid = sys_own_pidfdid();
    l->lock_ms = usual.lock_ms;
    l->event = sys_event();
    atomic_store(&l->spare, l->event < 0 ? l->event : sys_dup(l->event));
    const int r = atomic_load(&l->spare);
    if (r < 0) {
        unx_listener_forget(l);
        return r;
    }
    *made = l;
    return 0;
}

static int open_named(struct unx_listener *l, const struct unx_addr *a, const struct unx_listener_options *o)
{
    struct place p;
    const bool bare = (o->mode == 0 || o->mode == UNX_MODE_UMASK) && o->owner == (uid_t)-1 && o->group == (gid_t)-1;
    int r = bare && (l->flags & (UNX_REPLACE | UNX_PRIVATE_DIR)) == 0 ? place_of(&p, a) : -EINVAL;
    if (r == 0) {
        r = place_bind(l->fd, &p, UNX_MODE_UMASK);
    }
    return r < 0 || l->type == SOCK_DGRAM ? r : sys_listen(l->fd, o->backlog);
}

static int open_path(struct unx_listener *l, int dirfd, const char *path, const struct unx_listener_options *o)
{
    const struct claim_wish wish = {
        .fd = l->fd,
        .backlog = l->type == SOCK_DGRAM ? UNX_BIND_ONLY : o->backlog,
        .flags = l->flags,
        .dirfd = dirfd,
        .path = path,
        .options = o,
    };
    const int r = claim_take(&l->claim, &wish);
    atomic_store(&l->claimed, r == 0);
    return r;
}

/* path NULL: at the address. */
static int open_at(struct unx_listener **out, int type, unsigned flags, const struct unx_addr *a, int dirfd,
                   const char *path, const struct unx_listener_options *o)
{
    struct unx_listener *l;
    o = o == NULL ? &usual : o;
    int r = options_check(o, type, flags);
    if (r == 0) {
        r = object_new(&l, type, flags);
    }
    if (r < 0) {
        return r;
    }
    l->lock_ms = o->lock_ms;
    r = l->fd = socket_new(type, (flags & SOCKET_FLAGS) | (type == SOCK_DGRAM ? 0 : UNX_NONBLOCK));
    if (r >= 0) {
        r = path == NULL ? open_named(l, a, o) : open_path(l, dirfd, path, o);
    }
    if (r < 0) {
        unx_listener_forget(l);
        return r;
    }
    *out = l;
    return 0;
}

int unx_listener_open(struct unx_listener **l, int type, unsigned flags, const struct unx_addr *a,
                      const struct unx_listener_options *o)
{
    char path[sizeof a->raw + 1];
    const void *name = NULL;
    size_t len = 0;
    if (l == NULL) {
        return -EINVAL;
    }
    *l = NULL;
    const int kind = a == NULL ? -EINVAL : unx_addr_name(a, &name, &len);
    if (kind != UNX_PATH) {
        return kind < 0 ? kind : kind == UNX_NONE ? -EINVAL : open_at(l, type, flags, a, AT_FDCWD, NULL, o);
    }
    memcpy(path, name, len);
    path[len] = '\0';
    return unx_listener_open_path(l, type, flags, AT_FDCWD, path, o);
}

int unx_listener_open_path(struct unx_listener **l, int type, unsigned flags, int dirfd, const char *path,
                           const struct unx_listener_options *o)
{
    if (l == NULL) {
        return -EINVAL;
    }
    *l = NULL;
    return path == NULL || path[0] == '\0' ? -EINVAL : open_at(l, type, flags, NULL, dirfd, path, o);
}

int unx_listener_adopt(struct unx_listener **out, int fd, int type, unsigned flags)
{
    if (out == NULL) {
        return -EINVAL;
    }
    *out = NULL;
    struct unx_addr bound;
    int r = (flags & ~(UNX_NONBLOCK | UNX_SHED)) != 0 ? -EINVAL : sys_type(fd);
    const bool listens = r != SOCK_DGRAM;
    if (r == SOCK_DGRAM) {
        r = socket_ours(fd);
        r = r < 0 ? r : unx_local_addr(fd, &bound);
        r = r == 0 && unx_addr_name(&bound, NULL, NULL) == UNX_UNNAMED ? -EINVAL : r;
    }
    if (r >= 0) {
        /* All that can be refused, before anything is changed. */
        r = socket_adoptable(fd, type, listens ? UNX_LISTENING : 0);
    }
    const int is = r;
    if (r >= 0 && (flags & UNX_NONBLOCK) == 0) {
        r = sys_get_nonblock(fd);
        r = r == 0 ? -EBUSY : r;
    }
    struct unx_listener *l;
    if (r >= 0) {
        r = object_new(&l, is, flags);
    }
    if (r < 0) {
        return r;
    }
    r = unx_adopt(fd, is, flags & UNX_NONBLOCK);
    if (r < 0) {
        unx_listener_forget(l);
        return r;
    }
    l->fd = fd;
    atomic_store(&l->shared, true);
    *out = l;
    return 0;
}

int unx_listener_fd(const struct unx_listener *l)
{
    return l == NULL ? -EINVAL : l->fd;
}

/* ---- stopping and closing ---- */

/* As claim_drop(); what could not be removed now can be tried again. */
static int remove_file(struct unx_listener *l, int lock_ms)
{
    if (!atomic_exchange(&l->claimed, false)) {
        return 1;
    }
    const int r = claim_drop(&l->claim, lock_ms);
    if (r < 0) {
        atomic_store(&l->claimed, true);
    }
    return r;
}

int unx_listener_stop(struct unx_listener *l, unsigned flags)
{
    const int soon_ms = 40;
    const int on_the_way_ms = 20;
    if (l == NULL || (flags & ~UNX_SHARED) != 0) {
        return -EINVAL;
    }
    if (!made_here(l)) {
        return -EBUSY;
    }
    const bool shared = (flags & UNX_SHARED) != 0 || atomic_load(&l->shared);
    int r = 0;
    if (shared) {
        /* Who waits in accept(2) itself could only be woken together with all the others. */
        r = l->type == SOCK_DGRAM ? 1 : sys_get_nonblock(l->fd);
        if (r <= 0) {
            return r < 0 ? r : -EBUSY;
        }
        r = 0;
        atomic_store(&l->claimed, false);
        atomic_store(&l->shared, true);
    } else {
        if (remove_file(l, soon_ms) == 0) {
            const int64_t end = io_deadline(on_the_way_ms);
            for (int64_t left = io_left(end); left > 0; left = io_left(end)) {
                sys_sleep(left); /* a signal ends it early */
            }
        }
        r = sys_shutdown(l->fd, SHUT_RD);
    }
    atomic_store(&l->stopped, true);
    sys_event_set(l->event);
    /* Some systems say so of a listener that they have shut down. */
    return r == -ENOTCONN ? 0 : r;
}

static void drop(int fd)
{
    if (fd >= 0) {
        sys_close(fd);
    }
}

int unx_listener_close(struct unx_listener *l)
{
    if (l == NULL) {
        return 0;
    }
    /* The socket is still open, so no other file can have got the number of ours. Its spare leaves room for a lock. */
    if (listener_has_event(l)) {
        drop(atomic_exchange(&l->spare, -1));
    }
    const int r = made_here(l) ? remove_file(l, l->lock_ms) : 0;
    unx_listener_forget(l);
    return r < 0 ? r : 0;
}

int unx_listener_forget(struct unx_listener *l)
{
    if (l != NULL) {
        drop(l->fd);
        if (listener_has_event(l)) {
            drop(l->event);
            drop(atomic_load(&l->spare));
        }
        claim_close(&l->claim);
        sys_free(l);
    }
    return 0;
}
