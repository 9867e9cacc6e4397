// SPDX-License-Identifier: MIT
/*
 * The same work by libunx, through its public interface.
 *
 * The structs are made once and used again, because the library never writes the caller's half of them: by hand that
 * cannot be done, the kernel writes into struct msghdr. The "anew" side makes them for each call all the same. What
 * surprised us: that costs more than all that the library does, because gcc clears structs of 128 bytes and more by a
 * string instruction, which takes some 10 ns to start. clang stores zeros, and then there is no difference.
 */
#include "sides.h"

#include <errno.h>
#include <unistd.h>

#include <unx/unx.h>

static int exchange(const struct bench_context *c, struct unx_msg *out, struct unx_msg *in, unsigned flags)
{
    int r = unx_send(c->fds[0], out, flags);
    if (r >= 0)
        r = unx_recv(c->fds[1], in, flags);
    if (r < 0)
        return r;
    if (in->len != c->size || in->fds_got != c->nfds)
        return -EPROTO;
    while (in->fds_got > 0)
        close(in->fds[--in->fds_got]);
    return 0;
}

int unx_message(struct bench_context *c, unsigned n)
{
    int lent[SIDES_MAX_FDS], fds[SIDES_MAX_FDS];
    for (unsigned i = 0; i < c->nfds; i++)
        lent[i] = c->extra;
    const struct iovec data = {c->buf, c->size}, room = {c->buf, SIDES_MAX_SIZE};
    struct unx_msg out = {.iov = &data, .niov = 1, .fds = lent, .nfds = c->nfds};
    struct unx_msg in = {.iov = &room, .niov = 1, .fds = fds, .nfds = c->nfds};
    int r = 0;
    for (; r == 0 && n > 0; n--)
        r = exchange(c, &out, &in, c->flags);
    return r;
}

int unx_message_anew(struct bench_context *c, unsigned n)
{
    int lent[SIDES_MAX_FDS], fds[SIDES_MAX_FDS], r = 0;
    for (unsigned i = 0; i < c->nfds; i++)
        lent[i] = c->extra;
    for (; r == 0 && n > 0; n--) {
        const struct iovec data = {c->buf, c->size}, room = {c->buf, SIDES_MAX_SIZE};
        struct unx_msg out = {.iov = &data, .niov = 1, .fds = lent, .nfds = c->nfds};
        struct unx_msg in = {.iov = &room, .niov = 1, .fds = fds, .nfds = c->nfds};
        r = exchange(c, &out, &in, c->flags);
    }
    return r;
}

int unx_sender(struct bench_context *c, unsigned n)
{
    const struct iovec data = {c->buf, c->size};
    struct unx_msg out = {.iov = &data, .niov = 1};
    int r = 1;
    for (; r == 1 && n > 0; n--)
        r = unx_send(c->fds[0], &out, 0);
    return r < 0 ? r : 0;
}

int unx_receiver(struct bench_context *c, unsigned n)
{
    const struct iovec room = {c->buf, SIDES_MAX_SIZE};
    struct unx_msg in = {.iov = &room, .niov = 1};
    for (; n > 0; n--) {
        const int r = unx_recv(c->fds[1], &in, 0);
        if (r < 0)
            return r;
        if (in.len != c->size)
            return -EPROTO;
    }
    return 0;
}

int unx_connect_accept(struct bench_context *c, unsigned n)
{
    for (; n > 0; n--) {
        const int client = unx_connect(c->type, c->flags, NULL, c->more, -1);
        if (client < 0)
            return client;
        const int server = unx_accept(c->fds[0], 0, NULL);
        struct unx_cred cred;
        int r = server < 0 ? server : unx_peer_cred(server, &cred);
        if (r >= 0 && !(cred.known & UNX_KNOWN_PID))
            r = -ENOTCONN;
        if (server >= 0)
            close(server);
        close(client);
        if (r < 0)
            return r;
    }
    return 0;
}
