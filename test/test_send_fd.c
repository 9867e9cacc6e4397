// SPDX-License-Identifier: MIT
/*
 * unx_send_fd() and unx_recv_fd(): one descriptor in one line, with every contract of the long form.
 */
#include "message.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

static void there_and_back(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        char data[8];
        size_t len = 99;
        CHECK_INT(unx_send_fd(s[0], "take it", 7, p[1]), 1);
        const int fd = unx_recv_fd(s[1], data, sizeof data, &len);
        CHECK(fd >= 0 && fd != p[1]);
        CHECK_MEM(data, len, "take it", 7);
        CHECK(raw_same_file(fd, p[1]));
        CHECK(raw_cloexec(fd));
        close(fd);
        CHECK_INT(unx_send_fd(s[0], "x", 1, p[1]), 1);
        const int again = unx_recv_fd(s[1], data, sizeof data, NULL);
        CHECK(again >= 0);
        close(again);
        CHECK(!raw_pipe_ended(p[0]));
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static void without_bytes(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        char c;
        size_t len = 99;
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        if (raw_types[t] == SOCK_STREAM) {
            CHECK_INT(unx_send_fd(s[0], "", 0, p[1]), -EINVAL);
            CHECK_INT(unx_send_fd(s[0], NULL, 0, p[1]), -EINVAL);
            check_nothing(s[1]);
        } else {
            CHECK_INT(unx_send_fd(s[0], NULL, 0, p[1]), 1);
            const int fd = unx_recv_fd(s[1], &c, 1, &len);
            CHECK(fd >= 0);
            CHECK_INT(len, 0);
            close(fd);
        }
        CHECK_INT(unx_send_fd(s[0], NULL, 5, p[1]), -EINVAL);
        close_pair(p);
        close_pair(s);
    }
}

static void what_came_instead(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        const int two[2] = {p[1], p[1]};
        char data[8];
        size_t len = 99;
        raw_send(s[0], "none", 4, NULL, 0);
        CHECK_INT(unx_recv_fd(s[1], data, sizeof data, &len), -ENOMSG);
        CHECK_MEM(data, len, "none", 4);
        raw_send(s[0], "two", 3, two, 2);
        const int before = harness_nfds();
        CHECK_INT(unx_recv_fd(s[1], data, sizeof data, &len), -ENOBUFS);
        CHECK_INT(harness_nfds(), before);
        if (raw_types[t] != SOCK_STREAM) {
            raw_send(s[0], "too large", 9, two, 1);
            CHECK_INT(unx_recv_fd(s[1], data, sizeof data, &len), -EMSGSIZE);
            CHECK_INT(harness_nfds(), before);
        }
        /* None of these concerns the next message. */
        raw_send(s[0], "good", 4, two, 1);
        const int fd = unx_recv_fd(s[1], data, sizeof data, &len);
        CHECK(fd >= 0);
        CHECK_MEM(data, len, "good", 4);
        close(fd);
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static void the_end(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        char data[8];
        raw_pair(types[t], s);
        close(s[0]);
        CHECK_INT(unx_recv_fd(s[1], data, sizeof data, NULL), -ECONNRESET);
        close(s[1]);
    }
}

static void bad_arguments(void)
{
    int s[2];
    char data[8];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_send_fd(s[0], "x", 1, -1), -EBADF);
    CHECK_INT(unx_send_fd(s[0], "x", 1, 900), -EBADF);
    CHECK_INT(unx_send_fd(-1, "x", 1, 0), -EBADF);
    check_nothing(s[1]);
    raw_send(s[0], "x", 1, &s[0], 1);
    CHECK_INT(unx_recv_fd(s[1], data, 0, NULL), -EINVAL);
    CHECK_INT(unx_recv_fd(s[1], NULL, 8, NULL), -EINVAL);
    CHECK_INT(unx_recv_fd(-1, data, 8, NULL), -EBADF);
    const int fd = unx_recv_fd(s[1], data, 8, NULL);
    CHECK(fd >= 0);
    close(fd);
    close_pair(s);
}

struct reader {
    int fd;
    size_t want;
};

static void slow_reader(void *arg)
{
    const struct reader *r = arg;
    static char data[1 << 20];
    size_t have = 0;
    unsigned nfds = 0;
    while (have < r->want) {
        struct raw_got g;
        raw_recv(r->fd, data, 70000, 0, &g);
        CHECK(g.result > 0);
        CHECK(raw_pattern_ok(data, (size_t)g.result, have));
        have += (size_t)g.result;
        nfds += g.nfds;
        raw_close_fds(&g);
    }
    CHECK_INT(nfds, 1);
}

/* On a stream the call returns when all bytes went, however small the buffer, and the descriptor goes once. */
static void all_bytes_of_a_stream(void)
{
    for (int nonblock = 0; nonblock < 2; nonblock++) {
        int s[2], p[2];
        raw_pair(SOCK_STREAM, s);
        raw_pipe(p);
        raw_set(s[0], SO_SNDBUF, 4096);
        const size_t n = 1 << 20;
        char *data = malloc(n);
        raw_pattern(data, n, 0);
        struct reader r = {s[1], n};
        const pid_t child = harness_fork(slow_reader, &r);
        if (nonblock) {
            CHECK_INT(fcntl(s[0], F_SETFL, O_NONBLOCK), 0);
        }
        CHECK_INT(unx_send_fd(s[0], data, n, p[1]), 1);
        harness_wait(child);
        free(data);
        close_pair(p);
        close_pair(s);
    }
}

static const struct test_case cases[] = {
    CASE(there_and_back), CASE(without_bytes), CASE(what_came_instead),
    CASE(the_end),        CASE(bad_arguments), CASE(all_bytes_of_a_stream),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
