// SPDX-License-Identifier: MIT
/*
 * Waiting for readiness, of sockets, pipes and files: the events of poll(2), for as many as ask,
 * beside operations of all kinds.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>

static void sockets(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_op op = {0};
        START(unx_engine_poll(e, &op, s[0], POLLIN, -1));
        QUIET_FOR(e, 5);
        raw_send(s[1], "x", 1, NULL, 0);
        CHECK(LAST(e, &op, POLLIN).msg == NULL);
        /* There already; and nothing was taken. */
        START(unx_engine_poll(e, &op, s[0], POLLIN | POLLOUT, -1));
        LAST(e, &op, POLLIN | POLLOUT);
        check_arrived(s[0], "x", 1);
        START(unx_engine_poll(e, &op, s[0], POLLOUT, -1));
        LAST(e, &op, POLLOUT);
        fill_socket(s[0], 1000);
        START(unx_engine_poll(e, &op, s[0], POLLOUT, -1));
        QUIET_FOR(e, 5);
        char data[1000];
        struct raw_got g;
        do {
            raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        } while (g.result > 0);
        LAST(e, &op, POLLOUT);
        leave_pair(e, s);
    }
}

static void nothing_but_errors(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct unx_op op = {0}, half = {0};
    START(unx_engine_poll(e, &op, s[0], 0, -1));
    START(unx_engine_poll(e, &half, s[0], POLLRDHUP, -1));
    raw_send(s[1], "x", 1, NULL, 0);
    QUIET_FOR(e, 5);
    CHECK_INT(shutdown(s[1], SHUT_WR), 0);
    LAST(e, &half, POLLRDHUP);
    QUIET_FOR(e, 5);
    close(s[1]);
    LAST(e, &op, POLLHUP);
    leave(e, s[0]);
}

static void pipes(struct unx_engine *e)
{
    int p[2];
    raw_pipe(p);
    struct unx_op in = {0}, out = {0};
    START(unx_engine_poll(e, &in, p[0], POLLIN, -1));
    START(unx_engine_poll(e, &out, p[1], POLLOUT, -1));
    LAST(e, &out, POLLOUT);
    QUIET_FOR(e, 5);
    CHECK_INT(write(p[1], "x", 1), 1);
    LAST(e, &in, POLLIN);
    char c;
    CHECK_INT(read(p[0], &c, 1), 1);
    START(unx_engine_poll(e, &in, p[0], POLLIN, -1));
    QUIET_FOR(e, 5);
    leave(e, p[1]);
    LAST(e, &in, POLLHUP);
    leave(e, p[0]);
}

