// SPDX-License-Identifier: MIT
/*
 * Streams: short sends that go on, descriptors that go once, and bytes that are not messages.
 *
 * What surprised us (Linux 6.18): descriptors arrive with a run of bytes that ends at the last byte of theirs, and the
 * run may begin with bytes that were sent before them.
 * Out-of-band bytes are there by default, and make a receive stop short.
 */
#include "message.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

#define LARGE (4u << 20)

struct reader {
    int fd;
    size_t want;
    size_t piece;
    unsigned pause;
};

/* A child that reads it all, by the kernel's own calls, and finds every byte in its place and one descriptor. */
static void reads_all(void *arg)
{
    const struct reader *r = arg;
    char *data = malloc(r->piece);
    size_t have = 0;
    unsigned nfds = 0;
    while (have < r->want) {
        struct raw_got g;
        raw_recv(r->fd, data, r->piece, 0, &g);
        CHECK(g.result > 0);
        CHECK(raw_pattern_ok(data, (size_t)g.result, have));
        if (g.nfds > 0) {
            CHECK(have == 0);
        }
        have += (size_t)g.result;
        nfds += g.nfds;
        raw_close_fds(&g);
        raw_sleep(r->pause);
    }
    CHECK_INT(nfds, 1);
    free(data);
    check_nothing(r->fd);
}

/* Sends all of m by raising skip, and waits when there is no room; returns in how many pieces. */
static unsigned send_all(int fd, struct unx_msg *m, size_t whole, unsigned flags)
{
    unsigned pieces = 0;
    for (m->skip = 0; m->skip < whole;) {
        const int r = unx_send(fd, m, flags);
        if (r == -EAGAIN) {
            CHECK_INT(m->len, 0);
            CHECK(unx_wait(fd, POLLOUT, -1) > 0);
            continue;
        }
        CHECK_INT(r, 1);
        CHECK(m->len > 0);
        m->skip += m->len;
        pieces++;
    }
    CHECK_INT(m->skip, whole);
    return pieces;
}

static void send_in_pieces(unsigned flags, int sndbuf, int timeout_ms, int signals)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    if (sndbuf > 0) {
        raw_set(s[0], SO_SNDBUF, sndbuf);
    }
    CHECK_INT(unx_set_timeout(s[0], UNX_SEND, timeout_ms), 0);
    char *data = malloc(LARGE);
    raw_pattern(data, LARGE, 0);
    struct reader r = {s[1], LARGE, 200000, timeout_ms > 0 ? 100 : 0};
    const pid_t child = harness_fork(reads_all, &r);
    /* In pieces of unlike size, so that a short send ends anywhere in them. */
    struct iovec out[5] = {{data, 1}, {data + 1, 0}, {data + 1, 100000}, {data + 100001, 7}};
    out[4] = (struct iovec){data + 100008, LARGE - 100008};
    struct unx_msg m = message(out, 5);
    m.fds = &p[1];
    m.nfds = 1;
    if (signals) {
        raw_signals_start();
    }
    const unsigned pieces = send_all(s[0], &m, LARGE, flags);
    if (signals) {
        raw_signals_stop();
    }
    NOTE("%u bytes went in %u pieces", LARGE, pieces);
    CHECK(pieces > 1 || signals);
    harness_wait(child);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    free(data);
    close_pair(s);
}

static void pieces_nonblocking(void)
{
    send_in_pieces(UNX_DONTWAIT, 0, -1, 0);
}

static void pieces_of_a_tiny_buffer(void)
{
    send_in_pieces(UNX_DONTWAIT, 4096, -1, 0);
}

static void pieces_by_timeout(void)
{
    send_in_pieces(0, 0, 30, 0);
}

static void pieces_by_signals(void)
{
    raw_need_no_valgrind("it is too slow for it");
    send_in_pieces(0, 4096, -1, 1);
}

static void pieces_interrupted(void)
{
    int s[2];
    raw_need_no_valgrind("it is too slow for it");
    raw_pair(SOCK_STREAM, s);
    static char data[LARGE];
    const struct iovec out = {data, sizeof data};
    struct unx_msg m = message(&out, 1);
    raw_signals_start();
    CHECK_INT(unx_send(s[0], &m, UNX_INTR), 1);
    CHECK(m.len > 0 && m.len < sizeof data);
    CHECK_INT(unx_send(s[0], &m, UNX_INTR), -EINTR);
    CHECK_INT(m.len, 0);
    raw_signals_stop();
    close_pair(s);
}

