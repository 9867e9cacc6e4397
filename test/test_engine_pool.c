// SPDX-License-Identifier: MIT
/*
 * The pool of standing receives: what is in a buffer stays until it is returned, and where none is left the messages wait in
 * their sockets, at no cost.
 */
#include "engine.h"

#include <stdlib.h>
#include <string.h>

static void send_number(int fd, unsigned n)
{
    raw_send(fd, &n, sizeof n, NULL, 0);
}

static struct unx_msg *get_number(struct unx_engine *e, const struct unx_op *op, unsigned n)
{
    return STAND_BRINGS(e, op, &n, sizeof n);
}

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
        v->held[i] = get_number(e, &v->op, i);
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
        v.held[(i + 1) % 3] = get_number(e, &v.op, i);
        QUIET_FOR(e, 2);
    }
    give_all_back(e, &v);
    QUIET_FOR(e, 5);
    send_number(v.s[1], 8);
    give_back(e, get_number(e, &v.op, 8));
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
    starve(e, &v, 50);
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
        give_back(e, get_number(e, &next, i));
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
        v.held[i % 3] = get_number(e, &v.op, i);
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

/* Many sockets, few buffers, given back in any order: everything comes, in order, once. */
static void a_pool_is_shared(struct unx_engine *e)
{
    enum { SOCKETS = 12, EACH = 40, BUFFERS = 5 };
    START(unx_engine_buffers(e, BUFFERS, 64));
    struct unx_op ops[SOCKETS] = {{0}};
    struct unx_msg *held[BUFFERS] = {NULL};
    unsigned next[SOCKETS] = {0}, random = 1;
    int s[SOCKETS][2];
    for (unsigned i = 0; i < SOCKETS; i++) {
        raw_pair(raw_types[i % 2 * 2], s[i]);
        STAND(e, &ops[i], s[i][0]);
        for (unsigned n = 0; n < EACH; n++) {
            send_number(s[i][1], n);
        }
    }
    for (unsigned done = 0; done < SOCKETS * EACH;) {
        random = random * 1103515245 + 12345;
        const unsigned at = random / 65536 % BUFFERS;
        if (held[at] != NULL) {
            give_back(e, held[at]);
            held[at] = NULL;
        }
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 0) != 1) {
            continue;
        }
        CHECK(ev.op >= ops && ev.op < ops + SOCKETS);
        CHECK_INT(ev.result, 1);
        CHECK_INT(ev.flags, UNX_MORE);
        CHECK_MEM(ev.msg->iov[0].iov_base, ev.msg->len, &next[ev.op - ops], sizeof *next);
        next[ev.op - ops]++;
        done++;
        unsigned free_at = 0;
        while (free_at < BUFFERS && held[free_at] != NULL) {
            free_at++;
        }
        CHECK(free_at < BUFFERS);
        held[free_at] = ev.msg;
    }
    for (unsigned i = 0; i < BUFFERS; i++) {
        if (held[i] != NULL) {
            give_back(e, held[i]);
        }
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        START(unx_engine_cancel(e, &ops[i]));
        LAST(e, &ops[i], -ECANCELED);
        leave_pair(e, s[i]);
    }
}

static void what_is_held_stays(struct unx_engine *e)
{
    enum { HELD = 5, OTHERS = 2000 };
    START(unx_engine_buffers(e, HELD + 2, 300));
    int s[2], p[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, s), 0);
    raw_pipe(p);
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    struct unx_msg *held[HELD];
    char data[HELD][300];
    for (unsigned i = 0; i < HELD; i++) {
        raw_pattern(data[i], sizeof data[i], i * 1000);
        raw_send(s[1], data[i], sizeof data[i], &p[1], 1);
        held[i] = STAND_BRINGS(e, &op, data[i], sizeof data[i]);
    }
    for (unsigned i = 0; i < OTHERS; i++) {
        send_number(s[1], i);
        give_back(e, get_number(e, &op, i));
    }
    for (unsigned i = 0; i < HELD; i++) {
        CHECK_MEM(held[i]->iov[0].iov_base, held[i]->len, data[i], sizeof data[i]);
        CHECK_INT(held[i]->fds_got, 1);
        CHECK(raw_same_file(held[i]->fds[0], p[1]));
        CHECK(held[i]->cred != NULL);
        CHECK_INT(held[i]->cred->pid, getpid());
        give_back(e, held[i]);
    }
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

