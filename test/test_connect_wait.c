// SPDX-License-Identifier: MIT
/*
 * Connecting: to a server that is busy, that never answers, that is not there; in the time that was given and no
 * longer, whatever signals arrive; and UNX_NONBLOCK is the state of the result and nothing else.
 *
 * What programs do instead is tried as naive_*: taking EAGAIN for "in progress", waiting without a slice, starting the
 * time anew with each signal. Those must fail.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <unistd.h>
#include <unx/unx.h>

typedef int connector(const struct unx_addr *to, unsigned flags, int timeout_ms);

static int connect_unx(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    return QUIET(unx_connect(SOCK_STREAM, flags, NULL, to, timeout_ms));
}

static struct unx_addr at(const char *file)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file(file)), 0);
    return a;
}

/* A server with room for one, and that one is there. */
struct full {
    int server, first;
    struct unx_addr addr;
};

static struct full full_server(int type)
{
    struct full f = {.addr = at("full")};
    f.server = raw_listen(type, raw_path(raw_file("full")), 0);
    f.first = raw_connect(type, raw_path(raw_file("full")));
    return f;
}

static void close_full(const struct full *f)
{
    close(f->first);
    close(f->server);
    unlink(raw_file("full"));
}

static int64_t cpu_us(void)
{
    struct rusage r;
    CHECK_INT(getrusage(RUSAGE_SELF, &r), 0);
    return (int64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}

/* ---- a full backlog ---- */

static void no_room_no_time(void)
{
    for (int t = 0; t < 2; t++)
        for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
            const struct full f = full_server(raw_types[t]);
            const int64_t start = raw_now();
            CHECK_INT(QUIET(unx_connect(raw_types[t], flags, NULL, &f.addr, 0)), -EAGAIN);
            raw_took(start, 0);
            close_full(&f);
        }
}

static void no_room_in_time(void)
{
    for (int t = 0; t < 2; t++)
        for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
            const struct full f = full_server(raw_types[t]);
            static const int times[] = {1, 30, 100, 250};
            for (int i = 0; i < 4; i++) {
                ROW("%s %#x %d ms", raw_type_name(raw_types[t]), flags, times[i]);
                const int64_t start = raw_now();
                CHECK_INT(QUIET(unx_connect(raw_types[t], flags, NULL, &f.addr, times[i])), -ETIMEDOUT);
                raw_took(start, times[i]);
                const int64_t path_start = raw_now();
                CHECK_INT(QUIET(unx_connect_path(raw_types[t], flags, AT_FDCWD, raw_file("full"), times[i])),
                          -ETIMEDOUT);
                raw_took(path_start, times[i]);
            }
            close_full(&f);
        }
}

/* The mistake of many programs: EAGAIN is taken for EINPROGRESS, and poll(2) says that the socket is writable. */
static int naive_in_progress(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (connect(fd, &to->sa, to->len) && errno == EAGAIN) {
        struct pollfd p = {fd, POLLOUT, 0};
        int error = 0;
        socklen_t len = sizeof error;
        poll(&p, 1, timeout_ms);
        getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len);
        CHECK_INT(error, 0);
    }
    fcntl(fd, F_SETFL, flags & UNX_NONBLOCK ? O_NONBLOCK : 0);
    return fd;
}

static int naive_retry(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    const int64_t start = raw_now();
    while (connect(fd, &to->sa, to->len) && raw_now() - start < timeout_ms)
        ;
    fcntl(fd, F_SETFL, flags & UNX_NONBLOCK ? O_NONBLOCK : 0);
    return fd;
}

static void accept_late(void *arg)
{
    const struct full *f = arg;
    raw_sleep(300);
    int fd[2];
    for (int i = 0; i < 2; i++) {
        struct pollfd p = {f->server, POLLIN, 0};
        CHECK_INT(poll(&p, 1, 10000), 1);
        fd[i] = raw_accept(f->server);
        CHECK(fd[i] >= 0);
    }
    char c = 0;
    CHECK_INT(read(fd[1], &c, 1), 1);
    CHECK_INT(c, 'x');
    struct pollfd p = {f->server, POLLIN, 0};
    CHECK_INT(poll(&p, 1, 200), 0);
}

