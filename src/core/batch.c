// SPDX-License-Identifier: MIT
/*
 * Many messages in few system calls, sixteen at a time.
 *
 * Promises: each message fares as it would alone, and says so itself; a failed one owns nothing; the end is no message.
 *
 * What surprised us: sendmmsg(2) hides why it stopped, until the message is sent again. recvmmsg(2) reports the end of a
 * connection as messages of length 0, as many as there is room for, and a reset before the data of a stream; and its timeout
 * is none. On a stream sendmmsg(2) sends the next message although the one before went only in part.
 */
#include "addr.h"
#include "io.h"
#include "message.h"
#include "recv.h"
#include "send.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

#define BATCH 16u

/* ---- sending ---- */

/* Sends up to BATCH packets in one call, and the one that stopped it alone: how many went, or the error of the first. */
static int send_some(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    char control[BATCH][SEND_CONTROL_MAX] __attribute__((aligned(8)));
    struct mmsghdr v[BATCH];
    unsigned ready = 0;
    while (ready < n && send_prepare(&v[ready].msg_hdr, &m[ready], flags, control[ready])) {
        ready++;
    }
    int r = ready == 0 ? 0 : sys_sendmmsg(fd, v, ready, flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0);
    for (int i = 0; i < r; i++) {
        m[i].len = m[i].full_len = v[i].msg_len;
    }
    if (r < 0 && (r != -EINTR || (flags & UNX_INTR) != 0)) {
        return message_done(&m[0], r);
    }
    const unsigned sent = r < 0 ? 0 : (unsigned)r;
    if (sent == n) {
        return r;
    }
    /* What stopped it behind others is known by sending that one again. It may have been a signal, or room may have come
     * meanwhile: then nothing has stopped. */
    r = unx_send(fd, &m[sent], sent > 0 && (flags & UNX_INTR) != 0 ? flags | UNX_DONTWAIT : flags);
    return r == 1 ? (int)sent + 1 : sent > 0 ? (int)sent : r;
}

static int send_stream(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    unsigned i = 0;
    int r = 1;
    for (bool whole = true; i < n && r == 1 && whole; i += r == 1) {
        r = unx_send(fd, &m[i], flags);
        whole = m[i].len + m[i].skip == message_bytes(&m[i]);
    }
    return i > 0 ? (int)i : r;
}

int unx_send_many(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    if ((m == NULL && n > 0) || n > INT32_MAX) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        message_reset(&m[i]);
    }
    const int type = sys_type(fd);
    if (type < 0 || n == 0) {
        return type < 0 ? type : 0;
    }
    if (type == SOCK_STREAM) {
        return send_stream(fd, m, n, flags);
    }
    unsigned sent = 0;
    while (sent < n) {
        const int r = send_some(fd, m + sent, n - sent < BATCH ? n - sent : BATCH, flags);
        if (r < 0) {
            return sent > 0 ? (int)sent : r;
        }
        sent += (unsigned)r;
        if (m[sent - 1].error < 0 || (sent < n && m[sent].error < 0)) {
            break;
        }
    }
    return (int)sent;
}

/* ---- receiving ---- */

struct taking {
    struct mmsghdr *v;
    unsigned n;
    int how;
};

static ssize_t take_some(int fd, void *arg, int how)
{
    const struct taking *t = arg;
    return sys_recvmmsg(fd, t->v, t->n, t->how | how);
}

static int take(int fd, struct taking *t, unsigned flags, bool *reset)
{
    ssize_t r = take_some(fd, t, 0);
    if (r == -EINTR && (flags & UNX_INTR) == 0) {
        r = io_resume(fd, POLLIN, UNX_RECV, sys_now(), take_some, t);
    }
    if (r == -ECONNRESET) {
        /* What is still queued comes first. */
        r = take_some(fd, t, MSG_DONTWAIT);
        *reset = true;
        if (r < 0) {
            r = -ECONNRESET;
        }
    }
    return (int)r;
}

/* How many of the n that were reported are messages: those behind them are the end, reported as empty. Datagrams have an end
 * only for those who wait, and behind the first one nobody waited. */
static int count_messages(int fd, const struct mmsghdr *v, int n, const struct receiving *like)
{
    int last = n;
    if (n > 1 && v[n - 1].msg_len == 0 && sys_type(fd) == SOCK_DGRAM) {
        return n;
    }
    while (last > 0 && v[last - 1].msg_len == 0) {
        struct receiving t = *like;
        t.h = v[last - 1].msg_hdr;
        const int packet = recv_zero(fd, &t);
        if (packet != 0) {
            return packet < 0 ? packet : last;
        }
        last--;
    }
    return last;
}

