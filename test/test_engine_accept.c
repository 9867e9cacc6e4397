// SPDX-License-Identifier: MIT
/*
 * Accepting: a burst, a table that is full, a listener that is stopped, and what an accepted socket is like.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/resource.h>

static int listen_at(int type, int backlog)
{
    unlink(raw_file("server"));
    const int fd = raw_listen(type, raw_path(raw_file("server")), backlog);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return fd;
}

static int client(int type)
{
    return raw_connect(type, raw_path(raw_file("server")));
}

static void stand_accept(struct unx_engine *e, struct unx_op *op, int listener)
{
    START(unx_engine_accept(e, op, listener, UNX_STANDING, -1));
}

/* The next event of a standing accept brings the connection of this client. */
static int accepted(struct unx_engine *e, const struct unx_op *op, int from)
{
    const struct unx_event ev = NEXT(e);
    CHECK(ev.op == op && ev.msg == NULL);
    CHECK_INT(ev.flags, UNX_MORE);
    CHECK(ev.result >= 0);
    raw_send(from, "me", 2, NULL, 0);
    check_arrived(ev.result, "me", 2);
    return ev.result;
}

static void one_after_the_other(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        const int listener = listen_at(raw_types[t], 10);
        struct unx_op op = {.data = e};
        stand_accept(e, &op, listener);
        for (int i = 0; i < 5; i++) {
            QUIET_FOR(e, i);
            const int c = client(raw_types[t]), fd = accepted(e, &op, c);
            CHECK(raw_cloexec(fd) && !raw_nonblock(fd));
            close(c);
            leave(e, fd);
        }
        CHECK(op.data == e);
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        /* Who comes now is not lost: the next one accepts it. */
        const int c = client(raw_types[t]);
        QUIET_FOR(e, 5);
        START(unx_engine_accept(e, &op, listener, 0, -1));
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0 && ev.flags == 0);
        leave(e, ev.result);
        close(c);
        leave(e, listener);
    }
}

static void a_burst(struct unx_engine *e)
{
    enum { BURST = 300 };
    const struct rlimit many = {4096, 4096};
    if (setrlimit(RLIMIT_NOFILE, &many) != 0) {
        SKIP("needs 4096 descriptors");
    }
    for (int early = 0; early < 2; early++) {
        const int listener = listen_at(SOCK_STREAM, BURST);
        struct unx_op op = {0};
        if (early) {
            stand_accept(e, &op, listener);
            QUIET_FOR(e, 5);
        }
        static int clients[BURST], fds[BURST];
        for (unsigned i = 0; i < BURST; i++) {
            clients[i] = client(SOCK_STREAM);
            raw_send(clients[i], &i, sizeof i, NULL, 0);
        }
        if (!early) {
            stand_accept(e, &op, listener);
        }
        for (unsigned i = 0; i < BURST; i++) {
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &op && ev.flags == UNX_MORE);
            CHECK(ev.result >= 0);
            fds[i] = ev.result;
            check_arrived(fds[i], &i, sizeof i);
        }
        QUIET_FOR(e, 5);
        for (unsigned i = 0; i < BURST; i++) {
            close(clients[i]);
            leave(e, fds[i]);
        }
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        leave(e, listener);
    }
}

/* How it is told that the table is full, and how often, and at what price;
 * then there is room again, and nobody new comes. True: in time. */
static bool full_in_time(struct unx_engine *e)
{
    const int listener = listen_at(SOCK_SEQPACKET, 10);
    struct unx_op op = {0};
    stand_accept(e, &op, listener);
    QUIET_FOR(e, 5);
    const int c[2] = {client(SOCK_SEQPACKET), client(SOCK_SEQPACKET)};
    raw_limit(0);
    const int64_t start = raw_now(), cpu = engine_cpu();
    unsigned told = 0;
    struct unx_event ev;
    for (int64_t left; (left = start + 450 - raw_now()) > 0;) {
        if (unx_engine_reap(e, &ev, 1, (int)left) == 1) {
            CHECK(ev.op == &op && ev.flags == UNX_MORE);
            CHECK_INT(ev.result, -EMFILE);
            told++;
        }
    }
    const int64_t used = engine_cpu() - cpu;
    raw_unlimit();
    NOTE("told %u times in 450 ms, %lld us of the processor", told, (long long)used);
    const int64_t room = raw_now();
    for (int i = 0; i < 2; i++) {
        do {
            ev = NEXT(e);
            CHECK_INT(ev.flags, UNX_MORE);
            CHECK(ev.result >= 0 || ev.result == -EMFILE);
        } while (ev.result < 0);
        raw_send(c[i], "me", 2, NULL, 0);
        check_arrived(ev.result, "me", 2);
        leave(e, ev.result);
        close(c[i]);
    }
    const int64_t waited = raw_now() - room;
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave(e, listener);
    return told >= 2 && told <= 6 && used < (harness_slow() ? 45000 : 9000) && waited < (harness_slow() ? 2000 : 500);
}

