// SPDX-License-Identifier: MIT
/*
 * Runs the cases of a test program under torture, in the place of harness_main().
 *
 * usage: torture_NAME [--each N | --whole] [--sample N] [--seed N] [--seconds S] [--clean MS] [--results] [--call NAME]
 *                     [CASE [CALL:RANK.NTH:ERROR]]
 *        torture_NAME --cases
 *
 * Each case first runs as it is, and the calls of src/sys that happen are noted. Then it runs once for each failure:
 * one of these calls, and one of its errors. --each N, or --whole, says which of the calls that come from the same
 * place (choose.c); neither: all. --sample N takes one of N failures, which ones is said by --seed; --seconds is the
 * time for one case, and what does not fit is left out evenly; a case that takes longer than --clean as it is, is left
 * out; --call takes this call alone. With a call, as a fault prints it, this one alone runs, with the output of the
 * test. TORTURE_LIE=CALL in the environment: this call does nothing and says 0 where it was to fail, which must yield
 * faults.
 *
 * A case that fails as it is, without any failure, cannot be tried: it is told by CLEAN, and counted.
 *
 * What surprised us: a case that waits for what a failed peer never sends hangs, and is right to. A hang counts when
 * it is inside of the public call in which something failed, and still is when more time is given; or when an
 * operation of an engine is out that could be done (ending.c).
 */
#include "driver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

int __wrap_harness_main(int argc, char **argv, const struct test_case *cases, size_t n);

struct torture_asked torture_asked = {.sample = 1, .seed = 1, .clean_ms = 120000, .seconds = 1e9};
struct torture_sum torture_sum;
const char *torture_program;

static unsigned mix(unsigned a, unsigned b)
{
    uint64_t x = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (unsigned)(x >> 32);
}

/* As it is: how long it takes, or -1: it cannot be tried. */
static double clean_run(const char *name)
{
    const struct point nowhere = {.call = UINT16_MAX};
    double clean = 0;
    /* Some measure time, or how much of the stack is used. */
    for (int i = 0; i < 3; i++) {
        world->stacks = i == 0;
        atomic_store(&world->ntrace, 0);
        clean = torture_run(name, 1, &nowhere, 0, torture_asked.clean_ms);
        if (torture_said(" hangs,")) {
            printf("SLOW %s %s\n", torture_program, name);
            torture_sum.slow++;
            return -1;
        }
        if (!torture_said("not ok "))
            break;
    }
    const bool faults = atomic_load(&world->nfaults) > 0;
    if (torture_said(" # SKIP ") || torture_said("not ok ") || faults) {
        printf("%s %s %s: %.200s\n", torture_said(" # SKIP ") ? "SKIP" : "CLEAN", torture_program, name,
               faults ? world->faults[0] : torture_text());
        torture_sum.skipped += torture_said(" # SKIP ");
        if (!torture_said(" # SKIP ")) {
            torture_sum.clean++;
            torture_sum.faults += faults;
        }
        if (!faults)
            return -1;
    }
    return clean;
}

static void torture(const char *name)
{
    const double clean = clean_run(name);
    if (clean < 0)
        return;
    const unsigned noted = atomic_load(&world->ntrace), kept = noted < TRACE_MAX ? noted : TRACE_MAX;
    torture_sum.cases++;
    torture_sum.calls += noted;
    torture_sum.cut += noted - kept;
    unsigned total;
    struct failure *const all = torture_choose(world->trace, kept, &total, &torture_sum.left_out);
    /* What does not fit into the time is left out evenly: each failure has a number, and numbers are chosen by a
     * hash. */
    const double fits = torture_asked.seconds / (clean + 0.002);
    const unsigned share = fits >= total ? UINT32_MAX : (unsigned)(fits / total * UINT32_MAX);
    const unsigned ms = 1500 + (unsigned)(clean * 4000);
    const double begin = seconds_now(), end = begin + torture_asked.seconds * 2;
    unsigned tried = 0;
    for (unsigned i = 0; i < total; i++) {
        const unsigned h = mix(torture_asked.seed, i + mix(1, (unsigned)strlen(name)));
        if (h % torture_asked.sample == 0 && h <= share && seconds_now() <= end) {
            torture_one(name, &all[i].at, all[i].error, ms);
            tried++;
        }
    }
    torture_sum.late += total - tried;
    free(all);
    printf("CASE %s %s: %.3f s as it is; %u calls, %u of %u failures in %.1f s\n", torture_program, name, clean, noted,
           tried, total, seconds_now() - begin);
    fflush(stdout);
}

