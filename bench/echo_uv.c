// SPDX-License-Identifier: MIT
/*
 * Echo on libuv: uv_poll_t with calls of one's own, and its streams, which speak SOCK_STREAM alone, by uv_write() and
 * by uv_try_write().
 *
 * All connections read into one buffer. uv_write() wants memory until it is done, so a copy is made for it, as
 * programs do.
 */
#include "echo.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <uv.h>

enum { POLL, WRITE, TRY_WRITE };

static char buf[65536];
static int status;

static void stop(uv_loop_t *loop, int r)
{
    status = r;
    uv_stop(loop);
}

static void readable(uv_poll_t *p, int error, int events)
{
    (void)events;
    uv_os_fd_t fd;
    if (error == 0)
        error = uv_fileno((const uv_handle_t *)p, &fd);
    const ssize_t n = error ? -1 : recv(fd, buf, ECHO_ROOM, MSG_DONTWAIT);
    if (n <= 0)
        stop(p->loop, error ? error : n < 0 ? -errno : 0);
    else if (send(fd, buf, (size_t)n, MSG_DONTWAIT | MSG_NOSIGNAL) != n)
        stop(p->loop, -EPROTO);
}

static void lend(uv_handle_t *h, size_t size, uv_buf_t *b)
{
    (void)h;
    (void)size;
    *b = uv_buf_init(buf, sizeof buf);
}

static void written(uv_write_t *w, int error)
{
    if (error)
        stop(w->handle->loop, error);
    free(w);
}

static void has_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    if (n < 0) {
        stop(s->loop, n == UV_EOF ? 0 : (int)n);
        return;
    }
    uv_write_t *const w = malloc(sizeof *w + (size_t)n);
    if (!w) {
        stop(s->loop, -ENOMEM);
        return;
    }
    const uv_buf_t data = uv_buf_init(memcpy(w + 1, b->base, (size_t)n), (unsigned)n);
    const int r = uv_write(w, s, &data, 1, written);
    if (r < 0)
        stop(s->loop, r);
}

static void has_read_and_tries(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    if (n < 0) {
        stop(s->loop, n == UV_EOF ? 0 : (int)n);
        return;
    }
    const uv_buf_t data = uv_buf_init(b->base, (unsigned)n);
    const int r = uv_try_write(s, &data, 1);
    if (r != n)
        stop(s->loop, r < 0 ? r : -EPROTO);
}

static int watch(uv_loop_t *loop, unsigned variant, void *handle, int fd)
{
    if (variant == POLL) {
        uv_poll_t *const p = handle;
        const int r = uv_poll_init(loop, p, fd);
        return r < 0 ? r : uv_poll_start(p, UV_READABLE, readable);
    }
    uv_pipe_t *const p = handle;
    int r = uv_pipe_init(loop, p, 0);
    if (r == 0)
        r = uv_pipe_open(p, fd);
    return r < 0 ? r : uv_read_start((uv_stream_t *)p, lend, variant == WRITE ? has_read : has_read_and_tries);
}

static int run(const struct echo_server *s, const struct echo_job *j)
{
    uv_loop_t loop;
    int r = uv_loop_init(&loop);
    const size_t size = s->variant == POLL ? sizeof(uv_poll_t) : sizeof(uv_pipe_t);
    char *const handles = calloc(j->nfds, size);
    if (!handles)
        return -ENOMEM;
    for (unsigned i = 0; r == 0 && i < j->nfds; i++)
        r = watch(&loop, s->variant, handles + i * size, j->fds[i]);
    if (r < 0)
        return r;
    uv_run(&loop, UV_RUN_DEFAULT);
    return status;
}

const struct echo_server echo_uv[] = {
    {"libuv-poll", ECHO_PEER, ECHO_SEQPACKET | ECHO_STREAM, run, POLL, sizeof(uv_poll_t)},
    {"libuv-write", ECHO_PEER, ECHO_STREAM, run, WRITE, sizeof(uv_pipe_t)},
    {"libuv-try-write", ECHO_PEER, ECHO_STREAM, run, TRY_WRITE, sizeof(uv_pipe_t)},
    {NULL, ECHO_RAW, 0, NULL, 0, 0},
};
