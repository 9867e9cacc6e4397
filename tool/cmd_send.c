// SPDX-License-Identifier: MIT
/*
 * unx send: standard input as one packet, or a packet for each line; and a reply.
 *
 * Promises: the input is read whole before anybody is connected to, so that no server waits for a slow pipe; a packet
 * that is too large is refused as a whole; an empty input is an error unless it was asked for.
 */
#include "tool.h"
#include <errno.h>
#include <unistd.h>

struct sending {
    const struct options *o;
    int fd;
    int fds[FDS_MAX];
    bool lent;
    struct unx_cred cred;
    struct incoming in;
    unsigned packets, replies;
};

static int check_options(const struct options *o)
{
    if (o->lines && o->type == SOCK_STREAM) {
        return report_fail(STATUS_USAGE, "--lines: a stream has no packets; leave it out, lines go as they are");
    }
    if (o->empty && o->type == SOCK_STREAM) {
        return report_fail(STATUS_USAGE, "--empty: a stream has no packets, and so no empty one");
    }
    if (o->lines && o->data) {
        return report_fail(STATUS_USAGE, "--data and --lines: one or the other; --data is one packet");
    }
    if (o->lines && o->empty) {
        return report_fail(STATUS_USAGE,
                           "--empty and --lines: one or the other; with --lines an empty line is an empty packet");
    }
    const char *needs_reply = o->json ? "--json" : o->no_fds ? "--no-fds" : o->quiet ? "--quiet" : NULL;
    if (needs_reply && !o->reply) {
        return report_fail(STATUS_USAGE, "%s: it is about the reply; say --reply too", needs_reply);
    }
    return STATUS_OK;
}

static bool get_reply(struct sending *s, int64_t deadline)
{
    const struct options *o = s->o;
    const int r = recv_by(&s->in, s->fd, o->max, deadline);
    if (r == 1) {
        return show_received(o, &s->in, ++s->replies);
    }
    if (r == 0) {
        report_fail(STATUS_PEER, "%s: the peer closed before a reply", o->operand);
    } else if (r == -ETIMEDOUT) {
        report_fail(STATUS_TIMEOUT, "%s: no reply within %d ms (ETIMEDOUT)", o->operand, o->timeout);
    } else {
        incoming_failed(&s->in, o->operand, r, o->max);
    }
    return false;
}

/* What the peer had said before it went. */
static void get_last_words(struct sending *s)
{
    int r;
    while ((r = incoming_recv(&s->in, s->fd, s->o->max, UNX_DONTWAIT)) == 1) {
        if (!show_received(s->o, &s->in, ++s->replies)) {
            return;
        }
    }
}

static bool send_packet(struct sending *s, const char *data, size_t len, int64_t deadline)
{
    const struct options *o = s->o;
    const struct iovec iov = {(char *)data, len};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = o->cred ? &s->cred : NULL};
    if (!s->lent && o->nfds) {
        m.fds = s->fds;
        m.nfds = o->nfds;
    }
    s->lent = true;
    unx_grow_packet(s->fd, len);
    const int r = send_by(s->fd, &m, deadline);
    if (r < 0) {
        if (s->packets) {
            report("%s: %u packet%s went before this one", o->operand, s->packets, s->packets == 1 ? "" : "s");
        }
        send_failed(o->operand, r, s->fd, len, m.nfds);
        if (o->reply && o->type != SOCK_DGRAM) {
            get_last_words(s);
        }
        return false;
    }
    s->packets++;
    return !o->reply || get_reply(s, deadline);
}

static void send_lines(struct sending *s)
{
    struct line_input in = {0};
    const char *line;
    size_t len;
    int r;
    while ((r = input_line(&in, &line, &len)) == 1 && send_packet(s, line, len, deadline_after(s->o->timeout))) {
    }
    if (r == 0 && s->packets == 0) {
        report_fail(STATUS_USAGE, "standard input has no line; nothing was sent");
    }
    text_free(&in.text);
}

static int open_socket(const struct options *o, const struct target *t)
{
    unsigned flags = 0;
    if (o->reply) {
        flags = (o->no_fds ? 0 : UNX_PASSFDS) | (o->cred ? UNX_PASSCRED | UNX_PASSPIDFD : 0);
    }
    const int fd = target_connect(t, o->type, flags, o->timeout);
    if (fd < 0) {
        target_connect_failed(t, fd);
        return fd;
    }
    if (o->reply && !reply_address(fd, o->type)) {
        close(fd);
        return -1;
    }
    return fd;
}

static void send_all(struct sending *s, const struct target *t, const struct text *input)
{
    const struct options *o = s->o;
    const int64_t deadline = deadline_after(o->timeout);
    s->fd = open_socket(o, t);
    if (s->fd < 0) {
        return;
    }
    if (o->type == SOCK_STREAM) {
        pump(o, s->fd, s->fds, o->reply ? PUMP_CALL : PUMP_SEND);
    } else if (o->lines) {
        send_lines(s);
    } else {
        send_packet(s, input->p, input->len, deadline);
    }
    close(s->fd);
}

static bool get_input(const struct options *o, struct text *input)
{
    if (o->type == SOCK_STREAM || o->lines) {
        return true;
    }
    if (o->data) {
        text_puts(input, o->data);
    } else if (!input_whole(input)) {
        return false;
    }
    if (input->len == 0 && !o->empty) {
        report_fail(STATUS_USAGE, "%s is empty; --empty sends an empty packet", o->data ? "--data" : "standard input");
        return false;
    }
    return true;
}

int cmd_send(const struct options *o)
{
    struct target t;
    struct sending s = {.o = o};
    struct text input = {0};
    const int status = check_options(o);
    if (status) {
        return status;
    }
    if (!target_parse(&t, o->operand)) {
        return STATUS_USAGE;
    }
    incoming_init(&s.in, o->no_fds);
    if (lend_open(o, s.fds)) {
        if (own_cred(o, &s.cred) && get_input(o, &input)) {
            send_all(&s, &t, &input);
        }
        lend_close(o, s.fds);
    }
    incoming_free(&s.in);
    text_free(&input);
    target_free(&t);
    return report_status();
}
