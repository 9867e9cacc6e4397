// SPDX-License-Identifier: MIT
/*
 * The server on an engine (server.h): standing receives, a send for each reply, a timer.
 *
 * What it has to look after: the engine closes a descriptor in its own thread, so a copy is kept until then, and what
 * is unread in the connection goes with that. A message of the pool goes back at once, its descriptors taken out. Each
 * buffer of the pool may hold 253 descriptors, so there are few.
 */
#include "../harness.h"
#include "../raw.h"
#include "server.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { OUTS = 16, EVENTS = 64, BUFFERS = 8, NOTIFICATIONS = 16, TICK_MS = 30 };

struct task {
    struct unx_op op;
    void (*then)(struct unx_event *ev);
};

struct out {
    struct task task;
    struct unx_msg m;
    struct iovec iov;
    bool busy;
    char framed[4 + sizeof(struct reply)];
};

/* A connection of the engine lives until its last event, which is longer than its place in the table. */
struct line {
    struct task in, bye;
    bool used, leaving;
    int fd, copy, type;
    struct conn *c;
    struct out outs[OUTS];
};

static struct line lines[2 * CONNS];
static struct task accepting[2], notified, tick, closing[3];
static int listening[2], notify_copy;
static struct unx_engine *engine;
static unsigned busy; /* operations that are out */
static bool over;

static void leave(struct line *l, unsigned why)
{
    if (l->leaving) {
        return;
    }
    l->leaving = true;
    server_leave(the_server, l->c, why);
    l->c = NULL;
    /* The engine's is not to be the last one. */
    l->copy = unx_dup(l->fd);
    unx_shutdown(l->fd, SHUT_RDWR);
    CHECK_INT(unx_engine_close(engine, &l->bye.op, l->fd), 0);
    busy++;
}

static void gone(struct unx_event *ev)
{
    struct line *l = ev->op->data;
    if (l->copy >= 0) {
        farewell(l->copy);
    }
    l->used = false;
}

static void sent(struct unx_event *ev)
{
    struct out *o = (struct out *)ev->op;
    o->busy = false;
    if (ev->result < 0) {
        leave(ev->op->data, ev->result == -ETIMEDOUT ? NOT_READING : RESET);
    }
}

static unsigned answer(struct line *l, const struct reply *r)
{
    struct out *o = l->outs;
    while (o < l->outs + OUTS && o->busy) {
        o++;
    }
    if (o == l->outs + OUTS) {
        return NOT_READING;
    }
    const uint32_t len = sizeof *r;
    const bool stream = l->type == SOCK_STREAM;
    memcpy(o->framed, &len, 4);
    memcpy(o->framed + 4, r, sizeof *r);
    o->iov = stream ? (struct iovec){o->framed, sizeof o->framed} : (struct iovec){o->framed + 4, sizeof *r};
    o->m = (struct unx_msg){.iov = &o->iov, .niov = 1};
    o->task.op.data = l;
    o->task.then = sent;
    o->busy = unx_engine_send(engine, &o->task.op, l->fd, &o->m, UNX_LAZY, SEND_MS) == 0;
    busy += o->busy;
    return o->busy ? 0 : RESET;
}

static unsigned heard_bytes(struct line *l, const struct unx_event *ev)
{
    unsigned why = server_stream_result(the_server, l->c, ev->result, ev->msg);
    for (size_t at = 0, used = 0; why == 0 && at < ev->msg->len; at += used) {
        struct reply r;
        why = server_bytes(the_server, l->c, (char *)ev->msg->iov[0].iov_base + at, ev->msg->len - at, &used, &r);
        why = why == 0 ? answer(l, &r) : why == WANTS ? 0 : why;
    }
    return why;
}

static void heard(struct unx_event *ev)
{
    struct line *l = ev->op->data;
    unsigned why = 0;
    if (l->leaving) {
        if (ev->msg != NULL) {
            dispose(ev->msg->fds, ev->msg->fds_got);
            for (unsigned i = 0; i < ev->msg->fds_got; i++) {
                ev->msg->fds[i] = -1;
            }
        }
    } else if (l->type == SOCK_STREAM) {
        why = heard_bytes(l, ev);
    } else {
        struct reply r;
        why = server_packet(the_server, l->c, ev->result, ev->msg, &r);
        why = why == 0 ? answer(l, &r) : why;
    }
    unx_engine_return(engine, ev->msg);
    if (why != 0) {
        leave(l, why);
    } else if ((ev->flags & UNX_MORE) == 0 && !l->leaving) {
        leave(l, ENDED);
    }
}

