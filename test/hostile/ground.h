// SPDX-License-Identifier: MIT
/*
 * The ground on which a server is attacked: a server, a well-behaved client and attackers, a process each, and memory
 * that all of them share.
 *
 * The server writes there who did what; the client how long each round trip took; attackers their process ids. Whoever
 * looks on compares them, and reads memory and descriptors of the server from /proc.
 */
#ifndef HOSTILE_GROUND_H
#define HOSTILE_GROUND_H

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

/* What the server has to say of a peer. */
enum {
    CAME = 0x0001,        /* it was admitted */
    REFUSED = 0x0002,     /* the policy did not admit it */
    QUOTA = 0x0004,       /* it, or its user, has too many connections */
    FDS = 0x0008,         /* too many descriptors, or some where none were asked for */
    STRANGE = 0x0010,     /* a descriptor of a kind that nobody asked for */
    FULL = 0x0020,        /* our table of descriptors was full when it sent some, or came */
    TOO_LARGE = 0x0040,   /* a packet larger than our room */
    BAD_FRAME = 0x0080,   /* a frame whose length makes no sense, or a notification */
    SILENT = 0x0100,      /* no whole message in time */
    NOT_READING = 0x0200, /* it does not read our replies */
    EMPTY = 0x0400,       /* empty packets again and again */
    RESET = 0x0800,       /* it closed with replies unread */
    FORGED = 0x1000,      /* the credentials of a message are not those of who opened the connection */
    STALE_PID = 0x2000,   /* who opened it has ended, and its pid may be another's */
    ENDED = 0x4000,       /* it closed */
};

struct entry {
    unsigned kind; /* one of the above */
    pid_t pid;     /* 0: not known */
    uid_t uid;     /* -1: not known */
    unsigned count;
};

/* What the client does again and again. */
enum { SEQ, STREAM, NOTIFY, FRESH, TRIPS };
enum { SAMPLES = 8192 };
struct trips {
    atomic_uint n, slowest; /* microseconds */
    unsigned us[SAMPLES];   /* the last so many */
};

enum { ENTRIES = 256, ATTACKERS = 256 };
struct shared {
    atomic_int stop_server, stop_client, stop_attack, full_allowed;
    atomic_uint client_errors, client_rounds, fresh_refused;
    atomic_int client_pid;
    char client_said[200];
    atomic_uint nentries;
    struct entry entries[ENTRIES];
    atomic_uint nattackers;
    atomic_int attackers[ATTACKERS];
    atomic_uint tries; /* of attackers */
    struct trips trips[TRIPS];
    atomic_uint naive_fooled, not_fooled; /* by a pid that came again */
};

/* Where the server is, and for how long it is attacked. */
struct ground {
    struct shared *shared;
    char seq[100], stream[100], notify[100]; /* paths; "": it has none */
    bool echo;                               /* it sends back what it gets; else it replies with a struct reply */
    bool one_at_a_time;                      /* it serves one connection after the other */
    bool few;                                /* it has room for few descriptors */
    pid_t server;
    uid_t uid; /* of the attacker, and its gid */
    int64_t until;
};

/* A request is 8 bytes with a number, or those and more; on a stream its length in 4 bytes goes before. */
struct reply {
    uint64_t number;
    uint32_t nfds;
    uint32_t flags; /* REPLY_* */
};
enum { REPLY_FULL = 1, REPLY_OPENER_GONE = 2 };
enum { ROOM = 65536, FRAME_MAX = 4096 };

/* Memory of this process and all its children, zeroed. */
struct shared *ground_share(void);

/* Still time to attack. */
bool ground_on(const struct ground *g);

/* A child that takes part in an attack: its pid counts as an attacker's. */
pid_t ground_fork(struct ground *g, void (*child)(struct ground *g));
void ground_join(struct ground *g);

/* Writes down what a peer did. Threads of one process may call it at once. */
void ground_log(struct shared *s, unsigned kind, pid_t pid, uid_t uid);

/* How often one of these kinds was written down of an attacker with this uid. */
unsigned ground_found(const struct shared *s, unsigned kinds, uid_t uid);

/* Prints what was written down, or the beginning of it. */
void ground_tell(const struct shared *s);

void trip_record(struct shared *s, int trip, int64_t us);
unsigned trip_median(const struct shared *s, int trip);
void trips_reset(struct shared *s);

int64_t now_us(void);

/* Of a process: VmRSS and VmHWM in KiB, open descriptors; the peak of VmHWM starts anew. */
long memory_now(pid_t pid, const char *which);
void memory_peak_reset(pid_t pid);
int descriptors_of(pid_t pid);
long processor_ms(pid_t pid);

#endif
