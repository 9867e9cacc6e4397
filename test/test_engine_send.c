// SPDX-License-Identifier: MIT
/*
 * Sends on a descriptor that the engine knows, which are tried before they stand in its queue: the results, the order
 * and the bytes are those of sends that wait.
 */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

#define BIG (1u << 20)

/* A pair of which the engine knows the first. */
static void known_pair(struct unx_engine *e, int type, int s[2])
{
    raw_pair(type, s);
    raw_set(s[0], SO_SNDBUF, 4096);
    struct job j;
    job_send_text(e, &j, s[0], "x");
    JOB_LAST(e, &j, 1);
    struct raw_got g;
    char c;
    raw_recv(s[1], &c, 1, 0, &g);
    CHECK_INT(g.result, 1);
}

/* What is there goes on with the pattern: how many bytes there are by now. */
static size_t drain(int fd, size_t got)
{
    static char data[100000];
    for (;;) {
        struct raw_got g;
        raw_recv(fd, data, sizeof data, MSG_DONTWAIT, &g);
        if (g.result <= 0) {
            CHECK_INT(g.result, -EAGAIN);
            return got;
        }
        CHECK(raw_pattern_ok(data, (size_t)g.result, got));
        got += (size_t)g.result;
    }
}

static char *pattern(size_t n)
{
    char *const p = malloc(n);
    CHECK(p != NULL);
    raw_pattern(p, n, 0);
    return p;
}

/* A part goes at once, the rest of it behind that, and each byte once. */
static void a_part_goes_once(struct unx_engine *e)
{
    static const unsigned flags[] = {0, UNX_PLAIN, UNX_LAZY};
    for (unsigned i = 0; i < sizeof flags / sizeof *flags; i++) {
        ROW("flags %#x", flags[i]);
        int s[2];
        known_pair(e, SOCK_STREAM, s);
        char *const data = pattern(BIG);
        struct job j;
        job_bytes(&j, data, BIG);
        job_send(e, &j, s[0], flags[i], -1);
        size_t got = 0;
        struct unx_event ev;
        while (unx_engine_reap(e, &ev, 1, 0) == 0) {
            got = drain(s[1], got);
        }
        JOB_EVENT(ev, &j, 1);
        CHECK_INT(j.m.len, BIG);
        CHECK_INT(drain(s[1], got), BIG);
        free(data);
        leave_pair(e, s);
    }
}

/* One that does not wait says how much went, and that much is there. */
static void a_part_without_time(struct unx_engine *e)
{
    int s[2];
    known_pair(e, SOCK_STREAM, s);
    char *const data = pattern(BIG);
    struct job j;
    job_bytes(&j, data, BIG);
    job_send(e, &j, s[0], 0, 0);
    JOB_LAST(e, &j, -EAGAIN);
    CHECK(j.m.len > 0 && j.m.len < BIG);
    CHECK_INT(drain(s[1], 0), j.m.len);
    free(data);
    leave_pair(e, s);
}

/* There is room again, but somebody stands in front. */
static void behind_a_part(struct unx_engine *e)
{
    int s[2];
    known_pair(e, SOCK_STREAM, s);
    char *const data = pattern(BIG + 1000);
    struct job first, second;
    job_bytes(&first, data, BIG);
    job_bytes(&second, data + BIG, 1000);
    job_send(e, &first, s[0], 0, -1);
    QUIET_FOR(e, 5);
    size_t got = drain(s[1], 0);
    CHECK(got > 0 && got < BIG);
    job_send(e, &second, s[0], 0, -1);
    for (unsigned done = 0; done < 2;) {
        got = drain(s[1], got);
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 0) == 1) {
            JOB_EVENT(ev, done == 0 ? &first : &second, 1);
            done++;
        }
    }
    CHECK_INT(drain(s[1], got), BIG + 1000);
    free(data);
    leave_pair(e, s);
}

static void behind_a_packet(struct unx_engine *e)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        ROW("%s", raw_type_name(types[t]));
        int s[2];
        known_pair(e, types[t], s);
        unsigned full = fill_socket(s[0], 1000);
        struct job first, second;
        job_send_text(e, &first, s[0], "first");
        QUIET_FOR(e, 5);
        char data[1000];
        struct raw_got g;
        for (; full > 0; full--) {
            raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
            CHECK_INT(g.result, 1000);
        }
        job_send_text(e, &second, s[0], "second");
        JOB_LAST(e, &first, 1);
        JOB_LAST(e, &second, 1);
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        CHECK_INT(g.result, 5);
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        CHECK_INT(g.result, 6);
        leave_pair(e, s);
    }
}

