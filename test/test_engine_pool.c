// SPDX-License-Identifier: MIT
/*
 * The pool of standing receives: it is shared by all of them in turn, what is in a buffer stays until it is returned,
 * and its size can be chosen.
 */
#include "engine.h"

#include <string.h>

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
        give_back(e, stand_number(e, &op, i));
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
    enum { N = 2, SIZE = 3000 };
    static char ones[SIZE];
    memset(ones, 1, sizeof ones);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op op = {0};
    struct unx_msg foreign = {0};
    CHECK_INT(QUIET(unx_engine_return(e, &foreign)), -EINVAL);
    START(unx_engine_buffers(e, N, SIZE));
    STAND(e, &op, s[0]);
    struct unx_msg *held[N];
    for (unsigned i = 0; i < N; i++) {
        raw_send(s[1], ones, SIZE, NULL, 0);
        held[i] = STAND_BRINGS(e, &op, ones, SIZE);
    }
    struct unx_msg *const m = held[0];
    CHECK_INT(QUIET(unx_engine_return(e, &foreign)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(NULL, m)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, (struct unx_msg *)((char *)m + 8))), -EINVAL);
    CHECK_INT(QUIET(unx_engine_return(e, m + 1)), -EINVAL);
    /* Nor anything else in the memory of the pool, to its end, whatever was received there. */
    for (unsigned i = 0; i < N; i++) {
        for (char *p = held[i]->iov[0].iov_base; p < (char *)held[i]->iov[0].iov_base + SIZE; p += 8) {
            CHECK_INT(QUIET(unx_engine_return(e, (struct unx_msg *)p)), -EINVAL);
        }
    }
    give_back(e, held[1]);
    /* The engine is not free before it has its buffer, though the operation is over. */
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
    CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
    give_back(e, m);
    CHECK_INT(QUIET(unx_engine_return(e, m)), -EINVAL);
}

/* Each of many is another one, and comes back as itself. */
static void many_are_out(struct unx_engine *e)
{
    enum { N = 17000 };
    static char data[N];
    static struct unx_msg *held[N];
    static struct unx_event ev[64];
    START(unx_engine_buffers(e, N, 1));
    int s[2];
    raw_pair(SOCK_STREAM, s);
    raw_pattern(data, N, 0);
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    raw_send(s[1], data, N, NULL, 0);
    for (unsigned n = 0; n < N;) {
        const int got = unx_engine_reap(e, ev, 64, 10000);
        CHECK(got > 0);
        for (int i = 0; i < got; i++) {
            CHECK_INT(ev[i].result, 1);
            held[n++] = ev[i].msg;
        }
    }
    for (unsigned i = 0; i < N; i++) {
        CHECK(*(char *)held[i]->iov[0].iov_base == data[i]);
        give_back(e, held[i]);
        CHECK(i % 1000 != 0 || QUIET(unx_engine_return(e, held[i])) == -EINVAL);
    }
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
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

/* Unasked: 1024 of 4096 bytes. */
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
            held[i] = stand_number(e, &op, i);
        }
    }
    QUIET_FOR(e, 5);
    for (unsigned i = 0; i < 1024; i++) {
        give_back(e, held[i]);
    }
    give_back(e, stand_number(e, &op, 1024));
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    leave_pair(e, s);
}

/* The ring has the only buffer, so an empty packet comes without one, behind a reset too; and is returned once. */
static void empty_packets_without_a_buffer(struct unx_engine *e)
{
    START(unx_engine_buffers(e, 1, 100));
    for (int reset = 0; reset < 2; reset++) {
        ROW("reset %d", reset);
        int s[2];
        struct unx_op op = {0};
        raw_pair(SOCK_SEQPACKET, s);
        if (reset) {
            raw_send(s[0], "never read", 10, NULL, 0);
        }
        raw_send(s[1], "", 0, NULL, 0);
        raw_send(s[1], "x", 1, NULL, 0);
        close(s[1]);
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | UNX_PLAIN, -1));
        const struct unx_event ev = MORE(e, &op, 1);
        CHECK_INT(ev.msg->len, 0);
        CHECK_INT(ev.msg->got, reset ? UNX_GOT_RESET : 0);
        CHECK_INT(QUIET(unx_engine_free(e)), -EBUSY);
        give_back(e, ev.msg);
        CHECK_INT(QUIET(unx_engine_return(e, ev.msg)), -EINVAL);
        give_back(e, STAND_GETS(e, &op, "x"));
        LAST(e, &op, 0);
        leave(e, s[0]);
    }
}

/* It is the caller's until it comes back: what was written into it is not in the next one, nor does it lead the next
 * one's descriptors astray. */
static void what_was_written_is_forgotten(struct unx_engine *e)
{
    START(unx_engine_buffers(e, 1, 100));
    for (unsigned i = 0; i < 6; i++) {
        const unsigned flags = i % 2 == 0 ? 0 : UNX_PLAIN;
        ROW("%s, flags %#x", raw_type_name(raw_types[i / 2]), flags);
        int s[2], p[2];
        struct unx_op op = {0};
        struct unx_msg written;
        memset(&written, 0x5a, sizeof written);
        raw_pair(raw_types[i / 2], s);
        raw_pipe(p);
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | flags, -1));
        for (unsigned times = 0; times < 6; times++) {
            const unsigned nfds = flags == 0 ? times % 3 : 0;
            const int fds[2] = {p[1], p[1]};
            raw_send(s[1], "hello", 5, fds, nfds);
            struct unx_msg *const m = STAND_GETS(e, &op, "hello");
            CHECK_INT(m->fds_got, nfds);
            CHECK_INT(m->nfds, nfds);
            CHECK(nfds == 0 ? m->fds != written.fds : raw_same_file(m->fds[nfds - 1], p[1]));
            CHECK_INT(m->addr != NULL, raw_types[i / 2] == SOCK_DGRAM && flags == 0);
            CHECK(m->cred == NULL && m->pidfd == NULL && m->label == NULL && m->control == NULL);
            CHECK(m->label_max == 0 && m->control_max == 0 && m->skip == 0 && m->control_len == 0 && m->time_ns == 0);
            CHECK((m->reserved[0] | m->reserved[1] | m->reserved[2] | m->reserved[3]) == 0);
            CHECK_INT(m->got, nfds > 0 ? UNX_GOT_FDS : 0);
            *m = written;
            give_back(e, m);
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        leave_pair(e, s);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(a_pool_is_shared),
    ENGINE_CASE(what_is_held_stays),
    ENGINE_CASE(only_what_is_out_is_returned),
    ENGINE_CASE(the_pool_can_be_chosen),
    ENGINE_CASE(busy_ones_take_turns),
    ENGINE_CASE(a_small_depth),
    ENGINE_CASE(the_pool_by_itself),
    ENGINE_CASE(many_are_out),
    ENGINE_CASE(empty_packets_without_a_buffer),
    ENGINE_CASE(what_was_written_is_forgotten),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
