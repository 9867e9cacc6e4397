// SPDX-License-Identifier: MIT
/*
 * Handing over: packets, checks, the successor's last word, and the socket that it was started with.
 *
 * Promises: both sides agree on who serves, whatever happens when. The old one gives up by saying so and then shutting
 * its end; a confirmation is sent before that moment and will be read, or fails.
 * The kernel decides which, under one lock.
 *
 * What surprised us: a send to a socket whose peer has shut it and one to a dead peer fail alike, so the word of giving
 * up has to be in the queue already: there is room for it, because the old one ends its list only after poll(2) said
 * "writable", which on Unix sockets means that three quarters of the send buffer are free.
 */
#include "handover.h"
#include "activation.h"
#include "io.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

struct putting {
    struct unx_msg m;
    bool in_flight;
};

static ssize_t put_once(int sock, void *arg, int how)
{
    struct putting *p = arg;
    (void)how;
    const int r = unx_send(sock, &p->m, UNX_DONTWAIT);
    p->in_flight = r == -ETOOMANYREFS;
    /* Nothing tells when it is over, so it is tried again and again. */
    return p->in_flight ? -EAGAIN : r;
}

int handover_put(int sock, struct handover_packet *p, int64_t deadline)
{
    p->head.magic = HANDOVER_MAGIC;
    p->head.version = HANDOVER_VERSION;
    const struct iovec iov[2] = {{&p->head, sizeof p->head}, {p->data, p->len}};
    struct putting put = {.m = {.iov = iov, .niov = 2, .fds = p->fds, .nfds = p->nfds}};
    const int r = (int)io_until(sock, POLLOUT, deadline, put_once, &put);
    return r == -EAGAIN && put.in_flight ? -ETOOMANYREFS : r;
}

static ssize_t get_once(int sock, void *arg, int how)
{
    (void)how;
    const int r = unx_recv(sock, arg, UNX_DONTWAIT);
    return r == 0 ? -ECONNRESET : r;
}

int handover_get(int sock, struct handover_packet *p, int64_t deadline)
{
    const struct iovec iov[2] = {{&p->head, sizeof p->head}, {p->data, p->len}};
    struct unx_msg m = {.iov = iov, .niov = 2, .fds = p->fds, .nfds = p->nfds, .cred = &p->cred};
    const int r = (int)io_until(sock, POLLIN, deadline, get_once, &m);
    p->nfds = m.fds_got;
    p->cred_came = (m.got & UNX_GOT_CRED) != 0;
    if (r < 0) {
        return r == -EMSGSIZE || r == -ENOBUFS ? -EPROTO : r;
    }
    if (m.len < sizeof p->head || p->head.magic != HANDOVER_MAGIC || p->head.version != HANDOVER_VERSION) {
        for (; p->nfds > 0; p->nfds--) {
            sys_discard(p->fds[p->nfds - 1]);
        }
        return -EPROTO;
    }
    p->len = m.len - sizeof p->head;
    return r;
}

int handover_say(int sock, enum handover_what what, uint32_t count, uint32_t value, int64_t deadline)
{
    struct handover_packet p = {.head = {.what = (uint16_t)what, .count = count, .value = value}};
    return handover_put(sock, &p, deadline);
}

static int check_socket(int sock)
{
    int r = socket_ours(sock);
    if (r == 0) {
        r = sys_type(sock);
    }
    return r < 0 ? r : r == SOCK_SEQPACKET ? 0 : -EPROTOTYPE;
}

int handover_begin(int sock, struct unx_handover *h, unsigned flags, int timeout_ms)
{
    if (h == NULL) {
        return -EINVAL;
    }
    h->fds_got = h->fds_full = h->reason = 0;
    h->state_len = 0;
    h->state_fd = -1;
    h->cred = (struct unx_cred){.pid = 0, .uid = (uid_t)-1, .gid = (gid_t)-1};
    h->more[0] = h->more[1] = h->more[2] = h->more[3] = 0;
    const bool missing = (h->fds == NULL && h->nfds > 0) || (h->state == NULL && h->state_max > 0);
    const bool reserved = (h->reserved[0] | h->reserved[1] | h->reserved[2] | h->reserved[3]) != 0;
    if (missing || reserved || (flags & ~UNX_ANY_USER) != 0 || timeout_ms < -1) {
        return -EINVAL;
    }
    struct unx_cred peer, self;
    int r = check_socket(sock);
    if (r == 0) {
        r = unx_peer_cred(sock, &peer);
    }
    sys_own_cred(&self, true);
    if (r < 0 || (flags & UNX_ANY_USER) != 0) {
        return r;
    }
    return (peer.known & UNX_KNOWN_UID) != 0 && peer.uid == self.uid ? 0 : -EPERM;
}

int handover_same_user(const struct handover_packet *p, unsigned flags)
{
    struct unx_cred self;
    /* What the kernel puts on a message are real ids. */
    sys_own_cred(&self, false);
    const bool same = (p->cred.known & UNX_KNOWN_UID) != 0 && p->cred.uid == self.uid;
    return same || !p->cred_came || (flags & UNX_ANY_USER) != 0 ? 0 : -EPERM;
}

int unx_handover_confirm(int sock, uint32_t reason)
{
    int r = reason < UNX_HANDOVER_FAILED ? check_socket(sock) : -EINVAL;
    if (r == 0) {
        r = handover_say(sock, HANDOVER_VERDICT, 0, reason, 0);
    }
    if (r != -EPIPE && r != -ECONNRESET) {
        return r < 0 ? r : 0;
    }
    struct handover_packet p = {.data = NULL};
    r = handover_get(sock, &p, 0);
    if (r > 0) {
        return p.head.what == HANDOVER_CANCEL ? -ECANCELED : -EPROTO;
    }
    return r == -EAGAIN ? -EPROTO : r;
}

int unx_handover_inherit(unsigned flags)
{
    static const char *const variables[] = {UNX_HANDOVER_ENV, NULL};
    const char *text = sys_environment(UNX_HANDOVER_ENV);
    uint64_t fd;
    if ((flags & ~UNX_UNSET) != 0) {
        return -EINVAL;
    }
    if (text == NULL) {
        return -ENOENT;
    }
    if (!text_number(text, strlen(text), INT_MAX, &fd)) {
        return -EINVAL;
    }
    const int r = unx_adopt((int)fd, SOCK_SEQPACKET, 0);
    if (r < 0) {
        return r;
    }
    env_unset(variables, flags);
    return (int)fd;
}
