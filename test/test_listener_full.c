// SPDX-License-Identifier: MIT
/*
 * A listener whose process can open no more descriptors: clients wait, or are turned away; nobody spins; it recovers by
 * itself; and it can be stopped all the same. The usual loop is tried beside, and has to spin.
 */
#include "listener.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <time.h>

static double processor_time(void)
{
    struct timespec ts;
    CHECK_INT(clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &ts), 0);
    return (double)ts.tv_sec + (double)ts.tv_nsec / 1e9;
}

static void need_limits(void)
{
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors is not kept here");
    }
}

struct acceptor {
    struct unx_listener *l;
    pthread_t thread;
    int result;
    int64_t at, waited;
};

static void *accept_one(void *arg)
{
    struct acceptor *a = arg;
    a->result = unx_listener_accept(a->l, 0, NULL, -1);
    a->at = raw_now();
    a->waited = raw_waited();
    return NULL;
}

static void start(struct acceptor *a, struct unx_listener *l)
{
    *a = (struct acceptor){.l = l};
    CHECK_INT(pthread_create(&a->thread, NULL, accept_one, a), 0);
}

/* A second with a full table and a client in the backlog; then room, and no new client. */
static void pauses_and_recovers(void)
{
    need_limits();
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
    struct acceptor a;
    const int client = raw_connect(SOCK_STREAM, raw_path(path));
    raw_limit(0);
    start(&a, l);
    const double before = processor_time();
    raw_sleep(1000);
    const double used = processor_time() - before;
    raw_unlimit();
    const int64_t freed = raw_now();
    CHECK_INT(pthread_join(a.thread, NULL), 0);
    CHECK(a.result >= 0);
    NOTE("full table for 1 s: %.2f %% of a processor, accepted %lld ms after there was room", used * 100,
         (long long)(a.at - freed));
    CHECK(a.at - freed <= (harness_slow() ? 1000 : 100) + a.waited);
    CHECK(used < 0.05);
    close(a.result);
    close(client);
    close_listener(l);
}

static void naive_loop_spins(void)
{
    need_limits();
    const char *path = raw_file("sock");
    const int fd = raw_listen(SOCK_STREAM, raw_path(path), 8), client = raw_connect(SOCK_STREAM, raw_path(path));
    struct pollfd p = {.fd = fd, .events = POLLIN};
    raw_limit(0);
    const double before = processor_time();
    const int64_t from = raw_now();
    unsigned turns = 0;
    for (; raw_now() - from < 1000 || (turns < 100 && raw_now() - from < 10000); turns++) {
        CHECK(poll(&p, 1, 1000) == 1 && accept(fd, NULL, NULL) < 0 && errno == EMFILE);
    }
    const double used = processor_time() - before;
    raw_unlimit();
    NOTE("naive: poll, accept: %.0f %% of a processor, %u turns", used * 100, turns);
    close(client);
    close(fd);
    /* Not what it used, because that is little where others use it all. */
    CHECK(turns < 100);
}

/* With a full table the kernel says so even when nobody is there: we still wait for somebody. */
static void says_so_only_if_somebody_waits(void)
{
    need_limits();
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
    const int client = raw_socket(SOCK_STREAM);
    raw_limit(0);
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 0)), -EAGAIN);
    int64_t from = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 100)), -ETIMEDOUT);
    raw_took(from, 100);
    const struct raw_addr at = raw_path(path);
    CHECK_INT(connect(client, &at.sa, at.len), 0);
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 0)), -EMFILE);
    from = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 100)), -EMFILE);
    raw_took(from, 100);
    raw_unlimit();
    const int conn = unx_listener_accept(l, 0, NULL, 0);
    CHECK(conn >= 0);
    close(conn);
    close(client);
    close_listener(l);
}

/* Everybody who comes while the table is full gets an end at once, and is counted. */
static void sheds(void)
{
    enum { CLIENTS = 20 };
    need_limits();
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, UNX_SHED, path);
    const struct raw_addr at = raw_path(path);
    int client[CLIENTS];
    char c;
    for (int i = 0; i < CLIENTS; i++) {
        client[i] = raw_socket(SOCK_STREAM);
    }
    raw_limit(0);
    struct acceptor a;
    start(&a, l);
    const double before = processor_time();
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(connect(client[i], &at.sa, at.len), 0);
        CHECK_INT(read(client[i], &c, 1), 0);
    }
    raw_sleep(500);
    const double used = processor_time() - before;
    CHECK_INT(unx_listener_shed(l), CLIENTS);
    raw_unlimit();
    const int last = raw_connect(SOCK_STREAM, at);
    CHECK_INT(pthread_join(a.thread, NULL), 0);
    CHECK(a.result >= 0);
    CHECK_INT(unx_listener_shed(l), CLIENTS);
    NOTE("%d clients turned away in 500 ms: %.2f %% of a processor", CLIENTS, used * 200);
    CHECK(used < 0.05);
    close(a.result);
    close(last);
    for (int i = 0; i < CLIENTS; i++) {
        close(client[i]);
    }
    close_listener(l);
}

