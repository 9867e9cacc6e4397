// SPDX-License-Identifier: MIT
/*
 * What can be done to a socket that exists: adopting it, its timeouts, its state, its pending error, copies of it, and
 * the two ends of a conversation.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <unistd.h>
#include <unx/unx.h>

/* ---- descriptors that are not ours ---- */

/* Every call that has to ask, on what is no AF_UNIX socket. */
static void every_call(int fd, int want)
{
    struct unx_addr a;
    int n = 0;
    CHECK_INT(unx_addr_path(&a, raw_file("nobody")), 0);
    CHECK_INT(QUIET(unx_adopt(fd, 0, 0)), want);
    CHECK_INT(QUIET(unx_adopt(fd, SOCK_STREAM, UNX_NONBLOCK)), want);
    CHECK_INT(QUIET(unx_bind_to(fd, &a, 0600)), want);
    CHECK_INT(QUIET(unx_connect_to(fd, &a)), want);
    CHECK_INT(QUIET(unx_disconnect(fd)), want);
    CHECK_INT(QUIET(unx_dup(fd)), want);
    CHECK_INT(QUIET(unx_shutdown(fd, SHUT_WR)), want);
    CHECK_INT(QUIET(unx_set_nonblock(fd, 1)), want);
    CHECK_INT(QUIET(unx_get_nonblock(fd)), want);
    CHECK_INT(QUIET(unx_set_timeout(fd, UNX_RECV, 1000)), want);
    CHECK_INT(QUIET(unx_get_timeout(fd, UNX_SEND, &n)), want);
    CHECK_INT(QUIET(unx_take_error(fd, &n)), want);
    CHECK_INT(QUIET(unx_local_addr(fd, &a)), want);
    CHECK_INT(n, 0);
}

static void foreign_descriptors(void)
{
    int pipe_fds[2];
    raw_pipe(pipe_fds);
    every_call(pipe_fds[0], -ENOTSOCK);
    close(pipe_fds[0]);
    close(pipe_fds[1]);
    every_call(pipe_fds[0], -EBADF);
    every_call(-1, -EBADF);
    const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(tcp >= 0);
    every_call(tcp, -EAFNOSUPPORT);
    CHECK_INT(raw_nonblock(tcp), 0);
    CHECK_INT(QUIET(unx_shutdown(tcp, SHUT_RDWR)), -EAFNOSUPPORT);
    close(tcp);
}

/* ---- adopt ---- */

static void adopt_checks(void)
{
    for (int t = 0; t < 3; t++) {
        int sv[2];
        CHECK_INT(socketpair(AF_UNIX, raw_types[t], 0, sv), 0);
        unsigned blind;
        const unsigned before = raw_flags(sv[0], &blind);
        for (int u = 0; u < 3; u++)
            CHECK_INT(QUIET(unx_adopt(sv[0], raw_types[u], 0)), t == u ? raw_types[t] : -EPROTOTYPE);
        CHECK_INT(QUIET(unx_adopt(sv[0], 0, 0)), raw_types[t]);
        CHECK(raw_cloexec(sv[0]));
        CHECK(!raw_cloexec(sv[1]));
        CHECK_INT(QUIET(unx_adopt(sv[0], 0, UNX_LISTENING)), -EINVAL);
        CHECK_INT(QUIET(unx_adopt(sv[0], SOCK_RAW, 0)), -EINVAL);
        CHECK_INT(QUIET(unx_adopt(sv[0], 99, 0)), -EINVAL);
        CHECK_INT(QUIET(unx_adopt(sv[0], -1, 0)), -EINVAL);
        for (int bit = 8; bit < 32; bit++)
            CHECK_INT(QUIET(unx_adopt(sv[0], 0, 1u << bit)), -EINVAL);
        CHECK_INT(raw_flags(sv[0], &blind), before);
        CHECK(raw_is_open(sv[0]));
        close(sv[0]);
        close(sv[1]);
    }
}

