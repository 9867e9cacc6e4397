// SPDX-License-Identifier: MIT
/*
 * The messages of the soak (soak.h): a head that says which connection, which number and which descriptors,
 * and a pattern.
 *
 * On a stream one message is sent at a time, because a part of it may go before it is cancelled or late: then the rest
 * is sent by another operation, without its descriptors.
 */
#include "raw.h"
#include "soak.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x736f616bu

static unsigned nsends(const struct soak_connection *c)
{
    return c->type == SOCK_STREAM ? 1 : SOAK_SENDS;
}

static void write_message(struct soak *s, struct soak_connection *c, struct soak_op *o)
{
    struct soak_head h = {.magic = MAGIC, .connection = (uint32_t)c->id, .generation = c->generation};
    h.len = (uint32_t)sizeof h + (soak_throw(s, 8) == 0 ? soak_throw(s, SOAK_BYTES - sizeof h) : soak_throw(s, 100));
    h.nfds = soak_throw(s, 3) == 0 ? 1 + soak_throw(s, SOAK_FDS) : 0;
    h.file = soak_throw(s, SOAK_FILES);
    h.number = o->number = ++c->next_number;
    memcpy(o->bytes, &h, sizeof h);
    raw_pattern(o->bytes + sizeof h, h.len - sizeof h, h.number);
    for (unsigned i = 0; i < h.nfds; i++) {
        o->fds[i] = s->shared->files[(h.file + i) % SOAK_FILES][1];
    }
    o->iov = (struct iovec){o->bytes, h.len};
    o->m = (struct unx_msg){.iov = &o->iov, .niov = 1, .fds = o->fds, .nfds = h.nfds};
}

static void start(struct soak *s, struct soak_op *o)
{
    const unsigned flags = (o->m.nfds == 0 && o->m.skip == 0 && soak_throw(s, 3) == 0 ? UNX_PLAIN : 0) |
                           (soak_throw(s, 4) == 0 ? UNX_LAZY : 0);
    const unsigned n = soak_throw(s, 10);
    const int timeout_ms = n == 0 ? 0 : n < 3 ? 1 + (int)soak_throw(s, 5) : n < 5 ? 60000 : -1;
    if ((flags & UNX_PLAIN) != 0) {
        o->m.fds = NULL;
    }
    soak_started(s, o, SOAK_SEND, unx_engine_send(s->e, &o->op, o->c->fd, &o->m, flags, timeout_ms));
}

void soak_send(struct soak *s, struct soak_connection *c)
{
    for (unsigned i = 0; i < nsends(c); i++) {
        struct soak_op *o = &c->sends[i];
        if (!o->out) {
            if (o->number == 0) {
                write_message(s, c, o);
            }
            start(s, o);
            return;
        }
    }
}

void soak_sent(struct soak *s, struct soak_op *o, int result)
{
    struct soak_connection *c = o->c;
    const size_t all = o->iov.iov_len - o->m.skip;
    if (result == 1) {
        if (o->m.len != all) {
            soak_fail(s, "a send that went has %zu of %zu bytes", o->m.len, all);
        }
        c->count.sent++;
        c->count.sent_sum += o->number;
        c->count.fds_sent += ((struct soak_head *)o->bytes)->nfds;
        o->number = 0;
        return;
    }
    if (result != -EAGAIN && result != -ETIMEDOUT && result != -ECANCELED && result != -EPIPE &&
        result != -ECONNRESET) {
        soak_fail(s, "a send ended with %d", result);
    }
    if (o->m.len > 0 && (c->type != SOCK_STREAM || o->m.len >= all)) {
        soak_fail(s, "a send that failed with %d has sent %zu of %zu bytes", result, o->m.len, all);
    }
    if (c->type != SOCK_STREAM) {
        /* Others behind it may have gone: its number is not used again. */
        o->number = 0;
        return;
    }
    o->m.skip += o->m.len;
}

