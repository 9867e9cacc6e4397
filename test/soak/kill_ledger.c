// SPDX-License-Identifier: MIT
/*
 * The judge of the soak with kill -9 (kill.h): looks at a connection when both of its ends are over.
 * Only the supervisor calls it.
 *
 * A connection that no server has met is over for good when the server that it may have reached is dead; before, that
 * server may still find it in its backlog.
 */
#include "kill.h"

#include <string.h>

const char *const kill_sides[2] = {"client", "server"};

void kill_bury(struct kill_shared *s, unsigned side)
{
    const unsigned life = atomic_load(&s->life[side]);
    for (unsigned i = 0; i < s->nrecords; i++) {
        struct kill_record *r = &s->record[i];
        struct kill_half *h = &r->half[side];
        const unsigned state = atomic_load(&h->state);
        if (!atomic_load(&r->open) || (state & HALF_OVER) != 0) {
            continue;
        }
        if (side == CLIENT) {
            r->closed_in = atomic_load(&s->life[SERVER]);
            atomic_fetch_or(&h->state, HALF_KILLED | HALF_OVER);
        } else if ((state & HALF_MET) != 0 && h->life == life) {
            atomic_fetch_or(&h->state, HALF_KILLED | HALF_OVER);
        }
    }
    s->totals[side].open = 0;
    s->totals[side].started = s->totals[side].over = 0;
}

static void complain(struct kill_verdict *v, unsigned i, const struct kill_record *r, unsigned from, const char *what)
{
    const struct kill_half *a = &r->half[from], *b = &r->half[1 - from];
    if (v->wrong++ < 10) {
        fprintf(stderr,
                "soak_kill: connection %u.%u, %s, %s, from %s to %s: %s: began %llu, done %llu (state %x), "
                "got %llu (state %x); servers %u to %u\n",
                i, r->generation, kill_streams(i) ? "stream" : "packets", kill_slow(i) ? "slow" : "fast",
                kill_sides[from], kill_sides[1 - from], what, (unsigned long long)a->begun, (unsigned long long)a->done,
                a->state, (unsigned long long)b->got, b->state, r->opened_in, r->closed_in);
    }
}

static void judge_direction(const struct kill_shared *s, struct kill_verdict *v, unsigned i, unsigned from)
{
    const struct kill_record *r = &s->record[i];
    const struct kill_half *a = &r->half[from], *b = &r->half[1 - from];
    const uint64_t begun = a->begun, done = a->done, got = b->got;
    const uint64_t missing = got < done ? done - got : 0;
    if (done > begun || got > ((a->state & HALF_KILLED) != 0 ? begun : done)) {
        complain(v, i, r, from, "more came than was sent");
    }
    v->extra += got > done ? got - done : 0;
    if ((b->state & HALF_SAW_END) != 0) {
        v->ends[1 - from][0]++;
        if (missing > 0) {
            complain(v, i, r, from, "the end came, and not all before it");
        }
        return;
    }
    if (missing > s->most_queued[kill_streams(i)][kill_slow(i)]) {
        complain(v, i, r, from, "more is missing than can be queued");
    }
    v->most_missing = missing > v->most_missing ? missing : v->most_missing;
    if (from == CLIENT && (b->state & HALF_MET) == 0) {
        v->missing_unmet += missing;
    } else if ((b->state & HALF_KILLED) != 0) {
        v->ends[1 - from][2]++;
        v->missing_killed += missing;
    } else {
        v->ends[1 - from][1]++;
        v->missing_closed += missing;
    }
}

static void judge(struct kill_shared *s, struct kill_verdict *v, unsigned i)
{
    v->judged++;
    judge_direction(s, v, i, CLIENT);
    judge_direction(s, v, i, SERVER);
}

/* A server that was there from before the connect until now has to have met whoever could send; and who has seen the
 * end before the server was killed was turned away by it. */
static void judge_unmet(struct kill_shared *s, struct kill_verdict *v, unsigned i)
{
    const struct kill_record *r = &s->record[i];
    const unsigned life = atomic_load(&s->life[SERVER]);
    v->unmet++;
    judge_direction(s, v, i, CLIENT);
    if (r->half[CLIENT].done > 0 && r->opened_in == life) {
        complain(v, i, r, CLIENT, "no server has met it");
    } else if ((r->half[CLIENT].state & HALF_SAW_END) != 0 && r->opened_in + 1 == life && r->ended_at < s->struck_at) {
        complain(v, i, r, CLIENT, "its server lived, and did not meet it");
    }
}

void kill_settle(struct kill_shared *s, struct kill_verdict *v, bool last)
{
    for (unsigned i = 0; i < s->nrecords; i++) {
        struct kill_record *r = &s->record[i];
        if (!atomic_load(&r->open)) {
            continue;
        }
        const unsigned client = atomic_load(&r->half[CLIENT].state), server = atomic_load(&r->half[SERVER].state);
        if ((client & HALF_REFUSED) != 0) {
            atomic_store(&r->open, false);
        } else if ((client & server & HALF_OVER) != 0) {
            judge(s, v, i);
            atomic_store(&r->open, false);
        } else if ((client & HALF_OVER) != 0 && (server & HALF_MET) == 0 &&
                   (last || atomic_load(&s->life[SERVER]) > r->closed_in)) {
            judge_unmet(s, v, i);
            atomic_store(&r->open, false);
        } else if (last) {
            complain(v, i, r, CLIENT, "it is not over");
        }
    }
}
