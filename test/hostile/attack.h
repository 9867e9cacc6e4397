// SPDX-License-Identifier: MIT
/* The attacks: one table. */
#ifndef HOSTILE_ATTACK_H
#define HOSTILE_ATTACK_H

#include "ground.h"

/* What an attack needs, and what it does to a server besides. */
enum {
    NEEDS_SEQ = 0x01,
    NEEDS_STREAM = 0x02,
    NEEDS_NOTIFY = 0x04,
    NEEDS_CONNECTIONS = 0x400, /* one or the other */
    AS_ROOT_ONLY = 0x08,       /* what it tries only root can */
    AS_OTHER_ONLY = 0x10,      /* what it tries is nothing for root, who is exempt */
    AS_NOBODY = 0x20,          /* by uid 65534 */
    FULL_TABLE = 0x40,         /* the server's table of descriptors is full meanwhile: new connections may wait */
    OWN_PIDS = 0x80,           /* in a pid namespace of its own */
    KNOWS_US = 0x100,          /* against our own server alone */
    HOLDS_UP = 0x800,          /* nothing helps a server that has no thread to close things in */
    LENDS = 0x1000,            /* it is about descriptors that arrive */
    SPEAKS = 0x200,            /* whole messages arrive, so that any server can say who has sent them */
};

struct attack {
    const char *name;
    void (*run)(struct ground *g);
    unsigned flags;
    unsigned
        logs; /* at least one of these has to be written down of it; 0: the kernel refuses it, and nobody notices */
};

extern const struct attack attacks[];
extern const unsigned nattacks;

/* Ways of descriptors: attack_fds.c */
void fd_flood(struct ground *g);
void fd_flood_unasked(struct ground *g);
void fd_flood_full_table(struct ground *g);
void slow_close(struct ground *g);
void slow_close_unread(struct ground *g);
void slow_close_nested(struct ground *g);
void passed_into_themselves(struct ground *g);
void strange_fds(struct ground *g);
void in_flight_limit(struct ground *g);
void control_garbage(struct ground *g);

/* Of bytes: attack_bytes.c */
void half_frames(struct ground *g);
void bad_frames(struct ground *g);
void byte_by_byte(struct ground *g);
void never_reading(struct ground *g);
void never_writing(struct ground *g);
void empty_flood(struct ground *g);
void huge_packets(struct ground *g);
void large_packets(struct ground *g);
void out_of_band(struct ground *g);
void notify_flood(struct ground *g);
void notify_fds(struct ground *g);

/* Of coming and going: attack_connect.c */
void connect_storm(struct ground *g);
void come_and_go(struct ground *g);
void leave_unread(struct ground *g);
void shut_all_ways(struct ground *g);
void stopped_peers(struct ground *g);
void killed_peers(struct ground *g);

/* Of identity: attack_identity.c */
void forged_credentials(struct ground *g);
void nobody_comes(struct ground *g);
void pid_comes_again(struct ground *g);
void passed_connection(struct ground *g);

/* ---- for all of them ---- */

/* Connects, waiting up to half a second; the descriptor, or a negative errno value. */
int attack_connect(const char *path, int type);
/* Sends bytes without waiting. */
int attack_send(int fd, const void *p, size_t n);
/* A frame with a body of n bytes, or a packet. */
int attack_request(int fd, int type, size_t n);
/* The peer is gone, as far as this end knows. */
bool attack_over(int fd);
/* To be tried once more: for the first time in any case, because who is refused at once would not have attacked. */
bool attack_again(const struct ground *g, int fd, unsigned tried);
void attack_pause_us(unsigned us);

#endif
