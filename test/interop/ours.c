// SPDX-License-Identifier: MIT
/* The library's side of a conversation (interop.h): public functions alone, with a bound on how long each may wait. */
#include "interop.h"

struct unx_msg got;
char got_data[2 << 20];
int got_fds[253];
struct unx_cred got_cred;
struct unx_addr got_addr;

struct unx_addr ours_addr(const char *text)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_parse(&a, text), 0);
    return a;
}

int ours_listen(int type, unsigned flags, const char *text)
{
    const struct unx_addr a = ours_addr(text);
    const mode_t mode = text[0] == '@' ? UNX_MODE_UMASK : 0600;
    const int fd = type == SOCK_DGRAM ? unx_bind(type, flags, &a, mode) : unx_listen(type, flags, &a, -1, mode);
    if (fd < 0)
        CHECK_INT(fd, 0);
    return fd;
}

/* No event tells that a program has begun to listen, so this asks again. */
int ours_connect(int type, unsigned flags, const char *text)
{
    const struct unx_addr a = ours_addr(text);
    for (const int64_t start = raw_now();; raw_sleep(5)) {
        const int fd = unx_connect(type, flags, NULL, &a, PEER_WAIT);
        if (fd >= 0)
            return fd;
        if ((fd != -ENOENT && fd != -ECONNREFUSED) || raw_now() - start > PEER_WAIT)
            CHECK_INT(fd, 0);
    }
}

int ours_accept(int listener)
{
    CHECK(unx_wait(listener, POLLIN, PEER_WAIT) > 0);
    const int fd = unx_accept(listener, 0, NULL);
    if (fd < 0)
        CHECK_INT(fd, 0);
    return fd;
}

static void send_all(int fd, struct unx_msg *m, size_t n)
{
    do {
        const int result = unx_send(fd, m, 0);
        CHECK_INT(result, 1);
        m->skip += m->len;
    } while (m->skip < n);
}

void ours_send(int fd, const void *data, size_t n, const int *fds, unsigned nfds)
{
    const struct iovec iov = {(void *)data, n};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = (int *)fds, .nfds = nfds};
    send_all(fd, &m, n);
}

void ours_send_to(int fd, const void *data, size_t n, const struct unx_addr *to)
{
    const struct iovec iov = {(void *)data, n};
    struct unx_addr copy = *to;
    struct unx_msg m = {.iov = &iov, .niov = 1, .addr = &copy};
    send_all(fd, &m, n);
}

static int receive(int fd, size_t max)
{
    const struct iovec iov = {got_data, max};
    got = (struct unx_msg){.iov = &iov, .niov = 1, .fds = got_fds, .nfds = 253, .cred = &got_cred, .addr = &got_addr};
    CHECK(unx_wait(fd, POLLIN, PEER_WAIT) > 0);
    const int result = unx_recv(fd, &got, UNX_DONTWAIT);
    got.iov = NULL;
    return result;
}

int ours_recv(int fd)
{
    return receive(fd, sizeof got_data);
}

void ours_gets(int fd, const void *data, size_t n, unsigned nfds)
{
    CHECK_INT(ours_recv(fd), 1);
    CHECK_MEM(got_data, got.len, data, n);
    CHECK_INT(got.full_len, n);
    CHECK_INT(got.fds_got, nfds);
    CHECK_INT(got.error, 0);
}

void ours_gets_bytes(int fd, const void *data, size_t n)
{
    for (size_t done = 0; done < n; done += got.len) {
        CHECK_INT(receive(fd, n - done), 1);
        CHECK_INT(got.fds_got, 0);
        CHECK_MEM(got_data, got.len, (const char *)data + done, got.len);
    }
}

void ours_gets_end(int fd)
{
    CHECK_INT(ours_recv(fd), 0);
}

const char *ours_gets_line(int fd, const char *end)
{
    static char line[4096];
    const size_t tail = strlen(end);
    for (size_t len = 0; len < sizeof line - 1;) {
        CHECK_INT(receive(fd, 1), 1);
        line[len++] = got_data[0];
        if (len >= tail && !memcmp(line + len - tail, end, tail)) {
            line[len - tail] = 0;
            return line;
        }
    }
    harness_fail(__FILE__, __LINE__, "no end of the line in %zu bytes", sizeof line);
}
