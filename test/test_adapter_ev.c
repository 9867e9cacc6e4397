// SPDX-License-Identifier: MIT
/* The adapter for libev. */
#include "adapter.h"

#include <stdlib.h>
#include <unx/adapters/ev.h>

static struct ev_loop *loop;
static ev_timer timer;
static struct unx_libev *adapter;
static void (*call)(void);

static void loop_open(void)
{
    loop = ev_loop_new(0);
    CHECK(loop != NULL);
}

static int start(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    adapter = calloc(1, sizeof *adapter);
    CHECK(adapter != NULL);
    const int r = unx_libev_start(adapter, loop, e, event, arg);
    if (r < 0) {
        adapter_spoil(adapter, sizeof *adapter);
    }
    return r;
}

static void drop(void)
{
    adapter_spoil(adapter, sizeof *adapter);
}

static void stop(void)
{
    unx_libev_stop(adapter);
}

static void turn(void)
{
    ev_run(loop, EVRUN_ONCE);
}

static void on_timer(struct ev_loop *l, ev_timer *t, int events)
{
    (void)l, (void)t, (void)events;
    call();
}

static void after(int ms, void (*f)(void))
{
    call = f;
    ev_now_update(loop);
    ev_timer_init(&timer, on_timer, ms / 1000.0, 0);
    ev_timer_start(loop, &timer);
}

static void loop_close(void)
{
    ev_loop_destroy(loop);
}

int main(int argc, char **argv)
{
    return adapter_main(argc, argv, &(struct loop){loop_open, start, stop, drop, turn, after, loop_close});
}
