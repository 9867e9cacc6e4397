// SPDX-License-Identifier: MIT
/*
 * Misuse is told at once, starts nothing and breaks nothing; what only the system can know comes with the event.
 */
#include "engine.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Not started: nothing is out, and nothing comes. */
#define REFUSED(call, want)                                                                                            \
    do {                                                                                                               \
        CHECK_INT(QUIET(call), want);                                                                                  \
        QUIET_FOR(e, 0);                                                                                               \
    } while (0)

/* At once, or by the event. */
static int outcome(struct unx_engine *e, const struct unx_op *op, int r)
{
    if (r < 0) {
        QUIET_FOR(e, 0);
        return r;
    }
    CHECK_INT(r, 0);
    const struct unx_event ev = NEXT(e);
    CHECK(ev.op == op);
    CHECK_INT(ev.flags, 0);
    return ev.result;
}

/* The bits that a call does not know, one by one. */
#define EACH_BIT(bit, known)                                                                                           \
    for (unsigned bit = 1; bit != 0; bit <<= 1)                                                                        \
        if ((bit & (known)) == 0)

static void unknown_flags(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("server")), 0);
    struct job j;
    job_room(&j);
    EACH_BIT(bit, UNX_ENGINE_URING | UNX_ENGINE_EPOLL | UNX_ENGINE_POLL)
    {
        struct unx_engine *other = e;
        REFUSED(unx_engine_new(&other, 0, bit), -EINVAL);
        CHECK(other == NULL);
    }
    EACH_BIT(bit, UNX_PLAIN | UNX_LAZY | UNX_NOW)
    {
        ROW("%#x", bit);
        REFUSED(unx_engine_send(e, &j.op, s[0], &j.m, bit, -1), -EINVAL);
    }
    EACH_BIT(bit, UNX_PEEK | UNX_PEEK_FDS | UNX_PARTIAL | UNX_KEEP | UNX_PLAIN)
    {
        ROW("%#x", bit);
        REFUSED(unx_engine_recv(e, &j.op, s[0], &j.m, bit, -1), -EINVAL);
    }
    EACH_BIT(bit, UNX_STANDING | UNX_PARTIAL | UNX_PLAIN)
    {
        ROW("%#x", bit);
        REFUSED(unx_engine_recv(e, &j.op, s[0], NULL, UNX_STANDING | bit, -1), -EINVAL);
    }
    EACH_BIT(bit, UNX_STANDING | UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF | UNX_INTR)
    {
        ROW("%#x", bit);
        REFUSED(unx_engine_accept(e, &j.op, listener, bit, -1), -EINVAL);
        REFUSED(unx_engine_accept(e, &j.op, listener, UNX_STANDING | bit, -1), -EINVAL);
    }
    const unsigned making =
        UNX_NONBLOCK | UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP | UNX_BIGBUF;
    EACH_BIT(bit, making)
    {
        ROW("%#x", bit);
        REFUSED(unx_engine_connect(e, &j.op, SOCK_STREAM, bit, NULL, &to, -1), -EINVAL);
    }
    leave(e, listener);
    leave_pair(e, s);
}

