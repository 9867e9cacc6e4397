// SPDX-License-Identifier: MIT
/*
 * The backend on epoll(7): level-triggered, registered for as long as it pays.
 *
 * Promises: who asks again and again costs no system call for it. What nobody waits for any more is taken out when it
 * is first reported. What was reported and does not fit into one batch is kept for the next, so a small batch costs no
 * system call either.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

struct epoll {
    int fd;
    unsigned at, n; /* of `ready`: what has not been handled */
    unsigned asked; /* how many there could have been */
    bool wanted;    /* somebody waited for one of those that were handled last */
    struct sys_ready ready[SYS_READY_MAX];
};

static struct epoll *epoll_of(const struct unx_engine *e)
{
    return e->own;
}

static int nest(struct unx_engine *e)
{
    return epoll_of(e)->fd;
}

static int open_epoll(struct unx_engine *e)
{
    struct epoll *const p = sys_allocate(sizeof *p);
    if (p == NULL) {
        return -ENOMEM;
    }
    p->fd = sys_epoll();
    if (p->fd < 0) {
        const int r = p->fd;
        sys_free(p);
        return r == -ENOSYS || r == -EPERM ? -EOPNOTSUPP : r;
    }
    e->own = p;
    return 0;
}

static void close_epoll(struct unx_engine *e)
{
    sys_close(epoll_of(e)->fd);
    sys_free(e->own);
}

static int set(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    const int r = sys_epoll_watch(epoll_of(e)->fd, fd, l->armed, events);
    l->armed = (uint16_t)(r < 0 ? 0 : events);
    return r;
}

/* kept: the caller had its turn since it was reported, and the number may be another descriptor's now. An attempt finds
 * out by itself. */
static void ready(struct unx_engine *e, struct sys_ready r, bool kept)
{
    struct line *const l = line_at(e, r.fd);
    if (kept && l->polls != NULL && l->polls->kind == OP_POLL) {
        const int is = sys_poll(r.fd, (int)run_wanted(l), 0);
        r.events = is >= 0 ? (unsigned)is : (unsigned)POLLNVAL;
    }
    epoll_of(e)->wanted |= l->armed != 0;
    if (engine_ready(e, r.fd, l, r.events)) {
        return;
    }
    const unsigned wanted = run_wanted(l);
    if (l->armed != 0 && run_useless(l, r.events, wanted)) {
        set(e, r.fd, l, wanted);
    }
}

static int ask(struct unx_engine *e, struct epoll *p, unsigned room, int64_t ns)
{
    feed_all(e);
    /* Who takes events one by one is told what is so now. */
    const unsigned most = room < ENGINE_BATCH ? room : e->depth < SYS_READY_MAX ? e->depth : SYS_READY_MAX;
    const int n = sys_epoll_wait(p->fd, p->ready, most, ns);
    p->asked = most;
    p->at = 0;
    p->n = n < 0 ? 0 : (unsigned)n;
    return n < 0 ? n : 0;
}

/* With many descriptors each line and operation is a miss of the cache: those of a batch are fetched all at once, and
 * the lines of the next. */
static void fetch_ahead(const struct unx_engine *e, const struct epoll *p)
{
    const unsigned left = p->n - p->at, lines = left < 2 * ENGINE_BATCH ? left : 2 * ENGINE_BATCH;
    if (left < 2) {
        return;
    }
    const struct line *l[2 * ENGINE_BATCH];
    for (unsigned i = 0; i < lines; i++) {
        l[i] = line_at(e, p->ready[p->at + i].fd);
        __builtin_prefetch(l[i]);
    }
    for (unsigned i = 0; i < lines && i < ENGINE_BATCH; i++) {
        __builtin_prefetch(l[i]->first[IN]);
    }
}

static int wait_epoll(struct unx_engine *e, int64_t ns)
{
    struct epoll *const p = epoll_of(e);
    const unsigned before = e->nout, room = e->room - before;
    const bool kept = p->at < p->n;
    const int r = kept ? 0 : ask(e, p, room, ns);
    const unsigned left = p->n - p->at, most = room < ENGINE_BATCH ? room : ENGINE_BATCH;
    fetch_ahead(e, p);
    p->wanted = false;
    for (const unsigned end = p->at + (left < most ? left : most); p->at < end;) {
        ready(e, p->ready[p->at++], kept);
    }
    /* An array that was filled may not be all that there is: if none of it was an event, the rest is asked for. But
     * what is reported although nobody waits for it, because it could not be taken away, would come for ever. */
    e->more = p->at < p->n || (p->n == p->asked && e->nout == before && e->done_first == NULL && p->wanted);
    return r;
}

static bool forget(struct unx_engine *e, int fd, struct line *l)
{
    if (l->armed != 0) {
        set(e, fd, l, 0);
    }
    return true;
}

const struct engine_backend engine_epoll = {
    .name = "epoll",
    .open = open_epoll,
    .close = close_epoll,
    .nest = nest,
    .want = set,
    .wait = wait_epoll,
    .forget = forget,
};
