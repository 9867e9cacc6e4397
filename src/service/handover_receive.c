// SPDX-License-Identifier: MIT
/*
 * Handing over: the successor's side.
 *
 * Promises: all of it or nothing; what comes is checked before it is believed, and the state before it is read; the
 * room is the caller's, and nothing else grows with what was announced.
 */
#include "handover.h"
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

_Static_assert(sizeof(struct unx_handover_fd) == 8 + UNX_HANDOVER_NAME, "it travels as it lies in memory");
_Static_assert(sizeof(struct handover_head) == 24, "the same for programs of 32 and 64 bits");

struct incoming {
    int sock;
    struct unx_handover *h;
    int64_t deadline;
};

/* The next packet, which has to be a `want`. */
static int get(const struct incoming *in, struct handover_packet *p, enum handover_what want)
{
    const int r = handover_get(in->sock, p, in->deadline);
    if (r < 0 || p->head.what == want) {
        return r;
    }
    for (; p->nfds > 0; p->nfds--) {
        sys_discard(p->fds[p->nfds - 1]);
    }
    return p->head.what == HANDOVER_CANCEL ? -ECANCELED : -EPROTO;
}

static int read_state(int file, char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t r = sys_pread(file, p + done, n - done, done);
        if (r == -EINTR) {
            continue;
        }
        if (r <= 0) {
            return r < 0 ? (int)r : -EPROTO;
        }
        done += (size_t)r;
    }
    return 0;
}

/* The state that is in a file, which is kept or closed. */
static int take_file(struct unx_handover *h, int file)
{
    uint64_t size = 0;
    int r = sys_sealed_size(file, &size);
    if (r >= 0) {
        r = r == 0 || size != h->state_len || size == 0 ? -EPROTO : size > SIZE_MAX ? -EFBIG : 0;
    }
    if (r == 0 && size > h->state_max) {
        h->state_fd = file;
        return 0;
    }
    if (r == 0) {
        r = read_state(file, h->state, (size_t)size);
    }
    sys_discard(file);
    return r;
}

/* The state that came with the packet. */
static int take_short(struct unx_handover *h, const void *data, size_t len)
{
    if (len != h->state_len) {
        return -EPROTO;
    }
    if (len > h->state_max) {
        h->state_fd = sys_sealed_file(data, len);
        return h->state_fd < 0 ? h->state_fd : 0;
    }
    if (len > 0) {
        memcpy(h->state, data, len);
    }
    return 0;
}

static int take_start(const struct incoming *in, unsigned flags)
{
    struct unx_handover *h = in->h;
    char data[HANDOVER_SHORT];
    int file = -1;
    struct handover_packet p = {.data = data, .len = sizeof data, .fds = &file, .nfds = 1};
    int r = get(in, &p, HANDOVER_START);
    if (r < 0) {
        return r;
    }
    const bool in_file = p.head.value == 1 && p.nfds == 1 && p.len == 0;
    const bool in_packet = p.head.value == 0 && p.nfds == 0;
    h->cred = p.cred;
    h->fds_full = p.head.count;
    h->state_len = p.head.state_len;
    r = handover_same_user(&p, flags);
    if (r == 0 && !in_file && !in_packet) {
        r = -EPROTO;
    }
    if (r == 0 && h->fds_full > h->nfds) {
        r = -ENOBUFS;
    }
    if (r < 0) {
        if (p.nfds > 0) {
            sys_discard(file);
        }
        return r;
    }
    return in_file ? take_file(h, file) : take_short(h, data, p.len);
}

static int take_items(const struct incoming *in)
{
    struct unx_handover *h = in->h;
    struct unx_handover_fd *items = &h->fds[h->fds_got];
    int fds[HANDOVER_FDS];
    const unsigned left = h->fds_full - h->fds_got;
    const unsigned most = left < HANDOVER_FDS ? left : HANDOVER_FDS;
    struct handover_packet p = {.data = items, .len = most * sizeof *items, .fds = fds, .nfds = most};
    int r = get(in, &p, HANDOVER_ITEMS);
    if (r < 0) {
        return r;
    }
    if (p.nfds == 0 || p.nfds != p.head.count || p.head.value != h->fds_got || p.len != p.nfds * sizeof *items) {
        r = -EPROTO;
    }
    /* Counted as ours first, so that they are closed if one of them is refused. */
    h->fds_got += p.nfds;
    for (unsigned i = 0; i < p.nfds; i++) {
        items[i].fd = fds[i];
        /* There may be fewer items than descriptors. */
        if (r >= 0 && memchr(items[i].name, '\0', UNX_HANDOVER_NAME) == NULL) {
            r = -EPROTO;
        }
    }
    return r;
}

static int take(const struct incoming *in, unsigned flags)
{
    struct unx_handover *h = in->h;
    int r = handover_say(in->sock, HANDOVER_READY, 0, 0, in->deadline);
    if (r > 0 || r == -EPIPE || r == -ECONNRESET) {
        /* If the old one has given up already, its word is there to read. */
        r = take_start(in, flags);
    }
    while (r >= 0 && h->fds_got < h->fds_full) {
        r = take_items(in);
    }
    if (r >= 0) {
        struct handover_packet p = {.data = NULL};
        r = get(in, &p, HANDOVER_END);
        if (r > 0 && (p.len != 0 || p.head.count != h->fds_full)) {
            r = -EPROTO;
        }
    }
    return r;
}

static void withdraw(struct unx_handover *h)
{
    for (; h->fds_got > 0; h->fds_got--) {
        sys_discard(h->fds[h->fds_got - 1].fd);
    }
    if (h->state_fd >= 0) {
        sys_close(h->state_fd);
    }
    h->state_fd = -1;
}

int unx_handover_receive(int sock, struct unx_handover *h, unsigned flags, int timeout_ms)
{
    int r = handover_begin(sock, h, flags, timeout_ms);
    if (r < 0) {
        return r;
    }
    const struct incoming in = {.sock = sock, .h = h, .deadline = io_deadline(timeout_ms)};
    r = take(&in, flags);
    if (r < 0) {
        r = r == -EAGAIN && timeout_ms != 0 ? -ETIMEDOUT : r;
        withdraw(h);
        if (r != -ECANCELED) {
            (void)handover_say(sock, HANDOVER_VERDICT, 0, UNX_HANDOVER_FAILED | (uint32_t)-r, 0);
        }
        sys_shutdown(sock, SHUT_RDWR);
    }
    for (unsigned i = h->fds_got; i < h->nfds; i++) {
        h->fds[i] = (struct unx_handover_fd){.fd = -1};
    }
    return r < 0 ? r : 0;
}
