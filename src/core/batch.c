// SPDX-License-Identifier: MIT
/*
 * Many messages in few system calls: up to thirty-two are sent in one, sixteen received.
 *
 * Promises: each message fares as it would alone, and says so itself; a failed one owns nothing; the end is no message.
 *
 * What surprised us: sendmmsg(2) hides why it stopped, until the message is sent again, and some errors are told only
 * once. Since Linux 4.9 it stops behind a message of which a stream took a part, and the length says so: nobody has to
 * ask for the type of the socket. recvmmsg(2) reports the end of a connection as messages of length 0, as many as there
 * is room for, and a reset before the data of a stream; and its timeout is none. Descriptors that find no room in the
 * control data are closed by the kernel before it returns,
 * and closing one may take as long as its owner likes (SO_LINGER).
 */
#include "control.h"
#include "io.h"
#include "message.h"
#include "recv.h"
#include "send.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

/* ---- sending ---- */

#define SEND_BATCH 32u

/* For the control data of all messages of one call: most have none, and a few descriptors need little. */
#define SEND_ROOM ((size_t)8 * SEND_CONTROL_MAX)

/* Whether it went whole: a stream may have taken a part. */
static bool is_whole(const struct unx_msg *m)
{
    return m->len + m->skip == message_bytes(m);
}

/* Whether it is an empty message on a stream, which cannot carry one, or may be. *type is asked for once, if at all. */
static bool is_lost(int fd, const struct unx_msg *m, int *type)
{
    if (message_has_bytes(m)) {
        return false;
    }
    *type = *type == 0 ? sys_type(fd) : *type;
    return *type < 0 || *type == SOCK_STREAM;
}

/* Points v at messages that can go together, and returns how many. */
static unsigned prepare_send(int fd, struct mmsghdr *v, struct unx_msg *m, unsigned n, unsigned flags, char *control)
{
    const bool usual = (flags & ~(UNX_DONTWAIT | UNX_INTR)) == 0;
    int type = 0;
    size_t used = 0;
    unsigned ready = 0;
    for (; ready < n; ready++) {
        struct msghdr *const h = &v[ready].msg_hdr;
        struct unx_msg *const one = &m[ready];
        message_reset(one);
        if (usual && one->nfds == 0 && message_is_simple(one)) {
            *h = (struct msghdr){.msg_iov = (struct iovec *)one->iov, .msg_iovlen = one->niov};
            continue;
        }
        if (SEND_ROOM - used < SEND_CONTROL_MAX || !send_prepare(h, one, flags, control + used) ||
            is_lost(fd, one, &type)) {
            break;
        }
        used += h->msg_control == control + used ? h->msg_controllen : 0;
    }
    return ready;
}

struct sending {
    struct unx_msg *m;
    unsigned flags;
};

static ssize_t send_again(int fd, void *arg, int how)
{
    const struct sending *s = arg;
    return unx_send(fd, s->m, s->flags | (how != 0 ? UNX_DONTWAIT : 0));
}

/* Sends the message that stopped a batch, which alone can tell why: an error, the timeout, or a signal. In the last
 * case, and if room has come meanwhile, nothing has stopped. The waiting began at `since`. */
static int send_stopped(int fd, struct unx_msg *m, unsigned flags, int64_t since)
{
    struct sending s = {.m = m, .flags = flags};
    ssize_t r = send_again(fd, &s, MSG_DONTWAIT);
    if (r == -EAGAIN && (flags & (UNX_DONTWAIT | UNX_INTR)) == 0 && sys_get_nonblock(fd) == 0) {
        r = io_resume(fd, POLLOUT, UNX_SEND, since, send_again, &s);
    }
    return message_done(m, (int)r);
}

/* Sends up to SEND_BATCH messages in one call, and the one that stopped it alone: how many went, or the error of the
 * first. *stop: those behind them are not to be tried. */
static int send_some(int fd, struct unx_msg *m, unsigned n, unsigned flags, bool *stop)
{
    char control[SEND_ROOM] __attribute__((aligned(8)));
    struct mmsghdr v[SEND_BATCH];
    const int64_t since = flags & UNX_DONTWAIT ? 0 : sys_now();
    const unsigned ready = prepare_send(fd, v, m, n, flags, control);
    int r = ready == 0 ? 0 : sys_sendmmsg(fd, v, ready, flags & UNX_DONTWAIT ? MSG_DONTWAIT : 0);
    if (r < 0 && (r != -EINTR || (flags & UNX_INTR) != 0)) {
        return message_done(m, r);
    }
    const unsigned sent = r < 0 ? 0 : (unsigned)r;
    for (unsigned i = 0; i < sent; i++) {
        m[i].len = m[i].full_len = v[i].msg_len;
    }
    *stop = sent > 0 && !is_whole(&m[sent - 1]);
    if (*stop || (sent > 0 && sent == ready)) {
        return r;
    }
    r = ready == 0 ? unx_send(fd, m, flags) : send_stopped(fd, &m[sent], flags, since);
    *stop = r < 0 || !is_whole(&m[sent]);
    return r == 1 ? (int)sent + 1 : sent > 0 ? (int)sent : r;
}

int unx_send_many(int fd, struct unx_msg *m, unsigned n, unsigned flags)
{
    if ((m == NULL && n > 0) || n > INT32_MAX) {
        return -EINVAL;
    }
    if (n == 0) {
        const int type = sys_type(fd);
        return type < 0 ? type : 0;
    }
    unsigned sent = 0;
    for (bool stop = false; sent < n && !stop;) {
        const int r = send_some(fd, m + sent, n - sent < SEND_BATCH ? n - sent : SEND_BATCH, flags, &stop);
        if (r < 0) {
            return sent > 0 ? (int)sent : r;
        }
        sent += (unsigned)r;
    }
    return (int)sent;
}

