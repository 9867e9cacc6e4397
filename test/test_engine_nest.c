// SPDX-License-Identifier: MIT
/*
 * Nesting: the one descriptor of an engine is readable exactly when there is something to reap, wherever that comes from, so that a
 * loop of somebody else's that does nothing but watch it, and then reap, misses nothing.
 */
#include "engine.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>

static bool readable_within(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    const int n = poll(&p, 1, ms);
    CHECK(n == 0 || (n == 1 && p.revents == POLLIN));
    return n == 1;
}

/* The engine's descriptor; nothing is there now. */
static int enter(struct unx_engine *e)
{
    const int fd = QUIET(unx_engine_fd(e));
    if (fd == -EOPNOTSUPP) {
        CHECK_INT(engine_flag() == UNX_ENGINE_POLL, 1);
        SKIP("poll has no descriptor to nest by");
    }
    CHECK(fd >= 0);
    CHECK(raw_cloexec(fd));
    CHECK_INT(QUIET(unx_engine_fd(e)), fd);
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 10));
    return fd;
}

/* Nothing is there but what was asked for, which may have to be started by a reaping; then it says nothing. */
static void settle(struct unx_engine *e, int fd)
{
    struct unx_event ev;
    CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 0)), 0);
    CHECK(!readable_within(fd, 10));
}

/* It says so, this event is there and no other, and then it says nothing any more. What was started a moment ago may wake the
 * loop once for nothing. */
static struct unx_event told(struct unx_engine *e, int fd, const struct unx_op *op, int result, int line)
{
    struct unx_event ev[4];
    ROW("line %d", line);
    CHECK(readable_within(fd, 3000));
    int n = QUIET(unx_engine_reap(e, ev, 4, 0));
    if (n == 0) {
        CHECK(readable_within(fd, 3000));
        n = QUIET(unx_engine_reap(e, ev, 4, 0));
    }
    CHECK_INT(n, 1);
    CHECK(ev[0].op == op);
    CHECK_INT(ev[0].result, result);
    CHECK_INT(QUIET(unx_engine_reap(e, ev + 1, 3, 0)), 0);
    CHECK(!readable_within(fd, 10));
    return ev[0];
}
#define TOLD(e, fd, op, result) told(e, fd, op, result, __LINE__)

/* Started while nobody reaps, done at once or later. */
static void operations(struct unx_engine *e)
{
    const int fd = enter(e);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct job in, out;
        struct unx_op op = {0};
        job_send_text(e, &out, s[0], "x");
        TOLD(e, fd, &out.op, 1);
        job_recv_any(e, &in, s[1]);
        TOLD(e, fd, &in.op, 1);
        job_recv_any(e, &in, s[1]);
        if (t != 1) {
            settle(e, fd);
        }
        raw_send(s[0], "y", 1, NULL, 0);
        TOLD(e, fd, &in.op, 1);
        START(unx_engine_poll(e, &op, s[1], POLLOUT, -1));
        TOLD(e, fd, &op, POLLOUT);
        START(unx_engine_poll(e, &op, s[1], POLLIN, -1));
        settle(e, fd);
        START(unx_engine_cancel(e, &op));
        TOLD(e, fd, &op, -ECANCELED);
        job_room(&in);
        job_recv(e, &in, s[1], 0, 0);
        TOLD(e, fd, &in.op, -EAGAIN);
        job_recv_any(e, &in, s[1]);
        settle(e, fd);
        START(unx_engine_cancel(e, &in.op));
        TOLD(e, fd, &in.op, -ECANCELED);
        START(unx_engine_close(e, &op, s[1]));
        TOLD(e, fd, &op, 0);
        START(unx_engine_close(e, &op, s[0]));
        TOLD(e, fd, &op, 0);
    }
}

static void deadlines(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct unx_op timer = {0}, second = {0};
    const int fd = enter(e);
    int64_t start = raw_now();
    START(unx_engine_timer(e, &timer, 60));
    TOLD(e, fd, &timer, 0);
    raw_took(start, 60);
    START(unx_engine_timer(e, &timer, 0));
    TOLD(e, fd, &timer, 0);
    start = raw_now();
    struct job in;
    job_room(&in);
    job_recv(e, &in, s[0], 0, 120);
    START(unx_engine_timer(e, &timer, 40));
    TOLD(e, fd, &timer, 0);
    raw_took(start, 40);
    START(unx_engine_timer(e, &timer, 20));
    START(unx_engine_cancel(e, &timer));
    TOLD(e, fd, &timer, -ECANCELED);
    CHECK(!readable_within(fd, 30));
    START(unx_engine_timer(e, &second, 10));
    TOLD(e, fd, &second, 0);
    TOLD(e, fd, &in.op, -ETIMEDOUT);
    raw_took(start, 120);
    leave_pair(e, s);
}

