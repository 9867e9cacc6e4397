// SPDX-License-Identifier: MIT
/*
 * One client of `unx listen` or `unx recv`: what is done with its messages, and the reply.
 *
 * Promises: messages of one client are handled in order, one at a time, and the next one only when the reply to the one
 * before has gone; a client that does not read its replies stops nobody else; what could not be answered is said, and
 * where a reply was to come, the connection is closed, so that the client learns of it too.
 */
#include "serve.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GIVE_UP_MS 1000

static void sent(struct server *s, void *of, const struct unx_event *ev);
static void closed(struct server *s, void *of, const struct unx_event *ev);

struct client *client_add(struct server *s, int fd, unsigned number, const struct unx_addr *from)
{
    struct client *c = must_alloc(NULL, sizeof(*c));
    *c = (struct client){.fd = fd, .number = number, .dgram = number == 0};
    c->sending.then = sent;
    c->closing.then = closed;
    c->sending.of = c->closing.of = c;
    client_receive_init(c);
    if (from) {
        c->from = *from;
    }
    if (!c->dgram) {
        who_connected(&c->who, fd);
    }
    c->next = s->clients;
    if (c->next) {
        c->next->prev = c;
    }
    s->clients = c;
    s->nclients++;
    return c;
}

static void close_fds(struct client *c)
{
    for (unsigned i = 0; i < c->nfds; i++) {
        close(c->fds[i]);
    }
    free(c->fds);
    c->fds = NULL;
    c->nfds = 0;
}

static void client_free(struct server *s, struct client *c)
{
    *(c->prev ? &c->prev->next : &s->clients) = c->next;
    if (c->next) {
        c->next->prev = c->prev;
    }
    s->nclients--;
    // A datagram socket has no other end.
    s->stop |= c->dgram;
    client_forget_kept(c);
    close_fds(c);
    who_free(&c->who);
    who_free(&c->sender);
    text_free(&c->reply);
    text_free(&c->whole);
    free(c);
}

static void closed(struct server *s, void *of, const struct unx_event *ev)
{
    (void)ev;
    client_free(s, of);
    if (s->draining && !s->stop) {
        // Its descriptor may be what those who still wait need.
        accept_last(s);
    }
}

void client_close(struct server *s, struct client *c)
{
    if (c->is_closing) {
        return;
    }
    c->is_closing = true;
    const int r = unx_engine_close(s->engine, &c->closing.op, c->fd);
    if (r < 0) {
        report_error(DOING_OTHER, client_where(s, c), r);
        s->stop = true;
    }
}

void server_refused(struct server *s, const struct message *m, const char *why)
{
    if (s->o->quiet) {
        return;
    }
    if (s->is_recv && s->o->command) {
        // Standard output is the program's.
        refusal_report(s->o->operand, m, why);
        return;
    }
    struct text t = {0};
    refusal_show(m, why, s->o->json, &t);
    s->stop |= !out_write(t.p, t.len);
    text_free(&t);
}

const char *client_where(const struct server *s, const struct client *c)
{
    static char text[32];
    if (c->dgram) {
        return s->o->operand;
    }
    snprintf(text, sizeof(text), "connection %u", c->number);
    return text;
}

static bool must_reply(const struct server *s)
{
    return s->o->echo || (s->o->command && !s->is_recv);
}

bool server_has_enough(const struct server *s)
{
    return s->is_recv ? s->messages >= s->o->count : s->o->once && s->o->type == SOCK_DGRAM && s->messages > 0;
}

/* ---- replies ---- */

static void reply_failed(struct server *s, struct client *c, int r, size_t len)
{
    char to[UNX_ADDR_TEXT + 32];
    snprintf(to, sizeof(to), "reply to %s", client_where(s, c));
    if (r == -ETIMEDOUT) {
        report_fail(STATUS_TIMEOUT, "%s: its sender had no room for it for %d ms; dropped (EAGAIN)", to, GIVE_UP_MS);
    } else {
        send_failed(to, r, c->fd, len, 0);
    }
    // A peer that has gone may have left more messages; of another failure it has to learn.
    c->done |= !c->dgram && (r == -EMSGSIZE || r == -ENOBUFS);
}

