// SPDX-License-Identifier: MIT
/*
 * Waiting for a packet in frames: one timeout is for the whole packet, whoever sends how slowly or how much; a signal
 * loses nothing; half a packet wakes nobody twice.
 */
#include "../raw_addr.h"
#include "frames.h"

#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>

struct drip {
    int fd;
    unsigned ms;
    atomic_int stop;
};

/* A frame of 60 bytes that never becomes whole, a byte now and then. */
static void *drips(void *arg)
{
    struct drip *d = arg;
    unsigned char wire[HEAD + 60] = {0};
    wire_head(wire, 60, 0);
    for (unsigned i = 0; i < sizeof wire - 1 && !d->stop; i++) {
        raw_send(d->fd, wire + i, 1, NULL, 0);
        raw_sleep(d->ms);
    }
    return NULL;
}

/* A timeout is one for the packet, not for each piece. */
static void a_timeout(void)
{
    struct link l;
    link_open(&l, 100, 0, 0);
    CHECK_INT(unx_set_timeout(l.fd[0], UNX_RECV, 150), 0);
    struct drip d = {l.fd[1], 40, 0};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, drips, &d), 0);
    char data[100];
    const struct iovec room = {data, sizeof data};
    struct unx_msg m = message(&room, 1);
    const int64_t since = raw_now();
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0)), -EAGAIN);
    const int64_t took = raw_now() - since;
    d.stop = 1;
    CHECK(took >= 140);
    CHECK(harness_slow() || took < 1000 + raw_waited());
    CHECK_INT(pthread_join(thread, NULL), 0);
    link_close(&l);
}

/* Never a moment without a byte, of a packet that nobody wants. */
static void *floods(void *arg)
{
    struct drip *d = arg;
    static const char data[4096];
    while (!d->stop) {
        if (raw_try_send(d->fd, data, sizeof data, NULL, 0, MSG_DONTWAIT) == -EAGAIN) {
            raw_sleep(d->ms);
        }
    }
    return NULL;
}

/* Nor is it prolonged by who sends all the time. */
static void a_timeout_in_a_flood(void)
{
    unsigned char head[HEAD];
    struct unx_msg *m;
    struct link l;
    link_open(&l, 0, 0, 0);
    wire_head(head, UNX_FRAMES_MAX, 0);
    raw_send(l.fd[1], head, HEAD, NULL, 0);
    CHECK_INT(link_recv(&l, 0, &m), -EMSGSIZE);
    CHECK_INT(unx_set_timeout(l.fd[0], UNX_RECV, 50), 0);
    struct drip d = {l.fd[1], 1, 0};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, floods, &d), 0);
    char byte;
    const struct iovec room = {&byte, 1};
    struct unx_msg in = message(&room, 1);
    const int64_t since = raw_now();
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &in, 0)), -EAGAIN);
    const int64_t took = raw_now() - since;
    d.stop = 1;
    NOTE("%lld ms", (long long)took);
    CHECK(harness_slow() || took < 500 + raw_waited());
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK(l.in.skip > 0);
    link_close(&l);
}

/* A signal ends the wait, in front of a packet and in the middle of it; nothing is lost by that. */
static void a_signal(void)
{
    unsigned char wire[HEAD + 8];
    struct link l;
    link_open(&l, 100, 0, 0);
    wire_frame(wire, "a packet", 8, 0);
    char data[100];
    const struct iovec room = {data, sizeof data};
    struct unx_msg m = message(&room, 1);
    raw_signals_start();
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, UNX_INTR)), -EINTR);
    for (unsigned timeout = 0; timeout < 2; timeout++) {
        raw_send(l.fd[1], wire, 7, NULL, 0);
        CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, UNX_INTR)), -EINTR);
        raw_send(l.fd[1], wire + 7, 5, NULL, 0);
        CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, UNX_INTR)), 1);
        CHECK_MEM(data, m.len, "a packet", 8);
        CHECK_INT(unx_set_timeout(l.fd[0], UNX_RECV, 10000), 0);
    }
    CHECK_INT(unx_set_timeout(l.fd[0], UNX_RECV, 50), 0);
    raw_send(l.fd[1], wire, 7, NULL, 0);
    const int64_t since = raw_now();
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0)), -EAGAIN);
    CHECK(harness_slow() || raw_now() - since < 1000 + raw_waited());
    CHECK(raw_signals_stop() > 0);
    link_close(&l);
}

/* Who waits for readiness is not told of half a packet twice: it is taken out. */
static void half_a_packet_is_quiet(void)
{
    unsigned char wire[HEAD + 8];
    struct link l;
    link_open(&l, 100, 0, 0);
    wire_frame(wire, "a packet", 8, 0);
    for (size_t i = 0; i + 1 < sizeof wire; i++) {
        struct pollfd p = {.fd = l.fd[0], .events = POLLIN};
        raw_send(l.fd[1], wire + i, 1, NULL, 0);
        CHECK_INT(poll(&p, 1, 0), 1);
        link_nothing(&l);
        CHECK_INT(poll(&p, 1, 0), 0);
    }
    raw_send(l.fd[1], wire + sizeof wire - 1, 1, NULL, 0);
    link_gets(&l, "a packet", 8);
    link_close(&l);
}

static const struct test_case cases[] = {
    CASE(a_timeout),
    CASE(a_timeout_in_a_flood),
    CASE(a_signal),
    CASE(half_a_packet_is_quiet),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
