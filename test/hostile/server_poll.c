// SPDX-License-Identifier: MIT
/*
 * The server with one thread, poll(2) and calls that do not wait (server.h). Each round takes one message of each
 * connection that has some, so that nobody can talk others down. It has room for all descriptors that a message can
 * have, and closes none of them itself, nor lets the library; or for few, and then the library closes the rest.
 *
 * What surprised us: poll(2) of more entries than RLIMIT_NOFILE fails, also if most of them are -1.
 */
#include "../harness.h"
#include "../raw.h"
#include "server.h"

#include <poll.h>
#include <string.h>
#include <unistd.h>

enum { SEQ_LISTENER = CONNS, STREAM_LISTENER, NOTIFIED, POLLED, ACCEPTS = 16, NOTIFICATIONS = 16 };

static struct pollfd polled[POLLED];
static nfds_t npolled;
static int place[POLLED]; /* where in it; -1: not asked for */
static char buf[ROOM];

static unsigned answer(const struct conn *c, const struct reply *r)
{
    char framed[4 + sizeof *r];
    const uint32_t len = sizeof *r;
    memcpy(framed, &len, 4);
    memcpy(framed + 4, r, sizeof *r);
    const struct iovec data =
        c->type == SOCK_STREAM ? (struct iovec){framed, sizeof framed} : (struct iovec){framed + 4, sizeof *r};
    struct unx_msg m = {.iov = &data, .niov = 1};
    const int sent = unx_send(c->fd, &m, UNX_DONTWAIT);
    /* A reply that goes in part finds no room because the ones before are unread. */
    return sent == 1 ? (m.len == data.iov_len ? 0 : NOT_READING) : sent == -EAGAIN ? NOT_READING : RESET;
}

static unsigned serve_packet(struct server *s, struct conn *c)
{
    int fds[LARGEST];
    struct unx_cred cred;
    struct reply r;
    const struct iovec room = {buf, ROOM};
    struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = s->ground->few ? FDS_MAX : LARGEST, .cred = &cred};
    const int got = unx_recv(c->fd, &m, UNX_DONTWAIT);
    if (got == -EAGAIN) {
        return 0;
    }
    const unsigned why = server_packet(s, c, got, &m, &r);
    return why != 0 ? why : answer(c, &r);
}

static unsigned serve_stream(struct server *s, struct conn *c)
{
    const struct iovec room = {buf, FRAME_MAX};
    struct unx_msg m = {.iov = &room, .niov = 1};
    const int got = unx_recv(c->fd, &m, UNX_DONTWAIT);
    if (got == -EAGAIN) {
        return 0;
    }
    unsigned why = server_stream_result(s, c, got, &m);
    for (size_t at = 0, used = 0; why == 0 && at < m.len; at += used) {
        struct reply r;
        why = server_bytes(s, c, buf + at, m.len - at, &used, &r);
        why = why == 0 ? answer(c, &r) : why == WANTS ? 0 : why;
    }
    return why;
}

static void leave(struct server *s, int i, unsigned why)
{
    farewell(s->conns[i].fd);
    server_leave(s, &s->conns[i], why);
}

/* False: there is no room for anybody now, so it makes no sense to ask again at once. */
static bool accept_some(struct server *s, struct unx_listener *l, int type)
{
    for (int i = 0; i < ACCEPTS; i++) {
        const int fd = unx_listener_accept(l, UNX_NONBLOCK, NULL, 0);
        if (fd < 0) {
            server_full(s, fd);
            return fd == -EAGAIN;
        }
        server_admit(s, fd, type);
    }
    return true;
}

static void ask(int what, int fd)
{
    place[what] = fd < 0 ? -1 : (int)npolled;
    if (fd >= 0) {
        polled[npolled++] = (struct pollfd){.fd = fd, .events = POLLIN};
    }
}

static bool told(int what)
{
    return place[what] >= 0 && polled[place[what]].revents != 0;
}

static void prepare(const struct server *s, bool paused)
{
    npolled = 0;
    for (int i = 0; i < CONNS; i++) {
        ask(i, s->conns[i].used ? s->conns[i].fd : -1);
    }
    ask(SEQ_LISTENER, paused ? -1 : unx_listener_fd(s->seq));
    ask(STREAM_LISTENER, paused ? -1 : unx_listener_fd(s->stream));
    ask(NOTIFIED, s->notify);
}

static void serve_round(struct server *s)
{
    const int64_t now = raw_now();
    for (int i = 0; i < CONNS; i++) {
        struct conn *c = &s->conns[i];
        unsigned why = 0;
        if (told(i)) {
            why = (c->type == SOCK_STREAM ? serve_stream : serve_packet)(s, c);
        }
        why = why == 0 && server_late(c, now) ? SILENT : why;
        if (why != 0) {
            leave(s, i, why);
        }
    }
    for (int i = 0; i < NOTIFICATIONS && told(NOTIFIED) && server_notification(s, UNX_DONTWAIT); i++) {
    }
}

void serve_poll(struct server *s)
{
    int64_t paused_until = 0;
    while (!server_over(s)) {
        prepare(s, raw_now() < paused_until);
        if (poll(polled, npolled, 30) < 0) {
            continue;
        }
        serve_round(s);
        if ((told(SEQ_LISTENER) && !accept_some(s, s->seq, SOCK_SEQPACKET)) ||
            (told(STREAM_LISTENER) && !accept_some(s, s->stream, SOCK_STREAM))) {
            paused_until = raw_now() + 50;
        }
    }
    for (int i = 0; i < CONNS; i++) {
        if (s->conns[i].used) {
            leave(s, i, ENDED);
        }
    }
}
