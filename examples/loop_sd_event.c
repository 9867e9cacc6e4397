// SPDX-License-Identifier: MIT
/*
 * The echo server of loop_server.c in an sd-event loop, as services of systemd have one, beside a timer
 * and signals of that loop.
 *
 *     example_loop_sd_event @echo 1000 &  then: example_echo ask @echo hello
 *
 * Every 1000 milliseconds it tells its clients how many they are; without that argument it only echoes. sd-event takes
 * only signals that are blocked.
 */
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <unx/adapters/sd-event.h>

#include "loop_server.h"

struct program {
    struct server server;
    struct unx_sd_event engine;
    sd_event *loop;
    uint64_t period; /* in microseconds; 0: none */
};

static void on_event(void *arg, const struct unx_event *ev)
{
    struct program *const p = arg;
    if (!server_event(&p->server, ev))
        return;
    unx_sd_event_stop(&p->engine);
    sd_event_exit(p->loop, 0);
}

static int on_timer(sd_event_source *timer, uint64_t time, void *arg)
{
    struct program *const p = arg;
    server_tell(&p->server);
    sd_event_source_set_time(timer, time + p->period);
    return sd_event_source_set_enabled(timer, SD_EVENT_ONESHOT);
}

static int on_signal(sd_event_source *signal, const struct signalfd_siginfo *info, void *arg)
{
    struct program *const p = arg;
    (void)signal, (void)info;
    server_stop(&p->server);
    return 0;
}

static int run(struct program *p)
{
    sigset_t signals;
    sigemptyset(&signals);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGTERM);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    int r = sd_event_new(&p->loop);
    if (r >= 0)
        r = unx_sd_event_start(&p->engine, p->loop, p->server.engine, on_event, p);
    if (r >= 0)
        r = server_start(&p->server);
    if (r >= 0)
        r = sd_event_add_signal(p->loop, NULL, SIGINT, on_signal, p);
    if (r >= 0)
        r = sd_event_add_signal(p->loop, NULL, SIGTERM, on_signal, p);
    if (r >= 0 && p->period > 0)
        r = sd_event_add_time_relative(p->loop, NULL, CLOCK_MONOTONIC, p->period, 0, on_timer, p);
    if (r < 0)
        return r;
    printf("listening\n");
    fflush(stdout);
    return sd_event_loop(p->loop);
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: loop_sd_event ADDR [MILLISECONDS]\n");
        return 2;
    }
    struct program p = {.period = argc == 3 ? strtoul(argv[2], NULL, 10) * 1000 : 0};
    if (server_open(&p.server, argv[1]) != 0)
        return 1;
    const int r = run(&p);
    if (r < 0) {
        fprintf(stderr, "loop_sd_event: %s\n", unx_explain(r));
        return 1;
    }
    sd_event_unref(p.loop);
    server_free(&p.server);
    return 0;
}
