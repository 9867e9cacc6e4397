// SPDX-License-Identifier: MIT
/*
 * How fast large packets go from one process to another, each on a core of its own: with the send buffer that sockets
 * have by default, and with the one that UNX_BIGBUF asks for.
 *
 * Time is the clock on the wall, because what a small buffer costs is not work but waiting: it holds two packets of 200
 * KiB, and the sender is woken when both are gone. The four ways (by hand and by libunx, both buffers) take turns in
 * slices, and each round of four gives one ratio of rates. "Times" is how much faster the large buffer makes libunx,
 * "raw" how much it makes the calls by hand: where that is below the goal, the machine is, and not the library.
 * Whatever else runs meanwhile takes its time from the large buffer first,
 * because there both cores are busy all the time.
 *
 * What surprised us: memory that nobody has written yet is one page of zeros all over, which stays in the nearest
 * cache. Sending out of it is a fifth faster, as no real data ever is; so the sender fills its buffer first.
 */
#include "sides.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <unx/unx.h>

#define MAX_ROUNDS 1000
#define BIGBUF (4 << 20) /* what UNX_BIGBUF asks for */

struct work {
    const char *name;
    size_t size;
    double goal; /* how many times as fast; 0: for information */
};

static const struct work works[] = {
    {"packets of 200 KiB", 204800, 5},
    {"packets of 64 KiB", 65536, 0},
};

enum way { RAW_DEFAULT, UNX_DEFAULT, RAW_BIG, UNX_BIG, WAYS };

static bench_side *const senders[WAYS] = {raw_sender, unx_sender, raw_sender, unx_sender};
static bench_side *const receivers[WAYS] = {raw_receiver, unx_receiver, raw_receiver, unx_receiver};

/* The receiver tells the sender what to do. */
struct order {
    enum way way;
    unsigned n;
};

struct setup {
    struct bench_context c[2]; /* default buffer, large buffer */
    int orders[2];             /* the receiver's end, the sender's */
    pid_t sender;
    bool limited; /* the system gave less than UNX_BIGBUF asks for */
};

struct rates {
    double ns[WAYS][MAX_ROUNDS]; /* for one packet */
    double times[MAX_ROUNDS], raw_times[MAX_ROUNDS];
};

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static _Noreturn void send_as_told(struct setup *s)
{
    memset(s->c[0].buf, 'x', SIDES_MAX_SIZE);
    struct order order;
    int r = bench_pin_other() ? 0 : -EINVAL;
    while (r >= 0 && recv(s->orders[1], &order, sizeof order, 0) == sizeof order)
        r = senders[order.way](&s->c[order.way >= RAW_BIG], order.n);
    /* After a failure the receiver sees the end in the middle of a slice. */
    _exit(r < 0);
}

