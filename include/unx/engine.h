/* SPDX-License-Identifier: MIT */
/*
 * libunx-engine: operations that complete later, on io_uring, epoll or poll, with the same results.
 *
 * An operation is the caller's memory. It is started by a call below, and comes back as an event: exactly one last
 * event, whatever happens (and none, if UNX_NOW says so). Events are reaped into an array; there are no callbacks. One
 * descriptor says when there is something to reap, so an engine nests in any event loop (unx/adapters/).
 *
 * What holds for every call below, beyond what unx/unx.h says of all calls:
 *  - A negative return is misuse (-EINVAL, -EBADF, -ENOTSOCK; -EBUSY: the operation is out already) or -ENOMEM: then
 *    the operation was not started, and no event will come. What the system has to say comes with the event, in
 *    `result`.
 *  - What an operation lends (its struct unx_op, its message and all that leads from it, descriptors and addresses)
 *    stays as it is until its last event. A struct unx_op is zero before its first use, and may be used again after its
 *    last event.
 *  - timeout_ms: -1 waits without limit; 0 does not wait (-EAGAIN; not for standing operations: -EINVAL); n: the
 *    operation ends with -ETIMEDOUT.
 *  - Operations on one descriptor complete in the order in which they were started, each direction by itself
 *    (receiving, accepting; sending). Any number may be out at once, and each message is whole.
 *  - An engine belongs to the thread that reaps it first, or calls unx_engine_fd(); before, one other thread may start
 *    up to `depth` operations. From other threads: unx_engine_wake() and unx_engine_post() alone, and unx_engine_free()
 *    when nobody uses it any more. A child of fork(2) leaves it alone.
 *  - A descriptor that the engine has seen is closed by unx_engine_close(), not by close(2).
 *  - It keeps some 64 bytes for each descriptor number up to the largest that it has seen, and a pool of buffers once
 *    there is a standing receive. No operation allocates beyond that.
 */
#ifndef UNX_ENGINE_H
#define UNX_ENGINE_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

struct unx_engine;

/* One operation. `data` is the caller's, the rest the engine's. */
struct unx_op {
    void *data;
    uint64_t opaque[19];
}
#if defined(__GNUC__)
__attribute__((aligned(8)))
#endif
;

/* What became of an operation. */
struct unx_event {
    struct unx_op *op;
    struct unx_msg *msg; /* of sending and receiving, else NULL */
    int result;          /* as the blocking call returns it */
    unsigned flags;      /* UNX_MORE, or 0 */
};

#define UNX_STANDING 0x00008000u /* receive, accept: stays armed; an event for each message or connection */
#define UNX_LAZY 0x00080000u     /* send: the event of its success is in no hurry */
#define UNX_NOW 0x08000000u      /* send: no event, if it goes while it is started */
#define UNX_MORE 0x00040000u     /* of an event: not the last one of its operation */

/* Of unx_engine_new(): this backend and no other. */
#define UNX_ENGINE_URING 0x20000000u /* io_uring(7), Linux 6.1 */
#define UNX_ENGINE_EPOLL 0x40000000u /* epoll(7) */
#define UNX_ENGINE_POLL 0x80000000u  /* poll(2): for few descriptors; has no descriptor to nest by */

/* Makes an engine: on io_uring if that works here and now, else on epoll, else on poll. depth: how much may complete at
 * once before the system is asked again, 1 to 4096; 0: 256. -EOPNOTSUPP: the backend that was asked for does not work
 * here. *e is NULL on failure. */
int unx_engine_new(struct unx_engine **e, unsigned depth, unsigned flags);

/* Frees it. -EBUSY: operations are out, or messages of standing receives have not been returned. No other thread may
 * still be inside of unx_engine_wake() or unx_engine_post(). NULL: 0. */
int unx_engine_free(struct unx_engine *e);

/* "io_uring", "epoll", "poll". */
const char *unx_engine_backend(const struct unx_engine *e);

/* The pool of standing receives: n buffers (1 to 32768) of `size` bytes (1 to 16 MiB), instead of 1024 of 4096. Before
 * the first of them, else -EBUSY. On io_uring streams and packets have a pool each, but who has n messages
 * in all out gets no more of a kind that found none left. */
int unx_engine_buffers(struct unx_engine *e, unsigned n, size_t size);

/* How long unx_engine_reap() looks again and again before it sleeps, in microseconds, at most 1000000; 0, the default:
 * it sleeps at once. It answers sooner, and uses a whole processor meanwhile. */
int unx_engine_spin(struct unx_engine *e, unsigned microseconds);

/* A descriptor that is readable (POLLIN) when there is something to reap: then call unx_engine_reap() with timeout 0
 * until it returns 0. Deadlines and operations that complete at once are told by it too. The same at each call; the
 * engine's own: do not close it. -EBUSY: operations are out, or there was a standing receive: ask for it while the
 * engine is new. -EOPNOTSUPP on poll. */
