// SPDX-License-Identifier: MIT
/*
 * Whose memory: what an operation lends is the caller's again with its last event, and may be gone the next moment;
 * what the engine keeps does not grow with what is done.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/mman.h>

/* All that is lent, on pages that can be taken away: whoever looks at them then is killed,
 * or told EFAULT by the kernel. */
struct loan {
    struct job job;
    struct unx_addr addr;
    int fds[4];
};

static struct loan *lend(void)
{
    struct loan *l = mmap(NULL, sizeof *l, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(l != MAP_FAILED);
    return l;
}

static void take_back(struct loan *l)
{
    CHECK_INT(munmap(l, sizeof *l), 0);
}

enum end { DONE, CANCELLED, LATE, CLOSED, ENDS };
static const char *const end_names[] = {"done", "cancelled", "late", "closed"};

static int time_of(enum end end)
{
    return end != LATE ? -1 : harness_slow() ? 500 : 15;
}

/* Waits for its last event on s[0], which is the very next one. */
static void wait_for_end(struct unx_engine *e, struct loan *l, enum end end, int fd)
{
    static struct unx_op closing;
    if (end == CANCELLED) {
        START(unx_engine_cancel(e, &l->job.op));
    } else if (end == CLOSED) {
        START(unx_engine_close(e, &closing, fd));
    }
    LAST(e, &l->job.op, end == DONE ? 1 : end == LATE ? -ETIMEDOUT : -ECANCELED);
    take_back(l);
    if (end == CLOSED) {
        LAST(e, &closing, 0);
    }
    QUIET_FOR(e, 5);
}

static void receives(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (enum end end = 0; end < ENDS; end++) {
            ROW("%s, %s", raw_type_name(raw_types[t]), end_names[end]);
            int s[2];
            raw_pair(raw_types[t], s);
            struct loan *l = lend();
            job_room(&l->job);
            l->job.m.fds = l->fds;
            l->job.m.nfds = 4;
            l->job.m.addr = &l->addr;
            job_recv(e, &l->job, s[0], 0, time_of(end));
            QUIET_FOR(e, 3);
            if (end == DONE) {
                raw_send(s[1], "x", 1, NULL, 0);
            }
            wait_for_end(e, l, end, s[0]);
            /* What comes now finds nobody. */
            if (end != CLOSED) {
                raw_send(s[1], "y", 1, NULL, 0);
                QUIET_FOR(e, 3);
                check_arrived(s[0], "y", 1);
                leave(e, s[0]);
            }
            leave(e, s[1]);
        }
    }
}

static void sends(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (enum end end = 0; end < ENDS; end++) {
            for (int fds = 0; fds < 2; fds++) {
                ROW("%s, %s, %d", raw_type_name(raw_types[t]), end_names[end], fds);
                int s[2];
                char data[1000];
                struct raw_got g;
                raw_pair(raw_types[t], s);
                if (end != DONE) {
                    fill_socket(s[0], sizeof data);
                }
                struct loan *l = lend();
                job_room(&l->job);
                memset(l->job.data, 'x', sizeof l->job.data);
                l->fds[0] = s[1];
                l->job.m.fds = l->fds;
                l->job.m.nfds = (unsigned)fds;
                job_send(e, &l->job, s[0], 0, time_of(end));
                if (end != DONE) {
                    QUIET_FOR(e, 3);
                }
                wait_for_end(e, l, end, s[0]);
                /* There is room now, and nothing is left that would use it. */
                bool x = false;
                do {
                    raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
                    x |= g.result > 0 && memchr(data, 'x', (size_t)g.result) != NULL;
                    raw_close_fds(&g);
                } while (g.result > 0);
                CHECK_INT(x, end == DONE || t == 1 ? x : false);
                CHECK(end != DONE || x);
                QUIET_FOR(e, 3);
                if (end != CLOSED) {
                    check_nothing(s[1]);
                    leave(e, s[0]);
                }
                leave(e, s[1]);
            }
        }
    }
}

static void connects(struct unx_engine *e)
{
    for (enum end end = 0; end < CLOSED; end++) {
        ROW("%s", end_names[end]);
        unlink(raw_file("server"));
        const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 0);
        const int first = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
        struct loan *l = lend();
        CHECK_INT(unx_addr_path(&l->addr, raw_file("server")), 0);
        START(unx_engine_connect(e, &l->job.op, SOCK_STREAM, 0, NULL, &l->addr, end == LATE ? 30 : -1));
        QUIET_FOR(e, 5);
        if (end == DONE) {
            close(raw_accept(server));
        } else if (end == CANCELLED) {
            START(unx_engine_cancel(e, &l->job.op));
        }
        const struct unx_event ev = NEXT(e);
        CHECK(ev.op == &l->job.op);
        CHECK(end == DONE ? ev.result >= 0 : ev.result == (end == LATE ? -ETIMEDOUT : -ECANCELED));
        take_back(l);
        if (ev.result >= 0) {
            leave(e, ev.result);
        }
        QUIET_FOR(e, 60);
        close(first);
        close(server);
    }
}

