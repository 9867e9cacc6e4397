// SPDX-License-Identifier: MIT
/*
 * Random steps (engine_script.h): which kind, on which socket, how large, how long. Sockets whose two ends are well are
 * chosen most often, and the others are closed first, because dead sockets have little to tell.
 *
 * Decisions may come from bytes instead, those of a fuzzer: then each takes as few of them as it needs, so that
 * changing one byte changes one decision.
 */
#include "engine_script.h"
#include "harness.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>

static unsigned next_byte(struct dice *d)
{
    if (d->nbytes == 0) {
        return 0;
    }
    d->nbytes--;
    return *d->bytes++;
}

unsigned dice_roll(struct dice *d, unsigned n)
{
    if (d->bytes != NULL) {
        unsigned roll = 0;
        for (unsigned left = n - 1; left > 0; left >>= 8) {
            roll = roll << 8 | next_byte(d);
        }
        return roll % n;
    }
    uint64_t z = d->state += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) >> 11) % n;
}

static int slot(struct dice *d)
{
    return (int)dice_roll(d, SLOTS);
}

/* By bytes: one of those that there are. `is` NULL: a slot that is not in use. */
static int one_of(struct dice *d, bool (*is)(const struct plan *, int))
{
    int fit[SLOTS];
    unsigned n = 0;
    for (int i = 0; i < SLOTS; i++) {
        const bool in_use = d->plan.slots[i].used;
        if (is == NULL ? !in_use : in_use && d->plan.slots[i].whole && is(&d->plan, i)) {
            fit[n++] = i;
        }
    }
    return n == 0 ? 0 : fit[dice_roll(d, n)];
}

static int unused(struct dice *d)
{
    if (d->bytes != NULL) {
        return one_of(d, NULL);
    }
    for (unsigned i = 0; i < 200; i++) {
        const int n = slot(d);
        if (!d->plan.slots[n].used) {
            return n;
        }
    }
    return 0;
}

/* A slot in use of which `is` holds. */
static int used(struct dice *d, bool (*is)(const struct plan *, int))
{
    if (d->bytes != NULL) {
        return one_of(d, is);
    }
    for (unsigned i = 0; i < 200; i++) {
        const int n = slot(d);
        if (d->plan.slots[n].used && d->plan.slots[n].whole && is(&d->plan, n)) {
            return n;
        }
    }
    return 0;
}

static bool any(const struct plan *p, int n)
{
    (void)p;
    return n >= 0;
}

static bool is_listener(const struct plan *p, int n)
{
    return p->slots[n].listener;
}

static bool is_server(const struct plan *p, int n)
{
    return p->slots[n].server;
}

static bool talks(const struct plan *p, int n)
{
    return !p->slots[n].listener;
}

/* Both ends are there, and neither was shut down. */
static bool is_whole(const struct plan *p, int n)
{
    const int peer = p->slots[n].peer;
    const bool shut = p->slots[n].shut || (peer >= 0 && p->slots[peer].shut);
    return !p->slots[n].listener && !shut && (peer >= 0 || p->slots[n].server);
}

static bool is_broken(const struct plan *p, int n)
{
    return !is_whole(p, n) && (!p->slots[n].listener || p->slots[n].shut);
}

static bool is_waited_for(const struct plan *p, int n)
{
    return plan_senders_wait(p, n);
}

static unsigned some_size(struct dice *d)
{
    switch (dice_roll(d, 12)) {
    case 0:
        return 0;
    case 1:
        return 1;
    case 2:
        return 4000 + dice_roll(d, 1200); /* about the largest packet of the smallest buffer */
    case 3:
        return dice_roll(d, 20) == 0 ? 213000 + dice_roll(d, 40000) : POOL_SIZE - 2 + dice_roll(d, 5);
    case 4:
        return 5000 + dice_roll(d, dice_roll(d, 4) == 0 ? 60000 : 6000);
    case 5:
    case 6:
        return dice_roll(d, ONE_PIECE);
    default:
        return 2 + dice_roll(d, 190);
    }
}

