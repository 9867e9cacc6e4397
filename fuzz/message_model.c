// SPDX-License-Identifier: MIT
/*
 * The model of message_model.h.
 *
 * What surprised us: a stream's receive goes on into the next message, but not past one that has brought descriptors,
 * and Linux 6.18 looks for these also behind the last byte, if it only peeks; a connection of packets tells a reset
 * before the packets that are still queued, a stream behind them; a datagram socket whose send finds no peer any more
 * forgets what it had received, and is not connected from then on.
 */
#include "message_model.h"

#include <errno.h>
#include <string.h>

unsigned char model_byte(unsigned id, size_t i)
{
    return (unsigned char)(id * 37 + i * 11 + (i >> 8) * 3);
}

unsigned model_file(unsigned id, unsigned i)
{
    return (id + i * 3) % MODEL_FILES;
}

static bool stream(const struct model *m)
{
    return m->type == SOCK_STREAM;
}

static bool datagrams(const struct model *m)
{
    return m->type == SOCK_DGRAM;
}

static size_t queued_bytes(const struct model_end *e)
{
    size_t n = 0;
    for (unsigned i = 0; i < e->n; i++) {
        n += e->queue[i].len - e->queue[i].at;
    }
    return n;
}

bool model_has_room(const struct model *m, int end, size_t len)
{
    const struct model_end *to = &m->end[!end];
    return to->n < MODEL_MESSAGES && queued_bytes(to) + len <= MODEL_BYTES;
}

int model_send(struct model *m, int end, unsigned id, size_t len, unsigned nfds)
{
    struct model_end *own = &m->end[end], *to = &m->end[!end];
    if (own->reset && m->type == SOCK_SEQPACKET) {
        own->reset = false;
        return -ECONNRESET;
    }
    if (datagrams(m) && own->shut_wr) {
        return -EPIPE;
    }
    if (datagrams(m) && own->parted) {
        return -ENOTCONN;
    }
    if (datagrams(m) && to->closed) {
        own->parted = true;
        own->n = 0;
        return -ECONNREFUSED;
    }
    if (own->shut_wr || to->shut_rd || to->closed) {
        return -EPIPE;
    }
    to->queue[to->n++] = (struct model_message){.id = id, .len = len, .nfds = nfds};
    return 1;
}

static void pop(struct model_end *e)
{
    memmove(e->queue, e->queue + 1, --e->n * sizeof e->queue[0]);
}

static bool ended(const struct model *m, int end)
{
    const struct model_end *own = &m->end[end], *from = &m->end[!end];
    return own->shut_rd || (!datagrams(m) && (from->closed || from->shut_wr));
}

static void give_fds(struct expect *x, const struct model_message *q)
{
    for (unsigned i = 0; i < q->nfds; i++) {
        x->files[x->nfds++] = (unsigned char)model_file(q->id, i);
    }
}

/* Bytes and descriptors of a stream, which stay if they are only looked at. */
static void run_of_bytes(struct model_end *own, const struct model_room *room, struct expect *x)
{
    const bool peek = (room->flags & (UNX_PEEK | UNX_PEEK_FDS)) != 0;
    bool more = true;
    for (unsigned i = 0; more && i < own->n && x->len < room->bytes;) {
        struct model_message *q = &own->queue[i];
        const size_t left = q->len - q->at, n = left < room->bytes - x->len ? left : room->bytes - x->len;
        for (size_t k = 0; k < n; k++) {
            x->data[x->len++] = model_byte(q->id, q->at + k);
        }
        more = q->nfds == 0 && n == left;
        give_fds(x, q);
        if (peek) {
            i++;
            continue;
        }
        q->nfds = 0;
        q->at += n;
        if (n == left) {
            pop(own);
        }
    }
    x->full_len = x->len;
    for (unsigned i = 0; peek && i < own->n; i++) {
        x->unsure |= x->nfds == 0 && own->queue[i].nfds > 0;
    }
}

