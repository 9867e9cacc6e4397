// SPDX-License-Identifier: MIT
/*
 * Sends that are over when they went while they were started (UNX_NOW): then no event comes, and all that was lent is
 * the caller's again. Whatever else becomes of them comes with an event.
 */
#include "engine.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#define BIG (1u << 20)

static int start_now(struct unx_engine *e, struct job *j, int fd, unsigned flags, int timeout_ms)
{
    j->before = j->m;
    return QUIET(unx_engine_send(e, &j->op, fd, &j->m, UNX_NOW | flags, timeout_ms));
}

static int send_now(struct unx_engine *e, struct job *j, int fd, const char *text, unsigned flags)
{
    job_bytes(j, text, strlen(text));
    return start_now(e, j, fd, flags, -1);
}

/* Also the first one on a descriptor, of any type, with any flag; and the operation is free. */
static void it_went(struct unx_engine *e)
{
    static const unsigned flags[] = {0, UNX_PLAIN, UNX_LAZY, UNX_LAZY | UNX_PLAIN};
    for (unsigned i = 0; i < 12; i++) {
        ROW("%s, flags %#x", raw_type_name(raw_types[i % 3]), flags[i / 3]);
        int s[2];
        struct job j;
        raw_pair(raw_types[i % 3], s);
        for (unsigned times = 0; times < 3; times++) {
            CHECK_INT(send_now(e, &j, s[0], "hello", flags[i / 3]), 1);
            CHECK_INT(j.m.len, 5);
            CHECK_INT(j.m.full_len, 5);
            CHECK_INT(j.m.error, 0);
            check_arrived(s[1], "hello", 5);
        }
        CHECK_INT(unx_engine_cancel(e, &j.op), -ENOENT);
        QUIET_FOR(e, 2);
        leave_pair(e, s);
    }
}

static void with_a_descriptor_and_in_pieces(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2], p[2];
        struct job j;
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        char text[] = "hello";
        const struct iovec iov[2] = {{text, 2}, {text + 2, 3}};
        job_bytes(&j, "", 1);
        j.m.iov = iov;
        j.m.niov = 2;
        j.m.fds = &p[1];
        j.m.nfds = 1;
        CHECK_INT(start_now(e, &j, s[0], 0, -1), 1);
        close(p[1]);
        QUIET_FOR(e, 2);
        char data[10];
        struct raw_got g;
        raw_recv(s[1], data, sizeof data, 0, &g);
        CHECK_INT(g.result, 5);
        CHECK_MEM(data, 5, "hello", 5);
        CHECK_INT(g.nfds, 1);
        CHECK_INT(write(g.fds[0], "x", 1), 1);
        raw_close_fds(&g);
        close(p[0]);
        leave_pair(e, s);
    }
}

/* Bytes alone, of which no piece is all. */
static void in_pieces(struct unx_engine *e)
{
    for (unsigned i = 0; i < 6; i++) {
        ROW("%s, known %u", raw_type_name(raw_types[i / 2]), i % 2);
        int s[2];
        struct job j;
        raw_pair(raw_types[i / 2], s);
        if (i % 2 == 1) {
            CHECK_INT(send_now(e, &j, s[0], "x", 0), 1);
            check_arrived(s[1], "x", 1);
        }
        char text[] = "hello";
        const struct iovec iov[3] = {{text, 2}, {text + 2, 0}, {text + 2, 3}};
        job_bytes(&j, "", 1);
        j.m.iov = iov;
        j.m.niov = 3;
        CHECK_INT(start_now(e, &j, s[0], 0, -1), 1);
        CHECK_INT(j.m.len, 5);
        check_arrived(s[1], "hello", 5);
        QUIET_FOR(e, 2);
        leave_pair(e, s);
    }
}

/* Fills it, by sends that went: how many. */
static unsigned fill(struct unx_engine *e, int fd, const char *text, struct job *last)
{
    unsigned n = 0;
    while (send_now(e, last, fd, text, 0) == 1) {
        n++;
    }
    return n;
}