static void only_what_is_out_is_returned(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {0};
    struct unx_msg foreign = {0};
    CHECK_INT(QUIET(unx_engine_return(e, &foreign)), -EINVAL);
    STAND(e, &op, s[0]);
    send_number(s[1], 1);
    struct unx_msg *const m = get_number(e, &op, 1);
    CHECK_INT(QUIET(unx_engine_return(e, &foreign)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(NULL, m)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, (struct unx_msg *)((char *)m + 8))), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, m + 1)), -EINVAL);
    /* The engine is not free before it has its buffer, though the operation is over. */
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    give_back(e, m);
    CHECK_INT(QUIET(unx_engine_return(e, m)), -EINVAL);
}

static void the_pool_can_be_chosen(struct unx_engine *e)
{
    static const struct {
        unsigned n;
        size_t size;
        int result;
    } tries[] = {
        {0, 100, -EINVAL},      {32769, 100, -EINVAL}, {1, 0, -EINVAL},  {1, (16 << 20) + 1, -EINVAL},
        {1, SIZE_MAX, -EINVAL}, {32768, 1, 0},         {2, 16 << 20, 0},
    };
    for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
        ROW("%u of %zu", tries[i].n, tries[i].size);
        struct unx_engine *other = engine_make(1);
        CHECK_INT(QUIET(unx_engine_buffers(other, tries[i].n, tries[i].size)), tries[i].result);
        if (tries[i].result == 0) {
            int s[2];
            raw_pair(SOCK_STREAM, s);
            struct unx_op op = {0};
            STAND(other, &op, s[0]);
            CHECK_INT(QUIET(unx_engine_buffers(other, 5, 5)), -EBUSY);
            raw_send(s[1], "x", 1, NULL, 0);
            give_back(other, STAND_GETS(other, &op, "x"));
            START(unx_engine_cancel(other, &op));
            LAST(other, &op, -ECANCELED);
            CHECK_INT(QUIET(unx_engine_buffers(other, 5, 5)), -EBUSY);
            leave_pair(other, s);
        }
        engine_used(other);
    }
    CHECK_INT(QUIET(unx_engine_buffers(NULL, 1, 1)), -EINVAL);
    (void)e;
}

/* Unasked: 1024 of 4096 bytes. */
/* More have much queued than there are buffers, which all are free again at once: still each has its turn. */
static void busy_ones_take_turns(struct unx_engine *e)
{
    enum { N = 24, EACH = 160, LEAST = EACH / 3 };
    int s[N][2];
    struct unx_op ops[N];
    memset(ops, 0, sizeof ops);
    START(unx_engine_buffers(e, 256, 64));
    for (unsigned i = 0; i < N; i++) {
        raw_pair(SOCK_SEQPACKET, s[i]);
        STAND(e, &ops[i], s[i][0]);
    }
    QUIET_FOR(e, 2);
    for (unsigned n = 0; n < EACH; n++) {
        for (unsigned i = 0; i < N; i++) {
            send_number(s[i][1], n);
        }
    }
    unsigned got[N] = {0}, least = EACH, most = 0;
    while (most < EACH) {
        struct unx_event ev[16];
        const int n = unx_engine_reap(e, ev, 16, 1000);
        CHECK(n > 0);
        for (int i = 0; i < n; i++) {
            const unsigned at = (unsigned)(ev[i].op - ops);
            CHECK(++got[at] <= EACH);
            most = got[at] > most ? got[at] : most;
            give_back(e, ev[i].msg);
        }
    }
    for (unsigned i = 0; i < N; i++) {
        least = got[i] < least ? got[i] : least;
    }
    if (least < LEAST) {
        harness_fail(__FILE__, __LINE__, "one had %u of %u when another had them all", least, (unsigned)EACH);
    }
    for (unsigned i = 0; i < N; i++) {
        struct unx_op closing = {0};
        START(unx_engine_close(e, &closing, s[i][0]));
        for (struct unx_event ev = NEXT(e); ev.op != &closing; ev = NEXT(e)) {
            if (ev.msg != NULL) {
                give_back(e, ev.msg);
            }
        }
        close(s[i][1]);
    }
}