static void packet(struct model_end *own, const struct model_room *room, struct expect *x)
{
    const struct model_message *q = &own->queue[0];
    const bool peek = (room->flags & (UNX_PEEK | UNX_PEEK_FDS)) != 0;
    x->full_len = q->len;
    x->len = q->len < room->bytes ? q->len : room->bytes;
    for (size_t k = 0; k < x->len; k++) {
        x->data[k] = model_byte(q->id, k);
    }
    give_fds(x, q);
    if (x->len < x->full_len) {
        x->got |= UNX_CUT_DATA;
        x->result = peek ? 1 : -EMSGSIZE;
    }
    if (!peek && (x->result == 1 || (room->flags & UNX_KEEP) == 0)) {
        pop(own);
    }
}

/* Whether the descriptors fit, and what of them is said. */
static void judge_fds(const struct model_room *room, struct expect *x)
{
    const bool blind = (room->flags & (UNX_PLAIN | UNX_PEEK)) != 0;
    const unsigned came = blind ? 0 : x->nfds;
    const unsigned installed = came < room->limit ? came : room->limit;
    x->nfds = installed < room->nfds ? installed : room->nfds;
    if (x->nfds < came) {
        x->got |= UNX_CUT_FDS;
        if (x->result == 1) {
            x->result = installed > room->nfds || x->nfds == room->nfds ? -ENOBUFS : -EMFILE;
        }
    }
    if (x->nfds > 0) {
        x->got |= UNX_GOT_FDS;
    }
}

static void nothing_queued(struct model *m, int end, struct expect *x)
{
    struct model_end *own = &m->end[end];
    if (own->reset) {
        own->reset = false;
        x->result = -ECONNRESET;
        /* Behind a reset told by the call itself comes what the kernel says next. */
    } else {
        x->result = ended(m, end) ? 0 : MODEL_BLOCKS;
    }
    x->or_result = x->result;
}

void model_recv(struct model *m, int end, const struct model_room *room, struct expect *x)
{
    struct model_end *own = &m->end[end];
    const bool peek = (room->flags & (UNX_PEEK | UNX_PEEK_FDS)) != 0;
    x->result = x->or_result = 1;
    x->len = x->full_len = 0;
    x->got = x->nfds = 0;
    x->unsure = false;
    if (room->bytes == 0 && (!peek || stream(m))) {
        x->result = x->or_result = -EINVAL;
        return;
    }
    if (own->n == 0) {
        nothing_queued(m, end, x);
        return;
    }
    if (stream(m)) {
        run_of_bytes(own, room, x);
    } else {
        x->got |= own->reset ? UNX_GOT_RESET : 0;
        own->reset = false;
        /* What nobody can tell from the end: the last packets, if they are empty. */
        const bool last =
            ended(m, end) && (datagrams(m) ? own->n == 1 && own->queue[0].len == 0 : queued_bytes(own) == 0);
        const bool told = own->cred && !datagrams(m) && (room->flags & (UNX_PLAIN | UNX_PEEK)) == 0;
        packet(own, room, x);
        x->or_result = last && !told ? 0 : x->result;
    }
    const bool cut_data = x->result == -EMSGSIZE;
    if (room->cred && own->cred && (room->flags & (UNX_PEEK | UNX_PLAIN)) == 0) {
        x->got |= UNX_GOT_CRED;
    }
    if (!cut_data || (room->flags & UNX_KEEP) == 0) {
        judge_fds(room, x);
    }
    if (x->result < 0 && (room->flags & UNX_PARTIAL) != 0) {
        x->result = 1;
    }
    x->or_result = x->or_result == 0 ? (x->got & UNX_GOT_RESET ? -ECONNRESET : 0) : x->result;
}

bool model_readable(const struct model *m, int end)
{
    return m->end[end].n > 0 || m->end[end].reset || ended(m, end);
}

void model_shutdown(struct model *m, int end, int how)
{
    m->end[end].shut_rd |= how != SHUT_WR;
    m->end[end].shut_wr |= how != SHUT_RD;
}

void model_close(struct model *m, int end)
{
    m->end[!end].reset |= !datagrams(m) && m->end[end].n > 0;
    m->end[end].closed = true;
    m->end[end].n = 0;
}

int model_take_error(struct model *m, int end)
{
    const int error = m->end[end].reset ? -ECONNRESET : 0;
    m->end[end].reset = false;
    return error;
}
