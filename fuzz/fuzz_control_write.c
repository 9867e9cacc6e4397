// SPDX-License-Identifier: MIT
/*
 * Fuzz target: the writer of control data. What it wrote, its own reader reads, CMSG_NXTHDR(3) reads, and, if it is
 * what the kernel takes, arrives on the other end of a socket. Descriptors that were given are closed in the end,
 * those that were lent are not.
 */
#include "../test/raw.h"
#include "control.h"
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ITEMS_MAX 64
#define OWN_MAX 300

struct item {
    int level, type;
    unsigned char data[1200];
    size_t len;
};

struct world {
    struct unx_control_writer w;
    struct item items[ITEMS_MAX];
    unsigned nitems, nfds;
    int own[OWN_MAX], nown;
    bool given[OWN_MAX], sendable, has_cred;
    size_t len;
};

static void added(struct world *x, int level, int type, const void *p, size_t len)
{
    struct item *i = &x->items[x->nitems++];
    i->level = level;
    i->type = type;
    i->len = len;
    if (len > 0) {
        memcpy(i->data, p, len);
    }
    x->len += CMSG_SPACE(len);
}

static bool fits(const struct world *x, size_t len)
{
    return CMSG_SPACE(len) <= x->w.size - x->len;
}

static void add_any(struct world *x, struct bytes *in)
{
    const int level = take_byte(in) & 1 ? SOL_SOCKET : (int)take_byte(in), type = (int)take_byte(in);
    unsigned char data[255];
    const size_t len = take_some(in, data, take_byte(in));
    const bool rights = level == SOL_SOCKET && type == SCM_RIGHTS;
    if (rights) {
        /* Numbers that nobody has: they are lent, so nobody closes them. */
        memset(data, 0x7f, sizeof data);
    }
    const int want = rights && x->nfds + len / 4 > 253 ? -E2BIG : !fits(x, len) ? -ENOSPC : 0;
    CHECK_INT(unx_control_add(&x->w, level, type, len > 0 ? data : NULL, len), want);
    if (want == 0) {
        x->nfds += rights ? (unsigned)len / 4 : 0;
        x->sendable = false;
        added(x, level, type, data, len);
    }
}

static void add_fds(struct world *x, struct bytes *in)
{
    int fds[260];
    const unsigned how = take_byte(in);
    const unsigned n = how & 2 ? take_number(in, 256) : take_number(in, 5);
    const bool give = how & 1, bad = how & 4 && n > 0;
    if (x->nown + (int)n > OWN_MAX) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        fds[i] = fcntl(0, F_DUPFD_CLOEXEC, 3);
        CHECK(fds[i] >= 0);
    }
    const int last = n > 0 ? fds[n - 1] : -1;
    if (bad) {
        fds[n - 1] = -1;
    }
    const int want = n > 253             ? -E2BIG
                     : bad               ? -EBADF
                     : n == 0            ? 0
                     : x->nfds + n > 253 ? -E2BIG
                     : !fits(x, n * 4)   ? -ENOSPC
                                         : 0;
    CHECK_INT(unx_control_add_fds(&x->w, fds, n, give ? UNX_GIVE : 0), want);
    if (bad) {
        fds[n - 1] = last;
    }
    for (unsigned i = 0; i < n; i++) {
        if (want < 0) {
            close(fds[i]);
        } else {
            x->given[x->nown] = give;
            x->own[x->nown++] = fds[i];
        }
    }
    if (want == 0 && n > 0) {
        x->nfds += n;
        added(x, SOL_SOCKET, SCM_RIGHTS, fds, n * 4);
    }
}

