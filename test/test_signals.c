// SPDX-License-Identifier: MIT
/*
 * Signals and time: interrupted calls go on with the time that remains, unless the caller asked to be told; no SIGPIPE.
 *
 * What surprised us (Linux 6.18): a socket timeout starts anew with each system call, so a receive of 200 ms that is
 * blindly repeated had not expired after 3 s of a 1 kHz signal. SIGSTOP and SIGCONT interrupt like any other signal.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <time.h>

/* By the clock: not early, and not much later than asked. */
static void check_timed(int (*call)(int fd), int fd, int want, int64_t ms)
{
    const int64_t start = raw_now();
    CHECK_INT(call(fd), want);
    raw_took(start, ms);
}

/* Since `start`, from where on somebody else waits, too, to do something. */
static void check_since(int64_t start, int (*call)(int fd), int fd, int want, int64_t ms)
{
    CHECK_INT(call(fd), want);
    raw_took_with_others(start, ms);
}

static int receive_one(int fd)
{
    char c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    return unx_recv(fd, &m, 0);
}

static int receive_plain(int fd)
{
    char c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    return unx_recv(fd, &m, UNX_PLAIN);
}

static int receive_interrupted(int fd)
{
    char c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    return unx_recv(fd, &m, UNX_INTR);
}

static int send_one(int fd)
{
    static char data[1000];
    const struct iovec out = {data, sizeof data};
    struct unx_msg m = message(&out, 1);
    return unx_send(fd, &m, 0);
}

static int send_interrupted(int fd)
{
    static char data[1000];
    const struct iovec out = {data, sizeof data};
    struct unx_msg m = message(&out, 1);
    return unx_send(fd, &m, UNX_INTR);
}

static int send_batch(int fd, unsigned flags)
{
    static char data[1000];
    const struct iovec out = {data, sizeof data};
    struct unx_msg m[3] = {message(&out, 1), message(&out, 1), message(&out, 1)};
    return unx_send_many(fd, m, 3, flags);
}

static int send_many(int fd)
{
    return send_batch(fd, 0);
}

static int send_many_interrupted(int fd)
{
    return send_batch(fd, UNX_INTR);
}

static void fill(int fd)
{
    static char data[1000];
    while (raw_try_send(fd, data, sizeof data, NULL, 0, MSG_DONTWAIT) > 0) {
    }
}

static void receive_expires_in_time(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        CHECK_INT(unx_set_timeout(s[0], UNX_RECV, 200), 0);
        check_timed(receive_one, s[0], -EAGAIN, 200);
        raw_signals_start();
        check_timed(receive_one, s[0], -EAGAIN, 200);
        check_timed(receive_plain, s[0], -EAGAIN, 200);
        raw_signals_came(10);
        /* The socket's own timeout is as it was. */
        int ms = 0;
        CHECK_INT(unx_get_timeout(s[0], UNX_RECV, &ms), 0);
        CHECK_INT(ms, 200);
        close_pair(s);
    }
}

static void send_expires_in_time(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        fill(s[0]);
        CHECK_INT(unx_set_timeout(s[0], UNX_SEND, 200), 0);
        check_timed(send_one, s[0], -EAGAIN, 200);
        raw_signals_start();
        check_timed(send_one, s[0], -EAGAIN, 200);
        raw_signals_came(10);
        /* A batch that cannot begin waits once, not once for each system call. */
        const int late = harness_slow() ? 4000 : 1500;
        CHECK_INT(unx_set_timeout(s[0], UNX_SEND, late), 0);
        check_timed(send_many, s[0], -EAGAIN, late);
        close_pair(s);
    }
}

static void on_signal(int number)
{
    (void)number;
}

static void handle(int number)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    CHECK_INT(sigaction(number, &a, NULL), 0);
}

struct later {
    pid_t pid;
    int signals[2]; /* first and second, each when it waits */
    unsigned ms[2]; /* how long to wait before each */
    int fd;         /* then a byte goes here, unless it is -1 */
};

