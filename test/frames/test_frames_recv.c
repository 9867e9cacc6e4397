// SPDX-License-Identifier: MIT
/*
 * Receiving packets from frames, beyond the conformance script: buffers, descriptors, and what is refused.
 * Frames are written by hand.
 */
#include "frames.h"

/* Several packets by one read: the socket is empty, and they come all the same. */
static void read_ahead(void)
{
    struct link l;
    struct unx_msg *m;
    link_open(&l, 1000, 4, 0);
    for (unsigned i = 0; i < 10; i++) {
        wire_send(l.fd[1], "packet", i % 7, NULL, 0);
    }
    CHECK_INT(unx_frames_pending(&l.in), 0);
    CHECK_INT(link_recv(&l, 0, &m), 1);
    CHECK_INT(unx_frames_pending(&l.in), 1);
    check_nothing(l.fd[0]);
    for (unsigned i = 1; i < 10; i++) {
        CHECK_INT(unx_frames_pending(&l.in), 1);
        CHECK_INT(link_recv(&l, i % 2 ? UNX_PEEK : 0, &m), 1);
        CHECK_INT(m->len, i % 7);
        if (i % 2) {
            CHECK_INT(link_recv(&l, 0, &m), 1);
        }
    }
    CHECK_INT(unx_frames_pending(&l.in), 0);
    link_nothing(&l);
    link_close(&l);
}

/* Larger than the buffer: an error as soon as the length is known, the rest is dropped as it comes, and what
 * follows is right. */
static void larger_than_the_buffer(void)
{
    static unsigned char wire[HEAD + 100000];
    struct unx_msg *m;
    struct link l;
    link_open(&l, 50, 2, 0);
    raw_pattern(wire, sizeof wire, 0);
    wire_head(wire, 100000, 0);
    raw_send(l.fd[1], wire, HEAD, NULL, 0);
    CHECK_INT(link_recv(&l, 0, &m), -EMSGSIZE);
    CHECK_INT(m->full_len, 100000);
    CHECK_INT(m->len, 0);
    CHECK_INT(m->got, UNX_CUT_DATA);
    CHECK(unx_one_message(-EMSGSIZE));
    link_nothing(&l);
    raw_send(l.fd[1], wire + HEAD, 60000, NULL, 0);
    link_nothing(&l);
    raw_send(l.fd[1], wire + HEAD, 40000, NULL, 0);
    wire_send(l.fd[1], "next", 4, NULL, 0);
    link_gets(&l, "next", 4);
    /* A part: what the buffer holds, whatever the room. */
    raw_send(l.fd[1], wire, 10000, NULL, 0);
    CHECK_INT(link_recv(&l, UNX_PARTIAL, &m), 1);
    CHECK_INT(m->len, 50);
    CHECK_INT(m->full_len, 100000);
    CHECK_INT(m->got, UNX_CUT_DATA);
    CHECK_MEM(m->iov[0].iov_base, 50, wire + HEAD, 50);
    raw_send(l.fd[1], wire + 10000, 90004, NULL, 0);
    wire_send(l.fd[1], "again", 5, NULL, 0);
    link_gets(&l, "again", 5);
    /* The end in the middle of what nobody wants is one in the middle of a packet. */
    raw_send(l.fd[1], wire, 1000, NULL, 0);
    CHECK_INT(link_recv(&l, 0, &m), -EMSGSIZE);
    shutdown(l.fd[1], SHUT_WR);
    link_ends(&l, -ECONNRESET);
    link_ends(&l, 0);
    link_close(&l);
}

