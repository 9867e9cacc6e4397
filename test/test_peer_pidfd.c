// SPDX-License-Identifier: MIT
/*
 * Is the peer still there: pidfds of the living, the dead and the buried, and the check of one against a pid.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static int open_pidfd(pid_t pid)
{
    const int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0) {
        SKIP("no pidfds on this kernel");
    }
    return fd;
}

static void sleeps(void *arg)
{
    (void)arg;
    raw_sleep(60000);
}

/* Ended, but not waited for. */
static void let_die(pid_t pid)
{
    siginfo_t info;
    kill(pid, SIGKILL);
    CHECK_INT(waitid(P_PID, (id_t)pid, &info, WEXITED | WNOWAIT), 0);
}

static void bury(pid_t pid)
{
    CHECK_INT(waitpid(pid, NULL, 0), pid);
}

static void check(void)
{
    const pid_t child = harness_fork(sleeps, NULL);
    const int fd = open_pidfd(child), me = open_pidfd(getpid());
    CHECK_INT(unx_pidfd_check(fd, child), 1);
    CHECK_INT(unx_pidfd_check(fd, 0), 1);
    CHECK_INT(unx_pidfd_check(fd, getpid()), 0);
    CHECK_INT(unx_pidfd_check(fd, 1), 0);
    CHECK_INT(unx_pidfd_check(me, getpid()), 1);
    CHECK_INT(unx_pidfd_check(fd, -1), -EINVAL);
    kill(child, SIGSTOP);
    CHECK_INT(unx_pidfd_check(fd, child), 1);
    let_die(child);
    CHECK_INT(unx_pidfd_check(fd, child), 0);
    CHECK_INT(unx_pidfd_check(fd, 0), 0);
    bury(child);
    CHECK_INT(unx_pidfd_check(fd, child), 0);
    CHECK_INT(unx_pidfd_check(fd, 0), 0);
    CHECK_INT(unx_pidfd_check(fd, getpid()), 0);
    close(fd);
    close(me);
}

static void not_a_pidfd(void)
{
    int p[2], s[2];
    raw_pipe(p);
    raw_pair(SOCK_STREAM, s);
    const int file = open("/dev/null", O_RDONLY | O_CLOEXEC), dir = open("/proc/self", O_RDONLY | O_CLOEXEC);
    const int fds[] = {-1, 900, p[0], p[1], s[0], file, dir};
    for (unsigned i = 0; i < sizeof fds / sizeof *fds; i++) {
        if (i == 6 && dir < 0) {
            continue;
        }
        ROW("descriptor %u of the list", i);
        /* Before Linux 5.4 nothing tells a pidfd. */
        const int want = fds[i] >= 0 && QUIET(unx_pidfd_check(900, 0)) == -EOPNOTSUPP ? -EOPNOTSUPP : -EBADF;
        CHECK_INT(unx_pidfd_check(fds[i], 0), want);
        CHECK_INT(unx_pidfd_check(fds[i], getpid()), want);
        CHECK_INT(unx_pidfd_check(fds[i], 1), want);
    }
    close(file);
    if (dir >= 0) {
        close(dir);
    }
    close_pair(p);
    close_pair(s);
}

static int peer_pidfd(int fd)
{
    const int r = unx_peer_pidfd(fd);
    if (r == -EOPNOTSUPP) {
        SKIP("no pidfd of a peer on this kernel");
    }
    return r;
}

struct client {
    struct raw_addr to;
    int type;
};

static void connects(void *arg)
{
    const struct client *c = arg;
    const int fd = raw_connect(c->type, c->to);
    raw_sleep(60000);
    close(fd);
}

static void peer_lives_and_dies(void)
{
    for (unsigned t = 0; t < 2; t++) {
        const char *name = raw_name("pidfd");
        struct client c = {raw_abstract(name, strlen(name)), raw_types[t]};
        const int listener = raw_listen(c.type, c.to, 5);
        const pid_t child = harness_fork(connects, &c);
        const int fd = raw_accept(listener);
        CHECK(fd >= 0);
        const int alive = peer_pidfd(fd);
        CHECK(alive >= 0 && raw_cloexec(alive));
        CHECK_INT(unx_pidfd_check(alive, child), 1);
        let_die(child);
        CHECK_INT(unx_pidfd_check(alive, child), 0);
        const int zombie = peer_pidfd(fd);
        CHECK(zombie >= 0);
        CHECK_INT(unx_pidfd_check(zombie, child), 0);
        bury(child);
        /* A kernel that cannot name the dead any more says so; it never names somebody else. */
        const int buried = peer_pidfd(fd);
        CHECK(buried >= 0 || buried == -ESRCH);
        NOTE("the pidfd of a reaped peer: %s", buried >= 0 ? "there is one" : "none");
        if (buried >= 0) {
            CHECK(raw_cloexec(buried));
            CHECK_INT(unx_pidfd_check(buried, child), 0);
            CHECK_INT(unx_pidfd_check(buried, 0), 0);
            close(buried);
        }
        CHECK_INT(unx_pidfd_check(alive, child), 0);
        close(alive);
        close(zombie);
        close(fd);
        close(listener);
    }
}

static void of_a_pair(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        const int fd = peer_pidfd(s[0]);
        CHECK(fd >= 0);
        CHECK_INT(unx_pidfd_check(fd, getpid()), 1);
        close(fd);
        close_pair(s);
    }
}

static void full_table(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    close(peer_pidfd(s[0]));
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors does not work here");
    }
    raw_limit(0);
    const int r = unx_peer_pidfd(s[0]);
    const pid_t me = getpid();
    raw_unlimit();
    CHECK_INT(r, -EMFILE);
    const int fd = open_pidfd(me);
    raw_limit(0);
    const int checked = unx_pidfd_check(fd, 0);
    raw_unlimit();
    CHECK_INT(checked, 1);
    close(fd);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(check), CASE(not_a_pidfd), CASE(peer_lives_and_dies), CASE(of_a_pair), CASE(full_table),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
