// SPDX-License-Identifier: MIT
/*
 * The test harness: see harness.h for what it promises.
 *
 * Parent: one process per case, in a process group of its own, killed whole when the time is over or the case ends.
 * Child: looks at its own state, runs the case, and looks again. Both talk through one page of shared memory, so that a
 * failure in a grandchild counts, too.
 *
 * What surprised us: a SIGALRM for the timeout would be taken from the cases, which need it themselves, so the parent
 * keeps the time; UBSan goes on after an error unless the program itself says that it must not.
 */
#include "harness.h"
#include "harness_state.h"

#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { EXIT_SKIPPED = 77, EXIT_FAILED = 99 };

/* Shared by the harness, the case and the children of the case. */
struct report {
    volatile sig_atomic_t sigpipe;
    int finished, failed, leaked, skipped;
    char reason[256], row[256];
    char dir[64];
};
static struct report *report;
static const struct test_case *running;

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SANITIZED 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#define SANITIZED 1
#endif
#endif
#ifndef SANITIZED
#define SANITIZED 0
#endif

/* Asked by the sanitizers' run time, if there is one. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}
/* A case ends by _exit(2), where ThreadSanitizer would not say a word of what it has seen. */
const char *__tsan_default_options(void);
const char *__tsan_default_options(void)
{
    return "halt_on_error=1";
}
extern int __lsan_do_recoverable_leak_check(void) __attribute__((weak));

const struct test_case *harness_case(void)
{
    return running;
}

int harness_sanitized(void)
{
    return SANITIZED;
}

int harness_slow(void)
{
    return SANITIZED || getenv("HARNESS_SLOWER") != NULL;
}

int harness_repeats(void)
{
    return getenv("HARNESS_ROUNDS") != NULL;
}

unsigned harness_rounds(unsigned n)
{
    if (!harness_repeats()) {
        return n;
    }
    const unsigned fewer = (unsigned)(strtoul(getenv("HARNESS_ROUNDS"), NULL, 10) * n / 100);
    return fewer > 0 ? fewer : 1;
}

/* One write(2) per line, so that lines of several processes do not mix. */
static void note_v(const char *prefix, const char *fmt, va_list ap)
{
    char line[1024];
    const int n = snprintf(line, sizeof line / 2, "# %s", prefix);
    vsnprintf(line + n, sizeof line - 1 - (size_t)n, fmt, ap);
    for (char *p = line; *p; p++)
        if (*p < 0x20 || *p > 0x7e)
            *p = '?';
    const size_t len = strlen(line);
    line[len] = '\n';
    if (write(STDOUT_FILENO, line, len + 1) < 0)
        _exit(EXIT_FAILED);
}

void harness_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    note_v("", fmt, ap);
    va_end(ap);
}

void harness_row(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(report->row, sizeof report->row, fmt, ap);
    va_end(ap);
}

void harness_fail(const char *file, int line, const char *fmt, ...)
{
    const char *base = strrchr(file, '/');
    char prefix[128];
    snprintf(prefix, sizeof prefix, "%s:%d: ", base ? base + 1 : file, line);
    va_list ap;
    va_start(ap, fmt);
    note_v(prefix, fmt, ap);
    va_end(ap);
    report->failed = 1;
    if (report->row[0])
        NOTE("%stried: %s", prefix, report->row);
    _exit(EXIT_FAILED);
}

void harness_skip(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(report->reason, sizeof report->reason, fmt, ap);
    va_end(ap);
    report->skipped = 1;
    _exit(EXIT_SKIPPED);
}

static const char *say_int(char *buf, size_t size, long long v)
{
    if (v < 0 && v > -4096)
        snprintf(buf, size, "%lld (%s)", v, strerror((int)-v));
    else
        snprintf(buf, size, "%lld", v);
    return buf;
}

void harness_check_int(const char *file, int line, const char *what, long long got, long long want)
{
    if (got == want)
        return;
    char a[96], b[96];
    harness_fail(file, line, "%s is %s, want %s", what, say_int(a, sizeof a, got), say_int(b, sizeof b, want));
}

static const char *say_mem(char *buf, size_t size, const void *p, size_t len)
{
    const unsigned char *c = p;
    size_t n = 0;
    for (size_t i = 0; i < len && n + 5 < size; i++)
        n += (size_t)snprintf(buf + n, size - n, c[i] >= 0x20 && c[i] < 0x7f ? "%c" : "\\x%02x", c[i]);
    buf[n] = 0;
    return buf;
}

void harness_check_mem(const char *file, int line, const char *what, const void *p, size_t plen, const void *q,
                       size_t qlen)
{
    if (plen == qlen && (plen == 0 || !memcmp(p, q, plen)))
        return;
    char a[300], b[300];
    harness_fail(file, line, "%s is %zu bytes \"%s\", want %zu bytes \"%s\"", what, plen, say_mem(a, sizeof a, p, plen),
                 qlen, say_mem(b, sizeof b, q, qlen));
}

const char *harness_dir(void)
{
    if (!report->dir[0]) {
        strcpy(report->dir, "/tmp/unx-test-XXXXXX");
        CHECK(mkdtemp(report->dir) != NULL);
        CHECK_INT(chmod(report->dir, 0755), 0);
    }
    return report->dir;
}

static void on_sigpipe(int sig)
{
    (void)sig;
    report->sigpipe = 1;
}