/* Each flag is set on the socket, alone, and seen by who shares it; a mistake in the call sets none. */
static void adopt_sets_what_is_asked(void)
{
    static const unsigned each[] = {UNX_NONBLOCK, UNX_PASSFDS, UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC, UNX_TIMESTAMP};
    for (size_t i = 0; i < sizeof each / sizeof *each; i++) {
        int sv[2];
        CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, sv), 0);
        const int copy = dup(sv[0]);
        unsigned blind;
        CHECK_INT(QUIET(unx_adopt(copy, SOCK_STREAM, each[i])), -EPROTOTYPE);
        CHECK_INT(QUIET(unx_adopt(copy, 0, each[i] | 0x80000000u)), -EINVAL);
        CHECK_INT(QUIET(unx_adopt(copy, 0, each[i] | UNX_LISTENING)), -EINVAL);
        CHECK_INT(raw_flags(sv[0], &blind), 0);
        ROW("flag %#x", each[i]);
        const bool lacking = each[i] == UNX_PASSPIDFD && !raw_knows(RAW_SO_PASSPIDFD);
        CHECK_INT(QUIET(unx_adopt(copy, SOCK_SEQPACKET, each[i])), lacking ? -EOPNOTSUPP : SOCK_SEQPACKET);
        const unsigned flags = raw_flags(sv[0], &blind);
        CHECK_INT(flags | blind, each[i] | blind);
        CHECK_INT(raw_flags(sv[1], &blind), 0);
        close(copy);
        close(sv[0]);
        close(sv[1]);
    }
}

static void adopt_listener(void)
{
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("s")), 4);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_STREAM, UNX_LISTENING)), SOCK_STREAM);
    CHECK_INT(QUIET(unx_adopt(server, 0, UNX_LISTENING)), SOCK_STREAM);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_SEQPACKET, UNX_LISTENING)), -EPROTOTYPE);
    CHECK_INT(QUIET(unx_adopt(server, 0, UNX_TIMESTAMP)), -EOPNOTSUPP);
    CHECK(raw_is_open(server));
    const int bound = raw_bind(SOCK_STREAM, raw_path(raw_file("b")));
    CHECK_INT(QUIET(unx_adopt(bound, SOCK_STREAM, UNX_LISTENING)), -EINVAL);
    CHECK_INT(QUIET(unx_adopt(bound, SOCK_STREAM, 0)), SOCK_STREAM);
    close(bound);
    close(server);
}

/* ---- timeouts ---- */

static int64_t raw_timeout(int fd, int option)
{
    struct timeval tv;
    socklen_t len = sizeof tv;
    CHECK_INT(getsockopt(fd, SOL_SOCKET, option, &tv, &len), 0);
    return (int64_t)tv.tv_sec * 1000000 + tv.tv_usec;
}

static void timeouts_are_kept(void)
{
    int sv[2], ms = 4711;
    raw_pair(SOCK_SEQPACKET, sv);
    for (unsigned which = UNX_RECV; which <= UNX_SEND; which <<= 1) {
        const int option = which == UNX_RECV ? SO_RCVTIMEO : SO_SNDTIMEO;
        const int other = which == UNX_RECV ? SO_SNDTIMEO : SO_RCVTIMEO;
        CHECK_INT(QUIET(unx_get_timeout(sv[0], which, &ms)), 0);
        CHECK_INT(ms, -1);
        static const int some[] = {1, 3, 9, 10, 11, 250, 999, 1000, 1001, 86400000, INT_MAX};
        for (size_t i = 0; i < sizeof some / sizeof *some; i++) {
            ROW("%#x, %d ms", which, some[i]);
            CHECK_INT(QUIET(unx_set_timeout(sv[0], which, some[i])), 0);
            /* Up to a tick of the kernel, at most 10 ms, more, and never less. */
            const int64_t us = raw_timeout(sv[0], option);
            CHECK(us >= some[i] * INT64_C(1000) && us <= some[i] * INT64_C(1000) + 10000);
            CHECK_INT(QUIET(unx_get_timeout(sv[0], which, &ms)), 0);
            CHECK(ms >= some[i] && (some[i] == INT_MAX || ms <= some[i] + 10));
            CHECK_INT(raw_timeout(sv[0], other), 0);
        }
        CHECK_INT(QUIET(unx_set_timeout(sv[0], which, 0)), -EINVAL);
        CHECK_INT(QUIET(unx_set_timeout(sv[0], which, -2)), -EINVAL);
        CHECK(raw_timeout(sv[0], option) > 0);
        CHECK_INT(QUIET(unx_set_timeout(sv[0], which, -1)), 0);
        CHECK_INT(raw_timeout(sv[0], option), 0);
    }
    ms = 4711;
    static const unsigned bad[] = {0, UNX_RECV | UNX_SEND, 1, 0x00040000u};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(QUIET(unx_set_timeout(sv[0], bad[i], 100)), -EINVAL);
        CHECK_INT(QUIET(unx_get_timeout(sv[0], bad[i], &ms)), -EINVAL);
    }
    CHECK_INT(ms, 4711);
    CHECK_INT(QUIET(unx_get_timeout(sv[0], UNX_RECV, NULL)), -EINVAL);
    close(sv[0]);
    close(sv[1]);
}

