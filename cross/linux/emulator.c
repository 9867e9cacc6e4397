// SPDX-License-Identifier: MIT
/*
 * What is wrong with the system that this program runs on, found out by system calls alone: for qemu-user and its like,
 * which translate system calls from one processor to another, and get some of them wrong.
 *
 *     emulator            a line "FAULT: what it is" for each fault, and nothing where there is none
 *
 * Promises: nothing of libunx is used, so no mistake of libunx can look like one of the emulator. On a real kernel it
 * prints nothing, and run.py sees to that before it believes it.
 *
 * What surprised us: qemu-user 7.2 does not make a recvmsg(2) or sendmsg(2) that has no buffer at all, and says 0. It
 * gives the kernel a control buffer twice as large as the program's, and leaves out what does not fit without a word,
 * so surplus descriptors are installed and nobody is told.
 */
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static void need(bool held, const char *what)
{
    if (!held) {
        perror(what);
        exit(1);
    }
}

static void pair(int s[2])
{
    need(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, s) == 0, "socketpair");
}

static int open_now(void)
{
    int n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* A packet with two descriptors. */
static void send_two(int s[2])
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } u = {.head = {.cmsg_len = CMSG_LEN(2 * sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS}};
    memcpy(CMSG_DATA(&u.head), s, 2 * sizeof(int));
    struct iovec iov = {"x", 1};
    const struct msghdr h = {
        .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = CMSG_SPACE(2 * sizeof(int))};
    need(sendmsg(s[0], &h, 0) == 1, "sendmsg with descriptors");
}

static void without_buffer(void)
{
    int s[2];
    pair(s);
    need(send(s[0], "four", 4, 0) == 4, "send");
    struct msghdr h = {.msg_iov = NULL};
    if (recvmsg(s[1], &h, MSG_PEEK | MSG_TRUNC) != 4) {
        puts("no-buffer: recvmsg(2) without a buffer is not made");
    }
}

static void cut(void)
{
    int s[2];
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } u;
    char c;
    struct iovec iov = {&c, 1};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &u, .msg_controllen = CMSG_LEN(sizeof(int))};
    pair(s);
    send_two(s);
    const int before = open_now();
    need(recvmsg(s[1], &h, 0) == 1, "recvmsg with room for one descriptor");
    if ((h.msg_flags & MSG_CTRUNC) == 0 || open_now() != before + 1) {
        puts("no-cut: what does not fit into a control buffer is left out without MSG_CTRUNC, and stays open");
    }
}

/* An error that comes before what is queued, as when the peer left something unread. */
static void lost_reset(void)
{
    int s[2];
    char c;
    struct iovec iov = {&c, 1};
    struct mmsghdr m[1] = {{.msg_hdr = {.msg_iov = &iov, .msg_iovlen = 1}}};
    need(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, s) == 0, "socketpair");
    need(send(s[1], "unread", 6, 0) == 6 && send(s[0], "x", 1, 0) == 1, "send");
    close(s[0]);
    if (recvmmsg(s[1], m, 1, MSG_DONTWAIT, NULL) != -1) {
        puts("lost-reset: recvmmsg(2) does not say ECONNRESET");
    }
}

/* SO_PASSRIGHTS has a number above what this emulator has names for. */
static void options(void)
{
    int s[2], value = 1;
    const int passrights = 83;
    socklen_t len = sizeof value;
    pair(s);
    if (getsockopt(s[0], SOL_SOCKET, passrights, &value, &len) == 0 &&
        setsockopt(s[0], SOL_SOCKET, passrights, &value, sizeof value) != 0) {
        puts("half-options: options that getsockopt(2) knows are unknown to setsockopt(2)");
    }
    value = 1;
    if (setsockopt(s[0], SOL_SOCKET, SO_TIMESTAMPNS, &value, sizeof value) != 0) {
        puts("no-time: SO_TIMESTAMPNS is unknown");
    }
}

/* A timeout that was set, with the size of time that this program was compiled for. */
static void timeouts(void)
{
    int s[2];
    struct timeval tv = {.tv_sec = 5};
    socklen_t len = sizeof tv;
    pair(s);
    need(setsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, sizeof tv) == 0, "setsockopt with a time");
    memset(&tv, 0, sizeof tv);
    if (getsockopt(s[0], SOL_SOCKET, SO_RCVTIMEO, &tv, &len) != 0 || len != sizeof tv || tv.tv_sec != 5) {
        puts("no-timeouts: getsockopt(2) does not give SO_RCVTIMEO back");
    }
}

/* With room for all of them. */
static void groups(void)
{
    gid_t two[2] = {1, 2};
    const int n = geteuid() == 0 && setgroups(2, two) == 0 ? 2 : getgroups(0, NULL);
    int s[2];
    socklen_t len = sizeof two;
    pair(s);
    if (n == 2 && (getsockopt(s[0], SOL_SOCKET, SO_PEERGROUPS, two, &len) != 0 || len != sizeof two)) {
        puts("no-groups: SO_PEERGROUPS is taken for an int");
    }
}

/* Started again with an argument. */
static void start(char *self)
{
    const pid_t pid = fork();
    need(pid >= 0, "fork");
    if (pid == 0) {
        execl(self, self, "started", (char *)NULL);
        _exit(errno == ENOEXEC || errno == ENOENT ? 7 : 8);
    }
    int status;
    need(waitpid(pid, &status, 0) == pid, "waitpid");
    if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
        puts("no-start: programs of this processor cannot be started with execve(2)");
    }
}

int main(int argc, char **argv)
{
    if (argc == 1) {
        without_buffer();
        cut();
        lost_reset();
        options();
        timeouts();
        groups();
        start(argv[0]);
    }
    return 0;
}