/* It is asked for while the engine is new; then it is the same for ever. */
static void asked_for_in_time(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {0};
    START(unx_engine_timer(e, &op, 10000));
    CHECK_INT(QUIET(unx_engine_fd(e)), -EBUSY);
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    const int fd = enter(e);
    STAND(e, &op, s[0]);
    CHECK_INT(QUIET(unx_engine_fd(e)), fd);
    raw_send(s[1], "x", 1, NULL, 0);
    give_back(e, TOLD(e, fd, &op, 1).msg);
    START(unx_engine_cancel(e, &op));
    TOLD(e, fd, &op, -ECANCELED);
    struct unx_engine *late = engine_make(0);
    STAND(late, &op, s[0]);
    START(unx_engine_cancel(late, &op));
    LAST(late, &op, -ECANCELED);
    CHECK_INT(QUIET(unx_engine_fd(late)), -EBUSY);
    CHECK_INT(unx_engine_free(late), 0);
    leave_pair(e, s);
}

static void *posts_later(void *arg)
{
    void **const both = arg;
    raw_sleep(30);
    START(unx_engine_post(both[0], both[1], 5));
    return NULL;
}

static void wake_and_post(struct unx_engine *e)
{
    const int fd = enter(e);
    struct unx_op op = {0};
    struct unx_event ev;
    START(unx_engine_wake(e));
    CHECK(readable_within(fd, 0));
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 0));
    START(unx_engine_post(e, &op, 4));
    TOLD(e, fd, &op, 4);
    void *both[2] = {e, &op};
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, posts_later, both), 0);
    CHECK(!readable_within(fd, 5));
    TOLD(e, fd, &op, 5);
    CHECK_INT(pthread_join(t, NULL), 0);
}

static void standing_ones(struct unx_engine *e)
{
    const int fd = enter(e);
    START(unx_engine_buffers(e, 2, 64));
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(unx_set_nonblock(listener, 1), 0);
    struct unx_op op = {0}, accepting = {0};
    STAND(e, &op, s[0]);
    START(unx_engine_accept(e, &accepting, listener, UNX_STANDING, -1));
    settle(e, fd);
    const int c = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
    CHECK(readable_within(fd, 3000));
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 1);
    CHECK(ev.op == &accepting && ev.result >= 0);
    leave(e, ev.result);
    close(c);
    while (unx_engine_reap(e, &ev, 1, 0) != 0) {
    }
    CHECK(!readable_within(fd, 10));
    struct unx_msg *held[2];
    for (int i = 0; i < 2; i++) {
        raw_send(s[1], "x", 1, NULL, 0);
        held[i] = TOLD(e, fd, &op, 1).msg;
    }
    /* No buffer is left: there is nothing to reap, until one is given back. */
    raw_send(s[1], "x", 1, NULL, 0);
    raw_sleep(5);
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 20));
    give_back(e, held[0]);
    held[0] = TOLD(e, fd, &op, 1).msg;
    give_back(e, held[0]);
    give_back(e, held[1]);
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 20));
    START(unx_engine_cancel(e, &accepting));
    TOLD(e, fd, &accepting, -ECANCELED);
    START(unx_engine_cancel(e, &op));
    TOLD(e, fd, &op, -ECANCELED);
    leave_pair(e, s);
    leave(e, listener);
}

/* As long as something is left it stays readable, whatever it is. */
static void what_is_left(struct unx_engine *e)
{
    const int fd = enter(e);
    enum { N = 12 };
    int s[N][2];
    struct job jobs[N];
    struct unx_op posted = {0}, timer = {0};
    for (unsigned i = 0; i < N; i++) {
        raw_pair(raw_types[i % 3], s[i]);
        job_recv_any(e, &jobs[i], s[i][0]);
        raw_send(s[i][1], "x", 1, NULL, 0);
    }
    START(unx_engine_post(e, &posted, 1));
    START(unx_engine_timer(e, &timer, 0));
    raw_sleep(5);
    for (unsigned n = 0; n < N + 2; n++) {
        ROW("event %u", n);
        CHECK(readable_within(fd, 100));
        struct unx_event ev;
        CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 1);
        CHECK(ev.result >= 0);
    }
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 10));
    for (unsigned i = 0; i < N; i++) {
        leave_pair(e, s[i]);
    }
}

/* A loop that knows of one descriptor alone, level-triggered: requests, replies and timers for a while. */
static void in_a_foreign_loop(struct unx_engine *e)
{
    enum { ROUNDS = 1500 };
    const int fd = enter(e), loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watch = {.events = EPOLLIN};
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &watch), 0);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op server = {0}, timer = {0};
    struct job ask, answer, reply;
    STAND(e, &server, s[1]);
    job_send_text(e, &ask, s[0], "question");
    job_recv_any(e, &reply, s[0]);
    unsigned replies = 0, wakeups = 0, ticks = 0;
    for (bool ticking = false, again = false; replies < ROUNDS;) {
        if (again) {
            job_recv_any(e, &reply, s[0]);
            job_send_text(e, &ask, s[0], "question");
            again = false;
        }
        if (!ticking && replies % 100 == 0) {
            START(unx_engine_timer(e, &timer, (int)(replies / 100 % 3)));
            ticking = true;
        }
        CHECK_INT(epoll_wait(loop, &watch, 1, 3000), 1);
        wakeups++;
        struct unx_event ev;
        while (unx_engine_reap(e, &ev, 1, 0) == 1) {
            if (ev.op == &server) {
                CHECK_INT(ev.result, 1);
                job_send_text(e, &answer, s[1], "answer");
                give_back(e, ev.msg);
            } else if (ev.op == &reply.op) {
                job_gets(__FILE__, __LINE__, ev, &reply, "answer");
                replies++;
                again = true;
            } else if (ev.op == &timer) {
                ticking = false;
                ticks++;
            } else {
                CHECK_INT(ev.result, 1);
            }
        }
    }
    NOTE("%u wake-ups, %u ticks", wakeups, ticks);
    struct unx_op closing = {0};
    for (int i = 0; i < 2; i++) {
        START(unx_engine_close(e, &closing, s[i]));
        for (struct unx_event ev; (ev = NEXT(e)).op != &closing;) {
            if (ev.op == &server && ev.msg != NULL) {
                give_back(e, ev.msg);
            }
        }
    }
    unx_engine_cancel(e, &timer);
    struct unx_event ev;
    while (unx_engine_reap(e, &ev, 1, 10) > 0) {
    }
    close(loop);
}

