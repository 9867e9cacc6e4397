// SPDX-License-Identifier: MIT
/*
 * The engine inside: operations, the line of each descriptor, and the written list of functions that a backend is.
 *
 * An operation on a descriptor stands in one of its two queues, and only the first of a queue is at work. What is done
 * for it is the same on every backend: a call of libunx that does not wait, each time the descriptor is ready. A
 * backend says when that is. It may also do standing receives by itself, if it is better at it (`start`).
 */
#ifndef UNX_ENGINE_INTERNAL_H
#define UNX_ENGINE_INTERNAL_H

#include <poll.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <unx/engine.h>

#include "recv.h"
#include "sys.h"

#define CACHE_LINE 64u

static inline void *cache_aligned(void *p)
{
    return (void *)(((uintptr_t)p + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE);
}

enum op_kind { OP_SEND = 1, OP_RECV, OP_ACCEPT, OP_CONNECT, OP_POLL, OP_TIMER, OP_CLOSE, OP_POST, OP_INTERNAL };

/* IDLE: the caller's. OUT: at work. DONE: in the list of events to come. */
enum op_state { OP_IDLE, OP_OUT, OP_DONE };

/* What struct unx_op is inside. What every operation needs comes first: with thousands of them each line of the cache
 * counts. */
struct op {
    void *data;
    struct op *next, *prev; /* of its queue, or of the list of events to come */
    union {
        struct unx_msg *msg;
        const struct unx_addr *to;
        int events;
    };
    size_t gone; /* bytes of a stream that went */
    int fd, result;
    unsigned flags;
    uint8_t kind, state, type;
    uint8_t alarms;     /* how often readiness was none */
    bool dont_wait : 1; /* timeout 0 */
    bool limited : 1;   /* has a deadline */
    bool timed : 1;     /* is in the heap of times */
    bool paused : 1;    /* until `at`: not at work */
    bool starved : 1;   /* waits for a buffer */
    bool fed : 1;       /* it is its turn to have one */
    bool blocked : 1;   /* a first attempt was made: waits for readiness */
    bool native : 1;    /* the backend works at it */
    bool reset : 1;     /* a reset came, what is queued comes first */
    bool ending : 1;    /* the backend will let go of it, and `result` is known */
    bool now : 1;       /* it is being started, and has no event if it goes meanwhile */
    bool hup : 1;       /* a datagram socket was shut down for receiving */
    uint8_t pause_ms;   /* until the next attempt */
    int16_t why;        /* the result if the backend ends it without one: -ECANCELED, -ETIMEDOUT; 0: nobody asked */
    int64_t at;         /* its time in the heap: the deadline, or an attempt before */
    int64_t deadline;
    struct op *link, *back;              /* of a second list: starved, or posted */
    struct op *child, *sibling, *before; /* of the heap of times */
    const struct unx_addr *from;
};
_Static_assert(offsetof(struct op, at) <= 64, "one line of the cache for what is always needed");
_Static_assert(sizeof(struct op) <= sizeof(struct unx_op), "an operation fits");

enum { IN, OUT };

/* The operations on one descriptor. */
struct line {
    struct op *first[2], *last[2];
    struct op *polls;
    struct op *closing;
    uint16_t armed;  /* events of poll(2) that the backend watches for */
    uint16_t flying; /* requests of the backend that are still out */
    uint8_t type;    /* SOCK_*, NO_SOCKET; 0: not asked yet */
    bool tried;      /* to receive */
    bool asked;      /* whether it listens */
    bool cancelling; /* the backend was told that it will be closed */
    bool by_epoll;   /* how the backend watches it */
    uint32_t slot;   /* of the poll backend */
};

/* What few messages bring. */
struct extras {
    int fds[SYS_FDS_MAX];
    struct unx_cred cred;
    struct unx_addr addr;
};

_Static_assert(sizeof(void *) < 8 || sizeof(struct line) == CACHE_LINE, "one line of the cache for each descriptor");

/* Of LINES descriptors. */
struct block {
    struct line *lines; /* in */
    void *memory;
};

/* A buffer of standing receives: extras, the message that describes it, and its memory, so that what every message
 * needs is in as few pages and lines of the cache as possible. */
struct buffer {
    union {
        struct extras x;
        char room[(sizeof(struct extras) + CACHE_LINE - 1) / CACHE_LINE * CACHE_LINE];
    };
    struct unx_msg m;
    struct iovec iov;
    struct buffer *next;
    unsigned nfds; /* that were handed out */
    int pidfd;
    uint16_t number; /* in its pool */
    bool out, shared;
};
_Static_assert(sizeof(void *) < 8 ||
                   (offsetof(struct buffer, m) % CACHE_LINE | sizeof(struct buffer) % CACHE_LINE) == 0,
               "a message and its bytes begin with lines of the cache");

static inline char *buffer_memory(struct buffer *b)
{
    return (char *)(b + 1);
}

struct pool {
    void *block;
    char *first; /* e->stride apart */
};

struct engine_backend {
    const char *name;
    int (*open)(struct unx_engine *e);
    void (*close)(struct unx_engine *e);
    /* A descriptor to poll from now on, asked for once, while nothing is out; -EOPNOTSUPP. */
    int (*nest)(struct unx_engine *e);
    /* From now on engine_ready() is called when fd has one of these events, at least once. -EPERM: it is always
     * ready. */
    int (*want)(struct unx_engine *e, int fd, struct line *l, unsigned events);
    /* Calls engine_ready() for what is ready, waiting up to ns for it (-1: without limit), no more often than there is
     * room for events. -EINTR if it was interrupted. */
    int (*wait)(struct unx_engine *e, int64_t ns);
    /* fd is going to be closed: true if nothing of it is out any more; else engine_quiet() is called when that is
     * so. */
    bool (*forget)(struct unx_engine *e, int fd, struct line *l);
    /* The rest may be NULL. */
    bool (*start)(struct unx_engine *e, struct op *op, struct line *l); /* takes op over: it ends by engine_done() */
    void (*stop)(struct unx_engine *e, struct op *op);                  /* asks to end it soon */
    int (*share)(struct unx_engine *e);                                 /* the shared pool was made */
    bool (*shares)(const struct line *l);                  /* whether standing receives on it use that pool */
    int (*flush)(struct unx_engine *e);                    /* nothing is held back any more, or why it is */
    void (*internal)(struct unx_engine *e, struct op *op); /* what it polls itself is ready */
};
extern const struct engine_backend engine_epoll, engine_poll, engine_uring;

/* How many descriptors are handled before the caller has its turn: one that is answered soon after it was received from
 * is still in the nearest cache, which holds some dozens of them. */
#define ENGINE_BATCH 8

#define LINES 256 /* in a block */
#define NO_SOCKET UINT8_MAX

struct unx_engine {
    const struct engine_backend *backend;
    void *own; /* the backend's */
    unsigned depth;
    struct block *blocks; /* by descriptor */
    unsigned nblocks;
    unsigned count; /* operations whose last event has not been reaped */

    struct unx_event *out; /* of the reaping in progress, else NULL */
    unsigned nout, room;
    struct op *done_first, *done_last;
    unsigned hurried; /* of `nout`: how many end the reaping */
    bool rested;      /* the last reaping did not ask the system */
    bool more;        /* the backend has been told of more than it has handed out */

    struct op *heap;
    int64_t spin_ns;

    int event;                   /* wakes from other threads */
    struct op waking;            /* polls it */
    _Atomic(struct op *) posted; /* newest first */
    atomic_bool woken;

    int nested;    /* the descriptor that somebody polls; -1: nobody */
    bool draining; /* and is going to reap again */
    int clock;     /* tells deadlines there; -1 */
    int64_t clock_at;
    struct op ticking;

    struct pool pools[2];   /* ours, and what the backend fills by itself */
    struct buffer *free[2]; /* of each, what came back last is first */
    unsigned nbuffers, buffers_out;
    unsigned empty_out; /* messages that need no buffer */
    size_t buffer_size, stride;
    struct buffer empty[2];            /* packets that need no buffer: without, and behind a reset */
    struct op *starved, *starved_last; /* by `link` and `back` */
    struct op *unfed;                  /* the last of them that was fed in vain */
};

static inline struct op *op_of(struct unx_op *op)
{
    return (struct op *)op;
}

/* ---- engine_line.c: descriptors, and the operations that stand in their queues ---- */

/* The line of a descriptor that the engine has seen; else NULL. */
static inline struct line *line_at(const struct unx_engine *e, int fd)
{
    const unsigned block = (unsigned)fd / LINES;
    return fd < 0 || block >= e->nblocks || e->blocks[block].lines == NULL
               ? NULL
               : &e->blocks[block].lines[(unsigned)fd % LINES];
}
/* Makes it. NULL: no memory. */
struct line *line_make(struct unx_engine *e, int fd);
static inline int line_of(const struct op *op)
{
    return op->kind == OP_SEND ? OUT : IN;
}
void line_add(struct line *l, struct op *op);
void line_remove(struct line *l, struct op *op);

/* ---- engine_time.c: a heap of times ---- */
void time_set(struct unx_engine *e, struct op *op, int64_t at);
void time_clear(struct unx_engine *e, struct op *op);

/* ---- engine_buffer.c: the pool of standing receives ---- */

#define BUFFER_NAME 128 /* room for a source, where the backend wants it in front of the data */
#define BUFFER_HEAD 16
#define BUFFER_ROOM (BUFFER_HEAD + BUFFER_NAME + RECV_CONTROL_MAX)

int buffer_pool(struct unx_engine *e, bool shared);
static inline struct buffer *buffer_at(const struct unx_engine *e, bool shared, unsigned i)
{
    return (struct buffer *)(e->pools[shared].first + i * e->stride);
}
/* A free one; NULL: none is left. */
static inline struct buffer *buffer_take(struct unx_engine *e, bool shared)
{
    struct buffer *const b = e->free[shared];
    if (b != NULL) {
        e->free[shared] = b->next;
    }
    return b;
}
static inline void buffer_put(struct unx_engine *e, struct buffer *b)
{
    b->next = e->free[b->shared];
    e->free[b->shared] = b;
}
/* Makes one ready for a receive. */
void buffer_ready(const struct unx_engine *e, struct buffer *b, bool plain, bool source);
/* One that was not made ready, with data that is in it, and nothing else. */
void buffer_hand_out_data(struct unx_engine *e, struct buffer *b, char *data, size_t n);
/* What was received goes to the caller. */
void buffer_hand_out(struct unx_engine *e, struct buffer *b);

/* ---- engine_feed.c: standing receives that wait for a buffer ---- */

void feed_add(struct unx_engine *e, struct op *op);
void feed_remove(struct unx_engine *e, struct op *op);
/* They get what is free: for a backend that is about to ask the system, and has nothing more to tell before. */
void feed_all(struct unx_engine *e);

/* ---- engine_try.c: one attempt, without waiting ---- */

/* -EAGAIN: it has to wait. TRY_STARVED: for a buffer. TRY_LATER: for the next reaping. TRY_MORE: it goes on. Else its
 * result. */
enum { TRY_STARVED = INT32_MIN, TRY_LATER, TRY_MORE };
int try_op(struct unx_engine *e, struct op *op, const struct line *l);

/* ---- engine_run.c: what is done for an operation, and when ---- */

/* A new operation stands in its queue. */
void run_new(struct unx_engine *e, struct op *op, struct line *l);
/* Whoever is first in a queue goes to work; what the backend has to watch for is what they wait for. */
void run_line(struct unx_engine *e, int fd, struct line *l);
/* It is not to go on: at once, or when the backend has let go of it. */
void run_end(struct unx_engine *e, struct op *op, int why);
/* Nothing can be received before a buffer comes back: then no event is in no hurry. */
static inline bool run_full(const struct unx_engine *e)
{
    return e->stride > 0 && e->buffers_out >= e->nbuffers;
}
static inline bool run_hungry(const struct unx_engine *e)
{
    return e->starved != NULL && e->buffers_out < e->nbuffers;
}
/* It waits for readiness. */
static inline bool run_waits(const struct op *op)
{
    return op->blocked && !op->native && !op->starved && !op->paused;
}
/* What those in line are waiting for. */
unsigned run_wanted(const struct line *l);
/* Whether that is what it was while a receive was tried that goes on. */
static inline bool run_goes_on(const struct line *l, const struct op *in)
{
    return l->first[IN] == in && in != NULL && run_waits(in) && l->first[OUT] == NULL && l->polls == NULL &&
           (l->armed & POLLIN) != 0;
}
/* Whether what was reported would be reported for ever, to nobody. */
static inline bool run_useless(const struct line *l, unsigned reported, unsigned wanted)
{
    return wanted != l->armed && (wanted == 0 || (reported & ~(wanted | POLLERR | POLLHUP)) != 0);
}
/* A connection has to be tried again. */
void run_later(struct unx_engine *e, struct op *op);
/* Its time has come. */
void run_time(struct unx_engine *e, struct op *op, int64_t now);

/* ---- what backends call ---- */
/* True: a receive goes on, and all else is as it was, so the backend watches for what they wait for. */
bool engine_ready(struct unx_engine *e, int fd, struct line *l, unsigned events);
/* A native operation has ended, with the result of its system call. */
void engine_done(struct unx_engine *e, struct op *op, int result);
/* A native standing receive has brought a message, or its end: `n` as recv(2) returns it. */
void engine_received(struct unx_engine *e, struct op *op, struct buffer *b, struct receiving *t, ssize_t n);
/* The same for an empty packet that came without a buffer. */
void engine_received_empty(struct unx_engine *e, struct op *op);
void engine_quiet(struct unx_engine *e, int fd, struct line *l);

/* ---- engine.c ---- */
/* Polls a descriptor of our own for as long as the engine lives. */
int engine_watch_own(struct unx_engine *e, struct op *op, int fd);
/* It is ready. */
void engine_internal(struct unx_engine *e, struct op *op);
/* Something was started outside of a reaping: whoever polls our descriptor has to hear of it. */
void engine_nudge(struct unx_engine *e);
/* Deadlines are told to whoever polls our descriptor. */
void engine_set_clock(struct unx_engine *e);

/* ---- engine_reap.c: events ---- */
static inline bool event_room(const struct unx_engine *e)
{
    return e->out != NULL && e->nout < e->room;
}
/* The same for an event that is not the last one, which cannot stand behind others: not while one of its own line is
 * there. */
bool event_room_behind(const struct unx_engine *e, const struct op *op);
static inline bool event_room_of(const struct unx_engine *e, const struct op *op)
{
    return e->done_first == NULL ? event_room(e) : event_room_behind(e, op);
}
void event_last(struct unx_engine *e, struct op *op, int result);
static inline void event_more(struct unx_engine *e, struct op *op, struct unx_msg *m, int result)
{
    e->out[e->nout++] = (struct unx_event){.op = (struct unx_op *)op, .msg = m, .result = result, .flags = UNX_MORE};
    e->hurried++;
}

#endif
