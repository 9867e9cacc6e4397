// SPDX-License-Identifier: MIT
/*
 * Rows about messages: boundaries, empty packets, cuts, peeks, ends, streams, frames, datagrams, batches.
 *
 * What surprised us: FreeBSD 15 glues packets together that were sent without MSG_EOR, and FreeBSD 15 and illumos never
 * deliver an empty one: what a system does by itself is told below these rows, by calls that know nothing of the
 * library.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/frames.h>

#include "selftest.h"

static void boundaries(void)
{
    int fds[2];
    pair(SOCK_SEQPACKET, 0, fds);
    post(fds[0], "one");
    post(fds[0], "another");
    take(fds[1], "one");
    take(fds[1], "another");
    close_all(fds, 2);
    raw_pair(SOCK_SEQPACKET, fds);
    char got[10];
    ssize_t n = send(fds[0], "a", 1, 0);
    n = n < 0 ? n : send(fds[0], "b", 1, 0);
    n = n < 0 ? n : recv(fds[1], got, sizeof got, 0);
    raw("without MSG_EOR %s", n == 1 ? "they stay apart, too" : n == 2 ? "they are glued together" : strerror(errno));
    close_all(fds, 2);
    ok("two stay two");
}

static bool system_delivers_empty(int type)
{
    int fds[2];
    char c;
    raw_pair(type, fds);
    fcntl(fds[1], F_SETFL, O_NONBLOCK);
    const int marked = type == SOCK_SEQPACKET ? MSG_EOR : 0;
    const ssize_t sent = send(fds[0], "", 0, marked);
    (void)send(fds[0], "x", 1, marked);
    const ssize_t n = recv(fds[1], &c, 1, 0);
    close_all(fds, 2);
    raw("an empty one is %s", sent < 0 ? "refused" : n == 0 ? "delivered" : "sent and never received");
    return sent == 0 && n == 0;
}

static void empty(int type)
{
    int fds[2];
    struct unx_msg none = {.niov = 0};
    pair(type, 0, fds);
    const bool delivers = system_delivers_empty(type);
    const int r = unx_send(fds[0], &none, 0);
    if (r == -EOPNOTSUPP) {
        close_all(fds, 2);
        not_there(r, delivers);
    }
    need(r, "unx_send()");
    post(fds[0], "x");
    take(fds[1], "");
    take(fds[1], "x");
    close_all(fds, 2);
    ok("told from the end");
}

static void empty_packet(void)
{
    empty(SOCK_SEQPACKET);
}

static void empty_datagram(void)
{
    empty(SOCK_DGRAM);
}

static void end(void)
{
    int fds[2];
    pair(best_type(), 0, fds);
    post(fds[0], "last");
    close(fds[0]);
    take(fds[1], "last");
    take_end(fds[1]);
    take_end(fds[1]);
    close(fds[1]);
    ok("after what was sent, and again");
}

/* A packet of 100 bytes is waiting in fds[1]. */
static void long_packet(int type, int fds[2], const char *next)
{
    char text[101];
    memset(text, 'x', 100);
    text[100] = '\0';
    pair(type, 0, fds);
    post(fds[0], text);
    if (next != NULL) {
        post(fds[0], next);
    }
}

static int take_short(int fd, unsigned flags, struct unx_msg *m)
{
    char got[10];
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    *m = (struct unx_msg){.iov = &iov, .niov = 1};
    const int r = unx_recv(fd, m, flags | UNX_DONTWAIT);
    m->iov = NULL;
    return r;
}

static void cut(void)
{
    int fds[2];
    struct unx_msg m;
    long_packet(SOCK_SEQPACKET, fds, "next");
    const int r = take_short(fds[1], 0, &m);
    if (r != -EMSGSIZE || (m.got & UNX_CUT_DATA) == 0 || m.full_len <= 10) {
        wrong("100 bytes into room for 10: %s, got %#x, full_len %zu", error_text(r), m.got, m.full_len);
    }
    take(fds[1], "next");
    close_all(fds, 2);
    ok("EMSGSIZE, and full_len says %zu of 100", m.full_len);
}

