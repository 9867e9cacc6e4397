// SPDX-License-Identifier: MIT
/*
 * Exactly one last event for every operation, whatever happens to it: each kind of operation, made to wait,
 * meets each fate.
 */
#include "engine.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>

/* A place in which an operation waits. */
struct scene {
    struct unx_engine *e;
    int s[2];            /* s[0] is what the operation is on; -1 for none */
    int listener, first; /* a server, and a client in its backlog */
    struct unx_addr to;
    struct job job;
};

struct kind {
    const char *name;
    void (*enter)(struct scene *c);
    int (*start)(struct scene *c, int timeout_ms);
    void (*complete)(struct scene *c); /* makes it end, or for a standing one have an event */
    int want;                          /* the result then; A_DESCRIPTOR: that */
    int when_peer_closes;              /* NEVER: no peer */
    bool standing;
};
enum { A_DESCRIPTOR = 1000000, NEVER, AN_ERROR };

static void pair_of(struct scene *c, int type)
{
    raw_pair(type, c->s);
}

static void enter_seqpacket(struct scene *c)
{
    pair_of(c, SOCK_SEQPACKET);
}

static void enter_stream(struct scene *c)
{
    pair_of(c, SOCK_STREAM);
}

static void enter_full_seqpacket(struct scene *c)
{
    pair_of(c, SOCK_SEQPACKET);
    fill_socket(c->s[0], 1000);
}

static void enter_full_stream(struct scene *c)
{
    pair_of(c, SOCK_STREAM);
    fill_socket(c->s[0], 1000);
}

static void enter_listener(struct scene *c)
{
    c->s[0] = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 5);
    CHECK_INT(fcntl(c->s[0], F_SETFL, O_NONBLOCK), 0);
}

static void enter_full_backlog(struct scene *c)
{
    c->listener = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 0);
    c->first = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
    CHECK_INT(unx_addr_path(&c->to, raw_file("server")), 0);
}

static int start_recv(struct scene *c, int timeout_ms)
{
    job_room(&c->job);
    return unx_engine_recv(c->e, &c->job.op, c->s[0], &c->job.m, 0, timeout_ms);
}

static int start_standing_recv(struct scene *c, int timeout_ms)
{
    return unx_engine_recv(c->e, &c->job.op, c->s[0], NULL, UNX_STANDING, timeout_ms);
}

static int start_send(struct scene *c, int timeout_ms)
{
    job_bytes(&c->job, "late", 4);
    return unx_engine_send(c->e, &c->job.op, c->s[0], &c->job.m, 0, timeout_ms);
}

static int start_accept(struct scene *c, int timeout_ms)
{
    return unx_engine_accept(c->e, &c->job.op, c->s[0], 0, timeout_ms);
}

static int start_standing_accept(struct scene *c, int timeout_ms)
{
    return unx_engine_accept(c->e, &c->job.op, c->s[0], UNX_STANDING, timeout_ms);
}

static int start_connect(struct scene *c, int timeout_ms)
{
    return unx_engine_connect(c->e, &c->job.op, SOCK_STREAM, 0, NULL, &c->to, timeout_ms);
}

static int start_poll(struct scene *c, int timeout_ms)
{
    return unx_engine_poll(c->e, &c->job.op, c->s[0], POLLIN, timeout_ms);
}

static void complete_by_sending(struct scene *c)
{
    raw_send(c->s[1], "hello", 5, NULL, 0);
}

static void complete_by_draining(struct scene *c)
{
    static char data[300000];
    struct raw_got g;
    do {
        raw_recv(c->s[1], data, sizeof data, MSG_DONTWAIT, &g);
    } while (g.result > 0);
}

static void complete_by_connecting(struct scene *c)
{
    c->first = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
}

static void complete_by_accepting(struct scene *c)
{
    const int fd = raw_accept(c->listener);
    CHECK(fd >= 0);
    close(fd);
}

static const struct kind kinds[] = {
    {"receive", enter_seqpacket, start_recv, complete_by_sending, 1, 0, false},
    {"receive on a stream", enter_stream, start_recv, complete_by_sending, 1, 0, false},
    {"standing receive", enter_seqpacket, start_standing_recv, complete_by_sending, 1, 0, true},
    {"standing receive on a stream", enter_stream, start_standing_recv, complete_by_sending, 1, 0, true},
    {"send", enter_full_seqpacket, start_send, complete_by_draining, 1, AN_ERROR, false},
    {"send on a stream", enter_full_stream, start_send, complete_by_draining, 1, AN_ERROR, false},
    {"accept", enter_listener, start_accept, complete_by_connecting, A_DESCRIPTOR, NEVER, false},
    {"standing accept", enter_listener, start_standing_accept, complete_by_connecting, A_DESCRIPTOR, NEVER, true},
    {"connect", enter_full_backlog, start_connect, complete_by_accepting, A_DESCRIPTOR, NEVER, false},
    {"poll", enter_seqpacket, start_poll, complete_by_sending, POLLIN, POLLIN | POLLHUP, false},
};
static const size_t nkinds = sizeof kinds / sizeof *kinds;
#define EACH_KIND(k) for (const struct kind *k = kinds; k < kinds + nkinds; k++)

