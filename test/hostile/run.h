// SPDX-License-Identifier: MIT
/* Plays an attack on a server, with a well-behaved client beside it, and judges what became of both (run.c). */
#ifndef HOSTILE_RUN_H
#define HOSTILE_RUN_H

#include "attack.h"
#include "ground.h"

enum { COMMAND_WORDS = 16 };

struct target {
    const char *name;
    /* In a process of its own: opens the sockets of the ground, serves until it is told to end. NULL: a command. */
    void (*serve)(struct ground *g);
    unsigned can; /* NEEDS_SEQ and so on: what it serves */
    bool ours;    /* it keeps a log in the shared memory, has quotas, and replies with a struct reply; else it echoes */
    /* Of a command: */
    const char *command
        [COMMAND_WORDS]; /* "%u" is the directory of unx, "%e" that of the examples, "%p" the path of its socket */
    long most_memory;    /* in KiB, more than at first, while it is attacked */
    long kept_memory;    /* and afterwards */
    bool says_who;       /* it prints "pid N, uid N" of each message */
    bool one_at_a_time;  /* it serves one connection after the other */
    bool few;            /* it has room for few descriptors, and leaves closing the others to the library */
    bool strangers_only; /* it admits its own user alone, who can hold it up; others cannot */
};

/* How long, from HOSTILE_MS. */
unsigned run_ms(void);

/* One attack; NULL: all of them at once. */
void run_attack(const struct target *t, const struct attack *a);

/* Why this attack is not for this target, or NULL. */
const char *run_why_not(const struct target *t, const struct attack *a);

#endif
