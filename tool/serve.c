// SPDX-License-Identifier: MIT
/*
 * The loop behind `unx listen` and `unx recv`.
 *
 * Promises: it sleeps when there is nothing to do; a full table of descriptors makes it look away from the listener for a
 * moment, so that newcomers wait in the backlog instead of making it spin; its socket file is removed when it ends, by a
 * signal too, and only if it is still its own.
 *
 * What surprised us: poll(2) reports POLLHUP unasked, so a client that is not to be read now has to be left out of it; an
 * accept that fails for want of descriptors leaves the connection queued and the listener readable. poll(2) fails when it
 * is given more entries than RLIMIT_NOFILE, those that name no descriptor included.
 */
#include "serve.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ACCEPTS_AT_ONCE 64
#define ACCEPT_PAUSE_MS 100

static void add_client(struct server *s, int fd, unsigned number, const struct unx_addr *from)
{
    if (s->nclients == s->clients_room) {
        s->clients_room = s->clients_room * 2 + 16;
        s->clients = must_alloc(s->clients, s->clients_room * sizeof(*s->clients));
    }
    struct client *c = client_new(fd, number);
    if (from) {
        c->from = *from;
    }
    s->clients[s->nclients++] = c;
}

/* No more connections: nobody shall queue up in vain. */
static void close_listener(struct server *s)
{
    target_close(&s->target, &s->listener);
}

static void pause_accepting(struct server *s, int err)
{
    if (!s->accept_noted) {
        report("new connections wait: %s (%s)", strerror(-err), report_errno_name(err));
    }
    s->accept_paused = s->accept_noted = true;
    s->accept_at = clock_ms() + ACCEPT_PAUSE_MS;
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

static void accept_some(struct server *s)
{
    for (int i = 0; i < ACCEPTS_AT_ONCE && s->listener; i++) {
        struct unx_addr from;
        const int fd = unx_listener_accept(s->listener, s->o->time ? UNX_TIMESTAMP : 0, &from, 0);
        if (fd == -EAGAIN) {
            // Nobody waits any more.
            s->accept_noted = false;
            return;
        }
        if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
            pause_accepting(s, fd);
            return;
        }
        if (fd < 0) {
            report_error(DOING_RECV, s->o->operand, fd);
            s->stop = true;
            return;
        }
        s->accept_paused = false;
        if (!admit(s, fd, ++s->connections, &from)) {
            close(fd);
            continue;
        }
        s->idle_since = clock_ms();
        add_client(s, fd, s->connections, &from);
        if (s->o->once) {
            close_listener(s);
        }
    }
}

static int earlier(int a, int b)
{
    return a < 0 ? b : b < 0 || a < b ? a : b;
}

/* Adds what is open to what poll(2) looks at; returns where it stands there, or -1. */
static int watch(struct server *s, int fd, int events)
{
    if (fd < 0) {
        return -1;
    }
    if (s->npolls == s->polls_room) {
        s->polls_room = s->polls_room * 2 + 64;
        s->polls = must_alloc(s->polls, s->polls_room * sizeof(*s->polls));
    }
    s->polls[s->npolls] = (struct pollfd){.fd = fd, .events = (short)events};
    return (int)s->npolls++;
}

static bool came(const struct server *s, int polled)
{
    return polled >= 0 && s->polls[polled].revents != 0;
}

static void watch_client(struct server *s, struct client *c)
{
    const bool reads = c->state == READING && client_may_read(s);
    const bool answers = c->state == ANSWERING && !c->dgram;
    const bool runs = c->state == RUNNING;
    c->polled[0] = watch(s, reads || answers ? c->fd : -1, reads ? POLLIN : POLLOUT);
    c->polled[1] = watch(s, runs ? c->job.in : -1, POLLOUT);
    c->polled[2] = watch(s, runs ? c->job.out : -1, POLLIN);
}

/* What to wait for. Returns for how long. */
static int fill_polls(struct server *s)
{
    const bool accepting = s->listener && s->o->type != SOCK_DGRAM && !s->accept_paused && !server_has_enough(s);
    int timeout = s->accept_paused ? deadline_left(s->accept_at) : -1;
    s->npolls = 0;
    s->listener_polled = watch(s, accepting ? unx_listener_fd(s->listener) : -1, POLLIN);
    for (size_t i = 0; i < s->nclients; i++) {
        struct client *c = s->clients[i];
        watch_client(s, c);
        if (c->state == ANSWERING && c->dgram) {
            timeout = earlier(timeout, deadline_left(c->retry_at));
        }
    }
    if (s->o->timeout >= 0 && s->jobs == 0) {
        timeout = earlier(timeout, deadline_left(s->idle_since + s->o->timeout));
    }
    return timeout;
}

