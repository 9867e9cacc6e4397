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
    if (p->block != NULL) {
        return 0;
    }
    /* An odd number of lines: buffers of one size of pages would all share the same few. */
    const size_t stride = (sizeof(struct buffer) + BUFFER_ROOM + e->buffer_size + CACHE_LINE - 1) / CACHE_LINE | 1;
    const bool fits = stride * CACHE_LINE <= (PTRDIFF_MAX - CACHE_LINE) / e->nbuffers;
    p->block = fits ? sys_allocate(e->nbuffers * stride * CACHE_LINE + CACHE_LINE) : NULL;
    if (p->block == NULL) {
        return -ENOMEM;
    }
    p->first = cache_aligned(p->block);
    e->stride = stride * CACHE_LINE;
    for (unsigned i = e->nbuffers; i-- > 0;) {
        struct buffer *const b = buffer_at(e, shared, i);
        b->pidfd = -1;
        b->number = (uint16_t)i;
        b->shared = shared;
        b->next = e->free[shared];
        e->free[shared] = b;
    }
    const int r = shared ? e->backend->share(e) : 0;
    if (r < 0) {
        sys_free(p->block);
        *p = (struct pool){.block = NULL};
        e->free[shared] = NULL;
        e->stride = e->pools[!shared].block == NULL ? 0 : e->stride;
    }
    return r;
}

void buffer_ready(const struct unx_engine *e, struct buffer *b, bool plain, bool source)
{
    struct unx_msg *const m = &b->m;
    b->iov = (struct iovec){buffer_memory(b) + (plain ? 0 : BUFFER_ROOM), e->buffer_size};
    m->iov = &b->iov;
    m->niov = 1;
    m->fds = plain ? NULL : b->x.fds;
    m->nfds = plain ? 0 : SYS_FDS_MAX;
    m->cred = plain ? NULL : &b->x.cred;
    m->pidfd = plain ? NULL : &b->pidfd;
    m->addr = source ? &b->x.addr : NULL;
    message_reset(m);
}

void buffer_hand_out_data(struct unx_engine *e, struct buffer *b, char *data, size_t n)
{
    struct unx_msg *const m = &b->m;
    b->iov = (struct iovec){data, n};
    m->iov = &b->iov;
    m->niov = 1;
    m->fds = NULL;
    b->nfds = m->nfds = 0;
    m->addr = NULL;
    m->cred = NULL;
    m->pidfd = NULL;
    message_reset(m);
    m->len = m->full_len = n;
    b->out = true;
    e->buffers_out++;
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

/* NULL: not one of them, or not out. */
static struct buffer *buffer_of(const struct unx_engine *e, const struct unx_msg *m)
{
    struct buffer *const b = (struct buffer *)((char *)m - offsetof(struct buffer, m));
    for (int i = 1; i >= 0; i--) {
        const uintptr_t at = (uintptr_t)b - (uintptr_t)e->pools[i].first;
        if (e->pools[i].block != NULL && at <= (e->nbuffers - 1) * e->stride) {
            /* In our memory, so it can be asked, and a division costs more. */
            const bool begins = at % CACHE_LINE == 0 && b->number < e->nbuffers && at == b->number * e->stride;
            return begins && b->out ? b : NULL;
        }
    }
    return NULL;
}

int unx_engine_return(struct unx_engine *e, struct unx_msg *m)
{
    if (e == NULL || m == NULL) {
        return -EINVAL;
    }
    struct buffer *const b = buffer_of(e, m);
    if (b == NULL && (m == &e->empty[0].m || m == &e->empty[1].m) && e->empty_out > 0) {
        e->empty_out--;
        return 0;
    }
    if (b == NULL) {
        return -EINVAL;
    }
    b->out = false;
    e->buffers_out--;
    for (unsigned i = 0; i < b->nfds; i++) {
        if (b->x.fds[i] >= 0) {
            sys_discard(b->x.fds[i]);
        }
        b->x.fds[i] = -1;
    }
    if (b->pidfd >= 0) {
        sys_close(b->pidfd);
    }
    b->pidfd = -1;
    b->nfds = 0;
    /* The next message sets the rest, and these are no room of ours. */
    m->label = NULL;
    m->control = NULL;
    m->label_max = m->control_max = m->skip = 0;
    m->reserved[0] = m->reserved[1] = m->reserved[2] = m->reserved[3] = 0;
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
