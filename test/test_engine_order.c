// SPDX-License-Identifier: MIT
/*
 * Order: operations on one descriptor complete as they were started, each direction by itself,
 * whatever ends in between.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

#define MANY 200u

/* The next one of the receives got this packet. */
static void got_number(struct unx_event ev, const struct job *j, unsigned n)
{
    JOB_EVENT(ev, j, 1);
    CHECK_MEM(j->data, j->m.len, &n, sizeof n);
}

static void receives(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t += 2) {
        ROW("%s", raw_type_name(raw_types[t]));
        static struct job jobs[MANY];
        int s[2];
        raw_pair(raw_types[t], s);
        for (unsigned i = 0; i < 20; i++) {
            send_number(s[1], i);
        }
        for (unsigned i = 0; i < MANY; i++) {
            job_recv_any(e, &jobs[i], s[0]);
        }
        for (unsigned i = 0; i < MANY; i++) {
            if (i % 20 == 0 && i > 0) {
                QUIET_FOR(e, 0);
                for (unsigned n = i; n < i + 20; n++) {
                    send_number(s[1], n);
                }
            }
            got_number(NEXT(e), &jobs[i], i);
        }
        leave_pair(e, s);
    }
}

/* Far more than the socket takes at once, in packets of all sizes. */
static void sends(struct unx_engine *e)
{
    static char data[50000], got[50000];
    for (unsigned t = 0; t < 3; t += 2) {
        ROW("%s", raw_type_name(raw_types[t]));
        static struct job jobs[MANY];
        int s[2];
        raw_pair(raw_types[t], s);
        raw_pattern(data, sizeof data, 0);
        for (unsigned i = 0; i < MANY; i++) {
            job_bytes(&jobs[i], data + i, 1 + i * 211);
            job_send(e, &jobs[i], s[0], 0, -1);
        }
        unsigned sent = 0, received = 0;
        while (sent < MANY || received < MANY) {
            struct unx_event ev;
            if (unx_engine_reap(e, &ev, 1, 0) == 1) {
                JOB_EVENT(ev, &jobs[sent], 1);
                CHECK_INT(jobs[sent].m.len, 1 + sent * 211);
                sent++;
            }
            struct raw_got g;
            raw_recv(s[1], got, sizeof got, MSG_DONTWAIT, &g);
            if (g.result != -EAGAIN) {
                CHECK_INT(g.result, 1 + received * 211);
                CHECK(raw_pattern_ok(got, (size_t)g.result, received));
                received++;
            }
        }
        leave_pair(e, s);
    }
}

static void a_peek_sees_what_the_next_gets(struct unx_engine *e)
{
    static const struct {
        unsigned flags;
        unsigned number;
    } line[] = {{0, 0}, {UNX_PEEK, 1}, {UNX_PEEK, 1}, {0, 1}, {UNX_PEEK_FDS, 2}, {UNX_KEEP, 2}, {UNX_PLAIN, 3}, {0, 4}};
    for (int before = 0; before < 2; before++) {
        for (unsigned t = 0; t < 3; t += 2) {
            ROW("%s, %s", raw_type_name(raw_types[t]), before ? "there before" : "there later");
            struct job jobs[8];
            int s[2];
            raw_pair(raw_types[t], s);
            for (unsigned i = 0; before && i < 5; i++) {
                send_number(s[1], i);
            }
            for (unsigned i = 0; i < 8; i++) {
                job_room(&jobs[i]);
                job_recv(e, &jobs[i], s[0], line[i].flags, -1);
            }
            for (unsigned i = 0; !before && i < 5; i++) {
                QUIET_FOR(e, 0);
                send_number(s[1], i);
                for (unsigned n = 0; n < 8; n++) {
                    if (line[n].number == i) {
                        got_number(NEXT(e), &jobs[n], i);
                    }
                }
            }
            for (unsigned i = 0; before && i < 8; i++) {
                got_number(NEXT(e), &jobs[i], line[i].number);
            }
            leave_pair(e, s);
        }
    }
}

static void each_direction_by_itself(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct job in, in2, out, out2;
        job_recv_any(e, &in, s[0]);
        job_recv_any(e, &in2, s[0]);
        job_send_text(e, &out, s[0], "past the receives");
        JOB_LAST(e, &out, 1);
        fill_socket(s[0], 1000);
        job_send_text(e, &out, s[0], "waits");
        job_send_text(e, &out2, s[0], "waits, too");
        QUIET_FOR(e, 5);
        raw_send(s[1], "one", 3, NULL, 0);
        JOB_GETS(e, &in, "one");
        raw_send(s[1], "two", 3, NULL, 0);
        JOB_GETS(e, &in2, "two");
        QUIET_FOR(e, 5);
        START(unx_engine_cancel(e, &out2.op));
        JOB_LAST(e, &out2, -ECANCELED);
        START(unx_engine_cancel(e, &out.op));
        JOB_LAST(e, &out, -ECANCELED);
        leave_pair(e, s);
    }
}

