/* SPDX-License-Identifier: MIT */
/*
 * An engine in an sd-event loop (systemd 243). What adapter.h says of events, turns and ending holds here.
 *
 *  - a->source is there while it runs: sd_event_source_set_priority() and the like may be called on it.
 *  - An engine that failed disables it, and ends the loop after sd_event_source_set_exit_on_failure().
 */
#ifndef UNX_ADAPTERS_SD_EVENT_H
#define UNX_ADAPTERS_SD_EVENT_H

#include <sys/epoll.h>
#include <systemd/sd-event.h>
#include <unx/adapters/adapter.h>

struct unx_sd_event {
    sd_event_source *source;
    struct unx_adapter adapter;
};

static inline int unx_sd_event_ready_(sd_event_source *source, int fd, uint32_t events, void *a)
{
    (void)source, (void)fd, (void)events;
    return unx_adapter_ready(&((struct unx_sd_event *)a)->adapter);
}

/* 0, or a negative errno value: then there is nothing to stop. */
static inline int unx_sd_event_start(struct unx_sd_event *a, sd_event *loop, struct unx_engine *e,
                                     void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    int r = unx_adapter_init(&a->adapter, e, event, arg);
    if (r >= 0)
        r = sd_event_add_io(loop, &a->source, r, EPOLLIN, unx_sd_event_ready_, a);
    if (r < 0) {
        a->adapter.engine = NULL;
        return r;
    }
    sd_event_source_set_description(a->source, "libunx-engine");
    return 0;
}

static inline void unx_sd_event_stop(struct unx_sd_event *a)
{
    if (!a->adapter.engine)
        return;
    sd_event_source_disable_unref(a->source);
    unx_adapter_end(&a->adapter);
}

#endif
