// SPDX-License-Identifier: MIT
/*
 * The end of a process under torture, and of its time: whether an operation is out that could be done and is not.
 *
 * A test stops at the first result that it does not like, which after an injected failure is soon, or waits for what
 * never comes, until its time is over. Then engines are brought to their end as a program would do it. First they are
 * reaped until nothing comes: what is out then and could be done was lost, which a cancel would hide. Then the rest is
 * cancelled, reaped and returned, and the engine freed. The operations are on the stack that ends there, and so they
 * still exist.
 *
 * What surprised us: a signal does not end unx_engine_reap(), but unx_engine_wake() may be called from its handler. It
 * also wakes who should not have slept, so the handler looks twice before, at operations that are out while nothing
 * happens. Only the thread that reaps an engine may end it, so that one gets a signal, too.
 */
#include "operations.h"

#include <errno.h>
#include <linux/sockios.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

#define LOOK_MS 150 /* more than a standing accept sleeps when there are no descriptors */
#define END_SIGNAL (SIGRTMAX - 1)
#define LATE 'd'
#define READY 'r'
#define POSTED 'o'

extern __typeof__(_exit) __real__exit;
static _Thread_local volatile sig_atomic_t asked;
static atomic_int ender, parked;
static atomic_uint ticks;
static timer_t timer;

long long milliseconds(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return ts.tv_sec * 1000LL + ts.tv_nsec / 1000000;
}

/* ---- what could be done ---- */

/* Empty, because a message needs more room than poll(2) asks for. */
static bool takes(const struct out *o)
{
    int queued = 1;
    return o->msg != NULL && o->msg->addr == NULL && ioctl(o->fd, SIOCOUTQ, &queued) == 0 && queued == 0;
}

static int could_be_done(const struct out *o)
{
    if (o->timeout_ms >= 0 && milliseconds() > o->since + o->timeout_ms + LOOK_MS)
        return LATE;
    if (o->kind == 'o')
        return POSTED;
    if (o->fd < 0 || o->events == 0)
        return 0;
    struct pollfd p = {.fd = o->fd, .events = o->events};
    if (poll(&p, 1, 0) != 1 || (p.revents & POLLNVAL) != 0)
        return 0;
    const int wanted = o->events | (o->kind == 'p' ? POLLERR | POLLHUP : 0);
    return (p.revents & wanted) == 0 || (o->kind == 's' && !takes(o)) ? 0 : READY;
}

static void lost(const struct out *o)
{
    if (o->why == POSTED)
        fault("unx_engine_reap: an operation was posted, and no event comes");
    else if (o->why == LATE)
        fault("unx_engine_reap: the time of an operation of kind '%c' is over, and no event comes", o->kind);
    else
        fault("unx_engine_reap: descriptor %d is ready, and no event comes of an operation of kind '%c'", o->fd,
              o->kind);
}

/* How many could be done; the first time they are marked, the second time those are told that still can. */
static unsigned look(struct engine *g, bool again)
{
    unsigned n = 0;
    for (unsigned i = 0; i < g->nouts; i++) {
        struct out *const o = &g->outs[i];
        const int before = o->looked == g->changes ? o->why : 0;
        o->why = could_be_done(o);
        o->looked = g->changes;
        n += o->why != 0;
        if (again && o->why != 0 && o->why == before)
            lost(o);
    }
    return n;
}

/* ---- the end of an engine ---- */

/* 1: something came or was returned; 0: nothing; -1: no more can be asked for. */
static int reap_some(struct engine *g, int ms)
{
    struct unx_event ev[16];
    const int n = unx_engine_reap(g->e, ev, 16, ms);
    /* -EPERM: the test itself has forbidden the call. */
    if (n < 0 && n != -EPERM)
        fault("unx_engine_reap: %d, with %u operations out", n, g->nouts);
    if (n < 0)
        return -1;
    const bool some = n > 0 || g->nlent > 0;
    /* A message may be the caller's already: those that are lent are returned here. */
    while (g->nlent > 0) {
        const unsigned before = g->nlent;
        const int r = unx_engine_return(g->e, (struct unx_msg *)g->lent[before - 1]);
        if (r < 0) {
            fault("unx_engine_return: %d", r);
            g->nlent--;
        }
    }
    return some;
}

/* Until nothing comes, or for a second: whether it can be gone on with. */
static bool settle(struct engine *g)
{
    const long long end = milliseconds() + 1000;
    long long since = 0;
    while (g->nouts > 0 && milliseconds() < end) {
        const int some = reap_some(g, 20);
        if (some < 0)
            return false;
        if (some > 0 || look(g, false) == 0) {
            if (some == 0)
                return true;
            since = 0;
        } else if (since == 0) {
            since = milliseconds();
        } else if (milliseconds() > since + 2 * LOOK_MS) {
            look(g, true);
            return false;
        }
    }
    return true;
}

