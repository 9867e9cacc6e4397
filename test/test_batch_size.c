// SPDX-License-Identifier: MIT
/*
 * Batches that take more than one system call, and what they cost in time: none of it may show, neither at the border
 * between two calls, nor where the control data of one call is full.
 *
 * What surprised us (Linux 6.18): descriptors that find no room in the control data are closed by the kernel before
 * recvmmsg(2) returns, and it waits as long as SO_LINGER says. Why a batch stopped behind others is learned by sending
 * that message again; an error that is told once has then become the one that follows it.
 */
#include "message.h"
#include "raw_addr.h"

#include <stdlib.h>
#include <sys/resource.h>

#define MANY 100u
#define ALL 253u

static void any_number(void)
{
    static const unsigned numbers[] = {1, 2, 15, 16, 17, 31, 32, 33, 34, 48, 63, 64, 65, MANY};
    for (unsigned k = 0; k < sizeof numbers / sizeof *numbers; k++) {
        const unsigned n = numbers[k];
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        char data[MANY][8], room[MANY][8];
        struct iovec from[MANY], to[MANY];
        struct unx_msg out[MANY], in[MANY];
        for (unsigned i = 0; i < n; i++) {
            raw_pattern(data[i], sizeof data[i], i * sizeof data[i]);
            from[i] = (struct iovec){data[i], i % 9};
            to[i] = (struct iovec){room[i], sizeof room[i]};
            out[i] = message(&from[i], 1);
            in[i] = message(&to[i], 1);
        }
        ROW("%u messages", n);
        CHECK_INT(unx_send_many(s[0], out, n, 0), n);
        CHECK_INT(unx_recv_many(s[1], in, n, 0), n);
        for (unsigned i = 0; i < n; i++) {
            CHECK_INT(out[i].error, 0);
            CHECK_INT(out[i].len, i % 9);
            CHECK_INT(in[i].error, 0);
            CHECK_MEM(room[i], in[i].len, data[i], i % 9);
        }
        check_nothing(s[1]);
        close_pair(s);
    }
}

/* More descriptors than the control data of one call holds, on both sides of every border. */
static void descriptors_of_each(void)
{
    struct rlimit files;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &files), 0);
    files.rlim_cur = files.rlim_max < 8192 ? files.rlim_max : 8192;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &files), 0);
    if (files.rlim_cur < 8192) {
        SKIP("needs 8192 descriptors");
    }
    int s[2], p[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pipe(p);
    int lent[ALL];
    for (unsigned i = 0; i < ALL; i++) {
        lent[i] = p[i % 2];
    }
    int(*fds)[ALL] = calloc(MANY, sizeof *fds);
    CHECK(fds != NULL);
    char c = 'c', d[MANY];
    const struct iovec from = {&c, 1};
    struct iovec to[MANY];
    struct unx_msg out[MANY], in[MANY];
    unsigned want[MANY];
    for (unsigned i = 0; i < MANY; i++) {
        want[i] = i >= 24 && i < 36 ? ALL : i % 3;
        out[i] = message(&from, 1);
        out[i].fds = lent;
        out[i].nfds = want[i];
        to[i] = (struct iovec){&d[i], 1};
        in[i] = message(&to[i], 1);
        in[i].fds = fds[i];
        in[i].nfds = i == 33 ? ALL - 1 : i == 40 ? 0 : ALL;
    }
    const int before = harness_nfds();
    CHECK_INT(unx_send_many(s[0], out, MANY, 0), MANY);
    CHECK_INT(unx_recv_many(s[1], in, MANY, 0), MANY);
    for (unsigned i = 0; i < MANY; i++) {
        ROW("message %u", i);
        const bool surplus = i == 33 || i == 40;
        CHECK_INT(in[i].error, surplus ? -ENOBUFS : 0);
        CHECK_INT(in[i].fds_got, surplus ? 0 : want[i]);
        for (unsigned f = 0; f < in[i].nfds; f++) {
            CHECK(f < in[i].fds_got ? raw_same_file(fds[i][f], lent[f]) && raw_cloexec(fds[i][f]) : fds[i][f] == -1);
            close(fds[i][f]);
        }
    }
    CHECK_INT(harness_nfds(), before);
    free(fds);
    close_pair(p);
    close_pair(s);
}

