// SPDX-License-Identifier: MIT
/*
 * The echo server of loop_server.c in a GLib main loop, as programs with GTK or GIO have one, beside a timeout and
 * signals of that loop.
 *
 *     example_loop_glib @echo 1000 &      then: example_echo ask @echo hello
 *
 * Every 1000 milliseconds it tells its clients how many they are; without that argument it only echoes. The engine's
 * source comes after the loop's own here: it has a lower priority.
 */
#include <glib-unix.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>

#include <unx/adapters/glib.h>

#include "loop_server.h"

struct program {
    struct server server;
    struct unx_glib engine;
    GMainLoop *loop;
};

static void on_event(void *arg, const struct unx_event *ev)
{
    struct program *const p = arg;
    if (!server_event(&p->server, ev))
        return;
    unx_glib_stop(&p->engine);
    g_main_loop_quit(p->loop);
}

static gboolean on_timer(gpointer server)
{
    server_tell(server);
    return G_SOURCE_CONTINUE;
}

static gboolean on_signal(gpointer server)
{
    server_stop(server);
    return G_SOURCE_CONTINUE;
}

int main(int argc, char **argv)
{
    if (argc < 2 || argc > 3) {
        fprintf(stderr, "usage: loop_glib ADDR [MILLISECONDS]\n");
        return 2;
    }
    struct program p = {0};
    if (server_open(&p.server, argv[1]) != 0)
        return 1;
    int r = unx_glib_start(&p.engine, NULL, p.server.engine, on_event, &p);
    if (r == 0)
        r = server_start(&p.server);
    if (r < 0) {
        fprintf(stderr, "loop_glib: %s\n", unx_explain(r));
        return 1;
    }
    g_source_set_priority(p.engine.source, G_PRIORITY_LOW);
    if (argc == 3)
        g_timeout_add((guint)strtoul(argv[2], NULL, 10), on_timer, &p.server);
    g_unix_signal_add(SIGINT, on_signal, &p.server);
    g_unix_signal_add(SIGTERM, on_signal, &p.server);
    p.loop = g_main_loop_new(NULL, FALSE);
    printf("listening\n");
    fflush(stdout);
    g_main_loop_run(p.loop);
    g_main_loop_unref(p.loop);
    server_free(&p.server);
    return 0;
}