static void null(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("server")), 0);
    struct job j;
    struct unx_event ev;
    job_room(&j);
    REFUSED(unx_engine_new(NULL, 0, engine_flag()), -EINVAL);
    REFUSED(unx_engine_send(NULL, &j.op, s[0], &j.m, 0, -1), -EINVAL);
    REFUSED(unx_engine_send(e, NULL, s[0], &j.m, 0, -1), -EINVAL);
    REFUSED(unx_engine_send(e, &j.op, s[0], NULL, 0, -1), -EINVAL);
    REFUSED(unx_engine_recv(NULL, &j.op, s[0], &j.m, 0, -1), -EINVAL);
    REFUSED(unx_engine_recv(e, NULL, s[0], &j.m, 0, -1), -EINVAL);
    REFUSED(unx_engine_recv(e, &j.op, s[0], NULL, 0, -1), -EINVAL);
    REFUSED(unx_engine_recv(e, NULL, s[0], NULL, UNX_STANDING, -1), -EINVAL);
    REFUSED(unx_engine_recv(e, &j.op, s[0], &j.m, UNX_STANDING, -1), -EINVAL);
    REFUSED(unx_engine_accept(NULL, &j.op, s[0], 0, -1), -EINVAL);
    REFUSED(unx_engine_accept(e, NULL, s[0], 0, -1), -EINVAL);
    REFUSED(unx_engine_connect(NULL, &j.op, SOCK_STREAM, 0, NULL, &to, -1), -EINVAL);
    REFUSED(unx_engine_connect(e, NULL, SOCK_STREAM, 0, NULL, &to, -1), -EINVAL);
    REFUSED(unx_engine_connect(e, &j.op, SOCK_STREAM, 0, NULL, NULL, -1), -EINVAL);
    REFUSED(unx_engine_poll(NULL, &j.op, s[0], POLLIN, -1), -EINVAL);
    REFUSED(unx_engine_poll(e, NULL, s[0], POLLIN, -1), -EINVAL);
    REFUSED(unx_engine_timer(NULL, &j.op, 1), -EINVAL);
    REFUSED(unx_engine_timer(e, NULL, 1), -EINVAL);
    REFUSED(unx_engine_cancel(NULL, &j.op), -EINVAL);
    REFUSED(unx_engine_cancel(e, NULL), -EINVAL);
    REFUSED(unx_engine_close(NULL, &j.op, s[0]), -EINVAL);
    REFUSED(unx_engine_close(e, NULL, s[0]), -EINVAL);
    REFUSED(unx_engine_reap(NULL, &ev, 1, 0), -EINVAL);
    REFUSED(unx_engine_reap(e, NULL, 1, 0), -EINVAL);
    REFUSED(unx_engine_post(NULL, &j.op, 1), -EINVAL);
    REFUSED(unx_engine_post(e, NULL, 1), -EINVAL);
    REFUSED(unx_engine_fd(NULL), -EINVAL);
    REFUSED(unx_engine_cancel(e, &j.op), -ENOENT);
    CHECK(raw_is_open(s[0]));
    leave_pair(e, s);
}

static void numbers(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("server")), 0);
    struct job j;
    struct unx_event ev;
    struct unx_engine *other = e;
    job_room(&j);
    REFUSED(unx_engine_new(&other, 4097, engine_flag()), -EINVAL);
    CHECK(other == NULL);
    static const int times[] = {-2, INT_MIN};
    for (unsigned i = 0; i < 2; i++) {
        REFUSED(unx_engine_send(e, &j.op, s[0], &j.m, 0, times[i]), -EINVAL);
        REFUSED(unx_engine_recv(e, &j.op, s[0], &j.m, 0, times[i]), -EINVAL);
        REFUSED(unx_engine_recv(e, &j.op, s[0], NULL, UNX_STANDING, times[i]), -EINVAL);
        REFUSED(unx_engine_accept(e, &j.op, s[0], 0, times[i]), -EINVAL);
        REFUSED(unx_engine_connect(e, &j.op, SOCK_STREAM, 0, NULL, &to, times[i]), -EINVAL);
        REFUSED(unx_engine_poll(e, &j.op, s[0], POLLIN, times[i]), -EINVAL);
        REFUSED(unx_engine_timer(e, &j.op, times[i]), -EINVAL);
        REFUSED(unx_engine_reap(e, &ev, 1, times[i]), -EINVAL);
    }
    REFUSED(unx_engine_timer(e, &j.op, -1), -EINVAL);
    /* The longest that there is. */
    START(unx_engine_timer(e, &j.op, INT_MAX));
    QUIET_FOR(e, 5);
    START(unx_engine_cancel(e, &j.op));
    LAST(e, &j.op, -ECANCELED);
    START(unx_engine_recv(e, &j.op, s[0], NULL, UNX_STANDING, INT_MAX));
    QUIET_FOR(e, 5);
    START(unx_engine_cancel(e, &j.op));
    LAST(e, &j.op, -ECANCELED);
    leave_pair(e, s);
}

