// SPDX-License-Identifier: MIT
/*
 * How messages of a client come, and which is next.
 *
 * Mostly by a standing receive, in buffers of the engine. It brings no labels, it brings messages before their turn,
 * and a packet larger than its buffers is lost; so where a program gets the messages, or labels are to be shown, the
 * engine says that there is something to receive, and it is received here: then what has to wait stays queued in its
 * socket.
 *
 * Promises: who is not read from now has no receive standing; what it brought meanwhile is kept, in order, in memory of
 * its own, so that the engine's buffers are free for others. Those who wait for a program take turns.
 *
 * What surprised us: after shutdown(2) of the own side for reading, what was queued can still be read, and whoever
 * sends then is told; so at the end all that anybody was told has gone is printed.
 */
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define READS_AT_ONCE 16

/* A message that came while the one before it was at work: a copy. */
struct kept {
    struct kept *next;
    int result;
    struct unx_msg m;
    struct iovec iov;
    struct unx_cred cred;
    int pidfd;
    int *fds;
    char data[];
};

static void keep(struct client *c, int result, const struct unx_msg *m)
{
    struct kept *k = must_alloc(NULL, sizeof(*k) + m->len);
    *k = (struct kept){.result = result, .m = *m, .iov = {k->data, m->len}, .pidfd = -1};
    memcpy(k->data, m->iov->iov_base, m->len);
    k->m.iov = &k->iov;
    if (m->cred) {
        k->cred = *m->cred;
        k->m.cred = &k->cred;
    }
    if (m->pidfd) {
        k->pidfd = *m->pidfd;
        *m->pidfd = -1;
        k->m.pidfd = &k->pidfd;
    }
    k->fds = m->fds_got ? must_alloc(NULL, m->fds_got * sizeof(*k->fds)) : NULL;
    for (unsigned i = 0; i < m->fds_got; i++) {
        k->fds[i] = m->fds[i];
        m->fds[i] = -1;
    }
    k->m.fds = k->fds;
    *(c->kept ? &c->last->next : &c->kept) = k;
    c->last = k;
}

static void kept_free(struct kept *k)
{
    for (unsigned i = 0; i < k->m.fds_got; i++) {
        if (k->fds[i] >= 0) {
            close(k->fds[i]);
        }
    }
    if (k->pidfd >= 0) {
        close(k->pidfd);
    }
    free(k->fds);
    free(k);
}

static struct kept *kept_next(struct client *c)
{
    struct kept *k = c->kept;
    c->kept = k->next;
    return k;
}

void client_forget_kept(struct client *c)
{
    while (c->kept) {
        kept_free(kept_next(c));
    }
}

/* ---- by the engine ---- */

static void start_receiving(struct server *s, struct client *c)
{
    const int r = s->standing ? unx_engine_recv(s->engine, &c->receiving.op, c->fd, NULL, UNX_STANDING, -1)
                              : unx_engine_poll(s->engine, &c->receiving.op, c->fd, POLLIN, -1);
    c->is_receiving = r == 0;
    if (r < 0) {
        report_error(DOING_RECV, client_where(s, c), r);
        c->done = true;
    }
}

static void stop_receiving(struct server *s, struct client *c)
{
    if (c->is_receiving && !c->pausing) {
        c->pausing = true;
        unx_engine_cancel(s->engine, &c->receiving.op);
    }
}

static void came(struct server *s, struct client *c, const struct unx_event *ev)
{
    const bool wanted = !c->is_closing && !c->done && !s->stop;
    if (wanted && (c->state != READING || c->kept)) {
        keep(c, ev->result, ev->msg);
    } else if (wanted) {
        client_got(s, c, ev->result, ev->msg);
    }
    unx_engine_return(s->engine, ev->msg);
}

/* The last event of a receive, or of waiting for something to receive. */
static void over(struct server *s, struct client *c, int result)
{
    c->is_receiving = c->pausing = false;
    if (result == -ECANCELED) {
        return;
    }
    if (result > 0) {
        c->reads = READS_AT_ONCE;
        return;
    }
    s->idle_since = clock_ms();
    c->ended = true;
    c->end = result;
}

static void received(struct server *s, void *of, const struct unx_event *ev)
{
    struct client *c = of;
    if (ev->flags & UNX_MORE) {
        came(s, c, ev);
    } else {
        over(s, c, ev->result);
    }
    if (!c->is_closing) {
        client_go_on(s, c);
    }
}

void client_receive_init(struct client *c)
{
    c->receiving.then = received;
    c->receiving.of = c;
}

/* ---- by hand ---- */

static bool may_start(const struct server *s)
{
    // What the programs of recv print goes to one place, and in the order of the messages.
    return s->jobs < (s->is_recv ? 1 : JOBS_MAX);
}

/* Whether it is its turn to have a program; else it is called. */
static bool has_turn(struct server *s, struct client *c)
{
    if (!s->o->command || (may_start(s) && (c->called || !s->line))) {
        c->called = false;
        return true;
    }
    if (!c->in_line) {
        c->in_line = true;
        c->behind = NULL;
        *(s->line ? &s->line_end->behind : &s->line) = c;
        s->line_end = c;
    }
    return false;
}

void clients_in_line(struct server *s)
{
    while (s->line && may_start(s) && !s->stop) {
        struct client *c = s->line;
        s->line = c->behind;
        c->in_line = false;
        c->called = true;
        client_go_on(s, c);
    }
}

/* When a signal came, and nothing is queued any more. */
static void drained(const struct server *s, struct client *c)
{
    if (c->whole.len > 0) {
        report("%s: its message has not ended; dropped after %s", client_where(s, c), report_bytes(c->whole.len));
    }
    c->done = true;
}

static void read_one(struct server *s, struct client *c)
{
    const int r = incoming_recv(&s->in, c->fd, s->max, UNX_DONTWAIT);
    c->reads -= c->reads > 0;
    if (r == 1 || (r < 0 && unx_one_message(r))) {
        client_got(s, c, r, &s->in.m);
    } else if (r == -EAGAIN) {
        c->reads = 0;
        if (s->draining) {
            drained(s, c);
        }
    } else {
        s->idle_since = clock_ms();
        c->ended = true;
        c->end = r;
    }
    incoming_close(&s->in);
}

/* ---- what is next ---- */

/* true: something has changed. */
static bool step(struct server *s, struct client *c)
{
    if (c->kept) {
        struct kept *k = kept_next(c);
        client_got(s, c, k->result, &k->m);
        kept_free(k);
    } else if (c->ended) {
        client_ended(s, c);
    } else if (c->is_receiving || server_has_enough(s)) {
        return false;
    } else if (!s->draining && (s->standing || c->reads == 0)) {
        start_receiving(s, c);
        return c->done;
    } else if (!has_turn(s, c)) {
        return false;
    } else {
        read_one(s, c);
    }
    return true;
}

void client_go_on(struct server *s, struct client *c)
{
    while (!s->stop && !c->done && c->state == READING && step(s, c)) {
    }
    if (c->state != READING && s->standing) {
        stop_receiving(s, c);
    }
    if (c->done) {
        client_close(s, c);
    }
}

void client_drain(struct server *s, struct client *c)
{
    // The end of a stream is a message there, and must not come from us.
    if (!s->whole_streams && !c->dgram) {
        unx_shutdown(c->fd, SHUT_RD);
    }
    stop_receiving(s, c);
    client_go_on(s, c);
}
