// SPDX-License-Identifier: MIT
/*
 * An echo server with a poll(2) loop of its own: nothing of libunx is needed for that, every socket is a descriptor.
 *
 *     example_own_poll seqpacket @echo &      then: example_echo ask @echo hello
 *     example_own_poll stream @bytes &        then: example_stream @bytes <FILE
 *
 * Every socket is non-blocking, and each client is in one of two states: we read, or we still owe it the answer. Then
 * we do not read more from it: a client that never reads slows down itself alone. Always try to send first, and poll
 * for room only after -EAGAIN: poll(2) says "writable" late, when three quarters of the send buffer are free again.
 * A packet goes whole or not at all; a stream takes what fits, and `skip` goes on where it stopped.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

#define MAX_CLIENTS 64

struct client {
    char buf[262144]; /* more than a send buffer holds by default */
    size_t len, skip; /* what came, and how much of it went back */
    int owing;
};

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static struct client clients[MAX_CLIENTS];
static struct pollfd polled[MAX_CLIENTS + 1]; /* polled[MAX_CLIENTS] is the listener */

static int fail(const char *what, int error)
{
    fprintf(stderr, "own_poll: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void drop(unsigned i, int reason)
{
    printf("client %u: %s\n", i, reason < 0 ? unx_explain(reason) : "the end");
    close(polled[i].fd);
    polled[i].fd = -1;
    polled[MAX_CLIENTS].events = POLLIN;
}

/* 1: all of it went; 0: later; negative: nobody is there any more. */
static int pay(int fd, struct client *c)
{
    const struct iovec data = {c->buf, c->len};
    do { /* an empty packet is sent too */
        struct unx_msg m = {.iov = &data, .niov = 1, .skip = c->skip};
        const int r = unx_send(fd, &m, 0);
        if (r < 0)
            return r == -EAGAIN ? 0 : r;
        c->skip += m.len;
    } while (c->skip < c->len);
    return 1;
}

static void serve_client(unsigned i)
{
    struct client *c = &clients[i];
    int r;
    if (!c->owing) {
        const struct iovec room = {c->buf, sizeof c->buf};
        struct unx_msg m = {.iov = &room, .niov = 1};
        if ((r = unx_recv(polled[i].fd, &m, 0)) <= 0) {
            if (r != -EAGAIN && !unx_one_message(r))
                drop(i, r);
            return;
        }
        if (m.len == 0)
            printf("client %u: an empty packet, which is not the end\n", i);
        c->len = m.len;
        c->skip = 0;
    }
    if ((r = pay(polled[i].fd, c)) < 0) {
        drop(i, r);
        return;
    }
    if (r == 0 && !c->owing)
        printf("client %u: %zu of %zu bytes, the rest later\n", i, c->skip, c->len);
    c->owing = r == 0;
    polled[i].events = c->owing ? POLLOUT : POLLIN;
}

static int accept_client(void)
{
    struct pollfd *listener = &polled[MAX_CLIENTS];
    unsigned i = 0;
    while (i < MAX_CLIENTS && polled[i].fd >= 0)
        i++;
    const int fd = i < MAX_CLIENTS ? unx_accept(listener->fd, UNX_NONBLOCK, NULL) : -EMFILE;
    if (fd == -EMFILE || fd == -ENFILE) /* full: they wait in the backlog until somebody leaves, or a while */
        listener->events = 0;
    if (fd < 0)
        return fd == -EAGAIN || listener->events == 0 ? 0 : fd;
    if (unx_policy_check(&same_user, fd, NULL, NULL) < 0) {
        close(fd);
        return 0;
    }
    polled[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    clients[i].owing = 0;
    return 0;
}

static int serve(int type, const struct unx_addr *a)
{
    const int listener = unx_listen(type, UNX_NONBLOCK, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    for (unsigned i = 0; i < MAX_CLIENTS; i++)
        polled[i].fd = -1;
    polled[MAX_CLIENTS] = (struct pollfd){.fd = listener, .events = POLLIN};
    printf("listening\n");
    int r = 0;
    while (r >= 0) {
        fflush(stdout);
        const int n = poll(polled, MAX_CLIENTS + 1, polled[MAX_CLIENTS].events ? -1 : 100);
        if (n < 0) {
            r = errno == EINTR ? 0 : -errno;
            continue;
        }
        if (n == 0) /* nobody says when other programs have closed something */
            polled[MAX_CLIENTS].events = POLLIN;
        for (unsigned i = 0; i < MAX_CLIENTS; i++)
            if (polled[i].fd >= 0 && polled[i].revents)
                serve_client(i);
        if (polled[MAX_CLIENTS].revents)
            r = accept_client();
    }
    close(listener);
    return fail("serve", r);
}

int main(int argc, char **argv)
{
    const int stream = argc == 3 && !strcmp(argv[1], "stream");
    if (!stream && !(argc == 3 && !strcmp(argv[1], "seqpacket"))) {
        fprintf(stderr, "usage: own_poll seqpacket|stream ADDR\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serve(stream ? SOCK_STREAM : SOCK_SEQPACKET, &a);
}
