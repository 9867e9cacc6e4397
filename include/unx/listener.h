/* SPDX-License-Identifier: MIT */
/*
 * A listener that is safe: it takes over what is stale and never what lives, nobody can connect before the mode is
 * right, it can be stopped from anywhere without losing a client, and it removes its own file and no other.
 *
 * It is an object, unlike everything in unx/unx.h, whose conventions hold otherwise: one allocation and at most four
 * descriptors (the socket, an event that wakes who waits, a spare one for a full table, the directory of its file).
 * Stopping and accepting may be done by any threads at once; opening, closing and forgetting by one, alone.
 */
#ifndef UNX_LISTENER_H
#define UNX_LISTENER_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct unx_listener;

#define UNX_REPLACE 0x00200000u     /* open: take the path from whoever serves it; its clients notice nothing */
#define UNX_PRIVATE_DIR 0x00400000u /* open: -EPERM if others may write to the directory of the path */
#define UNX_SHED 0x00800000u   /* open, adopt: with a full descriptor table turn clients away, instead of waiting */
#define UNX_SHARED 0x01000000u /* stop: other processes serve this socket and go on */

/* Start from UNX_LISTENER_OPTIONS, which is what NULL means, and change what you need. Owner or group together with
 * UNX_MODE_UMASK is -EPERM in a directory where others can rename our file. */
struct unx_listener_options {
    mode_t mode; /* of the file, exactly, before anyone can connect; 0: 0600; UNX_MODE_UMASK: leave it to the umask */
    uid_t owner; /* of the file; -1: leave it */
    gid_t group; /* of the file; -1: leave it */
    int backlog; /* as for unx_listen() */
    int lock_ms; /* how long to wait for another program that is just opening or closing there; as timeout_ms */
    uint32_t reserved[7]; /* 0 */
};
#define UNX_LISTENER_OPTIONS                                                                                           \
    {                                                                                                                  \
        0, (uid_t)-1, (gid_t)-1, -1, 5000,                                                                             \
        {                                                                                                              \
            0, 0, 0, 0, 0, 0, 0                                                                                        \
        }                                                                                                              \
    }

/* Opens a listener at a path (below), or at an abstract name, which no permissions guard: then mode, owner and group
 * have to be the defaults, UNX_REPLACE and UNX_PRIVATE_DIR are -EINVAL, and unx_policy_check() says who may talk.
 * flags: those of unx_listen(), UNX_REPLACE, UNX_PRIVATE_DIR, UNX_SHED. A socket that listens does not block, whatever
 * they say. DGRAM: a receiver, bound and not listening; for unx_recv() on unx_listener_fd(). *l is NULL on failure. */
int unx_listener_open(struct unx_listener **l, int type, unsigned flags, const struct unx_addr *a,
                      const struct unx_listener_options *o);

/* The same at a path of any length, relative to the directory `dirfd` or AT_FDCWD. Its file appears when it can be
 * connected to, not before. Of several that open one path at once, one succeeds. -EADDRINUSE: somebody has a socket
 * there, of whatever type, busy, or not listening yet, or one that we may not ask; or a file that is no socket, which
 * is never touched. A socket that nobody has any more is replaced. -ETIMEDOUT, -EAGAIN: another program kept the lock
 * of the directory (flock(2)), as anybody may who can read it.
 * unx_local_addr() tells the name before the file got its own: keep the path. */
int unx_listener_open_path(struct unx_listener **l, int type, unsigned flags, int dirfd, const char *path,
                           const struct unx_listener_options *o);

/* A listener for a socket from elsewhere (sd_listen_fds(3), SCM_RIGHTS), which others may share: it listens or, DGRAM,
 * is bound; type 0: any. On success fd belongs to *l. Stopping wakes our own threads only and leaves what is queued to
 * the others; the file stays. Works without blocking only: -EBUSY for a blocking socket, unless flags have
 * UNX_NONBLOCK, which every holder sees. flags also: UNX_SHED. Errors of unx_adopt().
 * After an error fd is as it was. */
int unx_listener_adopt(struct unx_listener **l, int fd, int type, unsigned flags);

/* The socket, to poll or to hand on; it stays the listener's. */
int unx_listener_fd(const struct unx_listener *l);

/* The next connection, within timeout_ms; flags and peer as for unx_accept(). -ESHUTDOWN: it was stopped, and who had
 * connected was accepted. With a full descriptor table (-EMFILE, -ENFILE, no memory) clients wait in the backlog, and
 * so do we, trying again some fifty times a second; the error is returned when the time is up (0: at once, so poll()
 * again after a pause only), or if it was stopped. With UNX_SHED they are accepted and closed instead: until the
 * timeout is over, or with a timeout of 0 up to 64 of them, then -EAGAIN. DGRAM: -EOPNOTSUPP. */
int unx_listener_accept(struct unx_listener *l, unsigned flags, struct unx_addr *peer, int timeout_ms);

/* How many clients UNX_SHED has turned away. */
unsigned unx_listener_shed(const struct unx_listener *l);

/* Stops it for good, from any thread or a signal handler: its file goes, nobody can connect any more, and every accept
 * returns who had connected already, then -ESHUTDOWN, within 100 ms if nobody had. A datagram receiver gets what is
 * queued, then the end (when it blocks; else POLLRDHUP). If a successor has replaced the file, waits 20 ms for clients
 * that are on the way to us. flags: UNX_SHARED: as if adopted, and the file is the others' from now on. -EBUSY: in a
 * process that did not open it (adopt a copy of the descriptor there, and forget this one),
 * or a shared socket that blocks. */
int unx_listener_stop(struct unx_listener *l, unsigned flags);

/* Removes the file if it is the one that this listener made and this process opened it, closes the descriptors, and
 * frees *l. Clients that nobody accepted get -ECONNRESET: stop and accept before. An error is about the file alone,
 * which then stays, stale. NULL: 0. */
int unx_listener_close(struct unx_listener *l);

/* The same without touching the file: in a forked child, or when others hold the socket now. */
int unx_listener_forget(struct unx_listener *l);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
