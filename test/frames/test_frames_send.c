// SPDX-License-Identifier: MIT
/*
 * Sending packets as frames, judged by the kernel's own calls: what is on the wire, what happens when the socket
 * takes a part, and what is refused.
 */
#include "frames.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#define LARGE 1000000u

static int send_bytes(struct link *l, const void *p, size_t n, unsigned flags)
{
    const struct iovec iov = {(void *)p, n};
    struct unx_msg m = message(&iov, 1);
    const struct unx_msg before = m;
    const int r = QUIET(unx_frames_send(&l->out, l->fd[1], &m, flags));
    check_half(&before, &m);
    CHECK_INT(m.error, r < 0 ? r : 0);
    CHECK_INT(m.len, r < 0 ? 0 : n);
    CHECK_INT(m.full_len, m.len);
    return r;
}

static void on_the_wire(void)
{
    static const unsigned char hello[] = {5, 0, 0, 0, 'h', 'e', 'l', 'l', 'o'};
    static const unsigned char empty[] = {0, 0, 0, 0};
    static unsigned char large[HEAD + 0x012345];
    struct link l;
    link_open(&l, 0x20000, 0, 0);
    CHECK_INT(send_bytes(&l, "hello", 5, 0), 1);
    check_arrived(l.fd[0], hello, sizeof hello);
    CHECK_INT(send_bytes(&l, "", 0, 0), 1);
    check_arrived(l.fd[0], empty, sizeof empty);
    CHECK_INT(send_bytes(&l, large, 0x012345, 0), 1);
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
        CHECK_INT(send_bytes(&l, data, max + 1, 0), -EMSGSIZE);
        check_nothing(l.fd[0]);
        CHECK_INT(send_bytes(&l, data, max, 0), 1);
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

struct reader {
    int fd;
    size_t n;
    unsigned pause_ms;
    unsigned nfds;
    unsigned char *p;
};

/* Reads n bytes, in pieces, with pauses. */
static void *read_slowly(void *arg)
{
    struct reader *r = arg;
    size_t have = 0;
    while (have < r->n) {
        struct raw_got g;
        raw_recv(r->fd, r->p + have, r->n - have < 50000 ? r->n - have : 50000, 0, &g);
        CHECK(g.result > 0);
        have += (size_t)g.result;
        r->nfds += g.nfds;
        raw_close_fds(&g);
        if (r->pause_ms > 0) {
            raw_sleep(r->pause_ms);
        }
    }
    return NULL;
}

static void check_large(const unsigned char *wire, const char *data, unsigned nfds)
{
    unsigned char head[HEAD];
    wire_head(head, LARGE, nfds);
    CHECK_MEM(wire, HEAD, head, HEAD);
    CHECK_MEM(wire + HEAD, LARGE, data, LARGE);
}

/* A socket that does not block takes a part: the rest is kept, the descriptors have gone, the next packet waits its
 * turn. */
static void a_part_is_kept(void)
{
    static char data[LARGE];
    static unsigned char wire[HEAD + LARGE];
    raw_pattern(data, sizeof data, 3);
    for (unsigned way = 0; way < 2; way++) {
        int p[2];
        struct link l;
        struct iovec iov[40];
        link_open(&l, LARGE, 0, way == 0 ? UNX_NONBLOCK : 0);
        CHECK_INT(unx_set_nonblock(l.fd[0], 0), 0);
        raw_pipe(p);
        for (unsigned i = 0; i < 40; i++) {
            iov[i] = (struct iovec){data + i * (LARGE / 40), LARGE / 40};
        }
        struct unx_msg m = message(iov, 40);
        m.fds = &p[1];
        m.nfds = 1;
        const struct iovec one = {data, LARGE};
        if (way == 1) {
            m.iov = &one;
            m.niov = 1;
        }
        const unsigned flags = way == 0 ? 0 : UNX_DONTWAIT;
        CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, flags)), 1);
        CHECK_INT(m.len, LARGE);
        const int pending = unx_frames_pending(&l.out);
        CHECK(pending > 0 && pending < (int)LARGE);
        CHECK_INT(send_bytes(&l, "next", 4, flags), -EAGAIN);
        CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], flags)), -EAGAIN);
        CHECK_INT(unx_frames_pending(&l.out), pending);
        struct reader r = {l.fd[0], sizeof wire, 0, 0, wire};
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
        int done, waits = 0;
        while ((done = QUIET(unx_frames_flush(&l.out, l.fd[1], flags))) == -EAGAIN) {
            CHECK((unx_wait(l.fd[1], POLLOUT, 5000) & POLLOUT) != 0);
            waits++;
        }
        CHECK_INT(done, 0);
        CHECK(waits > 0);
        CHECK_INT(unx_frames_pending(&l.out), 0);
        CHECK_INT(unx_frames_flush(&l.out, l.fd[1], flags), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        check_large(wire, data, 1);
        CHECK_INT(r.nfds, 1);
        CHECK_INT(send_bytes(&l, "next", 4, flags), 1);
        wire_expect(l.fd[0], "next", 4, 0);
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        link_close(&l);
    }
}

/* Nothing went: nothing is kept. */
static void no_room_at_all(void)
{
    static char data[LARGE];
    struct link l;
    link_open(&l, LARGE, 0, UNX_NONBLOCK);
    while (raw_try_send(l.fd[1], data, sizeof data, NULL, 0, MSG_DONTWAIT) > 0) {
    }
    CHECK_INT(send_bytes(&l, data, 10, 0), -EAGAIN);
    CHECK_INT(send_bytes(&l, data, LARGE, 0), -EAGAIN);
    CHECK_INT(unx_frames_pending(&l.out), 0);
    link_close(&l);
}