static void enter(struct scene *c, const struct kind *k, struct unx_engine *e, const char *fate)
{
    ROW("%s: %s", k->name, fate);
    *c = (struct scene){.e = e, .s = {-1, -1}, .listener = -1, .first = -1};
    k->enter(c);
}

static void leave_scene(struct scene *c)
{
    for (int i = 0; i < 2; i++) {
        if (c->s[i] >= 0) {
            leave(c->e, c->s[i]);
        }
    }
    if (c->listener >= 0) {
        close(c->listener);
    }
    if (c->first >= 0) {
        close(c->first);
    }
    unlink(raw_file("server"));
}

static void put_back(struct scene *c, const struct kind *k, const struct unx_event *ev)
{
    if (k->want == A_DESCRIPTOR && ev->result >= 0) {
        CHECK(raw_is_open(ev->result));
        close(ev->result);
    }
    if (k->standing && ev->msg != NULL) {
        START(unx_engine_return(c->e, ev->msg));
    }
}

static void check_event(struct scene *c, const struct kind *k, const struct unx_event *ev)
{
    CHECK(ev->op == &c->job.op);
    CHECK(k->want == A_DESCRIPTOR ? ev->result >= 0 : ev->result == k->want);
    CHECK_INT(ev->flags, k->standing ? UNX_MORE : 0);
    put_back(c, k, ev);
}

static void check_completed(struct scene *c, const struct kind *k)
{
    const struct unx_event ev = NEXT(c->e);
    check_event(c, k, &ev);
}

static void check_over(struct scene *c)
{
    QUIET_FOR(c->e, 0);
    CHECK_INT(QUIET(unx_engine_cancel(c->e, &c->job.op)), -ENOENT);
    QUIET_FOR(c->e, 1);
}

static void completes(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        struct scene c;
        enter(&c, k, e, "completes");
        CHECK_INT(QUIET(k->start(&c, -1)), 0);
        QUIET_FOR(e, 5);
        k->complete(&c);
        check_completed(&c, k);
        if (k->standing) {
            START(unx_engine_cancel(e, &c.job.op));
            LAST(e, &c.job.op, -ECANCELED);
        }
        check_over(&c);
        leave_scene(&c);
    }
}

/* At once, while it waits, after an event; and then once more. */
static void is_cancelled(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        for (int when = 0; when < 3; when++) {
            struct scene c;
            enter(&c, k, e, when == 0 ? "cancelled at once" : when == 1 ? "cancelled" : "cancelled twice");
            CHECK_INT(QUIET(k->start(&c, when == 1 ? 10000 : -1)), 0);
            if (when > 0) {
                QUIET_FOR(e, 5);
            }
            START(unx_engine_cancel(e, &c.job.op));
            if (when == 2) {
                const int again = QUIET(unx_engine_cancel(e, &c.job.op));
                CHECK(again == 0 || again == -ENOENT);
            }
            LAST(e, &c.job.op, -ECANCELED);
            check_over(&c);
            leave_scene(&c);
        }
    }
}

/* It was done before, though nobody has reaped it: the result is the caller's, or all is as if it had never been. */
static void is_cancelled_when_done(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        struct scene c;
        enter(&c, k, e, "cancelled when done");
        CHECK_INT(QUIET(k->start(&c, -1)), 0);
        QUIET_FOR(e, 5);
        k->complete(&c);
        raw_sleep(10);
        const int r = QUIET(unx_engine_cancel(e, &c.job.op));
        CHECK(r == 0 || r == -ENOENT);
        struct unx_event ev = NEXT(e);
        if (ev.flags == UNX_MORE) {
            CHECK(k->standing && ev.result >= 0);
            put_back(&c, k, &ev);
            ev = NEXT(e);
        }
        CHECK(ev.op == &c.job.op);
        CHECK_INT(ev.flags, 0);
        CHECK(ev.result == -ECANCELED || (!k->standing && ev.result >= 0));
        put_back(&c, k, &ev);
        check_over(&c);
        leave_scene(&c);
    }
}

