// SPDX-License-Identifier: MIT
/*
 * Receiving one message.
 *
 * Promises: what was cut is an error unless the caller said that a part will do; a failed message owns nothing; a peek
 * leaves everything where it was.
 *
 * What surprised us: a peek with room for control data installs the descriptors, each time anew; without that room it
 * leaves them queued. A peek without room for data tells how long the next packet is, but not on a stream.
 */
#include "recv.h"
#include "addr.h"
#include "control.h"
#include "message.h"
#include "sys.h"

#include <errno.h>

#define FDS_ROOM_MAX 1024u
#define PEEKS (UNX_PEEK | UNX_PEEK_FDS)
#define FLAGS (UNX_DONTWAIT | UNX_INTR | PEEKS | UNX_PARTIAL | UNX_KEEP | UNX_PLAIN)

int recv_check(const struct unx_msg *m, unsigned flags)
{
    if ((flags & ~FLAGS) != 0 || (flags & PEEKS) == PEEKS || m->skip > 0) {
        return -EINVAL;
    }
    if ((flags & UNX_PLAIN) != 0 && (flags & UNX_PEEK_FDS) != 0) {
        return -EINVAL;
    }
    const int r = message_check(m, (flags & UNX_PLAIN) != 0);
    if (r < 0) {
        return r;
    }
    if (m->nfds > FDS_ROOM_MAX) {
        return -E2BIG;
    }
    return (flags & PEEKS) != 0 || message_has_bytes(m) ? 0 : -EINVAL;
}

