// SPDX-License-Identifier: MIT
/*
 * Bad descriptors, to every call that takes one: one that is not open, one that is no socket, one of another family.
 * The answer is the errno value that the header promises, and nothing is left open, which the harness looks at. Flags,
 * types and times are in test_bad_flags.c; pointers, sizes and messages in test_bad_message.c.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <unx/control.h>

static char data[64];
static const struct iovec one = {data, sizeof data};

static int try_accept(int fd)
{
    struct unx_addr a;
    return unx_accept(fd, 0, &a);
}

static int try_adopt(int fd)
{
    return unx_adopt(fd, 0, 0);
}

static int try_adopt_and_set(int fd)
{
    return unx_adopt(fd, SOCK_STREAM, UNX_NONBLOCK | UNX_PASSCRED | UNX_LISTENING);
}

static int try_bind_to(int fd)
{
    struct unx_addr a;
    unx_addr_unnamed(&a);
    return unx_bind_to(fd, &a, UNX_MODE_UMASK);
}

static int try_connect_to(int fd)
{
    struct unx_addr a;
    unx_addr_abstract(&a, "unx-nobody", 10);
    return unx_connect_to(fd, &a);
}

static int try_local_addr(int fd)
{
    struct unx_addr a;
    return unx_local_addr(fd, &a);
}

static int try_peer_addr(int fd)
{
    struct unx_addr a;
    return unx_peer_addr(fd, &a);
}

static int try_shutdown(int fd)
{
    return unx_shutdown(fd, SHUT_WR);
}

static int try_set_nonblock(int fd)
{
    return unx_set_nonblock(fd, 1);
}

static int try_set_timeout(int fd)
{
    return unx_set_timeout(fd, UNX_RECV, 100);
}

static int try_get_timeout(int fd)
{
    int ms;
    return unx_get_timeout(fd, UNX_SEND, &ms);
}

static int try_take_error(int fd)
{
    int error;
    return unx_take_error(fd, &error);
}

static int try_peer_cred(int fd)
{
    struct unx_cred c;
    return unx_peer_cred(fd, &c);
}

static int try_peer_groups(int fd)
{
    gid_t groups[4];
    unsigned n;
    return unx_peer_groups(fd, groups, 4, &n);
}

static int try_peer_label(int fd)
{
    char label[64];
    size_t len;
    const int r = unx_peer_label(fd, label, sizeof label, &len);
    return r;
}

static int try_send(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_send(fd, &m, UNX_DONTWAIT);
}

static int try_send_plain(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_send(fd, &m, UNX_DONTWAIT | UNX_PLAIN);
}

static int try_recv(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_recv(fd, &m, UNX_DONTWAIT);
}

static int try_recv_plain(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_recv(fd, &m, UNX_DONTWAIT | UNX_PLAIN);
}

static int try_recv_keep(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_recv(fd, &m, UNX_DONTWAIT | UNX_KEEP);
}

static int try_peek(int fd)
{
    struct unx_msg m = message(&one, 1);
    return unx_recv(fd, &m, UNX_DONTWAIT | UNX_PEEK);
}

static int try_send_fd(int fd)
{
    return unx_send_fd(fd, "x", 1, STDOUT_FILENO);
}

static int try_recv_fd(int fd)
{
    return unx_recv_fd(fd, data, sizeof data, NULL);
}

static int try_call(int fd)
{
    struct unx_msg req = message(&one, 1), rep = message(&one, 1);
    return unx_call(fd, &req, &rep, 50);
}

static int try_wait(int fd)
{
    return unx_wait(fd, POLLIN, 50);
}

/* What each says to a pipe and to an unconnected TCP socket: 0 stands for any errno value, +1 for success. */
#define WORKS 1
#define ANY_ERROR 0
static const struct {
    const char *name;
    int (*run)(int fd);
    int pipe, tcp;
} calls[] = {
    {"unx_accept", try_accept, -ENOTSOCK, ANY_ERROR},
    {"unx_adopt", try_adopt, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_adopt with flags", try_adopt_and_set, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_bind_to", try_bind_to, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_connect_to", try_connect_to, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_disconnect", unx_disconnect, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_local_addr", try_local_addr, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_peer_addr", try_peer_addr, -ENOTSOCK, ANY_ERROR},
    {"unx_shutdown", try_shutdown, -ENOTSOCK, ANY_ERROR},
    {"unx_set_nonblock", try_set_nonblock, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_get_nonblock", unx_get_nonblock, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_set_timeout", try_set_timeout, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_get_timeout", try_get_timeout, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_take_error", try_take_error, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_peer_cred", try_peer_cred, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_peer_groups", try_peer_groups, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_peer_label", try_peer_label, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_peer_pidfd", unx_peer_pidfd, -ENOTSOCK, -EAFNOSUPPORT},
    {"unx_send", try_send, -ENOTSOCK, ANY_ERROR},
    {"unx_send, plain", try_send_plain, -ENOTSOCK, ANY_ERROR},
    {"unx_recv", try_recv, -ENOTSOCK, ANY_ERROR},
    {"unx_recv, plain", try_recv_plain, -ENOTSOCK, ANY_ERROR},
    {"unx_recv, kept", try_recv_keep, -ENOTSOCK, ANY_ERROR},
    {"unx_recv, a peek", try_peek, -ENOTSOCK, ANY_ERROR},
    {"unx_send_fd", try_send_fd, -ENOTSOCK, ANY_ERROR},
    {"unx_recv_fd", try_recv_fd, -ENOTSOCK, ANY_ERROR},
    {"unx_call", try_call, -ENOTSOCK, ANY_ERROR},
    {"unx_wait", try_wait, -ETIMEDOUT, WORKS},
};

