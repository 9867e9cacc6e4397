// SPDX-License-Identifier: MIT
/*
 * Streams: a message goes whole, however small the pieces that the kernel takes; when it cannot, m->len says how much
 * went, and that much arrives, with each descriptor once.
 */
#include "engine.h"

#include <stdlib.h>

#define BIG (3u << 20)

static char *pattern(size_t n, size_t from)
{
    char *p = malloc(n);
    CHECK(p != NULL);
    raw_pattern(p, n, from);
    return p;
}

/* Everything that is there now, which has to continue the pattern; descriptors that came. */
struct sink {
    int fd;
    size_t got;
    unsigned nfds;
};

static void drain(struct sink *k)
{
    static char data[100000];
    struct raw_got g;
    for (;;) {
        raw_recv(k->fd, data, sizeof data, MSG_DONTWAIT, &g);
        if (g.result <= 0) {
            CHECK(g.result == -EAGAIN || g.result == 0);
            return;
        }
        CHECK(raw_pattern_ok(data, (size_t)g.result, k->got));
        k->got += (size_t)g.result;
        k->nfds += g.nfds;
        raw_close_fds(&g);
    }
}

static void small_pair(int s[2])
{
    raw_pair(SOCK_STREAM, s);
    raw_set(s[0], SO_SNDBUF, 4096);
}

/* How long it took. */
static int64_t big_message(struct unx_engine *e)
{
    int s[2];
    small_pair(s);
    char *data = pattern(BIG, 0);
    struct job j;
    job_bytes(&j, data, BIG);
    const int64_t start = raw_now();
    job_send(e, &j, s[0], 0, -1);
    struct sink sink = {.fd = s[1]};
    struct unx_event ev;
    int n;
    while ((n = QUIET(unx_engine_reap(e, &ev, 1, 0))) == 0) {
        drain(&sink);
    }
    CHECK_INT(n, 1);
    JOB_EVENT(ev, &j, 1);
    CHECK_INT(j.m.len, BIG);
    CHECK_INT(j.m.full_len, BIG);
    drain(&sink);
    CHECK_INT(sink.got, BIG);
    const int64_t took = raw_now() - start;
    free(data);
    leave_pair(e, s);
    return took;
}

/* A pause between the pieces would show, unless the machine was busy with something else each time. */
static void a_big_message_goes_whole(struct unx_engine *e)
{
    int64_t least = big_message(e);
    for (int i = 0; i < 4 && least >= 1500; i++) {
        const int64_t took = big_message(e);
        least = took < least ? took : least;
    }
    CHECK(raw_under_valgrind() || least < (harness_slow() ? 6000 : 1500));
}

/* Several at once, in pieces: each is whole, and comes when its turn is. */
static void messages_do_not_mix(struct unx_engine *e)
{
    enum { N = 40, SIZE = 30011 };
    int s[2];
    small_pair(s);
    char *data = pattern(N * SIZE, 0);
    static struct job jobs[N];
    static struct iovec parts[N][3];
    for (unsigned i = 0; i < N; i++) {
        char *p = data + i * SIZE;
        job_bytes(&jobs[i], p, SIZE);
        parts[i][0] = (struct iovec){p, 10000};
        parts[i][1] = (struct iovec){p + 10000, 1};
        parts[i][2] = (struct iovec){p + 10001, SIZE - 10001};
        if (i % 2 == 1) {
            jobs[i].m.iov = parts[i];
            jobs[i].m.niov = 3;
        }
        job_send(e, &jobs[i], s[0], 0, -1);
    }
    struct sink sink = {.fd = s[1]};
    for (unsigned done = 0; done < N;) {
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 0) == 1) {
            JOB_EVENT(ev, &jobs[done], 1);
            CHECK_INT(jobs[done].m.len, SIZE);
            done++;
        }
        drain(&sink);
    }
    drain(&sink);
    CHECK_INT(sink.got, N * SIZE);
    free(data);
    leave_pair(e, s);
}

