// SPDX-License-Identifier: MIT
/*
 * Rows about waiting and limits: non-blocking, timeouts, signals, SIGPIPE, the largest packets.
 *
 * What surprised us: only Linux has a timeout for accept(2), illumos keeps none at all, and the largest packet is what
 * a system says of its buffer on some, and less on others. So the largest is found by sending.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <unistd.h>

#include "selftest.h"

#define WAIT_MS 60

static volatile sig_atomic_t signals;

static void count_signal(int number)
{
    (void)number;
    signals++;
}

/* Wrong, unless about WAIT_MS have gone since then. */
static int64_t waited(int64_t since)
{
    const int64_t ms = now_ms() - since;
    if (ms < WAIT_MS - 15 || ms > WAIT_MS + patience_ms) {
        wrong("waited for %lld ms instead of %d", (long long)ms, WAIT_MS);
    }
    return ms;
}

static void nonblock(void)
{
    int fds[2];
    char text[100], got[100];
    struct iovec iov = {.iov_base = text, .iov_len = sizeof text};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    memset(text, 'x', sizeof text);
    pair(best_type(), UNX_NONBLOCK, fds);
    int r = unx_recv(fds[0], &m, 0);
    if (r != -EAGAIN) {
        wrong("receiving from nobody: %s", error_text(r));
    }
    size_t sent = 0, came = 0;
    for (r = 1; r == 1 && sent < 100000000; sent += m.len) {
        r = unx_send(fds[0], &m, 0);
    }
    if (r != -EAGAIN) {
        wrong("after %zu bytes: %s", sent, error_text(r));
    }
    iov.iov_base = got;
    while ((r = unx_recv(fds[1], &m, 0)) == 1) {
        came += m.len;
    }
    if (r != -EAGAIN || came != sent) {
        wrong("%zu bytes went, %zu came, then %s", sent, came, error_text(r));
    }
    close_all(fds, 2);
    ok("EAGAIN; %zu messages of 100 bytes are queued before", sent / 100);
}

/* On fd; the row ends where there are none, and both are closed. */
static void set_timeout(int fd, int other)
{
    const int r = unx_set_timeout(fd, UNX_RECV, WAIT_MS);
    if (r == -EOPNOTSUPP) {
        close_all((int[]){fd, other}, other < 0 ? 1 : 2);
        not_there(r, false);
    }
    need(r, "unx_set_timeout()");
}

static void timeout(void)
{
    int fds[2], ms = 0;
    char c;
    const struct iovec iov = {.iov_base = &c, .iov_len = 1};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    pair(best_type(), 0, fds);
    set_timeout(fds[0], fds[1]);
    NEED(unx_get_timeout(fds[0], UNX_RECV, &ms));
    if (ms < WAIT_MS || ms > WAIT_MS + 20) {
        wrong("%d ms were set, %d are told", WAIT_MS, ms);
    }
    const int64_t since = now_ms();
    const int r = unx_recv(fds[0], &m, 0);
    if (r != -EAGAIN) {
        wrong("%s", error_text(r));
    }
    const int64_t time = waited(since);
    close_all(fds, 2);
    ok("%d ms are %lld", WAIT_MS, (long long)time);
}

static void accept_timeout(void)
{
    struct unx_addr a = address("door");
    const int fd = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    unlink(in_folder("door"));
    set_timeout(fd, -1);
    const int64_t since = now_ms();
    const int r = unx_accept(fd, 0, NULL);
    if (r != -EAGAIN) {
        wrong("%s", error_text(r));
    }
    const int64_t time = waited(since);
    close(fd);
    ok("%d ms are %lld", WAIT_MS, (long long)time);
}

static void interrupted(void)
{
    int fds[2];
    const struct itimerval often = {.it_interval = {.tv_usec = 3000}, .it_value = {.tv_usec = 3000}},
                           never = {{0, 0}, {0, 0}};
    pair(best_type(), 0, fds);
    signal(SIGALRM, count_signal);
    setitimer(ITIMER_REAL, &often, NULL);
    const int64_t since = now_ms();
    const int r = unx_wait(fds[0], POLLIN, WAIT_MS);
    setitimer(ITIMER_REAL, &never, NULL);
    if (r != -ETIMEDOUT) {
        wrong("%s", error_text(r));
    }
    const int64_t time = waited(since);
    if (signals == 0) {
        not_tried("no signal came");
    }
    close_all(fds, 2);
    ok("%d signals, and %d ms are %lld", (int)signals, WAIT_MS, (long long)time);
}

