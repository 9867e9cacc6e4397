// SPDX-License-Identifier: MIT
/*
 * Accepting: what comes out, how long it waits, what a signal does, what happens when there is no room, and that a peer
 * that came and went is still a peer.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>
#include <unx/unx.h>

static int server_at(int type, unsigned flags, struct raw_addr *at)
{
    const char *path = raw_file("server");
    unlink(path);
    *at = raw_path(path);
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    const int fd = unx_listen(type, flags, &a, -1, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    return fd;
}

/* What could not be granted any more, because the peer may have sent already, is refused, and the peer keeps
 * waiting. */
static void late_wishes(void)
{
    static const unsigned late[] = {UNX_PASSFDS,   UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC,
                                    UNX_LISTENING, UNX_DONTWAIT, UNX_PEEK,      0x80000000u};
    for (int t = 0; t < 2; t++) {
        struct raw_addr at;
        const int server = server_at(raw_types[t], 0, &at);
        const int client = raw_connect(raw_types[t], at);
        for (size_t i = 0; i < sizeof late / sizeof *late; i++) {
            ROW("%s %#x", raw_type_name(raw_types[t]), late[i]);
            CHECK_INT(QUIET(unx_accept(server, late[i], NULL)), -EINVAL);
            CHECK_INT(QUIET(unx_accept(server, late[i] | UNX_NONBLOCK, NULL)), -EINVAL);
        }
        const int fd = QUIET(unx_accept(server, 0, NULL));
        CHECK(fd >= 0);
        raw_send(client, "x", 1, NULL, 0);
        close(fd);
        close(client);
        close(server);
    }
}

static void no_time_on_streams(void)
{
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    const int client = raw_connect(SOCK_STREAM, at);
    const int before = harness_nfds();
    CHECK_INT(QUIET(unx_accept(server, UNX_TIMESTAMP, NULL)), -EOPNOTSUPP);
    CHECK_INT(harness_nfds(), before);
    close(client);
    close(server);
}

static void not_a_listener(void)
{
    int pipe_fds[2];
    raw_pipe(pipe_fds);
    CHECK_INT(QUIET(unx_accept(pipe_fds[0], 0, NULL)), -ENOTSOCK);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    CHECK_INT(QUIET(unx_accept(-1, 0, NULL)), -EBADF);
    for (int t = 0; t < 3; t++) {
        int sv[2];
        raw_pair(raw_types[t], sv);
        struct unx_addr a;
        memset(&a, 0xee, sizeof a);
        CHECK_INT(QUIET(unx_accept(sv[0], 0, &a)), raw_types[t] == SOCK_DGRAM ? -EOPNOTSUPP : -EINVAL);
        CHECK_INT(a.raw[0] == (char)0xee, 1);
        close(sv[0]);
        close(sv[1]);
    }
}

/* The state of the connection is what the call says, whatever the listener's is, and the other way round. */
static void blocking_or_not(void)
{
    for (unsigned of_server = 0; of_server <= UNX_NONBLOCK; of_server++)
        for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
            struct raw_addr at;
            const int server = server_at(SOCK_SEQPACKET, of_server, &at);
            if (of_server)
                CHECK_INT(QUIET(unx_accept(server, flags, NULL)), -EAGAIN);
            const int client = raw_connect(SOCK_SEQPACKET, at);
            const int fd = QUIET(unx_accept(server, flags, NULL));
            CHECK(fd >= 0);
            CHECK_INT(raw_nonblock(fd), flags != 0);
            CHECK_INT(raw_nonblock(server), of_server != 0);
            CHECK(raw_cloexec(fd));
            close(fd);
            close(client);
            close(server);
        }
}

static void peer_that_went(void)
{
    for (int t = 0; t < 2; t++) {
        struct raw_addr at;
        const int server = server_at(raw_types[t], 0, &at);
        const int client = raw_connect(raw_types[t], at);
        raw_send(client, "hello", 5, NULL, 0);
        close(client);
        struct unx_addr a;
        const int fd = QUIET(unx_accept(server, 0, &a));
        CHECK(fd >= 0);
        CHECK_INT(unx_addr_name(&a, NULL, NULL), UNX_UNNAMED);
        struct raw_got g;
        char text[8];
        raw_recv(fd, text, sizeof text, 0, &g);
        CHECK_MEM(text, (size_t)g.result, "hello", 5);
        raw_recv(fd, text, sizeof text, 0, &g);
        CHECK_INT(g.result, 0);
        struct unx_cred c;
        CHECK_INT(unx_peer_cred(fd, &c), 0);
        CHECK_INT(c.pid, getpid());
        close(fd);
        close(server);
    }
}