/* Closing the last copy of a descriptor that nobody wanted must not stop the batch. */
static void unwanted_ones_close_fast(void)
{
    for (unsigned room = 0; room < 2; room++) {
        int s[2], keep[2], lent[ALL], got[40];
        raw_pair(SOCK_SEQPACKET, s);
        for (unsigned i = 0; i < ALL; i++) {
            lent[i] = s[0];
        }
        char c = 'c';
        struct iovec iov = {&c, 1};
        struct unx_msg in[40];
        for (unsigned i = 0; i < 40; i++) {
            in[i] = message(&iov, 1);
            in[i].fds = &got[i];
            in[i].nfds = room;
            const bool last = i == 2 || i == 20;
            const int fd = last ? raw_lingering(&keep[i == 20]) : -1;
            lent[ALL - 1] = fd;
            raw_send(s[0], "x", 1, lent, last ? ALL : 0);
            close(fd);
        }
        const int64_t start = raw_now();
        CHECK_INT(unx_recv_many(s[1], in, 40, 0), 40);
        CHECK(raw_now() - start < 2000); /* each of them lingers for as long as that */
        CHECK_INT(in[2].error, -ENOBUFS);
        CHECK_INT(in[20].error, -ENOBUFS);
        close_pair(keep);
        close_pair(s);
    }
}

/* ---- how long, and why not ---- */

static void fill(int fd, struct unx_msg out[MANY], struct iovec *iov)
{
    raw_set(fd, SO_SNDBUF, 16384);
    for (unsigned i = 0; i < MANY; i++) {
        out[i] = message(iov, 1);
    }
}

/* The timeout of a socket is waited for once, whether signals come or not. */
static void a_timeout_behind_others(void)
{
    for (unsigned signals = 0; signals < 2; signals++) {
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        CHECK_INT(unx_set_timeout(s[0], UNX_SEND, 1000), 0);
        char c = 'c';
        struct iovec iov = {&c, 1};
        struct unx_msg out[MANY];
        fill(s[0], out, &iov);
        if (signals) {
            raw_signals_start();
        }
        const int64_t start = raw_now();
        const int sent = unx_send_many(s[0], out, MANY, 0);
        raw_took(start, 1000);
        CHECK(sent > 0 && sent < (int)MANY);
        CHECK_INT(out[sent].error, -EAGAIN);
        if (signals) {
            raw_signals_came(0);
        }
        close_pair(s);
    }
}

/* A socket that does not block waits for nothing, whatever its timeout. */
static void no_wait_on_a_nonblocking_one(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_set_timeout(s[0], UNX_SEND, 5000), 0);
    CHECK_INT(unx_set_nonblock(s[0], 1), 0);
    char c = 'c';
    struct iovec iov = {&c, 1};
    struct unx_msg out[MANY];
    fill(s[0], out, &iov);
    const int64_t start = raw_now();
    const int sent = unx_send_many(s[0], out, MANY, 0);
    raw_took(start, 0);
    CHECK(sent > 0 && sent < (int)MANY);
    CHECK_INT(out[sent].error, -EAGAIN);
    close_pair(s);
}

static void take_slowly(void *arg)
{
    const int fd = *(int *)arg;
    for (unsigned i = 0; i < MANY; i++) {
        char c;
        CHECK_INT(recv(fd, &c, 1, 0), 1);
        raw_sleep(i % 8 == 0 ? 5 : 0);
    }
}

/* A batch that a signal interrupts goes on, message by message. */
static void signals_stop_nothing(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned k = 0; k < 2; k++) {
        int s[2];
        raw_pair(types[k], s);
        char c = 'c';
        struct iovec iov = {&c, 1};
        struct unx_msg out[MANY];
        fill(s[0], out, &iov);
        const pid_t reader = harness_fork(take_slowly, &s[1]);
        raw_signals_start();
        CHECK_INT(unx_send_many(s[0], out, MANY, 0), MANY);
        raw_signals_stop();
        harness_wait(reader);
        close_pair(s);
    }
}

static void close_later(void *arg)
{
    (void)arg;
    raw_until_asleep(getppid());
}

/* The receiver goes while the batch waits for it. */
static void the_receiver_goes(void)
{
    raw_need_quiet();
    static const struct {
        int type, error;
    } rows[] = {{SOCK_SEQPACKET, -EPIPE}, {SOCK_DGRAM, -ENOTCONN}};
    for (unsigned k = 0; k < 2; k++) {
        int s[2];
        raw_pair(rows[k].type, s);
        char c = 'c';
        struct iovec iov = {&c, 1};
        struct unx_msg out[MANY];
        fill(s[0], out, &iov);
        /* A child has the only copy then. */
        const pid_t receiver = harness_fork(close_later, NULL);
        close(s[1]);
        ROW("%s", raw_type_name(rows[k].type));
        const int sent = unx_send_many(s[0], out, MANY, 0);
        CHECK(sent > 0 && sent < (int)MANY);
        CHECK_INT(out[sent].error, rows[k].error);
        CHECK_INT(unx_send_many(s[0], out + sent, 1, 0), rows[k].error);
        harness_wait(receiver);
        close(s[0]);
    }
}

static const struct test_case cases[] = {
    CASE(any_number),
    CASE(descriptors_of_each),
    CASE(unwanted_ones_close_fast),
    CASE(a_timeout_behind_others),
    CASE(no_wait_on_a_nonblocking_one),
    CASE(signals_stop_nothing),
    CASE(the_receiver_goes),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
