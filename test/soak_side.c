// SPDX-License-Identifier: MIT
/*
 * The operations and the connections of the soak (soak.h): how they start, and what their events say.
 */
#include "raw.h"
#include "soak.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void soak_started(struct soak *s, struct soak_op *o, enum soak_kind kind, int result)
{
    if (result < 0) {
        soak_fail(s, "operation %d on descriptor %d is refused: %d", kind, o->c == NULL ? -1 : o->c->fd, result);
    }
    o->kind = kind;
    o->out = true;
    o->op.data = o;
    s->t->started[kind]++;
    s->out++;
    if (o->c != NULL) {
        o->c->out++;
    }
}

/* ---- connections ---- */

static void prepare(struct soak_connection *c, struct soak_op *o, unsigned char **bytes)
{
    o->c = c;
    o->op.data = o;
    if (bytes != NULL) {
        o->bytes = *bytes;
        *bytes += SOAK_BYTES;
    }
}

void soak_set_up(struct soak_connection *c, unsigned char *bytes)
{
    for (unsigned i = 0; i < SOAK_SENDS; i++) {
        prepare(c, &c->sends[i], &bytes);
    }
    for (unsigned i = 0; i < SOAK_RECVS; i++) {
        prepare(c, &c->recvs[i], &bytes);
    }
    prepare(c, &c->poll, NULL);
    prepare(c, &c->timer, NULL);
    prepare(c, &c->connect, NULL);
    prepare(c, &c->close, NULL);
    c->part = bytes;
}

/* Half of them have so small a buffer that senders wait, and that a stream takes a message in several parts. */
static void start_clean(struct soak_connection *c, int fd, int type)
{
    if (fd % 2 == 0) {
        raw_set(fd, SO_SNDBUF, type == SOCK_STREAM ? 1 : SOAK_BYTES);
    }
    c->fd = fd;
    c->type = type;
    c->used = true;
    c->closing = c->shut = false;
    c->count = (struct soak_count){.saw_end = false};
    c->next_number = c->last_number = 0;
    c->npart = c->npart_fds = 0;
    for (unsigned i = 0; i < SOAK_SENDS; i++) {
        c->sends[i].number = 0;
    }
}

static struct soak_connection *connection_new(struct soak *s, int fd, int type)
{
    for (unsigned i = 0; i < s->nconnections; i++) {
        struct soak_connection *c = &s->connections[i];
        if (!c->used) {
            start_clean(c, fd, type);
            c->id = -1;
            return c;
        }
    }
    soak_fail(s, "more connections are open than can be");
}

/* Whoever is the second to be done with a connection compares. */
static void compare(struct soak *s, const struct soak_shared_connection *k)
{
    for (int side = 0; side < 2; side++) {
        const struct soak_count *from = &k->side[side], *to = &k->side[1 - side];
        const bool same = from->sent == to->got && from->sent_sum == to->got_sum && from->fds_sent == to->fds_got;
        if (to->got > from->sent || (to->saw_end && !same)) {
            soak_fail(s, "%s sent %llu messages (%llu, %llu descriptors), of which %llu (%llu, %llu) came%s",
                      side == CLIENT ? "client" : "server", (unsigned long long)from->sent,
                      (unsigned long long)from->sent_sum, (unsigned long long)from->fds_sent,
                      (unsigned long long)to->got, (unsigned long long)to->got_sum, (unsigned long long)to->fds_got,
                      to->saw_end ? ", and then the end" : "");
        }
        atomic_fetch_add(&s->shared->missing, from->sent - to->got);
        atomic_fetch_add(&s->shared->fds_missing, from->fds_sent - to->fds_got);
    }
    atomic_fetch_add(&s->shared->compared, 1);
}

static void over(struct soak *s, struct soak_connection *c)
{
    for (unsigned i = 0; i < c->npart_fds; i++) {
        close(c->part_fds[i]);
    }
    s->t->closed++;
    s->t->sent += c->count.sent;
    s->t->got += c->count.got;
    s->t->fds_sent += c->count.fds_sent;
    s->t->fds_got += c->count.fds_got;
    c->used = false;
    c->fd = -1;
    if (c->id < 0) {
        s->t->strangers++;
        return;
    }
    struct soak_shared_connection *k = &s->shared->connection[c->id];
    k->side[s->side] = c->count;
    if (atomic_fetch_or(&k->over, 1u << s->side) == 1u << (1 - s->side)) {
        compare(s, k);
        atomic_store(&k->over, 4);
    }
}

void soak_close(struct soak *s, struct soak_connection *c)
{
    if (!c->closing && c->fd >= 0) {
        c->closing = true;
        soak_started(s, &c->close, SOAK_CLOSE, unx_engine_close(s->e, &c->close.op, c->fd));
    }
}

void soak_reconnect(struct soak *s, struct soak_connection *c)
{
    struct soak_shared_connection *k = &s->shared->connection[c->id];
    if (c->used || c->connect.out || (atomic_load(&k->over) != 4 && k->generation > 0)) {
        return;
    }
    if (atomic_load(&k->over) == 4) {
        atomic_store(&k->over, 0);
        k->generation++;
        memset(k->side, 0, sizeof k->side);
    }
    k->generation += k->generation == 0;
    c->type = soak_throw(s, 2) == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
    static struct unx_addr names[2];
    names[c->type == SOCK_STREAM] = soak_name(s->shared, c->type);
    const int timeout_ms = soak_throw(s, 4) == 0 ? (int)soak_throw(s, 4) : -1;
    soak_started(s, &c->connect, SOAK_CONNECT,
                 unx_engine_connect(s->e, &c->connect.op, c->type, UNX_PASSFDS, NULL, &names[c->type == SOCK_STREAM],
                                    timeout_ms));
}

