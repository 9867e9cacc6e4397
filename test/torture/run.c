// SPDX-License-Identifier: MIT
/*
 * One case, run once: as it is, or with one failure; and what there is to say against it.
 *
 * Promises: a fault is told when it came in two of up to three runs; one that does not come again is counted apart,
 * because whoever waits for a busy machine is late for many reasons.
 */
#include "driver.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern __typeof__(harness_main) __real_harness_main;
extern __typeof__(_exit) __real__exit;
void __wrap__exit(int status) __attribute__((noreturn));

static int output = -1;
static const struct test_case *all_cases;
static size_t ncases;

void __wrap__exit(int status)
{
    if (world != NULL && world->mode == 2 && atomic_load(&world->injected) && getpid() != world->driver &&
        !shares_memory()) {
        atomic_store(&world->ending, 1);
        engines_end();
        atomic_store(&world->ending, 0);
    }
    __real__exit(status);
    __builtin_unreachable();
}

double seconds_now(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

/* What the harness said of the case: not beside the variables of a test, which may try what lies behind them. */
#define TEXT 65536
static char *text;

bool torture_said(const char *what)
{
    return strstr(text, what) != NULL;
}

double torture_run(const char *name, int mode, const struct point *at, int error, unsigned ms)
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
    atomic_store(&world->told, 0);
    world->op = NULL;
    world->deadline = milliseconds() + ms;
    atomic_store(&world->nfaults, 0);
    atomic_store(&world->nchecked, 0);
    if (ftruncate(output, 0) < 0 || lseek(output, 0, SEEK_SET) < 0)
        exit(2);
    fflush(stdout);
    const double start = seconds_now();
    const pid_t pid = fork();
    if (pid == 0) {
        char limit[16];
        /* It ends itself before. */
        snprintf(limit, sizeof limit, "%u", mode == 2 ? ms + 8000 : ms);
        setenv("HARNESS_MS", limit, 1);
        dup2(output, STDOUT_FILENO);
        dup2(output, STDERR_FILENO);
        char *argv[] = {(char *)torture_program, (char *)name, NULL};
        const int status = __real_harness_main(2, argv, all_cases, ncases);
        fflush(NULL);
        __real__exit(status);
    }
    int status = 0;
    waitpid(pid, &status, 0);
    const double took = seconds_now() - start;
    const ssize_t n = pread(output, text, TEXT - 1, 0);
    text[n < 0 ? 0 : n] = '\0';
    world->mode = 0;
    torture_sum.checked += atomic_load(&world->nchecked);
    if (WIFSIGNALED(status))
        fault("the harness was killed by signal %d", WTERMSIG(status));
    return took;
}

const char *error_name(int error)
{
    return error == SHORT ? "SHORT" : error == NONE ? "NONE" : strerrorname_np(error);
}

static void tell(const char *name, const struct point *p, int error)
{
    printf("FAULT %s %s %s:%u.%u:%s\n", torture_program, name, fake_calls[p->call].name, p->rank, p->nth,
           error_name(error));
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

/* Runs it with the failure: whether something does not hold. */
static bool once(const char *name, const struct point *p, int error, unsigned ms, bool *hangs)
{
    torture_run(name, 2, p, error, ms);
    torture_sum.runs++;
    *hangs = torture_said(" hangs,") || atomic_load(&world->over);
    if (*hangs && (atomic_load(&world->inside) != 0 || atomic_load(&world->ending) != 0)) {
        torture_run(name, 2, p, error, ms + 15000);
        *hangs = torture_said(" hangs,") || atomic_load(&world->over);
        if (atomic_load(&world->inside) != 0)
            fault("%s: did not return", public_names[atomic_load(&world->inside) - 1]);
        if (atomic_load(&world->ending) != 0)
            fault("the engine did not come to its end");
    }
    if (torture_said(" crashes,") && !atomic_load(&world->over))
        fault("a crash");
    if (torture_said(" leaks,"))
        fault("the case went on to its end, and a descriptor is open that was not, or memory was lost");
    return atomic_load(&world->nfaults) > 0;
}

/* A fault that came once has to come again. */
static void confirm(const char *name, const struct point *p, int error, unsigned ms)
{
    char first[sizeof world->faults[0]];
    memcpy(first, world->faults[0], sizeof first);
    bool hangs;
    for (int i = 0; i < 2; i++) {
        if (torture_asked.point != NULL || once(name, p, error, ms, &hangs)) {
            torture_sum.faults++;
            tell(name, p, error);
            return;
        }
    }
    torture_sum.unsteady++;
    printf("UNSTEADY %s %s %s:%u.%u:%s\n  %s\n", torture_program, name, fake_calls[p->call].name, p->rank, p->nth,
           error_name(error), first);
}

static unsigned outcome(bool hangs)
{
    return hangs                                                                             ? WAITED
           : torture_said(" fails,") || torture_said(" leaks,") || torture_said(" crashes,") ? OTHER
                                                                                             : SAME;
}

void torture_one(const char *name, const struct point *p, int error, unsigned ms)
{
    bool hangs;
    const bool bad = once(name, p, error, ms, &hangs);
    const unsigned what = outcome(hangs);
    torture_sum.injected += atomic_load(&world->injected) != 0;
    torture_sum.waited += what == WAITED;
    torture_sum.failed += what == OTHER;
    torture_sum.passed += what == SAME;
    if (torture_asked.results && atomic_load(&world->injected))
        printf("RESULT %s %s %s -> %d\n", public_names[world->function], fake_calls[p->call].name, error_name(error),
               world->result);
    if (bad) {
        confirm(name, p, error, ms);
        return;
    }
    const int function = world->function, result = world->result;
    if (was_renamed(p, error)) {
        /* What goes by time, or by who was first, may fail for its own reasons. */
        bool always = true;
        for (int i = 0; i < 3 && always && torture_asked.point == NULL; i++)
            always = !once(name, p, error, ms, &hangs) && was_renamed(p, error) && world->result == result;
        if (always)
            printf("RENAMED %s %s %s %s %s:%u.%u:%s %s\n", fake_calls[p->call].name, error_name(error),
                   public_names[function], error_name(-result), fake_calls[p->call].name, p->rank, p->nth,
                   error_name(error), name);
        return;
    }
    if (!was_swallowed())
        return;
    const bool more = world->result > 0;
    /* What goes by time may fail for its own reasons. */
    unsigned least = what;
    for (int i = 0; i < 3 && least != SAME && torture_asked.point == NULL; i++)
        if (!once(name, p, error, ms, &hangs) && was_swallowed() && outcome(hangs) == SAME)
            least = SAME;
    swallowed_note(name, p, error, function, more, least);
}

bool torture_prepare(const struct test_case *cases, size_t n)
{
    all_cases = cases;
    ncases = n;
    char name[] = "/tmp/unx-torture-XXXXXX";
    output = mkostemp(name, O_CLOEXEC | O_APPEND);
    text = malloc(TEXT);
    return told_prepare() && stacks_prepare() && text != NULL && output >= 0 && unlink(name) == 0;
}

const char *torture_text(void)
{
    return text;
}
