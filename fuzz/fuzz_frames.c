// SPDX-License-Identifier: MIT
/*
 * Fuzz target: packets over a stream. The input is a program that sends frames in pieces of any size, by hand and by
 * the library, and receives with any room and flags into a buffer of any size, against a model: a list of frames and of
 * how much of each has been sent. From the moment when it sends anything else, bytes and descriptors as they come, what
 * holds is that nothing is lost and nothing wrong is believed for long.
 *
 * Never does a call wait. The buffers have exactly their size, so that a sanitizer sees a step beyond them. In the end
 * every descriptor is closed.
 */
#include "../test/raw.h"
#include "fuzz.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/frames.h>

#define HEAD 4u
#define FILES 4u
#define FRAMES 64u
#define MOST 3000u
#define KEEPS 6u

struct frame {
    size_t len;
    unsigned nfds;
    size_t sent; /* bytes of it, with its head */
};

struct world {
    int fd[2];
    struct unx_frames in, out;
    unsigned char *in_buf, *out_buf;
    size_t cap; /* bytes of the largest packet */
    unsigned keeps;
    struct frame frames[FRAMES];
    unsigned first, n; /* frames[first] is received next, of n */
    bool dropping;     /* of the one before not all has been sent, and nobody wants it */
    bool ended, wild;
};

static int files[FILES][2];
static struct file_id ids[FILES];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < FILES; i++) {
        raw_pipe(files[i]);
        ids[i] = file_of(files[i][1]);
    }
    return 0;
}

static unsigned char byte_of(unsigned frame, size_t at)
{
    return (unsigned char)(frame * 37 + at * 11 + (at >> 8));
}

static unsigned lend(int *fds, unsigned frame, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        fds[i] = files[(frame + i) % FILES][1];
    }
    return n;
}

/* ---- sending ---- */

static size_t whole(const struct frame *f)
{
    return HEAD + f->len;
}

/* The frame that is being sent: the last one, if not all of it has gone. */
static struct frame *current(struct world *w)
{
    struct frame *f = w->n > 0 ? &w->frames[w->n - 1] : NULL;
    return f != NULL && f->sent < whole(f) ? f : NULL;
}

static struct frame *begin(struct world *w, struct bytes *in)
{
    const unsigned how = take_byte(in);
    if (w->n == FRAMES) {
        return NULL;
    }
    struct frame *f = &w->frames[w->n++];
    f->len = how < 200 ? how % 40 : how < 250 ? take_byte(in) : take_number(in, MOST);
    f->nfds = how % 4 == 0 ? how / 4 % 9 : 0;
    f->sent = 0;
    return f;
}

/* Sends up to `most` bytes more of the frame by hand. */
static void send_piece(struct world *w, struct frame *f, size_t most)
{
    static unsigned char wire[HEAD + MOST];
    int fds[16];
    const unsigned id = (unsigned)(f - w->frames);
    const size_t left = whole(f) - f->sent, n = left < most ? left : most;
    for (size_t i = 0; i < f->len; i++) {
        wire[HEAD + i] = byte_of(id, i);
    }
    wire[0] = (unsigned char)f->len;
    wire[1] = (unsigned char)(f->len >> 8);
    wire[2] = 0;
    wire[3] = (unsigned char)f->nfds;
    ROW("send bytes %zu to %zu of %zu, %u descriptors", f->sent, f->sent + n, whole(f), f->nfds);
    const ssize_t r =
        raw_try_send(w->fd[1], wire + f->sent, n, fds, f->sent == 0 ? lend(fds, id, f->nfds) : 0, MSG_DONTWAIT);
    CHECK(r > 0 || r == -EAGAIN);
    f->sent += r > 0 ? (size_t)r : 0;
}

static void flush(struct world *w)
{
    struct frame *f = current(w);
    const int r = unx_frames_flush(&w->out, w->fd[1], UNX_DONTWAIT);
    CHECK(r == 0 || r == -EAGAIN);
    CHECK_INT(r == 0, unx_frames_pending(&w->out) == 0);
    f->sent = whole(f) - (size_t)unx_frames_pending(&w->out);
}

