// SPDX-License-Identifier: MIT
/*
 * Echo by hand on epoll(7): level-triggered, and edge-triggered with every socket drained; by recv(2) and send(2), and
 * by recvmsg(2) and sendmsg(2) with room for every control message that can come. Beside them on poll(2), and for one
 * connection alone without any of these.
 *
 * What surprised us: edge-triggered is the slower one. It asks each socket once more, to hear that there is nothing,
 * which costs more than what the kernel saves by not putting the socket back on its list. And poll(2) is the fastest
 * of all, as long as connections are few and nearly all have something to say; it loses where either is not so.
 */
#include "echo.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define EVENTS 256

enum { LEVEL = 0, EDGE = 1, MESSAGE = 2 };

static char buf[ECHO_ROOM];

/* 1: echoed; 0: the end; -EAGAIN: nothing there. `wait`: 0, or MSG_DONTWAIT. */
static inline int echo_plain(int fd, int wait)
{
    ssize_t n;
    do
        n = recv(fd, buf, sizeof buf, wait | MSG_TRUNC);
    while (n < 0 && errno == EINTR);
    if (n <= 0)
        return n < 0 ? -errno : 0;
    if ((size_t)n > sizeof buf)
        return -EMSGSIZE;
    ssize_t sent;
    do
        sent = send(fd, buf, (size_t)n, wait | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == n ? 1 : sent < 0 ? -errno : -EPROTO;
}

static void close_all(struct msghdr *h)
{
    for (struct cmsghdr *m = CMSG_FIRSTHDR(h); m; m = CMSG_NXTHDR(h, m)) {
        if (m->cmsg_level != SOL_SOCKET || m->cmsg_type != SCM_RIGHTS)
            continue;
        const size_t n = (m->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(m) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
}

static inline int echo_message(int fd, int wait)
{
    union {
        struct cmsghdr align;
        char room[ECHO_CONTROL];
    } control;
    struct iovec iov = {buf, sizeof buf};
    struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control.room, .msg_controllen = sizeof control};
    ssize_t n;
    do
        n = recvmsg(fd, &h, wait | MSG_TRUNC | MSG_CMSG_CLOEXEC);
    while (n < 0 && errno == EINTR);
    if (n < 0)
        return -errno;
    if (h.msg_controllen > 0)
        close_all(&h);
    if (n == 0 || (h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)))
        return n == 0 ? 0 : -EMSGSIZE;
    struct iovec data = {buf, (size_t)n};
    const struct msghdr out = {.msg_iov = &data, .msg_iovlen = 1};
    ssize_t sent;
    do
        sent = sendmsg(fd, &out, wait | MSG_NOSIGNAL);
    while (sent < 0 && errno == EINTR);
    return sent == n ? 1 : sent < 0 ? -errno : -EPROTO;
}

/* Inlined into a loop of its own for each variant, as one would write it. */
static inline __attribute__((always_inline)) int loop(int ep, const bool edge, int (*const echo)(int, int))
{
    for (;;) {
        struct epoll_event ev[EVENTS];
        const int n = epoll_wait(ep, ev, EVENTS, -1);
        if (n < 0 && errno != EINTR)
            return -errno;
        for (int i = 0; i < n; i++) {
            int r;
            do
                r = echo(ev[i].data.fd, MSG_DONTWAIT);
            while (edge && r > 0);
            if (r <= 0 && r != -EAGAIN)
                return r == -ECONNRESET ? 0 : r;
        }
    }
}

static int run_poll(const struct echo_server *s, const struct echo_job *j)
{
    struct pollfd *const v = calloc(j->nfds, sizeof *v);
    if (!v)
        return -ENOMEM;
    for (unsigned i = 0; i < j->nfds; i++)
        v[i] = (struct pollfd){.fd = j->fds[i], .events = POLLIN};
    for (;;) {
        int n = poll(v, j->nfds, -1);
        if (n < 0 && errno != EINTR)
            return -errno;
        for (struct pollfd *p = v; n > 0; p++) {
            if (p->revents == 0)
                continue;
            n--;
            const int r = s->variant & MESSAGE ? echo_message(p->fd, MSG_DONTWAIT) : echo_plain(p->fd, MSG_DONTWAIT);
            if (r <= 0 && r != -EAGAIN)
                return r == -ECONNRESET ? 0 : r;
        }
    }
}

/* One connection needs neither. */
static int run_blocking(const struct echo_server *s, const struct echo_job *j)
{
    int r;
    do
        r = s->variant & MESSAGE ? echo_message(j->fds[0], 0) : echo_plain(j->fds[0], 0);
    while (r > 0);
    return r;
}

static int run(const struct echo_server *s, const struct echo_job *j)
{
    const int ep = epoll_create1(EPOLL_CLOEXEC);
    if (ep < 0)
        return -errno;
    int r = 0;
    for (unsigned i = 0; r == 0 && i < j->nfds; i++) {
        struct epoll_event ev = {.events = EPOLLIN | (s->variant & EDGE ? EPOLLET : 0u), .data.fd = j->fds[i]};
        r = epoll_ctl(ep, EPOLL_CTL_ADD, j->fds[i], &ev) < 0 ? -errno : 0;
    }
    if (r == 0 && s->variant == LEVEL)
        r = loop(ep, false, echo_plain);
    else if (r == 0 && s->variant == EDGE)
        r = loop(ep, true, echo_plain);
    else if (r == 0 && s->variant == MESSAGE)
        r = loop(ep, false, echo_message);
    else if (r == 0)
        r = loop(ep, true, echo_message);
    close(ep);
    return r;
}

#define BOTH (ECHO_SEQPACKET | ECHO_STREAM)

const struct echo_server echo_epoll[] = {
    {"raw-epoll", ECHO_RAW, BOTH, run, LEVEL, 0},
    {"raw-epoll-et", ECHO_RAW, BOTH, run, EDGE, 0},
    {"raw-epoll-msg", ECHO_RAW_MSG, BOTH, run, LEVEL | MESSAGE, 0},
    {"raw-epoll-et-msg", ECHO_RAW_MSG, BOTH, run, EDGE | MESSAGE, 0},
    {"raw-poll", ECHO_RAW, BOTH | ECHO_BESIDE, run_poll, 0, 0},
    {"raw-poll-msg", ECHO_RAW_MSG, BOTH | ECHO_BESIDE, run_poll, MESSAGE, 0},
    {"raw-blocking", ECHO_RAW, ECHO_ALONE, run_blocking, 0, 0},
    {"raw-blocking-msg", ECHO_RAW_MSG, ECHO_ALONE, run_blocking, MESSAGE, 0},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
