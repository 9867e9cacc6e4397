// SPDX-License-Identifier: MIT
/*
 * Who comes to `unx listen` and `unx recv`.
 *
 * Promises: who is not allowed is closed before anything of it is read; with a full table of descriptors newcomers wait
 * in the backlog, and that is said once for as long as they do; when a signal comes, those that wait there are the last
 * ones.
 *
 * What surprised us: the engine may look at a descriptor until it has closed it itself, and a name is taken for as long
 * as anybody looks at its socket. So the engine has a copy of the listener's descriptor, and that is closed by it.
 */
#include "serve.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

static bool is_full(int r)
{
    return r == -EMFILE || r == -ENFILE || r == -ENOBUFS || r == -ENOMEM;
}

static void note_full(struct server *s, int err)
{
    if (!s->accept_noted) {
        report("new connections wait: %s (%s)", strerror(-err), report_errno_name(err));
    }
    s->accept_noted = true;
}

static bool admit(struct server *s, int fd, unsigned number, const struct unx_addr *from)
{
    const char *why = allow_connection(&s->allow, fd);
    if (why) {
        struct who who;
        who_connected(&who, fd);
        server_refused(s, &(struct message){.type = s->o->type, .connection = number, .peer = &who, .from = from}, why);
        who_free(&who);
    }
    return !why;
}

static void connected(struct server *s, int fd)
{
    struct unx_addr from;
    if (unx_peer_addr(fd, &from) < 0) {
        from.len = 0;
    }
    // A standing accept may bring one more than the one that was to come.
    const bool late = s->o->once && !s->listener;
    if (s->stop || late || !admit(s, fd, ++s->connections, &from)) {
        close(fd);
        return;
    }
    s->idle_since = clock_ms();
    struct client *c = client_add(s, fd, s->connections, &from);
    if (s->o->once) {
        accept_end(s);
    }
    if (s->draining) {
        client_drain(s, c);
    } else {
        client_go_on(s, c);
    }
}

static unsigned accept_flags(const struct server *s)
{
    return s->o->time ? UNX_TIMESTAMP : 0;
}

static void accepted(struct server *s, void *of, const struct unx_event *ev)
{
    (void)of;
    if (is_full(ev->result)) {
        note_full(s, ev->result);
    } else if (ev->result >= 0) {
        // Nobody waits any more.
        s->accept_noted = s->accept_noted && s->accept_fd >= 0 && unx_wait(s->accept_fd, POLLIN, 0) > 0;
        connected(s, ev->result);
    } else if (ev->result != -ECANCELED && !s->draining) {
        report_error(DOING_RECV, s->o->operand, ev->result);
        s->stop = true;
    }
}

static void no_more(struct server *s, void *of, const struct unx_event *ev)
{
    (void)of;
    (void)ev;
    s->accept_ending = false;
}

bool accept_start(struct server *s)
{
    int r = unx_dup(unx_listener_fd(s->listener));
    const int fd = r;
    if (fd >= 0 && s->o->type == SOCK_DGRAM) {
        client_go_on(s, client_add(s, fd, 0, NULL));
        return !s->stop;
    }
    if (fd >= 0) {
        s->accept_fd = fd;
        s->accepting.then = accepted;
        s->no_more.then = no_more;
        r = unx_engine_accept(s->engine, &s->accepting.op, fd, UNX_STANDING | accept_flags(s), -1);
    }
    if (r < 0) {
        report_error(DOING_OTHER, s->o->operand, r);
    }
    return r >= 0;
}

static void close_copy(struct server *s)
{
    if (s->accept_fd >= 0) {
        const int r = unx_engine_close(s->engine, &s->no_more.op, s->accept_fd);
        s->accept_ending = r == 0;
        s->accept_fd = -1;
    }
}

void accept_end(struct server *s)
{
    close_copy(s);
    target_close(&s->target, &s->listener);
}

void accept_last(struct server *s)
{
    if (s->o->type == SOCK_DGRAM || !s->listener) {
        return;
    }
    close_copy(s);
    int fd;
    while ((fd = unx_listener_accept(s->listener, accept_flags(s), NULL, 0)) >= 0) {
        connected(s, fd);
    }
    if (is_full(fd)) {
        note_full(s, fd);
    } else {
        accept_end(s);
    }
}
