// SPDX-License-Identifier: MIT
/*
 * The load: this process sends requests and reads the replies, and a server for each slice echoes them, on another
 * core.
 *
 * Each connection has one request out, and its reply is answered by the next request. The generator waits for replies
 * by epoll, as clients do, but does not sleep: so a server need not wake it up, which costs much more than all the
 * rest, and never the same. The order of the connections is a random one. With 16 of them or more the server has
 * always something to do, with one it sleeps after each reply.
 *
 * Time is the processor time of the server's process with all its threads, which is read when the server sleeps: while
 * it runs, the clock that others see is only right at the last tick. A slice in which one of the two was taken off its
 * processor is repeated, if it can be helped.
 *
 * What surprised us: where in memory a process and its sockets happen to lie makes a tenth, for as long as they live.
 * So all servers use the same sockets, and a process lives for one slice: then the median is over places, too.
 */
#include "echo.h"

#include "bench.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <unx/unx.h>

#define TIME_LIMIT_S 5   /* more than a slice should take: a reply may never come */
#define SETTLE_NS 200000 /* until a server with nothing to do sleeps */
#define WORDS (ECHO_SIZE / sizeof(uint64_t))
#define ATTEMPTS 2

struct load {
    const struct echo_bed *bed;
    const struct echo_load *l;
    pid_t server;
    clockid_t clock;           /* of the server */
    uint64_t number, *numbers; /* of the last request of all, and on each connection */
    double requests;
};

static volatile sig_atomic_t ended, late;

static void at_signal(int number)
{
    *(number == SIGALRM ? &late : &ended) = 1;
}

/* ---- The connections ---- */

unsigned echo_raise_limit(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) < 0)
        return 256;
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    return limit.rlim_cur < 1u << 20 ? (unsigned)limit.rlim_cur : 1u << 20;
}

void echo_close(struct echo_bed *b)
{
    for (unsigned i = 0; i < b->count; i++) {
        close(b->mine[i]);
        close(b->theirs[i]);
    }
    if (b->replies >= 0)
        close(b->replies);
    free(b->mine);
    free(b->theirs);
    free(b->numbers);
    *b = (struct echo_bed){.replies = -1};
}

/* The generator's ends have the high numbers, so that those of a server are dense, as they would be. */
static int add(struct echo_bed *b, int lowest)
{
    int pair[2];
    int r = unx_pair(b->type, 0, pair);
    if (r < 0)
        return r;
    const int mine = fcntl(pair[1], F_DUPFD_CLOEXEC, lowest);
    r = mine < 0 ? -errno : 0;
    close(pair[1]);
    if (r < 0) {
        close(pair[0]);
        return r;
    }
    b->mine[b->count] = mine;
    b->theirs[b->count++] = pair[0];
    return 0;
}

static void shuffle(int *v, unsigned n)
{
    srand(1);
    for (unsigned i = n; i > 1; i--) {
        const unsigned k = (unsigned)rand() % i;
        const int other = v[k];
        v[k] = v[i - 1];
        v[i - 1] = other;
    }
}

int echo_open(struct echo_bed *b, int type, unsigned count)
{
    *b = (struct echo_bed){.type = type,
                           .mine = calloc(count, sizeof *b->mine),
                           .theirs = calloc(count, sizeof *b->theirs),
                           .numbers = calloc(count, sizeof *b->numbers),
                           .replies = epoll_create1(EPOLL_CLOEXEC)};
    int r = !b->mine || !b->theirs || !b->numbers ? -ENOMEM : b->replies < 0 ? -errno : 0;
    while (r == 0 && b->count < count)
        r = add(b, (int)count + 64);
    if (r == 0)
        shuffle(b->mine, count);
    for (unsigned i = 0; r == 0 && i < count; i++) {
        struct epoll_event ev = {.events = EPOLLIN | EPOLLET, .data.u32 = i};
        r = epoll_ctl(b->replies, EPOLL_CTL_ADD, b->mine[i], &ev) < 0 ? -errno : 0;
    }
    if (r < 0)
        echo_close(b);
    return r;
}

/* What a server left behind, and what it made of the sockets. */
static void clean(const struct echo_bed *b)
{
    char bytes[ECHO_SIZE];
    struct epoll_event ev[64];
    for (unsigned i = 0; i < b->count; i++) {
        while (recv(b->mine[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0 ||
               recv(b->theirs[i], bytes, sizeof bytes, MSG_DONTWAIT) > 0)
            ;
        fcntl(b->theirs[i], F_SETFL, O_RDWR);
    }
    while (epoll_wait(b->replies, ev, 64, 0) > 0)
        ;
}

/* ---- The server's process ---- */

static _Noreturn void serve(const struct load *g, int *result)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGCHLD, SIG_DFL);
    signal(SIGALRM, SIG_DFL);
    for (unsigned i = 0; i < g->bed->count; i++)
        close(g->bed->mine[i]);
    close(g->bed->replies);
    if (!g->l->one_core)
        bench_pin_other();
    const struct echo_job job = {g->bed->theirs, g->bed->count, g->bed->type, g->l->spin_us};
    *result = g->l->server->run(g->l->server, &job);
    _exit(0);
}

/* ---- The generator ---- */

