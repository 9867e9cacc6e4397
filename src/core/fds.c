// SPDX-License-Identifier: MIT
/*
 * Descriptors, the common cases: one with a message, and more than one message can hold.
 *
 * Promises: all of them or an error; after an error the receiver owns none.
 *
 * What surprised us: descriptors travel with the first byte of a send on a stream, and a receive stops behind the bytes
 * that brought some. So a list that is split needs a byte for each of its pieces.
 */
#include "message.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

/* Nothing can be taken back once a part has gone, so a non-blocking stream is waited for.
 * 1, or the error that it stays. */
static int go_on(int sock, int error, int events)
{
    const int nonblock = error == -EAGAIN ? sys_get_nonblock(sock) : 0;
    if (nonblock != 1) {
        return nonblock < 0 ? nonblock : error;
    }
    const int r = unx_wait(sock, events, -1);
    return r < 0 ? r : 1;
}

/* Sends n bytes, all of them, and with the first one these descriptors. */
static int send_piece(int sock, const void *p, size_t n, const int *fds, unsigned nfds, bool begun)
{
    const struct iovec iov = {.iov_base = (void *)p, .iov_len = n};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = (int *)fds, .nfds = nfds};
    for (;;) {
        int r = unx_send(sock, &m, 0);
        if (r < 0 && (begun || m.skip > 0)) {
            r = go_on(sock, r, POLLOUT);
        }
        m.skip += m.len;
        if (r < 0 || m.skip >= n) {
            return r;
        }
    }
}

int unx_send_fds(int sock, const void *p, size_t n, const int *fds, unsigned nfds)
{
    if ((p == NULL && n > 0) || (fds == NULL && nfds > 0)) {
        return -EINVAL;
    }
    if (nfds > SYS_FDS_MAX) {
        const int type = sys_type(sock);
        if (type != SOCK_STREAM) {
            return type < 0 ? type : -E2BIG;
        }
        if ((nfds - 1) / SYS_FDS_MAX >= n) {
            return -EINVAL;
        }
    }
    const char *at = p;
    int r = 1;
    bool begun = false;
    for (; r == 1 && nfds > SYS_FDS_MAX; begun = true) {
        r = send_piece(sock, at, 1, fds, SYS_FDS_MAX, begun);
        at++;
        n--;
        fds += SYS_FDS_MAX;
        nfds -= SYS_FDS_MAX;
    }
    return r == 1 ? send_piece(sock, at, n, fds, nfds, begun) : r;
}

int unx_send_fd(int sock, const void *p, size_t n, int fd)
{
    return unx_send_fds(sock, p, n, &fd, 1);
}

static void discard(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        sys_discard(fds[i]);
        fds[i] = -1;
    }
}

/* One message of exactly n bytes, or what a stream has of them: how many bytes and descriptors came is in m. */
static int recv_piece(int sock, struct unx_msg *m, size_t n, bool stream)
{
    const int r = unx_recv(sock, m, 0);
    if (r <= 0) {
        return r == 0 ? -ECONNRESET : r;
    }
    return stream || m->len == n ? 1 : -EMSGSIZE;
}

int unx_recv_fds(int sock, void *p, size_t n, int *fds, unsigned nfds)
{
    if (p == NULL || n == 0 || (fds == NULL && nfds > 0)) {
        return -EINVAL;
    }
    const int type = sys_type(sock);
    if (type < 0) {
        return type;
    }
    size_t have = 0;
    unsigned got = 0;
    int r = 1;
    while (r == 1 && have < n) {
        const struct iovec iov = {.iov_base = (char *)p + have, .iov_len = n - have};
        const unsigned left = nfds - got;
        struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds + got, .nfds = left < 1024 ? left : 1024};
        r = recv_piece(sock, &m, n, type == SOCK_STREAM);
        if (r < 0 && have > 0) {
            r = go_on(sock, r, POLLIN);
        }
        got += m.fds_got;
        have += m.len;
    }
    if (r == 1 && got < nfds) {
        r = -ENOMSG;
    }
    if (r < 0) {
        discard(fds, got);
    }
    return r;
}

int unx_recv_fd(int sock, void *p, size_t max, size_t *len)
{
    int fd;
    const struct iovec iov = {.iov_base = p, .iov_len = max};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = &fd, .nfds = 1};
    if (p == NULL || max == 0) {
        return -EINVAL;
    }
    const int r = unx_recv(sock, &m, 0);
    if (len != NULL) {
        *len = m.len;
    }
    if (r <= 0) {
        return r == 0 ? -ECONNRESET : r;
    }
    return m.fds_got == 1 ? fd : -ENOMSG;
}
