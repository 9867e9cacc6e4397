// SPDX-License-Identifier: MIT
/*
 * Echo: the smallest server and client. One packet in, the same packet out, boundaries kept (SOCK_SEQPACKET).
 *
 *     example_echo serve @echo &
 *     example_echo ask @echo 'hello'
 *
 * serve() is the whole server. It serves one connection after the other; own_poll.c serves many at once. An empty
 * packet is a packet and is sent back like any other; the end of the connection is the 0 of unx_recv().
 */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static int fail(const char *what, int error)
{
    fprintf(stderr, "echo: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* Sends every packet back. The result of the last call: 0 is the normal end. */
static int echo(int fd)
{
    static char buf[65536];
    const struct iovec room = {buf, sizeof buf};
    struct unx_msg in = {.iov = &room, .niov = 1};
    int r;
    while ((r = unx_recv(fd, &in, 0)) != 0) {
        if (unx_one_message(r)) { /* too large, or with descriptors: it is gone, the connection is fine */
            fail("packet refused", r);
            continue;
        }
        if (r < 0)
            break;
        const struct iovec data = {buf, in.len};
        struct unx_msg out = {.iov = &data, .niov = 1};
        r = unx_send(fd, &out, 0);
        if (r < 0)
            break;
    }
    return r;
}

static int serve(const struct unx_addr *a)
{
    const int listener = unx_listen(SOCK_SEQPACKET, 0, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    printf("listening\n");
    fflush(stdout);
    int fd;
    while ((fd = unx_accept(listener, 0, NULL)) >= 0) {
        int r = unx_policy_check(&same_user, fd, NULL, NULL);
        r = r < 0 ? r : echo(fd);
        if (r < 0)
            fail("connection", r);
        close(fd);
    }
    close(listener);
    return fail("accept", fd);
}

static int ask(const struct unx_addr *a, const char *text)
{
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, a, 2000);
    if (fd < 0)
        return fail("connect", fd);
    char buf[65536];
    const struct iovec data = {(void *)text, strlen(text)}, room = {buf, sizeof buf};
    struct unx_msg req = {.iov = &data, .niov = 1}, rep = {.iov = &room, .niov = 1};
    const int r = unx_call(fd, &req, &rep, 10000);
    close(fd);
    if (r < 0)
        return fail("call", r);
    fwrite(buf, 1, rep.len, stdout);
    putchar('\n');
    return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
    const int serving = argc == 3 && !strcmp(argv[1], "serve");
    if (!serving && !(argc == 4 && !strcmp(argv[1], "ask"))) {
        fprintf(stderr, "usage: echo serve ADDR | echo ask ADDR TEXT\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serving ? serve(&a) : ask(&a, argv[3]);
}
