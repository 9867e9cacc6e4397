// SPDX-License-Identifier: MIT
/*
 * The same work by frames: a packet sent and received over a stream. The base is sendmsg(2) and recvmsg(2) of as
 * many bytes on the same stream, which do not know where a packet ends.
 */
#include "sides.h"

#include <errno.h>
#include <unistd.h>

#include <unx/frames.h>

static char in_buf[UNX_FRAMES_ROOM(SIDES_MAX_SIZE, SIDES_MAX_FDS)], out_buf[UNX_FRAMES_ROOM(SIDES_MAX_SIZE, 0)];

int unx_frame(struct bench_context *c, unsigned n)
{
    int lent[SIDES_MAX_FDS], fds[SIDES_MAX_FDS];
    for (unsigned i = 0; i < c->nfds; i++)
        lent[i] = c->extra;
    const struct iovec data = {c->buf, c->size}, room = {c->buf, SIDES_MAX_SIZE};
    struct unx_msg out = {.iov = &data, .niov = 1, .fds = lent, .nfds = c->nfds};
    struct unx_msg in = {.iov = &room, .niov = 1, .fds = fds, .nfds = c->nfds};
    struct unx_frames from, to;
    int r = unx_frames_init(&to, UNX_SEND, out_buf, sizeof out_buf, 0);
    if (r == 0)
        r = unx_frames_init(&from, UNX_RECV, in_buf, sizeof in_buf, SIDES_MAX_FDS);
    for (; r >= 0 && n > 0; n--) {
        r = unx_frames_send(&to, c->fds[0], &out, c->flags);
        if (r >= 0)
            r = unx_frames_recv(&from, c->fds[1], &in, c->flags);
        if (r >= 0 && (in.len != c->size || in.fds_got != c->nfds))
            r = -EPROTO;
        while (r >= 0 && in.fds_got > 0)
            close(in.fds[--in.fds_got]);
    }
    return r < 0 ? r : 0;
}

/* All of them are sent first, and then received: one read brings many. */
int unx_frame_queue(struct bench_context *c, unsigned n)
{
    const struct iovec data = {c->buf, c->size}, room = {c->buf, SIDES_MAX_SIZE};
    struct unx_msg out = {.iov = &data, .niov = 1}, in = {.iov = &room, .niov = 1};
    struct unx_frames from, to;
    int r = unx_frames_init(&to, UNX_SEND, out_buf, sizeof out_buf, 0);
    if (r == 0)
        r = unx_frames_init(&from, UNX_RECV, in_buf, sizeof in_buf, SIDES_MAX_FDS);
    for (; r >= 0 && n > 0; n -= SIDES_BATCH) {
        for (unsigned i = 0; r >= 0 && i < SIDES_BATCH; i++)
            r = unx_frames_send(&to, c->fds[0], &out, 0);
        for (unsigned i = 0; r >= 0 && i < SIDES_BATCH; i++)
            r = unx_frames_recv(&from, c->fds[1], &in, 0);
    }
    return r < 0 ? r : 0;
}
