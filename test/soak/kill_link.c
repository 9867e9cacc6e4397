// SPDX-License-Identifier: MIT
/*
 * A connection of the soak with kill -9 (kill.h), as one of its two processes has it: messages go out, come in and are
 * checked; the shared record is written before a message goes, and after it has come.
 *
 * The end of what the other side sends does not end this side: what was begun here is still sent, because the other one
 * may have shut down its own direction only.
 */
#include "kill_link.h"
#include "../raw.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

#define MOST_SENDS 4     /* at once; of a slow connection 1 */
#define MOST_TAKING 128u /* what all slow ones receive at once: the descriptors that come need room in the table */

static struct kill_half *half(const struct kill_process *p, const struct kill_link *c)
{
    return &p->s->record[c->record].half[p->side];
}

static bool slow(const struct kill_link *c)
{
    return c->record >= 0 && kill_slow((unsigned)c->record);
}

/* ---- sending ---- */

static bool may_send(const struct kill_process *p, const struct kill_link *c)
{
    return c->used && c->record >= 0 && !c->muted && !c->shutting && !c->ended && !c->going && p->free_outs != NULL &&
           c->sends < (slow(c) ? 1 : MOST_SENDS) && (!p->ending || c->next == 0);
}

void kill_send(struct kill_process *p, struct kill_link *c)
{
    if (!may_send(p, c)) {
        return;
    }
    struct kill_out *o = p->free_outs;
    p->free_outs = o->next;
    o->link = c;
    o->head = kill_head((unsigned)c->record, c->generation, p->side, ++c->next);
    kill_write(&o->head, o->bytes);
    for (unsigned i = 0; i < o->head.nfds; i++) {
        o->fds[i] = p->s->files[kill_file(&o->head, i)].fd;
    }
    o->iov = (struct iovec){o->bytes, o->head.len};
    o->m = (struct unx_msg){.iov = &o->iov, .niov = 1, .fds = o->fds, .nfds = o->head.nfds};
    unsigned flags = kill_throw(p, 4) == 0 ? UNX_LAZY : 0;
    if (o->head.nfds == 0 && kill_throw(p, 3) == 0) {
        flags |= UNX_PLAIN;
        o->m.fds = NULL;
    }
    c->sends++;
    atomic_store(&half(p, c)->begun, c->next);
    kill_started(p, &o->op, KILL_SEND, o, unx_engine_send(p->e, &o->op.op, c->fd, &o->m, flags, -1));
}

/* What this side still sends is over: then the rest can go on. */
static void settle_sends(struct kill_process *p, struct kill_link *c)
{
    if (c->sends > 0 || c->going) {
        return;
    }
    if (c->ended) {
        kill_drop(p, c);
    } else if (c->shutting && !c->shut) {
        c->shut = true;
        unx_shutdown(c->fd, SHUT_WR);
    }
}

void kill_sent(struct kill_process *p, struct kill_out *o, int result)
{
    struct kill_link *c = o->link;
    struct kill_half *h = half(p, c);
    c->sends--;
    if (result == 1) {
        if (c->muted || atomic_load(&h->done) + 1 != o->head.number || o->m.len != o->head.len) {
            kill_fail(p, "message %llu went behind %llu, with %zu of %u bytes", (unsigned long long)o->head.number,
                      (unsigned long long)atomic_load(&h->done), o->m.len, o->head.len);
        }
        atomic_store(&h->done, o->head.number);
        p->t->sent++;
        p->t->fds_sent += o->head.nfds;
    } else if (result == -EPIPE || result == -ECONNRESET || (result == -ECANCELED && c->going)) {
        if (o->m.len > 0 && !c->streams) {
            kill_fail(p, "a packet that failed with %d has sent %zu bytes", result, o->m.len);
        }
        c->muted = true;
        p->t->failed++;
        kill_receive(p, c);
    } else {
        kill_fail(p, "a send ended with %d", result);
    }
    o->next = p->free_outs;
    p->free_outs = o;
    settle_sends(p, c);
}

/* ---- receiving ---- */

static void watch(struct kill_process *p, struct kill_link *c)
{
    raw_set(c->fd, SO_SNDBUF, 1);
    kill_started(p, &c->watch, KILL_WATCH, c, unx_engine_poll(p->e, &c->watch.op, c->fd, POLLRDHUP, -1));
}

