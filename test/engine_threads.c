// SPDX-License-Identifier: MIT
/*
 * Plain blocking calls as a side of a script (engine_script.h): an operation that may wait has a thread of its own,
 * which waits for those before it on the same descriptor and in the same direction,
 * and then makes the one call that blocks.
 *
 * All that threads share is under one lock, which the script's own thread holds but while it waits.
 */
#include "engine_script.h"
#include "harness.h"

#include <linux/sockios.h>
#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <time.h>
#include <unistd.h>

struct own {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    unsigned events, started, ended, joined;
    pthread_t finished[4 * OPERATIONS_MAX];
};

struct job {
    struct side *w;
    struct op *o;
};

static void note(struct side *w, struct op *o, int result, bool more)
{
    struct own *own = w->own;
    pthread_mutex_lock(&own->lock);
    if (o->dir == DIR_POLL || o->dir == DIR_NONE || o->s->kind == STEP_ACCEPT) {
        op_end(w, o, result, more);
    } else {
        op_message(w, o, &o->m, result, more);
    }
    own->events++;
    pthread_cond_broadcast(&own->changed);
    pthread_mutex_unlock(&own->lock);
}

static int send_all(struct op *o, unsigned how)
{
    const struct step *s = o->s;
    struct unx_msg m = o->m;
    struct iovec rest;
    size_t gone = 0;
    int r;
    do {
        if ((s->flags & UNX_PLAIN) != 0) {
            rest = (struct iovec){o->data + gone, s->size - gone};
            m.iov = &rest;
        } else {
            m.skip = gone;
        }
        r = unx_send(o->fd, &m, s->flags | how);
        gone += r == 1 ? m.len : 0;
    } while (r == 1 && o->type == SOCK_STREAM && gone < s->size);
    memcpy(&o->m.len, &m.len, sizeof m - offsetof(struct unx_msg, len));
    o->m.len = o->m.full_len = o->type == SOCK_STREAM ? gone : m.len;
    return r;
}

/* Standing receives and drains: message by message. */
static void receive_on(struct side *w, struct op *o)
{
    int fds[253], r = 1;
    struct unx_cred cred;
    struct unx_addr addr;
    const bool plain = (o->s->flags & UNX_PLAIN) != 0, drain = o->s->kind == STEP_DRAIN;
    if (!drain && !plain) {
        o->m.fds = fds;
        o->m.nfds = 253;
        o->m.cred = &cred;
        o->m.addr = o->type == SOCK_DGRAM ? &addr : NULL;
        o->lent = o->m;
    }
    while (!drain || o->r.before < o->until) {
        const size_t left = o->until - o->r.before;
        o->iov[0].iov_len = !drain ? POOL_SIZE : o->type == SOCK_STREAM && o->s->size > left ? left : o->s->size;
        r = unx_recv(o->fd, &o->m, o->s->flags & ~UNX_STANDING);
        if (r != 1 && !unx_one_message(r)) {
            break;
        }
        note(w, o, r, true);
        r = 1;
    }
    memset(&o->m, 0, sizeof o->m);
    o->lent = o->m;
    o->m.error = r < 0 ? r : 0;
    note(w, o, r, false);
}

static void block(struct side *w, struct op *o)
{
    int r;
    switch (o->s->kind) {
    case STEP_SEND:
        note(w, o, send_all(o, 0), false);
        break;
    case STEP_RECV:
        note(w, o, unx_recv(o->fd, &o->m, o->s->flags), false);
        break;
    case STEP_POLL:
        note(w, o, unx_wait(o->fd, (int)o->s->want, -1), false);
        break;
    case STEP_ACCEPT:
        do {
            r = unx_accept(o->fd, 0, NULL);
            note(w, o, r, r >= 0 && (o->s->flags & UNX_STANDING) != 0);
        } while (r >= 0 && (o->s->flags & UNX_STANDING) != 0);
        break;
    case STEP_CONNECT:
        note(w, o, unx_connect(o->s->type, UNX_PASSFDS, NULL, &o->addr, -1), false);
        break;
    default:
        receive_on(w, o);
        break;
    }
}

static bool is_first(const struct side *w, const struct op *o)
{
    for (unsigned i = 0; i < w->nlive && w->live[i] != o; i++) {
        if ((o->dir == DIR_IN || o->dir == DIR_OUT) && w->live[i]->dir == o->dir && w->live[i]->fd == o->fd) {
            return false;
        }
    }
    return true;
}

static void *work(void *arg)
{
    struct job job = *(struct job *)arg;
    struct own *own = job.w->own;
    free(arg);
    pthread_mutex_lock(&own->lock);
    while (!is_first(job.w, job.o)) {
        pthread_cond_wait(&own->changed, &own->lock);
    }
    pthread_mutex_unlock(&own->lock);
    block(job.w, job.o);
    pthread_mutex_lock(&own->lock);
    own->finished[own->ended++] = pthread_self();
    pthread_cond_broadcast(&own->changed);
    pthread_mutex_unlock(&own->lock);
    return NULL;
}