static void sent(struct server *s, void *of, const struct unx_event *ev)
{
    struct client *c = of;
    c->state = READING;
    if (c->is_closing) {
        return;
    }
    if (ev->result < 0) {
        reply_failed(s, c, ev->result, c->reply_iov.iov_len);
    }
    text_free(&c->reply);
    client_go_on(s, c);
}

/* What goes without waiting: 1: all of it; -EAGAIN: *gone bytes of it. */
static int send_now(const struct server *s, const struct client *c, const char *data, size_t len, size_t *gone)
{
    const struct iovec iov = {(char *)data, len};
    struct unx_msg m = {.iov = &iov, .niov = 1, .addr = c->dgram ? (struct unx_addr *)&c->from : NULL};
    int r = unx_send(c->fd, &m, UNX_DONTWAIT);
    if (r == -EMSGSIZE && s->o->type != SOCK_STREAM) {
        unx_grow_packet(c->fd, len);
        r = unx_send(c->fd, &m, UNX_DONTWAIT);
    }
    while (s->o->type == SOCK_STREAM && r == 1 && m.skip + m.len < len) {
        m.skip += m.len;
        r = unx_send(c->fd, &m, UNX_DONTWAIT);
    }
    *gone = m.skip;
    return r;
}

/* `data` may be that of c->reply. */
static void answer(struct server *s, struct client *c, const char *data, size_t len)
{
    const int kind = unx_addr_name(&c->from, NULL, NULL);
    if (c->dgram && kind != UNX_PATH && kind != UNX_ABSTRACT) {
        report_fail(STATUS_NOBODY, "%s: message %u: its sender has no address, so no reply can be sent", s->o->operand,
                    s->messages);
        return;
    }
    size_t gone;
    int r = send_now(s, c, data, len, &gone);
    if (r == -EAGAIN) {
        if (data != c->reply.p) {
            text_free(&c->reply);
            text_add(&c->reply, data + gone, len - gone);
            gone = 0;
        }
        c->reply_iov = (struct iovec){c->reply.p + gone, c->reply.len - gone};
        c->reply_msg = (struct unx_msg){.iov = &c->reply_iov, .niov = 1, .addr = c->dgram ? &c->from : NULL};
        r = unx_engine_send(s->engine, &c->sending.op, c->fd, &c->reply_msg, 0, c->dgram ? GIVE_UP_MS : -1);
        if (r == 0) {
            c->state = ANSWERING;
            return;
        }
    }
    if (r < 0) {
        reply_failed(s, c, r, len);
    }
}

/* ---- messages ---- */

static void no_reply(const struct server *s, struct client *c)
{
    c->done |= must_reply(s) && !c->dgram;
}

void client_program_over(struct server *s, struct client *c, bool good, struct text *reply)
{
    c->state = READING;
    if (!good) {
        no_reply(s, c);
    } else if (!s->is_recv && reply->len > 0) {
        text_free(&c->reply);
        c->reply = *reply;
        *reply = (struct text){0};
        answer(s, c, c->reply.p, c->reply.len);
        if (c->state == READING) {
            text_free(&c->reply);
        }
    }
}

static void start_program(struct server *s, struct client *c, const struct message *m)
{
    const int r = program_start(s, c, m);
    if (r == 0) {
        c->state = RUNNING;
        return;
    }
    report_fail(STATUS_PROGRAM, "%s: %s cannot be started: %s (%s)", client_where(s, c), s->o->command[0], strerror(-r),
                report_errno_name(r));
    no_reply(s, c);
}

