// SPDX-License-Identifier: MIT
/*
 * The loop behind `unx listen` and `unx recv`.
 *
 * Promises: it sleeps when there is nothing to do, and what it does for one client does not depend on how many there
 * are; its socket file is removed when it ends, by a signal too, and only if it is still its own; a signal does not
 * lose what clients were told has gone, if it can be served within a second.
 *
 * What surprised us: a packet of 4 MiB and more needs a buffer as large, but only the pages of it that were ever used
 * take memory. So a few large ones are better than many that are too small.
 */
#include "serve.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define EVENTS 256
#define PART_MAX ((size_t)64 << 10)
/* Linux takes no larger packet, with pages of 4 KiB. */
#define PACKET_MAX ((size_t)4352 << 10)
#define POOL_MAX ((size_t)64 << 20)

static int wait_time(const struct server *s)
{
    if (s->draining) {
        return deadline_left(s->drain_until);
    }
    return s->o->timeout >= 0 && s->jobs == 0 ? deadline_left(s->idle_since + s->o->timeout) : -1;
}

static bool busy(const struct server *s)
{
    for (const struct client *c = s->clients; c; c = c->next) {
        if (c->state != READING) {
            return true;
        }
    }
    return false;
}

static bool finished(const struct server *s)
{
    if (s->stop || ending_signal) {
        return true;
    }
    if (s->draining && deadline_left(s->drain_until) == 0) {
        return true;
    }
    return server_has_enough(s) ? !busy(s) : !s->listener && s->nclients == 0;
}

static void check_idle(struct server *s)
{
    if (s->o->timeout >= 0 && s->jobs == 0 && !server_has_enough(s) && !s->draining &&
        deadline_left(s->idle_since + s->o->timeout) == 0) {
        report_fail(STATUS_TIMEOUT, "%s: nothing came for %d ms (ETIMEDOUT)", s->o->operand, s->o->timeout);
        s->stop = true;
    }
}

/* A signal came: nobody else is served, and nothing else than what is queued. */
static void drain(struct server *s)
{
    s->draining = true;
    s->drain_until = deadline_after(DRAIN_MS);
    // A second one does not wait.
    ending_signal = 0;
    if (s->listener) {
        unx_listener_stop(s->listener, 0);
    }
    accept_last(s);
    for (struct client *c = s->clients, *next; c; c = next) {
        next = c->next;
        client_drain(s, c);
    }
}

static void move(struct server *s, int timeout)
{
    struct unx_event events[EVENTS];
    const int n = signals_reap(s->engine, events, EVENTS, timeout, &s->while_waiting);
    for (int i = 0; i < n; i++) {
        struct task *t = (struct task *)events[i].op;
        t->then(s, t->of, &events[i]);
    }
    if (n < 0) {
        report_error(DOING_OTHER, unx_engine_backend(s->engine), n);
        s->stop = true;
    }
}

static void loop(struct server *s)
{
    s->idle_since = clock_ms();
    while (!finished(s)) {
        move(s, wait_time(s));
        if (child_ended) {
            child_ended = 0;
            programs_reap(s);
        }
        if (ending_signal && !s->is_recv && !s->draining && !s->stop) {
            drain(s);
        }
        check_idle(s);
    }
}

static bool open_engine(struct server *s)
{
    const struct options *o = s->o;
    int r = unx_engine_new(&s->engine, 0, o->engine);
    if (r == -EOPNOTSUPP && o->engine) {
        report_fail(STATUS_SYSTEM, "--engine %s: does not work here (EOPNOTSUPP)", o->engine_name);
        return false;
    }
    const size_t largest = o->type == SOCK_STREAM ? PART_MAX : PACKET_MAX;
    s->max = s->standing && o->max > largest ? largest : o->max;
    if (r == 0 && s->standing) {
        const size_t n = POOL_MAX / s->max;
        r = unx_engine_buffers(s->engine, n < 16 ? 16 : n > 256 ? 256 : (unsigned)n, s->max);
    }
    if (r < 0) {
        report_error(DOING_OTHER, "engine", r);
    }
    return r == 0;
}

