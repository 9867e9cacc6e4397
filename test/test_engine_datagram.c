// SPDX-License-Identifier: MIT
/*
 * Datagrams: sources and destinations, a receiver that is full, and an end that only one's own side can make.
 *
 * What surprised us (Linux 6.18): to a sender that is not connected, poll(2) says "writable" while the receiver is
 * full, so waiting for that is a loop that never sleeps.
 */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>

static struct unx_addr named(const char *word)
{
    struct unx_addr a;
    const char *name = raw_name(word);
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    return a;
}

static int bound(const struct unx_addr *a)
{
    const int fd = unx_bind(SOCK_DGRAM, 0, a, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    return fd;
}

static void there_and_back(struct unx_engine *e)
{
    const struct unx_addr server = named("server"), client = named("client");
    const int s = bound(&server), c = bound(&client);
    struct job ask, question, answer, reply;
    struct unx_addr source, back;
    job_room(&question);
    question.m.addr = &source;
    job_recv(e, &question, s, 0, -1);
    job_bytes(&ask, "question", 8);
    ask.m.addr = (struct unx_addr *)(uintptr_t)&server;
    job_send(e, &ask, c, 0, -1);
    for (int i = 0; i < 2; i++) {
        const struct unx_event ev = NEXT(e);
        JOB_EVENT(ev, ev.op == &ask.op ? &ask : &question, 1);
    }
    CHECK_MEM(question.data, question.m.len, "question", 8);
    CHECK_INT(unx_addr_compare(&source, &client), 0);
    job_bytes(&answer, "answer", 6);
    answer.m.addr = &source;
    job_send(e, &answer, s, 0, -1);
    JOB_LAST(e, &answer, 1);
    job_room(&reply);
    reply.m.addr = &back;
    job_recv(e, &reply, c, 0, -1);
    JOB_GETS(e, &reply, "answer");
    CHECK_INT(unx_addr_compare(&back, &server), 0);
    leave(e, s);
    leave(e, c);
}

static void many_sources(struct unx_engine *e)
{
    enum { CLIENTS = 9 };
    START(unx_engine_buffers(e, 4, 64));
    const struct unx_addr server = named("server");
    const int s = bound(&server), nobody = raw_socket(SOCK_DGRAM);
    struct unx_addr names[CLIENTS];
    int clients[CLIENTS];
    struct unx_op op = {0};
    STAND(e, &op, s);
    for (int round = 0; round < 3; round++) {
        for (unsigned i = 0; i < CLIENTS; i++) {
            if (round == 0) {
                char word[8] = {'c', (char)('a' + i)};
                names[i] = named(word);
                clients[i] = bound(&names[i]);
                CHECK_INT(connect(clients[i], &server.sa, server.len), 0);
            }
            raw_send(clients[i], &i, sizeof i, NULL, 0);
            struct unx_msg *const m = STAND_BRINGS(e, &op, &i, sizeof i);
            CHECK(m->addr != NULL);
            CHECK_INT(unx_addr_compare(m->addr, &names[i]), 0);
            give_back(e, m);
        }
        /* Somebody without a name. */
        CHECK_INT(sendto(nobody, "x", 1, 0, &server.sa, server.len), 1);
        struct unx_msg *const m = STAND_GETS(e, &op, "x");
        const void *name;
        size_t len;
        CHECK(m->addr == NULL || unx_addr_name(m->addr, &name, &len) <= UNX_UNNAMED);
        give_back(e, m);
    }
    START(unx_engine_cancel(e, &op));
    LAST(e, &op, -ECANCELED);
    for (unsigned i = 0; i < CLIENTS; i++) {
        close(clients[i]);
    }
    close(nobody);
    leave(e, s);
}

/* A receiver whose queue is full, filled by somebody else. */
static int full_receiver(const struct unx_addr *a)
{
    const int fd = bound(a), other = raw_socket(SOCK_DGRAM);
    unsigned n = 0;
    while (sendto(other, "x", 1, MSG_DONTWAIT, &a->sa, a->len) == 1) {
        n++;
    }
    CHECK_INT(errno, EAGAIN);
    CHECK(n > 1);
    close(other);
    return fd;
}

static void drain(int fd)
{
    char c;
    while (recv(fd, &c, 1, MSG_DONTWAIT) == 1) {
    }
}

static void a_full_receiver(struct unx_engine *e)
{
    for (int connected = 0; connected < 2; connected++) {
        ROW("%s", connected ? "connected" : "not connected");
        struct unx_addr to = named("full");
        const int receiver = full_receiver(&to), s = raw_socket(SOCK_DGRAM);
        if (connected) {
            CHECK_INT(connect(s, &to.sa, to.len), 0);
        }
        struct job j;
        job_bytes(&j, "late", 4);
        j.m.addr = connected ? NULL : &to;
        const int64_t start = raw_now(), cpu = engine_cpu();
        job_send(e, &j, s, 0, 300);
        JOB_LAST(e, &j, -ETIMEDOUT);
        raw_took(start, 300);
        const int64_t used = engine_cpu() - cpu;
        NOTE("%lld us of the processor in 300 ms", (long long)used);
        CHECK(used < (harness_slow() ? 60000 : 15000));
        job_send(e, &j, s, 0, 0);
        JOB_LAST(e, &j, -EAGAIN);
        job_send(e, &j, s, 0, -1);
        QUIET_FOR(e, 20);
        drain(receiver);
        JOB_LAST(e, &j, 1);
        check_arrived(receiver, "late", 4);
        check_nothing(receiver);
        leave(e, s);
        close(receiver);
    }
}

/* One socket, several receivers: in the order in which they were started, though the first one has to wait. */
static void behind_a_full_receiver(struct unx_engine *e)
{
    struct unx_addr full = named("full"), free_one = named("free");
    const int a = full_receiver(&full), b = bound(&free_one), s = raw_socket(SOCK_DGRAM);
    struct job first, second;
    job_bytes(&first, "first", 5);
    first.m.addr = &full;
    job_send(e, &first, s, 0, -1);
    job_bytes(&second, "second", 6);
    second.m.addr = &free_one;
    job_send(e, &second, s, 0, -1);
    QUIET_FOR(e, 30);
    check_nothing(b);
    drain(a);
    JOB_LAST(e, &first, 1);
    JOB_LAST(e, &second, 1);
    check_arrived(a, "first", 5);
    check_arrived(b, "second", 6);
    leave(e, s);
    close(a);
    close(b);
}

/* The first one is given up: the second has no reason to wait any more. */
static void behind_one_that_was_given_up(struct unx_engine *e)
{
    struct unx_addr full = named("full"), free_one = named("free");
    const int a = full_receiver(&full), b = bound(&free_one), s = raw_socket(SOCK_DGRAM);
    struct job first, second;
    job_bytes(&first, "first", 5);
    first.m.addr = &full;
    job_send(e, &first, s, 0, -1);
    job_bytes(&second, "second", 6);
    second.m.addr = &free_one;
    job_send(e, &second, s, 0, -1);
    QUIET_FOR(e, 30);
    START(unx_engine_cancel(e, &first.op));
    JOB_LAST(e, &first, -ECANCELED);
    JOB_LAST(e, &second, 1);
    check_arrived(b, "second", 6);
    leave(e, s);
    close(a);
    close(b);
}

static void nobody_there(struct unx_engine *e)
{
    struct unx_addr to = named("nobody"), file;
    CHECK_INT(unx_addr_path(&file, raw_file("none")), 0);
    const int s = raw_socket(SOCK_DGRAM);
    struct job j;
    job_bytes(&j, "x", 1);
    j.m.addr = &to;
    job_send(e, &j, s, 0, -1);
    JOB_LAST(e, &j, -ECONNREFUSED);
    j.m.addr = &file;
    job_send(e, &j, s, 0, -1);
    JOB_LAST(e, &j, -ENOENT);
    j.m.addr = NULL;
    job_send(e, &j, s, 0, -1);
    JOB_LAST(e, &j, -ENOTCONN);
    leave(e, s);
}

/* The peer's end is no end: only one's own shutdown is, also for those who wait. */
static void only_ones_own_end(struct unx_engine *e)
{
    for (int stands = 0; stands < 2; stands++) {
        for (int early = 0; early < 2; early++) {
            ROW("standing %d, shut down %s", stands, early ? "before" : "meanwhile");
            int s[2];
            raw_pair(SOCK_DGRAM, s);
            struct job j;
            job_room(&j);
            if (early) {
                raw_send(s[1], "x", 1, NULL, 0);
                CHECK_INT(shutdown(s[0], SHUT_RD), 0);
            }
            if (stands) {
                STAND(e, &j.op, s[0]);
            } else {
                job_recv(e, &j, s[0], 0, -1);
            }
            if (!early) {
                QUIET_FOR(e, 5);
                raw_send(s[1], "x", 1, NULL, 0);
            }
            if (stands) {
                give_back(e, STAND_GETS(e, &j.op, "x"));
            } else {
                JOB_GETS(e, &j, "x");
                job_recv_any(e, &j, s[0]);
            }
            close(s[1]);
            if (!early) {
                QUIET_FOR(e, 10);
                CHECK_INT(shutdown(s[0], SHUT_RD), 0);
            }
            LAST(e, &j.op, 0);
            leave(e, s[0]);
        }
    }
}

/* That a peer has gone costs nothing while nobody comes after it. */
static void a_peer_that_is_gone(struct unx_engine *e)
{
    for (int stands = 0; stands < 2; stands++) {
        int s[2];
        raw_pair(SOCK_DGRAM, s);
        struct job j;
        job_room(&j);
        if (stands) {
            STAND(e, &j.op, s[0]);
        } else {
            job_recv(e, &j, s[0], 0, -1);
        }
        QUIET_FOR(e, 5);
        close(s[1]);
        const int64_t cpu = engine_cpu();
        QUIET_FOR(e, 300);
        const int64_t used = engine_cpu() - cpu;
        NOTE("%lld us of the processor in 300 ms", (long long)used);
        CHECK(used < (harness_slow() ? 60000 : 15000));
        START(unx_engine_cancel(e, &j.op));
        LAST(e, &j.op, -ECANCELED);
        leave(e, s[0]);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(there_and_back),
    ENGINE_CASE(many_sources),
    ENGINE_CASE(a_full_receiver),
    ENGINE_CASE(behind_a_full_receiver),
    ENGINE_CASE(behind_one_that_was_given_up),
    ENGINE_CASE(nobody_there),
    ENGINE_CASE(only_ones_own_end),
    ENGINE_CASE(a_peer_that_is_gone),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
