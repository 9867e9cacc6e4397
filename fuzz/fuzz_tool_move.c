// SPDX-License-Identifier: MIT
/*
 * Fuzz target: `unx send` and `unx connect` as a whole, between standard input that comes in pieces and a server that
 * moves whenever the command waits.
 *
 * With a server that behaves, every byte of the input arrives, in the packets that unx(1) promises, with the
 * descriptors on the first of them, and all that the server says is on standard output. With one that closes, shuts
 * down or sends what nobody asked for, it ends, with a status and lines that are printable.
 */
#include "../test/raw.h"
#include "tool_inside.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define PACKETS_MAX 5000
#define REPLIES_MAX 12

struct server {
    int type, listener, fd;
    bool ended, only_when_asked, over; /* over: the command has ended */
    struct unx_addr client;
    struct text came;
    size_t packets[PACKETS_MAX];
    unsigned n, nfds, first_fds;
    char *replies[REPLIES_MAX];
    unsigned nreplies, said;
    unsigned nasty, turns; /* 0: it behaves */
};

int fuzz_verb(const struct options *o)
{
    (void)o;
    return 0;
}

/* ---- the server ---- */

static void receive(struct server *s)
{
    static char room[1 << 17];
    int fds[253];
    const struct iovec iov = {room, sizeof room};
    struct unx_addr from;
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = 253, .addr = &from};
    for (;;) {
        const int r = unx_recv(s->fd, &m, UNX_DONTWAIT);
        if (r != 1) {
            s->ended |= r != -EAGAIN;
            return;
        }
        s->client = from;
        text_add(&s->came, room, m.len);
        CHECK(s->n < PACKETS_MAX);
        s->nfds += m.fds_got;
        s->first_fds += s->n == 0 ? m.fds_got : 0;
        s->packets[s->n++] = m.len;
        for (unsigned i = 0; i < m.fds_got; i++) {
            close(fds[i]);
        }
    }
}

static void hang_up(struct server *s)
{
    if (s->fd >= 0 && s->fd != s->listener) {
        close(s->fd);
    }
    s->fd = -2;
}

static void say(struct server *s)
{
    const bool asked = !s->only_when_asked || s->said < s->n;
    if (s->said < s->nreplies && (asked || s->ended)) {
        const char *text = s->replies[s->said++];
        const struct iovec iov = {(char *)text, strlen(text)};
        const int lent[2] = {0, 0};
        const unsigned nfds = s->nasty & 8 ? 2 : 0;
        struct unx_msg m = {.iov = &iov, .niov = 1, .fds = (int *)lent, .nfds = nfds};
        const bool named = s->type == SOCK_DGRAM && unx_addr_name(&s->client, NULL, NULL) == UNX_ABSTRACT;
        m.addr = named ? &s->client : NULL;
        if (s->type != SOCK_DGRAM || named) {
            unx_send(s->fd, &m, UNX_DONTWAIT);
        }
    } else if (s->said == s->nreplies && s->type != SOCK_DGRAM &&
               (s->ended || (s->only_when_asked && s->said < s->n))) {
        /* The reader has had all that there was. */
        s->ended ? hang_up(s) : (void)shutdown(s->fd, SHUT_WR);
    }
}

static void move(void *arg)
{
    struct server *s = arg;
    s->turns++;
    if (s->fd == -1) {
        s->fd = s->type == SOCK_DGRAM ? s->listener : unx_accept(s->listener, UNX_NONBLOCK, NULL);
        s->fd = s->fd < 0 ? -1 : s->fd;
    }
    if (s->nasty != 0 && s->turns >= s->nasty / 16 && s->fd >= 0) {
        switch (s->nasty % 4) {
        case 0:
            hang_up(s);
            break;
        case 1:
            shutdown(s->fd, SHUT_RD);
            break;
        case 2:
            shutdown(s->fd, SHUT_RDWR);
            break;
        default:
            break;
        }
    }
    if (s->fd >= 0 && (s->nasty & 4) == 0) {
        receive(s);
    }
    if (s->fd >= 0 && !s->over) {
        say(s);
    }
}

/* ---- what had to happen ---- */

