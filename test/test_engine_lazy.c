// SPDX-License-Identifier: MIT
/*
 * Sends whose success is in no hurry: the bytes go at once, the event comes with the next one or at the end of the
 * wait, and an error is told like any other.
 */
#include "engine.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

enum { LONG_WAIT_MS = 8000 };

static void send_lazily(struct unx_engine *e, struct job *j, int fd, const char *text, int timeout_ms)
{
    job_bytes(j, text, strlen(text));
    job_send(e, j, fd, UNX_LAZY, timeout_ms);
}

/* Its event, without a wait. */
static void lazy_last(struct unx_engine *e, struct job *j)
{
    struct unx_event ev;
    int n = 0;
    for (const int64_t start = raw_now(); n == 0 && raw_now() - start < 3000;) {
        n = QUIET(unx_engine_reap(e, &ev, 1, 0));
    }
    CHECK_INT(n, 1);
    JOB_EVENT(ev, j, 1);
}

/* Answers "hello" a while after it has come, which has to be long before the wait of the one who sent it ends. */
static void answers(void *arg)
{
    const int fd = *(int *)arg;
    struct pollfd p = {fd, POLLIN, 0};
    CHECK_INT(poll(&p, 1, LONG_WAIT_MS / 2), 1);
    check_arrived(fd, "hello", 5);
    raw_sleep(80);
    raw_send(fd, "answer", 6, NULL, 0);
}

static void its_bytes_go_before_the_wait(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct job in, out;
        job_recv_any(e, &in, s[0]);
        QUIET_FOR(e, 5);
        const pid_t child = harness_fork(answers, &s[1]);
        const int64_t start = raw_now();
        send_lazily(e, &out, s[0], "hello", -1);
        struct unx_event ev[4];
        CHECK_INT(QUIET(unx_engine_reap(e, ev, 4, LONG_WAIT_MS)), 2);
        raw_took(start, 80);
        const int second = ev[0].op == &out.op;
        JOB_EVENT(ev[!second], &out, 1);
        job_gets(__FILE__, __LINE__, ev[second], &in, "answer");
        CHECK_INT(out.m.len, 5);
        harness_wait(child);
        leave_pair(e, s);
    }
}

/* Where the array has no place for another event, that one does end the wait. */
static void a_full_array(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct job in, out[3];
        job_recv_any(e, &in, s[0]);
        for (unsigned i = 0; i < 3; i++) {
            send_lazily(e, &out[i], s[0], "hello", -1);
        }
        struct unx_event ev[3];
        unsigned n = 0;
        while (n < 3) {
            const int got = QUIET(unx_engine_reap(e, ev + n, 3 - n, 100));
            CHECK(got > 0);
            n += (unsigned)got;
        }
        for (unsigned i = 0; i < 3; i++) {
            JOB_EVENT(ev[i], &out[i], 1);
        }
        raw_send(s[1], "x", 1, NULL, 0);
        JOB_GETS(e, &in, "x");
        leave_pair(e, s);
    }
}

/* The end of the wait brings it, and no wait at all. */
static void time_brings_it(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        static const int times[] = {60, 0};
        for (unsigned i = 0; i < 2; i++) {
            ROW("%s, %d ms", raw_type_name(raw_types[t]), times[i]);
            int s[2];
            raw_pair(raw_types[t], s);
            struct job out[3];
            const int64_t start = raw_now();
            for (unsigned n = 0; n < 3; n++) {
                send_lazily(e, &out[n], s[0], "hello", -1);
            }
            CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
            struct unx_event ev[4];
            CHECK_INT(QUIET(unx_engine_reap(e, ev, 4, times[i])), 3);
            raw_took(start, times[i]);
            for (unsigned n = 0; n < 3; n++) {
                JOB_EVENT(ev[n], &out[n], 1);
            }
            leave_pair(e, s);
        }
    }
}

static void an_error_does_not_wait(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        close(s[1]);
        struct job out;
        const int64_t start = raw_now();
        send_lazily(e, &out, s[0], "hello", -1);
        struct unx_event ev;
        CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 5000)), 1);
        raw_took(start, 0);
        JOB_EVENT(ev, &out, t == 2 ? -ECONNREFUSED : -EPIPE);
        leave(e, s[0]);
    }
}

/* Where there is no room it waits as any other. */
static void without_room(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        fill_socket(s[0], 1000);
        struct job out, now;
        const int64_t start = raw_now();
        send_lazily(e, &out, s[0], "hello", 40);
        struct unx_event ev;
        CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 5000)), 1);
        JOB_EVENT(ev, &out, -ETIMEDOUT);
        raw_took(start, 40);
        send_lazily(e, &out, s[0], "hello", 0);
        JOB_LAST(e, &out, -EAGAIN);
        send_lazily(e, &out, s[0], "hello", -1);
        QUIET_FOR(e, 5);
        START(unx_engine_cancel(e, &out.op));
        JOB_LAST(e, &out, -ECANCELED);
        send_lazily(e, &out, s[0], "hello", -1);
        job_send_text(e, &now, s[0], "!");
        QUIET_FOR(e, 5);
        char data[1000];
        struct raw_got g;
        do {
            raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        } while (g.result > 0);
        JOB_LAST(e, &out, 1);
        JOB_LAST(e, &now, 1);
        check_arrived(s[1], t == 1 ? "hello!" : "hello", t == 1 ? 6 : 5);
        leave_pair(e, s);
    }
}