static void peek(void)
{
    int fds[2];
    struct unx_msg m;
    const int type = best_type();
    long_packet(type, fds, NULL);
    const int r = take_short(fds[1], UNX_PEEK, &m);
    if (r != 1 || m.len != 10 || (type == SOCK_SEQPACKET && m.full_len != 100)) {
        wrong("%s, len %zu, full_len %zu of 100", error_text(r), m.len, m.full_len);
    }
    const int again = take_short(fds[1], UNX_PARTIAL, &m);
    if (again != 1 || m.len != 10) {
        wrong("after the peek: %s, %zu bytes", error_text(again), m.len);
    }
    close_all(fds, 2);
    ok("10 of 100 bytes, and they are still there");
}

static void keep(void)
{
    int fds[2];
    struct unx_msg m;
    char text[101];
    long_packet(SOCK_SEQPACKET, fds, NULL);
    const int r = take_short(fds[1], UNX_KEEP, &m);
    if (r != -EMSGSIZE || m.full_len != 100) {
        wrong("100 bytes into room for 10: %s, full_len %zu", error_text(r), m.full_len);
    }
    memset(text, 'x', 100);
    text[100] = '\0';
    take(fds[1], text);
    close_all(fds, 2);
    ok("it was received with room for it");
}

static void reset(void)
{
    int fds[2];
    char got[10];
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    pair(best_type(), 0, fds);
    post(fds[1], "answer");
    post(fds[0], "unread");
    close(fds[1]);
    int r = unx_recv(fds[0], &m, UNX_DONTWAIT);
    if (r != 1 || m.len != 6) {
        wrong("the answer was lost: %s", error_text(r));
    }
    const bool told = (m.got & UNX_GOT_RESET) != 0;
    r = unx_recv(fds[0], &m, UNX_DONTWAIT);
    const bool then = r == -ECONNRESET;
    r = then ? unx_recv(fds[0], &m, UNX_DONTWAIT) : r;
    if (r != 0) {
        wrong("the end did not come: %s", error_text(r));
    }
    close(fds[0]);
    ok("what was queued came; the reset was told %s", told ? "with it" : then ? "after it" : "by nobody");
}

static void stream(void)
{
    int fds[2];
    struct unx_msg m;
    pair(SOCK_STREAM, 0, fds);
    post(fds[0], "0123456789abc");
    if (take_short(fds[1], 0, &m) != 1 || m.len != 10) {
        wrong("%zu bytes of 13 into room for 10", m.len);
    }
    take(fds[1], "abc");
    struct unx_msg none = {.niov = 0};
    const int r = unx_send(fds[0], &none, 0);
    if (r != -EINVAL) {
        wrong("an empty message on a stream: %s", error_text(r));
    }
    NEED(unx_shutdown(fds[0], SHUT_WR));
    take_end(fds[1]);
    close_all(fds, 2);
    ok("bytes, in pieces");
}

static void frame_out(struct unx_frames *f, int fd, const char *text, int *lent)
{
    const struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = lent, .nfds = lent != NULL};
    NEED(unx_frames_send(f, fd, &m, 0));
}

static int frame_in(struct unx_frames *f, int fd, const char *text)
{
    char got[32];
    int file = -1;
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = &file, .nfds = 1};
    const int r = unx_frames_recv(f, fd, &m, UNX_DONTWAIT);
    if (r != 1 || m.len != strlen(text) || memcmp(got, text, m.len) != 0) {
        wrong("packet \"%s\": %s, %zu bytes", text, error_text(r), m.len);
    }
    return file;
}

