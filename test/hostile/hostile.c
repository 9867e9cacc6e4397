// SPDX-License-Identifier: MIT
/*
 * Hostile peers: every known attack, on a server made with libunx, while a well-behaved client goes on.
 *
 *     hostile threads|nonblocking|few|io_uring|epoll|poll [CASE]
 *
 * Each case is an attack. HOSTILE_MS says how long each lasts (100). The line that it prints has, for packets, a
 * stream, notifications and new connections: the median round trip in microseconds before, that while it was attacked,
 * and the slowest; the server's memory in KiB and its descriptors: before, at most, and after;
 * and how often the attack was tried.
 */
#include "../harness.h"
#include "command.h"
#include "run.h"
#include "server.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct server server;

static void threads(struct ground *g)
{
    server_open(&server, g);
    serve_threads(&server);
    server_close(&server);
}

static void nonblocking(struct ground *g)
{
    server_open(&server, g);
    serve_poll(&server);
    server_close(&server);
}

static void on_engine(struct ground *g, unsigned backend)
{
    server_open(&server, g);
    serve_engine(&server, backend);
    server_close(&server);
}

static void on_uring(struct ground *g)
{
    on_engine(g, UNX_ENGINE_URING);
}

static void on_epoll(struct ground *g)
{
    on_engine(g, UNX_ENGINE_EPOLL);
}

static void on_poll(struct ground *g)
{
    on_engine(g, UNX_ENGINE_POLL);
}

enum { ALL = NEEDS_SEQ | NEEDS_STREAM | NEEDS_NOTIFY };
/* KiB that may stay afterwards. Seen: 1.1 MiB, the same after a second and after a minute of all attacks at once; with
 * threads 3 MiB, where a buffer of each connection, and what is free around it, is in the heap of one of many. */
enum { KEPT = 2 << 10, KEPT_OF_THREADS = 6 << 10 };
static const struct target targets[] = {
    {.name = "threads", .serve = threads, .can = ALL, .ours = true, .kept_memory = KEPT_OF_THREADS},
    {.name = "nonblocking", .serve = nonblocking, .can = ALL, .ours = true, .kept_memory = KEPT},
    /* The same; what it has no room for the library closes, in the one thread that serves all. */
    {.name = "few", .serve = nonblocking, .can = ALL, .ours = true, .few = true, .kept_memory = KEPT},
    {.name = "io_uring", .serve = on_uring, .can = ALL, .ours = true, .kept_memory = KEPT},
    {.name = "epoll", .serve = on_epoll, .can = ALL, .ours = true, .kept_memory = KEPT},
    {.name = "poll", .serve = on_poll, .can = ALL, .ours = true, .kept_memory = KEPT},
};
static const struct target *target;

static struct test_case cases[64];

static void run_one(void)
{
    unsigned i = 0;
    while (i < nattacks && strcmp(harness_case()->name, attacks[i].name) != 0) {
        i++;
    }
    if (target->serve == on_uring) {
        struct unx_engine *e;
        const int r = unx_engine_new(&e, 0, UNX_ENGINE_URING);
        if (r == -EOPNOTSUPP) {
            SKIP("no io_uring here");
        }
        CHECK_INT(r, 0);
        unx_engine_free(e);
    }
    run_attack(target, i < nattacks ? &attacks[i] : NULL);
}

int main(int argc, char **argv)
{
    for (unsigned i = 0; i < sizeof targets / sizeof *targets && argc > 1; i++) {
        target = strcmp(argv[1], targets[i].name) == 0 ? &targets[i] : target;
    }
    target = target == NULL && argc > 1 ? command_target(argv[1]) : target;
    if (target == NULL) {
        fprintf(stderr, "usage: hostile threads|nonblocking|few|io_uring|epoll|poll [CASE]\n");
        return 2;
    }
    const unsigned seconds = 60 + run_ms() * 4 / 1000;
    unsigned n = 0;
    for (unsigned i = 0; i < nattacks; i++) {
        /* In all else it is another server of this table. */
        if (!target->few || (attacks[i].flags & LENDS) != 0) {
            cases[n++] = (struct test_case){attacks[i].name, run_one, 0, seconds};
        }
    }
    cases[n++] = (struct test_case){"all_at_once", run_one, 0, seconds};
    return harness_main(argc - 1, argv + 1, cases, n);
}
