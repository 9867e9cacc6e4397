// SPDX-License-Identifier: MIT
/*
 * Connecting: a full backlog is waited for, once, in time and at no cost; every error is that of unx_connect(); what
 * was made for it is gone when it fails.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>

static struct unx_addr at(const char *file)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file(file)), 0);
    return a;
}

static void start(struct unx_engine *e, struct unx_op *op, const struct unx_addr *to, int timeout_ms)
{
    START(unx_engine_connect(e, op, SOCK_STREAM, 0, NULL, to, timeout_ms));
}

/* A server with room for one, and that one is there. */
struct full {
    int server, first;
    struct unx_addr addr;
};

static struct full full_server(void)
{
    struct full f = {.addr = at("full")};
    unlink(raw_file("full"));
    f.server = raw_listen(SOCK_STREAM, raw_path(raw_file("full")), 0);
    f.first = raw_connect(SOCK_STREAM, raw_path(raw_file("full")));
    return f;
}

static void close_full(const struct full *f)
{
    close(f->first);
    close(f->server);
}

static bool exists(const char *path)
{
    struct stat st;
    return lstat(path, &st) == 0;
}

static void accept_late(void *arg)
{
    const struct full *f = arg;
    raw_sleep(300);
    int fd[2];
    for (int i = 0; i < 2; i++) {
        struct pollfd p = {f->server, POLLIN, 0};
        CHECK_INT(poll(&p, 1, 10000), 1);
        fd[i] = raw_accept(f->server);
        CHECK(fd[i] >= 0);
    }
    char c = 0;
    CHECK_INT(read(fd[1], &c, 1), 1);
    CHECK_INT(c, 'x');
    /* It has connected once. */
    struct pollfd p = {f->server, POLLIN, 0};
    CHECK_INT(poll(&p, 1, 200), 0);
}

/* How much of the processor it took until a server that was busy has accepted. */
static int64_t wait_for_a_busy_server(struct unx_engine *e, int timeout_ms)
{
    struct full f = full_server();
    const int64_t began = raw_now();
    const pid_t child = harness_fork(accept_late, &f);
    const int64_t cpu = engine_cpu();
    struct unx_op op = {0};
    start(e, &op, &f.addr, timeout_ms);
    const struct unx_event ev = NEXT(e);
    const int64_t used = engine_cpu() - cpu;
    CHECK(ev.op == &op && ev.msg == NULL && ev.flags == 0);
    CHECK(ev.result >= 0);
    raw_took(began, 300);
    NOTE("used %lld us of the processor in 300 ms", (long long)used);
    CHECK(raw_cloexec(ev.result) && !raw_nonblock(ev.result));
    CHECK_INT(raw_get(ev.result, SO_ERROR), 0);
    raw_send(ev.result, "x", 1, NULL, 0);
    harness_wait(child);
    leave(e, ev.result);
    close_full(&f);
    return used;
}

/* Under 1 %, unless the machine was busy with something else each time. */
static void a_busy_server(struct unx_engine *e)
{
    raw_need_quiet();
    int64_t least = INT64_MAX;
    for (int i = 0; i < 5 && (i < 2 || least >= 3000); i++) {
        const int64_t used = wait_for_a_busy_server(e, i % 2 == 0 ? -1 : 10000);
        least = used < least ? used : least;
    }
    CHECK(least < (harness_slow() ? 30000 : 3000));
}

static void no_room_in_time(struct unx_engine *e)
{
    static const int times[] = {0, 1, 30, 120};
    const struct full f = full_server();
    for (unsigned i = 0; i < 4; i++) {
        const int64_t began = raw_now();
        struct unx_op op = {0};
        start(e, &op, &f.addr, times[i]);
        LAST(e, &op, times[i] == 0 ? -EAGAIN : -ETIMEDOUT);
        raw_took(began, times[i]);
    }
    close_full(&f);
}

static void cancelled_while_waiting(struct unx_engine *e)
{
    const struct full f = full_server();
    for (int wait = 0; wait < 3; wait++) {
        struct unx_op op = {0};
        start(e, &op, &f.addr, -1);
        QUIET_FOR(e, wait * 30);
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        CHECK_INT(QUIET(unx_engine_cancel(e, &op)), -ENOENT);
    }
    close_full(&f);
}

/* Many wait for the same server, which takes one now and then: each connects, once. */
static void many_wait(struct unx_engine *e)
{
    enum { MANY = 20 };
    struct full f = full_server();
    CHECK_INT(fcntl(f.server, F_SETFL, O_NONBLOCK), 0);
    struct unx_op ops[MANY] = {{0}};
    for (unsigned i = 0; i < MANY; i++) {
        start(e, &ops[i], &f.addr, -1);
    }
    QUIET_FOR(e, 10);
    unsigned accepted = 0, connected = 0;
    while (accepted < MANY + 1 || connected < MANY) {
        const int fd = raw_accept(f.server);
        if (fd >= 0) {
            accepted++;
            close(fd);
        }
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 5) == 1) {
            CHECK(ev.op >= ops && ev.op < ops + MANY);
            CHECK(ev.result >= 0);
            leave(e, ev.result);
            connected++;
        }
    }
    CHECK_INT(accept(f.server, NULL, NULL), -1);
    close_full(&f);
}