int unx_engine_fd(struct unx_engine *e);

/* ---- Operations ---- */

/* Sends a message: 1, or the error of unx_send(). On a stream all of it: after an error m->len says how much went.
 * flags: UNX_PLAIN, and UNX_LAZY: success alone does not end a unx_engine_reap() that waits, unless it fills its array;
 * its event comes with the next one. That saves a server that answers and then waits a system call. UNX_NOW: if nothing
 * of the engine's stands in front of it, and it goes at once, the call returns 1 and the operation is over: no event
 * comes; those of sends before it may still have to be reaped. Else 0 as without. */
int unx_engine_send(struct unx_engine *e, struct unx_op *op, int fd, struct unx_msg *m, unsigned flags, int timeout_ms);

/* Receives a message into m, as unx_recv() does: 1; 0: the end; or an error. flags: UNX_PEEK, UNX_PEEK_FDS,
 * UNX_PARTIAL, UNX_KEEP, UNX_PLAIN. Every receive that is out may bring its descriptors before its event is reaped,
 * however small the array: leave room in the table.
 *
 * With UNX_STANDING, m is NULL and messages come in buffers of the engine, one event each, with UNX_MORE, until the
 * end, an error of the socket, the deadline, or a cancel. Event and message are as above, with room for as many
 * descriptors as a message holds, and for credentials, pidfd and source, which are NULL where none came; label: not
 * asked for. Each ends by unx_engine_return(). A message that failed alone (unx_one_message()) comes with its error and
 * UNX_MORE, and ends so too. If no buffer is left, messages stay queued in the socket. flags then: UNX_PARTIAL,
 * UNX_PLAIN. */
int unx_engine_recv(struct unx_engine *e, struct unx_op *op, int fd, struct unx_msg *m, unsigned flags, int timeout_ms);

/* Gives the buffer of a standing receive back. Closes its descriptors, and its pidfd, but for those that the caller has
 * replaced by -1. -EINVAL: not such a message, or returned already (not noticed on io_uring for an empty packet that
 * came when no buffer was free). */
int unx_engine_return(struct unx_engine *e, struct unx_msg *m);

/* Accepts a connection: the descriptor, or an error of unx_accept(). The listener has to be non-blocking (-EINVAL).
 * flags: UNX_NONBLOCK, UNX_TIMESTAMP, UNX_BIGBUF, and UNX_STANDING: with UNX_MORE for each connection. Where
 * descriptors or memory run out, a standing accept says so (-EMFILE, -ENFILE, -ENOBUFS, -ENOMEM, with UNX_MORE) and
 * tries again after a tenth of a second; clients wait in the backlog. */
int unx_engine_accept(struct unx_engine *e, struct unx_op *op, int fd, unsigned flags, int timeout_ms);

/* Connects a new socket: the descriptor, or an error of unx_connect(), whose arguments these are. A full backlog is
 * waited for. */
int unx_engine_connect(struct unx_engine *e, struct unx_op *op, int type, unsigned flags, const struct unx_addr *from,
                       const struct unx_addr *to, int timeout_ms);

/* Waits for events of poll(2) on any descriptor, for calls of your own: those that came, > 0. A regular file always has
 * those of POLLIN and POLLOUT that were asked for. */
int unx_engine_poll(struct unx_engine *e, struct unx_op *op, int fd, int events, int timeout_ms);

/* Ends with 0 when the time is over. timeout_ms >= 0. */
int unx_engine_timer(struct unx_engine *e, struct unx_op *op, int timeout_ms);

/* Ends an operation: its last event comes with -ECANCELED, or with its result if it was done before; nothing is lost:
 * what was not received is still queued, a result >= 0 is the caller's. A stream may have taken a part of the message
 * (m->len). -ENOENT: it is not out, or its last event is only to be reaped. -EINVAL: a close
 * cannot be cancelled. */
int unx_engine_cancel(struct unx_engine *e, struct unx_op *op);

/* Closes a descriptor that operations may be out on: they come back first, as if cancelled, and then this one, with 0,
 * when it is closed. No operation may be started on it any more (-EBADF). */
int unx_engine_close(struct unx_engine *e, struct unx_op *op, int fd);

/* ---- Events ---- */

/* Starts what was asked for, and takes up to max events, waiting up to timeout_ms for the first. Returns how many
 * (-EINVAL: ev is NULL, or max 0); 0: the time is over, or unx_engine_wake(). A signal does not end the wait. */
int unx_engine_reap(struct unx_engine *e, struct unx_event *ev, unsigned max, int timeout_ms);

/* From any thread, or a signal handler: makes one unx_engine_reap() return, now or when it is next called. */
int unx_engine_wake(struct unx_engine *e);

/* From any thread: makes op, which is not out, come out of the engine as an event with this result, in the order of
 * each thread. -EBADF also: somebody has closed a descriptor of the engine's own, and no event will come. */
int unx_engine_post(struct unx_engine *e, struct unx_op *op, int result);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