static void send_signals(void *arg)
{
    const struct later *l = arg;
    raw_until_asleep(l->pid);
    for (unsigned i = 0; i < 2; i++) {
        raw_sleep(l->ms[i]);
        if (l->signals[i] != 0 && l->signals[i] != SIGCONT) {
            raw_until_asleep(l->pid);
        }
        if (l->signals[i] != 0) {
            kill(l->pid, l->signals[i]);
        }
    }
    if (l->fd >= 0) {
        raw_sleep(50);
        raw_send(l->fd, "x", 1, NULL, 0);
    }
}

/* The first signal may start the time anew, as unx_set_timeout(3) says, but nothing more: who lets each of them do that
 * never comes to an end. */
static void one_late_signal(void)
{
    raw_need_quiet();
    handle(SIGUSR2);
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR2};
    timer_t timer;
    CHECK_INT(timer_create(CLOCK_MONOTONIC, &e, &timer), 0);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        CHECK_INT(unx_set_timeout(s[0], UNX_RECV, 1100), 0);
        const struct itimerspec each_second = {{1, 0}, {1, 0}}, never = {{0, 0}, {0, 0}};
        const int64_t start = raw_now();
        CHECK_INT(timer_settime(timer, 0, &each_second, NULL), 0);
        CHECK_INT(receive_one(s[0]), -EAGAIN);
        raw_took(start, 1000 + 1100);
        CHECK_INT(timer_settime(timer, 0, &never, NULL), 0);
        close_pair(s);
    }
    CHECK_INT(timer_delete(timer), 0);
}

static void message_comes_under_signals(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int timeout = 0; timeout < 2; timeout++) {
            int s[2];
            raw_pair(raw_types[t], s);
            if (timeout) {
                CHECK_INT(unx_set_timeout(s[0], UNX_RECV, 5000), 0);
            }
            struct later l = {getpid(), {0, 0}, {50, 50}, s[1]};
            const int64_t start = raw_now();
            const pid_t child = harness_fork(send_signals, &l);
            raw_signals_start();
            check_since(start, receive_one, s[0], 1, 150);
            raw_signals_came(10);
            harness_wait(child);
            close_pair(s);
        }
    }
}

static void interrupted_when_asked(void)
{
    raw_need_quiet();
    handle(SIGUSR2);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct later l = {getpid(), {SIGUSR2, SIGUSR2}, {100, 200}, -1};
        const int64_t start = raw_now();
        const pid_t child = harness_fork(send_signals, &l);
        check_since(start, receive_interrupted, s[0], -EINTR, 100);
        fill(s[0]);
        check_since(start, send_interrupted, s[0], -EINTR, 300);
        harness_wait(child);
        close_pair(s);
    }
}

/* The first signal ends the wait of a batch, not the second one, which comes too late for anything. */
static void batch_interrupted_when_asked(void)
{
    raw_need_quiet();
    handle(SIGUSR2);
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        fill(s[0]);
        struct later l = {getpid(), {SIGUSR2, SIGUSR2}, {100, 6000}, -1};
        int64_t start = raw_now();
        const pid_t child = harness_fork(send_signals, &l);
        check_since(start, send_many_interrupted, s[0], -EINTR, 100);
        kill(child, SIGKILL);
        harness_wait(child);
        /* With room for the first of three the signal is no error any more. */
        if (raw_types[t] != SOCK_STREAM) {
            CHECK_INT(receive_one(s[1]), -EMSGSIZE);
            start = raw_now();
            const pid_t second = harness_fork(send_signals, &l);
            check_since(start, send_many_interrupted, s[0], 1, 100);
            kill(second, SIGKILL);
            harness_wait(second);
        }
        close_pair(s);
    }
}

static void drain_later(void *arg)
{
    const int *s = arg;
    raw_sleep(200);
    static char data[100000];
    struct raw_got g;
    do {
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
    } while (g.result > 0);
}

static void send_goes_on_under_signals(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        fill(s[0]);
        raw_signals_start();
        const int64_t start = raw_now();
        const pid_t child = harness_fork(drain_later, s);
        CHECK_INT(send_one(s[0]), 1);
        CHECK(raw_now() - start >= 150);
        raw_signals_stop();
        harness_wait(child);
        close_pair(s);
    }
}

