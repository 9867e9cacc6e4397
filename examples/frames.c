// SPDX-License-Identifier: MIT
/*
 * Packets over a stream: a server that answers each packet with the same packet, on an engine, and a client that
 * waits.
 *
 *     example_frames serve @packets &
 *     example_frames ask @packets one '' three
 *
 * SOCK_SEQPACKET has packets by itself; this is for systems and peers that have streams alone. Every connection has
 * two structs, one for each direction. unx_engine_poll() says when to go on: a packet may come in pieces, and
 * several by one read, so the reader goes on until -EAGAIN. A client that does not read its answers is not read
 * from either, and slows down itself alone. On the wire a packet is its length, four bytes, least significant
 * first, and then its data: what any program can write.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unx/engine.h>
#include <unx/frames.h>
#include <unx/policy.h>

#define MOST 65536 /* bytes of a packet */

struct client {
    struct unx_op read, write, closing;
    struct unx_frames in, out;
    int fd;
    int owing; /* the packet in `data` has not been answered yet */
    size_t len;
    char data[MOST];
    char in_buf[UNX_FRAMES_ROOM(MOST, 0)], out_buf[UNX_FRAMES_ROOM(MOST, 0)];
};

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static struct unx_engine *engine;

static int fail(const char *what, int error)
{
    fprintf(stderr, "frames: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* Sends what it can of the answer: 1: all of it went; 0: there will be an event; or an error. */
static int answer(struct client *c)
{
    int r = 0;
    if (c->owing) {
        const struct iovec data = {c->data, c->len};
        struct unx_msg m = {.iov = &data, .niov = 1};
        r = unx_frames_send(&c->out, c->fd, &m, UNX_DONTWAIT);
        c->owing = r < 0;
    } else {
        r = unx_frames_flush(&c->out, c->fd, UNX_DONTWAIT);
    }
    if (r < 0 && r != -EAGAIN)
        return r;
    if (!c->owing && unx_frames_pending(&c->out) == 0)
        return 1;
    return unx_engine_poll(engine, &c->write, c->fd, POLLOUT, -1);
}

/* Answers packets until there is none, or an answer has to wait: 1; or the end, or an error. */
static int serve_client(struct client *c)
{
    int r;
    do {
        const struct iovec room = {c->data, sizeof c->data};
        struct unx_msg m = {.iov = &room, .niov = 1};
        r = unx_frames_recv(&c->in, c->fd, &m, UNX_DONTWAIT);
        if (r == -EAGAIN) {
            r = unx_engine_poll(engine, &c->read, c->fd, POLLIN, -1);
            return r < 0 ? r : 1;
        }
        if (r > 0) {
            c->len = m.len;
            c->owing = 1;
            r = answer(c);
            if (r == 0)
                return 1;
        }
    } while (r > 0 || unx_one_message(r));
    return r;
}

static void client_event(struct client *c, const struct unx_event *ev)
{
    if (ev->op == &c->closing) {
        free(c);
        return;
    }
    int r = ev->result;
    if (r > 0 && ev->op == &c->write && (r = answer(c)) == 0)
        return;
    if (r > 0)
        r = serve_client(c);
    if (r > 0)
        return;
    printf("client: %s\n", r < 0 ? unx_explain(r) : "the end");
    unx_frames_close(&c->in);
    unx_engine_close(engine, &c->closing, c->fd);
}

static int client_new(int fd)
{
    struct client *c = unx_policy_check(&same_user, fd, NULL, NULL) < 0 ? NULL : calloc(1, sizeof *c);
    if (c == NULL) {
        close(fd);
        return 0;
    }
    c->fd = fd;
    c->read.data = c->write.data = c->closing.data = c;
    int r = unx_frames_init(&c->in, UNX_RECV, c->in_buf, sizeof c->in_buf, 0);
    if (r == 0)
        r = unx_frames_init(&c->out, UNX_SEND, c->out_buf, sizeof c->out_buf, 0);
    return r < 0 ? r : unx_engine_poll(engine, &c->read, fd, POLLIN, -1);
}

static int serve(const struct unx_addr *a)
{
    const int listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    struct unx_op accepting = {.data = NULL};
    int r = unx_engine_new(&engine, 0, 0);
    if (r >= 0)
        r = unx_engine_accept(engine, &accepting, listener, UNX_STANDING, -1);
    printf("listening\n");
    while (r >= 0) {
        struct unx_event ev[16];
        fflush(stdout);
        const int n = r = unx_engine_reap(engine, ev, 16, -1);
        for (int i = 0; i < n && r >= 0; i++) {
            if (ev[i].op != &accepting)
                client_event(ev[i].op->data, &ev[i]);
            else if (ev[i].result >= 0)
                r = client_new(ev[i].result);
            else if (!(ev[i].flags & UNX_MORE))
                r = ev[i].result;
        }
    }
    return fail("serve", r);
}

static int ask(const struct unx_addr *a, char **texts)
{
    static char data[MOST], in_buf[UNX_FRAMES_ROOM(MOST, 0)], out_buf[UNX_FRAMES_ROOM(MOST, 0)];
    struct unx_frames in, out;
    const int fd = unx_connect(SOCK_STREAM, 0, NULL, a, 2000);
    if (fd < 0)
        return fail("connect", fd);
    int r = unx_frames_init(&in, UNX_RECV, in_buf, sizeof in_buf, 0);
    if (r == 0)
        r = unx_frames_init(&out, UNX_SEND, out_buf, sizeof out_buf, 0);
    for (; r >= 0 && *texts; texts++) {
        const struct iovec text = {*texts, strlen(*texts)}, room = {data, sizeof data};
        struct unx_msg req = {.iov = &text, .niov = 1}, rep = {.iov = &room, .niov = 1};
        r = unx_frames_send(&out, fd, &req, 0);
        if (r >= 0)
            r = unx_frames_recv(&in, fd, &rep, 0);
        if (r == 0)
            r = -ECONNRESET;
        if (r >= 0)
            printf("%zu bytes: %.*s\n", rep.len, (int)rep.len, data);
    }
    close(fd);
    return r < 0 ? fail("ask", r) : 0;
}

int main(int argc, char **argv)
{
    if (!(argc == 3 && !strcmp(argv[1], "serve")) && !(argc >= 4 && !strcmp(argv[1], "ask"))) {
        fprintf(stderr, "usage: frames serve ADDR | frames ask ADDR TEXT...\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return argc == 3 ? serve(&a) : ask(&a, argv + 3);
}
