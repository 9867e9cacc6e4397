// SPDX-License-Identifier: MIT
/*
 * Runs the cases of a test program under torture, in the place of harness_main().
 *
 * usage: torture_NAME [--each N] [--sample N] [--seed N] [--seconds S] [--clean MS] [--results] [--call NAME] [CASE [CALL:RANK.NTH:ERROR]]
 *
 * Each case first runs as it is, and the calls of src/sys that happen are noted. Then it runs once for every call and every
 * error of that call. --each N takes the first N of the calls that have the same place in the library and in the test;
 * --sample N takes one of N failures, which ones is said by --seed; --seconds is the time for one case, and what does not fit is
 * left out evenly; a case that takes longer than --clean as it is, is left out; --call takes this call alone.
 * With a call, as a fault prints it, this one alone runs, with the output of the test.
 * TORTURE_LIE=CALL in the environment: this call does nothing and says 0 where it was to fail, which must yield faults.
 *
 * A case that fails as it is, without any failure, cannot be tried: it is told by CLEAN, and counted.
 *
 * What surprised us: a case that waits for what a failed peer never sends hangs, and is right to. A hang counts when it is
 * inside of the public call in which something failed, and still is when more time is given; or when an operation of an
 * engine is out that could be done (ending.c).
 */
#include "../harness.h"
#include "torture.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern __typeof__(harness_main) __real_harness_main;
int __wrap_harness_main(int argc, char **argv, const struct test_case *cases, size_t n);
extern __typeof__(_exit) __real__exit;
void __wrap__exit(int status) __attribute__((noreturn));

static struct {
    unsigned each, sample, seed, clean_ms;
    double seconds;
    bool results;
    const char *name, *point, *call;
} options = {.sample = 1, .seed = 1, .clean_ms = 120000, .seconds = 1e9};

static struct {
    unsigned long calls, runs, injected, passed, failed, waited, checked, faults, left_out, slow, clean;
} sum;

static int output = -1;
static const char *program;
static const struct test_case *all_cases;
static size_t ncases;

void __wrap__exit(int status)
{
    if (world != NULL && world->mode == 2 && atomic_load(&world->injected) && getpid() != world->driver) {
        atomic_store(&world->ending, 1);
        engines_end();
        atomic_store(&world->ending, 0);
    }
    __real__exit(status);
    __builtin_unreachable();
}

static double now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What the harness said of the case: not beside the variables of a test, which may try what lies behind them. */
#define TEXT 65536
static char *text;

static bool said(const char *what)
{
    return strstr(text, what) != NULL;
}

