// SPDX-License-Identifier: MIT
/*
 * Packets over streams on the engine: unx_engine_poll() says when, and the calls of unx/frames.h, told not to wait,
 * do. On every backend: the conformance script, and a server of several clients whose answers do not fit their
 * sockets.
 */
#include "../conformance.h"
#include "../engine.h"
#include "frames.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

static struct unx_engine *engine;

/* ---- the script ---- */

static struct unx_frames in;
static unsigned char in_buf[UNX_FRAMES_ROOM(200, 253)];

static void begin(int near, int far)
{
    (void)near;
    (void)far;
    CHECK_INT(unx_frames_init(&in, UNX_RECV, in_buf, sizeof in_buf, 253), 0);
}

static unsigned held(void)
{
    return frames_held(&in);
}

static int close_near(int fd)
{
    CHECK_INT(unx_frames_close(&in), 0);
    leave(engine, fd);
    return 0;
}

/* As a program does: what is here is taken, and then readiness is asked for. */
static int recv_when_ready(int fd, struct unx_msg *m, unsigned flags)
{
    for (;;) {
        const int r = QUIET(unx_frames_recv(&in, fd, m, flags | UNX_DONTWAIT));
        if (r != -EAGAIN) {
            return r;
        }
        struct unx_op op = {0};
        START(unx_engine_poll(engine, &op, fd, POLLIN, 10));
        const struct unx_event ev = NEXT(engine);
        CHECK(ev.op == &op);
        if (ev.result == -ETIMEDOUT) {
            return r;
        }
        CHECK(ev.result > 0);
    }
}

static void script(struct unx_engine *e)
{
    const struct way way = {"unx_frames_recv when the engine says so", recv_when_ready,
                            CAN_FRAMES | CAN_FDS | CAN_CRED | CAN_PARTIAL | CAN_KEEP | CAN_PEEK | CAN_PEEK_FDS |
                                CAN_NO_ROOM | CAN_TABLE | CAN_TRY | CAN_ROOM | CAN_FD_ROOM};
    engine = e;
    conformance_close = close_near;
    conformance_frames = (struct conformance_frames){begin, wire_send, held};
    CHECK_INT(conformance_run(&way), 0);
    conformance_frames.send = wire_send_bytes;
    CHECK_INT(conformance_run(&way), 0);
}

/* ---- a server ---- */

#define CLIENTS 5
#define ROUNDS 40
#define LARGE 70000u

struct peer {
    struct unx_op read, write;
    struct unx_frames in, out;
    unsigned char *in_buf, *out_buf;
    int fd;
    bool reading, writing, ended, shut;
    char *owed; /* an answer of which nothing has gone yet, and its descriptor */
    size_t owed_len;
    unsigned owed_nfds;
    int owed_fd;
    bool owing;
    unsigned sent, got;
};

static void peer_open(struct peer *p, int fd)
{
    memset(p, 0, sizeof *p);
    p->fd = fd;
    p->in_buf = malloc(UNX_FRAMES_ROOM(LARGE, 1));
    p->out_buf = malloc(UNX_FRAMES_ROOM(LARGE, 0));
    p->owed = malloc(LARGE);
    CHECK(p->in_buf != NULL && p->out_buf != NULL && p->owed != NULL);
    CHECK_INT(unx_frames_init(&p->in, UNX_RECV, p->in_buf, UNX_FRAMES_ROOM(LARGE, 1), 1), 0);
    CHECK_INT(unx_frames_init(&p->out, UNX_SEND, p->out_buf, UNX_FRAMES_ROOM(LARGE, 0), 0), 0);
    START(unx_engine_poll(engine, &p->read, fd, POLLIN, -1));
    p->reading = true;
}

static void peer_close(struct peer *p)
{
    CHECK_INT(unx_frames_close(&p->in), 0);
    CHECK_INT(unx_frames_pending(&p->out), 0);
    free(p->in_buf);
    free(p->out_buf);
    free(p->owed);
}

/* Sends, and asks for room if it is not all gone: 1, or -EAGAIN if nothing was taken. */
static int peer_send(struct peer *p, struct unx_msg *m)
{
    const int r = unx_frames_send(&p->out, p->fd, m, UNX_DONTWAIT);
    CHECK(r == 1 || r == -EAGAIN);
    if ((r == -EAGAIN || unx_frames_pending(&p->out) > 0) && !p->writing) {
        START(unx_engine_poll(engine, &p->write, p->fd, POLLOUT, -1));
        p->writing = true;
    }
    return r;
}

static size_t size_of(unsigned client, unsigned round)
{
    return (client * 7919 + round * 104729) % (round % 3 == 0 ? LARGE : 200);
}

/* The far side of a client: sends its packets, each with its own descriptor now and then. */
static void client_goes_on(struct peer *p, unsigned client, int lent)
{
    static char data[LARGE];
    while (p->sent < ROUNDS && p->sent - p->got < 3) {
        const size_t n = size_of(client, p->sent);
        raw_pattern(data, n, client + p->sent);
        const struct iovec iov = {data, n};
        struct unx_msg m = {.iov = &iov, .niov = 1, .fds = &lent, .nfds = p->sent % 2};
        if (peer_send(p, &m) == -EAGAIN) {
            return;
        }
        p->sent++;
    }
}