/* Whoever leaves the line, the others keep their places. */
static void some_leave_the_line(struct unx_engine *e)
{
    for (unsigned leaver = 0; leaver < 5; leaver++) {
        for (int late = 0; late < 2; late++) {
            ROW("number %u, %s", leaver, late ? "by its deadline" : "cancelled");
            struct job jobs[5];
            int s[2];
            raw_pair(SOCK_SEQPACKET, s);
            for (unsigned i = 0; i < 5; i++) {
                job_room(&jobs[i]);
                job_recv(e, &jobs[i], s[0], 0, late && i == leaver ? 20 : -1);
            }
            if (late) {
                JOB_LAST(e, &jobs[leaver], -ETIMEDOUT);
            } else {
                QUIET_FOR(e, 0);
                START(unx_engine_cancel(e, &jobs[leaver].op));
                JOB_LAST(e, &jobs[leaver], -ECANCELED);
            }
            CHECK_INT(jobs[leaver].m.len, 0);
            for (unsigned i = 0, n = 0; i < 5; i++) {
                if (i != leaver) {
                    send_number(s[1], n);
                    got_number(NEXT(e), &jobs[i], n++);
                }
            }
            leave_pair(e, s);
        }
    }
}

static void some_leave_the_line_of_sends(struct unx_engine *e)
{
    for (unsigned leaver = 0; leaver < 5; leaver++) {
        ROW("number %u", leaver);
        static struct job jobs[5];
        static char data[1000], got[1000];
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        const unsigned before = fill_socket(s[0], sizeof data);
        raw_pattern(data, sizeof data, 0);
        for (unsigned i = 0; i < 5; i++) {
            job_bytes(&jobs[i], data + i, 900);
            job_send(e, &jobs[i], s[0], 0, leaver == i ? 10000 : -1);
        }
        QUIET_FOR(e, 5);
        START(unx_engine_cancel(e, &jobs[leaver].op));
        JOB_LAST(e, &jobs[leaver], -ECANCELED);
        CHECK_INT(jobs[leaver].m.len, 0);
        struct raw_got g;
        for (unsigned i = 0; i < before; i++) {
            raw_recv(s[1], got, sizeof got, 0, &g);
        }
        for (unsigned i = 0; i < 5; i++) {
            if (i != leaver) {
                JOB_LAST(e, &jobs[i], 1);
                raw_recv(s[1], got, sizeof got, MSG_DONTWAIT, &g);
                CHECK_INT(g.result, 900);
                CHECK(raw_pattern_ok(got, 900, i));
            }
        }
        check_nothing(s[1]);
        leave_pair(e, s);
    }
}

/* Waits for what is in front of it, so with deadline 0 it goes at once. */
static void no_time_to_queue(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job first, second, third;
    job_recv_any(e, &first, s[0]);
    job_room(&second);
    job_recv(e, &second, s[0], 0, 0);
    job_recv_any(e, &third, s[0]);
    JOB_LAST(e, &second, -EAGAIN);
    QUIET_FOR(e, 5);
    send_number(s[1], 1);
    got_number(NEXT(e), &first, 1);
    send_number(s[1], 2);
    got_number(NEXT(e), &third, 2);
    leave_pair(e, s);
}

/* But it goes as well, if what is in front of it need not wait. */
static void no_time_and_no_need(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int full = 0; full < 2; full++) {
            for (int fds = 0; fds < 2; fds++) {
                ROW("%s, %s, %d descriptors", raw_type_name(raw_types[t]), full ? "full" : "room", fds);
                struct job out[4], in[4];
                int s[2];
                raw_pair(raw_types[t], s);
                if (full) {
                    fill_socket(s[0], 1000);
                }
                for (unsigned i = 0; i < 4; i++) {
                    job_bytes(&out[i], &"abcd"[i], 1);
                    out[i].m.fds = s;
                    out[i].m.nfds = (unsigned)fds;
                    job_send(e, &out[i], s[0], 0, i == 0 || i == 3 ? -1 : 0);
                    if (!full) {
                        raw_send(s[1], "x", 1, NULL, 0);
                    }
                }
                for (unsigned i = full; i < (full ? 3 : 4); i++) {
                    JOB_LAST(e, &out[i], full ? -EAGAIN : 1);
                }
                QUIET_FOR(e, 2);
                for (unsigned i = 0; i < 4; i += 3) {
                    CHECK_INT(QUIET(unx_engine_cancel(e, &out[i].op)), full ? 0 : -ENOENT);
                    if (full) {
                        JOB_LAST(e, &out[i], -ECANCELED);
                    }
                }
                for (unsigned i = 0; !full && i < 4; i++) {
                    job_room(&in[i]);
                    in[i].iov.iov_len = 1;
                    job_recv(e, &in[i], s[0], 0, i == 0 ? -1 : 0);
                }
                for (unsigned i = 0; !full && i < 4; i++) {
                    JOB_GETS(e, &in[i], "x");
                }
                leave_pair(e, s);
            }
        }
    }
}

