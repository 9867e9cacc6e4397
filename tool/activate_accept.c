// SPDX-License-Identifier: MIT
/*
 * unx activate --accept: a program for each connection.
 *
 * Promises: no more of them at once than asked for, and whoever comes then waits in the backlog; each is waited for; a
 * signal that ends us first removes the socket files, then ends them, and waits until they have ended; a second one
 * does not wait.
 */
#include "tool.h"
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAUSE_MS 100

struct child {
    pid_t pid;
    unsigned connection;
};

struct accepting {
    struct activation *a;
    struct allow *allows; /* of each address; what they point to is the options' */
    struct child *children;
    unsigned nchildren, connections;
    int64_t pause_until, idle_since;
    bool noted, stopping, failed;
};

static void reap(struct accepting *s)
{
    unsigned kept = 0;
    for (unsigned i = 0; i < s->nchildren; i++) {
        const struct child child = s->children[i];
        char where[32];
        int status;
        if (waitpid(child.pid, &status, WNOHANG) != child.pid) {
            s->children[kept++] = child;
            continue;
        }
        s->idle_since = clock_ms();
        snprintf(where, sizeof(where), "connection %u", child.connection);
        // Those that we have ended ourselves did not fail.
        if (!(s->stopping && WIFSIGNALED(status) && WTERMSIG(status) == SIGTERM)) {
            run_result(status, where, s->a->o->command[0]);
        }
    }
    s->nchildren = kept;
}

static void start_child(struct accepting *s, unsigned which, int fd, const struct who *who, const struct unx_addr *from)
{
    const struct options *o = s->a->o;
    const pid_t pid = fork();
    if (pid == 0) {
        run_peer(who, from);
        run_or_exit(o->command, &fd, 1, o->nnames ? &o->names[which] : NULL);
    }
    if (pid < 0) {
        report_fail(STATUS_PROGRAM, "connection %u: %s cannot be started: %s (%s)", s->connections, o->command[0],
                    strerror(errno), report_errno_name(errno));
        return;
    }
    s->children = must_alloc(s->children, (s->nchildren + 1) * sizeof(*s->children));
    s->children[s->nchildren++] = (struct child){pid, s->connections};
}

static void got_connection(struct accepting *s, unsigned which, int fd, const struct unx_addr *from)
{
    const char *why = allow_connection(&s->allows[which], fd);
    struct who who;
    who_connected(&who, fd);
    s->connections++;
    if (!why) {
        s->idle_since = clock_ms();
        start_child(s, which, fd, &who, from);
    } else if (!s->a->o->quiet) {
        refusal_report(s->a->o->operands[which], &(struct message){.connection = s->connections, .peer = &who}, why);
    }
    who_free(&who);
    close(fd);
}

static void accept_at(struct accepting *s, unsigned which)
{
    const char *where = s->a->o->operands[which];
    struct unx_addr from;
    const int fd = unx_listener_accept(s->a->listeners[which], 0, &from, 0);
    if (fd >= 0) {
        s->noted = false;
        got_connection(s, which, fd, &from);
    } else if (fd == -EMFILE || fd == -ENFILE || fd == -ENOBUFS || fd == -ENOMEM) {
        if (!s->noted) {
            report("new connections wait: %s (%s)", strerror(-fd), report_errno_name(fd));
        }
        s->noted = true;
        s->pause_until = clock_ms() + PAUSE_MS;
    } else if (fd != -EAGAIN) {
        report_error(DOING_RECV, where, fd);
        s->failed = true;
    }
}

static void stop(struct accepting *s)
{
    s->stopping = true;
    ending_signal = 0;
    for (unsigned i = 0; i < s->a->o->noperands; i++) {
        target_close(&s->a->targets[i], &s->a->listeners[i]);
    }
    for (unsigned i = 0; i < s->nchildren; i++) {
        kill(s->children[i].pid, SIGTERM);
    }
}

/* How long to wait; -1: for a signal or a connection. */
static int wait_time(const struct accepting *s)
{
    if (s->pause_until) {
        return deadline_left(s->pause_until);
    }
    const struct options *o = s->a->o;
    return s->stopping || s->nchildren || o->timeout < 0 ? -1 : deadline_left(s->idle_since + o->timeout);
}

static void step(struct accepting *s)
{
    const struct options *o = s->a->o;
    const bool accepting = !s->stopping && !s->pause_until && s->nchildren < o->children;
    const int timeout = wait_time(s);
    struct pollfd *const polls = accepting ? s->a->polls : s->a->polls + o->noperands;
    const int n = signals_poll(polls, accepting ? o->noperands : 0, timeout, &s->a->while_waiting);
    if (n < 0 && errno != EINTR) {
        report_error(DOING_OTHER, "poll", -errno);
        s->failed = true;
    }
    if (child_ended) {
        child_ended = 0;
        reap(s);
    }
    s->pause_until = s->pause_until && deadline_left(s->pause_until) == 0 ? 0 : s->pause_until;
    for (unsigned i = 0; n > 0 && i < o->noperands && s->nchildren < o->children && !s->failed && !ending_signal; i++) {
        if (s->a->polls[i].revents) {
            accept_at(s, i);
        }
    }
    if (n == 0 && !s->stopping && s->nchildren == 0 && o->timeout >= 0 &&
        deadline_left(s->idle_since + o->timeout) == 0) {
        report_fail(STATUS_TIMEOUT, "%s: nobody came for %d ms (ETIMEDOUT)", o->operand, o->timeout);
        s->failed = true;
    }
}

void activate_accept(struct activation *a)
{
    struct accepting s = {.a = a, .idle_since = clock_ms()};
    bool note = false;
    s.allows = must_alloc(NULL, a->o->noperands * sizeof(*s.allows));
    for (unsigned i = 0; i < a->o->noperands; i++) {
        s.allows[i] = a->o->allow;
        if (allow_default(&s.allows[i], &a->targets[i]) && !note && !a->o->quiet) {
            allow_note(a->o->operands[i]);
            note = true;
        }
    }
    while (!s.failed && !(s.stopping && (s.nchildren == 0 || ending_signal))) {
        if (ending_signal && !s.stopping) {
            stop(&s);
        } else {
            step(&s);
        }
    }
    free(s.allows);
    free(s.children);
}
