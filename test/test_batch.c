// SPDX-License-Identifier: MIT
/*
 * Batches: many messages in one call, each of which fares as it would alone. A batch of one has to pass the whole
 * conformance script; longer ones are tried with failures at the front, in the middle and at the end.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unx/unx.h>

#include "conformance.h"
#include "harness.h"
#include "message.h"
#include "raw_addr.h"

#define MANY 40u
#define ROOM 64u

/* Room for MANY messages, with everything that can come along. */
struct batch {
    char data[MANY][ROOM];
    int fds[MANY][2];
    struct unx_cred cred[MANY];
    struct unx_addr addr[MANY];
    struct iovec iov[MANY];
    struct unx_msg m[MANY];
};

static struct batch *make_room(void)
{
    struct batch *b = calloc(1, sizeof *b);
    CHECK(b != NULL);
    for (unsigned i = 0; i < MANY; i++) {
        b->iov[i] = (struct iovec){b->data[i], ROOM};
        b->m[i] = message(&b->iov[i], 1);
        b->m[i].fds = b->fds[i];
        b->m[i].nfds = 2;
        b->m[i].cred = &b->cred[i];
        b->m[i].addr = &b->addr[i];
    }
    return b;
}

/* ---- a batch of one is one message ---- */

static int batch_of_one(int fd, struct unx_msg *m, unsigned flags)
{
    const int r = unx_recv_many(fd, m, 1, flags);
    return r == 1 && m->error < 0 ? m->error : r;
}

static int batch_of_one_now(int fd, struct unx_msg *m, unsigned flags)
{
    return batch_of_one(fd, m, flags | UNX_DONTWAIT);
}

static void one_conforms(void)
{
    const unsigned can = CAN_ALL & ~(CAN_KEEP | CAN_PEEK | CAN_PEEK_FDS | CAN_NO_ROOM);
    const struct way waits = {"unx_recv_many of one", batch_of_one, can & ~CAN_TRY};
    const struct way tries = {"unx_recv_many of one, UNX_DONTWAIT", batch_of_one_now, can};
    CHECK_INT(conformance_run(&waits), 0);
    CHECK_INT(conformance_run(&tries), 0);
}

/* ---- there and back ---- */

static void there_and_back(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned k = 0; k < 2; k++) {
        int s[2], p[2];
        raw_pair(types[k], s);
        raw_set(s[1], SO_PASSCRED, 1);
        raw_pipe(p);
        char data[MANY][ROOM];
        struct iovec iov[MANY];
        struct unx_msg out[MANY];
        struct unx_cred me;
        unx_cred_effective(&me);
        for (unsigned i = 0; i < MANY; i++) {
            raw_pattern(data[i], ROOM, i);
            iov[i] = (struct iovec){data[i], i};
            out[i] = message(&iov[i], 1);
            out[i].fds = p;
            out[i].nfds = i % 3;
            out[i].cred = i % 2 ? &me : NULL;
        }
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), MANY);
        struct batch *in = make_room();
        CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), MANY);
        for (unsigned i = 0; i < MANY; i++) {
            CHECK_INT(out[i].error, 0);
            CHECK_INT(out[i].len, i);
            CHECK_INT(in->m[i].error, 0);
            CHECK_MEM(in->data[i], in->m[i].len, data[i], i);
            CHECK_INT(in->m[i].fds_got, i % 3);
            CHECK_INT(in->cred[i].known, UNX_KNOWN_ALL);
            CHECK_INT(in->cred[i].pid, getpid());
            for (unsigned f = 0; f < 2; f++) {
                CHECK(f < i % 3 ? raw_same_file(in->fds[i][f], p[f]) && raw_cloexec(in->fds[i][f])
                                : in->fds[i][f] == -1);
                close(in->fds[i][f]);
            }
        }
        CHECK_INT(unx_recv_many(s[1], in->m, MANY, UNX_DONTWAIT), -EAGAIN);
        free(in);
        close_pair(p);
        close_pair(s);
    }
}

/* What is there is returned, without a wait for the rest. */
static void what_is_there(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct batch *in = make_room();
    for (unsigned i = 0; i < 20; i++) {
        raw_send(s[0], "x", 1, NULL, 0);
    }
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 20);
    for (unsigned i = 0; i < 16; i++) {
        raw_send(s[0], "x", 1, NULL, 0);
    }
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 16);
    CHECK_INT(unx_recv_many(s[1], in->m, 0, 0), 0);
    free(in);
    close_pair(s);
}

/* ---- failures ---- */

