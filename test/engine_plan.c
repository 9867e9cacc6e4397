// SPDX-License-Identifier: MIT
/*
 * The plan of a script (engine_script.h): what each step changes, and which steps may stand in one batch, because it
 * makes no difference in which order they move.
 */
#include "engine_script.h"
#include "harness.h"

#include <poll.h>
#include <string.h>

void plan_open(struct plan *p, struct side *model, bool plain)
{
    memset(p, 0, sizeof *p);
    p->model = model;
    p->plain = plain;
    p->expiring = -1;
}

/* ---- batches ---- */

static unsigned group_of(const struct plan *p, const struct step *s)
{
    const struct op *target = s->kind == STEP_CANCEL || s->kind == STEP_EXPIRE ? side_op(p->model, s->target) : NULL;
    if (target != NULL) {
        return target->s->group;
    }
    if (s->kind == STEP_TIMER) {
        return 0;
    }
    return p->slots[s->kind == STEP_CONNECT || s->kind == STEP_CLIENT ? s->slot2 : s->slot].group;
}

/* Messages of packet sockets that wait if they have to, and room enough that they need not: whenever each of them
 * moves, the results are the same. */
static bool simple(const struct plan *p, const struct step *s)
{
    if ((s->kind != STEP_SEND && s->kind != STEP_RECV) || (s->timeout != -1 && s->timeout != LONG_TIME)) {
        return false;
    }
    const int peer = p->slots[s->slot].peer;
    if (p->model->type[s->slot] == SOCK_STREAM || peer < 0 || p->slots[peer].server || p->slots[s->slot].server) {
        return false;
    }
    if (s->kind == STEP_RECV) {
        return true;
    }
    /* Who polls the peer sees the message, unless it is received before. */
    return !plan_polls(p, peer, POLLIN) && s->size <= 192 && s->nfds < 4 && plan_out(p, s->slot, DIR_OUT) == 0 &&
           p->slots[s->slot].sndbuf >= 20000 && !plan_quiet(p, s->slot, POLLOUT);
}

/* An operation that can only wait may be cancelled, or closed over, before anybody has seen it. */
static bool ends_unseen(const struct plan *p, const struct step *s, int only)
{
    const struct op *o = side_op(p->model, only);
    if (o == NULL || o->state != OP_OUT || o->r.before > 0 || (o->dir != DIR_IN && o->dir != DIR_POLL)) {
        return false;
    }
    return s->kind == STEP_CANCEL ? s->target == only : s->kind == STEP_CLOSE && s->slot == o->s->slot;
}

bool plan_fits_batch(const struct plan *p, const struct step *s)
{
    const bool makes = s->kind <= STEP_CLIENT || s->kind == STEP_CONNECT;
    const int other = s->kind == STEP_PAIR ? s->slot2 : s->kind == STEP_CONNECT ? s->target : s->slot;
    if (s->kind == STEP_EXPIRE) {
        return true; /* it may have come before the sides come to rest */
    }
    if (p->expiring >= 0 || (makes && (p->closed[s->slot] || p->closed[other]))) {
        return false;
    }
    if (s->kind < STEP_CLIENT) {
        return true;
    }
    const unsigned group = group_of(p, s);
    for (unsigned i = 0; i < p->ntouched; i++) {
        if (p->touched[i].group == group) {
            return (p->touched[i].simple && simple(p, s) && p->touched[i].n < 8) ||
                   (p->touched[i].n == 1 && ends_unseen(p, s, p->touched[i].only));
        }
    }
    return p->ntouched + 1 < SLOTS;
}

void plan_end_batch(struct plan *p)
{
    p->ntouched = 0;
    memset(p->closed, 0, sizeof p->closed);
}

static void touch(struct plan *p, const struct step *s, bool is_simple)
{
    unsigned i = 0;
    while (i < p->ntouched && p->touched[i].group != s->group) {
        i++;
    }
    if (i == p->ntouched) {
        p->ntouched++;
        p->touched[i].group = s->group;
        p->touched[i].simple = true;
        p->touched[i].n = 0;
        p->touched[i].only = s->id;
    }
    p->touched[i].simple &= is_simple;
    p->touched[i].n++;
}

/* ---- what a step changes ---- */

static void use(struct plan *p, int slot, int peer, unsigned group, unsigned sndbuf)
{
    memset(&p->slots[slot], 0, sizeof p->slots[slot]);
    p->slots[slot].used = true;
    p->slots[slot].whole = true;
    p->slots[slot].peer = peer;
    p->slots[slot].group = group;
    p->slots[slot].sndbuf = sndbuf;
    p->slots[slot].by = -1;
}

static void made(struct plan *p, const struct step *s)
{
    const unsigned room = s->want > 0 && s->kind == STEP_PAIR ? s->want : 200000;
    switch (s->kind) {
    case STEP_PAIR:
        use(p, s->slot, s->slot2, s->group, room);
        use(p, s->slot2, s->slot, s->group, room);
        break;
    case STEP_LISTEN:
        use(p, s->slot, -1, s->group, s->want);
        p->slots[s->slot].listener = true;
        break;
    case STEP_SERVER:
        use(p, s->slot, -1, s->group, room);
        p->slots[s->slot].server = true;
        break;
    case STEP_CLIENT:
        use(p, s->slot, s->slot2, s->group, room);
        p->slots[s->slot].how = s->want;
        break;
    case STEP_CONNECT:
        use(p, s->slot, s->target, s->group, room);
        use(p, s->target, s->slot, s->group, room);
        p->slots[s->slot].whole = p->slots[s->target].whole = false;
        p->slots[s->slot].by = p->slots[s->target].by = s->id;
        break;
    default:
        break;
    }
}

static void look_at_connections(struct plan *p)
{
    for (unsigned i = 0; i < SLOTS; i++) {
        if (!p->slots[i].used || p->slots[i].whole || p->slots[i].by < 0) {
            continue;
        }
        const struct op *o = side_op(p->model, p->slots[i].by);
        if (o->state == OP_DONE && o->r.result < 0) {
            p->slots[i].used = false;
        } else if (p->model->fd[o->s->slot] >= 0 && p->model->fd[o->s->target] >= 0) {
            p->slots[i].whole = true;
        }
    }
}

void plan_apply(struct plan *p, struct step *s)
{
    s->group = s->kind < STEP_CLIENT ? ++p->ngroups : group_of(p, s);
    const bool is_simple = simple(p, s);
    side_step(p->model, s);
    p->model->pump(p->model, 0);
    made(p, s);
    if (s->kind == STEP_SHUT) {
        p->slots[s->slot].shut = true;
        p->slots[s->slot].shut_rd |= s->want != SHUT_WR;
    }
    if (s->kind == STEP_CLOSE) {
        p->slots[s->slot].used = false;
        p->closed[s->slot] = true;
        for (unsigned i = 0; i < SLOTS; i++) {
            p->slots[i].peer = p->slots[i].peer == s->slot ? -1 : p->slots[i].peer;
        }
    }
    p->expiring = step_is_short(s) && side_op(p->model, s->id)->state == OP_OUT ? s->id : -1;
    look_at_connections(p);
    touch(p, s, is_simple);
}
