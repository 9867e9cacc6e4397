// SPDX-License-Identifier: MIT
/*
 * Batches on streams, which have no messages: what goes out arrives byte for byte, in order, however little of it the
 * socket takes at a time, and a reset says what was still there.
 *
 * What surprised us (Linux 6.18): recvmmsg(2) reports a reset before the data that is queued, and then forgets it. A
 * naive loop around sendmmsg(2) that counts messages loses the rest of the last one.
 */
#include "message.h"

#include <poll.h>

#define MANY 40u
#define SIZE 9000u

/* Whatever the socket has: appended, and compared with the pattern. */
static size_t drain(int fd, size_t have)
{
    char back[8192];
    struct raw_got g;
    for (;;) {
        raw_recv(fd, back, sizeof back, MSG_DONTWAIT, &g);
        if (g.result == -EAGAIN) {
            return have;
        }
        CHECK(g.result > 0 && raw_pattern_ok(back, (size_t)g.result, have));
        have += (size_t)g.result;
    }
}

struct outgoing {
    char data[MANY][SIZE];
    struct iovec iov[MANY];
    struct unx_msg m[MANY];
    unsigned cut, behind; /* went in part: in all, and behind others */
};

static struct outgoing *make(int fd)
{
    static struct outgoing o;
    raw_set(fd, SO_SNDBUF, 8192);
    for (unsigned i = 0; i < MANY; i++) {
        raw_pattern(o.data[i], SIZE, i * SIZE);
        o.iov[i] = (struct iovec){o.data[i], SIZE};
        o.m[i] = message(&o.iov[i], 1);
    }
    o.cut = o.behind = 0;
    return &o;
}

/* Those from `sent` on, as far as they go now: the new `sent`. A rest is left in the message. */
static unsigned send_on(int fd, struct outgoing *o, unsigned sent, unsigned flags)
{
    const int r = unx_send_many(fd, o->m + sent, MANY - sent, flags);
    if (r == -EAGAIN) {
        return sent;
    }
    CHECK(r > 0);
    for (int i = 0; i < r; i++) {
        const struct unx_msg *const m = &o->m[sent + (unsigned)i];
        CHECK_INT(m->error, 0);
        CHECK(i == r - 1 || m->len + m->skip == SIZE);
        CHECK_INT(m->full_len, m->len);
    }
    struct unx_msg *const last = &o->m[sent + (unsigned)r - 1];
    last->skip += last->len;
    if (last->skip == SIZE) {
        return sent + (unsigned)r;
    }
    o->cut++;
    o->behind += r > 1;
    return sent + (unsigned)r - 1;
}

/* With a buffer that is smaller than two of them, messages go in part again and again,
 * the first of a call and others. */
static void parts(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct outgoing *const o = make(s[0]);
    size_t have = 0;
    for (unsigned sent = 0; sent < MANY; have = drain(s[1], have)) {
        sent = send_on(s[0], o, sent, UNX_DONTWAIT);
    }
    CHECK_INT(have, MANY * SIZE);
    CHECK(o->cut > 5 && o->behind > 5);
    close_pair(s);
}

static void read_slowly(void *arg)
{
    size_t have = 0;
    while (have < MANY * SIZE) {
        CHECK(unx_wait(*(int *)arg, POLLIN, -1) > 0);
        raw_sleep(3);
        have = drain(*(int *)arg, have);
    }
    CHECK_INT(have, MANY * SIZE);
}

/* A signal cuts the message that waits for room. Room may come right behind it, where the next message must not go. */
static void parts_under_signals(void)
{
    unsigned cut = 0, behind = 0;
    /* How often a signal comes at the right moment is a matter of what else the machine does. */
    for (unsigned round = 0; round < 100 && (cut <= 5 || behind <= 5); round++) {
        int s[2];
        raw_pair(SOCK_STREAM, s);
        struct outgoing *const o = make(s[0]);
        const pid_t reader = harness_fork(read_slowly, &s[1]);
        raw_signals_start();
        for (unsigned sent = 0; sent < MANY;) {
            sent = send_on(s[0], o, sent, 0);
        }
        raw_signals_stop();
        harness_wait(reader);
        cut += o->cut;
        behind += o->behind;
        close_pair(s);
    }
    CHECK(cut > 5 && behind > 5);
}

/* A blocking one sends all of it, without a part. */
static void whole(void)
{
    raw_need_quiet();
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct outgoing *const o = make(s[0]);
    const pid_t reader = harness_fork(read_slowly, &s[1]);
    CHECK_INT(unx_send_many(s[0], o->m, MANY, 0), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        CHECK_INT(o->m[i].len, SIZE);
    }
    harness_wait(reader);
    close_pair(s);
}

