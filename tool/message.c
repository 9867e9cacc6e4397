// SPDX-License-Identifier: MIT
/*
 * Receiving a message whole, and showing it.
 *
 * Promises: the room grows to the size of the packet, so that nothing is cut below the given maximum; a packet beyond
 * it, and one whose descriptors could not be installed, is dropped as a whole and said to be; every descriptor is
 * closed by incoming_close() at the latest.
 */
#include "tool.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define ROOM_FIRST ((size_t)64 << 10)

void incoming_init(struct incoming *in, bool no_fds)
{
    *in = (struct incoming){.pidfd = -1, .no_fds = no_fds};
}

static void set_room(struct incoming *in, size_t room)
{
    if (room > in->room) {
        in->buf = must_alloc(in->buf, room);
        in->room = room;
    }
    in->iov = (struct iovec){in->buf, in->room};
}

static int recv_once(struct incoming *in, int fd, unsigned flags)
{
    const int limit = unx_limit(UNX_LIMIT_FDS);
    const unsigned room = limit < 0 || in->no_fds ? 0 : limit < FDS_MAX ? (unsigned)limit : FDS_MAX;
    in->m = (struct unx_msg){.iov = &in->iov,
                             .niov = 1,
                             .fds = in->fds,
                             .nfds = room,
                             .addr = &in->from,
                             .cred = &in->cred,
                             .pidfd = &in->pidfd,
                             .label = in->label,
                             .label_max = sizeof(in->label)};
    return unx_recv(fd, &in->m, flags);
}

int incoming_recv(struct incoming *in, int fd, size_t max, unsigned flags)
{
    incoming_close(in);
    set_room(in, max < ROOM_FIRST ? max : ROOM_FIRST);
    in->iov.iov_len = in->room < max ? in->room : max;
    int r = recv_once(in, fd, flags | UNX_KEEP);
    if (r == -EMSGSIZE && in->m.full_len <= max) {
        set_room(in, in->m.full_len);
        r = recv_once(in, fd, flags | UNX_KEEP);
    }
    if (r == -EMSGSIZE) {
        // It is still queued, and would be for ever.
        const size_t full_len = in->m.full_len;
        r = recv_once(in, fd, flags);
        if (r == -EMSGSIZE) {
            in->m.full_len = full_len;
        }
    }
    return r;
}

int message_failed(const struct unx_msg *m, bool no_fds, const char *where, int err, size_t max)
{
    switch (err) {
    case -EMSGSIZE:
        return report_fail(STATUS_CUT,
                           "%s: a packet of %s is larger than the %zu that --max allows; dropped (EMSGSIZE)", where,
                           report_bytes(m->full_len), max);
    case -EMFILE:
        return report_fail(STATUS_FDS,
                           "%s: a message of %s came with descriptors that could not be installed; "
                           "dropped: %s (EMFILE)",
                           where, report_bytes(m->full_len), "the table of descriptors is full");
    case -ENOBUFS:
        return report_fail(STATUS_FDS, "%s: a message of %s came with %s; dropped (ENOBUFS)", where,
                           report_bytes(m->full_len),
                           no_fds ? "descriptors, which --no-fds refuses" : "more descriptors than there is room for");
    case -ECONNRESET:
        return report_fail(STATUS_PEER, "%s: the peer closed without reading all that was sent to it (ECONNRESET)",
                           where);
    default:
        return report_error(DOING_RECV, where, err);
    }
}

int incoming_failed(const struct incoming *in, const char *where, int err, size_t max)
{
    return message_failed(&in->m, in->no_fds, where, err, max);
}

void incoming_close(struct incoming *in)
{
    for (unsigned i = 0; i < in->m.fds_got; i++) {
        if (in->fds[i] >= 0) {
            close(in->fds[i]);
        }
    }
    in->m.fds_got = 0;
    if (in->pidfd >= 0) {
        close(in->pidfd);
    }
    in->pidfd = -1;
}

void incoming_free(struct incoming *in)
{
    incoming_close(in);
    free(in->buf);
    in->buf = NULL;
}

static bool format_from(const struct message *m, char *text, size_t size)
{
    return m->from && unx_addr_format(m->from, text, size) > 0;
}