static void every_skip(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    raw_set(s[1], SO_PASSCRED, 1);
    const struct iovec out[] = {BYTES("abc"), {NULL, 0}, BYTES("defg"), BYTES("h"), {NULL, 0}, BYTES("ij"), {NULL, 0}};
    struct unx_cred root = {.pid = getpid(), .uid = 4711, .gid = 4711, .known = UNX_KNOWN_ALL};
    struct unx_msg m = message(out, 7);
    m.fds = s;
    m.nfds = 2;
    m.cred = getuid() == 0 ? &root : NULL;
    for (size_t skip = 1; skip < 10; skip++) {
        m.skip = skip;
        const struct unx_msg before = m;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        check_half(&before, &m);
        CHECK_INT(m.len, 10 - skip);
        char back[16];
        struct raw_got g;
        raw_recv(s[1], back, sizeof back, 0, &g);
        CHECK_MEM(back, (size_t)g.result, &"abcdefghij"[skip], 10 - skip);
        CHECK_INT(g.nfds, 0);
        CHECK(g.has_cred && g.cred.uid == getuid());
    }
    /* Nothing is left to send, or less than nothing. */
    static const size_t beyond[] = {10, 11, 4096, SIZE_MAX};
    for (unsigned i = 0; i < 4; i++) {
        m.skip = beyond[i];
        CHECK_INT(unx_send(s[0], &m, 0), -EINVAL);
    }
    check_nothing(s[1]);
    close_pair(s);
}

static void skip_over_many_pieces(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    char data[1000], back[1000];
    struct iovec out[1000];
    raw_pattern(data, sizeof data, 0);
    for (size_t i = 0; i < 1000; i++) {
        out[i] = (struct iovec){data + i, 1};
    }
    for (size_t skip = 1; skip < 1000; skip += 37) {
        struct unx_msg m = message(out, 1000);
        m.skip = skip;
        while (m.skip < 1000) {
            CHECK_INT(unx_send(s[0], &m, 0), 1);
            CHECK(m.len > 0);
            m.skip += m.len;
        }
        CHECK_INT(m.skip, 1000);
        struct raw_got g;
        raw_recv(s[1], back, sizeof back, 0, &g);
        CHECK_MEM(back, (size_t)g.result, data + skip, 1000 - skip);
    }
    close_pair(s);
}

static void skip_elsewhere(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(types[t], s);
        const struct iovec out = BYTES("hello");
        struct unx_msg m = message(&out, 1);
        m.skip = 2;
        CHECK_INT(unx_send(s[0], &m, 0), -EINVAL);
        CHECK_INT(unx_send(s[0], &m, UNX_PLAIN), -EINVAL);
        check_nothing(s[1]);
        close_pair(s);
    }
}

static void nothing_cannot_be_sent(void)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    const struct iovec none[2] = {{NULL, 0}, {NULL, 0}};
    for (unsigned nfds = 0; nfds < 2; nfds++) {
        for (unsigned niov = 0; niov < 3; niov++) {
            struct unx_msg m = message(none, niov);
            m.fds = &p[1];
            m.nfds = nfds;
            CHECK_INT(unx_send(s[0], &m, 0), -EINVAL);
        }
    }
    struct unx_msg m = message(none, 1);
    CHECK_INT(unx_send(s[0], &m, UNX_PLAIN), -EINVAL);
    check_nothing(s[1]);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    close_pair(s);
}

static unsigned receive(int fd, char *data, size_t room, size_t want, int open_end)
{
    int fds[4];
    const struct iovec in = {data, room};
    struct unx_msg m = message(&in, 1);
    m.fds = fds;
    m.nfds = 4;
    CHECK_INT(unx_recv(fd, &m, UNX_DONTWAIT), 1);
    CHECK_INT(m.len, want);
    for (unsigned i = 0; i < m.fds_got; i++) {
        CHECK(raw_same_file(fds[i], open_end));
        close(fds[i]);
    }
    return m.fds_got;
}