static double now_ns(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static void settle(void)
{
    const struct timespec t = {0, SETTLE_NS};
    nanosleep(&t, NULL);
}

static int request(struct load *g, unsigned i)
{
    const uint64_t number = g->numbers[i] = ++g->number;
    const uint64_t words[WORDS] = {[0] = number, [WORDS - 1] = number};
    return send(g->bed->mine[i], words, sizeof words, MSG_NOSIGNAL) < 0 ? -errno : 0;
}

static int reply(struct load *g, unsigned i)
{
    const int flags = g->l->one_core ? 0 : MSG_DONTWAIT;
    uint64_t words[WORDS];
    for (size_t got = 0; got < sizeof words;) {
        if (ended || late)
            return ended ? -ECONNRESET : -ETIMEDOUT;
        const ssize_t n = recv(g->bed->mine[i], (char *)words + got, sizeof words - got, flags);
        if (n == 0 || (n < 0 && errno != EINTR && errno != EAGAIN))
            return n < 0 ? -errno : -ECONNRESET;
        got += n < 0 ? 0 : (size_t)n;
        if (n > 0 && got < sizeof words && g->bed->type != SOCK_STREAM)
            return -EPROTO;
    }
    g->requests++;
    return words[0] == g->numbers[i] && words[WORDS - 1] == g->numbers[i] ? 0 : -EBADMSG;
}

static int answer_replies(struct load *g, double end, double least)
{
    unsigned out = g->l->active;
    int r = 0;
    while (r == 0 && out > 0) {
        struct epoll_event ev[64];
        const int n = epoll_wait(g->bed->replies, ev, 64, 0);
        if (ended || late)
            return ended ? -ECONNRESET : -ETIMEDOUT;
        const bool over = g->requests >= least && now_ns(CLOCK_MONOTONIC) > end;
        for (int k = 0; r == 0 && k < n; k++) {
            r = reply(g, ev[k].data.u32);
            if (over)
                out--;
            else if (r == 0)
                r = request(g, ev[k].data.u32);
        }
    }
    return r;
}

/* For about so long, and at least so many requests. */
static int echo_for(struct load *g, double ms, double least)
{
    const double end = now_ns(CLOCK_MONOTONIC) + ms * 1e6;
    int r = 0;
    g->requests = 0;
    if (g->l->one_core) {
        while (r == 0 && (g->requests < least || now_ns(CLOCK_MONOTONIC) < end)) {
            r = request(g, 0);
            if (r == 0)
                r = reply(g, 0);
        }
        return r;
    }
    for (unsigned i = 0; r == 0 && i < g->l->active; i++)
        r = request(g, i);
    return r == 0 ? answer_replies(g, end, least) : r;
}

/* How often the two had to make room for others. */
static unsigned disturbances(const struct load *g)
{
    struct rusage usage;
    getrusage(RUSAGE_SELF, &usage);
    char line[128];
    snprintf(line, sizeof line, "/proc/%d/status", (int)g->server);
    unsigned n = 0;
    FILE *const f = fopen(line, "re");
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "nonvoluntary_ctxt_switches: %u", &n);
    if (f)
        fclose(f);
    return n + (g->l->one_core ? 0 : (unsigned)usage.ru_nivcsw);
}

static int measure(struct load *g, double ms, struct echo_figures *f)
{
    /* A server that has just started has none of its memory yet, nor the kernel what it has for each connection. */
    int r = echo_for(g, ms / 4, 3 * g->l->active);
    unsigned fewest = ~0u;
    for (unsigned i = 0; r == 0 && fewest > 0 && i < ATTEMPTS; i++) {
        settle();
        const unsigned before = disturbances(g);
        const double cpu = now_ns(g->clock), start = now_ns(CLOCK_MONOTONIC);
        r = echo_for(g, ms, 1);
        const double end = now_ns(CLOCK_MONOTONIC);
        settle();
        const double used = now_ns(g->clock) - cpu;
        const unsigned disturbed = disturbances(g) - before;
        if (disturbed < fewest)
            *f = (struct echo_figures){used / g->requests, (end - start) / g->requests};
        fewest = disturbed < fewest ? disturbed : fewest;
    }
    return r;
}

static void handle(int number, bool ours)
{
    /* Without SA_RESTART: a receive that waits has to hear of it. A server that was stopped has not ended. */
    struct sigaction action = {.sa_handler = ours ? at_signal : SIG_DFL, .sa_flags = SA_NOCLDSTOP};
    sigaction(number, &action, NULL);
}

int echo_measure(const struct echo_bed *b, const struct echo_load *l, double ms, struct echo_figures *f)
{
    static int *result;
    if (!result)
        result = mmap(NULL, sizeof *result, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (result == MAP_FAILED)
        return -ENOMEM;
    struct load g = {.bed = b, .l = l, .numbers = b->numbers};
    *result = ended = late = 0;
    handle(SIGCHLD, true);
    handle(SIGALRM, true);
    fflush(NULL);
    g.server = fork();
    if (g.server < 0)
        return -errno;
    if (g.server == 0)
        serve(&g, result);
    alarm(TIME_LIMIT_S + (unsigned)(ATTEMPTS * ms / 1e3));
    int r = -clock_getcpuclockid(g.server, &g.clock);
    if (r == 0)
        r = measure(&g, ms, f);
    alarm(0);
    handle(SIGCHLD, false);
    handle(SIGALRM, false);
    kill(g.server, SIGKILL);
    while (waitpid(g.server, NULL, 0) < 0 && errno == EINTR)
        ;
    clean(b);
    return *result < 0 ? *result : r;
}
