// SPDX-License-Identifier: MIT
/*
 * Threads and signal handlers: wake and post from anywhere, engines side by side,
 * an engine that is made here and used there.
 */
#include "engine.h"

#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <time.h>

static pthread_t run(void *(*f)(void *), void *arg)
{
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, f, arg), 0);
    return t;
}

static void join(pthread_t t)
{
    CHECK_INT(pthread_join(t, NULL), 0);
}

static void *wakes_later(void *arg)
{
    raw_sleep(60);
    START(unx_engine_wake(arg));
    return NULL;
}

/* One reaping returns, that which waits or the next; what there is to reap is not lost by it. */
static void wake(struct unx_engine *e)
{
    engine_need_threads();
    struct unx_event ev;
    struct unx_op op = {0};
    const int64_t start = raw_now();
    const pthread_t t = run(wakes_later, e);
    CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, -1)), 0);
    raw_took(start, 60);
    join(t);
    QUIET_FOR(e, 30);
    raw_took(start, 90);
    START(unx_engine_wake(e));
    START(unx_engine_wake(e));
    CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, -1)), 0);
    START(unx_engine_wake(e));
    START(unx_engine_post(e, &op, 3));
    LAST(e, &op, 3);
    /* As many as there were wakes, so that none of them is left. */
    for (unsigned i = 0; i < 4; i++) {
        CHECK_INT(unx_engine_reap(e, &ev, 1, 20), 0);
    }
    const int64_t later = raw_now();
    QUIET_FOR(e, 30);
    raw_took(later, 30);
    CHECK_INT(QUIET(unx_engine_wake(NULL)), -EINVAL);
}

/* Who waits without limit sleeps: no processor is used until somebody wakes him. */
static void sleeps_until_woken(struct unx_engine *e)
{
    engine_need_threads();
    raw_need_quiet();
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    QUIET_FOR(e, 5);
    struct unx_event ev;
    for (unsigned i = 0; i < 3; i++) {
        const int64_t cpu = engine_cpu();
        const pthread_t t = run(wakes_later, e);
        CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, -1)), 0);
        join(t);
        CHECK(raw_under_valgrind() || engine_cpu() - cpu < (harness_slow() ? 20000 : 3000));
    }
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

static struct unx_engine *woken_by_signal;
static volatile sig_atomic_t handler_errno;

static void on_signal(int number)
{
    (void)number;
    const int before = errno;
    errno = HARNESS_ERRNO;
    const int r = unx_engine_wake(woken_by_signal);
    handler_errno = r == 0 ? errno : -r;
    errno = before;
}

static void wake_from_a_signal_handler(struct unx_engine *e)
{
    engine_need_threads();
    woken_by_signal = e;
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    CHECK_INT(sigaction(SIGALRM, &a, NULL), 0);
    const int64_t start = raw_now();
    for (int i = 0; i < 3; i++) {
        timer_t timer;
        struct sigevent s = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGALRM};
        CHECK_INT(timer_create(CLOCK_MONOTONIC, &s, &timer), 0);
        const struct itimerspec once = {.it_value = {0, 40000000}};
        CHECK_INT(timer_settime(timer, 0, &once, NULL), 0);
        struct unx_event ev;
        CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 3000)), 0);
        CHECK_INT(handler_errno, HARNESS_ERRNO);
        CHECK_INT(timer_delete(timer), 0);
    }
    raw_took(start, 120);
}

/* Waking, again and again, at the worst moments: it neither hangs nor disturbs. */
struct waker {
    struct unx_engine *e;
    atomic_bool stop;
};

static void *wakes_always(void *arg)
{
    struct waker *w = arg;
    while (!w->stop) {
        CHECK_INT(unx_engine_wake(w->e), 0);
        if (random() % 4 == 0) {
            raw_sleep(1);
        }
    }
    return NULL;
}

