// SPDX-License-Identifier: MIT
/*
 * An engine in loops of somebody else: one that knows of its descriptor alone, one that is edge-triggered, another
 * engine, and one that it enters after it has worked.
 */
#include "engine_nest.h"

#include <poll.h>
#include <string.h>
#include <sys/epoll.h>

/* A loop that knows of one descriptor alone, level-triggered: requests, replies and timers for a while. */
static void in_a_foreign_loop(struct unx_engine *e)
{
    enum { ROUNDS = 1500 };
    const int fd = enter(e), loop = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event watch = {.events = EPOLLIN};
    CHECK_INT(epoll_ctl(loop, EPOLL_CTL_ADD, fd, &watch), 0);
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct unx_op server = {0}, timer = {0};
    struct job ask, answer, reply;
    STAND(e, &server, s[1]);
    job_send_text(e, &ask, s[0], "question");
    job_recv_any(e, &reply, s[0]);
    unsigned replies = 0, wakeups = 0, ticks = 0;
    for (bool ticking = false, again = false; replies < ROUNDS;) {
        if (again) {
            job_recv_any(e, &reply, s[0]);
            job_send_text(e, &ask, s[0], "question");
            again = false;
        }
        if (!ticking && replies % 100 == 0) {
            START(unx_engine_timer(e, &timer, (int)(replies / 100 % 3)));
            ticking = true;
        }
        CHECK_INT(epoll_wait(loop, &watch, 1, 3000), 1);
        wakeups++;
        struct unx_event ev;
        while (unx_engine_reap(e, &ev, 1, 0) == 1) {
            if (ev.op == &server) {
                CHECK_INT(ev.result, 1);
                job_send_text(e, &answer, s[1], "answer");
                give_back(e, ev.msg);
            } else if (ev.op == &reply.op) {
                job_gets(__FILE__, __LINE__, ev, &reply, "answer");
                replies++;
                again = true;
            } else if (ev.op == &timer) {
                ticking = false;
                ticks++;
            } else {
                CHECK_INT(ev.result, 1);
            }
        }
    }
    NOTE("%u wake-ups, %u ticks", wakeups, ticks);
    struct unx_op closing = {0};
    for (int i = 0; i < 2; i++) {
        START(unx_engine_close(e, &closing, s[i]));
        for (struct unx_event ev; (ev = NEXT(e)).op != &closing;) {
            if (ev.op == &server && ev.msg != NULL) {
                give_back(e, ev.msg);
            }
        }
    }
    unx_engine_cancel(e, &timer);
    struct unx_event ev;
    while (unx_engine_reap(e, &ev, 1, 10) > 0) {
    }
    close(loop);
}

/* An engine in an engine. */
static void in_another_engine(struct unx_engine *e)
{
    const int fd = enter(e);
    struct unx_engine *outer = engine_make(0);
    int s[2];
    raw_pair(SOCK_STREAM, s);
    for (unsigned i = 0; i < 20; i++) {
        struct unx_op watching = {0};
        struct job in;
        job_recv_any(e, &in, s[0]);
        settle(e, fd);
        START(unx_engine_poll(outer, &watching, fd, POLLIN, -1));
        QUIET_FOR(outer, 2);
        raw_send(s[1], "x", 1, NULL, 0);
        LAST(outer, &watching, POLLIN);
        TOLD(e, fd, &in.op, 1);
    }
    engine_used(outer);
    leave_pair(e, s);
}

/* An engine may have worked before it is nested: what fails then is told as ever, all at once too. */
static void after_work(struct unx_engine *e)
{
    enum { MOST = 6 };
    struct job jobs[MOST];
    for (unsigned n = 1; n <= MOST; n++) {
        ROW("%u sends", n);
        struct unx_engine *other = engine_make(0);
        for (int nested = 0; nested < 2; nested++) {
            int s[MOST][2];
            const unsigned count = nested ? MOST : n;
            for (unsigned i = 0; i < count; i++) {
                raw_pair(SOCK_SEQPACKET, s[i]);
                close(s[i][1]);
                job_send_text(other, &jobs[i], s[i][0], "x");
            }
            for (unsigned i = 0; i < count; i++) {
                JOB_LAST(other, &jobs[i], -EPIPE);
            }
            for (unsigned i = 0; i < count; i++) {
                struct unx_op closing = {0};
                START(unx_engine_close(other, &closing, s[i][0]));
                LAST(other, &closing, 0);
            }
            const int fd = unx_engine_fd(other);
            CHECK(fd >= 0 || fd == -EOPNOTSUPP);
        }
        engine_used(other);
    }
    (void)e;
}

/* Of many that are ready only the last has something to say: who reaps until there is nothing is told of it, also when
 * the descriptor is edge-triggered elsewhere, and will not be told again. */
static void behind_many(struct unx_engine *e)
{
    enum { N = 24 };
    const int fd = enter(e);
    const int outer = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event ev = {.events = EPOLLIN | EPOLLET};
    CHECK_INT(epoll_ctl(outer, EPOLL_CTL_ADD, fd, &ev), 0);
    for (unsigned t = 0; t < 2; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[N][2];
        struct unx_op ops[N];
        memset(ops, 0, sizeof ops);
        for (unsigned i = 0; i < N; i++) {
            raw_pair(raw_types[t], s[i]);
            STAND(e, &ops[i], s[i][0]);
        }
        settle(e, fd);
        for (unsigned i = 0; i + 1 < N; i++) {
            START(unx_engine_cancel(e, &ops[i]));
        }
        for (unsigned i = 0; i < N; i++) {
            raw_send(s[i][1], "x", 1, NULL, 0);
        }
        unsigned left = N;
        while (left > 0) {
            CHECK_INT(epoll_wait(outer, &ev, 1, 3000), 1);
            struct unx_event got[64];
            for (int n = unx_engine_reap(e, got, 64, 0); n > 0; n = unx_engine_reap(e, got, 64, 0)) {
                for (int i = 0; i < n; i++) {
                    left -= got[i].msg == NULL || got[i].op == &ops[N - 1];
                    if (got[i].msg != NULL) {
                        give_back(e, got[i].msg);
                    }
                }
            }
        }
        START(unx_engine_cancel(e, &ops[N - 1]));
        LAST(e, &ops[N - 1], -ECANCELED);
        for (unsigned i = 0; i < N; i++) {
            leave_pair(e, s[i]);
        }
    }
    close(outer);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(in_a_foreign_loop),
    ENGINE_CASE(in_another_engine),
    ENGINE_CASE(after_work),
    ENGINE_CASE(behind_many),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
