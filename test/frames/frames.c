// SPDX-License-Identifier: MIT
/* Frames by hand (frames.h), and links of two ends. */
#include "frames.h"

#include <stdlib.h>

void wire_head(unsigned char head[HEAD], size_t len, unsigned nfds)
{
    CHECK(len < 1u << 24 && nfds < 256);
    const uint32_t v = (uint32_t)(len | (size_t)nfds << 24);
    for (unsigned i = 0; i < HEAD; i++) {
        head[i] = (unsigned char)(v >> (8 * i));
    }
}

size_t wire_frame(unsigned char *to, const void *p, size_t n, unsigned nfds)
{
    wire_head(to, n, nfds);
    if (n > 0) {
        memcpy(to + HEAD, p, n);
    }
    return HEAD + n;
}

void wire_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds)
{
    unsigned char *frame = malloc(HEAD + n);
    CHECK(frame != NULL);
    raw_send(fd, frame, wire_frame(frame, p, n, nfds), fds, nfds);
    free(frame);
}

void wire_send_bytes(int fd, const void *p, size_t n, const int *fds, unsigned nfds)
{
    unsigned char *frame = malloc(HEAD + n);
    CHECK(frame != NULL);
    const size_t all = wire_frame(frame, p, n, nfds);
    for (size_t i = 0; i < all; i++) {
        raw_send(fd, frame + i, 1, fds, i == 0 ? nfds : 0);
    }
    free(frame);
}

void wire_expect(int fd, const void *p, size_t n, unsigned nfds)
{
    unsigned char head[HEAD], want[HEAD], *data = malloc(n + 1);
    size_t have = 0;
    CHECK(data != NULL);
    struct raw_got g;
    raw_recv(fd, head, HEAD, MSG_WAITALL, &g);
    CHECK_INT(g.result, HEAD);
    CHECK_INT(g.nfds, nfds);
    raw_close_fds(&g);
    wire_head(want, n, nfds);
    CHECK_MEM(head, HEAD, want, HEAD);
    while (have < n) {
        raw_recv(fd, data + have, n - have, 0, &g);
        CHECK(g.result > 0);
        /* The same bytes bring them again when the head was read alone: never. */
        CHECK_INT(g.nfds, 0);
        have += (size_t)g.result;
    }
    CHECK_MEM(data, have, p, n);
    free(data);
}

unsigned frames_held(const struct unx_frames *f)
{
    unsigned n = 0;
    for (unsigned i = 0; i < f->batches; i++) {
        n += f->batch[(f->first + i) & 1] & 0xffffu;
    }
    return n;
}

void link_open(struct link *l, size_t bytes, unsigned nfds, unsigned flags)
{
    const size_t in = UNX_FRAMES_ROOM(bytes, nfds), out = UNX_FRAMES_ROOM(bytes, 0);
    memset(l, 0x55, sizeof *l);
    l->in_buf = malloc(in);
    l->out_buf = malloc(out);
    CHECK(l->in_buf != NULL && l->out_buf != NULL);
    CHECK_INT(unx_pair(SOCK_STREAM, flags | UNX_PASSFDS, l->fd), 0);
    CHECK_INT(QUIET(unx_frames_init(&l->in, UNX_RECV, l->in_buf, in, nfds)), 0);
    CHECK_INT(QUIET(unx_frames_init(&l->out, UNX_SEND, l->out_buf, out, 0)), 0);
}

void link_close(struct link *l)
{
    CHECK_INT(QUIET(unx_frames_close(&l->in)), 0);
    CHECK_INT(QUIET(unx_frames_close(&l->out)), 0);
    for (unsigned i = 0; i < 2; i++) {
        if (l->fd[i] >= 0) {
            close(l->fd[i]);
        }
    }
    free(l->in_buf);
    free(l->out_buf);
}

int link_sends(struct link *l, const void *p, size_t n, unsigned flags)
{
    const struct iovec iov = {(void *)p, n};
    struct unx_msg m = message(&iov, 1);
    const struct unx_msg before = m;
    const int r = QUIET(unx_frames_send(&l->out, l->fd[1], &m, flags));
    check_half(&before, &m);
    CHECK_INT(m.error, r < 0 ? r : 0);
    CHECK_INT(m.len, r < 0 ? 0 : n);
    CHECK_INT(m.full_len, m.len);
    return r;
}

int link_recv(struct link *l, unsigned flags, struct unx_msg **m)
{
    static char data[64];
    static int fds[8];
    static struct iovec room;
    static struct unx_msg answer;
    room = (struct iovec){data, sizeof data};
    answer = message(&room, 1);
    answer.fds = fds;
    answer.nfds = 8;
    const struct unx_msg before = answer;
    const int r = QUIET(unx_frames_recv(&l->in, l->fd[0], &answer, flags | UNX_DONTWAIT));
    check_half(&before, &answer);
    CHECK_INT(answer.error, r < 0 ? r : 0);
    for (unsigned i = answer.fds_got; i < 8; i++) {
        CHECK_INT(fds[i], -1);
    }
    *m = &answer;
    return r;
}

void link_gets(struct link *l, const void *p, size_t n)
{
    char *data = malloc(n + 1);
    CHECK(data != NULL);
    const struct iovec room = {data, n + 1};
    struct unx_msg m = message(&room, 1);
    CHECK_INT(QUIET(unx_frames_recv(&l->in, l->fd[0], &m, 0)), 1);
    CHECK_INT(m.full_len, n);
    CHECK_INT(m.fds_got, 0);
    CHECK_INT(m.got, 0);
    CHECK_MEM(data, m.len, p, n);
    free(data);
}

void link_nothing(struct link *l)
{
    struct unx_msg *m;
    CHECK_INT(link_recv(l, 0, &m), -EAGAIN);
    CHECK_INT(unx_frames_pending(&l->in), 0);
}

void link_ends(struct link *l, int result)
{
    struct unx_msg *m;
    CHECK_INT(link_recv(l, 0, &m), result);
    CHECK_INT(m->len, 0);
    CHECK_INT(m->fds_got, 0);
}
