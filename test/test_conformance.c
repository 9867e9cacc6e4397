// SPDX-License-Identifier: MIT
/*
 * The ways of receiving that exist today, each run through the conformance script.
 *
 * Waiting, non-blocking socket, non-blocking call, peek before each receive, plain bytes, room in three pieces, raw
 * control data taken apart by the reader, under a storm of signals, and with a timeout.
 */
#include "conformance.h"
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <unx/control.h>

/* Copies the answer of a message that was received in place of another. */
static void answer(struct unx_msg *m, const struct unx_msg *from)
{
    const size_t at = offsetof(struct unx_msg, len);
    memcpy((char *)m + at, (const char *)from + at, sizeof *m - at);
}

static int recv_nonblocking(int fd, struct unx_msg *m, unsigned flags)
{
    const int before = fcntl(fd, F_GETFL);
    CHECK_INT(fcntl(fd, F_SETFL, before | O_NONBLOCK), 0);
    const int r = unx_recv(fd, m, flags);
    CHECK_INT(fcntl(fd, F_GETFL), before | O_NONBLOCK);
    CHECK_INT(fcntl(fd, F_SETFL, before), 0);
    return r;
}

static int recv_dontwait(int fd, struct unx_msg *m, unsigned flags)
{
    return unx_recv(fd, m, flags | UNX_DONTWAIT);
}

static int recv_plain(int fd, struct unx_msg *m, unsigned flags)
{
    return unx_recv(fd, m, flags | UNX_PLAIN);
}

/* What the peek said, the receive has to say again;
 * but a reset is told once, so it may be the peek that heard of it. */
static int recv_after_peek(int fd, struct unx_msg *m, unsigned flags)
{
    char data[64];
    const struct iovec room = {data, m->iov[0].iov_len};
    struct unx_msg peek = {.iov = &room, .niov = 1};
    const int peeked = unx_recv(fd, &peek, UNX_PEEK | UNX_DONTWAIT);
    CHECK(peek.fds_got == 0);
    if (peeked < 0) {
        answer(m, &peek);
        for (unsigned i = 0; i < m->nfds; i++) {
            m->fds[i] = -1;
        }
        return peeked;
    }
    const int r = unx_recv(fd, m, flags | UNX_DONTWAIT);
    CHECK_INT(r >= 0 ? r : peeked, peeked);
    CHECK_INT(m->full_len, peek.full_len);
    if (r == 1) {
        CHECK_MEM(data, peek.len, m->iov[0].iov_base, m->len);
    }
    m->got |= peek.got & UNX_GOT_RESET;
    return r;
}

static int recv_vectored(int fd, struct unx_msg *m, unsigned flags)
{
    const size_t room = m->iov[0].iov_len, third = room / 3;
    char *data = m->iov[0].iov_base;
    const struct iovec parts[3] = {{data, third}, {data + third, third}, {data + 2 * third, room - 2 * third}};
    struct unx_msg v = *m;
    v.iov = parts;
    v.niov = 3;
    const int r = unx_recv(fd, &v, flags);
    answer(m, &v);
    return r;
}

/* The policy of struct unx_msg, done by a caller who receives raw control data. */
static int take_control(struct unx_msg *m, struct unx_control_reader *reader, unsigned flags)
{
    struct unx_control_item item;
    unsigned came = 0;
    int r;
    while ((r = unx_control_next(reader, &item)) == 1) {
        const unsigned n = (unsigned)unx_control_nfds(&item);
        came += n;
        for (unsigned i = 0; i < n && m->fds_got < m->nfds; i++) {
            m->fds[m->fds_got] = unx_control_take(reader, &item, i);
            CHECK(m->fds[m->fds_got] >= 0);
            m->fds_got++;
        }
        if (m->cred != NULL && unx_control_cred(&item, m->cred) == 0 && m->cred->known != 0) {
            m->got |= UNX_GOT_CRED;
        }
    }
    CHECK_INT(r, 0);
    CHECK_INT(unx_control_reader_close(reader), came - m->fds_got);
    m->got = (m->got & ~UNX_GOT_FDS) | (m->fds_got > 0 ? UNX_GOT_FDS : 0);
    if (came == m->fds_got) {
        return 1;
    }
    m->got |= UNX_CUT_FDS;
    if ((flags & UNX_PARTIAL) != 0) {
        return 1;
    }
    for (unsigned i = 0; i < m->fds_got; i++) {
        close(m->fds[i]);
        m->fds[i] = -1;
    }
    m->fds_got = 0;
    return m->error = -ENOBUFS;
}