/* Sends the answer that is owed: whether it was taken. */
static bool server_answers(struct peer *p)
{
    const struct iovec back = {p->owed, p->owed_len};
    struct unx_msg answer = {.iov = &back, .niov = 1, .fds = &p->owed_fd, .nfds = p->owed_nfds};
    p->owing = peer_send(p, &answer) == -EAGAIN;
    if (!p->owing && p->owed_nfds > 0) {
        close(p->owed_fd);
    }
    return !p->owing;
}

/* Everything that is here: answers go back with the descriptors that came. Who does not read them is not heard
 * until they are gone. */
static void server_reads(struct peer *p)
{
    while (!p->owing && unx_frames_pending(&p->out) == 0) {
        const struct iovec room = {p->owed, LARGE};
        struct unx_msg m = {.iov = &room, .niov = 1, .fds = &p->owed_fd, .nfds = 1};
        const int r = unx_frames_recv(&p->in, p->fd, &m, UNX_DONTWAIT);
        if (r == -EAGAIN) {
            if (!p->reading) {
                START(unx_engine_poll(engine, &p->read, p->fd, POLLIN, -1));
                p->reading = true;
            }
            return;
        }
        if (r == 0) {
            p->ended = true;
            CHECK_INT(unx_shutdown(p->fd, SHUT_WR), 0);
            return;
        }
        CHECK_INT(r, 1);
        p->owed_len = m.len;
        p->owed_nfds = m.fds_got;
        server_answers(p);
    }
}

static void client_reads(struct peer *p, unsigned client, int lent)
{
    static char data[LARGE];
    for (;;) {
        int fd = -1;
        const struct iovec room = {data, sizeof data};
        struct unx_msg m = {.iov = &room, .niov = 1, .fds = &fd, .nfds = 1};
        const int r = unx_frames_recv(&p->in, p->fd, &m, UNX_DONTWAIT);
        if (r == -EAGAIN) {
            START(unx_engine_poll(engine, &p->read, p->fd, POLLIN, -1));
            return;
        }
        if (r == 0) {
            CHECK_INT(p->got, ROUNDS);
            p->ended = true;
            return;
        }
        CHECK_INT(r, 1);
        CHECK_INT(m.len, size_of(client, p->got));
        CHECK(raw_pattern_ok(data, m.len, client + p->got));
        CHECK_INT(m.fds_got, p->got % 2);
        if (m.fds_got > 0) {
            CHECK(raw_same_file(fd, lent));
            close(fd);
        }
        p->got++;
    }
}

/* What was kept goes; then what was held back for it goes on. */
static bool flush(struct peer *p)
{
    const int r = unx_frames_flush(&p->out, p->fd, UNX_DONTWAIT);
    p->writing = r == -EAGAIN;
    if (p->writing) {
        START(unx_engine_poll(engine, &p->write, p->fd, POLLOUT, -1));
        return false;
    }
    CHECK_INT(r, 0);
    return true;
}

static void server_step(struct peer *p, const struct unx_event *ev)
{
    if (ev->op == &p->read) {
        p->reading = false;
    } else if (!flush(p) || (p->owing && !server_answers(p))) {
        return;
    }
    if (!p->ended) {
        server_reads(p);
    }
}

static void client_step(struct peer *p, const struct unx_event *ev, unsigned client, int lent)
{
    if (ev->op == &p->read) {
        client_reads(p, client, lent);
    } else {
        flush(p);
    }
    client_goes_on(p, client, lent);
    if (p->sent == ROUNDS && !p->writing && !p->shut) {
        p->shut = true;
        CHECK_INT(unx_shutdown(p->fd, SHUT_WR), 0);
    }
}

static void server(struct unx_engine *e)
{
    struct peer near[CLIENTS], far[CLIENTS];
    int lent[2];
    engine = e;
    raw_pipe(lent);
    for (unsigned i = 0; i < CLIENTS; i++) {
        int s[2];
        CHECK_INT(unx_pair(SOCK_STREAM, UNX_NONBLOCK | UNX_PASSFDS, s), 0);
        raw_set(s[0], SO_SNDBUF, 10000);
        raw_set(s[1], SO_SNDBUF, 10000);
        peer_open(&near[i], s[0]);
        peer_open(&far[i], s[1]);
        client_goes_on(&far[i], i, lent[1]);
    }
    for (unsigned ended = 0; ended < 2 * CLIENTS;) {
        const struct unx_event ev = NEXT(e);
        for (unsigned i = 0; i < CLIENTS; i++) {
            for (unsigned side = 0; side < 2; side++) {
                struct peer *p = side == 0 ? &near[i] : &far[i];
                if (ev.op == &p->read || ev.op == &p->write) {
                    const bool before = p->ended;
                    CHECK(ev.result > 0);
                    if (side == 0) {
                        server_step(p, &ev);
                    } else {
                        client_step(p, &ev, i, lent[1]);
                    }
                    ended += p->ended && !before;
                }
            }
        }
    }
    for (unsigned i = 0; i < CLIENTS; i++) {
        peer_close(&near[i]);
        peer_close(&far[i]);
        leave(e, near[i].fd);
        leave(e, far[i].fd);
    }
    close(lent[1]);
    CHECK(raw_pipe_ended(lent[0]));
    close(lent[0]);
}

static const struct engine_case cases[] = {
    {"script", script, 60},
    {"server", server, 60},
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
