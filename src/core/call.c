// SPDX-License-Identifier: MIT
/*
 * One request, one reply, one deadline.
 *
 * Promises: neither side blocks the other: while the request waits for room, a reply that comes first is taken. A reply
 * that was sent before the peer closed is not lost.
 */
#include "io.h"
#include "message.h"
#include "recv.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

static bool nobody_there(int error)
{
    return error == -EPIPE || error == -ECONNRESET || error == -ECONNREFUSED || error == -ENOTCONN;
}

/* Waits for events, by the deadline. timeout_ms says which error its passing is. */
static int wait_until(int fd, int events, int64_t deadline, int timeout_ms)
{
    for (;;) {
        const int64_t left = timeout_ms == 0 ? 0 : io_left(deadline);
        if (left == 0) {
            return timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT;
        }
        const int r = sys_poll(fd, events, left);
        if (r != 0 && r != -EINTR) {
            return r;
        }
    }
}

/* Sends what is left of the request: 1, or why it went only in part.
 * `early` is set if a reply may be waiting all the same. */
static int send_request(int fd, struct unx_msg *req, int64_t deadline, int timeout_ms, bool *early)
{
    struct unx_msg part = *req;
    const size_t whole = message_bytes(req);
    for (int ready = 0;;) {
        const int r = unx_send(fd, &part, UNX_DONTWAIT);
        if (r == 1) {
            req->len += part.len;
            part.skip += part.len;
            if (part.skip >= whole) {
                return 1;
            }
            continue;
        }
        if (r != -EAGAIN) {
            *early = nobody_there(r);
            return r;
        }
        if (ready > 0) {
            /* A datagram socket without a peer polls as writable while its receiver is full. */
            sys_sleep(1000000);
        }
        ready = wait_until(fd, POLLOUT | POLLIN, deadline, timeout_ms);
        if (ready < 0 || (ready & POLLIN) != 0) {
            *early = ready > 0;
            return ready < 0 ? ready : -EAGAIN;
        }
    }
}

static int receive_reply(int fd, struct unx_msg *rep, int64_t deadline, int timeout_ms)
{
    for (;;) {
        int r = unx_recv(fd, rep, UNX_DONTWAIT);
        if (r != -EAGAIN) {
            return r == 0 ? -ECONNRESET : r;
        }
        r = wait_until(fd, POLLIN, deadline, timeout_ms);
        if (r < 0) {
            return r;
        }
    }
}

int unx_call(int fd, struct unx_msg *req, struct unx_msg *rep, int timeout_ms)
{
    if (req == NULL || rep == NULL || req == rep || timeout_ms < -1) {
        return -EINVAL;
    }
    const int64_t deadline = io_deadline(timeout_ms);
    message_reset(req);
    message_reset(rep);
    recv_clear(rep);
    bool early = false;
    /* A request whose reply cannot be received is not sent. */
    int r = recv_check(rep, 0);
    if (r == 0) {
        r = message_done(req, send_request(fd, req, deadline, timeout_ms, &early));
        req->full_len = req->len;
    }
    if (r == 1 || early) {
        /* A datagram socket has no end that would stop the wait for a reply. */
        const int why = r;
        const int type = r < 0 && nobody_there(r) ? sys_type(fd) : SOCK_STREAM;
        const bool dead = type != SOCK_STREAM && type != SOCK_SEQPACKET;
        r = receive_reply(fd, rep, deadline, dead ? 0 : timeout_ms);
        r = dead && r == -EAGAIN ? why : r;
    }
    return message_done(rep, r);
}