/* Comes back as soon as it is turned away, and does not even wait for that: there is always one more in the backlog. */
static void come_back(void *path)
{
    for (;;) {
        const int fd = raw_try_connect(SOCK_STREAM, raw_path(path));
        if (fd >= 0) {
            close(fd);
        }
    }
}

/* Whoever comes back as fast as we close gets no more than the time that we were given. */
static void sheds_no_longer_than_it_may(void)
{
    enum { CLIENTS = 3 };
    need_limits();
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, UNX_SHED, path);
    pid_t pid[CLIENTS];
    for (int i = 0; i < CLIENTS; i++) {
        pid[i] = harness_fork(come_back, (char *)path);
    }
    raw_limit(0);
    const int64_t from = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 300)), -ETIMEDOUT);
    raw_took(from, 300);
    /* On a busy machine they may not have had their turn yet. */
    while (unx_listener_shed(l) <= 64 && raw_now() - from < 10000) {
        CHECK_INT(unx_listener_accept(l, 0, NULL, 300), -ETIMEDOUT);
    }
    const unsigned in_time = unx_listener_shed(l);
    CHECK(in_time > 64);
    for (int i = 0; i < 20 || (unx_listener_shed(l) == in_time && raw_now() - from < 15000); i++) {
        const unsigned before = unx_listener_shed(l);
        const int r = unx_listener_accept(l, 0, NULL, 0);
        CHECK(r == -EAGAIN || r == -EMFILE);
        CHECK(unx_listener_shed(l) - before <= 64);
    }
    CHECK(unx_listener_shed(l) > in_time);
    raw_unlimit();
    for (int i = 0; i < CLIENTS; i++) {
        CHECK_INT(kill(pid[i], SIGKILL), 0);
        harness_wait(pid[i]);
    }
    close_listener(l);
}

/* The spare descriptor may be lost to another thread: then a lower limit has the same effect, and no room comes of it.
 * It waits like one that does not shed, and has a spare one again when there is room. */
static void spare_is_lost(void)
{
    need_limits();
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, UNX_SHED, path);
    const int before = harness_nfds();
    int client[3];
    for (int i = 0; i < 3; i++) {
        client[i] = raw_connect(SOCK_STREAM, raw_path(path));
    }
    struct rlimit was, low;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &was), 0);
    low = (struct rlimit){3, was.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &low), 0);
    const double used = processor_time();
    const int64_t from = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 500)), -EMFILE);
    raw_took(from, 500);
    CHECK(processor_time() - used < 0.025);
    CHECK_INT(unx_listener_shed(l), 0);
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &was), 0);
    CHECK_INT(harness_nfds(), before + 3 - 1);
    const int conn = unx_listener_accept(l, 0, NULL, 0);
    CHECK(conn >= 0);
    CHECK_INT(harness_nfds(), before + 3 + 1);
    raw_limit(0);
    do {
        CHECK_INT(unx_listener_accept(l, 0, NULL, 20), -ETIMEDOUT);
    } while (unx_listener_shed(l) < 2 && raw_now() - from < 10000);
    raw_unlimit();
    CHECK_INT(unx_listener_shed(l), 2);
    for (int i = 0; i < 3; i++) {
        close(client[i]);
    }
    close(conn);
    close_listener(l);
}

static void stops_with_a_full_table(void)
{
    need_limits();
    const char *path = raw_file("sock");
    for (int queued = 0; queued < 3; queued++) {
        struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
        struct acceptor a;
        int client[3];
        ROW("%d queued", queued);
        for (int i = 0; i < queued; i++) {
            client[i] = raw_connect(SOCK_STREAM, raw_path(path));
        }
        raw_limit(0);
        start(&a, l);
        raw_sleep(50);
        CHECK_INT(unx_listener_stop(l, 0), 0);
        const int64_t told = raw_now();
        CHECK_INT(pthread_join(a.thread, NULL), 0);
        CHECK(a.at - told <= (harness_slow() ? 1000 : 100) + a.waited);
        /* There is room for one, by the spare descriptor; the other one has to wait until we have some. */
        CHECK(queued == 0 ? a.result == -ESHUTDOWN : a.result >= 0);
        if (queued > 1) {
            CHECK_INT(unx_listener_accept(l, 0, NULL, -1), -EMFILE);
        }
        if (queued > 0) {
            close(a.result);
        }
        for (int i = 1; i < queued; i++) {
            const int conn = unx_listener_accept(l, 0, NULL, -1);
            CHECK(conn >= 0);
            close(conn);
        }
        CHECK_INT(unx_listener_accept(l, 0, NULL, -1), -ESHUTDOWN);
        raw_unlimit();
        for (int i = 0; i < queued; i++) {
            close(client[i]);
        }
        close_listener(l);
        CHECK_INT(names_in(harness_dir()), 0);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(pauses_and_recovers),
        {"naive_loop_spins", naive_loop_spins, HARNESS_FAIL, 0},
        CASE(says_so_only_if_somebody_waits),
        CASE(sheds),
        CASE(sheds_no_longer_than_it_may),
        CASE(spare_is_lost),
        CASE(stops_with_a_full_table),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
