// SPDX-License-Identifier: MIT
/*
 * The measuring itself: slices in turn, medians, one line per work.
 *
 * What surprised us: the two sides of one pair have to change places (A B, B A, ...): the second slice of a pair is
 * faster or slower by up to a percent, according to what the first one left in the caches. And a virtual machine can be
 * taken off its processor in the middle of a slice, which counts as processor time: means are useless, medians are not.
 */
#define _GNU_SOURCE 1 /* sched_setaffinity(2) */
#include "bench.h"

#include <errno.h>
#include <getopt.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define MAX_SLICES 20000

/* The cores that this process was allowed at first, without the one that it took. */
static cpu_set_t others;

static bool pin_to(int cpu)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    CPU_SET(cpu, &set);
    return sched_setaffinity(0, sizeof set, &set) == 0;
}

void bench_pin(void)
{
    const int cpu = sched_getcpu();
    const bool known = cpu >= 0 && sched_getaffinity(0, sizeof others, &others) == 0;
    if (!known || !pin_to(cpu)) {
        fprintf(stderr, "bench: not pinned to a core: %s\n", strerror(errno));
        CPU_ZERO(&others);
        return;
    }
    CPU_CLR(cpu, &others);
}

bool bench_can_pin_other(void)
{
    return CPU_COUNT(&others) > 0;
}

bool bench_pin_other(void)
{
    int cpu = 0;
    while (cpu < CPU_SETSIZE && !CPU_ISSET(cpu, &others))
        cpu++;
    return cpu < CPU_SETSIZE && pin_to(cpu);
}

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int slice(bench_side *side, struct bench_context *c, unsigned n, double *ns)
{
    const double start = now_ns();
    const int r = side(c, n);
    *ns = (now_ns() - start) / n;
    return r;
}

static int compare(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

double bench_quantile(double *v, unsigned n, double at)
{
    qsort(v, n, sizeof *v, compare);
    const double place = at * (n - 1);
    const unsigned i = (unsigned)place;
    return i + 1 < n ? v[i] + (v[i + 1] - v[i]) * (place - i) : v[i];
}

/* How many messages make one slice. */
static int calibrate(const struct bench_options *o, const struct bench_work *w, struct bench_context *c, unsigned *n)
{
    const double wanted = o->slice_ms * 1e6;
    double ns = 0;
    for (*n = BENCH_MULTIPLE; *n < 1u << 24; *n *= 2) {
        const int r = slice(w->base, c, *n, &ns);
        if (r < 0)
            return r;
        if (ns * *n > wanted / 2)
            break;
    }
    *n = ((unsigned)(wanted / ns) / BENCH_MULTIPLE + 1) * BENCH_MULTIPLE;
    return slice(w->unx, c, *n, &ns);
}

int bench_measure(const struct bench_options *o, const struct bench_work *w, struct bench_context *c,
                  struct bench_result *r)
{
    static double base[MAX_SLICES], unx[MAX_SLICES], ratio[MAX_SLICES];
    unsigned n;
    int e = calibrate(o, w, c, &n);
    for (unsigned i = 0; e >= 0 && i < o->slices; i++) {
        double *const first = i % 2 ? &unx[i] : &base[i], *const second = i % 2 ? &base[i] : &unx[i];
        e = slice(i % 2 ? w->unx : w->base, c, n, first);
        if (e >= 0)
            e = slice(i % 2 ? w->base : w->unx, c, n, second);
        ratio[i] = unx[i] / base[i];
    }
    if (e < 0)
        return e;
    r->base_ns = bench_quantile(base, o->slices, 0.5);
    r->unx_ns = bench_quantile(unx, o->slices, 0.5);
    r->ratio_of_medians = r->unx_ns / r->base_ns;
    r->ratio = bench_quantile(ratio, o->slices, 0.5);
    r->spread = (bench_quantile(ratio, o->slices, 0.75) - bench_quantile(ratio, o->slices, 0.25)) / 2;
    return 0;
}

/* ---- Output ---- */

static unsigned printed;

bool bench_first_row(void)
{
    return printed++ == 0;
}

void bench_print_start(const struct bench_options *o)
{
    printed = 0;
    if (o->json)
        printf("[");
}

bool bench_print(const struct bench_options *o, const struct bench_work *w, const struct bench_result *r)
{
    /* As precise as it is printed: a third digit nobody can see decides nothing. */
    const bool ok = w->goal == 0 || r->ratio < w->goal + 0.0005;
    const char *const verdict = w->goal == 0 ? "" : ok ? "ok" : "over";
    char goal[16];
    snprintf(goal, sizeof goal, "%s", o->json ? "null" : "-");
    if (w->goal > 0)
        snprintf(goal, sizeof goal, "%.2f", w->goal);
    if (o->json) {
        printf("%s\n  {\"work\": \"%s\", \"base_ns\": %.1f, \"unx_ns\": %.1f, \"ratio\": %.4f, \"spread\": %.4f, "
               "\"ratio_of_medians\": %.4f, \"goal\": %s, \"ok\": %s}",
               bench_first_row() ? "" : ",", w->name, r->base_ns, r->unx_ns, r->ratio, r->spread, r->ratio_of_medians,
               goal, ok ? "true" : "false");
    } else {
        if (bench_first_row())
            printf("%-34s %10s %10s %7s %7s %7s %6s\n", "work", "base ns", "unx ns", "ratio", "+-", "medians", "goal");
        printf("%-34s %10.1f %10.1f %7.3f %7.3f %7.3f %6s  %s\n", w->name, r->base_ns, r->unx_ns, r->ratio, r->spread,
               r->ratio_of_medians, goal, verdict);
    }
    fflush(stdout);
    return ok;
}

void bench_print_end(const struct bench_options *o)
{
    if (o->json)
        printf("\n]\n");
}

/* ---- Options ---- */

static int usage(void)
{
    fprintf(stderr,
            "usage: bench_message [--json] [--check TOLERANCE] [--slices N] [--slice-ms MS] [--only TEXT]\n"
            "  --check     exit status 1 if a ratio is above its goal by more than TOLERANCE, such as 0.02, or a rate\n"
            "              below its own by more than this part of it\n"
            "  --slices    pairs of slices of each work, 40 to 2000 (101); half as many rounds of the rates\n"
            "  --slice-ms  processor time of a slice, 1 to 1000 (4); of the rates ten times as much, by the clock\n"
            "  --only      works whose name has TEXT in it\n");
    return 2;
}

static bool number(const char *text, double min, double max, double *v)
{
    char *end;
    *v = strtod(text, &end);
    return end != text && !*end && *v >= min && *v <= max;
}

int bench_options(struct bench_options *o, int argc, char **argv)
{
    static const struct option names[] = {
        {"json", no_argument, NULL, 'j'},         {"check", required_argument, NULL, 'c'},
        {"slices", required_argument, NULL, 's'}, {"slice-ms", required_argument, NULL, 'm'},
        {"only", required_argument, NULL, 'o'},   {NULL, 0, NULL, 0}};
    *o = (struct bench_options){.slices = 101, .slice_ms = 4};
    double v;
    int c;
    while ((c = getopt_long(argc, argv, "", names, NULL)) != -1) {
        if (c == 'j')
            o->json = true;
        else if (c == 'c' && number(optarg, 0, 100, &o->tolerance))
            o->check = true;
        else if (c == 's' && number(optarg, 40, 2000, &v))
            o->slices = (unsigned)v;
        else if (c == 'm' && number(optarg, 1, 1000, &o->slice_ms))
            continue;
        else if (c == 'o')
            o->only = optarg;
        else
            return usage();
    }
    return optind < argc ? usage() : -1;
}
