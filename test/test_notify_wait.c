// SPDX-License-Identifier: MIT
/*
 * Telling a service manager that does not listen, or listens late: how long its service is held up.
 */
#include "activation.h"

static int manager(const char *word)
{
    const int fd = raw_bind(SOCK_DGRAM, raw_path(raw_file(word)));
    raw_set(fd, SO_PASSCRED, 1);
    set_env("NOTIFY_SOCKET", raw_file(word));
    return fd;
}

static void fill(void)
{
    int n = 0;
    while (unx_notify("X=1", NULL, 0, 0, 0) == 1)
        CHECK(++n < 100000);
}

static void drain_later(void *arg)
{
    char data[64];
    struct raw_got g;
    raw_sleep(150);
    raw_recv(*(int *)arg, data, sizeof data, 0, &g);
}

static void deadline(void)
{
    int fd = manager("n");
    fill();
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, UNX_UNSET, 0)), -EAGAIN);
    int64_t start = raw_now();
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, UNX_UNSET, 200)), -ETIMEDOUT);
    raw_took(start, 200);
    CHECK(getenv("NOTIFY_SOCKET"));
    raw_signals_start();
    start = raw_now();
    CHECK_INT(unx_notify("READY=1", NULL, 0, 0, 200), -ETIMEDOUT);
    raw_took(start, 200);
    start = raw_now();
    CHECK_INT(unx_notify_barrier(0, 200), -ETIMEDOUT);
    raw_took(start, 200);
    raw_signals_came(50);
    /* Room, later. */
    start = raw_now();
    const pid_t pid = harness_fork(drain_later, &fd);
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 5000)), 1);
    raw_took_with_others(start, 150);
    harness_wait(pid);
    close(fd);
}

struct barrier {
    int fd;
    unsigned ms;
};

static void answer(void *arg)
{
    const struct barrier *b = arg;
    char data[64];
    struct raw_got g;
    raw_recv(b->fd, data, sizeof data, 0, &g);
    CHECK_MEM(data, (size_t)g.result, "BARRIER=1", 9);
    CHECK_INT(g.nfds, 1);
    raw_sleep(b->ms);
    raw_close_fds(&g);
}

static void barrier(void)
{
    struct barrier b = {manager("n"), 150};
    pid_t pid = harness_fork(answer, &b);
    int64_t start = raw_now();
    CHECK_INT(QUIET(unx_notify_barrier(0, -1)), 1);
    raw_took_with_others(start, 150);
    harness_wait(pid);
    pid = harness_fork(answer, &b);
    raw_signals_start();
    start = raw_now();
    CHECK_INT(unx_notify_barrier(0, 5000), 1);
    raw_took_with_others(start, 150);
    raw_signals_stop();
    harness_wait(pid);
    start = raw_now();
    CHECK_INT(QUIET(unx_notify_barrier(UNX_UNSET, 100)), -ETIMEDOUT);
    raw_took(start, 100);
    CHECK_INT(QUIET(unx_notify_barrier(UNX_UNSET, 0)), -EAGAIN);
    CHECK(getenv("NOTIFY_SOCKET"));
    close(b.fd);
}

/* A manager that ends takes the barrier with it. */
static void close_later(void *arg)
{
    raw_until_asleep(getppid());
    raw_sleep(100);
    close(*(int *)arg);
}

static void barrier_of_a_manager_that_ends(void)
{
    int fd = manager("n");
    const int64_t start = raw_now();
    const pid_t pid = harness_fork(close_later, &fd);
    close(fd);
    CHECK_INT(QUIET(unx_notify_barrier(UNX_UNSET, 5000)), 1);
    raw_took_with_others(start, 100);
    CHECK(!getenv("NOTIFY_SOCKET"));
    harness_wait(pid);
}

static const struct test_case cases[] = {
    CASE(deadline),
    CASE(barrier),
    CASE(barrier_of_a_manager_that_ends),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
