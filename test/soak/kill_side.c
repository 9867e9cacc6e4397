// SPDX-License-Identifier: MIT
/*
 * One process of the soak with kill -9 (kill.h): a hundred times a second it connects what is not connected, sends,
 * receives and closes at random; events do the rest.
 * A killed server leaves its socket file behind, which the next one takes over.
 */
#include "kill_link.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>
#include <unx/listener.h>

#define TICK_MS 10
#define SWEEP 200u /* connections that a tick looks at, whether they are in a hurry */
#define CLOSES 4   /* one in as many ticks closes a connection */

void kill_fail(const struct kill_process *p, const char *fmt, ...)
{
    va_list ap;
    char text[400];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "soak_kill: %s %u: %s\n", kill_sides[p->side], atomic_load(&p->s->life[p->side]), text);
    _exit(1);
}

unsigned kill_throw(struct kill_process *p, unsigned n)
{
    return kill_mix(p->seed, p->dice++, n);
}

void kill_started(struct kill_process *p, struct kill_op *o, enum kill_kind kind, void *owner, int result)
{
    if (result < 0) {
        kill_fail(p, "operation %d is refused: %d", kind, result);
    }
    o->kind = kind;
    o->owner = owner;
    o->op.data = o;
    o->out = true;
    p->t->started++;
}

/* ---- connecting ---- */

static int take_record(struct kill_process *p)
{
    struct kill_shared *s = p->s;
    for (unsigned i = 0; i < s->nrecords; i++) {
        p->cursor = (p->cursor + 1) % s->nrecords;
        struct kill_record *r = &s->record[p->cursor];
        if (!atomic_load(&r->open)) {
            r->generation++;
            memset(r->half, 0, sizeof r->half);
            r->half[CLIENT].life = atomic_load(&s->life[CLIENT]);
            r->opened_in = r->closed_in = atomic_load(&s->life[SERVER]);
            atomic_store(&r->open, true);
            return (int)p->cursor;
        }
    }
    return -1;
}

static void connect_more(struct kill_process *p)
{
    struct kill_shared *s = p->s;
    while (!p->ending && !p->refused && p->connecting < KILL_AT_ONCE && p->t->open + p->connecting < s->target) {
        const int record = take_record(p);
        if (record < 0) {
            return;
        }
        const bool streams = kill_streams((unsigned)record);
        struct kill_link *c = kill_link_new(p, record, streams);
        p->connecting++;
        kill_started(p, &c->in, KILL_CONNECT, c,
                     unx_engine_connect(p->e, &c->in.op, streams ? SOCK_STREAM : SOCK_SEQPACKET, UNX_PASSFDS, NULL,
                                        &p->names[streams], -1));
    }
}

static void connected(struct kill_process *p, struct kill_link *c, int result)
{
    p->connecting--;
    if (result < 0) {
        if (result != -ECONNREFUSED && result != -ENOENT) {
            kill_fail(p, "connecting ended with %d", result);
        }
        p->refused = true;
        p->t->refused++;
        atomic_fetch_or(&p->s->record[c->record].half[CLIENT].state, HALF_REFUSED | HALF_OVER);
        kill_link_free(p, c);
        return;
    }
    kill_link_open(p, c, result);
    kill_send(p, c);
    if (p->ending) {
        kill_finish(p, c);
    }
    connect_more(p);
}

static void accepted(struct kill_process *p, const struct kill_op *o, int result)
{
    if (result >= 0) {
        kill_link_open(p, kill_link_new(p, -1, o == &p->accepts[1]), result);
    } else if (result == -EMFILE) {
        p->t->full++;
    } else if (result != -ECANCELED || !p->ending) {
        kill_fail(p, "accepting ended with %d", result);
    }
}

/* ---- a tick ---- */

static void act(struct kill_process *p, struct kill_link *c)
{
    kill_send(p, c);
    if (c->used && !c->in.out && kill_throw(p, 2) == 0) {
        kill_receive(p, c);
    }
}

static void end(struct kill_process *p)
{
    p->ending = true;
    for (unsigned i = 0; i < p->nlinks && p->side == CLIENT; i++) {
        kill_finish(p, &p->links[i]);
    }
}

static void tick(struct kill_process *p)
{
    if (!p->ending && atomic_load(&p->s->stop)) {
        end(p);
    }
    for (unsigned i = 0; i < SWEEP; i++) {
        kill_hurry(p, &p->links[p->sweep = (p->sweep + 1) % p->nlinks]);
    }
    p->refused = false;
    if (p->side == CLIENT) {
        connect_more(p);
    }
    if (!p->ending) {
        for (unsigned i = 0; i < p->s->rate * TICK_MS / 1000; i++) {
            act(p, &p->links[kill_throw(p, p->nlinks)]);
        }
        struct kill_link *c = &p->links[kill_throw(p, p->nlinks)];
        if (kill_throw(p, CLOSES) == 0 && c->record >= 0) {
            if (kill_throw(p, 2) == 0) {
                kill_drop(p, c);
            } else {
                kill_finish(p, c);
            }
        }
    }
    kill_started(p, &p->tick, KILL_TICK, NULL, unx_engine_timer(p->e, &p->tick.op, TICK_MS));
}

/* ---- events ---- */

