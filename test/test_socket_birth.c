// SPDX-License-Identifier: MIT
/*
 * What holds for a socket from its first moment on, before anyone had time to set anything: descriptors are refused
 * unless asked for, credentials come with the first byte, and no program that another thread starts inherits it.
 *
 * The ways that programs set options too late, or close-on-exec in a second step, are tried as naive_* and must fail.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/unx.h>

/* ---- descriptors are refused by the kernel unless they were asked for ---- */

static void need_passrights(void)
{
    const int fd = raw_socket(SOCK_DGRAM);
    if (raw_option(fd, RAW_SO_PASSRIGHTS) < 0)
        SKIP("this kernel has no SO_PASSRIGHTS");
    close(fd);
}

static void try_fd(int from, unsigned flags)
{
    CHECK_INT(raw_try_send(from, "x", 1, &from, 1, MSG_DONTWAIT), flags & UNX_PASSFDS ? 1 : -EPERM);
}

static void descriptors_are_refused(void)
{
    need_passrights();
    for (int t = 0; t < 3; t++)
        for (unsigned flags = 0; flags <= UNX_PASSFDS; flags += UNX_PASSFDS) {
            const int type = raw_types[t];
            ROW("%s %#x", raw_type_name(type), flags);
            int sv[2];
            CHECK_INT(unx_pair(type, flags, sv), 0);
            try_fd(sv[0], flags);
            try_fd(sv[1], flags);
            close(sv[0]);
            close(sv[1]);
            struct unx_addr a;
            const char *path = raw_file("receiver");
            unlink(path);
            CHECK_INT(unx_addr_path(&a, path), 0);
            const int server =
                type == SOCK_DGRAM ? unx_bind(type, flags, &a, 0600) : unx_listen(type, flags, &a, 4, 0600);
            CHECK(server >= 0);
            /* At once, before anyone could accept; and what the server sends to a client that did not ask. */
            const int client = unx_connect(type, flags, NULL, &a, 1000);
            CHECK(client >= 0);
            try_fd(client, flags);
            if (type != SOCK_DGRAM) {
                const int fd = unx_accept(server, 0, NULL);
                CHECK(fd >= 0);
                try_fd(client, flags);
                try_fd(fd, flags);
                close(fd);
            }
            close(client);
            close(server);
        }
}

/* ---- credentials from the first byte on ---- */

static int accept_unx(struct raw_addr at, int *server)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_sockaddr(&a, &at.sa, at.len), 0);
    *server = unx_listen(SOCK_SEQPACKET, UNX_PASSCRED, &a, 4, UNX_MODE_UMASK);
    CHECK(*server >= 0);
    return -1;
}

static int accept_then_set(struct raw_addr at, int *server)
{
    *server = raw_listen(SOCK_SEQPACKET, at, 4);
    return 1;
}

static void check_first_message(int (*listen_at)(struct raw_addr at, int *server))
{
    int server;
    const struct raw_addr at = raw_path(raw_file("first"));
    const int late = listen_at(at, &server);
    const int client = raw_connect(SOCK_SEQPACKET, at);
    raw_send(client, "before accept", 13, NULL, 0);
    const int fd = late > 0 ? raw_accept(server) : unx_accept(server, 0, NULL);
    CHECK(fd >= 0);
    raw_send(client, "after accept", 12, NULL, 0);
    if (late > 0)
        raw_set(fd, SO_PASSCRED, 1);
    for (int i = 0; i < 2; i++) {
        char text[32];
        struct raw_got g;
        raw_recv(fd, text, sizeof text, 0, &g);
        CHECK(g.has_cred);
        CHECK_INT(g.cred.pid, getpid());
        CHECK_INT(g.cred.uid, getuid());
        CHECK_INT(g.cred.gid, getgid());
    }
    close(fd);
    close(client);
    close(server);
}

static void credentials_from_the_first_byte(void)
{
    check_first_message(accept_unx);
}

