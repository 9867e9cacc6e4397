// SPDX-License-Identifier: MIT
/*
 * OpenBSD's nc(1): -U and -lU on streams, -uU and -luU with datagrams, as client and as server. It has no packets,
 * and -F, which hands a connection over as a descriptor, it refuses together with -U.
 *
 * What surprised us: with -u its client binds a name below /tmp of its own making, to which its server connects, so
 * that from then on it hears nobody else.
 */
#include "interop.h"

static char block[40000];

static void their_server(void)
{
    const char *path = raw_file("s");
    const char *const argv[] = {need("nc.openbsd"), "-lUN", path, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_connect(SOCK_STREAM, 0, path);
    raw_pattern(block, sizeof block, 3);
    ours_send(fd, block, sizeof block, NULL, 0);
    peer_says(&p, block, sizeof block);
    peer_say(&p, block, 20000);
    ours_gets_bytes(fd, block, 20000);
    CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
    peer_hang_up(&p);
    ours_gets_end(fd);
    close(fd);
    peer_says_end(&p);
    peer_ends(&p, 0);
}

static void their_client(void)
{
    const char *path = raw_file("s");
    const char *const argv[] = {need("nc.openbsd"), "-UN", path, NULL};
    const int listener = ours_listen(SOCK_STREAM, 0, path);
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    struct unx_cred who;
    CHECK_INT(unx_peer_cred(fd, &who), 0);
    CHECK_INT(who.pid, p.pid);
    peer_say(&p, "to us\0\n", 7);
    ours_gets_bytes(fd, "to us\0\n", 7);
    raw_pattern(block, sizeof block, 4);
    ours_send(fd, block, sizeof block, NULL, 0);
    peer_says(&p, block, sizeof block);
    peer_hang_up(&p);
    ours_gets_end(fd);
    ours_send(fd, "last", 4, NULL, 0);
    close(fd);
    peer_says(&p, "last", 4);
    peer_says_end(&p);
    peer_ends(&p, 0);
    close(listener);
}

static void their_datagram_server(void)
{
    const char *path = raw_file("s"), *own = raw_file("own");
    const struct unx_addr to = ours_addr(path), from = ours_addr(own);
    const char *const argv[] = {need("nc.openbsd"), "-luU", path, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    close(ours_connect(SOCK_DGRAM, 0, path));
    const int fd = unx_connect(SOCK_DGRAM, 0, &from, &to, PEER_WAIT);
    CHECK(fd >= 0);
    ours_send(fd, "one", 3, NULL, 0);
    peer_says(&p, "one", 3);
    peer_say(&p, "two\0", 4);
    ours_gets(fd, "two\0", 4, 0);
    CHECK_INT(unx_addr_compare(&got_addr, &to), 0);
    raw_pattern(block, 2000, 5);
    ours_send(fd, block, 2000, NULL, 0);
    peer_says(&p, block, 2000);
    /* It has chosen its peer. */
    const int other = unx_connect(SOCK_DGRAM, 0, NULL, &to, 1000);
    CHECK_INT(other, -EPERM);
    close(fd);
    peer_stop(&p, SIGTERM);
}

static void their_datagram_client(void)
{
    const char *path = raw_file("s");
    /* Killed, it would leave its directory behind, so it ends by itself after one answer. */
    const char *const argv[] = {need("nc.openbsd"), "-uU", "-W", "1", path, NULL};
    const int fd = ours_listen(SOCK_DGRAM, UNX_PASSCRED, path);
    struct peer p = peer_start(argv, NULL, NULL);
    peer_say(&p, "question", 8);
    ours_gets(fd, "question", 8, 0);
    CHECK_INT(got_cred.pid, p.pid);
    CHECK_INT(unx_addr_name(&got_addr, NULL, NULL), UNX_PATH);
    ours_send_to(fd, "answer", 6, &got_addr);
    peer_says(&p, "answer", 6);
    close(fd);
    peer_ends(&p, 0);
}

static const struct test_case cases[] = {
    PEER_CASE(their_server),
    PEER_CASE(their_client),
    PEER_CASE(their_datagram_server),
    PEER_CASE(their_datagram_client),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