static void send_by_library(struct world *w, struct frame *f, struct bytes *in)
{
    int fds[16];
    const unsigned id = (unsigned)(f - w->frames), cut = take_byte(in);
    unsigned char *data = malloc(f->len);
    for (size_t i = 0; i < f->len; i++) {
        data[i] = byte_of(id, i);
    }
    const size_t part = f->len * (cut % 5) / 4;
    const struct iovec iov[2] = {{data, part}, {data + part, f->len - part}};
    struct unx_msg m = {.iov = iov, .niov = 2, .fds = fds, .nfds = lend(fds, id, f->nfds)};
    ROW("unx_frames_send of %zu bytes", f->len);
    const int r = unx_frames_send(&w->out, w->fd[1], &m, UNX_DONTWAIT);
    CHECK(r == 1 || r == -EAGAIN);
    f->sent = r == 1 ? whole(f) - (size_t)unx_frames_pending(&w->out) : 0;
    free(data);
    if (r < 0) {
        w->n--;
    }
}

static void step_send(struct world *w, struct bytes *in)
{
    const unsigned how = take_byte(in);
    struct frame *f = current(w);
    if (w->ended || w->wild) {
        return;
    }
    if (f != NULL && unx_frames_pending(&w->out) > 0) {
        flush(w);
        return;
    }
    if (f != NULL) {
        send_piece(w, f, 1 + how % 64);
        return;
    }
    f = begin(w, in);
    if (f != NULL && how % 2 == 0) {
        send_by_library(w, f, in);
    } else if (f != NULL) {
        send_piece(w, f, how < 128 ? whole(f) : 1 + how % 16);
        if (f->sent == 0) {
            w->n--;
        }
    }
}

/* Anything. */
static void step_wild(struct world *w, struct bytes *in)
{
    unsigned char data[64];
    int fds[16];
    if (w->ended) {
        return;
    }
    const unsigned n = 1 + take_number(in, sizeof data), nfds = take_byte(in);
    const size_t have = take_some(in, data, n);
    if (have > 0) {
        w->wild = true;
        raw_try_send(w->fd[1], data, have, fds, nfds < 128 ? 0 : lend(fds, nfds, nfds % 8), MSG_DONTWAIT);
    }
}

/* ---- receiving ---- */

struct expect {
    int result;
    size_t len, full_len;
    unsigned nfds;
};

static void dropped(struct world *w)
{
    const struct frame *f = &w->frames[w->first++];
    w->dropping = f->sent < whole(f);
}

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* What unx_frames_recv() has to say. */
static struct expect expect(struct world *w, size_t room, unsigned nfds, unsigned flags)
{
    const bool peek = (flags & (UNX_PEEK | UNX_PEEK_FDS)) != 0;
    const struct frame *f = w->first < w->n ? &w->frames[w->first] : NULL;
    struct expect x = {.result = -EAGAIN};
    if (w->dropping && w->first > 0) {
        const struct frame *before = &w->frames[w->first - 1];
        w->dropping = before->sent < whole(before);
    }
    const bool inside = w->dropping || (f != NULL && f->sent > 0);
    if (f != NULL && f->sent >= HEAD) {
        const bool fits = f->len <= room && f->len <= w->cap;
        if (!fits && !peek && ((flags & UNX_KEEP) != 0 || (flags & UNX_PARTIAL) == 0)) {
            if ((flags & UNX_KEEP) == 0) {
                dropped(w);
            }
            return (struct expect){.result = -EMSGSIZE, .full_len = f->len};
        }
        if (f->sent >= HEAD + least(f->len, w->cap)) {
            const bool cut = f->nfds > least(nfds, w->keeps) && (flags & UNX_PEEK) == 0;
            x = (struct expect){1, least(least(f->len, w->cap), room), f->len, 0};
            x.nfds = (flags & UNX_PEEK) != 0 ? 0 : (unsigned)least(f->nfds, least(nfds, w->keeps));
            if (cut && (flags & UNX_PARTIAL) == 0) {
                x.result = -ENOBUFS;
                x.nfds = 0;
            }
            if (!peek) {
                dropped(w);
            }
            return x;
        }
    }
    if (w->ended) {
        x.result = inside ? -ECONNRESET : 0;
        w->dropping = false;
        w->first = w->n;
    }
    return x;
}

static void check_packet(const struct world *w, const struct unx_msg *m, const struct expect *x, unsigned id)
{
    CHECK_INT(m->full_len, x->full_len);
    CHECK_INT(m->fds_got, x->nfds);
    CHECK_INT((m->got & UNX_GOT_FDS) != 0, x->nfds > 0);
    if (x->result < 0) {
        return;
    }
    CHECK_INT(m->len, x->len);
    CHECK_INT((m->got & UNX_CUT_DATA) != 0, x->len < x->full_len);
    for (size_t i = 0; i < m->len; i++) {
        CHECK_INT(((unsigned char *)m->iov->iov_base)[i], byte_of(id, i));
    }
    for (unsigned i = 0; i < m->fds_got; i++) {
        CHECK(file_same(file_of(m->fds[i]), ids[(id + i) % FILES]));
    }
    CHECK(w->keeps <= KEEPS);
}