/* Whether data came, whole, with nothing else. */
static bool whole(const struct mmsghdr *v)
{
    return v->msg_len > 0 && (v->msg_hdr.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) == 0 && v->msg_hdr.msg_controllen == 0;
}

/* Receives up to BATCH messages in one call: how many came, with the end said in *end. */
static int recv_some(int fd, struct unx_msg *m, unsigned n, unsigned flags, bool wait, bool *end)
{
    char control[BATCH][RECV_CONTROL_MAX] __attribute__((aligned(8)));
    struct mmsghdr v[BATCH];
    struct receiving t;
    for (unsigned i = 0; i < n; i++) {
        if (i > 0 && (flags & UNX_PLAIN) == 0 && message_is_simple(&m[i])) {
            v[i].msg_hdr = (struct msghdr){.msg_iov = (struct iovec *)m[i].iov,
                                           .msg_iovlen = m[i].niov,
                                           .msg_control = control[i],
                                           .msg_controllen = RECV_CONTROL_MAX};
            continue;
        }
        recv_prepare(&t, &m[i], flags & UNX_PLAIN ? UNX_PEEK : 0, control[i]);
        v[i].msg_hdr = t.h;
    }
    const bool blocks = wait && (flags & UNX_DONTWAIT) == 0;
    struct taking taking = {.v = v, .n = n, .how = blocks ? MSG_WAITFORONE : MSG_DONTWAIT};
    bool reset = false;
    const int r = take(fd, &taking, flags, &reset);
    if (r < 0) {
        return r;
    }
    const int messages = count_messages(fd, v, r, &t);
    *end = messages < r;
    for (int i = 0; i < r; i++) {
        if (i < messages && whole(&v[i]) && m[i].addr == NULL && !(reset && i == 0)) {
            m[i].len = m[i].full_len = v[i].msg_len;
            continue;
        }
        const bool raw = m[i].control != NULL;
        t.h = v[i].msg_hdr;
        t.control_max = raw ? m[i].control_max : RECV_CONTROL_MAX;
        t.reset = reset && i == 0;
        if (i >= messages) {
            recv_end(&m[i], &t);
            continue;
        }
        m[i].got |= t.reset ? UNX_GOT_RESET : 0;
        message_done(&m[i], recv_accept(&m[i], &t, v[i].msg_len, flags));
    }
    return messages == 0 && reset ? -ECONNRESET : messages;
}

static int check(struct unx_msg *m, unsigned n, unsigned flags)
{
    if ((m == NULL && n > 0) || n > INT32_MAX || (flags & ~(UNX_DONTWAIT | UNX_INTR | UNX_PARTIAL | UNX_PLAIN)) != 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        message_reset(&m[i]);
        if (m[i].nfds == 0 && (flags & UNX_PLAIN) == 0 && message_is_simple(&m[i])) {
            continue;
        }
        recv_clear(&m[i]);
        const int r = recv_check(&m[i], flags);
        if (r < 0) {
            return message_done(&m[i], r);
        }
    }
    return 0;
}

static int recv_messages(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    unsigned got = 0;
    int r = 0;
    bool end = false;
    while (r >= 0 && got < n && !end) {
        const unsigned some = n - got < BATCH ? n - got : BATCH;
        r = recv_some(fd, m + got, some, flags, got == 0, &end);
        if (r >= 0) {
            got += (unsigned)r;
            end = end || (unsigned)r < some;
        }
    }
    if (r == -ECONNRESET && got > 0) {
        m[got - 1].got |= UNX_GOT_RESET;
    }
    if ((r == -EAGAIN || r == -EINVAL) && got == 0) {
        /* Whether there will never be more is for one receive to find out, and what is wrong with a stream. */
        r = unx_recv(fd, m, (flags & ~UNX_INTR) | UNX_DONTWAIT);
        got = r == 1 || (r < 0 && unx_one_message(r));
    }
    return got > 0 ? (int)got : r;
}

int unx_recv_many(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    int r = check(m, n, flags);
    if (r < 0 || n == 0) {
        return r;
    }
    if (n > 1) {
        r = recv_messages(fd, m, n, flags);
    } else {
        /* One that fails alone is counted, and says so itself. */
        r = unx_recv(fd, m, flags);
        r = r < 0 && unx_one_message(r) ? 1 : r;
    }
    if (r < 0) {
        message_done(m, r);
    }
    return r;
}
