// SPDX-License-Identifier: MIT
/*
 * An echo server on the engine: every packet goes back to who sent it. Nothing here knows which event loop it runs in.
 *
 * A client has one operation that receives and sends by turns: who does not read its answers gets no more of them, and
 * holds up nobody else. A second one tells it what it has not asked for, at any time: the engine keeps the order, and
 * packets whole. unx_engine_close() comes back as the last of all; then the client can be freed.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include <unx/policy.h>

#include "loop_server.h"

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

struct client {
    struct client *next, *prev;
    int fd;
    bool closing, telling;
    struct unx_op turn, tell, close;
    struct unx_msg in, out, news;
    struct iovec room, data, line;
    char buf[65536], text[64];
};

static int fail(const char *what, int error)
{
    fprintf(stderr, "loop_server: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void leave(struct server *s, struct client *c)
{
    if (!c->closing)
        unx_engine_close(s->engine, &c->close, c->fd);
    c->closing = true;
}

static void receive(struct server *s, struct client *c)
{
    if (unx_engine_recv(s->engine, &c->turn, c->fd, &c->in, 0, -1) < 0)
        leave(s, c);
}

static void turn_ended(struct server *s, struct client *c, const struct unx_event *ev)
{
    if (ev->msg == &c->in && ev->result == 1) {
        c->data = (struct iovec){c->buf, c->in.len};
        if (unx_engine_send(s->engine, &c->turn, c->fd, &c->out, 0, -1) < 0)
            leave(s, c);
    } else if (ev->result == 1 || unx_one_message(ev->result)) { /* answered, or refused: too large, with descriptors */
        s->answered += ev->result == 1;
        receive(s, c);
    } else {
        leave(s, c);
    }
}

static void come(struct server *s, int fd)
{
    struct client *const c = calloc(1, sizeof *c);
    if (!c || s->stopping || unx_policy_check(&same_user, fd, NULL, NULL) < 0) {
        close(fd);
        free(c);
        return;
    }
    c->fd = fd;
    c->turn.data = c->tell.data = c->close.data = c;
    c->room = (struct iovec){c->buf, sizeof c->buf};
    c->in = (struct unx_msg){.iov = &c->room, .niov = 1};
    c->out = (struct unx_msg){.iov = &c->data, .niov = 1};
    c->news = (struct unx_msg){.iov = &c->line, .niov = 1};
    c->next = s->clients;
    if (c->next)
        c->next->prev = c;
    s->clients = c;
    s->nclients++;
    receive(s, c);
}

static void gone(struct server *s, struct client *c)
{
    *(c->prev ? &c->prev->next : &s->clients) = c->next;
    if (c->next)
        c->next->prev = c->prev;
    s->nclients--;
    free(c);
}

bool server_event(struct server *s, const struct unx_event *ev)
{
    if (!ev->op)
        exit(fail("engine", ev->result));
    struct client *const c = ev->op->data;
    if (ev->op == &s->accept) {
        if (ev->result >= 0)
            come(s, ev->result);
        else if (ev->result != -ECANCELED)
            fail("accept", ev->result);
    } else if (ev->op == &s->close) {
        s->listening = false;
    } else if (ev->op == &c->close) {
        gone(s, c);
    } else if (ev->op == &c->turn) {
        turn_ended(s, c, ev);
    } else {
        c->telling = false;
    }
    return !s->listening && !s->clients;
}

void server_tell(struct server *s)
{
    for (struct client *c = s->clients; c; c = c->next) {
        if (c->telling || c->closing)
            continue;
        c->line = (struct iovec){c->text, (size_t)snprintf(c->text, sizeof c->text, "clients: %u\n", s->nclients)};
        c->telling = unx_engine_send(s->engine, &c->tell, c->fd, &c->news, 0, 1000) == 0;
    }
}

void server_stop(struct server *s)
{
    if (s->stopping)
        return;
    s->stopping = true;
    unx_engine_close(s->engine, &s->close, s->listener);
    for (struct client *c = s->clients; c; c = c->next)
        leave(s, c);
}

int server_open(struct server *s, const char *addr)
{
    struct unx_addr a;
    int r = unx_addr_parse(&a, addr);
    if (r < 0)
        return fail(addr, r);
    s->listener = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &a, -1, UNX_MODE_UMASK);
    if (s->listener < 0)
        return fail("listen", s->listener);
    r = unx_engine_new(&s->engine, 0, 0);
    return r < 0 ? fail("engine", r) : 0;
}

int server_start(struct server *s)
{
    s->listening = true;
    return unx_engine_accept(s->engine, &s->accept, s->listener, UNX_STANDING, -1);
}

void server_free(struct server *s)
{
    printf("stopped, %lu answered\n", s->answered);
    unx_engine_free(s->engine);
}
