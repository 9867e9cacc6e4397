// SPDX-License-Identifier: MIT
/*
 * Descriptors that travel with a message: how many, in which order, and whose they are after every kind of failure.
 *
 * What surprised us (Linux 6.18): the limit of descriptors in flight counts per user over all processes, by the
 * sender's RLIMIT_NOFILE, and does not hold for root; 253 fit one message however they are split over control messages;
 * closing a received TCP socket may sleep for as long as its SO_LINGER says.
 */
#include "message.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>

#define MAX 253

/* `n` descriptors, all of them write ends of two pipes in turn; ends() tells whether every copy is closed again. */
struct lent {
    int pipes[2][2];
    int fds[MAX + 1];
};

static void lend(struct lent *l)
{
    raw_pipe(l->pipes[0]);
    raw_pipe(l->pipes[1]);
    for (unsigned i = 0; i <= MAX; i++) {
        l->fds[i] = l->pipes[i % 2][1];
    }
}

static void ends(struct lent *l)
{
    raw_collect();
    for (unsigned i = 0; i < 2; i++) {
        CHECK(raw_is_open(l->pipes[i][1]));
        CHECK(!raw_pipe_ended(l->pipes[i][0]));
        close(l->pipes[i][1]);
        CHECK(raw_pipe_ended(l->pipes[i][0]));
        close(l->pipes[i][0]);
    }
}

static void check_given(const struct lent *l, int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        CHECK(raw_same_file(fds[i], l->fds[i]));
        CHECK(raw_cloexec(fds[i]));
        close(fds[i]);
    }
}

static void counts(void)
{
    static const unsigned numbers[] = {0, 1, 2, 252, 253};
    struct lent l;
    lend(&l);
    const struct iovec out = BYTES("x");
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            struct unx_msg m = message(&out, 1);
            m.fds = l.fds;
            m.nfds = numbers[i];
            const struct unx_msg before = m;
            CHECK_INT(unx_send(s[0], &m, 0), 1);
            check_half(&before, &m);
            struct raw_got g;
            char c;
            raw_recv(s[1], &c, 1, 0, &g);
            CHECK_INT(g.nfds, numbers[i]);
            check_given(&l, g.fds, g.nfds);
        }
        close_pair(s);
    }
    ends(&l);
}

static void received(void)
{
    static const unsigned numbers[] = {1, 2, 252, 253};
    struct lent l;
    lend(&l);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            int fds[MAX + 1];
            char c;
            const struct iovec in = {&c, 1};
            struct unx_msg m = message(&in, 1);
            m.fds = fds;
            m.nfds = i % 2 == 0 ? numbers[i] : MAX + 1;
            raw_send(s[0], "x", 1, l.fds, numbers[i]);
            memset(fds, 0x55, sizeof fds);
            const struct unx_msg before = m;
            CHECK_INT(unx_recv(s[1], &m, 0), 1);
            check_half(&before, &m);
            CHECK_INT(m.fds_got, numbers[i]);
            CHECK_INT(m.got, UNX_GOT_FDS);
            for (unsigned j = m.fds_got; j < m.nfds; j++) {
                CHECK_INT(fds[j], -1);
            }
            check_given(&l, fds, m.fds_got);
            /* The same struct again: nothing of the last answer may shine through. */
            raw_send(s[0], "y", 1, NULL, 0);
            CHECK_INT(unx_recv(s[1], &m, 0), 1);
            CHECK_INT(m.fds_got, 0);
            CHECK_INT(m.got, 0);
            CHECK_INT(fds[0], -1);
        }
        close_pair(s);
    }
    ends(&l);
}

static void too_many(void)
{
    struct lent l;
    lend(&l);
    const struct iovec out = BYTES("x");
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_msg m = message(&out, 1);
        m.fds = l.fds;
        static const unsigned numbers[] = {254, 255, 4096, 0x40000000u, 0xffffffffu};
        for (unsigned i = 0; i < sizeof numbers / sizeof *numbers; i++) {
            m.nfds = numbers[i];
            CHECK_INT(unx_send(s[0], &m, 0), -E2BIG);
        }
        CHECK_INT(unx_limit(UNX_LIMIT_FDS), MAX);
        check_nothing(s[1]);
        close_pair(s);
    }
    ends(&l);
}

static void a_bad_one_among_them(void)
{
    struct lent l;
    lend(&l);
    const struct iovec out = BYTES("x");
    static const unsigned places[] = {0, 1, 126, 251, 252};
    static const int bad[] = {-1, -9, 900, 0x7fffffff};
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
            for (unsigned j = 0; j < sizeof bad / sizeof *bad; j++) {
                int fds[MAX];
                memcpy(fds, l.fds, sizeof fds);
                fds[places[i]] = bad[j];
                struct unx_msg m = message(&out, 1);
                m.fds = fds;
                m.nfds = MAX;
                CHECK_INT(unx_send(s[0], &m, 0), -EBADF);
                CHECK_INT(m.len, 0);
                check_nothing(s[1]);
            }
        }
        close_pair(s);
    }
    ends(&l);
}

