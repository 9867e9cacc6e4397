// SPDX-License-Identifier: MIT
/*
 * The server of the test of handing over under load (handover_server.h).
 *
 * One request is read, answered, and only then the next one is read: so between two rounds of the loop nothing is in
 * its hands but replies that found no room, and these are part of the state. No check may be lost in a process that
 * nobody waits for: what does not hold is written into the shared memory.
 */
#include "handover_server.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
#include <unx/handover.h>

#define HANG_MS 80 /* how long a successor that hangs is waited for */
#define PATIENCE_MS 5000
#define KIND_LISTENER 1
#define KIND_CONN 2

#define MUST(cond)                                                                                                     \
    do {                                                                                                               \
        if (!(cond)) {                                                                                                 \
            plan->failed = __LINE__;                                                                                   \
            fprintf(stderr, "# server: line %d: %s (errno %d)\n", __LINE__, #cond, errno);                             \
            _exit(1);                                                                                                  \
        }                                                                                                              \
    } while (0)

static struct plan *plan;
static int plan_number;
static volatile sig_atomic_t hangup;

/* What is handed over as the state. Connection i is item i + 1 of the list. */
static struct state {
    uint64_t count;
    struct {
        uint32_t owing;
        struct reply reply;
    } conn[SERVER_CONNS];
} state;

static struct pollfd polled[SERVER_CONNS + 2]; /* connections, the listener, the socket to a successor */
#define LISTENER polled[SERVER_CONNS].fd
#define SUCCESSOR polled[SERVER_CONNS + 1].fd

static int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000LL + t.tv_nsec / 1000;
}

static int count_fds(void)
{
    DIR *d = opendir("/proc/self/fd");
    int n = -1;
    MUST(d != NULL);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n - 2;
}

static int count_conns(void)
{
    int n = 0;
    for (unsigned i = 0; i < SERVER_CONNS; i++) {
        n += polled[i].fd >= 0;
    }
    return n;
}

static void on_hangup(int signal_number)
{
    (void)signal_number;
    hangup = 1;
}

static void drop(unsigned i)
{
    close(polled[i].fd);
    polled[i].fd = -1;
    state.conn[i].owing = 0;
}

static void pay(unsigned i)
{
    const struct iovec data = {&state.conn[i].reply, sizeof state.conn[i].reply};
    struct unx_msg m = {.iov = &data, .niov = 1};
    const int r = unx_send(polled[i].fd, &m, UNX_DONTWAIT);
    state.conn[i].owing = r == -EAGAIN;
    polled[i].events = r == -EAGAIN ? POLLOUT : POLLIN;
    if (r != 1 && r != -EAGAIN) {
        /* Clients go without a word only when something was lost. */
        MUST(plan->mode >= NAIVE_RESTART);
        drop(i);
    }
}

/* 1: a request is in hand, numbered; 0: none. */
static int take(unsigned i)
{
    struct reply *reply = &state.conn[i].reply;
    const struct iovec room = {&reply->request, sizeof reply->request};
    struct unx_msg m = {.iov = &room, .niov = 1};
    const int r = unx_recv(polled[i].fd, &m, UNX_DONTWAIT);
    if (r == 0) {
        drop(i);
    }
    if (r <= 0) {
        MUST(r == 0 || r == -EAGAIN || plan->mode >= NAIVE_RESTART);
        return 0;
    }
    MUST(m.len == sizeof reply->request);
    reply->count = ++state.count;
    return 1;
}

static void accept_one(void)
{
    unsigned i = 0;
    const int fd = unx_accept(LISTENER, UNX_NONBLOCK, NULL);
    if (fd < 0) {
        MUST(fd == -EAGAIN);
        return;
    }
    while (polled[i].fd >= 0) {
        MUST(++i < SERVER_CONNS);
    }
    /* Room for a few replies only, so that some have to wait. */
    const int little = 1;
    setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &little, sizeof little);
    polled[i] = (struct pollfd){.fd = fd, .events = POLLIN};
}