static void a_failure_is_that_of_one(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job jobs[4];
    for (unsigned i = 0; i < 4; i++) {
        job_room(&jobs[i]);
        jobs[i].iov.iov_len = i == 1 ? 2 : sizeof jobs[i].data;
        job_recv(e, &jobs[i], s[0], 0, -1);
    }
    for (unsigned i = 0; i < 4; i++) {
        send_number(s[1], i);
    }
    for (unsigned i = 0; i < 4; i++) {
        const struct unx_event ev = NEXT(e);
        if (i == 1) {
            JOB_EVENT(ev, &jobs[i], -EMSGSIZE);
            CHECK_INT(jobs[i].m.full_len, sizeof i);
        } else {
            got_number(ev, &jobs[i], i);
        }
    }
    leave_pair(e, s);
}

static void a_standing_receive_has_its_place(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op standing = {0};
    struct job before, after;
    job_recv_any(e, &before, s[0]);
    START(unx_engine_recv(e, &standing, s[0], NULL, UNX_STANDING, -1));
    job_recv_any(e, &after, s[0]);
    for (unsigned i = 0; i < 4; i++) {
        send_number(s[1], i);
    }
    got_number(NEXT(e), &before, 0);
    for (unsigned i = 1; i < 4; i++) {
        const struct unx_event ev = MORE(e, &standing, 1);
        CHECK_MEM(ev.msg->iov[0].iov_base, ev.msg->len, &i, sizeof i);
        START(unx_engine_return(e, ev.msg));
    }
    QUIET_FOR(e, 5);
    START(unx_engine_cancel(e, &standing));
    LAST(e, &standing, -ECANCELED);
    QUIET_FOR(e, 5);
    send_number(s[1], 4);
    got_number(NEXT(e), &after, 4);
    leave_pair(e, s);
}

static void accepts(struct unx_engine *e)
{
    const struct raw_addr a = raw_path(raw_file("server"));
    const int listener = raw_listen(SOCK_SEQPACKET, a, 10);
    CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    struct unx_op ops[6] = {{0}};
    int clients[6], fds[5];
    for (unsigned i = 0; i < 6; i++) {
        START(unx_engine_accept(e, &ops[i], listener, 0, -1));
    }
    QUIET_FOR(e, 5);
    START(unx_engine_cancel(e, &ops[2]));
    LAST(e, &ops[2], -ECANCELED);
    for (unsigned i = 0; i < 6; i++) {
        clients[i] = raw_connect(SOCK_SEQPACKET, a);
        send_number(clients[i], i);
    }
    for (unsigned i = 0, n = 0; i < 6; i++) {
        if (i != 2) {
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &ops[i]);
            CHECK(ev.result >= 0);
            check_arrived(ev.result, &n, sizeof n);
            fds[n++] = ev.result;
        }
    }
    for (unsigned i = 0; i < 6; i++) {
        close(clients[i]);
        if (i < 5) {
            leave(e, fds[i]);
        }
    }
    leave(e, listener);
}

/* With room for one event: the last one of an operation that was there before comes before what a standing one
 * brings. */
static void nothing_overtakes_the_last(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2], other[2];
        struct job before, none;
        struct unx_op op = {0};
        struct unx_event ev;
        raw_pair(raw_types[t], s);
        raw_pair(raw_types[t], other);
        job_send_text(e, &before, other[0], "x");
        job_room(&none);
        job_recv(e, &none, s[0], 0, 0);
        STAND(e, &op, s[0]);
        raw_send(s[1], "hello", 5, NULL, 0);
        /* Takes what is done already; so the next one asks the system first. */
        CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 1000)), 1);
        JOB_EVENT(ev, &before, 1);
        JOB_LAST(e, &none, -EAGAIN);
        give_back(e, STAND_GETS(e, &op, "hello"));
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        leave_pair(e, s);
        leave_pair(e, other);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(receives),
    ENGINE_CASE(sends),
    ENGINE_CASE(a_peek_sees_what_the_next_gets),
    ENGINE_CASE(each_direction_by_itself),
    ENGINE_CASE(some_leave_the_line),
    ENGINE_CASE(some_leave_the_line_of_sends),
    ENGINE_CASE(no_time_to_queue),
    ENGINE_CASE(no_time_and_no_need),
    ENGINE_CASE(a_failure_is_that_of_one),
    ENGINE_CASE(a_standing_receive_has_its_place),
    ENGINE_CASE(accepts),
    ENGINE_CASE(nothing_overtakes_the_last),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
