// SPDX-License-Identifier: MIT
/*
 * What else comes with a message: a pidfd of its sender, the time it was sent, a security label, and what has no field.
 *
 * What surprised us (Linux 6.18): a pidfd that finds no place in the table arrives as a negative number without any
 * flag; the option for labels cuts the control data of a receiver that has no room for any, though nothing would come.
 */
#include "message.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <time.h>
#include <unx/control.h>

static void need_pidfd(int type, int s[2])
{
    const int r = unx_pair(type, UNX_PASSPIDFD, s);
    if (r == -EOPNOTSUPP) {
        SKIP("no pidfds with messages on this kernel");
    }
    CHECK_INT(r, 0);
}

static void sends_one(void *arg)
{
    const int *s = arg;
    raw_send(s[0], "x", 1, NULL, 0);
    raw_sleep(10000);
}

static void pidfd_of_the_sender(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], pidfd = 77;
        char c;
        need_pidfd(raw_types[t], s);
        const pid_t child = harness_fork(sends_one, s);
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        m.pidfd = &pidfd;
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.got, UNX_GOT_PIDFD);
        CHECK(pidfd >= 0);
        CHECK(raw_cloexec(pidfd));
        CHECK_INT(unx_pidfd_check(pidfd, child), 1);
        CHECK_INT(unx_pidfd_check(pidfd, getpid()), 0);
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
        CHECK_INT(unx_pidfd_check(pidfd, child), 0);
        CHECK_INT(unx_pidfd_check(pidfd, 0), 0);
        close(pidfd);
        close_pair(s);
    }
}

/* Nobody asked for it, or nothing came, or the message failed: no descriptor is open afterwards. */
static void pidfd_not_wanted(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], pidfd = 77;
        char data[4];
        need_pidfd(raw_types[t], s);
        const struct iovec in = {data, 4};
        struct unx_msg m = message(&in, 1);
        const int before = harness_nfds();
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.got & ~UNX_GOT_PIDFD, 0);
        CHECK_INT(harness_nfds(), before);
        m.pidfd = &pidfd;
        CHECK_INT(unx_recv(s[1], &m, UNX_DONTWAIT), -EAGAIN);
        CHECK_INT(pidfd, -1);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, UNX_PEEK), 1);
        CHECK_INT(pidfd, -1);
        CHECK_INT(unx_recv(s[1], &m, UNX_PEEK_FDS), 1);
        CHECK(pidfd >= 0);
        close(pidfd);
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        close(pidfd);
        if (raw_types[t] != SOCK_STREAM) {
            raw_send(s[0], "too long", 8, NULL, 0);
            pidfd = 77;
            CHECK_INT(unx_recv(s[1], &m, 0), -EMSGSIZE);
            CHECK_INT(pidfd, -1);
        }
        CHECK_INT(harness_nfds(), before);
        close_pair(s);
    }
}

static void pidfd_and_full_table(void)
{
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors does not work here");
    }
    for (unsigned t = 0; t < 3; t++) {
        int s[2], pidfd;
        char c;
        need_pidfd(raw_types[t], s);
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        for (unsigned asked = 0; asked < 2; asked++) {
            for (unsigned partial = 0; partial < 2; partial++) {
                pidfd = 77;
                m.pidfd = asked ? &pidfd : NULL;
                raw_send(s[0], "x", 1, NULL, 0);
                raw_limit(0);
                const int r = unx_recv(s[1], &m, partial ? UNX_PARTIAL : 0);
                raw_unlimit();
                CHECK_INT(r, asked && !partial ? -EMFILE : 1);
                CHECK_INT(m.got, asked ? UNX_CUT_PIDFD : 0);
                CHECK_INT(pidfd, asked ? -1 : 77);
            }
        }
        close_pair(s);
    }
}

/* 253 descriptors, credentials and a pidfd: nothing of it may starve the rest. */
static void everything_at_once(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2], p[2], pidfd, lent[253], fds[253];
        const int made =
            unx_pair(types[t], UNX_PASSPIDFD | UNX_PASSCRED | UNX_PASSFDS | UNX_TIMESTAMP | UNX_PASSSEC, s);
        if (made == -EOPNOTSUPP) {
            SKIP("this kernel lacks one of them");
        }
        CHECK_INT(made, 0);
        raw_pipe(p);
        for (unsigned i = 0; i < 253; i++) {
            lent[i] = p[1];
        }
        raw_send(s[0], "x", 1, lent, 253);
        char c, label[256] = "rubbish";
        struct unx_cred cred;
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        m.pidfd = &pidfd;
        m.cred = &cred;
        m.fds = fds;
        m.nfds = 253;
        m.label = label;
        m.label_max = sizeof label;
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.fds_got, 253);
        CHECK_INT(m.got & ~UNX_GOT_LABEL, UNX_GOT_FDS | UNX_GOT_CRED | UNX_GOT_PIDFD | UNX_GOT_TIME);
        CHECK_INT(cred.pid, getpid());
        CHECK_INT(unx_pidfd_check(pidfd, getpid()), 1);
        CHECK_INT(strlen(label), m.label_len);
        for (unsigned i = 0; i < 253; i++) {
            CHECK(raw_same_file(fds[i], p[1]));
            close(fds[i]);
        }
        close(pidfd);
        close_pair(p);
        close_pair(s);
    }
}

/* On a stream a peek without room for a byte is a mistake,
 * and what the kernel has installed for it all the same is closed. */
