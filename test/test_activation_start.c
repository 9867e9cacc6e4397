// SPDX-License-Identifier: MIT
/*
 * A program that is started with sockets: it adopts what it was given, after fork(2) and after vfork(2), also from a
 * program of many threads; and with the rights of somebody else it believes nothing.
 */
#include "activation.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/stat.h>

/* Room for the environment of a child. */
struct room {
    char *env[64];
    char text[1024];
};

static struct unx_activation activation(struct room *r, const int *fds, unsigned n, const char *const *names)
{
    return (struct unx_activation){
        .fds = fds, .nfds = n, .names = names, .env = r->env, .env_max = 64, .text = r->text, .text_max = 1024};
}

static ino_t inode(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

struct start {
    const int *fds;
    const char *const *names;
    unsigned n;
};

static void before_exec(void *arg)
{
    static struct room r;
    const struct start *s = arg;
    struct unx_activation a = activation(&r, s->fds, s->n, s->names);
    a.inherit = environ;
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    environ = r.env;
}

static void program_adopts(void)
{
    int s[2], out;
    const int packets = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("packets")), 5);
    raw_pair(SOCK_DGRAM, s);
    const int fds[] = {s[1], packets, packets};
    const char *const names[] = {"pair", "packets", "again"};
    struct start start = {fds, names, 3};
    const char *const argv[] = {self(), "--list", NULL};
    char want[1024];
    pid_t pid = start_program(argv, &out, before_exec, &start);
    const char *text = read_all(out);
    CHECK_INT(exit_status(pid), 0);
    snprintf(want, sizeof want,
             "3\n3 pair DGRAM - \n4 packets SEQPACKET listening %s\n5 again SEQPACKET listening %s\n",
             raw_file("packets"), raw_file("packets"));
    CHECK_MEM(text, strlen(text), want, strlen(want));
    start.names = NULL;
    start.n = 1;
    pid = start_program(argv, &out, before_exec, &start);
    text = read_all(out);
    CHECK_INT(exit_status(pid), 0);
    const char *const unnamed = "1\n3 unknown DGRAM - \n";
    CHECK_MEM(text, strlen(text), unnamed, strlen(unnamed));
    close(packets);
    close(s[0]);
    close(s[1]);
}

