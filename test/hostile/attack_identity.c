// SPDX-License-Identifier: MIT
/*
 * Attacks by being somebody else: credentials that are not one's own, a connection that somebody else has opened, a pid
 * that was somebody else's.
 */
#include "../harness.h"
#include "../raw.h"
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static ssize_t send_as(int fd, pid_t pid, uid_t uid, gid_t gid)
{
    const struct ucred c = {pid, uid, gid};
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(sizeof c)];
    } control = {.h = {CMSG_LEN(sizeof c), SOL_SOCKET, SCM_CREDENTIALS}};
    memcpy(CMSG_DATA(&control.h), &c, sizeof c);
    char data[] = "1234567";
    struct iovec iov = {data, sizeof data};
    const struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    const ssize_t r = sendmsg(fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r < 0 ? -errno : r;
}

void forged_credentials(struct ground *g)
{
    const bool root = geteuid() == 0;
    const pid_t parent = getppid();
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        if (s < 0) {
            continue;
        }
        const ssize_t r = round % 3 == 0   ? send_as(s, parent, geteuid(), getegid())
                          : round % 3 == 1 ? send_as(s, getpid(), root ? 12345 : 0, getegid())
                                           : send_as(s, root ? 1 : getpid(), root ? 1000 : geteuid(), root ? 1000 : 0);
        atomic_fetch_add(&g->shared->tries, 1);
        /* Only root may claim what it likes; for others the kernel says no, and nobody hears of it. */
        if (!root && r != -EPERM && r != -EAGAIN && r != -EPIPE && r != -ECONNRESET) {
            harness_fail(__FILE__, __LINE__, "forged credentials: %zd", r);
        }
        for (int i = 0; i < 20 && root && ground_on(g) && !attack_over(s); i++) {
            attack_pause_us(500);
        }
        close(s);
        attack_pause_us(500);
    }
}

/* uid 65534, which the kernel also says where it can name no user. */
void nobody_comes(struct ground *g)
{
    while (ground_on(g)) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        attack_request(s, SOCK_SEQPACKET, 8);
        atomic_fetch_add(&g->shared->tries, 1);
        for (int i = 0; s >= 0 && i < 100 && ground_on(g) && !attack_over(s); i++) {
            attack_pause_us(1000);
        }
        close(s);
    }
}

/* ---- a connection that root has opened ---- */

static int passed;

static void speak_on_passed(struct ground *g)
{
    (void)g;
    const uid_t other = 65533;
    CHECK(setresgid(other, other, other) == 0 && setresuid(other, other, other) == 0);
    for (int i = 0; i < 3; i++) {
        attack_request(passed, SOCK_SEQPACKET, 8);
        attack_pause_us(500);
    }
}

void passed_connection(struct ground *g)
{
    while (ground_on(g)) {
        passed = attack_connect(g->seq, SOCK_SEQPACKET);
        atomic_fetch_add(&g->shared->tries, 1);
        if (passed >= 0) {
            ground_fork(g, speak_on_passed);
            ground_join(g);
        }
        close(passed);
    }
}

/* ---- a pid that comes again ---- */

static void next_pid(pid_t pid)
{
    char text[20];
    const int fd = open("/proc/sys/kernel/ns_last_pid", O_WRONLY | O_CLOEXEC);
    const int n = snprintf(text, sizeof text, "%d", pid - 1);
    CHECK(fd >= 0 && write(fd, text, (size_t)n) == n);
    close(fd);
}

static int go[2];

/* Asks, when it is told to, whether the one who opened the connection is still there. */
static void ask_later(struct ground *g, int s)
{
    char c, question[16] = "1234567";
    struct reply r;
    question[8] = 'P';
    close(go[1]);
    if (read(go[0], &c, 1) != 1 || attack_send(s, question, sizeof question) < 0) {
        _exit(0);
    }
    const struct timeval second = {1, 0};
    setsockopt(s, SOL_SOCKET, SO_RCVTIMEO, &second, sizeof second);
    if (recv(s, &r, sizeof r, 0) == sizeof r) {
        atomic_fetch_add(r.flags & REPLY_OPENER_GONE ? &g->shared->not_fooled : &g->shared->tries, 1);
    }
    _exit(0);
}

static void open_and_end(struct ground *g)
{
    char reply[64];
    const int s = attack_connect(g->seq, SOCK_SEQPACKET);
    if (s < 0 || attack_request(s, SOCK_SEQPACKET, 8) < 0 || recv(s, reply, sizeof reply, 0) < 0) {
        _exit(0);
    }
    if (fork() == 0) {
        ask_later(g, s);
    }
}

static void wait_to_be_killed(struct ground *g)
{
    (void)g;
    pause();
}

void pid_comes_again(struct ground *g)
{
    CHECK_INT(prctl(PR_SET_CHILD_SUBREAPER, 1), 0);
    while (ground_on(g)) {
        raw_pipe(go);
        CHECK_INT(fcntl(go[0], F_SETFL, 0), 0);
        const pid_t opener = ground_fork(g, open_and_end);
        int status;
        waitpid(opener, &status, 0);
        next_pid(opener);
        const pid_t again = ground_fork(g, wait_to_be_killed);
        if (again == opener) {
            CHECK_INT(write(go[1], "x", 1), 1);
        }
        close(go[1]);
        close(go[0]);
        /* The one who asks, which has become our child. */
        for (int i = 0; again == opener && i < 500 && waitpid(-1, &status, WNOHANG) == 0; i++) {
            attack_pause_us(1000);
        }
        kill(again, SIGKILL);
        while (waitpid(-1, &status, 0) > 0) {
        }
    }
}