/* Unless the machine was busy with something else each time. */
static void a_full_table(struct unx_engine *e)
{
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    bool in_time = false;
    for (int i = 0; i < 6 && !in_time; i++) {
        in_time = full_in_time(e);
    }
    CHECK(in_time);
}

enum pausing { CANCELLED, LATE, CLOSED, PAUSING };

/* How long it took. */
static int64_t end_while_it_pauses(struct unx_engine *e, enum pausing how)
{
    const int listener = listen_at(SOCK_SEQPACKET, 10);
    struct unx_op op = {0}, closing = {0};
    START(unx_engine_accept(e, &op, listener, UNX_STANDING, how == LATE ? 2000 : -1));
    QUIET_FOR(e, 5);
    const int c = client(SOCK_SEQPACKET);
    const int64_t start = raw_now();
    raw_limit(0);
    MORE(e, &op, -EMFILE);
    if (how == CANCELLED) {
        START(unx_engine_cancel(e, &op));
    } else if (how == CLOSED) {
        START(unx_engine_close(e, &closing, listener));
    }
    struct unx_event ev;
    do {
        ev = NEXT(e);
        CHECK(ev.op == &op);
    } while (how == LATE && ev.flags == UNX_MORE);
    const int64_t took = raw_now() - start;
    raw_unlimit();
    CHECK_INT(ev.flags, 0);
    CHECK_INT(ev.result, how == LATE ? -ETIMEDOUT : -ECANCELED);
    if (how == CLOSED) {
        LAST(e, &closing, 0);
    } else {
        leave(e, listener);
    }
    close(c);
    return took;
}

/* It can be cancelled, closed and late also while it pauses; at once, unless the machine was busy each time. */
static void ends_while_it_pauses(struct unx_engine *e)
{
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    for (enum pausing how = 0; how < PAUSING; how++) {
        ROW("%s", how == CANCELLED ? "cancelled" : how == LATE ? "late" : "closed");
        const int64_t most = (how == LATE ? 2850 : 90) + (harness_slow() ? 1000 : 0);
        int64_t least = INT64_MAX;
        for (int i = 0; i < 5 && least >= most; i++) {
            const int64_t took = end_while_it_pauses(e, how);
            least = took < least ? took : least;
        }
        CHECK(least < most);
    }
}

/* A single accept just says so. */
static void one_that_finds_no_room(struct unx_engine *e)
{
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    for (int late = 0; late < 2; late++) {
        const int listener = listen_at(SOCK_STREAM, 10);
        struct unx_op op = {0};
        int c = late ? -1 : client(SOCK_STREAM);
        if (late) {
            START(unx_engine_accept(e, &op, listener, 0, -1));
            QUIET_FOR(e, 5);
            c = client(SOCK_STREAM);
        }
        raw_limit(0);
        if (!late) {
            START(unx_engine_accept(e, &op, listener, 0, -1));
        }
        LAST(e, &op, -EMFILE);
        raw_unlimit();
        START(unx_engine_accept(e, &op, listener, 0, -1));
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0);
        leave(e, ev.result);
        close(c);
        leave(e, listener);
    }
}

/* The error is the one that unx_accept() returns when it waits (accept(2) says EAGAIN for ever when it does not); who
 * was in the backlog comes before. */
static void a_listener_that_is_stopped(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        for (int stands = 0; stands < 2; stands++) {
            for (int waiting = 0; waiting < 2; waiting++) {
                ROW("%s, standing %d, %d in the backlog", raw_type_name(raw_types[t]), stands, waiting);
                const int listener = listen_at(raw_types[t], 10);
                struct unx_op op = {0};
                START(unx_engine_accept(e, &op, listener, stands ? UNX_STANDING : 0, -1));
                QUIET_FOR(e, 5);
                const int c = waiting ? client(raw_types[t]) : -1;
                CHECK_INT(shutdown(listener, SHUT_RD), 0);
                if (waiting) {
                    const struct unx_event ev = NEXT(e);
                    CHECK(ev.result >= 0);
                    CHECK_INT(ev.flags, stands ? UNX_MORE : 0);
                    leave(e, ev.result);
                    close(c);
                    if (!stands) {
                        START(unx_engine_accept(e, &op, listener, 0, -1));
                    }
                }
                LAST(e, &op, -EINVAL);
                leave(e, listener);
            }
        }
    }
}

