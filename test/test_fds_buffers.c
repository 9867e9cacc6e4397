// SPDX-License-Identifier: MIT
/*
 * More descriptors than one message holds, and packets larger than the usual buffer: all of it or an error.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unx/unx.h>

#include "harness.h"
#include "message.h"
#include "raw.h"
#include "raw_addr.h"

#define MANY 700u

static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};

/* ---- descriptors ---- */

static void fill(int fds[MANY], const int p[2])
{
    for (unsigned i = 0; i < MANY; i++) {
        fds[i] = p[i % 2];
    }
}

static void check_and_close(int *fds, unsigned n, const int p[2])
{
    for (unsigned i = 0; i < n; i++) {
        CHECK(raw_same_file(fds[i], p[i % 2]));
        close(fds[i]);
    }
}

static void packets_hold_253(void)
{
    for (unsigned k = 0; k < 3; k += 2) {
        int s[2], p[2], out[MANY], in[MANY];
        raw_pair(types[k], s);
        raw_pipe(p);
        fill(out, p);
        CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 254), -E2BIG);
        check_nothing(s[1]);
        CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 253), 1);
        char data[2];
        CHECK_INT(unx_recv_fds(s[1], data, 2, in, 253), 1);
        check_and_close(in, 253, p);
        close_pair(p);
        close_pair(s);
    }
}

static void streams_split(void)
{
    static const unsigned counts[] = {0, 1, 253, 254, 506, 507, MANY};
    for (unsigned k = 0; k < sizeof counts / sizeof *counts; k++) {
        const unsigned n = counts[k];
        int s[2], p[2], out[MANY], in[MANY];
        raw_pair(SOCK_STREAM, s);
        raw_pipe(p);
        fill(out, p);
        char data[10];
        CHECK_INT(unx_send_fds(s[0], "0123456789", 10, out, n), 1);
        CHECK_INT(unx_recv_fds(s[1], data, 10, in, n), 1);
        CHECK_MEM(data, 10, "0123456789", 10);
        check_and_close(in, n, p);
        close_pair(p);
        close_pair(s);
    }
}

static void a_byte_for_each_piece(void)
{
    int s[2], p[2], out[MANY], in[MANY];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    fill(out, p);
    char data[3];
    CHECK_INT(unx_send_fds(s[0], "ab", 2, out, MANY), -EINVAL);
    CHECK_INT(unx_send_fds(s[0], "", 0, out, 1), -EINVAL);
    check_nothing(s[1]);
    CHECK_INT(unx_send_fds(s[0], "abc", 3, out, MANY), 1);
    CHECK_INT(unx_recv_fds(s[1], data, 3, in, MANY), 1);
    check_and_close(in, MANY, p);
    close_pair(p);
    close_pair(s);
}

/* More, fewer, another length, the end in the middle: an error, and nothing is kept. */
static void not_exactly(void)
{
    for (unsigned k = 0; k < 2; k++) {
        int s[2], p[2], out[MANY], in[MANY];
        char data[10];
        raw_pipe(p);
        fill(out, p);
        raw_pair(types[k], s);
        CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 3), 1);
        CHECK_INT(unx_recv_fds(s[1], data, 2, in, 2), -ENOBUFS);
        CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 3), 1);
        CHECK_INT(unx_recv_fds(s[1], data, 2, in, 4), -ENOMSG);
        CHECK_INT(in[0], -1);
        if (types[k] == SOCK_SEQPACKET) {
            CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 3), 1);
            CHECK_INT(unx_recv_fds(s[1], data, 3, in, 3), -EMSGSIZE);
            CHECK_INT(unx_send_fds(s[0], "abcd", 4, out, 3), 1);
            CHECK_INT(unx_recv_fds(s[1], data, 3, in, 3), -EMSGSIZE);
            check_nothing(s[1]);
        }
        CHECK_INT(unx_send_fds(s[0], "ab", 2, out, 3), 1);
        close(s[0]);
        CHECK_INT(unx_recv_fds(s[1], data, 10, in, 6), types[k] == SOCK_STREAM ? -ECONNRESET : -EMSGSIZE);
        CHECK_INT(unx_recv_fds(s[1], data, 10, in, 6), -ECONNRESET);
        close(s[1]);
        close_pair(p);
    }
}

/* A non-blocking stream whose buffer is smaller than the data is waited for: half a list would be worse. */
struct sender {
    int fd;
    const int *fds;
};

static char bulk[300000];

static void send_bulk(void *arg)
{
    const struct sender *s = arg;
    CHECK_INT(unx_send_fds(s->fd, bulk, sizeof bulk, s->fds, MANY), 1);
}

static void a_small_buffer(void)
{
    int s[2], p[2], out[MANY], in[MANY];
    CHECK_INT(unx_pair(SOCK_STREAM, UNX_NONBLOCK | UNX_PASSFDS, s), 0);
    raw_set(s[0], SO_SNDBUF, 4096);
    raw_pipe(p);
    fill(out, p);
    raw_pattern(bulk, sizeof bulk, 0);
    struct sender sender = {s[0], out};
    const pid_t child = harness_fork(send_bulk, &sender);
    char *back = malloc(sizeof bulk);
    CHECK(unx_wait(s[1], 1 /* POLLIN */, 5000) > 0);
    CHECK_INT(unx_recv_fds(s[1], back, sizeof bulk, in, MANY), 1);
    CHECK(raw_pattern_ok(back, sizeof bulk, 0));
    harness_wait(child);
    check_and_close(in, MANY, p);
    free(back);
    close_pair(p);
    close_pair(s);
}