static void serve_round(int timeout_ms)
{
    sigset_t open_mask;
    sigemptyset(&open_mask);
    const struct timespec wait = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    if (ppoll(polled, SERVER_CONNS + 2, timeout_ms < 0 ? NULL : &wait, &open_mask) < 0) {
        MUST(errno == EINTR);
        return;
    }
    for (unsigned i = 0; i < SERVER_CONNS; i++) {
        if (polled[i].fd >= 0 && polled[i].revents != 0 && (state.conn[i].owing || take(i))) {
            pay(i);
        }
    }
    if (polled[SERVER_CONNS].revents != 0) {
        accept_one();
    }
}

/* ---- the old one ---- */

static void run_again(int sock)
{
    char text[16], number[16];
    snprintf(text, sizeof text, "%d", sock);
    snprintf(number, sizeof number, "%d", plan_number);
    if (sock >= 0) {
        setenv(UNX_HANDOVER_ENV, text, 1);
        fcntl(sock, F_SETFD, 0);
    }
    execl("/proc/self/exe", "server", "server", number, (char *)NULL);
    _exit(127);
}

static int hangs(void)
{
    return plan->mode == HANGS_BEFORE || plan->mode == HANGS_AFTER;
}

static int patience_ms(void)
{
    return hangs() ? HANG_MS : PATIENCE_MS;
}

static int hand_over(void)
{
    struct unx_handover_fd list[SERVER_CONNS + 1] = {{LISTENER, KIND_LISTENER, "listener"}};
    unsigned n = 1;
    if (plan->mode == NAIVE_READS_ON) {
        for (unsigned i = 0; i < SERVER_CONNS; i++) {
            (void)(polled[i].fd >= 0 && take(i));
        }
    }
    struct state packed = {.count = state.count};
    for (unsigned i = 0; i < SERVER_CONNS; i++) {
        if (polled[i].fd >= 0) {
            packed.conn[n - 1].owing = state.conn[i].owing;
            packed.conn[n - 1].reply = state.conn[i].reply;
            list[n] = (struct unx_handover_fd){.fd = polled[i].fd, .kind = KIND_CONN};
            snprintf(list[n++].name, sizeof list[0].name, "conn %u", i);
        }
    }
    struct unx_handover h = {.fds = list, .nfds = n, .state = &packed, .state_max = sizeof packed};
    return unx_handover_send(SUCCESSOR, &h, 0, patience_ms());
}

static void upgrade(void)
{
    int s[2];
    MUST(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, s) == 0);
    const pid_t child = fork();
    MUST(child >= 0);
    if (child == 0) {
        run_again(s[1]);
    }
    close(s[1]);
    polled[SERVER_CONNS + 1] = (struct pollfd){.fd = s[0], .events = POLLIN};
    const int64_t end = now_us() + patience_ms() * 1000;
    do {
        serve_round(10);
    } while (polled[SERVER_CONNS + 1].revents == 0 && now_us() < end);
    const int64_t stopped = now_us();
    const int r = hand_over();
    if (r == 0) {
        const unsigned pause = (unsigned)(now_us() - stopped);
        plan->pause = pause > plan->pause ? pause : plan->pause;
        _exit(0);
    }
    close(s[0]);
    SUCCESSOR = -1;
    kill(child, SIGKILL);
    MUST(waitpid(child, NULL, 0) == child);
    const int mode = plan->mode;
    MUST(r == (mode == DIES_BEFORE || mode == DIES_AFTER ? -ECONNRESET : hangs() ? -ETIMEDOUT : -ECANCELED));
    MUST(count_fds() == plan->base + 1 + count_conns());
    plan->finished++;
}

static void restart_naively(void)
{
    for (unsigned i = 0; i < SERVER_CONNS + 2; i++) {
        close(polled[i].fd);
    }
    unlink(plan->path);
    run_again(-1);
}