/* Of what is not a frame: it may be one by chance. */
static void check_wild(const struct world *w, const struct unx_msg *m, int r)
{
    CHECK(r == 1 || r == 0 || r == -EAGAIN || r == -EPROTO || r == -ECONNRESET || unx_one_message(r));
    CHECK(r == 1 || m->fds_got == 0);
    CHECK(m->len <= m->iov->iov_len && m->len <= w->cap);
    CHECK(w->in.error == 0 || r == -EPROTO);
}

static void step_recv(struct world *w, struct bytes *in)
{
    static const unsigned kinds[] = {0, 0, UNX_PARTIAL, UNX_KEEP, UNX_PEEK, UNX_PEEK_FDS, UNX_PEEK_FDS | UNX_PARTIAL};
    const unsigned how = take_byte(in), nfds = how % 9, flags = kinds[how / 9 % 7];
    const size_t room = 1 + (how < 200 ? take_byte(in) : take_number(in, MOST));
    int fds[9];
    unsigned char *data = malloc(room);
    const struct iovec iov = {data, room};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = nfds};
    const unsigned id = w->first;
    const struct expect x = w->wild ? (struct expect){.result = 0} : expect(w, room, nfds, flags);
    ROW("receive into %zu bytes, %u descriptors, flags %x", room, nfds, flags);
    const int r = unx_frames_recv(&w->in, w->fd[0], &m, flags | UNX_DONTWAIT);
    if (w->wild) {
        check_wild(w, &m, r);
    } else {
        CHECK_INT(r, x.result);
        check_packet(w, &m, &x, id);
    }
    for (unsigned i = 0; i < nfds; i++) {
        CHECK((fds[i] >= 0) == (i < m.fds_got));
        if (fds[i] >= 0) {
            CHECK(raw_cloexec(fds[i]));
            close(fds[i]);
        }
    }
    free(data);
}

static void step_buffer(struct world *w, struct bytes *in)
{
    const unsigned how = take_byte(in);
    const size_t cap = how < 200 ? how : take_number(in, MOST), size = UNX_FRAMES_ROOM(cap, w->keeps);
    unsigned char *buf = malloc(size);
    ROW("a buffer for %zu bytes", cap);
    const int r = unx_frames_buffer(&w->in, buf, size);
    CHECK(r == 0 || (r == -ENOBUFS && cap < w->cap));
    free(r == 0 ? w->in_buf : buf);
    if (r == 0) {
        w->in_buf = buf;
        w->cap = cap;
    }
}

static void step_end(struct world *w, struct bytes *in)
{
    (void)in;
    if (!w->ended) {
        CHECK_INT(unx_shutdown(w->fd[1], SHUT_WR), 0);
        w->ended = true;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct bytes in = {data, size};
    memset(&w, 0, sizeof w);
    w.keeps = take_number(&in, KEEPS + 1);
    w.cap = take_byte(&in);
    fds_before();
    raw_pair(SOCK_STREAM, w.fd);
    if (take_byte(&in) % 2) {
        raw_set(w.fd[1], SO_SNDBUF, 2304);
    }
    w.in_buf = malloc(UNX_FRAMES_ROOM(w.cap, w.keeps));
    w.out_buf = malloc(UNX_FRAMES_ROOM(MOST, 0));
    CHECK_INT(unx_frames_init(&w.in, UNX_RECV, w.in_buf, UNX_FRAMES_ROOM(w.cap, w.keeps), w.keeps), 0);
    CHECK_INT(unx_frames_init(&w.out, UNX_SEND, w.out_buf, UNX_FRAMES_ROOM(MOST, 0), 0), 0);
    while (in.n > 0) {
        const unsigned op = take_byte(&in);
        (op < 110   ? step_send
         : op < 225 ? step_recv
         : op < 235 ? step_buffer
         : op < 252 ? step_send
         : op < 254 ? step_wild
                    : step_end)(&w, &in);
    }
    CHECK(unx_frames_close(&w.in) >= 0);
    close(w.fd[0]);
    close(w.fd[1]);
    free(w.in_buf);
    free(w.out_buf);
    fds_after();
    return 0;
}
