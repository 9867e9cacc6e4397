// SPDX-License-Identifier: MIT
/*
 * The signals that end a server, and the end of its children.
 *
 * Promises: they come while it waits and at no other time, so that none is lost between a look at the flags and the wait;
 * what whoever started us wants ignored stays ignored.
 */
#include "tool.h"
#include <stdlib.h>
#include <unistd.h>

volatile sig_atomic_t ending_signal, child_ended;
static struct unx_engine *volatile waiting;

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
