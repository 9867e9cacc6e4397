// SPDX-License-Identifier: MIT
/*
 * No descriptor left: handing over. The other side is a process of its own, which has as many as it likes; a socket is
 * good for one attempt, so each has a new one.
 *
 * What surprised us: a successor without descriptors refuses, and the old program must know it: it goes on serving.
 */
#include "no_descriptor.h"

#include <stdlib.h>
#include <string.h>
#include <unx/handover.h>

#define STATE 200000 /* more than a message may carry: it goes by a file */
#define NFDS 3

static struct unx_handover_fd list[NFDS];
static char state[STATE], little[16];

static struct unx_handover handing_over(size_t room)
{
    return (struct unx_handover){
        .fds = list, .nfds = NFDS, .state = room > sizeof little ? state : little, .state_max = room};
}

static int pair[2];

static void lend(void)
{
    for (unsigned i = 0; i < NFDS; i++) {
        list[i] = (struct unx_handover_fd){.fd = w.s[i % 2], .kind = i, .name = "thing"};
    }
}

static void successor(void *arg)
{
    (void)arg;
    close(pair[0]);
    struct unx_handover h = handing_over(sizeof little);
    const int r = QUIET(unx_handover_receive(pair[1], &h, 0, 5000));
    if (r == 0) {
        CHECK_INT(unx_handover_confirm(pair[1], 0), 0);
    }
}

/* The old program: a file for its state is what it needs. */
static int sends(void)
{
    raw_unlimit();
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    const pid_t pid = harness_fork(successor, NULL);
    close(pair[1]);
    lend();
    struct unx_handover h = handing_over(STATE);
    raw_limit(w.allowed);
    const int r = QUIET(unx_handover_send(pair[0], &h, 0, 5000));
    raw_unlimit();
    close(pair[0]);
    harness_wait(pid);
    return r;
}

static void old_program(void *arg)
{
    (void)arg;
    close(pair[1]);
    lend();
    struct unx_handover h = handing_over(STATE);
    const int r = QUIET(unx_handover_send(pair[0], &h, 0, 5000));
    /* It serves on, and knows why. */
    CHECK(r == 0 || (r == -ECANCELED && h.reason == (UNX_HANDOVER_FAILED | EMFILE)));
    _exit(0);
}

/* The successor: room for all that is lent, and for the state. */
static int receives(void)
{
    raw_unlimit();
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    const pid_t pid = harness_fork(old_program, NULL);
    close(pair[0]);
    struct unx_handover h = handing_over(sizeof little);
    raw_limit(w.allowed);
    const int r = QUIET(unx_handover_receive(pair[1], &h, 0, 5000));
    if (r == 0) {
        CHECK_INT(unx_handover_confirm(pair[1], 0), 0);
    } else {
        CHECK(h.fds_got == 0 && h.state_fd == -1);
    }
    raw_unlimit();
    for (unsigned i = 0; i < h.fds_got; i++) {
        keep(h.fds[i].fd);
    }
    if (r == 0) {
        CHECK(h.state_len == STATE && h.state_fd >= 0);
        keep(h.state_fd);
    }
    close(pair[1]);
    harness_wait(pid);
    return r;
}

const struct attempt handover_attempts[] = {
    {"unx_handover_send, a long state", sends, 1},
    {"unx_handover_receive", receives, NFDS + 1},
    {NULL, NULL, 0},
};