/* More sockets have something queued than the engine can ask the system for at once. */
static void a_small_depth(struct unx_engine *e)
{
    enum { N = 60, EACH = 20 };
    static const unsigned depths[] = {1, 4, 16};
    (void)e;
    for (unsigned d = 0; d < 3; d++) {
        ROW("depth %u", depths[d]);
        struct unx_engine *const small = engine_make(depths[d]);
        int s[N][2];
        struct unx_op ops[N];
        memset(ops, 0, sizeof ops);
        for (unsigned i = 0; i < N; i++) {
            raw_pair(SOCK_SEQPACKET, s[i]);
            for (unsigned n = 0; n < EACH; n++) {
                send_number(s[i][1], n);
            }
            STAND(small, &ops[i], s[i][0]);
        }
        for (unsigned got = 0; got < N * EACH;) {
            struct unx_event ev[64];
            const int n = unx_engine_reap(small, ev, 64, 3000);
            CHECK(n > 0);
            got += (unsigned)n;
            for (int i = 0; i < n; i++) {
                give_back(small, ev[i].msg);
            }
        }
        for (unsigned i = 0; i < N; i++) {
            START(unx_engine_cancel(small, &ops[i]));
            LAST(small, &ops[i], -ECANCELED);
            leave_pair(small, s[i]);
        }
        engine_used(small);
    }
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

static void the_pool_by_itself(struct unx_engine *e)
{
    static char data[4097];
    static struct unx_msg *held[1024];
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pattern(data, sizeof data, 0);
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    raw_send(s[1], data, 4096, NULL, 0);
    give_back(e, STAND_BRINGS(e, &op, data, 4096));
    raw_send(s[1], data, 4097, NULL, 0);
    const struct unx_event ev = MORE(e, &op, -EMSGSIZE);
    CHECK_INT(ev.msg->full_len, 4097);
    give_back(e, ev.msg);
    for (unsigned i = 0; i < 1025; i++) {
        send_number(s[1], i);
        if (i < 1024) {
            held[i] = get_number(e, &op, i);
        }
    }
    QUIET_FOR(e, 5);
    for (unsigned i = 0; i < 1024; i++) {
        give_back(e, held[i]);
    }
    give_back(e, get_number(e, &op, 1024));
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(messages_wait_for_a_buffer),
    ENGINE_CASE(waiting_for_a_buffer_costs_nothing),
    ENGINE_CASE(starved_ones_end_too),
    ENGINE_CASE(starved_ones_are_cancelled),
    ENGINE_CASE(starved_ones_are_closed),
    ENGINE_CASE(starved_ones_see_the_end_last),
    ENGINE_CASE(others_go_on),
    ENGINE_CASE(a_pool_is_shared),
    ENGINE_CASE(what_is_held_stays),
    ENGINE_CASE(only_what_is_out_is_returned),
    ENGINE_CASE(the_pool_can_be_chosen),
    ENGINE_CASE(busy_ones_take_turns),
    ENGINE_CASE(a_small_depth),
    ENGINE_CASE(of_two_kinds),
    ENGINE_CASE(the_pool_by_itself),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