static void event(struct kill_process *p, const struct unx_event *ev)
{
    struct kill_op *o = ev->op->data;
    if (!o->out) {
        kill_fail(p, "an operation of kind %d has ended twice", o->kind);
    }
    if ((ev->flags & UNX_MORE) == 0) {
        o->out = false;
        p->t->over++;
    }
    switch (o->kind) {
    case KILL_ACCEPT:
        accepted(p, o, ev->result);
        break;
    case KILL_TICK:
        if (ev->result == 0) {
            tick(p);
        }
        break;
    case KILL_CONNECT:
        connected(p, o->owner, ev->result);
        break;
    case KILL_WATCH:
        kill_watched(p, o->owner, ev->result);
        break;
    case KILL_FIRST:
    case KILL_STAND:
    case KILL_TAKE:
        kill_received(p, o->owner, ev);
        break;
    case KILL_SEND:
        kill_sent(p, o->owner, ev->result);
        break;
    case KILL_CLOSE:
        kill_dropped(p, o->owner, ev->result);
        break;
    }
}

static void reap(struct kill_process *p, int timeout_ms)
{
    struct unx_event ev[64];
    const int n = unx_engine_reap(p->e, ev, 64, timeout_ms);
    if (n < 0) {
        kill_fail(p, "reaping said %d", n);
    }
    for (int i = 0; i < n; i++) {
        event(p, &ev[i]);
    }
}

/* ---- a process ---- */

/* All memory is touched at once, so that what grows later is a leak. */
static void *room(const struct kill_process *p, size_t n, size_t each)
{
    char *bytes = calloc(n, each);
    if (bytes == NULL) {
        kill_fail(p, "no memory");
    }
    for (size_t i = 0; i < n * each; i += 512) {
        *(volatile char *)&bytes[i] = 0;
    }
    return bytes;
}

static void listen_at(struct kill_process *p, unsigned streams)
{
    const int r = unx_listener_open_path(&p->listeners[streams], streams ? SOCK_STREAM : SOCK_SEQPACKET,
                                         UNX_PASSFDS | UNX_NONBLOCK, AT_FDCWD, p->s->path[streams], NULL);
    if (r < 0) {
        kill_fail(p, "listening where the last one was killed: %d", r);
    }
    kill_started(
        p, &p->accepts[streams], KILL_ACCEPT, NULL,
        unx_engine_accept(p->e, &p->accepts[streams].op, unx_listener_fd(p->listeners[streams]), UNX_STANDING, -1));
}

static void open_process(struct kill_process *p)
{
    const unsigned nouts = 512 + p->s->nrecords / 4;
    p->nlinks = p->s->nrecords + 2 * KILL_SPARE;
    p->links = room(p, p->nlinks, sizeof *p->links);
    p->free_links = room(p, p->nlinks, sizeof *p->free_links);
    p->outs = room(p, nouts, sizeof *p->outs);
    for (unsigned i = 0; i < p->nlinks; i++) {
        p->links[i].record = -1;
        p->free_links[p->nfree++] = i;
    }
    for (unsigned i = 0; i < nouts; i++) {
        p->outs[i].next = p->free_outs;
        p->free_outs = &p->outs[i];
    }
    unx_addr_path(&p->names[0], p->s->path[0]);
    unx_addr_path(&p->names[1], p->s->path[1]);
    int r = unx_engine_new(&p->e, 0, p->s->backend);
    if (r == 0) {
        r = unx_engine_buffers(p->e, KILL_POOL, KILL_BYTES);
    }
    if (r < 0) {
        kill_fail(p, "no engine: %d", r);
    }
    if (p->side == SERVER) {
        listen_at(p, 0);
        listen_at(p, 1);
    }
    kill_started(p, &p->tick, KILL_TICK, NULL, unx_engine_timer(p->e, &p->tick.op, TICK_MS));
}

static bool goes_on(const struct kill_process *p)
{
    if (p->side == CLIENT) {
        return !p->ending || p->t->open > 0 || p->connecting > 0;
    }
    return !atomic_load(&p->s->client_over) || p->t->open > 0 ||
           unx_wait(unx_listener_fd(p->listeners[0]), POLLIN, 0) != -EAGAIN ||
           unx_wait(unx_listener_fd(p->listeners[1]), POLLIN, 0) != -EAGAIN;
}

static void close_process(struct kill_process *p)
{
    for (unsigned i = 0; i < 2 && p->side == SERVER; i++) {
        unx_engine_cancel(p->e, &p->accepts[i].op);
    }
    unx_engine_cancel(p->e, &p->tick.op);
    for (unsigned i = 0; i < 100 && p->t->over < p->t->started; i++) {
        reap(p, 100);
        if (p->tick.out) {
            unx_engine_cancel(p->e, &p->tick.op);
        }
    }
    if (p->t->over != p->t->started) {
        kill_fail(p, "%llu operations were started, %llu have ended", (unsigned long long)p->t->started,
                  (unsigned long long)p->t->over);
    }
    const int r = unx_engine_free(p->e);
    if (r != 0) {
        kill_fail(p, "the engine cannot be freed: %d", r);
    }
    for (unsigned i = 0; i < 2 && p->side == SERVER; i++) {
        unx_listener_close(p->listeners[i]);
    }
    free(p->links);
    free(p->free_links);
    free(p->outs);
}

void kill_run(struct kill_shared *s, unsigned side)
{
    struct timespec now;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    clock_gettime(CLOCK_MONOTONIC, &now);
    static struct kill_process process;
    struct kill_process *p = &process;
    p->s = s;
    p->side = side;
    p->t = &s->totals[side];
    p->seed = (uint64_t)now.tv_sec * 1000000007u + (uint64_t)now.tv_nsec + side;
    const long before = kill_fds(getpid());
    open_process(p);
    while (goes_on(p)) {
        reap(p, -1);
    }
    close_process(p);
    if (kill_fds(getpid()) != before) {
        kill_fail(p, "%ld descriptors were open before, %ld are afterwards", before, kill_fds(getpid()));
    }
    exit(0);
}