static void messages(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct job j;
    for (unsigned i = 0; i < 4; i++) {
        job_room(&j);
        j.m.reserved[i] = 1;
        CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_send(e, &j.op, s[0], &j.m, 0, -1))), -EINVAL);
        CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_recv(e, &j.op, s[0], &j.m, 0, -1))), -EINVAL);
    }
    static const struct {
        const char *what;
        struct unx_msg m;
        unsigned flags;
        int sends, receives;
    } rows[] = {
        {"no bytes on a stream", {.niov = 0}, 0, -EINVAL, -EINVAL},
        {"no array", {.niov = 1}, 0, -EINVAL, -EINVAL},
        {"too many pieces", {.niov = 1025, .iov = (struct iovec *)&rows}, 0, -EINVAL, -EINVAL},
        {"no descriptors", {.nfds = 1}, 0, -EINVAL, -EINVAL},
        {"no control data", {.control_max = 20}, 0, -EINVAL, -EINVAL},
        {"plain, without bytes", {.niov = 0}, UNX_PLAIN, -EINVAL, -EINVAL},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("%s", rows[i].what);
        struct unx_op op = {0};
        struct unx_msg m = rows[i].m;
        /* As the call that waits for nothing says it. */
        CHECK_INT(outcome(e, &op, QUIET(unx_engine_send(e, &op, s[0], &m, rows[i].flags, -1))),
                  unx_send(s[0], &m, rows[i].flags | UNX_DONTWAIT));
        CHECK_INT(outcome(e, &op, QUIET(unx_engine_recv(e, &op, s[0], &m, rows[i].flags, 0))),
                  unx_recv(s[0], &m, rows[i].flags | UNX_DONTWAIT));
    }
    job_bytes(&j, "x", 1);
    j.m.fds = (int[]){s[0], -1};
    j.m.nfds = 2;
    CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_send(e, &j.op, s[0], &j.m, 0, -1))), -EBADF);
    j.m.nfds = 254;
    CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_send(e, &j.op, s[0], &j.m, 0, -1))), -E2BIG);
    check_nothing(s[1]);
    leave_pair(e, s);
}

/* What is no socket, or none of this kind, is told by the event or at once, as the blocking call tells it. */
static void descriptors(struct unx_engine *e)
{
    int p[2], s[2];
    raw_pipe(p);
    raw_pair(SOCK_SEQPACKET, s);
    const int packets = raw_socket(SOCK_SEQPACKET), stream = raw_socket(SOCK_STREAM);
    const int blocking = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    close(fcntl(s[0], F_DUPFD_CLOEXEC, 500));
    const int fds[] = {-1, INT_MIN, 500, p[0], packets, stream, blocking};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        ROW("number %u, descriptor %d", i, fds[i]);
        const int fd = fds[i];
        struct job j, direct;
        job_room(&j);
        job_room(&direct);
        const int send = unx_send(fd, &direct.m, UNX_DONTWAIT), recv = unx_recv(fd, &direct.m, UNX_DONTWAIT);
        CHECK(send < 0 && send != -EAGAIN && recv < 0 && recv != -EAGAIN);
        CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_send(e, &j.op, fd, &j.m, 0, -1))), send);
        CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_recv(e, &j.op, fd, &j.m, 0, -1))), recv);
        CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_recv(e, &j.op, fd, NULL, UNX_STANDING, -1))), recv);
        const int accept = outcome(e, &j.op, QUIET(unx_engine_accept(e, &j.op, fd, 0, -1)));
        CHECK(accept == (i < 3 ? -EBADF : i == 3 ? -ENOTSOCK : -EINVAL));
        if (i < 3) {
            CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_poll(e, &j.op, fd, POLLIN, -1))), -EBADF);
            CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_poll(e, &j.op, fd, POLLIN, 0))), -EBADF);
            CHECK_INT(outcome(e, &j.op, QUIET(unx_engine_close(e, &j.op, fd))), -EBADF);
        }
    }
    /* That the listener blocks is misuse. */
    struct unx_op op = {0};
    REFUSED(unx_engine_accept(e, &op, blocking, 0, -1), -EINVAL);
    REFUSED(unx_engine_accept(e, &op, blocking, UNX_STANDING, -1), -EINVAL);
    leave(e, packets);
    leave(e, stream);
    leave(e, blocking);
    leave_pair(e, p);
    leave_pair(e, s);
}

