// SPDX-License-Identifier: MIT
/*
 * Taking one message from the kernel: waits, resets, and what a length of 0 means.
 *
 * What surprised us: a SEQPACKET socket reports ECONNRESET before the messages that are still queued, once, and a
 * caller who believes it loses them. Nothing in recvmsg(2) tells an empty packet from the end: if the other end is
 * still open it was a packet, and so it was if more bytes are queued, or if anything came along with it. A stream whose
 * option for credentials is on gives those of pid 0 and uid 0 with its end.
 */
#include "io.h"
#include "recv.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

static ssize_t take_once(int fd, void *arg, int how)
{
    struct receiving *t = arg;
    if (t->plain != NULL) {
        return sys_recv(fd, t->plain->iov_base, t->plain->iov_len, how);
    }
    return sys_recvmsg(fd, &t->h, how);
}

/* What is there, whatever signals come. */
static ssize_t take_now(int fd, struct receiving *t, int how)
{
    ssize_t r;
    do {
        r = take_once(fd, t, how | MSG_DONTWAIT);
    } while (r == -EINTR);
    return r;
}

struct resumed {
    struct receiving *t;
    int how;
};

static ssize_t take_again(int fd, void *arg, int how)
{
    const struct resumed *r = arg;
    return take_once(fd, r->t, r->how | how);
}

static bool end_polled(int fd)
{
    const int events = sys_poll(fd, POLLRDHUP, 0);
    return events > 0 && (events & POLLRDHUP) != 0;
}

ssize_t recv_take_on(int fd, struct receiving *t, int how, unsigned flags, ssize_t r)
{
    if (flags & UNX_DONTWAIT) {
        how |= MSG_DONTWAIT;
    }
    if (r == -EINTR && (flags & UNX_INTR) == 0) {
        struct resumed again = {.t = t, .how = how};
        r = io_resume(fd, POLLIN, UNX_RECV, (flags & UNX_DONTWAIT) != 0 ? -1 : sys_now(), take_again, &again);
    }
    if (r == -EAGAIN && end_polled(fd)) {
        /* Either something came meanwhile, or this is a datagram socket whose own side was shut down: it waits for
         * nothing, and says so only to those who block. */
        r = take_now(fd, t, how);
        if (r == -EAGAIN) {
            t->h.msg_controllen = 0;
            t->h.msg_namelen = 0;
            t->h.msg_flags = 0;
            r = 0;
        }
    }
    if (r == -ECONNRESET) {
        /* What is still queued comes first. */
        r = take_now(fd, t, how);
        t->reset = true;
        if (r < 0) {
            r = -ECONNRESET;
        }
    }
    if (r == -EINVAL) {
        /* What a stream says that was never connected; a datagram socket needs no peer. */
        struct unx_addr peer;
        if (sys_type(fd) == SOCK_STREAM && sys_peer_addr(fd, &peer) == -ENOTCONN && sys_listening(fd) == 0) {
            r = -ENOTCONN;
        }
    }
    return r;
}

ssize_t recv_take(int fd, struct receiving *t, int how, unsigned flags)
{
    const ssize_t r = take_once(fd, t, flags & UNX_DONTWAIT ? how | MSG_DONTWAIT : how);
    return r >= 0 ? r : recv_take_on(fd, t, how, flags, r);
}

int recv_zero(int fd, const struct receiving *t)
{
    const int type = sys_type(fd);
    if (type < 0 || type == SOCK_STREAM) {
        return type < 0 ? type : 0;
    }
    const bool marked = t->plain == NULL && (t->h.msg_controllen > 0 || (t->h.msg_flags & MSG_CTRUNC) != 0 ||
                                             (t->h.msg_name != NULL && t->h.msg_namelen > 0));
    if (marked) {
        return 1;
    }
    const int events = sys_poll(fd, POLLRDHUP, 0);
    if (events < 0 || (events & POLLRDHUP) == 0) {
        return events < 0 ? events : 1;
    }
    if (type == SOCK_DGRAM) {
        /* Only the next datagram's bytes can be asked for, and it may be empty too. */
        ssize_t next;
        do {
            next = sys_recv(fd, NULL, 0, MSG_PEEK | MSG_DONTWAIT);
        } while (next == -EINTR);
        return next >= 0 ? 1 : next == -EAGAIN ? 0 : (int)next;
    }
    const int queued = sys_readable(fd);
    return queued < 0 ? queued : queued > 0;
}
