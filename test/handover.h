// SPDX-License-Identifier: MIT
/* What the tests of handing over share: a list of descriptors to lend, and a successor in a thread or in a process. */
#ifndef TEST_HANDOVER_H
#define TEST_HANDOVER_H

#include "message.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <unx/handover.h>

#ifndef F_GET_SEALS
#define F_GET_SEALS 1034
#endif

/* The head of each packet, written down a second time: a change of the protocol has to be noticed. */
enum { WIRE_READY = 1, WIRE_START, WIRE_ITEMS, WIRE_END, WIRE_VERDICT, WIRE_CANCEL };
struct handover_wire {
    uint32_t magic;
    uint16_t version, what;
    uint32_t count, value;
    uint64_t state_len;
};

static inline struct handover_wire wire(unsigned what)
{
    return (struct handover_wire){.magic = 0x48786e75, .version = 1, .what = (uint16_t)what};
}

/* A socket pair as the manual has it: [0] is the old program's end, [1] the successor's. */
static inline void handover_pair(int s[2])
{
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, s), 0);
}

/* Fills a list with descriptors out of `from`, one after the other, over and over. */
static inline void handover_list(struct unx_handover_fd *list, unsigned n, const int *from, unsigned nfrom)
{
    for (unsigned i = 0; i < n; i++) {
        list[i] = (struct unx_handover_fd){.fd = from[i % nfrom], .kind = i * 3 + 1};
        snprintf(list[i].name, sizeof list[i].name, "thing-%u", i);
    }
}

/* A struct whose answer holds rubbish. */
static inline struct unx_handover handover_of(struct unx_handover_fd *fds, unsigned nfds, void *state, size_t len)
{
    struct unx_handover h;
    memset(&h, 0x55, sizeof h);
    memset(&h, 0, offsetof(struct unx_handover, fds_got));
    h.fds = fds;
    h.nfds = nfds;
    h.state = state;
    h.state_max = len;
    return h;
}

/* Nothing of a failed receiving may be left. */
static inline void check_handed_nothing(const struct unx_handover *h)
{
    CHECK_INT(h->fds_got, 0);
    CHECK_INT(h->state_fd, -1);
    for (unsigned i = 0; i < h->nfds; i++) {
        CHECK_INT(h->fds[i].fd, -1);
    }
}

static inline void close_handed(struct unx_handover *h)
{
    for (unsigned i = 0; i < h->fds_got; i++) {
        CHECK_INT(close(h->fds[i].fd), 0);
    }
    if (h->state_fd >= 0) {
        CHECK_INT(close(h->state_fd), 0);
    }
}

/* A successor in a thread: receives, waits a while, confirms. */
struct successor {
    int sock;
    struct unx_handover h;
    int timeout_ms;
    unsigned pause_us;
    uint32_t reason;
    int received, confirmed; /* the results; confirmed is 1 if it was not tried */
    pthread_t thread;
};

static inline void *successor_main(void *arg)
{
    struct successor *s = arg;
    s->confirmed = 1;
    s->received = unx_handover_receive(s->sock, &s->h, 0, s->timeout_ms);
    if (s->received == 0) {
        struct timespec pause = {0, (long)s->pause_us * 1000};
        while (nanosleep(&pause, &pause) < 0 && errno == EINTR) {
        }
        s->confirmed = unx_handover_confirm(s->sock, s->reason);
    }
    return NULL;
}

static inline void successor_start(struct successor *s, int sock, struct unx_handover h)
{
    s->sock = sock;
    s->h = h;
    if (s->timeout_ms == 0) {
        s->timeout_ms = 10000;
    }
    CHECK_INT(pthread_create(&s->thread, NULL, successor_main, s), 0);
}

/* Waits until the other side has said something, which is not read yet. */
static inline void handover_spoken(int sock)
{
    CHECK(unx_wait(sock, 1 /* POLLIN */, 10000) > 0);
}

static inline void successor_join(struct successor *s)
{
    CHECK_INT(pthread_join(s->thread, NULL), 0);
}

#endif
