// SPDX-License-Identifier: MIT
/*
 * Receiving packets from frames.
 *
 * Promises: what SEQPACKET promises: nothing is cut in silence, a failed packet owns nothing, a peek leaves
 * everything where it is. It reads only what a frame is missing, so it never waits for one that is here.
 *
 * What surprised us: who peeks at half a frame in the socket, to take it when it is whole, is told for ever that
 * there is something to read, and waits for ever for a frame that is larger than the socket's queue. So bytes are
 * taken out as they come, and kept. And a timeout of the socket starts anew with each piece: a peer that sends a
 * byte now and then would keep us for as long as it likes. So from the second piece of one call on, the time is
 * counted.
 */
#include "frames.h"
#include "message.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define PEEKS (UNX_PEEK | UNX_PEEK_FDS)
#define FLAGS (UNX_DONTWAIT | UNX_INTR | PEEKS | UNX_PARTIAL | UNX_KEEP)
#define FDS_ROOM_MAX 1024u
#define MORE 2 /* the first frame is not complete */

static int check(const struct unx_frames *f, const struct unx_msg *m, unsigned flags)
{
    if (f->which != UNX_RECV || (flags & ~FLAGS) != 0 || (flags & PEEKS) == PEEKS || m->addr != NULL ||
        m->control != NULL || m->pidfd != NULL || m->label != NULL || m->skip > 0) {
        return -EINVAL;
    }
    const int r = message_check(m, false);
    if (r < 0) {
        return r;
    }
    if (m->nfds > FDS_ROOM_MAX) {
        return -E2BIG;
    }
    return (flags & PEEKS) != 0 || message_has_bytes(m) ? 0 : -EINVAL;
}

/* Leaves the caller's room as it is when nothing comes. */
static void clear(struct unx_msg *m)
{
    for (unsigned i = 0; m->fds != NULL && m->nfds <= FDS_ROOM_MAX && i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    if (m->cred != NULL) {
        *m->cred = (struct unx_cred){.uid = (uid_t)-1, .gid = (gid_t)-1};
    }
}

static void scatter(const struct unx_msg *m, const unsigned char *p, size_t n)
{
    for (size_t i = 0; n > 0; i++) {
        const size_t part = m->iov[i].iov_len < n ? m->iov[i].iov_len : n;
        if (part > 0) {
            memcpy(m->iov[i].iov_base, p, part);
        }
        p += part;
        n -= part;
    }
}

static void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sys_discard(fds[i]);
        fds[i] = -1;
    }
}

/* Copies descriptors: fewer than n when no more can be opened. */
static unsigned copy_fds(int *to, const int *from, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        to[i] = sys_dup(from[i]);
        if (to[i] < 0) {
            to[i] = -1;
            return i;
        }
    }
    return n;
}

/* Gives the descriptors of the first frame to m, or copies of them: 0, or why that are not all. */
static int give_fds(const struct unx_frames *f, struct unx_msg *m, const struct frame *first, bool copies)
{
    int *fds;
    bool cut;
    const unsigned here = frames_fds(f, first, &fds, &cut);
    const unsigned n = here < m->nfds ? here : m->nfds;
    int error = first->nfds > m->nfds || first->nfds > f->nfds ? -ENOBUFS : cut ? -EMFILE : 0;
    if (copies) {
        m->fds_got = copy_fds(m->fds, fds, n);
        error = m->fds_got < n ? -EMFILE : error;
    } else {
        m->fds_got = n;
        for (unsigned i = 0; i < n; i++) {
            m->fds[i] = fds[i];
        }
        close_all(fds + n, here - n);
    }
    m->got |= (m->fds_got > 0 ? UNX_GOT_FDS : 0) | (error < 0 ? UNX_CUT_FDS : 0);
    return error;
}

/* The first frame is dropped, and what it brought is closed. */
static void refuse(struct unx_frames *f, const struct frame *first)
{
    int *fds;
    bool cut;
    const unsigned n = frames_fds(f, first, &fds, &cut);
    close_all(fds, n);
    frames_drop(f, first);
}

