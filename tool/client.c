// SPDX-License-Identifier: MIT
/*
 * One client of `unx listen` or `unx recv`: its messages, the program that gets them, the reply.
 *
 * Promises: messages of one client are handled in order, one at a time, and the next one is read only when the reply to
 * the one before has gone; a client that does not read its replies stops nobody else; what could not be answered is said,
 * and where a reply was to come, the connection is closed, so that the client learns of it too.
 */
#include "serve.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define RETRY_MS 20
#define GIVE_UP_MS 1000

struct client *client_new(int fd, unsigned number)
{
    struct client *c = must_alloc(NULL, sizeof(*c));
    *c = (struct client){.fd = fd, .number = number, .dgram = number == 0, .job = {.in = -1, .out = -1}};
    text_puts(&c->whole, "");
    if (!c->dgram) {
        who_connected(&c->who, fd);
    }
    return c;
}

void client_free(struct client *c)
{
    for (unsigned i = 0; i < c->nfds; i++) {
        close(c->fds[i]);
    }
    close(c->fd);
    job_free(&c->job);
    who_free(&c->who);
    who_free(&c->sender);
    text_free(&c->reply);
    text_free(&c->whole);
    free(c);
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

static const char *where(const struct server *s, const struct client *c)
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

bool client_may_read(const struct server *s)
{
    // What the programs of recv print goes to one place, and in the order of the messages.
    return !server_has_enough(s) && (!s->o->command || s->jobs < (s->is_recv ? 1 : JOBS_MAX));
}

/* Nothing more is to be done for this message. */
static void message_over(struct client *c)
{
    c->state = READING;
    c->done |= c->ended;
}

static void message_failed(const struct server *s, struct client *c)
{
    message_over(c);
    c->done |= must_reply(s) && !c->dgram;
}

void client_answer(struct server *s, struct client *c)
{
    const bool stream = s->o->type == SOCK_STREAM;
    do {
        const struct iovec iov = {c->reply.p + c->replied, c->reply.len - c->replied};
        struct unx_msg m = {.iov = &iov, .niov = 1, .addr = c->dgram ? &c->from : NULL};
        if (!stream) {
            unx_grow_packet(c->fd, iov.iov_len);
        }
        const int r = unx_send(c->fd, &m, UNX_DONTWAIT);
        const int64_t now = r == -EAGAIN && c->dgram ? clock_ms() : 0;
        if (r == -EAGAIN && (!c->dgram || c->state != ANSWERING || now < c->give_up_at)) {
            c->give_up_at = c->state != ANSWERING ? now + GIVE_UP_MS : c->give_up_at;
            c->retry_at = now + RETRY_MS;
            c->state = ANSWERING;
            return;
        }
        if (r < 0) {
            char to[UNX_ADDR_TEXT + 32];
            snprintf(to, sizeof(to), "reply to %s", where(s, c));
            if (r == -EAGAIN) {
                report_fail(STATUS_TIMEOUT, "%s: its sender had no room for it for %d ms; dropped (EAGAIN)", to,
                            GIVE_UP_MS);
            } else {
                send_failed(to, r, c->fd, iov.iov_len, 0);
            }
            // A peer that has gone may have left more messages; of another failure it has to learn.
            message_over(c);
            c->done |= !c->dgram && (r == -EMSGSIZE || r == -ENOBUFS);
            return;
        }
        c->replied += m.len;
    } while (stream && c->replied < c->reply.len);
    message_over(c);
}

static void start_answer(struct server *s, struct client *c)
{
    const int kind = unx_addr_name(&c->from, NULL, NULL);
    c->replied = 0;
    if (c->dgram && kind != UNX_PATH && kind != UNX_ABSTRACT) {
        report_fail(STATUS_NOBODY, "%s: message %u: its sender has no address, so no reply can be sent", s->o->operand,
                    s->messages);
        message_over(c);
        return;
    }
    client_answer(s, c);
}

static void start_program(struct server *s, struct client *c, const struct message *m)
{
    const int r = job_start(&c->job, s->o->command, m, !s->is_recv);
    if (r < 0) {
        report_fail(STATUS_PROGRAM, "%s: %s cannot be started: %s (%s)", where(s, c), s->o->command[0], strerror(-r),
                    report_errno_name(r));
        message_failed(s, c);
        return;
    }
    s->jobs++;
    c->state = RUNNING;
}

void client_run(struct server *s, struct client *c, bool ended)
{
    job_step(&c->job, s->o->max);
    if (!ended || !job_reap(&c->job, s->o->max)) {
        return;
    }
    const bool good = job_result(&c->job, where(s, c), s->o->command[0], s->o->max);
    text_free(&c->reply);
    c->reply = c->job.reply;
    c->job.reply = (struct text){0};
    job_free(&c->job);
    s->jobs--;
    if (!good) {
        message_failed(s, c);
    } else if (s->is_recv || c->reply.len == 0) {
        message_over(c);
    } else {
        c->state = READING;
        start_answer(s, c);
    }
}

static void handle(struct server *s, struct client *c, const char *data, size_t len, const int *fds, unsigned nfds)
{
    const struct options *o = s->o;
    const struct message m = {.data = data,
                              .len = len,
                              .fds = fds,
                              .nfds = nfds,
                              .type = o->type,
                              .number = ++s->messages,
                              .connection = c->number,
                              .peer = c->dgram ? NULL : &c->who,
                              .sender = o->cred || c->dgram ? &c->sender : NULL,
                              .pidfd = o->pidfd ? &c->sender : NULL,
                              .timed = o->time,
                              .time_ns = s->in.m.got & UNX_GOT_TIME ? s->in.m.time_ns : -1,
                              .from = &c->from};
    if (!o->quiet && !(s->is_recv && o->command)) {
        struct text t = {0};
        message_show(&m, o->json, &t);
        s->stop |= !out_write(t.p, t.len);
        text_free(&t);
    }
    if (o->command) {
        start_program(s, c, &m);
    } else if (o->echo) {
        text_free(&c->reply);
        text_add(&c->reply, data, len);
        start_answer(s, c);
    } else {
        message_over(c);
    }
}

/* Adds what came to the whole that the end of the stream will make a message of. */
static void collect(struct server *s, struct client *c)
{
    if (c->whole.len + s->in.m.len > s->o->max) {
        report_fail(STATUS_CUT, "%s: more than the %zu bytes that --max allows; dropped, and closed", where(s, c),
                    s->o->max);
        c->done = true;
        return;
    }
    text_add(&c->whole, s->in.buf, s->in.m.len);
    unsigned taken = 0;
    while (taken < s->in.m.fds_got && c->nfds < FDS_MAX) {
        c->fds[c->nfds++] = s->in.fds[taken++];
    }
    if (taken < s->in.m.fds_got) {
        report_fail(STATUS_FDS, "%s: more than %d descriptors for one message; the rest is closed", where(s, c),
                    FDS_MAX);
    }
    s->in.m.fds_got -= taken;
    memmove(s->in.fds, s->in.fds + taken, s->in.m.fds_got * sizeof(*s->in.fds));
}

static void got_message(struct server *s, struct client *c)
{
    if (s->in.m.got & UNX_GOT_RESET) {
        incoming_failed(&s->in, where(s, c), -ECONNRESET, 0);
    }
    if (c->dgram) {
        c->from = s->in.from;
    }
    const char *refused = c->dgram ? allow_message(&s->allow, &s->in.m) : NULL;
    s->idle_since = refused ? s->idle_since : clock_ms();
    if (s->o->cred || s->o->pidfd || c->dgram) {
        who_free(&c->sender);
        who_sent(&c->sender, &s->in.cred, s->in.pidfd, s->in.label);
        s->in.pidfd = -1;
    }
    if (refused) {
        server_refused(
            s, &(struct message){.type = s->o->type, .len = s->in.m.len, .sender = &c->sender, .from = &c->from},
            refused);
    } else if (s->whole_streams) {
        collect(s, c);
    } else {
        handle(s, c, s->in.buf, s->in.m.len, s->in.fds, s->in.m.fds_got);
    }
    incoming_close(&s->in);
}

static void got_end(struct server *s, struct client *c)
{
    c->ended = true;
    if (!s->whole_streams || c->whole.len == 0) {
        c->done = true;
        return;
    }
    handle(s, c, c->whole.p, c->whole.len, c->fds, c->nfds);
    for (unsigned i = 0; i < c->nfds; i++) {
        close(c->fds[i]);
    }
    c->nfds = 0;
}

void client_receive(struct server *s, struct client *c)
{
    const int r = incoming_recv(&s->in, c->fd, s->o->max, UNX_DONTWAIT);
    if (r == -EAGAIN) {
        return;
    }
    if (r == 1) {
        got_message(s, c);
    } else if (r == 0) {
        s->idle_since = clock_ms();
        got_end(s, c);
    } else {
        s->idle_since = clock_ms();
        incoming_failed(&s->in, where(s, c), r, s->o->max);
        c->done |= !unx_one_message(r) || (must_reply(s) && !c->dgram);
    }
}
