// SPDX-License-Identifier: MIT
/*
 * Nesting: the one descriptor of an engine is readable exactly when there is something to reap, wherever that comes
 * from, so that a loop of somebody else's that does nothing but watch it, and then reap, misses nothing.
 */
#include "between.h"
#include "engine_nest.h"

#include <poll.h>
#include <pthread.h>
#include <sys/epoll.h>
#include <sys/syscall.h>
#include <unistd.h>

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
    const int late = 2000;
    job_recv(e, &in, s[0], 0, late);
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
    raw_took(start, late);
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

static int ask_for_it(void *e)
{
    return unx_engine_fd(e);
}

static int no_memory(void *arg, int number)
{
    (void)arg;
    (void)number;
    return -ENOMEM;
}

/* A failure says what it was, and who asks again has all of it. */
static void asked_for_again(struct unx_engine *e)
{
    if (engine_flag() == UNX_ENGINE_POLL) {
        SKIP("poll has no descriptor to nest by");
    }
    const int number = engine_flag() == UNX_ENGINE_EPOLL ? SYS_epoll_ctl : SYS_io_uring_enter;
    CHECK_INT(between(&number, 1, ask_for_it, no_memory, e), -ENOMEM);
    const int fd = enter(e);
    struct unx_op timer = {0};
    START(unx_engine_timer(e, &timer, 10));
    TOLD(e, fd, &timer, 0);
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
    CHECK(!readable_within(fd, 5));
    CHECK_INT(pthread_create(&t, NULL, posts_later, both), 0);
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

/* Also of those on a descriptor that is known, which are done before anybody is asked. */
static void each_send(struct unx_engine *e)
{
    const int fd = enter(e);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    for (unsigned i = 0; i < 3; i++) {
        struct job j;
        job_send_text(e, &j, s[0], "x");
        TOLD(e, fd, &j.op, 1);
    }
    leave_pair(e, s);
}

/* A loop that is told of each change once: a reaping that returns 0 has left nothing, however small its array. */
static void told_once(struct unx_engine *e)
{
    const int fd = enter(e), loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event in = {.events = EPOLLIN | EPOLLET};
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &in), 0);
    int a[2], b[2];
    raw_pair(SOCK_SEQPACKET, a);
    raw_pair(SOCK_SEQPACKET, b);
    struct unx_op first = {0}, second = {0};
    STAND(e, &first, a[0]);
    settle(e, fd);
    /* The engine has to hear of an operation, and a message comes. */
    STAND(e, &second, b[0]);
    raw_send(a[1], "x", 1, NULL, 0);
    struct unx_event ev;
    int n;
    do {
        CHECK_INT(epoll_wait(loop, &in, 1, 3000), 1);
        n = unx_engine_reap(e, &ev, 1, 0);
    } while (n == 0);
    CHECK_INT(n, 1);
    CHECK(ev.op == &first && ev.result == 1);
    give_back(e, ev.msg);
    START(unx_engine_cancel(e, &first));
    LAST(e, &first, -ECANCELED);
    START(unx_engine_cancel(e, &second));
    LAST(e, &second, -ECANCELED);
    close(loop);
    leave_pair(e, a);
    leave_pair(e, b);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(operations),      ENGINE_CASE(deadlines),     ENGINE_CASE(asked_for_in_time),
    ENGINE_CASE(asked_for_again), ENGINE_CASE(wake_and_post), ENGINE_CASE(standing_ones),
    ENGINE_CASE(each_send),       ENGINE_CASE(told_once),     ENGINE_CASE(what_is_left),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
