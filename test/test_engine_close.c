// SPDX-License-Identifier: MIT
/*
 * Closing: what is out comes back first, the peer sees the end at once, and the number is free for somebody else.
 *
 * What surprised us (Linux 6.18): with close(2) alone a request of io_uring keeps its socket open, and epoll(7) keeps a
 * registration for as long as a copy of the descriptor lives, and reports the old number.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

/* Nobody holds the other end any more, now. */
static void check_ended(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
    CHECK_INT(poll(&p, 1, 0), 1);
    CHECK_INT(p.revents & POLLHUP, POLLHUP);
}

enum used { NEVER, IDLE, RECEIVED, SENT, POLLED, STOOD, CANCELLED, USES };
static const char *const use_names[] = {"never", "idle", "received", "sent", "polled", "stood", "cancelled"};

static void use(struct unx_engine *e, enum used how, const int s[2])
{
    struct job j;
    struct unx_op op = {0};
    switch (how) {
    case RECEIVED:
        job_recv_any(e, &j, s[0]);
        QUIET_FOR(e, 2);
        raw_send(s[1], "x", 1, NULL, 0);
        JOB_GETS(e, &j, "x");
        break;
    case SENT:
        job_send_text(e, &j, s[0], "x");
        JOB_LAST(e, &j, 1);
        check_arrived(s[1], "x", 1);
        break;
    case POLLED:
        START(unx_engine_poll(e, &op, s[0], POLLIN, 2));
        LAST(e, &op, -ETIMEDOUT);
        break;
    case STOOD:
        STAND(e, &op, s[0]);
        raw_send(s[1], "x", 1, NULL, 0);
        give_back(e, STAND_GETS(e, &op, "x"));
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        break;
    case CANCELLED:
        job_recv_any(e, &j, s[0]);
        QUIET_FOR(e, 2);
        START(unx_engine_cancel(e, &j.op));
        JOB_LAST(e, &j, -ECANCELED);
        break;
    default:
        QUIET_FOR(e, 0);
    }
}

static void the_peer_sees_it_at_once(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        for (enum used how = NEVER; how < USES; how++) {
            ROW("%s, %s", raw_type_name(raw_types[t]), use_names[how]);
            int s[2];
            raw_pair(raw_types[t], s);
            use(e, how, s);
            leave(e, s[0]);
            check_ended(s[1]);
            close(s[1]);
        }
    }
}

/* All that can be out on a socket is out; first that, then the end. */
static void what_is_out_comes_first(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        for (int wait = 0; wait < 2; wait++) {
            ROW("%s, %d", raw_type_name(raw_types[t]), wait);
            int s[2], p[2];
            raw_pair(raw_types[t], s);
            raw_pipe(p);
            struct job in[3], out[3];
            struct unx_op polls[3] = {{0}}, standing = {0}, closing = {0};
            fill_socket(s[0], 1000);
            for (unsigned i = 0; i < 3; i++) {
                job_recv_any(e, &in[i], s[0]);
                job_bytes(&out[i], "x", 1);
                out[i].m.fds = &p[1];
                out[i].m.nfds = 1;
                job_send(e, &out[i], s[0], 0, -1);
                START(unx_engine_poll(e, &polls[i], s[0], i == 1 ? POLLOUT : POLLIN, -1));
            }
            STAND(e, &standing, s[0]);
            QUIET_FOR(e, wait * 5);
            START(unx_engine_close(e, &closing, s[0]));
            unsigned n = 0;
            for (struct unx_event ev; (ev = NEXT(e)).op != &closing; n++) {
                CHECK_INT(ev.result, -ECANCELED);
                CHECK_INT(ev.flags, 0);
            }
            CHECK_INT(n, 10);
            CHECK(!raw_is_open(s[0]));
            check_ended(s[1]);
            close(s[1]);
            close(p[1]);
            CHECK(raw_pipe_ended(p[0]));
            close(p[0]);
        }
    }
}

/* It is not started, or it was and failed at once; the event of the closing may come before that. */
static void check_bad(struct unx_engine *e, const struct unx_op *op, int r, const struct unx_op *closing, bool *closed)
{
    if (r != 0) {
        CHECK_INT(r, -EBADF);
        return;
    }
    struct unx_event ev = NEXT(e);
    if (!*closed && ev.op == closing) {
        CHECK_INT(ev.result, 0);
        *closed = true;
        ev = NEXT(e);
    }
    CHECK(ev.op == op);
    CHECK_INT(ev.result, -EBADF);
}

static void nothing_is_started_on_it(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in, more;
    struct unx_op closing = {0}, op = {0};
    job_recv_any(e, &in, s[0]);
    QUIET_FOR(e, 2);
    START(unx_engine_close(e, &closing, s[0]));
    CHECK_INT(QUIET(unx_engine_close(e, &closing, s[1])), -EBUSY);
    JOB_LAST(e, &in, -ECANCELED);
    bool closed = false;
    for (int twice = 0; twice < 2; twice++) {
        job_room(&more);
        check_bad(e, &more.op, QUIET(unx_engine_recv(e, &more.op, s[0], &more.m, 0, -1)), &closing, &closed);
        check_bad(e, &op, QUIET(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING, -1)), &closing, &closed);
        check_bad(e, &more.op, QUIET(unx_engine_send(e, &more.op, s[0], &more.m, 0, -1)), &closing, &closed);
        check_bad(e, &op, QUIET(unx_engine_poll(e, &op, s[0], POLLIN, -1)), &closing, &closed);
        check_bad(e, &op, QUIET(unx_engine_poll(e, &op, s[0], POLLIN, 0)), &closing, &closed);
        check_bad(e, &op, QUIET(unx_engine_close(e, &op, s[0])), &closing, &closed);
        if (!closed) {
            LAST(e, &closing, 0);
            closed = true;
        }
    }
    leave(e, s[1]);
}