/* Each message's descriptors come with its bytes; the rest of one that went in part has none. */
static void descriptors(void)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    char data[MANY][2], room[MANY][2];
    struct iovec from[MANY], to[MANY];
    struct unx_msg out[MANY], in[MANY];
    int fds[MANY][1];
    for (unsigned i = 0; i < MANY; i++) {
        raw_pattern(data[i], 2, i * 2);
        from[i] = (struct iovec){data[i], 2};
        to[i] = (struct iovec){room[i], 2};
        out[i] = message(&from[i], 1);
        out[i].fds = p;
        out[i].nfds = 1;
        out[i].skip = i == MANY - 1;
        in[i] = message(&to[i], 1);
        in[i].fds = fds[i];
        in[i].nfds = 1;
    }
    CHECK_INT(unx_send_many(s[0], out, MANY, 0), MANY);
    CHECK_INT(out[MANY - 1].len, 1);
    CHECK_INT(unx_recv_many(s[1], in, MANY, 0), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        ROW("message %u", i);
        CHECK_MEM(room[i], in[i].len, data[i] + (i == MANY - 1), i == MANY - 1 ? 1 : 2);
        CHECK_INT(in[i].fds_got, i != MANY - 1);
        CHECK(i == MANY - 1 ? fds[i][0] == -1 : raw_same_file(fds[i][0], p[0]));
        close(fds[i][0]);
    }
    close_pair(p);
    close_pair(s);
}

static void an_empty_message(void)
{
    for (unsigned bad = 0; bad < MANY; bad += 13) {
        int s[2];
        raw_pair(SOCK_STREAM, s);
        struct iovec iov = BYTES("x"), nothing[2] = {{NULL, 0}, {NULL, 0}}, late[2] = {{NULL, 0}, BYTES("x")};
        struct unx_msg out[MANY];
        for (unsigned i = 0; i < MANY; i++) {
            out[i] = i == bad ? message(nothing, i % 3) : i == 5 ? message(late, 2) : message(&iov, 1);
        }
        ROW("message %u", bad);
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), bad == 0 ? -EINVAL : (int)bad);
        CHECK_INT(out[bad].error, -EINVAL);
        if (bad > 0) {
            char all[MANY];
            memset(all, 'x', bad);
            check_arrived(s[1], all, bad);
        }
        check_nothing(s[1]);
        close_pair(s);
    }
}

/* ---- the end ---- */

/* The peer has gone, `left` bytes of it are queued, and it has not read what we sent. */
static int reset(size_t left)
{
    static char data[4096];
    int s[2];
    raw_pair(SOCK_STREAM, s);
    raw_send(s[1], "unread", 6, NULL, 0);
    raw_pattern(data, left, 0);
    if (left > 0) {
        raw_send(s[0], data, left, NULL, 0);
    }
    close(s[0]);
    return s[1];
}

static void a_reset(void)
{
    static const size_t lefts[] = {1, 10, 11, 159, 160, 161, 10 * MANY, 10 * MANY + 1};
    for (unsigned k = 0; k < sizeof lefts / sizeof *lefts; k++) {
        const int fd = reset(lefts[k]);
        char room[MANY][10];
        struct iovec iov[MANY];
        struct unx_msg in[MANY];
        for (unsigned i = 0; i < MANY; i++) {
            iov[i] = (struct iovec){room[i], sizeof room[i]};
            in[i] = message(&iov[i], 1);
        }
        const unsigned pieces = (unsigned)((lefts[k] + 9) / 10);
        const unsigned first = pieces < MANY ? pieces : MANY;
        ROW("%zu bytes left", lefts[k]);
        CHECK_INT(unx_recv_many(fd, in, MANY, 0), first);
        size_t have = 0;
        for (unsigned i = 0; i < first; i++) {
            CHECK_INT(in[i].error, 0);
            CHECK_INT(in[i].got, i == 0 ? UNX_GOT_RESET : 0);
            CHECK(raw_pattern_ok(room[i], in[i].len, have));
            have += in[i].len;
        }
        CHECK_INT(unx_recv_many(fd, in, MANY, 0), pieces - first);
        CHECK_INT(unx_recv_many(fd, in, MANY, 0), 0);
        close(fd);
    }
}

static void a_reset_with_nothing_left(void)
{
    const int fd = reset(0);
    char room[10];
    struct iovec iov = {room, sizeof room};
    struct unx_msg in[2] = {message(&iov, 1), message(&iov, 1)};
    CHECK_INT(unx_recv_many(fd, in, 2, 0), -ECONNRESET);
    CHECK_INT(in[0].error, -ECONNRESET);
    CHECK_INT(unx_recv_many(fd, in, 2, 0), 0);
    CHECK_INT(in[0].error, 0);
    close(fd);
}

static const struct test_case cases[] = {
    CASE(parts),   CASE(parts_under_signals),       CASE(whole), CASE(descriptors), CASE(an_empty_message),
    CASE(a_reset), CASE(a_reset_with_nothing_left),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
