// SPDX-License-Identifier: MIT
/*
 * Listeners that restart under load, and are attacked while they start. Each loop is run on the usual ways
 * too: their figures are printed beside, and where they fail every time, they must.
 */
#include "listener.h"

#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static struct unx_listener *opened;

/* ---- restarting under load ---- */

#define RESTARTS harness_rounds(100)
enum { CLIENTS = 2 };

static struct load {
    atomic_int stop;
    atomic_uint served, refused, missing, reset;
    char path[100];
} * load;

static void client(void *arg)
{
    (void)arg;
    while (!atomic_load(&load->stop)) {
        const int fd = raw_try_connect(SOCK_STREAM, raw_path(load->path));
        char c = 0;
        if (fd == -ECONNREFUSED) {
            atomic_fetch_add(&load->refused, 1);
        } else if (fd == -ENOENT) {
            atomic_fetch_add(&load->missing, 1);
        } else if (fd >= 0 && read(fd, &c, 1) == 1 && c == 'x') {
            atomic_fetch_add(&load->served, 1);
        } else {
            CHECK(fd >= 0);
            atomic_fetch_add(&load->reset, 1);
        }
        if (fd >= 0) {
            close(fd);
        }
    }
}

static volatile sig_atomic_t asked_to_end;

static void on_term(int sig)
{
    (void)sig;
    asked_to_end = 1;
    if (opened != NULL) {
        unx_listener_stop(opened, 0);
    }
}

static void answer(int conn)
{
    CHECK(send(conn, "x", 1, MSG_NOSIGNAL) == 1 || errno == EPIPE);
    close(conn);
}

static void server(void *arg)
{
    const int ready = *(int *)arg;
    CHECK_INT(try_open(&opened, SOCK_STREAM, UNX_REPLACE, load->path, NULL), 0);
    signal(SIGTERM, on_term);
    CHECK_INT(write(ready, "r", 1), 1);
    int conn;
    while ((conn = unx_listener_accept(opened, 0, NULL, -1)) >= 0) {
        answer(conn);
    }
    CHECK_INT(conn, -ESHUTDOWN);
    close_listener(opened);
}

/* Waits with a timeout, because a signal just before accept(2) is noticed by nobody. */
static void naive_server(void *arg)
{
    const int ready = *(int *)arg;
    const struct sigaction sa = {.sa_handler = on_term};
    sigaction(SIGTERM, &sa, NULL);
    const int fd = unlink_and_bind(load->path);
    CHECK(fd >= 0);
    CHECK_INT(write(ready, "r", 1), 1);
    while (!asked_to_end) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        const int conn = poll(&p, 1, 10) == 1 ? accept(fd, NULL, NULL) : -1;
        if (conn >= 0) {
            answer(conn);
        }
    }
    close(fd);
}

/* Starts a server and waits until it is ready. */
static pid_t start_server(void (*run)(void *))
{
    int ready[2];
    char c;
    CHECK_INT(pipe2(ready, O_CLOEXEC), 0);
    const pid_t pid = harness_fork(run, &ready[1]);
    close(ready[1]);
    CHECK_INT(read(ready[0], &c, 1), 1);
    close(ready[0]);
    return pid;
}

static void end_server(pid_t pid)
{
    CHECK_INT(kill(pid, SIGTERM), 0);
    harness_wait(pid);
}

/* Clients that found nobody, or were thrown out. */
static unsigned restart_under_load(void (*run)(void *), bool overlapping, const char *what)
{
    pid_t clients[CLIENTS];
    load = shared(sizeof *load);
    snprintf(load->path, sizeof load->path, "%s", raw_file("sock"));
    pid_t old = start_server(run);
    for (int i = 0; i < CLIENTS; i++) {
        clients[i] = harness_fork(client, NULL);
    }
    for (unsigned i = RESTARTS; i > 0; i--) {
        raw_sleep(2);
        if (!overlapping) {
            end_server(old);
        }
        const pid_t new = start_server(run);
        if (overlapping) {
            end_server(old);
        }
        old = new;
    }
    /* On a busy machine the clients may not have had their turn yet. */
    for (int i = 0; i < 10000 && atomic_load(&load->served) <= RESTARTS; i++) {
        raw_sleep(1);
    }
    atomic_store(&load->stop, 1);
    for (int i = 0; i < CLIENTS; i++) {
        harness_wait(clients[i]);
    }
    end_server(old);
    NOTE("%s: %u restarts, %u served, %u refused, %u found no file, %u thrown out", what, RESTARTS,
         atomic_load(&load->served), atomic_load(&load->refused), atomic_load(&load->missing),
         atomic_load(&load->reset));
    CHECK(atomic_load(&load->served) > RESTARTS);
    CHECK_INT(names_in(harness_dir()), run == server ? 0 : 1);
    unlink(load->path);
    const unsigned lost = atomic_load(&load->refused) + atomic_load(&load->missing) + atomic_load(&load->reset);
    CHECK_INT(munmap(load, sizeof *load), 0);
    return lost;
}