/* The first message says which connection this is. */
static void meet(struct kill_process *p, struct kill_link *c, const unsigned char *bytes, size_t n)
{
    struct kill_head h;
    memcpy(&h, bytes, n < sizeof h ? n : sizeof h);
    if (n < sizeof h || h.record >= p->s->nrecords || !atomic_load(&p->s->record[h.record].open) ||
        p->s->record[h.record].generation != h.generation || h.number != 1) {
        kill_fail(p, "a connection begins with %zu bytes that are not its first message", n);
    }
    c->record = (int)h.record;
    c->generation = h.generation;
    half(p, c)->life = atomic_load(&p->s->life[SERVER]);
    atomic_fetch_or(&half(p, c)->state, HALF_MET);
    if (slow(c)) {
        watch(p, c);
    }
}

static void message(struct kill_process *p, struct kill_link *c, const unsigned char *bytes, size_t n, const int *fds,
                    unsigned nfds)
{
    if (c->record < 0) {
        meet(p, c, bytes, n);
    }
    const struct kill_head h = kill_head((unsigned)c->record, c->generation, 1 - p->side, ++c->last);
    const char *wrong = kill_read(p->s, &h, bytes, n, fds, nfds);
    if (wrong != NULL) {
        struct kill_head came = {0};
        memcpy(&came, bytes, n < sizeof came ? n : sizeof came);
        kill_fail(p, "message %llu of connection %d.%u: %s: %zu bytes, %u descriptors for %u, number %llu of %u.%u",
                  (unsigned long long)h.number, c->record, c->generation, wrong, n, nfds, h.nfds,
                  (unsigned long long)came.number, came.record, came.generation);
    }
    atomic_store(&half(p, c)->got, c->last);
    p->t->got++;
    p->t->fds_got += nfds;
    for (unsigned i = 0; i < nfds; i++) {
        p->t->fds_of[kill_file(&h, i)]++;
    }
}

/* Cuts messages out of a stream. */
static void stream(struct kill_process *p, struct kill_link *c, struct unx_msg *m)
{
    for (unsigned i = 0; i < m->fds_got; i++) {
        if (c->npart_fds == 2 * KILL_FDS) {
            kill_fail(p, "more descriptors came than messages have");
        }
        c->part_fds[c->npart_fds++] = m->fds[i];
        m->fds[i] = -1;
    }
    const unsigned char *from = m->iov->iov_base;
    for (size_t left = m->len; left > 0;) {
        struct kill_head h;
        memcpy(&h, c->part, sizeof h);
        const size_t want = c->npart < sizeof h ? sizeof h : h.len;
        if (want < sizeof h || want > KILL_BYTES) {
            kill_fail(p, "the stream of connection %d has lost its way", c->record);
        }
        const size_t n = left < want - c->npart ? left : want - c->npart;
        memcpy(c->part + c->npart, from, n);
        c->npart += (unsigned)n;
        from += n;
        left -= n;
        memcpy(&h, c->part, sizeof h);
        if (c->npart < sizeof h || c->npart < h.len) {
            continue;
        }
        const unsigned nfds = h.nfds < c->npart_fds ? h.nfds : c->npart_fds;
        message(p, c, c->part, c->npart, c->part_fds, nfds);
        for (unsigned i = 0; i < nfds; i++) {
            close(c->part_fds[i]);
        }
        c->npart_fds -= nfds;
        memmove(c->part_fds, c->part_fds + nfds, c->npart_fds * sizeof *c->part_fds);
        c->npart = 0;
    }
}

/* Slow ones rest after each message until they are thrown, unless nothing more will come. */
static bool rests(const struct kill_process *p, const struct kill_link *c)
{
    return slow(c) && !c->over_there && !c->muted && !c->shutting && !p->ending;
}

void kill_receive(struct kill_process *p, struct kill_link *c)
{
    const bool take = slow(c);
    if (!c->used || c->in.out || c->going || c->ended || (take && p->taking == MOST_TAKING)) {
        return;
    }
    if (c->record >= 0 && !take) {
        kill_started(p, &c->in, KILL_STAND, c, unx_engine_recv(p->e, &c->in.op, c->fd, NULL, UNX_STANDING, -1));
        return;
    }
    p->taking += take;
    c->iov = (struct iovec){c->room, sizeof c->room};
    c->m = (struct unx_msg){.iov = &c->iov, .niov = 1, .fds = c->fds, .nfds = KILL_FDS};
    kill_started(p, &c->in, take ? KILL_TAKE : KILL_FIRST, c,
                 unx_engine_recv(p->e, &c->in.op, c->fd, &c->m, 0, take ? 0 : -1));
}