/* Kept, until there is a larger buffer. */
static void kept_for_a_larger_buffer(void)
{
    static unsigned char more[UNX_FRAMES_ROOM(3000, 2)], less[UNX_FRAMES_ROOM(10, 2)];
    char data[3000];
    int p[2], got[2];
    struct unx_msg *m;
    struct link l;
    raw_pipe(p);
    link_open(&l, 50, 2, 0);
    raw_pattern(data, sizeof data, 8);
    const int fds[2] = {p[1], p[1]};
    wire_send(l.fd[1], data, sizeof data, fds, 2);
    wire_send(l.fd[1], "next", 4, fds, 1);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(link_recv(&l, UNX_KEEP, &m), -EMSGSIZE);
        CHECK_INT(m->full_len, sizeof data);
        CHECK_INT(m->fds_got, 0);
    }
    CHECK_INT(link_recv(&l, UNX_PEEK, &m), 1);
    CHECK_INT(m->len, 50);
    CHECK_INT(QUIET(unx_frames_buffer(&l.in, less, sizeof less)), -ENOBUFS);
    CHECK_INT(QUIET(unx_frames_buffer(&l.in, less, UNX_FRAMES_ROOM(0, 2) - 1)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_buffer(NULL, less, sizeof less)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_buffer(&l.in, NULL, sizeof less)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_buffer(&l.in, more, sizeof more)), 0);
    memset(l.in_buf, 0xee, UNX_FRAMES_ROOM(50, 2));
    char room[sizeof data];
    const struct iovec iov[3] = {{room, 1}, {NULL, 0}, {room + 1, sizeof room - 1}};
    struct unx_msg all = message(iov, 3);
    all.fds = got;
    all.nfds = 2;
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &all, UNX_KEEP)), 1);
    CHECK_MEM(room, all.len, data, sizeof data);
    CHECK_INT(all.fds_got, 2);
    for (unsigned i = 0; i < 2; i++) {
        CHECK(raw_same_file(got[i], p[1]));
        close(got[i]);
    }
    CHECK_INT(link_recv(&l, 0, &m), 1);
    CHECK_INT(m->fds_got, 1);
    close(m->fds[0]);
    /* Back to a small one, in the middle of a packet with a descriptor. */
    unsigned char wire[HEAD + 8];
    wire_frame(wire, "12345678", 8, 1);
    raw_send(l.fd[1], wire, 6, fds, 1);
    link_nothing(&l);
    CHECK_INT(QUIET(unx_frames_buffer(&l.in, less, sizeof less)), 0);
    memset(more, 0xee, sizeof more);
    raw_send(l.fd[1], wire + 6, 6, NULL, 0);
    CHECK_INT(link_recv(&l, 0, &m), 1);
    CHECK_MEM(m->iov[0].iov_base, m->len, "12345678", 8);
    CHECK_INT(m->fds_got, 1);
    close(m->fds[0]);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    link_close(&l);
}

