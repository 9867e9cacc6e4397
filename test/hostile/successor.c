// SPDX-License-Identifier: MIT
/*
 * Hostile partners of a server that goes on serving: successors to whom it tries to hand over, and an environment that
 * tells it of descriptors which are not what it expects.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/activation.h>
#include <unx/handover.h>

/* ---- successors ---- */

enum { PATIENCE_MS = 80, TRIPS = 20 };

static void receive_all(int sock)
{
    struct unx_handover_fd fds[4];
    char state[64];
    struct unx_handover h = {.fds = fds, .nfds = 4, .state = state, .state_max = sizeof state};
    const int r = unx_handover_receive(sock, &h, UNX_ANY_USER, 2000);
    if (r == -ECANCELED || r == -ECONNRESET) {
        /* On a busy machine it has been given up by now. */
        pause();
    }
    CHECK_INT(r, 0);
}

static void is_silent(int sock)
{
    (void)sock;
    pause();
}

static void dies(int sock)
{
    (void)sock;
}

static void talks_nonsense(int sock)
{
    char text[300];
    memset(text, 'x', sizeof text);
    while (raw_try_send(sock, text, sizeof text, NULL, 0, 0) > 0) {
    }
}

static void says_nothing_empty(int sock)
{
    while (raw_try_send(sock, "", 0, NULL, 0, 0) >= 0) {
    }
}

static void sends_descriptors(int sock)
{
    int fds[RAW_MAX_FDS];
    for (int i = 0; i < RAW_MAX_FDS; i++) {
        fds[i] = STDOUT_FILENO;
    }
    while (raw_try_send(sock, "x", 1, fds, RAW_MAX_FDS, 0) > 0) {
    }
}

static void never_confirms(int sock)
{
    receive_all(sock);
    pause();
}

static void takes_all_and_dies(int sock)
{
    receive_all(sock);
}

static void takes_all_and_stops(int sock)
{
    receive_all(sock);
    raise(SIGSTOP);
}

static void takes_all_and_talks(int sock)
{
    receive_all(sock);
    talks_nonsense(sock);
}

static void is_another_user(int sock)
{
    struct unx_handover_fd fds[4];
    struct unx_handover h = {.fds = fds, .nfds = 4};
    place_become_other();
    CHECK(unx_handover_receive(sock, &h, UNX_ANY_USER, 2000) < 0);
    CHECK_INT(h.fds_got, 0);
}

static const struct {
    const char *name;
    void (*run)(int sock);
    int error; /* 0: another one than success */
} successors[] = {
    {"silent", is_silent, -ETIMEDOUT},
    {"dies", dies, 0},
    {"talks nonsense", talks_nonsense, -EPROTO},
    {"sends empty packets", says_nothing_empty, -EPROTO},
    {"sends descriptors", sends_descriptors, -EPROTO},
    {"never confirms", never_confirms, -ETIMEDOUT},
    {"takes all and dies", takes_all_and_dies, 0},
    {"takes all and is stopped", takes_all_and_stops, -ETIMEDOUT},
    {"takes all and talks nonsense", takes_all_and_talks, -EPROTO},
    {"is another user", is_another_user, -EPERM},
};
enum { SUCCESSORS = sizeof successors / sizeof *successors };

struct successor {
    int sock;
    unsigned which;
};

static void be_successor(void *arg)
{
    const struct successor *s = arg;
    successors[s->which].run(s->sock);
}

static void hand_over(struct unx_listener *l, unsigned which)
{
    int pair[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    struct successor s = {pair[1], which};
    const pid_t pid = harness_fork(be_successor, &s);
    close(pair[1]);
    struct unx_handover_fd fds[1] = {{.fd = unx_listener_fd(l), .kind = 1, .name = "door"}};
    char state[] = "state";
    struct unx_handover h = {.fds = fds, .nfds = 1, .state = state, .state_max = sizeof state};
    const int64_t start = raw_now();
    const int r = unx_handover_send(pair[0], &h, 0, PATIENCE_MS);
    CHECK(raw_now() - start < 2000);
    /* On a busy machine the time may be over before. */
    if (successors[which].error != 0 && r != -ETIMEDOUT) {
        CHECK_INT(r, successors[which].error);
    }
    CHECK(r < 0);
    close(pair[0]);
    kill(pid, SIGKILL);
    harness_wait(pid);
}

static void *serve(void *arg)
{
    struct unx_listener *l = arg;
    int fd;
    while ((fd = unx_listener_accept(l, 0, NULL, -1)) >= 0) {
        struct unx_msg m = {.iov = &(const struct iovec){(void *)(uintptr_t) "U", 1}, .niov = 1};
        unx_send(fd, &m, UNX_DONTWAIT);
        close(fd);
    }
    return NULL;
}

static void server(void *arg)
{
    struct place *p = arg;
    struct unx_listener *l;
    pthread_t t;
    CHECK_INT(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, p->path, NULL), 0);
    CHECK_INT(pthread_create(&t, NULL, serve, l), 0);
    atomic_store(&p->ready, 1);
    const int before = harness_nfds();
    /* All of them, and once more those that a client on a busy machine has not come to. */
    const int64_t last = raw_now() + 10000;
    for (unsigned i = 0; i < SUCCESSORS || (atomic_load(&p->attempts) <= TRIPS && raw_now() < last); i++) {
        const unsigned which = i % SUCCESSORS;
        ROW("a successor that %s", successors[which].name);
        if (successors[which].run == is_another_user && geteuid() != 0) {
            continue;
        }
        hand_over(l, which);
        /* The thread that serves has one at times. */
        CHECK(harness_nfds() <= before + 1);
    }
    atomic_store(&p->stop, 1);
    CHECK_INT(unx_listener_stop(l, 0), 0);
    CHECK_INT(pthread_join(t, NULL), 0);
    CHECK_INT(unx_listener_close(l), 0);
}

