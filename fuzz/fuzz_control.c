// SPDX-License-Identifier: MIT
/*
 * Fuzz target: received control data, of any bytes and any length, read by <unx/control.h> and by the inside of
 * unx_recv().
 *
 * The input is a program that writes the buffer: whole messages, messages whose length lies, bytes. Then the target
 * walks it by itself, and where a descriptor would be, it puts one of its own, each a number of its own. So it knows
 * which items there are, how the reading ends, and who has to own each descriptor afterwards.
 */
#include "control.h"
#include "fuzz.h"
#include "recv.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ROOM 1400
#define ITEMS_MAX 100
#define OWN_MAX 48

struct item {
    int level, type;
    size_t at, len; /* of its data */
    unsigned nfds;
    int fds[OWN_MAX]; /* as they stand there; below 0: none */
};

struct world {
    unsigned char *memory, *buf; /* buf may have any alignment, and ends where memory ends */
    size_t len;
    struct item items[ITEMS_MAX];
    unsigned nitems, pidfds;
    int end; /* what the reader says behind the last item */
    int own[OWN_MAX];
    bool taken[OWN_MAX]; /* by us */
    unsigned nown;
};

/* ---- writing the buffer ---- */

static const int types[] = {1, 1, 2, 3, 4, 64, 35, 5, 0};

static size_t put_header(struct bytes *in, unsigned char *to, size_t at, size_t room)
{
    const unsigned how = take_byte(in);
    size_t n = take_number(in, how & 4 ? 200 : 24);
    const struct cmsghdr h = {.cmsg_len = sizeof h + n + (how & 1 ? (size_t)take_number(in, 64) - 32 : 0),
                              .cmsg_level = how & 2 ? (int)take_byte(in) : SOL_SOCKET,
                              .cmsg_type = types[take_number(in, sizeof types / sizeof *types)]};
    if (room - at < sizeof h) {
        return at;
    }
    memcpy(to + at, &h, sizeof h);
    at += sizeof h;
    n = n < room - at ? n : room - at;
    memset(to + at, 0, n);
    take_some(in, to + at, how & 8 ? n : 0);
    at += n;
    /* The last one may lack its padding. */
    for (; at % 8 != 0 && at < room && (how & 16) == 0; at++) {
        to[at] = (unsigned char)(how >> 5);
    }
    return at;
}

static void write_buffer(struct world *w, struct bytes *in)
{
    static unsigned char to[ROOM];
    const unsigned offset = take_number(in, 8);
    const bool raw = take_number(in, 4) == 0;
    size_t at = raw ? take_some(in, to, sizeof to) : 0;
    while (!raw && in->n > 0 && at < ROOM) {
        const unsigned op = take_byte(in);
        if (op < 224) {
            at = put_header(in, to, at, ROOM);
        } else {
            at += take_some(in, to + at, ROOM - at < op - 223 ? ROOM - at : op - 223);
        }
    }
    w->len = at;
    w->memory = malloc(at + offset);
    CHECK(w->memory != NULL || at + offset == 0);
    w->buf = w->memory + offset;
    if (at > 0) {
        memcpy(w->buf, to, at);
    }
}

/* ---- walking it ---- */

/* A descriptor of ours for this place, or what stands there if that is below 0. */
static int place(struct world *w, size_t at)
{
    int fd;
    memcpy(&fd, w->buf + at, sizeof fd);
    if (fd >= 0) {
        fd = w->nown < OWN_MAX ? dup(0) : -1;
        if (fd >= 0) {
            w->own[w->nown++] = fd;
        }
        memcpy(w->buf + at, &fd, sizeof fd);
    }
    return fd;
}

static void walk(struct world *w)
{
    for (size_t at = 0; at < w->len && w->nitems < ITEMS_MAX;) {
        uint64_t len;
        const size_t left = w->len - at;
        memcpy(&len, w->buf + at, left < sizeof len ? left : sizeof len);
        if (left < 16 || len < 16 || len > left) {
            w->end = -EBADMSG;
            return;
        }
        struct item *i = &w->items[w->nitems++];
        memcpy(&i->level, w->buf + at + 8, 4);
        memcpy(&i->type, w->buf + at + 12, 4);
        i->at = at + 16;
        i->len = len - 16;
        const bool pidfd = i->level == SOL_SOCKET && i->type == 4;
        i->nfds = i->level != SOL_SOCKET ? 0 : i->type == 1 ? (unsigned)(i->len / 4) : pidfd && i->len >= 4 ? 1 : 0;
        w->pidfds += pidfd;
        for (unsigned k = 0; k < i->nfds; k++) {
            const int fd = place(w, i->at + 4 * k);
            if (k < OWN_MAX) {
                i->fds[k] = fd;
            }
        }
        at += (len + 7) / 8 * 8;
    }
}

/* ---- reading it ---- */

static void taken(struct world *w, int fd)
{
    unsigned i = 0;
    while (i < w->nown && w->own[i] != fd) {
        i++;
    }
    CHECK(i < w->nown && !w->taken[i]);
    w->taken[i] = true;
}

static void take_one(struct world *w, struct unx_control_reader *r, const struct unx_control_item *item,
                     const struct item *want, unsigned k)
{
    const int before = want->fds[k];
    const int fd = unx_control_take(r, item, k);
    CHECK_INT(fd, before == -1 ? -EBADF : before);
    if (fd >= 0) {
        taken(w, fd);
        CHECK_INT(unx_control_take(r, item, k), -EBADF);
    }
}