/* The one that finds no room is started, and so is each behind it, even when there is room again. */
static void no_room(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        struct job first, second, third;
        char text[1001];
        memset(text, 'a', 1000);
        text[1000] = '\0';
        raw_pair(raw_types[t], s);
        raw_set(s[0], SO_SNDBUF, 4096);
        unsigned n = fill(e, s[0], text, &first);
        CHECK(n > 0);
        CHECK_INT(send_now(e, &second, s[0], "b", 0), 0);
        QUIET_FOR(e, 2);
        static char data[4000];
        size_t came = 0;
        struct raw_got g;
        for (raw_recv(s[1], data, 1000, 0, &g); g.result > 0; raw_recv(s[1], data, 1000, MSG_DONTWAIT, &g)) {
            came += (size_t)g.result;
        }
        CHECK_INT(send_now(e, &third, s[0], "c", 0), 0);
        JOB_LAST(e, &first, 1);
        JOB_LAST(e, &second, 1);
        JOB_LAST(e, &third, 1);
        char end = 0;
        for (raw_recv(s[1], data, 1000, MSG_DONTWAIT, &g); g.result > 0; raw_recv(s[1], data, 1000, MSG_DONTWAIT, &g)) {
            came += (size_t)g.result;
            end = data[g.result - 1];
        }
        CHECK_INT(came, (n + 1) * 1000 + 2);
        CHECK_INT(end, 'c');
        CHECK_INT(send_now(e, &first, s[0], "d", 0), 1);
        check_arrived(s[1], "d", 1);
        leave_pair(e, s);
    }
}

/* A part of it went, be it a whole piece or not: the rest goes as always, and then the event comes. */
static void a_part_went(struct unx_engine *e)
{
    for (unsigned i = 0; i < 4; i++) {
        ROW("way %u", i);
        int s[2];
        struct job j;
        static char data[100000];
        char *const big = malloc(BIG);
        CHECK(big != NULL);
        raw_pattern(big, BIG, 0);
        raw_pair(SOCK_STREAM, s);
        if (i % 2 == 1) {
            CHECK_INT(send_now(e, &j, s[0], "x", 0), 1);
            check_arrived(s[1], "x", 1);
        }
        job_bytes(&j, big, BIG);
        const struct iovec pieces[2] = {{big, 10}, {big + 10, BIG - 10}};
        if (i >= 2) {
            j.m.iov = pieces;
            j.m.niov = 2;
        }
        CHECK_INT(start_now(e, &j, s[0], 0, -1), 0);
        size_t got = 0;
        struct unx_event ev;
        while (unx_engine_reap(e, &ev, 1, 0) == 0) {
            struct raw_got g;
            raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
            CHECK(g.result > 0 || g.result == -EAGAIN);
            if (g.result > 0) {
                CHECK(raw_pattern_ok(data, (size_t)g.result, got));
                got += (size_t)g.result;
            }
        }
        JOB_EVENT(ev, &j, 1);
        CHECK_INT(j.m.len, BIG);
        free(big);
        leave_pair(e, s);
    }
}

/* Errors of the system come as an event, like those of others; misuse is said at once. */
static void errors(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (unsigned known = 0; known < 2; known++) {
            ROW("%s, known %u", raw_type_name(raw_types[t]), known);
            int s[2];
            struct job j, again;
            raw_pair(raw_types[t], s);
            if (known) {
                CHECK_INT(send_now(e, &j, s[0], "x", 0), 1);
                check_arrived(s[1], "x", 1);
            }
            CHECK_INT(send_now(e, &j, -1, "x", 0), -EBADF);
            close(s[1]);
            CHECK_INT(send_now(e, &j, s[0], "x", 0), 0);
            CHECK_INT(start_now(e, &j, s[0], 0, -1), -EBUSY);
            JOB_LAST(e, &j, raw_types[t] == SOCK_DGRAM ? -ECONNREFUSED : -EPIPE);
            struct unx_op gone = {.data = NULL};
            START(unx_engine_close(e, &gone, s[0]));
            CHECK_INT(send_now(e, &again, s[0], "x", 0), -EBADF);
            LAST(e, &gone, 0);
        }
    }
}

