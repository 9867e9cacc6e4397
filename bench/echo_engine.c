// SPDX-License-Identifier: MIT
/*
 * Echo on the engine, through its public interface: a standing receive for each connection, whose buffer is sent back
 * as it is and then returned.
 *
 * A connection is its standing receive and nothing else: `data` says which descriptor it is on, and the first half is
 * in one line of the cache. What a reply needs belongs to the reply, and the memory that was used last is taken first:
 * most replies go while they are started, so one is enough for all of them, and is in the caches.
 */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>

#include <unx/engine.h>

#define EVENTS 64

struct connection {
    _Alignas(64) struct unx_op receive; /* its `data` is the descriptor, and one more, so that it is not NULL */
};

struct reply {
    struct unx_op send; /* the first; its `data` is NULL */
    struct unx_msg message;
    struct iovec data;
    struct unx_msg *request; /* whose buffer it is */
    struct reply *next;      /* that is free */
};

enum { PLAIN = 1u }; /* or-ed to the UNX_ENGINE_* of the backend */

static struct reply *free_replies;

static struct reply *take_reply(void)
{
    struct reply *p = free_replies;
    if (p) {
        free_replies = p->next;
        return p;
    }
    p = calloc(1, sizeof *p);
    if (p)
        p->message = (struct unx_msg){.iov = &p->data, .niov = 1};
    return p;
}

static int over(struct unx_engine *e, struct reply *p)
{
    const int r = unx_engine_return(e, p->request);
    p->next = free_replies;
    free_replies = p;
    return r < 0 ? r : 1;
}

static int received(struct unx_engine *e, const struct unx_event *ev, unsigned flags)
{
    const int fd = (int)((intptr_t)ev->op->data - 1);
    if (ev->result <= 0)
        return ev->result == -ECONNRESET ? 0 : ev->result;
    struct reply *const p = take_reply();
    if (!p)
        return -ENOMEM;
    p->request = ev->msg;
    p->data = (struct iovec){ev->msg->iov->iov_base, ev->msg->len};
    const int r = unx_engine_send(e, &p->send, fd, &p->message, flags | UNX_NOW, -1);
    return r < 0 ? r : r == 0 ? 1 : over(e, p);
}

static int sent(struct unx_engine *e, const struct unx_event *ev)
{
    if (ev->result < 0)
        return ev->result == -EPIPE || ev->result == -ECONNRESET ? 0 : ev->result;
    return over(e, (struct reply *)ev->op);
}

static int loop(struct unx_engine *e, unsigned flags)
{
    for (;;) {
        struct unx_event ev[EVENTS];
        const int n = unx_engine_reap(e, ev, EVENTS, -1);
        if (n < 0)
            return n;
        for (int i = 0; i < n; i++) {
            const int r = ev[i].op->data ? received(e, &ev[i], flags) : sent(e, &ev[i]);
            if (r <= 0)
                return r;
        }
    }
}

static int run(const struct echo_server *s, const struct echo_job *j)
{
    const unsigned flags = s->variant & PLAIN ? UNX_PLAIN : 0;
    struct unx_engine *e;
    struct connection *const c = aligned_alloc(_Alignof(struct connection), j->nfds * sizeof *c);
    int r = c ? unx_engine_new(&e, 0, s->variant & ~PLAIN) : -ENOMEM;
    if (r >= 0)
        r = unx_engine_spin(e, j->spin_us);
    for (unsigned i = 0; r >= 0 && i < j->nfds; i++) {
        c[i].receive = (struct unx_op){.data = (void *)(intptr_t)(j->fds[i] + 1)};
        r = unx_engine_recv(e, &c[i].receive, j->fds[i], NULL, flags | UNX_STANDING, -1);
    }
    return r < 0 ? r : loop(e, flags);
}

#define BOTH (ECHO_SEQPACKET | ECHO_STREAM)
#define BYTES sizeof(struct connection)

const struct echo_server echo_engine[] = {
    {"engine-uring", ECHO_ENGINE, BOTH, run, UNX_ENGINE_URING | PLAIN, BYTES},
    {"engine-epoll", ECHO_ENGINE, BOTH, run, UNX_ENGINE_EPOLL | PLAIN, BYTES},
    {"engine-poll", ECHO_ENGINE, BOTH, run, UNX_ENGINE_POLL | PLAIN, BYTES},
    {"engine-uring-msg", ECHO_ENGINE_MSG, BOTH, run, UNX_ENGINE_URING, BYTES},
    {"engine-epoll-msg", ECHO_ENGINE_MSG, BOTH, run, UNX_ENGINE_EPOLL, BYTES},
    {"engine-poll-msg", ECHO_ENGINE_MSG, BOTH, run, UNX_ENGINE_POLL, BYTES},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
