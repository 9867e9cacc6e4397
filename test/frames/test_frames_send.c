// SPDX-License-Identifier: MIT
/*
 * Sending packets as frames, judged by the kernel's own calls: what is on the wire, what does not fit, and
 * what is refused.
 */
#include "frames.h"

static void on_the_wire(void)
{
    static const unsigned char hello[] = {5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    static const unsigned char empty[] = {0, 0, 0, 0};
    static unsigned char large[HEAD + 0x012345];
    struct link l;
    link_open(&l, 0x20000, 0, 0);
    CHECK_INT(link_sends(&l, "hello", 5, 0), 1);
    check_arrived(l.fd[0], hello, sizeof hello);
    CHECK_INT(link_sends(&l, "", 0, 0), 1);
    check_arrived(l.fd[0], empty, sizeof empty);
    CHECK_INT(link_sends(&l, large, 0x012345, 0), 1);
    struct raw_got g;
    raw_recv(l.fd[0], large, HEAD, 0, &g);
    CHECK_MEM(large, HEAD, "\x45\x23\x01\x00", 4);
    link_close(&l);
}

/* Pieces, however many, are one frame; both ways of sending them, and at their border. */
static void in_pieces(void)
{
    static char data[6000];
    static const size_t counts[] = {0, 1, 2, 14, 15, 16, 17, 100, 1023, 1024};
    struct iovec iov[1024];
    struct link l;
    link_open(&l, sizeof data, 0, 0);
    raw_pattern(data, sizeof data, 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (size_t part = 0; part < 300; part += 99) {
            const size_t n = counts[i], all = n * part;
            if (all > sizeof data) {
                continue;
            }
            for (size_t k = 0; k < n; k++) {
                iov[k] = (struct iovec){part > 0 ? data + k * part : NULL, part};
            }
            struct unx_msg m = message(iov, n);
            ROW("%zu pieces of %zu bytes", n, part);
            CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), 1);
            CHECK_INT(m.len, all);
            wire_expect(l.fd[0], data, all, 0);
        }
    }
    struct unx_msg m = message(iov, 1025);
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -EINVAL);
    check_nothing(l.fd[0]);
    link_close(&l);
}

static void with_descriptors(void)
{
    int p[2], fds[RAW_MAX_FDS + 1];
    struct link l;
    link_open(&l, 100, 0, 0);
    raw_pipe(p);
    for (unsigned i = 0; i <= RAW_MAX_FDS; i++) {
        fds[i] = p[1];
    }
    static const unsigned counts[] = {1, 2, 252, 253};
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        for (size_t n = 0; n < 30; n += 29) {
            char data[30] = "descriptors come with this";
            const struct iovec iov = {data, n};
            struct unx_msg m = message(&iov, 1);
            m.fds = fds;
            m.nfds = counts[i];
            CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), 1);
            wire_expect(l.fd[0], data, n, counts[i]);
        }
    }
    struct unx_msg m = message(NULL, 0);
    m.fds = fds;
    m.nfds = RAW_MAX_FDS + 1;
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -E2BIG);
    fds[0] = -1;
    m.nfds = 1;
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -EBADF);
    CHECK_INT(unx_frames_pending(&l.out), 0);
    check_nothing(l.fd[0]);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    link_close(&l);
}

/* The buffer is the limit; one byte more is refused, and nothing of it is sent. */
static void limits(void)
{
    static char data[70000];
    for (size_t max = 0; max < 70000; max = max * 7 + 1) {
        struct link l;
        link_open(&l, max, 0, 0);
        CHECK_INT(link_sends(&l, data, max + 1, 0), -EMSGSIZE);
        check_nothing(l.fd[0]);
        CHECK_INT(link_sends(&l, data, max, 0), 1);
        wire_expect(l.fd[0], data, max, 0);
        link_close(&l);
    }
    /* Nor more than a length can say, nor a sum that does not fit a size_t. */
    struct link l;
    link_open(&l, 20000000, 0, 0);
    const struct iovec most[2] = {{data, 1}, {data, SIZE_MAX}};
    struct unx_msg m = message(most, 2);
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -EMSGSIZE);
    const struct iovec more = {data, UNX_FRAMES_MAX + 1u};
    m = message(&more, 1);
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -EMSGSIZE);
    check_nothing(l.fd[0]);
    link_close(&l);
}

