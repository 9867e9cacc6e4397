// SPDX-License-Identifier: MIT
/*
 * A reader and a writer on each end of one stream, four threads and a struct for each: packets of all sizes with
 * descriptors, both ways at once, blocking and not. Every packet is right and in its order, every descriptor is the
 * file it was, and none is left.
 */
#include "frames.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

#define PACKETS harness_rounds(harness_slow() ? 2000 : 20000)
#define MOST 5000u

struct end {
    int fd, pipe;
    unsigned seed, flags;
    unsigned packets, waits;
};

/* Mostly small ones, some empty, some that do not fit the socket with others, some with descriptors. */
static size_t next_len(unsigned *seed)
{
    const unsigned r = (unsigned)rand_r(seed);
    return r % 16 == 0 ? 0 : r % 16 == 1 ? (r >> 8) % MOST : (r >> 8) % 100;
}

static unsigned next_fds(unsigned *seed)
{
    const unsigned r = (unsigned)rand_r(seed);
    return r % 10 == 0 ? 1 + (r >> 8) % 3 : 0;
}

static void *writes(void *arg)
{
    struct end *e = arg;
    static _Thread_local char data[MOST];
    static _Thread_local unsigned char buf[UNX_FRAMES_ROOM(MOST, 0)];
    struct unx_frames f;
    CHECK_INT(unx_frames_init(&f, UNX_SEND, buf, sizeof buf, 0), 0);
    int fds[3] = {e->pipe, e->pipe, e->pipe};
    for (unsigned i = 0; i < e->packets;) {
        unsigned seed = e->seed + i;
        const size_t len = next_len(&seed);
        raw_pattern(data, len, i);
        const struct iovec iov = {data, len};
        struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = next_fds(&seed)};
        const int r = unx_frames_send(&f, e->fd, &m, e->flags);
        if (r == -EAGAIN) {
            CHECK((unx_wait(e->fd, POLLOUT, 10000) & POLLOUT) != 0);
            e->waits++;
            continue;
        }
        CHECK_INT(r, 1);
        i++;
    }
    CHECK_INT(unx_frames_flush(&f, e->fd, 0), 0);
    CHECK_INT(unx_shutdown(e->fd, SHUT_WR), 0);
    return NULL;
}

static void *reads(void *arg)
{
    struct end *e = arg;
    static _Thread_local char data[MOST];
    static _Thread_local unsigned char buf[UNX_FRAMES_ROOM(MOST, 3)];
    struct unx_frames f;
    CHECK_INT(unx_frames_init(&f, UNX_RECV, buf, sizeof buf, 3), 0);
    for (unsigned i = 0;; i++) {
        int fds[3];
        const struct iovec room = {data, sizeof data};
        struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = 3};
        int r;
        while ((r = unx_frames_recv(&f, e->fd, &m, e->flags)) == -EAGAIN) {
            CHECK((unx_wait(e->fd, POLLIN, 10000) & POLLIN) != 0);
            e->waits++;
        }
        if (r == 0) {
            CHECK_INT(i, e->packets);
            break;
        }
        CHECK_INT(r, 1);
        unsigned seed = e->seed + i;
        CHECK_INT(m.len, next_len(&seed));
        CHECK(raw_pattern_ok(data, m.len, i));
        CHECK_INT(m.fds_got, next_fds(&seed));
        for (unsigned k = 0; k < m.fds_got; k++) {
            CHECK(raw_same_file(fds[k], e->pipe));
            close(fds[k]);
        }
    }
    CHECK_INT(unx_frames_close(&f), 0);
    return NULL;
}

static void both_ways(unsigned flags)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    struct end e[4];
    pthread_t threads[4];
    for (unsigned i = 0; i < 4; i++) {
        /* [0] writes what [1] reads, [2] what [3] does. */
        e[i] = (struct end){.fd = s[i == 1 || i == 2], .pipe = p[1], .seed = 1000 * (i / 2), .packets = PACKETS};
        e[i].flags = flags;
        CHECK_INT(pthread_create(&threads[i], NULL, i % 2 ? reads : writes, &e[i]), 0);
    }
    for (unsigned i = 0; i < 4; i++) {
        CHECK_INT(pthread_join(threads[i], NULL), 0);
    }
    NOTE("waits: %u %u %u %u", e[0].waits, e[1].waits, e[2].waits, e[3].waits);
    close_pair(s);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
}

static void blocking(void)
{
    both_ways(0);
}

static void by_readiness(void)
{
    both_ways(UNX_DONTWAIT);
}

static void under_signals(void)
{
    raw_signals_start();
    both_ways(0);
    raw_signals_stop();
}

static const struct test_case cases[] = {
    {"blocking", blocking, 0, 60},
    {"by_readiness", by_readiness, 0, 60},
    {"under_signals", under_signals, 0, 60},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
