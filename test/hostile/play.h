// SPDX-License-Identifier: MIT
/* One play: a server, its client and attackers (run.c), and what has to hold (judge.c). */
#ifndef HOSTILE_PLAY_H
#define HOSTILE_PLAY_H

#include "run.h"

enum { SETTLE_MS = 10000 };
enum { OTHER = 65533, NOBODY = 65534 };

struct play {
    const struct target *t;
    struct ground g;
    pid_t server, client, reader;
    int output[2]; /* of a command */
    pid_t attackers[128];
    unsigned nattackers;
    struct figures {
        int fds;
        long memory;
        unsigned median[TRIPS], slowest[TRIPS], n[TRIPS];
    } before, during, after;
};

/* The well-behaved client has nothing to complain of. */
void play_check_client(const struct play *p);

/* What the server wrote down of this attack names everybody who has part in it. */
bool play_wrote_all(const struct play *p, const struct attack *a);

/* Somebody has attacked: one who is refused before he does it proves nothing. */
bool play_tried(const struct play *p, const struct attack *a);

/* Prints the figures, and fails if they are not as they have to be. a: NULL, if it was all of them. */
void play_judge(const struct play *p, const struct attack *a);

#endif
