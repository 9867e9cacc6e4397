// SPDX-License-Identifier: MIT
/*
 * Handing over under load: clients send 100,000 numbered requests while the server is upgraded twenty times, and while
 * more upgrades than that fail in every way. Each request is answered, once, in order; nobody is refused; no descriptor
 * is left over on any side.
 *
 * Four kinds of clients: one that waits for each reply; one that has many requests on the way, which lie in the socket
 * when the server changes; one that reads so late that the server owes it replies; one that connects anew all the time.
 */
#include "handover_server.h"
#include "message.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#define CLIENTS 4
#define WINDOW 16
#define PATIENCE_MS 5000

static struct plan *plan;
static int plan_fd;

struct client {
    unsigned id, requests;
    unsigned window;   /* requests that may be on their way */
    unsigned per_conn; /* requests per connection; 0: one connection for all */
    unsigned pause_us; /* before it reads */
    unsigned step;     /* requests of all clients together between two upgrades */
};

/* Nobody runs ahead of the upgrades, so that each of them happens under load: who waits for one has asked, and has not
 * read the replies yet. */
static void keep_pace(const struct client *c)
{
    while (c->step > 0 && plan->answered >= (unsigned)(plan->finished + 2) * c->step && plan->failed == 0) {
        usleep(50);
    }
    CHECK_INT(plan->failed, 0);
}

static int client_connect(void)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, plan->path), 0);
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, &a, PATIENCE_MS);
    CHECK(fd >= 0);
    CHECK_INT(unx_set_timeout(fd, UNX_RECV, PATIENCE_MS), 0);
    return fd;
}

static void ask(int fd, const struct client *c, unsigned number)
{
    struct request request = {c->id, number};
    const struct iovec data = {&request, sizeof request};
    struct unx_msg m = {.iov = &data, .niov = 1};
    CHECK_INT(unx_send(fd, &m, 0), 1);
}

/* The next reply is to this request, and its number was given to no other. */
static void hear(int fd, const struct client *c, unsigned number)
{
    struct reply reply;
    const struct iovec room = {&reply, sizeof reply};
    struct unx_msg m = {.iov = &room, .niov = 1};
    CHECK_INT(unx_recv(fd, &m, 0), 1);
    CHECK_INT(m.len, sizeof reply);
    CHECK_INT(reply.request.client, c->id);
    CHECK_INT(reply.request.number, number);
    CHECK(reply.count >= 1 && reply.count <= SERVER_REQUESTS);
    CHECK_INT(atomic_exchange(&plan->seen[reply.count], 1), 0);
    plan->answered++;
}

static void client_main(void *arg)
{
    const struct client *c = arg;
    unsigned asked = 0, heard = 0, on_conn = 0;
    int fd = client_connect();
    while (heard < c->requests) {
        while (asked < c->requests && asked - heard < c->window) {
            ask(fd, c, asked++);
        }
        keep_pace(c);
        usleep(c->pause_us);
        while (heard < asked) {
            hear(fd, c, heard++);
        }
        on_conn += c->window;
        if (c->per_conn > 0 && on_conn >= c->per_conn) {
            close(fd);
            fd = client_connect();
            on_conn = 0;
        }
    }
    close(fd);
}

static void start_server(void)
{
    plan_fd = memfd_create("plan", 0);
    CHECK(plan_fd >= 0 && ftruncate(plan_fd, sizeof *plan) == 0);
    plan = mmap(NULL, sizeof *plan, PROT_READ | PROT_WRITE, MAP_SHARED, plan_fd, 0);
    CHECK(plan != MAP_FAILED);
    snprintf(plan->path, sizeof plan->path, "%s/server", harness_dir());
    /* Each server is the child of the one before, which ends: then it becomes ours. */
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        char number[16];
        snprintf(number, sizeof number, "%d", plan_fd);
        execl("/proc/self/exe", "server", "server", number, (char *)NULL);
        _exit(127);
    }
    while (plan->pid == 0) {
        CHECK_INT(plan->failed, 0);
        usleep(1000);
    }
}

/* One upgrade, once enough requests were answered since the one before. */
static void upgrade(enum mode mode, unsigned after)
{
    const int before = plan->finished;
    while (plan->answered < after) {
        CHECK_INT(plan->failed, 0);
        usleep(50);
    }
    plan->mode = mode;
    CHECK_INT(kill(plan->pid, SIGHUP), 0);
    while (plan->finished == before) {
        CHECK_INT(plan->failed, 0);
        usleep(50);
    }
}

