// SPDX-License-Identifier: MIT
/*
 * The system calls by hand, as a careful program writes them: what libunx is measured against.
 *
 * Careful means: the header is built for each call (the kernel writes into it), descriptors arrive close-on-exec, there
 * is room for every control message that can come, EINTR is retried, no SIGPIPE, the control messages are walked and
 * their descriptors counted, surplus ones are closed, and what was cut is an error. The compiler may inline all of it.
 */
#define _GNU_SOURCE 1 /* struct ucred, accept4(2) */
#include "sides.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <unx/unx.h>

/* As much room as libunx gives: 253 descriptors, credentials, a pidfd, a time stamp, a label. */
union control {
    struct cmsghdr align;
    char room[1536];
};

static int send_message(int fd, const void *p, size_t n, const int *fds, unsigned nfds)
{
    union control control;
    struct iovec iov = {(void *)p, n};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    if (nfds > 0) {
        h.msg_control = control.room;
        h.msg_controllen = CMSG_SPACE(nfds * sizeof(int));
        struct cmsghdr *const m = CMSG_FIRSTHDR(&h);
        m->cmsg_level = SOL_SOCKET;
        m->cmsg_type = SCM_RIGHTS;
        m->cmsg_len = CMSG_LEN(nfds * sizeof(int));
        memcpy(CMSG_DATA(m), fds, nfds * sizeof(int));
    }
    ssize_t r;
    do
        r = sendmsg(fd, &h, MSG_NOSIGNAL);
    while (r < 0 && errno == EINTR);
    return r < 0 ? -errno : (int)r;
}

static unsigned take_fds(struct msghdr *h, int *fds, unsigned max, int *error)
{
    unsigned got = 0;
    for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        const unsigned n = (unsigned)((m->cmsg_len - CMSG_LEN(0)) / sizeof(int));
        for (unsigned i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
            if (got < max) {
                fds[got++] = fd;
            } else {
                close(fd);
                *error = -ENOBUFS;
            }
        }
    }
    return got;
}

static int receive_message(int fd, void *p, size_t max, int *fds, unsigned max_fds, unsigned *got)
{
    union control control;
    struct iovec iov = {p, max};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control};
    ssize_t r;
    do
        r = recvmsg(fd, &h, MSG_CMSG_CLOEXEC | MSG_TRUNC);
    while (r < 0 && errno == EINTR);
    if (r < 0)
        return -errno;
    int error = h.msg_flags & MSG_TRUNC ? -EMSGSIZE : h.msg_flags & MSG_CTRUNC ? -EMFILE : 0;
    *got = take_fds(&h, fds, max_fds, &error);
    if (error == 0)
        return (int)r;
    while (*got > 0)
        close(fds[--*got]);
    return error;
}

int raw_message(struct bench_context *c, unsigned n)
{
    char *const buf = c->buf;
    int lent[SIDES_MAX_FDS], fds[SIDES_MAX_FDS];
    for (unsigned i = 0; i < c->nfds; i++)
        lent[i] = c->extra;
    for (; n > 0; n--) {
        unsigned got = 0;
        int r = send_message(c->fds[0], buf, c->size, lent, c->nfds);
        if (r >= 0)
            r = receive_message(c->fds[1], buf, SIDES_MAX_SIZE, fds, c->nfds, &got);
        if (r < 0)
            return r;
        if ((size_t)r != c->size || got != c->nfds)
            return -EPROTO;
        while (got > 0)
            close(fds[--got]);
    }
    return 0;
}

int raw_sender(struct bench_context *c, unsigned n)
{
    int r = 0;
    for (; r >= 0 && n > 0; n--)
        r = send_message(c->fds[0], c->buf, c->size, NULL, 0);
    return r < 0 ? r : 0;
}

int raw_receiver(struct bench_context *c, unsigned n)
{
    for (; n > 0; n--) {
        unsigned got = 0;
        const int r = receive_message(c->fds[1], c->buf, SIDES_MAX_SIZE, NULL, 0, &got);
        if (r < 0)
            return r;
        if ((size_t)r != c->size)
            return -EPROTO;
    }
    return 0;
}

int raw_plain(struct bench_context *c, unsigned n)
{
    char *const buf = c->buf;
    for (; n > 0; n--) {
        ssize_t r;
        do
            r = send(c->fds[0], buf, c->size, MSG_NOSIGNAL);
        while (r < 0 && errno == EINTR);
        if (r < 0)
            return -errno;
        do
            r = recv(c->fds[1], buf, SIDES_MAX_SIZE, MSG_TRUNC);
        while (r < 0 && errno == EINTR);
        if (r < 0)
            return -errno;
        if ((size_t)r != c->size)
            return (size_t)r > SIDES_MAX_SIZE ? -EMSGSIZE : -EPROTO;
    }
    return 0;
}

/* Non-blocking and then switched back, which is the only way to a connect(2) that surely returns: a blocking one waits
 * without limit for room in the backlog, and can even miss it. */
static int connect_to(int type, const struct unx_addr *a)
{
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -errno;
    int r;
    do
        r = connect(fd, &a->sa, a->len);
    while (r < 0 && errno == EINTR);
    if (r == 0 && fcntl(fd, F_SETFL, O_RDWR) == 0)
        return fd;
    r = -errno;
    close(fd);
    return r;
}

/* In two steps where a filter forbids the one call, as the library does it. */
static int accept_from(int listener)
{
    int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
    if (fd < 0 && errno == ENOSYS && (fd = accept(listener, NULL, NULL)) >= 0)
        fcntl(fd, F_SETFD, FD_CLOEXEC);
    return fd;
}

int raw_connect(struct bench_context *c, unsigned n)
{
    for (; n > 0; n--) {
        const int client = connect_to(c->type, c->more);
        if (client < 0)
            return client;
        int server;
        do
            server = accept_from(c->fds[0]);
        while (server < 0 && errno == EINTR);
        struct ucred cred;
        socklen_t len = sizeof cred;
        int r = server < 0 || getsockopt(server, SOL_SOCKET, SO_PEERCRED, &cred, &len) < 0 ? -errno : 0;
        if (r == 0 && (len != sizeof cred || cred.pid <= 0))
            r = -ENOTCONN;
        if (server >= 0)
            close(server);
        close(client);
        if (r < 0)
            return r;
    }
    return 0;
}