static double run(const char *name, int mode, const struct point *at, int error, unsigned ms)
{
    world->mode = mode;
    world->at = *at;
    world->error = error;
    world->function = 0;
    world->result = 0;
    atomic_store(&world->ranks, 0);
    atomic_store(&world->injected, 0);
    atomic_store(&world->inside, 0);
    atomic_store(&world->ending, 0);
    atomic_store(&world->over, 0);
    world->deadline = milliseconds() + ms;
    atomic_store(&world->nfaults, 0);
    atomic_store(&world->nchecked, 0);
    if (ftruncate(output, 0) < 0 || lseek(output, 0, SEEK_SET) < 0)
        exit(2);
    fflush(stdout);
    const double start = now();
    const pid_t pid = fork();
    if (pid == 0) {
        char limit[16];
        /* It ends itself before. */
        snprintf(limit, sizeof limit, "%u", mode == 2 ? ms + 8000 : ms);
        setenv("HARNESS_MS", limit, 1);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        char *argv[] = {(char *)program, (char *)name, NULL};
        const int status = __real_harness_main(2, argv, all_cases, ncases);
        fflush(NULL);
        __real__exit(status);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    const double took = now() - start;
    const ssize_t n = pread(output, text, TEXT - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    world->mode = 0;
    sum.checked += atomic_load(&world->nchecked);
    if (WIFSIGNALED(status))
        fault("the harness was killed by signal %d", WTERMSIG(status));
    return took;
}

static const char *error_name(int error)
{
    return error == SHORT ? "SHORT" : error == NONE ? "NONE" : strerrorname_np(error);
}

static void tell(const char *name, const struct point *p, int error)
{
    printf("FAULT %s %s %s:%u.%u:%s\n", program, name, fake_calls[p->call].name, p->rank, p->nth, error_name(error));
    const struct point *const at = &world->at;
    if (atomic_load(&world->injected))
        printf("  in %s, called at %#lx; %s was called at %#lx\n", public_names[at->function], (unsigned long)at->from,
               fake_calls[at->call].name, (unsigned long)at->site);
    else
        printf("  in nothing: it was not injected this time\n");
    const unsigned n = atomic_load(&world->nfaults);
    for (unsigned i = 0; i < n && i < sizeof world->faults / sizeof *world->faults; i++)
        printf("  %s\n", world->faults[i]);
    for (char *line = strtok(text, "\n"); line != NULL; line = strtok(NULL, "\n"))
        printf("  | %.300s\n", line);
}

/* One failure: whether something does not hold. */
static void one(const char *name, const struct point *p, int error, unsigned ms)
{
    run(name, 2, p, error, ms);
    sum.runs++;
    bool hangs = said(" hangs,") || atomic_load(&world->over);
    if (hangs && (atomic_load(&world->inside) != 0 || atomic_load(&world->ending) != 0)) {
        run(name, 2, p, error, ms + 15000);
        hangs = said(" hangs,") || atomic_load(&world->over);
        if (atomic_load(&world->inside) != 0)
            fault("%s: did not return", public_names[atomic_load(&world->inside) - 1]);
        if (atomic_load(&world->ending) != 0)
            fault("the engine did not come to its end");
    }
    if (said(" crashes,") && !atomic_load(&world->over))
        fault("a crash");
    if (said(" leaks,"))
        fault("the case went on to its end, and a descriptor is open that was not, or memory was lost");
    sum.injected += atomic_load(&world->injected) != 0;
    sum.waited += hangs;
    sum.failed += !hangs && said(" fails,");
    sum.passed += !hangs && !said(" fails,");
    if (options.results && atomic_load(&world->injected))
        printf("RESULT %s %s %s -> %d\n", public_names[world->function], fake_calls[p->call].name, error_name(error),
               world->result);
    if (atomic_load(&world->nfaults) > 0) {
        sum.faults++;
        tell(name, p, error);
    }
}

static unsigned mix(unsigned a, unsigned b)
{
    uint64_t x = ((uint64_t)a << 32 | b) * UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 32) * UINT64_C(0xd6e8feb86659fd93);
    return (unsigned)(x >> 32);
}

/* The calls that are tried: what is left when there are many from the same place. */
static unsigned choose(struct point *points, unsigned n)
{
    unsigned left = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned same = 0;
        if (options.call != NULL && strcmp(fake_calls[points[i].call].name, options.call) != 0)
            continue;
        for (unsigned j = 0; options.each > 0 && j < left && same < options.each; j++)
            same += points[j].site == points[i].site && points[j].from == points[i].from &&
                    points[j].rank == points[i].rank;
        if (options.each == 0 || same < options.each)
            points[left++] = points[i];
    }
    sum.left_out += n - left;
    return left;
}

static void torture(const char *name)
{
    const struct point nowhere = {.call = UINT16_MAX};
    atomic_store(&world->ntrace, 0);
    double clean = run(name, 1, &nowhere, 0, options.clean_ms);
    /* Some measure time. */
    for (int i = 0; i < 2 && said("not ok ") && !said(" hangs,"); i++) {
        atomic_store(&world->ntrace, 0);
        clean = run(name, 1, &nowhere, 0, options.clean_ms);
    }
    if (said(" hangs,")) {
        printf("SLOW %s %s\n", program, name);
        sum.slow++;
        return;
    }
    if (said(" # SKIP ") || said("not ok ") || atomic_load(&world->nfaults) > 0) {
        printf("%s %s %s: %.200s\n", said(" # SKIP ") ? "SKIP" : "CLEAN", program, name,
               atomic_load(&world->nfaults) > 0 ? world->faults[0] : text);
        if (!said(" # SKIP ")) {
            sum.clean++;
            sum.faults += atomic_load(&world->nfaults) > 0;
        }
        if (atomic_load(&world->nfaults) == 0)
            return;
    }
    const unsigned noted = atomic_load(&world->ntrace), kept = noted < TRACE_MAX ? noted : TRACE_MAX;
    struct point *const points = malloc((kept + 1) * sizeof *points);
    memcpy(points, world->trace, kept * sizeof *points);
    sum.calls += noted;
    sum.left_out += noted - kept;
    const unsigned n = choose(points, kept);
    unsigned total = 0, number = 0, later = 0;
    for (unsigned i = 0; i < n; i++)
        for (const int *e = fake_calls[points[i].call].errors; *e != 0; e++)
            total++;
    /* What does not fit into the time is left out evenly: each failure has a number, and numbers are chosen by a hash. */
    const double fits = options.seconds / (clean + 0.002);
    const unsigned share = fits >= total ? UINT32_MAX : (unsigned)(fits / total * UINT32_MAX);
    const unsigned ms = 1500 + (unsigned)(clean * 4000);
    const double end = now() + options.seconds * 2;
    for (unsigned i = 0; i < n; i++) {
        for (const int *e = fake_calls[points[i].call].errors; *e != 0; e++, number++) {
            const unsigned h = mix(options.seed, number + mix(1, (unsigned)strlen(name)));
            if (h % options.sample != 0 || h > share || now() > end)
                later++;
            else
                one(name, &points[i], *e, ms);
        }
    }
    sum.left_out += later;
    free(points);
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
    fprintf(stderr, "%s: no error is called %s\n", program, word);
    exit(2);
}

