// SPDX-License-Identifier: MIT
/*
 * What an engine holds, and what it lets go: its own descriptors and memory, where there is no room for them, many
 * operations, a child that has inherited all of it.
 */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>

/* Nobody holds the other end any more, now. */
static void check_ended(int fd)
{
    struct pollfd p = {fd, POLLIN | POLLRDHUP, 0};
    CHECK_INT(poll(&p, 1, 0), 1);
    CHECK_INT(p.revents & POLLHUP, POLLHUP);
}

/* What was cancelled is still watched for, and then the engine is gone: the sockets are nobody's but ours. */
static void leave_nothing_armed(void)
{
    enum { SOCKETS = 60 };
    int s[SOCKETS][2];
    struct unx_engine *e = engine_make(0);
    for (unsigned i = 0; i < SOCKETS; i++) {
        struct job j;
        raw_pair(raw_types[i % 2], s[i]);
        job_recv_any(e, &j, s[i][0]);
        QUIET_FOR(e, i % 10 == 0);
        START(unx_engine_cancel(e, &j.op));
        JOB_LAST(e, &j, -ECANCELED);
    }
    engine_used(e);
    for (unsigned i = 0; i < SOCKETS; i++) {
        close(s[i][0]);
        check_ended(s[i][1]);
        close(s[i][1]);
    }
}

/* What an engine has of its own is not inherited, and all of it goes with it. */
static void an_engine_leaves_nothing(struct unx_engine *unused)
{
    (void)unused;
    int s[2];
    raw_pair(SOCK_STREAM, s);
    for (int i = 0; i < 3; i++) {
        const int before = harness_nfds();
        bool old[64];
        for (int n = 0; n < 64; n++) {
            old[n] = raw_is_open(n);
        }
        struct unx_engine *e = engine_make(i == 0 ? 1 : 4096);
        const int fd = i == 1 ? -EOPNOTSUPP : unx_engine_fd(e);
        CHECK(fd >= 0 || fd == -EOPNOTSUPP);
        struct job j;
        struct unx_op timer = {0};
        job_recv_any(e, &j, s[0]);
        START(unx_engine_timer(e, &timer, 1));
        LAST(e, &timer, 0);
        for (int n = 0; n < 64; n++) {
            CHECK(old[n] || !raw_is_open(n) || raw_cloexec(n));
        }
        START(unx_engine_cancel(e, &j.op));
        JOB_LAST(e, &j, -ECANCELED);
        engine_used(e);
        CHECK_INT(harness_nfds(), before);
    }
    leave_nothing_armed();
    close_pair(s);
}

/* For each number of descriptors that it may still open: it is made, or it says why, and nothing is left. */
static void an_engine_that_cannot_be_made(struct unx_engine *unused)
{
    (void)unused;
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    const int before = harness_nfds();
    bool made = false;
    for (unsigned n = 0; n < 12 && !made; n++) {
        ROW("room for %u", n);
        struct unx_engine *e = (struct unx_engine *)&e;
        raw_limit(n);
        const int r = QUIET(unx_engine_new(&e, 0, engine_flag())), fd = r == 0 ? QUIET(unx_engine_fd(e)) : -1;
        raw_unlimit();
        CHECK(r == 0 || r == -EMFILE);
        if (r < 0) {
            CHECK(e == NULL);
        } else {
            CHECK(fd >= 0 || fd == -EMFILE || fd == -EOPNOTSUPP);
            made = fd != -EMFILE;
            struct unx_op op = {0};
            START(unx_engine_timer(e, &op, 1));
            LAST(e, &op, 0);
            engine_used(e);
        }
        CHECK_INT(harness_nfds(), before);
    }
    CHECK(made);
}

/* More memory than there is: the receive is not started, and everything else goes on. */
static void a_pool_that_is_too_large(struct unx_engine *e)
{
    if (harness_sanitized()) {
        SKIP("a sanitizer ends the program when there is no memory");
    }
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    START(unx_engine_buffers(e, 32768, 16 << 20));
    struct unx_op op = {0};
    const int r = QUIET(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING, -1));
    CHECK(r == 0 || r == -ENOMEM);
    if (r == 0) {
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
    }
    struct job in;
    job_recv_any(e, &in, s[0]);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &in, "x");
    leave_pair(e, s);
}

static void a_child_leaves_it_alone(struct unx_engine *e)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in;
    struct unx_op timer = {0};
    job_recv_any(e, &in, s[0]);
    START(unx_engine_timer(e, &timer, 2000));
    QUIET_FOR(e, 5);
    const pid_t child = fork();
    if (child == 0) {
        _exit(0);
    }
    CHECK_INT(harness_wait(child), 0);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &in, "x");
    LAST(e, &timer, 0);
    leave_pair(e, s);
}

static void a_crowd_is_sent_home(struct unx_engine *e)
{
    enum { SOCKETS = 60, EACH = 40 };
    static struct job jobs[SOCKETS * EACH];
    static unsigned char seen[SOCKETS * EACH];
    struct unx_op closing[SOCKETS] = {{0}};
    int s[SOCKETS][2];
    unsigned in[SOCKETS] = {0};
    for (unsigned i = 0; i < SOCKETS; i++) {
        raw_pair(raw_types[i % 3], s[i]);
        for (unsigned n = 0; n < EACH; n++) {
            job_room(&jobs[i * EACH + n]);
            job_recv(e, &jobs[i * EACH + n], s[i][0], 0, n % 3 == 0 ? 10000 : -1);
        }
    }
    QUIET_FOR(e, 10);
    for (unsigned i = 0; i < SOCKETS; i++) {
        START(unx_engine_close(e, &closing[i], s[i][0]));
    }
    for (unsigned n = 0; n < SOCKETS * (EACH + 1); n++) {
        const struct unx_event ev = NEXT(e);
        CHECK_INT(ev.flags, 0);
        if (ev.op >= closing && ev.op < closing + SOCKETS) {
            CHECK_INT(ev.result, 0);
            CHECK_INT(in[ev.op - closing]++, EACH);
            continue;
        }
        const size_t at = (size_t)((struct job *)ev.op - jobs);
        CHECK(at < SOCKETS * EACH);
        CHECK_INT(seen[at]++, 0);
        CHECK_INT(ev.result, -ECANCELED);
        in[at / EACH]++;
    }
    for (unsigned i = 0; i < SOCKETS; i++) {
        close(s[i][1]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(an_engine_leaves_nothing), ENGINE_CASE(an_engine_that_cannot_be_made),
    ENGINE_CASE(a_pool_that_is_too_large), ENGINE_CASE(a_child_leaves_it_alone),
    ENGINE_CASE(a_crowd_is_sent_home),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
