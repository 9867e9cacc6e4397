// SPDX-License-Identifier: MIT
/*
 * unx_call(): a request, one reply, one deadline.
 *
 * What surprised us: a server that refuses and closes early has often queued its answer before; on SEQPACKET the
 * refusal of the request comes first, and a client that believes it loses the answer. Two sides that both write and do
 * not read stand still for ever, unless one of them reads while it waits for room.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>

/* Answers each request with the same bytes in capitals, `delay` ms later, until the end. */
struct server {
    int fd;
    unsigned delay, rounds;
};

static void serve(void *arg)
{
    const struct server *s = arg;
    char data[64];
    for (unsigned i = 0; i < s->rounds; i++) {
        struct raw_got g;
        raw_recv(s->fd, data, sizeof data, 0, &g);
        CHECK(g.result >= 0);
        for (ssize_t j = 0; j < g.result; j++) {
            data[j] = (char)(data[j] - 32);
        }
        raw_sleep(s->delay);
        raw_send(s->fd, data, (size_t)g.result, g.fds, g.nfds);
        raw_close_fds(&g);
    }
}

struct call {
    char data[64];
    int fds[4];
    struct iovec out, in;
    struct unx_msg req, rep;
};

static void prepare(struct call *c, const char *text)
{
    memset(c, 0, sizeof *c);
    memset(c->fds, 0x55, sizeof c->fds);
    c->out = (struct iovec){(char *)(uintptr_t)text, strlen(text)};
    c->in = (struct iovec){c->data, sizeof c->data};
    c->req = message(&c->out, 1);
    c->rep = message(&c->in, 1);
    c->rep.fds = c->fds;
    c->rep.nfds = 4;
}

/* The call, with a look at what it must not touch. */
static int call(int fd, struct call *c, int timeout_ms)
{
    const struct unx_msg req = c->req, rep = c->rep;
    const int flags = fcntl(fd, F_GETFL);
    const int r = unx_call(fd, &c->req, &c->rep, timeout_ms);
    check_half(&req, &c->req);
    check_half(&rep, &c->rep);
    CHECK_INT(fcntl(fd, F_GETFL), flags);
    CHECK_INT(c->rep.error, r < 0 ? r : 0);
    for (unsigned i = c->rep.fds_got; i < c->rep.nfds; i++) {
        CHECK_INT(c->fds[i], -1);
    }
    return r;
}

static void request_and_reply(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int nonblock = 0; nonblock < 2; nonblock++) {
            int s[2];
            raw_pair(raw_types[t], s);
            if (nonblock) {
                CHECK_INT(fcntl(s[0], F_SETFL, O_NONBLOCK), 0);
            }
            struct server v = {s[1], 10, 4};
            const pid_t child = harness_fork(serve, &v);
            static const int timeouts[] = {-1, 5000};
            for (unsigned i = 0; i < 4; i++) {
                struct call c;
                prepare(&c, "please");
                CHECK_INT(call(s[0], &c, timeouts[i % 2]), 1);
                CHECK_INT(c.req.len, 6);
                CHECK_INT(c.req.error, 0);
                CHECK_MEM(c.data, c.rep.len, "PLEASE", 6);
                CHECK_INT(c.rep.fds_got, 0);
            }
            harness_wait(child);
            close_pair(s);
        }
    }
}

static void descriptors_both_ways(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        struct server v = {s[1], 0, 1};
        const pid_t child = harness_fork(serve, &v);
        struct call c;
        prepare(&c, "file");
        int lent[2] = {p[1], p[1]};
        c.req.fds = lent;
        c.req.nfds = 2;
        CHECK_INT(call(s[0], &c, 5000), 1);
        CHECK_INT(c.rep.fds_got, 2);
        for (unsigned i = 0; i < 2; i++) {
            CHECK(raw_same_file(c.fds[i], p[1]));
            close(c.fds[i]);
        }
        harness_wait(child);
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static void empty_request(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(types[t], s);
        struct server v = {s[1], 0, 1};
        const pid_t child = harness_fork(serve, &v);
        struct call c;
        prepare(&c, "");
        CHECK_INT(call(s[0], &c, 5000), 1);
        CHECK_INT(c.rep.len, 0);
        harness_wait(child);
        close_pair(s);
    }
}

