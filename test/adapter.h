/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the adapters share: the cases, which know no loop. A loop is a list of functions, one program each.
 * Every case runs with engines on io_uring and epoll; one on poll has to be refused.
 */
#ifndef TEST_ADAPTER_H
#define TEST_ADAPTER_H

#include <unx/engine.h>

#include "harness.h"

/* One loop with one adapter, and one timer. */
struct loop {
    void (*open)(void);
    int (*start)(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg);
    void (*stop)(void);
    void (*drop)(void); /* after stop(): spoils and frees the adapter, as soon as that is allowed */
    void (*turn)(void); /* waits once, and calls what is to be called */
    void (*after)(int ms, void (*call)(void)); /* once */
    void (*close)(void);                       /* everything, after drop() */
};

int adapter_main(int argc, char **argv, const struct loop *loop);

/* Spoils memory before it is freed, so that its later use is seen. */
void adapter_spoil(void *p, size_t n);

#endif
