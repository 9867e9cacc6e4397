// SPDX-License-Identifier: MIT
/*
 * Wherever a stream is cut into pieces, the same packets come out of it: several frames with and without
 * descriptors, in two pieces at every place, read by who does not wait and by who waits; and through a proxy that
 * passes on one byte at a time.
 *
 * Descriptors go with the first byte of their frame, so that each piece but the last may hold the begin of the next
 * frame, as when the kernel reads on until bytes that came with descriptors.
 */
#include "frames.h"

#include <pthread.h>
#include <stdlib.h>

/* Lengths and descriptors of the frames, one behind the other. */
static const struct {
    size_t len;
    unsigned nfds;
} plan[] = {{5, 0}, {0, 0}, {3, 2}, {0, 1}, {17, 0}, {1, 0}, {9, 3}, {0, 0}, {4, 0}};

#define FRAMES (sizeof plan / sizeof *plan)

static unsigned char wire[128];
static size_t wire_len, begins[FRAMES];
static int pipes[FRAMES][2];

static void write_wire(void)
{
    unsigned char data[32];
    wire_len = 0;
    for (size_t i = 0; i < FRAMES; i++) {
        raw_pattern(data, plan[i].len, i * 100);
        begins[i] = wire_len;
        wire_len += wire_frame(wire + wire_len, data, plan[i].len, plan[i].nfds);
        raw_pipe(pipes[i]);
    }
}

/* Every copy of a descriptor that was sent is closed. */
static void close_pipes(void)
{
    for (size_t i = 0; i < FRAMES; i++) {
        close(pipes[i][1]);
        CHECK(raw_pipe_ended(pipes[i][0]));
        close(pipes[i][0]);
    }
}

/* Sends bytes from..to of the wire as a writer would whose frames are sent by single calls: descriptors begin a
 * call. */
static void send_part(int fd, size_t from, size_t to)
{
    while (from < to) {
        size_t end = to;
        int fds[8];
        unsigned nfds = 0;
        for (size_t i = 0; i < FRAMES; i++) {
            if (plan[i].nfds > 0 && begins[i] == from) {
                nfds = plan[i].nfds;
                for (unsigned k = 0; k < nfds; k++) {
                    fds[k] = pipes[i][1];
                }
            }
            if (plan[i].nfds > 0 && begins[i] > from && begins[i] < end) {
                end = begins[i];
            }
        }
        raw_send(fd, wire + from, end - from, fds, nfds);
        from = end;
    }
}

static void check_frame(size_t i, const struct unx_msg *m)
{
    ROW("frame %zu", i);
    CHECK(i < FRAMES);
    CHECK_INT(m->len, plan[i].len);
    CHECK_INT(m->full_len, plan[i].len);
    CHECK(raw_pattern_ok(m->iov[0].iov_base, m->len, i * 100));
    CHECK_INT(m->fds_got, plan[i].nfds);
    CHECK_INT(m->got, plan[i].nfds > 0 ? UNX_GOT_FDS : 0);
    for (unsigned k = 0; k < m->fds_got; k++) {
        CHECK(raw_same_file(m->fds[k], pipes[i][1]));
        CHECK(raw_cloexec(m->fds[k]));
        close(m->fds[k]);
    }
}

static size_t whole_frames(size_t bytes)
{
    size_t n = 0;
    while (n < FRAMES && begins[n] + HEAD + plan[n].len <= bytes) {
        n++;
    }
    return n;
}

/* As a loop does that waits for readiness: after each piece exactly the frames that it completes. */
static void two_pieces(void)
{
    write_wire();
    for (size_t at = 0; at <= wire_len; at++) {
        struct link l;
        struct unx_msg *m;
        link_open(&l, 17, 3, 0);
        size_t i = 0;
        for (unsigned piece = 0; piece < 2; piece++) {
            const size_t to = piece == 0 ? at : wire_len;
            send_part(l.fd[1], piece == 0 ? 0 : at, to);
            while (i < whole_frames(to)) {
                CHECK_INT(link_recv(&l, 0, &m), 1);
                check_frame(i++, m);
            }
            link_nothing(&l);
        }
        CHECK_INT(i, FRAMES);
        shutdown(l.fd[1], SHUT_WR);
        link_ends(&l, 0);
        link_ends(&l, 0);
        link_close(&l);
    }
    close_pipes();
}

