// SPDX-License-Identifier: MIT
/*
 * systemd-socket-activate with a service of ours, on sockets of each type, at both kinds of address, accepted by it
 * or by us: what the service sends and gets is checked, where ../test_systemd.c checks what it is told. And our
 * activator with a service of systemd, its socket proxy, in front of a server of ours.
 *
 * What surprised us: with --accept it gives no names, and it tells that it listens on standard error alone.
 */
#include "interop.h"

#include <unx/activation.h>

static char block[60000];

static const char *self(void)
{
    static char path[4096];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    CHECK(n > 0);
    path[n] = 0;
    return path;
}

/* ---- the service ---- */

/* Sends back what comes, data and descriptors, until the end; of datagrams until an empty one. */
static int echo(int fd)
{
    for (;;) {
        const struct iovec room = {got_data, sizeof got_data};
        struct unx_addr from;
        struct unx_msg in = {.iov = &room, .niov = 1, .fds = got_fds, .nfds = 253, .addr = &from};
        const int result = unx_recv(fd, &in, 0);
        if (result <= 0)
            return result;
        const struct iovec back = {got_data, in.len};
        struct unx_msg out = {.iov = &back, .niov = 1, .fds = got_fds, .nfds = in.fds_got};
        if (unx_addr_name(&from, NULL, NULL) > UNX_UNNAMED)
            out.addr = &from;
        while (out.skip < in.len || (in.len == 0 && !out.len)) {
            const int sent = unx_send(fd, &out, 0);
            if (sent < 0)
                return sent;
            out.skip += out.len;
            if (in.len == 0)
                break;
        }
        for (unsigned i = 0; i < in.fds_got; i++)
            close(got_fds[i]);
        if (out.addr && in.len == 0)
            return 0;
    }
}

static int serve(const char *name, const char *listening)
{
    struct unx_activated got_one;
    if (unx_activation_adopt(&got_one, 1, UNX_UNSET) != 1 || strcmp(got_one.name, name))
        return 10;
    if (got_one.listening != atoi(listening) || got_one.family != AF_UNIX)
        return 11;
    const int fd = got_one.listening ? unx_accept(got_one.fd, 0, NULL) : got_one.fd;
    return fd < 0 ? 12 : echo(fd) < 0 ? 13 : 0;
}

/* ---- their activator ---- */

static void talk(int fd, int type, const struct unx_addr *to)
{
    static const size_t sizes[] = {1, 100, sizeof block};
    for (int i = 0; i < 3; i++) {
        raw_pattern(block, sizes[i], (size_t)i);
        if (to)
            ours_send_to(fd, block, sizes[i], to);
        else
            ours_send(fd, block, sizes[i], NULL, 0);
        if (type == SOCK_STREAM)
            ours_gets_bytes(fd, block, sizes[i]);
        else
            ours_gets(fd, block, sizes[i], 0);
    }
}

static void lend(int fd)
{
    int pair[2], null = open("/dev/null", O_RDWR | O_CLOEXEC);
    const int file = file_with("file", "text");
    CHECK_INT(unx_pair(SOCK_STREAM, 0, pair), 0);
    const int three[] = {file, null, pair[0]};
    ours_send(fd, "three", 5, three, 3);
    ours_gets(fd, "three", 5, 3);
    check_same_file(got_fds[0], file);
    check_same_file(got_fds[1], null);
    const int back = got_fds[2];
    ours_send(pair[1], "x", 1, NULL, 0);
    close(pair[0]);
    ours_gets_bytes(back, "x", 1);
    close(back);
    ours_gets_end(pair[1]);
    close(pair[1]);
    close(file);
    close(null);
}

static void activated(int type, const char *address, int accept)
{
    const char *argv[16] = {"systemd-socket-activate", "-l", address};
    int n = 3;
    ROW("%s at %s, accepted by %s", raw_type_name(type), address, accept ? "it" : "us");
    if (type != SOCK_STREAM)
        argv[n++] = type == SOCK_DGRAM ? "--datagram" : "--seqpacket";
    argv[n++] = accept ? "--accept" : "--fdname=service";
    argv[n++] = self();
    argv[n++] = "--serve";
    argv[n++] = accept ? "unknown" : "service";
    argv[n++] = accept || type == SOCK_DGRAM ? "0" : "1";
    struct peer p = peer_start(argv, NULL, NULL);
    if (type == SOCK_DGRAM) {
        const struct unx_addr to = ours_addr(address);
        close(ours_connect(type, 0, address));
        const int fd = ours_listen(type, UNX_PASSFDS, raw_file("own"));
        talk(fd, type, &to);
        ours_send_to(fd, "", 0, &to);
        ours_gets(fd, "", 0, 0);
        close(fd);
        CHECK_INT(unlink(raw_file("own")), 0);
    } else {
        const int fd = ours_connect(type, UNX_PASSFDS, address);
        if (type == SOCK_SEQPACKET) {
            ours_send(fd, "", 0, NULL, 0);
            ours_gets(fd, "", 0, 0);
        }
        talk(fd, type, NULL);
        lend(fd);
        CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
        ours_gets_end(fd);
        close(fd);
    }
    if (accept)
        peer_stop(&p, SIGTERM);
    else
        peer_ends(&p, 0);
}

static void their_activator_our_service(void)
{
    need("systemd-socket-activate");
    for (int i = 0; i < 3; i++)
        for (int abstract = 0; abstract < 2; abstract++)
            for (int accept = 0; accept < (raw_types[i] == SOCK_DGRAM ? 1 : 2); accept++) {
                char word[16];
                snprintf(word, sizeof word, "s%d%d%d", i, abstract, accept);
                activated(raw_types[i], abstract ? abstract_name(word) : raw_file(word), accept);
            }
}

/* ---- our activator ---- */

static void our_activator_their_service(void)
{
    const char *front = abstract_name("front"), *back = raw_file("back");
    need("systemd-socket-proxyd");
    const int listener = ours_listen(SOCK_STREAM, UNX_PASSFDS, front), server = ours_listen(SOCK_STREAM, 0, back);
    struct activate a = {.fds = &listener, .nfds = 1};
    const char *const argv[] = {"systemd-socket-proxyd", back, NULL};
    struct peer p = peer_start(argv, peer_activate, &a);
    close(listener);
    for (int i = 0; i < 3; i++) {
        const int client = ours_connect(SOCK_STREAM, 0, front), far = ours_accept(server);
        raw_pattern(block, sizeof block, (size_t)i);
        ours_send(client, block, sizeof block, NULL, 0);
        ours_gets_bytes(far, block, sizeof block);
        ours_send(far, block, 10000, NULL, 0);
        ours_gets_bytes(client, block, 10000);
        close(client);
        ours_gets_end(far);
        close(far);
    }
    close(server);
    peer_stop(&p, SIGTERM);
}

static const struct test_case cases[] = {
    PEER_CASE(their_activator_our_service),
    PEER_CASE(our_activator_their_service),
};

int main(int argc, char **argv)
{
    if (argc == 4 && !strcmp(argv[1], "--serve"))
        return serve(argv[2], argv[3]);
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