static void meets_its_deadline(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        struct scene c;
        enter(&c, k, e, "deadline");
        const int64_t start = raw_now();
        CHECK_INT(QUIET(k->start(&c, 40)), 0);
        LAST(e, &c.job.op, -ETIMEDOUT);
        raw_took(start, 40);
        check_over(&c);
        if (k->standing) {
            /* To stand, but not to wait, is nothing. */
            CHECK_INT(QUIET(k->start(&c, 0)), -EINVAL);
        } else {
            CHECK_INT(QUIET(k->start(&c, 0)), 0);
            LAST(e, &c.job.op, -EAGAIN);
        }
        check_over(&c);
        leave_scene(&c);
    }
}

/* In time: and the deadline is forgotten. Or the machine was too busy for that, which is no more than late. */
static bool done_in_time(struct unx_engine *e, const struct kind *k, int ms)
{
    struct scene c;
    struct unx_event ev;
    enter(&c, k, e, "done in time");
    const int64_t start = raw_now();
    CHECK_INT(QUIET(k->start(&c, ms)), 0);
    const bool waited = QUIET(unx_engine_reap(e, &ev, 1, 5)) == 0;
    if (waited) {
        k->complete(&c);
        ev = NEXT(e);
    }
    const bool late = ev.result == -ETIMEDOUT && raw_now() - start >= ms - 1;
    if (!late) {
        CHECK(waited);
        check_event(&c, k, &ev);
        if (k->standing) {
            LAST(e, &c.job.op, -ETIMEDOUT);
        } else {
            QUIET_FOR(e, ms + 20);
        }
    }
    check_over(&c);
    leave_scene(&c);
    return !late;
}

/* With deadline 0 what is there counts. */
static void is_done_before_its_deadline(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        struct scene c;
        for (int ms = k->standing || harness_slow() ? 300 : 60; !done_in_time(e, k, ms); ms *= 3) {
            CHECK(ms < 5000);
        }
        if (k->standing) {
            continue;
        }
        enter(&c, k, e, "there already");
        k->complete(&c);
        CHECK_INT(QUIET(k->start(&c, 0)), 0);
        check_completed(&c, k);
        check_over(&c);
        leave_scene(&c);
    }
}

static void its_descriptor_is_closed(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        for (int wait = 0; wait < 2; wait++) {
            struct scene c;
            enter(&c, k, e, "closed");
            if (c.s[0] < 0) {
                leave_scene(&c);
                continue;
            }
            CHECK_INT(QUIET(k->start(&c, wait ? -1 : 10000)), 0);
            QUIET_FOR(e, wait * 5);
            struct unx_op closing = {0};
            START(unx_engine_close(e, &closing, c.s[0]));
            LAST(e, &c.job.op, -ECANCELED);
            LAST(e, &closing, 0);
            CHECK(!raw_is_open(c.s[0]));
            c.s[0] = -1;
            check_over(&c);
            leave_scene(&c);
        }
    }
}

static void its_peer_goes(struct unx_engine *e)
{
    EACH_KIND(k)
    {
        for (int reset = 0; reset < 2; reset++) {
            struct scene c;
            enter(&c, k, e, reset ? "reset" : "peer closes");
            if (k->when_peer_closes == NEVER) {
                leave_scene(&c);
                continue;
            }
            if (reset) {
                raw_try_send(c.s[0], "unread", 6, NULL, 0, MSG_DONTWAIT);
            }
            CHECK_INT(QUIET(k->start(&c, -1)), 0);
            QUIET_FOR(e, 5);
            close(c.s[1]);
            c.s[1] = -1;
            const struct unx_event ev = NEXT(e);
            CHECK(ev.op == &c.job.op);
            CHECK_INT(ev.flags, 0);
            if (k->when_peer_closes == AN_ERROR) {
                CHECK(ev.result == -EPIPE || ev.result == -ECONNRESET);
            } else if (k->start == start_poll) {
                CHECK_INT(ev.result, POLLIN | POLLHUP | (reset ? POLLERR : 0));
            } else {
                CHECK_INT(ev.result, reset ? -ECONNRESET : 0);
            }
            check_over(&c);
            leave_scene(&c);
        }
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(completes),
    ENGINE_CASE(is_cancelled),
    ENGINE_CASE(is_cancelled_when_done),
    ENGINE_CASE(meets_its_deadline),
    ENGINE_CASE(is_done_before_its_deadline),
    ENGINE_CASE(its_descriptor_is_closed),
    ENGINE_CASE(its_peer_goes),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
