// SPDX-License-Identifier: MIT
/*
 * Stopping a listener: from another thread, from a signal handler, in a forked child, with clients queued and clients
 * waiting for room, our own and one that is shared. The usual ways are tried as naive_* and have to hang or to lose.
 */
#include "listener.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/wait.h>

/* A thread that accepts until there is an end. */
struct acceptor {
    pthread_t thread;
    struct unx_listener *l;
    int timeout_ms;
    int result;
    atomic_int accepted;
    int64_t ended, waited;
};

static void *accept_all(void *arg)
{
    struct acceptor *a = arg;
    int conn;
    while ((conn = unx_listener_accept(a->l, 0, NULL, a->timeout_ms)) >= 0) {
        a->accepted++;
        raw_send(conn, "x", 1, NULL, 0);
        close(conn);
    }
    a->result = conn;
    a->ended = raw_now();
    a->waited = raw_waited();
    return NULL;
}

static void start_acceptors(struct acceptor *a, int n, struct unx_listener *l, int timeout_ms)
{
    for (int i = 0; i < n; i++) {
        a[i] = (struct acceptor){.l = l, .timeout_ms = timeout_ms};
        CHECK_INT(pthread_create(&a[i].thread, NULL, accept_all, &a[i]), 0);
    }
}

/* All of them ended with the same result; how many they accepted. */
static int join_acceptors(struct acceptor *a, int n, int result)
{
    int accepted = 0;
    for (int i = 0; i < n; i++) {
        CHECK_INT(pthread_join(a[i].thread, NULL), 0);
        CHECK_INT(a[i].result, result);
        accepted += a[i].accepted;
    }
    return accepted;
}

/* They ended at once when they were told to, or when they had their turn. */
static void check_soon(const struct acceptor *a, int n, int64_t told)
{
    for (int i = 0; i < n; i++) {
        CHECK(a[i].ended - told <= (harness_slow() ? 1000 : 100) + a[i].waited);
    }
}

static struct unx_listener *adopted(int type, const char *path)
{
    struct unx_listener *l;
    const int fd = raw_listen(type, raw_path(path), 8);
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, type, UNX_NONBLOCK)), 0);
    return l;
}

static void wakes_who_waits(void)
{
    const char *path = raw_file("sock");
    for (int i = 0; i < 8; i++) {
        const int type = i & 1 ? SOCK_STREAM : SOCK_SEQPACKET;
        struct unx_listener *l = i & 2 ? adopted(type, path) : open_at(type, 0, path);
        struct acceptor a[4];
        ROW("%s, %s, timeout %d", raw_type_name(type), i & 2 ? "adopted" : "own", i & 4 ? 5000 : -1);
        start_acceptors(a, 4, l, i & 4 ? 5000 : -1);
        raw_sleep(20);
        const int64_t start = raw_now();
        CHECK_INT(QUIET(unx_listener_stop(l, 0)), 0);
        raw_took(start, 0);
        const int64_t told = raw_now();
        CHECK_INT(join_acceptors(a, 4, -ESHUTDOWN), 0);
        check_soon(a, 4, told);
        CHECK_INT(unx_listener_accept(l, 0, NULL, 0), -ESHUTDOWN);
        CHECK_INT(unx_listener_accept(l, 0, NULL, -1), -ESHUTDOWN);
        CHECK_INT(unx_listener_stop(l, 0), 0);
        /* What is not ours goes on: its queue and its file are the others'. */
        CHECK_INT(exists(path), i & 2 ? 1 : 0);
        if (i & 2) {
            close(raw_connect(type, raw_path(path)));
        }
        close_listener(l);
        unlink(path);
    }
}

static void *close_it(void *arg)
{
    raw_until_asleep(getpid());
    close(*(int *)arg);
    return NULL;
}

static void naive_close_wakes_nobody(void)
{
    raw_need_quiet(); /* any signal would */
    int fd = raw_listen(SOCK_STREAM, raw_path(raw_file("sock")), 8);
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, close_it, &fd), 0);
    CHECK(accept(fd, NULL, NULL) < 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
}

/* ---- clients that are there already ---- */

enum { QUEUED = 9, WAITING = 5 };

struct waiter {
    pthread_t thread;
    const char *path;
    int result;
};

static void *wait_for_room(void *arg)
{
    struct waiter *w = arg;
    const int fd = raw_try_connect(SOCK_STREAM, raw_path(w->path));
    char c;
    w->result = fd < 0 ? fd : read(fd, &c, 1) == 1 ? 0 : -ECONNRESET;
    if (fd >= 0) {
        close(fd);
    }
    return NULL;
}