static void failures_in_the_middle(void)
{
    for (unsigned partial = 0; partial < 2; partial++) {
        int s[2], p[2];
        char large[ROOM + 9];
        raw_pair(SOCK_SEQPACKET, s);
        raw_pipe(p);
        const int three[3] = {p[0], p[1], p[0]};
        memset(large, 'L', sizeof large);
        raw_send(s[0], "first", 5, p, 1);
        raw_send(s[0], large, sizeof large, p, 2);
        raw_send(s[0], "third", 5, p, 2);
        raw_send(s[0], "fourth", 6, three, 3);
        raw_send(s[0], "", 0, NULL, 0);
        raw_send(s[0], "last", 4, p, 1);
        struct batch *in = make_room();
        CHECK_INT(unx_recv_many(s[1], in->m, MANY, partial ? UNX_PARTIAL : 0), 6);
        static const unsigned came[2][6] = {{1, 0, 2, 0, 0, 1}, {1, 2, 2, 2, 0, 1}};
        const int errors[6] = {0, partial ? 0 : -EMSGSIZE, 0, partial ? 0 : -ENOBUFS, 0, 0};
        for (unsigned i = 0; i < 6; i++) {
            CHECK_INT(in->m[i].error, errors[i]);
            CHECK_INT(in->m[i].fds_got, came[partial][i]);
            for (unsigned f = 0; f < in->m[i].fds_got; f++) {
                close(in->fds[i][f]);
            }
        }
        CHECK_INT(in->m[1].full_len, sizeof large);
        CHECK_INT(in->m[1].got & UNX_CUT_DATA, UNX_CUT_DATA);
        CHECK_INT(in->m[3].got & UNX_CUT_FDS, UNX_CUT_FDS);
        CHECK_INT(in->m[4].len, 0);
        CHECK_MEM(in->data[5], in->m[5].len, "last", 4);
        free(in);
        close_pair(p);
        close_pair(s);
    }
}

static void send_stops_and_says_why(void)
{
    static char huge[1 << 20];
    for (unsigned bad = 0; bad < 34; bad += 11) {
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        struct iovec small = {huge, 1}, large = {huge, sizeof huge};
        struct unx_msg out[MANY];
        for (unsigned i = 0; i < MANY; i++) {
            out[i] = message(i == bad ? &large : &small, 1);
        }
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), bad == 0 ? -EMSGSIZE : (int)bad);
        CHECK_INT(out[bad].error, -EMSGSIZE);
        int closed = 999;
        out[bad] = message(&small, 1);
        out[bad].fds = &closed;
        out[bad].nfds = 1;
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), bad == 0 ? -EBADF : (int)bad);
        CHECK_INT(out[bad].error, -EBADF);
        out[bad].nfds = 254;
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), bad == 0 ? -E2BIG : (int)bad);
        CHECK_INT(out[bad].error, -E2BIG);
        struct batch *in = make_room();
        for (unsigned i = 0; i < 3 * bad;) {
            const int r = unx_recv_many(s[1], in->m, MANY, UNX_DONTWAIT);
            CHECK(r > 0);
            i += (unsigned)r;
            CHECK(i <= 3 * bad);
        }
        CHECK_INT(unx_recv_many(s[1], in->m, MANY, UNX_DONTWAIT), -EAGAIN);
        free(in);
        close_pair(s);
    }
}

/* A full receiver: what went is counted, and the rest can be sent later. */
static void send_until_full(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_set(s[0], SO_SNDBUF, 4608);
    char x = 'x';
    struct iovec small = {&x, 1};
    struct unx_msg out[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        out[i] = message(&small, 1);
    }
    const int sent = unx_send_many(s[0], out, MANY, UNX_DONTWAIT);
    CHECK(sent > 0 && sent < (int)MANY);
    CHECK_INT(out[sent].error, -EAGAIN);
    CHECK_INT(unx_send_many(s[0], out, MANY, UNX_DONTWAIT), -EAGAIN);
    struct batch *in = make_room();
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), sent);
    free(in);
    close_pair(s);
}

/* ---- the end ---- */

static void the_end_is_no_message(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    for (unsigned k = 0; k < 2; k++) {
        for (unsigned cred = 0; cred < 2; cred++) {
            int s[2];
            raw_pair(types[k], s);
            raw_set(s[1], SO_PASSCRED, (int)cred);
            raw_send(s[0], "abc", 3, NULL, 0);
            close(s[0]);
            struct batch *in = make_room();
            CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 1);
            CHECK_INT(in->m[0].len, 3);
            CHECK_INT(in->cred[1].known, 0);
            CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 0);
            CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 0);
            free(in);
            close(s[1]);
        }
    }
}