/* The number comes back as another socket, of another type, and nothing of the old one is left. */
static void the_number_is_used_again(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int number = s[0];
    for (unsigned i = 0; i < 60; i++) {
        ROW("round %u", i);
        struct job in[2], out;
        struct unx_op closing = {0}, poller = {0};
        job_recv_any(e, &in[0], s[0]);
        job_recv_any(e, &in[1], s[0]);
        START(unx_engine_poll(e, &poller, s[0], POLLPRI, -1));
        if (i % 2 == 1) {
            QUIET_FOR(e, i % 3);
        }
        raw_send(s[1], "x", 1, NULL, 0);
        JOB_GETS(e, &in[0], "x");
        job_send_text(e, &out, s[0], "y");
        JOB_LAST(e, &out, 1);
        check_arrived(s[1], "y", 1);
        START(unx_engine_close(e, &closing, s[0]));
        for (unsigned n = 0; n < 2; n++) {
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &in[1].op || ev.op == &poller);
            CHECK_INT(ev.result, -ECANCELED);
        }
        LAST(e, &closing, 0);
        close(s[1]);
        raw_pair(raw_types[i % 3], s);
        CHECK_INT(s[0], number);
    }
    close_pair(s);
}

/* Others come and go; who stays is still heard, and may want something else than before. */
static void those_who_stay(struct unx_engine *e)
{
    enum { N = 12 };
    for (unsigned first = 0; first < N; first += 5) {
        struct job in[N], out[N];
        int s[N][2];
        for (unsigned i = 0; i < N; i++) {
            raw_pair(raw_types[i % 3], s[i]);
            job_recv_any(e, &in[i], s[i][0]);
        }
        QUIET_FOR(e, 2);
        for (unsigned n = 0; n < N; n++) {
            const unsigned i = (first + n * 7) % N;
            ROW("first %u, then %u of %u", first, n, (unsigned)N);
            fill_socket(s[i][0], 1000);
            job_send_text(e, &out[i], s[i][0], "x");
            QUIET_FOR(e, 1);
            char data[1000];
            struct raw_got g;
            do {
                raw_recv(s[i][1], data, sizeof data, MSG_DONTWAIT, &g);
            } while (g.result > 0);
            JOB_LAST(e, &out[i], 1);
            raw_send(s[i][1], "y", 1, NULL, 0);
            JOB_GETS(e, &in[i], "y");
            leave_pair(e, s[i]);
        }
    }
}

/* A copy of the socket lives on, here and in a message: that is not the engine's business,
 * and it hears nothing from it. */
static void a_copy_lives_on(struct unx_engine *e)
{
    for (int how = 0; how < 2; how++) {
        int s[2], t[2];
        raw_pair(SOCK_SEQPACKET, s);
        raw_pair(SOCK_SEQPACKET, t);
        const int copy = how == 0 ? fcntl(s[0], F_DUPFD_CLOEXEC, 0) : -1;
        if (how == 1) {
            raw_send(t[0], "x", 1, &s[0], 1);
        }
        struct job in;
        job_recv_any(e, &in, s[0]);
        QUIET_FOR(e, 2);
        const int number = s[0];
        struct unx_op closing = {0};
        START(unx_engine_close(e, &closing, s[0]));
        JOB_LAST(e, &in, -ECANCELED);
        LAST(e, &closing, 0);
        raw_send(s[1], "for the copy", 12, NULL, 0);
        QUIET_FOR(e, 5);
        int u[2];
        raw_pair(SOCK_STREAM, u);
        CHECK_INT(u[0], number);
        job_recv_any(e, &in, u[0]);
        QUIET_FOR(e, 5);
        raw_send(u[1], "hello", 5, NULL, 0);
        JOB_GETS(e, &in, "hello");
        if (how == 0) {
            check_arrived(copy, "for the copy", 12);
            leave(e, copy);
        }
        close(s[1]);
        leave_pair(e, t);
        leave_pair(e, u);
    }
}

/* What was done already is the caller's; what had come for nobody is closed with the socket. */
static void messages_with_descriptors(struct unx_engine *e)
{
    for (int stands = 0; stands < 2; stands++) {
        int s[2], p[2], room[1];
        raw_pair(SOCK_SEQPACKET, s);
        raw_pipe(p);
        struct job in;
        job_room(&in);
        in.m.fds = room;
        in.m.nfds = 1;
        struct unx_op closing = {0};
        if (stands) {
            STAND(e, &in.op, s[0]);
        } else {
            job_recv(e, &in, s[0], 0, -1);
        }
        QUIET_FOR(e, 2);
        for (int i = 0; i < 5; i++) {
            raw_send(s[1], "x", 1, &p[1], 1);
        }
        close(p[1]);
        raw_sleep(5);
        START(unx_engine_close(e, &closing, s[0]));
        for (struct unx_event ev; (ev = NEXT(e)).op != &closing;) {
            CHECK(ev.op == &in.op);
            if (ev.flags == UNX_MORE) {
                CHECK_INT(ev.result, 1);
                give_back(e, ev.msg);
            } else if (ev.result == 1) {
                CHECK(!stands);
                close(room[0]);
            } else {
                CHECK_INT(ev.result, -ECANCELED);
            }
        }
        close(s[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(the_peer_sees_it_at_once),  ENGINE_CASE(what_is_out_comes_first), ENGINE_CASE(nothing_is_started_on_it),
    ENGINE_CASE(the_number_is_used_again),  ENGINE_CASE(those_who_stay),          ENGINE_CASE(a_copy_lives_on),
    ENGINE_CASE(messages_with_descriptors),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