/* Without time: either it goes, or -EAGAIN comes. */
static void without_time(struct unx_engine *e)
{
    int s[2];
    struct job j, full;
    raw_pair(SOCK_SEQPACKET, s);
    raw_set(s[0], SO_SNDBUF, 4096);
    job_bytes(&j, "x", 1);
    unsigned n = 0;
    int r;
    while ((r = start_now(e, &j, s[0], 0, 0)) == 1) {
        n++;
    }
    CHECK_INT(r, 0);
    CHECK(n > 0);
    JOB_LAST(e, &j, -EAGAIN);
    CHECK_INT(send_now(e, &full, s[0], "y", 0), 0);
    START(unx_engine_cancel(e, &full.op));
    JOB_LAST(e, &full, -ECANCELED);
    leave_pair(e, s);
}

/* Whoever polls the engine's descriptor hears nothing of those that went, and of all others. */
static void nested(struct unx_engine *unused)
{
    (void)unused;
    struct unx_engine *const e = engine_make(0);
    const int fd = unx_engine_fd(e);
    if (fd == -EOPNOTSUPP) {
        engine_used(e);
        SKIP("poll has no descriptor to nest by");
    }
    int s[2];
    struct job j;
    struct pollfd p = {.fd = fd, .events = POLLIN};
    struct unx_event ev;
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(send_now(e, &j, s[0], "hello", 0), 1);
        CHECK_INT(poll(&p, 1, 2), 0);
        check_arrived(s[1], "hello", 5);
    }
    close(s[1]);
    CHECK_INT(send_now(e, &j, s[0], "hello", 0), 0);
    CHECK_INT(poll(&p, 1, 5000), 1);
    JOB_LAST(e, &j, -EPIPE);
    leave(e, s[0]);
    engine_used(e);
}

/* A part of it goes where it begins behind some bytes that are skipped and has many pieces: the rest goes, too. */
static void skipped_bytes_and_many_pieces(struct unx_engine *e)
{
    char data[40], got[40];
    struct iovec iov[20];
    raw_pattern(data, sizeof data, 0);
    for (unsigned i = 0; i < 20; i++) {
        iov[i] = (struct iovec){data + 2 * i, 2};
    }
    for (int timeout_ms = -1; timeout_ms <= 0; timeout_ms++) {
        ROW("timeout %d", timeout_ms);
        int s[2];
        struct job j;
        struct raw_got g;
        raw_pair(SOCK_STREAM, s);
        job_bytes(&j, "", 1);
        j.m.iov = iov;
        j.m.niov = 20;
        j.m.skip = 1;
        CHECK_INT(start_now(e, &j, s[0], 0, timeout_ms), 1);
        CHECK_INT(j.m.len, 39);
        raw_recv(s[1], got, sizeof got, 0, &g);
        CHECK_MEM(got, (size_t)g.result, data + 1, 39);
        leave_pair(e, s);
    }
}

/* Its deadline ends with it: also where it was the first one on its descriptor, or is more than bytes. */
static void with_a_deadline(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        struct job j, later;
        raw_pair(raw_types[t], s);
        for (unsigned times = 0; times < 3; times++) {
            job_bytes(&j, "hello", 5);
            j.m.fds = &s[1];
            j.m.nfds = times == 2;
            CHECK_INT(start_now(e, &j, s[0], 0, 3), 1);
            job_room(&later);
            job_recv(e, &later, s[0], 0, 6);
            memset(&j, 0xff, sizeof j);
            JOB_LAST(e, &later, -ETIMEDOUT);
            struct raw_got g;
            char data[10];
            raw_recv(s[1], data, sizeof data, 0, &g);
            CHECK_INT(g.result, 5);
            raw_close_fds(&g);
        }
        leave_pair(e, s);
    }
}

