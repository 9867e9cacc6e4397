// SPDX-License-Identifier: MIT
/*
 * Moving messages within a deadline, and showing what came as raw bytes.
 *
 * Promises: one deadline holds for a whole operation, by the monotonic clock; a packet goes whole or is refused with
 * the size that would have gone; what raw bytes on standard output do not show is said on standard error.
 */
#include "tool.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

int64_t clock_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

int64_t deadline_after(int timeout)
{
    return timeout < 0 ? -1 : clock_ms() + timeout;
}

int deadline_left(int64_t deadline)
{
    if (deadline < 0) {
        return -1;
    }
    const int64_t left = deadline - clock_ms();
    return left < 0 ? 0 : left > INT_MAX ? INT_MAX : (int)left;
}

int send_by(int fd, struct unx_msg *m, int64_t deadline)
{
    size_t len = 0;
    for (size_t i = 0; i < m->niov; i++) {
        len += m->iov[i].iov_len;
    }
    for (;;) {
        int r = unx_send(fd, m, UNX_DONTWAIT);
        if (r == 1) {
            m->skip += m->len;
            if (m->skip >= len) {
                return 1;
            }
        } else if (r == -EAGAIN) {
            r = unx_wait(fd, POLLOUT, deadline_left(deadline));
            if (r < 0) {
                return r == -EAGAIN ? -ETIMEDOUT : r;
            }
        } else {
            return r;
        }
    }
}

int send_failed(const char *where, int err, int fd, size_t len, unsigned nfds)
{
    if (err == -EMSGSIZE || err == -ENOBUFS) {
        const int max = unx_max_packet(fd);
        if (max >= 0 && len > (size_t)max) {
            return report_fail(STATUS_CUT, "%s: a packet of %s is too large, %d would go; nothing of it was sent (%s)",
                               where, report_bytes(len), max, report_errno_name(err));
        }
        return report_fail(STATUS_CUT, "%s: a packet of %s finds no memory in the kernel; nothing of it was sent (%s)",
                           where, report_bytes(len), report_errno_name(err));
    }
    if (err == -EPERM && nfds) {
        return report_fail(STATUS_FDS, "%s: the receiver refuses descriptors; nothing was sent (EPERM)", where);
    }
    if (err == -EPIPE || err == -ECONNRESET || err == -ECONNREFUSED || err == -ENOTCONN) {
        return report_fail(STATUS_PEER, "%s: the peer has closed; not all was sent (%s)", where,
                           report_errno_name(err));
    }
    return report_error(DOING_SEND, where, err);
}

bool reply_address(int fd, int type)
{
    struct unx_addr own, unnamed;
    // With UNX_PASSCRED on, connecting has bound it already.
    if (type != SOCK_DGRAM || (unx_local_addr(fd, &own) >= 0 && unx_addr_name(&own, NULL, NULL) != UNX_UNNAMED)) {
        return true;
    }
    unx_addr_unnamed(&unnamed);
    const int r = unx_bind_to(fd, &unnamed, UNX_MODE_UMASK);
    if (r < 0) {
        report_error(DOING_BIND, "an address for replies", r);
    }
    return r >= 0;
}

int recv_by(struct incoming *in, int fd, size_t max, int64_t deadline)
{
    for (;;) {
        int r = incoming_recv(in, fd, max, UNX_DONTWAIT);
        if (r != -EAGAIN) {
            return r;
        }
        r = unx_wait(fd, POLLIN, deadline_left(deadline));
        if (r < 0) {
            return r == -EAGAIN ? -ETIMEDOUT : r;
        }
    }
}

/* Says what the bytes on standard output do not show. */
static void say_unshown(const struct options *o, const struct incoming *in)
{
    if (!o->quiet && !o->lines && in->m.len == 0) {
        report_fail(STATUS_CUT, "%s: an empty packet came; --lines or --json would show it", o->operand);
    }
    const char *line_end = o->lines && in->m.len ? memchr(in->buf, '\n', in->m.len - 1) : NULL;
    if (!o->quiet && line_end) {
        report_fail(STATUS_CUT, "%s: a packet of %zu bytes has line ends inside; --json would show where it ends",
                    o->operand, in->m.len);
    }
    for (unsigned i = 0; i < in->m.fds_got; i++) {
        struct text t = {0};
        fd_text(in->fds[i], &t);
        report_fail(STATUS_FDS, "%s: a descriptor came that nothing here takes, and is closed: %s", o->operand, t.p);
        text_free(&t);
    }
}

bool show_received(const struct options *o, struct incoming *in, unsigned number)
{
    bool good = true;
    if (in->m.got & UNX_GOT_RESET) {
        incoming_failed(in, o->operand, -ECONNRESET, 0);
    }
    if (!o->quiet && o->json) {
        struct text t = {0};
        struct who sender = {0};
        const bool cred = o->cred && in->m.got & UNX_GOT_CRED;
        if (cred) {
            who_sent(&sender, &in->cred, in->pidfd, in->label);
            in->pidfd = -1;
        }
        const struct message m = {.data = in->buf,
                                  .len = in->m.len,
                                  .fds = in->fds,
                                  .nfds = in->m.fds_got,
                                  .type = o->type,
                                  .number = number,
                                  .sender = cred ? &sender : NULL,
                                  .from = &in->from};
        message_show(&m, true, &t);
        good = out_write(t.p, t.len);
        text_free(&t);
        who_free(&sender);
    } else {
        say_unshown(o, in);
        struct text t = {0};
        text_add(&t, in->buf, o->quiet ? 0 : in->m.len);
        // What programs print mostly ends with one already.
        const bool has_end = in->m.len && in->buf[in->m.len - 1] == '\n';
        text_puts(&t, o->lines && !o->quiet && !has_end ? "\n" : "");
        good = out_write(t.p, t.len);
        text_free(&t);
    }
    incoming_close(in);
    return good;
}
