/* SPDX-License-Identifier: MIT */
/*
 * What the adapters have in common, and all that another loop needs: watch the descriptor of unx_adapter_init() for
 * reading, level-triggered; when it is readable, call unx_adapter_ready(); stop watching, and call unx_adapter_end().
 *
 *  - Each event goes to one function, in the loop's thread, which is the engine's. Operations may be started anywhere
 *    in it, in the function and in other callbacks of the loop;
 *    before only if unx_engine_fd() was called when the engine was new.
 *  - After 128 events the loop's other sources have their turn: the engine is woken,
 *    and so its descriptor stays readable.
 *  - Ending is allowed in the function. It is called once more for each event that was taken already; after that it is
 *    called no more, and engine and struct may be freed.
 *    Ending twice does nothing, nor does ending a struct that is zero.
 *  - An event with op NULL: the engine failed, `result` says why, and it is watched no more. End it.
 *    -EAGAIN and -ENOMEM, which pass, are told after a hundred of them in a row.
 */
#ifndef UNX_ADAPTERS_ADAPTER_H
#define UNX_ADAPTERS_ADAPTER_H

#include <errno.h>
#include <unx/engine.h>

struct unx_adapter {
    struct unx_engine *engine; /* NULL: ended */
    void (*event)(void *arg, const struct unx_event *ev);
    void *arg;
    int *ended; /* of the dispatch in progress */
    int next, taken;
    struct unx_event ev[32]; /* ev[next] to ev[taken - 1] are to be handed over */
};

/* Returns the descriptor, or an error of unx_engine_fd(). It is readable once, for what was started before. */
static inline int unx_adapter_init(struct unx_adapter *a, struct unx_engine *e,
                                   void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    const int fd = unx_engine_fd(e);
    a->engine = fd < 0 ? NULL : e;
    a->event = event;
    a->arg = arg;
    a->ended = NULL;
    a->next = a->taken = 0;
    if (fd >= 0)
        unx_engine_wake(e);
    return fd;
}

/* Nothing may wake the loop again after -EAGAIN or -ENOMEM: so they are not left for its next turn. */
static inline int unx_adapter_reap_(struct unx_adapter *a)
{
    int r, tries = 100;
    do
        r = unx_engine_reap(a->engine, a->ev, 32, 0);
    while ((r == -EAGAIN || r == -ENOMEM) && --tries > 0);
    return r;
}

static inline void unx_adapter_next_(struct unx_adapter *a)
{
    const struct unx_event ev = a->ev[a->next++];
    a->event(a->arg, &ev);
}

/* 0; 1: it was ended meanwhile, and *a may be gone; negative: do not watch the descriptor any more. */
static inline int unx_adapter_ready(struct unx_adapter *a)
{
    int ended = 0, left = 128, r = 1, *const outer = a->ended; /* outer: in a loop inside of a loop */
    a->ended = &ended;
    while (r > 0 && left > 0) {
        if (a->next == a->taken) {
            a->next = 0;
            a->taken = r = unx_adapter_reap_(a);
            if (r < 0) {
                const struct unx_event failed = {NULL, NULL, r, 0};
                a->ev[0] = failed;
                a->taken = 1;
            }
        }
        for (; a->next < a->taken; left--) {
            unx_adapter_next_(a);
            if (ended) {
                if (outer)
                    *outer = 1;
                return 1;
            }
        }
    }
    a->ended = outer;
    if (r > 0)
        unx_engine_wake(a->engine);
    return r < 0 ? r : 0;
}

static inline void unx_adapter_end(struct unx_adapter *a)
{
    if (!a->engine)
        return;
    for (a->engine = NULL; a->next < a->taken;)
        unx_adapter_next_(a);
    if (a->ended)
        *a->ended = 1;
}

#endif