static unsigned some_fds(struct dice *d)
{
    switch (dice_roll(d, 24)) {
    case 0:
        return 253;
    case 1:
        return 252 + dice_roll(d, 3);
    case 2:
    case 3:
        return 1 + dice_roll(d, 30);
    case 4:
    case 5:
    case 6:
    case 7:
    case 8:
        return 1 + dice_roll(d, 3);
    default:
        return 0;
    }
}

static int some_timeout(struct dice *d, unsigned never)
{
    const unsigned n = dice_roll(d, 100);
    return n < never ? 0 : n < 70 ? -1 : n < 95 || d->plan.plain ? LONG_TIME : 1 + (int)dice_roll(d, 3);
}

/* Bytes alone have no descriptors and no credentials, but some try. */
static void plain_mostly(struct dice *d, struct step *s)
{
    if ((s->flags & UNX_PLAIN) != 0 && dice_roll(d, 12) > 0) {
        s->nfds = 0;
        s->cred = s->addr = false;
    }
}

static int waiting_timeout(struct dice *d)
{
    const int timeout = some_timeout(d, 0);
    return timeout == 0 ? -1 : timeout;
}

static void some_send(struct dice *d, struct step *s)
{
    const int peer = d->plan.slots[s->slot].peer;
    s->size = some_size(d);
    s->nfds = some_fds(d);
    s->timeout = some_timeout(d, 45);
    s->split = dice_roll(d, 4);
    s->cred = dice_roll(d, 25) == 0;
    s->want = s->nfds > 0 && dice_roll(d, 20) == 0 ? SEND_BAD_FD : 0;
    s->flags = dice_roll(d, 8) == 0 ? UNX_PLAIN : 0;
    s->slot2 = peer;
    plain_mostly(d, s);
    /* A client that is not connected says where to. */
    s->addr = peer >= 0 && d->plan.slots[peer].server && (d->plan.slots[s->slot].how & CLIENT_CONNECTED) == 0;
}

static void some_recv(struct dice *d, struct step *s)
{
    static const unsigned flags[] = {0,
                                     0,
                                     0,
                                     0,
                                     0,
                                     UNX_PARTIAL,
                                     UNX_PARTIAL,
                                     UNX_KEEP,
                                     UNX_PEEK,
                                     UNX_PEEK_FDS,
                                     UNX_PLAIN,
                                     UNX_PEEK | UNX_PARTIAL,
                                     UNX_PLAIN | UNX_PEEK,
                                     UNX_KEEP | UNX_PARTIAL};
    s->size = dice_roll(d, 3) == 0 ? 260000 : dice_roll(d, 20) == 0 ? 0 : 1 + some_size(d);
    s->nfds = dice_roll(d, 3) == 0 ? dice_roll(d, 4) : 253;
    s->timeout = some_timeout(d, 60);
    s->split = dice_roll(d, 4);
    s->cred = dice_roll(d, 4) == 0;
    s->addr = dice_roll(d, 4) == 0;
    s->flags = flags[dice_roll(d, sizeof flags / sizeof *flags)];
    if (d->plan.model->type[s->slot] == SOCK_STREAM) {
        s->flags &= ~UNX_KEEP;
        s->size += s->size == 0 && dice_roll(d, 8) > 0;
    }
    plain_mostly(d, s);
}

static void some_standing(struct dice *d, struct step *s)
{
    s->flags = UNX_STANDING | (dice_roll(d, 3) == 0 ? UNX_PARTIAL : 0) | (dice_roll(d, 10) == 0 ? UNX_PLAIN : 0);
    s->timeout = waiting_timeout(d);
}