/* The rest goes in front of the next packet, by the same call. */
static void the_rest_goes_first(void)
{
    static char data[LARGE];
    static unsigned char wire[HEAD + LARGE];
    struct link l;
    raw_pattern(data, sizeof data, 9);
    link_open(&l, LARGE, 0, 0);
    CHECK_INT(send_bytes(&l, data, LARGE, UNX_DONTWAIT), 1);
    CHECK(unx_frames_pending(&l.out) > 0);
    struct reader r = {l.fd[0], sizeof wire, 1, 0, wire};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
    CHECK_INT(send_bytes(&l, "next", 4, 0), 1);
    CHECK_INT(pthread_join(thread, NULL), 0);
    check_large(wire, data, 0);
    wire_expect(l.fd[0], "next", 4, 0);
    link_close(&l);
}

/* Who waits sends all of it, also under signals, which cut such a send into pieces. */
static void waiting(void)
{
    static char data[LARGE];
    static unsigned char wire[HEAD + LARGE];
    raw_pattern(data, sizeof data, 1);
    for (unsigned signals = 0; signals < 2; signals++) {
        struct link l;
        link_open(&l, LARGE, 0, 0);
        struct reader r = {l.fd[0], sizeof wire, 3, 0, wire};
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
        if (signals) {
            raw_signals_start();
        }
        CHECK_INT(send_bytes(&l, data, LARGE, 0), 1);
        if (signals) {
            CHECK(raw_signals_stop() > 0);
        }
        CHECK_INT(unx_frames_pending(&l.out), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        check_large(wire, data, 0);
        link_close(&l);
    }
}

/* A timeout and a signal end the wait, and not the packet. */
static void an_ended_wait(void)
{
    static char data[LARGE];
    struct link l;
    link_open(&l, LARGE, 0, 0);
    CHECK_INT(unx_set_timeout(l.fd[1], UNX_SEND, 100), 0);
    int64_t since = raw_now();
    CHECK_INT(send_bytes(&l, data, LARGE, 0), 1);
    CHECK(raw_now() - since >= 100);
    CHECK(harness_slow() || raw_now() - since < 1500);
    const int pending = unx_frames_pending(&l.out);
    CHECK(pending > 0);
    since = raw_now();
    CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], 0)), -EAGAIN);
    CHECK(raw_now() - since >= 80);
    CHECK_INT(send_bytes(&l, data, 1, 0), -EAGAIN);
    CHECK_INT(unx_frames_pending(&l.out), pending);
    CHECK_INT(unx_frames_close(&l.out), 0);
    CHECK_INT(unx_frames_pending(&l.out), 0);
    link_close(&l);

    link_open(&l, LARGE, 0, 0);
    raw_signals_start();
    CHECK_INT(send_bytes(&l, data, LARGE, UNX_INTR), 1);
    CHECK(unx_frames_pending(&l.out) > 0);
    CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], UNX_INTR)), -EINTR);
    CHECK_INT(send_bytes(&l, data, 1, UNX_INTR), -EINTR);
    CHECK(raw_signals_stop() > 0);
    link_close(&l);
}

/* A reader that takes a little now and then does not keep who has a timeout, once the first attempt was
 * interrupted: before, the kernel counts it anew for each half of a send buffer. */
static void a_slow_reader(void)
{
    static char data[LARGE];
    static unsigned char wire[HEAD + LARGE];
    struct link l;
    link_open(&l, LARGE, 0, 0);
    CHECK_INT(unx_set_timeout(l.fd[1], UNX_SEND, 150), 0);
    struct reader r = {l.fd[0], sizeof wire, 60, 0, wire};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
    const int64_t since = raw_now();
    raw_signals_start();
    CHECK_INT(send_bytes(&l, data, LARGE, 0), 1);
    CHECK(raw_signals_stop() > 0);
    const int64_t took = raw_now() - since;
    CHECK(harness_slow() || took < 600);
    CHECK(unx_frames_pending(&l.out) > 0);
    CHECK_INT(unx_set_timeout(l.fd[1], UNX_SEND, -1), 0);
    CHECK_INT(unx_frames_flush(&l.out, l.fd[1], 0), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    check_large(wire, data, 0);
    link_close(&l);
}

/* The peer goes: before, it is an error; meanwhile, the next call says so, each time. */
static void the_peer_goes(void)
{
    static char data[LARGE];
    struct link l;
    link_open(&l, LARGE, 0, 0);
    CHECK_INT(send_bytes(&l, data, LARGE, UNX_DONTWAIT), 1);
    close(l.fd[0]);
    l.fd[0] = -1;
    const int r = QUIET(unx_frames_flush(&l.out, l.fd[1], 0));
    CHECK(r == -EPIPE || r == -ECONNRESET);
    CHECK_INT(unx_frames_flush(&l.out, l.fd[1], 0), -EPIPE);
    CHECK_INT(send_bytes(&l, data, 1, 0), -EPIPE);
    CHECK_INT(unx_frames_close(&l.out), 0);
    CHECK_INT(send_bytes(&l, data, 1, 0), -EPIPE);
    CHECK_INT(unx_frames_pending(&l.out), 0);
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
    CASE(on_the_wire),    CASE(in_pieces),      CASE(with_descriptors),    CASE(limits),
    CASE(a_part_is_kept), CASE(no_room_at_all), CASE(the_rest_goes_first), CASE(waiting),
    CASE(an_ended_wait),  CASE(a_slow_reader),  CASE(the_peer_goes),       CASE(misuse),
    CASE(a_buffer),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
