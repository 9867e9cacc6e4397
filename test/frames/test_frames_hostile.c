// SPDX-License-Identifier: MIT
/*
 * A peer that sends what no sender of frames would: lengths that are not true, descriptors that nobody announced or
 * that do not come, numbers that mean nothing. Whatever it is, nothing is written outside of the buffer, no
 * descriptor stays, nobody waits without need, and what was wrong stays wrong.
 */
#include "../raw_addr.h"
#include "frames.h"

#include <stdlib.h>
#include <sys/resource.h>

/* Sends so many bytes of a frame, with so many descriptors that come with the first of them. */
struct push {
    int bytes; /* behind what was sent before; -1: done */
    unsigned fds;
};

struct script {
    const char *name;
    size_t len; /* as the head says */
    unsigned nfds;
    struct push push[6];
    int result; /* of a receive behind the last push */
};

#define DONE                                                                                                           \
    {                                                                                                                  \
        -1, 0                                                                                                          \
    }

static const struct script scripts[] = {
    {"descriptors that nobody announced", 8, 0, {{12, 1}, DONE}, -EPROTO},
    {"the same, in the middle of a head", 8, 0, {{2, 1}, {2, 0}, DONE}, -EPROTO},
    {"the same, in the middle of a packet", 8, 0, {{7, 0}, {1, 1}, DONE}, -EPROTO},
    {"the same, with the last byte", 8, 0, {{11, 0}, {1, 1}, DONE}, -EPROTO},
    {"the same, with an empty packet", 0, 0, {{4, 1}, DONE}, -EPROTO},
    {"descriptors that do not come", 8, 2, {{4, 0}, DONE}, -EPROTO},
    {"descriptors that come too late", 8, 2, {{4, 0}, {8, 2}, DONE}, -EPROTO},
    {"descriptors that come with the second byte, which the first does not tell", 8, 2, {{1, 0}, {11, 2}, DONE}, 1},
    {"fewer than announced", 8, 3, {{12, 2}, DONE}, -EPROTO},
    {"more than announced", 8, 2, {{12, 3}, DONE}, -EPROTO},
    {"more than announced, and than are kept", 8, 8, {{12, 9}, DONE}, -EPROTO},
    {"many more", 8, 1, {{12, 253}, DONE}, -EPROTO},
    {"those of one packet in two parts", 8, 2, {{4, 1}, {8, 1}, DONE}, -EPROTO},
    {"twice as many as announced", 8, 2, {{4, 2}, {8, 2}, DONE}, -EPROTO},
    {"with each byte of a head", 8, 3, {{1, 1}, {1, 1}, {1, 1}, {1, 1}, DONE}, -EPROTO},
    {"a flood", 8, 253, {{1, 253}, {1, 253}, {1, 253}, {9, 253}, DONE}, -EPROTO},
    {"a number that is reserved", 8, 254, {{12, 0}, DONE}, -EPROTO},
    {"the other one, with descriptors", 8, 255, {{12, 253}, DONE}, -EPROTO},
    {"the largest length", UNX_FRAMES_MAX, 0, {{4, 0}, DONE}, -EMSGSIZE},
    {"the largest length, with descriptors", UNX_FRAMES_MAX, 8, {{4, 8}, DONE}, -EMSGSIZE},
    {"a length just above the buffer", 101, 0, {{4, 0}, DONE}, -EMSGSIZE},
    {"descriptors in what nobody wants", UNX_FRAMES_MAX, 0, {{4, 0}, {9, 1}, DONE}, -EPROTO},
    {"descriptors in what nobody wants any more", UNX_FRAMES_MAX, 1, {{4, 1}, {9, 1}, DONE}, -EPROTO},
};

static void run_script(const struct script *s, unsigned keeps)
{
    unsigned char wire[HEAD + 64];
    int p[2], fds[RAW_MAX_FDS];
    struct link l;
    struct unx_msg *m;
    int r = -EAGAIN;
    ROW("%s, %u are kept", s->name, keeps);
    raw_pipe(p);
    for (unsigned i = 0; i < RAW_MAX_FDS; i++) {
        fds[i] = p[1];
    }
    raw_pattern(wire, sizeof wire, 0);
    wire_head(wire, s->len, s->nfds);
    link_open(&l, 100, keeps, 0);
    size_t at = 0;
    for (unsigned i = 0; s->push[i].bytes > 0; i++) {
        CHECK(r == -EAGAIN || r == -EMSGSIZE || r == -EPROTO);
        raw_send(l.fd[1], wire + at, (size_t)s->push[i].bytes, fds, s->push[i].fds);
        at += (size_t)s->push[i].bytes;
        const int before = r;
        r = link_recv(&l, 0, &m);
        CHECK(before != -EPROTO || r == -EPROTO);
    }
    /* Of more than are kept, nobody knows how many came: that packet is refused in either case. */
    CHECK(r == s->result || (keeps < s->nfds && r == -ENOBUFS));
    for (unsigned i = 0; i < m->fds_got; i++) {
        close(m->fds[i]);
    }
    if (r == -EPROTO) {
        CHECK_INT(unx_frames_pending(&l.in), 1);
        CHECK_INT(link_recv(&l, UNX_PARTIAL, &m), -EPROTO);
        CHECK_INT(link_recv(&l, UNX_PEEK, &m), -EPROTO);
        CHECK_INT(frames_held(&l.in), 0);
    }
    /* Nothing has to be closed for them to be gone, but for what is still in the socket. */
    close(l.fd[0]);
    l.fd[0] = -1;
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    link_close(&l);
}