static void in_its_place(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct job first, second, third;
        struct unx_op closing = {0};
        send_lazily(e, &first, s[0], "a", -1);
        job_send_text(e, &second, s[0], "b");
        send_lazily(e, &third, s[0], "c", -1);
        JOB_LAST(e, &first, 1);
        JOB_LAST(e, &second, 1);
        START(unx_engine_close(e, &closing, s[0]));
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result == 1 || (ev.result == -ECANCELED && t == 0));
        JOB_EVENT(ev, &third, ev.result);
        LAST(e, &closing, 0);
        leave(e, s[1]);
    }
}

static void with_all_that_a_message_has(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        char data[8];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        struct job out, bytes;
        job_bytes(&out, "x", 1);
        out.m.fds = &p[1];
        out.m.nfds = 1;
        job_send(e, &out, s[0], UNX_LAZY, -1);
        job_bytes(&bytes, "y", 1);
        job_send(e, &bytes, s[0], UNX_LAZY | UNX_PLAIN, -1);
        lazy_last(e, &out);
        lazy_last(e, &bytes);
        struct raw_got g;
        raw_recv(s[1], data, sizeof data, 0, &g);
        CHECK_INT(g.nfds, 1);
        CHECK(raw_same_file(g.fds[0], p[1]));
        raw_close_fds(&g);
        close_pair(p);
        leave_pair(e, s);
    }
}

static void *wakes_later(void *arg)
{
    raw_sleep(50);
    START(unx_engine_wake(arg));
    return NULL;
}

/* Waking ends the wait, and what was sent may come with it, or later. */
static void woken(struct unx_engine *e)
{
    engine_need_threads();
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    pthread_t t;
    const int64_t start = raw_now();
    CHECK_INT(pthread_create(&t, NULL, wakes_later, e), 0);
    struct job out;
    send_lazily(e, &out, s[0], "hello", -1);
    struct unx_event ev[4];
    const int n = QUIET(unx_engine_reap(e, ev, 4, -1));
    CHECK(n == 0 || n == 1);
    CHECK_INT(pthread_join(t, NULL), 0);
    raw_took(start, 50);
    if (n == 0) {
        lazy_last(e, &out);
    } else {
        JOB_EVENT(ev[0], &out, 1);
    }
    while (unx_engine_reap(e, ev, 1, 0) != 0) {
    }
    leave_pair(e, s);
}

/* A server that answers and then waits; a client that asks and then waits: nobody waits for ever,
 * each event comes once. */
static void asks(void *arg)
{
    const int fd = *(int *)arg;
    for (unsigned i = 0; i < 3000; i++) {
        char data[64];
        struct raw_got g;
        raw_send(fd, &i, sizeof i, NULL, 0);
        raw_recv(fd, data, sizeof data, 0, &g);
        CHECK_INT(g.result, sizeof i);
        CHECK_MEM(data, sizeof i, &i, sizeof i);
    }
    CHECK_INT(shutdown(fd, SHUT_WR), 0);
}

static void a_server_that_answers(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_op op = {0};
        static struct job replies[64];
        bool out[64] = {false};
        unsigned asked = 0, answered = 0;
        STAND(e, &op, s[0]);
        const pid_t child = harness_fork(asks, &s[1]);
        for (bool ended = false; !ended;) {
            struct unx_event ev[8];
            const int n = unx_engine_reap(e, ev, 8, 5000);
            CHECK(n > 0);
            for (int i = 0; i < n; i++) {
                if (ev[i].op != &op) {
                    const size_t at = (size_t)((struct job *)ev[i].op - replies);
                    CHECK(at < 64 && out[at]);
                    JOB_EVENT(ev[i], &replies[at], 1);
                    out[at] = false;
                    answered++;
                    continue;
                }
                ended |= ev[i].flags == 0;
                if (ev[i].result == 1) {
                    struct job *j = &replies[asked++ % 64];
                    CHECK(!out[j - replies]);
                    out[j - replies] = true;
                    job_room(j);
                    memcpy(j->data, ev[i].msg->iov[0].iov_base, ev[i].msg->len);
                    j->iov.iov_len = ev[i].msg->len;
                    job_send(e, j, s[0], UNX_LAZY, -1);
                    give_back(e, ev[i].msg);
                }
            }
        }
        CHECK_INT(asked, 3000);
        while (answered < asked) {
            CHECK_INT(NEXT(e).result, 1);
            answered++;
        }
        harness_wait(child);
        leave_pair(e, s);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(its_bytes_go_before_the_wait), ENGINE_CASE(a_full_array), ENGINE_CASE(time_brings_it),
    ENGINE_CASE(an_error_does_not_wait),       ENGINE_CASE(without_room), ENGINE_CASE(in_its_place),
    ENGINE_CASE(with_all_that_a_message_has),  ENGINE_CASE(woken),        ENGINE_CASE(a_server_that_answers),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