/* A full backlog, and as many clients again that wait for room in it. */
static void fill(int *queued, struct waiter *w, const char *path)
{
    for (int i = 0; i < QUEUED; i++) {
        queued[i] = raw_connect(SOCK_STREAM, raw_path(path));
    }
    for (int i = 0; i < WAITING; i++) {
        w[i] = (struct waiter){.path = path};
        CHECK_INT(pthread_create(&w[i].thread, NULL, wait_for_room, &w[i]), 0);
    }
    raw_sleep(50);
}

/* Every client has come to an end; how many were served. */
static int count_served(int *queued, struct waiter *w)
{
    int served = 0;
    char c;
    for (int i = 0; i < QUEUED; i++) {
        served += read(queued[i], &c, 1) == 1;
        close(queued[i]);
    }
    for (int i = 0; i < WAITING; i++) {
        CHECK_INT(pthread_join(w[i].thread, NULL), 0);
        const int r = w[i].result;
        CHECK(r == 0 || r == -ECONNREFUSED || r == -ECONNRESET || r == -ENOENT);
    }
    return served;
}

static struct unx_listener *with_backlog(const char *path)
{
    struct unx_listener_options o = UNX_LISTENER_OPTIONS;
    struct unx_listener *l;
    o.backlog = QUEUED - 1;
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, &o), 0);
    return l;
}

static void drains_who_has_connected(void)
{
    const char *path = raw_file("sock");
    for (int threads = 1; threads <= 4; threads += 3) {
        struct unx_listener *l = with_backlog(path);
        struct acceptor a[4];
        struct waiter w[WAITING];
        int queued[QUEUED];
        fill(queued, w, path);
        CHECK_INT(unx_listener_stop(l, 0), 0);
        CHECK_INT(connect_now(SOCK_STREAM, path), -ENOENT);
        start_acceptors(a, threads, l, -1);
        CHECK(join_acceptors(a, threads, -ESHUTDOWN) >= QUEUED);
        close_listener(l);
        const int served = count_served(queued, w);
        CHECK_INT(served, QUEUED);
    }
}

static void naive_shutdown_and_close_loses_clients(void)
{
    const char *path = raw_file("sock");
    const int fd = raw_listen(SOCK_STREAM, raw_path(path), QUEUED - 1);
    struct waiter w[WAITING];
    int queued[QUEUED];
    fill(queued, w, path);
    CHECK_INT(shutdown(fd, SHUT_RDWR), 0);
    close(fd);
    const int served = count_served(queued, w);
    NOTE("naive: shutdown, close: %d of %d that had connected were served", served, QUEUED);
    CHECK_INT(served, QUEUED);
}

/* Closed without stopping: nobody is served any more, but nobody hangs either. */
static void close_leaves_nobody_hanging(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l = with_backlog(path);
    struct waiter w[WAITING];
    int queued[QUEUED];
    fill(queued, w, path);
    close_listener(l);
    CHECK_INT(count_served(queued, w), 0);
    CHECK_INT(names_in(harness_dir()), 0);
}

/* ---- from a signal handler ---- */

static struct unx_listener *in_handler;

static void on_signal(int sig)
{
    (void)sig;
    if (unx_listener_stop(in_handler, 0) != 0) {
        _exit(1);
    }
}

static void stops_in_a_signal_handler(void)
{
    for (int i = 0; i < 4; i++) {
        in_handler = open_at(SOCK_STREAM, 0, raw_file("sock"));
        const struct sigaction sa = {.sa_handler = on_signal, .sa_flags = i & 1 ? SA_RESTART : 0};
        CHECK_INT(sigaction(SIGUSR2, &sa, NULL), 0);
        struct acceptor a;
        start_acceptors(&a, 1, in_handler, -1);
        raw_sleep(20);
        CHECK_INT(i & 2 ? raise(SIGUSR2) : pthread_kill(a.thread, SIGUSR2), 0);
        const int64_t told = raw_now();
        join_acceptors(&a, 1, -ESHUTDOWN);
        check_soon(&a, 1, told);
        CHECK(!exists(raw_file("sock")));
        close_listener(in_handler);
    }
}

static void signals_and_timeouts(void)
{
    struct unx_listener *l = open_at(SOCK_STREAM, 0, raw_file("sock"));
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 0)), -EAGAIN);
    raw_signals_start();
    int64_t start = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 200)), -ETIMEDOUT);
    raw_took(start, 200);
    start = raw_now();
    CHECK_INT(QUIET(unx_listener_accept(l, UNX_INTR, NULL, 5000)), -EINTR);
    raw_signals_came(10);
    CHECK(raw_now() - start < 2000);
    close_listener(l);
}

/* ---- after fork ---- */