/* Nothing can be started with an operation that is out, whatever it is; it goes on. */
static void an_operation_in_use(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("server")), 0);
    struct job j;
    for (int how = 0; how < 3; how++) {
        ROW("%s", how == 0 ? "waits" : how == 1 ? "done" : "cancelled");
        job_recv_any(e, &j, s[0]);
        if (how == 1) {
            raw_send(s[1], "x", 1, NULL, 0);
            raw_sleep(2);
        } else if (how == 2) {
            START(unx_engine_cancel(e, &j.op));
        }
        struct job other;
        job_room(&other);
        CHECK_INT(QUIET(unx_engine_send(e, &j.op, s[0], &other.m, 0, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_recv(e, &j.op, s[0], &other.m, 0, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_recv(e, &j.op, s[0], NULL, UNX_STANDING, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_accept(e, &j.op, listener, 0, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_connect(e, &j.op, SOCK_STREAM, 0, NULL, &to, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_poll(e, &j.op, s[0], POLLIN, -1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_timer(e, &j.op, 1)), -EBUSY);
        CHECK_INT(QUIET(unx_engine_close(e, &j.op, s[0])), -EBUSY);
        CHECK_INT(QUIET(unx_engine_post(e, &j.op, 1)), -EBUSY);
        if (how == 0) {
            QUIET_FOR(e, 2);
            raw_send(s[1], "x", 1, NULL, 0);
        }
        JOB_LAST(e, &j, how == 2 ? -ECANCELED : 1);
        check_nothing(s[1]);
    }
    /* Nobody has connected meanwhile. */
    CHECK_INT(unx_accept(listener, 0, NULL), -EAGAIN);
    leave(e, listener);
    leave_pair(e, s);
}

static int open_event(void)
{
    int found = -1;
    for (int fd = 0; fd < 64; fd++) {
        char path[32], is[32] = "";
        snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
        if (readlink(path, is, sizeof is - 1) > 0 && strstr(is, "eventfd") != NULL) {
            CHECK_INT(found, -1);
            found = fd;
        }
    }
    return found;
}

/* Somebody has closed what others ring by: a post says so, and has not happened. */
static void a_bell_that_is_gone(struct unx_engine *e)
{
    const int event = open_event();
    if (event < 0) {
        SKIP("the engine's own descriptor cannot be found here");
    }
    const int kept = fcntl(event, F_DUPFD_CLOEXEC, 100);
    CHECK(kept >= 0);
    struct unx_op op = {0};
    close(event);
    CHECK_INT(QUIET(unx_engine_post(e, &op, 1)), -EBADF);
    CHECK_INT(QUIET(unx_engine_post(e, &op, 2)), -EBADF);
    CHECK_INT(QUIET(unx_engine_wake(e)), -EBADF);
    CHECK_INT(dup3(kept, event, O_CLOEXEC), event);
    close(kept);
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    START(unx_engine_post(e, &op, 3));
    LAST(e, &op, 3);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(unknown_flags),
    ENGINE_CASE(null),
    ENGINE_CASE(numbers),
    ENGINE_CASE(messages),
    ENGINE_CASE(descriptors),
    ENGINE_CASE(an_operation_in_use),
    ENGINE_CASE(a_bell_that_is_gone),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
