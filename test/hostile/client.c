// SPDX-License-Identifier: MIT
/*
 * The well-behaved client: it goes on making round trips while its server is attacked,
 * and writes down how long each took.
 *
 * Of four kinds: packets, every fourth with a descriptor, and frames on a stream, each on a connection that stays; a
 * barrier of sd_notify(3), which is a descriptor that the server has to close; and a new connection with one round
 * trip. The last may be turned away, because the server has no room for anybody just then, and is tried again: it takes
 * as long as all tries together.
 */
#include "client.h"
#include "../harness.h"
#include "../raw.h"

#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unx/activation.h>
#include <unx/unx.h>

enum { LIMIT_MS = 30000, FRESH_CALL_MS = 10000, PAUSE_US = 500, TRY_AGAIN_MS = 2 };

static struct ground *ground;
static uint64_t number;
static int pipe_end;

static void failed(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(ground->shared->client_said, sizeof ground->shared->client_said, fmt, ap);
    va_end(ap);
    atomic_fetch_add(&ground->shared->client_errors, 1);
    _exit(0);
}

static int connect_to(const char *path, int type)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    return unx_connect(type, 0, NULL, &a, LIMIT_MS);
}

/* 0, or a negative errno value; a reply that is wrong ends the client. */
static int packet_trip(int fd, bool lend, int limit_ms)
{
    struct {
        uint64_t number;
        char rest[16];
    } request = {.number = ++number}, echoed;
    struct reply r;
    const bool echo = ground->echo;
    const struct iovec data = {&request, sizeof request};
    const struct iovec room = echo ? (struct iovec){&echoed, sizeof echoed} : (struct iovec){&r, sizeof r};
    struct unx_msg req = {.iov = &data, .niov = 1, .fds = lend ? &pipe_end : NULL, .nfds = lend};
    struct unx_msg rep = {.iov = &room, .niov = 1};
    const int result = unx_call(fd, &req, &rep, limit_ms);
    if (result < 0) {
        return result;
    }
    if (echo ? rep.len != sizeof echoed || memcmp(&request, &echoed, sizeof echoed) != 0
             : rep.len != sizeof r || r.number != number) {
        if (!(rep.len == sizeof r && !echo && r.flags == REPLY_FULL)) {
            failed("wrong reply of %zu bytes", rep.len);
        }
    } else if (!echo && r.nfds != (unsigned)lend) {
        failed("%u descriptors arrived, not %d", r.nfds, lend);
    }
    return 0;
}

static int stream_trip(int fd)
{
    struct {
        uint32_t len;
        uint64_t number;
        char rest[60];
    } __attribute__((packed)) frame = {68, ++number, {0}};
    char back[sizeof frame];
    const size_t want = ground->echo ? sizeof frame : 4 + sizeof(struct reply);
    const struct iovec data = {&frame, sizeof frame};
    struct unx_msg req = {.iov = &data, .niov = 1};
    for (size_t have = 0; have < want;) {
        const struct iovec room = {back + have, want - have};
        struct unx_msg rep = {.iov = &room, .niov = 1};
        int r = have == 0 ? unx_call(fd, &req, &rep, LIMIT_MS) : unx_wait(fd, POLLIN, LIMIT_MS);
        r = r > 0 && have > 0 ? unx_recv(fd, &rep, 0) : r;
        if (r <= 0) {
            return r == 0 ? -ECONNRESET : r;
        }
        have += rep.len;
    }
    if (memcmp(ground->echo ? back + 4 : back + 4, &number, 8) != 0) {
        failed("wrong reply on the stream");
    }
    return 0;
}

static void fresh_trip(void)
{
    const int64_t before = now_us();
    const bool stream = ground->seq[0] == '\0';
    int r;
    do {
        if (atomic_load(&ground->shared->full_allowed)) {
            return;
        }
        const int fd = connect_to(stream ? ground->stream : ground->seq, stream ? SOCK_STREAM : SOCK_SEQPACKET);
        r = fd < 0 ? fd : stream ? stream_trip(fd) : packet_trip(fd, false, FRESH_CALL_MS);
        if (fd >= 0) {
            close(fd);
        }
        if (r < 0) {
            atomic_fetch_add(&ground->shared->fresh_refused, 1);
            raw_sleep(TRY_AGAIN_MS);
        }
        if (now_us() - before > (int64_t)LIMIT_MS * 1000) {
            failed("a new connection: %s", unx_explain(r));
        }
        if (atomic_load(&ground->shared->stop_client)) {
            return;
        }
    } while (r < 0);
    trip_record(ground->shared, FRESH, now_us() - before);
}

static void timed(int trip, int fd, int round)
{
    const int64_t before = now_us();
    int r = 0;
    switch (trip) {
    case SEQ:
        r = packet_trip(fd, !ground->echo && round % 4 == 0, LIMIT_MS);
        break;
    case STREAM:
        r = stream_trip(fd);
        break;
    default:
        r = unx_notify_barrier(0, LIMIT_MS);
        r = r == 0 ? -ENOENT : r;
        break;
    }
    if (r < 0) {
        static const char *const what[] = {"packets", "stream", "notification"};
        failed("%s: %s, after %lld ms", what[trip], unx_explain(r), (long long)(now_us() - before) / 1000);
    }
    trip_record(ground->shared, trip, now_us() - before);
}

/* A socket has its name before somebody listens there. */
static int stay(const char *path, int type)
{
    int fd = -1;
    for (int64_t until = raw_now() + 10000; fd < 0 && raw_now() < until;) {
        fd = connect_to(path, type);
        if (fd < 0) {
            raw_sleep(1);
        }
    }
    CHECK(fd >= 0);
    return fd;
}

void client_run(struct ground *g)
{
    ground = g;
    int p[2];
    raw_pipe(p);
    pipe_end = p[1];
    setenv("NOTIFY_SOCKET", g->notify, 1);
    const int packets = g->seq[0] == '\0' || g->one_at_a_time ? -1 : stay(g->seq, SOCK_SEQPACKET);
    const int stream = g->stream[0] == '\0' || g->one_at_a_time ? -1 : stay(g->stream, SOCK_STREAM);
    for (int round = 0; !atomic_load(&g->shared->stop_client); round++) {
        if (packets >= 0) {
            timed(SEQ, packets, round);
        }
        if (stream >= 0) {
            timed(STREAM, stream, round);
        }
        if (g->notify[0] != '\0') {
            timed(NOTIFY, -1, round);
        }
        if (round % 4 == 0 && (g->seq[0] != '\0' || g->stream[0] != '\0')) {
            fresh_trip();
        }
        atomic_store(&g->shared->client_rounds, (unsigned)round + 1);
        usleep(PAUSE_US);
    }
}