static void check_item(struct world *w, struct bytes *in, struct unx_control_reader *r,
                       const struct unx_control_item *item, const struct item *want)
{
    struct unx_cred c;
    CHECK_INT(item->level, want->level);
    CHECK_INT(item->type, want->type);
    CHECK_INT(item->len, want->len);
    CHECK((const unsigned char *)item->data == w->buf + want->at);
    CHECK_INT(unx_control_nfds(item), want->nfds);
    const bool is_cred = want->level == SOL_SOCKET && want->type == 2;
    const int r_cred = unx_control_cred(item, &c);
    CHECK_INT(r_cred, !is_cred ? -EINVAL : want->len < 12 ? -EBADMSG : 0);
    CHECK(r_cred != 0 || (c.known & ~UNX_KNOWN_ALL) == 0);
    CHECK_INT(unx_control_take(r, item, want->nfds), -EINVAL);
    for (unsigned k = 0; k < want->nfds && k < OWN_MAX; k++) {
        if (take_byte(in) & 1) {
            take_one(w, r, item, want, k);
        }
    }
}

static int untaken(const struct world *w)
{
    int n = 0;
    for (unsigned i = 0; i < w->nown; i++) {
        n += !w->taken[i];
    }
    return n;
}

static void by_reader(struct world *w, struct bytes *in)
{
    struct unx_control_reader r;
    struct unx_control_item item;
    const unsigned stop = take_byte(in);
    CHECK_INT(unx_control_reader_init(&r, w->len > 0 ? w->buf : NULL, w->len), 0);
    for (unsigned i = 0; i < w->nitems && i < stop; i++) {
        CHECK_INT(unx_control_next(&r, &item), 1);
        check_item(w, in, &r, &item, &w->items[i]);
    }
    if (w->nitems <= stop && w->nitems < ITEMS_MAX) {
        CHECK_INT(unx_control_next(&r, &item), w->end);
        CHECK_INT(unx_control_next(&r, &item), w->end);
    }
    CHECK_INT(unx_control_reader_close(&r), untaken(w));
    CHECK_INT(unx_control_reader_close(&r), 0);
}

/* One message of descriptors and nothing else, all of them there. */
static unsigned only_fds(const struct world *w, unsigned max)
{
    const struct item *i = &w->items[0];
    bool all = w->nitems == 1 && w->end == 0 && i->level == SOL_SOCKET && i->type == 1 && i->nfds <= max;
    for (unsigned k = 0; all && k < i->nfds; k++) {
        all = k < OWN_MAX && i->fds[k] >= 0;
    }
    return all ? i->nfds : 0;
}

static void by_short_way(struct world *w, struct bytes *in)
{
    int fds[256];
    const unsigned max = take_number(in, 60);
    const unsigned want = only_fds(w, max), n = control_take_fds(w->buf, w->len, fds, max);
    CHECK_INT(n, want);
    for (unsigned i = 0; i < n; i++) {
        taken(w, fds[i]);
    }
    if (n == 0) {
        CHECK_INT(control_close(w->buf, w->len), (int)w->nown);
    }
}

/* The kernel gives one pidfd with a message, so two of them are not tried. */
static void by_message(struct world *w, struct bytes *in)
{
    int fds[64], pidfd = -1;
    struct unx_cred cred;
    const unsigned how = take_byte(in), label_max = take_number(in, 40);
    char *label = malloc(label_max);
    struct unx_msg m = {.fds = fds, .nfds = take_number(in, 60)};
    m.cred = how & 1 ? &cred : NULL;
    m.pidfd = how & 2 ? &pidfd : NULL;
    m.label = how & 4 ? label : NULL;
    m.label_max = how & 4 ? label_max : 0;
    m.control = how & 8 ? w->buf : NULL;
    m.control_max = how & 8 ? w->len : 0;
    memset(fds, 0xff, sizeof fds);
    struct receiving t = {.control_max = how & 16 ? w->len : w->len + 64};
    t.h.msg_control = w->buf;
    t.h.msg_controllen = w->len;
    t.h.msg_flags = how & 32 ? MSG_CTRUNC : 0;
    const int r = w->pidfds > 1 ? 1 : recv_deliver(&m, &t);
    CHECK(r == 1 || r == 0 || r == -ERANGE || r == -EMFILE || r == -ENOBUFS);
    CHECK(m.fds_got <= m.nfds && m.label_len <= label_max);
    if (r == 1 || (how & 64)) {
        if (r == 1) {
            control_close(w->buf, w->len);
        }
        recv_withdraw(&m);
        CHECK(m.fds_got == 0 && pidfd == -1 && m.control_len == 0);
    } else if (m.control != NULL) {
        CHECK_INT(control_close(m.control, m.control_len), (int)w->nown);
    }
    for (unsigned i = 0; i < m.fds_got; i++) {
        taken(w, fds[i]);
    }
    if (pidfd >= 0) {
        taken(w, pidfd);
    }
    free(label);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct bytes in = {data, size};
    memset(&w, 0, sizeof w);
    fds_before();
    const unsigned way = take_number(&in, 3);
    /* How it is read is said first, so that it does not depend on what stands in the buffer. */
    struct bytes how = {in.p, in.n < 16 ? in.n : 16};
    in.p += how.n;
    in.n -= how.n;
    write_buffer(&w, &in);
    walk(&w);
    if (w.nitems < ITEMS_MAX) {
        (way == 0 ? by_reader : way == 1 ? by_short_way : by_message)(&w, &how);
    } else {
        control_close(w.buf, w.len);
    }
    for (unsigned i = 0; i < w.nown; i++) {
        CHECK_INT(fcntl(w.own[i], F_GETFD) >= 0, w.taken[i]);
        if (w.taken[i]) {
            close(w.own[i]);
        }
    }
    fds_after();
    free(w.memory);
    return 0;
}