/* Files without readiness have all that was asked for; nothing of them is left behind. */
static void files(struct unx_engine *e)
{
    const int fds[3] = {
        open(raw_file("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600),
        open(harness_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC),
        open(raw_file("file"), O_RDONLY | O_CLOEXEC),
    };
    for (unsigned i = 0; i < 3; i++) {
        CHECK(fds[i] >= 0);
        for (int twice = 0; twice < 2; twice++) {
            struct unx_op op = {0}, other = {0};
            START(unx_engine_poll(e, &op, fds[i], POLLIN | POLLOUT, -1));
            START(unx_engine_poll(e, &other, fds[i], POLLOUT, 1000));
            for (int n = 0; n < 2; n++) {
                const struct unx_event ev = NEXT(e);
                CHECK(ev.op == &op || ev.op == &other);
                CHECK_INT(ev.result, ev.op == &op ? POLLIN | POLLOUT : POLLOUT);
            }
            START(unx_engine_poll(e, &op, fds[i], POLLIN, 0));
            LAST(e, &op, POLLIN);
            QUIET_FOR(e, 2);
        }
        leave(e, fds[i]);
    }
}

/* What the table has at a number may change from a file to a socket and back. */
static void a_number_changes_its_kind(struct unx_engine *e)
{
    for (unsigned i = 0; i < 6; i++) {
        int s[2] = {-1, -1};
        struct unx_op op = {0};
        if (i % 2 == 0) {
            s[0] = open(raw_file("file"), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        } else {
            raw_pair(SOCK_STREAM, s);
        }
        START(unx_engine_poll(e, &op, s[0], POLLIN, -1));
        if (i % 2 == 1) {
            QUIET_FOR(e, 5);
            raw_send(s[1], "x", 1, NULL, 0);
            close(s[1]);
        }
        const int got = NEXT(e).result;
        CHECK((got & POLLIN) != 0);
        leave(e, s[0]);
    }
}

static void many_on_one(struct unx_engine *e)
{
    enum { N = 20 };
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    fill_socket(s[0], 1000);
    struct unx_op in[N] = {{0}}, out[N] = {{0}};
    for (unsigned i = 0; i < N; i++) {
        START(unx_engine_poll(e, &in[i], s[0], POLLIN, -1));
        START(unx_engine_poll(e, &out[i], s[0], POLLOUT, i != 7 ? -1 : 2000));
    }
    QUIET_FOR(e, 5);
    START(unx_engine_cancel(e, &in[3]));
    LAST(e, &in[3], -ECANCELED);
    LAST(e, &out[7], -ETIMEDOUT);
    raw_send(s[1], "x", 1, NULL, 0);
    bool seen[N] = {false};
    for (unsigned i = 0; i < N - 1; i++) {
        const struct unx_event ev = NEXT(e);
        CHECK(ev.op >= in && ev.op < in + N && ev.op != &in[3]);
        CHECK_INT(ev.result, POLLIN);
        CHECK(!seen[ev.op - in]);
        seen[ev.op - in] = true;
    }
    QUIET_FOR(e, 5);
    char data[1000];
    struct raw_got g;
    do {
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
    } while (g.result > 0);
    for (unsigned i = 0; i < N - 1; i++) {
        const struct unx_event ev = NEXT(e);
        CHECK(ev.op >= out && ev.op < out + N && ev.op != &out[7]);
        CHECK_INT(ev.result, POLLOUT);
    }
    leave_pair(e, s);
}

/* Beside a receive it may see what that one takes, or miss it; but not what comes then and is taken by nobody. */
static void beside_other_operations(struct unx_engine *e)
{
    for (int first = 0; first < 2; first++) {
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        struct job in, out;
        struct unx_op reads = {0}, writes = {0};
        if (first) {
            START(unx_engine_poll(e, &reads, s[0], POLLIN, -1));
        }
        job_recv_any(e, &in, s[0]);
        if (!first) {
            START(unx_engine_poll(e, &reads, s[0], POLLIN, -1));
        }
        fill_socket(s[0], 1000);
        job_send_text(e, &out, s[0], "x");
        START(unx_engine_poll(e, &writes, s[0], POLLOUT, -1));
        QUIET_FOR(e, 5);
        raw_send(s[1], "one", 3, NULL, 0);
        bool got = false, polled = false;
        for (struct unx_event ev; !got && unx_engine_reap(e, &ev, 1, 1000) == 1;) {
            got |= ev.op == &in.op;
            polled |= ev.op == &reads;
        }
        CHECK(got);
        raw_send(s[1], "two", 3, NULL, 0);
        if (!polled) {
            LAST(e, &reads, POLLIN);
        }
        char data[1000];
        struct raw_got g;
        do {
            raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        } while (g.result > 0);
        for (int i = 0; i < 2; i++) {
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &out.op || ev.op == &writes);
            CHECK_INT(ev.result, ev.op == &writes ? POLLOUT : 1);
        }
        leave_pair(e, s);
    }
}

/* The same open file at two numbers, and the same number twice in a row. */
static void copies_of_a_descriptor(struct unx_engine *e)
{
    const int fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK), copy = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    CHECK(fd >= 0 && copy >= 0);
    struct unx_op a = {0}, b = {0};
    for (int i = 0; i < 3; i++) {
        uint64_t one = 1;
        START(unx_engine_poll(e, &a, fd, POLLIN, -1));
        START(unx_engine_poll(e, &b, copy, POLLIN, -1));
        QUIET_FOR(e, 2);
        CHECK_INT(write(fd, &one, sizeof one), sizeof one);
        for (int n = 0; n < 2; n++) {
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &a || ev.op == &b);
            CHECK_INT(ev.result, POLLIN);
        }
        CHECK_INT(read(copy, &one, sizeof one), sizeof one);
    }
    START(unx_engine_poll(e, &a, fd, POLLIN, -1));
    QUIET_FOR(e, 2);
    leave(e, copy);
    QUIET_FOR(e, 2);
    START(unx_engine_cancel(e, &a));
    LAST(e, &a, -ECANCELED);
    leave(e, fd);
}