/* ---- the successor ---- */

static void adopt(const struct unx_handover *h)
{
    MUST(h->fds_got >= 1 && h->fds[0].kind == KIND_LISTENER && strcmp(h->fds[0].name, "listener") == 0);
    MUST(unx_adopt(h->fds[0].fd, SOCK_SEQPACKET, UNX_LISTENING) == SOCK_SEQPACKET);
    LISTENER = h->fds[0].fd;
    for (unsigned i = 0; i + 1 < h->fds_got; i++) {
        MUST(h->fds[i + 1].kind == KIND_CONN);
        MUST(unx_adopt(h->fds[i + 1].fd, SOCK_SEQPACKET, 0) == SOCK_SEQPACKET);
        polled[i] = (struct pollfd){.fd = h->fds[i + 1].fd, .events = state.conn[i].owing ? POLLOUT : POLLIN};
        plan->owed += state.conn[i].owing != 0;
    }
}

static void succeed(int sock)
{
    static struct unx_handover_fd room[SERVER_CONNS + 1];
    const int mode = plan->mode;
    const pid_t old = getppid();
    MUST(count_fds() == plan->base + 1);
    if (mode == DIES_BEFORE) {
        raise(SIGKILL);
    }
    if (mode == HANGS_BEFORE) {
        pause();
    }
    struct unx_handover h = {
        .fds = room, .nfds = mode == HAS_NO_ROOM ? 1 : SERVER_CONNS + 1, .state = &state, .state_max = sizeof state};
    const int r = unx_handover_receive(sock, &h, 0, PATIENCE_MS);
    if (mode == HAS_NO_ROOM) {
        MUST(r == -ENOBUFS && count_fds() == plan->base + 1);
        _exit(0);
    }
    MUST(r == 0 && h.state_len == sizeof state && h.state_fd == -1);
    MUST(count_fds() == plan->base + 1 + (int)h.fds_got);
    MUST(h.cred.known == UNX_KNOWN_ALL && h.cred.pid == old);
    if (mode == DIES_AFTER || mode == OLD_KILLED) {
        kill(mode == DIES_AFTER ? getpid() : old, SIGKILL);
    }
    if (mode == HANGS_AFTER) {
        pause();
    }
    if (mode == OLD_KILLED) {
        while (getppid() == old) {
            usleep(100);
        }
    }
    const int confirmed = unx_handover_confirm(sock, mode == REFUSES ? 5 : 0);
    MUST(confirmed == (mode == OLD_KILLED ? -ECONNRESET : 0));
    if (mode == REFUSES) {
        _exit(0);
    }
    close(sock);
    adopt(&h);
    MUST(count_fds() == plan->base + 1 + count_conns());
    plan->upgrades++;
    /* Whoever sees that it is finished may send the next signal at once. */
    plan->pid = getpid();
    plan->finished++;
}

static void start_afresh(void)
{
    struct unx_addr a;
    plan->base = count_fds();
    MUST(unx_addr_path(&a, plan->path) == 0);
    LISTENER = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &a, -1, 0600);
    MUST(LISTENER >= 0);
}

void server_main(int plan_fd)
{
    sigset_t blocked;
    plan_number = plan_fd;
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, plan_fd, 0);
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGHUP, on_hangup);
    for (unsigned i = 0; i < SERVER_CONNS + 2; i++) {
        polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    }
    const int sock = unx_handover_inherit(UNX_UNSET);
    MUST(sock >= 0 || sock == -ENOENT);
    if (sock >= 0) {
        succeed(sock);
    } else {
        start_afresh();
    }
    plan->pid = getpid();
    for (;;) {
        serve_round(-1);
        if (hangup) {
            hangup = 0;
            if (plan->mode == NAIVE_RESTART) {
                restart_naively();
            }
            upgrade();
        }
    }
}
