// SPDX-License-Identifier: MIT
/*
 * Fuzz target, differential: a program of sends, empty packets, descriptors, short buffers, peeks, shutdowns, closes
 * and signals on a connected pair of each type, by the blocking calls, against the model of message_model.h.
 *
 * A receive blocks only where the model says that there is something to receive; where it says that there is not, the
 * call is told not to wait, or a 1 kHz signal ends the wait. In the end the same descriptors are open as before.
 */
#include "../test/raw.h"
#include "fuzz.h"
#include "message_model.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct world {
    struct model model;
    int fd[2];
    unsigned sent;
    bool signals;
    unsigned waits;
    struct expect expect;
};

static int files[MODEL_FILES][2];
static struct file_id ids[MODEL_FILES];

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    (void)argc;
    (void)argv;
    for (unsigned i = 0; i < MODEL_FILES; i++) {
        raw_pipe(files[i]);
        ids[i] = file_of(files[i][1]);
    }
    return 0;
}

/* ---- the pieces of a message ---- */

/* In up to three pieces, each of exactly its size. */
struct pieces {
    struct iovec iov[3];
    size_t n;
};

static void cut(struct pieces *p, size_t len, unsigned how)
{
    p->n = 1 + how % 3;
    for (size_t i = 0, left = len; i < p->n; i++) {
        const size_t one = i + 1 == p->n ? left : left * (how / 3 % 5) / 4;
        p->iov[i] = (struct iovec){malloc(one), one};
        memset(p->iov[i].iov_base, 0xa5, one);
        left -= one;
    }
}

static void for_each_byte(struct pieces *p, unsigned id, const unsigned char *want, size_t len)
{
    size_t at = 0;
    for (size_t i = 0; i < p->n; i++) {
        unsigned char *bytes = p->iov[i].iov_base;
        for (size_t k = 0; k < p->iov[i].iov_len; k++, at++) {
            if (want == NULL) {
                bytes[k] = model_byte(id, at);
            } else if (at < len) {
                CHECK_INT(bytes[k], want[at]);
            }
        }
    }
}

static void drop(struct pieces *p)
{
    for (size_t i = 0; i < p->n; i++) {
        free(p->iov[i].iov_base);
    }
}

/* Linux keeps what a stream is given in pieces of up to 36544 bytes, and descriptors belong to the first. */
static size_t some_size(struct bytes *in)
{
    const unsigned how = take_byte(in);
    return how < 32 ? 0 : how < 200 ? take_byte(in) : how < 250 ? take_number(in, 3000) : take_number(in, 30000);
}

static unsigned some_fds(struct bytes *in)
{
    const unsigned how = take_byte(in);
    return how < 128 ? 0 : how < 240 ? how % 6 : 250 + how % 5;
}

/* ---- steps ---- */

static int bad_send(const struct world *w, size_t len, unsigned nfds, unsigned flags, bool bad_fd)
{
    const bool stream = w->model.type == SOCK_STREAM;
    if ((flags & UNX_PLAIN) != 0 && nfds > 0) {
        return -EINVAL;
    }
    return nfds > 253 ? -E2BIG : len == 0 && stream ? -EINVAL : bad_fd ? -EBADF : 0;
}

static void step_send(struct world *w, int end, struct bytes *in)
{
    const size_t len = some_size(in);
    const unsigned nfds = some_fds(in), how = take_byte(in), split = take_byte(in);
    const unsigned flags = (how & 1 ? UNX_DONTWAIT : 0) | (how % 16 == 6 ? UNX_PLAIN : 0);
    const struct model_end *own = &w->model.end[end], *to = &w->model.end[!end];
    const bool bad_fd = nfds > 0 && how % 32 == 8;
    const bool whole = !own->shut_wr && !to->shut_rd && !to->closed && !own->reset && !own->parted;
    const int bad = bad_send(w, len, nfds, flags, bad_fd);
    if ((bad != 0 && !whole) || (bad == 0 && !model_has_room(&w->model, end, len))) {
        return;
    }
    int fds[256];
    const unsigned id = ++w->sent;
    for (unsigned i = 0; i < nfds; i++) {
        fds[i] = bad_fd && i + 1 == nfds ? -1 : files[model_file(id, i)][1];
    }
    struct pieces p;
    cut(&p, len, (flags & UNX_PLAIN) != 0 ? 0 : split);
    for_each_byte(&p, id, NULL, 0);
    struct unx_msg m = {.iov = p.iov, .niov = p.n, .fds = nfds > 0 ? fds : NULL, .nfds = nfds};
    const int want = bad != 0 ? bad : model_send(&w->model, end, id, len, nfds);
    ROW("send %u of %zu bytes, %u descriptors, flags %#x", id, len, nfds, flags);
    const int r = unx_send(w->fd[end], &m, flags);
    /* Which of the two is seen first, differs from kernel to kernel. */
    CHECK_INT(own->parted && r == -ENOTCONN && want == -EPIPE ? want : r, want);
    CHECK_INT(m.len, want == 1 ? len : 0);
    CHECK_INT(m.error, r < 0 ? r : 0);
    drop(&p);
}

static void check_answer(const struct expect *x, const struct unx_msg *m, struct pieces *p, int r)
{
    const bool none = r != 1;
    CHECK_INT(m->error, r < 0 ? r : 0);
    CHECK_INT(m->fds_got, none ? 0 : x->nfds);
    for (unsigned i = 0; i < m->nfds; i++) {
        CHECK((m->fds[i] >= 0) == (i < m->fds_got));
        if (i < m->fds_got) {
            CHECK(file_same(file_of(m->fds[i]), ids[x->files[i]]));
            CHECK(raw_cloexec(m->fds[i]));
            close(m->fds[i]);
        }
    }
    if (r == -EMSGSIZE) {
        CHECK_INT(m->full_len, x->full_len);
    }
    if (none) {
        return;
    }
    CHECK_INT(m->len, x->len);
    CHECK_INT(m->full_len, x->full_len);
    CHECK_INT(m->got, x->got);
    for_each_byte(p, 0, x->data, x->len);
}