/* Somebody else has set more than nanoseconds can count: that is no limit, or a very late one,
 * but never in the past. */
static void timeout_of_centuries(void)
{
    /* 18446744074 s is 0.29 s more than 64 bits of nanoseconds hold, and must not look like 0.29 s. */
    static const int64_t seconds[] = {2147483,     2147484,     9223372035,           9223372036,
                                      10000000000, 18446744074, INT64_C(100000000000)};
    for (unsigned which = UNX_RECV; which <= UNX_SEND; which <<= 1) {
        for (size_t i = 0; i < sizeof seconds / sizeof *seconds; i++) {
            const struct timeval tv = {(time_t)seconds[i], 0};
            if (tv.tv_sec != seconds[i])
                continue;
            int sv[2], ms = 4711;
            raw_pair(SOCK_SEQPACKET, sv);
            ROW("%#x, %lld s", which, (long long)seconds[i]);
            const int option = which == UNX_RECV ? SO_RCVTIMEO : SO_SNDTIMEO;
            /* A kernel before 5.1, or an emulator, has 32 bits for it. */
            const bool fits = setsockopt(sv[0], SOL_SOCKET, option, &tv, sizeof tv) == 0;
            CHECK(fits || (errno == EOVERFLOW && sizeof(long) == 4 && seconds[i] > INT32_MAX));
            CHECK_INT(QUIET(unx_get_timeout(sv[0], which, &ms)), 0);
            CHECK(!fits || ms == -1 || ms == (seconds[i] > INT_MAX / 1000 ? INT_MAX : seconds[i] * 1000));
            close(sv[0]);
            close(sv[1]);
        }
    }
}

static int one(int fd, int sending)
{
    char c[4096] = "x";
    struct iovec iov = {c, sizeof c};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    return sending ? QUIET(unx_send(fd, &m, 0)) : QUIET(unx_recv(fd, &m, 0));
}

static void timeouts_expire(void)
{
    for (int t = 0; t < 3; t++) {
        int sv[2];
        raw_pair(raw_types[t], sv);
        CHECK_INT(unx_set_timeout(sv[0], UNX_RECV, 120), 0);
        CHECK_INT(unx_set_timeout(sv[0], UNX_SEND, 180), 0);
        ROW("%s", raw_type_name(raw_types[t]));
        int64_t start = raw_now();
        CHECK_INT(one(sv[0], 0), -EAGAIN);
        raw_took(start, 120);
        int r;
        do
            start = raw_now();
        while ((r = one(sv[0], 1)) == 1);
        CHECK_INT(r, -EAGAIN);
        raw_took(start, 180);
        close(sv[0]);
        close(sv[1]);
    }
}

/* ---- state, error, copies ---- */

static void nonblock_is_of_the_socket(void)
{
    int sv[2];
    raw_pair(SOCK_STREAM, sv);
    const int copy = dup(sv[0]);
    CHECK_INT(QUIET(unx_get_nonblock(sv[0])), 0);
    CHECK_INT(QUIET(unx_set_nonblock(sv[0], 1)), 0);
    CHECK_INT(QUIET(unx_get_nonblock(sv[0])), 1);
    CHECK_INT(QUIET(unx_get_nonblock(copy)), 1);
    CHECK_INT(raw_nonblock(copy), 1);
    CHECK_INT(QUIET(unx_get_nonblock(sv[1])), 0);
    CHECK_INT(one(sv[0], 0), -EAGAIN);
    CHECK_INT(QUIET(unx_set_nonblock(copy, 0)), 0);
    CHECK_INT(raw_nonblock(sv[0]), 0);
    close(copy);
    close(sv[0]);
    close(sv[1]);
}

