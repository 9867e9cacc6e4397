// SPDX-License-Identifier: MIT
/*
 * The soak with kill -9: a client and a server, each a process with an engine and one end of thousands of connections,
 * exchange numbered messages both ways, a third of them with descriptors of several kinds. A supervisor kills either at
 * random, starts it again, and judges each connection when both ends are over.
 * Connections are also closed at random, at once or in good order.
 *
 * What can be counted: for each connection both processes keep their half of a record in shared memory, which a kill
 * cannot take away. A sender writes the number of a message into `begun` before it is sent, and into `done` when the
 * event says that it went; a receiver writes it into `got` when the message has come and is right. Numbers run 1, 2, 3
 * ... in each direction. Then, for each direction of each connection:
 *  - got never jumps, and never passes begun; nor done, if the sender lived to hear what became of its sends;
 *  - a receiver that has seen the end has got all that was done, also when the sender was killed;
 *  - a receiver that was killed, or closed without waiting for the end, may miss what lay in the socket's queue and in
 *    the engine's buffers, and no more. How much that can be is measured at the start (struct kill_shared,
 *    most_queued);
 *  - a server that lives sees each connection whose first message was done,
 *    and no connection ends before that while it lives.
 * What a message has to contain, and which descriptors,
 * follows from its connection and number alone: nobody needs to be asked.
 *
 * What surprised us: with io_uring the sockets of a killed process live on for some milliseconds, until the kernel has
 * taken its ring apart, so messages to it still "go", and its peers hear of the end a little later than of its death.
 */
#ifndef TEST_SOAK_KILL_H
#define TEST_SOAK_KILL_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/types.h>
#include <unx/engine.h>

#define KILL_LEAST 64   /* bytes of a message, with its head */
#define KILL_BYTES 1024 /* at most */
#define KILL_FDS 3
#define KILL_FILES 8
#define KILL_POOL 256    /* buffers of standing receives: each may hold descriptors, for which the table needs room */
#define KILL_SPARE 128u  /* records beyond the connections: for those that no server has met */
#define KILL_AT_ONCE 64u /* connects */

enum kill_side { CLIENT, SERVER };
extern const char *const kill_sides[2];

/* In front of each message. */
struct kill_head {
    uint32_t magic, record, generation, side;
    uint64_t number;
    uint32_t len, nfds;
};

/* What one end knows of a connection. */
#define HALF_SAW_END 1u
#define HALF_OVER 2u
#define HALF_KILLED 4u
#define HALF_MET 8u      /* of the server: the first message has come */
#define HALF_REFUSED 16u /* of the client: it never became a connection */
struct kill_half {
    _Atomic uint64_t begun, done, got;
    atomic_uint state;
    unsigned life; /* which of the processes of this side */
};

struct kill_record {
    atomic_bool open; /* taken by the client, given back by the supervisor */
    uint32_t generation;
    int64_t ended_at;              /* for the client, in milliseconds */
    unsigned opened_in, closed_in; /* lives of the server: before the connect, after the client's close */
    struct kill_half half[2];
};

/* Of one side; processes go, this stays. */
struct kill_totals {
    uint64_t connected, closed, ended, sent, got, fds_sent, fds_got, fds_of[KILL_FILES], failed, strangers, full,
        refused;
    uint64_t started, over; /* operations, of this life */
    unsigned open;          /* connections now */
};

struct kill_file {
    int fd, flags;
    dev_t dev;
    ino_t ino;
};

struct kill_shared {
    unsigned seconds, backend, target, nrecords, rate;
    char path[2][64]; /* of the listeners: packets, streams */
    struct kill_file files[KILL_FILES];
    unsigned
        most_queued[2][2]; /* [stream][slow]: messages in a socket's queue, and in the hands of the receiver's engine */
    atomic_uint life[2];
    int64_t struck_at; /* the server before this one */
    atomic_bool stop, client_over;
    struct kill_totals totals[2];
    struct kill_record record[];
};

/* What a connection is like follows from its record. Slow ones have a small buffer, and a receiver that rests. */
bool kill_streams(unsigned record);
bool kill_slow(unsigned record);

/* ---- kill_message.c: what a message is ---- */

/* A number from 0 to n - 1 that follows from the others. */
unsigned kill_mix(uint64_t a, uint64_t b, unsigned n);
struct kill_head kill_head(unsigned record, uint32_t generation, unsigned side, uint64_t number);
unsigned kill_file(const struct kill_head *h, unsigned i);
void kill_write(const struct kill_head *h, unsigned char *bytes);
/* What is wrong with it, or NULL. */
const char *kill_read(const struct kill_shared *s, const struct kill_head *h, const unsigned char *bytes, size_t n,
                      const int *fds, unsigned nfds);
void kill_open_files(struct kill_shared *s, int *pipe_end);
void kill_measure_queues(struct kill_shared *s);

/* ---- kill_ledger.c: who has lost what ---- */

struct kill_verdict {
    uint64_t judged, wrong, unmet, ends[2][3]; /* of each side: saw the end, closed without, was killed */
    uint64_t missing_killed, missing_closed,
        missing_unmet;            /* messages in flight to who was killed, had closed, never came */
    uint64_t most_missing, extra; /* on one connection; came, though the killed sender was not told that they went */
};

/* A process is dead: its halves are over. */
void kill_bury(struct kill_shared *s, unsigned side);
/* Judges the connections that are over; `last`: all have to be. */
void kill_settle(struct kill_shared *s, struct kill_verdict *v, bool last);

/* ---- kill_sample.c: what is used, each second ---- */

struct kill_sample {
    double at;
    unsigned cycle, kills, open;
    bool calm;
    long rss[2], fds[2]; /* KiB; descriptors */
    long sockets, files,
        in_flight; /* of this network namespace; of the machine; descriptors in queues, from a part of them */
    uint64_t messages;
};
struct kill_samples {
    FILE *file;
    struct kill_sample *sample;
    unsigned n, max;
};
bool kill_samples_open(struct kill_samples *all, const char *file, unsigned max);
void kill_samples_close(struct kill_samples *all);
void kill_sample(struct kill_samples *all, const struct kill_shared *s, const pid_t pids[2], struct kill_sample now);
/* Says what has grown in a calm, or from the first calm to the last. Returns how many things. */
unsigned kill_grown(const struct kill_samples *all, bool own_sockets);
long kill_fds(pid_t pid);
long kill_sockets(void);

/* ---- kill_side.c, kill_link.c: one process ---- */

/* Does not return. */
void kill_run(struct kill_shared *s, unsigned side) __attribute__((noreturn));

#endif