static int error_of(const char *word)
{
    if (strcmp(word, "SHORT") == 0)
        return SHORT;
    if (strcmp(word, "NONE") == 0)
        return NONE;
    for (int e = 1; e < 200; e++)
        if (strerrorname_np(e) != NULL && strcmp(strerrorname_np(e), word) == 0)
            return e;
    fprintf(stderr, "%s: no error is called %s\n", torture_program, word);
    exit(2);
}

static int repeat(const char *name, const char *spec)
{
    char call[64], error[32];
    unsigned rank, nth;
    if (sscanf(spec, "%63[^:]:%u.%u:%31s", call, &rank, &nth, error) != 4) {
        fprintf(stderr, "%s: a failure is CALL:RANK.NTH:ERROR\n", torture_program);
        return 2;
    }
    for (unsigned i = 0; i < nfake_calls; i++) {
        if (strcmp(fake_calls[i].name, call) == 0) {
            const struct point p = {.call = (uint16_t)i, .rank = (uint16_t)rank, .nth = nth};
            torture_one(name, &p, error_of(error), 20000);
            if (torture_sum.faults == 0)
                printf("%s\nno fault; injected: %lu; %s returned %d%s\n", torture_text(), torture_sum.injected,
                       public_names[world->function], world->result, was_swallowed() ? ", and nobody was told" : "");
            return torture_sum.faults > 0;
        }
    }
    fprintf(stderr, "%s: no call is called %s\n", torture_program, call);
    return 2;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *const value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--results") == 0)
            torture_asked.results = true;
        else if (strcmp(argv[i], "--cases") == 0)
            torture_asked.list = true;
        else if (strcmp(argv[i], "--whole") == 0)
            torture_asked.whole = true;
        else if (strcmp(argv[i], "--each") == 0)
            torture_asked.each = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            torture_asked.seconds = atof(value), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            torture_asked.seed = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--sample") == 0)
            torture_asked.sample = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--clean") == 0)
            torture_asked.clean_ms = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--call") == 0)
            torture_asked.call = value, i++;
        else if (torture_asked.name == NULL)
            torture_asked.name = argv[i];
        else
            torture_asked.point = argv[i];
    }
}

static void tell_sum(void)
{
    swallowed_tell();
    printf("SUM %s cases=%lu skipped=%lu calls=%lu cut=%lu runs=%lu injected=%lu passed=%lu failed=%lu waited=%lu "
           "left_out=%lu late=%lu checked=%lu slow=%lu clean=%lu unsteady=%lu faults=%lu\n",
           torture_program, torture_sum.cases, torture_sum.skipped, torture_sum.calls, torture_sum.cut,
           torture_sum.runs, torture_sum.injected, torture_sum.passed, torture_sum.failed, torture_sum.waited,
           torture_sum.left_out, torture_sum.late, torture_sum.checked, torture_sum.slow, torture_sum.clean,
           torture_sum.unsteady, torture_sum.faults);
}

int __wrap_harness_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
    const char *const slash = strrchr(argv[0], '/');
    torture_program = slash == NULL ? argv[0] : slash + 1;
    read_options(argc, argv);
    for (size_t i = 0; torture_asked.list && i < n; i++)
        printf("%s %s\n", cases[i].expect == 0 ? "CASE" : "FAILS", cases[i].name);
    if (torture_asked.list)
        return 0;
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (world == MAP_FAILED || !frames_make() || !torture_prepare(cases, n)) {
        perror(torture_program);
        return 2;
    }
    world->driver = getpid();
    /* Long loops by chance have their calls in the same places as short ones, and a case is run a thousand times. */
    setenv("HARNESS_ROUNDS", "2", 0);
    world->lie = -1;
    const char *const lie = getenv("TORTURE_LIE");
    for (unsigned i = 0; lie != NULL && i < nfake_calls; i++)
        if (strcmp(fake_calls[i].name, lie) == 0)
            world->lie = (int)i;
    if (torture_asked.point != NULL)
        return repeat(torture_asked.name, torture_asked.point);
    for (size_t i = 0; i < n; i++)
        if (cases[i].expect == 0 && (torture_asked.name == NULL || strcmp(torture_asked.name, cases[i].name) == 0))
            torture(cases[i].name);
    tell_sum();
    return torture_sum.faults > 0;
}