static void as_child(void *arg)
{
    struct unx_listener *l = arg;
    CHECK_INT(unx_listener_stop(l, 0), -EBUSY);
    CHECK_INT(unx_listener_stop(l, UNX_SHARED), -EBUSY);
    const int conn = unx_listener_accept(l, 0, NULL, 5000);
    CHECK(conn >= 0);
    raw_send(conn, "x", 1, NULL, 0);
    close(conn);
    close_listener(l);
}

static void forgets(void *arg)
{
    CHECK_INT(unx_listener_forget(arg), 0);
}

/* A child may accept, and takes nothing away when it ends. */
static void child_takes_nothing_away(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
    const pid_t pid = harness_fork(as_child, l);
    const int client = raw_connect(SOCK_STREAM, raw_path(path));
    char c;
    CHECK_INT(read(client, &c, 1), 1);
    close(client);
    harness_wait(pid);
    harness_wait(harness_fork(forgets, l));
    CHECK(leads_to(SOCK_STREAM, path, l));
    close_listener(l);
    CHECK(!exists(path));
}

static void works_until_the_end(void *arg)
{
    CHECK_INT(unx_listener_accept(arg, 0, NULL, -1), -ESHUTDOWN);
    CHECK_INT(unx_listener_close(arg), 0);
}

/* Workers that were forked end with the one who opened it, and neither they nor it spin meanwhile. */
static void workers_end_too(void)
{
    struct unx_listener *l = open_at(SOCK_STREAM, 0, raw_file("sock"));
    pid_t pid[3];
    for (int i = 0; i < 3; i++) {
        pid[i] = harness_fork(works_until_the_end, l);
    }
    raw_sleep(50);
    const int64_t start = raw_now();
    CHECK_INT(unx_listener_stop(l, 0), 0);
    for (int i = 0; i < 3; i++) {
        harness_wait(pid[i]);
    }
    raw_took_with_others(start, 0);
    close_listener(l);
}

static void serves_on(void *arg)
{
    struct unx_listener *const inherited = arg, *l;
    const int fd = unx_dup(unx_listener_fd(inherited));
    CHECK_INT(unx_listener_forget(inherited), 0);
    CHECK_INT(unx_listener_adopt(&l, fd, SOCK_STREAM, 0), 0);
    struct acceptor a;
    start_acceptors(&a, 1, l, -1);
    while (a.accepted == 0) {
        raw_sleep(1);
    }
    CHECK_INT(unx_listener_stop(l, 0), 0);
    CHECK_INT(join_acceptors(&a, 1, -ESHUTDOWN), 1);
    close_listener(l);
}

/* One of two processes stops alone: the other goes on, and the file stays. */
static void stops_alone(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
    struct acceptor a;
    const pid_t pid = harness_fork(serves_on, l);
    start_acceptors(&a, 1, l, -1);
    raw_sleep(20);
    CHECK_INT(unx_listener_stop(l, UNX_SHARED), 0);
    const int64_t told = raw_now();
    CHECK_INT(join_acceptors(&a, 1, -ESHUTDOWN), 0);
    check_soon(&a, 1, told);
    close_listener(l);
    const int client = raw_connect(SOCK_STREAM, raw_path(path));
    char c;
    CHECK_INT(read(client, &c, 1), 1);
    close(client);
    harness_wait(pid);
    CHECK(exists(path));
}

/* ---- datagrams ---- */

static void datagrams_end(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l = open_at(SOCK_DGRAM, 0, path);
    const int fd = unx_listener_fd(l), client = raw_connect(SOCK_DGRAM, raw_path(path));
    raw_send(client, "x", 1, NULL, 0);
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 0)), -EOPNOTSUPP);
    CHECK_INT(unx_listener_stop(l, 0), 0);
    CHECK(!exists(path));
    char c;
    const struct iovec iov = {&c, 1};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    CHECK_INT(unx_recv(fd, &m, 0), 1);
    CHECK_INT(unx_recv(fd, &m, 0), 0);
    CHECK_INT(raw_try_send(client, "x", 1, NULL, 0, 0), -EPIPE);
    close(client);
    close_listener(l);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(wakes_who_waits),
        {"naive_close_wakes_nobody", naive_close_wakes_nobody, HARNESS_HANG, 2},
        CASE(drains_who_has_connected),
        {"naive_shutdown_and_close_loses_clients", naive_shutdown_and_close_loses_clients, HARNESS_FAIL, 0},
        CASE(close_leaves_nobody_hanging),
        CASE(stops_in_a_signal_handler),
        CASE(signals_and_timeouts),
        CASE(child_takes_nothing_away),
        CASE(workers_end_too),
        CASE(stops_alone),
        CASE(datagrams_end),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
