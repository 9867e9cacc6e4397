// SPDX-License-Identifier: MIT
/*
 * The engine as a newcomer meets it: each operation once, what its event says, and what the calls around it promise.
 */
#include "engine.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdlib.h>

static void has_a_name(struct unx_engine *e)
{
    CHECK_MEM(QUIET(unx_engine_backend(e)), strlen(unx_engine_backend(e)), engine_name(), strlen(engine_name()));
    /* Unasked, it is the first of them that works. */
    struct unx_engine *any;
    START(unx_engine_new(&any, 0, 0));
    const char *name = unx_engine_backend(any);
    CHECK(strcmp(name, "io_uring") == 0 || strcmp(name, "epoll") == 0);
    struct unx_engine *uring;
    if (unx_engine_new(&uring, 0, UNX_ENGINE_URING) == 0) {
        CHECK(strcmp(name, "io_uring") == 0);
        engine_used(uring);
    }
    engine_used(any);
}

static void receives_what_comes(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct job j;
        job_recv_any(e, &j, s[0]);
        QUIET_FOR(e, 0);
        QUIET_FOR(e, 20);
        raw_send(s[1], "hello", 5, NULL, 0);
        JOB_GETS(e, &j, "hello");
        leave_pair(e, s);
    }
}

static void receives_what_is_there(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        raw_send(s[1], "hello", 5, NULL, 0);
        struct job j;
        job_recv_any(e, &j, s[0]);
        JOB_GETS(e, &j, "hello");
        leave_pair(e, s);
    }
}

static void sends(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct job j;
        job_send_text(e, &j, s[0], "hello");
        JOB_LAST(e, &j, 1);
        CHECK_INT(j.m.len, 5);
        CHECK_INT(j.m.full_len, 5);
        check_arrived(s[1], "hello", 5);
        check_nothing(s[1]);
        leave_pair(e, s);
    }
}

static void tells_the_end(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct job j, more;
        job_recv_any(e, &j, s[0]);
        QUIET_FOR(e, 10);
        close(s[1]);
        JOB_LAST(e, &j, 0);
        CHECK_INT(j.m.len, 0);
        CHECK_INT(j.m.got, 0);
        /* And again, for whoever asks. */
        job_recv_any(e, &more, s[0]);
        JOB_LAST(e, &more, 0);
        leave(e, s[0]);
    }
}

static void connects_and_accepts(struct unx_engine *e)
{
    const struct raw_addr a = raw_path(raw_file("socket"));
    const int listener = raw_listen(SOCK_STREAM, a, 5);
    CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("socket")), 0);
    struct unx_op accepting = {0}, connecting = {0};
    START(unx_engine_accept(e, &accepting, listener, 0, -1));
    QUIET_FOR(e, 10);
    START(unx_engine_connect(e, &connecting, SOCK_STREAM, UNX_NONBLOCK, NULL, &to, -1));
    int server = -1, client = -1;
    while (server < 0 || client < 0) {
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0);
        CHECK(ev.msg == NULL);
        CHECK_INT(ev.flags, 0);
        CHECK(ev.op == &accepting ? server < 0 : ev.op == &connecting && client < 0);
        *(ev.op == &accepting ? &server : &client) = ev.result;
    }
    CHECK(raw_cloexec(server) && raw_cloexec(client));
    CHECK(!raw_nonblock(server) && raw_nonblock(client));
    raw_send(client, "x", 1, NULL, 0);
    check_arrived(server, "x", 1);
    leave(e, server);
    leave(e, client);
    leave(e, listener);
}

static void one_operation_many_uses(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {.data = s};
    char data[8];
    const struct iovec room = {data, sizeof data}, text = BYTES("hi");
    struct unx_msg in = message(&room, 1), out = message(&text, 1);
    for (unsigned i = 0; i < 3; i++) {
        START(unx_engine_send(e, &op, s[0], &out, 0, -1));
        CHECK(LAST(e, &op, 1).msg == &out);
        START(unx_engine_poll(e, &op, s[1], POLLIN, -1));
        CHECK(LAST(e, &op, POLLIN).msg == NULL);
        START(unx_engine_recv(e, &op, s[1], &in, 0, -1));
        CHECK(LAST(e, &op, 1).msg == &in);
        START(unx_engine_timer(e, &op, 5));
        CHECK(LAST(e, &op, 0).msg == NULL);
        START(unx_engine_post(e, &op, 4711));
        CHECK(LAST(e, &op, 4711).msg == NULL);
        START(unx_engine_recv(e, &op, s[1], &in, 0, 5));
        LAST(e, &op, -ETIMEDOUT);
        START(unx_engine_recv(e, &op, s[1], &in, 0, -1));
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
    }
    START(unx_engine_close(e, &op, s[0]));
    CHECK(LAST(e, &op, 0).msg == NULL);
    START(unx_engine_close(e, &op, s[1]));
    LAST(e, &op, 0);
    CHECK(op.data == s);
}