static void errors(struct unx_engine *e)
{
    static const struct {
        const char *what;
        int result;
    } tries[] = {
        {"nobody listens", -ECONNREFUSED},
        {"no file", -ENOENT},
        {"another type", -EPROTOTYPE},
        {"no socket", -ECONNREFUSED},
    };
    const int dead = raw_bind(SOCK_STREAM, raw_path(raw_file("nobody listens")));
    const int other = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("another type")), 5);
    const int file = open(raw_file("no socket"), O_CREAT | O_CLOEXEC | O_RDWR, 0600);
    CHECK(file >= 0);
    for (unsigned i = 0; i < 4; i++) {
        for (unsigned t = 0; t < 3; t++) {
            const int timeout = t == 0 ? -1 : t == 1 ? 0 : 1000;
            ROW("%s, timeout %d", tries[i].what, timeout);
            const struct unx_addr to = at(tries[i].what);
            const struct unx_addr from = at("from");
            struct unx_op op = {0};
            start(e, &op, &to, timeout);
            LAST(e, &op, tries[i].result);
            START(unx_engine_connect(e, &op, SOCK_STREAM, 0, &from, &to, timeout));
            LAST(e, &op, tries[i].result);
            CHECK(!exists(raw_file("from")));
        }
    }
    close(dead);
    close(other);
    close(file);
}

/* The name of this end is there when it succeeds, and gone when it does not. */
static void a_name_of_its_own(struct unx_engine *e)
{
    const struct unx_addr from = at("from");
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    const struct unx_addr to = at("server");
    struct unx_op op = {0};
    START(unx_engine_connect(e, &op, SOCK_STREAM, 0, &from, &to, -1));
    struct unx_event ev = NEXT(e);
    CHECK(ev.result >= 0);
    CHECK(exists(raw_file("from")));
    struct unx_addr mine;
    CHECK_INT(unx_local_addr(ev.result, &mine), 0);
    CHECK_INT(unx_addr_compare(&mine, &from), 0);
    leave(e, ev.result);
    /* It is the caller's now, and in the way. */
    START(unx_engine_connect(e, &op, SOCK_STREAM, 0, &from, &to, -1));
    LAST(e, &op, -EADDRINUSE);
    CHECK(exists(raw_file("from")));
    CHECK_INT(unlink(raw_file("from")), 0);
    close(server);
    for (int how = 0; how < 3; how++) {
        const struct full f = full_server();
        START(unx_engine_connect(e, &op, SOCK_STREAM, 0, &from, &f.addr, how == 0 ? 30 : how == 1 ? -1 : 0));
        if (how == 1) {
            QUIET_FOR(e, 20);
            START(unx_engine_cancel(e, &op));
        }
        LAST(e, &op, how == 0 ? -ETIMEDOUT : how == 1 ? -ECANCELED : -EAGAIN);
        CHECK(!exists(raw_file("from")));
        close_full(&f);
    }
    struct full f = full_server();
    START(unx_engine_connect(e, &op, SOCK_STREAM, 0, &from, &f.addr, -1));
    QUIET_FOR(e, 20);
    close(raw_accept(f.server));
    ev = NEXT(e);
    CHECK(ev.result >= 0);
    CHECK_INT(unx_local_addr(ev.result, &mine), 0);
    CHECK_INT(unx_addr_compare(&mine, &from), 0);
    CHECK(exists(raw_file("from")));
    leave(e, ev.result);
    close_full(&f);
}

static void the_server_goes_meanwhile(struct unx_engine *e)
{
    for (int how = 0; how < 2; how++) {
        ROW("%s", how ? "closed" : "shut down");
        const struct full f = full_server();
        struct unx_op op = {0};
        start(e, &op, &f.addr, -1);
        QUIET_FOR(e, 20);
        if (how) {
            close(f.server);
        } else {
            CHECK_INT(shutdown(f.server, SHUT_RD), 0);
        }
        LAST(e, &op, -ECONNREFUSED);
        close(f.first);
        if (!how) {
            close(f.server);
        }
    }
}

static void as_asked_for(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        unlink(raw_file("server"));
        const int server = t == 2 ? raw_bind(SOCK_DGRAM, raw_path(raw_file("server")))
                                  : raw_listen(raw_types[t], raw_path(raw_file("server")), 5);
        const struct unx_addr to = at("server");
        const unsigned flags = UNX_NONBLOCK | UNX_PASSCRED | UNX_PASSFDS;
        struct unx_op op = {0};
        START(unx_engine_connect(e, &op, raw_types[t], flags, NULL, &to, -1));
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0);
        unsigned blind;
        const unsigned has = raw_flags(ev.result, &blind);
        CHECK_INT(has | (blind & UNX_PASSFDS), flags);
        CHECK_INT(raw_get(ev.result, SO_TYPE), raw_types[t]);
        CHECK(raw_cloexec(ev.result));
        leave(e, ev.result);
        close(server);
    }
}

/* Its number was somebody else's before; and nothing is said of it that was said of that. */
static void a_number_used_again(struct unx_engine *e)
{
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 100);
    const struct unx_addr to = at("server");
    for (unsigned i = 0; i < 50; i++) {
        struct unx_op op = {0};
        start(e, &op, &to, i % 3 == 0 ? -1 : 1000);
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result >= 0);
        const int far = raw_accept(server);
        CHECK(far >= 0);
        struct job in;
        job_recv_any(e, &in, ev.result);
        QUIET_FOR(e, i % 2);
        raw_send(far, "hello", 5, NULL, 0);
        JOB_GETS(e, &in, "hello");
        leave(e, ev.result);
        close(far);
    }
    close(server);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(a_busy_server),
    ENGINE_CASE(no_room_in_time),
    ENGINE_CASE(cancelled_while_waiting),
    ENGINE_CASE(many_wait),
    ENGINE_CASE(errors),
    ENGINE_CASE(a_name_of_its_own),
    ENGINE_CASE(as_asked_for),
    ENGINE_CASE(the_server_goes_meanwhile),
    ENGINE_CASE(a_number_used_again),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
