// SPDX-License-Identifier: MIT
/*
 * Perl's own socket calls, with the module Socket alone: packets, empty ones too, as client and as server.
 *
 * What surprised us: recv() of Perl returns the empty string both for an empty packet and at the end, and so cannot
 * tell them apart; our side can.
 */
#include "interop.h"

#define BEGIN                                                                                                          \
    "use strict; use Socket qw(AF_UNIX SOCK_SEQPACKET SOCK_STREAM SOCK_DGRAM pack_sockaddr_un SOMAXCONN);\n"           \
    "$| = 1; my ($type, $at) = @ARGV; my $data; $at =~ s/^\\@/\\0/;\n"                                                 \
    "socket(my $s, AF_UNIX, {SEQPACKET => SOCK_SEQPACKET, STREAM => SOCK_STREAM, DGRAM => SOCK_DGRAM}->{$type}, 0)\n"  \
    "    or die $!;\n"

static struct peer perl(const char *script, int type, const char *address)
{
    const char *const argv[] = {"perl", "-e", script, raw_type_name(type), address, NULL};
    return peer_start(argv, NULL, NULL);
}

static const char server[] = BEGIN "bind($s, pack_sockaddr_un($at)) or die $!; listen($s, SOMAXCONN) or die $!;\n"
                                   "accept(my $c, $s) or die $!;\n"
                                   "for (1 .. 4) {\n"
                                   "    defined recv($c, $data, 200000, 0) or die $!;\n"
                                   "    print length($data), \"\\n\";\n"
                                   "    defined send($c, reverse($data) . '', 0) or die $!;\n"
                                   "}\n"
                                   "defined recv($c, $data, 10, 0) or die $!; print 'end ', length($data), \"\\n\";\n";

static void it_serves(void)
{
    static char block[50000], back[50000];
    const char *path = raw_file("s");
    need("perl");
    struct peer p = perl(server, SOCK_SEQPACKET, path);
    const int fd = ours_connect(SOCK_SEQPACKET, 0, path);
    raw_pattern(block, sizeof block, 2);
    for (size_t i = 0; i < sizeof block; i++)
        back[i] = block[sizeof block - 1 - i];
    ours_send(fd, "abc", 3, NULL, 0);
    ours_gets(fd, "cba", 3, 0);
    ours_send(fd, "", 0, NULL, 0);
    ours_gets(fd, "", 0, 0);
    ours_send(fd, block, sizeof block, NULL, 0);
    ours_gets(fd, back, sizeof back, 0);
    ours_send(fd, "\0\n", 2, NULL, 0);
    ours_gets(fd, "\n\0", 2, 0);
    CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
    ours_gets_end(fd);
    close(fd);
    peer_says(&p, "3\n0\n50000\n2\nend 0\n", 18);
    peer_ends(&p, 0);
}

static const char client[] = BEGIN "connect($s, pack_sockaddr_un($at)) or die $!;\n"
                                   "for ('one', '', 'x' x 30000, '', \"\\0\") { defined send($s, $_, 0) or die $!; }\n"
                                   "shutdown($s, 1) or die $!;\n"
                                   "defined recv($s, $data, 10, 0) or die $!; print \"$data\\n\";\n";

/* Empty packets, also last before the end, because we ask for credentials. */
static void it_sends_empty_packets(void)
{
    static char block[30000];
    const char *name = abstract_name("s");
    need("perl");
    memset(block, 'x', sizeof block);
    const int listener = ours_listen(SOCK_SEQPACKET, UNX_PASSCRED, name);
    struct peer p = perl(client, SOCK_SEQPACKET, name);
    const int fd = ours_accept(listener);
    ours_gets(fd, "one", 3, 0);
    CHECK_INT(got_cred.pid, p.pid);
    ours_gets(fd, "", 0, 0);
    CHECK_INT(got_cred.pid, p.pid);
    ours_gets(fd, block, sizeof block, 0);
    ours_gets(fd, "", 0, 0);
    ours_gets(fd, "\0", 1, 0);
    ours_gets_end(fd);
    ours_send(fd, "answer", 6, NULL, 0);
    close(fd);
    close(listener);
    peer_says(&p, "answer\n", 7);
    peer_ends(&p, 0);
}

static void it_streams(void)
{
    static char block[30000];
    const char *path = raw_file("s");
    need("perl");
    memset(block, 'x', sizeof block);
    const int listener = ours_listen(SOCK_STREAM, 0, path);
    struct peer p = perl(client, SOCK_STREAM, path);
    const int fd = ours_accept(listener);
    ours_gets_bytes(fd, "one", 3);
    ours_gets_bytes(fd, block, sizeof block);
    ours_gets_bytes(fd, "\0", 1);
    ours_gets_end(fd);
    ours_send(fd, "answer", 6, NULL, 0);
    close(fd);
    close(listener);
    peer_says(&p, "answer\n", 7);
    peer_ends(&p, 0);
}

static const char datagrams[] = BEGIN "bind($s, pack_sockaddr_un($at)) or die $!; print \"ready\\n\";\n"
                                      "for (1 .. 3) {\n"
                                      "    my $from = recv($s, $data, 1000, 0); defined $from or die $!;\n"
                                      "    print length($data), \"\\n\"; send($s, \"<$data>\", 0, $from) or die $!;\n"
                                      "}\n";

static void it_answers_datagrams(void)
{
    static const struct iovec asked[] = {{(char *)"one", 3}, {(char *)"", 0}, {(char *)"a\nb", 3}};
    const char *path = raw_file("s");
    const struct unx_addr to = ours_addr(path);
    need("perl");
    struct peer p = perl(datagrams, SOCK_DGRAM, path);
    peer_says(&p, "ready\n", 6);
    const int fd = ours_listen(SOCK_DGRAM, 0, raw_file("own"));
    for (int i = 0; i < 3; i++) {
        char want[16];
        const int n = snprintf(want, sizeof want, "<%.*s>", (int)asked[i].iov_len, (const char *)asked[i].iov_base);
        ours_send_to(fd, asked[i].iov_base, asked[i].iov_len, &to);
        ours_gets(fd, want, (size_t)n, 0);
        CHECK_INT(unx_addr_compare(&got_addr, &to), 0);
    }
    close(fd);
    peer_says(&p, "3\n0\n3\n", 6);
    peer_ends(&p, 0);
}

static const struct test_case cases[] = {
    PEER_CASE(it_serves),
    PEER_CASE(it_sends_empty_packets),
    PEER_CASE(it_streams),
    PEER_CASE(it_answers_datagrams),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
