// SPDX-License-Identifier: MIT
/*
 * The echo server of loop_server.c in a libuv loop, beside a timer and signals of that loop.
 *
 *     example_loop_uv @echo 1000 &        then: example_echo ask @echo hello
 *
 * Every 1000 milliseconds it tells its clients how many they are; without that argument it only echoes. Handles are
 * closed, and the loop ends, when the engine has given its last event back.
 */
#include <stdio.h>
#include <stdlib.h>

#include <unx/adapters/uv.h>

#include "loop_server.h"

struct program {
    struct server server;
    struct unx_uv engine;
    uv_timer_t timer;
    uv_signal_t signals[2];
};

static void on_event(void *arg, const struct unx_event *ev)
{
    struct program *const p = arg;
    if (!server_event(&p->server, ev))
        return;
    unx_uv_stop(&p->engine, NULL);
    uv_close((uv_handle_t *)&p->timer, NULL);
    for (int i = 0; i < 2; i++)
        uv_close((uv_handle_t *)&p->signals[i], NULL);
}

static void on_timer(uv_timer_t *timer)
{
    server_tell(timer->data);
}

static void on_signal(uv_signal_t *signal, int number)
{
    (void)number;
    server_stop(signal->data);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: loop_uv ADDR [MILLISECONDS]\n");
        return 2;
    }
    static struct program p;
    uv_loop_t *const loop = uv_default_loop();
    if (server_open(&p.server, argv[1]) != 0)
        return 1;
    int r = unx_uv_start(&p.engine, loop, p.server.engine, on_event, &p);
    if (r == 0)
        r = server_start(&p.server);
    uv_timer_init(loop, &p.timer);
    p.timer.data = &p.server;
    if (r == 0 && argc == 3)
        r = uv_timer_start(&p.timer, on_timer, 0, strtoul(argv[2], NULL, 10));
    for (int i = 0; i < 2; i++) {
        uv_signal_init(loop, &p.signals[i]);
        p.signals[i].data = &p.server;
        if (r == 0)
            r = uv_signal_start(&p.signals[i], on_signal, i == 0 ? SIGINT : SIGTERM);
    }
    if (r < 0) {
        fprintf(stderr, "loop_uv: %s\n", uv_strerror(r));
        return 1;
    }
    printf("listening\n");
    fflush(stdout);
    uv_run(loop, UV_RUN_DEFAULT);
    uv_loop_close(loop);
    server_free(&p.server);
    return 0;
}