static void hostile_successors(void)
{
    struct place *p = place_share();
    place_directory(p, "own", 0700);
    const pid_t pid = harness_fork(server, p);
    while (!atomic_load(&p->ready)) {
        raw_sleep(1);
    }
    int64_t slowest = 0;
    while (!atomic_load(&p->stop)) {
        struct unx_cred who;
        const int64_t start = raw_now();
        const int r = place_ask(p->path, &who);
        if (r != 'U') {
            /* Only because it has just stopped. */
            if (!atomic_load(&p->stop)) {
                harness_fail(__FILE__, __LINE__, "a client got %d, after %lld ms", r, (long long)(raw_now() - start));
            }
            break;
        }
        const int64_t took = raw_now() - start;
        slowest = took > slowest ? took : slowest;
        atomic_fetch_add(&p->attempts, 1);
        raw_sleep(1);
    }
    harness_wait(pid);
    const unsigned trips = atomic_load(&p->attempts);
    NOTE("%u round trips meanwhile, the slowest %lld ms", trips, (long long)slowest);
    CHECK(trips > TRIPS && slowest < 5000);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

/* ---- an environment that lies ---- */

enum { PASSED = 6 };

/* Descriptors 3 to 8: a file, a TCP socket, a connected socket, a listener of another type,
 * one that does not listen, ours. */
static void start_with_lies(void *arg)
{
    struct place *p = arg;
    int pair[2], fds[PASSED];
    raw_pair(SOCK_STREAM, pair);
    fds[0] = open("/dev/null", O_RDWR | O_CLOEXEC);
    fds[1] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    fds[2] = pair[0];
    fds[3] = raw_listen(SOCK_SEQPACKET, raw_abstract(p->path, 20), 1);
    fds[4] = raw_bind(SOCK_STREAM, raw_abstract(p->path, 21));
    fds[5] = raw_listen(SOCK_STREAM, raw_path(p->path), 8);
    for (int i = 0; i < PASSED; i++) {
        CHECK(fcntl(fds[i], F_DUPFD_CLOEXEC, 200 + i) == 200 + i);
    }
    for (int i = 0; i < PASSED; i++) {
        CHECK_INT(dup2(200 + i, 3 + i), 3 + i);
    }
    char pid[20];
    snprintf(pid, sizeof pid, "%d", getpid());
    setenv("LISTEN_PID", pid, 1);
    static const char *const bad[][2] = {{"7000", NULL}, {"-1", NULL}, {"99999999999999999999", NULL},
                                         {"6x", NULL},   {"6", "a:b"}, {"6", "a:b:c:d:e:\xff"}};
    struct unx_activated list[PASSED];
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        ROW("LISTEN_FDS=%s", bad[i][0]);
        setenv("LISTEN_FDS", bad[i][0], 1);
        unsetenv("LISTEN_FDNAMES");
        if (bad[i][1] != NULL) {
            setenv("LISTEN_FDNAMES", bad[i][1], 1);
        }
        CHECK(unx_activation_adopt(list, PASSED, 0) < 0);
    }
    setenv("LISTEN_FDS", "6", 1);
    unsetenv("LISTEN_FDNAMES");
    CHECK_INT(unx_activation_adopt(list, PASSED, UNX_UNSET), PASSED);
    const int i = unx_activation_find(list, PASSED, NULL, SOCK_STREAM, UNX_LISTENING, NULL);
    CHECK_INT(i, 5);
    struct unx_listener *l;
    for (int j = 0; j < 5; j++) {
        CHECK(unx_listener_adopt(&l, list[j].fd, SOCK_STREAM, UNX_NONBLOCK) < 0);
    }
    CHECK_INT(unx_listener_adopt(&l, list[i].fd, SOCK_STREAM, UNX_NONBLOCK), 0);
    atomic_store(&p->ready, 1);
    place_serve(p, l);
    CHECK_INT(unx_listener_close(l), 0);
}

static void hostile_environment(void)
{
    struct place *p = place_share();
    struct unx_cred who;
    place_directory(p, "own", 0700);
    const pid_t pid = harness_fork(start_with_lies, p);
    while (!atomic_load(&p->ready)) {
        int status;
        CHECK(waitpid(pid, &status, WNOHANG) == 0);
        raw_sleep(1);
    }
    for (int i = 0; i < 20; i++) {
        CHECK_INT(place_ask(p->path, &who), 'U');
    }
    atomic_store(&p->stop, 1);
    harness_wait(pid);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {CASE(hostile_successors), CASE(hostile_environment)};
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
