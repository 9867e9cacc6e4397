// SPDX-License-Identifier: MIT
/*
 * Batches by libunx, and the same messages by its single calls.
 *
 * All sides use the same structs, made once, with the memory that the system calls by hand use too.
 */
#include "sides.h"

#include <errno.h>
#include <unistd.h>

#include <unx/unx.h>

#define BATCH SIDES_BATCH

struct batch {
    struct iovec data[BATCH], room[BATCH];
    int lent[SIDES_BATCH_FDS], fds[BATCH][SIDES_BATCH_FDS];
    struct unx_cred cred[BATCH];
    struct unx_msg out[BATCH], in[BATCH];
};

static void make(struct batch *b, const struct bench_context *c)
{
    for (unsigned i = 0; i < SIDES_BATCH_FDS; i++)
        b->lent[i] = c->extra;
    for (unsigned i = 0; i < BATCH; i++) {
        b->data[i] = (struct iovec){c->buf + i * SIDES_BATCH_ROOM, c->size};
        b->room[i] = (struct iovec){c->buf + i * SIDES_BATCH_ROOM, SIDES_BATCH_ROOM};
        b->out[i] = (struct unx_msg){.iov = &b->data[i], .niov = 1, .fds = b->lent, .nfds = c->nfds};
        b->in[i] = (struct unx_msg){.iov = &b->room[i], .niov = 1, .fds = b->fds[i], .nfds = c->nfds};
        if (c->flags & UNX_PASSCRED)
            b->in[i].cred = &b->cred[i];
    }
}

static int check(const struct bench_context *c, struct unx_msg *in)
{
    const bool want_cred = (c->flags & UNX_PASSCRED) != 0;
    const bool cred = (in->got & UNX_GOT_CRED) != 0 && (in->cred->known & UNX_KNOWN_PID) != 0;
    const bool right = in->error == 0 && in->len == c->size && in->fds_got == c->nfds && cred == want_cred;
    while (in->fds_got > 0)
        close(in->fds[--in->fds_got]);
    return right ? 0 : -EPROTO;
}

static int send_batch(int fd, struct unx_msg *m)
{
    for (unsigned sent = 0; sent < BATCH;) {
        const int r = unx_send_many(fd, m + sent, BATCH - sent, 0);
        if (r < 0)
            return r;
        sent += (unsigned)r;
    }
    return 0;
}

static int receive_batch(const struct bench_context *c, struct unx_msg *m)
{
    for (unsigned got = 0; got < BATCH;) {
        const int r = unx_recv_many(c->fds[1], m + got, BATCH - got, 0);
        if (r <= 0)
            return r < 0 ? r : -ECONNRESET;
        for (int i = 0; i < r; i++) {
            const int wrong = check(c, &m[got++]);
            if (wrong < 0)
                return wrong;
        }
    }
    return 0;
}

static int receive_one(const struct bench_context *c, struct unx_msg *m)
{
    const int r = unx_recv(c->fds[1], m, 0);
    return r < 0 ? r : check(c, m);
}

int unx_batch(struct bench_context *c, unsigned n)
{
    struct batch b;
    make(&b, c);
    int r = 0;
    for (; r >= 0 && n >= BATCH; n -= BATCH) {
        r = send_batch(c->fds[0], b.out);
        if (r >= 0)
            r = receive_batch(c, b.in);
    }
    return r;
}

int unx_singles(struct bench_context *c, unsigned n)
{
    struct batch b;
    make(&b, c);
    int r = 0;
    for (; r >= 0 && n >= BATCH; n -= BATCH) {
        for (unsigned i = 0; r >= 0 && i < BATCH; i++)
            r = unx_send(c->fds[0], &b.out[i], 0);
        for (unsigned i = 0; r >= 0 && i < BATCH; i++)
            r = receive_one(c, &b.in[i]);
    }
    return r;
}

int unx_singles_in_turn(struct bench_context *c, unsigned n)
{
    struct batch b;
    make(&b, c);
    int r = 0;
    for (; r >= 0 && n >= BATCH; n -= BATCH) {
        for (unsigned i = 0; r >= 0 && i < BATCH; i++) {
            r = unx_send(c->fds[0], &b.out[i], 0);
            if (r >= 0)
                r = receive_one(c, &b.in[i]);
        }
    }
    return r;
}
