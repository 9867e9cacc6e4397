// SPDX-License-Identifier: MIT
/*
 * Requests to the ring for which there is no room, because what fills its queue cannot be submitted: they are made when
 * there is, and nobody who waits for one is forgotten. Other backends have no such queue.
 *
 * The submitting calls of liburing go through functions of this program, which fail as long as it says so.
 */
#include "engine.h"

#include <dlfcn.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <unx/adapters/adapter.h>

#define FOREVER 1000000u

static unsigned failing; /* so many calls more */
static unsigned calls;

static int fails(void)
{
    calls++;
    failing -= failing > 0;
    return failing > 0;
}

static void *real(const char *name)
{
    void *const p = dlsym(RTLD_NEXT, name);
    CHECK(p != NULL);
    return p;
}

int io_uring_submit(void *ring);
int io_uring_submit_and_wait(void *ring, unsigned n);
int io_uring_submit_and_get_events(void *ring);
int io_uring_submit_and_wait_timeout(void *ring, void *cqe, unsigned n, void *ts, void *mask);

int io_uring_submit(void *ring)
{
    int (*const f)(void *) = (int (*)(void *))(uintptr_t)real("io_uring_submit");
    return fails() ? -EAGAIN : f(ring);
}

int io_uring_submit_and_wait(void *ring, unsigned n)
{
    int (*const f)(void *, unsigned) = (int (*)(void *, unsigned))(uintptr_t)real("io_uring_submit_and_wait");
    return fails() ? -EAGAIN : f(ring, n);
}

int io_uring_submit_and_get_events(void *ring)
{
    int (*const f)(void *) = (int (*)(void *))(uintptr_t)real("io_uring_submit_and_get_events");
    return fails() ? -EAGAIN : f(ring);
}

int io_uring_submit_and_wait_timeout(void *ring, void *cqe, unsigned n, void *ts, void *mask)
{
    int (*const f)(void *, void *, unsigned, void *, void *) =
        (int (*)(void *, void *, unsigned, void *, void *))(uintptr_t)real("io_uring_submit_and_wait_timeout");
    return fails() ? -EAGAIN : f(ring, cqe, n, ts, mask);
}

/* A receive on each of these streams waits for readiness, which is a request. */
#define MOST 64u

struct waiting {
    int s[MOST][2];
    struct job jobs[MOST];
    unsigned n;
};

static void add(struct unx_engine *e, struct waiting *w)
{
    CHECK(w->n < MOST);
    raw_pair(SOCK_STREAM, w->s[w->n]);
    job_recv_any(e, &w->jobs[w->n], w->s[w->n][0]);
    w->n++;
}

static void end_all(struct unx_engine *e, struct waiting *w)
{
    while (w->n > 0) {
        w->n--;
        raw_send(w->s[w->n][1], "x", 1, NULL, 0);
        JOB_GETS(e, &w->jobs[w->n], "x");
        leave_pair(e, w->s[w->n]);
    }
}

/* How many requests fit, when none has been submitted. */
static unsigned room(void)
{
    static struct waiting w;
    struct unx_engine *const e = engine_make(1);
    QUIET_FOR(e, 0);
    calls = 0;
    failing = FOREVER;
    while (calls == 0 && w.n < MOST) {
        add(e, &w);
    }
    const unsigned n = w.n - 1;
    failing = 0;
    end_all(e, &w);
    engine_used(e);
    if (calls == 0) {
        SKIP("no queue of requests, or not by these functions");
    }
    return n;
}

/* Leaves none. */
static void fill_queue(struct unx_engine *e, struct waiting *w, unsigned n)
{
    failing = FOREVER;
    while (w->n < n) {
        add(e, w);
    }
}

static void need_ring(void)
{
    if (engine_flag() != UNX_ENGINE_URING) {
        SKIP("only io_uring has a queue of requests");
    }
}

/* Who waits for readiness; the last one alone is ready. */
static void polls(struct unx_engine *unused)
{
    (void)unused;
    need_ring();
    static struct waiting w;
    const unsigned n = room();
    struct unx_engine *const e = engine_make(1);
    QUIET_FOR(e, 0);
    fill_queue(e, &w, n + 3);
    failing = 0;
    end_all(e, &w);
    engine_used(e);
}

