/* SPDX-License-Identifier: MIT */
/*
 * An engine in a libev loop (4.33, with EV_MULTIPLICITY, as it is by default). What adapter.h says of events, turns and
 * ending holds here.
 *
 *  - a->io.data is yours. For another priority: ev_io_stop(), ev_set_priority(), ev_io_start() on a->io.
 *  - It keeps ev_run() going, unless ev_unref() is called for it.
 */
#ifndef UNX_ADAPTERS_EV_H
#define UNX_ADAPTERS_EV_H

#include <ev.h>
#include <unx/adapters/adapter.h>

struct unx_libev {
    ev_io io;
    struct ev_loop *loop;
    struct unx_adapter adapter;
};

static inline void unx_libev_ready_(struct ev_loop *loop, ev_io *io, int events)
{
    (void)events;
    if (unx_adapter_ready(&((struct unx_libev *)io)->adapter) < 0)
        ev_io_stop(loop, io);
}

/* 0, or a negative errno value: then there is nothing to stop. */
static inline int unx_libev_start(struct unx_libev *a, struct ev_loop *loop, struct unx_engine *e,
                                  void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    const int fd = unx_adapter_init(&a->adapter, e, event, arg);
    if (fd < 0)
        return fd;
    ev_io_init(&a->io, unx_libev_ready_, fd, EV_READ);
    a->loop = loop;
    ev_io_start(loop, &a->io);
    return 0;
}

static inline void unx_libev_stop(struct unx_libev *a)
{
    if (!a->adapter.engine)
        return;
    ev_io_stop(a->loop, &a->io);
    unx_adapter_end(&a->adapter);
}

#endif
