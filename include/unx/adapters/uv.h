/* SPDX-License-Identifier: MIT */
/*
 * An engine in a libuv loop (1.44). What adapter.h says of events, turns and ending holds here.
 *
 *  - It keeps uv_run() going, unless uv_unref() is called for a->poll. a->poll.data is yours.
 *  - The struct stays where it is until libuv calls `closed`, which may be NULL, after unx_uv_stop().
 *    The engine may be freed at once.
 */
#ifndef UNX_ADAPTERS_UV_H
#define UNX_ADAPTERS_UV_H

#include <unx/adapters/adapter.h>
#include <uv.h>

struct unx_uv {
    uv_poll_t poll;
    struct unx_adapter adapter;
};

static inline void unx_uv_ready_(uv_poll_t *poll, int status, int events)
{
    (void)status, (void)events;
    if (unx_adapter_ready(&((struct unx_uv *)poll)->adapter) < 0)
        uv_poll_stop(poll);
}

/* 0, or a negative errno value, which is libuv's error too: then there is nothing to stop. */
static inline int unx_uv_start(struct unx_uv *a, uv_loop_t *loop, struct unx_engine *e,
                               void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    int r = unx_adapter_init(&a->adapter, e, event, arg);
    if (r >= 0)
        r = uv_poll_init(loop, &a->poll, r);
    if (r < 0) {
        a->adapter.engine = NULL;
        return r;
    }
    return uv_poll_start(&a->poll, UV_READABLE, unx_uv_ready_);
}

static inline void unx_uv_stop(struct unx_uv *a, uv_close_cb closed)
{
    if (!a->adapter.engine)
        return;
    uv_close((uv_handle_t *)&a->poll, closed);
    unx_adapter_end(&a->adapter);
}

#endif
