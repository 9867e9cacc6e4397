// SPDX-License-Identifier: MIT
/*
 * Other worlds: a kernel that knows less, and processes in namespaces that see less.
 *
 * The older kernel is made by a filter of system calls that lets it know no socket option from SO_PASSPIDFD on; that is
 * what Linux 6.1 says. What surprised us: pid 0 and uid 65534 look like an ordinary answer, and the second one even
 * belongs to a user.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* From here on this process lives on a kernel without the options from SO_PASSPIDFD on. */
static void become_old(void)
{
    raw_need_socket_calls();
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_getsockopt, 1, 0),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 5),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SOL_SOCKET, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JGE | BPF_K, RAW_SO_PASSPIDFD, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no filter of system calls here");
    }
    int s[2], value;
    socklen_t len = sizeof value;
    raw_pair(SOCK_STREAM, s);
    CHECK(getsockopt(s[0], SOL_SOCKET, RAW_SO_PEERPIDFD, &value, &len) == -1 && errno == ENOPROTOOPT);
    close_pair(s);
}

static void old_kernel_lacks(void)
{
    int s[2] = {-7, -7};
    become_old();
    for (unsigned t = 0; t < 3; t++) {
        const int before = harness_nfds();
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSPIDFD, s), -EOPNOTSUPP);
        CHECK(s[0] == -7 && s[1] == -7);
        CHECK_INT(unx_socket(raw_types[t], UNX_PASSPIDFD), -EOPNOTSUPP);
        CHECK_INT(harness_nfds(), before);
        int pair[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, pair), 0);
        CHECK_INT(unx_peer_pidfd(pair[0]), -EOPNOTSUPP);
        struct unx_cred c;
        CHECK_INT(unx_peer_cred(pair[0], &c), 0);
        CHECK_INT(c.pid, getpid());
        close_pair(pair);
    }
    const int alone = raw_socket(SOCK_STREAM);
    CHECK_INT(unx_peer_cred(alone, &(struct unx_cred){.known = 0}), -ENOTCONN);
    close(alone);
}

/* Nothing refuses the descriptors there, so they arrive; they are closed, and that is said. */
static void old_kernel_refuses_late(void)
{
    become_old();
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        char data[8];
        CHECK_INT(unx_pair(raw_types[t], 0, s), 0);
        raw_pipe(p);
        const int lent[2] = {p[1], p[1]};
        const struct iovec out = BYTES("x"), in = {data, sizeof data};
        struct unx_msg m = message(&out, 1), r = message(&in, 1);
        m.fds = (int *)lent;
        m.nfds = 2;
        const int sent = unx_send(s[0], &m, 0);
        if (sent == -EPERM) {
            CHECK_INT(raw_try_send(s[0], "x", 1, NULL, 0, 0), 1);
            CHECK_INT(unx_recv(s[1], &r, 0), 1);
        } else {
            CHECK_INT(sent, 1);
            CHECK_INT(unx_recv(s[1], &r, 0), -ENOBUFS);
            CHECK_INT(r.got & UNX_CUT_FDS, UNX_CUT_FDS);
        }
        CHECK_INT(r.fds_got, 0);
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static void old_kernel_works(void)
{
    become_old();
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        char data[8];
        size_t len;
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSFDS | UNX_PASSCRED | UNX_NONBLOCK, s), 0);
        CHECK_INT(unx_send_fd(s[0], "fd", 2, s[1]), 1);
        const int fd = unx_recv_fd(s[1], data, sizeof data, &len);
        CHECK(fd >= 0);
        CHECK_MEM(data, len, "fd", 2);
        CHECK_INT(unx_adopt(fd, raw_types[t], 0), raw_types[t]);
        close(fd);
        close_pair(s);
    }
}

struct across {
    int fd;       /* end of a pair that was made outside */
    int listener; /* made outside */
    struct raw_addr to;
    unsigned known; /* what an inner process knows of an outer one */
    bool pid_namespace;
};