/* A connection tells the name that its listener was bound to, not that of the file now. */
static void name_after_rename(void)
{
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    CHECK_INT(rename(raw_file("server"), raw_file("renamed")), 0);
    const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("renamed")));
    const int fd = unx_accept(server, 0, NULL);
    CHECK(fd >= 0);
    struct unx_addr was, a;
    CHECK_INT(unx_addr_path(&was, raw_file("server")), 0);
    CHECK_INT(unx_local_addr(fd, &a), 0);
    CHECK_INT(unx_addr_compare(&a, &was), 0);
    CHECK_INT(unx_peer_addr(client, &a), 0);
    CHECK_INT(unx_addr_compare(&a, &was), 0);
    close(fd);
    close(client);
    close(server);
}

/* Out of descriptors: the peer stays queued, and there is no file or descriptor more than before. */
static void full_table(void)
{
    if (!raw_limit_works())
        SKIP("limits of open descriptors are not heard of here");
    struct raw_addr at;
    const int server = server_at(SOCK_SEQPACKET, UNX_NONBLOCK, &at);
    const int client = raw_connect(SOCK_SEQPACKET, at);
    raw_limit(0);
    for (int i = 0; i < 3; i++)
        CHECK_INT(QUIET(unx_accept(server, 0, NULL)), -EMFILE);
    raw_unlimit();
    const int fd = QUIET(unx_accept(server, 0, NULL));
    CHECK(fd >= 0);
    CHECK_INT(QUIET(unx_accept(server, 0, NULL)), -EAGAIN);
    raw_send(client, "x", 1, NULL, 0);
    close(fd);
    close(client);
    close(server);
}

/* ---- time and signals ---- */

static atomic_int signals;

static void count_signal(int sig)
{
    (void)sig;
    signals++;
}

/* A signal after so many milliseconds, without SA_RESTART, and then one each `again` of them, or none. */
static timer_t signal_after(unsigned ms, unsigned again)
{
    struct sigaction sa = {.sa_handler = count_signal};
    CHECK_INT(sigaction(SIGUSR2, &sa, NULL), 0);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    timer_t t;
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &e, &t), 0);
    const struct itimerspec times = {{again / 1000, (long)(again % 1000) * 1000000},
                                     {ms / 1000, (long)(ms % 1000) * 1000000}};
    CHECK_INT(timer_settime(t, 0, &times, NULL), 0);
    return t;
}

static int accept_unx(int server)
{
    return QUIET(unx_accept(server, 0, NULL));
}

static int accept_again_and_again(int server)
{
    int fd;
    do
        fd = raw_accept(server);
    while (fd < 0 && errno == EINTR);
    return fd < 0 ? -errno : fd;
}

static void timeout_expires(void)
{
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    CHECK_INT(QUIET(unx_set_timeout(server, UNX_RECV, 200)), 0);
    const int64_t start = raw_now();
    CHECK_INT(accept_unx(server), -EAGAIN);
    raw_took(start, 200);
    close(server);
}

static void check_under_signals(int (*accept_one)(int server), int timeout_ms)
{
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    CHECK_INT(unx_set_timeout(server, UNX_RECV, timeout_ms), 0);
    raw_signals_start();
    const int64_t start = raw_now();
    CHECK_INT(accept_one(server), -EAGAIN);
    raw_took(start, timeout_ms);
    raw_signals_came(20);
    close(server);
}

static void timeout_under_signals(void)
{
    check_under_signals(accept_unx, 300);
}

/* It ends only where the process does not run for as long as that between two signals. */
static void naive_timeout_under_signals(void)
{
    check_under_signals(accept_again_and_again, 2000);
}

