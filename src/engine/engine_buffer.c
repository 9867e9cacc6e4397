// SPDX-License-Identifier: MIT
/*
 * The buffers of standing receives: each has a message that describes it, room for all that can come along, and memory.
 *
 * Promises: what was received goes to the caller whole, or not at all; what the caller did not take is closed when the
 * buffer comes back.
 */
#include "engine.h"
#include "message.h"

#include <errno.h>

int buffer_pool(struct unx_engine *e, bool shared)
{
    struct pool *const p = &e->pools[shared];
    if (p->buffers != NULL) {
        return 0;
    }
    e->stride = (BUFFER_ROOM + e->buffer_size + 63) / 64 * 64;
    const bool fits = e->stride <= PTRDIFF_MAX / e->nbuffers;
    p->memory = fits ? sys_allocate(e->nbuffers * e->stride) : NULL;
    p->buffers = fits ? sys_allocate(e->nbuffers * sizeof *p->buffers) : NULL;
    for (unsigned i = e->nbuffers; i-- > 0 && p->memory != NULL && p->buffers != NULL;) {
        struct buffer *const b = &p->buffers[i];
        b->memory = p->memory + i * e->stride;
        b->pidfd = -1;
        b->shared = shared;
        if (!shared) {
            b->next = e->free;
            e->free = b;
        }
    }
    int r = p->memory == NULL || p->buffers == NULL ? -ENOMEM : 0;
    if (r == 0 && shared) {
        r = e->backend->share(e);
    }
    if (r < 0) {
        sys_free(p->memory);
        sys_free(p->buffers);
        *p = (struct pool){.buffers = NULL};
        e->stride = e->pools[!shared].buffers == NULL ? 0 : e->stride;
        return r;
    }
    return 0;
}

struct buffer *buffer_take(struct unx_engine *e)
{
    struct buffer *const b = e->free;
    if (b != NULL) {
        e->free = b->next;
    }
    return b;
}

void buffer_ready(const struct unx_engine *e, struct buffer *b, bool plain, bool source)
{
    struct unx_msg *const m = &b->m;
    b->iov = (struct iovec){b->memory + BUFFER_ROOM, e->buffer_size};
    m->iov = &b->iov;
    m->niov = 1;
    m->fds = plain ? NULL : b->fds;
    m->nfds = plain ? 0 : SYS_FDS_MAX;
    m->cred = plain ? NULL : &b->cred;
    m->pidfd = plain ? NULL : &b->pidfd;
    m->addr = source ? &b->addr : NULL;
    message_reset(m);
}

void buffer_hand_out(struct unx_engine *e, struct buffer *b)
{
    struct unx_msg *const m = &b->m;
    b->iov.iov_len = m->len;
    b->nfds = m->nfds = m->fds_got;
    if ((m->got & UNX_GOT_CRED) == 0) {
        m->cred = NULL;
    }
    if ((m->got & UNX_GOT_PIDFD) == 0) {
        m->pidfd = NULL;
    }
    if (m->addr != NULL && m->addr->len == 0) {
        m->addr = NULL;
    }
    b->out = true;
    e->buffers_out++;
}

void buffer_put(struct unx_engine *e, struct buffer *b)
{
    if (b->shared) {
        e->backend->give(e, b);
        return;
    }
    b->next = e->free;
    e->free = b;
}

/* NULL: not one of them, or not out. */
static struct buffer *buffer_of(const struct unx_engine *e, const struct unx_msg *m)
{
    for (int i = 0; i < 2; i++) {
        const uintptr_t at = (uintptr_t)m - (uintptr_t)e->pools[i].buffers;
        if (e->pools[i].buffers != NULL && at % sizeof(struct buffer) == 0 &&
            at / sizeof(struct buffer) < e->nbuffers) {
            struct buffer *const b = &e->pools[i].buffers[at / sizeof(struct buffer)];
            return b->out ? b : NULL;
        }
    }
    return NULL;
}

int unx_engine_return(struct unx_engine *e, struct unx_msg *m)
{
    if (e == NULL || m == NULL) {
        return -EINVAL;
    }
    if ((m == &e->empty[0].m || m == &e->empty[1].m) && e->empty_out > 0) {
        e->empty_out--;
        return 0;
    }
    struct buffer *const b = buffer_of(e, m);
    if (b == NULL) {
        return -EINVAL;
    }
    b->out = false;
    e->buffers_out--;
    for (unsigned i = 0; i < b->nfds; i++) {
        if (b->fds[i] >= 0) {
            sys_discard(b->fds[i]);
        }
        b->fds[i] = -1;
    }
    if (b->pidfd >= 0) {
        sys_close(b->pidfd);
    }
    b->pidfd = -1;
    b->nfds = 0;
    buffer_put(e, b);
    if (e->starved != NULL) {
        engine_nudge(e);
    }
    return 0;
}

int unx_engine_buffers(struct unx_engine *e, unsigned n, size_t size)
{
    if (e == NULL || n == 0 || n > 32768 || size == 0 || size > (size_t)16 << 20) {
        return -EINVAL;
    }
    if (e->stride > 0) {
        return -EBUSY;
    }
    e->nbuffers = n;
    e->buffer_size = size;
    return 0;
}