static void a_storm_of_wakes(struct unx_engine *e)
{
    struct waker w = {.e = e};
    const pthread_t a = run(wakes_always, &w), b = run(wakes_always, &w);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    for (unsigned i = 0; i < 300; i++) {
        struct job in, out;
        job_recv_any(e, &in, s[0]);
        job_send_text(e, &out, s[1], "x");
        for (unsigned n = 0; n < 2; n++) {
            CHECK_INT(NEXT(e).result, 1);
        }
    }
    w.stop = true;
    join(a);
    join(b);
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    QUIET_FOR(e, 10);
    leave_pair(e, s);
}

#define POSTERS 4

struct poster {
    struct unx_engine *e;
    struct unx_op *ops;
    unsigned number, each;
};

static void *posts(void *arg)
{
    const struct poster *p = arg;
    for (unsigned i = 0; i < p->each; i++) {
        START(unx_engine_post(p->e, &p->ops[i], (int)(p->number * p->each + i)));
    }
    return NULL;
}

static void posts_without_loss(struct unx_engine *e)
{
    const unsigned each = harness_rounds(10000);
    struct unx_op *ops = calloc(POSTERS * each, sizeof *ops);
    unsigned char *seen = calloc(POSTERS, each);
    CHECK(ops != NULL && seen != NULL);
    struct poster posters[POSTERS];
    pthread_t threads[POSTERS];
    for (unsigned i = 0; i < POSTERS; i++) {
        posters[i] = (struct poster){e, ops + i * each, i, each};
        threads[i] = run(posts, &posters[i]);
    }
    static struct unx_event ev[100];
    for (unsigned n = 0; n < POSTERS * each;) {
        const int got = unx_engine_reap(e, ev, 1 + n % 100, 5000);
        CHECK(got > 0);
        for (int i = 0; i < got; i++) {
            CHECK_INT(ev[i].flags, 0);
            CHECK(ev[i].msg == NULL);
            CHECK(ev[i].op == &ops[ev[i].result]);
            CHECK_INT(seen[ev[i].result]++, 0);
        }
        n += (unsigned)got;
    }
    for (unsigned i = 0; i < POSTERS; i++) {
        join(threads[i]);
    }
    free(seen);
    free(ops);
}

/* One sleeps until the other posts, back and forth; the operation is used again as soon as it has been reaped. */
struct player {
    struct unx_engine *mine, *theirs;
    unsigned rounds;
};

static void *plays(void *arg)
{
    struct player *p = arg;
    for (unsigned i = 0; i < p->rounds; i++) {
        const struct unx_event ev = NEXT(p->mine);
        CHECK_INT(ev.result, i);
        START(unx_engine_post(p->theirs, ev.op, (int)i));
    }
    return NULL;
}

static void back_and_forth(struct unx_engine *e)
{
    engine_need_threads();
    const unsigned rounds = harness_rounds(2000);
    struct unx_engine *other = engine_make(0);
    struct player p = {other, e, rounds};
    const pthread_t t = run(plays, &p);
    struct unx_op op = {.data = &p};
    for (unsigned i = 0; i < rounds; i++) {
        START(unx_engine_post(other, &op, (int)i));
        LAST(e, &op, (int)i);
        CHECK(op.data == &p);
    }
    join(t);
    CHECK_INT(unx_engine_free(other), 0);
}

/* Made and given work here, reaped there. */
static void *takes_over(void *arg)
{
    struct unx_engine *e = arg;
    int s[2];
    raw_pair(SOCK_STREAM, s);
    for (unsigned i = 0; i < 50; i++) {
        struct job in, out;
        struct unx_op timer = {0};
        job_recv_any(e, &in, s[0]);
        START(unx_engine_timer(e, &timer, 0));
        LAST(e, &timer, 0);
        job_send_text(e, &out, s[1], "x");
        for (unsigned n = 0; n < 2; n++) {
            CHECK_INT(NEXT(e).result, 1);
        }
    }
    leave_pair(e, s);
    return NULL;
}

