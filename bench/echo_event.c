// SPDX-License-Identifier: MIT
/*
 * Echo on libevent: plain events with calls of one's own, and bufferevents, which speak SOCK_STREAM alone: what was
 * read is moved from one buffer to the other.
 */
#include "echo.h"

#include <errno.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum { EVENT, BUFFER };

static int status;

static void stop(struct event_base *base, int r)
{
    status = r;
    event_base_loopbreak(base);
}

static void readable(evutil_socket_t fd, short events, void *base)
{
    (void)events;
    char buf[ECHO_ROOM];
    const ssize_t n = recv(fd, buf, sizeof buf, MSG_DONTWAIT);
    if (n <= 0)
        stop(base, n < 0 ? -errno : 0);
    else if (send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
        stop(base, -EPROTO);
}

static void has_read(struct bufferevent *b, void *base)
{
    if (evbuffer_add_buffer(bufferevent_get_output(b), bufferevent_get_input(b)) < 0)
        stop(base, -ENOMEM);
}

static void ended(struct bufferevent *b, short what, void *base)
{
    (void)b;
    stop(base, what & BEV_EVENT_ERROR ? -errno : 0);
}

static int watch(struct event_base *base, unsigned variant, int fd)
{
    if (variant == EVENT) {
        struct event *const e = event_new(base, fd, EV_READ | EV_PERSIST, readable, base);
        return e && event_add(e, NULL) == 0 ? 0 : -ENOMEM;
    }
    evutil_make_socket_nonblocking(fd);
    struct bufferevent *const b = bufferevent_socket_new(base, fd, 0);
    if (!b)
        return -ENOMEM;
    bufferevent_setcb(b, has_read, NULL, ended, base);
    return bufferevent_enable(b, EV_READ | EV_WRITE) == 0 ? 0 : -EIO;
}

static int run(const struct echo_server *s, const struct echo_job *j)
{
    struct event_base *const base = event_base_new();
    int r = base ? 0 : -ENOMEM;
    for (unsigned i = 0; r == 0 && i < j->nfds; i++)
        r = watch(base, s->variant, j->fds[i]);
    if (r < 0)
        return r;
    event_base_dispatch(base);
    return status;
}

const struct echo_server echo_event[] = {
    {"libevent-event", ECHO_PEER, ECHO_SEQPACKET | ECHO_STREAM, run, EVENT, 0},
    {"libevent-buffer", ECHO_PEER, ECHO_STREAM, run, BUFFER, 0},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