static void run_child(const struct test_case *c)
{
    setpgid(0, 0);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    const struct sigaction sa = {.sa_handler = on_sigpipe};
    sigaction(SIGPIPE, &sa, NULL);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    struct state before, after;
    state_look(&before);
    running = c;
    c->run();
    setrlimit(RLIMIT_NOFILE, &limit);
    state_look(&after);
    if (state_compare(&before, &after))
        report->leaked = 1;
    state_free(&before);
    state_free(&after);
    if (report->sigpipe)
        harness_fail(__FILE__, __LINE__, "a SIGPIPE arrived");
    if (__lsan_do_recoverable_leak_check) {
        /* It traces itself, which a case that became somebody else may not do where fs.suid_dumpable is 2. */
        prctl(PR_SET_DUMPABLE, 1);
        if (__lsan_do_recoverable_leak_check())
            report->leaked = 1;
    }
    report->finished = 1;
    _exit(0);
}

pid_t harness_fork(void (*child)(void *), void *arg)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        child(arg);
        _exit(0);
    }
    return pid;
}

int harness_wait(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0)
        CHECK(errno == EINTR);
    if (WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        _exit(EXIT_SKIPPED);
    if (WIFEXITED(status) && WEXITSTATUS(status))
        harness_fail(__FILE__, __LINE__, "a child ended with exit status %d", WEXITSTATUS(status));
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGKILL)
        harness_fail(__FILE__, __LINE__, "a child was killed by signal %d", WTERMSIG(status));
    return status;
}

/* HARNESS_MS in the environment is the time for every case: for who runs cases that may well hang. */
static unsigned time_of(const struct test_case *c)
{
    const char *const ms = getenv("HARNESS_MS");
    return ms != NULL ? (unsigned)atoi(ms) : (c->seconds ? c->seconds : 20) * (harness_slow() ? 3000u : 1000u);
}

/* 0, or HARNESS_HANG. SIGCHLD is blocked, so that none is lost between looking and waiting. */
static int wait_case(pid_t pid, unsigned ms, int *status)
{
    struct timespec now, end;
    clock_gettime(CLOCK_MONOTONIC, &end);
    end.tv_sec += ms / 1000;
    end.tv_nsec += ms % 1000 * 1000000L;
    int hang = 0;
    for (;;) {
        siginfo_t si = {0};
        if (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == pid)
            break;
        clock_gettime(CLOCK_MONOTONIC, &now);
        const long long left = (end.tv_sec - now.tv_sec) * 1000000000LL + (end.tv_nsec - now.tv_nsec);
        if (left <= 0) {
            hang = HARNESS_HANG;
            break;
        }
        sigset_t set;
        sigemptyset(&set);
        sigaddset(&set, SIGCHLD);
        const struct timespec wait = {left / 1000000000LL, left % 1000000000LL};
        sigtimedwait(&set, NULL, &wait);
    }
    /* The case is not reaped yet, so its group cannot be anybody else's. */
    kill(-pid, SIGKILL);
    kill(pid, SIGKILL);
    waitpid(pid, status, 0);
    return hang;
}

static int judge(int hang, int status)
{
    if (hang)
        return hang;
    if (report->failed)
        return HARNESS_FAIL;
    if (report->skipped && WIFEXITED(status) && WEXITSTATUS(status) == EXIT_SKIPPED)
        return HARNESS_SKIP;
    if (!report->finished) {
        if (WIFSIGNALED(status))
            NOTE("killed by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
        else
            NOTE("ended by itself with exit status %d", WEXITSTATUS(status));
        return HARNESS_CRASH;
    }
    return report->leaked ? HARNESS_LEAK : 0;
}

static const char *say(int how)
{
    return how == HARNESS_FAIL    ? "fails"
           : how == HARNESS_LEAK  ? "leaks"
           : how == HARNESS_HANG  ? "hangs"
           : how == HARNESS_CRASH ? "crashes"
           : how == HARNESS_SKIP  ? "skips"
                                  : "passes";
}

static int run_case(const struct test_case *c, size_t number)
{
    memset(report, 0, sizeof *report);
    sigset_t set, old;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigprocmask(SIG_BLOCK, &set, &old);
    fflush(stdout);
    const pid_t pid = fork();
    if (pid < 0) {
        perror("fork");
        exit(2);
    }
    if (pid == 0) {
        sigprocmask(SIG_SETMASK, &old, NULL);
        run_child(c);
    }
    setpgid(pid, pid);
    int status = 0;
    const int hang = wait_case(pid, time_of(c), &status);
    sigprocmask(SIG_SETMASK, &old, NULL);
    const int how = judge(hang, status);
    const int skipped = how == HARNESS_SKIP && c->expect != HARNESS_SKIP;
    if (report->dir[0])
        state_remove_tree(report->dir);
    const int ok = skipped || how == c->expect;
    if (!skipped && (how || !ok))
        NOTE("%s %s, as %s", c->name, say(how), ok ? "it must" : "it must not");
    /* For who watches processes from outside, as valgrind does. */
    if (getenv("HARNESS_PROCESSES"))
        NOTE("process %d: %s %s", (int)pid, c->name, say(how));
    printf("%s %zu - %s%s%s\n", ok ? "ok" : "not ok", number, c->name, skipped ? " # SKIP " : "",
           skipped ? report->reason : "");
    fflush(stdout);
    return ok;
}

int harness_main(int argc, char **argv, const struct test_case *cases, size_t n)
{
    report = mmap(NULL, sizeof *report, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (report == MAP_FAILED) {
        perror("mmap");
        return 2;
    }
    const char *only = argc > 1 ? argv[1] : NULL;
    size_t planned = 0, number = 0, failed = 0;
    for (size_t i = 0; i < n; i++)
        planned += !only || !strcmp(only, cases[i].name);
    if (!planned) {
        fprintf(stderr, "%s: no case is called %s\n", argv[0], only ? only : "anything");
        return 2;
    }
    printf("1..%zu\n", planned);
    for (size_t i = 0; i < n; i++)
        if (!only || !strcmp(only, cases[i].name))
            failed += !run_case(&cases[i], ++number);
    return failed ? 1 : 0;
}