/* Several frames by one call of the sender, whose descriptors are the first one's; read at once, or in small pieces. */
static void several_by_one_send(void)
{
    for (size_t room = 4; room < 60; room += 11) {
        unsigned char wire[200];
        int p[2];
        struct unx_msg *m;
        struct link l;
        raw_pipe(p);
        const int fds[2] = {p[1], p[1]};
        link_open(&l, room, 2, 0);
        size_t n = wire_frame(wire, "with", 4, 2);
        n += wire_frame(wire + n, "", 0, 0);
        n += wire_frame(wire + n, "none", 4, 0);
        for (unsigned i = 0; i < 2; i++) {
            raw_send(l.fd[1], wire, n, fds, 2);
        }
        for (unsigned i = 0; i < 6; i++) {
            CHECK_INT(link_recv(&l, 0, &m), 1);
            CHECK_INT(m->len, i % 3 == 1 ? 0 : 4);
            CHECK_INT(m->fds_got, i % 3 == 0 ? 2 : 0);
            for (unsigned k = 0; k < m->fds_got; k++) {
                close(m->fds[k]);
            }
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        link_close(&l);
    }
}

/* A struct that keeps fewer descriptors than come. */
static void few_descriptors(void)
{
    for (unsigned keeps = 0; keeps < 4; keeps++) {
        int p[2];
        struct unx_msg *m;
        struct link l;
        raw_pipe(p);
        const int fds[4] = {p[1], p[1], p[1], p[1]};
        link_open(&l, 50, keeps, 0);
        for (unsigned n = 0; n < 5; n++) {
            ROW("%u of %u", keeps, n);
            wire_send(l.fd[1], "few", 3, fds, n);
            wire_send(l.fd[1], "more", 4, fds, n);
            CHECK_INT(link_recv(&l, 0, &m), n > keeps ? -ENOBUFS : 1);
            CHECK_INT(m->fds_got, n > keeps ? 0 : n);
            for (unsigned i = 0; i < m->fds_got; i++) {
                close(m->fds[i]);
            }
            CHECK_INT(link_recv(&l, UNX_PARTIAL, &m), 1);
            CHECK_INT(m->len, 4);
            CHECK_INT(m->fds_got, n > keeps ? keeps : n);
            CHECK_INT(m->got & UNX_CUT_FDS, n > keeps ? UNX_CUT_FDS : 0);
            for (unsigned i = 0; i < m->fds_got; i++) {
                close(m->fds[i]);
            }
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        link_close(&l);
    }
}

/* A peek that copies descriptors needs places for them. */
static void a_peek_with_a_full_table(void)
{
    int p[2];
    struct unx_msg *m;
    struct link l;
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    raw_pipe(p);
    const int fds[3] = {p[1], p[1], p[1]};
    link_open(&l, 50, 3, 0);
    wire_send(l.fd[1], "peek", 4, fds, 3);
    CHECK_INT(link_recv(&l, UNX_PEEK, &m), 1);
    for (unsigned n = 0; n < 3; n++) {
        raw_limit(n);
        const int r = link_recv(&l, UNX_PEEK_FDS, &m);
        raw_unlimit();
        CHECK_INT(r, -EMFILE);
        CHECK_INT(m->fds_got, 0);
        raw_limit(n);
        const int partial = link_recv(&l, UNX_PEEK_FDS | UNX_PARTIAL, &m);
        raw_unlimit();
        CHECK_INT(partial, 1);
        CHECK_INT(m->fds_got, n);
        CHECK_INT(m->got & UNX_CUT_FDS, UNX_CUT_FDS);
        for (unsigned i = 0; i < n; i++) {
            CHECK(raw_same_file(m->fds[i], p[1]) && raw_cloexec(m->fds[i]));
            close(m->fds[i]);
        }
    }
    CHECK_INT(link_recv(&l, 0, &m), 1);
    CHECK_INT(m->fds_got, 3);
    for (unsigned i = 0; i < 3; i++) {
        close(m->fds[i]);
    }
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    link_close(&l);
}

static void misuse(void)
{
    char byte;
    int fd = 0;
    const struct iovec iov = {&byte, 1};
    struct unx_addr addr;
    struct link l;
    link_open(&l, 100, 2, 0);
    wire_send(l.fd[1], "still here", 10, NULL, 0);
    const struct unx_msg good = {.iov = &iov, .niov = 1};
    struct unx_msg m = good;
    CHECK_INT(QUIET(unx_frames_recv(NULL, l.fd[0], &m, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_frames_recv(&l.out, l.fd[0], &m, 0)), -EINVAL);
    const unsigned flags = UNX_DONTWAIT | UNX_INTR | UNX_PEEK | UNX_PEEK_FDS | UNX_PARTIAL | UNX_KEEP;
    for (unsigned bit = 0; bit < 32; bit++) {
        if ((1u << bit & flags) == 0) {
            CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 1u << bit)), -EINVAL);
        }
    }
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, UNX_PEEK | UNX_PEEK_FDS)), -EINVAL);
    const struct unx_msg bad[] = {
        {.iov = &iov, .niov = 1, .addr = &addr},
        {.iov = &iov, .niov = 1, .pidfd = &fd},
        {.iov = &iov, .niov = 1, .label = &byte, .label_max = 1},
        {.iov = &iov, .niov = 1, .control = &byte, .control_max = 1},
        {.iov = &iov, .niov = 1, .skip = 1},
        {.iov = NULL, .niov = 1},
        {.iov = &iov, .niov = 1, .nfds = 1},
        {.iov = &iov, .niov = 1, .reserved = {1}},
        {.iov = NULL, .niov = 0},
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        ROW("message %zu", i);
        m = bad[i];
        CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0)), -EINVAL);
        CHECK_INT(m.error, -EINVAL);
    }
    m = good;
    m.fds = &fd;
    m.nfds = 1025;
    CHECK_INT(QUIET(unx_frames_recv(&l.in, l.fd[0], &m, 0)), -E2BIG);
    m = good;
    CHECK_INT(QUIET(unx_frames_recv(&l.in, -1, &m, 0)), -EBADF);
    link_gets(&l, "still here", 10);
    link_close(&l);
}

/* Packets of a socket that has its own are not frames, and that is seen when one is cut or empty. */
static void no_stream(void)
{
    for (unsigned cut = 0; cut < 2; cut++) {
        int s[2];
        char buf[UNX_FRAMES_ROOM(10, 1)], data[100] = {0};
        struct unx_frames f;
        raw_pair(SOCK_SEQPACKET, s);
        CHECK_INT(unx_frames_init(&f, UNX_RECV, buf, sizeof buf, 1), 0);
        raw_send(s[1], data, cut ? sizeof data : 0, &s[0], 1);
        const struct iovec room = {data, sizeof data};
        struct unx_msg m = message(&room, 1);
        CHECK_INT(QUIET(unx_frames_recv(&f, s[0], &m, 0)), -EPROTOTYPE);
        CHECK_INT(QUIET(unx_frames_recv(&f, s[0], &m, 0)), -EPROTOTYPE);
        CHECK_INT(unx_frames_pending(&f), 1);
        CHECK_INT(unx_frames_close(&f), 0);
        close_pair(s);
    }
}

static const struct test_case cases[] = {
    CASE(read_ahead),
    CASE(larger_than_the_buffer),
    CASE(kept_for_a_larger_buffer),
    CASE(several_by_one_send),
    CASE(few_descriptors),
    CASE(a_peek_with_a_full_table),
    CASE(misuse),
    CASE(no_stream),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