static int repeat(const char *name, const char *spec)
{
    char call[64], error[32];
    unsigned rank, nth;
    if (sscanf(spec, "%63[^:]:%u.%u:%31s", call, &rank, &nth, error) != 4) {
        fprintf(stderr, "%s: a failure is CALL:RANK.NTH:ERROR\n", program);
        return 2;
    }
    for (unsigned i = 0; i < nfake_calls; i++) {
        if (strcmp(fake_calls[i].name, call) == 0) {
            const struct point p = {.call = (uint16_t)i, .rank = (uint16_t)rank, .nth = nth};
            one(name, &p, error_of(error), 20000);
            if (sum.faults == 0)
                printf("%s\nno fault; injected: %lu; %s returned %d\n", text, sum.injected,
                       public_names[world->function], world->result);
            return sum.faults > 0;
        }
    }
    fprintf(stderr, "%s: no call is called %s\n", program, call);
    return 2;
}

static void read_options(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        const char *const value = i + 1 < argc ? argv[i + 1] : "";
        if (strcmp(argv[i], "--results") == 0)
            options.results = true;
        else if (strcmp(argv[i], "--each") == 0)
            options.each = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--seconds") == 0)
            options.seconds = atof(value), i++;
        else if (strcmp(argv[i], "--seed") == 0)
            options.seed = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--sample") == 0)
            options.sample = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--clean") == 0)
            options.clean_ms = (unsigned)atoi(value), i++;
        else if (strcmp(argv[i], "--call") == 0)
            options.call = value, i++;
        else if (options.name == NULL)
            options.name = argv[i];
        else
            options.point = argv[i];
    }
}

int __wrap_harness_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
    const char *const slash = strrchr(argv[0], '/');
    program = slash == NULL ? argv[0] : slash + 1;
    all_cases = cases;
    ncases = n;
    read_options(argc, argv);
    world = mmap(NULL, sizeof *world, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    char name[] = "/tmp/unx-torture-XXXXXX";
    output = mkostemp(name, O_CLOEXEC | O_APPEND);
    text = malloc(TEXT);
    if (world == MAP_FAILED || text == NULL || !frames_make() || output < 0 || unlink(name) < 0) {
        perror(program);
        return 2;
    }
    world->driver = getpid();
    world->lie = -1;
    const char *const lie = getenv("TORTURE_LIE");
    for (unsigned i = 0; lie != NULL && i < nfake_calls; i++)
        if (strcmp(fake_calls[i].name, lie) == 0)
            world->lie = (int)i;
    if (options.point != NULL)
        return repeat(options.name, options.point);
    for (size_t i = 0; i < n; i++)
        if (cases[i].expect == 0 && (options.name == NULL || strcmp(options.name, cases[i].name) == 0))
            torture(cases[i].name);
    printf("SUM %s calls=%lu runs=%lu injected=%lu passed=%lu failed=%lu waited=%lu left_out=%lu checked=%lu slow=%lu "
           "clean=%lu faults=%lu\n",
           program, sum.calls, sum.runs, sum.injected, sum.passed, sum.failed, sum.waited, sum.left_out, sum.checked,
           sum.slow, sum.clean, sum.faults);
    return sum.faults > 0;
}
