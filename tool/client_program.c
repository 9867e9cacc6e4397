// SPDX-License-Identifier: MIT
/*
 * The programs that get messages, as the engine sees them: pipes that can be written to and read from.
 *
 * Promises: a pipe is closed by the engine alone, which may still look at it; a program that ends is waited for at
 * once.
 */
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

/* Our end of a pipe. */
struct end {
    struct task waiting, closing;
    int fd; /* -1: none, or closed */
    bool is_waiting, is_closing;
};

struct program {
    struct program *next;
    struct job job;
    struct end in, out;
    struct client *client;
};

static bool at_work(const struct end *e)
{
    return e->fd >= 0 || e->is_closing;
}

/* Waits for the events, or closes it if nothing more is to be done there. */
static void end_go_on(struct server *s, struct end *e, bool over, int events)
{
    int r = 0;
    if (e->fd < 0 || e->is_closing) {
        return;
    }
    if (over) {
        r = unx_engine_close(s->engine, &e->closing.op, e->fd);
        e->is_closing = r == 0;
    } else if (!e->is_waiting) {
        r = unx_engine_poll(s->engine, &e->waiting.op, e->fd, events, -1);
        e->is_waiting = r == 0;
    }
    if (r < 0) {
        report_error(DOING_OTHER, s->o->command[0], r);
        s->stop = true;
    }
}

static void go_on(struct server *s, struct program *p)
{
    end_go_on(s, &p->in, p->job.fed, POLLOUT);
    end_go_on(s, &p->out, p->job.heard, POLLIN);
}

static void ready(struct server *s, struct program *p, struct end *e)
{
    e->is_waiting = false;
    if (!e->is_closing) {
        job_step(&p->job, s->o->max);
        go_on(s, p);
    }
}

static void in_ready(struct server *s, void *of, const struct unx_event *ev)
{
    struct program *p = of;
    (void)ev;
    ready(s, p, &p->in);
}

static void out_ready(struct server *s, void *of, const struct unx_event *ev)
{
    struct program *p = of;
    (void)ev;
    ready(s, p, &p->out);
}

/* Frees it, if it has ended and nothing of it is out. */
static void drop(struct server *s, struct program *p)
{
    if (!p->job.ended || at_work(&p->in) || at_work(&p->out)) {
        return;
    }
    struct program **at = &s->programs;
    while (*at != p) {
        at = &(*at)->next;
    }
    *at = p->next;
    job_free(&p->job);
    free(p);
}

static void in_closed(struct server *s, void *of, const struct unx_event *ev)
{
    struct program *p = of;
    (void)ev;
    p->in.is_closing = false;
    p->in.fd = -1;
    drop(s, p);
}

static void out_closed(struct server *s, void *of, const struct unx_event *ev)
{
    struct program *p = of;
    (void)ev;
    p->out.is_closing = false;
    p->out.fd = -1;
    drop(s, p);
}

int program_start(struct server *s, struct client *c, const struct message *m)
{
    struct program *p = must_alloc(NULL, sizeof(*p));
    *p = (struct program){.client = c};
    const int r = job_start(&p->job, s->o->command, m, !s->is_recv);
    if (r < 0) {
        free(p);
        return r;
    }
    p->in =
        (struct end){.fd = p->job.in, .waiting = {.then = in_ready, .of = p}, .closing = {.then = in_closed, .of = p}};
    p->out = (struct end){
        .fd = p->job.out, .waiting = {.then = out_ready, .of = p}, .closing = {.then = out_closed, .of = p}};
    p->next = s->programs;
    s->programs = p;
    s->jobs++;
    go_on(s, p);
    return 0;
}

static void ended(struct server *s, struct program *p)
{
    struct client *c = p->client;
    s->jobs--;
    go_on(s, p);
    if (c) {
        const bool good = job_result(&p->job, client_where(s, c), s->o->command[0], s->o->max);
        client_program_over(s, c, good, &p->job.reply);
        client_go_on(s, c);
    }
    drop(s, p);
}

void programs_reap(struct server *s)
{
    for (struct program *p = s->programs, *next; p; p = next) {
        next = p->next;
        if (!p->job.ended && job_reap(&p->job, s->o->max)) {
            ended(s, p);
        }
    }
    clients_in_line(s);
}

void programs_leave(struct server *s)
{
    for (struct program *p = s->programs, *next; p; p = next) {
        next = p->next;
        if (!p->job.ended && (ending_signal || s->draining)) {
            kill(p->job.pid, SIGTERM);
        }
        p->client = NULL;
        p->job.ended = p->job.fed = p->job.heard = true;
        go_on(s, p);
        drop(s, p);
    }
}
