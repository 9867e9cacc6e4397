// SPDX-License-Identifier: MIT
/*
 * Counter-examples: the receivers and senders that everybody writes first. Each case holds one of them against what the
 * library is held against, and must fail, so that it is proven that the tests would notice.
 */
#include "conformance.h"
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

/* Room for one descriptor, and one is taken. On 64 bits the padding has room for a second one. */
static int naive_recv_fd(int fd)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    char c;
    int got = -1;
    struct iovec iov = {&c, 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &h, MSG_CMSG_CLOEXEC) > 0 && CMSG_FIRSTHDR(&h) != NULL) {
        memcpy(&got, CMSG_DATA(CMSG_FIRSTHDR(&h)), sizeof got);
    }
    return got;
}

static void room_for_one(void)
{
    if (CMSG_SPACE(sizeof(int)) == CMSG_LEN(sizeof(int))) {
        SKIP("there is no padding after a descriptor here");
    }
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[0], "x", 1, s, 2);
    const int fd = naive_recv_fd(s[1]);
    CHECK(fd >= 0);
    close(fd);
    close(s[0]);
    close(s[1]);
}

/* Counts what came and looks at nothing else. */
static int naive_recv_fds(int fd, int *fds)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(16 * sizeof(int))];
    } control;
    char c;
    struct iovec iov = {&c, 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    if (recvmsg(fd, &h, MSG_CMSG_CLOEXEC) < 0) {
        return -errno;
    }
    const struct cmsghdr *first = CMSG_FIRSTHDR(&h);
    if (first == NULL) {
        return 0;
    }
    const size_t n = (first->cmsg_len - CMSG_LEN(0)) / sizeof(int);
    memcpy(fds, CMSG_DATA(first), n * sizeof(int));
    return (int)n;
}

static void cut_control_data_unseen(void)
{
    int s[2], fds[16];
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors does not work here");
    }
    raw_pair(SOCK_SEQPACKET, s);
    const int lent[5] = {s[0], s[0], s[0], s[0], s[0]};
    raw_send(s[0], "x", 1, lent, 5);
    raw_limit(2);
    const int n = naive_recv_fds(s[1], fds);
    raw_unlimit();
    for (int i = 0; i < n; i++) {
        close(fds[i]);
    }
    close(s[0]);
    close(s[1]);
    CHECK(n < 0 || n == 5);
}

static void *counts_descriptors(void *arg)
{
    static unsigned n;
    static char data[1 << 16];
    struct raw_got g;
    do {
        raw_recv(*(int *)arg, data, sizeof data, 0, &g);
        n += g.nfds;
        raw_close_fds(&g);
    } while (g.result > 0);
    return &n;
}

static void descriptors_sent_again(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    static char data[4 << 20];
    /* Nobody reads yet, so the first send is short. */
    size_t sent = (size_t)raw_try_send(s[0], data, sizeof data, s, 1, MSG_DONTWAIT);
    CHECK(sent < sizeof data);
    pthread_t reader;
    CHECK_INT(pthread_create(&reader, NULL, counts_descriptors, &s[1]), 0);
    while (sent < sizeof data) {
        const ssize_t n = raw_try_send(s[0], data + sent, sizeof data - sent, s, 1, MSG_DONTWAIT);
        CHECK(n > 0 || n == -EAGAIN);
        sent += n > 0 ? (size_t)n : 0;
    }
    CHECK_INT(shutdown(s[0], SHUT_WR), 0);
    void *n;
    CHECK_INT(pthread_join(reader, &n), 0);
    close(s[0]);
    close(s[1]);
    CHECK_INT(*(unsigned *)n, 1);
}

static void whole_timeout_again(void)
{
    int s[2];
    char c;
    raw_pair(SOCK_SEQPACKET, s);
    /* So long that a process which does not run for a while does not let it pass between two signals. */
    const struct timeval tv = {1, 500000};
    CHECK_INT(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv), 0);
    raw_signals_start();
    ssize_t r;
    do {
        r = recv(s[0], &c, 1, 0);
    } while (r < 0 && errno == EINTR);
    raw_signals_stop();
    close(s[0]);
    close(s[1]);
}

static void zero_is_the_end(void)
{
    int s[2];
    char data[16];
    unsigned messages = 0;
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[1], "one", 3, NULL, 0);
    raw_send(s[1], "", 0, NULL, 0);
    raw_send(s[1], "three", 5, NULL, 0);
    close(s[1]);
    while (recv(s[0], data, sizeof data, 0) > 0) {
        messages++;
    }
    close(s[0]);
    CHECK_INT(messages, 3);
}

static void a_reset_is_final(void)
{
    int s[2];
    char data[16];
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[0], "request", 7, NULL, 0);
    raw_send(s[1], "refused", 7, NULL, 0);
    close(s[1]);
    const ssize_t n = recv(s[0], data, sizeof data, 0);
    close(s[0]);
    CHECK_INT(n, 7);
}

