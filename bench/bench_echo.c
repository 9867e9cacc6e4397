// SPDX-License-Identifier: MIT
/*
 * What a request of 64 bytes and its reply cost a server, in processor time: by hand, on the engine, and on other
 * libraries.
 *
 *     scripts/bench.sh --only echo
 *     bench_echo --servers raw-epoll,engine --count 16 --plain --slices 9
 *
 * The servers named raw-* are written by hand: echo_epoll.c, echo_uring.c. A name that ends in -msg does what a server
 * has to do that takes whatever a message brings, descriptors and credentials; the others move bytes alone (UNX_PLAIN
 * on the engine). The load is described in echo_load.c, the ratios in echo_row.c.
 *
 * SOCK_SEQPACKET, where the server can speak it, and once more SOCK_STREAM for those that speak nothing else.
 */
#include "echo_row.h"

#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <unx/unx.h>

#define SEQ SOCK_SEQPACKET
#define STR SOCK_STREAM
#define SLICES 11
#define MOST_SLICES 1000

static const struct echo_row rows[] = {
    {"echo, 1 connection", SEQ, 1, 1, ECHO_CPU, 1.05},
    {"echo, 16 connections", SEQ, 16, 16, ECHO_CPU, 1.05},
    {"echo, 256 connections", SEQ, 256, 256, ECHO_CPU, 1.05},
    {"echo, 1000 connections", SEQ, 1000, 1000, ECHO_CPU, 1.05},
    {"echo, 1000 connections, 984 idle", SEQ, 1000, 16, ECHO_CPU, 1.05},
    {"echo, stream, 1 connection", STR, 1, 1, ECHO_CPU, 1.05},
    {"echo, stream, 16 connections", STR, 16, 16, ECHO_CPU, 1.05},
    {"echo, stream, 256 connections", STR, 256, 256, ECHO_CPU, 1.05},
    {"echo, stream, 1000 connections", STR, 1000, 1000, ECHO_CPU, 1.05},
    {"echo, round trip on one core", SEQ, 1, 1, ECHO_ONE_CORE, 1.15},
    {"echo, 1 connection, spinning", SEQ, 1, 1, ECHO_SPINNING, 0.333},
};

static const char idle_name[] = "echo, memory of idle connections";

static int usage(FILE *f)
{
    fprintf(
        stderr,
        "usage: bench_echo [--json] [--check TOLERANCE] [--slices N] [--slice-ms MS] [--only TEXT]\n"
        "                  [--servers NAME,...] [--plain | --msg] [--count N] [--type seqpacket|stream] [--list]\n"
        "  --check     exit status 1 if a ratio is above its goal, or a peer's, by more than TOLERANCE, such as 0.02\n"
        "  --slices    of each server in each row, 1 to %d (%d); each has a process of its own\n"
        "  --slice-ms  1 to 10000 (10), after a quarter of this to get warm\n"
        "  --only      rows whose name has TEXT in it\n"
        "  --servers   these; 'engine' is all whose name begins so; ratios are to the best raw one among them\n"
        "  --plain     only servers that move bytes alone; --msg: only those that take whatever a message brings,\n"
        "              which are in rows of streams only then\n"
        "  --count     rows with so many connections; --type: of this type\n"
        "  --list      the names of the servers and rows\n",
        MOST_SLICES, SLICES);
    return f == stderr ? 2 : 0;
}

static int list(const struct echo_options *o)
{
    const struct echo_server *v[ECHO_MAX_SERVERS];
    const unsigned n = echo_select(o->servers, o->plain, o->msg, v, ECHO_MAX_SERVERS);
    for (unsigned i = 0; i < n; i++)
        printf("%s\n", v[i]->name);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        printf("\"%s\"\n", rows[i].name);
    printf("\"%s\"\n", idle_name);
    return 0;
}

static bool number(const char *text, double min, double max, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && !*end && *v >= min && *v <= max;
}

/* -1: go on. */
static int options(struct echo_options *o, int argc, char **argv)
{
    static const struct option names[] = {{"json", no_argument, NULL, 'j'},
                                          {"check", required_argument, NULL, 'c'},
                                          {"slices", required_argument, NULL, 's'},
                                          {"slice-ms", required_argument, NULL, 'm'},
                                          {"only", required_argument, NULL, 'o'},
                                          {"servers", required_argument, NULL, 'S'},
                                          {"plain", no_argument, NULL, 'p'},
                                          {"msg", no_argument, NULL, 'M'},
                                          {"count", required_argument, NULL, 'n'},
                                          {"type", required_argument, NULL, 't'},
                                          {"list", no_argument, NULL, 'l'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    *o = (struct echo_options){.slices = SLICES, .slice_ms = 10, .plain = true, .msg = true};
    bool listing = false;
    double v;
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'j')
            o->json = true;
        else if (c == 'c' && number(optarg, 0, 100, &o->tolerance))
            o->check = true;
        else if (c == 's' && number(optarg, 1, MOST_SLICES, &v))
            o->slices = (unsigned)v;
        else if (c == 'm' && number(optarg, 1, 10000, &o->slice_ms))
            continue;
        else if (c == 'n' && number(optarg, 1, 1000, &v))
            o->count = (unsigned)v;
        else if (c == 'o')
            o->only = optarg;
        else if (c == 'S')
            o->servers = optarg;
        else if (c == 'p')
            o->msg = false;
        else if (c == 'M')
            o->plain = false;
        else if (c == 'l')
            listing = true;
        else if (c == 't' && strcmp(optarg, "seqpacket") == 0)
            o->type = SEQ;
        else if (c == 't' && strcmp(optarg, "stream") == 0)
            o->type = STR;
        else
            return usage(c == 'h' ? stdout : stderr);
    }
    if (optind < argc || (!o->plain && !o->msg))
        return usage(stderr);
    return listing ? list(o) : -1;
}

static bool wanted(const struct echo_options *o, const char *name, int type, unsigned count)
{
    return (!o->only || strstr(name, o->only)) && (o->type == 0 || o->type == type) &&
           (o->count == 0 || o->count == count);
}

int main(int argc, char **argv)
{
    struct echo_options o;
    const int status = options(&o, argc, argv);
    if (status >= 0)
        return status;
    const unsigned limit = echo_raise_limit();
    bench_pin();
    echo_say_missing();
    const struct bench_options print = {.json = o.json};
    bench_print_start(&print);
    int missed = 0, failed = 0, ran = 0;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        const struct echo_row *const row = &rows[i];
        if (!wanted(&o, row->name, row->type, row->count))
            continue;
        ran++;
        if (row->what != ECHO_ONE_CORE && !bench_can_pin_other())
            fprintf(stderr, "bench: %s: skipped, needs two cores\n", row->name);
        else if (2 * row->count + 128 > limit)
            fprintf(stderr, "bench: %s: skipped, needs more than the %u descriptors that are allowed\n", row->name,
                    limit);
        else
            echo_row(&o, row, &missed, &failed);
    }
    if (wanted(&o, idle_name, SEQ, ECHO_IDLE)) {
        ran++;
        echo_idle(&o, idle_name, &missed, &failed);
    }
    bench_print_end(&print);
    if (ran == 0)
        fprintf(stderr, "bench: no such row\n");
    if (missed > 0)
        fprintf(stderr, "bench: %d off the goal by more than %g\n", missed, o.tolerance);
    return ran == 0 ? 2 : missed > 0 || failed > 0;
}
