// SPDX-License-Identifier: MIT
/*
 * Frames that go in parts: a socket takes what it has room for, the rest is kept and goes first; who waits sends all of
 * it; a timeout, a signal and the peer's end are told, and nothing is sent twice.
 */
#include "../raw_addr.h"
#include "frames.h"

#include <poll.h>
#include <pthread.h>

#define LARGE 1000000u

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
        if (g.result == -EINTR) {
            continue; /* the signal was for the sender */
        }
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
        CHECK_INT(link_sends(&l, "next", 4, flags), -EAGAIN);
        CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], flags)), -EAGAIN);
        CHECK_INT(unx_frames_pending(&l.out), pending);
        struct reader r = {l.fd[0], sizeof wire, 1, 0, wire};
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
        int done;
        while ((done = QUIET(unx_frames_flush(&l.out, l.fd[1], flags))) == -EAGAIN) {
            CHECK((unx_wait(l.fd[1], POLLOUT, 5000) & POLLOUT) != 0);
        }
        CHECK_INT(done, 0);
        CHECK_INT(unx_frames_pending(&l.out), 0);
        CHECK_INT(unx_frames_flush(&l.out, l.fd[1], flags), 0);
        CHECK_INT(pthread_join(thread, NULL), 0);
        check_large(wire, data, 1);
        CHECK_INT(r.nfds, 1);
        CHECK_INT(link_sends(&l, "next", 4, flags), 1);
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
    CHECK_INT(link_sends(&l, data, 10, 0), -EAGAIN);
    CHECK_INT(link_sends(&l, data, LARGE, 0), -EAGAIN);
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
    CHECK_INT(link_sends(&l, data, LARGE, UNX_DONTWAIT), 1);
    CHECK(unx_frames_pending(&l.out) > 0);
    struct reader r = {l.fd[0], sizeof wire, 1, 0, wire};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, read_slowly, &r), 0);
    CHECK_INT(link_sends(&l, "next", 4, 0), 1);
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
        CHECK_INT(link_sends(&l, data, LARGE, 0), 1);
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
    CHECK_INT(link_sends(&l, data, LARGE, 0), 1);
    CHECK(raw_now() - since >= 100);
    CHECK(harness_slow() || raw_now() - since < 1500 + raw_waited());
    const int pending = unx_frames_pending(&l.out);
    CHECK(pending > 0);
    since = raw_now();
    CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], 0)), -EAGAIN);
    CHECK(raw_now() - since >= 80);
    CHECK_INT(link_sends(&l, data, 1, 0), -EAGAIN);
    CHECK_INT(unx_frames_pending(&l.out), pending);
    CHECK_INT(unx_frames_close(&l.out), 0);
    CHECK_INT(unx_frames_pending(&l.out), 0);
    link_close(&l);

    link_open(&l, LARGE, 0, 0);
    raw_signals_start();
    CHECK_INT(link_sends(&l, data, LARGE, UNX_INTR), 1);
    CHECK(unx_frames_pending(&l.out) > 0);
    CHECK_INT(QUIET(unx_frames_flush(&l.out, l.fd[1], UNX_INTR)), -EINTR);
    CHECK_INT(link_sends(&l, data, 1, UNX_INTR), -EINTR);
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
    CHECK_INT(link_sends(&l, data, LARGE, 0), 1);
    CHECK(raw_signals_stop() > 0);
    const int64_t took = raw_now() - since;
    CHECK(harness_slow() || took < 600 + raw_waited());
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
    CHECK_INT(link_sends(&l, data, LARGE, UNX_DONTWAIT), 1);
    close(l.fd[0]);
    l.fd[0] = -1;
    const int r = QUIET(unx_frames_flush(&l.out, l.fd[1], 0));
    CHECK(r == -EPIPE || r == -ECONNRESET);
    CHECK_INT(unx_frames_flush(&l.out, l.fd[1], 0), -EPIPE);
    CHECK_INT(link_sends(&l, data, 1, 0), -EPIPE);
    CHECK_INT(unx_frames_close(&l.out), 0);
    CHECK_INT(link_sends(&l, data, 1, 0), -EPIPE);
    CHECK_INT(unx_frames_pending(&l.out), 0);
    link_close(&l);
}

static const struct test_case cases[] = {
    CASE(a_part_is_kept), CASE(no_room_at_all), CASE(the_rest_goes_first), CASE(waiting),
    CASE(an_ended_wait),  CASE(a_slow_reader),  CASE(the_peer_goes),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
