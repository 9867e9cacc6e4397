/* SPDX-License-Identifier: MIT */
/*
 * The test harness: a program is a table of cases, each of which runs in a process of its own.
 *
 * Promises: a case that crashes, hangs, leaks a descriptor, changes the umask or the working directory, or lets a
 * SIGPIPE through is noticed, whatever else it does; the next case starts from a clean process. Cases that must
 * fail keep the harness honest. Output is TAP (testanything.org), details are lines that start with "# ". With
 * HARNESS_PROCESSES in the environment one says which process each case was, and how it ended.
 */
#ifndef HARNESS_H
#define HARNESS_H

#include <errno.h>
#include <stddef.h>
#include <sys/types.h>

/* How a case may have to fail. */
#define HARNESS_FAIL 1  /* a CHECK that does not hold, or the umask, cwd or a SIGPIPE */
#define HARNESS_LEAK 2  /* the table of open descriptors differs (sanitizers: or memory was leaked) */
#define HARNESS_HANG 4  /* it did not end in time */
#define HARNESS_CRASH 8 /* a signal, a sanitizer, or an exit nobody asked for */
#define HARNESS_SKIP 16 /* it has to skip: for the test of the harness itself */

struct test_case {
    const char *name;
    void (*run)(void);
    int expect;       /* 0: passes; else it has to fail in exactly this way */
    unsigned seconds; /* 0: 20; three times that where harness_slow() */
};

/* clang-format off */
#define CASE(f) { #f, f, 0, 0 }
/* clang-format on */

/* A check that does not hold prints where and what, and ends the process (also from a thread or a child). */
#define CHECK(cond)                                                                                                    \
    do {                                                                                                               \
        if (!(cond))                                                                                                   \
            harness_fail(__FILE__, __LINE__, "%s", #cond);                                                             \
    } while (0)
#define CHECK_INT(got, want) harness_check_int(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
#define CHECK_MEM(p, plen, q, qlen) harness_check_mem(__FILE__, __LINE__, #p, (p), (plen), (q), (qlen))

/* The value of a call that has to leave errno alone, whatever its result. */
#define QUIET(call)                                                                                                    \
    __extension__({                                                                                                    \
        errno = HARNESS_ERRNO;                                                                                         \
        const __typeof__(call) quiet_result = (call);                                                                  \
        harness_check_int(__FILE__, __LINE__, "errno after " #call, errno, HARNESS_ERRNO);                             \
        quiet_result;                                                                                                  \
    })
#define HARNESS_ERRNO 12345

/* Ends the process; the case counts as skipped, with this reason. */
#define SKIP(...) harness_skip(__VA_ARGS__)

/* Prints a "# " line. */
#define NOTE(...) harness_note(__VA_ARGS__)

/* Says which row of a table, which type is being tried: printed only with a CHECK that does not hold. */
#define ROW(...) harness_row(__VA_ARGS__)

int harness_main(int argc, char **argv, const struct test_case *cases, size_t n); /* argv[1]: one case by name */

/* The case that runs. */
const struct test_case *harness_case(void);

/* A private directory of this case, mode 0755, made at the first call and removed afterwards with all that is in it. */
const char *harness_dir(void);

/* Open descriptors now. */
int harness_nfds(void);

/* A child of the case: it runs child(arg) and ends with 0 unless a CHECK failed. harness_wait() returns its
 * wait(2) status and fails the case if the child failed; killed by SIGKILL is no failure, a skip in the child skips the
 * case. */
pid_t harness_fork(void (*child)(void *), void *arg);
int harness_wait(pid_t pid);

/* Is this a build or a run in which time means little: a sanitizer, or HARNESS_SLOWER in the environment? */
int harness_slow(void);
int harness_sanitized(void); /* by a sanitizer alone */

/* Is each case repeated again and again by whoever runs this, who has set HARNESS_ROUNDS in the environment? */
int harness_repeats(void);
/* How often something is done by chance: n times; or HARNESS_ROUNDS percent of that, and once at least. */
unsigned harness_rounds(unsigned n);

void harness_fail(const char *file, int line, const char *fmt, ...) __attribute__((noreturn, format(printf, 3, 4)));
void harness_skip(const char *fmt, ...) __attribute__((noreturn, format(printf, 1, 2)));
void harness_note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void harness_row(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void harness_check_int(const char *file, int line, const char *what, long long got, long long want);
void harness_check_mem(const char *file, int line, const char *what, const void *p, size_t plen, const void *q,
                       size_t qlen);

#endif
