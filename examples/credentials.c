// SPDX-License-Identifier: MIT
/*
 * Who is there? Three questions with three answers, which may differ.
 *
 *     example_credentials serve @who &
 *     example_credentials say @who 'hello'
 *
 * Who opened the connection (unx_peer_cred: fixed when it was opened), who sent this message (unx_msg.cred: the kernel
 * vouches for it), and is that process still there (a pidfd, which unlike a pid never comes to mean somebody else).
 * The client opens the connection, and its child sends the second message over it.
 *
 * UNX_PASSCRED is given to the listener: connections inherit it before their first message can arrive.
 */
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static int fail(const char *what, int error)
{
    fprintf(stderr, "credentials: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* A field that is not known is not zero: zero is root. */
static void print_cred(const char *what, const struct unx_cred *c)
{
    printf("%s: ", what);
    printf(c->known & UNX_KNOWN_PID ? "pid %ld" : "pid unknown", (long)c->pid);
    printf(c->known & UNX_KNOWN_UID ? " uid %ld" : " uid unknown", (long)c->uid);
    printf(c->known & UNX_KNOWN_GID ? " gid %ld\n" : " gid unknown\n", (long)c->gid);
}

static void print_process(int pidfd)
{
    const int r = pidfd < 0 ? pidfd : unx_pidfd_check(pidfd, 0);
    printf("opener: %s\n", r < 0 ? unx_explain(r) : r ? "still there" : "gone");
}

static void serve_one(int fd)
{
    struct unx_cred opener, sender;
    int r = unx_peer_cred(fd, &opener);
    if (r < 0) {
        fail("peer", r);
        return;
    }
    print_cred("opened by", &opener);
    const int pidfd = unx_peer_pidfd(fd); /* an old kernel has none: -EOPNOTSUPP */
    char buf[1024];
    const struct iovec room = {buf, sizeof buf};
    struct unx_msg m = {.iov = &room, .niov = 1, .cred = &sender};
    while ((r = unx_recv(fd, &m, 0)) > 0) {
        print_cred("message from", &sender);
        printf("%zu bytes\n", m.len);
        print_process(pidfd);
        const struct iovec data = {(void *)"noted", 5};
        struct unx_msg answer = {.iov = &data, .niov = 1};
        if ((r = unx_send(fd, &answer, 0)) < 0)
            break;
    }
    if (r < 0)
        fail("connection", r);
    printf("end of the connection\n");
    if (pidfd >= 0) {
        unx_wait(pidfd, POLLIN, 10000); /* a pidfd becomes readable when its process ends */
        print_process(pidfd);
        close(pidfd);
    }
    fflush(stdout);
}

static int serve(const struct unx_addr *a)
{
    const int listener = unx_listen(SOCK_SEQPACKET, UNX_PASSCRED, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    printf("listening\n");
    fflush(stdout);
    int fd;
    while ((fd = unx_accept(listener, 0, NULL)) >= 0) {
        const int r = unx_policy_check(&same_user, fd, NULL, NULL);
        if (r < 0)
            fail("somebody else", r);
        else
            serve_one(fd);
        close(fd);
    }
    close(listener);
    return fail("accept", fd);
}

static int say_one(int fd, const char *text)
{
    char buf[16];
    const struct iovec data = {(void *)text, strlen(text)}, room = {buf, sizeof buf};
    struct unx_msg req = {.iov = &data, .niov = 1}, rep = {.iov = &room, .niov = 1};
    const int r = unx_call(fd, &req, &rep, 10000);
    return r < 0 ? fail("call", r) : 0;
}

static int say(const struct unx_addr *a, const char *text)
{
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, a, 2000);
    if (fd < 0)
        return fail("connect", fd);
    int status = say_one(fd, text), child_status = 1;
    const pid_t child = fork();
    if (child == 0)
        _exit(say_one(fd, "and this is its child"));
    if (child > 0)
        waitpid(child, &child_status, 0);
    close(fd);
    return status || child_status;
}

int main(int argc, char **argv)
{
    const int serving = argc == 3 && !strcmp(argv[1], "serve");
    if (!serving && !(argc == 4 && !strcmp(argv[1], "say"))) {
        fprintf(stderr, "usage: credentials serve ADDR | credentials say ADDR TEXT\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serving ? serve(&a) : say(&a, argv[3]);
}