/* Room to send and messages to receive are told at once: who sends does not wait until all has been received. */
static void beside_a_receive(struct unx_engine *e)
{
    enum { N = 40 };
    START(unx_engine_buffers(e, 4, 1));
    int s[2];
    known_pair(e, SOCK_STREAM, s);
    const unsigned full = fill_socket(s[0], 1000);
    struct job j;
    job_send_text(e, &j, s[0], "y");
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    QUIET_FOR(e, 5);
    for (unsigned i = 0; i < N; i++) {
        raw_send(s[1], "z", 1, NULL, 0);
    }
    static char data[1000];
    struct raw_got g;
    for (unsigned i = 0; i < full; i++) {
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT | MSG_WAITALL, &g);
    }
    /* It was full, and waits a moment before it tries again. */
    raw_sleep(20);
    unsigned received = 0, sent = 0, before = 0;
    while (received < N || sent == 0) {
        const struct unx_event ev = NEXT(e);
        if (ev.op == &j.op) {
            JOB_EVENT(ev, &j, 1);
            sent++;
            before = received;
            continue;
        }
        CHECK(ev.op == &op && ev.result == 1 && ev.flags == UNX_MORE && ev.msg->len == 1);
        give_back(e, ev.msg);
        received++;
    }
    CHECK(before < N / 2);
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

/* That there is room is of no interest any more, when only a receive waits: it is not told again and again. */
static void a_receive_remains(struct unx_engine *e)
{
    raw_need_quiet();
    int s[2];
    known_pair(e, SOCK_STREAM, s);
    const unsigned full = fill_socket(s[0], 1000);
    struct job j;
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    job_send_text(e, &j, s[0], "y");
    QUIET_FOR(e, 5);
    static char data[1000];
    struct raw_got g;
    for (unsigned i = 0; i < full; i++) {
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT | MSG_WAITALL, &g);
    }
    JOB_LAST(e, &j, 1);
    const int64_t before = engine_cpu();
    QUIET_FOR(e, 200);
    CHECK(engine_cpu() - before < (harness_slow() ? 20000 : 3000));
    raw_send(s[1], "z", 1, NULL, 0);
    give_back(e, STAND_GETS(e, &op, "z"));
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

/* What is wrong is said as it is of a descriptor that is new. */
static void misuse(struct unx_engine *e)
{
    int s[2], p[2];
    raw_pipe(p);
    struct unx_op op = {0};
    START(unx_engine_poll(e, &op, p[1], POLLOUT, -1));
    LAST(e, &op, POLLOUT);
    struct job j;
    job_bytes(&j, "x", 1);
    CHECK_INT(QUIET(unx_engine_send(e, &j.op, p[1], &j.m, 0, -1)), -ENOTSOCK);
    QUIET_FOR(e, 0);
    CHECK_INT(unx_engine_cancel(e, &j.op), -ENOENT);
    known_pair(e, SOCK_STREAM, s);
    struct iovec two[2] = {{(char[]){'a'}, 1}, {(char[]){'b'}, 1}};
    j.m.iov = two;
    j.m.niov = 2;
    CHECK_INT(QUIET(unx_engine_send(e, &j.op, s[0], &j.m, UNX_PLAIN, -1)), -EINVAL);
    QUIET_FOR(e, 0);
    CHECK_INT(drain(s[1], 0), 0);
    leave_pair(e, p);
    leave_pair(e, s);
}

/* After an error the socket is looked at anew: it may have become another kind. */
static void becomes_a_listener(struct unx_engine *e)
{
    for (int sends = 0; sends < 2; sends++) {
        const int fd = raw_socket(SOCK_STREAM);
        struct unx_op op = {0};
        STAND(e, &op, fd);
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        struct job j;
        if (sends) {
            job_send_text(e, &j, fd, "x");
            JOB_LAST(e, &j, -ENOTCONN);
        }
        const struct sockaddr any = {.sa_family = AF_UNIX};
        CHECK_INT(bind(fd, &any, sizeof any.sa_family), 0);
        CHECK_INT(listen(fd, 5), 0);
        STAND(e, &op, fd);
        LAST(e, &op, -EINVAL);
        leave(e, fd);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(a_part_goes_once), ENGINE_CASE(a_part_without_time), ENGINE_CASE(behind_a_part),
    ENGINE_CASE(behind_a_packet),  ENGINE_CASE(beside_a_receive),    ENGINE_CASE(a_receive_remains),
    ENGINE_CASE(misuse),           ENGINE_CASE(becomes_a_listener),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