/* Connected once, within the time, with almost no use of the processor; and it is a connection. */
static void check_busy_server(connector *connect_to)
{
    for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
        struct full f = full_server(SOCK_STREAM);
        const int64_t start = raw_now(), cpu = cpu_us();
        const pid_t child = harness_fork(accept_late, &f);
        const int fd = connect_to(&f.addr, flags, 10000);
        const int64_t used = cpu_us() - cpu;
        CHECK(fd >= 0);
        raw_took_with_others(start, 300);
        NOTE("used %lld us of the processor in 300 ms", (long long)used);
        CHECK(used < (harness_sanitized() || raw_under_valgrind() ? 30000 : 3000));
        CHECK_INT(raw_nonblock(fd), flags != 0);
        struct timeval tv;
        socklen_t len = sizeof tv;
        CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, &len), 0);
        CHECK_INT(tv.tv_sec * 1000000 + tv.tv_usec, 0);
        raw_send(fd, "x", 1, NULL, 0);
        harness_wait(child);
        close(fd);
        close_full(&f);
    }
}

static void busy_server(void)
{
    raw_need_quiet();
    check_busy_server(connect_unx);
}

static void naive_busy_server_in_progress(void)
{
    check_busy_server(naive_in_progress);
}

static void naive_busy_server_by_trying(void)
{
    if (harness_slow() && !harness_sanitized())
        SKIP("who tries again and again uses little where others use the processor");
    check_busy_server(naive_retry);
}

/* ---- a wake-up that the kernel loses ---- */

static int naive_blocking(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    (void)flags, (void)timeout_ms;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    while (connect(fd, &to->sa, to->len))
        CHECK_INT(errno, EINTR);
    return fd;
}

static void nothing(int sig)
{
    (void)sig;
}

struct waiter {
    pthread_t thread;
    const struct unx_addr *to;
    connector *connect_to;
    int fd;
    atomic_int tid, done;
};

static void *wait_for_room(void *arg)
{
    struct waiter *w = arg;
    w->tid = (int)syscall(SYS_gettid);
    w->fd = w->connect_to(w->to, 0, -1);
    w->done = true;
    return NULL;
}

static void start_waiter(struct waiter *w)
{
    CHECK_INT(pthread_create(&w->thread, NULL, wait_for_room, w), 0);
    while (w->tid == 0)
        raw_sleep(1);
    raw_until_asleep(w->tid);
    CHECK(!w->done);
}

/* Gives up at the first signal. */
static int connect_or_interrupted(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    (void)flags, (void)timeout_ms;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, &to->sa, to->len) == 0)
        return fd;
    CHECK_INT(errno, EINTR);
    close(fd);
    return -1;
}

static int64_t soonest = 5000; /* after the first one gave up, of all rounds: one that is late may be others' doing */

/* Two wait; there is room, and before the first of them runs again, it gets a signal. True: it gave up. */
static bool one_round(connector *connect_to)
{
    struct full f = full_server(SOCK_STREAM);
    struct waiter a = {.to = &f.addr, .connect_to = connect_or_interrupted};
    struct waiter b = {.to = &f.addr, .connect_to = connect_to};
    start_waiter(&a);
    start_waiter(&b);
    CHECK_INT(pthread_setschedparam(a.thread, SCHED_IDLE, &(struct sched_param){0}), 0);
    int fd = raw_accept(f.server);
    pthread_kill(a.thread, SIGUSR1);
    pthread_setschedparam(a.thread, SCHED_OTHER, &(struct sched_param){0}); /* if this user may */
    CHECK_INT(close(fd), 0);
    for (const int64_t start = raw_now(); harness_slow() && !a.done; raw_sleep(5))
        if (raw_now() - start > 10000) {
            /* A sanitizer would call them lost. */
            pthread_detach(a.thread);
            pthread_detach(b.thread);
            SKIP("others want the processor all the time");
        }
    CHECK_INT(pthread_join(a.thread, NULL), 0);
    const bool gave_up = a.fd < 0;
    if (!gave_up) {
        CHECK_INT(close(raw_accept(f.server)), 0);
    }
    int64_t took = 0;
    for (const int64_t start = raw_now(); !b.done && took < 5000; took = raw_now() - start)
        raw_sleep(5);
    CHECK(b.done);
    soonest = gave_up && took < soonest ? took : soonest;
    CHECK_INT(pthread_join(b.thread, NULL), 0);
    CHECK(b.fd >= 0);
    close(b.fd);
    close(a.fd);
    close_full(&f);
    return gave_up;
}