static void handle(struct server *s, struct client *c, struct message *m, int64_t time_ns)
{
    const struct options *o = s->o;
    m->type = o->type;
    m->number = ++s->messages;
    m->connection = c->number;
    m->peer = c->dgram ? NULL : &c->who;
    m->sender = o->cred || c->dgram ? &c->sender : NULL;
    m->pidfd = o->pidfd ? &c->sender : NULL;
    m->timed = o->time;
    m->time_ns = time_ns;
    m->from = &c->from;
    if (!o->quiet && !(s->is_recv && o->command)) {
        struct text t = {0};
        message_show(m, o->json, &t);
        s->stop |= !out_write(t.p, t.len);
        text_free(&t);
    }
    if (o->command) {
        start_program(s, c, m);
    } else if (o->echo) {
        answer(s, c, m->data, m->len);
    }
}

/* Adds what came to the whole that the end of the stream will make a message of. */
static void collect(struct server *s, struct client *c, const struct unx_msg *m)
{
    if (c->whole.len + m->len > s->max) {
        report_fail(STATUS_CUT, "%s: more than the %zu bytes that --max allows; dropped, and closed",
                    client_where(s, c), s->max);
        c->done = true;
        return;
    }
    text_add(&c->whole, m->iov->iov_base, m->len);
    for (unsigned i = 0; i < m->fds_got; i++) {
        if (c->nfds == FDS_MAX) {
            report_fail(STATUS_FDS, "%s: more than %d descriptors for one message; the rest is closed",
                        client_where(s, c), FDS_MAX);
            return;
        }
        c->fds = must_alloc(c->fds, FDS_MAX * sizeof(*c->fds));
        c->fds[c->nfds++] = m->fds[i];
        m->fds[i] = -1;
    }
}

static void note_sender(const struct server *s, struct client *c, const struct unx_msg *m)
{
    static const struct unx_cred nobody;
    if (!s->o->cred && !s->o->pidfd && !c->dgram) {
        return;
    }
    who_free(&c->sender);
    who_sent(&c->sender, m->cred ? m->cred : &nobody, m->pidfd ? *m->pidfd : -1, m->label);
    if (m->pidfd) {
        *m->pidfd = -1;
    }
}

static void got_message(struct server *s, struct client *c, struct unx_msg *m)
{
    if (m->got & UNX_GOT_RESET) {
        message_failed(m, false, client_where(s, c), -ECONNRESET, 0);
    }
    if (c->dgram) {
        c->from = m->addr ? *m->addr : (struct unx_addr){0};
    }
    const char *refused = c->dgram ? allow_message(&s->allow, m) : NULL;
    s->idle_since = refused ? s->idle_since : clock_ms();
    note_sender(s, c, m);
    if (refused) {
        server_refused(s, &(struct message){.type = s->o->type, .len = m->len, .sender = &c->sender, .from = &c->from},
                       refused);
    } else if (s->whole_streams) {
        collect(s, c, m);
    } else {
        struct message shown = {.data = m->iov->iov_base, .len = m->len, .fds = m->fds, .nfds = m->fds_got};
        handle(s, c, &shown, m->got & UNX_GOT_TIME ? m->time_ns : -1);
    }
}

void client_got(struct server *s, struct client *c, int r, struct unx_msg *m)
{
    if (r == 1 && s->o->no_fds && m->fds_got) {
        r = -ENOBUFS;
    }
    if (r == 1) {
        got_message(s, c, m);
        return;
    }
    s->idle_since = clock_ms();
    message_failed(m, s->o->no_fds, client_where(s, c), r, s->max);
    no_reply(s, c);
}

void client_ended(struct server *s, struct client *c)
{
    if (c->end < 0) {
        message_failed(&(struct unx_msg){0}, false, client_where(s, c), c->end, 0);
    } else if (c->whole.len > 0) {
        struct message whole = {.data = c->whole.p, .len = c->whole.len, .fds = c->fds, .nfds = c->nfds};
        handle(s, c, &whole, -1);
        c->whole.len = 0;
        close_fds(c);
        return;
    }
    c->done = true;
}