static void accepted_as_asked_for(struct unx_engine *e)
{
    for (int stands = 0; stands < 2; stands++) {
        const int listener = listen_at(SOCK_SEQPACKET, 10);
        raw_set(listener, SO_PASSCRED, 1);
        struct unx_op op = {0};
        const unsigned flags = UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF;
        START(unx_engine_accept(e, &op, listener, flags | (stands ? UNX_STANDING : 0), -1));
        QUIET_FOR(e, 5);
        for (int i = 0; i <= stands; i++) {
            const int c = client(SOCK_SEQPACKET);
            const struct unx_event ev = NEXT(e);
            CHECK(ev.result >= 0);
            unsigned blind;
            CHECK_INT(raw_flags(ev.result, &blind) & ~UNX_PASSFDS, UNX_NONBLOCK | UNX_TIMESTAMP | UNX_PASSCRED);
            const int wanted = raw_get(c, SO_SNDBUF);
            CHECK(raw_get(ev.result, SO_SNDBUF) > wanted);
            CHECK(raw_cloexec(ev.result));
            close(c);
            leave(e, ev.result);
        }
        if (stands) {
            START(unx_engine_cancel(e, &op));
            LAST(e, &op, -ECANCELED);
        }
        leave(e, listener);
    }
}

/* A client that has gone again is a connection like any other. */
static void a_client_that_is_gone(struct unx_engine *e)
{
    const int listener = listen_at(SOCK_SEQPACKET, 10);
    const int c = client(SOCK_SEQPACKET);
    raw_send(c, "was here", 8, NULL, 0);
    close(c);
    struct unx_op op = {0};
    stand_accept(e, &op, listener);
    const struct unx_event ev = NEXT(e);
    CHECK(ev.result >= 0 && ev.flags == UNX_MORE);
    struct job j;
    job_recv_any(e, &j, ev.result);
    JOB_GETS(e, &j, "was here");
    job_recv_any(e, &j, ev.result);
    JOB_LAST(e, &j, 0);
    leave(e, ev.result);
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave(e, listener);
}

/* Cancelled whenever, while clients come: each of them is accepted once, by one or by the next. */
static void cancelled_without_loss(struct unx_engine *e)
{
    enum { ALL = 400 };
    const int listener = listen_at(SOCK_SEQPACKET, 64);
    struct unx_op op = {0};
    bool out = false;
    unsigned random = 3;
    for (unsigned came = 0, got = 0; got < ALL;) {
        random = random * 1103515245 + 12345;
        if (came < ALL && came < got + 30 && (random >> 16 & 1)) {
            const int c = client(SOCK_SEQPACKET);
            raw_send(c, &came, sizeof came, NULL, 0);
            close(c);
            came++;
        }
        if (!out) {
            START(unx_engine_accept(e, &op, listener, random >> 18 & 1 ? UNX_STANDING : 0, -1));
            out = true;
        } else if ((random >> 20 & 3) == 0) {
            const int r = QUIET(unx_engine_cancel(e, &op));
            CHECK(r == 0 || r == -ENOENT);
        }
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 0) == 1) {
            CHECK(ev.result >= 0 || (ev.result == -ECANCELED && ev.flags == 0));
            out = ev.flags != 0;
            if (ev.result >= 0) {
                check_arrived(ev.result, &got, sizeof got);
                close(ev.result);
                got++;
            }
        }
    }
    while (out) {
        unx_engine_cancel(e, &op);
        out = NEXT(e).flags != 0;
    }
    leave(e, listener);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(one_after_the_other),    ENGINE_CASE(a_burst),
    ENGINE_CASE(a_full_table),           ENGINE_CASE(ends_while_it_pauses),
    ENGINE_CASE(one_that_finds_no_room), ENGINE_CASE(a_listener_that_is_stopped),
    ENGINE_CASE(accepted_as_asked_for),  ENGINE_CASE(a_client_that_is_gone),
    ENGINE_CASE(cancelled_without_loss),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
