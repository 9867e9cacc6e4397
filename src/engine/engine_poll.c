// SPDX-License-Identifier: MIT
/*
 * The backend on poll(2), which every system has: for few descriptors, because each wait looks at all of them.
 */
#include "engine.h"

#include <errno.h>
#include <string.h>

struct set {
    struct pollfd *p;
    unsigned n, max;
    unsigned next; /* below it the next round begins */
};

static int open_poll(struct unx_engine *e)
{
    e->own = sys_allocate(sizeof(struct set));
    return e->own == NULL ? -ENOMEM : 0;
}

static void close_poll(struct unx_engine *e)
{
    struct set *const s = e->own;
    sys_free(s->p);
    sys_free(s);
}

static int no_descriptor(struct unx_engine *e)
{
    (void)e;
    return -EOPNOTSUPP;
}

static bool grow(struct set *s)
{
    const unsigned max = s->max == 0 ? 64 : s->max * 2;
    struct pollfd *const p = sys_allocate(max * sizeof *p);
    if (p == NULL) {
        return false;
    }
    if (s->n > 0) {
        memcpy(p, s->p, s->n * sizeof *p);
    }
    sys_free(s->p);
    s->p = p;
    s->max = max;
    return true;
}

/* The last one takes the place of one that leaves. */
static void take_out(struct unx_engine *e, struct line *l)
{
    struct set *const s = e->own;
    const struct pollfd last = s->p[--s->n];
    s->p[l->slot] = last;
    line_at(e, last.fd)->slot = l->slot;
    l->armed = 0;
}

static int want(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    struct set *const s = e->own;
    if (l->armed == 0) {
        if (s->n == s->max && !grow(s)) {
            return -ENOMEM;
        }
        l->slot = s->n++;
    }
    l->armed = (uint16_t)events;
    s->p[l->slot] = (struct pollfd){.fd = fd, .events = (short)events};
    return 0;
}

static int wait_poll(struct unx_engine *e, int64_t ns)
{
    struct set *const s = e->own;
    feed_all(e);
    int left = sys_poll_many(s->p, s->n, ns);
    if (left < 0) {
        return left;
    }
    /* Downwards, because one that is taken out is replaced by the last one, and from where the last round ended,
     * because there may be room for few events. */
    for (unsigned n = s->n, i = s->next < n ? s->next : n; n > 0 && left > 0 && event_room(e); n--) {
        i = i == 0 ? s->n - 1 : i - 1;
        s->next = i;
        const struct pollfd p = s->p[i];
        if (p.revents == 0) {
            continue;
        }
        left--;
        s->p[i].revents = 0;
        struct line *const l = line_at(e, p.fd);
        if (engine_ready(e, p.fd, l, (unsigned)p.revents)) {
            continue;
        }
        const unsigned wanted = run_wanted(l);
        if (l->armed != 0 && wanted == 0) {
            take_out(e, l);
            i = i < s->n ? i : s->n;
        } else if (l->armed != 0 && wanted != l->armed) {
            want(e, p.fd, l, wanted);
        }
    }
    return 0;
}

static bool forget(struct unx_engine *e, int fd, struct line *l)
{
    (void)fd;
    if (l->armed != 0) {
        take_out(e, l);
    }
    return true;
}

const struct engine_backend engine_poll = {
    .name = "poll",
    .open = open_poll,
    .close = close_poll,
    .nest = no_descriptor,
    .want = want,
    .wait = wait_poll,
    .forget = forget,
};