static void naive_credentials_after_accept(void)
{
    check_first_message(accept_then_set);
}

/* A socket that wants credentials gets a name nobody chose: the peer sees it. */
static void passcred_autobinds(void)
{
    const int server = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("auto")), 4);
    struct unx_addr a, b;
    CHECK_INT(unx_addr_path(&a, raw_file("auto")), 0);
    const int client = unx_connect(SOCK_SEQPACKET, UNX_PASSCRED, NULL, &a, 1000);
    CHECK(client >= 0);
    const int fd = QUIET(unx_accept(server, 0, &a));
    CHECK(fd >= 0);
    CHECK_INT(unx_addr_name(&a, NULL, NULL), UNX_ABSTRACT);
    CHECK_INT(unx_local_addr(client, &b), 0);
    CHECK_INT(unx_addr_compare(&a, &b), 0);
    close(fd);
    close(client);
    close(server);
}

/* ---- close-on-exec: no child of another thread ever inherits a socket ---- */

static int count_main(void)
{
    int n = 0;
    for (int fd = 3; fd < 1024; fd++)
        n += raw_is_open(fd);
    return n > 100 ? 100 : n;
}

static int count_in_program(void)
{
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        execl("/proc/self/exe", "test_socket", "--count", (char *)NULL);
        _exit(127);
    }
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) <= 100);
    return WEXITSTATUS(status);
}

static atomic_bool stop;
static const char *race_path;
static bool race_accepts;

static void *make_and_close(void *arg)
{
    (void)arg;
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, race_path), 0);
    while (!stop) {
        int sv[2];
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSCRED, sv), 0);
        const int copy = unx_dup(sv[0]);
        const int server = unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK);
        const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 1000);
        CHECK(copy >= 0 && server >= 0 && client >= 0);
        if (race_accepts) {
            const int fd = unx_accept(server, 0, NULL);
            CHECK(fd >= 0);
            close(fd);
        }
        close(client);
        close(server);
        close(copy);
        close(sv[0]);
        close(sv[1]);
        unlink(race_path);
    }
    return NULL;
}

static void *naive_make_and_close(void *arg)
{
    (void)arg;
    while (!stop) {
        int sv[2];
        CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, sv), 0);
        sched_yield();
        fcntl(sv[0], F_SETFD, FD_CLOEXEC);
        fcntl(sv[1], F_SETFD, FD_CLOEXEC);
        close(sv[0]);
        close(sv[1]);
    }
    return NULL;
}

static void check_exec_race(void *(*work)(void *))
{
    race_path = raw_file("race");
    const int inherited = count_in_program();
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, work, NULL), 0);
    for (int i = 0; i < 150; i++)
        CHECK_INT(count_in_program(), inherited);
    stop = true;
    CHECK_INT(pthread_join(t, NULL), 0);
}

static void no_program_inherits(void)
{
    check_exec_race(make_and_close);
}

/* Where two calls have to do what accept4(2) does, a program that another thread starts may come between them. */
static void no_program_inherits_what_is_accepted(void)
{
    raw_need_call(SYS_accept4, "accept4");
    race_accepts = true;
    check_exec_race(make_and_close);
}

static void naive_close_on_exec_in_two_steps(void)
{
    raw_need_no_valgrind("threads do not come between two calls");
    check_exec_race(naive_make_and_close);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(descriptors_are_refused),
        CASE(credentials_from_the_first_byte),
        {"naive_credentials_after_accept", naive_credentials_after_accept, HARNESS_FAIL, 0},
        CASE(passcred_autobinds),
        {"no_program_inherits", no_program_inherits, 0, 60},
        {"no_program_inherits_what_is_accepted", no_program_inherits_what_is_accepted, 0, 60},
        {"naive_close_on_exec_in_two_steps", naive_close_on_exec_in_two_steps, HARNESS_FAIL, 60},
    };
    if (argc > 1 && !strcmp(argv[1], "--count"))
        return count_main();
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