static void bad_fds_arguments(void)
{
    int s[2], p[2], fd = -1;
    char c;
    raw_pair(SOCK_SEQPACKET, s);
    raw_pipe(p);
    CHECK_INT(unx_send_fds(s[0], "a", 1, NULL, 1), -EINVAL);
    CHECK_INT(unx_send_fds(s[0], NULL, 1, p, 1), -EINVAL);
    CHECK_INT(unx_send_fds(s[0], "a", 1, &fd, 1), -EBADF);
    CHECK_INT(unx_send_fds(-1, "a", 1, p, 1), -EBADF);
    CHECK_INT(unx_send_fds(p[1], "a", 1, p, 1), -ENOTSOCK);
    CHECK_INT(unx_send_fds(-1, "ab", 2, p, 999), -EBADF);
    CHECK_INT(unx_recv_fds(s[1], NULL, 1, &fd, 1), -EINVAL);
    CHECK_INT(unx_recv_fds(s[1], &c, 0, &fd, 1), -EINVAL);
    CHECK_INT(unx_recv_fds(s[1], &c, 1, NULL, 1), -EINVAL);
    CHECK_INT(unx_recv_fds(-1, &c, 1, &fd, 1), -EBADF);
    check_nothing(s[1]);
    close_pair(p);
    close_pair(s);
}

/* ---- buffers ---- */

static int read_number(const char *path)
{
    char text[32] = "";
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0 && read(fd, text, sizeof text - 1) > 0);
    close(fd);
    return atoi(text);
}

static void max_packet_is_exact(void)
{
    for (unsigned k = 0; k < 3; k += 2) {
        int s[2];
        raw_pair(types[k], s);
        for (int size = 4096; size <= 1 << 20; size *= 4) {
            raw_set(s[0], SO_SNDBUF, size);
            const int max = unx_max_packet(s[0]);
            CHECK(max > size);
            char *data = calloc(1, (size_t)max + 1);
            CHECK_INT(raw_try_send(s[0], data, (size_t)max + 1, NULL, 0, 0), -EMSGSIZE);
            CHECK_INT(raw_try_send(s[0], data, (size_t)max, NULL, 0, 0), max);
            struct iovec iov = {data, (size_t)max + 1};
            struct unx_msg m = message(&iov, 1);
            CHECK_INT(unx_recv(s[1], &m, 0), 1);
            CHECK_INT(m.len, max);
            free(data);
        }
        close_pair(s);
    }
}

static void growing(void)
{
    static const size_t sizes[] = {1, 300000, 1000000, 1000001, 3000000};
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int limit = read_number("/proc/sys/net/core/wmem_max");
    int before = unx_max_packet(s[0]);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        const int max = unx_grow_packet(s[0], sizes[i]);
        CHECK(max >= before);
        CHECK(max >= (int)sizes[i] || max >= 2 * limit - 32);
        CHECK_INT(unx_max_packet(s[0]), max);
        before = max;
    }
    CHECK_INT(unx_grow_packet(s[0], 1), before);
    const int most = unx_grow_packet(s[0], SIZE_MAX);
    CHECK(most >= before && most <= 4263616);
    close_pair(s);
}

static void big_buffers_at_birth(void)
{
    struct unx_addr a;
    int s[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, s), 0);
    const int usual = raw_get(s[0], SO_SNDBUF);
    close_pair(s);
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_BIGBUF, s), 0);
    const int big = raw_get(s[0], SO_SNDBUF);
    const int limit = 2 * read_number("/proc/sys/net/core/wmem_max");
    CHECK_INT(big, limit < 4 << 20 ? limit : 4 << 20);
    CHECK(big > usual);
    CHECK_INT(raw_get(s[1], SO_SNDBUF), big);
    close_pair(s);
    const char *const name = raw_name("bigbuf");
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    const int l = unx_listen(SOCK_SEQPACKET, 0, &a, -1, UNX_MODE_UMASK);
    s[0] = unx_connect(SOCK_SEQPACKET, UNX_BIGBUF, NULL, &a, 1000);
    s[1] = unx_accept(l, UNX_BIGBUF, NULL);
    CHECK_INT(raw_get(s[0], SO_SNDBUF), big);
    CHECK_INT(raw_get(s[1], SO_SNDBUF), big);
    close(l);
    close_pair(s);
}

static void bad_buffer_arguments(void)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    CHECK_INT(unx_max_packet(s[0]), -EOPNOTSUPP);
    CHECK_INT(unx_grow_packet(s[0], 1), -EOPNOTSUPP);
    CHECK_INT(unx_max_packet(-1), -EBADF);
    CHECK_INT(unx_max_packet(p[0]), -ENOTSOCK);
    CHECK_INT(unx_grow_packet(p[0], 1), -ENOTSOCK);
    const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK_INT(unx_max_packet(tcp), -EAFNOSUPPORT);
    close(tcp);
    close_pair(p);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(packets_hold_253),     CASE(streams_split),        CASE(a_byte_for_each_piece), CASE(not_exactly),
    CASE(a_small_buffer),       CASE(bad_fds_arguments),    CASE(max_packet_is_exact),   CASE(growing),
    CASE(big_buffers_at_birth), CASE(bad_buffer_arguments),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