static bool open_socket(struct server *s)
{
    const struct options *o = s->o;
    const bool packets = o->type != SOCK_STREAM;
    // With credentials on, an empty packet that comes last is told from the end, and a datagram says who sent it.
    const bool dgram = o->type == SOCK_DGRAM;
    // A listener does not hand down the time: each connection is asked for it.
    const unsigned needed = (o->pidfd ? UNX_PASSPIDFD : 0) | (o->time && dgram ? UNX_TIMESTAMP : 0);
    const unsigned flags = needed | UNX_NONBLOCK | (o->no_fds ? 0 : UNX_PASSFDS) |
                           (packets || o->cred || o->pidfd ? UNX_PASSCRED : 0) |
                           (o->cred || dgram ? UNX_PASSPIDFD | UNX_PASSSEC : 0);
    const int r = target_open(&s->target, &s->listener, o, flags, needed);
    if (r == -EOPNOTSUPP && o->pidfd) {
        report_fail(STATUS_SYSTEM, "--pidfd: this kernel tells no pidfd of a sender; Linux 6.5 does (EOPNOTSUPP)");
        return false;
    }
    if (r < 0) {
        target_open_failed(&s->target, r);
    }
    return r >= 0;
}

static bool start(struct server *s)
{
    if (!open_engine(s) || !open_socket(s) || !accept_start(s)) {
        return false;
    }
    if (!s->o->quiet) {
        report("%s: %s (%s)", s->o->operand, s->is_recv ? "waiting" : "listening", type_name(s->o->type));
    }
    return true;
}

/* What is out comes back; that cannot take long. */
static void end(struct server *s)
{
    const int64_t deadline = deadline_after(DRAIN_MS);
    if (s->draining && s->nclients > 0 && !s->o->quiet) {
        report("%s: %u client%s could not be served to the end", s->o->operand, s->nclients,
               s->nclients == 1 ? "" : "s");
    }
    s->stop = true;
    accept_end(s);
    for (struct client *c = s->clients; c; c = c->next) {
        client_close(s, c);
    }
    programs_leave(s);
    while (s->engine && (s->nclients > 0 || s->programs || s->accept_ending) && deadline_left(deadline) > 0) {
        move(s, deadline_left(deadline));
    }
    unx_engine_free(s->engine);
    incoming_free(&s->in);
    target_free(&s->target);
}

static bool options_fit(const struct server *s)
{
    const struct options *o = s->o;
    if (o->mode_given && !s->target.path) {
        report_fail(STATUS_USAGE, "--mode: an abstract address has no file, and so no mode");
    } else if (o->time && o->type == SOCK_STREAM) {
        report_fail(STATUS_USAGE, "--time: a stream has no messages that could have a time; seqpacket and dgram do");
    } else if (o->backlog_given && o->type == SOCK_DGRAM) {
        report_fail(STATUS_USAGE, "--backlog: datagrams have no connections; leave it out");
    } else {
        return true;
    }
    return false;
}

/* Whether standing receives bring all that is asked for, and may bring it at any time. */
static bool may_stand(const struct options *o, bool is_recv)
{
    return !is_recv && !o->command && !o->cred && o->type != SOCK_DGRAM &&
           (o->type == SOCK_STREAM || sysconf(_SC_PAGESIZE) == 4096);
}

int serve(const struct options *o, bool is_recv)
{
    struct server s = {.o = o, .is_recv = is_recv, .allow = o->allow, .accept_fd = -1};
    s.standing = may_stand(o, is_recv);
    s.whole_streams = o->type == SOCK_STREAM && (is_recv || o->command);
    if (!target_parse(&s.target, o->operand)) {
        return STATUS_USAGE;
    }
    if (!options_fit(&s)) {
        target_free(&s.target);
        return STATUS_USAGE;
    }
    if (allow_default(&s.allow, &s.target) && !o->quiet) {
        allow_note(o->operand);
    }
    incoming_init(&s.in, o->no_fds);
    // Before the file is there: from then on a signal has something to remove.
    signals_catch(&s.while_waiting);
    if (start(&s)) {
        loop(&s);
    }
    end(&s);
    if (is_recv && ending_signal) {
        signals_die(ending_signal, &s.while_waiting);
    }
    return report_status();
}