static void some_socket(struct dice *d, struct step *s)
{
    static const int types[3] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};
    static const unsigned buffers[] = {0, 0, 1, 10000, 10000};
    s->slot = unused(d);
    s->type = types[dice_roll(d, 3)];
    s->cred = dice_roll(d, 3) == 0;
    s->slot2 = s->slot;
    switch (s->kind) {
    case STEP_PAIR:
        s->slot2 = unused(d);
        s->want = buffers[dice_roll(d, 5)];
        break;
    case STEP_LISTEN:
        s->type = types[dice_roll(d, 2)];
        s->want = dice_roll(d, 3);
        break;
    case STEP_CLIENT:
        s->slot2 = used(d, is_server);
        s->want = dice_roll(d, 4);
        s->type = SOCK_DGRAM;
        break;
    case STEP_CONNECT:
        s->slot2 = used(d, is_listener);
        s->target = unused(d);
        s->type = dice_roll(d, 30) == 0 ? types[dice_roll(d, 2)] : d->plan.model->type[s->slot2];
        s->timeout = some_timeout(d, 50);
        s->flags = UNX_PASSFDS | (dice_roll(d, 2) == 0 ? UNX_NONBLOCK : 0);
        s->cred = false;
        break;
    default:
        s->type = SOCK_DGRAM;
        break;
    }
}

static enum step_kind some_kind(struct dice *d)
{
    static const struct {
        enum step_kind kind;
        unsigned weight;
    } weights[] = {{STEP_SEND, 300},  {STEP_RECV, 260},   {STEP_STAND, 20},  {STEP_DRAIN, 20}, {STEP_POLL, 30},
                   {STEP_ACCEPT, 36}, {STEP_CONNECT, 50}, {STEP_CANCEL, 40}, {STEP_SHUT, 8},   {STEP_CLOSE, 26},
                   {STEP_PAIR, 26},   {STEP_LISTEN, 8},   {STEP_SERVER, 4},  {STEP_CLIENT, 8}, {STEP_TIMER, 3}};
    unsigned sum = 0, i = 0;
    for (unsigned k = 0; k < sizeof weights / sizeof *weights; k++) {
        sum += weights[k].weight;
    }
    for (unsigned n = dice_roll(d, sum); n >= weights[i].weight; i++) {
        n -= weights[i].weight;
    }
    return weights[i].kind;
}

void dice_step(struct dice *d, struct step *s)
{
    const struct side *m = d->plan.model;
    *s = (struct step){.kind = some_kind(d), .target = -1};
    if (d->plan.expiring >= 0) {
        s->kind = STEP_EXPIRE;
        s->target = d->plan.expiring;
        return;
    }
    switch (s->kind) {
    case STEP_SEND:
        s->slot = used(d, dice_roll(d, 8) == 0 ? talks : is_whole);
        some_send(d, s);
        break;
    case STEP_RECV:
        s->slot = used(d, dice_roll(d, 8) == 0 ? talks : is_whole);
        some_recv(d, s);
        break;
    case STEP_STAND:
        s->slot = used(d, dice_roll(d, 8) == 0 ? talks : is_whole);
        some_standing(d, s);
        break;
    case STEP_DRAIN:
        s->slot = used(d, dice_roll(d, 8) == 0 ? talks : is_waited_for);
        s->size = dice_roll(d, 2) == 0 ? 260000 : 1 + some_size(d);
        s->nfds = 253;
        break;
    case STEP_POLL:
        s->slot = used(d, talks);
        s->want = dice_roll(d, 3) == 0 ? POLLOUT : dice_roll(d, 2) == 0 ? POLLIN : POLLIN | POLLRDHUP;
        s->timeout = some_timeout(d, 30);
        break;
    case STEP_ACCEPT:
        s->slot = used(d, is_listener);
        s->flags = dice_roll(d, 10) == 0 ? UNX_STANDING : 0;
        s->timeout = (s->flags & UNX_STANDING) != 0 ? waiting_timeout(d) : some_timeout(d, 30);
        break;
    case STEP_CANCEL:
        s->target = m->nlive == 0 ? -1 : m->live[dice_roll(d, m->nlive)]->s->id;
        break;
    case STEP_SHUT:
        s->slot = used(d, any);
        s->want = dice_roll(d, 3);
        break;
    case STEP_CLOSE:
        s->slot = used(d, dice_roll(d, 3) == 0 ? any : is_broken);
        break;
    case STEP_TIMER:
        s->timeout = (int)dice_roll(d, 3);
        break;
    default:
        some_socket(d, s);
        break;
    }
}