static void misuse(void)
{
    char byte = 0;
    const struct iovec iov = {&byte, 1};
    struct unx_addr addr = {.len = 0};
    struct link l;
    link_open(&l, 100, 2, 0);
    const struct unx_msg good = {.iov = &iov, .niov = 1};
    struct unx_msg m = good;
    CHECK_INT(QUIET(unx_frames_send(NULL, l.fd[1], &m, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_send(&l.in, l.fd[1], &m, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_flush(NULL, l.fd[1], 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_flush(&l.in, l.fd[1], 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_pending(NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_close(NULL)), -EINVAL);
    for (unsigned bit = 0; bit < 32; bit++) {
        const unsigned flag = 1u << bit;
        if ((flag & (UNX_DONTWAIT | UNX_INTR)) == 0) {
            CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, flag)), -EINVAL);
            CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], flag)), -EINVAL);
        }
    }
    int fd = 0;
    struct unx_cred cred = {.known = UNX_KNOWN_PID};
    const struct unx_msg bad[] = {
        {.iov = &iov, .niov = 1, .addr = &addr},
        {.iov = &iov, .niov = 1, .pidfd = &fd},
        {.iov = &iov, .niov = 1, .label = &byte, .label_max = 1},
        {.iov = &iov, .niov = 1, .control = &byte, .control_max = 1},
        {.iov = &iov, .niov = 1, .skip = 1},
        {.iov = NULL, .niov = 1},
        {.iov = &iov, .niov = 1, .nfds = 1},
        {.iov = &iov, .niov = 1, .cred = &cred},
        {.iov = &iov, .niov = 1, .reserved = {0, 0, 0, 1}},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ROW("message %zu", i);
        m = bad[i];
        CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), -EINVAL);
        CHECK_INT(m.error, -EINVAL);
    }
    check_nothing(l.fd[0]);
    m = good;
    CHECK_INT(QUIET(unx_frames_send(&l.out, -1, &m, 0)), -EBADF);
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, 0)), 1);
    link_close(&l);
}

static void a_buffer(void)
{
    static _Alignas(8) char buf[4000];
    struct unx_frames f;
    CHECK_INT(QUIET(unx_frames_init(NULL, UNX_SEND, buf, sizeof buf, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_SEND, NULL, sizeof buf, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, 0, buf, sizeof buf, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_SEND | UNX_RECV, buf, sizeof buf, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_SEND, buf, sizeof buf, 1)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_RECV, buf, sizeof buf, 254)), -E2BIG);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_SEND, buf, UNX_FRAMES_ROOM(0, 0) - 1, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_SEND, buf, UNX_FRAMES_ROOM(0, 0), 0)), 0);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_RECV, buf, UNX_FRAMES_ROOM(0, 253) - 1, 253)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_init(&f, UNX_RECV, buf, UNX_FRAMES_ROOM(0, 253), 253)), 0);
    /* Whatever its alignment, the same fits, and nothing behind it is touched. */
    for (size_t at = 0; at < 8; at++) {
        int s[2], p[2], fds[3], got[3];
        char data[10];
        memset(buf, 0x55, sizeof buf);
        raw_pair(SOCK_STREAM, s);
        raw_pipe(p);
        fds[0] = fds[1] = fds[2] = p[1];
        const size_t size = UNX_FRAMES_ROOM(10, 3);
        CHECK_INT(QUIET(unx_frames_init(&f, UNX_RECV, buf + at, size, 3)), 0);
        for (unsigned i = 0; i < 3; i++) {
            wire_send(s[1], "0123456789", 10, fds, 3);
            const struct iovec room = {data, 10};
            struct unx_msg m = {.iov = &room, .niov = 1, .fds = got, .nfds = 3};
            CHECK_INT(QUIET(unx_frames_recv(&f, s[0], &m, 0)), 1);
            CHECK_MEM(data, m.len, "0123456789", 10);
            for (unsigned k = 0; k < 3; k++) {
                close(got[k]);
            }
        }
        for (size_t i = 0; i < sizeof buf; i++) {
            CHECK((i >= at && i < at + size) || buf[i] == 0x55);
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static const struct test_case cases[] = {
    CASE(on_the_wire), CASE(in_pieces), CASE(with_descriptors), CASE(limits), CASE(misuse), CASE(a_buffer),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
