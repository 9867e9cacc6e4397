// SPDX-License-Identifier: MIT
/*
 * The kernel's own calls, for tests (raw.h).
 *
 * What surprised us: a timer of setitimer(2) would be the one of alarm(2), under which each case runs, so the signals
 * of raw_signals_start() come from a timer of their own. A pipe tells best whether a descriptor is really gone: one
 * that is still queued on some socket keeps it open, though no table lists it.
 */
#include "raw.h"
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#if defined(__GLIBC__)
#include <malloc.h>
#endif
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

const int raw_types[3] = {SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM};

const char *raw_type_name(int type)
{
    return type == SOCK_SEQPACKET ? "SEQPACKET" : type == SOCK_STREAM ? "STREAM" : "DGRAM";
}

void raw_pair(int type, int fds[2])
{
    CHECK(socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, fds) == 0);
}

void raw_set(int fd, int option, int value)
{
    CHECK(setsockopt(fd, SOL_SOCKET, option, &value, sizeof value) == 0);
}

int raw_get(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    CHECK(getsockopt(fd, SOL_SOCKET, option, &value, &len) == 0);
    return value;
}

bool raw_knows(int option)
{
    char value[64];
    socklen_t len = sizeof value;
    int s[2];
    raw_pair(SOCK_STREAM, s);
    const bool known = getsockopt(s[0], SOL_SOCKET, option, value, &len) == 0 || errno != ENOPROTOOPT;
    if (known && option == RAW_SO_PEERPIDFD) {
        close(*(int *)value);
    }
    close(s[0]);
    close(s[1]);
    return known;
}

void raw_need_call(long number, const char *name)
{
    CHECK(syscall(number, -1, -1, -1, -1, -1, -1) == -1);
    if (errno == ENOSYS || errno == EPERM) {
        SKIP("no %s(2) here", name);
    }
}

ssize_t raw_try_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds, int flags)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int) * (RAW_MAX_FDS + 1))];
    } control;
    memset(&control, 0, sizeof control);
    struct iovec iov = {(void *)(uintptr_t)p, n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > 0) {
        h.msg_control = control.room;
        h.msg_controllen = CMSG_SPACE(sizeof(int) * nfds);
        control.h.cmsg_level = SOL_SOCKET;
        control.h.cmsg_type = SCM_RIGHTS;
        control.h.cmsg_len = CMSG_LEN(sizeof(int) * nfds);
        memcpy(CMSG_DATA(&control.h), fds, sizeof(int) * nfds);
    }
    /* musl's own sendmsg(3) has room for 252 descriptors. */
    const ssize_t sent = syscall(SYS_sendmsg, fd, &h, flags | MSG_NOSIGNAL);
    return sent < 0 ? -errno : sent;
}

void raw_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds)
{
    CHECK_INT(raw_try_send(fd, p, n, fds, nfds, 0), (long long)n);
}

static void raw_take(struct raw_got *g, struct msghdr *h)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(h); c != NULL; c = CMSG_NXTHDR(h, c)) {
        if (c->cmsg_level != SOL_SOCKET) {
            continue;
        }
        if (c->cmsg_type == SCM_RIGHTS) {
            const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
            memcpy(g->fds + g->nfds, CMSG_DATA(c), n * sizeof(int));
            g->nfds += (unsigned)n;
        } else if (c->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&g->cred, CMSG_DATA(c), sizeof g->cred);
            g->has_cred = true;
        }
    }
}

void raw_recv(int fd, void *p, size_t max, int flags, struct raw_got *g)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof(int) * RAW_MAX_FDS) + CMSG_SPACE(256)];
    } control;
    memset(&control, 0, sizeof control);
    memset(g, 0, sizeof *g);
    struct iovec iov = {p, max};
    struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control.room};
    const ssize_t got = recvmsg(fd, &h, flags | MSG_CMSG_CLOEXEC);
    g->result = got < 0 ? -errno : got;
    g->flags = h.msg_flags;
    if (got >= 0) {
        raw_take(g, &h);
    }
}

void raw_close_fds(struct raw_got *g)
{
    for (unsigned i = 0; i < g->nfds; i++) {
        close(g->fds[i]);
    }
    g->nfds = 0;
}

static unsigned char raw_byte(size_t at)
{
    return (unsigned char)(at * 31 + (at >> 8) * 7 + 1);
}

void raw_pattern(void *p, size_t n, size_t from)
{
    unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        b[i] = raw_byte(from + i);
    }
}

bool raw_pattern_ok(const void *p, size_t n, size_t from)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        if (b[i] != raw_byte(from + i)) {
            return false;
        }
    }
    return true;
}

bool raw_same_file(int a, int b)
{
    struct stat x, y;
    return fstat(a, &x) == 0 && fstat(b, &y) == 0 && x.st_dev == y.st_dev && x.st_ino == y.st_ino;
}

bool raw_cloexec(int fd)
{
    const int flags = fcntl(fd, F_GETFD);
    return flags >= 0 && (flags & FD_CLOEXEC) != 0;
}

bool raw_is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

static struct rlimit raw_limit_before;

void raw_limit(unsigned n)
{
    CHECK(getrlimit(RLIMIT_NOFILE, &raw_limit_before) == 0);
    int limit = 0;
    for (unsigned free_numbers = 0;; limit++) {
        if (!raw_is_open(limit) && free_numbers++ == n) {
            break;
        }
    }
    const struct rlimit tight = {(rlim_t)limit, raw_limit_before.rlim_max};
    CHECK(setrlimit(RLIMIT_NOFILE, &tight) == 0);
}

