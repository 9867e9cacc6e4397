// SPDX-License-Identifier: MIT
/*
 * Standing receives for which no buffer of the pool is left: messages wait in their sockets, at no cost and in order,
 * and ending, cancelling and closing go on as ever.
 */
#include "engine.h"

#include <string.h>

/* A standing receive on s[0] with all its three buffers in the caller's hands, and more queued in the socket. */
struct starved {
    int s[2];
    struct unx_op op;
    struct unx_msg *held[3];
};

static void starve(struct unx_engine *e, struct starved *v, int timeout_ms)
{
    *v = (struct starved){.op = {0}};
    raw_pair(SOCK_SEQPACKET, v->s);
    START(unx_engine_buffers(e, 3, 64));
    START(unx_engine_recv(e, &v->op, v->s[0], NULL, UNX_STANDING, timeout_ms));
    for (unsigned i = 0; i < 8; i++) {
        send_number(v->s[1], i);
    }
    for (unsigned i = 0; i < 3; i++) {
        v->held[i] = stand_number(e, &v->op, i);
    }
    QUIET_FOR(e, 5);
}

static void give_all_back(struct unx_engine *e, const struct starved *v)
{
    for (unsigned i = 0; i < 3; i++) {
        give_back(e, v->held[i]);
    }
}

static void messages_wait_for_a_buffer(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    for (unsigned i = 3; i < 8; i++) {
        /* Not in the order in which they came. */
        give_back(e, v.held[(i + 1) % 3]);
        v.held[(i + 1) % 3] = stand_number(e, &v.op, i);
        QUIET_FOR(e, 2);
    }
    give_all_back(e, &v);
    QUIET_FOR(e, 5);
    send_number(v.s[1], 8);
    give_back(e, stand_number(e, &v.op, 8));
    START(unx_engine_cancel(e, &v.op));
    LAST(e, &v.op, -ECANCELED);
    leave_pair(e, v.s);
}

static void waiting_for_a_buffer_costs_nothing(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    const int64_t cpu = engine_cpu();
    QUIET_FOR(e, 400);
    const int64_t used = engine_cpu() - cpu;
    NOTE("%lld us of the processor in 400 ms", (long long)used);
    CHECK(used < (harness_slow() ? 40000 : 8000));
    START(unx_engine_cancel(e, &v.op));
    LAST(e, &v.op, -ECANCELED);
    give_all_back(e, &v);
    leave_pair(e, v.s);
}

static void starved_ones_end_too(struct unx_engine *e)
{
    struct starved v;
    /* Enough for a busy machine to come so far. */
    starve(e, &v, 2000);
    LAST(e, &v.op, -ETIMEDOUT);
    give_all_back(e, &v);
    QUIET_FOR(e, 5);
    for (unsigned i = 3; i < 8; i++) {
        check_arrived(v.s[0], &i, sizeof i);
    }
    leave_pair(e, v.s);
}

static void starved_ones_are_cancelled(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    START(unx_engine_cancel(e, &v.op));
    LAST(e, &v.op, -ECANCELED);
    /* The next one has to wait for a buffer as well, and gets what was left. */
    struct unx_op next = {0};
    STAND(e, &next, v.s[0]);
    QUIET_FOR(e, 5);
    give_all_back(e, &v);
    for (unsigned i = 3; i < 8; i++) {
        give_back(e, stand_number(e, &next, i));
    }
    START(unx_engine_cancel(e, &next));
    LAST(e, &next, -ECANCELED);
    leave_pair(e, v.s);
}

static void starved_ones_are_closed(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    struct unx_op closing = {0};
    START(unx_engine_close(e, &closing, v.s[0]));
    LAST(e, &v.op, -ECANCELED);
    LAST(e, &closing, 0);
    /* What was received is still there, though its socket is not. */
    for (unsigned i = 0; i < 3; i++) {
        CHECK_MEM(v.held[i]->iov[0].iov_base, v.held[i]->len, &i, sizeof i);
    }
    give_all_back(e, &v);
    leave(e, v.s[1]);
}

static void starved_ones_see_the_end_last(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    close(v.s[1]);
    QUIET_FOR(e, 10);
    for (unsigned i = 3; i < 8; i++) {
        give_back(e, v.held[i % 3]);
        v.held[i % 3] = stand_number(e, &v.op, i);
    }
    give_all_back(e, &v);
    LAST(e, &v.op, 0);
    leave(e, v.s[0]);
}

/* Who waits for a buffer holds nobody up who needs none. */
static void others_go_on(struct unx_engine *e)
{
    struct starved v;
    starve(e, &v, -1);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in, out, back;
    struct unx_op timer = {0};
    job_recv_any(e, &in, s[0]);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &in, "x");
    job_send_text(e, &out, v.s[0], "the other direction");
    JOB_LAST(e, &out, 1);
    job_recv_any(e, &back, v.s[1]);
    JOB_GETS(e, &back, "the other direction");
    START(unx_engine_timer(e, &timer, 5));
    LAST(e, &timer, 0);
    START(unx_engine_cancel(e, &v.op));
    LAST(e, &v.op, -ECANCELED);
    give_all_back(e, &v);
    leave_pair(e, s);
    leave_pair(e, v.s);
}

/* All buffers are out, whoever has them: the engine sleeps. */
static void of_two_kinds(struct unx_engine *e)
{
    int s[2][2];
    struct unx_op ops[2];
    struct unx_msg *held[8];
    unsigned n = 0;
    memset(ops, 0, sizeof ops);
    START(unx_engine_buffers(e, 2, 64));
    for (unsigned i = 0; i < 2; i++) {
        raw_pair(i == 0 ? SOCK_STREAM : SOCK_SEQPACKET, s[i]);
        STAND(e, &ops[i], s[i][0]);
    }
    raw_send(s[0][1], "x", 1, NULL, 0);
    held[n++] = NEXT(e).msg;
    for (unsigned i = 0; i < 6; i++) {
        send_number(s[1][1], i);
    }
    struct unx_event ev;
    while (unx_engine_reap(e, &ev, 1, 100) == 1) {
        CHECK(ev.msg != NULL && n < 8);
        held[n++] = ev.msg;
    }
    const int64_t cpu = engine_cpu();
    QUIET_FOR(e, 300);
    const int64_t used = engine_cpu() - cpu;
    NOTE("%lld us of the processor in 300 ms", (long long)used);
    CHECK(used < (harness_slow() ? 60000 : 20000));
    while (n > 0) {
        give_back(e, held[--n]);
    }
    for (unsigned i = 0; i < 2; i++) {
        struct unx_op closing = {0};
        START(unx_engine_close(e, &closing, s[i][0]));
        for (ev = NEXT(e); ev.op != &closing; ev = NEXT(e)) {
            if (ev.msg != NULL) {
                give_back(e, ev.msg);
            }
        }
        close(s[i][1]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(messages_wait_for_a_buffer),
    ENGINE_CASE(waiting_for_a_buffer_costs_nothing),
    ENGINE_CASE(starved_ones_end_too),
    ENGINE_CASE(starved_ones_are_cancelled),
    ENGINE_CASE(starved_ones_are_closed),
    ENGINE_CASE(starved_ones_see_the_end_last),
    ENGINE_CASE(others_go_on),
    ENGINE_CASE(of_two_kinds),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
