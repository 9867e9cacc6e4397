// SPDX-License-Identifier: MIT
/*
 * No descriptor left: an engine on each backend. What runs out is told by an event, and when there is room again the
 * connection or the message is there.
 *
 * What surprised us: a standing receive on io_uring may have installed descriptors before the limit was lowered, so the
 * message comes afterwards.
 */
#include "no_descriptor.h"

#include <poll.h>
#include <string.h>

static const unsigned flags[] = {UNX_ENGINE_URING, UNX_ENGINE_EPOLL, UNX_ENGINE_POLL};

static int makes_an_engine(unsigned flag)
{
    w.e = (struct unx_engine *)&w;
    const int r = QUIET(unx_engine_new(&w.e, 0, flag));
    CHECK(r >= 0 || w.e == NULL);
    return r == -EOPNOTSUPP ? 0 : r;
}

static int makes_a_ring(void)
{
    return makes_an_engine(UNX_ENGINE_URING);
}

static int makes_an_epoll(void)
{
    return makes_an_engine(UNX_ENGINE_EPOLL);
}

static int makes_a_poll(void)
{
    return makes_an_engine(UNX_ENGINE_POLL);
}

/* Another one on the backend that is tried; false: it does not work here. */
static bool engine_there(unsigned flag)
{
    raw_unlimit();
    const int r = unx_engine_new(&w.e, 0, flag);
    CHECK(r == 0 || r == -EOPNOTSUPP);
    raw_limit(w.allowed);
    return r == 0;
}

static int nests(unsigned flag)
{
    if (!engine_there(flag)) {
        return 0;
    }
    const int r = QUIET(unx_engine_fd(w.e));
    raw_unlimit();
    if (r < 0) {
        CHECK(unx_engine_fd(w.e) >= 0);
        undo();
    }
    return r;
}

static int nests_a_ring(void)
{
    return nests(UNX_ENGINE_URING);
}

static int nests_an_epoll(void)
{
    return nests(UNX_ENGINE_EPOLL);
}

/* The result of the one operation that is out. */
static struct unx_event last(const struct unx_op *op)
{
    struct unx_event ev;
    CHECK_INT(QUIET(unx_engine_reap(w.e, &ev, 1, 5000)), 1);
    CHECK(ev.op == op);
    return ev;
}

/* Misuse would be told so, too: by a result, or by the last event. */
static int result_of(int started, const struct unx_op *op)
{
    return started < 0 ? started : last(op).result;
}

static void leave(int fd)
{
    struct unx_op op = {0};
    CHECK_INT(unx_engine_close(w.e, &op, fd), 0);
    CHECK_INT(last(&op).result, 0);
}

/* With none, then with one: on every backend. */
static int accepts(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("accept, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        raw_unlimit();
        struct unx_op op = {0};
        const int listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &w.fresh, 5, 0600);
        const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("fresh")));
        raw_limit(w.allowed);
        const int r = result_of(QUIET(unx_engine_accept(w.e, &op, listener, 0, -1)), &op);
        CHECK(w.allowed > 0 ? r >= 0 : r == -EMFILE);
        raw_unlimit();
        const int conn = r >= 0 ? r : result_of(QUIET(unx_engine_accept(w.e, &op, listener, 0, -1)), &op);
        CHECK_INT(close(conn), 0);
        close(client);
        leave(listener);
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

/* Then it is the turn of the next one. */
static int cancels(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("cancel, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        raw_unlimit();
        struct unx_op first = {0}, next = {0};
        const int listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &w.fresh, 5, 0600);
        CHECK_INT(unx_engine_accept(w.e, &first, listener, 0, -1), 0);
        CHECK_INT(unx_engine_accept(w.e, &next, listener, 0, -1), 0);
        const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("fresh")));
        raw_limit(w.allowed);
        CHECK_INT(result_of(QUIET(unx_engine_cancel(w.e, &first)), &first), -ECANCELED);
        const int r = last(&next).result;
        raw_unlimit();
        CHECK(w.allowed > 0 ? r >= 0 : r == -EMFILE);
        if (r >= 0) {
            CHECK_INT(close(r), 0);
        }
        close(client);
        leave(listener);
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

