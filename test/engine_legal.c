// SPDX-License-Identifier: MIT
/*
 * What may be written into a script (engine_script.h): only steps whose results are determined, whoever runs them.
 *
 * What surprised us, and is therefore left out: when a peer closes without having read everything, the error is told
 * once, to whoever asks first, so there must not be a sender and a receiver who wait for it at once. A sender that
 * waits for room is not told by poll(2) when its own or its peer's end is shut down. Room comes in jumps, so while a
 * sender waits, nobody takes single messages from the other end.
 */
#include "engine_script.h"
#include "harness.h"

#include <poll.h>
#include <string.h>

unsigned plan_out(const struct plan *p, int slot, enum direction dir)
{
    unsigned n = 0;
    for (unsigned i = 0; slot >= 0 && i < p->model->nlive; i++) {
        const struct op *o = p->model->live[i];
        n += o->s->kind != STEP_CONNECT && o->s->slot == slot && o->dir == dir;
    }
    return n;
}

static bool standing(const struct plan *p, int slot)
{
    for (unsigned i = 0; i < p->model->nlive; i++) {
        const struct op *o = p->model->live[i];
        if (o->s->slot == slot && (o->s->flags & UNX_STANDING) != 0 && o->s->kind != STEP_CONNECT) {
            return true;
        }
    }
    return false;
}

static bool connecting(const struct plan *p, int listener)
{
    for (unsigned i = 0; i < p->model->nlive; i++) {
        if (p->model->live[i]->s->kind == STEP_CONNECT && p->model->live[i]->s->slot2 == listener) {
            return true;
        }
    }
    return false;
}

bool plan_polls(const struct plan *p, int slot, unsigned event)
{
    for (unsigned i = 0; i < p->model->nlive; i++) {
        const struct step *s = p->model->live[i]->s;
        if (s->kind == STEP_POLL && s->slot == slot && (s->want & event) != 0) {
            return true;
        }
    }
    return false;
}

bool plan_senders_wait(const struct plan *p, int slot)
{
    for (int i = 0; i < SLOTS; i++) {
        if (p->slots[i].used && p->slots[i].peer == slot && plan_out(p, i, DIR_OUT) > 0) {
            return true;
        }
    }
    return false;
}

static unsigned queued(const struct plan *p, int listener)
{
    return p->model->connected[listener] - p->model->accepted[listener];
}

bool plan_quiet(const struct plan *p, int slot, int events)
{
    return unx_wait(p->model->fd[slot], events, 0) == -EAGAIN;
}

/* Fails whenever it is its turn: whether before, if others are before it, is not said. */
static bool hopeless(const struct plan *p, const struct step *s)
{
    const bool stream = p->model->type[s->slot] == SOCK_STREAM;
    if ((s->flags & UNX_PLAIN) != 0 && (s->nfds > 0 || s->cred || s->addr)) {
        return true;
    }
    if (s->kind == STEP_RECV) {
        return s->size == 0;
    }
    return s->nfds > 253 || (s->want & SEND_BAD_FD) != 0 || (s->size == 0 && stream) ||
           (!stream && (int)s->size > unx_max_packet(p->model->fd[s->slot]));
}

static bool legal_send(const struct plan *p, const struct step *s)
{
    const int peer = p->slots[s->slot].peer;
    const bool waits = plan_out(p, s->slot, DIR_OUT) > 0;
    if (p->slots[s->slot].server || plan_polls(p, s->slot, POLLOUT) || (step_is_short(s) && !waits)) {
        return false;
    }
    if ((s->addr && (peer < 0 || !p->slots[peer].server)) || (waits && hopeless(p, s))) {
        return false;
    }
    if (peer >= 0 && p->slots[peer].server && !waits && plan_senders_wait(p, peer) && s->timeout != 0) {
        return false;
    }
    const bool pieces = p->model->type[s->slot] == SOCK_STREAM && s->size > ONE_PIECE;
    const unsigned receivers = plan_out(p, peer, DIR_IN);
    /* How much goes at once is chance, if somebody takes it out meanwhile. */
    return !pieces || receivers == 0 || (receivers == 1 && standing(p, peer) && s->timeout != 0);
}

/* Has one of its ends been shut down, or is the other one gone? */
static bool ends(const struct plan *p, int slot)
{
    const int peer = p->slots[slot].peer;
    return p->slots[slot].shut || (peer < 0 ? !p->slots[slot].server : p->slots[peer].shut);
}

static bool legal_recv(const struct plan *p, const struct step *s)
{
    if (plan_polls(p, s->slot, POLLIN) && (s->timeout != 0 || s->kind != STEP_RECV)) {
        return false;
    }
    if (s->kind == STEP_STAND) {
        const bool idle = plan_out(p, s->slot, DIR_IN) == 0 && plan_quiet(p, s->slot, POLLIN);
        return !standing(p, s->slot) && (!step_is_short(s) || idle);
    }
    if (s->kind == STEP_DRAIN) {
        return plan_out(p, s->slot, DIR_IN) == 0 && (!ends(p, s->slot) || plan_senders_wait(p, s->slot));
    }
    const unsigned before = plan_out(p, s->slot, DIR_IN);
    if ((step_is_short(s) || before > 0) && hopeless(p, s)) {
        return false;
    }
    if (step_is_short(s) && before == 0 && !plan_quiet(p, s->slot, POLLIN)) {
        return false;
    }
    return !plan_senders_wait(p, s->slot) && before < 5;
}