/* With credentials on, empty packets before the end are packets, each of them. */
static void empty_packets_before_the_end(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_set(s[1], SO_PASSCRED, 1);
    raw_send(s[0], "abc", 3, NULL, 0);
    raw_send(s[0], "", 0, NULL, 0);
    raw_send(s[0], "", 0, NULL, 0);
    close(s[0]);
    struct batch *in = make_room();
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 3);
    CHECK_INT(in->m[2].len, 0);
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 0);
    free(in);
    close(s[1]);
}

static void replies_behind_a_reset(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[1], "request", 7, NULL, 0);
    raw_send(s[0], "one", 3, NULL, 0);
    raw_send(s[0], "two", 3, NULL, 0);
    close(s[0]);
    struct batch *in = make_room();
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 2);
    CHECK_INT(in->m[0].got & UNX_GOT_RESET, UNX_GOT_RESET);
    CHECK_MEM(in->data[1], in->m[1].len, "two", 3);
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), 0);
    free(in);
    close(s[1]);
}

/* ---- streams, sources, signals ---- */

/* A stream that takes a message in part must not be given the next one. */
static void a_stream_stops_at_a_part(void)
{
    static char data[3][100000];
    int s[2];
    raw_pair(SOCK_STREAM, s);
    struct iovec iov[3];
    struct unx_msg out[3];
    for (unsigned i = 0; i < 3; i++) {
        raw_pattern(data[i], sizeof data[i], i * sizeof data[i]);
        iov[i] = (struct iovec){data[i], sizeof data[i]};
        out[i] = message(&iov[i], 1);
    }
    const int sent = unx_send_many(s[0], out, 3, UNX_DONTWAIT);
    CHECK(sent >= 1 && sent <= 3);
    CHECK(out[sent - 1].len < sizeof data[0]);
    size_t total = 0, have = 0;
    for (int i = 0; i < sent; i++) {
        total += out[i].len;
    }
    static char back[70000];
    while (have < total) {
        struct raw_got g;
        raw_recv(s[1], back, sizeof back, 0, &g);
        CHECK(g.result > 0 && raw_pattern_ok(back, (size_t)g.result, have));
        have += (size_t)g.result;
    }
    CHECK_INT(have, total);
    close_pair(s);
}

static void sources(void)
{
    struct unx_addr server, client;
    CHECK_INT(unx_addr_unnamed(&server), 0);
    const int fd = unx_bind(SOCK_DGRAM, 0, &server, UNX_MODE_UMASK);
    const int named = unx_bind(SOCK_DGRAM, 0, &server, UNX_MODE_UMASK), nameless = unx_socket(SOCK_DGRAM, 0);
    CHECK_INT(unx_local_addr(fd, &server), 0);
    CHECK_INT(unx_local_addr(named, &client), 0);
    char hi[] = "hi";
    struct iovec iov = {hi, 2};
    struct unx_msg out[2] = {message(&iov, 1), message(&iov, 1)};
    out[0].addr = out[1].addr = &server;
    CHECK_INT(unx_send_many(named, out, 2, 0), 2);
    CHECK_INT(unx_send_many(nameless, out, 2, 0), 2);
    struct batch *in = make_room();
    CHECK_INT(unx_recv_many(fd, in->m, MANY, 0), 4);
    CHECK_INT(unx_addr_compare(&in->addr[1], &client), 0);
    CHECK_INT(unx_addr_name(&in->addr[2], NULL, NULL), UNX_UNNAMED);
    free(in);
    close(fd);
    close(named);
    close(nameless);
}

static void a_timeout_under_signals(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_set_timeout(s[1], UNX_RECV, 200), 0);
    struct batch *in = make_room();
    raw_signals_start();
    const int64_t start = raw_now();
    CHECK_INT(unx_recv_many(s[1], in->m, MANY, 0), -EAGAIN);
    raw_took(start, 200);
    raw_signals_stop();
    free(in);
    close_pair(s);
}

static const struct test_case cases[] = {
    {"one_conforms", one_conforms, 0, 120},
    CASE(there_and_back),
    CASE(what_is_there),
    CASE(failures_in_the_middle),
    CASE(send_stops_and_says_why),
    CASE(send_until_full),
    CASE(the_end_is_no_message),
    CASE(empty_packets_before_the_end),
    CASE(replies_behind_a_reset),
    CASE(a_stream_stops_at_a_part),
    CASE(sources),
    CASE(a_timeout_under_signals),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
