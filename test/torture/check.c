// SPDX-License-Identifier: MIT
/*
 * What a public call says and hands out: looked at each time one returns, whether something was made to fail or not.
 *
 * Promises: what the headers promise for every result is checked after every call; what they promise for errors, after
 * an injected failure, because a test may call with arguments that are wrong on purpose.
 */
#include "torture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unx/handover.h>
#include <unx/listener.h>

static const char *name(const struct frame *f)
{
    return public_names[f->function];
}

void check_flags(struct frame *f, int r, unsigned flags)
{
    if (!f->injected)
        return;
    if (r < -4095)
        fault("%s: %d is neither a result nor an errno value", name(f), r);
    if (r == -EINTR && (flags & UNX_INTR) == 0)
        fault("%s: -EINTR, and UNX_INTR was not asked for", name(f));
}

/* ---- a pair ---- */

void before_pair(struct frame *f, const int *fds)
{
    f->looked = fds != NULL;
    if (f->looked)
        memcpy(f->ints, fds, sizeof f->ints);
}

void check_pair(struct frame *f, int r, const int *fds)
{
    if (r == 0) {
        handed(f, fds[0]);
        handed(f, fds[1]);
    } else if (f->looked && memcmp(f->ints, fds, sizeof f->ints) != 0) {
        fault("%s: %d, and fds was written", name(f), r);
    }
}

/* ---- messages ---- */

static void keep_half(struct frame *f, const struct unx_msg *m, int i)
{
    f->looked = m != NULL;
    if (m != NULL)
        f->before[i] = *m;
}

static void check_half(struct frame *f, const struct unx_msg *m, int i)
{
    if (memcmp(&f->before[i], m, offsetof(struct unx_msg, len)) != 0)
        fault("%s: wrote to the caller's half of the message", name(f));
}

static void hand_now(int fd, int unused)
{
    (void)unused;
    handed(frame_now(), fd);
}

void hand_message(struct frame *f, const struct unx_msg *m)
{
    for (unsigned i = 0; m->fds != NULL && i < m->fds_got; i++)
        handed(f, m->fds[i]);
    if (m->pidfd != NULL)
        handed(f, *m->pidfd);
    if (m->control != NULL && m->control_len > 0) {
        const struct msghdr h = {.msg_control = m->control, .msg_controllen = m->control_len};
        each_descriptor(&h, hand_now, 0);
    }
}

/* After a failure, and behind what came, there is nothing to close. */
static void check_nothing(struct frame *f, int r, const struct unx_msg *m)
{
    for (unsigned i = m->fds_got; m->fds != NULL && m->nfds <= 1024 && i < m->nfds; i++)
        if (m->fds[i] != -1)
            fault("%s: %d, and fds[%u] is %d", name(f), r, i, m->fds[i]);
    if (r < 0 && m->fds_got != 0)
        fault("%s: %d, and fds_got is %u", name(f), r, m->fds_got);
    if (r < 0 && m->pidfd != NULL && *m->pidfd != -1)
        fault("%s: %d, and a pidfd is %d", name(f), r, *m->pidfd);
}

void before_sent(struct frame *f, const struct unx_msg *m)
{
    keep_half(f, m, 0);
}

void check_sent(struct frame *f, int r, const struct unx_msg *m)
{
    if (!f->looked)
        return;
    check_half(f, m, 0);
    if (r < 0 && (m->len != 0 || m->fds_got != 0))
        fault("%s: %d, and len is %zu, fds_got %u", name(f), r, m->len, m->fds_got);
    if (r < 0 && m->error != r)
        fault("%s: %d, and error is %d", name(f), r, m->error);
}

void before_received(struct frame *f, const struct unx_msg *m)
{
    keep_half(f, m, 0);
}

void check_received(struct frame *f, int r, const struct unx_msg *m)
{
    if (!f->looked)
        return;
    check_half(f, m, 0);
    if (r > 0)
        hand_message(f, m);
    if (f->injected) {
        check_nothing(f, r, m);
        tell_message(m);
    }
    if (f->injected && r <= 0 && m->error != r)
        fault("%s: %d, and error is %d", name(f), r, m->error);
}

void before_sent_many(struct frame *f, const struct unx_msg *m, unsigned n)
{
    keep_half(f, n > 0 ? m : NULL, 0);
}

