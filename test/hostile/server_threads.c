// SPDX-License-Identifier: MIT
/*
 * The server with a thread for each connection and blocking calls (server.h). A quota is what keeps the number of
 * threads bounded, timeouts of the sockets are what brings each of them back.
 *
 * What surprised us: to have room for a few descriptors, and to leave closing the others to the library, holds up this
 * thread alone, but its connection keeps its place: 28 of them, and nobody else of that user is let in for as long as
 * the sender of a nested socket likes. So there is room for all, and they are closed elsewhere.
 */
#include "../harness.h"
#include "../raw.h"
#include "server.h"

#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

struct job {
    struct server *s;
    struct conn *c;
};

static unsigned answer(const struct conn *c, struct reply *r)
{
    struct {
        uint32_t len;
        struct reply r;
    } __attribute__((packed)) framed = {sizeof *r, *r};
    const struct iovec data =
        c->type == SOCK_STREAM ? (struct iovec){&framed, sizeof framed} : (struct iovec){r, sizeof *r};
    struct unx_msg m = {.iov = &data, .niov = 1};
    int sent;
    while ((sent = unx_send(c->fd, &m, 0)) == 1 && m.skip + m.len < data.iov_len) {
        m.skip += m.len;
    }
    return sent == 1 ? 0 : sent == -EAGAIN ? NOT_READING : RESET;
}

static unsigned one_packet(struct server *s, struct conn *c, char *buf)
{
    int fds[LARGEST];
    struct unx_cred cred;
    const struct iovec room = {buf, ROOM};
    struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = LARGEST, .cred = &cred};
    const int got = unx_recv(c->fd, &m, 0);
    if (got == -EAGAIN) {
        return server_late(c, raw_now()) ? SILENT : 0;
    }
    struct reply r;
    const unsigned why = server_packet(s, c, got, &m, &r);
    return why != 0 ? why : answer(c, &r);
}

static unsigned some_bytes(struct server *s, struct conn *c, char *buf)
{
    int fds[LARGEST];
    const struct iovec room = {buf, FRAME_MAX};
    struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = LARGEST};
    const int got = unx_recv(c->fd, &m, 0);
    if (got == -EAGAIN) {
        return server_late(c, raw_now()) ? SILENT : 0;
    }
    unsigned why = server_stream_result(s, c, got, &m);
    for (size_t at = 0, used = 0; why == 0 && at < m.len; at += used) {
        struct reply r;
        why = server_bytes(s, c, buf + at, m.len - at, &used, &r);
        why = why == 0 ? answer(c, &r) : why == WANTS ? 0 : why;
    }
    return why != 0 ? why : server_late(c, raw_now()) ? SILENT : 0;
}

static void *serve_one(void *arg)
{
    const struct job j = *(struct job *)arg;
    free(arg);
    char *buf = malloc(ROOM);
    unsigned why = buf == NULL ? FULL : 0;
    unx_set_timeout(j.c->fd, UNX_RECV, 30);
    unx_set_timeout(j.c->fd, UNX_SEND, SEND_MS);
    while (why == 0 && !server_over(j.s)) {
        why = (j.c->type == SOCK_STREAM ? some_bytes : one_packet)(j.s, j.c, buf);
    }
    free(buf);
    farewell(j.c->fd);
    server_leave(j.s, j.c, why == 0 ? ENDED : why);
    return NULL;
}

static void start_thread(struct server *s, struct conn *c)
{
    pthread_attr_t attr;
    pthread_t t;
    struct job *j = malloc(sizeof *j);
    CHECK(j != NULL);
    *j = (struct job){s, c};
    CHECK_INT(pthread_attr_init(&attr), 0);
    CHECK_INT(pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED), 0);
    CHECK_INT(pthread_attr_setstacksize(&attr, 128 << 10), 0);
    if (pthread_create(&t, &attr, serve_one, j) != 0) {
        free(j);
        farewell(c->fd);
        server_leave(s, c, FULL);
    }
    pthread_attr_destroy(&attr);
}

static void accept_all(struct unx_listener *l, int type)
{
    for (;;) {
        const int fd = unx_listener_accept(l, 0, NULL, 100);
        if (fd == -ESHUTDOWN) {
            return;
        }
        if (fd < 0) {
            server_full(the_server, fd);
            continue;
        }
        struct conn *c = server_admit(the_server, fd, type);
        if (c != NULL) {
            start_thread(the_server, c);
        }
    }
}

static void *accept_packets(void *arg)
{
    accept_all(the_server->seq, SOCK_SEQPACKET);
    return arg;
}

static void *accept_streams(void *arg)
{
    accept_all(the_server->stream, SOCK_STREAM);
    return arg;
}

/* unx_listener_stop() is for a signal handler too. */
static void wake(void)
{
    unx_listener_stop(the_server->seq, 0);
    unx_listener_stop(the_server->stream, 0);
}

void serve_threads(struct server *s)
{
    pthread_t packets, streams;
    s->wake = wake;
    CHECK_INT(pthread_create(&packets, NULL, accept_packets, NULL), 0);
    CHECK_INT(pthread_create(&streams, NULL, accept_streams, NULL), 0);
    while (!server_over(s)) {
        if (unx_wait(s->notify, POLLIN, 50) > 0) {
            server_notification(s, UNX_DONTWAIT);
        }
    }
    CHECK_INT(pthread_join(packets, NULL), 0);
    CHECK_INT(pthread_join(streams, NULL), 0);
    for (int i = 0; i < CONNS; i++) {
        for (bool used = true; used; raw_sleep(1)) {
            pthread_mutex_lock(&s->mutex);
            used = s->conns[i].used;
            pthread_mutex_unlock(&s->mutex);
        }
    }
}