/* Flags that a receive may have. */
static unsigned some_flags(const struct world *w, struct bytes *in)
{
    static const unsigned flags[] = {0,
                                     0,
                                     0,
                                     UNX_PARTIAL,
                                     UNX_PARTIAL,
                                     UNX_KEEP,
                                     UNX_PEEK,
                                     UNX_PEEK_FDS,
                                     UNX_PLAIN,
                                     UNX_PEEK | UNX_PARTIAL,
                                     UNX_PEEK_FDS | UNX_PARTIAL,
                                     UNX_PLAIN | UNX_PARTIAL,
                                     UNX_PEEK | UNX_PLAIN};
    const unsigned f = flags[take_number(in, sizeof flags / sizeof *flags)];
    return w->model.type == SOCK_STREAM ? f & ~UNX_KEEP : f;
}

static void step_recv(struct world *w, int end, struct bytes *in)
{
    int fds[300];
    struct unx_cred cred;
    const unsigned how = take_byte(in), split = take_byte(in), flags = some_flags(w, in);
    const bool plain = (flags & UNX_PLAIN) != 0, limited = how >= 240 && !plain;
    const size_t size = how % 8 == 7 ? MODEL_BYTES : how & 1 ? 4000 : some_size(in);
    struct model_room room = {.bytes = size, .flags = flags, .limit = 1000, .cred = (how & 2) && !plain};
    room.nfds = plain ? 0 : how & 4 ? 253 : take_number(in, 6);
    room.limit = limited ? take_number(in, 8) : 1000;
    model_recv(&w->model, end, &room, &w->expect);
    const struct expect *x = &w->expect;
    if (x->unsure && (flags & UNX_PEEK_FDS) != 0) {
        return;
    }
    unsigned asked = flags;
    if (x->result == MODEL_BLOCKS) {
        const bool wait = w->signals && w->waits < 3;
        asked |= wait ? UNX_INTR : UNX_DONTWAIT;
        w->expect.result = w->expect.or_result = wait ? -EINTR : -EAGAIN;
        w->waits += wait;
    } else if (how & 8) {
        asked |= UNX_DONTWAIT;
    }
    struct pieces p;
    cut(&p, size, plain ? 0 : split);
    struct unx_msg m = {.iov = p.iov, .niov = p.n, .fds = room.nfds > 0 ? fds : NULL, .nfds = room.nfds};
    m.cred = room.cred ? &cred : NULL;
    if (limited) {
        raw_limit(room.limit);
    }
    ROW("recv into %zu bytes, %u descriptors (%u), flags %#x", size, room.nfds, room.limit, asked);
    const int r = unx_recv(w->fd[end], &m, asked);
    if (limited) {
        raw_unlimit();
    }
    if (r != x->or_result) {
        CHECK_INT(r, x->result);
    }
    check_answer(x, &m, &p, r);
    if (r == 1 && room.cred) {
        CHECK((cred.known == UNX_KNOWN_ALL && cred.pid == getpid()) == ((m.got & UNX_GOT_CRED) != 0));
    }
    drop(&p);
}

static void step_other(struct world *w, int end, unsigned op, struct bytes *in)
{
    int error;
    switch (op) {
    case 0:
        error = (int)take_number(in, 3);
        ROW("shutdown %d", error);
        CHECK_INT(unx_shutdown(w->fd[end], error), 0);
        model_shutdown(&w->model, end, error);
        break;
    case 1:
        if (w->model.end[end].n == 1 && w->model.end[end].queue[0].len == 0) {
            /* Whether one unread empty packet makes a reset differs from kernel to kernel; on 6.18 it does not. */
            break;
        }
        close(w->fd[end]);
        model_close(&w->model, end);
        w->fd[end] = -1;
        break;
    case 2:
        CHECK_INT(unx_take_error(w->fd[end], &error), 0);
        CHECK_INT(error, model_take_error(&w->model, end));
        break;
    default:
        ROW("wait for something to receive");
        CHECK_INT(unx_wait(w->fd[end], POLLIN, 0) != -EAGAIN, model_readable(&w->model, end));
        break;
    }
}

static void run(struct world *w, struct bytes *in)
{
    while (in->n > 0) {
        const unsigned op = take_byte(in);
        const int end = (int)(op & 1);
        if (w->fd[end] < 0) {
            continue;
        }
        if (op < 110) {
            step_send(w, end, in);
        } else if (op < 230) {
            step_recv(w, end, in);
        } else {
            step_other(w, end, op / 2 % 5, in);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct bytes in = {data, size};
    const unsigned how = take_byte(&in);
    memset(&w.model, 0, sizeof w.model);
    w.model.type = raw_types[how % 3];
    w.signals = how >= 240;
    w.sent = w.waits = 0;
    w.model.end[0].cred = how & 4;
    w.model.end[1].cred = how & 8;
    fds_before();
    raw_pair(w.model.type, w.fd);
    for (unsigned i = 0; i < 2; i++) {
        raw_set(w.fd[i], SO_PASSCRED, w.model.end[i].cred);
    }
    if (w.signals) {
        raw_signals_start();
    }
    run(&w, &in);
    if (w.signals) {
        raw_signals_stop();
    }
    for (unsigned i = 0; i < 2; i++) {
        if (w.fd[i] >= 0) {
            close(w.fd[i]);
        }
    }
    fds_after();
    return 0;
}
