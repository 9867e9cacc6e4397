// SPDX-License-Identifier: MIT
/* The adapter for sd-event. */
#include "adapter.h"

#include <stdlib.h>
#include <time.h>
#include <unx/adapters/sd-event.h>

static sd_event *loop;
static struct unx_sd_event *adapter;
static void (*call)(void);

static void loop_open(void)
{
    CHECK(sd_event_new(&loop) >= 0);
}

static int start(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    adapter = calloc(1, sizeof *adapter);
    CHECK(adapter != NULL);
    const int r = unx_sd_event_start(adapter, loop, e, event, arg);
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
    unx_sd_event_stop(adapter);
}

static void turn(void)
{
    CHECK(sd_event_run(loop, UINT64_MAX) >= 0);
}

static int on_timer(sd_event_source *timer, uint64_t time, void *unused)
{
    (void)timer, (void)time, (void)unused;
    call();
    return 0;
}

static void after(int ms, void (*f)(void))
{
    call = f;
    CHECK(sd_event_add_time_relative(loop, NULL, CLOCK_MONOTONIC, (uint64_t)ms * 1000, 1, on_timer, NULL) >= 0);
}

static void loop_close(void)
{
    sd_event_unref(loop);
}

int main(int argc, char **argv)
{
    return adapter_main(argc, argv, &(struct loop){loop_open, start, stop, drop, turn, after, loop_close});
}