void soak_hello(struct soak *s, struct soak_connection *c)
{
    struct soak_head h = {MAGIC, (uint32_t)c->id, c->generation, sizeof h, 0, 0, 0};
    const struct iovec iov = {&h, sizeof h};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    const int r = unx_send(c->fd, &m, UNX_DONTWAIT);
    if (r != 1 && r != -EPIPE && r != -ECONNRESET) {
        soak_fail(s, "the first message is not sent: %d", r);
    }
}

static void check_files(struct soak *s, const struct soak_head *h, const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        struct stat st;
        if (fstat(fds[i], &st) != 0 || st.st_ino != s->shared->inodes[(h->file + i) % SOAK_FILES]) {
            soak_fail(s, "descriptor %u of message %llu is another file", i, (unsigned long long)h->number);
        }
    }
}

static void one_message(struct soak *s, struct soak_connection *c, const unsigned char *p, size_t n, const int *fds,
                        unsigned nfds)
{
    struct soak_head h;
    memcpy(&h, p, sizeof h < n ? sizeof h : n);
    if (n < sizeof h || h.magic != MAGIC || h.len != n || h.nfds != nfds) {
        soak_fail(s, "a message of %zu bytes and %u descriptors has been changed", n, nfds);
    }
    if (h.number == 0 && c->id < 0) {
        c->id = (int)h.connection;
        c->generation = h.generation;
        if (h.connection >= s->shared->connections || s->shared->connection[c->id].generation != h.generation) {
            soak_fail(s, "connection %u, generation %u, is unknown", h.connection, h.generation);
        }
        return;
    }
    if (c->id != (int)h.connection || c->generation != h.generation || h.number <= c->last_number) {
        soak_fail(s, "message %llu of connection %u came to connection %d, behind %llu", (unsigned long long)h.number,
                  h.connection, c->id, (unsigned long long)c->last_number);
    }
    if (!raw_pattern_ok(p + sizeof h, n - sizeof h, h.number)) {
        soak_fail(s, "the bytes of message %llu are not those that were sent", (unsigned long long)h.number);
    }
    check_files(s, &h, fds, nfds);
    c->last_number = h.number;
    c->count.got++;
    c->count.got_sum += h.number;
    c->count.fds_got += nfds;
}

/* Cuts messages out of a stream. */
static void stream(struct soak *s, struct soak_connection *c, struct unx_msg *m)
{
    for (unsigned i = 0; i < m->fds_got; i++) {
        if (c->npart_fds == 2 * SOAK_FDS) {
            soak_fail(s, "more descriptors came than messages have");
        }
        c->part_fds[c->npart_fds++] = m->fds[i];
        m->fds[i] = -1;
    }
    const unsigned char *from = m->iov->iov_base;
    for (size_t left = m->len; left > 0;) {
        struct soak_head h;
        memcpy(&h, c->part, sizeof h);
        const size_t want = c->npart < sizeof h ? sizeof h - c->npart : h.len - c->npart;
        const size_t n = left < want ? left : want;
        memcpy(c->part + c->npart, from, n);
        c->npart += n;
        from += n;
        left -= n;
        memcpy(&h, c->part, sizeof h);
        if (c->npart >= sizeof h && (h.magic != MAGIC || h.len < sizeof h || h.len > SOAK_BYTES)) {
            soak_fail(s, "the stream has lost its way");
        }
        if (c->npart < sizeof h || c->npart < h.len) {
            continue;
        }
        one_message(s, c, c->part, c->npart, c->part_fds, h.nfds < c->npart_fds ? h.nfds : c->npart_fds);
        for (unsigned i = 0; i < h.nfds; i++) {
            close(c->part_fds[i]);
        }
        c->npart_fds -= h.nfds;
        memmove(c->part_fds, c->part_fds + h.nfds, c->npart_fds * sizeof *c->part_fds);
        c->npart = 0;
    }
}

void soak_arrived(struct soak *s, struct soak_connection *c, struct unx_msg *m)
{
    if (c->type == SOCK_STREAM) {
        stream(s, c, m);
    } else {
        one_message(s, c, m->iov->iov_base, m->len, m->fds, m->fds_got);
    }
}