void recv_clear(struct unx_msg *m)
{
    for (unsigned i = 0; m->fds != NULL && m->nfds <= FDS_ROOM_MAX && i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    if (m->cred != NULL) {
        *m->cred = (struct unx_cred){.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    }
    if (m->pidfd != NULL) {
        *m->pidfd = -1;
    }
    if (m->label != NULL && m->label_max > 0) {
        m->label[0] = '\0';
    }
    if (m->addr != NULL) {
        m->addr->len = 0;
    }
}

void recv_prepare(struct receiving *t, const struct unx_msg *m, unsigned flags, char *control)
{
    const bool raw = m->control != NULL;
    const bool peek = (flags & UNX_PEEK) != 0;
    t->plain = (flags & UNX_PLAIN) != 0 ? m->iov : NULL;
    t->reset = false;
    t->control_max = peek ? 0 : raw ? m->control_max : RECV_CONTROL_MAX;
    t->h = (struct msghdr){
        .msg_name = m->addr != NULL ? &m->addr->sa : NULL,
        .msg_namelen = m->addr != NULL ? sizeof m->addr->raw : 0,
        .msg_iov = (struct iovec *)m->iov,
        .msg_iovlen = m->niov,
        .msg_control = peek  ? NULL
                       : raw ? m->control
                             : control,
        .msg_controllen = t->control_max,
    };
}

/* UNX_KEEP: looks whether the next packet fits, before it is taken. 0: it does, or the receiving will say. */
static int look(int fd, struct unx_msg *m, unsigned flags, bool *reset)
{
    struct receiving t = {.plain = NULL};
    const ssize_t n = recv_take(fd, &t, MSG_PEEK, flags);
    *reset = t.reset;
    if (n < 0) {
        return (int)n;
    }
    if ((size_t)n > message_bytes(m)) {
        m->full_len = (size_t)n;
        m->got |= UNX_CUT_DATA;
        return -EMSGSIZE;
    }
    return 0;
}

/* recv(2) has none, nor has a peek for data. */
static bool has_control(const struct receiving *t)
{
    return t->plain == NULL && t->h.msg_control != NULL;
}

/* Notes how much came; whether it was all is in got. */
static void count(struct unx_msg *m, const struct receiving *t, size_t full)
{
    const bool cut = t->plain != NULL ? full > t->plain->iov_len : (t->h.msg_flags & MSG_TRUNC) != 0;
    m->full_len = full;
    m->len = cut ? message_bytes(m) : full;
    if (cut) {
        m->got |= UNX_CUT_DATA;
    }
}

int recv_accept(struct unx_msg *m, const struct receiving *t, size_t full, unsigned flags)
{
    count(m, t, full);
    int error = has_control(t) ? recv_deliver(m, t) : 0;
    if ((m->got & UNX_CUT_DATA) != 0 && (flags & PEEKS) == 0) {
        error = -EMSGSIZE;
    }
    if (m->addr != NULL) {
        m->addr->len = t->h.msg_namelen;
        const int r = addr_from_kernel(m->addr);
        if (r < 0) {
            recv_withdraw(m);
            return r;
        }
    }
    if (error < 0 && (flags & UNX_PARTIAL) == 0) {
        recv_withdraw(m);
        return error;
    }
    return 1;
}

int recv_end(struct unx_msg *m, const struct receiving *t)
{
    if (has_control(t)) {
        recv_deliver(m, t);
        recv_withdraw(m);
    }
    recv_clear(m);
    message_reset(m);
    return t->reset ? -ECONNRESET : 0;
}

__attribute__((noinline)) int recv_judge(int fd, struct unx_msg *m, const struct receiving *t, ssize_t n,
                                         unsigned flags)
{
    if (n == 0) {
        const int packet = message_has_bytes(m) || sys_type(fd) != SOCK_STREAM ? recv_zero(fd, t) : -EINVAL;
        if (packet <= 0) {
            const int end = recv_end(m, t);
            return packet < 0 ? packet : end;
        }
    }
    if (t->reset) {
        m->got |= UNX_GOT_RESET;
    }
    return recv_accept(m, t, (size_t)n, flags);
}

static int recv_rich(int fd, struct unx_msg *m, unsigned flags)
{
    char control[RECV_CONTROL_MAX] __attribute__((aligned(8)));
    struct receiving t;
    bool reset = false;

    recv_clear(m);
    int r = recv_check(m, flags);
    if (r == 0 && !message_has_bytes(m) && (r = sys_type(fd)) == SOCK_STREAM) {
        /* A peek tells the length of a packet; on a stream it would only wait. */
        r = -EINVAL;
    }
    if (r < 0) {
        return r;
    }
    if ((flags & UNX_KEEP) != 0 && (flags & PEEKS) == 0) {
        r = look(fd, m, flags, &reset);
        if (reset) {
            m->got |= UNX_GOT_RESET;
        }
        if (r < 0) {
            return r;
        }
    }
    recv_prepare(&t, m, flags, control);
    const ssize_t n = recv_take(fd, &t, flags & PEEKS ? MSG_PEEK : 0, flags);
    t.reset |= reset;
    return n < 0 ? (int)n : recv_judge(fd, m, &t, n, flags);
}

/* Room for data and descriptors, and mostly data alone comes: the shortest way, left as soon as there is more to it. */
static int recv_simple(int fd, struct unx_msg *m, unsigned flags)
{
    char control[RECV_CONTROL_MAX] __attribute__((aligned(8)));
    struct receiving t;
    for (unsigned i = 0; i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    recv_prepare(&t, m, 0, control);
    ssize_t n = sys_recvmsg(fd, &t.h, flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0);
    const bool whole = (t.h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && t.h.msg_controllen == 0;
    if (__builtin_expect(n > 0 && whole, 1)) {
        m->len = m->full_len = (size_t)n;
        return 1;
    }
    if (n > 0 && (t.h.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0) {
        m->fds_got = control_take_fds(control, t.h.msg_controllen, m->fds, m->nfds);
        if (m->fds_got > 0) {
            m->got = UNX_GOT_FDS;
            m->len = m->full_len = (size_t)n;
            return 1;
        }
    }
    n = n < 0 ? recv_take_on(fd, &t, 0, flags, n) : n;
    return n < 0 ? (int)n : recv_judge(fd, m, &t, n, flags);
}

static int recv_plain(int fd, struct unx_msg *m, unsigned flags)
{
    ssize_t n = sys_recv(fd, m->iov->iov_base, m->iov->iov_len, flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0);
    if (__builtin_expect(n > 0 && (size_t)n <= m->iov->iov_len, 1)) {
        m->len = m->full_len = (size_t)n;
        return 1;
    }
    struct receiving t = {.plain = m->iov};
    n = n < 0 ? recv_take_on(fd, &t, 0, flags, n) : n;
    return n < 0 ? (int)n : recv_judge(fd, m, &t, n, flags);
}

int unx_recv(int fd, struct unx_msg *m, unsigned flags)
{
    if (m == NULL) {
        return -EINVAL;
    }
    message_reset(m);
    const unsigned rare = flags & ~(UNX_DONTWAIT | UNX_INTR | UNX_PARTIAL);
    const bool simple = message_is_simple(m) && m->nfds <= FDS_ROOM_MAX;
    int r;
    if (simple && rare == 0) {
        r = recv_simple(fd, m, flags);
    } else if (simple && rare == UNX_PLAIN && m->nfds == 0 && m->niov == 1) {
        r = recv_plain(fd, m, flags);
    } else {
        r = recv_rich(fd, m, flags);
    }
    return message_done(m, r);
}
