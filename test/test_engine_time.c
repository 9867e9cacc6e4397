// SPDX-License-Identifier: MIT
/*
 * Time: timers in their order, deadlines under signals, nothing forgotten while there is much to do, and no use of the
 * processor while there is nothing.
 *
 * What surprised us: a deadline that is kept only when the engine sleeps is never kept by one that has always something
 * to reap.
 */
#include "engine.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>

/* Starts all of them: false if that took so long that their order is another, and then none is out. */
static bool timers_at_once(struct unx_engine *e, struct unx_op ops[7], const int times[7])
{
    const int64_t start = raw_now();
    for (unsigned i = 0; i < 7; i++) {
        START(unx_engine_timer(e, &ops[i], times[i]));
    }
    if (raw_now() - start < 10) {
        return true;
    }
    for (unsigned i = 0; i < 7; i++) {
        unx_engine_cancel(e, &ops[i]);
    }
    for (unsigned i = 0; i < 7; i++) {
        CHECK_INT(NEXT(e).flags, 0);
    }
    return false;
}

static void timers_in_their_order(struct unx_engine *e)
{
    static const int times[] = {40, 0, 80, 10, 40, 120, 20};
    static const unsigned order[] = {1, 3, 6, 0, 4, 2, 5};
    struct unx_op ops[7] = {{0}};
    int64_t start;
    do {
        start = raw_now();
    } while (!timers_at_once(e, ops, times));
    for (unsigned i = 0; i < 7; i++) {
        CHECK(LAST(e, &ops[order[i]], 0).msg == NULL);
        raw_took(start, times[order[i]]);
    }
}

static void timers_are_cancelled(struct unx_engine *e)
{
    struct unx_op a = {0}, b = {0}, now = {0};
    START(unx_engine_timer(e, &a, 20));
    START(unx_engine_timer(e, &b, 30));
    START(unx_engine_cancel(e, &a));
    LAST(e, &a, -ECANCELED);
    LAST(e, &b, 0);
    CHECK_INT(QUIET(unx_engine_cancel(e, &b)), -ENOENT);
    START(unx_engine_timer(e, &now, 0));
    const int r = QUIET(unx_engine_cancel(e, &now));
    CHECK(r == 0 || r == -ENOENT);
    const struct unx_event ev = NEXT(e);
    CHECK(ev.op == &now && ev.flags == 0);
    CHECK(ev.result == 0 || (ev.result == -ECANCELED && r == 0));
}

/* Started, ended and cancelled in any order: each comes once, not early, and in the order of their times. */
static void thousands_of_timers(struct unx_engine *e)
{
    enum { N = 5000 };
    static struct unx_op ops[N];
    static int64_t due[N], due_at_most[N];
    static bool cancelled[N], done[N];
    unsigned random = 11, ncancelled = 0;
    for (unsigned i = 0; i < N; i++) {
        random = random * 1103515245 + 12345;
        const int ms = (int)(random >> 16) % 300;
        due[i] = raw_now() + ms;
        START(unx_engine_timer(e, &ops[i], ms));
        due_at_most[i] = raw_now() + ms;
        if (i % 3 == 2) {
            const unsigned at = (random >> 8) % i;
            cancelled[at] |= unx_engine_cancel(e, &ops[at]) == 0;
        }
    }
    int64_t last = 0;
    struct unx_event ev[64];
    for (unsigned n = 0; n < N;) {
        const int got = unx_engine_reap(e, ev, 64, 2000);
        CHECK(got > 0);
        for (int i = 0; i < got; i++) {
            const size_t at = (size_t)(ev[i].op - ops);
            CHECK(at < N && !done[at]);
            done[at] = true;
            n++;
            CHECK_INT(ev[i].result, cancelled[at] ? -ECANCELED : 0);
            ncancelled += cancelled[at];
            if (!cancelled[at]) {
                CHECK(raw_now() >= due[at] - 1);
                CHECK(due_at_most[at] >= last - 2);
                last = due[at] > last ? due[at] : last;
            }
        }
    }
    NOTE("%u of %u were cancelled", ncancelled, (unsigned)N);
    CHECK(ncancelled > N / 10);
}

