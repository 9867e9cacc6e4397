/* SPDX-License-Identifier: MIT */
/*
 * No descriptor left: what the calls of each library share. An attempt is one public call, with what it needs around
 * it; it is made with no descriptor to be had, then with one, then two, until it succeeds.
 */
#ifndef NO_DESCRIPTOR_H
#define NO_DESCRIPTOR_H

#include "../message.h"
#include "../raw_addr.h"

#include <fcntl.h>
#include <unx/engine.h>
#include <unx/listener.h>

struct attempt {
    const char *name;  /* of the function, and what is special about it behind a comma */
    int (*call)(void); /* >= 0: it succeeded; -EMFILE: it did not, and can be made again */
    unsigned needs;    /* so many descriptors at the least */
};
/* Each ends with a name that is NULL. */
extern const struct attempt core_attempts[], service_attempts[], handover_attempts[], frames_attempts[],
    engine_attempts[];

struct world {
    struct unx_addr at;    /* a listener's, non-blocking */
    struct unx_addr fresh; /* a name that is free */
    char long_path[400];   /* that is free, too */
    char long_server[400]; /* where somebody listens */
    int listener, server;  /* of each */
    int s[2];              /* SEQPACKET, whatever comes with messages is wanted */
    int unnamed, pidfd;    /* a datagram socket; this process, or -1 */
    int got[32];           /* what a call returned, to be closed */
    unsigned ngot;
    unsigned allowed; /* what raw_limit() was told: for who makes things before */
    struct unx_listener *l;
    struct unx_engine *e;
};
extern struct world w;

/* Remembers a descriptor, or a negative errno value, which it is nothing for. */
int keep(int r);
/* Closes what was kept, the listener and the engine, and removes what was made. */
void undo(void);
/* The number of names in the directory of the case. */
unsigned files(void);

#endif