static void connected(struct soak *s, struct soak_connection *c, int result)
{
    const int type = c->type;
    if (result < 0) {
        if (result != -EAGAIN && result != -ETIMEDOUT && result != -ECANCELED) {
            soak_fail(s, "connecting ended with %d", result);
        }
        return;
    }
    start_clean(c, result, type);
    c->generation = s->shared->connection[c->id].generation;
    s->t->opened++;
    soak_hello(s, c);
    if (s->ending) {
        soak_close(s, c);
    }
}

/* ---- receiving ---- */

bool soak_receives(const struct soak_connection *c)
{
    for (unsigned i = 0; i < SOAK_RECVS; i++) {
        if (c->recvs[i].out) {
            return true;
        }
    }
    return false;
}

void soak_receive(struct soak *s, struct soak_connection *c, struct soak_op *o, bool may_stand)
{
    if (may_stand && soak_throw(s, 3) > 0) {
        const int timeout_ms = soak_throw(s, 4) == 0 ? 1 + (int)soak_throw(s, 20) : -1;
        soak_started(s, o, SOAK_STAND, unx_engine_recv(s->e, &o->op, c->fd, NULL, UNX_STANDING, timeout_ms));
        return;
    }
    const unsigned n = soak_throw(s, 8);
    o->iov = (struct iovec){o->bytes, SOAK_BYTES};
    o->m = (struct unx_msg){.iov = &o->iov, .niov = 1, .fds = o->fds, .nfds = SOAK_FDS};
    soak_started(s, o, SOAK_RECV,
                 unx_engine_recv(s->e, &o->op, c->fd, &o->m, 0,
                                 n == 0  ? 0
                                 : n < 3 ? 1 + (int)soak_throw(s, 5)
                                 : n < 5 ? 60000
                                         : -1));
}

void soak_give_back(struct soak *s, struct unx_msg *m)
{
    if (m != NULL && unx_engine_return(s->e, m) != 0) {
        soak_fail(s, "a buffer cannot be returned");
    }
}

static void received(struct soak *s, struct soak_op *o, const struct unx_event *ev)
{
    struct soak_connection *c = o->c;
    const bool stands = o->kind == SOAK_STAND;
    if (ev->result == 1) {
        soak_arrived(s, c, ev->msg);
        for (unsigned i = 0; i < ev->msg->fds_got && (!stands || soak_throw(s, 2) == 0); i++) {
            if (ev->msg->fds[i] >= 0) {
                close(ev->msg->fds[i]);
                ev->msg->fds[i] = -1;
            }
        }
        if (stands) {
            struct unx_msg **held = &s->held[soak_throw(s, 8)];
            soak_give_back(s, *held);
            *held = ev->msg;
        } else if (!c->closing && !s->ending) {
            soak_receive(s, c, o, false);
        }
    } else if (ev->result == 0 || ev->result == -ECONNRESET) {
        c->count.saw_end = true;
        soak_close(s, c);
    } else if (ev->result != -EAGAIN && ev->result != -ETIMEDOUT && ev->result != -ECANCELED) {
        soak_fail(s, "a receive ended with %d", ev->result);
    }
}

/* ---- events ---- */

static void accepted(struct soak *s, const struct soak_op *o, int result)
{
    if (result >= 0) {
        connection_new(s, result, o == &s->accepts[0] ? SOCK_SEQPACKET : SOCK_STREAM);
        s->t->opened++;
    } else if (result != -ECANCELED && result != -ETIMEDOUT) {
        soak_fail(s, "accepting ended with %d", result);
    }
}

static void count_end(struct soak *s, struct soak_op *o, int result)
{
    if (o->kind == SOAK_POST) {
        s->t->started[SOAK_POST]++;
        s->t->ended[SOAK_POST]++;
        return;
    }
    if (!o->out) {
        soak_fail(s, "an operation of kind %d has ended twice", o->kind);
    }
    o->out = false;
    s->out--;
    s->t->ended[o->kind]++;
    s->t->cancelled += result == -ECANCELED;
    s->t->late += result == -ETIMEDOUT;
    if (o->c != NULL) {
        o->c->out--;
    }
}

void soak_event(struct soak *s, const struct unx_event *ev)
{
    struct soak_op *o = ev->op->data;
    const bool more = (ev->flags & UNX_MORE) != 0;
    if (!more) {
        count_end(s, o, ev->result);
    } else if (!o->out || (o->kind != SOAK_STAND && o->kind != SOAK_ACCEPT)) {
        soak_fail(s, "an operation of kind %d says that there is more", o->kind);
    }
    switch (o->kind) {
    case SOAK_SEND:
        soak_sent(s, o, ev->result);
        break;
    case SOAK_RECV:
    case SOAK_STAND:
        received(s, o, ev);
        break;
    case SOAK_ACCEPT:
        accepted(s, o, ev->result);
        break;
    case SOAK_CONNECT:
        connected(s, o->c, ev->result);
        break;
    case SOAK_CLOSE:
        if (ev->result != 0 || o->c->out > (o->c->timer.out ? 1u : 0u)) {
            soak_fail(s, "closing ended with %d, and %u operations are out", ev->result, o->c->out);
        }
        over(s, o->c);
        break;
    case SOAK_POST:
        atomic_store(&o->free_to_post, true);
        break;
    default:
        break;
    }
}

void soak_cancel(struct soak *s, struct soak_op *o)
{
    if (!o->out || o->kind == SOAK_CLOSE) {
        return;
    }
    const int r = unx_engine_cancel(s->e, &o->op);
    if (r != 0 && r != -ENOENT) {
        soak_fail(s, "cancelling said %d", r);
    }
    s->t->cancels_missed += r == -ENOENT;
}