static void plain_bytes_go_whole_too(struct unx_engine *e)
{
    int s[2];
    small_pair(s);
    char *data = pattern(BIG, 0);
    struct job a, b;
    job_bytes(&a, data, BIG / 2);
    job_bytes(&b, data + BIG / 2, BIG / 2);
    job_send(e, &a, s[0], UNX_PLAIN, -1);
    job_send(e, &b, s[0], UNX_PLAIN, -1);
    struct sink sink = {.fd = s[1]};
    for (unsigned done = 0; done < 2;) {
        struct unx_event ev;
        if (unx_engine_reap(e, &ev, 1, 0) == 1) {
            JOB_EVENT(ev, done == 0 ? &a : &b, 1);
            done++;
        }
        drain(&sink);
    }
    drain(&sink);
    CHECK_INT(sink.got, BIG);
    free(data);
    leave_pair(e, s);
}

enum fate { CANCEL, DEADLINE, NO_TIME, PEER_GOES, CLOSED, FATES };
static const char *const fate_names[] = {"cancel", "deadline", "deadline 0", "peer goes", "closed"};

/* Starts a message that cannot go whole, and ends it; m->len is what arrives, no more and no less. */
static void end_in_the_middle(struct unx_engine *e, enum fate fate, struct job *j, int s[2], struct sink *sink)
{
    job_send(e, j, s[0], 0, fate == DEADLINE ? (harness_slow() ? 1000 : 200) : fate == NO_TIME ? 0 : -1);
    struct unx_op closing = {0};
    if (fate != NO_TIME) {
        QUIET_FOR(e, 5);
        drain(sink);
        QUIET_FOR(e, 5);
    }
    if (fate == PEER_GOES) {
        close(s[1]);
        const struct unx_event ev = NEXT(e);
        CHECK(ev.result == -EPIPE || ev.result == -ECONNRESET);
        JOB_EVENT(ev, j, ev.result);
        return;
    }
    if (fate == CANCEL) {
        START(unx_engine_cancel(e, &j->op));
    } else if (fate == CLOSED) {
        START(unx_engine_close(e, &closing, s[0]));
    }
    JOB_LAST(e, j, fate == DEADLINE ? -ETIMEDOUT : fate == NO_TIME ? -EAGAIN : -ECANCELED);
    if (fate == CLOSED) {
        LAST(e, &closing, 0);
    }
    drain(sink);
    CHECK_INT(sink->got, j->m.len);
}