static bool legal_poll(const struct plan *p, const struct step *s)
{
    if ((s->want & POLLOUT) != 0 && s->timeout != 0 && ends(p, s->slot)) {
        return false;
    }
    if (plan_out(p, s->slot, DIR_POLL) > 0 || (step_is_short(s) && !plan_quiet(p, s->slot, (int)s->want))) {
        return false;
    }
    return plan_out(p, s->slot, (s->want & POLLOUT) != 0 ? DIR_OUT : DIR_IN) == 0;
}

static bool legal_accept(const struct plan *p, const struct step *s)
{
    const int l = s->slot;
    if (!p->slots[l].listener || standing(p, l) || plan_out(p, l, DIR_IN) > 3 ||
        (p->slots[l].shut_rd && s->timeout == 0)) {
        return false;
    }
    return !step_is_short(s) || (queued(p, l) == 0 && !p->slots[l].shut_rd);
}

static bool legal_connect(const struct plan *p, const struct step *s)
{
    const int l = s->slot2;
    if (!p->slots[l].used || !p->slots[l].listener || connecting(p, l) || p->slots[s->slot].used ||
        p->slots[s->target].used || s->slot == s->target || p->model->connected[l] + 2 > ACCEPTED_MAX) {
        return false;
    }
    const bool full = queued(p, l) > p->slots[l].sndbuf && !p->slots[l].shut_rd && s->type == p->model->type[l];
    return !step_is_short(s) || full;
}

static bool legal_shut(const struct plan *p, const struct step *s)
{
    const int peer = p->slots[s->slot].peer;
    if (p->slots[s->slot].listener) {
        return s->want == SHUT_RD && !connecting(p, s->slot) && queued(p, s->slot) == 0;
    }
    if (plan_polls(p, s->slot, POLLOUT) || (peer >= 0 && plan_polls(p, peer, POLLOUT))) {
        return false;
    }
    return (s->want == SHUT_RD || plan_out(p, s->slot, DIR_OUT) == 0) &&
           (s->want == SHUT_WR || !plan_senders_wait(p, s->slot));
}

static bool legal_close(const struct plan *p, const struct step *s)
{
    const int peer = p->slots[s->slot].peer;
    const unsigned out = plan_out(p, s->slot, DIR_IN) + plan_out(p, s->slot, DIR_OUT) + plan_out(p, s->slot, DIR_POLL);
    if (p->plain && out > 0) {
        return false;
    }
    if (p->slots[s->slot].listener) {
        return !connecting(p, s->slot) && queued(p, s->slot) == 0;
    }
    if (peer < 0 || p->slots[peer].server) {
        return true;
    }
    if (plan_polls(p, peer, POLLOUT)) {
        return false;
    }
    return plan_out(p, peer, DIR_OUT) == 0 || (plan_out(p, peer, DIR_IN) == 0 && plan_out(p, peer, DIR_POLL) == 0 &&
                                               (!p->plain || p->model->type[s->slot] != SOCK_STREAM));
}

static bool legal_new(const struct plan *p, const struct step *s)
{
    if (p->slots[s->slot].used) {
        return false;
    }
    if (s->kind == STEP_PAIR) {
        return s->slot != s->slot2 && !p->slots[s->slot2].used;
    }
    return s->kind != STEP_CLIENT || (p->slots[s->slot2].used && p->slots[s->slot2].server);
}

bool plan_legal(const struct plan *p, const struct step *s)
{
    if (p->expiring >= 0) {
        return s->kind == STEP_EXPIRE && s->target == p->expiring;
    }
    const bool stays = s->kind > STEP_CLOSE && s->timeout != 0;
    if ((p->plain && step_is_short(s)) || (stays && p->model->nlive + 8 > OPERATIONS_MAX)) {
        return false;
    }
    const struct op *target = s->kind == STEP_CANCEL ? side_op(p->model, s->target) : NULL;
    switch (s->kind) {
    case STEP_PAIR:
    case STEP_LISTEN:
    case STEP_SERVER:
    case STEP_CLIENT:
        return legal_new(p, s);
    case STEP_CONNECT:
        return legal_connect(p, s);
    case STEP_TIMER:
        return true;
    case STEP_CANCEL:
        return !p->plain && target != NULL && target->state == OP_OUT;
    default:
        break;
    }
    const bool listener = p->slots[s->slot].listener;
    if (!p->slots[s->slot].used || !p->slots[s->slot].whole) {
        return false;
    }
    return s->kind == STEP_SHUT     ? legal_shut(p, s)
           : s->kind == STEP_CLOSE  ? legal_close(p, s)
           : s->kind == STEP_ACCEPT ? legal_accept(p, s)
           : listener               ? false
           : s->kind == STEP_SEND   ? legal_send(p, s)
           : s->kind == STEP_POLL   ? legal_poll(p, s)
           : s->kind == STEP_EXPIRE ? false
                                    : legal_recv(p, s);
}
