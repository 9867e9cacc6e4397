// SPDX-License-Identifier: MIT
/*
 * Scripts of random operations, and the sides that run them: plain calls that never wait (the reference), an engine on
 * one of its backends, and plain blocking calls in threads. Each side has sockets of its own; two sides run a script in
 * lockstep, and whatever can be observed has to be the same after every batch of steps.
 *
 * A script is made so that its results are determined: what may complete in two ways is not written into it. A receive
 * that would race with a sender that waits for room, for one, is a STEP_DRAIN, of which only the sum is compared.
 */
#ifndef TEST_ENGINE_SCRIPT_H
#define TEST_ENGINE_SCRIPT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>
#include <unx/engine.h>

#define SLOTS 32
#define FILES 8            /* files to lend */
#define POOL_SIZE 3000     /* bytes of a buffer of a standing receive */
#define ONE_PIECE 2000     /* bytes that a stream takes as one, whatever its send buffer */
#define ACCEPTED_MAX 200   /* connections of one listener */
#define LONG_TIME 60000    /* a deadline that never comes */
#define OPERATIONS_MAX 128 /* out at once */

enum step_kind {
    STEP_PAIR,   /* slot, slot2: a pair of `type`; want: its SO_SNDBUF or 0; cred: both ask for credentials */
    STEP_LISTEN, /* slot: a listener of `type`; want: backlog */
    STEP_SERVER, /* slot: a bound datagram socket */
    STEP_CLIENT, /* slot: a datagram socket that sends to slot2; want: CLIENT_* */
    STEP_SHUT,   /* slot; want: how */
    STEP_CANCEL, /* target */
    STEP_EXPIRE, /* the deadline of target comes */
    STEP_CLOSE,
    STEP_SEND,    /* size, nfds, flags, cred; want: SEND_BAD_FD */
    STEP_RECV,    /* size and nfds are room */
    STEP_STAND,   /* a standing receive */
    STEP_DRAIN,   /* receives until nothing is queued and nobody waits to send to slot */
    STEP_POLL,    /* want: events */
    STEP_TIMER,   /* timeout */
    STEP_ACCEPT,  /* flags may have UNX_STANDING */
    STEP_CONNECT, /* slot becomes the client of listener slot2; the accepted end goes to slot `target` */
    STEP_KINDS
};
#define CLIENT_NAMED 1u
#define CLIENT_CONNECTED 2u
#define SEND_BAD_FD 1u

struct step {
    int id;
    enum step_kind kind;
    bool last; /* of a batch: all sides come to rest behind it */
    int slot, slot2, target, type;
    unsigned group; /* steps of different groups have nothing to do with each other */
    unsigned flags, want, size, nfds, split;
    int timeout;
    bool cred, addr;
};

struct script {
    struct step *steps;
    unsigned n, max;
    bool plain; /* no cancels, no deadlines, no close with operations out: blocking calls can run it */
};

/* What is seen of an operation. */
struct record {
    int result, error;
    size_t len, full_len;
    unsigned got, fds_got, cred;
    int from;
    uint64_t bytes, files; /* hashes */
    size_t before; /* standing, draining: messages (bytes of a stream) before the last event, and of what they were */
    uint64_t before_bytes, before_files;
};

enum op_state { OP_OUT = 1, OP_DONE };
enum direction { DIR_IN, DIR_OUT, DIR_POLL, DIR_NONE };

struct op {
    const struct step *s;
    enum op_state state;
    enum direction dir;
    int fd, type;
    bool tried, misused;
    struct record r;
    size_t until; /* STEP_DRAIN of a side that has to be told when it is over: r.before of the reference */
    unsigned char *data;
    struct unx_op op;
    struct unx_msg m, lent;
    struct iovec iov[3];
    struct unx_cred cred;
    struct unx_addr addr;
    int fds[256];
};

struct side {
    const char *name;
    int fd[SLOTS], type[SLOTS], named_by[SLOTS];
    unsigned connected[SLOTS], accepted[SLOTS]; /* connections to a listener, and those it has given */
    int files[FILES][2];
    ino_t inodes[FILES];
    unsigned run; /* names of sockets differ by it */
    bool leaves;  /* descriptors of standing receives for the engine to close */
    struct op **ops;
    unsigned nops;
    unsigned group; /* of the step that is done */
    struct op *live[OPERATIONS_MAX];
    unsigned nlive;
    const struct side *model;          /* the reference, or NULL: this is it */
    int slots_of[SLOTS][ACCEPTED_MAX]; /* of the model: where accepted connections go */
    void (*start)(struct side *, struct op *);
    int (*cancel)(struct side *, struct op *);
    int (*pump)(struct side *, int timeout_ms); /* lets operations end; how many events there were */
    void (*rest)(struct side *, const struct side *model);
    void (*end)(struct side *);
    void *own;
    char complaint[160]; /* what can never be right, whatever the model says */
};