static int connects(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("connect, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        struct unx_op op = {0};
        const int r = result_of(QUIET(unx_engine_connect(w.e, &op, SOCK_STREAM, 0, NULL, &w.at, -1)), &op);
        raw_unlimit();
        CHECK(w.allowed > 0 ? r >= 0 : r == -EMFILE);
        if (r >= 0) {
            CHECK_INT(close(r), 0);
        }
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

/* A message with a descriptor, and one without behind it. */
static int receives(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("recv, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        raw_unlimit();
        int s[2], fd = -7;
        char text[8];
        const struct iovec room = {text, sizeof text};
        struct unx_msg m = message(&room, 1);
        struct unx_op op = {0};
        m.fds = &fd;
        m.nfds = 1;
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS, s), 0);
        raw_send(s[1], "with", 4, w.s, 1);
        raw_send(s[1], "none", 4, NULL, 0);
        raw_limit(w.allowed);
        const int r = result_of(QUIET(unx_engine_recv(w.e, &op, s[0], &m, 0, -1)), &op);
        CHECK_INT(r, w.allowed > 0 ? 1 : -EMFILE);
        CHECK_INT(fd >= 0, r == 1);
        raw_unlimit();
        if (fd >= 0) {
            CHECK_INT(close(fd), 0);
        }
        CHECK_INT(result_of(QUIET(unx_engine_recv(w.e, &op, s[0], &m, 0, -1)), &op), 1);
        CHECK_MEM(text, m.len, "none", 4);
        leave(s[0]);
        close(s[1]);
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

/* A standing one goes on: the message that failed is told with UNX_MORE, and ends by being returned. */
static int stands(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("standing recv, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        raw_unlimit();
        int s[2];
        struct unx_op op = {0};
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS, s), 0);
        raw_send(s[1], "with", 4, w.s, 1);
        raw_send(s[1], "none", 4, NULL, 0);
        raw_limit(w.allowed);
        CHECK_INT(QUIET(unx_engine_recv(w.e, &op, s[0], NULL, UNX_STANDING, -1)), 0);
        const struct unx_event first = last(&op);
        CHECK_INT(first.result, w.allowed > 0 ? 1 : -EMFILE);
        CHECK((first.flags & UNX_MORE) != 0);
        CHECK_INT(first.msg->fds_got, first.result == 1);
        CHECK_INT(unx_engine_return(w.e, first.msg), 0);
        const struct unx_event second = last(&op);
        CHECK_INT(second.result, 1);
        CHECK_MEM(second.msg->iov->iov_base, second.msg->len, "none", 4);
        CHECK_INT(unx_engine_return(w.e, second.msg), 0);
        raw_unlimit();
        close(s[1]);
        CHECK_INT(last(&op).result, 0);
        leave(s[0]);
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

/* A standing accept waits where none is to be had, says so, and goes on: nobody who has connected is lost. */
static int reaps(void)
{
    for (unsigned i = 0; i < 3; i++) {
        ROW("standing accept, engine %u", i);
        if (!engine_there(flags[i])) {
            continue;
        }
        raw_unlimit();
        struct unx_op op = {0};
        const int listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &w.fresh, 5, 0600);
        const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("fresh")));
        CHECK_INT(unx_engine_accept(w.e, &op, listener, UNX_STANDING, -1), 0);
        raw_limit(w.allowed);
        struct unx_event ev = last(&op);
        CHECK((ev.flags & UNX_MORE) != 0 && (w.allowed > 0 ? ev.result >= 0 : ev.result == -EMFILE));
        raw_unlimit();
        for (unsigned n = 0; ev.result == -EMFILE; n++) {
            CHECK(n < 5);
            ev = last(&op);
        }
        CHECK_INT(close(ev.result), 0);
        CHECK_INT(unx_engine_cancel(w.e, &op), 0);
        CHECK_INT(last(&op).result, -ECANCELED);
        close(client);
        leave(listener);
        undo();
    }
    return w.allowed > 0 ? 0 : -EMFILE;
}

const struct attempt engine_attempts[] = {
    {"unx_engine_new, io_uring", makes_a_ring, 0},
    {"unx_engine_new, epoll", makes_an_epoll, 1},
    {"unx_engine_new, poll", makes_a_poll, 0},
    {"unx_engine_fd, io_uring", nests_a_ring, 0},
    {"unx_engine_fd, epoll", nests_an_epoll, 1},
    {"unx_engine_accept", accepts, 1},
    {"unx_engine_cancel", cancels, 1},
    {"unx_engine_reap, a standing accept", reaps, 1},
    {"unx_engine_connect", connects, 1},
    {"unx_engine_recv", receives, 1},
    {"unx_engine_recv, standing", stands, 1},
    {NULL, NULL, 0},
};