/* Behind one that waits for room it stands too, although there is room for both by now: their events come, in their
 * order, and whoever polls the engine's descriptor hears of them. */
static void behind_another(struct unx_engine *unused)
{
    (void)unused;
    for (unsigned timed = 0; timed < 2; timed++) {
        ROW("timeout %d", timed ? 0 : 1000);
        struct unx_engine *const e = engine_make(0);
        const int fd = unx_engine_fd(e);
        CHECK(fd >= 0 || fd == -EOPNOTSUPP);
        int s[2];
        struct job first, second;
        char text[1001];
        memset(text, 'a', 1000);
        text[1000] = '\0';
        raw_pair(SOCK_SEQPACKET, s);
        raw_set(s[0], SO_SNDBUF, 20000);
        fill(e, s[0], text, &first);
        QUIET_FOR(e, 2);
        /* Room for some, but too little to be told of. */
        struct raw_got g;
        for (int i = 0; i < 6; i++) {
            raw_recv(s[1], text, 1000, 0, &g);
        }
        struct pollfd p = {.fd = s[0], .events = POLLOUT};
        CHECK_INT(poll(&p, 1, 0), 0);
        job_bytes(&second, "b", 1);
        CHECK_INT(start_now(e, &second, s[0], 0, timed ? 0 : 1000), 0);
        if (!timed) {
            do {
                raw_recv(s[1], text, 1000, MSG_DONTWAIT, &g);
            } while (g.result > 0);
        }
        p = (struct pollfd){.fd = fd, .events = POLLIN};
        CHECK(fd < 0 || poll(&p, 1, 5000) == 1);
        JOB_LAST(e, &first, 1);
        JOB_LAST(e, &second, 1);
        leave_pair(e, s);
        engine_used(e);
    }
}

/* The first one on a descriptor, too, is heard of where it did not go: its error, and its deadline. */
static void nested_and_new(struct unx_engine *unused)
{
    (void)unused;
    struct unx_engine *const e = engine_make(0);
    const int fd = unx_engine_fd(e);
    if (fd == -EOPNOTSUPP) {
        engine_used(e);
        SKIP("poll has no descriptor to nest by");
    }
    struct pollfd p = {.fd = fd, .events = POLLIN};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        struct job j;
        raw_pair(SOCK_SEQPACKET, s);
        if (t == 0) {
            close(s[1]);
        } else {
            fill_socket(s[0], 1000);
        }
        QUIET_FOR(e, 0);
        job_bytes(&j, "hello", 5);
        CHECK_INT(start_now(e, &j, s[0], 0, 20), 0);
        CHECK_INT(poll(&p, 1, 5000), 1);
        struct unx_event ev;
        while (unx_engine_reap(e, &ev, 1, 0) == 0) {
            CHECK_INT(poll(&p, 1, 5000), 1);
        }
        JOB_EVENT(ev, &j, t == 0 ? -EPIPE : -ETIMEDOUT);
        leave(e, s[0]);
        if (t == 1) {
            close(s[1]);
        }
    }
    engine_used(e);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(with_a_deadline), ENGINE_CASE(behind_another),
    ENGINE_CASE(nested_and_new),  ENGINE_CASE(skipped_bytes_and_many_pieces),
    ENGINE_CASE(it_went),         ENGINE_CASE(with_a_descriptor_and_in_pieces),
    ENGINE_CASE(no_room),         ENGINE_CASE(a_part_went),
    ENGINE_CASE(errors),          ENGINE_CASE(without_time),
    ENGINE_CASE(nested),          ENGINE_CASE(in_pieces),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