static void cancel_all(struct engine *g)
{
    for (unsigned j = 0; j < g->nouts; j++) {
        const int kind = g->outs[j].kind, r = kind == 'x' || kind == 'o' ? 0 : unx_engine_cancel(g->e, g->outs[j].op);
        if (r < 0 && r != -ENOENT)
            fault("unx_engine_cancel: %d for an operation of kind '%c'", r, kind);
    }
    const long long end = milliseconds() + 5000;
    while (reap_some(g, g->nouts > 0 ? 200 : 0) >= 0 && g->nouts > 0 && milliseconds() < end)
        ;
}

static void own_engines_end(void)
{
    for (unsigned i = 0; i < ENGINES; i++) {
        struct engine *const g = &engines[i];
        if (g->e == NULL || g->pid != getpid() || g->tid != gettid() || frame_now() != NULL)
            continue;
        const unsigned faults = atomic_load(&world->nfaults);
        if (!settle(g) || faults != atomic_load(&world->nfaults))
            continue;
        cancel_all(g);
        if (faults != atomic_load(&world->nfaults))
            continue;
        if (g->nouts > 0) {
            fault("unx_engine_reap: %u operations never have a last event, one of them of kind '%c'", g->nouts,
                  g->outs[0].kind);
            continue;
        }
        /* Other threads may be about to post or wake. */
        const int r = threads_made() ? 0 : unx_engine_free(g->e);
        if (r != 0)
            fault("unx_engine_free: %d, and all has been reaped and returned", r);
    }
}

static void park(void)
{
    for (;;)
        pause();
}

static int others_asked(void)
{
    int n = 0;
    for (unsigned i = 0; i < ENGINES; i++) {
        const struct engine *const g = &engines[i];
        bool before = g->e == NULL || g->pid != getpid() || g->tid == gettid();
        for (unsigned j = 0; j < i && !before; j++)
            before = engines[j].e != NULL && engines[j].tid == g->tid && engines[j].pid == g->pid;
        if (!before)
            n += tgkill(getpid(), g->tid, END_SIGNAL) == 0;
    }
    return n;
}

void engines_end(void)
{
    int nobody = 0;
    if (!atomic_compare_exchange_strong(&ender, &nobody, gettid()))
        park();
    own_engines_end();
    const int others = others_asked();
    for (int ms = 0; ms < 1500 && atomic_load(&parked) < others; ms += 5)
        nanosleep(&(struct timespec){.tv_nsec = 5000000}, NULL);
}

/* ---- the end of the time ---- */

/* This thread is in no call of the library, or in one that has nothing to do with engines. */
static void end_here(void)
{
    frame_adopt(NULL);
    asked = 0;
    if (atomic_load(&ender) != 0) {
        own_engines_end();
        atomic_fetch_add(&parked, 1);
        park();
    }
    atomic_store(&world->ending, 1);
    engines_end();
    atomic_store(&world->ending, 0);
    atomic_store(&world->over, 1);
    __real__exit(0);
}

void overdue_look(void)
{
    if (asked)
        end_here();
}

static void ask(void)
{
    const struct frame *const f = frame_now();
    if (f == NULL || strncmp(public_names[f->function], "unx_engine_", 11) != 0)
        end_here();
    asked = 1;
    for (unsigned i = 0; i < ENGINES; i++)
        if (engines[i].e != NULL && engines[i].pid == getpid() && engines[i].tid == gettid())
            unx_engine_wake(engines[i].e);
}

static void on_signal(int sig, siginfo_t *si, void *context)
{
    (void)sig, (void)context;
    const int before = errno;
    if (si->si_code != SI_TIMER) {
        if (atomic_load(&ender) != 0 && atomic_load(&ender) != gettid())
            ask();
    } else if (atomic_load(&world->injected) && atomic_load(&ender) == 0 && pthread_mutex_trylock(&engines_lock) == 0) {
        const bool again = atomic_fetch_add(&ticks, 1) > 0;
        for (unsigned i = 0; i < ENGINES; i++)
            if (engines[i].e != NULL && engines[i].pid == getpid() && engines[i].reaping)
                look(&engines[i], again);
        pthread_mutex_unlock(&engines_lock);
        if (again) {
            timer_settime(timer, 0, &(struct itimerspec){{0, 0}, {0, 0}}, NULL);
            ask();
        }
    }
    errno = before;
}

void overdue_watch(void)
{
    atomic_store(&ender, 0);
    atomic_store(&parked, 0);
    atomic_store(&ticks, 0);
    const struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO | SA_RESTART};
    struct sigevent to = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = END_SIGNAL};
    to._sigev_un._tid = gettid();
    const long long end = world->deadline;
    const struct itimerspec when = {{0, LOOK_MS * 1000000}, {end / 1000, end % 1000 * 1000000}};
    if (sigaction(END_SIGNAL, &sa, NULL) != 0 || timer_create(CLOCK_MONOTONIC, &to, &timer) != 0 ||
        timer_settime(timer, TIMER_ABSTIME, &when, NULL) != 0)
        fault("no timer: errno %d", errno);
}