static int recv_control(int fd, struct unx_msg *m, unsigned flags)
{
    char control[UNX_CONTROL_ROOM];
    struct unx_msg v = *m;
    v.fds = NULL;
    v.nfds = 0;
    v.cred = NULL;
    v.control = control;
    v.control_max = sizeof control;
    const int r = unx_recv(fd, &v, flags);
    answer(m, &v);
    /* Nobody can tell here that it was descriptors that were cut, but in this script it is nothing else. */
    if ((m->got & UNX_CUT_CONTROL) != 0) {
        m->got = (m->got & ~UNX_CUT_CONTROL) | UNX_CUT_FDS;
    }
    m->fds_got = 0;
    for (unsigned i = 0; i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    if (m->cred != NULL) {
        *m->cred = (struct unx_cred){.pid = 0};
    }
    CHECK(v.control_len <= sizeof control);
    if (r != 1) {
        return r;
    }
    struct unx_control_reader reader;
    CHECK_INT(unx_control_reader_init(&reader, control, v.control_len), 0);
    return take_control(m, &reader, flags);
}

static int recv_under_signals(int fd, struct unx_msg *m, unsigned flags)
{
    raw_signals_start();
    const int r = unx_recv(fd, m, flags);
    raw_signals_stop();
    return r;
}

static int recv_with_timeout(int fd, struct unx_msg *m, unsigned flags)
{
    CHECK_INT(unx_set_timeout(fd, UNX_RECV, 20), 0);
    return unx_recv(fd, m, flags);
}

static void run(const char *name, int (*recv_call)(int fd, struct unx_msg *m, unsigned flags), unsigned can)
{
    const struct way way = {name, recv_call, can};
    CHECK_INT(conformance_run(&way), 0);
}

static void blocking(void)
{
    run("unx_recv", unx_recv, CAN_ALL & ~CAN_TRY);
}

static void nonblocking(void)
{
    run("unx_recv on a non-blocking socket", recv_nonblocking, CAN_ALL);
}

static void dontwait(void)
{
    run("unx_recv with UNX_DONTWAIT", recv_dontwait, CAN_ALL);
}

static void peek_first(void)
{
    run("unx_recv after a peek", recv_after_peek, CAN_ALL & ~(CAN_PEEK | CAN_PEEK_FDS | CAN_NO_ROOM));
}

static void plain(void)
{
    run("unx_recv with UNX_PLAIN", recv_plain, CAN_ALL & ~(CAN_TRY | CAN_FDS | CAN_CRED | CAN_ADDR | CAN_PEEK_FDS));
}

static void vectored(void)
{
    run("unx_recv into three pieces", recv_vectored, CAN_ALL & ~CAN_TRY);
}

static void control(void)
{
    run("unx_recv with control data", recv_control, CAN_ALL & ~CAN_TRY);
}

static void signals(void)
{
    run("unx_recv under signals", recv_under_signals, CAN_ALL & ~CAN_TRY);
}

static void timeout(void)
{
    run("unx_recv with a timeout", recv_with_timeout, CAN_ALL);
}

static const struct test_case cases[] = {
    CASE(blocking), CASE(nonblocking), CASE(dontwait), CASE(peek_first), CASE(plain),
    CASE(vectored), CASE(control),     CASE(signals),  CASE(timeout),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