/* As RFC 3339 has it, in UTC. */
static const char *format_time(const struct message *m)
{
    static char text[64];
    const time_t seconds = (time_t)(m->time_ns / 1000000000);
    struct tm tm;
    char date[32];
    if (m->time_ns < 0 || !gmtime_r(&seconds, &tm) || strftime(date, sizeof(date), "%Y-%m-%dT%H:%M:%S", &tm) == 0) {
        return NULL;
    }
    snprintf(text, sizeof(text), "%s.%09dZ", date, (int)(m->time_ns % 1000000000));
    return text;
}

static void show_pidfd_text(const struct who *w, struct text *t)
{
    text_puts(t, "\n  pidfd: ");
    if (!w->pidfd) {
        text_puts(t, "none came");
    } else if (!w->runs) {
        text_puts(t, "of a process that has ended");
    } else if (w->pidfd_pid) {
        text_printf(t, "of pid %lld, which runs", (long long)w->pidfd_pid);
    } else {
        text_puts(t, "of a process that runs, and has no number here");
    }
}

static void show_pidfd_json(const struct who *w, struct text *t)
{
    if (!w->pidfd) {
        json_null(t, "pidfd");
        return;
    }
    json_key(t, "pidfd");
    text_puts(t, "{");
    if (w->pidfd_pid) {
        json_number(t, "pid", w->pidfd_pid);
    } else {
        json_null(t, "pid");
    }
    json_bool(t, "runs", w->runs);
    text_puts(t, "}");
}

static void show_text(const struct message *m, struct text *t)
{
    char from[UNX_ADDR_TEXT];
    text_puts(t, "message");
    if (m->number) {
        text_printf(t, " %u", m->number);
    }
    if (m->connection) {
        text_printf(t, " on connection %u", m->connection);
    }
    text_printf(t, ": %zu byte%s", m->len, m->len == 1 ? "" : "s");
    if (m->nfds) {
        text_printf(t, ", %u descriptor%s", m->nfds, m->nfds == 1 ? "" : "s");
    }
    if (m->peer) {
        text_puts(t, "\n  peer: ");
        who_text(m->peer, t);
    }
    if (m->sender) {
        text_puts(t, "\n  sender: ");
        who_text(m->sender, t);
    }
    if (format_from(m, from, sizeof(from))) {
        text_printf(t, "\n  from: %s", from);
    }
    if (m->pidfd) {
        show_pidfd_text(m->pidfd, t);
    }
    if (m->timed) {
        const char *time = format_time(m);
        text_printf(t, "\n  time: %s", time ? time : "unknown");
    }
    text_puts(t, "\n  data: ");
    text_quote(t, m->data, m->len);
    for (unsigned i = 0; i < m->nfds; i++) {
        text_printf(t, "\n  fd %u: ", i);
        fd_text(m->fds[i], t);
    }
    text_puts(t, "\n");
}

static void show_json(const struct message *m, struct text *t)
{
    char from[UNX_ADDR_TEXT];
    text_puts(t, "{");
    if (m->number) {
        json_number(t, "message", m->number);
    }
    if (m->connection) {
        json_number(t, "connection", m->connection);
    }
    json_string(t, "type", type_name(m->type));
    json_number(t, "length", (long long)m->len);
    json_bytes(t, "data", m->data, m->len);
    if (m->peer) {
        json_key(t, "peer");
        who_json(m->peer, t);
    }
    if (m->sender) {
        json_key(t, "sender");
        who_json(m->sender, t);
    }
    if (format_from(m, from, sizeof(from))) {
        json_string(t, "from", from);
    }
    if (m->pidfd) {
        show_pidfd_json(m->pidfd, t);
    }
    if (m->timed) {
        const char *time = format_time(m);
        if (time) {
            json_string(t, "time", time);
            json_number(t, "time_ns", m->time_ns);
        } else {
            json_null(t, "time");
            json_null(t, "time_ns");
        }
    }
    json_key(t, "fds");
    text_puts(t, "[");
    for (unsigned i = 0; i < m->nfds; i++) {
        fd_json(m->fds[i], t);
    }
    text_puts(t, "]}\n");
}

void message_show(const struct message *m, bool json, struct text *t)
{
    if (json) {
        show_json(m, t);
    } else {
        show_text(m, t);
    }
}