/* O_NONBLOCK is nobody's business here: an operation waits until its deadline, and the engine never blocks. */
static void nonblocking_sockets_wait_too(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int nonblock = 0; nonblock < 2; nonblock++) {
            ROW("%s, O_NONBLOCK %d", raw_type_name(raw_types[t]), nonblock);
            int s[2];
            raw_pair(raw_types[t], s);
            CHECK_INT(fcntl(s[0], F_SETFL, nonblock ? O_NONBLOCK : 0), 0);
            struct job in, out;
            job_recv_any(e, &in, s[0]);
            fill_socket(s[0], 2000);
            job_send_text(e, &out, s[0], "at last");
            const int64_t start = raw_now();
            QUIET_FOR(e, 0);
            QUIET_FOR(e, 30);
            raw_took(start, 30);
            raw_send(s[1], "first", 5, NULL, 0);
            JOB_GETS(e, &in, "first");
            QUIET_FOR(e, 20);
            char data[4096];
            struct raw_got g;
            do {
                raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
            } while (g.result > 0);
            JOB_LAST(e, &out, 1);
            check_arrived(s[1], "at last", 7);
            CHECK_INT(raw_nonblock(s[0]), nonblock);
            leave_pair(e, s);
        }
    }
}

static void a_timeout_of_the_socket_is_not_asked(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_set_timeout(s[0], UNX_RECV, 20), 0);
    struct job j;
    job_recv_any(e, &j, s[0]);
    QUIET_FOR(e, 100);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &j, "x");
    int ms;
    CHECK_INT(unx_get_timeout(s[0], UNX_RECV, &ms), 0);
    CHECK_INT(ms, 20);
    leave_pair(e, s);
}

static void reap_takes_what_was_asked_for(struct unx_engine *e)
{
    struct unx_op ops[10] = {{0}};
    struct unx_event ev[10];
    for (int i = 0; i < 10; i++) {
        START(unx_engine_post(e, &ops[i], i));
    }
    memset(ev, 0x55, sizeof ev);
    CHECK_INT(QUIET(unx_engine_reap(e, ev, 3, -1)), 3);
    CHECK(ev[3].op != &ops[3]);
    CHECK_INT(QUIET(unx_engine_reap(e, ev + 3, 7, -1)), 7);
    for (int i = 0; i < 10; i++) {
        CHECK(ev[i].op == &ops[i]);
        CHECK_INT(ev[i].result, i);
    }
}

static void reap_waits_as_told(struct unx_engine *e)
{
    static const int times[] = {0, 1, 40, 150};
    for (unsigned i = 0; i < 4; i++) {
        const int64_t start = raw_now();
        QUIET_FOR(e, times[i]);
        raw_took(start, times[i]);
    }
}

/* More operations than the depth, and more than one reap takes. */
static void a_small_depth_is_no_limit(struct unx_engine *unused)
{
    (void)unused;
    static const unsigned depths[] = {1, 2, 7};
    for (unsigned d = 0; d < 3; d++) {
        struct unx_engine *e = engine_make(depths[d]);
        enum { SOCKETS = 20, EACH = 15 };
        static struct job in[SOCKETS * EACH], out[SOCKETS * EACH];
        int s[SOCKETS][2];
        unsigned done = 0, next_in[SOCKETS] = {0}, next_out[SOCKETS] = {0};
        for (unsigned i = 0; i < SOCKETS; i++) {
            raw_pair(raw_types[i % 2 * 2], s[i]);
            for (unsigned n = 0; n < EACH; n++) {
                job_recv_any(e, &in[i * EACH + n], s[i][0]);
                job_bytes(&out[i * EACH + n], &"0123456789abcdefghij"[n], 1);
                job_send(e, &out[i * EACH + n], s[i][1], 0, -1);
            }
        }
        for (; done < 2 * SOCKETS * EACH; done++) {
            const struct unx_event ev = NEXT(e);
            const struct job *const j = (const struct job *)ev.op;
            const bool receives = j >= in && j < in + SOCKETS * EACH;
            const size_t at = (size_t)(j - (receives ? in : out));
            unsigned *next = receives ? next_in : next_out;
            CHECK_INT(ev.result, 1);
            CHECK_INT(at % EACH, next[at / EACH]);
            CHECK(!receives || in[at].data[0] == "0123456789abcdefghij"[at % EACH]);
            next[at / EACH]++;
        }
        for (unsigned i = 0; i < SOCKETS; i++) {
            leave_pair(e, s[i]);
        }
        engine_used(e);
    }
}

static void free_says_when_it_is_too_early(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct job j;
    struct unx_op op = {0};
    job_recv_any(e, &j, s[0]);
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    QUIET_FOR(e, 0);
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    raw_send(s[1], "x", 1, NULL, 0);
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    JOB_GETS(e, &j, "x");
    START(unx_engine_timer(e, &op, 10000));
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    START(unx_engine_cancel(e, &op));
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    LAST(e, &op, -ECANCELED);
    START(unx_engine_post(e, &op, 5));
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    LAST(e, &op, 5);
    CHECK_INT(QUIET(unx_engine_free(NULL)), 0);
    leave_pair(e, s);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(has_a_name),
    ENGINE_CASE(receives_what_comes),
    ENGINE_CASE(receives_what_is_there),
    ENGINE_CASE(sends),
    ENGINE_CASE(tells_the_end),
    ENGINE_CASE(connects_and_accepts),
    ENGINE_CASE(one_operation_many_uses),
    ENGINE_CASE(nonblocking_sockets_wait_too),
    ENGINE_CASE(a_timeout_of_the_socket_is_not_asked),
    ENGINE_CASE(reap_takes_what_was_asked_for),
    ENGINE_CASE(reap_waits_as_told),
    ENGINE_CASE(a_small_depth_is_no_limit),
    ENGINE_CASE(free_says_when_it_is_too_early),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