void check_sent_many(struct frame *f, int r, const struct unx_msg *m, unsigned n)
{
    if (f->looked)
        check_half(f, m, 0);
    if (!f->injected || m == NULL)
        return;
    for (unsigned i = 0; i < n && (int)i <= r; i++)
        tell_message(&m[i]);
    if (r > (int)n)
        fault("%s: %d of %u", name(f), r, n);
    for (int i = 0; i < r; i++)
        if (m[i].error != 0)
            fault("%s: %d went, and error of number %d is %d", name(f), r, i, m[i].error);
    if (r >= 0 && r < (int)n && m[r].error > 0)
        fault("%s: error of number %d is %d", name(f), r, m[r].error);
}

void before_received_many(struct frame *f, const struct unx_msg *m, unsigned n)
{
    keep_half(f, n > 0 ? m : NULL, 0);
}

void check_received_many(struct frame *f, int r, const struct unx_msg *m, unsigned n)
{
    if (f->looked)
        check_half(f, m, 0);
    for (int i = 0; i < r; i++)
        hand_message(f, &m[i]);
    if (!f->injected || m == NULL)
        return;
    if (r > (int)n)
        fault("%s: %d of %u", name(f), r, n);
    for (int i = 0; i < r; i++) {
        tell_message(&m[i]);
        if (m[i].error < 0)
            check_nothing(f, m[i].error, &m[i]);
    }
}

void before_called(struct frame *f, const struct unx_msg *req, const struct unx_msg *rep)
{
    keep_half(f, req, 0);
    keep_half(f, rep, 1);
    f->looked = req != NULL && rep != NULL;
}

void check_called(struct frame *f, int r, const struct unx_msg *req, const struct unx_msg *rep)
{
    if (!f->looked)
        return;
    check_half(f, req, 0);
    check_half(f, rep, 1);
    if (r > 0)
        hand_message(f, rep);
    /* A request goes whole, or its error says why not: after a short send, too. */
    size_t whole = 0;
    for (size_t i = 0; r > 0 && i < req->niov; i++)
        whole += req->iov[i].iov_len;
    if (r > 0 && req->error == 0 && req->skip + req->len != whole)
        fault("%s: %d, and %zu of the %zu bytes of the request went", name(f), r, req->len, whole - req->skip);
    tell_message(req);
    tell_message(rep);
    if (f->injected)
        check_nothing(f, r, rep);
}

void before_some(struct frame *f, const int *fds, unsigned nfds)
{
    (void)nfds;
    f->looked = fds != NULL;
}

void check_some(struct frame *f, int r, const int *fds, unsigned nfds)
{
    for (unsigned i = 0; r > 0 && f->looked && i < nfds; i++)
        handed(f, fds[i]);
}

/* ---- objects ---- */

void before_taken_over(struct frame *f, const struct unx_handover *h)
{
    f->looked = h != NULL;
}

void check_taken_over(struct frame *f, int r, const struct unx_handover *h)
{
    if (!f->looked)
        return;
    for (unsigned i = 0; r == 0 && i < h->fds_got; i++)
        handed(f, h->fds[i].fd);
    if (r == 0)
        handed(f, h->state_fd);
    if (f->injected && r < 0 && (h->fds_got != 0 || h->state_fd != -1))
        fault("%s: %d, and fds_got is %u, state_fd %d", name(f), r, h->fds_got, h->state_fd);
}

void before_object(struct frame *f, struct unx_listener *const *l)
{
    f->looked = l != NULL;
}

void check_object(struct frame *f, int r, struct unx_listener *const *l)
{
    if (!f->looked)
        return;
    if (f->injected && (r == 0) != (*l != NULL))
        fault("%s: %d, and the listener is %s", name(f), r, *l == NULL ? "none" : "there");
    if (r == 0) {
        /* The socket, an event, a spare one, a directory: closed by unx_listener_close(). */
        if (f->nbirths > 4)
            fault("%s: %u descriptors for one listener", name(f), f->nbirths);
        f->nbirths = 0;
    }
}

void before_spare(struct frame *f)
{
    f->looked = true;
}

void check_spare(struct frame *f, int r)
{
    (void)r;
    /* What it gave up to turn a client away, or lost, it takes again. */
    for (unsigned i = 0, n = 0; i < f->nbirths && n < 1; i++)
        if (strcmp(fake_calls[f->births[i].call].name, "sys_dup") == 0)
            f->births[i] = f->births[--f->nbirths], n++;
}

void before_asks(struct frame *f)
{
    f->looked = true;
}

void check_asks(struct frame *f, int r)
{
    if (!f->injected || r < 0)
        return;
    /* What kind of socket it is has to be known, or else it is taken for one that will do. */
    const char *const failed = fake_calls[f->injected_call].name;
    if (strcmp(failed, "sys_type") == 0 || strcmp(failed, "sys_family") == 0 || strcmp(failed, "sys_listening") == 0)
        fault("%s: %d, and %s did not say", name(f), r, failed);
}
