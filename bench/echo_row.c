// SPDX-License-Identifier: MIT
/*
 * Measures one row, and prints it: slices of all servers in turn, in each round in another order. What a server takes
 * is divided by what its base takes in the same round, and the ratio is the median of these.
 *
 * The base is the raw loop that is the cheapest one here: of those that move bytes alone for whoever does the same, of
 * those that take whatever a message brings for the others. On one core it is the blocking loop. Of a server that
 * spins it is the same server when it does not.
 */
#include "echo_row.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <unx/unx.h>

#define MAX_SLICES 1000
#define SPIN_US 100

struct entry {
    const struct echo_server *server;
    unsigned spin_us;
    int error;
    unsigned base; /* the entry that it is compared with */
    double ns, wall_ns, ratio, spread;
    double all[MAX_SLICES], all_wall[MAX_SLICES];
};

static struct entry entries[ECHO_MAX_SERVERS];

static bool is_message(const struct entry *e)
{
    return e->server->kind == ECHO_RAW_MSG || e->server->kind == ECHO_ENGINE_MSG;
}

static bool is_engine(const struct entry *e)
{
    return e->server->kind == ECHO_ENGINE || e->server->kind == ECHO_ENGINE_MSG;
}

static bool is_raw(const struct entry *e)
{
    return e->server->kind == ECHO_RAW || e->server->kind == ECHO_RAW_MSG;
}

static unsigned list(const struct echo_options *o, const struct echo_row *row)
{
    const struct echo_server *servers[ECHO_MAX_SERVERS];
    /* Streams are there for the peers that speak nothing else, and these move bytes alone. */
    const bool msg = o->msg && (row->type != SOCK_STREAM || !o->plain);
    const unsigned n = echo_select(o->servers, o->plain, msg, servers, ECHO_MAX_SERVERS);
    const unsigned types =
        (row->type == SOCK_STREAM ? ECHO_STREAM : ECHO_SEQPACKET) | (row->what == ECHO_ONE_CORE ? ECHO_ALONE : 0);
    unsigned listed = 0;
    for (unsigned i = 0; i < n; i++) {
        if (!(servers[i]->types & types))
            continue;
        if (row->what == ECHO_SPINNING && servers[i]->kind != ECHO_ENGINE)
            continue;
        for (unsigned k = 0; k < (row->what == ECHO_SPINNING ? 2 : 1) && listed < ECHO_MAX_SERVERS; k++) {
            struct entry *const e = &entries[listed++];
            e->server = servers[i];
            e->spin_us = k * SPIN_US;
            e->error = 0;
        }
    }
    return listed;
}

/* Another order in each round: what a server leaves behind, its rings above all, is taken away while the next one is
 * measured, and nobody is to come always after the same one. */
static void shuffle(unsigned *order, unsigned n)
{
    for (unsigned i = n; i > 1; i--) {
        const unsigned k = (unsigned)rand() % i, other = order[k];
        order[k] = order[i - 1];
        order[i - 1] = other;
    }
}

static void run(const struct echo_options *o, const struct echo_row *row, unsigned n)
{
    struct echo_bed bed;
    unsigned order[ECHO_MAX_SERVERS];
    for (unsigned i = 0; i < n; i++)
        order[i] = i;
    const int r = echo_open(&bed, row->type, row->count);
    for (unsigned i = 0; r < 0 && i < n; i++)
        entries[i].error = r;
    for (unsigned round = 0; r >= 0 && round < o->slices; round++) {
        shuffle(order, n);
        for (unsigned i = 0; i < n; i++) {
            struct entry *const e = &entries[order[i]];
            const struct echo_load load = {e->server, row->active, e->spin_us, row->what == ECHO_ONE_CORE};
            struct echo_figures f = {0};
            if (e->error == 0)
                e->error = echo_measure(&bed, &load, o->slice_ms, &f);
            e->all[round] = row->what == ECHO_CPU ? f.cpu_ns : f.wall_ns;
            e->all_wall[round] = f.wall_ns;
        }
    }
    if (r >= 0)
        echo_close(&bed);
}

static double median_of(const double *v, unsigned n)
{
    static double copy[MAX_SLICES];
    memcpy(copy, v, n * sizeof *v);
    return bench_quantile(copy, n, 0.5);
}

/* The cheapest raw loop that does the same, or -1 if there is none. */
static int best_raw(unsigned n, bool message)
{
    int best = -1;
    for (unsigned i = 0; i < n; i++) {
        const struct entry *const e = &entries[i];
        const bool counts = is_raw(e) && !(e->server->types & ECHO_BESIDE) && is_message(e) == message;
        if (e->error == 0 && counts && (best < 0 || e->ns < entries[best].ns))
            best = (int)i;
        if (e->error == 0 && counts && e->server->types == ECHO_ALONE)
            return (int)i;
    }
    return best;
}

