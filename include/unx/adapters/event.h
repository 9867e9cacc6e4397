/* SPDX-License-Identifier: MIT */
/*
 * An engine in a libevent base (2.1). What adapter.h says of events, turns and ending holds here.
 *
 *  - a->ev is there while it runs. It has the base's default priority;
 *    event_priority_set() is allowed before the loop runs.
 */
#ifndef UNX_ADAPTERS_EVENT_H
#define UNX_ADAPTERS_EVENT_H

#include <errno.h>
#include <event2/event.h>
#include <unx/adapters/adapter.h>

struct unx_libevent {
    struct event *ev;
    struct unx_adapter adapter;
};

static inline void unx_libevent_ready_(evutil_socket_t fd, short what, void *arg)
{
    struct unx_libevent *const a = (struct unx_libevent *)arg;
    (void)fd, (void)what;
    if (unx_adapter_ready(&a->adapter) < 0)
        event_del(a->ev);
}

/* 0, or a negative errno value: then there is nothing to stop. */
static inline int unx_libevent_start(struct unx_libevent *a, struct event_base *base, struct unx_engine *e,
                                     void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    const int fd = unx_adapter_init(&a->adapter, e, event, arg);
    if (fd < 0)
        return fd;
    a->ev = event_new(base, fd, EV_READ | EV_PERSIST, unx_libevent_ready_, a);
    if (a->ev && event_add(a->ev, NULL) == 0)
        return 0;
    if (a->ev)
        event_free(a->ev);
    a->adapter.engine = NULL;
    return -ENOMEM;
}

static inline void unx_libevent_stop(struct unx_libevent *a)
{
    if (!a->adapter.engine)
        return;
    event_free(a->ev);
    unx_adapter_end(&a->adapter);
}

#endif