static void *takes_over_work(void *arg)
{
    struct unx_engine *e = arg;
    const struct unx_event ev = NEXT(e);
    CHECK_INT(ev.result, 1);
    takes_over(e);
    CHECK_INT(unx_engine_free(e), 0);
    return NULL;
}

static void used_by_another_thread(struct unx_engine *unused)
{
    (void)unused;
    struct unx_engine *e = engine_make(0);
    join(run(takes_over, e));
    CHECK_INT(unx_engine_free(e), 0);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in;
    e = engine_make(0);
    job_recv_any(e, &in, s[0]);
    raw_send(s[1], "x", 1, NULL, 0);
    join(run(takes_over_work, e));
    CHECK_MEM(in.data, in.m.len, "x", 1);
    close_pair(s);
}

/* One accepts and spreads the connections over the others by posting them; each serves its own. */
#define WORKERS 3
#define CLIENTS 90

struct connection {
    struct unx_op coming, going;
    struct job in, out;
    int fd;
};

struct worker {
    struct unx_engine *e;
    struct connection connections[CLIENTS];
};

/* The connection comes, its request, its reply has gone, it is closed. */
static void *works(void *arg)
{
    struct worker *w = arg;
    for (unsigned served = 0; served < CLIENTS / WORKERS;) {
        const struct unx_event ev = NEXT(w->e);
        CHECK(ev.flags == 0);
        struct connection *c =
            &w->connections[((uintptr_t)ev.op - (uintptr_t)w->connections) / sizeof(struct connection)];
        if (ev.op == &c->coming) {
            c->fd = ev.result;
            job_recv_any(w->e, &c->in, c->fd);
        } else if (ev.op == &c->in.op) {
            CHECK_INT(ev.result, 1);
            job_bytes(&c->out, c->in.data, c->in.m.len);
            job_send(w->e, &c->out, c->fd, 0, -1);
        } else if (ev.op == &c->out.op) {
            CHECK_INT(ev.result, 1);
            START(unx_engine_close(w->e, &c->going, c->fd));
        } else {
            CHECK_INT(ev.result, 0);
            served++;
        }
    }
    return NULL;
}

static void connections_are_spread(struct unx_engine *e)
{
    engine_need_threads();
    static struct worker workers[WORKERS];
    pthread_t threads[WORKERS];
    const int listener = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("server")), 128);
    CHECK_INT(unx_set_nonblock(listener, 1), 0);
    for (unsigned i = 0; i < WORKERS; i++) {
        workers[i].e = engine_make(0);
        threads[i] = run(works, &workers[i]);
    }
    struct unx_op accepting = {0};
    START(unx_engine_accept(e, &accepting, listener, UNX_STANDING, -1));
    int clients[CLIENTS];
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i] = raw_connect(SOCK_SEQPACKET, raw_path(raw_file("server")));
        raw_send(clients[i], &i, sizeof i, NULL, 0);
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0);
        struct worker *w = &workers[i % WORKERS];
        START(unx_engine_post(w->e, &w->connections[i].coming, ev.result));
    }
    for (unsigned i = 0; i < WORKERS; i++) {
        join(threads[i]);
        CHECK_INT(unx_engine_free(workers[i].e), 0);
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        check_arrived(clients[i], &i, sizeof i);
        close(clients[i]);
    }
    START(unx_engine_cancel(e, &accepting));
    LAST(e, &accepting, -ECANCELED);
    leave(e, listener);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(wake),
    ENGINE_CASE(sleeps_until_woken),
    ENGINE_CASE(wake_from_a_signal_handler),
    ENGINE_CASE(a_storm_of_wakes),
    {"posts_without_loss", posts_without_loss, 60},
    ENGINE_CASE(back_and_forth),
    ENGINE_CASE(used_by_another_thread),
    ENGINE_CASE(connections_are_spread),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
