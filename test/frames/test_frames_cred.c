// SPDX-License-Identifier: MIT
/*
 * Who has sent a packet in frames: one process if it has written all of it, else nobody; or whom root has chosen.
 */
#include "frames.h"

static int with_cred(struct link *l, struct unx_cred *cred, unsigned *got)
{
    char data[64];
    const struct iovec room = {data, sizeof data};
    struct unx_msg m = message(&room, 1);
    m.cred = cred;
    memset(cred, 0x55, sizeof *cred);
    const int r = QUIET(unx_frames_recv(&l->in, l->fd[0], &m, UNX_DONTWAIT));
    *got = m.got;
    return r;
}

struct writer {
    int fd;
    const unsigned char *p;
    size_t n;
};

static void write_it(void *arg)
{
    const struct writer *w = arg;
    raw_send(w->fd, w->p, w->n, NULL, 0);
}

static pid_t by_another(int fd, const void *p, size_t n)
{
    struct writer w = {fd, p, n};
    const pid_t pid = harness_fork(write_it, &w);
    harness_wait(pid);
    return pid;
}

/* A packet has a sender if one has written all of it. */
static void senders(void)
{
    unsigned char wire[HEAD + 8];
    struct unx_cred cred;
    unsigned got;
    struct link l;
    link_open(&l, 100, 0, UNX_PASSCRED);
    wire_frame(wire, "a packet", 8, 0);
    wire_send(l.fd[1], "mine", 4, NULL, 0);
    const pid_t other = by_another(l.fd[1], wire, sizeof wire);
    wire_send(l.fd[1], "mine", 4, NULL, 0);
    for (unsigned i = 0; i < 3; i++) {
        ROW("packet %u", i);
        CHECK_INT(with_cred(&l, &cred, &got), 1);
        CHECK_INT(cred.known, UNX_KNOWN_ALL);
        CHECK_INT(cred.pid, i == 1 ? other : getpid());
        CHECK_INT(got, UNX_GOT_CRED);
    }
    /* Two have, at every border; the packets in front and behind are theirs all the same. */
    for (size_t at = 1; at < sizeof wire; at++) {
        ROW("border at %zu", at);
        unsigned char first[64], second[64];
        const size_t n = wire_frame(first, "before", 6, 0);
        memcpy(first + n, wire, at);
        memcpy(second, wire + at, sizeof wire - at);
        const size_t k = sizeof wire - at + wire_frame(second + sizeof wire - at, "behind", 6, 0);
        raw_send(l.fd[1], first, n + at, NULL, 0);
        const pid_t pid = by_another(l.fd[1], second, k);
        CHECK_INT(with_cred(&l, &cred, &got), 1);
        CHECK_INT(cred.pid, getpid());
        CHECK_INT(with_cred(&l, &cred, &got), 1);
        CHECK_INT(cred.known, 0);
        CHECK_INT(got, 0);
        CHECK_INT(with_cred(&l, &cred, &got), 1);
        CHECK_INT(cred.pid, pid);
        CHECK_INT(with_cred(&l, &cred, &got), -EAGAIN);
        CHECK_INT(cred.known, 0);
    }
    link_close(&l);
}

/* Credentials that the sender chose go with all of a packet, also with the part that goes later. */
static void chosen_credentials(void)
{
    static char data[500000];
    struct link l;
    struct unx_cred cred = {.pid = getpid(), .uid = 1234, .gid = 4321, .known = UNX_KNOWN_ALL};
    if (getuid() != 0) {
        SKIP("only root may choose");
    }
    link_open(&l, sizeof data, 0, UNX_PASSCRED);
    const struct iovec iov = {data, sizeof data};
    struct unx_msg m = message(&iov, 1);
    m.cred = &cred;
    CHECK_INT(QUIET(unx_frames_send(&l.out, l.fd[1], &m, UNX_DONTWAIT)), 1);
    CHECK(unx_frames_pending(&l.out) > 0);
    struct unx_cred got;
    struct unx_msg in = message(&iov, 1);
    in.cred = &got;
    while (unx_frames_pending(&l.out) > 0) {
        CHECK_INT(unx_frames_recv(&l.in, l.fd[0], &in, UNX_DONTWAIT), -EAGAIN);
        const int r = unx_frames_flush(&l.out, l.fd[1], UNX_DONTWAIT);
        CHECK(r == 0 || r == -EAGAIN);
    }
    CHECK_INT(unx_frames_recv(&l.in, l.fd[0], &in, 0), 1);
    CHECK_INT(in.len, sizeof data);
    CHECK_INT(got.known, UNX_KNOWN_ALL);
    CHECK_INT(got.uid, 1234);
    CHECK_INT(got.gid, 4321);
    link_close(&l);
}

static const struct test_case cases[] = {
    CASE(senders),
    CASE(chosen_credentials),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