static void accepted(struct unx_event *ev)
{
    const int type = ev->op == &accepting[0].op ? SOCK_SEQPACKET : SOCK_STREAM;
    if (ev->result < 0) {
        server_full(the_server, ev->result);
        return;
    }
    struct line *l = lines;
    while (l < lines + 2 * CONNS && l->used) {
        l++;
    }
    if (over || l == lines + 2 * CONNS) {
        farewell(ev->result);
        return;
    }
    struct conn *c = server_admit(the_server, ev->result, type);
    if (c == NULL) {
        return;
    }
    memset(l, 0, sizeof *l);
    l->used = true;
    l->fd = ev->result;
    l->type = type;
    l->c = c;
    l->in.op.data = l->bye.op.data = l;
    l->in.then = heard;
    l->bye.then = gone;
    CHECK_INT(unx_engine_recv(engine, &l->in.op, l->fd, NULL, UNX_STANDING, -1), 0);
    busy++;
}

static void watch_notifications(void)
{
    CHECK_INT(unx_engine_poll(engine, &notified.op, notify_copy, POLLIN, -1), 0);
    busy++;
}

static void on_notified(struct unx_event *ev)
{
    if (over || ev->result < 0) {
        return;
    }
    for (int i = 0; i < NOTIFICATIONS && server_notification(the_server, UNX_DONTWAIT); i++) {
    }
    watch_notifications();
}

static void on_tick(struct unx_event *ev)
{
    const int64_t now = raw_now();
    for (struct line *l = lines; l < lines + 2 * CONNS; l++) {
        if (l->used && !l->leaving && server_late(l->c, now)) {
            leave(l, SILENT);
        }
    }
    if (!over) {
        CHECK_INT(unx_engine_timer(engine, ev->op, TICK_MS), 0);
        busy++;
    }
}

static void nothing(struct unx_event *ev)
{
    (void)ev;
}

static void start(struct server *s, unsigned backend)
{
    CHECK_INT(unx_engine_new(&engine, 0, backend), 0);
    CHECK_INT(unx_engine_buffers(engine, BUFFERS, ROOM), 0);
    struct unx_listener *l[2] = {s->seq, s->stream};
    for (int i = 0; i < 2; i++) {
        listening[i] = unx_dup(unx_listener_fd(l[i]));
        CHECK(listening[i] >= 0);
        accepting[i].then = accepted;
        CHECK_INT(unx_engine_accept(engine, &accepting[i].op, listening[i], UNX_STANDING, -1), 0);
        busy++;
    }
    notify_copy = unx_dup(s->notify);
    CHECK(notify_copy >= 0);
    notified.then = on_notified;
    watch_notifications();
    tick.then = on_tick;
    CHECK_INT(unx_engine_timer(engine, &tick.op, TICK_MS), 0);
    busy++;
}

static void end(void)
{
    const int fds[3] = {listening[0], listening[1], notify_copy};
    over = true;
    for (int i = 0; i < 3; i++) {
        closing[i].then = nothing;
        CHECK_INT(unx_engine_close(engine, &closing[i].op, fds[i]), 0);
        busy++;
    }
    for (struct line *l = lines; l < lines + 2 * CONNS; l++) {
        if (l->used) {
            leave(l, ENDED);
        }
    }
}

static void take_events(int timeout_ms)
{
    struct unx_event events[EVENTS];
    const int n = unx_engine_reap(engine, events, EVENTS, timeout_ms);
    CHECK(n >= 0);
    for (int i = 0; i < n; i++) {
        busy -= (events[i].flags & UNX_MORE) == 0;
        ((struct task *)events[i].op)->then(&events[i]);
    }
}

void serve_engine(struct server *s, unsigned backend)
{
    start(s, backend);
    while (!server_over(s)) {
        take_events(100);
    }
    end();
    const int64_t until = raw_now() + 5000;
    while (busy > 0 && raw_now() < until) {
        take_events(100);
    }
    CHECK_INT(busy, 0);
    CHECK_INT(unx_engine_free(engine), 0);
}