static void sending_never_closes(void)
{
    struct lent l;
    lend(&l);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const struct iovec out = BYTES("x");
    struct unx_msg m = message(&out, 1);
    m.fds = l.fds;
    m.nfds = 2;
    const int before = harness_nfds();
    CHECK_INT(unx_send(s[0], &m, 0), 1);
    CHECK_INT(harness_nfds(), before);
    /* What was lent may be closed after the return: the message holds the file. */
    const int late = dup(l.fds[0]);
    m.fds = (int *)&late;
    m.nfds = 1;
    CHECK_INT(unx_send(s[0], &m, 0), 1);
    close(late);
    struct raw_got g;
    char c;
    raw_recv(s[1], &c, 1, 0, &g);
    raw_close_fds(&g);
    raw_recv(s[1], &c, 1, 0, &g);
    CHECK(g.nfds == 1 && raw_same_file(g.fds[0], l.fds[0]));
    raw_close_fds(&g);
    close_pair(s);
    ends(&l);
}

/* Sends until it fails for lack of room, and reads nothing: what was queued is closed with the pair. */
static void failed_sends_keep_nothing(void)
{
    struct lent l;
    lend(&l);
    static char large[300000];
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        const struct iovec small = {large, 1000}, huge = {large, sizeof large};
        struct unx_msg m = message(&huge, 1);
        m.fds = l.fds;
        m.nfds = 2;
        if (raw_types[t] != SOCK_STREAM) {
            CHECK_INT(unx_send(s[0], &m, 0), -EMSGSIZE);
        }
        m.iov = &small;
        int r;
        while ((r = unx_send(s[0], &m, UNX_DONTWAIT)) == 1) {
        }
        CHECK_INT(r, -EAGAIN);
        CHECK_INT(m.len, 0);
        close(s[1]);
        CHECK(unx_send(s[0], &m, UNX_DONTWAIT) < 0);
        close(s[0]);
    }
    ends(&l);
}

static void refused_by_the_receiver(void)
{
    struct lent l;
    lend(&l);
    const struct iovec out = BYTES("x");
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], 0, s), 0);
        int value = 1;
        if (setsockopt(s[1], SOL_SOCKET, RAW_SO_PASSRIGHTS, &value, sizeof value) != 0) {
            close_pair(s);
            SKIP("this kernel cannot refuse descriptors");
        }
        value = 0;
        CHECK_INT(setsockopt(s[1], SOL_SOCKET, RAW_SO_PASSRIGHTS, &value, sizeof value), 0);
        struct unx_msg m = message(&out, 1);
        m.fds = l.fds;
        m.nfds = 2;
        CHECK_INT(unx_send(s[0], &m, 0), -EPERM);
        check_nothing(s[1]);
        m.nfds = 0;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        check_arrived(s[1], "x", 1);
        close_pair(s);
    }
    ends(&l);
}

static void too_many_in_flight_child(void *arg)
{
    (void)arg;
    struct lent l;
    int s[2];
    lend(&l);
    raw_pair(SOCK_DGRAM, s);
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresgid(65534, 65534, 65534), 0);
    CHECK_INT(setresuid(65534, 65534, 65534), 0);
    struct rlimit few;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &few), 0);
    few.rlim_cur = 64;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    const struct iovec out = BYTES("x");
    struct unx_msg m = message(&out, 1);
    m.fds = l.fds;
    m.nfds = 50;
    int r;
    for (unsigned i = 0; i < 100 && (r = unx_send(s[0], &m, UNX_DONTWAIT)) == 1; i++) {
    }
    CHECK_INT(r, -ETOOMANYREFS);
    CHECK_INT(m.error, -ETOOMANYREFS);
    m.nfds = 0;
    CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), 1);
    close_pair(s);
    ends(&l);
}

static void too_many_in_flight(void)
{
    if (getuid() != 0) {
        SKIP("only root can become another user");
    }
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors does not work here");
    }
    harness_wait(harness_fork(too_many_in_flight_child, NULL));
}

static void plain_drops_them(void)
{
    struct lent l;
    lend(&l);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        char c;
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        raw_send(s[0], "x", 1, l.fds, 3);
        const int before = harness_nfds();
        CHECK_INT(unx_recv(s[1], &m, UNX_PLAIN), 1);
        CHECK_INT(harness_nfds(), before);
        CHECK_INT(m.fds_got, 0);
        close_pair(s);
    }
    ends(&l);
}

static void unwanted_ones_close_fast(void)
{
    int s[2], keep;
    raw_pair(SOCK_SEQPACKET, s);
    const int fd = raw_lingering(&keep);
    raw_send(s[0], "x", 1, &fd, 1);
    raw_send(s[0], "xx", 2, &fd, 1);
    close(fd);
    /* The last reference is the one in the queue. */
    char c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    const int64_t start = raw_now();
    CHECK_INT(unx_recv(s[1], &m, 0), -ENOBUFS);
    CHECK_INT(unx_recv(s[1], &m, 0), -EMSGSIZE);
    CHECK(raw_now() - start < 2000); /* it lingers for as long as that */
    close(keep);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(counts),
    CASE(received),
    CASE(too_many),
    CASE(a_bad_one_among_them),
    CASE(sending_never_closes),
    CASE(failed_sends_keep_nothing),
    CASE(refused_by_the_receiver),
    CASE(too_many_in_flight),
    CASE(plain_drops_them),
    CASE(unwanted_ones_close_fast),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
