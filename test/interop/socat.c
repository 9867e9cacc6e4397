// SPDX-License-Identifier: MIT
/*
 * socat(1), as server and as client: packets, streams, datagrams, at paths and at abstract names of both kinds of
 * length.
 *
 * What surprised us: socat passes an empty packet on as the end of the conversation, so none is sent here; and it
 * reads with a buffer of 8 KiB and drops the rest of a larger packet without a word, unless -b says otherwise.
 */
#include "interop.h"

static char block[100000];

/* It echoes what it gets. */
static void echo_with(int type, const char *address, const char *text)
{
    static const size_t sizes[] = {1, 5, 1000, 8192, 8193, 60000};
    const char *const argv[] = {"socat", "-b", "100000", address, "PIPE", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_connect(type, 0, text);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        ROW("%s, %zu bytes", address, sizes[i]);
        raw_pattern(block, sizes[i], i);
        ours_send(fd, block, sizes[i], NULL, 0);
        if (type == SOCK_STREAM)
            ours_gets_bytes(fd, block, sizes[i]);
        else
            ours_gets(fd, block, sizes[i], 0);
    }
    CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
    ours_gets_end(fd);
    close(fd);
    peer_ends(&p, 0);
}

static const char *word(const char *format, const char *name)
{
    static char words[2][512];
    static unsigned next;
    char *w = words[next++ % 2];
    snprintf(w, sizeof words[0], format, name);
    return w;
}

static void their_server_of_packets(void)
{
    const char *path = raw_file("s"), *name = abstract_name("s");
    need("socat");
    echo_with(SOCK_SEQPACKET, word("UNIX-LISTEN:%s,type=5", path), path);
    echo_with(SOCK_SEQPACKET, word("ABSTRACT-LISTEN:%s,type=5", name + 1), name);
}

static void their_server_of_streams(void)
{
    const char *path = raw_file("s"), *name = abstract_name("s");
    need("socat");
    echo_with(SOCK_STREAM, word("UNIX-LISTEN:%s", path), path);
    echo_with(SOCK_STREAM, word("ABSTRACT-LISTEN:%s", name + 1), name);
}

/* The name with NULs up to the size of the struct: another name, which has to be said in full. */
static const char *padded_text(const char *name)
{
    static char text[UNX_ADDR_TEXT];
    char full[107] = {0};
    struct unx_addr a;
    memcpy(full, name + 1, strlen(name + 1));
    CHECK_INT(unx_addr_abstract(&a, full, sizeof full), 0);
    CHECK(unx_addr_format(&a, text, sizeof text) > 0);
    return text;
}