void raw_unlimit(void)
{
    CHECK(setrlimit(RLIMIT_NOFILE, &raw_limit_before) == 0);
}

bool raw_limit_works(void)
{
    int s[2];
    raw_pair(SOCK_DGRAM, s);
    raw_send(s[0], "x", 1, &s[0], 1);
    raw_limit(0);
    struct raw_got g;
    char c;
    raw_recv(s[1], &c, 1, 0, &g);
    raw_unlimit();
    const bool works = g.nfds == 0;
    raw_close_fds(&g);
    close(s[0]);
    close(s[1]);
    return works;
}

void raw_pipe(int fds[2])
{
    CHECK(pipe2(fds, O_CLOEXEC | O_NONBLOCK) == 0);
}

bool raw_pipe_ended(int read_end)
{
    char c;
    return read(read_end, &c, 1) == 0;
}

void raw_one_cpu(void)
{
    cpu_set_t set;
    CHECK(sched_getaffinity(0, sizeof set, &set) == 0);
    for (int cpu = 0; cpu < CPU_SETSIZE; cpu++) {
        if (CPU_ISSET(cpu, &set)) {
            CPU_ZERO(&set);
            CPU_SET(cpu, &set);
            break;
        }
    }
    CHECK(sched_setaffinity(0, sizeof set, &set) == 0);
}

void raw_run_last(void)
{
    const struct sched_param none = {.sched_priority = 0};
    CHECK(syscall(SYS_sched_setscheduler, 0, SCHED_IDLE, &none) == 0);
}

int raw_accept(int listener)
{
    /* Not accept4(2), which some conditions do without. */
    const int fd = accept(listener, NULL, NULL);
    if (fd >= 0) {
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    }
    return fd;
}

int raw_lingering(int *keep)
{
    const int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    socklen_t len = sizeof a;
    if (bind(listener, (struct sockaddr *)&a, len) != 0 || listen(listener, 1) != 0 ||
        getsockname(listener, (struct sockaddr *)&a, &len) != 0) {
        SKIP("no TCP here");
    }
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    const int small = 4096;
    CHECK_INT(setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    if (connect(fd, (struct sockaddr *)&a, len) != 0) {
        SKIP("no TCP here");
    }
    *keep = raw_accept(listener);
    close(listener);
    const char data[4096] = {0};
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0) {
    }
    const struct linger two_seconds = {1, 2};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &two_seconds, sizeof two_seconds), 0);
    return fd;
}

void raw_collect(void)
{
    const int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    close(fd);
}

int64_t raw_now(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

void raw_sleep(unsigned ms)
{
    struct timespec t = {ms / 1000, (long)(ms % 1000) * 1000000};
    while (nanosleep(&t, &t) < 0 && errno == EINTR) {
    }
}

size_t raw_allocated(void)
{
#if defined(__GLIBC__)
    const struct mallinfo2 i = mallinfo2();
    return i.uordblks + i.hblkhd;
#else
    return 0;
#endif
}

bool raw_under_valgrind(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    return preloaded != NULL && strstr(preloaded, "vgpreload") != NULL;
}

void raw_need_no_valgrind(const char *why)
{
    if (raw_under_valgrind()) {
        SKIP("valgrind: %s", why);
    }
}

bool raw_lacks(const char *fault)
{
    const char *faults = getenv("HARNESS_LACKS");
    return faults != NULL && strstr(faults, fault) != NULL;
}

void raw_need_socket_calls(void)
{
#if defined(__i386__) || defined(__s390__) || defined(__sparc__) || defined(__m68k__)
    SKIP("socketcall(2) hides from a filter what is called");
#endif
}

void raw_need_quiet(void)
{
    const char *by = getenv("UNX_DISTURBED");
    if (by != NULL) {
        SKIP("disturbed by %s", by);
    }
}

void raw_need_descriptors(void)
{
    const char *preloaded = getenv("LD_PRELOAD");
    if (preloaded != NULL && strstr(preloaded, "libconditions_no_descriptor") != NULL) {
        SKIP("calls are made with no descriptor first");
    }
}

static timer_t raw_timer;
static atomic_uint raw_signals;

/* Where it is a while until this process runs again, one signal stands for all of that time. */
static void raw_on_signal(int signal_number, siginfo_t *info, void *context)
{
    (void)signal_number;
    (void)context;
    raw_signals += 1 + (info->si_code == SI_TIMER ? (unsigned)info->si_overrun : 0);
}

/* valgrind does not grow the stack for a handler, so it is grown before. */
static void __attribute__((noinline)) raw_grow_stack(void)
{
    volatile char deep[65536];
    for (size_t i = 0; i < sizeof deep; i += 1024) {
        deep[i] = 0;
    }
}

void raw_signals_start(void)
{
    raw_grow_stack();
    struct sigaction a = {.sa_sigaction = raw_on_signal, .sa_flags = SA_ONSTACK | SA_SIGINFO};
    sigemptyset(&a.sa_mask);
    CHECK(sigaction(SIGUSR1, &a, NULL) == 0);
    raw_signals = 0;
    struct sigevent e = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = SIGUSR1};
    CHECK(timer_create(CLOCK_MONOTONIC, &e, &raw_timer) == 0);
    const long ns = raw_under_valgrind() ? 20000000 : 1000000;
    const struct itimerspec every = {{0, ns}, {0, ns}};
    CHECK(timer_settime(raw_timer, 0, &every, NULL) == 0);
}

unsigned raw_signals_stop(void)
{
    CHECK(timer_delete(raw_timer) == 0);
    return raw_signals;
}
