// SPDX-License-Identifier: MIT
/*
 * One process of the soak (soak.h): a tick each millisecond starts, cancels and closes things at random;
 * events do the rest.
 */
#include "soak.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define ACTIONS 20 /* of a tick */

/* ---- a tick ---- */

static void act(struct soak *s, struct soak_connection *c)
{
    static const int events[] = {POLLIN, POLLOUT, POLLIN | POLLRDHUP};
    const unsigned n = soak_throw(s, 1000);
    if (!c->used || c->closing || c->fd < 0) {
        if (s->side == CLIENT && !c->used && n < 900) {
            soak_reconnect(s, c);
        } else if (s->side == CLIENT && n < 950) {
            soak_cancel(s, &c->connect);
        }
        return;
    }
    if (!soak_receives(c) && n % 16 == 0) {
        soak_receive(s, c, &c->recvs[0], true);
    } else if (n < 600 && c->id >= 0) {
        for (unsigned i = soak_throw(s, 12); i-- > 0;) {
            soak_send(s, c);
        }
    } else if (n < 700) {
        struct soak_op *o = &c->recvs[1 + soak_throw(s, SOAK_RECVS - 1)];
        if (!o->out && !(c->recvs[0].out && c->recvs[0].kind == SOAK_STAND)) {
            soak_receive(s, c, o, false);
        }
    } else if (n < 800) {
        soak_cancel(s, soak_throw(s, 2) == 0 ? &c->sends[soak_throw(s, SOAK_SENDS)]
                                             : &c->recvs[soak_throw(s, SOAK_RECVS)]);
    } else if (n < 850 && !c->poll.out) {
        soak_started(s, &c->poll, SOAK_POLL,
                     unx_engine_poll(s->e, &c->poll.op, c->fd, events[soak_throw(s, 3)], (int)soak_throw(s, 30) - 1));
    } else if (n < 860 && !c->timer.out) {
        soak_started(s, &c->timer, SOAK_TIMER, unx_engine_timer(s->e, &c->timer.op, (int)soak_throw(s, 20)));
    } else if (n < 880) {
        soak_cancel(s, n < 870 ? &c->poll : &c->timer);
    } else if (n < 882 && c->id >= 0 && !c->shut) {
        c->shut = true;
        unx_shutdown(c->fd, SHUT_WR);
    } else if (n < 890 && c->id >= 0) {
        soak_close(s, c);
    }
}

static void tick(struct soak *s)
{
    if (soak_now() >= s->next_look) {
        const unsigned n = soak_nfds();
        s->t->fds_most = n > s->t->fds_most ? n : s->t->fds_most;
        s->next_look += INT64_C(1000000000);
    }
    struct unx_msg **held = &s->held[soak_throw(s, 8)];
    soak_give_back(s, *held);
    *held = NULL;
    for (unsigned i = 0; i < 2 && s->side == SERVER; i++) {
        if (soak_throw(s, 300) == 0) {
            soak_cancel(s, &s->accepts[i]);
        } else if (!s->accepts[i].out) {
            soak_started(s, &s->accepts[i], SOAK_ACCEPT,
                         unx_engine_accept(s->e, &s->accepts[i].op, s->listeners[i], UNX_STANDING, -1));
        }
    }
    for (unsigned i = 0; i < ACTIONS; i++) {
        act(s, &s->connections[soak_throw(s, s->nconnections)]);
    }
    soak_started(s, &s->tick, SOAK_TIMER, unx_engine_timer(s->e, &s->tick.op, 1));
}

/* ---- a process ---- */

static void reap(struct soak *s, int timeout_ms)
{
    struct unx_event ev[64];
    const int n = unx_engine_reap(s->e, ev, 1 + soak_throw(s, 64), timeout_ms);
    if (n < 0) {
        soak_fail(s, "reaping said %d", n);
    }
    for (int i = 0; i < n; i++) {
        soak_event(s, &ev[i]);
        if (ev[i].op == &s->tick.op && !s->ending) {
            tick(s);
        }
    }
}

/* Operations of the soak that another thread posts; they come out as events and may be posted again. */
static void *post(void *arg)
{
    struct soak *s = arg;
    while (!atomic_load(&s->stop_posting)) {
        for (unsigned i = 0; i < SOAK_POSTS; i++) {
            struct soak_op *o = &s->posts[i];
            if (!atomic_exchange(&o->free_to_post, false)) {
                continue;
            }
            if (unx_engine_post(s->e, &o->op, (int)i) != 0) {
                soak_fail(s, "posting is refused");
            }
        }
        unx_engine_wake(s->e);
        usleep(3000);
    }
    return NULL;
}