static void add_cred(struct world *x, struct bytes *in)
{
    struct unx_cred c = {.pid = (pid_t)take_byte(in), .uid = take_byte(in), .gid = take_byte(in)};
    const bool real = take_byte(in) & 1;
    if (real) {
        CHECK_INT(unx_cred_real(&c), 0);
    }
    c.known = take_byte(in) % 4 > 0 ? UNX_KNOWN_ALL : take_byte(in);
    const struct ucred u = {c.pid, c.uid, c.gid};
    const int want = c.known != UNX_KNOWN_ALL ? -EINVAL : !fits(x, sizeof u) ? -ENOSPC : 0;
    CHECK_INT(unx_control_add_cred(&x->w, &c), want);
    if (want == 0) {
        x->sendable &= real;
        x->has_cred = true;
        added(x, SOL_SOCKET, SCM_CREDENTIALS, &u, sizeof u);
    }
}

/* Ours and libc's: the same items, in this order. */
static void read_back(const struct world *x)
{
    struct unx_control_reader r;
    struct unx_control_item item;
    struct msghdr h = {.msg_control = x->w.buf, .msg_controllen = x->w.len};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    CHECK_INT(unx_control_reader_init(&r, x->w.buf, x->w.len), 0);
    for (unsigned i = 0; i < x->nitems; i++) {
        const struct item *want = &x->items[i];
        CHECK_INT(unx_control_next(&r, &item), 1);
        CHECK(item.level == want->level && item.type == want->type);
        CHECK_MEM(item.data, item.len, want->data, want->len);
        if ((uintptr_t)x->w.buf % sizeof(size_t) == 0) {
            CHECK(c != NULL && c->cmsg_level == want->level && c->cmsg_type == want->type);
            CHECK_MEM(CMSG_DATA(c), c->cmsg_len - CMSG_LEN(0), want->data, want->len);
            c = CMSG_NXTHDR(&h, c);
        }
    }
    CHECK_INT(unx_control_next(&r, &item), 0);
}

static void send_it(const struct world *x)
{
    int pair[2];
    struct raw_got got;
    char byte = 'x';
    const struct iovec iov = {&byte, 1};
    struct unx_msg m = {.iov = &iov, .niov = 1, .control = x->w.buf, .control_max = x->w.len};
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    CHECK_INT(unx_send(pair[0], &m, UNX_DONTWAIT), 1);
    raw_recv(pair[1], &byte, 1, MSG_DONTWAIT, &got);
    CHECK_INT(got.result, 1);
    CHECK_INT(got.nfds, x->nfds);
    CHECK(got.has_cred);
    for (unsigned i = 0; i < got.nfds; i++) {
        CHECK(file_same(file_of(got.fds[i]), file_of(x->own[i])));
    }
    raw_close_fds(&got);
    close(pair[0]);
    close(pair[1]);
}

static void close_it(struct world *x)
{
    CHECK_INT(unx_control_writer_close(&x->w), 0);
    CHECK_INT(x->w.len, 0);
    for (int i = 0; i < x->nown; i++) {
        CHECK_INT(fcntl(x->own[i], F_GETFD) < 0, x->given[i]);
        if (!x->given[i]) {
            close(x->own[i]);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world x;
    struct bytes in = {data, size};
    memset(&x, 0, sizeof x);
    x.sendable = true;
    fds_before();
    const size_t room = take_number(&in, 2000), offset = take_byte(&in) % 16;
    unsigned char *memory = malloc(room + offset);
    CHECK(memory != NULL || room + offset == 0);
    CHECK_INT(unx_control_writer_init(&x.w, memory + (memory != NULL ? offset : 0), room), 0);
    while (in.n > 0 && x.nitems < ITEMS_MAX) {
        switch (take_number(&in, 3)) {
        case 0:
            add_any(&x, &in);
            break;
        case 1:
            add_fds(&x, &in);
            break;
        default:
            add_cred(&x, &in);
            break;
        }
        CHECK_INT(x.w.len, x.len);
    }
    read_back(&x);
    if (x.sendable && x.nitems > 0) {
        send_it(&x);
    }
    close_it(&x);
    fds_after();
    free(memory);
    return 0;
}
