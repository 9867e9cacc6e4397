// SPDX-License-Identifier: MIT
/*
 * The echo server of loop_server.c in a libevent loop, beside a timer and signals of that loop.
 *
 *     example_loop_event @echo 1000 &     then: example_echo ask @echo hello
 *
 * Every 1000 milliseconds it tells its clients how many they are; without that argument it only echoes.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <unx/adapters/event.h>

#include "loop_server.h"

struct program {
    struct server server;
    struct unx_libevent engine;
    struct event_base *base;
};

static void on_event(void *arg, const struct unx_event *ev)
{
    struct program *const p = arg;
    if (!server_event(&p->server, ev))
        return;
    unx_libevent_stop(&p->engine);
    event_base_loopbreak(p->base);
}

static void on_timer(evutil_socket_t fd, short what, void *server)
{
    (void)fd, (void)what;
    server_tell(server);
}

static void on_signal(evutil_socket_t number, short what, void *server)
{
    (void)number, (void)what;
    server_stop(server);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: loop_event ADDR [MILLISECONDS]\n");
        return 2;
    }
    const long period = argc == 3 ? strtol(argv[2], NULL, 10) : 0;
    const struct timeval every = {period / 1000, period % 1000 * 1000};
    struct program p = {.base = event_base_new()};
    if (server_open(&p.server, argv[1]) != 0)
        return 1;
    int r = unx_libevent_start(&p.engine, p.base, p.server.engine, on_event, &p);
    if (r == 0)
        r = server_start(&p.server);
    if (r < 0) {
        fprintf(stderr, "loop_event: %s\n", unx_explain(r));
        return 1;
    }
    struct event *const timer = event_new(p.base, -1, EV_PERSIST, on_timer, &p.server);
    struct event *const interrupt = evsignal_new(p.base, SIGINT, on_signal, &p.server);
    struct event *const terminate = evsignal_new(p.base, SIGTERM, on_signal, &p.server);
    if (period > 0)
        event_add(timer, &every);
    event_add(interrupt, NULL);
    event_add(terminate, NULL);
    printf("listening\n");
    fflush(stdout);
    event_base_dispatch(p.base);
    event_free(timer);
    event_free(interrupt);
    event_free(terminate);
    event_base_free(p.base);
    server_free(&p.server);
    return 0;
}