/* A standing receive of packets is ended, or has ended by its deadline. */
static void missed_ends(struct unx_engine *unused)
{
    (void)unused;
    need_ring();
    const unsigned n = room();
    for (int late = 0; late < 2; late++) {
        ROW("late %d", late);
        static struct waiting w;
        struct unx_engine *const e = engine_make(1);
        struct unx_op op = {0};
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING, late ? 100 : -1));
        QUIET_FOR(e, 1);
        fill_queue(e, &w, n);
        if (!late) {
            START(unx_engine_cancel(e, &op));
        }
        struct unx_event ev;
        CHECK_INT(unx_engine_reap(e, &ev, 1, late ? 200 : 5), 0);
        failing = 0;
        LAST(e, &op, late ? -ETIMEDOUT : -ECANCELED);
        end_all(e, &w);
        leave_pair(e, s);
        engine_used(e);
    }
}

/* A descriptor is closed once its request is over. */
static void closes(struct unx_engine *unused)
{
    (void)unused;
    need_ring();
    static struct waiting w;
    const unsigned n = room();
    struct unx_engine *const e = engine_make(1);
    struct unx_op closing = {0};
    struct job j;
    int s[2];
    raw_pair(SOCK_STREAM, s);
    job_recv_any(e, &j, s[0]);
    QUIET_FOR(e, 1);
    fill_queue(e, &w, n);
    START(unx_engine_close(e, &closing, s[0]));
    JOB_LAST(e, &j, -ECANCELED);
    failing = 0;
    LAST(e, &closing, 0);
    end_all(e, &w);
    leave(e, s[1]);
    engine_used(e);
}

/* Whoever sleeps on the engine's descriptor hears of all, however many calls fail, if nobody is told of it. */
static void nested(struct unx_engine *unused)
{
    (void)unused;
    need_ring();
    const unsigned n = room();
    for (unsigned times = 0; times < 100; times++) {
        ROW("%u fail", times);
        static struct waiting w;
        struct unx_engine *const e = engine_make(1);
        struct pollfd p = {.fd = unx_engine_fd(e), .events = POLLIN};
        struct unx_event ev;
        CHECK(p.fd >= 0);
        CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
        failing = times;
        while (w.n < n + 5) {
            add(e, &w);
        }
        int r = 0;
        while (r == 0 && poll(&p, 1, 2) > 0) {
            r = unx_engine_reap(e, &ev, 1, 0);
        }
        CHECK(r == 0 || r == -EAGAIN);
        failing = 0;
        if (r == 0) {
            raw_send(w.s[w.n - 1][1], "x", 1, NULL, 0);
            CHECK_INT(poll(&p, 1, harness_slow() ? 10000 : 2000), 1);
            JOB_GETS(e, &w.jobs[w.n - 1], "x");
            w.n--;
            leave_pair(e, w.s[w.n]);
        }
        end_all(e, &w);
        engine_used(e);
    }
}

/* ---- an adapter ---- */

static int failure, got;

static void take(void *arg, const struct unx_event *ev)
{
    struct waiting *w = arg;
    if (ev->op == NULL) {
        failure = ev->result;
        return;
    }
    CHECK(ev->op == &w->jobs[w->n - 1].op);
    CHECK_INT(ev->result, 1);
    got++;
}

/* It calls again as long as a failure may pass, and says so when it does not. */
static void missed_in_an_adapter(struct unx_engine *unused)
{
    (void)unused;
    need_ring();
    const unsigned n = room();
    static const unsigned times[] = {1, 2, 5, 20, 80, FOREVER};
    for (size_t i = 0; i < sizeof times / sizeof *times; i++) {
        ROW("%u fail", times[i]);
        static struct waiting w;
        struct unx_engine *const e = engine_make(1);
        struct unx_adapter a;
        struct pollfd p = {.fd = unx_adapter_init(&a, e, take, &w), .events = POLLIN};
        CHECK(p.fd >= 0);
        failure = got = 0;
        CHECK_INT(unx_adapter_ready(&a), 0);
        failing = FOREVER;
        while (w.n < n + 3) {
            add(e, &w);
        }
        failing = times[i];
        const int ready = unx_adapter_ready(&a);
        CHECK_INT(ready, times[i] == FOREVER ? -EAGAIN : 0);
        CHECK_INT(failure, ready);
        failing = 0;
        if (ready == 0) {
            raw_send(w.s[w.n - 1][1], "x", 1, NULL, 0);
            while (got == 0 && poll(&p, 1, harness_slow() ? 10000 : 2000) == 1) {
                CHECK_INT(unx_adapter_ready(&a), 0);
            }
            CHECK_INT(got, 1);
            CHECK_MEM(w.jobs[w.n - 1].data, 1, "x", 1);
            w.n--;
            leave_pair(e, w.s[w.n]);
        }
        unx_adapter_end(&a);
        end_all(e, &w);
        engine_used(e);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(polls),  ENGINE_CASE(missed_ends),          ENGINE_CASE(closes),
    ENGINE_CASE(nested), ENGINE_CASE(missed_in_an_adapter),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