static void serve_clients(struct server *s, size_t n, bool ended)
{
    for (size_t i = 0; i < n && !s->stop; i++) {
        struct client *c = s->clients[i];
        if (c->state == RUNNING && (came(s, c->polled[1]) || came(s, c->polled[2]) || ended)) {
            client_run(s, c, ended);
        } else if (c->state == ANSWERING && (came(s, c->polled[0]) || (c->dgram && clock_ms() >= c->retry_at))) {
            client_answer(s, c);
        } else if (c->state == READING && came(s, c->polled[0]) && client_may_read(s)) {
            client_receive(s, c);
        }
    }
}

static void drop_done(struct server *s)
{
    size_t kept = 0;
    for (size_t i = 0; i < s->nclients; i++) {
        struct client *c = s->clients[i];
        if (c->done) {
            s->stop |= c->dgram;
            client_free(c);
            // Its descriptor may be what newcomers wait for.
            s->accept_at = 0;
        } else {
            s->clients[kept++] = c;
        }
    }
    s->nclients = kept;
}

static bool busy(const struct server *s)
{
    for (size_t i = 0; i < s->nclients; i++) {
        if (s->clients[i]->state != READING) {
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
    return server_has_enough(s) ? !busy(s) : !s->listener && s->nclients == 0;
}

static void check_idle(struct server *s)
{
    if (s->o->timeout >= 0 && s->jobs == 0 && !server_has_enough(s) &&
        deadline_left(s->idle_since + s->o->timeout) == 0) {
        report_fail(STATUS_TIMEOUT, "%s: nothing came for %d ms (ETIMEDOUT)", s->o->operand, s->o->timeout);
        s->stop = true;
    }
}

static void loop(struct server *s, const sigset_t *while_waiting)
{
    s->idle_since = clock_ms();
    while (!finished(s)) {
        const int timeout = fill_polls(s);
        const struct timespec ts = {timeout / 1000, timeout % 1000 * 1000000L};
        const size_t n = s->nclients;
        if (ppoll(s->polls, s->npolls, timeout < 0 ? NULL : &ts, while_waiting) < 0) {
            if (errno != EINTR) {
                report_error(DOING_OTHER, "poll", -errno);
                return;
            }
            // After a signal poll(2) has not written its answers.
            for (size_t i = 0; i < s->npolls; i++) {
                s->polls[i].revents = 0;
            }
        }
        const bool ended = child_ended;
        child_ended = 0;
        serve_clients(s, n, ended);
        if (came(s, s->listener_polled) && !s->stop && !ending_signal) {
            accept_some(s);
        }
        drop_done(s);
        if (s->accept_paused && deadline_left(s->accept_at) == 0) {
            s->accept_paused = false;
            accept_some(s);
        }
        check_idle(s);
    }
}

static void end(struct server *s)
{
    close_listener(s);
    for (size_t i = 0; i < s->nclients; i++) {
        if (s->clients[i]->state == RUNNING && ending_signal) {
            kill(s->clients[i]->job.pid, SIGTERM);
        }
        client_free(s->clients[i]);
    }
    incoming_free(&s->in);
    target_free(&s->target);
    free(s->clients);
    free(s->polls);
}

static bool start(struct server *s)
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
    int r = target_open(&s->target, &s->listener, o, flags, needed);
    if (r == -EOPNOTSUPP && o->pidfd) {
        report_fail(STATUS_SYSTEM, "--pidfd: this kernel tells no pidfd of a sender; Linux 6.5 does (EOPNOTSUPP)");
        return false;
    }
    if (r < 0) {
        target_open_failed(&s->target, r);
        return false;
    }
    if (dgram) {
        // The client that never ends owns a descriptor as any other.
        r = unx_dup(unx_listener_fd(s->listener));
        if (r < 0) {
            report_error(DOING_OTHER, o->operand, r);
            return false;
        }
        add_client(s, r, 0, NULL);
    }
    if (!o->quiet) {
        report("%s: %s (%s)", o->operand, s->is_recv ? "waiting" : "listening", type_name(o->type));
    }
    return true;
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

int serve(const struct options *o, bool is_recv)
{
    struct server s = {.o = o, .is_recv = is_recv, .allow = o->allow};
    sigset_t while_waiting;
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
    signals_catch(&while_waiting);
    if (start(&s)) {
        loop(&s, &while_waiting);
    }
    end(&s);
    if (is_recv && ending_signal) {
        signals_die(ending_signal, &while_waiting);
    }
    return report_status();
}
