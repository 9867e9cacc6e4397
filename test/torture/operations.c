// SPDX-License-Identifier: MIT
/*
 * Engines under torture: every operation that was started has exactly one last event, whatever fails; every message of
 * a standing receive can be returned; then the engine can be freed, and has left no descriptor open.
 *
 * This is the book of them; ending.c closes it at the end of a process.
 *
 * What surprised us: an operation that another thread posts may be reaped before the posting call has returned. What a
 * ring received was made by the kernel in its own time, so what comes out of an engine need not have been seen to go
 * in.
 */
#include "operations.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define BOOK (1u << 18) /* entries */
struct engine engines[ENGINES];
pthread_mutex_t engines_lock = PTHREAD_MUTEX_INITIALIZER;

/* Not from malloc(3): tests measure what an engine allocates, and the end may come by a signal. */
static void *book(void *array, unsigned n, size_t size)
{
    if (n >= BOOK)
        abort();
    if (array != NULL)
        return array;
    void *const p = mmap(NULL, BOOK * size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (p == MAP_FAILED)
        abort();
    return p;
}

#define ADD(array, n, ...)                                                                                             \
    do {                                                                                                               \
        (array) = book((array), (n), sizeof *(array));                                                                 \
        (array)[(n)++] = (__VA_ARGS__);                                                                                \
    } while (0)

static struct engine *find(const struct unx_engine *e)
{
    for (unsigned i = 0; i < ENGINES; i++)
        if (engines[i].e == e && e != NULL && engines[i].pid == getpid())
            return &engines[i];
    return NULL;
}

/* NULL: a program that makes more engines than there is room for, or a child's copy: nothing is known of it. */
static struct engine *enter(struct frame *f, const struct unx_engine *e)
{
    pthread_mutex_lock(&engines_lock);
    struct engine *const g = find(e);
    if (g == NULL) {
        pthread_mutex_unlock(&engines_lock);
        f->nbirths = 0;
    }
    return g;
}

/* What was made in this call belongs to the engine until it is handed out or closed. */
static void keep(struct engine *g, struct frame *f)
{
    while (f->nbirths > 0)
        ADD(g->births, g->nbirths, f->births[--f->nbirths]);
}

static void let_go(struct engine *g, int fd)
{
    for (unsigned i = 0; i < g->nbirths; i++) {
        if (g->births[i].fd == fd) {
            g->births[i] = g->births[--g->nbirths];
            return;
        }
    }
}

static void let_go_of(int fd, int number)
{
    let_go(&engines[number], fd);
}

void engine_gone(int fd)
{
    pthread_mutex_lock(&engines_lock);
    for (unsigned i = 0; i < ENGINES; i++)
        if (engines[i].e != NULL && engines[i].pid == getpid())
            let_go(&engines[i], fd);
    pthread_mutex_unlock(&engines_lock);
}

void before_engine_made(struct frame *f, struct unx_engine *const *e)
{
    f->looked = e != NULL;
}

void check_engine_made(struct frame *f, int r, struct unx_engine *const *e)
{
    if (f->looked && f->injected && (r == 0) != (*e != NULL))
        fault("unx_engine_new: %d, and the engine is %s", r, *e == NULL ? "none" : "there");
    if (!f->looked || r != 0)
        return;
    pthread_mutex_lock(&engines_lock);
    unsigned i = 0;
    while (i < ENGINES && engines[i].e != NULL && engines[i].pid == getpid())
        i++;
    if (i < ENGINES) {
        const struct engine last = engines[i];
        engines[i] = (struct engine){
            .e = *e, .pid = getpid(), .tid = gettid(), .outs = last.outs, .lent = last.lent, .births = last.births};
        keep(&engines[i], f);
    }
    f->nbirths = 0;
    pthread_mutex_unlock(&engines_lock);
}

void before_engine_freed(struct frame *f, struct unx_engine *e)
{
    (void)e;
    f->looked = true;
}

void check_engine_freed(struct frame *f, int r, struct unx_engine *e)
{
    /* Its descriptors were closed in this very call. */
    f->foreign = false;
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    for (unsigned i = 0; r == 0 && i < g->nbirths; i++)
        fault("unx_engine_free: descriptor %d of %s was left open", g->births[i].fd,
              fake_calls[g->births[i].call].name);
    if (r == 0 && g->nouts > 0)
        fault("unx_engine_free: 0, and %u operations had no last event", g->nouts);
    if (r == -EBUSY && g->nouts == 0 && g->nlent == 0)
        fault("unx_engine_free: -EBUSY, and nothing is out");
    if (r == 0)
        g->e = NULL;
    pthread_mutex_unlock(&engines_lock);
}

static void drop(struct engine *g, const struct unx_op *op)
{
    for (unsigned i = g->nouts; i-- > 0;) {
        if (g->outs[i].op == op) {
            g->outs[i] = g->outs[--g->nouts];
            return;
        }
    }
}

void before_engine_started(struct frame *f, struct unx_engine *e, struct unx_op *op, struct unx_msg *m, int kind,
                           int fd, int events, int timeout_ms)
{
    f->looked = op != NULL;
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    if (op != NULL)
        ADD(g->outs, g->nouts, (struct out){op, m, kind, fd, (short)events, timeout_ms, milliseconds(), 0, 0});
    g->changes++;
    if (kind != 'o')
        g->tid = gettid();
    pthread_mutex_unlock(&engines_lock);
}

void check_engine_started(struct frame *f, int r, struct unx_engine *e, struct unx_op *op, struct unx_msg *m, int kind,
                          int fd, int events, int timeout_ms)
{
    (void)m, (void)kind, (void)fd, (void)events, (void)timeout_ms;
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    if (f->injected)
        world->op = op;
    /* 1: it is over already, by UNX_NOW. */
    if (r != 0)
        drop(g, op);
    keep(g, f);
    pthread_mutex_unlock(&engines_lock);
}

void before_engine_kept(struct frame *f, struct unx_engine *e)
{
    (void)e;
    f->looked = true;
}

void check_engine_kept(struct frame *f, int r, struct unx_engine *e)
{
    (void)r;
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    keep(g, f);
    pthread_mutex_unlock(&engines_lock);
}

void before_engine_reaped(struct frame *f, struct unx_engine *e, const struct unx_event *ev)
{
    f->looked = ev != NULL;
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    g->tid = gettid();
    g->changes++;
    g->reaping = true;
    pthread_mutex_unlock(&engines_lock);
}

/* failed: it comes from a call in which something was made to fail. */
static void one_event(struct engine *g, const struct unx_event *ev, bool failed)
{
    const struct out *o = NULL;
    for (unsigned i = 0; i < g->nouts && o == NULL; i++)
        o = g->outs[i].op == ev->op ? &g->outs[i] : NULL;
    if (o == NULL) {
        fault("unx_engine_reap: an event of an operation that is not out, result %d", ev->result);
        return;
    }
    tell_result(ev->result);
    tell_message(ev->msg);
    /* Another error than that of the call, but one. */
    if (ev->result < 0 && (failed || ev->op == world->op))
        tell_any();
    if ((o->kind == 'a' || o->kind == 'c') && ev->result >= 0)
        let_go(g, ev->result);
    if (o->kind == 'r' && ev->msg != NULL) {
        for (unsigned i = 0; ev->msg->fds != NULL && i < ev->msg->fds_got; i++)
            let_go(g, ev->msg->fds[i]);
        if (ev->msg->pidfd != NULL)
            let_go(g, *ev->msg->pidfd);
        if (ev->msg->control != NULL && ev->msg->control_len > 0) {
            const struct msghdr h = {.msg_control = ev->msg->control, .msg_controllen = ev->msg->control_len};
            each_descriptor(&h, let_go_of, (int)(g - engines));
        }
        if (o->msg == NULL)
            ADD(g->lent, g->nlent, ev->msg);
    }
    if ((ev->flags & UNX_MORE) == 0)
        drop(g, ev->op);
}

void check_engine_reaped(struct frame *f, int r, struct unx_engine *e, const struct unx_event *ev)
{
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    g->changes++;
    g->reaping = false;
    keep(g, f);
    for (int i = 0; i < r; i++)
        one_event(g, &ev[i], f->injected);
    pthread_mutex_unlock(&engines_lock);
}

void before_engine_returned(struct frame *f, struct unx_engine *e, const struct unx_msg *m)
{
    (void)e, (void)m;
    f->looked = true;
}

void check_engine_returned(struct frame *f, int r, struct unx_engine *e, const struct unx_msg *m)
{
    struct engine *const g = enter(f, e);
    if (g == NULL)
        return;
    keep(g, f);
    for (unsigned i = 0; r == 0 && i < g->nlent; i++) {
        if (g->lent[i] == m) {
            g->lent[i] = g->lent[--g->nlent];
            break;
        }
    }
    pthread_mutex_unlock(&engines_lock);
}