/* Nobody asks any more, though the descriptor stays ready: that costs nothing. */
static void readiness_that_nobody_wants(struct unx_engine *e)
{
    int s[2], hung[2];
    raw_pair(SOCK_STREAM, s);
    raw_pair(SOCK_STREAM, hung);
    struct unx_op op = {0};
    START(unx_engine_poll(e, &op, s[0], POLLIN, -1));
    QUIET_FOR(e, 2);
    raw_send(s[1], "x", 1, NULL, 0);
    LAST(e, &op, POLLIN);
    raw_send(s[1], "y", 1, NULL, 0);
    struct job j;
    job_recv_any(e, &j, hung[0]);
    QUIET_FOR(e, 2);
    close(hung[1]);
    JOB_LAST(e, &j, 0);
    const int64_t cpu = engine_cpu();
    QUIET_FOR(e, 300);
    const int64_t used = engine_cpu() - cpu;
    CHECK(used < (harness_slow() ? 30000 : 6000));
    leave(e, hung[0]);
    leave_pair(e, s);
}

/* More are ready at once than are told at once. What the caller takes away in between, or closes, is not told any more;
 * and of a number that was given again nothing is told that its last owner had. */
static void taken_in_between(struct unx_engine *e)
{
    enum { N = 40, ROOM = 64 };
    int s[N][2];
    struct unx_op ops[N], closing[N], again[N];
    memset(ops, 0, sizeof ops);
    memset(closing, 0, sizeof closing);
    memset(again, 0, sizeof again);
    for (unsigned i = 0; i < N; i++) {
        raw_pair(SOCK_SEQPACKET, s[i]);
        START(unx_engine_poll(e, &ops[i], s[i][0], POLLIN, -1));
    }
    QUIET_FOR(e, 2);
    for (unsigned i = 0; i < N; i++) {
        raw_send(s[i][1], "x", 1, NULL, 0);
    }
    struct unx_event ev[ROOM];
    const int n = unx_engine_reap(e, ev, ROOM, 1000);
    CHECK(n > 0 && n <= N);
    bool told[N] = {false};
    for (int i = 0; i < n; i++) {
        CHECK_INT(ev[i].result, POLLIN);
        told[ev[i].op - ops] = true;
    }
    for (unsigned i = 0; i < N; i++) {
        check_arrived(s[i][0], "x", 1);
    }
    QUIET_FOR(e, 5);
    for (unsigned i = 0; i < N; i++) {
        raw_send(s[i][1], "y", 1, NULL, 0);
    }
    for (unsigned i = 0; i < N; i++) {
        if (told[i]) {
            START(unx_engine_poll(e, &ops[i], s[i][0], POLLIN, -1));
            told[i] = false;
        }
    }
    for (int r = unx_engine_reap(e, ev, ROOM, 1000), i = 0; i < r; i++) {
        told[ev[i].op - ops] = true;
    }
    unsigned out = 0;
    for (unsigned i = 0; i < N; i++) {
        START(unx_engine_close(e, &closing[i], s[i][0]));
        out += told[i] ? 1 : 2;
    }
    while (out > 0) {
        const int r = unx_engine_reap(e, ev, ROOM, 1000);
        CHECK(r > 0);
        out -= (unsigned)r;
    }
    for (unsigned i = 0; i < N; i++) {
        close(s[i][1]);
        raw_pair(SOCK_SEQPACKET, s[i]);
        START(unx_engine_poll(e, &again[i], s[i][0], POLLIN, -1));
    }
    QUIET_FOR(e, 5);
    for (unsigned i = 0; i < N; i++) {
        raw_send(s[i][1], "z", 1, NULL, 0);
        LAST(e, &again[i], POLLIN);
        leave_pair(e, s[i]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(sockets),
    ENGINE_CASE(nothing_but_errors),
    ENGINE_CASE(pipes),
    ENGINE_CASE(files),
    ENGINE_CASE(a_number_changes_its_kind),
    ENGINE_CASE(many_on_one),
    ENGINE_CASE(beside_other_operations),
    ENGINE_CASE(copies_of_a_descriptor),
    ENGINE_CASE(readiness_that_nobody_wants),
    ENGINE_CASE(taken_in_between),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
