// SPDX-License-Identifier: MIT
/*
 * Sending one message.
 *
 * Promises: a packet goes whole or not at all; descriptors go once, with the first byte; after an error nothing went.
 *
 * What surprised us: a stream takes descriptors without a byte, says that it sent them, and drops them. An empty send
 * on a stream is a success that nobody sees. Descriptors in several control messages count together against the limit.
 */
#include "send.h"
#include "addr.h"
#include "control.h"
#include "io.h"
#include "message.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

#define IOV_REST 16
#define FLAGS (UNX_DONTWAIT | UNX_INTR | UNX_PLAIN)

struct sending {
    struct msghdr h;
    const struct iovec *plain;
    int how;
};

static ssize_t send_once(int fd, void *arg, int how)
{
    const struct sending *s = arg;
    if (s->plain != NULL) {
        return sys_send(fd, s->plain->iov_base, s->plain->iov_len, s->how | how);
    }
    return sys_sendmsg(fd, &s->h, s->how | how);
}

int send_check(const struct unx_msg *m, unsigned flags)
{
    const bool cut = m->control_max > 0 && m->control_max < unx_control_space(0);
    if ((flags & ~FLAGS) != 0 || m->pidfd != NULL || m->label != NULL || cut) {
        return -EINVAL;
    }
    const int r = message_check(m, (flags & UNX_PLAIN) != 0);
    if (r < 0) {
        return r;
    }
    if (m->nfds > SYS_FDS_MAX) {
        return -E2BIG;
    }
    if (m->cred != NULL && m->cred->known != UNX_KNOWN_ALL) {
        return -EINVAL;
    }
    return 0;
}

static int set_destination(struct msghdr *h, const struct unx_msg *m)
{
    const int kind = unx_addr_name(m->addr, NULL, NULL);
    if (kind == UNX_NONE) {
        return 0;
    }
    if (kind == UNX_UNNAMED) {
        return -EDESTADDRREQ;
    }
    h->msg_name = (void *)&m->addr->sa;
    h->msg_namelen = m->addr->len;
    return kind < 0 ? kind : addr_check(m->addr);
}

static int set_control(struct msghdr *h, const struct unx_msg *m, char *buf)
{
    size_t len = 0;
    if (m->control != NULL) {
        h->msg_control = m->control;
        h->msg_controllen = m->control_max;
        return 0;
    }
    for (unsigned i = 0; i < m->nfds; i++) {
        if (m->fds[i] < 0) {
            return -EBADF;
        }
    }
    if (m->cred != NULL) {
        len = control_put_cred(buf, len, m->cred);
        if (len == 0) {
            return -EOPNOTSUPP;
        }
    }
    if (m->nfds > 0) {
        len = control_put_fds(buf, len, m->fds, m->nfds);
    }
    h->msg_control = len > 0 ? buf : NULL;
    h->msg_controllen = len;
    return 0;
}

/* Points h at what is left after m->skip bytes: as much of it as `rest` holds, which a stream may send short. */
static int set_rest(struct msghdr *h, const struct unx_msg *m, struct iovec rest[IOV_REST])
{
    size_t skip = m->skip, i = 0, n = 0;
    while (i < m->niov && skip >= m->iov[i].iov_len) {
        skip -= m->iov[i++].iov_len;
    }
    if (i == m->niov) {
        return -EINVAL;
    }
    rest[n++] = (struct iovec){(char *)m->iov[i].iov_base + skip, m->iov[i].iov_len - skip};
    for (i++; i < m->niov && n < IOV_REST; i++) {
        rest[n++] = m->iov[i];
    }
    h->msg_iov = rest;
    h->msg_iovlen = n;
    return 0;
}

/* What only some types can do; asked where it is rare, because asking a socket for its type is not free. */
static int check_type(int fd, const struct unx_msg *m)
{
    const int type = sys_type(fd);
    if (type < 0) {
        return type;
    }
    return (type == SOCK_STREAM) == (m->skip > 0) ? 0 : -EINVAL;
}

bool send_prepare(struct msghdr *h, const struct unx_msg *m, unsigned flags, char *control)
{
    *h = (struct msghdr){.msg_iov = (struct iovec *)m->iov, .msg_iovlen = m->niov};
    if ((flags & ~(UNX_DONTWAIT | UNX_INTR)) == 0 && m->nfds == 0 && message_is_simple(m)) {
        return true;
    }
    return send_check(m, flags) == 0 && m->skip == 0 && (m->addr == NULL || set_destination(h, m) == 0) &&
           set_control(h, m, control) == 0;
}

/* Any message. `r` is -EINTR if a first attempt was interrupted, else 0. */
static __attribute__((noinline)) ssize_t send_rich(int fd, const struct unx_msg *m, unsigned flags, ssize_t n)
{
    char control[SEND_CONTROL_MAX] __attribute__((aligned(8)));
    struct iovec rest[IOV_REST];
    struct sending s = {.how = flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0};

    int r = send_check(m, flags);
    if (r == 0 && (m->skip > 0 || !message_has_bytes(m))) {
        r = check_type(fd, m);
    }
    if (r == 0 && m->addr != NULL) {
        r = set_destination(&s.h, m);
    }
    if (r < 0) {
        return r;
    }
    if (flags & UNX_PLAIN) {
        s.plain = m->iov;
    } else if (m->skip > 0) {
        r = set_rest(&s.h, m, rest);
    } else {
        s.h.msg_iov = (struct iovec *)m->iov;
        s.h.msg_iovlen = m->niov;
        r = set_control(&s.h, m, control);
    }
    if (r < 0) {
        return r;
    }
    if (n == 0) {
        n = send_once(fd, &s, 0);
    }
    if (n == -EINTR && (flags & UNX_INTR) == 0) {
        n = io_resume(fd, POLLOUT, UNX_SEND, (flags & UNX_DONTWAIT) != 0 ? -1 : sys_now(), send_once, &s);
    }
    return n;
}

/* Data with descriptors, and nothing to ask the socket first. */
static __attribute__((noinline)) ssize_t send_fds(int fd, const struct unx_msg *m, unsigned flags)
{
    char control[SEND_CONTROL_MAX] __attribute__((aligned(8)));
    struct msghdr h = {.msg_iov = (struct iovec *)m->iov, .msg_iovlen = m->niov};
    const int r = set_control(&h, m, control);
    return r < 0 ? r : sys_sendmsg(fd, &h, flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0);
}

int unx_send(int fd, struct unx_msg *m, unsigned flags)
{
    if (m == NULL) {
        return -EINVAL;
    }
    message_reset(m);
    const unsigned rare = flags & ~(UNX_DONTWAIT | UNX_INTR);
    const int how = flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0;
    const bool simple = message_is_simple(m);
    ssize_t n;
    if (simple && m->nfds == 0 && (rare == 0 || (rare == UNX_PLAIN && m->niov == 1))) {
        n = send_bytes(fd, m, how);
    } else if (simple && rare == 0 && m->nfds <= SYS_FDS_MAX) {
        n = send_fds(fd, m, flags);
    } else {
        n = send_rich(fd, m, flags, 0);
    }
    if (n == -EINTR && (flags & UNX_INTR) == 0) {
        n = send_rich(fd, m, flags, n);
    }
    if (n < 0) {
        return message_done(m, (int)n);
    }
    m->len = m->full_len = (size_t)n;
    return 1;
}
