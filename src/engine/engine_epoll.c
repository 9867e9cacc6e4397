// SPDX-License-Identifier: MIT
/*
 * The backend on epoll(7): level-triggered, registered for as long as it pays.
 *
 * Promises: who asks again and again costs no system call for it. What nobody waits for any more is taken out when it
 * is first reported.
 */
#include "engine.h"

#include <errno.h>

static int epoll_of(const struct unx_engine *e)
{
    return (int)(intptr_t)e->own - 1;
}

static int nest(struct unx_engine *e)
{
    return epoll_of(e);
}

static int open_epoll(struct unx_engine *e)
{
    const int epoll = sys_epoll();
    if (epoll < 0) {
        return epoll == -ENOSYS || epoll == -EPERM ? -EOPNOTSUPP : epoll;
    }
    e->own = (void *)(intptr_t)(epoll + 1);
    return 0;
}

static void close_epoll(struct unx_engine *e)
{
    sys_close(epoll_of(e));
}

static int set(struct unx_engine *e, int fd, struct line *l, unsigned events)
{
    const int r = sys_epoll_watch(epoll_of(e), fd, l->armed, events);
    l->armed = (uint16_t)(r < 0 ? 0 : events);
    return r;
}

static int wait_epoll(struct unx_engine *e, int64_t ns)
{
    struct sys_ready ready[SYS_READY_MAX];
    const unsigned room = e->room - e->nout, most = room < e->depth ? room : e->depth;
    const int n = sys_epoll_wait(epoll_of(e), ready, most, ns);
    /* With many descriptors each line and operation is a miss of the cache: they are fetched before they are needed. */
    for (int i = 0; i < n; i++) {
        __builtin_prefetch(line_at(e, ready[i].fd));
    }
    for (int i = 0; i < n; i++) {
        const int fd = ready[i].fd, ahead = i + 4;
        if (ahead < n) {
            const char *const op = (const char *)line_at(e, ready[ahead].fd)->first[IN];
            __builtin_prefetch(op);
            __builtin_prefetch(op + 64);
        }
        engine_ready(e, fd, ready[i].events);
        struct line *const l = line_at(e, fd);
        const unsigned wanted = run_wanted(l);
        if (l->armed != 0 && run_useless(l, ready[i].events, wanted)) {
            set(e, fd, l, wanted);
        }
    }
    return n < 0 ? n : 0;
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