/* Closed in front of every byte: those that are whole come, then the end, which is an error in the middle of one. */
static void ends_everywhere(void)
{
    write_wire();
    for (size_t at = 0; at <= wire_len; at++) {
        struct link l;
        struct unx_msg *m;
        const size_t whole = whole_frames(at);
        const bool between = at == 0 || at == begins[whole < FRAMES ? whole : 0] || at == wire_len;
        link_open(&l, 17, 3, 0);
        send_part(l.fd[1], 0, at);
        close(l.fd[1]);
        l.fd[1] = -1;
        for (size_t i = 0; i < whole; i++) {
            CHECK_INT(link_recv(&l, 0, &m), 1);
            check_frame(i, m);
        }
        ROW("the end behind %zu bytes", at);
        link_ends(&l, between ? 0 : -ECONNRESET);
        CHECK_INT(frames_held(&l.in), 0);
        link_ends(&l, 0);
        link_ends(&l, 0);
        link_close(&l);
    }
    close_pipes();
}

/* What a struct keeps is closed with it, wherever in the stream that happens. */
static void closed_everywhere(void)
{
    write_wire();
    for (size_t at = 0; at <= wire_len; at++) {
        struct link l;
        struct unx_msg *m;
        link_open(&l, 17, 3, 0);
        send_part(l.fd[1], 0, at);
        for (size_t i = 0; i < whole_frames(at) / 2; i++) {
            CHECK_INT(link_recv(&l, 0, &m), 1);
            check_frame(i, m);
        }
        const unsigned held = frames_held(&l.in);
        CHECK_INT(unx_frames_close(&l.in), held);
        CHECK_INT(unx_frames_close(&l.in), 0);
        link_close(&l);
    }
    close_pipes();
}

struct feeder {
    int fd;
    size_t piece;
};

static void *feed(void *arg)
{
    const struct feeder *f = arg;
    for (size_t at = 0; at < wire_len; at += f->piece) {
        send_part(f->fd, at, at + f->piece < wire_len ? at + f->piece : wire_len);
    }
    shutdown(f->fd, SHUT_WR);
    return NULL;
}

/* Who waits is woken by pieces of every size, and goes on to wait for the rest. */
static void waiting(void)
{
    write_wire();
    for (size_t piece = 1; piece <= wire_len; piece += piece < 24 ? 1 : 7) {
        struct link l;
        link_open(&l, 17, 3, 0);
        struct feeder f = {l.fd[1], piece};
        pthread_t thread;
        CHECK_INT(pthread_create(&thread, NULL, feed, &f), 0);
        for (size_t i = 0;; i++) {
            char data[64];
            int fds[8];
            const struct iovec room = {data, sizeof data};
            struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = 8};
            const int r = QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0));
            if (r == 0) {
                CHECK_INT(i, FRAMES);
                break;
            }
            CHECK_INT(r, 1);
            check_frame(i, &m);
        }
        CHECK_INT(pthread_join(thread, NULL), 0);
        link_close(&l);
    }
    close_pipes();
}

struct proxy {
    int from, to;
};

/* One byte at a time, with whatever came with it. */
static void *pass_on(void *arg)
{
    const struct proxy *p = arg;
    for (;;) {
        char byte;
        struct raw_got g;
        raw_recv(p->from, &byte, 1, 0, &g);
        if (g.result <= 0) {
            break;
        }
        raw_send(p->to, &byte, 1, g.fds, g.nfds);
        raw_close_fds(&g);
    }
    shutdown(p->to, SHUT_WR);
    return NULL;
}

/* From the library to the library through such a proxy. */
static void by_a_proxy(void)
{
    struct link l;
    int far[2];
    write_wire();
    link_open(&l, 300, 253, 0);
    raw_pair(SOCK_STREAM, far);
    struct proxy p = {far[1], l.fd[1]};
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, pass_on, &p), 0);
    for (size_t round = 0; round < 20; round++) {
        for (size_t i = 0; i < FRAMES; i++) {
            char data[300];
            int fds[8];
            for (unsigned k = 0; k < plan[i].nfds; k++) {
                fds[k] = pipes[i][1];
            }
            raw_pattern(data, sizeof data, i * 100);
            const struct iovec iov = {data, plan[i].len};
            struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = plan[i].nfds};
            CHECK_INT(QUIET(unx_frames_send(&l.out, far[0], &m, 0)), 1);
            const struct iovec room = {data, sizeof data};
            m = (struct unx_msg){.iov = &room, .niov = 1, .fds = fds, .nfds = 8};
            CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0)), 1);
            check_frame(i, &m);
        }
    }
    close(far[0]);
    CHECK_INT(pthread_join(thread, NULL), 0);
    link_ends(&l, 0);
    close(far[1]);
    link_close(&l);
    close_pipes();
}

static const struct test_case cases[] = {
    CASE(two_pieces), CASE(ends_everywhere), CASE(closed_everywhere), CASE(waiting), CASE(by_a_proxy),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