/* The verdict on the first frame, of which enough is here. */
static int deliver(struct unx_frames *f, struct unx_msg *m, const struct frame *first, size_t room, unsigned flags)
{
    const unsigned char *data;
    const size_t here = frames_data(f, first, &data);
    m->len = here < room ? here : room;
    m->full_len = first->len;
    scatter(m, data, m->len);
    if (m->len < first->len) {
        m->got |= UNX_CUT_DATA;
    }
    if ((flags & UNX_PEEK) != 0) {
        return 1;
    }
    const bool peek = (flags & UNX_PEEK_FDS) != 0;
    const int error = first->nfds > 0 ? give_fds(f, m, first, peek) : 0;
    const bool failed = error < 0 && (flags & UNX_PARTIAL) == 0;
    if (failed) {
        close_all(m->fds, m->fds_got);
        m->fds_got = 0;
        m->got &= ~UNX_GOT_FDS;
    } else if (m->cred != NULL && f->cred[0].known != 0) {
        *m->cred = f->cred[0];
        m->got |= UNX_GOT_CRED;
    }
    if (!peek) {
        frames_drop(f, first);
    }
    return failed ? error : 1;
}

/* What there is to say without the socket: 1, an error, or MORE. */
static int answer(struct unx_frames *f, struct unx_msg *m, size_t room, unsigned flags)
{
    /* Set by what says 1; a compiler that sees all files at once takes it for unset. */
    struct frame first = {0};
    const int r = frames_first(f, &first);
    if (r <= 0) {
        return r < 0 ? r : MORE;
    }
    const bool fits = first.len <= room && FRAME_HEAD + first.len <= f->max;
    if (!fits && (flags & PEEKS) == 0 && ((flags & UNX_KEEP) != 0 || (flags & UNX_PARTIAL) == 0)) {
        m->full_len = first.len;
        m->got |= UNX_CUT_DATA;
        if ((flags & UNX_KEEP) == 0) {
            refuse(f, &first);
        }
        return -EMSGSIZE;
    }
    return frames_whole(f, &first) ? deliver(f, m, &first, room, flags) : MORE;
}

/* One read: 1, 0 for the end, or an error. */
static int read_once(struct unx_frames *f, int fd, unsigned flags)
{
    struct unx_cred cred;
    int *fds;
    const struct iovec room = frames_room(f, &fds);
    struct unx_msg in = {.iov = &room, .niov = 1, .fds = fds, .nfds = f->nfds, .cred = &cred};
    const int r = unx_recv(fd, &in, UNX_PARTIAL | (flags & (UNX_DONTWAIT | UNX_INTR)));
    if (r <= 0) {
        return r;
    }
    const struct frames_read got = {in.len, in.fds_got, (in.got & UNX_CUT_FDS) != 0, &cred};
    frames_took(f, &got);
    if (in.len == 0 || (in.got & UNX_CUT_DATA) != 0) {
        frames_forget(f);
        return f->error = -EPROTOTYPE;
    }
    return 1;
}

/* The same for the second piece and those behind it, until `deadline`. */
static int read_until(struct unx_frames *f, int fd, unsigned flags, int64_t deadline)
{
    for (;;) {
        const int r = frames_late(deadline) ? -EAGAIN : read_once(f, fd, flags | UNX_DONTWAIT);
        if (r != -EAGAIN) {
            return r;
        }
        const int ready = frames_wait(fd, POLLIN, flags, deadline);
        if (ready < 0) {
            return ready;
        }
    }
}

/* 0, or -ECONNRESET if the connection ended inside of a frame. */
static int ended(struct unx_frames *f, int r)
{
    if (!frames_inside(f)) {
        return r;
    }
    frames_forget(f);
    return -ECONNRESET;
}

int unx_frames_recv(struct unx_frames *f, int fd, struct unx_msg *m, unsigned flags)
{
    if (f == NULL || m == NULL) {
        return -EINVAL;
    }
    message_reset(m);
    clear(m);
    int r = check(f, m, flags);
    if (r < 0) {
        return message_done(m, r);
    }
    const size_t room = message_bytes(m);
    int64_t deadline = -1;
    for (unsigned reads = 0; (r = answer(f, m, room, flags)) == MORE; reads++) {
        if (reads == 1) {
            r = frames_deadline(fd, UNX_RECV, flags, &deadline);
        }
        if (r >= 0) {
            r = deadline < 0 ? read_once(f, fd, flags) : read_until(f, fd, flags, deadline);
        }
        if (r == 0 || r == -ECONNRESET) {
            r = ended(f, r);
        }
        if (r <= 0) {
            break;
        }
    }
    return message_done(m, r);
}
