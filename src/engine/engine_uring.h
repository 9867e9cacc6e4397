// SPDX-License-Identifier: MIT
/*
 * Inside the backend on io_uring(7): the ring, what is asked of it, and what becomes of it.
 */
#ifndef UNX_ENGINE_URING_H
#define UNX_ENGINE_URING_H

#include <liburing.h>

#include "engine.h"

struct uring {
    struct io_uring ring;
    bool enabled;
    struct io_uring_buf_ring *given; /* buffers that the ring may fill */
    void *given_memory;
    unsigned given_mask;
    unsigned offered;      /* how many of them it has */
    unsigned target;       /* how many it is to have */
    unsigned least, looks; /* that it had, of so many times that were looked at */
    struct msghdr like;    /* how a buffer of a receive is divided */
    unsigned polls;        /* poll requests that are out */
    unsigned turns;        /* how often yet it is to have few, so that all have their turn */
    bool emptied;          /* somebody found no buffer, since it was filled last */
    unsigned known;        /* completions that were there when the ring was last entered */
    bool missed;           /* there was no room for a request */
    int epoll;             /* watches some descriptors for the ring */
    struct op polling;     /* polls it */
};

/* What a completion belongs to: an operation, a poll request of a descriptor, or nobody. */
#define TAG_POLL 1u
#define TAG_NOBODY 2u
#define TAGS 3u

static inline struct uring *uring_of(const struct unx_engine *e)
{
    return e->own;
}

/* Starts the ring, by the thread that it belongs to from then on. */
int uring_enable(struct uring *u);
/* Gives the ring the buffers that it needs, if they are free. */
void uring_offer(struct unx_engine *e);
/* It had none left for somebody: true if he has to try again only, false if he has to wait for his turn. */
bool uring_emptied(struct unx_engine *e);
/* Asks for the end of a request. */
void uring_stop(struct unx_engine *e, struct op *op);
/* Asks again where there was no room to. */
void uring_ask_again(struct unx_engine *e);
int uring_wait(struct unx_engine *e, int64_t ns);

#endif