static void a_part_is_told(struct unx_engine *e)
{
    for (enum fate fate = 0; fate < FATES; fate++) {
        ROW("%s", fate_names[fate]);
        int s[2], p[2];
        small_pair(s);
        raw_pipe(p);
        char *data = pattern(BIG, 0);
        struct job j;
        job_bytes(&j, data, BIG);
        j.m.fds = &p[1];
        j.m.nfds = 1;
        struct sink sink = {.fd = s[1]};
        end_in_the_middle(e, fate, &j, s, &sink);
        NOTE("%s: %zu of %u bytes", fate_names[fate], j.m.len, BIG);
        CHECK(j.m.len > 0 && j.m.len < BIG);
        if (fate < PEER_GOES) {
            /* The rest of it later, as unx_send() says. */
            CHECK_INT(sink.nfds, 1);
            j.m.skip = j.m.len;
            job_send(e, &j, s[0], 0, -1);
            for (struct unx_event ev; unx_engine_reap(e, &ev, 1, 0) == 0;) {
                drain(&sink);
            }
            CHECK_INT(j.m.len, BIG - j.m.skip);
            drain(&sink);
            CHECK_INT(sink.got, BIG);
            CHECK_INT(sink.nfds, 1);
        }
        if (fate != CLOSED) {
            leave(e, s[0]);
        }
        if (fate != PEER_GOES) {
            close(s[1]);
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        free(data);
    }
}

/* The next in the line is not touched by what became of the first: its bytes stand behind the part that went. */
static void the_next_goes_behind_a_part(struct unx_engine *e)
{
    int s[2];
    small_pair(s);
    char *data = pattern(BIG, 0);
    struct job first, second;
    job_bytes(&first, data, BIG);
    job_send(e, &first, s[0], 0, -1);
    job_bytes(&second, data, 1000);
    job_send(e, &second, s[0], 0, -1);
    QUIET_FOR(e, 10);
    START(unx_engine_cancel(e, &first.op));
    JOB_LAST(e, &first, -ECANCELED);
    CHECK(first.m.len > 0);
    size_t left = first.m.len;
    char got[1000];
    struct raw_got g;
    while (left > 0) {
        raw_recv(s[1], got, left < sizeof got ? left : sizeof got, 0, &g);
        CHECK(g.result > 0);
        CHECK(raw_pattern_ok(got, (size_t)g.result, first.m.len - left));
        left -= (size_t)g.result;
    }
    JOB_LAST(e, &second, 1);
    raw_recv(s[1], got, sizeof got, MSG_DONTWAIT | MSG_WAITALL, &g);
    CHECK_INT(g.result, 1000);
    CHECK(raw_pattern_ok(got, 1000, 0));
    check_nothing(s[1]);
    free(data);
    leave_pair(e, s);
}

/* Descriptors go with the first piece, and only with it. */
static void descriptors_go_once(struct unx_engine *e)
{
    int s[2], p[2];
    small_pair(s);
    raw_pipe(p);
    const int lent[3] = {p[1], p[0], p[1]};
    char *data = pattern(BIG, 0);
    struct job j;
    job_bytes(&j, data, BIG);
    j.m.fds = (int *)(uintptr_t)lent;
    j.m.nfds = 3;
    job_send(e, &j, s[0], 0, -1);
    struct sink sink = {.fd = s[1]};
    for (struct unx_event ev; unx_engine_reap(e, &ev, 1, 0) == 0;) {
        drain(&sink);
    }
    JOB_EVENT(((struct unx_event){&j.op, &j.m, 1, 0}), &j, 1);
    drain(&sink);
    CHECK_INT(sink.got, BIG);
    CHECK_INT(sink.nfds, 3);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    free(data);
    leave_pair(e, s);
}

/* Both ends by one engine, both directions full of big messages: nobody waits for anybody. */
static void both_ends_at_once(struct unx_engine *e)
{
    enum { SIZE = 200000, ROOM = 7777 };
    int s[2];
    raw_pair(SOCK_STREAM, s);
    char *data = pattern(SIZE, 0), *room[2] = {malloc(ROOM), malloc(ROOM)};
    struct job out[2], in[2];
    size_t got[2] = {0, 0};
    for (int i = 0; i < 2; i++) {
        job_bytes(&out[i], data, SIZE);
        job_send(e, &out[i], s[i], 0, -1);
        job_bytes(&in[i], room[i], ROOM);
        job_recv(e, &in[i], s[i], 0, -1);
    }
    for (unsigned sent = 0; sent < 2 || got[0] < SIZE || got[1] < SIZE;) {
        const struct unx_event ev = NEXT(e);
        CHECK_INT(ev.result, 1);
        if (ev.op == &out[0].op || ev.op == &out[1].op) {
            sent++;
            continue;
        }
        const int i = ev.op == &in[1].op;
        CHECK(raw_pattern_ok(room[i], in[i].m.len, got[i]));
        got[i] += in[i].m.len;
        if (got[i] < SIZE) {
            job_recv(e, &in[i], s[i], 0, -1);
        }
    }
    for (int i = 0; i < 2; i++) {
        CHECK_INT(out[i].m.len, SIZE);
        free(room[i]);
    }
    free(data);
    leave_pair(e, s);
}

static void skip_is_left_out(struct unx_engine *e)
{
    int s[2], p[2];
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    struct job j;
    job_bytes(&j, "0123456789", 10);
    j.m.skip = 4;
    j.m.fds = &p[1];
    j.m.nfds = 1;
    job_send(e, &j, s[0], 0, -1);
    JOB_LAST(e, &j, 1);
    CHECK_INT(j.m.len, 6);
    check_arrived(s[1], "456789", 6);
    close_pair(p);
    leave_pair(e, s);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(a_big_message_goes_whole),    ENGINE_CASE(messages_do_not_mix),
    ENGINE_CASE(plain_bytes_go_whole_too),    ENGINE_CASE(a_part_is_told),
    ENGINE_CASE(the_next_goes_behind_a_part), ENGINE_CASE(descriptors_go_once),
    ENGINE_CASE(both_ends_at_once),           ENGINE_CASE(skip_is_left_out),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
