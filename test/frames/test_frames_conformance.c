// SPDX-License-Identifier: MIT
/*
 * Receiving packets from frames means what receiving means: the conformance script, with the rows of SEQPACKET on a
 * stream. Frames are written by hand, by sendmsg(2), at once or byte by byte; or by the library.
 *
 * Waiting, told not to wait, non-blocking, under signals, with a timeout, in a buffer that only just holds the
 * largest packet of a row, and a peek before each receive.
 */
#include "../conformance.h"
#include "frames.h"

#include <fcntl.h>

static struct unx_frames in, out;
static unsigned char in_buf[UNX_FRAMES_ROOM(4096, 253)], out_buf[UNX_FRAMES_ROOM(4096, 0)];
static size_t in_bytes = 4096;

static void begin(int near, int far)
{
    (void)near;
    (void)far;
    CHECK_INT(unx_frames_init(&in, UNX_RECV, in_buf, UNX_FRAMES_ROOM(in_bytes, 253), 253), 0);
    CHECK_INT(unx_frames_init(&out, UNX_SEND, out_buf, sizeof out_buf, 0), 0);
}

static void begin_nonblocking(int near, int far)
{
    begin(near, far);
    CHECK_INT(fcntl(near, F_SETFL, O_NONBLOCK), 0);
}

static void begin_with_timeout(int near, int far)
{
    begin(near, far);
    CHECK_INT(unx_set_timeout(near, UNX_RECV, 20), 0);
}

static unsigned held(void)
{
    return frames_held(&in);
}

/* What is left in the struct at the end of a row is nothing. */
static int close_near(int fd)
{
    CHECK_INT(unx_frames_close(&in), 0);
    return close(fd);
}

static void send_by_library(int far, const void *p, size_t n, const int *fds, unsigned nfds)
{
    const struct iovec data = {(void *)p, n};
    struct unx_msg m = {.iov = &data, .niov = 1, .fds = (int *)fds, .nfds = nfds};
    CHECK_INT(QUIET(unx_frames_send(&out, far, &m, 0)), 1);
    CHECK_INT(unx_frames_pending(&out), 0);
}

static int recv_blocking(int fd, struct unx_msg *m, unsigned flags)
{
    return QUIET(unx_frames_recv(&in, fd, m, flags));
}

static int recv_dontwait(int fd, struct unx_msg *m, unsigned flags)
{
    return QUIET(unx_frames_recv(&in, fd, m, flags | UNX_DONTWAIT));
}

static int recv_under_signals(int fd, struct unx_msg *m, unsigned flags)
{
    raw_signals_start();
    const int r = QUIET(unx_frames_recv(&in, fd, m, flags));
    raw_signals_stop();
    return r;
}

/* A peek says what the receive says, and takes nothing. */
static int recv_after_peek(int fd, struct unx_msg *m, unsigned flags)
{
    char data[64];
    const struct iovec room = {data, sizeof data};
    struct unx_msg peek = {.iov = &room, .niov = 1};
    const int peeked = unx_frames_recv(&in, fd, &peek, UNX_PEEK | UNX_DONTWAIT);
    CHECK_INT(peek.fds_got, 0);
    if (peeked == -ECONNRESET) {
        /* Told once. */
        for (unsigned i = 0; i < m->nfds; i++) {
            m->fds[i] = -1;
        }
        *m = (struct unx_msg){
            .iov = m->iov, .niov = m->niov, .fds = m->fds, .nfds = m->nfds, .cred = m->cred, .error = peeked};
        return peeked;
    }
    const int r = unx_frames_recv(&in, fd, m, flags | UNX_DONTWAIT);
    CHECK_INT(peeked, r < 0 && unx_one_message(r) ? 1 : r);
    CHECK_INT(m->full_len, peek.full_len);
    if (r == 1) {
        CHECK_MEM(data, m->len, m->iov[0].iov_base, m->len);
    }
    return r;
}

#define CAN                                                                                                            \
    (CAN_FRAMES | CAN_FDS | CAN_CRED | CAN_PARTIAL | CAN_KEEP | CAN_PEEK | CAN_PEEK_FDS | CAN_NO_ROOM | CAN_TABLE |    \
     CAN_ROOM | CAN_FD_ROOM)

typedef int receive(int fd, struct unx_msg *m, unsigned flags);

/* The whole script: frames that come at once, byte by byte, and from the library. */
static void run(const char *name, receive *recv_call, void (*begins)(int, int), unsigned can)
{
    const struct way way = {name, recv_call, can};
    conformance_frames = (struct conformance_frames){begins, wire_send, held};
    conformance_close = close_near;
    NOTE("frames at once");
    CHECK_INT(conformance_run(&way), 0);
    NOTE("byte by byte");
    conformance_frames.send = wire_send_bytes;
    CHECK_INT(conformance_run(&way), 0);
    NOTE("by the library");
    conformance_frames.send = send_by_library;
    CHECK_INT(conformance_run(&way), 0);
}

static void blocking(void)
{
    run("unx_frames_recv", recv_blocking, begin, CAN);
}

static void dontwait(void)
{
    run("unx_frames_recv with UNX_DONTWAIT", recv_dontwait, begin, CAN | CAN_TRY);
}

static void nonblocking(void)
{
    run("unx_frames_recv on a non-blocking socket", recv_blocking, begin_nonblocking, CAN | CAN_TRY);
}

static void with_a_timeout(void)
{
    run("unx_frames_recv with a timeout", recv_blocking, begin_with_timeout, CAN | CAN_TRY);
}

static void signals(void)
{
    run("unx_frames_recv under signals", recv_under_signals, begin, CAN);
}

static void after_a_peek(void)
{
    run("unx_frames_recv after a peek", recv_after_peek, begin,
        (CAN | CAN_TRY) & ~(CAN_PEEK | CAN_PEEK_FDS | CAN_NO_ROOM));
}

/* 9 bytes are the most that a row sends in one packet. */
static void in_a_small_buffer(void)
{
    in_bytes = 9;
    run("unx_frames_recv with a small buffer", recv_blocking, begin, CAN);
}

static const struct test_case cases[] = {
    CASE(blocking), CASE(dontwait),     CASE(nonblocking),       CASE(with_a_timeout),
    CASE(signals),  CASE(after_a_peek), CASE(in_a_small_buffer),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