static void cut_packet_unseen(void)
{
    int s[2];
    char data[4];
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[1], "0123456789", 10, NULL, 0);
    const ssize_t n = read(s[0], data, sizeof data);
    close(s[0]);
    close(s[1]);
    CHECK(n < 0 || n == 10);
}

/* The end of a stream comes with pid 0 and uid 0. */
static void root_at_the_end(void)
{
    int s[2];
    char c;
    struct raw_got g;
    raw_pair(SOCK_STREAM, s);
    raw_set(s[1], SO_PASSCRED, 1);
    close(s[0]);
    raw_recv(s[1], &c, 1, 0, &g);
    close(s[1]);
    CHECK(!g.has_cred);
}

static void a_signal_for_everybody(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    close(s[1]);
    CHECK(write(s[0], "x", 1) < 0);
    close(s[0]);
}

#ifdef __GLIBC__
static int cancelled_socket, cancelled_result;
static pthread_barrier_t cancelled_ready;

static void *receives_until_cancelled(void *arg)
{
    raw_run_last();
    pthread_barrier_wait(&cancelled_ready);
    cancelled_result = naive_recv_fd(cancelled_socket);
    return arg;
}

static void cancelled_in_recvmsg(void)
{
    raw_need_quiet();
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    cancelled_socket = s[0];
    CHECK_INT(pthread_barrier_init(&cancelled_ready, NULL, 2), 0);
    /* The message and the cancellation are both there before the thread runs again. */
    raw_one_cpu();
    for (unsigned i = 0; i < 20; i++) {
        pthread_t t;
        cancelled_result = -1;
        CHECK_INT(pthread_create(&t, NULL, receives_until_cancelled, NULL), 0);
        pthread_barrier_wait(&cancelled_ready);
        raw_sleep(2);
        raw_send(s[1], "x", 1, &s[1], 1);
        pthread_cancel(t);
        pthread_join(t, NULL);
        if (cancelled_result >= 0) {
            close(cancelled_result);
        } else {
            struct raw_got g;
            char c;
            raw_recv(s[0], &c, 1, MSG_DONTWAIT, &g);
            raw_close_fds(&g);
        }
    }
    pthread_barrier_destroy(&cancelled_ready);
    close(s[0]);
    close(s[1]);
}
#endif

/* Twenty lines that look right, and the script finds out. */
static int naive_way(int fd, struct unx_msg *m, unsigned flags)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(RAW_MAX_FDS * sizeof(int))];
    } control;
    struct msghdr h = {.msg_iov = (struct iovec *)m->iov,
                       .msg_iovlen = m->niov,
                       .msg_control = &control,
                       .msg_controllen = CMSG_SPACE(m->nfds * sizeof(int))};
    (void)flags;
    ssize_t n;
    do {
        n = recvmsg(fd, &h, MSG_CMSG_CLOEXEC);
    } while (n < 0 && errno == EINTR);
    m->fds_got = m->got = 0;
    m->len = m->full_len = n < 0 ? 0 : (size_t)n;
    const struct cmsghdr *first = CMSG_FIRSTHDR(&h);
    if (n >= 0 && first != NULL && first->cmsg_type == SCM_RIGHTS) {
        m->fds_got = (unsigned)((first->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        m->fds_got = m->fds_got > m->nfds ? m->nfds : m->fds_got;
        memcpy(m->fds, CMSG_DATA(first), m->fds_got * sizeof(int));
        m->got = UNX_GOT_FDS;
    }
    m->error = n < 0 ? -errno : 0;
    for (unsigned i = m->fds_got; i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    return n < 0 ? -errno : n > 0;
}

static void through_the_script(void)
{
    const struct way way = {"a naive receiver", naive_way, CAN_TYPES | CAN_FDS | CAN_TABLE | CAN_ROOM | CAN_FD_ROOM};
    CHECK_INT(conformance_run(&way), 0);
}

static const struct test_case cases[] = {
    {"room_for_one", room_for_one, HARNESS_LEAK, 0},
    {"cut_control_data_unseen", cut_control_data_unseen, HARNESS_FAIL, 0},
    {"descriptors_sent_again", descriptors_sent_again, HARNESS_FAIL, 0},
    {"whole_timeout_again", whole_timeout_again, HARNESS_HANG, 4},
    {"zero_is_the_end", zero_is_the_end, HARNESS_FAIL, 0},
    {"a_reset_is_final", a_reset_is_final, HARNESS_FAIL, 0},
    {"cut_packet_unseen", cut_packet_unseen, HARNESS_FAIL, 0},
    {"root_at_the_end", root_at_the_end, HARNESS_FAIL, 0},
    {"a_signal_for_everybody", a_signal_for_everybody, HARNESS_FAIL, 0},
#ifdef __GLIBC__
    {"cancelled_in_recvmsg", cancelled_in_recvmsg, HARNESS_LEAK, 60},
#endif
    {"through_the_script", through_the_script, HARNESS_FAIL, 0},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
