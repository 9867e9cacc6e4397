/* SPDX-License-Identifier: MIT */
/* The book of the operations that are out: operations.c writes it, ending.c closes it. */
#ifndef TORTURE_OPERATIONS_H
#define TORTURE_OPERATIONS_H

#include "torture.h"

#include <pthread.h>
#include <unx/engine.h>

struct out {
    struct unx_op *op;
    const struct unx_msg *msg;
    int kind, fd;
    short events;
    int timeout_ms;
    long long since;
    unsigned looked; /* the engine's changes, when it was found that this could be done */
    int why;
};
struct engine {
    struct unx_engine *e;
    pid_t pid, tid;
    bool reaping;
    unsigned changes; /* how often something was started or reaped */
    struct out *outs;
    const struct unx_msg **lent; /* of standing receives */
    struct birth *births;
    unsigned nouts, nlent, nbirths;
};
#define ENGINES 64
extern struct engine engines[ENGINES];
extern pthread_mutex_t engines_lock;

#endif
