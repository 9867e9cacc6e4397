// SPDX-License-Identifier: MIT
/*
 * The soak of the engine: two processes, each with an engine, exchange numbered messages over many connections, while
 * operations are cancelled, late, and closed over at random.
 * Both count; what they counted is compared when a connection is over.
 *
 * A message may be missing only if it was still queued when its receiver closed. Who has seen the end of a connection
 * has seen all that was sent.
 */
#ifndef TEST_SOAK_H
#define TEST_SOAK_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <unx/engine.h>

#define SOAK_FILES 6
#define SOAK_BYTES 12000 /* of the largest message, with its head */
#define SOAK_SENDS 4
#define SOAK_RECVS 3
#define SOAK_FDS 3
#define SOAK_POSTS 4

enum soak_kind {
    SOAK_SEND,
    SOAK_RECV,
    SOAK_STAND,
    SOAK_ACCEPT,
    SOAK_CONNECT,
    SOAK_POLL,
    SOAK_TIMER,
    SOAK_CLOSE,
    SOAK_POST,
    SOAK_KINDS
};
enum soak_side { CLIENT, SERVER };

/* In front of each message. */
struct soak_head {
    uint32_t magic, connection, generation, len, nfds, file;
    uint64_t number; /* 0: the first, which says which connection this is */
};

/* What both ends counted of one connection, each its own half. */
struct soak_count {
    uint64_t sent, sent_sum, fds_sent; /* sums of numbers tell which messages */
    uint64_t got, got_sum, fds_got;
    bool saw_end;
};
struct soak_shared_connection {
    atomic_uint over; /* a bit of each side */
    uint32_t generation;
    struct soak_count side[2];
};

struct soak_totals {
    uint64_t started[SOAK_KINDS], ended[SOAK_KINDS], cancelled, late, cancels_missed;
    uint64_t opened, closed, sent, got, fds_sent, fds_got, strangers;
    unsigned fds_before, fds_most, fds_after;
};

/* Of both processes. */
struct soak_shared {
    unsigned seconds, connections, backend;
    ino_t inodes[SOAK_FILES];
    int files[SOAK_FILES][2];
    atomic_bool client_over;
    atomic_ullong compared, missing, fds_missing;
    struct soak_totals totals[2];
    struct soak_shared_connection connection[];
};

struct soak_connection;

/* One operation. */
struct soak_op {
    struct unx_op op;
    struct soak_connection *c;
    enum soak_kind kind;
    bool out;
    struct unx_msg m;
    struct iovec iov;
    int fds[SOAK_FDS];
    uint64_t number;
    unsigned char *bytes;
    atomic_bool free_to_post;
};

struct soak_connection {
    int fd, type;
    int id; /* -1: not known yet */
    uint32_t generation;
    bool closing, shut, used;
    unsigned out;
    struct soak_count count;
    uint64_t next_number, last_number;
    struct soak_op sends[SOAK_SENDS], recvs[SOAK_RECVS], poll, timer, connect, close;
    unsigned char *part; /* of a message of a stream */
    size_t npart;
    int part_fds[2 * SOAK_FDS];
    unsigned npart_fds;
};

/* One process. */
struct soak {
    struct soak_shared *shared;
    enum soak_side side;
    struct unx_engine *e;
    uint64_t dice;
    struct soak_connection *connections;
    unsigned nconnections, out;
    struct soak_totals *t;
    int listeners[2];
    struct soak_op accepts[2], tick, posts[SOAK_POSTS];
    struct unx_msg *held[8]; /* buffers that are returned later */
    unsigned char *bytes;
    int64_t end, next_look;
    bool ending;
    pthread_t poster;
    atomic_bool stop_posting;
};

/* Ends the process with what is wrong. */
void soak_fail(const struct soak *s, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
unsigned soak_throw(struct soak *s, unsigned n);
int64_t soak_now(void);
unsigned soak_nfds(void);

/* ---- soak_message.c: what is sent and what arrives ---- */

void soak_send(struct soak *s, struct soak_connection *c);
void soak_sent(struct soak *s, struct soak_op *o, int result);
void soak_hello(struct soak *s, struct soak_connection *c);
void soak_arrived(struct soak *s, struct soak_connection *c, struct unx_msg *m);

/* ---- soak_side.c: operations and connections ---- */

void soak_set_up(struct soak_connection *c, unsigned char *bytes);
void soak_started(struct soak *s, struct soak_op *o, enum soak_kind kind, int result);
void soak_event(struct soak *s, const struct unx_event *ev);
void soak_cancel(struct soak *s, struct soak_op *o);
void soak_close(struct soak *s, struct soak_connection *c);
void soak_reconnect(struct soak *s, struct soak_connection *c);
void soak_receive(struct soak *s, struct soak_connection *c, struct soak_op *o, bool may_stand);
bool soak_receives(const struct soak_connection *c);
void soak_give_back(struct soak *s, struct unx_msg *m);
struct unx_addr soak_name(const struct soak_shared *shared, int type);

/* ---- soak_run.c: what is done at random ---- */

void soak_run(struct soak_shared *shared, enum soak_side side, const int listeners[2]);

#endif