static void stop_server(const pid_t *clients, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        harness_wait(clients[i]);
    }
    CHECK_INT(plan->failed, 0);
    CHECK_INT(kill(plan->pid, SIGTERM), 0);
    while (waitpid(-1, NULL, 0) > 0) {
    }
    CHECK_INT(plan->failed, 0);
    CHECK_INT(munmap(plan, sizeof *plan), 0);
    close(plan_fd);
}

static void twenty_upgrades(void)
{
    raw_need_no_valgrind("clients do not get their turn beside servers");
    raw_need_call(SYS_memfd_create, "memfd_create");
    static const enum mode modes[] = {GOOD, DIES_BEFORE, GOOD, DIES_AFTER,   OLD_KILLED, REFUSES,
                                      GOOD, HAS_NO_ROOM, GOOD, HANGS_BEFORE, GOOD,       HANGS_AFTER};
    const unsigned attempts = 48, all = SERVER_REQUESTS;
    const unsigned step = all / (attempts + 1);
    struct client clients[CLIENTS] = {
        {.requests = all * 3 / 10, .window = 1},
        {.requests = all * 4 / 10, .window = WINDOW},
        {.requests = all * 2 / 10, .window = WINDOW, .pause_us = 300},
        {.requests = all * 1 / 10, .window = 2, .per_conn = 20},
    };
    pid_t pids[CLIENTS];
    int by_mode[MODES] = {0};
    start_server();
    const int64_t start = raw_now();
    for (unsigned i = 0; i < CLIENTS; i++) {
        clients[i].id = i;
        clients[i].step = step;
        pids[i] = harness_fork(client_main, &clients[i]);
    }
    for (unsigned i = 0; i < attempts; i++) {
        const enum mode mode = modes[i % (sizeof modes / sizeof *modes)];
        upgrade(mode, (i + 1) * step);
        by_mode[mode]++;
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        harness_wait(pids[i]);
    }
    NOTE("%u requests in %lld ms; %d upgrades, in %d of them the old server was killed; %d failed ones",
         (unsigned)plan->answered, (long long)(raw_now() - start), plan->upgrades, by_mode[OLD_KILLED],
         (int)attempts - plan->upgrades);
    NOTE("the longest good hand-over took %u us; %d replies were handed over", plan->pause, plan->owed);
    CHECK_INT(plan->upgrades, by_mode[GOOD] + by_mode[OLD_KILLED]);
    CHECK(by_mode[GOOD] >= 20);
    CHECK_INT(plan->answered, all);
    CHECK(plan->owed > 0);
    for (unsigned i = 1; i <= all; i++) {
        CHECK_INT(plan->seen[i], 1);
    }
    stop_server(NULL, 0);
}

static int has_ended(pid_t pid)
{
    siginfo_t info = {0};
    CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOHANG | WNOWAIT), 0);
    return info.si_pid == pid;
}

/* The counter-examples: each has to lose a request, or refuse somebody, sooner or later. */
static void naive(enum mode mode)
{
    raw_need_no_valgrind("clients do not get their turn beside servers");
    struct client clients[2] = {{.id = 0, .requests = SERVER_REQUESTS * 8 / 10, .window = WINDOW},
                                {.id = 1, .requests = SERVER_REQUESTS * 2 / 10, .window = 1, .per_conn = 5}};
    pid_t pids[2];
    start_server();
    for (unsigned i = 0; i < 2; i++) {
        pids[i] = harness_fork(client_main, &clients[i]);
    }
    plan->mode = mode;
    while (!has_ended(pids[0]) && !has_ended(pids[1])) {
        kill(plan->pid, SIGHUP);
        raw_sleep(10);
    }
    stop_server(pids, 2);
}

static void naive_restart(void)
{
    naive(NAIVE_RESTART);
}

static void naive_reads_on(void)
{
    naive(NAIVE_READS_ON);
}

static const struct test_case cases[] = {
    {"twenty_upgrades", twenty_upgrades, 0, 120},
    {"naive_restart", naive_restart, HARNESS_FAIL, 0},
    {"naive_reads_on", naive_reads_on, HARNESS_FAIL, 0},
};

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "server") == 0) {
        server_main(atoi(argv[2]));
    }
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