/* Each kind of operation, its deadline, and the wait itself. */
static void signals_do_not_disturb(struct unx_engine *e)
{
    raw_need_quiet();
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    fill_socket(s[0], 1000);
    const int listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(unx_set_nonblock(listener, 1), 0);
    const int full = raw_listen(SOCK_STREAM, raw_path(raw_file("full")), 0);
    const int first = raw_connect(SOCK_STREAM, raw_path(raw_file("full")));
    struct unx_addr to;
    CHECK_INT(unx_addr_path(&to, raw_file("full")), 0);
    struct job in, out;
    struct unx_op standing = {0}, accepting = {0}, connecting = {0}, polled = {0}, timer = {0};
    raw_signals_start();
    const int64_t start = raw_now();
    const int step = harness_slow() ? 300 : 30;
    job_room(&in);
    job_recv(e, &in, s[0], 0, 100);
    job_bytes(&out, "x", 1);
    job_send(e, &out, s[0], 0, 100 + step);
    START(unx_engine_recv(e, &standing, s[1], NULL, UNX_STANDING, 100 + 2 * step));
    START(unx_engine_accept(e, &accepting, listener, 0, 100 + 3 * step));
    START(unx_engine_connect(e, &connecting, SOCK_STREAM, 0, NULL, &to, 100 + 4 * step));
    START(unx_engine_poll(e, &polled, s[0], POLLPRI, 100 + 5 * step));
    START(unx_engine_timer(e, &timer, 100 + 6 * step));
    struct unx_op *const ops[] = {&in.op, &out.op, &standing, &accepting, &connecting, &polled, &timer};
    bool over[7] = {false}, late = false;
    unsigned received = 0;
    for (unsigned n = 0; n < 7;) {
        const struct unx_event ev = NEXT(e);
        if (ev.flags == UNX_MORE) {
            CHECK(ev.op == &standing);
            give_back(e, ev.msg);
            received++;
            continue;
        }
        unsigned i = 0;
        while (i < 7 && ops[i] != ev.op) {
            i++;
        }
        CHECK(i < 7 && !over[i]);
        over[i] = true;
        n++;
        if (ev.op == &out.op && ev.result == 1) {
            /* The standing one has made room for it. */
            JOB_EVENT(ev, &out, 1);
            continue;
        }
        CHECK_INT(ev.result, ev.op == &timer ? 0 : -ETIMEDOUT);
        raw_took(start, 100 + step * (int)i);
        late |= raw_now() - start > 120 + step * (int)i;
    }
    /* Where nobody ran for a while all that is left may be deadlines. */
    CHECK(received > 1 || late);
    QUIET_FOR(e, 100);
    raw_took(start, 200 + 6 * step);
    raw_signals_came(20);
    close(first);
    close(full);
    leave(e, listener);
    leave_pair(e, s);
}

/* That of a standing receive counts from its start, whatever comes. */
static void a_deadline_for_all_messages(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {0};
    const int64_t start = raw_now();
    START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING, 120));
    for (;;) {
        raw_send(s[1], "again", 5, NULL, 0);
        const struct unx_event ev = NEXT(e);
        if (ev.flags == 0) {
            CHECK_INT(ev.result, -ETIMEDOUT);
            break;
        }
        CHECK_INT(ev.result, 1);
        give_back(e, ev.msg);
        raw_sleep(7);
    }
    raw_took(start, 120);
    leave_pair(e, s);
}

/* There is always something to reap, made by the system, by another thread's call or by the start itself, as much as
 * the array takes; deadlines and other descriptors have their turn all the same. */
static void nobody_starves_of(struct unx_engine *e, unsigned max)
{
    int busy[2], calm[2];
    raw_pair(SOCK_SEQPACKET, busy);
    raw_pair(SOCK_SEQPACKET, calm);
    struct job often, seldom, late;
    struct unx_op timer = {0}, again = {0}, at_once[4] = {{0}};
    job_recv_any(e, &seldom, calm[0]);
    job_room(&late);
    job_recv(e, &late, calm[1], 0, 60);
    START(unx_engine_timer(e, &timer, 40));
    START(unx_engine_post(e, &again, 1));
    raw_send(calm[1], "x", 1, NULL, 0);
    raw_send(busy[1], "y", 1, NULL, 0);
    job_recv_any(e, &often, busy[0]);
    for (unsigned i = 0; i < max; i++) {
        START(unx_engine_poll(e, &at_once[i], busy[0], POLLOUT, 0));
    }
    unsigned rounds = 0, turns = 0;
    for (const int64_t start = raw_now(); turns < 3; rounds++) {
        CHECK(raw_now() - start < 8000);
        struct unx_event ev[4];
        const int n = unx_engine_reap(e, ev, max, -1);
        CHECK(n > 0);
        for (int i = 0; i < n; i++) {
            if (ev[i].op == &again) {
                START(unx_engine_post(e, &again, 1));
            } else if (ev[i].op == &often.op) {
                raw_send(busy[1], "y", 1, NULL, 0);
                job_recv_any(e, &often, busy[0]);
            } else if (ev[i].op >= at_once && ev[i].op < at_once + 4) {
                START(unx_engine_poll(e, ev[i].op, busy[0], POLLOUT, 0));
            } else {
                CHECK(ev[i].op == &seldom.op || ev[i].op == &timer || ev[i].op == &late.op);
                turns++;
            }
        }
    }
    NOTE("%u at a time: after %u rounds", max, rounds);
    unx_engine_cancel(e, &often.op);
    struct unx_event ev[4];
    while (unx_engine_reap(e, ev, 4, 10) > 0) {
    }
    leave_pair(e, busy);
    leave_pair(e, calm);
}

