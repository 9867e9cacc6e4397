// SPDX-License-Identifier: MIT
/*
 * Fuzz target: how messages and streams come in pieces. Any splitting of a stream, with descriptors on any of the
 * pieces, is put together by unx_recv_fds(); lists of descriptors too long for one message are split by
 * unx_send_fds(); batches and calls do what the same number of single sends and receives would. The model is that of
 * fuzz_message.
 *
 * Nothing here waits: what a receive that blocks is to take, is queued before, or the stream has ended.
 */
#include "../test/raw.h"
#include "fuzz.h"
#include "message_model.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCH 20
#define FDS_ROOM 1100

struct world {
    struct model model;
    int fd[2];
    unsigned sent;
    unsigned char data[MODEL_BYTES];
    int fds[FDS_ROOM];
};

static struct expect one;
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

static bool is_stream(const struct world *w)
{
    return w->model.type == SOCK_STREAM;
}

static void bytes_of(unsigned char *to, unsigned id, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        to[i] = model_byte(id, i);
    }
}

static void check_file(int fd, unsigned file)
{
    CHECK(file_same(file_of(fd), ids[file]));
    CHECK(raw_cloexec(fd));
    close(fd);
}

/* ---- sending ---- */

/* One message by the kernel's own call: what a peer may do. */
static void send_raw(struct world *w, struct bytes *in)
{
    const unsigned how = take_byte(in), nfds = how & 1 ? take_number(in, how & 2 ? 254 : 5) : 0;
    const size_t len = (how & 4 ? take_number(in, 2000) : take_byte(in) % 20) + is_stream(w);
    if (!model_has_room(&w->model, 0, len)) {
        return;
    }
    const unsigned id = ++w->sent;
    bytes_of(w->data, id, len);
    for (unsigned i = 0; i < nfds; i++) {
        w->fds[i] = files[model_file(id, i)][1];
    }
    CHECK_INT(model_send(&w->model, 0, id, len, nfds), 1);
    raw_send(w->fd[0], w->data, len, w->fds, nfds);
}

/* A list of descriptors: on a stream it may be split, one byte for each full message and the rest with the last. */
static void send_list(struct world *w, struct bytes *in)
{
    const unsigned how = take_byte(in), nfds = how & 1 ? take_number(in, 1024) : take_byte(in) % 8;
    const size_t len = take_number(in, how & 2 ? 2000 : 12);
    const unsigned full = nfds > 253 ? (nfds - 1) / 253 : 0;
    const bool too_many = nfds > 253 && !is_stream(w);
    const bool too_short = is_stream(w) && (len == 0 || full >= len);
    if (w->model.end[1].n + full + 1 > MODEL_MESSAGES || !model_has_room(&w->model, 0, len)) {
        return;
    }
    const unsigned first = w->sent + 1;
    size_t at = 0;
    unsigned lent = 0;
    for (unsigned piece = 0; !too_many && !too_short && piece <= full; piece++) {
        const size_t n = piece < full ? 1 : len - at;
        const unsigned k = piece < full ? 253 : nfds - lent;
        const unsigned id = ++w->sent;
        bytes_of(w->data + at, id, n);
        for (unsigned i = 0; i < k; i++) {
            w->fds[lent++] = files[model_file(id, i)][1];
        }
        CHECK_INT(model_send(&w->model, 0, id, n, k), 1);
        at += n;
    }
    for (unsigned i = lent; i < nfds; i++) {
        w->fds[i] = files[0][1];
    }
    ROW("send_fds from %u: %zu bytes, %u descriptors", first, len, nfds);
    const int want = too_many ? -E2BIG : too_short ? -EINVAL : 1;
    CHECK_INT(nfds == 1 ? unx_send_fd(w->fd[0], w->data, len, w->fds[0])
                        : unx_send_fds(w->fd[0], w->data, len, w->fds, nfds),
              want);
}