/* Those that the other thread has posted are counted when they come. */
static void open_side(struct soak *s)
{
    int r = unx_engine_new(&s->e, 0, s->shared->backend);
    if (r == 0) {
        r = unx_engine_buffers(s->e, 32, SOAK_BYTES);
    }
    if (r < 0) {
        soak_fail(s, "no engine: %d", r);
    }
    const size_t each = (SOAK_SENDS + SOAK_RECVS + 1) * SOAK_BYTES;
    s->connections = calloc(s->nconnections, sizeof *s->connections);
    s->bytes = malloc(s->nconnections * each);
    if (s->connections == NULL || s->bytes == NULL) {
        soak_fail(s, "no memory");
    }
    for (unsigned i = 0; i < s->nconnections; i++) {
        s->connections[i].id = (int)i;
        s->connections[i].fd = -1;
        soak_set_up(&s->connections[i], s->bytes + i * each);
    }
    for (unsigned i = 0; i < SOAK_POSTS; i++) {
        s->posts[i].op.data = &s->posts[i];
        s->posts[i].kind = SOAK_POST;
        s->posts[i].free_to_post = true;
    }
    if (pthread_create(&s->poster, NULL, post, s) != 0) {
        soak_fail(s, "no thread");
    }
    soak_started(s, &s->tick, SOAK_TIMER, unx_engine_timer(s->e, &s->tick.op, 1));
}

static bool idle(const struct soak *s)
{
    for (unsigned i = 0; i < s->nconnections; i++) {
        if (s->connections[i].used) {
            return false;
        }
    }
    return unx_wait(s->listeners[0], POLLIN, 0) == -EAGAIN && unx_wait(s->listeners[1], POLLIN, 0) == -EAGAIN;
}

/* Nothing new is started; everything has to come back. */
static void wind_up(struct soak *s)
{
    s->ending = true;
    atomic_store(&s->stop_posting, true);
    pthread_join(s->poster, NULL);
    for (unsigned i = 0; i < s->nconnections; i++) {
        struct soak_connection *c = &s->connections[i];
        soak_cancel(s, &c->connect);
        soak_cancel(s, &c->timer);
        if (c->used) {
            soak_close(s, c);
        }
    }
    soak_cancel(s, &s->accepts[0]);
    soak_cancel(s, &s->accepts[1]);
    const int64_t last = soak_now() + INT64_C(20000000000);
    while (s->out > 0 && soak_now() < last) {
        reap(s, 100);
        for (unsigned i = 0; i < s->nconnections; i++) {
            soak_close(s, &s->connections[i]);
        }
    }
    reap(s, 0);
    for (unsigned i = 0; i < 8; i++) {
        soak_give_back(s, s->held[i]);
    }
    if (s->out > 0) {
        soak_fail(s, "%u operations were lost", s->out);
    }
    const int r = unx_engine_free(s->e);
    if (r != 0) {
        soak_fail(s, "the engine cannot be freed: %d", r);
    }
}

void soak_run(struct soak_shared *shared, enum soak_side side, const int listeners[2])
{
    struct soak *s = calloc(1, sizeof *s);
    const unsigned before = soak_nfds();
    s->shared = shared;
    s->side = side;
    s->t = &shared->totals[side];
    s->dice = (uint64_t)side + 1 + (uint64_t)soak_now();
    s->nconnections = shared->connections;
    s->listeners[0] = listeners[0];
    s->listeners[1] = listeners[1];
    s->end = soak_now() + shared->seconds * INT64_C(1000000000);
    s->next_look = soak_now();
    open_side(s);
    s->t->fds_before = soak_nfds();
    while (side == CLIENT ? soak_now() < s->end : !atomic_load(&shared->client_over) || !idle(s)) {
        reap(s, -1);
    }
    wind_up(s);
    s->t->fds_after = soak_nfds();
    if (s->t->fds_after != before) {
        soak_fail(s, "%u descriptors were open before, %u are afterwards", before, s->t->fds_after);
    }
    free(s->bytes);
    free(s->connections);
    free(s);
    atomic_store(&shared->client_over, true);
}
