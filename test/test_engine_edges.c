// SPDX-License-Identifier: MIT
/*
 * Edges: the largest and the most scattered messages, directions that are shut, a peer that refuses, waits beside a
 * readiness that nobody wants, and a loop that never sleeps.
 */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>

/* As many pieces as there may be, some of them empty, through a small buffer. */
static void a_thousand_pieces(struct unx_engine *e)
{
    enum { PIECES = 1024, ALL = 300000 };
    static char data[ALL], got[ALL];
    static struct iovec out_pieces[PIECES], in_pieces[PIECES];
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        const size_t all = t == 1 ? ALL : 100000;
        raw_pattern(data, all, t);
        memset(got, 0, all);
        size_t at = 0, in_at = 0;
        for (unsigned i = 0; i < PIECES; i++) {
            const size_t n = i == PIECES - 1 ? all - at : i % 7 == 0 ? 0 : (i * 37) % (all / PIECES) + 1;
            const size_t m = i == PIECES - 1 ? all - in_at : i % 5 == 0 ? 0 : (i * 53) % (all / PIECES) + 1;
            out_pieces[i] = (struct iovec){data + at, n};
            in_pieces[i] = (struct iovec){got + in_at, m};
            at += n;
            in_at += m;
        }
        int s[2];
        raw_pair(raw_types[t], s);
        if (t == 1) {
            raw_set(s[0], SO_SNDBUF, 4096);
        }
        struct job out, in;
        job_bytes(&out, NULL, 0);
        out.m.iov = out_pieces;
        out.m.niov = PIECES;
        job_send(e, &out, s[0], 0, -1);
        bool sent = false;
        for (size_t received = 0; received < all || !sent;) {
            job_bytes(&in, got + received, all - received);
            if (received == 0) {
                in.m.iov = in_pieces;
                in.m.niov = PIECES;
            }
            if (received < all) {
                job_recv(e, &in, s[1], 0, -1);
            }
            for (bool more = true; more;) {
                const struct unx_event ev = NEXT(e);
                JOB_EVENT(ev, ev.op == &in.op ? &in : &out, 1);
                sent |= ev.op == &out.op;
                more = ev.op != &in.op && received < all;
                received += ev.op == &in.op ? in.m.len : 0;
            }
        }
        CHECK_INT(out.m.len, all);
        CHECK(raw_pattern_ok(got, all, t));
        leave_pair(e, s);
    }
}

/* A packet that does not fit the buffer fails at once, also where it would have to wait. */
static void a_packet_too_large(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t += 2) {
        for (int full = 0; full < 2; full++) {
            int s[2];
            raw_pair(raw_types[t], s);
            if (full) {
                fill_socket(s[0], 1000);
            }
            const int max = unx_max_packet(s[0]);
            char *data = calloc(1, (size_t)max + 1);
            struct job j;
            job_bytes(&j, data, (size_t)max + 1);
            job_send(e, &j, s[0], 0, -1);
            JOB_LAST(e, &j, -EMSGSIZE);
            CHECK_INT(j.m.len, 0);
            job_send(e, &j, s[0], UNX_PLAIN, -1);
            JOB_LAST(e, &j, -EMSGSIZE);
            if (!full) {
                job_bytes(&j, data, (size_t)max);
                job_send(e, &j, s[0], 0, -1);
                JOB_LAST(e, &j, 1);
            }
            free(data);
            leave_pair(e, s);
        }
    }
}

/* One's own side is shut, before or meanwhile. */
static void a_side_that_is_shut(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int meanwhile = 0; meanwhile < 2; meanwhile++) {
            ROW("%s, %s", raw_type_name(raw_types[t]), meanwhile ? "meanwhile" : "before");
            int s[2];
            raw_pair(raw_types[t], s);
            struct job in, out, more;
            if (!meanwhile) {
                CHECK_INT(shutdown(s[0], SHUT_RDWR), 0);
            } else {
                fill_socket(s[0], 1000);
            }
            job_recv_any(e, &in, s[0]);
            job_send_text(e, &out, s[0], "x");
            job_send_text(e, &more, s[0], "y");
            if (meanwhile) {
                QUIET_FOR(e, 5);
                CHECK_INT(shutdown(s[0], SHUT_RDWR), 0);
            }
            for (unsigned i = 0; i < 3; i++) {
                const struct unx_event ev = NEXT(e);
                JOB_EVENT(ev, ev.op == &in.op ? &in : ev.op == &out.op ? &out : &more, ev.op == &in.op ? 0 : -EPIPE);
            }
            leave_pair(e, s);
        }
    }
}

/* The peer takes no descriptors; that concerns this message, and the next one goes. */
static void a_peer_that_refuses(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], 0, s), 0);
        if (raw_option(s[0], RAW_SO_PASSRIGHTS) != 0) {
            SKIP("this kernel cannot refuse descriptors");
        }
        struct job refused, fine;
        job_bytes(&refused, "x", 1);
        refused.m.fds = s;
        refused.m.nfds = 2;
        job_send(e, &refused, s[0], 0, -1);
        job_send_text(e, &fine, s[0], "y");
        JOB_LAST(e, &refused, -EPERM);
        JOB_LAST(e, &fine, 1);
        check_arrived(s[1], "y", 1);
        leave_pair(e, s);
    }
}