/* An engine in an engine. */
static void in_another_engine(struct unx_engine *e)
{
    const int fd = enter(e);
    struct unx_engine *outer = engine_make(0);
    int s[2];
    raw_pair(SOCK_STREAM, s);
    for (unsigned i = 0; i < 20; i++) {
        struct unx_op watching = {0};
        struct job in;
        job_recv_any(e, &in, s[0]);
        settle(e, fd);
        START(unx_engine_poll(outer, &watching, fd, POLLIN, -1));
        QUIET_FOR(outer, 2);
        raw_send(s[1], "x", 1, NULL, 0);
        LAST(outer, &watching, POLLIN);
        TOLD(e, fd, &in.op, 1);
    }
    engine_used(outer);
    leave_pair(e, s);
}

/* An engine may have worked before it is nested: what fails then is told as ever, all at once too. */
static void after_work(struct unx_engine *e)
{
    enum { MOST = 6 };
    struct job jobs[MOST];
    for (unsigned n = 1; n <= MOST; n++) {
        ROW("%u sends", n);
        struct unx_engine *other = engine_make(0);
        for (int nested = 0; nested < 2; nested++) {
            int s[MOST][2];
            const unsigned count = nested ? MOST : n;
            for (unsigned i = 0; i < count; i++) {
                raw_pair(SOCK_SEQPACKET, s[i]);
                close(s[i][1]);
                job_send_text(other, &jobs[i], s[i][0], "x");
            }
            for (unsigned i = 0; i < count; i++) {
                JOB_LAST(other, &jobs[i], -EPIPE);
            }
            for (unsigned i = 0; i < count; i++) {
                struct unx_op closing = {0};
                START(unx_engine_close(other, &closing, s[i][0]));
                LAST(other, &closing, 0);
            }
            const int fd = unx_engine_fd(other);
            CHECK(fd >= 0 || fd == -EOPNOTSUPP);
        }
        engine_used(other);
    }
    (void)e;
}

/* Of many that are ready only the last has something to say: who reaps until there is nothing is told of it, also when the
 * descriptor is edge-triggered elsewhere, and will not be told again. */
static void behind_many(struct unx_engine *e)
{
    enum { N = 24 };
    const int fd = enter(e);
    const int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    CHECK_INT(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &ev), 0);
    for (unsigned t = 0; t < 2; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[N][2];
        struct unx_op ops[N];
        memset(ops, 0, sizeof ops);
        for (unsigned i = 0; i < N; i++) {
            raw_pair(raw_types[t], s[i]);
            STAND(e, &ops[i], s[i][0]);
        }
        settle(e, fd);
        for (unsigned i = 0; i + 1 < N; i++) {
            START(unx_engine_cancel(e, &ops[i]));
        }
        for (unsigned i = 0; i < N; i++) {
            raw_send(s[i][1], "x", 1, NULL, 0);
        }
        unsigned left = N;
        while (left > 0) {
            CHECK_INT(epoll_wait(outer, &ev, 1, 3000), 1);
            struct unx_event got[64];
            for (int n = unx_engine_reap(e, got, 64, 0); n > 0; n = unx_engine_reap(e, got, 64, 0)) {
                for (int i = 0; i < n; i++) {
                    left -= got[i].msg == NULL || got[i].op == &ops[N - 1];
                    if (got[i].msg != NULL) {
                        give_back(e, got[i].msg);
                    }
                }
            }
        }
        START(unx_engine_cancel(e, &ops[N - 1]));
        LAST(e, &ops[N - 1], -ECANCELED);
        for (unsigned i = 0; i < N; i++) {
            leave_pair(e, s[i]);
        }
    }
    close(outer);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(operations),        ENGINE_CASE(asked_for_in_time), ENGINE_CASE(deadlines),
    ENGINE_CASE(wake_and_post),     ENGINE_CASE(standing_ones),     ENGINE_CASE(what_is_left),
    ENGINE_CASE(in_a_foreign_loop), ENGINE_CASE(in_another_engine), ENGINE_CASE(after_work),
    ENGINE_CASE(behind_many),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