/* "aaa", "BBB" with one, "ccc", "DDDD" with two: what each receive may say. */
static void where_descriptors_arrive(void)
{
    int s[2], p[2];
    char data[64];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    const int lent[2] = {p[1], p[1]};
    for (unsigned round = 0; round < 2; round++) {
        raw_send(s[0], "aaa", 3, NULL, 0);
        raw_send(s[0], "BBB", 3, lent, 1);
        raw_send(s[0], "ccc", 3, NULL, 0);
        raw_send(s[0], "DDDD", 4, lent, 2);
        if (round == 0) {
            CHECK_INT(receive(s[1], data, sizeof data, 6, p[1]), 1);
            CHECK_MEM(data, 6, "aaaBBB", 6);
            CHECK_INT(receive(s[1], data, sizeof data, 7, p[1]), 2);
            CHECK_MEM(data, 7, "cccDDDD", 7);
        } else {
            CHECK_INT(receive(s[1], data, 3, 3, p[1]), 0);
            CHECK_INT(receive(s[1], data, 1, 1, p[1]), 1);
            CHECK_INT(receive(s[1], data, sizeof data, 9, p[1]), 2);
            CHECK_MEM(data, 9, "BBcccDDDD", 9);
        }
        check_nothing(s[1]);
    }
    close_pair(p);
    close_pair(s);
}

/* The byte is skipped, its descriptor is closed, and it is neither a message nor the end. */
static void out_of_band(void)
{
    int s[2], p[2];
    char data[64];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    raw_send(s[0], "ab", 2, NULL, 0);
    if (raw_try_send(s[0], "X", 1, &p[1], 1, MSG_OOB) != 1) {
        close_pair(p);
        close_pair(s);
        SKIP("no out-of-band data here");
    }
    raw_send(s[0], "cd", 2, NULL, 0);
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    size_t have = 0;
    char all[8];
    int r;
    while ((r = unx_recv(s[1], &m, UNX_DONTWAIT | UNX_PARTIAL)) == 1) {
        CHECK(have + m.len <= sizeof all);
        memcpy(all + have, data, m.len);
        have += m.len;
    }
    CHECK_INT(r, -EAGAIN);
    CHECK_MEM(all, have, "abcd", 4);
    raw_try_send(s[0], "Y", 1, NULL, 0, MSG_OOB);
    CHECK_INT(unx_recv(s[1], &m, UNX_DONTWAIT), -EAGAIN);
    close(s[0]);
    CHECK_INT(unx_recv(s[1], &m, UNX_DONTWAIT), 0);
    close(s[1]);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
}

/* Reads a large request, and answers with how much that was and the sum of its bytes by their places. */
static void answers(void *arg)
{
    static unsigned char part[65536];
    const int fd = *(int *)arg;
    uint32_t is[2] = {0, 0};
    while (is[0] < LARGE) {
        struct raw_got g;
        raw_recv(fd, part, sizeof part, 0, &g);
        CHECK(g.result > 0);
        for (ssize_t i = 0; i < g.result; i++) {
            is[1] += part[i] * ++is[0];
        }
    }
    raw_send(fd, is, sizeof is, NULL, 0);
}

/* A request of more than the buffer goes in parts, and all of them have to go before the reply. */
static void a_large_request(void)
{
    int s[2];
    uint32_t sum = 0, is[2];
    unsigned char *large = malloc(LARGE);
    for (uint32_t i = 0; i < LARGE; i++) {
        large[i] = (unsigned char)(i * 7 + (i >> 9));
        sum += large[i] * (i + 1);
    }
    raw_pair(SOCK_STREAM, s);
    const pid_t child = harness_fork(answers, &s[1]);
    const struct iovec out[2] = {{large, 1000}, {large + 1000, LARGE - 1000}}, in = {is, sizeof is};
    struct unx_msg req = message(out, 2), rep = message(&in, 1);
    CHECK_INT(unx_call(s[0], &req, &rep, 10000), 1);
    CHECK_INT(req.len, LARGE);
    CHECK_INT(req.error, 0);
    CHECK_INT(rep.len, sizeof is);
    CHECK(is[0] == LARGE && is[1] == sum);
    harness_wait(child);
    free(large);
    close(s[0]);
    close(s[1]);
}

static const struct test_case cases[] = {
    {"pieces_nonblocking", pieces_nonblocking, 0, 60},
    {"pieces_of_a_tiny_buffer", pieces_of_a_tiny_buffer, 0, 60},
    {"pieces_by_timeout", pieces_by_timeout, 0, 60},
    {"pieces_by_signals", pieces_by_signals, 0, 60},
    CASE(pieces_interrupted),
    CASE(every_skip),
    CASE(skip_over_many_pieces),
    CASE(skip_elsewhere),
    CASE(nothing_cannot_be_sent),
    CASE(where_descriptors_arrive),
    CASE(out_of_band),
    CASE(a_large_request),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