static void call(void)
{
    int fds[2];
    char c;
    const struct iovec in = {.iov_base = &c, .iov_len = 1}, out = {.iov_base = (void *)"?", .iov_len = 1};
    struct unx_msg req = {.iov = &out, .niov = 1}, rep = {.iov = &in, .niov = 1};
    pair(best_type(), 0, fds);
    const int64_t since = now_ms();
    int r = unx_call(fds[0], &req, &rep, WAIT_MS);
    if (r != -ETIMEDOUT) {
        wrong("no reply: %s", error_text(r));
    }
    waited(since);
    take(fds[1], "?");
    post(fds[1], "!");
    r = unx_call(fds[0], &req, &rep, WAIT_MS);
    if (r != 1 || c != '!') {
        wrong("with a reply: %s", error_text(r));
    }
    close_all(fds, 2);
    ok("with its reply, and by its deadline without");
}

static void sigpipe(void)
{
    const int types[] = {SOCK_STREAM, SOCK_SEQPACKET};
    char said[64] = "";
    signal(SIGPIPE, count_signal);
    for (int i = 0; i < (system_has_packets() ? 2 : 1); i++) {
        int fds[2];
        const struct iovec iov = {.iov_base = (void *)"x", .iov_len = 1};
        struct unx_msg m = {.iov = &iov, .niov = 1};
        pair(types[i], 0, fds);
        close(fds[1]);
        int r = unx_send(fds[0], &m, 0);
        const int first = r;
        r = r < 0 ? unx_send_many(fds[0], &m, 1, 0) : r;
        if (r != -EPIPE && r != -ECONNRESET && r != -ENOTCONN) {
            wrong("sending to nobody: %s", error_text(r));
        }
        snprintf(said + strlen(said), sizeof said - strlen(said), "%s%d", i > 0 ? " and " : "", -first);
        close(fds[0]);
    }
    if (signals > 0) {
        wrong("SIGPIPE came");
    }
    ok("errors %s, and no signal", said);
}

/* Whether a packet of so many bytes goes and comes whole. */
static bool goes(int type, unsigned flags, char *bytes, size_t n)
{
    int fds[2];
    pair(type, flags | UNX_NONBLOCK, fds);
    struct iovec iov = {.iov_base = bytes, .iov_len = n};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    const int r = unx_send(fds[0], &m, 0);
    if (r == 1 && (m.len != n || unx_recv(fds[1], &m, 0) != 1 || m.len != n)) {
        wrong("of a packet of %zu bytes %zu came", n, m.len);
    }
    if (r < 0 && r != -EMSGSIZE && r != -EAGAIN && r != -ENOBUFS) {
        wrong("a packet of %zu bytes: %s", n, error_text(r));
    }
    close_all(fds, 2);
    return r == 1;
}

static void largest(int type, unsigned flags)
{
    const size_t room = (size_t)8 << 20;
    char *const bytes = calloc(1, room);
    int fds[2];
    if (bytes == NULL) {
        not_tried("no memory");
    }
    pair(type, flags, fds);
    const int told = NEED(unx_max_packet(fds[0]));
    close_all(fds, 2);
    size_t good = 1, bad = room;
    /* Mostly it is what was told. */
    if (told > 1 && (size_t)told + 1 < room) {
        *(goes(type, flags, bytes, (size_t)told) ? &good : &bad) = (size_t)told;
        if (good > 1 && !goes(type, flags, bytes, good + 1)) {
            bad = good + 1;
        }
    }
    while (bad - good > 1) {
        const size_t n = good + (bad - good) / 2;
        *(goes(type, flags, bytes, n) ? &good : &bad) = n;
    }
    free(bytes);
    if (good < (size_t)told) {
        wrong("unx_max_packet() says %d, and no more than %zu go", told, good);
    }
    ok("%zu bytes; unx_max_packet() says %d", good, told);
}

static void largest_packet(void)
{
    largest(SOCK_SEQPACKET, 0);
}

static void largest_packet_asked(void)
{
    largest(SOCK_SEQPACKET, UNX_BIGBUF);
}

static void largest_datagram(void)
{
    largest(SOCK_DGRAM, 0);
}

const struct row waiting_rows[] = {
    {"non-blocking", nonblock},
    {"timeout of receiving", timeout},
    {"timeout of accepting", accept_timeout},
    {"signals do not end a wait", interrupted},
    {"request and reply", call},
    {"SIGPIPE", sigpipe},
    {"largest packet", largest_packet},
    {"largest packet, with UNX_BIGBUF", largest_packet_asked},
    {"largest datagram", largest_datagram},
    {NULL, NULL},
};
