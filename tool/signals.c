// SPDX-License-Identifier: MIT
/*
 * The signals that end a server, and the end of its children.
 *
 * Promises: they come while it waits and at no other time, so that none is lost between a look at the flags and the
 * wait; what whoever started us wants ignored stays ignored.
 *
 * What surprised us: ppoll(2), which lets signals in for the time of a wait, is not on macOS. A handler that writes
 * into a pipe, which is waited for too, does the same everywhere.
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

volatile sig_atomic_t ending_signal, child_ended;
static struct unx_engine *volatile waiting;
static int bell[2] = {-1, -1};

static void on_signal(int sig)
{
    if (sig == SIGCHLD) {
        child_ended = 1;
    } else {
        ending_signal = sig;
    }
    if (waiting) {
        unx_engine_wake(waiting);
    }
    if (bell[1] >= 0) {
        const int before = errno;
        // A full pipe rings as well.
        (void)!write(bell[1], "", 1);
        errno = before;
    }
}

static const int signals[] = {SIGINT, SIGTERM, SIGHUP, SIGCHLD};

void signals_catch(sigset_t *while_waiting)
{
    sigset_t block;
    sigemptyset(&block);
    sigprocmask(SIG_BLOCK, NULL, while_waiting);
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction old, act = {.sa_handler = on_signal};
        sigaction(signals[i], NULL, &old);
        // Whoever started us in the background, or by nohup(1), wants it ignored.
        if (old.sa_handler == SIG_IGN && signals[i] != SIGCHLD) {
            continue;
        }
        sigaction(signals[i], &act, NULL);
        sigaddset(&block, signals[i]);
        sigdelset(while_waiting, signals[i]);
    }
    sigprocmask(SIG_BLOCK, &block, NULL);
}

int signals_reap(struct unx_engine *e, struct unx_event *ev, unsigned max, int timeout, const sigset_t *while_waiting)
{
    sigset_t before;
    // One that comes before the wait is not lost: the wake-up stays until somebody waits.
    waiting = e;
    sigprocmask(SIG_SETMASK, while_waiting, &before);
    const int n = unx_engine_reap(e, ev, max, timeout);
    sigprocmask(SIG_SETMASK, &before, NULL);
    waiting = NULL;
    return n;
}

static bool hang_bell(void)
{
    if (bell[0] >= 0) {
        return true;
    }
    int made[2];
    if (pipe_cloexec(made) < 0) {
        return false;
    }
    fcntl(made[0], F_SETFL, O_NONBLOCK);
    fcntl(made[1], F_SETFL, O_NONBLOCK);
    bell[0] = made[0];
    bell[1] = made[1];
    return true;
}

int signals_poll(struct pollfd *p, unsigned n, int timeout, const sigset_t *while_waiting)
{
    sigset_t before;
    char rung[16];
    if (!hang_bell()) {
        return -1;
    }
    p[n] = (struct pollfd){.fd = bell[0], .events = POLLIN};
    sigprocmask(SIG_SETMASK, while_waiting, &before);
    int r = poll(p, n + 1, timeout);
    int error = errno;
    sigprocmask(SIG_SETMASK, &before, NULL);
    while (read(bell[0], rung, sizeof(rung)) > 0) {
    }
    if (r > 0 && p[n].revents && --r == 0) {
        r = -1;
        error = EINTR;
    }
    errno = error;
    return r;
}

void signals_release(void)
{
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        struct sigaction now;
        sigaction(signals[i], NULL, &now);
        if (now.sa_handler == on_signal) {
            signal(signals[i], SIG_DFL);
        }
    }
    sigset_t none;
    sigemptyset(&none);
    signal(SIGPIPE, SIG_DFL);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

void signals_die(int sig, const sigset_t *while_waiting)
{
    signal(sig, SIG_DFL);
    sigprocmask(SIG_SETMASK, while_waiting, NULL);
    raise(sig);
}