static void drop(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

static void teardown(struct setup *s)
{
    for (unsigned i = 0; i < 2; i++) {
        drop(&s->orders[i]);
        drop(&s->c[i].fds[0]);
        drop(&s->c[i].fds[1]);
    }
    if (s->sender > 0)
        while (waitpid(s->sender, NULL, 0) < 0 && errno == EINTR)
            ;
}

static int set_up(struct setup *s, size_t size)
{
    static char buf[SIDES_MAX_SIZE] __attribute__((aligned(4096)));
    *s = (struct setup){.orders = {-1, -1}, .sender = -1};
    int r = 0;
    for (unsigned i = 0; i < 2; i++) {
        s->c[i] =
            (struct bench_context){.type = SOCK_SEQPACKET, .size = size, .fds = {-1, -1}, .extra = -1, .buf = buf};
        if (r >= 0)
            r = unx_pair(SOCK_SEQPACKET, i > 0 ? UNX_BIGBUF : 0, s->c[i].fds);
    }
    if (r >= 0)
        r = unx_max_packet(s->c[1].fds[0]);
    s->limited = r >= 0 && r < BIGBUF - 4096;
    if (r >= 0)
        r = unx_pair(SOCK_SEQPACKET, 0, s->orders);
    if (r < 0)
        return r;
    fflush(NULL);
    s->sender = fork();
    if (s->sender < 0)
        return -errno;
    /* Each has only its own ends, so that one sees when the other is gone. */
    const bool sends = s->sender == 0;
    drop(&s->orders[sends ? 0 : 1]);
    drop(&s->c[0].fds[sends ? 1 : 0]);
    drop(&s->c[1].fds[sends ? 1 : 0]);
    if (sends)
        send_as_told(s);
    return 0;
}

static int slice(struct setup *s, enum way way, unsigned n, double *ns)
{
    const struct order order = {way, n};
    const double start = now_ns();
    if (send(s->orders[0], &order, sizeof order, MSG_NOSIGNAL) < 0)
        return -errno;
    const int r = receivers[way](&s->c[way >= RAW_BIG], n);
    *ns = (now_ns() - start) / n;
    return r;
}

/* A slice is ten times as long as where processor time is counted, for the sender has to wake up first. */
static int calibrate(struct setup *s, const struct bench_options *o, enum way way, unsigned *n)
{
    const double wanted = o->slice_ms * 10 * 1e6;
    double ns = 0;
    for (*n = BENCH_MULTIPLE; *n < 1u << 20; *n *= 2) {
        const int r = slice(s, way, *n, &ns);
        if (r < 0)
            return r;
        if (ns * *n > wanted / 2)
            break;
    }
    *n = ((unsigned)(wanted / ns) / BENCH_MULTIPLE + 1) * BENCH_MULTIPLE;
    return 0;
}

static int measure(struct setup *s, const struct bench_options *o, unsigned rounds, struct rates *rates)
{
    unsigned n[WAYS];
    int r = 0;
    for (unsigned way = 0; r >= 0 && way < WAYS; way++)
        r = calibrate(s, o, way, &n[way]);
    for (unsigned i = 0; r >= 0 && i < rounds; i++) {
        for (unsigned k = 0; r >= 0 && k < WAYS; k++) {
            const enum way way = (i + k) % WAYS;
            r = slice(s, way, n[way], &rates->ns[way][i]);
        }
        rates->times[i] = rates->ns[UNX_DEFAULT][i] / rates->ns[UNX_BIG][i];
        rates->raw_times[i] = rates->ns[RAW_DEFAULT][i] / rates->ns[RAW_BIG][i];
    }
    return r;
}

static void print_heading(const struct bench_options *o)
{
    if (!o->json)
        printf("%s%-34s %10s %10s %7s %7s %7s %6s\n", bench_first_row() ? "" : "\n", "from core to core", "raw MB/s",
               "unx MB/s", "times", "+-", "raw", "goal");
}

static double mb_s(size_t size, double *ns, unsigned rounds)
{
    return (double)size / bench_quantile(ns, rounds, 0.5) * 1e3;
}

/* Returns the median of the rates' ratios. */
static double print(const struct bench_options *o, const struct work *w, struct rates *r, unsigned rounds, double goal)
{
    const double slow[2] = {mb_s(w->size, r->ns[RAW_DEFAULT], rounds), mb_s(w->size, r->ns[UNX_DEFAULT], rounds)};
    const double fast[2] = {mb_s(w->size, r->ns[RAW_BIG], rounds), mb_s(w->size, r->ns[UNX_BIG], rounds)};
    const double times = bench_quantile(r->times, rounds, 0.5), raw_times = bench_quantile(r->raw_times, rounds, 0.5);
    const double spread = (bench_quantile(r->times, rounds, 0.75) - bench_quantile(r->times, rounds, 0.25)) / 2;
    const bool ok = times > goal - 0.005;
    char text[16];
    snprintf(text, sizeof text, goal > 0 ? "%.2f" : o->json ? "null" : "-", goal);
    if (o->json) {
        printf("%s\n  {\"work\": \"%s, default buffer\", \"raw_mb_s\": %.0f, \"unx_mb_s\": %.0f},"
               "\n  {\"work\": \"%s, UNX_BIGBUF\", \"raw_mb_s\": %.0f, \"unx_mb_s\": %.0f, \"times\": %.3f, "
               "\"spread\": %.3f, \"raw_times\": %.3f, \"goal\": %s, \"ok\": %s}",
               bench_first_row() ? "" : ",", w->name, slow[0], slow[1], w->name, fast[0], fast[1], times, spread,
               raw_times, text, ok ? "true" : "false");
    } else {
        char name[64];
        snprintf(name, sizeof name, "%s, default buffer", w->name);
        printf("%-34s %10.0f %10.0f\n", name, slow[0], slow[1]);
        snprintf(name, sizeof name, "%s, UNX_BIGBUF", w->name);
        printf("%-34s %10.0f %10.0f %7.2f %7.2f %7.2f %6s  %s\n", name, fast[0], fast[1], times, spread, raw_times,
               text,
               goal == 0 ? ""
               : ok      ? "ok"
                         : "under");
    }
    fflush(stdout);
    return times;
}

static int run(const struct bench_options *o, const struct work *w, int *missed)
{
    static struct rates rates;
    const unsigned rounds = o->slices / 2;
    struct setup s;
    int r = set_up(&s, w->size);
    if (r >= 0)
        r = measure(&s, o, rounds, &rates);
    teardown(&s);
    if (r < 0)
        return r;
    if (s.limited)
        fprintf(stderr, "bench: net.core.wmem_max allows less than UNX_BIGBUF asks for, so there is no goal\n");
    const double goal = s.limited ? 0 : w->goal;
    const double times = print(o, w, &rates, rounds, goal);
    *missed += o->check && times < goal * (1 - o->tolerance);
    return 0;
}

int bench_rates(const struct bench_options *o, int *missed, int *failed)
{
    int ran = 0;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        const struct work *const w = &works[i];
        if (o->only && !strstr(w->name, o->only))
            continue;
        if (!bench_can_pin_other()) {
            fprintf(stderr, "bench: %s: needs two cores\n", w->name);
            ran++;
            continue;
        }
        if (ran++ == 0)
            print_heading(o);
        const int r = run(o, w, missed);
        if (r < 0) {
            fprintf(stderr, "bench: %s: %s\n", w->name, unx_explain(r));
            *failed += 1;
        }
    }
    return ran;
}