static void send_batch(struct world *w, struct bytes *in)
{
    struct unx_msg m[BATCH];
    struct iovec iov[BATCH];
    int fds[BATCH][4];
    unsigned char data[BATCH][64];
    const unsigned n = take_number(in, BATCH + 1);
    int want = 0, bad = 0;
    if (w->model.end[1].n + n > MODEL_MESSAGES) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        const unsigned how = take_byte(in), id = w->sent + 1, nfds = how % 5;
        const size_t len = how / 5;
        bytes_of(data[i], id, len);
        for (unsigned k = 0; k < nfds; k++) {
            fds[i][k] = how == 254 ? -1 : files[model_file(id, k)][1];
        }
        iov[i] = (struct iovec){data[i], len};
        m[i] = (struct unx_msg){.iov = &iov[i], .niov = 1, .fds = fds[i], .nfds = nfds};
        const int fails = how == 254 ? -EBADF : len == 0 && is_stream(w) ? -EINVAL : 0;
        bad = bad != 0 ? bad : fails;
        if (bad == 0) {
            w->sent++;
            want += model_send(&w->model, 0, id, len, nfds);
        }
    }
    ROW("send_many %u", n);
    const int r = unx_send_many(w->fd[0], m, n, 0);
    CHECK_INT(r, want == 0 && bad != 0 ? bad : want);
    for (int i = 0; i < want; i++) {
        CHECK(m[i].error == 0 && m[i].len == iov[i].iov_len);
    }
    CHECK(bad == 0 || m[want].error == bad);
}

/* ---- receiving ---- */

/* What unx_recv_fds() has to return, and in `fds` which files. */
static int want_list(struct world *w, size_t n, unsigned nfds, unsigned char *data, unsigned char *file)
{
    size_t have = 0;
    unsigned got = 0;
    int r = 1;
    while (r == 1 && have < n) {
        const struct model_room room = {.bytes = n - have, .nfds = nfds - got, .limit = 10000};
        model_recv(&w->model, 1, &room, &one);
        r = one.result == 0 ? -ECONNRESET : one.result;
        r = r == 1 && !is_stream(w) && one.len != n ? -EMSGSIZE : r;
        if (r == 1) {
            memcpy(data + have, one.data, one.len);
            memcpy(file + got, one.files, one.nfds);
            have += one.len;
            got += one.nfds;
        }
    }
    return r == 1 && got < nfds ? -ENOMSG : r;
}

/* No more than this may be asked for without waiting, unless the stream has ended. */
static size_t queued(const struct world *w)
{
    const struct model_end *e = &w->model.end[1];
    size_t n = 0;
    for (unsigned i = 0; i < e->n; i++) {
        n += e->queue[i].len - e->queue[i].at;
    }
    return n;
}

static bool ended(const struct world *w)
{
    return w->model.end[0].shut_wr && w->model.type != SOCK_DGRAM;
}

/* Empty packets before the end are told by nobody. */
static bool unsure(const struct world *w)
{
    return ended(w) && !is_stream(w);
}

static void recv_list(struct world *w, struct bytes *in)
{
    static unsigned char data[MODEL_BYTES], got[MODEL_BYTES], file[FDS_ROOM + 256];
    const unsigned how = take_byte(in), nfds = how & 1 ? take_number(in, 600) : take_byte(in) % 8;
    const size_t n = 1 + take_number(in, how & 2 ? 3000 : 30);
    if (unsure(w) || (is_stream(w) ? n > queued(w) && !ended(w) : w->model.end[1].n == 0)) {
        return;
    }
    const int want = want_list(w, n, nfds, data, file);
    ROW("recv_fds %zu bytes, %u descriptors", n, nfds);
    memset(w->fds, 0xff, sizeof w->fds);
    CHECK_INT(unx_recv_fds(w->fd[1], got, n, w->fds, nfds), want);
    for (unsigned i = 0; i < nfds && want == 1; i++) {
        check_file(w->fds[i], file[i]);
    }
    CHECK(want < 0 || memcmp(got, data, n) == 0);
}

static void recv_one(struct world *w, struct bytes *in)
{
    unsigned char got[4000];
    size_t len = 0;
    const size_t n = 1 + take_number(in, take_byte(in) & 1 ? sizeof got : 30);
    const struct model_room room = {.bytes = n, .nfds = 1, .limit = 10};
    if (unsure(w) || (w->model.end[1].n == 0 && !ended(w))) {
        return;
    }
    model_recv(&w->model, 1, &room, &one);
    const int want = one.result == 0 ? -ECONNRESET : one.result == 1 && one.nfds == 0 ? -ENOMSG : one.result;
    ROW("recv_fd into %zu bytes", n);
    const int r = unx_recv_fd(w->fd[1], got, n, &len);
    CHECK(want == 1 ? r >= 0 : r == want);
    if (want == 1) {
        check_file(r, one.files[0]);
    }
    if (want == 1 || want == -ENOMSG) {
        CHECK_MEM(got, len, one.data, one.len);
    }
}