static void check_late_signal(int (*accept_one)(int server))
{
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    const unsigned timeout = harness_slow() ? 4000 : 2500;
    CHECK_INT(unx_set_timeout(server, UNX_RECV, (int)timeout), 0);
    const int64_t start = raw_now();
    const timer_t t = signal_after(timeout - 100, 0);
    CHECK_INT(accept_one(server), -EAGAIN);
    raw_took(start, timeout);
    CHECK_INT(signals, 1);
    timer_delete(t);
    close(server);
}

/* One signal shortly before the end must not start the time anew. */
static void timeout_with_one_late_signal(void)
{
    check_late_signal(accept_unx);
}

static void naive_timeout_with_one_late_signal(void)
{
    raw_need_quiet(); /* with many of them it hangs instead */
    check_late_signal(accept_again_and_again);
}

static void connect_late(void *arg)
{
    raw_until_asleep(getppid());
    raw_sleep(150);
    const int fd = raw_connect(SOCK_STREAM, *(const struct raw_addr *)arg);
    struct pollfd p = {fd, POLLIN, 0};
    poll(&p, 1, 5000);
    close(fd);
}

/* With and without a timeout, a signal is nobody's business; with UNX_INTR it ends the wait. */
static void signals_are_survived(void)
{
    for (int timeout = -1; timeout <= 10000; timeout += 10001) {
        struct raw_addr at;
        const int server = server_at(SOCK_STREAM, 0, &at);
        CHECK_INT(unx_set_timeout(server, UNX_RECV, timeout), 0);
        const pid_t child = harness_fork(connect_late, &at);
        raw_signals_start();
        const int fd = accept_unx(server);
        raw_signals_came(20);
        CHECK(fd >= 0);
        close(fd);
        close(server);
        harness_wait(child);
    }
}

static void signals_end_the_wait_if_asked(void)
{
    raw_need_quiet();
    struct raw_addr at;
    const int server = server_at(SOCK_STREAM, 0, &at);
    const int64_t start = raw_now();
    /* The first one may come before the call waits. */
    const timer_t t = signal_after(100, 1000);
    CHECK_INT(QUIET(unx_accept(server, UNX_INTR, NULL)), -EINTR);
    raw_took(start, 100);
    timer_delete(t);
    close(server);
}

/* ---- stopping ---- */

static void *shut_down_late(void *arg)
{
    raw_sleep(100);
    CHECK_INT(QUIET(unx_shutdown(*(int *)arg, SHUT_RD)), 0);
    return NULL;
}

/* A shutdown ends an accept that waits; who was queued can still be accepted; newcomers are refused. */
static void shutdown_ends_the_wait(void)
{
    struct raw_addr at;
    int server = server_at(SOCK_STREAM, 0, &at);
    pthread_t thread;
    const int64_t start = raw_now();
    CHECK_INT(pthread_create(&thread, NULL, shut_down_late, &server), 0);
    CHECK_INT(accept_unx(server), -EINVAL);
    raw_took_with_others(start, 100);
    CHECK_INT(pthread_join(thread, NULL), 0);
    close(server);

    server = server_at(SOCK_STREAM, 0, &at);
    const int client = raw_connect(SOCK_STREAM, at);
    CHECK_INT(unx_shutdown(server, SHUT_RD), 0);
    struct unx_addr a;
    CHECK_INT(unx_addr_sockaddr(&a, &at.sa, at.len), 0);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000), -ECONNREFUSED);
    const int fd = accept_unx(server);
    CHECK(fd >= 0);
    CHECK_INT(accept_unx(server), -EINVAL);
    close(fd);
    close(client);
    close(server);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(late_wishes),
        CASE(no_time_on_streams),
        CASE(not_a_listener),
        CASE(blocking_or_not),
        CASE(peer_that_went),
        CASE(name_after_rename),
        CASE(full_table),
        CASE(timeout_expires),
        CASE(timeout_under_signals),
        {"naive_timeout_under_signals", naive_timeout_under_signals, HARNESS_HANG, 5},
        CASE(timeout_with_one_late_signal),
        {"naive_timeout_with_one_late_signal", naive_timeout_with_one_late_signal, HARNESS_FAIL, 0},
        CASE(signals_are_survived),
        CASE(signals_end_the_wait_if_asked),
        CASE(shutdown_ends_the_wait),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
