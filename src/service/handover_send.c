// SPDX-License-Identifier: MIT
/*
 * Handing over: the old program's side.
 *
 * Promises: everything stays with the caller; an error means that the caller goes on serving, and that the successor
 * knows, or will find out when it tries to confirm.
 *
 * What surprised us: a successor that failed has mostly said why before the send to it fails,
 * so that is read in the end.
 */
#include "handover.h"
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>
#include <string.h>

/* One attempt, and how far it got. */
struct attempt {
    int sock;
    struct unx_handover *h;
    unsigned flags;
    int64_t deadline;
    bool ended; /* all was sent */
};

static int check_items(int sock, const struct unx_handover *h)
{
    for (unsigned i = 0; i < h->nfds; i++) {
        if (h->fds[i].fd < 0) {
            return -EBADF;
        }
        /* A socket that travels over itself is kept alive by nobody else. */
        if (h->fds[i].fd == sock || memchr(h->fds[i].name, '\0', UNX_HANDOVER_NAME) == NULL) {
            return -EINVAL;
        }
    }
    return 0;
}

/* What a packet from the successor says, where `want` is due: 1, or -ECANCELED. */
static int judge(struct attempt *a, const struct handover_packet *p, enum handover_what want)
{
    if (p->len != 0) {
        return -EPROTO;
    }
    if (p->head.what == HANDOVER_VERDICT && p->head.value != 0) {
        a->h->reason = p->head.value;
        return -ECANCELED;
    }
    return p->head.what == want ? 1 : -EPROTO;
}

static int expect(struct attempt *a, enum handover_what want)
{
    struct handover_packet p = {.data = NULL};
    int r = handover_get(a->sock, &p, a->deadline);
    if (r > 0 && want == HANDOVER_READY) {
        /* Asked before anything is lent, and once: the successor may drop its rights before it confirms. */
        a->h->cred = p.cred;
        const int same = handover_same_user(&p, a->flags);
        r = same < 0 ? same : r;
    }
    return r < 0 ? r : judge(a, &p, want);
}

static int put_start(const struct attempt *a, int file)
{
    const struct unx_handover *h = a->h;
    struct handover_packet p = {.head = {.what = HANDOVER_START, .count = h->nfds, .state_len = h->state_max}};
    if (file >= 0) {
        p.head.value = 1;
        p.fds = &file;
        p.nfds = 1;
    } else {
        p.data = h->state;
        p.len = h->state_max;
    }
    return handover_put(a->sock, &p, a->deadline);
}

static int put_items(const struct attempt *a)
{
    const struct unx_handover *h = a->h;
    int fds[HANDOVER_FDS];
    unsigned most = HANDOVER_FDS;
    for (unsigned at = 0; at < h->nfds;) {
        const unsigned n = h->nfds - at < most ? h->nfds - at : most;
        for (unsigned i = 0; i < n; i++) {
            fds[i] = h->fds[at + i].fd;
        }
        struct handover_packet p = {.head = {.what = HANDOVER_ITEMS, .count = n, .value = at},
                                    .data = &h->fds[at],
                                    .len = n * sizeof *h->fds,
                                    .fds = fds,
                                    .nfds = n};
        const int r = handover_put(a->sock, &p, a->deadline);
        if (r == -EMSGSIZE && n > 1) {
            /* Somebody made the send buffer very small. */
            most = n / 2;
        } else if (r < 0) {
            return r;
        } else {
            at += n;
        }
    }
    return 1;
}

static ssize_t writable_once(int sock, void *arg, int how)
{
    (void)arg;
    (void)how;
    const int r = sys_poll(sock, POLLOUT, 0);
    return r == 0 ? -EAGAIN : r;
}

static int pass(struct attempt *a, int file)
{
    int r = expect(a, HANDOVER_READY);
    if (r > 0) {
        r = put_start(a, file);
    }
    if (r > 0) {
        r = put_items(a);
    }
    if (r > 0) {
        /* Leaves room for the word of giving up. */
        r = (int)io_until(a->sock, POLLOUT, a->deadline, writable_once, NULL);
    }
    if (r > 0) {
        r = handover_say(a->sock, HANDOVER_END, a->h->nfds, 0, a->deadline);
    }
    if (r <= 0) {
        return r;
    }
    a->ended = true;
    return expect(a, HANDOVER_VERDICT);
}

/* The word of giving up. Unsaid, our end would look like that of a dead process, so a lack of memory is waited for. */
static void say_so(const struct attempt *a)
{
    int r = -ENOMEM;
    for (int tries = 0; (r == -ENOMEM || r == -ENOBUFS) && tries < 100; tries++) {
        if (tries > 0) {
            sys_sleep(1000000);
        }
        r = handover_say(a->sock, HANDOVER_CANCEL, 0, 0, 0);
    }
}

/* After the failure `why`: from here on no confirmation can be sent, but one may have been. */
static int give_up(struct attempt *a, int why)
{
    say_so(a);
    sys_shutdown(a->sock, SHUT_RDWR);
    for (;;) {
        struct handover_packet p = {.data = NULL};
        const int r = handover_get(a->sock, &p, 0);
        if (r < 0 && r != -EPROTO) {
            return why;
        }
        const int verdict = r < 0 ? r : judge(a, &p, HANDOVER_VERDICT);
        if (verdict > 0 && a->ended) {
            /* It may have refused before: its last word counts, because it goes by that too. */
            a->h->reason = 0;
            return 0;
        }
        if (verdict == -ECANCELED) {
            return verdict;
        }
    }
}

int unx_handover_send(int sock, struct unx_handover *h, unsigned flags, int timeout_ms)
{
    int r = handover_begin(sock, h, flags, timeout_ms);
    if (r == 0) {
        r = check_items(sock, h);
    }
    if (r < 0) {
        return r;
    }
    struct attempt a = {.sock = sock, .h = h, .flags = flags, .deadline = io_deadline(timeout_ms)};
    const int file = h->state_max > HANDOVER_SHORT ? sys_sealed_file(h->state, h->state_max) : -1;
    r = file < 0 && h->state_max > HANDOVER_SHORT ? file : pass(&a, file);
    if (file >= 0) {
        sys_close(file);
    }
    if (r > 0) {
        return 0;
    }
    return give_up(&a, r == -EAGAIN && timeout_ms != 0 ? -ETIMEDOUT : r);
}
