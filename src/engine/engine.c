// SPDX-License-Identifier: MIT
/*
 * The engine as an object: made on the best backend that works here, nested in a loop, and freed.
 */
#include "engine.h"

#include <errno.h>

static void close_all(struct unx_engine *e)
{
    if (e->own != NULL) {
        e->backend->close(e);
    }
    if (e->event >= 0) {
        sys_close(e->event);
    }
    if (e->clock >= 0) {
        sys_close(e->clock);
    }
    for (unsigned i = 0; i < e->nblocks; i++) {
        sys_free(e->blocks[i].memory);
    }
    sys_free(e->blocks);
    for (int i = 0; i < 2; i++) {
        sys_free(e->pools[i].block);
    }
    sys_free(e);
}

int engine_watch_own(struct unx_engine *e, struct op *op, int fd)
{
    struct line *const l = line_make(e, fd);
    if (l == NULL) {
        return -ENOMEM;
    }
    *op = (struct op){.kind = OP_INTERNAL, .state = OP_OUT, .fd = fd, .events = POLLIN};
    line_add(l, op);
    const int r = e->backend->want(e, fd, l, run_wanted(l));
    if (r < 0) {
        line_remove(l, op);
    }
    return r;
}

static int open_with(struct unx_engine **out, const struct engine_backend *backend, unsigned depth)
{
    struct unx_engine *const e = sys_allocate(sizeof *e);
    if (e == NULL) {
        return -ENOMEM;
    }
    e->backend = backend;
    e->depth = depth;
    e->clock = e->nested = -1;
    e->clock_at = -1;
    e->nbuffers = 1024;
    e->buffer_size = 4096;
    e->event = sys_event();
    int r = e->event < 0 ? e->event : backend->open(e);
    if (r == 0) {
        r = engine_watch_own(e, &e->waking, e->event);
        /* One that may not watch any more, or not at all, does not work here. */
        r = r == 0 || r == -ENOMEM ? r : -EOPNOTSUPP;
    }
    if (r < 0) {
        close_all(e);
        return r;
    }
    *out = e;
    return 0;
}

int unx_engine_new(struct unx_engine **e, unsigned depth, unsigned flags)
{
    static const struct {
        unsigned flag;
        const struct engine_backend *backend;
    } all[] = {
#ifdef UNX_WITH_URING
        {UNX_ENGINE_URING, &engine_uring},
#endif
        {UNX_ENGINE_EPOLL, &engine_epoll},
        {UNX_ENGINE_POLL, &engine_poll},
    };
    const unsigned known = UNX_ENGINE_URING | UNX_ENGINE_EPOLL | UNX_ENGINE_POLL;
    if (e == NULL) {
        return -EINVAL;
    }
    *e = NULL;
    if (depth > 4096 || (flags & ~known) != 0 || (flags & (flags - 1)) != 0) {
        return -EINVAL;
    }
    int r = -EOPNOTSUPP;
    /* One that takes more memory than there is may be followed by one that takes less. */
    for (size_t i = 0; i < sizeof all / sizeof *all && (r == -EOPNOTSUPP || r == -ENOMEM); i++) {
        if (flags == 0 || flags == all[i].flag) {
            r = open_with(e, all[i].backend, depth == 0 ? 256 : depth);
        }
    }
    return r;
}

int unx_engine_free(struct unx_engine *e)
{
    if (e == NULL) {
        return 0;
    }
    if (e->count > 0 || e->buffers_out > 0 || e->empty_out > 0 || atomic_load(&e->posted) != NULL || e->out != NULL) {
        return -EBUSY;
    }
    close_all(e);
    return 0;
}

const char *unx_engine_backend(const struct unx_engine *e)
{
    return e == NULL ? "" : e->backend->name;
}

int unx_engine_spin(struct unx_engine *e, unsigned microseconds)
{
    if (e == NULL || microseconds > 1000000) {
        return -EINVAL;
    }
    e->spin_ns = microseconds * INT64_C(1000);
    return 0;
}

int unx_engine_fd(struct unx_engine *e)
{
    if (e == NULL) {
        return -EINVAL;
    }
    if (e->nested >= 0) {
        return e->nested;
    }
    if (e->count > 0 || e->stride > 0) {
        return -EBUSY;
    }
    const int fd = e->backend->nest(e);
    if (fd < 0) {
        return fd;
    }
    if (e->clock < 0) {
        const int clock = sys_clock();
        if (clock < 0) {
            return clock;
        }
        const int r = engine_watch_own(e, &e->ticking, clock);
        if (r < 0) {
            sys_close(clock);
            return r;
        }
        e->clock = clock;
    }
    const int flushed = e->backend->flush == NULL ? 0 : e->backend->flush(e);
    if (flushed < 0) {
        return flushed;
    }
    e->nested = fd;
    return fd;
}

void engine_nudge(struct unx_engine *e)
{
    if (e->nested >= 0 && !e->draining && e->out == NULL) {
        e->draining = true;
        sys_event_set(e->event);
    }
}

void engine_set_clock(struct unx_engine *e)
{
    const int64_t at = e->heap == NULL ? -1 : e->heap->at;
    if (at != e->clock_at && sys_clock_set(e->clock, at) == 0) {
        e->clock_at = at;
    }
}