struct run {
    bool send, lines, json, quiet, reply, empty, data;
    unsigned nfds;
    char *input;
    size_t len;
};

static size_t line_len(const struct run *r, size_t at)
{
    const char *end = memchr(r->input + at, '\n', r->len - at);
    return end != NULL ? (size_t)(end - r->input) - at : r->len - at;
}

static void check_arrived(const struct server *s, const struct run *r)
{
    if (s->type == SOCK_STREAM) {
        CHECK_MEM(s->came.p, s->came.len, r->input, r->len);
    } else if (r->lines) {
        size_t at = 0, from = 0;
        unsigned n = 0;
        for (; at < r->len; n++) {
            const size_t len = line_len(r, at);
            CHECK(n < s->n && s->packets[n] == len);
            CHECK_MEM(s->came.p + from, len, r->input + at, len);
            from += len;
            at += len + 1;
        }
        CHECK_INT(s->n, n);
    } else {
        CHECK_INT(s->n, r->len > 0 || (r->send && r->empty));
        CHECK_MEM(s->came.p, s->came.len, r->input, r->len);
    }
    CHECK_INT(s->nfds, s->n > 0 ? r->nfds : 0);
    CHECK_INT(s->first_fds, s->nfds);
}

static void check_printed(const struct server *s, const struct run *r)
{
    struct text want = {0};
    text_puts(&want, "");
    for (unsigned i = 0; i < s->said && !r->quiet; i++) {
        const size_t len = strlen(s->replies[i]);
        text_puts(&want, s->replies[i]);
        text_puts(&want, r->lines && (len == 0 || s->replies[i][len - 1] != '\n') ? "\n" : "");
    }
    if (r->json && !r->quiet) {
        tool_check_json(&fuzz_tool.out);
    } else {
        CHECK_MEM(fuzz_tool.out.p, fuzz_tool.out.len, want.p, want.len);
    }
    text_free(&want);
}

/* Nothing came that standard output cannot show. */
static bool clean(const struct server *s, const struct run *r)
{
    bool good = true;
    for (unsigned i = 0; i < s->said && !r->json; i++) {
        const char *end = strchr(s->replies[i], '\n');
        good &= r->lines ? end == NULL || end[1] == '\0' : s->replies[i][0] != '\0';
    }
    return good || r->quiet;
}

static void check_all(const struct server *s, const struct run *r, int status)
{
    const bool nothing = r->send && r->len == 0 && (r->lines || !r->empty || s->type == SOCK_STREAM);
    if (nothing) {
        CHECK(status != 0 && s->n == 0);
        return;
    }
    const bool too_few = r->reply && s->type != SOCK_STREAM && s->nreplies < s->n + (s->n == 0);
    if (!(too_few && r->lines)) {
        check_arrived(s, r);
    }
    if (s->type != SOCK_DGRAM && (!r->send || r->reply)) {
        check_printed(s, r);
    }
    const bool lonely_fds = r->nfds > 0 && s->n == 0;
    const bool no_reply = r->reply && (too_few || s->nreplies == 0);
    if (s->type != SOCK_DGRAM) {
        CHECK((status == 0) == (clean(s, r) && !lonely_fds && !no_reply) || (r->send && !r->reply && status == 0));
    }
}

/* ---- a run ---- */

static void add(char **argv, int *argc, const char *word)
{
    argv[(*argc)++] = (char *)word;
}

static int arguments(char **argv, const struct run *r, int type, bool behaves, const char *address)
{
    int argc = 0;
    static const char *const names[] = {"stream", "dgram", "seqpacket"};
    add(argv, &argc, "unx");
    add(argv, &argc, r->send ? "send" : "connect");
    add(argv, &argc, "--type");
    add(argv, &argc, names[type == SOCK_STREAM ? 0 : type == SOCK_DGRAM ? 1 : 2]);
    add(argv, &argc, "--timeout");
    add(argv, &argc, type == SOCK_DGRAM ? "2" : behaves ? "1000" : "20");
    for (unsigned i = 0; i < r->nfds; i++) {
        add(argv, &argc, "--fd");
        add(argv, &argc, i % 2 ? "0" : "/dev/null");
    }
    if (r->lines) {
        add(argv, &argc, "--lines");
    }
    if (r->json) {
        add(argv, &argc, "--json");
    }
    if (r->quiet) {
        add(argv, &argc, "--quiet");
    }
    if (r->reply) {
        add(argv, &argc, "--reply");
    }
    if (r->empty) {
        add(argv, &argc, "--empty");
    }
    if (r->data) {
        add(argv, &argc, "--data");
        add(argv, &argc, r->input);
    }
    add(argv, &argc, address);
    return argc;
}

