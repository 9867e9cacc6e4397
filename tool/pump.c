// SPDX-License-Identifier: MIT
/*
 * Standard input to a socket and messages to standard output, both at once, in one thread.
 *
 * Promises: neither direction waits for the other; standard input is read only when what was read before has gone; the
 * end of input is passed on (shutdown(2)) and the peer's end is waited for; what could not be sent is said.
 *
 * How input becomes packets does not depend on timing: the whole of it, or a line each. A stream has no packets. A
 * datagram socket has no end either: there the end of input is the end of all, or the timeout after it.
 */
#include "tool.h"
#include <errno.h>
#include <poll.h>
#include <string.h>
#include <unistd.h>

struct pump {
    const struct options *o;
    int fd;
    const int *fds;
    enum pump_mode mode;
    struct unx_cred cred;
    struct incoming in;
    struct text input;
    size_t at; /* input before this has gone */
    unsigned long long sent, received;
    bool lent, input_ended, sending_ended, receiving_ended, stop;
};

bool own_cred(const struct options *o, struct unx_cred *cred)
{
    const int r = o->cred ? unx_cred_effective(cred) : 0;
    if (r < 0) {
        report_error(DOING_SEND, "--cred", r);
    }
    return r >= 0;
}

/* The next packet of the input: its length, and how much of the input it uses up. */
static bool next_packet(const struct pump *p, size_t *len, size_t *used)
{
    const char *start = p->input.p + p->at;
    const size_t left = p->input.len - p->at;
    const char *line_end = p->o->lines && left ? memchr(start, '\n', left) : NULL;
    if (line_end) {
        *len = (size_t)(line_end - start);
        *used = *len + 1;
        return true;
    }
    *len = *used = left;
    return left > 0 && (p->o->type == SOCK_STREAM || p->input_ended);
}

static void stop_sending(struct pump *p)
{
    p->sending_ended = p->input_ended = true;
    if (p->o->type != SOCK_DGRAM) {
        unx_shutdown(p->fd, SHUT_WR);
    }
}

/* false: it has to wait. */
static bool send_next(struct pump *p, size_t len, size_t used)
{
    const struct options *o = p->o;
    const struct iovec iov = {p->input.p + p->at, len};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = o->cred ? &p->cred : NULL};
    if (!p->lent && o->nfds) {
        m.fds = (int *)p->fds;
        m.nfds = o->nfds;
    }
    if (o->type != SOCK_STREAM) {
        unx_grow_packet(p->fd, len);
    }
    const int r = unx_send(p->fd, &m, UNX_DONTWAIT);
    if (r == -EAGAIN) {
        return false;
    }
    if (r < 0) {
        send_failed(o->operand, r, p->fd, len, m.nfds);
        p->lent = true;
        stop_sending(p);
        return true;
    }
    p->lent = true;
    p->sent++;
    p->at += o->type == SOCK_STREAM ? m.len : used;
    if (p->at == p->input.len) {
        p->at = p->input.len = 0;
    }
    return true;
}

static void end_of_input(struct pump *p)
{
    if (p->mode != PUMP_CONNECT && p->sent == 0) {
        report_fail(STATUS_USAGE, "the input is empty, and a stream has no empty message; nothing was sent");
        p->stop = true;
    } else if (p->o->nfds && !p->lent) {
        report_fail(STATUS_FDS, "%s: the input is empty, so no packet went, and no descriptor either", p->o->operand);
    }
    stop_sending(p);
}

static void read_input(struct pump *p)
{
    if (p->at) {
        memmove(p->input.p, p->input.p + p->at, p->input.len - p->at);
        p->input.len -= p->at;
        p->at = 0;
    }
    const int r = input_more(&p->input);
    p->input_ended |= r == 0;
    if (r < 0) {
        stop_sending(p);
    }
}

static void receive(struct pump *p)
{
    const int r = incoming_recv(&p->in, p->fd, p->o->max, UNX_DONTWAIT);
    if (r == 1) {
        p->received++;
        p->stop = !show_received(p->o, &p->in, (unsigned)p->received);
    } else if (r == 0) {
        p->receiving_ended = true;
    } else if (r != -EAGAIN) {
        incoming_failed(&p->in, p->o->operand, r, p->o->max);
        p->receiving_ended = !unx_one_message(r);
    }
}

static bool finished(const struct pump *p)
{
    return p->stop || (p->sending_ended && p->receiving_ended);
}

/* Nothing came in time. */
static void quiet_too_long(struct pump *p)
{
    p->stop = true;
    if (p->o->type != SOCK_DGRAM || !p->sending_ended) {
        report_fail(STATUS_TIMEOUT, "%s: nothing came and nothing went for %d ms (ETIMEDOUT)", p->o->operand,
                    p->o->timeout);
    }
}

static void wait_and_move(struct pump *p, bool pending, bool blocked)
{
    const bool want_input = !pending && !p->input_ended && !p->sending_ended;
    struct pollfd fds[2] = {
        {.fd = want_input ? STDIN_FILENO : -1, .events = POLLIN},
        {.fd = p->fd, .events = (short)((p->receiving_ended ? 0 : POLLIN) | (blocked ? POLLOUT : 0))}};
    const bool dgram_over = p->o->type == SOCK_DGRAM && p->sending_ended && p->o->timeout < 0;
    const int timeout = (pending && !blocked) || dgram_over ? 0 : p->o->timeout;
    const int r = poll(fds, 2, timeout);
    if (r == 0 && (!pending || blocked)) {
        quiet_too_long(p);
        return;
    }
    if (fds[1].revents && !p->receiving_ended) {
        receive(p);
    } else if (fds[1].revents & (POLLHUP | POLLERR) && !p->sending_ended && !pending) {
        report_fail(STATUS_PEER, "%s: the peer closed before the end of the input", p->o->operand);
        stop_sending(p);
    }
    if (fds[0].revents) {
        read_input(p);
    }
}

int pump(const struct options *o, int fd, const int *fds, enum pump_mode mode)
{
    struct pump p = {.o = o, .fd = fd, .fds = fds, .mode = mode, .receiving_ended = mode == PUMP_SEND};
    incoming_init(&p.in, o->no_fds);
    p.stop = !own_cred(o, &p.cred);
    text_puts(&p.input, "");
    if (o->data) {
        text_puts(&p.input, o->data);
        p.input_ended = true;
    }
    while (!finished(&p)) {
        size_t len, used;
        const bool pending = !p.sending_ended && next_packet(&p, &len, &used);
        const bool blocked = pending && !send_next(&p, len, used);
        if (!pending && p.input_ended && !p.sending_ended) {
            end_of_input(&p);
        }
        if (!finished(&p)) {
            wait_and_move(&p, pending, blocked);
        }
    }
    if (mode == PUMP_CALL && p.received == 0 && !report_status()) {
        report_fail(STATUS_PEER, "%s: the peer closed before a reply", o->operand);
    }
    incoming_free(&p.in);
    text_free(&p.input);
    return report_status();
}