static void frames(void)
{
    int fds[2], lent[2];
    char out_room[256], in_room[256];
    struct unx_frames out, in;
    pair(SOCK_STREAM, UNX_PASSFDS, fds);
    make_files(lent, 2);
    NEED(unx_frames_init(&out, UNX_SEND, out_room, sizeof out_room, 0));
    NEED(unx_frames_init(&in, UNX_RECV, in_room, sizeof in_room, 1));
    frame_out(&out, fds[0], "one", NULL);
    frame_out(&out, fds[0], "", NULL);
    frame_out(&out, fds[0], "file", &lent[1]);
    frame_out(&out, fds[0], "last", NULL);
    close(fds[0]);
    if (frame_in(&in, fds[1], "one") >= 0 || frame_in(&in, fds[1], "") >= 0) {
        wrong("a descriptor came with a packet that had none");
    }
    const int file = frame_in(&in, fds[1], "file");
    if (!is_file(file, 1)) {
        wrong("the descriptor did not come with its packet");
    }
    frame_in(&in, fds[1], "last");
    char c;
    const struct iovec iov = {.iov_base = &c, .iov_len = 1};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    const int r = unx_frames_recv(&in, fds[1], &m, UNX_DONTWAIT);
    if (r != 0) {
        wrong("the end did not come: %s", error_text(r));
    }
    unx_frames_close(&in);
    close_all((int[]){fds[1], file, lent[0], lent[1]}, 4);
    ok("packets over a stream, with an empty one and a descriptor");
}

static void datagrams(void)
{
    char got[16];
    struct unx_addr to = address("to"), from = address("from"), source;
    const int receiver = NEED(unx_bind(SOCK_DGRAM, 0, &to, UNX_MODE_UMASK));
    const int sender = NEED(unx_bind(SOCK_DGRAM, 0, &from, UNX_MODE_UMASK));
    struct iovec iov = {.iov_base = (void *)"question", .iov_len = 8};
    struct unx_msg m = {.iov = &iov, .niov = 1, .addr = &to};
    NEED(unx_send(sender, &m, UNX_DONTWAIT));
    iov = (struct iovec){.iov_base = got, .iov_len = sizeof got};
    m.addr = &source;
    const int r = unx_recv(receiver, &m, UNX_DONTWAIT);
    if (r != 1 || m.len != 8 || unx_addr_compare(&source, &from) != 0) {
        wrong("%s, %zu bytes, %s source", error_text(r), m.len,
              unx_addr_compare(&source, &from) == 0 ? "the right" : "another");
    }
    NEED(unx_connect_to(receiver, &source));
    post(receiver, "answer");
    take(sender, "answer");
    NEED(unx_disconnect(receiver));
    close_all((int[]){receiver, sender}, 2);
    unlink(in_folder("to"));
    unlink(in_folder("from"));
    ok("with the address of the sender, there and back");
}

#define BATCH 5u
static void batch(void)
{
    int fds[2];
    char got[8][8];
    struct iovec out[BATCH], in[8];
    struct unx_msg m[8];
    const int type = system_has_packets() ? SOCK_SEQPACKET : SOCK_DGRAM;
    pair(type, 0, fds);
    memset(m, 0, sizeof m);
    for (unsigned i = 0; i < BATCH; i++) {
        out[i] = (struct iovec){.iov_base = (void *)"abcdefg", .iov_len = i + 1};
        m[i] = (struct unx_msg){.iov = &out[i], .niov = 1};
    }
    const int sent = NEED(unx_send_many(fds[0], m, BATCH, UNX_DONTWAIT));
    for (unsigned i = 0; i < 8; i++) {
        in[i] = (struct iovec){.iov_base = got[i], .iov_len = sizeof got[i]};
        m[i] = (struct unx_msg){.iov = &in[i], .niov = 1};
    }
    const int came = NEED(unx_recv_many(fds[1], m, 8, 0));
    for (int i = 0; i < came; i++) {
        if (m[i].error != 0 || m[i].len != (size_t)i + 1 || memcmp(got[i], "abcdefg", m[i].len) != 0) {
            wrong("message %d: %zu bytes, %s", i, m[i].len, error_text(m[i].error));
        }
    }
    if (sent != (int)BATCH || came != (int)BATCH) {
        wrong("%d of %u went, %d came", sent, BATCH, came);
    }
    close_all(fds, 2);
    ok("%u at once", BATCH);
}

const struct row message_rows[] = {
    {"packets keep their boundaries", boundaries},
    {"empty packet", empty_packet},
    {"empty datagram", empty_datagram},
    {"end of a connection", end},
    {"packet larger than the room", cut},
    {"peek", peek},
    {"packet kept until there is room", keep},
    {"peer closes with data unread", reset},
    {"stream", stream},
    {"frames over a stream", frames},
    {"datagrams", datagrams},
    {"batches", batch},
    {NULL, NULL},
};