static void check_one(const struct unx_msg *m, const struct expect *x)
{
    CHECK_INT(m->error, x->result < 0 ? x->result : 0);
    CHECK_INT(m->fds_got, x->result == 1 ? x->nfds : 0);
    for (unsigned i = 0; i < m->fds_got; i++) {
        check_file(m->fds[i], x->files[i]);
    }
    CHECK_INT(m->full_len, x->full_len);
    CHECK(x->result < 0 || m->len == x->len);
    CHECK(x->result < 0 || memcmp(m->iov->iov_base, x->data, x->len) == 0);
}

static void recv_batch(struct world *w, struct bytes *in)
{
    static struct expect want[BATCH];
    static unsigned char data[BATCH][300];
    struct unx_msg m[BATCH];
    struct iovec iov[BATCH];
    int fds[BATCH][4], came = 0;
    const unsigned n = 1 + take_number(in, BATCH), flags = take_byte(in) % 4 == 0 ? UNX_PARTIAL : 0;
    if (unsure(w) || w->model.end[1].n == 0) {
        return;
    }
    for (unsigned i = 0; i < n; i++) {
        const unsigned how = take_byte(in);
        iov[i] = (struct iovec){data[i], how & 1 ? 300 : 1 + how / 2};
        m[i] = (struct unx_msg){.iov = &iov[i], .niov = 1, .fds = fds[i], .nfds = how % 5};
        const struct model_room room = {.bytes = iov[i].iov_len, .nfds = how % 5, .limit = 1000, .flags = flags};
        if (came == (int)i && w->model.end[1].n > 0) {
            model_recv(&w->model, 1, &room, &want[i]);
            came++;
        }
    }
    ROW("recv_many %u", n);
    CHECK_INT(unx_recv_many(w->fd[1], m, n, flags), came);
    for (int i = 0; i < came; i++) {
        check_one(&m[i], &want[i]);
    }
}

/* A request, and what is queued already as its reply. */
static void call(struct world *w, struct bytes *in)
{
    unsigned char data[300];
    int fds[4];
    const unsigned how = take_byte(in), id = ++w->sent;
    const size_t len = 1 + how % 64;
    const struct iovec out = {w->data, len}, room_iov = {data, how & 64 ? 300 : 1 + take_byte(in)};
    struct unx_msg req = {.iov = &out, .niov = 1}, rep = {.iov = &room_iov, .niov = 1, .fds = fds, .nfds = how / 64};
    const struct model_room room = {.bytes = room_iov.iov_len, .nfds = how / 64, .limit = 100};
    if (ended(w) || w->model.end[1].n == 0 || !model_has_room(&w->model, 1, len)) {
        return;
    }
    bytes_of(w->data, id, len);
    CHECK_INT(model_send(&w->model, 1, id, len, 0), 1);
    model_recv(&w->model, 1, &room, &one);
    ROW("call of %zu bytes", len);
    CHECK_INT(unx_call(w->fd[1], &req, &rep, 1000), one.result);
    CHECK(req.error == 0 && req.len == len);
    check_one(&rep, &one);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct world w;
    struct bytes in = {data, size};
    static void (*const steps[])(struct world *, struct bytes *) = {send_raw, send_raw,  send_list,  send_batch,
                                                                    recv_one, recv_list, recv_batch, call};
    memset(&w.model, 0, sizeof w.model);
    w.model.type = raw_types[take_number(&in, 3)];
    w.sent = 0;
    fds_before();
    raw_pair(w.model.type, w.fd);
    while (in.n > 0) {
        const unsigned op = take_byte(&in);
        if (op == 255 && !w.model.end[0].shut_wr) {
            CHECK_INT(unx_shutdown(w.fd[0], SHUT_WR), 0);
            model_shutdown(&w.model, 0, SHUT_WR);
        } else if (op % 8 > 3 || !w.model.end[0].shut_wr) {
            steps[op % 8](&w, &in);
        }
    }
    close(w.fd[0]);
    close(w.fd[1]);
    fds_after();
    return 0;
}