static void peek_without_room(void)
{
    for (unsigned raw = 0; raw < 2; raw++) {
        int s[2], p[2], pidfd = 77, fds[2] = {77, 77};
        char control[UNX_CONTROL_ROOM];
        struct unx_cred cred;
        const int made = unx_pair(SOCK_STREAM, UNX_PASSPIDFD | UNX_PASSCRED | UNX_PASSFDS, s);
        CHECK_INT(made == -EOPNOTSUPP ? unx_pair(SOCK_STREAM, UNX_PASSCRED | UNX_PASSFDS, s) : made, 0);
        raw_pipe(p);
        raw_send(s[0], "x", 1, p, 2);
        struct unx_msg m = message(NULL, 0);
        m.cred = raw ? NULL : &cred;
        m.pidfd = raw ? NULL : &pidfd;
        m.fds = raw ? NULL : fds;
        m.nfds = raw ? 0 : 2;
        m.control = raw ? control : NULL;
        m.control_max = raw ? sizeof control : 0;
        const int before = harness_nfds();
        CHECK_INT(unx_recv(s[1], &m, UNX_PEEK_FDS), -EINVAL);
        CHECK_INT(unx_recv(s[1], &m, UNX_PEEK_FDS | UNX_PARTIAL), -EINVAL);
        CHECK_INT(harness_nfds(), before);
        CHECK_INT(m.error, -EINVAL);
        CHECK_INT(m.fds_got + m.control_len + m.got, 0);
        CHECK(raw || (fds[0] == -1 && fds[1] == -1 && pidfd == -1 && cred.known == 0));
        /* Nor is anything lost. */
        char c;
        const struct iovec in = {&c, 1};
        struct unx_msg whole = message(&in, 1);
        whole.fds = fds;
        whole.nfds = 2;
        CHECK_INT(unx_recv(s[1], &whole, 0), 1);
        CHECK_INT(whole.fds_got, 2);
        close_pair(fds);
        close_pair(p);
        close_pair(s);
    }
}

static int64_t wall_clock(void)
{
    struct timespec t;
    CHECK_INT(clock_gettime(CLOCK_REALTIME, &t), 0);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

static void time_of_sending(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    int s[2] = {-7, -7};
    CHECK_INT(unx_pair(SOCK_STREAM, UNX_TIMESTAMP, s), -EOPNOTSUPP);
    CHECK_INT(s[0], -7);
    CHECK_INT(unx_socket(SOCK_STREAM, UNX_TIMESTAMP), -EOPNOTSUPP);
    for (unsigned t = 0; t < 2; t++) {
        CHECK_INT(unx_pair(types[t], UNX_TIMESTAMP, s), 0);
        char c;
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        const int64_t before = wall_clock();
        raw_send(s[0], "x", 1, NULL, 0);
        const int64_t after = wall_clock();
        raw_sleep(50);
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.got, UNX_GOT_TIME);
        /* When it was sent, not when it was received. */
        CHECK(m.time_ns >= before && m.time_ns <= after);
        CHECK_INT(unx_recv(s[1], &m, UNX_DONTWAIT), -EAGAIN);
        CHECK_INT(m.time_ns, 0);
        close_pair(s);
    }
}

/* With the option on and no security module, a receiver without room for a label gets its message all the same. */
static void labels(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSSEC | UNX_PASSFDS, s), 0);
        char c, label[128];
        const struct iovec in = {&c, 1};
        struct unx_msg m = message(&in, 1);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.got & ~UNX_GOT_LABEL, 0);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, UNX_PLAIN), 1);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, UNX_PEEK), 1);
        memset(label, 0x55, sizeof label);
        m.label = label;
        m.label_max = sizeof label;
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(strnlen(label, sizeof label), m.label_len);
        CHECK_INT((m.got & UNX_GOT_LABEL) != 0, m.label_len > 0);
        close_pair(s);
    }
}

/* SO_INQ has no field: the caller is told that there was something, and can look at it as control data. */
static void what_has_no_field(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    const int on = 1;
    if (setsockopt(s[1], SOL_SOCKET, RAW_SO_INQ, &on, sizeof on) != 0) {
        close_pair(s);
        SKIP("no SO_INQ on this kernel");
    }
    char data[4], control[UNX_CONTROL_ROOM];
    const struct iovec in = {data, 4};
    struct unx_msg m = message(&in, 1);
    raw_send(s[0], "0123456789a", 11, NULL, 0);
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    CHECK_INT(m.got, UNX_GOT_OTHER);
    m.control = control;
    m.control_max = sizeof control;
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    struct unx_control_reader r;
    struct unx_control_item item;
    CHECK_INT(unx_control_reader_init(&r, control, m.control_len), 0);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(item.level, SOL_SOCKET);
    CHECK_INT(item.type, RAW_SO_INQ);
    int left;
    CHECK_INT(item.len, sizeof left);
    memcpy(&left, item.data, sizeof left);
    CHECK_INT(left, 3);
    CHECK_INT(unx_control_next(&r, &item), 0);
    CHECK_INT(unx_control_reader_close(&r), 0);
    /* And at the end it comes too, which is no message. */
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    m.control = NULL;
    m.control_max = 0;
    close(s[0]);
    CHECK_INT(unx_recv(s[1], &m, 0), 0);
    close(s[1]);
}

static const struct test_case cases[] = {
    CASE(pidfd_of_the_sender),
    CASE(pidfd_not_wanted),
    CASE(pidfd_and_full_table),
    CASE(everything_at_once),
    CASE(peek_without_room),
    CASE(time_of_sending),
    CASE(labels),
    CASE(what_has_no_field),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