static void polls_and_timers(struct unx_engine *e)
{
    for (enum end end = 0; end < ENDS; end++) {
        ROW("%s", end_names[end]);
        int s[2];
        raw_pair(SOCK_STREAM, s);
        struct loan *l = lend();
        START(unx_engine_poll(e, &l->job.op, s[0], POLLIN, time_of(end)));
        QUIET_FOR(e, 3);
        if (end == DONE) {
            raw_send(s[1], "x", 1, NULL, 0);
        }
        wait_for_end(e, l, end, s[0]);
        if (end != CLOSED) {
            raw_send(s[1], "y", 1, NULL, 0);
            QUIET_FOR(e, 3);
            leave(e, s[0]);
        }
        leave(e, s[1]);
    }
    struct loan *l = lend();
    START(unx_engine_timer(e, &l->job.op, 20));
    QUIET_FOR(e, 3);
    START(unx_engine_cancel(e, &l->job.op));
    LAST(e, &l->job.op, -ECANCELED);
    take_back(l);
    QUIET_FOR(e, 40);
    l = lend();
    START(unx_engine_post(e, &l->job.op, 1));
    LAST(e, &l->job.op, 1);
    take_back(l);
    QUIET_FOR(e, 5);
}

static void standing_ones(struct unx_engine *e)
{
    for (enum end end = CANCELLED; end < ENDS; end++) {
        ROW("%s", end_names[end]);
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        struct loan *l = lend();
        START(unx_engine_recv(e, &l->job.op, s[0], NULL, UNX_STANDING, end == LATE ? (harness_slow() ? 500 : 20) : -1));
        raw_send(s[1], "x", 1, NULL, 0);
        struct unx_msg *const m = STAND_GETS(e, &l->job.op, "x");
        QUIET_FOR(e, 3);
        wait_for_end(e, l, end, s[0]);
        CHECK_MEM(m->iov[0].iov_base, m->len, "x", 1);
        give_back(e, m);
        if (end != CLOSED) {
            raw_send(s[1], "y", 1, NULL, 0);
            QUIET_FOR(e, 3);
            check_arrived(s[0], "y", 1);
            leave(e, s[0]);
        }
        leave(e, s[1]);
    }
}

/* One of each kind, many times. */
static void some_of_everything(struct unx_engine *e, int high, int far)
{
    enum { N = 50 };
    static struct job in[N], out[N];
    static struct unx_op polls[N], timers[N], posts[N];
    struct unx_op standing = {0};
    for (unsigned i = 0; i < N; i++) {
        job_recv_any(e, &in[i], high);
        job_send_text(e, &out[i], far, "x");
        START(unx_engine_poll(e, &polls[i], high, POLLOUT, 1000));
        START(unx_engine_timer(e, &timers[i], (int)i % 5));
        START(unx_engine_post(e, &posts[i], 0));
    }
    for (unsigned i = 0; i < 5 * N; i++) {
        CHECK(NEXT(e).result >= 0);
    }
    STAND(e, &standing, high);
    for (unsigned i = 0; i < N; i++) {
        job_send_text(e, &out[0], far, "x");
        for (int n = 0; n < 2; n++) {
            const struct unx_event ev = NEXT(e);
            if (ev.op == &standing) {
                give_back(e, ev.msg);
            }
        }
    }
    START(unx_engine_cancel(e, &standing));
    LAST(e, &standing, -ECANCELED);
}

/* What an engine keeps: some 64 bytes for each descriptor number, and the buffers;
 * from the first round on nothing more. */
static void operations_do_not_allocate(struct unx_engine *e)
{
    if (harness_sanitized()) {
        SKIP("a sanitizer counts memory in its own way");
    }
    if (raw_allocated() == 0) {
        SKIP("the allocator does not say what it has given out");
    }
    START(unx_engine_buffers(e, 4, 64));
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    const int high = fcntl(s[0], F_DUPFD_CLOEXEC, 1000);
    CHECK(high >= 1000);
    for (unsigned round = 0; round < 5; round++) {
        const size_t before = raw_allocated();
        some_of_everything(e, high, s[1]);
        const size_t more = raw_allocated() - before;
        if (round == 0) {
            NOTE("%zu bytes for %d descriptor numbers and 4 buffers", more, high + 1);
            CHECK(more < (size_t)high * 128 + 16384);
        } else {
            CHECK_INT(more, 0);
        }
    }
    leave(e, high);
    leave_pair(e, s);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(receives),         ENGINE_CASE(sends),         ENGINE_CASE(connects),
    ENGINE_CASE(polls_and_timers), ENGINE_CASE(standing_ones), ENGINE_CASE(operations_do_not_allocate),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