/* ---- engine_world.c, engine_record.c: what all sides share ---- */

void side_open(struct side *w, const char *name, unsigned max_id, const struct side *model);
void side_close(struct side *w);
void side_step(struct side *w, const struct step *s); /* does a step, or starts its operation */
void side_complain(struct side *w, const char *what, int id);
struct op *side_op(const struct side *w, int id);
void op_prepare(struct side *w, struct op *o);                    /* points its message to fresh room or bytes */
void op_end(struct side *w, struct op *o, int result, bool more); /* of operations without a message */
void op_message(struct side *w, struct op *o, struct unx_msg *m, int result, bool more);
bool step_is_op(const struct step *s);
bool step_is_short(const struct step *s); /* its deadline comes, if it has to wait */
enum direction step_direction(const struct step *s);
struct unx_addr side_name(const struct side *w, int slot);

/* ---- The sides ---- */

void model_open(struct side *w, unsigned max_id);
void engine_open(struct side *w, unsigned max_id, const struct side *model, unsigned backend, uint64_t seed);
void threads_open(struct side *w, unsigned max_id, const struct side *model);

/* ---- engine_legal.c, engine_plan.c ---- */

/* The state of the model that decides what may be written next. */
struct plan {
    struct side *model;
    struct {
        bool used, whole; /* whole: both ends are there */
        bool listener, server;
        int peer;     /* slot of the other end, or of the server; -1: gone */
        int by;       /* the connect that made it */
        unsigned how; /* CLIENT_* */
        unsigned group, sndbuf;
        bool shut, shut_rd;
    } slots[SLOTS];
    unsigned ngroups;
    struct {
        unsigned group, n;
        int only; /* the first step */
        bool simple;
    } touched[SLOTS]; /* groups, in this batch */
    unsigned ntouched;
    bool closed[SLOTS]; /* in this batch */
    int expiring;       /* id of the operation whose deadline has to come next, or -1 */
    bool plain;
};

void plan_open(struct plan *p, struct side *model, bool plain);
bool plan_legal(const struct plan *p, const struct step *s);      /* may it be done now? */
bool plan_fits_batch(const struct plan *p, const struct step *s); /* without coming to rest first? */
void plan_end_batch(struct plan *p);
void plan_apply(struct plan *p, struct step *s);                       /* the model does it, too; says its group */
unsigned plan_out(const struct plan *p, int slot, enum direction dir); /* operations that are out */
bool plan_quiet(const struct plan *p, int slot, int events);           /* poll(2) says nothing */
bool plan_polls(const struct plan *p, int slot, unsigned event);       /* an operation waits for it */
bool plan_senders_wait(const struct plan *p, int slot);                /* for room to send to slot */

/* ---- engine_random.c, engine_write.c ---- */

struct dice {
    uint64_t state;
    const unsigned char *bytes; /* where decisions come from instead, until they are used up; NULL: from `state` */
    size_t nbytes;
    struct plan plan;
    struct script script;
};

unsigned dice_roll(struct dice *d, unsigned n);
void dice_step(struct dice *d, struct step *s); /* any step, legal or not */
struct script script_random(uint64_t seed, unsigned operations, bool plain);
struct script script_from_bytes(const unsigned char *p, size_t n, unsigned operations, bool plain);
struct script script_filtered(const struct script *from,
                              const bool *keep); /* what is still legal of the steps to keep */
void script_free(struct script *s);

/* ---- engine_compare.c ---- */

typedef void side_opener(struct side *w, unsigned max_id, const struct side *model, const void *arg);

/* Runs a script on the model and on another side, in lockstep. 0: the same; else 1 + the index of the last step that
 * was done when they differed, and why is said in `why`, and *group is that of the operation. */
unsigned script_compare(const struct script *s, side_opener *open, const void *arg, int patience_ms, char why[1024],
                        unsigned *group);
/* The smallest part of a script found in some seconds on which they still differ. */
struct script script_shrink(const struct script *s, unsigned upto, side_opener *open, const void *arg, unsigned group);
void script_print(const struct script *s);

#endif
