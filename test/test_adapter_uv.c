// SPDX-License-Identifier: MIT
/* The adapter for libuv. */
#include "adapter.h"

#include <stdlib.h>
#include <unx/adapters/uv.h>

static uv_loop_t loop;
static uv_timer_t timer;
static struct unx_uv *adapter;
static void (*call)(void);

static void loop_open(void)
{
    CHECK_INT(uv_loop_init(&loop), 0);
    CHECK_INT(uv_timer_init(&loop, &timer), 0);
}

static int start(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    adapter = calloc(1, sizeof *adapter);
    CHECK(adapter != NULL);
    const int r = unx_uv_start(adapter, &loop, e, event, arg);
    if (r < 0) {
        adapter_spoil(adapter, sizeof *adapter);
    }
    return r;
}

static void closed(uv_handle_t *poll)
{
    adapter_spoil(poll, sizeof *adapter);
}

static void stop(void)
{
    unx_uv_stop(adapter, closed);
}

/* Only libuv knows when. */
static void drop(void)
{
}

static void turn(void)
{
    uv_run(&loop, UV_RUN_ONCE);
}

/* One that is late is called before the loop sleeps, and might be the last thing for which it would wake up. */
static void on_timer(uv_timer_t *t)
{
    (void)t;
    call();
    uv_stop(&loop);
}

static void after(int ms, void (*f)(void))
{
    call = f;
    uv_update_time(&loop);
    CHECK_INT(uv_timer_start(&timer, on_timer, (uint64_t)ms, 0), 0);
}

static void loop_close(void)
{
    uv_close((uv_handle_t *)&timer, NULL);
    uv_run(&loop, UV_RUN_DEFAULT);
    CHECK_INT(uv_loop_close(&loop), 0);
    uv_library_shutdown();
}

int main(int argc, char **argv)
{
    return adapter_main(argc, argv, &(struct loop){loop_open, start, stop, drop, turn, after, loop_close});
}