static void no_reply_in_time(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int signals = 0; signals < 2; signals++) {
            int s[2];
            raw_pair(raw_types[t], s);
            struct call c;
            prepare(&c, "hello");
            if (signals) {
                raw_signals_start();
            }
            const int64_t start = raw_now();
            CHECK_INT(call(s[0], &c, 200), -ETIMEDOUT);
            raw_took(start, 200);
            if (signals) {
                raw_signals_came(10);
            }
            CHECK_INT(c.req.len, 5);
            CHECK_INT(call(s[0], &c, 0), -EAGAIN);
            check_arrived(s[1], raw_types[t] == SOCK_STREAM ? "hellohello" : "hello",
                          raw_types[t] == SOCK_STREAM ? 10 : 5);
            close_pair(s);
        }
    }
}

/* One deadline for both: no room for the request, and nobody who would make some. */
static void no_room_in_time(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        static char data[1000];
        raw_pair(raw_types[t], s);
        while (raw_try_send(s[0], data, sizeof data, NULL, 0, MSG_DONTWAIT) > 0) {
        }
        struct call c;
        prepare(&c, "hello");
        const int64_t start = raw_now();
        CHECK_INT(call(s[0], &c, 200), -ETIMEDOUT);
        CHECK(raw_now() - start >= 190);
        CHECK_INT(c.req.len, 0);
        CHECK_INT(c.req.error, -ETIMEDOUT);
        CHECK_INT(call(s[0], &c, 0), -EAGAIN);
        close_pair(s);
    }
}

static void replies_under_signals(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct server v = {s[1], 20, 10};
        const pid_t child = harness_fork(serve, &v);
        raw_signals_start();
        for (unsigned i = 0; i < 10; i++) {
            struct call c;
            prepare(&c, "please");
            CHECK_INT(call(s[0], &c, i % 2 ? -1 : 5000), 1);
            CHECK_MEM(c.data, c.rep.len, "PLEASE", 6);
        }
        raw_signals_came(10);
        harness_wait(child);
        close_pair(s);
    }
}

static void the_end_before_a_reply(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        struct call c;
        raw_pair(types[t], s);
        close(s[1]);
        prepare(&c, "hello");
        CHECK_INT(call(s[0], &c, -1), -ECONNRESET);
        close(s[0]);
        raw_pair(types[t], s);
        CHECK_INT(shutdown(s[1], SHUT_WR), 0);
        prepare(&c, "hello");
        CHECK_INT(call(s[0], &c, -1), -ECONNRESET);
        check_arrived(s[1], "hello", 5);
        close_pair(s);
    }
}

/* The server has said no and has gone, before the request could be sent or was read. */
static void an_early_no(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    for (unsigned t = 0; t < 2; t++) {
        for (int unread = 0; unread < 2; unread++) {
            int s[2];
            struct call c;
            raw_pair(types[t], s);
            if (unread) {
                raw_send(s[0], "earlier", 7, NULL, 0);
            }
            raw_send(s[1], "no", 2, NULL, 0);
            close(s[1]);
            prepare(&c, "hello");
            CHECK_INT(call(s[0], &c, 1000), 1);
            CHECK_MEM(c.data, c.rep.len, "no", 2);
            CHECK_INT(c.req.len, 0);
            prepare(&c, "hello");
            CHECK_INT(call(s[0], &c, 1000), -ECONNRESET);
            close(s[0]);
        }
    }
}

/* A datagram socket has no end that would tell that the server will not answer any more. */
static void no_datagram_server(void)
{
    static const int timeouts[] = {-1, 5000, 0};
    for (unsigned i = 0; i < 3; i++) {
        const char *name = raw_name("gone");
        const struct raw_addr a = raw_abstract(name, strlen(name));
        const int server = raw_bind(SOCK_DGRAM, a), client = raw_connect(SOCK_DGRAM, a);
        struct call c;
        close(server);
        const int64_t start = raw_now();
        prepare(&c, "hello");
        CHECK_INT(call(client, &c, timeouts[i]), -ECONNREFUSED);
        CHECK_INT(c.req.error, -ECONNREFUSED);
        CHECK_INT(c.req.len, 0);
        CHECK_INT(call(client, &c, timeouts[i]), -ENOTCONN);
        CHECK(raw_now() - start < 4000); /* neither call waits */
        close(client);
    }
}