static void judge(const struct echo_options *o, const struct echo_row *row, unsigned n)
{
    static double ratios[MAX_SLICES];
    for (unsigned i = 0; i < n; i++) {
        entries[i].ns = median_of(entries[i].all, o->slices);
        entries[i].wall_ns = median_of(entries[i].all_wall, o->slices);
    }
    const int best[2] = {best_raw(n, false), best_raw(n, true)};
    int first = 0;
    while (first + 1 < (int)n && entries[first].error < 0)
        first++;
    for (unsigned i = 0; i < n; i++) {
        struct entry *const e = &entries[i];
        const int b = best[is_message(e)] >= 0 ? best[is_message(e)] : first;
        e->base = row->what == ECHO_SPINNING ? (e->spin_us > 0 ? i - 1 : i) : (unsigned)b;
        for (unsigned k = 0; k < o->slices; k++)
            ratios[k] = e->all[k] / entries[e->base].all[k];
        e->ratio = bench_quantile(ratios, o->slices, 0.5);
        e->spread = (bench_quantile(ratios, o->slices, 0.75) - bench_quantile(ratios, o->slices, 0.25)) / 2;
    }
}

/* The backend that the engine takes by itself is the first one that works. */
static bool has_goal(const struct echo_row *row, unsigned i)
{
    const struct entry *const e = &entries[i];
    if (!is_engine(e) || e->error < 0 || (row->what == ECHO_SPINNING && e->spin_us == 0))
        return false;
    for (unsigned k = 0; k < i; k++)
        if (entries[k].server->kind == e->server->kind && entries[k].spin_us == e->spin_us && entries[k].error == 0)
            return false;
    return true;
}

/* The peer that is ahead of this engine, or NULL. They move bytes alone. */
static const struct entry *ahead(const struct entry *engine, unsigned n)
{
    const struct entry *best = NULL;
    for (unsigned i = 0; engine->server->kind == ECHO_ENGINE && i < n; i++) {
        const struct entry *const e = &entries[i];
        if (e->server->kind == ECHO_PEER && e->error == 0 && e->ratio < engine->ratio &&
            (!best || e->ratio < best->ratio))
            best = e;
    }
    return best;
}

static void print_text(const struct echo_row *row, unsigned i, double goal, const struct entry *peer)
{
    const struct entry *const e = &entries[i];
    char name[48], text[16] = "-";
    snprintf(name, sizeof name, "  %s%s", e->server->name, e->spin_us > 0 ? ", spinning" : "");
    if (goal > 0)
        snprintf(text, sizeof text, "%.2f", goal);
    const char *const verdict = goal > 0 ? (e->ratio < goal + 0.0005 ? "ok" : "over")
                                : e->base == i && row->what != ECHO_SPINNING ? "base"
                                                                             : "";
    printf("%-34s %10.0f %10.0f %7.3f %7.3f %6s  %s%s%s\n", name, e->ns, e->wall_ns, e->ratio, e->spread, text, verdict,
           peer ? ", behind " : "", peer ? peer->server->name : "");
}

static void print_json(const struct echo_row *row, unsigned i, double goal, const struct entry *peer)
{
    const struct entry *const e = &entries[i];
    char text[16] = "null";
    if (goal > 0)
        snprintf(text, sizeof text, "%.3f", goal);
    printf("%s\n  {\"work\": \"%s\", \"server\": \"%s\", \"spin_us\": %u, \"ns\": %.1f, \"wall_ns\": %.1f, "
           "\"base\": \"%s\", \"ratio\": %.4f, \"spread\": %.4f, \"goal\": %s, \"ok\": %s, \"behind\": %s%s%s}",
           bench_first_row() ? "" : ",", row->name, e->server->name, e->spin_us, e->ns, e->wall_ns,
           entries[e->base].server->name, e->ratio, e->spread, text,
           goal == 0 || (e->ratio < goal + 0.0005 && !peer) ? "true" : "false", peer ? "\"" : "",
           peer ? peer->server->name : "null", peer ? "\"" : "");
}

void echo_row(const struct echo_options *o, const struct echo_row *row, int *missed, int *failed)
{
    const unsigned n = list(o, row);
    if (n == 0)
        return;
    run(o, row, n);
    judge(o, row, n);
    if (!o->json)
        printf("%s%-34s %10s %10s %7s %7s %6s\n", bench_first_row() ? "" : "\n", row->name,
               row->what == ECHO_CPU ? "cpu ns" : "trip ns", "wall ns", "ratio", "+-", "goal");
    for (unsigned i = 0; i < n; i++) {
        const struct entry *const e = &entries[i];
        if (e->error < 0) {
            fprintf(stderr, "bench: %s, %s: %s: %s\n", row->name, e->server->name,
                    e->error == -EOPNOTSUPP ? "skipped" : "failed", unx_explain(e->error));
            *failed += e->error != -EOPNOTSUPP;
            continue;
        }
        const double goal = has_goal(row, i) ? row->goal : 0;
        const struct entry *const peer = goal > 0 && row->what == ECHO_CPU ? ahead(e, n) : NULL;
        (o->json ? print_json : print_text)(row, i, goal, peer);
        *missed += o->check &&
                   ((goal > 0 && e->ratio > goal + o->tolerance) || (peer && e->ratio > peer->ratio + o->tolerance));
    }
    fflush(stdout);
}