/* Who waits for one thing is not kept awake by another. */
static void waiting_costs_nothing(struct unx_engine *e)
{
    enum { UNREAD, HALF_CLOSED, BOTH, ENDED, WRITABLE, WAYS };
    static const char *const names[] = {"unread data", "half closed", "both", "after the end", "writable"};
    for (int how = 0; how < WAYS; how++) {
        ROW("%s", names[how]);
        int s[2];
        raw_pair(SOCK_STREAM, s);
        struct job j, other;
        struct unx_op poller = {0};
        if (how == UNREAD || how == BOTH) {
            raw_send(s[1], "x", 1, NULL, 0);
        }
        if (how == HALF_CLOSED || how == BOTH || how == ENDED) {
            CHECK_INT(shutdown(s[1], SHUT_WR), 0);
        }
        if (how == ENDED) {
            job_recv_any(e, &other, s[0]);
            JOB_LAST(e, &other, 0);
        }
        if (how == WRITABLE) {
            job_recv_any(e, &j, s[0]);
        } else {
            fill_socket(s[0], 1000);
            job_send_text(e, &j, s[0], "late");
        }
        START(unx_engine_poll(e, &poller, s[0], POLLPRI, -1));
        QUIET_FOR(e, 5);
        const int64_t cpu = engine_cpu();
        QUIET_FOR(e, 250);
        const int64_t used = engine_cpu() - cpu;
        NOTE("%s: %lld us of the processor in 250 ms", names[how], (long long)used);
        CHECK(used < (harness_slow() ? 40000 : 8000));
        START(unx_engine_cancel(e, &poller));
        LAST(e, &poller, -ECANCELED);
        START(unx_engine_cancel(e, &j.op));
        JOB_LAST(e, &j, -ECANCELED);
        leave_pair(e, s);
    }
}

/* A loop that only looks, and never waits, misses neither time nor anything else. */
static void looking_without_waiting(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in, late;
    struct unx_op timer = {0}, posted = {0};
    job_recv_any(e, &in, s[0]);
    job_room(&late);
    job_recv(e, &late, s[1], 0, 40);
    START(unx_engine_timer(e, &timer, 20));
    unsigned events = 0;
    const int64_t start = raw_now();
    for (bool sent = false; events < 4; sent = true) {
        struct unx_event ev;
        if (!sent) {
            START(unx_engine_post(e, &posted, 7));
            raw_send(s[1], "x", 1, NULL, 0);
        }
        const int n = QUIET(unx_engine_reap(e, &ev, 1, 0));
        CHECK(n == 0 || n == 1);
        events += (unsigned)n;
        if (n == 1) {
            CHECK_INT(ev.result, ev.op == &posted ? 7 : ev.op == &in.op ? 1 : ev.op == &timer ? 0 : -ETIMEDOUT);
        }
        CHECK(raw_now() - start < 3000);
    }
    raw_took(start, 40);
    leave_pair(e, s);
}

/* Larger arrays than the depth, and than what a system call brings. */
static void a_large_harvest(struct unx_engine *e)
{
    enum { SOCKETS = 40, EACH = 25 };
    static struct unx_event ev[SOCKETS * EACH];
    static struct unx_op ops[SOCKETS];
    START(unx_engine_buffers(e, SOCKETS * EACH, 16));
    int s[SOCKETS][2];
    unsigned next[SOCKETS] = {0}, total = 0;
    for (unsigned i = 0; i < SOCKETS; i++) {
        raw_pair(raw_types[i % 2 * 2], s[i]);
        STAND(e, &ops[i], s[i][0]);
        for (unsigned n = 0; n < EACH; n++) {
            raw_send(s[i][1], &n, sizeof n, NULL, 0);
        }
    }
    while (total < SOCKETS * EACH) {
        const int n = QUIET(unx_engine_reap(e, ev + total, SOCKETS * EACH - total, 2000));
        CHECK(n > 0);
        for (int i = 0; i < n; i++, total++) {
            CHECK_INT(ev[total].result, 1);
            CHECK_MEM(ev[total].msg->iov[0].iov_base, ev[total].msg->len, &next[ev[total].op - ops], sizeof *next);
            next[ev[total].op - ops]++;
        }
    }
    for (unsigned i = 0; i < total; i++) {
        give_back(e, ev[i].msg);
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        START(unx_engine_cancel(e, &ops[i]));
        LAST(e, &ops[i], -ECANCELED);
        leave_pair(e, s[i]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(a_thousand_pieces),   ENGINE_CASE(a_packet_too_large),    ENGINE_CASE(a_side_that_is_shut),
    ENGINE_CASE(a_peer_that_refuses), ENGINE_CASE(waiting_costs_nothing), ENGINE_CASE(looking_without_waiting),
    ENGINE_CASE(a_large_harvest),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
