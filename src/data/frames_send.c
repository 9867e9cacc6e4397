// SPDX-License-Identifier: MIT
/*
 * Sending packets as frames.
 *
 * Promises: a packet is taken whole or not at all. Its descriptors go with its first byte, once. What the socket
 * did not take is kept and goes first, with the credentials of its packet.
 *
 * What surprised us: a stream takes a part also from those who wait, when a signal comes, its timeout is over, or
 * memory is short; by then the descriptors have gone. So an error behind the first byte can only be told by the
 * next call.
 */
#include "frames.h"
#include "message.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

#define FLAGS (UNX_DONTWAIT | UNX_INTR)
#define GATHER 15u /* so many pieces of a large packet are sent from where they are */
#define COPY 1024u /* up to here copying costs less than another piece */

static int check(const struct unx_frames *f, const struct unx_msg *m, unsigned flags)
{
    if (f->which != UNX_SEND || (flags & ~FLAGS) != 0 || m->addr != NULL || m->control != NULL || m->pidfd != NULL ||
        m->label != NULL || m->skip > 0) {
        return -EINVAL;
    }
    const int r = message_check(m, false);
    if (r < 0) {
        return r;
    }
    if (m->nfds > FRAME_FDS_MAX) {
        return -E2BIG;
    }
    return m->cred != NULL && m->cred->known != UNX_KNOWN_ALL ? -EINVAL : 0;
}

/* Bytes of a packet: -EMSGSIZE if they are more than `max`. */
static int count(const struct unx_msg *m, size_t max, size_t *len)
{
    size_t left = max;
    for (size_t i = 0; i < m->niov; i++) {
        if (m->iov[i].iov_len > left) {
            return -EMSGSIZE;
        }
        left -= m->iov[i].iov_len;
    }
    *len = max - left;
    return 0;
}

static int send_rest(struct unx_frames *f, int fd, unsigned flags)
{
    const struct iovec rest = {f->bytes + f->start, f->end - f->start};
    struct unx_msg m = {.iov = &rest, .niov = 1, .cred = f->cred[0].known != 0 ? &f->cred[0] : NULL};
    const int r = unx_send(fd, &m, flags);
    if (r < 0) {
        return r;
    }
    f->start += m.len;
    if (f->start == f->end) {
        f->start = f->end = 0;
    }
    return 0;
}

/* Goes on with what is left after a first attempt that took a part. */
static int go_on(struct unx_frames *f, int fd, unsigned flags)
{
    int64_t deadline;
    int r = frames_deadline(fd, UNX_SEND, flags, &deadline);
    const bool by_signal = (flags & (UNX_INTR | UNX_DONTWAIT)) == UNX_INTR && deadline < 0;
    while (r == 0 && f->end > 0) {
        r = send_rest(f, fd, by_signal || deadline >= 0 ? flags | UNX_DONTWAIT : flags);
        if (r == -EAGAIN && deadline >= 0) {
            r = frames_wait(fd, POLLOUT, flags, deadline);
        }
    }
    /* Who waits and was given a part was interrupted. */
    return r == -EAGAIN && by_signal && sys_get_nonblock(fd) == 0 ? -EINTR : r;
}

int unx_frames_flush(struct unx_frames *f, int fd, unsigned flags)
{
    if (f == NULL || f->which != UNX_SEND || (flags & ~FLAGS) != 0) {
        return -EINVAL;
    }
    if (f->end == 0) {
        return 0;
    }
    const int r = send_rest(f, fd, flags);
    return r < 0 || f->end == 0 ? r : go_on(f, fd, flags);
}

/* Copies what is behind the first `sent` bytes of these pieces into the buffer. */
static void keep(struct unx_frames *f, const struct iovec *iov, size_t niov, size_t sent)
{
    size_t end = 0;
    for (size_t i = 0; i < niov; i++) {
        const size_t skip = sent < iov[i].iov_len ? sent : iov[i].iov_len;
        const size_t n = iov[i].iov_len - skip;
        sent -= skip;
        if (n > 0) {
            memcpy(f->bytes + end, (const char *)iov[i].iov_base + skip, n);
            end += n;
        }
    }
    f->start = 0;
    f->end = end;
}

/* A frame of one piece, in the buffer. */
static int send_copied(struct unx_frames *f, int fd, const struct unx_msg *m, size_t len, unsigned flags)
{
    const struct frame frame = {len, m->nfds};
    const struct iovec iov = {f->bytes, FRAME_HEAD + len};
    struct unx_msg out = {.iov = &iov, .niov = 1, .fds = m->fds, .nfds = m->nfds, .cred = m->cred};

    frame_write(f->bytes, &frame);
    unsigned char *to = f->bytes + FRAME_HEAD;
    for (size_t i = 0; i < m->niov; i++) {
        if (m->iov[i].iov_len > 0) {
            memcpy(to, m->iov[i].iov_base, m->iov[i].iov_len);
            to += m->iov[i].iov_len;
        }
    }
    const int r = unx_send(fd, &out, flags);
    if (r > 0 && out.len < iov.iov_len) {
        f->start = out.len;
        f->end = iov.iov_len;
    }
    return r;
}

/* A frame of many pieces, from where they are. */
static int send_gathered(struct unx_frames *f, int fd, const struct unx_msg *m, size_t len, unsigned flags)
{
    const struct frame frame = {len, m->nfds};
    unsigned char head[FRAME_HEAD];
    struct iovec iov[1 + GATHER] = {{head, FRAME_HEAD}};
    struct unx_msg out = {.iov = iov, .niov = 1, .fds = m->fds, .nfds = m->nfds, .cred = m->cred};

    frame_write(head, &frame);
    for (size_t i = 0; i < m->niov; i++) {
        iov[out.niov++] = m->iov[i];
    }
    const int r = unx_send(fd, &out, flags);
    if (r > 0 && out.len < FRAME_HEAD + len) {
        keep(f, iov, out.niov, out.len);
    }
    return r;
}

/* Sends a frame of `len` bytes and keeps what did not go: 1 if a byte of it went. */
static int send_frame(struct unx_frames *f, int fd, const struct unx_msg *m, size_t len, unsigned flags)
{
    const bool copied = len <= COPY || m->niov > GATHER;
    const int r = copied ? send_copied(f, fd, m, len, flags) : send_gathered(f, fd, m, len, flags);
    if (r > 0 && f->end > 0) {
        f->cred[0] = m->cred != NULL ? *m->cred : (struct unx_cred){.known = 0};
        go_on(f, fd, flags);
    }
    return r;
}

int unx_frames_send(struct unx_frames *f, int fd, struct unx_msg *m, unsigned flags)
{
    if (f == NULL || m == NULL) {
        return -EINVAL;
    }
    message_reset(m);
    const size_t room = f->max - FRAME_HEAD, max = room < UNX_FRAMES_MAX ? room : UNX_FRAMES_MAX;
    size_t len = 0;
    int r = check(f, m, flags);
    if (r == 0) {
        r = count(m, max, &len);
    }
    if (r == 0 && f->end > 0) {
        r = unx_frames_flush(f, fd, flags);
    }
    if (r == 0) {
        r = send_frame(f, fd, m, len, flags);
    }
    if (r == 1) {
        m->len = m->full_len = len;
    }
    return message_done(m, r);
}