/* ---- receiving ---- */

/* Each has room for all that can come, so that the kernel closes nothing. */
#define RECV_BATCH 16u

/* As recv_prepare(), which is for any message. */
static void prepare_recv(struct msghdr *h, const struct unx_msg *m, unsigned flags, char *control)
{
    if (m->addr == NULL && m->control == NULL && (flags & UNX_PLAIN) == 0) {
        *h = (struct msghdr){.msg_iov = (struct iovec *)m->iov,
                             .msg_iovlen = m->niov,
                             .msg_control = control,
                             .msg_controllen = RECV_CONTROL_MAX};
        return;
    }
    struct receiving t;
    recv_prepare(&t, m, flags & UNX_PLAIN ? UNX_PEEK : 0, control);
    *h = t.h;
}

static struct receiving as_received(const struct unx_msg *m, const struct msghdr *h, bool reset)
{
    const size_t room = m->control != NULL ? m->control_max : RECV_CONTROL_MAX;
    return (struct receiving){.h = *h, .control_max = room, .reset = reset};
}

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
        r = io_resume(fd, POLLIN, UNX_RECV, (t->how & MSG_DONTWAIT) != 0 ? -1 : sys_now(), take_some, t);
    }
    if (r == -ECONNRESET) {
        /* What is still queued comes first. */
        do {
            r = take_some(fd, t, MSG_DONTWAIT);
        } while (r == -EINTR);
        *reset = true;
        if (r < 0) {
            r = -ECONNRESET;
        }
    }
    return (int)r;
}

/* How many of the n that were reported are messages: those behind them are the end, reported as empty. Datagrams have
 * an end only for those who wait, and behind the first one nobody waited. *why: if it cannot be asked, the last one is
 * where that is told, because those before it are messages. */
static int count_messages(int fd, const struct unx_msg *m, const struct mmsghdr *v, int n, int *why)
{
    const int type = n > 1 && v[n - 1].msg_len == 0 ? sys_type(fd) : 0;
    if (type == SOCK_DGRAM) {
        return n;
    }
    for (; n > 0 && v[n - 1].msg_len == 0; n--) {
        const struct receiving t = as_received(&m[n - 1], &v[n - 1].msg_hdr, false);
        const int packet = type < 0 ? type : recv_zero(fd, &t);
        if (packet > 0) {
            return n;
        }
        while (packet < 0 && n > 1 && v[n - 2].msg_len == 0 && v[n - 2].msg_hdr.msg_controllen == 0) {
            n--;
        }
        if (packet < 0) {
            *why = packet;
            return n;
        }
    }
    return n;
}

/* Hands one message over, with all that came along. */
static __attribute__((noinline)) void deliver(struct unx_msg *m, const struct msghdr *h, size_t len, unsigned flags,
                                              bool reset)
{
    const struct receiving t = as_received(m, h, reset);
    m->got |= reset ? UNX_GOT_RESET : 0;
    message_done(m, recv_accept(m, &t, len, flags));
}

/* Mostly data alone came, or with descriptors, and that whole: the shortest way. */
static bool deliver_simple(struct unx_msg *m, const struct msghdr *h, size_t len)
{
    if ((h->msg_flags & (MSG_TRUNC | MSG_CTRUNC)) != 0 || m->addr != NULL || m->control != NULL) {
        return false;
    }
    if (h->msg_controllen > 0) {
        m->fds_got = m->nfds == 0 ? 0 : control_take_fds(h->msg_control, h->msg_controllen, m->fds, m->nfds);
        if (m->fds_got == 0) {
            return false;
        }
        m->got = UNX_GOT_FDS;
    }
    m->len = m->full_len = len;
    return true;
}

/* Receives up to RECV_BATCH messages in one call: how many came, with *end if there are no more. */
static int recv_some(int fd, struct unx_msg *m, unsigned n, unsigned flags, bool wait, bool *end)
{
    char control[RECV_BATCH][RECV_CONTROL_MAX] __attribute__((aligned(8)));
    struct mmsghdr v[RECV_BATCH];
    for (unsigned i = 0; i < n; i++) {
        prepare_recv(&v[i].msg_hdr, &m[i], flags, control[i]);
    }
    const bool blocks = wait && (flags & UNX_DONTWAIT) == 0;
    struct taking taking = {.v = v, .n = n, .how = blocks ? MSG_WAITFORONE : MSG_DONTWAIT};
    bool reset = false;
    const int r = take(fd, &taking, flags, &reset);
    if (r < 0) {
        return r;
    }
    int why = 0;
    const int messages = count_messages(fd, m, v, r, &why);
    *end = messages < (int)n || why < 0;
    for (int i = 0; i < r; i++) {
        const struct msghdr *const h = &v[i].msg_hdr;
        const bool behind = reset && i == 0;
        if (i >= messages || (i == messages - 1 && why < 0)) {
            const struct receiving t = as_received(&m[i], h, behind);
            recv_end(&m[i], &t);
        } else if (behind || !deliver_simple(&m[i], h, v[i].msg_len)) {
            deliver(&m[i], h, v[i].msg_len, flags, behind);
        }
    }
    if (why < 0) {
        message_done(&m[messages - 1], why);
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
        r = recv_some(fd, m + got, n - got < RECV_BATCH ? n - got : RECV_BATCH, flags, got == 0, &end);
        got += r > 0 ? (unsigned)r : 0;
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
