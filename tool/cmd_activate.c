// SPDX-License-Identifier: MIT
/*
 * unx activate: listens for a service, and becomes it when somebody comes.
 *
 * Promises: no name is taken from whoever serves there; the program is in the same process, gets the listeners as
 * sd_listen_fds(3) has them, and they block, as such programs expect; if it cannot be run, the socket files are
 * removed. Otherwise they are the service's, and stay: the next one takes them over.
 *
 * What surprised us: passing descriptors closes what was open at their numbers, which could be a part of the listeners
 * themselves. So those numbers are kept busy until all is open.
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/activation.h>

static bool options_fit(const struct options *o)
{
    if (o->noperands > UNX_ACTIVATION_MAX) {
        report_fail(STATUS_USAGE, "%u addresses: at most %d descriptors are passed", o->noperands, UNX_ACTIVATION_MAX);
    } else if (o->nnames && o->nnames != o->noperands) {
        report_fail(STATUS_USAGE, "--name: %u for %u addresses; give one for each, or none", o->nnames, o->noperands);
    } else if (o->accept && o->type == SOCK_DGRAM) {
        report_fail(STATUS_USAGE, "--accept: datagrams have no connections; leave it out");
    } else if (o->backlog_given && o->type == SOCK_DGRAM) {
        report_fail(STATUS_USAGE, "--backlog: datagrams have no connections; leave it out");
    } else if (o->children_given && !o->accept) {
        report_fail(STATUS_USAGE, "--children: without --accept there is one program; leave it out");
    } else if (o->allow.given && !o->accept) {
        report_fail(STATUS_USAGE,
                    "--allow: without --accept the program accepts, and has to look itself; leave it out");
    } else {
        return true;
    }
    return false;
}

static bool parse_targets(struct activation *a)
{
    for (unsigned i = 0; i < a->o->noperands; i++) {
        if (!target_parse(&a->targets[i], a->o->operands[i])) {
            return false;
        }
        if (a->o->mode_given && !a->targets[i].path) {
            report_fail(STATUS_USAGE, "--mode: an abstract address such as %s has no file, and so no mode",
                        a->o->operands[i]);
            return false;
        }
    }
    return true;
}

/* Nothing that is opened later has one of these numbers. false: a line says why not. */
static bool keep_numbers(unsigned n)
{
    int fd;
    do {
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
    } while (fd >= 0 && fd < UNX_ACTIVATION_FIRST + (int)n - 1);
    if (fd < 0) {
        report_error(DOING_OTHER, "/dev/null", -errno);
    }
    return fd >= 0;
}

static bool open_all(struct activation *a)
{
    const struct options *o = a->o;
    for (unsigned i = 0; i < o->noperands; i++) {
        const int r = target_open(&a->targets[i], &a->listeners[i], o, UNX_NONBLOCK | (o->no_fds ? 0 : UNX_PASSFDS), 0);
        if (r < 0) {
            target_open_failed(&a->targets[i], r);
            return false;
        }
        a->polls[i] = (struct pollfd){.fd = unx_listener_fd(a->listeners[i]), .events = POLLIN};
    }
    for (unsigned i = 0; i < o->noperands && !o->quiet; i++) {
        report("%s: %s (%s)", o->operands[i], o->accept ? "listening" : "waiting", type_name(o->type));
    }
    return true;
}

/* true: somebody has come. */
static bool wait_for_somebody(const struct activation *a)
{
    const int timeout = a->o->timeout;
    const int64_t deadline = deadline_after(timeout);
    // The end of a child is none of ours, as we have no child.
    int n;
    do {
        n = signals_poll(a->polls, a->o->noperands, deadline_left(deadline), &a->while_waiting);
    } while (n < 0 && errno == EINTR && !ending_signal);
    if (n == 0) {
        report_fail(STATUS_TIMEOUT, "%s: nobody came for %d ms (ETIMEDOUT)", a->o->operand, timeout);
    } else if (n < 0 && errno != EINTR) {
        report_error(DOING_OTHER, "poll", -errno);
    }
    return n > 0;
}

static void become_service(const struct activation *a)
{
    const struct options *o = a->o;
    int *fds = must_alloc(NULL, o->noperands * sizeof(*fds));
    int r = 0;
    for (unsigned i = 0; i < o->noperands && r >= 0; i++) {
        fds[i] = unx_listener_fd(a->listeners[i]);
        r = unx_set_nonblock(fds[i], 0);
    }
    r = r < 0 ? r : run_program(o->command, fds, o->noperands, o->nnames ? o->names : NULL);
    report_fail(STATUS_PROGRAM, "%s: cannot be run: %s (%s)", o->command[0], strerror(-r), report_errno_name(r));
    free(fds);
}

static void activate(struct activation *a)
{
    signals_catch(&a->while_waiting);
    if ((!a->o->accept && !keep_numbers(a->o->noperands)) || !open_all(a)) {
        return;
    }
    if (a->o->accept) {
        activate_accept(a);
    } else if (wait_for_somebody(a)) {
        become_service(a);
    }
}

int cmd_activate(const struct options *o)
{
    struct activation a = {.o = o};
    if (!options_fit(o)) {
        return STATUS_USAGE;
    }
    a.targets = must_alloc(NULL, o->noperands * sizeof(*a.targets));
    a.listeners = must_alloc(NULL, o->noperands * sizeof(*a.listeners));
    a.polls = must_alloc(NULL, (o->noperands + 1) * sizeof(*a.polls));
    for (unsigned i = 0; i < o->noperands; i++) {
        a.targets[i] = (struct target){.text = o->operands[i]};
        a.listeners[i] = NULL;
    }
    if (parse_targets(&a)) {
        activate(&a);
    }
    for (unsigned i = 0; i < o->noperands; i++) {
        target_close(&a.targets[i], &a.listeners[i]);
        target_free(&a.targets[i]);
    }
    free(a.targets);
    free(a.listeners);
    free(a.polls);
    if (!o->accept && ending_signal) {
        signals_die(ending_signal, &a.while_waiting);
    }
    return report_status();
}