static void a_name_is_as_long_as_they_say(void)
{
    const char *name = abstract_name("long");
    const struct unx_addr exact = ours_addr(name);
    need("socat");
    const char *const argv[] = {"socat", word("ABSTRACT-LISTEN:%s,type=5,unix-tightsocklen=0", name + 1), "PIPE", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_connect(SOCK_SEQPACKET, 0, padded_text(name));
    CHECK_INT(unx_connect(SOCK_SEQPACKET, 0, NULL, &exact, 1000), -ECONNREFUSED);
    ours_send(fd, "hello", 5, NULL, 0);
    ours_gets(fd, "hello", 5, 0);
    close(fd);
    peer_ends(&p, 0);
}

/* ---- it as client ---- */

static void answer(int type, const char *address, const char *text)
{
    const char *const argv[] = {"socat", "-b", "100000", "-", address, NULL};
    ROW("%s", address);
    const int listener = ours_listen(type, 0, text);
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    struct unx_cred who;
    CHECK_INT(unx_peer_cred(fd, &who), 0);
    CHECK_INT(who.pid, p.pid);
    for (unsigned i = 0; i < 4; i++) {
        const size_t n = i == 3 ? 50000 : 1 + i * 100;
        raw_pattern(block, n, i);
        peer_say(&p, block, n);
        if (type == SOCK_STREAM || i == 3)
            ours_gets_bytes(fd, block, n);
        else
            ours_gets(fd, block, n, 0);
        block[0] ^= 1;
        ours_send(fd, block, n, NULL, 0);
        peer_says(&p, block, n);
    }
    peer_hang_up(&p);
    ours_gets_end(fd);
    ours_send(fd, "last", 4, NULL, 0);
    close(fd);
    peer_says(&p, "last", 4);
    peer_says_end(&p);
    peer_ends(&p, 0);
    close(listener);
}

static void their_client_of_packets(void)
{
    const char *path = raw_file("s"), *name = abstract_name("s");
    need("socat");
    answer(SOCK_SEQPACKET, word("UNIX-CONNECT:%s,type=5", path), path);
    answer(SOCK_SEQPACKET, word("ABSTRACT-CONNECT:%s,type=5", name + 1), name);
    answer(SOCK_SEQPACKET, word("ABSTRACT-CONNECT:%s,type=5,unix-tightsocklen=0", name + 1), padded_text(name));
}

static void their_client_of_streams(void)
{
    const char *path = raw_file("s"), *name = abstract_name("s");
    need("socat");
    answer(SOCK_STREAM, word("UNIX-CONNECT:%s", path), path);
    answer(SOCK_STREAM, word("ABSTRACT-CONNECT:%s", name + 1), name);
}

/* ---- datagrams ---- */

static void their_receiver_answers(void)
{
    const char *path = raw_file("r"), *own = raw_file("own");
    const struct unx_addr to = ours_addr(path);
    need("socat");
    const char *const argv[] = {"socat", "-b", "100000", word("UNIX-RECVFROM:%s", path), "PIPE", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    close(ours_connect(SOCK_DGRAM, 0, path));
    const int fd = ours_listen(SOCK_DGRAM, 0, own);
    raw_pattern(block, 30000, 7);
    ours_send_to(fd, block, 30000, &to);
    ours_gets(fd, block, 30000, 0);
    CHECK_INT(unx_addr_compare(&got_addr, &to), 0);
    close(fd);
    peer_hang_up(&p);
    peer_ends(&p, 0);
}

static void their_receiver_prints(void)
{
    const char *name = abstract_name("r");
    need("socat");
    const char *const argv[] = {"socat", "-u", word("ABSTRACT-RECV:%s", name + 1), "-", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_connect(SOCK_DGRAM, 0, name);
    ours_send(fd, "one", 3, NULL, 0);
    ours_send(fd, "two", 3, NULL, 0);
    close(fd);
    peer_says(&p, "onetwo", 6);
    peer_stop(&p, SIGTERM);
}

static void their_sender(void)
{
    char address[600];
    const char *path = raw_file("s"), *theirs = raw_file("c");
    const struct unx_addr back = ours_addr(theirs);
    need("socat");
    const int fd = ours_listen(SOCK_DGRAM, UNX_PASSCRED, path);
    snprintf(address, sizeof address, "UNIX-SENDTO:%s,bind=%s", path, theirs);
    const char *const argv[] = {"socat", "-", address, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    peer_say(&p, "question\0", 9);
    ours_gets(fd, "question\0", 9, 0);
    CHECK_INT(got_cred.known, UNX_KNOWN_ALL);
    CHECK_INT(got_cred.pid, p.pid);
    CHECK_INT(unx_addr_compare(&got_addr, &back), 0);
    ours_send_to(fd, "answer", 6, &got_addr);
    peer_says(&p, "answer", 6);
    close(fd);
    peer_hang_up(&p);
    peer_ends(&p, 0);
}

static const struct test_case cases[] = {
    PEER_CASE(their_server_of_packets),       PEER_CASE(their_server_of_streams),
    PEER_CASE(a_name_is_as_long_as_they_say), PEER_CASE(their_client_of_packets),
    PEER_CASE(their_client_of_streams),       PEER_CASE(their_receiver_answers),
    PEER_CASE(their_receiver_prints),         PEER_CASE(their_sender),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
