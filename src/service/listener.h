// SPDX-License-Identifier: MIT
/* The listener, as its two files see it. */
#ifndef UNX_LISTENER_INTERNAL_H
#define UNX_LISTENER_INTERNAL_H

#include "claim.h"

#include <stdatomic.h>

struct unx_listener {
    int fd;
    int event; /* set once it is stopped */
    int type;
    int lock_ms;
    unsigned flags;
    pid_t pid;           /* of the process that opened it */
    uint64_t pidfdid;    /* likewise, or 0 */
    atomic_int spare;    /* a descriptor to be closed when the table is full, or -1 */
    atomic_bool shared;  /* others hold the socket: it is not ours to shut down */
    atomic_bool stopped; /* only looked at when shared; else the socket itself says it */
    atomic_bool claimed; /* the file is ours, as far as we know */
    atomic_uint shed;
    struct claim claim;
};

/* Whether this process opened it. */
bool listener_ours(const struct unx_listener *l);

/* Whether its event and its spare descriptor are open here; else their numbers may be somebody else's. */
bool listener_has_event(const struct unx_listener *l);

#endif