static struct run some_run(struct bytes *in, int type)
{
    const unsigned how = take_byte(in), more = take_byte(in);
    struct run r = {.send = how & 1, .lines = (how & 2) && type != SOCK_STREAM, .nfds = take_byte(in) % 4};
    r.reply = r.send && (how & 4);
    r.json = (how & 8) && (!r.send || r.reply);
    r.quiet = more % 16 == 0 && (!r.send || r.reply);
    r.empty = r.send && (how & 16) && !r.lines && type != SOCK_STREAM;
    r.data = r.send && (how & 32) && !r.lines;
    return r;
}

static void open_server(struct server *s, struct bytes *in, const struct run *r)
{
    struct unx_addr a;
    char name[64];
    const int n = snprintf(name, sizeof name, "unx-fuzz-move-%d", (int)getpid());
    CHECK_INT(unx_addr_abstract(&a, name, (size_t)n), 0);
    const unsigned flags = UNX_PASSFDS | UNX_PASSCRED | UNX_NONBLOCK;
    s->listener = s->type == SOCK_DGRAM ? unx_bind(SOCK_DGRAM, flags, &a, UNX_MODE_UMASK)
                                        : unx_listen(s->type, flags, &a, 4, UNX_MODE_UMASK);
    CHECK(s->listener >= 0);
    s->fd = -1;
    s->only_when_asked = r->reply && s->type != SOCK_STREAM;
    text_puts(&s->came, "");
    s->nreplies = take_byte(in) % REPLIES_MAX;
    for (unsigned i = 0; i < s->nreplies; i++) {
        s->replies[i] = take_text(in, '\0', 300);
        if (s->type == SOCK_STREAM && s->replies[i][0] == '\0') {
            free(s->replies[i]);
            s->replies[i] = strdup("a stream has no empty message");
        }
    }
}

static void close_server(struct server *s)
{
    hang_up(s);
    close(s->listener);
    text_free(&s->came);
    for (unsigned i = 0; i < s->nreplies; i++) {
        free(s->replies[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct server s;
    struct bytes in = {data, size};
    char *argv[40] = {NULL}, address[64];
    memset(&s, 0, sizeof s);
    s.type = raw_types[take_number(&in, 3)];
    const unsigned nasty = take_byte(&in);
    s.nasty = nasty < 128 ? 0 : nasty;
    struct run r = some_run(&in, s.type);
    const unsigned piece = take_byte(&in);
    tool_reset();
    fds_before();
    open_server(&s, &in, &r);
    r.input = r.data ? take_text(&in, '\0', 4096) : (char *)take_block(&in, 4096, &r.len);
    r.len = r.data ? strlen(r.input) : r.len;
    snprintf(address, sizeof address, "@unx-fuzz-move-%d", (int)getpid());
    fuzz_tool.input = r.input;
    fuzz_tool.len = r.data ? 0 : r.len;
    fuzz_tool.piece = piece;
    fuzz_tool.peer = move;
    fuzz_tool.arg = &s;
    const int argc = arguments(argv, &r, s.type, s.nasty == 0, address);
    const int status = tool_main(argc, argv);
    ROW("status %d: %s", status, fuzz_tool.err.p);
    CHECK(status >= 0 && status <= STATUS_PROGRAM);
    CHECK_INT(fuzz_tool.err.len > 0, status != 0);
    tool_check_err();
    s.over = true;
    for (unsigned i = 0; i < 3 && s.nasty == 0; i++) {
        move(&s);
    }
    if (s.nasty == 0) {
        check_all(&s, &r, status);
    }
    close_server(&s);
    fds_after();
    tool_reset();
    free(r.input);
    return 0;
}
