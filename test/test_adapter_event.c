// SPDX-License-Identifier: MIT
/* The adapter for libevent. */
#include "adapter.h"

#include <stdlib.h>
#include <unx/adapters/event.h>

static struct event_base *base;
static struct unx_libevent *adapter;
static void (*call)(void);

static void loop_open(void)
{
    base = event_base_new();
    CHECK(base != NULL);
}

static int start(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev), void *arg)
{
    adapter = calloc(1, sizeof *adapter);
    CHECK(adapter != NULL);
    const int r = unx_libevent_start(adapter, base, e, event, arg);
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
    unx_libevent_stop(adapter);
}

static void turn(void)
{
    CHECK(event_base_loop(base, EVLOOP_ONCE) >= 0);
}

static void on_timer(evutil_socket_t fd, short what, void *unused)
{
    (void)fd, (void)what, (void)unused;
    call();
}

static void after(int ms, void (*f)(void))
{
    call = f;
    CHECK_INT(event_base_once(base, -1, EV_TIMEOUT, on_timer, NULL, &(struct timeval){ms / 1000, ms % 1000 * 1000}), 0);
}

static void loop_close(void)
{
    event_base_free(base);
}

int main(int argc, char **argv)
{
    return adapter_main(argc, argv, &(struct loop){loop_open, start, stop, drop, turn, after, loop_close});
}
