// SPDX-License-Identifier: MIT
/*
 * Accepting: until it is stopped and nobody is queued any more, and without a spin when the descriptor table is full.
 *
 * What surprised us: with a full table accept4(2) says EMFILE whether somebody is queued or not. After a shutdown it
 * goes on saying EAGAIN on a non-blocking socket, and only poll(2) knows (POLLRDHUP). An event that was set before
 * fork(2) is set for the child as well, where nobody stopped anything.
 */
#include "io.h"
#include "listener.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

struct accepting {
    struct unx_listener *l;
    int64_t deadline;
    int timeout_ms;
    bool intr;
    bool over; /* it was shut down: nobody new can come */
    unsigned turned_away;
};

/* 0: try again; negative: give up with this. */
static int wait_for(struct accepting *a, int events, int error, int64_t longest)
{
    const int64_t left = a->timeout_ms == 0 ? 0 : io_left(a->deadline);
    const int64_t slice = left < 0 || (longest >= 0 && left > longest) ? longest : left;
    const int event = listener_ours(a->l) ? a->l->event : -1;
    const int r = sys_poll_or(events == 0 ? -1 : a->l->fd, events, event, slice);
    if (r < 0) {
        return r == -EINTR && !a->intr ? 0 : r;
    }
    if (r & POLLRDHUP) {
        a->over = true;
        return 0;
    }
    return r == 0 && left == 0 ? error : 0;
}

static int nobody(struct accepting *a)
{
    if (a->over) {
        return -ESHUTDOWN;
    }
    return wait_for(a, POLLIN | POLLRDHUP, a->timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT, -1);
}

static int take_spare(struct unx_listener *l)
{
    return listener_has_event(l) ? atomic_exchange(&l->spare, -1) : -1;
}

static void make_spare(struct unx_listener *l)
{
    const int fd = listener_has_event(l) ? sys_dup(l->event) : -1;
    int none = -1;
    if (fd >= 0 && !atomic_compare_exchange_strong(&l->spare, &none, fd)) {
        sys_close(fd);
    }
}

/* Accepts one client with the spare descriptor, to close it. False: there was none to spare. */
static bool turn_away(struct unx_listener *l)
{
    const int spare = take_spare(l);
    if (spare < 0) {
        make_spare(l);
        return false;
    }
    sys_close(spare);
    const int conn = sys_accept(l->fd, true, NULL);
    if (conn >= 0) {
        sys_close(conn);
        atomic_fetch_add(&l->shed, 1);
    }
    make_spare(l);
    return conn >= 0;
}

/* No descriptor, or no memory, for a connection. */
static int full(struct accepting *a, int error)
{
    const int64_t pause = 20000000;
    struct unx_listener *l = a->l;
    const int events = sys_poll(l->fd, POLLIN | POLLRDHUP, 0);
    if (events == 0) {
        return nobody(a);
    }
    if (events > 0 && ((events & POLLRDHUP) || atomic_load(&l->stopped))) {
        const int spare = take_spare(l);
        if (spare < 0) {
            return error;
        }
        sys_close(spare);
        return 0;
    }
    if ((l->flags & UNX_SHED) != 0 && turn_away(l)) {
        /* Who connects again as fast as we close must not keep the caller from what would free a descriptor. */
        const unsigned at_once = 64;
        if (a->timeout_ms == 0) {
            return ++a->turned_away < at_once ? 0 : -EAGAIN;
        }
        return io_left(a->deadline) == 0 ? -ETIMEDOUT : 0;
    }
    return wait_for(a, 0, error, pause);
}

int unx_listener_accept(struct unx_listener *l, unsigned flags, struct unx_addr *peer, int timeout_ms)
{
    if (l == NULL || timeout_ms < -1 || (flags & ~SOCKET_ACCEPT) != 0) {
        return -EINVAL;
    }
    if (l->type == SOCK_DGRAM || (l->type == SOCK_STREAM && (flags & UNX_TIMESTAMP) != 0)) {
        return -EOPNOTSUPP;
    }
    struct accepting a = {
        .l = l, .deadline = io_deadline(timeout_ms), .timeout_ms = timeout_ms, .intr = (flags & UNX_INTR) != 0};
    for (int r = 0; r >= 0;) {
        /* Not every system refuses who comes after a shutdown; so when nobody is queued, it is over. */
        if (atomic_load(&l->stopped) && (atomic_load(&l->shared) || sys_poll(l->fd, POLLIN, 0) == 0)) {
            return -ESHUTDOWN;
        }
        r = unx_accept(l->fd, flags | UNX_INTR, peer);
        switch (r) {
        case -EAGAIN:
            r = nobody(&a);
            break;
        case -EMFILE:
        case -ENFILE:
        case -ENOBUFS:
        case -ENOMEM:
            r = full(&a, r);
            break;
        case -EINTR:
            r = a.intr ? r : 0;
            break;
        case -ECONNABORTED:
            r = 0;
            break;
        case -EINVAL: /* shut down, and made to block by somebody */
            return -ESHUTDOWN;
        default:
            if (r >= 0 && (l->flags & UNX_SHED) != 0 && atomic_load(&l->spare) < 0) {
                make_spare(l);
            }
            return r;
        }
        if (r < 0) {
            return r;
        }
    }
    return -EINVAL;
}

unsigned unx_listener_shed(const struct unx_listener *l)
{
    return l == NULL ? 0 : atomic_load(&l->shed);
}