static void check_lost_wake_up(connector *connect_to)
{
    const struct sigaction sa = {.sa_handler = nothing};
    CHECK_INT(sigaction(SIGUSR1, &sa, NULL), 0);
    /* On one processor, and with a first waiter that never takes it away, nothing comes between room and signal. */
    cpu_set_t cpus;
    CPU_ZERO(&cpus);
    CPU_SET(sched_getcpu(), &cpus);
    CHECK_INT(sched_setaffinity(0, sizeof cpus, &cpus), 0);
    int lost = 0, rounds = 0;
    for (const int64_t start = raw_now(); rounds < 30 && raw_now() - start < 10000; rounds++)
        lost += one_round(connect_to);
    NOTE("in %d of %d rounds the first one was woken for nothing", lost, rounds);
    if (lost == 0)
        SKIP("no wake-up was lost on this kernel");
    CHECK(soonest < 500);
}

static void lost_wake_up(void)
{
    check_lost_wake_up(connect_unx);
}

static void naive_lost_wake_up(void)
{
    raw_need_quiet(); /* who is stopped and continued looks again */
    check_lost_wake_up(naive_blocking);
}

/* ---- signals ---- */

/* A timeout of connect(2) exists: SO_SNDTIMEO; it starts anew with each call. */
static int naive_timeout(const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    (void)flags;
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const struct timeval tv = {timeout_ms / 1000, timeout_ms % 1000 * 1000};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof tv), 0);
    int r;
    do
        r = connect(fd, &to->sa, to->len);
    while (r && errno == EINTR);
    r = r ? -errno : 0;
    close(fd);
    return r == -EAGAIN ? -ETIMEDOUT : r;
}

static void check_deadline_under_signals(connector *connect_to, int timeout_ms)
{
    const struct full f = full_server(SOCK_STREAM);
    raw_signals_start();
    const int64_t start = raw_now();
    CHECK_INT(connect_to(&f.addr, 0, timeout_ms), -ETIMEDOUT);
    raw_took(start, timeout_ms);
    raw_signals_came(20);
    close_full(&f);
}

static void deadline_under_signals(void)
{
    check_deadline_under_signals(connect_unx, 400);
}

static void naive_deadline_under_signals(void)
{
    check_deadline_under_signals(naive_timeout, 2000);
}

static void accept_later(void *arg)
{
    struct full *f = arg;
    raw_until_asleep(getppid());
    raw_sleep(300);
    for (int i = 0; i < 2; i++) {
        const int fd = raw_accept(f->server);
        CHECK(fd >= 0);
        close(fd);
    }
}

/* Under signals, and without any limit of time. */
static void room_under_signals(void)
{
    static const int times[] = {-1, 20000};
    for (int i = 0; i < 2; i++) {
        struct full f = full_server(SOCK_STREAM);
        const int64_t start = raw_now();
        const pid_t child = harness_fork(accept_later, &f);
        raw_signals_start();
        const int fd = connect_unx(&f.addr, 0, times[i]);
        raw_signals_came(20);
        CHECK(fd >= 0);
        raw_took_with_others(start, 300);
        close(fd);
        harness_wait(child);
        close_full(&f);
    }
}

/* The server goes while somebody waits. */
static void *shut_down_and_accept(void *arg)
{
    const struct full *f = arg;
    raw_sleep(150);
    CHECK_INT(shutdown(f->server, SHUT_RD), 0);
    return NULL;
}

static void server_stops_meanwhile(void)
{
    struct full f = full_server(SOCK_SEQPACKET);
    pthread_t t;
    const int64_t start = raw_now();
    CHECK_INT(pthread_create(&t, NULL, shut_down_and_accept, &f), 0);
    CHECK_INT(QUIET(unx_connect(SOCK_SEQPACKET, 0, NULL, &f.addr, 10000)), -ECONNREFUSED);
    raw_took_with_others(start, 150);
    CHECK_INT(pthread_join(t, NULL), 0);
    close_full(&f);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(no_room_no_time),
        CASE(no_room_in_time),
        CASE(busy_server),
        {"naive_busy_server_in_progress", naive_busy_server_in_progress, HARNESS_FAIL, 0},
        {"naive_busy_server_by_trying", naive_busy_server_by_trying, HARNESS_FAIL, 0},
        {"lost_wake_up", lost_wake_up, 0, 60},
        {"naive_lost_wake_up", naive_lost_wake_up, HARNESS_FAIL, 60},
        CASE(deadline_under_signals),
        {"naive_deadline_under_signals", naive_deadline_under_signals, HARNESS_HANG, 5},
        CASE(room_under_signals),
        CASE(server_stops_meanwhile),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