void kill_hurry(struct kill_process *p, struct kill_link *c)
{
    if (slow(c) && !rests(p, c)) {
        kill_receive(p, c);
    }
}

void kill_watched(struct kill_process *p, struct kill_link *c, int result)
{
    if (result > 0) {
        c->over_there = true;
        kill_hurry(p, c);
    } else if (result != -ECANCELED || !c->going) {
        kill_fail(p, "waiting for the end of connection %d ended with %d", c->record, result);
    }
}

void kill_received(struct kill_process *p, struct kill_link *c, const struct unx_event *ev)
{
    const bool more = (ev->flags & UNX_MORE) != 0;
    p->taking -= c->in.kind == KILL_TAKE;
    if (ev->result == 1) {
        if (c->streams) {
            stream(p, c, ev->msg);
        } else {
            message(p, c, ev->msg->iov->iov_base, ev->msg->len, ev->msg->fds, ev->msg->fds_got);
        }
        if (more) {
            const int r = unx_engine_return(p->e, ev->msg);
            if (r != 0) {
                kill_fail(p, "a buffer cannot be returned: %d", r);
            }
            return;
        }
        for (unsigned i = 0; i < ev->msg->fds_got; i++) {
            if (ev->msg->fds[i] >= 0) {
                close(ev->msg->fds[i]);
            }
        }
        if (!rests(p, c)) {
            kill_receive(p, c);
        }
    } else if ((ev->result == 0 || ev->result == -ECONNRESET) && !more) {
        c->ended = true;
        if (c->record >= 0) {
            if (p->side == CLIENT) {
                p->s->record[c->record].ended_at = raw_now();
            }
            atomic_fetch_or(&half(p, c)->state, HALF_SAW_END);
        }
        p->t->ended++;
        settle_sends(p, c);
    } else if (more || (ev->result != -ECANCELED && ev->result != -EAGAIN) ||
               (ev->result == -ECANCELED ? !c->going : c->in.kind != KILL_TAKE)) {
        kill_fail(p, "a receive of connection %d ended with %d", c->record, ev->result);
    }
}

/* ---- how it begins and ends ---- */

struct kill_link *kill_link_new(struct kill_process *p, int record, bool streams)
{
    if (p->nfree == 0) {
        kill_fail(p, "more connections are open than there are records");
    }
    struct kill_link *c = &p->links[p->free_links[--p->nfree]];
    c->record = record;
    c->generation = record < 0 ? 0 : p->s->record[record].generation;
    c->fd = -1;
    c->streams = streams;
    c->used = c->over_there = c->muted = c->shutting = c->shut = c->ended = c->going = false;
    c->sends = c->npart = c->npart_fds = 0;
    c->next = c->last = 0;
    return c;
}

void kill_link_free(struct kill_process *p, struct kill_link *c)
{
    c->used = false;
    p->free_links[p->nfree++] = (unsigned)(c - p->links);
}

void kill_link_open(struct kill_process *p, struct kill_link *c, int fd)
{
    c->fd = fd;
    c->used = true;
    p->t->connected++;
    p->t->open++;
    if (slow(c)) {
        watch(p, c);
    }
    if (!rests(p, c)) {
        kill_receive(p, c);
    }
}

void kill_finish(struct kill_process *p, struct kill_link *c)
{
    if (c->used && !c->shutting && !c->going) {
        c->shutting = true;
        kill_receive(p, c);
        settle_sends(p, c);
    }
}

void kill_drop(struct kill_process *p, struct kill_link *c)
{
    if (c->used && !c->going) {
        c->going = true;
        kill_started(p, &c->closing, KILL_CLOSE, c, unx_engine_close(p->e, &c->closing.op, c->fd));
    }
}

void kill_dropped(struct kill_process *p, struct kill_link *c, int result)
{
    if (result != 0 || c->in.out || c->watch.out || c->sends > 0) {
        kill_fail(p, "closing ended with %d, and %u sends are out", result, c->sends);
    }
    for (unsigned i = 0; i < c->npart_fds; i++) {
        close(c->part_fds[i]);
    }
    p->t->closed++;
    p->t->open--;
    p->t->strangers += c->record < 0;
    if (c->record >= 0) {
        if (p->side == CLIENT) {
            p->s->record[c->record].closed_in = atomic_load(&p->s->life[SERVER]);
        }
        atomic_fetch_or(&half(p, c)->state, HALF_OVER);
    }
    kill_link_free(p, c);
}