/* vfork(2): the child writes into its parent's memory, and the parent's descriptors stay where they are. */
static void after_vfork(void)
{
    static struct room r;
    int s[2], p[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK(pipe2(p, O_CLOEXEC) == 0);
    const int fds[] = {s[0]};
    const char *const names[] = {"only"};
    struct unx_activation a = activation(&r, fds, 1, names);
    a.inherit = environ;
    static char list[] = "--list";
    char *const argv[] = {(char *)(uintptr_t)self(), list, NULL};
    const ino_t third = inode(3);
    const pid_t pid = vfork();
    if (pid == 0) {
        if (dup2(p[1], 1) != 1 || unx_activation_pass(&a, 0) < 0)
            _exit(126);
        execve(argv[0], argv, r.env);
        _exit(127);
    }
    CHECK(pid > 0);
    close(p[1]);
    const char *text = read_all(p[0]);
    CHECK_INT(exit_status(pid), 0);
    const char *const want = "1\n3 only SEQPACKET - \n";
    CHECK_MEM(text, strlen(text), want, strlen(want));
    CHECK(inode(3) == third);
    close(s[0]);
    close(s[1]);
}

static atomic_int churning;

static void *churn(void *arg)
{
    while (churning) {
        char *p = malloc(100);
        snprintf(p, 100, "%p", (void *)p);
        if (arg)
            setenv("CHURN", p, 1);
        free(p);
    }
    return NULL;
}

/* A child that waits for a lock that no thread of its own will ever open again. */
static void wait_unlocked(pid_t pid)
{
    const int64_t end = raw_now() + 10000;
    siginfo_t si = {0};
    while (waitid(P_PID, (id_t)pid, &si, WEXITED | WNOHANG | WNOWAIT) == 0 && si.si_pid == 0) {
        if (raw_now() > end) {
            kill(pid, SIGKILL);
            CHECK(!"the child ended");
        }
        sched_yield();
    }
    harness_wait(pid);
}

/* Many children of a program whose other threads mostly hold the locks of malloc(3) and of the environment. */
static void children_of_threads(void (*child)(void *), void *arg, int n)
{
    raw_need_no_valgrind("a child has locks of its own, which other threads held");
    pthread_t threads[2];
    churning = 1;
    for (int i = 0; i < 2; i++)
        CHECK_INT(pthread_create(&threads[i], NULL, churn, i == 0 ? &churning : NULL), 0);
    for (int i = 0; i < n; i++)
        wait_unlocked(harness_fork(child, arg));
    churning = 0;
    for (int i = 0; i < 2; i++)
        pthread_join(threads[i], NULL);
}

static void pass_child(void *arg)
{
    static struct room r;
    const int fds[] = {1, 0};
    const char *const names[] = {"a", "b"};
    struct unx_activation a = activation(&r, fds, 2, names);
    a.notify = arg;
    a.watchdog_usec = 1;
    _exit(unx_activation_pass(&a, 0) < 0);
}

static void while_locks_are_held(void)
{
    struct unx_addr to;
    CHECK_INT(unx_addr_abstract(&to, "x", 1), 0);
    children_of_threads(pass_child, &to, 500);
}

/* The usual way. */
static void setenv_child(void *arg)
{
    (void)arg;
    setenv("LISTEN_FDS", "1", 1);
    _exit(0);
}

static void naive_way_while_locks_are_held(void)
{
#if !defined(__GLIBC__)
    SKIP("here setenv(3) has no lock");
#endif
    children_of_threads(setenv_child, NULL, 20000);
}

/* A program that runs with the rights of somebody else believes nothing of its environment. */
static void secure_child(void *arg)
{
    (void)arg;
    move_fd(raw_listen(SOCK_SEQPACKET, raw_path(raw_file("s")), 5), 3);
    announce(1, NULL);
    set_env("NOTIFY_SOCKET", raw_file("notify"));
    set_env("WATCHDOG_USEC", "1000000");
    raw_become_nobody();
}

static void ignored_with_the_rights_of_others(void)
{
    if (geteuid() != 0)
        SKIP("only root can make a program that runs with the rights of others");
    char copy[4096];
    snprintf(copy, sizeof copy, "%s/copy", harness_dir());
    const char *const cp[] = {"cp", self(), copy, NULL};
    int out;
    pid_t pid = start_program(cp, &out, NULL, NULL);
    read_all(out);
    CHECK_INT(exit_status(pid), 0);
    CHECK_INT(chmod(copy, 04755), 0);
    const int manager = raw_bind(SOCK_DGRAM, raw_path(raw_file("notify")));
    CHECK_INT(chmod(raw_file("notify"), 0777), 0);
    const char *const argv[] = {copy, "--secure", NULL};
    pid = start_program(argv, &out, secure_child, NULL);
    const char *text = read_all(out);
    const int status = exit_status(pid);
    close(manager);
    if (status == 127)
        SKIP("the copy does not find its library: see the static program");
    CHECK_INT(status, 0);
    if (strstr(text, "adopt 1\n"))
        SKIP("%s is mounted with nosuid", harness_dir());
    const char *const want = "variables 1 1 1\nadopt 0\nnotify 0\nbarrier 0\nwatchdog 0 0\nleft 0 0 0\n";
    CHECK_MEM(text, strlen(text), want, strlen(want));
}

static const struct test_case cases[] = {
    CASE(program_adopts),
    CASE(after_vfork),
    {"while_locks_are_held", while_locks_are_held, 0, 120},
    {"naive_way_while_locks_are_held", naive_way_while_locks_are_held, HARNESS_FAIL, 60},
    CASE(ignored_with_the_rights_of_others),
};

int main(int argc, char **argv)
{
    const int status = service_main(argc, argv);
    return status >= 0 ? status : harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
