// SPDX-License-Identifier: MIT
/*
 * Datagram sockets: their name, the peer they choose, and the end, which only they themselves can make.
 *
 * What surprised us (Linux 6.18): behind its own shutdown a datagram socket says nothing that would tell an empty
 * packet from the end, and how many bytes are queued is said of the next packet alone.
 */
#include "message.h"
#include "raw_addr.h"

#include <sys/stat.h>

static int one(int fd, int sending)
{
    char c[4096] = "x";
    struct iovec iov = {c, sizeof c};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    return sending ? QUIET(unx_send(fd, &m, 0)) : QUIET(unx_recv(fd, &m, 0));
}

static struct unx_addr at(const char *file)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file(file)), 0);
    return a;
}

static int datagram(const char *file)
{
    const struct unx_addr a = at(file);
    const int fd = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    return fd;
}

static void name_for_a_datagram_socket(void)
{
    struct unx_addr a = at("named"), b;
    const int fd = unx_socket(SOCK_DGRAM, 0);
    CHECK(fd >= 0);
    CHECK_INT(QUIET(unx_bind_to(fd, &a, 0640)), 0);
    struct stat st;
    CHECK_INT(stat(raw_file("named"), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0640);
    CHECK_INT(unx_local_addr(fd, &b), 0);
    CHECK_INT(unx_addr_compare(&a, &b), 0);
    /* Named is named; and the attempt leaves no file. */
    a = at("again");
    CHECK_INT(QUIET(unx_bind_to(fd, &a, UNX_MODE_UMASK)), -EINVAL);
    CHECK_INT(access(raw_file("again"), F_OK), -1);
    close(fd);
    const int other = unx_socket(SOCK_DGRAM, 0);
    a = at("named");
    CHECK_INT(QUIET(unx_bind_to(other, &a, 0640)), -EADDRINUSE);
    CHECK_INT(access(raw_file("named"), F_OK), 0);
    close(other);
}

static void wrong_type_for_naming(void)
{
    for (int t = 0; t < 2; t++) {
        const int fd = raw_socket(raw_types[t]);
        const struct unx_addr a = at("wrong");
        CHECK_INT(QUIET(unx_bind_to(fd, &a, 0600)), -EPROTOTYPE);
        CHECK_INT(QUIET(unx_connect_to(fd, &a)), -EPROTOTYPE);
        CHECK_INT(QUIET(unx_disconnect(fd)), -EPROTOTYPE);
        CHECK_INT(access(raw_file("wrong"), F_OK), -1);
        close(fd);
    }
}

static void peer_of_a_datagram_socket(void)
{
    const int a = datagram("a"), b = datagram("b"), c = datagram("c");
    const struct unx_addr at_a = at("a"), at_b = at("b"), at_c = at("c");
    struct unx_addr peer;
    CHECK_INT(QUIET(unx_peer_addr(a, &peer)), -ENOTCONN);
    CHECK_INT(QUIET(unx_connect_to(a, &at_b)), 0);
    CHECK_INT(unx_peer_addr(a, &peer), 0);
    CHECK_INT(unx_addr_compare(&peer, &at_b), 0);
    CHECK_INT(one(a, 1), 1);
    CHECK_INT(one(b, 0), 1);
    /* a hears b alone now. */
    CHECK_INT(QUIET(unx_connect_to(c, &at_a)), -EPERM);
    CHECK_INT(QUIET(unx_connect_to(b, &at_a)), 0);
    CHECK_INT(one(b, 1), 1);
    /* Choosing another peer drops what is queued. */
    CHECK_INT(QUIET(unx_connect_to(a, &at_c)), 0);
    CHECK_INT(unx_set_nonblock(a, 1), 0);
    CHECK_INT(one(a, 0), -EAGAIN);
    CHECK_INT(QUIET(unx_disconnect(a)), 0);
    CHECK_INT(unx_peer_addr(a, &peer), -ENOTCONN);
    CHECK_INT(one(a, 1), -ENOTCONN);
    CHECK_INT(QUIET(unx_connect_to(c, &at_a)), 0);
    CHECK_INT(one(c, 1), 1);
    CHECK_INT(one(a, 0), 1);
    CHECK_INT(QUIET(unx_disconnect(a)), 0);
    const struct unx_addr nobody = at("nobody"), none = {0};
    CHECK_INT(QUIET(unx_connect_to(a, &nobody)), -ENOENT);
    CHECK_INT(QUIET(unx_connect_to(a, &none)), -EINVAL);
    struct unx_addr inet = nobody;
    inet.sa.sa_family = AF_INET;
    CHECK_INT(QUIET(unx_connect_to(a, &inet)), -EAFNOSUPPORT);
    close(a);
    close(b);
    close(c);
}

/* The receiver went and came back: the sender hears of it once, and connects again. */
static void receiver_restarts(void)
{
    int receiver = datagram("r");
    const struct unx_addr at_r = at("r");
    const int sender = unx_connect(SOCK_DGRAM, 0, NULL, &at_r, 0);
    CHECK(sender >= 0);
    CHECK_INT(one(sender, 1), 1);
    close(receiver);
    CHECK_INT(unlink(raw_file("r")), 0);
    receiver = datagram("r");
    CHECK_INT(one(sender, 1), -ECONNREFUSED);
    CHECK_INT(one(sender, 1), -ENOTCONN);
    CHECK_INT(QUIET(unx_connect_to(sender, &at_r)), 0);
    CHECK_INT(one(sender, 1), 1);
    CHECK_INT(one(receiver, 0), 1);
    close(sender);
    close(receiver);
}

/* What was queued before the own side was shut down is received, and then comes the end. */
static void the_end_of_ones_own(void)
{
    static const char *const queues[][3] = {
        {"", "", "abcd"}, {"abcd", "", "abcd"}, {"", "abcd", "abcd"}, {"abcd", "abcd", "abcd"}};
    for (size_t q = 0; q < sizeof queues / sizeof *queues; q++) {
        for (int nonblock = 0; nonblock < 2; nonblock++) {
            int s[2];
            char data[8];
            const struct iovec in = {data, sizeof data};
            struct unx_msg m = message(&in, 1);
            raw_pair(SOCK_DGRAM, s);
            for (unsigned i = 0; i < 3; i++) {
                raw_send(s[1], queues[q][i], strlen(queues[q][i]), NULL, 0);
            }
            CHECK_INT(shutdown(s[0], SHUT_RD), 0);
            ROW("queue %zu, nonblock %d", q, nonblock);
            for (unsigned i = 0; i < 3; i++) {
                CHECK_INT(unx_recv(s[0], &m, nonblock ? UNX_DONTWAIT : 0), 1);
                CHECK_MEM(data, m.len, queues[q][i], strlen(queues[q][i]));
            }
            CHECK_INT(unx_recv(s[0], &m, nonblock ? UNX_DONTWAIT : 0), 0);
            CHECK_INT(unx_recv(s[0], &m, 0), 0);
            close_pair(s);
        }
    }
}

/* The same in one batch. */
static void the_end_of_a_batch(void)
{
    int s[2];
    char data[8][8];
    struct iovec in[8];
    struct unx_msg m[8];
    for (unsigned i = 0; i < 8; i++) {
        in[i] = (struct iovec){data[i], sizeof data[i]};
        m[i] = message(&in[i], 1);
    }
    for (unsigned first = 0; first < 2; first++) {
        /* The datagram that has bytes is behind the empty ones, or before them. */
        const unsigned at = first ? 0 : 2;
        raw_pair(SOCK_DGRAM, s);
        for (unsigned i = 0; i < 3; i++) {
            raw_send(s[1], "abcd", i == at ? 4 : 0, NULL, 0);
        }
        CHECK_INT(shutdown(s[0], SHUT_RD), 0);
        CHECK_INT(unx_recv_many(s[0], m, 8, 0), 3);
        CHECK_INT(m[0].len + m[1].len + m[2].len, 4);
        CHECK_MEM(data[at], m[at].len, "abcd", 4);
        CHECK_INT(unx_recv_many(s[0], m, 8, 0), 0);
        close_pair(s);
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(name_for_a_datagram_socket), CASE(wrong_type_for_naming), CASE(peer_of_a_datagram_socket),
        CASE(receiver_restarts),          CASE(the_end_of_ones_own),   CASE(the_end_of_a_batch),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