static void receive_from_outside(const struct across *a)
{
    char data[8];
    struct unx_cred c;
    int pidfd;
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    m.cred = &c;
    m.pidfd = &pidfd;
    CHECK_INT(unx_recv(a->fd, &m, 0), 1);
    CHECK_INT(c.known, a->known);
    CHECK((c.known & UNX_KNOWN_UID) == 0 || c.uid == 0);
    if (pidfd >= 0) {
        CHECK_INT(unx_pidfd_check(pidfd, 0), 1);
        close(pidfd);
    }
}

static void inside(void *arg)
{
    const struct across *a = arg;
    receive_from_outside(a);
    struct unx_cred c;
    const int fd = raw_connect(SOCK_SEQPACKET, a->to);
    CHECK_INT(unx_peer_cred(fd, &c), 0);
    CHECK_INT(c.known, a->known);
    const int pidfd = unx_peer_pidfd(fd);
    CHECK(pidfd >= 0 || pidfd == -EOPNOTSUPP);
    if (pidfd >= 0) {
        CHECK_INT(unx_pidfd_check(pidfd, 0), 1);
        /* Somebody who is not in this namespace has no pid here, so he is nobody's. */
        CHECK_INT(unx_pidfd_check(pidfd, getpid()), 0);
        close(pidfd);
    }
    raw_send(fd, "inner", 5, NULL, 0);
    char byte;
    CHECK_INT(recv(fd, &byte, 1, 0), 1);
    close(fd);
}

/* As the first process of the new pid namespace, if there is one. */
static void enter(void *arg)
{
    const struct across *a = arg;
    if (unshare(a->pid_namespace ? CLONE_NEWPID : CLONE_NEWUSER) != 0) {
        SKIP("no new namespace: %s", strerror(errno));
    }
    if (a->pid_namespace) {
        harness_wait(harness_fork(inside, arg));
    } else {
        inside(arg);
    }
}

static void from_inside(struct across *a)
{
    if (getuid() != 0) {
        SKIP("only root can make namespaces");
    }
    int s[2];
    const int made = unx_pair(SOCK_SEQPACKET, UNX_PASSCRED | UNX_PASSPIDFD, s);
    CHECK(made == 0 || made == -EOPNOTSUPP);
    if (made < 0) {
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSCRED, s), 0);
    }
    const char *name = raw_name("world");
    a->fd = s[1];
    a->to = raw_abstract(name, strlen(name));
    a->listener = raw_listen(SOCK_SEQPACKET, a->to, 5);
    raw_set(a->listener, SO_PASSCRED, 1);
    raw_send(s[0], "outer", 5, NULL, 0);
    const pid_t child = harness_fork(enter, a);
    struct pollfd p = {.fd = a->listener, .events = POLLIN};
    if (poll(&p, 1, 5000) != 1) {
        harness_wait(child);
    }
    const int fd = raw_accept(a->listener);
    CHECK(fd >= 0);
    /* The outside sees the inside as it is. */
    char data[8];
    struct unx_cred c, sender;
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    m.cred = &sender;
    CHECK_INT(unx_peer_cred(fd, &c), 0);
    CHECK_INT(c.known, UNX_KNOWN_ALL);
    CHECK(a->pid_namespace ? c.pid > child : c.pid == child);
    CHECK_INT(c.uid, 0);
    CHECK_INT(unx_recv(fd, &m, 0), 1);
    CHECK_INT(sender.known, UNX_KNOWN_ALL);
    CHECK_INT(sender.pid, c.pid);
    raw_send(fd, "x", 1, NULL, 0);
    harness_wait(child);
    close(fd);
    close(a->listener);
    close_pair(s);
}

static void pid_namespace(void)
{
    struct across a = {.known = UNX_KNOWN_UID | UNX_KNOWN_GID, .pid_namespace = true};
    from_inside(&a);
}

static void user_namespace(void)
{
    struct across a = {.known = UNX_KNOWN_PID};
    from_inside(&a);
}

static const struct test_case cases[] = {
    CASE(old_kernel_lacks), CASE(old_kernel_refuses_late), CASE(old_kernel_works),
    CASE(pid_namespace),    CASE(user_namespace),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