static void lies(void)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        run_script(&scripts[i], 8);
        run_script(&scripts[i], 253);
    }
}

static void lies_to_few(void)
{
    for (size_t i = 0; i < sizeof scripts / sizeof *scripts; i++) {
        run_script(&scripts[i], 0);
        run_script(&scripts[i], 1);
    }
}

/* Seconds of the processor, by this process. */
static double cpu(void)
{
    struct rusage u;
    CHECK_INT(getrusage(RUSAGE_SELF, &u), 0);
    return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) + (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* A length that is a lie costs nothing: neither memory, nor time, nor a wait. */
static void a_lie_is_cheap(void)
{
    unsigned char head[HEAD];
    struct link l;
    struct unx_msg *m;
    struct rusage before, after;
    link_open(&l, 100, 0, 0);
    wire_head(head, UNX_FRAMES_MAX, 0);
    CHECK_INT(getrusage(RUSAGE_SELF, &before), 0);
    raw_send(l.fd[1], head, HEAD, NULL, 0);
    const double since = cpu();
    const int64_t began = raw_now();
    CHECK_INT(link_recv(&l, 0, &m), -EMSGSIZE);
    for (unsigned i = 0; i < 1000; i++) {
        link_nothing(&l);
    }
    CHECK_INT(unx_set_timeout(l.fd[0], UNX_RECV, 200), 0);
    char data[200];
    const struct iovec room = {data, sizeof data};
    struct unx_msg waits = message(&room, 1);
    CHECK_INT(unx_frames_recv(&l.in, l.fd[0], &waits, 0), -EAGAIN);
    CHECK_INT(getrusage(RUSAGE_SELF, &after), 0);
    CHECK(harness_slow() || cpu() - since < 0.1);
    CHECK(harness_slow() || raw_now() - began < 2000 + raw_waited());
    CHECK(harness_slow() || after.ru_maxrss - before.ru_maxrss < 4096);
    link_close(&l);
}

/* And one that is true, of a packet that nobody wants: as many bytes are read as come, and no call reads more than
 * that. */
static void sixteen_megabytes_of_nothing(void)
{
    static unsigned char wire[1 << 20];
    struct link l;
    struct unx_msg *m;
    link_open(&l, 4096, 0, 0);
    wire_head(wire, UNX_FRAMES_MAX, 0);
    CHECK_INT(raw_try_send(l.fd[1], wire, HEAD, NULL, 0, 0), HEAD);
    CHECK_INT(link_recv(&l, 0, &m), -EMSGSIZE);
    size_t sent = 0;
    while (sent < UNX_FRAMES_MAX) {
        const size_t left = UNX_FRAMES_MAX - sent;
        const ssize_t n = raw_try_send(l.fd[1], wire, left < sizeof wire ? left : sizeof wire, NULL, 0, MSG_DONTWAIT);
        CHECK(n > 0);
        sent += (size_t)n;
        link_nothing(&l);
    }
    wire_send(l.fd[1], "after all", 9, NULL, 0);
    link_gets(&l, "after all", 9);
    link_close(&l);
}

/* Anything at all: bytes and descriptors by chance, half of the heads right. */
static void by_chance(void)
{
    unsigned seed = 1;
    const unsigned rounds = harness_rounds(harness_slow() ? 300 : 3000);
    unsigned delivered = 0, refused = 0;
    int p[2], fds[4];
    raw_pipe(p);
    for (unsigned i = 0; i < 4; i++) {
        fds[i] = p[1];
    }
    for (unsigned round = 0; round < rounds; round++) {
        struct link l;
        struct unx_msg *m;
        int r = -EAGAIN;
        link_open(&l, 40, 3, 0);
        for (unsigned step = 0; step < 12 && r != -EPROTO; step++) {
            unsigned char wire[64];
            const unsigned dice = (unsigned)rand_r(&seed);
            const size_t n = 1 + dice % 30;
            const unsigned nfds = (dice >> 8) % 4 == 0 ? (dice >> 10) % 5 : 0;
            for (size_t i = 0; i < sizeof wire; i++) {
                wire[i] = (unsigned char)(rand_r(&seed) >> 7);
            }
            const bool right = (dice >> 16) % 8 != 0;
            if (right) {
                wire_head(wire, n, nfds);
            }
            raw_send(l.fd[1], wire, right ? HEAD + n : n, fds, nfds);
            const unsigned flags[] = {0, UNX_PARTIAL, UNX_PEEK, UNX_KEEP};
            for (unsigned i = 0; i < 3; i++) {
                r = link_recv(&l, flags[(dice >> (20 + i)) % 4], &m);
                CHECK(r == 1 || r == -EAGAIN || r == -EPROTO || unx_one_message(r));
                CHECK(frames_held(&l.in) <= 6);
                for (unsigned k = 0; k < m->fds_got; k++) {
                    close(m->fds[k]);
                }
                delivered += r == 1;
            }
        }
        refused += r == -EPROTO;
        unx_frames_close(&l.in);
        link_close(&l);
    }
    NOTE("%u received, %u of %u connections refused", delivered, refused, rounds);
    CHECK(delivered > rounds && refused > rounds / 10 && refused < rounds);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
}

static const struct test_case cases[] = {
    CASE(lies), CASE(lies_to_few), CASE(a_lie_is_cheap), CASE(sixteen_megabytes_of_nothing), CASE(by_chance),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