struct stopped {
    int fd;
    int64_t least, most;
    int want;
};

static void receive_while_stopped(void *arg)
{
    const struct stopped *s = arg;
    const int64_t start = raw_now();
    CHECK_INT(receive_one(s->fd), s->want);
    const int64_t took = raw_now() - start;
    if (took < s->least || took > s->most) {
        harness_fail(__FILE__, __LINE__, "it took %lld ms, want %lld to %lld", (long long)took, (long long)s->least,
                     (long long)s->most);
    }
}

static void stopped_and_continued(void)
{
    raw_need_quiet();
    /* Continued before the time was over, after it, and without a timeout until a byte comes. */
    const struct {
        int timeout;
        unsigned until;
        int byte, want;
        int64_t least;
    } runs[] = {{400, 100, 0, -EAGAIN, 390}, {200, 400, 0, -EAGAIN, 190}, {-1, 100, 1, 1, 100}};
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        CHECK_INT(unx_set_timeout(s[0], UNX_RECV, runs[i].timeout), 0);
        struct stopped w = {s[0], runs[i].least, 0, runs[i].want};
        w.most = runs[i].least + 4000;
        const pid_t child = harness_fork(receive_while_stopped, &w);
        struct later l = {child, {SIGSTOP, SIGCONT}, {50, runs[i].until - 50}, runs[i].byte ? s[1] : -1};
        send_signals(&l);
        harness_wait(child);
        close_pair(s);
    }
}

static int wait_200(int fd)
{
    return unx_wait(fd, POLLIN, 200);
}

static int wait_for_ever(int fd)
{
    return unx_wait(fd, POLLIN, -1);
}

static void waiting(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_wait(s[0], POLLIN, 0), -EAGAIN);
    CHECK_INT(unx_wait(s[0], POLLOUT, 0), POLLOUT);
    CHECK_INT(unx_wait(s[0], POLLIN | POLLOUT, -1), POLLOUT);
    check_timed(wait_200, s[0], -ETIMEDOUT, 200);
    raw_signals_start();
    check_timed(wait_200, s[0], -ETIMEDOUT, 200);
    raw_signals_came(10);
    struct later l = {getpid(), {0, 0}, {50, 50}, s[1]};
    const int64_t start = raw_now();
    const pid_t child = harness_fork(send_signals, &l);
    raw_signals_start();
    check_since(start, wait_for_ever, s[0], POLLIN, 150);
    raw_signals_stop();
    harness_wait(child);
    close(s[1]);
    const int events = unx_wait(s[0], 0, -1);
    CHECK(events > 0 && (events & POLLHUP) != 0);
    close(s[0]);
    CHECK_INT(unx_wait(s[0], POLLIN, 0), -EBADF);
    CHECK_INT(unx_wait(s[0], POLLIN, -1), -EBADF);
    CHECK_INT(unx_wait(-1, POLLIN, 100), -EBADF);
    CHECK_INT(unx_wait(s[0], POLLIN, -2), -EINVAL);
}

/* The harness fails a case in which a SIGPIPE arrives. */
static void no_sigpipe(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (unsigned plain = 0; plain < 2; plain++) {
            int s[2];
            raw_pair(raw_types[t], s);
            const struct iovec out = BYTES("x");
            struct unx_msg m = message(&out, 1);
            close(s[1]);
            for (unsigned i = 0; i < 3; i++) {
                CHECK(unx_send(s[0], &m, plain ? UNX_PLAIN : 0) < 0);
            }
            CHECK(unx_send_fd(s[0], "x", 1, s[0]) < 0);
            close(s[0]);
        }
    }
}

static const struct test_case cases[] = {
    CASE(receive_expires_in_time),
    CASE(send_expires_in_time),
    CASE(one_late_signal),
    CASE(message_comes_under_signals),
    CASE(interrupted_when_asked),
    CASE(batch_interrupted_when_asked),
    CASE(send_goes_on_under_signals),
    CASE(stopped_and_continued),
    CASE(waiting),
    CASE(no_sigpipe),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