static unsigned complain(const char *what, const char *name, int got, int want)
{
    const int right = want == WORKS ? got >= 0 : want == ANY_ERROR ? got < 0 : got == want;
    if (!right) {
        NOTE("%s on %s: %d (%s), want %d (%s)", name, what, got, got < 0 ? strerror(-got) : "success", want,
             want < 0        ? strerror(-want)
             : want == WORKS ? "success"
                             : "an error");
    }
    return !right;
}

static void descriptors(void)
{
    int p[2];
    unsigned wrong = 0;
    for (unsigned i = 0; i < sizeof calls / sizeof *calls; i++) {
        const int before = harness_nfds();
        wrong += complain("-1", calls[i].name, calls[i].run(-1), -EBADF);
        wrong += complain("-4711", calls[i].name, calls[i].run(-4711), -EBADF);
        wrong += complain("INT_MAX", calls[i].name, calls[i].run(INT_MAX), -EBADF);
        raw_pipe(p);
        wrong += complain("a pipe", calls[i].name, calls[i].run(p[0]), calls[i].pipe);
        close_pair(p);
        wrong += complain("a closed descriptor", calls[i].name, calls[i].run(p[0]), -EBADF);
        const int tcp = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        if (tcp >= 0) {
            wrong += complain("a TCP socket", calls[i].name, calls[i].run(tcp), calls[i].tcp);
            close(tcp);
        }
        CHECK_INT(harness_nfds(), before);
    }
    CHECK_INT(wrong, 0);
}

/* unx_dup() gives a descriptor back, so it stands apart. */
static void duplicates(void)
{
    int p[2], s[2];
    raw_pipe(p);
    raw_pair(SOCK_STREAM, s);
    CHECK_INT(unx_dup(-1), -EBADF);
    CHECK_INT(unx_dup(p[0]), -ENOTSOCK);
    close_pair(p);
    CHECK_INT(unx_dup(p[0]), -EBADF);
    const int fd = unx_dup(s[0]);
    CHECK(fd > 2 && raw_cloexec(fd) && raw_same_file(fd, s[0]));
    close(fd);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(descriptors),
    CASE(duplicates),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