/* The peer writes until it is stuck and reads only afterwards; so it is read from, while there is no room. */
static void writes_first(void *arg)
{
    const int fd = *(int *)arg;
    static char data[1 << 20];
    size_t left = sizeof data;
    while (left > 0) {
        const ssize_t n = raw_try_send(fd, data, left, NULL, 0, 0);
        CHECK(n > 0);
        left -= (size_t)n;
    }
    struct raw_got g;
    raw_recv(fd, data, sizeof data, 0, &g);
    CHECK(g.result > 0);
}

static void both_write_a_stream(void)
{
    int s[2];
    raw_pair(SOCK_STREAM, s);
    const pid_t child = harness_fork(writes_first, &s[1]);
    static char large[4 << 20], back[1 << 20];
    const struct iovec out = {large, sizeof large}, in = {back, sizeof back};
    struct unx_msg req = message(&out, 1), rep = message(&in, 1);
    size_t have = 0;
    CHECK_INT(unx_call(s[0], &req, &rep, 10000), 1);
    CHECK(req.len < sizeof large);
    CHECK(rep.len > 0);
    /* What came was no more than a part; the rest is there for whoever goes on reading. */
    for (have = rep.len; have < sizeof back; have += rep.len) {
        CHECK_INT(unx_recv(s[0], &rep, 0), 1);
    }
    CHECK_INT(have, sizeof back);
    if (req.len == 0) {
        raw_send(s[0], "x", 1, NULL, 0);
    }
    harness_wait(child);
    close_pair(s);
}

static void full_of_requests(void)
{
    int s[2];
    static char data[1000];
    raw_pair(SOCK_SEQPACKET, s);
    while (raw_try_send(s[0], data, sizeof data, NULL, 0, MSG_DONTWAIT) > 0) {
    }
    raw_send(s[1], "x", 1, NULL, 0);
    struct call c;
    prepare(&c, "hello");
    CHECK_INT(call(s[0], &c, 10000), 1);
    CHECK_INT(c.rep.len, 1);
    CHECK_INT(c.req.len, 0);
    close_pair(s);
}

static void a_reply_that_does_not_fit(void)
{
    int s[2];
    struct call c;
    raw_pair(SOCK_SEQPACKET, s);
    struct server v = {s[1], 0, 2};
    const pid_t child = harness_fork(serve, &v);
    prepare(&c, "please");
    c.in.iov_len = 3;
    CHECK_INT(call(s[0], &c, 5000), -EMSGSIZE);
    CHECK_INT(c.rep.full_len, 6);
    prepare(&c, "file");
    c.req.fds = s;
    c.req.nfds = 1;
    c.rep.nfds = 0;
    CHECK_INT(call(s[0], &c, 5000), -ENOBUFS);
    harness_wait(child);
    close_pair(s);
}

static void bad_arguments(void)
{
    int s[2];
    struct call c;
    raw_pair(SOCK_SEQPACKET, s);
    prepare(&c, "hello");
    CHECK_INT(unx_call(s[0], NULL, &c.rep, 0), -EINVAL);
    CHECK_INT(unx_call(s[0], &c.req, NULL, 0), -EINVAL);
    CHECK_INT(unx_call(s[0], &c.req, &c.rep, -2), -EINVAL);
    CHECK_INT(call(-1, &c, 100), -EBADF);
    prepare(&c, "hello");
    c.req.nfds = 254;
    c.req.fds = s;
    CHECK_INT(call(s[0], &c, 100), -E2BIG);
    prepare(&c, "hello");
    c.in.iov_len = 0;
    CHECK_INT(unx_call(s[0], &c.req, &c.rep, 100), -EINVAL);
    /* A request whose reply could not be received is not sent. */
    check_nothing(s[1]);
    const int alone = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    prepare(&c, "hello");
    CHECK_INT(call(alone, &c, 100), -ENOTCONN);
    close(alone);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(request_and_reply),      CASE(descriptors_both_ways), CASE(empty_request),
    CASE(no_reply_in_time),       CASE(no_room_in_time),       CASE(replies_under_signals),
    CASE(the_end_before_a_reply), CASE(an_early_no),           CASE(no_datagram_server),
    CASE(both_write_a_stream),    CASE(full_of_requests),      CASE(a_reply_that_does_not_fit),
    CASE(bad_arguments),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
