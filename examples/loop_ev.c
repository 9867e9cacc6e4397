// SPDX-License-Identifier: MIT
/*
 * The echo server of loop_server.c in a libev loop, beside a timer and signals of that loop.
 *
 *     example_loop_ev @echo 1000 &        then: example_echo ask @echo hello
 *
 * Every 1000 milliseconds it tells its clients how many they are; without that argument it only echoes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <unx/adapters/ev.h>

#include "loop_server.h"

struct program {
    struct server server;
    struct unx_libev engine;
    struct ev_loop *loop;
};

static void on_event(void *arg, const struct unx_event *ev)
{
    struct program *const p = arg;
    if (!server_event(&p->server, ev))
        return;
    unx_libev_stop(&p->engine);
    ev_break(p->loop, EVBREAK_ALL);
}

static void on_timer(struct ev_loop *loop, ev_timer *timer, int events)
{
    (void)loop, (void)events;
    server_tell(timer->data);
}

static void on_signal(struct ev_loop *loop, ev_signal *signal, int events)
{
    (void)loop, (void)events;
    server_stop(signal->data);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: loop_ev ADDR [MILLISECONDS]\n");
        return 2;
    }
    struct program p = {.loop = ev_default_loop(0)};
    if (server_open(&p.server, argv[1]) != 0)
        return 1;
    int r = unx_libev_start(&p.engine, p.loop, p.server.engine, on_event, &p);
    if (r == 0)
        r = server_start(&p.server);
    if (r < 0) {
        fprintf(stderr, "loop_ev: %s\n", unx_explain(r));
        return 1;
    }
    const double period = argc == 3 ? strtod(argv[2], NULL) / 1000 : 0;
    ev_timer timer;
    ev_timer_init(&timer, on_timer, period, period);
    timer.data = &p.server;
    if (period > 0)
        ev_timer_start(p.loop, &timer);
    ev_signal signals[2];
    for (int i = 0; i < 2; i++) {
        ev_signal_init(&signals[i], on_signal, i == 0 ? SIGINT : SIGTERM);
        signals[i].data = &p.server;
        ev_signal_start(p.loop, &signals[i]);
    }
    printf("listening\n");
    fflush(stdout);
    ev_run(p.loop, 0);
    ev_loop_destroy(p.loop);
    server_free(&p.server);
    return 0;
}
