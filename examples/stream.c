// SPDX-License-Identifier: MIT
/*
 * Bytes over a stream: sends standard input to a server, and writes what comes back to standard output.
 *
 *     example_own_poll stream @bytes &
 *     example_stream @bytes <FILE
 *
 * A stream has no packets: a send may take a part (`skip` goes on from there), a receive returns what is there. Sending
 * and receiving are done by two processes, because two ends that both only send wait for each other for ever once the
 * buffers are full. unx_shutdown() ends our half of the connection and leaves the other half open for the answer.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <unx/unx.h>

static int fail(const char *what, int error)
{
    fprintf(stderr, "stream: %s: %s\n", what, unx_explain(error));
    return 1;
}

static int send_all(int fd)
{
    char buf[65536];
    ssize_t n;
    while ((n = read(STDIN_FILENO, buf, sizeof buf)) > 0) {
        const struct iovec data = {buf, (size_t)n};
        for (size_t skip = 0; skip < (size_t)n;) {
            struct unx_msg m = {.iov = &data, .niov = 1, .skip = skip};
            const int r = unx_send(fd, &m, 0);
            if (r < 0)
                return fail("send", r);
            skip += m.len;
        }
    }
    if (n < 0)
        return fail("standard input", -errno);
    const int r = unx_shutdown(fd, SHUT_WR);
    return r < 0 ? fail("shutdown", r) : 0;
}

static int receive_all(int fd)
{
    char buf[65536];
    const struct iovec room = {buf, sizeof buf};
    struct unx_msg m = {.iov = &room, .niov = 1};
    int r;
    while ((r = unx_recv(fd, &m, 0)) > 0)
        if (fwrite(buf, 1, m.len, stdout) != m.len)
            return fail("standard output", -errno);
    if (r < 0)
        return fail("receive", r);
    return fflush(stdout) ? fail("standard output", -errno) : 0;
}

int main(int argc, char **argv)
{
    if (argc != 2) {
        fprintf(stderr, "usage: stream ADDR <INPUT >OUTPUT\n");
        return 2;
    }
    struct unx_addr a;
    int r = unx_addr_parse(&a, argv[1]);
    if (r < 0)
        return fail(argv[1], r);
    const int fd = unx_connect(SOCK_STREAM, 0, NULL, &a, 2000);
    if (fd < 0)
        return fail("connect", fd);
    const pid_t child = fork();
    if (child == 0)
        _exit(send_all(fd));
    r = child < 0 ? fail("fork", -errno) : receive_all(fd);
    close(fd);
    int status = 1;
    if (child > 0)
        waitpid(child, &status, 0);
    return r || status != 0;
}