static void nobody_starves(struct unx_engine *e)
{
    nobody_starves_of(e, 1);
    nobody_starves_of(e, 4);
}

/* One peer sends without end, another one message: it is not the last one to be heard. */
static void a_flood_drowns_nobody(struct unx_engine *e)
{
    int flood[2], calm[2];
    raw_pair(SOCK_STREAM, flood);
    raw_pair(SOCK_SEQPACKET, calm);
    struct unx_op a = {0}, b = {0};
    START(unx_engine_buffers(e, 32, 64));
    fill_socket(flood[1], 1000);
    STAND(e, &a, flood[0]);
    STAND(e, &b, calm[0]);
    raw_send(calm[1], "x", 1, NULL, 0);
    unsigned before = 0;
    for (bool heard = false; !heard;) {
        struct unx_event ev[16];
        const int n = unx_engine_reap(e, ev, 16, 1000);
        CHECK(n > 0);
        for (int i = 0; i < n; i++) {
            CHECK_INT(ev[i].result, 1);
            heard |= ev[i].op == &b;
            before += !heard;
            give_back(e, ev[i].msg);
        }
        raw_try_send(flood[1], "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", 64, NULL, 0,
                     MSG_DONTWAIT);
    }
    NOTE("behind %u events", before);
    CHECK(before < 500);
    START(unx_engine_cancel(e, &a));
    START(unx_engine_cancel(e, &b));
    for (unsigned last = 0; last < 2;) {
        const struct unx_event ev = NEXT(e);
        last += ev.flags == 0;
        if (ev.msg != NULL) {
            give_back(e, ev.msg);
        }
    }
    leave_pair(e, flood);
    leave_pair(e, calm);
}

static long switches(void)
{
    char line[128];
    long n = -1;
    FILE *f = fopen("/proc/thread-self/status", "re");
    CHECK(f != NULL);
    while (fgets(line, sizeof line, f) != NULL) {
        if (sscanf(line, "voluntary_ctxt_switches: %ld", &n) == 1) {
            break;
        }
    }
    fclose(f);
    CHECK(n >= 0);
    return n;
}

/* All kinds of operations wait for things that do not happen. */
static void idle(struct unx_engine *e)
{
    raw_need_quiet();
    enum { N = 30 };
    static struct job in[N], out[N];
    struct unx_op standing[N] = {{0}}, polls[N] = {{0}}, timer = {0}, accepting = {0};
    int s[N][2], t[N][2];
    const int listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(unx_set_nonblock(listener, 1), 0);
    START(unx_engine_accept(e, &accepting, listener, UNX_STANDING, -1));
    START(unx_engine_timer(e, &timer, 3600000));
    for (unsigned i = 0; i < N; i++) {
        raw_pair(raw_types[i % 3], s[i]);
        raw_pair(raw_types[i % 3], t[i]);
        job_room(&in[i]);
        job_recv(e, &in[i], s[i][0], 0, i % 2 ? -1 : 3600000);
        fill_socket(s[i][0], 1000);
        job_send_text(e, &out[i], s[i][0], "x");
        STAND(e, &standing[i], t[i][0]);
        START(unx_engine_poll(e, &polls[i], t[i][1], POLLIN, -1));
    }
    QUIET_FOR(e, 50);
    const int64_t cpu = engine_cpu();
    const long before = switches();
    QUIET_FOR(e, 1000);
    const long woken = switches() - before;
    const int64_t used = engine_cpu() - cpu;
    NOTE("%ld voluntary context switches, %lld us of the processor in a second", woken, (long long)used);
    CHECK(woken <= 2);
    CHECK(used < (harness_slow() ? 20000 : 3000));
    struct unx_op closing = {0};
    for (unsigned i = 0; i < N; i++) {
        for (unsigned n = 0; n < 4; n++) {
            START(unx_engine_close(e, &closing, n < 2 ? s[i][n] : t[i][n - 2]));
            while (NEXT(e).op != &closing) {
            }
        }
    }
    START(unx_engine_cancel(e, &timer));
    LAST(e, &timer, -ECANCELED);
    START(unx_engine_cancel(e, &accepting));
    LAST(e, &accepting, -ECANCELED);
    leave(e, listener);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(timers_in_their_order),       ENGINE_CASE(timers_are_cancelled),
    ENGINE_CASE(thousands_of_timers),         ENGINE_CASE(signals_do_not_disturb),
    ENGINE_CASE(a_deadline_for_all_messages), ENGINE_CASE(nobody_starves),
    ENGINE_CASE(a_flood_drowns_nobody),       ENGINE_CASE(idle),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
