// SPDX-License-Identifier: MIT
/*
 * Rows about the engine: which of its backends work here, and that each does what it promises.
 *
 * What surprised us: io_uring is often forbidden where the kernel has it, and then says so only when it is asked.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/engine.h>

#include "selftest.h"

#define DEADLINE_MS 30

/* The next event, which has to be the one of `op`: its result. */
static int event_of(struct unx_engine *e, const struct unx_op *op, unsigned flags, const char *what,
                    struct unx_msg **message)
{
    struct unx_event ev = {.op = NULL};
    const int n = unx_engine_reap(e, &ev, 1, patience_ms);
    if (n != 1 || ev.op != op || ev.flags != flags) {
        wrong("%s: %d events, %s operation, flags %#x", what, n, ev.op == op ? "its own" : "another", ev.flags);
    }
    if (message != NULL) {
        *message = ev.msg;
    }
    return ev.result;
}

/* A request, and the reply that is the same. */
static void echo(struct unx_engine *e, struct unx_op *standing, const int fds[2], const char *text)
{
    struct unx_msg *m = NULL;
    struct unx_op answer = {.data = NULL};
    post(fds[0], text);
    const int r = event_of(e, standing, UNX_MORE, "a standing receive", &m);
    if (r != 1 || m == NULL || m->len != strlen(text) || memcmp(m->iov->iov_base, text, m->len) != 0) {
        wrong("a standing receive: %s", r < 0 ? error_text(r) : "another message than was sent");
    }
    struct iovec data = {.iov_base = m->iov->iov_base, .iov_len = m->len};
    struct unx_msg reply = {.iov = &data, .niov = 1};
    NEED(unx_engine_send(e, &answer, fds[1], &reply, 0, -1));
    need(event_of(e, &answer, 0, "a send", NULL), "unx_engine_send()");
    NEED(unx_engine_return(e, m));
    take(fds[0], text);
}

static void must_be(int result, int expected, const char *what)
{
    if (result != expected) {
        wrong("%s ended with %s", what, result < 0 ? error_text(result) : "success");
    }
}

static void backend(unsigned flag)
{
    enum { ECHOES = 20 };
    struct unx_engine *e;
    int fds[2], quiet[2];
    char c;
    const struct iovec room = {.iov_base = &c, .iov_len = 1};
    struct unx_msg m = {.iov = &room, .niov = 1};
    struct unx_op standing = {.data = NULL}, timer = {.data = NULL}, op = {.data = NULL};
    can(unx_engine_new(&e, 0, flag), false);
    pair(best_type(), UNX_NONBLOCK, fds);
    pair(best_type(), UNX_NONBLOCK, quiet);
    NEED(unx_engine_recv(e, &standing, fds[1], NULL, UNX_STANDING, -1));
    for (int i = 0; i < ECHOES; i++) {
        echo(e, &standing, fds, i % 2 == 0 ? "one" : "another");
    }
    NEED(unx_engine_timer(e, &timer, DEADLINE_MS));
    must_be(event_of(e, &timer, 0, "a timer", NULL), 0, "a timer");
    NEED(unx_engine_recv(e, &op, quiet[0], &m, 0, DEADLINE_MS));
    must_be(event_of(e, &op, 0, "a deadline", NULL), -ETIMEDOUT, "a receive with a deadline");
    NEED(unx_engine_recv(e, &op, quiet[0], &m, 0, -1));
    NEED(unx_engine_cancel(e, &op));
    must_be(event_of(e, &op, 0, "a cancel", NULL), -ECANCELED, "a receive that was cancelled");
    NEED(unx_engine_wake(e));
    struct unx_event none;
    must_be(unx_engine_reap(e, &none, 1, patience_ms), 0, "a reaping that was woken");
    close(fds[0]);
    must_be(event_of(e, &standing, 0, "the end", NULL), 0, "a standing receive, at the end,");
    NEED(unx_engine_free(e));
    close(fds[1]);
    close_all(quiet, 2);
    ok("%d echoes, a timer, a deadline, a cancel, a wake, the end", ECHOES);
}

static void uring(void)
{
    backend(UNX_ENGINE_URING);
}

static void epoll(void)
{
    backend(UNX_ENGINE_EPOLL);
}

static void by_poll(void)
{
    backend(UNX_ENGINE_POLL);
}

static void best(void)
{
    struct unx_engine *e;
    NEED(unx_engine_new(&e, 0, 0));
    const char *const name = unx_engine_backend(e);
    NEED(unx_engine_free(e));
    ok("%s", name);
}

const struct row engine_rows[] = {
    {"engine on io_uring", uring},
    {"engine on epoll", epoll},
    {"engine on poll", by_poll},
    {"engine that is taken", best},
    {NULL, NULL},
};
