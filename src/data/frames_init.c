// SPDX-License-Identifier: MIT
/*
 * The life of a struct unx_frames: prepared, asked, moved to another buffer, closed.
 *
 * Promises: the largest packet depends on the size of the buffer alone, not on where it lies.
 */
#include "frames.h"
#include "message.h"

#include <errno.h>
#include <stdalign.h>
#include <string.h>

/* Descriptors first, because they have to be aligned, then bytes. */
static void lay_out(struct unx_frames *f, void *buf, size_t size)
{
    const size_t align = alignof(int), pad = (align - (uintptr_t)buf % align) % align;
    const size_t max = size - UNX_FRAMES_ROOM(0, f->nfds);
    f->buf = buf;
    f->size = size;
    f->fds = (int *)(void *)((unsigned char *)buf + pad);
    f->bytes = (unsigned char *)(f->fds + 2 * (size_t)f->nfds);
    f->max = FRAME_HEAD + max;
}

int unx_frames_init(struct unx_frames *f, unsigned which, void *buf, size_t size, unsigned nfds)
{
    if (f == NULL || buf == NULL || (which != UNX_SEND && which != UNX_RECV) || (which == UNX_SEND && nfds > 0)) {
        return -EINVAL;
    }
    if (nfds > FRAME_FDS_MAX) {
        return -E2BIG;
    }
    if (size < UNX_FRAMES_ROOM(0, nfds)) {
        return -EINVAL;
    }
    *f = (struct unx_frames){.which = which, .nfds = nfds};
    lay_out(f, buf, size);
    return 0;
}

int unx_frames_pending(const struct unx_frames *f)
{
    if (f == NULL) {
        return -EINVAL;
    }
    if (f->which == UNX_SEND) {
        return (int)(f->end - f->start);
    }
    struct frame first;
    const int r = frame_read(f->bytes + f->start, f->end - f->start, &first);
    return f->error != 0 || r < 0 || (r == 1 && frames_whole(f, &first));
}

int unx_frames_buffer(struct unx_frames *f, void *buf, size_t size)
{
    if (f == NULL || buf == NULL || f->buf == NULL || size < UNX_FRAMES_ROOM(0, f->nfds)) {
        return -EINVAL;
    }
    const size_t here = f->end - f->start;
    if (here > size - UNX_FRAMES_ROOM(0, f->nfds) + FRAME_HEAD) {
        return -ENOBUFS;
    }
    const int *const fds = f->fds;
    const unsigned char *const bytes = f->bytes + f->start;
    lay_out(f, buf, size);
    if (f->nfds > 0) {
        memcpy(f->fds, fds, 2 * sizeof(int) * f->nfds);
    }
    memcpy(f->bytes, bytes, here);
    f->start = 0;
    f->end = here;
    return 0;
}

int unx_frames_close(struct unx_frames *f)
{
    if (f == NULL) {
        return -EINVAL;
    }
    const unsigned closed = frames_forget(f);
    f->error = 0;
    return (int)closed;
}