static void restarts_under_load(void)
{
    CHECK_INT(restart_under_load(server, true, "replace, stop, drain"), 0);
}

static void naive_restarts_under_load(void)
{
    const unsigned lost = restart_under_load(naive_server, false, "naive: end, unlink, bind, listen") +
                          restart_under_load(naive_server, true, "naive: unlink, bind, listen, end");
    CHECK_INT(lost, 0);
}

/* ---- attacked while starting ---- */

#define STARTS harness_rounds(3000)

static void attacker(void *arg)
{
    raw_become_nobody();
    char temporary[128];
    snprintf(temporary, sizeof temporary, "%s.unx-new", load->path);
    const char *path = arg == NULL ? load->path : temporary;
    while (!atomic_load(&load->stop)) {
        const int fd = raw_try_connect(SOCK_STREAM, raw_path(path));
        if (fd >= 0) {
            atomic_fetch_add(&load->served, 1);
            close(fd);
        } else if (fd == -EACCES) {
            atomic_fetch_add(&load->refused, 1);
        }
    }
}

static void start_with_mode(void)
{
    const struct unx_listener_options o = {.mode = 0600, .owner = (uid_t)-1, .group = (gid_t)-1, .lock_ms = 5000};
    CHECK_INT(try_open(&opened, SOCK_STREAM, 0, load->path, &o), 0);
    CHECK_INT(mode_of(load->path), 0600);
    close_listener(opened);
}

static void start_naive_chmod(void)
{
    const int fd = unlink_and_bind(load->path);
    CHECK(fd >= 0);
    CHECK_INT(chmod(load->path, 0600), 0);
    unlink(load->path);
    close(fd);
}

/* How often somebody connected who may not. */
static unsigned start_under_attack(void (*start)(void), const char *what)
{
    if (geteuid() != 0) {
        SKIP("needs root to become another user");
    }
    load = shared(sizeof *load);
    snprintf(load->path, sizeof load->path, "%s", raw_file("sock"));
    pid_t pid[2] = {harness_fork(attacker, NULL), harness_fork(attacker, load)};
    const mode_t before = umask(0);
    unsigned starts = 0;
    /* On a busy machine the attackers may not have had their turn yet. */
    while (starts < STARTS ||
           (starts < 100 * STARTS && atomic_load(&load->refused) + atomic_load(&load->served) == 0)) {
        start();
        starts++;
    }
    umask(before);
    atomic_store(&load->stop, 1);
    harness_wait(pid[0]);
    harness_wait(pid[1]);
    const unsigned connected = atomic_load(&load->served);
    NOTE("%s: another user connected %u times in %u starts, was refused %u times", what, connected, starts,
         atomic_load(&load->refused));
    CHECK(atomic_load(&load->refused) + connected > 0);
    CHECK_INT(munmap(load, sizeof *load), 0);
    unlink(raw_file("sock"));
    return connected;
}

static void attacked_while_starting(void)
{
    CHECK_INT(start_under_attack(start_with_mode, "mode 0600, umask 0"), 0);
}

/* The attacker has to run within a few microseconds, which it mostly does in some of 3000 starts, not always. */
static void naive_attacked_while_starting(void)
{
    unsigned connected = 0;
    for (int i = 0; i < 40 && connected == 0; i++) {
        connected = start_under_attack(start_naive_chmod, "naive: bind, listen, chmod 0600, umask 0");
    }
    CHECK_INT(connected, 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"restarts_under_load", restarts_under_load, 0, 60},
        {"naive_restarts_under_load", naive_restarts_under_load, HARNESS_FAIL, 60},
        {"attacked_while_starting", attacked_while_starting, 0, 60},
        {"naive_attacked_while_starting", naive_attacked_while_starting, HARNESS_FAIL, 60},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