/* What does not wait is done here and now. */
static void at_once(struct side *w, struct op *o)
{
    struct unx_addr a;
    int r = 0;
    switch (o->s->kind) {
    case STEP_SEND:
        op_message(w, o, &o->m, send_all(o, UNX_DONTWAIT), false);
        return;
    case STEP_RECV:
        op_message(w, o, &o->m, unx_recv(o->fd, &o->m, o->s->flags | UNX_DONTWAIT), false);
        return;
    case STEP_POLL:
        r = unx_wait(o->fd, (int)o->s->want, 0);
        break;
    case STEP_ACCEPT:
        r = unx_wait(o->fd, POLLIN, 0);
        r = r < 0 ? r : unx_accept(o->fd, 0, NULL);
        break;
    case STEP_CONNECT:
        a = side_name(w, o->s->slot2);
        r = unx_connect(o->s->type, UNX_PASSFDS, NULL, &a, 0);
        break;
    case STEP_CLOSE:
        close(o->fd);
        break;
    default:
        break;
    }
    op_end(w, o, r, false);
}

static void threads_start(struct side *w, struct op *o)
{
    pthread_attr_t attr;
    pthread_t thread;
    if (o->s->kind == STEP_ACCEPT) {
        CHECK_INT(unx_set_nonblock(o->fd, 0), 0);
    }
    if ((o->s->timeout == 0 && (o->s->flags & UNX_STANDING) == 0 && o->s->kind != STEP_DRAIN) ||
        o->s->kind == STEP_TIMER || o->s->kind == STEP_CLOSE) {
        at_once(w, o);
        return;
    }
    if (o->s->kind == STEP_DRAIN) {
        o->until = side_op(w->model, o->s->id)->r.before;
    }
    if (o->s->kind == STEP_CONNECT) {
        o->addr = side_name(w, o->s->slot2);
    }
    struct job *job = malloc(sizeof *job);
    CHECK(job != NULL);
    *job = (struct job){w, o};
    pthread_attr_init(&attr);
    pthread_attr_setstacksize(&attr, 256 * 1024);
    CHECK_INT(pthread_create(&thread, &attr, work, job), 0);
    ((struct own *)w->own)->started++;
    pthread_attr_destroy(&attr);
}

static void join(struct own *own)
{
    while (own->ended > 0) {
        const pthread_t thread = own->finished[--own->ended];
        pthread_mutex_unlock(&own->lock);
        pthread_join(thread, NULL);
        pthread_mutex_lock(&own->lock);
        own->joined++;
    }
}

static int threads_pump(struct side *w, int timeout_ms)
{
    struct own *own = w->own;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += timeout_ms / 1000;
    until.tv_nsec += timeout_ms % 1000 * 1000000L;
    until.tv_sec += until.tv_nsec / 1000000000L;
    until.tv_nsec %= 1000000000L;
    while (own->events == 0 && timeout_ms > 0) {
        if (pthread_cond_timedwait(&own->changed, &own->lock, &until) != 0) {
            break;
        }
    }
    const unsigned n = own->events;
    own->events = 0;
    join(own);
    return (int)n;
}

/* A sender on a stream that waits for room has to have come so far that there is none. */
static void threads_rest(struct side *w, const struct side *model)
{
    struct own *own = w->own;
    for (unsigned i = 0; i < w->nlive; i++) {
        const struct op *o = w->live[i], *like = side_op(model, o->s->id);
        const bool parts = o->dir == DIR_OUT && o->type == SOCK_STREAM;
        int here = 0, there = 1;
        for (unsigned turn = 0; parts && here != there && turn < 50000; turn++) {
            CHECK_INT(ioctl(o->fd, SIOCOUTQ, &here), 0);
            CHECK_INT(ioctl(like->fd, SIOCOUTQ, &there), 0);
            if (here != there) {
                pthread_mutex_unlock(&own->lock);
                usleep(200);
                pthread_mutex_lock(&own->lock);
            }
        }
        if (parts && here != there) {
            side_complain(w, "a sender that waits has not sent as much as the model's", o->s->id);
        }
    }
}

static void threads_end(struct side *w)
{
    struct own *own = w->own;
    if (w->nlive > 0) {
        side_complain(w, "calls are still blocked", -1);
        return;
    }
    for (join(own); own->joined < own->started; join(own)) {
        pthread_cond_wait(&own->changed, &own->lock);
    }
    pthread_mutex_unlock(&own->lock);
    free(own);
}

void threads_open(struct side *w, unsigned max_id, const struct side *model)
{
    struct own *own = calloc(1, sizeof *own);
    pthread_condattr_t attr;
    CHECK(own != NULL);
    side_open(w, "blocking calls", max_id, model);
    pthread_mutex_init(&own->lock, NULL);
    pthread_condattr_init(&attr);
    pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
    pthread_cond_init(&own->changed, &attr);
    pthread_condattr_destroy(&attr);
    pthread_mutex_lock(&own->lock);
    w->own = own;
    w->start = threads_start;
    w->pump = threads_pump;
    w->rest = threads_rest;
    w->end = threads_end;
}