/* The peer closes with our data unread: an error is pending, and whoever takes it is the only one to see it. */
static void error_is_taken_once(void)
{
    for (int t = 0; t < 2; t++) {
        int sv[2], error = 4711;
        raw_pair(raw_types[t], sv);
        CHECK_INT(QUIET(unx_take_error(sv[0], &error)), 0);
        CHECK_INT(error, 0);
        raw_send(sv[0], "unread", 6, NULL, 0);
        raw_send(sv[1], "reply", 5, NULL, 0);
        close(sv[1]);
        CHECK(QUIET(unx_wait(sv[0], POLLIN, 1000)) & POLLERR);
        CHECK_INT(QUIET(unx_take_error(sv[0], &error)), 0);
        CHECK_INT(error, -ECONNRESET);
        CHECK_INT(QUIET(unx_take_error(sv[0], &error)), 0);
        CHECK_INT(error, 0);
        CHECK_INT(one(sv[0], 0), 1);
        CHECK_INT(one(sv[0], 0), 0);
        CHECK_INT(QUIET(unx_take_error(sv[0], NULL)), -EINVAL);
        close(sv[0]);
    }
}

static void copy_of_a_descriptor(void)
{
    int sv[2];
    raw_pair(SOCK_SEQPACKET, sv);
    const int input = fcntl(0, F_DUPFD_CLOEXEC, 100);
    CHECK_INT(close(0), 0);
    const int copy = QUIET(unx_dup(sv[0]));
    CHECK_INT(dup2(input, 0), 0);
    CHECK(copy >= 3);
    CHECK(raw_cloexec(copy));
    CHECK(raw_same_file(copy, sv[0]));
    CHECK_INT(close(sv[0]), 0);
    raw_send(copy, "x", 1, NULL, 0);
    CHECK_INT(one(sv[1], 0), 1);
    close(copy);
    CHECK_INT(one(sv[1], 0), 0);
    close(sv[1]);
    close(input);
}

/* No number from 3 on may be had at all. */
static void no_copy_below_a_limit_of_three(void)
{
    struct rlimit before;
    const int fd = raw_socket(SOCK_STREAM);
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit tight = {3, before.rlim_max};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &tight), 0);
    const int copy = QUIET(unx_dup(fd));
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &before), 0);
    raw_need_no_valgrind("limits of open descriptors are not heard of");
    CHECK_INT(copy, -EMFILE);
    close(fd);
}

static void half_closed(void)
{
    for (int t = 0; t < 2; t++) {
        int sv[2];
        raw_pair(raw_types[t], sv);
        raw_send(sv[0], "last", 4, NULL, 0);
        CHECK_INT(QUIET(unx_shutdown(sv[0], SHUT_WR)), 0);
        CHECK_INT(one(sv[0], 1), -EPIPE);
        CHECK_INT(one(sv[1], 0), 1);
        CHECK_INT(one(sv[1], 0), 0);
        CHECK_INT(one(sv[1], 1), 1);
        CHECK_INT(one(sv[0], 0), 1);
        CHECK_INT(QUIET(unx_shutdown(sv[0], SHUT_RD)), 0);
        CHECK_INT(one(sv[1], 1), -EPIPE);
        CHECK_INT(one(sv[0], 0), 0);
        CHECK((QUIET(unx_wait(sv[1], 0, 1000)) & POLLHUP) != 0);
        static const int bad[] = {-1, 3, 4, INT_MAX, INT_MIN};
        for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
            CHECK_INT(QUIET(unx_shutdown(sv[0], bad[i])), -EINVAL);
        close(sv[0]);
        close(sv[1]);
        raw_pair(raw_types[t], sv);
        CHECK_INT(QUIET(unx_shutdown(sv[0], SHUT_RDWR)), 0);
        CHECK_INT(one(sv[0], 0), 0);
        CHECK_INT(one(sv[1], 0), 0);
        CHECK_INT(one(sv[0], 1), -EPIPE);
        CHECK_INT(one(sv[1], 1), -EPIPE);
        close(sv[0]);
        close(sv[1]);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(foreign_descriptors),
        CASE(adopt_checks),
        CASE(adopt_sets_what_is_asked),
        CASE(adopt_listener),
        CASE(timeouts_are_kept),
        CASE(timeout_of_centuries),
        CASE(timeouts_expire),
        CASE(nonblock_is_of_the_socket),
        CASE(error_is_taken_once),
        CASE(copy_of_a_descriptor),
        CASE(no_copy_below_a_limit_of_three),
        CASE(half_closed),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
