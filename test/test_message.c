// SPDX-License-Identifier: MIT
/*
 * One message: its bytes, its addresses, its answer, and what is refused. Receiving is held against the conformance
 * script (test_conformance.c); descriptors, credentials, streams and signals have files of their own.
 */
#include "message.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <unx/unx.h>

static void answer_of_send(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        const struct iovec iov = BYTES("hello");
        struct unx_msg m = message(&iov, 1);
        const struct unx_msg before = m;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        check_half(&before, &m);
        CHECK_INT(m.len, 5);
        CHECK_INT(m.full_len, 5);
        CHECK_INT(m.error, 0);
        CHECK_INT(m.got, 0);
        CHECK_INT(m.fds_got, 0);
        check_arrived(s[1], "hello", 5);
        /* The same message goes again, and its answer is written anew. */
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), 1);
        CHECK_INT(unx_send(s[0], &m, UNX_PLAIN), 1);
        CHECK_INT(m.len, 5);
        if (raw_types[t] == SOCK_STREAM) {
            check_arrived(s[1], "hellohello", 10);
        } else {
            check_arrived(s[1], "hello", 5);
            check_arrived(s[1], "hello", 5);
        }
        close(s[1]);
        CHECK(unx_send(s[0], &m, 0) < 0);
        check_half(&before, &m);
        CHECK_INT(m.len, 0);
        CHECK(m.error < 0);
        close(s[0]);
    }
}

static void answer_of_recv(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        char data[16];
        const struct iovec iov = {data, sizeof data};
        struct unx_msg m = message(&iov, 1);
        const struct unx_msg before = m;
        for (unsigned i = 0; i < 3; i++) {
            raw_send(s[1], "hello", 5, NULL, 0);
            CHECK_INT(unx_recv(s[0], &m, 0), 1);
            check_half(&before, &m);
            CHECK_MEM(data, m.len, "hello", 5);
            CHECK_INT(m.full_len, 5);
            CHECK_INT(m.error, 0);
            CHECK_INT(m.got, 0);
            CHECK_INT(m.control_len, 0);
            CHECK_INT(m.label_len, 0);
        }
        CHECK_INT(unx_recv(s[0], &m, UNX_DONTWAIT), -EAGAIN);
        check_half(&before, &m);
        CHECK_INT(m.len, 0);
        CHECK_INT(m.error, -EAGAIN);
        close_pair(s);
    }
}

/* errno is nobody's business, neither after success nor after failure. */
static void errno_alone(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    char data[4] = "abc";
    const struct iovec iov = {data, sizeof data};
    struct unx_msg m = message(&iov, 1);
    errno = 4711;
    CHECK_INT(unx_recv(s[0], &m, UNX_DONTWAIT), -EAGAIN);
    CHECK_INT(errno, 4711);
    CHECK_INT(unx_recv(-1, &m, 0), -EBADF);
    CHECK_INT(errno, 4711);
    CHECK_INT(unx_send(s[0], &m, 0), 1);
    CHECK_INT(unx_wait(s[1], POLLIN, 0), POLLIN);
    CHECK_INT(unx_wait(s[0], POLLIN, 0), -EAGAIN);
    CHECK_INT(errno, 4711);
    close(s[1]);
    CHECK(unx_send(s[0], &m, 0) < 0);
    CHECK_INT(errno, 4711);
    close(s[0]);
}

static void vectored(void)
{
    const int limit = unx_limit(UNX_LIMIT_IOV);
    CHECK_INT(limit, IOV_MAX);
    char data[3 * IOV_MAX], back[3 * IOV_MAX];
    struct iovec out[IOV_MAX + 1], in[IOV_MAX + 1];
    raw_pattern(data, sizeof data, 0);
    for (int i = 0; i <= IOV_MAX; i++) {
        out[i] = (struct iovec){data + 3 * (i % IOV_MAX), 3};
        in[i] = (struct iovec){back + 3 * (i % IOV_MAX), 3};
    }
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_msg m = message(out, IOV_MAX), r = message(in, IOV_MAX);
        memset(back, 0, sizeof back);
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        CHECK_INT(m.len, sizeof data);
        CHECK_INT(unx_recv(s[1], &r, 0), 1);
        CHECK_MEM(back, r.len, data, sizeof data);
        m.niov = r.niov = IOV_MAX + 1;
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), -EINVAL);
        check_nothing(s[1]);
        raw_send(s[0], data, 9, NULL, 0);
        CHECK_INT(unx_recv(s[1], &r, UNX_DONTWAIT), -EINVAL);
        check_arrived(s[1], data, 9);
        m.niov = r.niov = SIZE_MAX;
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), -EINVAL);
        CHECK_INT(unx_recv(s[1], &r, UNX_DONTWAIT), -EINVAL);
        close_pair(s);
    }
}

static void vectored_with_holes(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        char a[2], b[3], c[16];
        const struct iovec out[] = {{NULL, 0}, BYTES("ab"), BYTES(""), BYTES("cdefg"), {NULL, 0}};
        const struct iovec in[] = {{a, 2}, {NULL, 0}, {b, 3}, {c, 16}};
        struct unx_msg m = message(out, 5), r = message(in, 4);
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        CHECK_INT(m.len, 7);
        CHECK_INT(unx_recv(s[1], &r, 0), 1);
        CHECK_INT(r.len, 7);
        CHECK_MEM(a, 2, "ab", 2);
        CHECK_MEM(b, 3, "cde", 3);
        CHECK_MEM(c, 2, "fg", 2);
        close_pair(s);
    }
}

static void empty_packets(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(types[t], s);
        const struct iovec none = BYTES("");
        struct unx_msg without = message(NULL, 0), with = message(&none, 1);
        CHECK_INT(unx_send(s[0], &without, 0), 1);
        CHECK_INT(unx_send(s[0], &with, 0), 1);
        CHECK_INT(unx_send(s[0], &with, UNX_PLAIN), 1);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(without.len, 0);
        for (unsigned i = 0; i < 3; i++) {
            check_arrived(s[1], "", 0);
        }
        check_arrived(s[1], "x", 1);
        /* A receive without a byte of room would throw the packet away. */
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &without, UNX_DONTWAIT), -EINVAL);
        CHECK_INT(unx_recv(s[1], &with, UNX_DONTWAIT), -EINVAL);
        CHECK_INT(unx_recv(s[1], &with, UNX_DONTWAIT | UNX_PLAIN), -EINVAL);
        CHECK_INT(unx_recv(s[1], &with, UNX_DONTWAIT | UNX_KEEP), -EINVAL);
        CHECK_INT(unx_recv(s[1], &without, UNX_DONTWAIT | UNX_PEEK), 1);
        CHECK_INT(without.len, 0);
        CHECK_INT(without.full_len, 1);
        check_arrived(s[1], "x", 1);
        close_pair(s);
    }
}

static void named(int fd, struct unx_addr *a, const char *suffix)
{
    char name[64];
    const int n = snprintf(name, sizeof name, "unx-message-%d-%s", (int)getpid(), suffix);
    CHECK_INT(unx_addr_abstract(a, name, (size_t)n), 0);
    CHECK_INT(bind(fd, &a->sa, a->len), 0);
}

static void datagram_addresses(void)
{
    const int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct unx_addr to, me, from;
    named(server, &to, "server");
    named(client, &me, "client");
    char data[8];
    const struct iovec out = BYTES("ping"), in = {data, sizeof data};
    struct unx_msg m = message(&out, 1), r = message(&in, 1);
    m.addr = &to;
    const struct unx_addr to_before = to;
    memset(&from, 0x55, sizeof from);
    r.addr = &from;
    CHECK_INT(unx_send(client, &m, 0), 1);
    CHECK(memcmp(&to, &to_before, sizeof to) == 0);
    CHECK_INT(unx_recv(server, &r, UNX_PEEK), 1);
    CHECK_INT(unx_addr_compare(&from, &me), 0);
    memset(&from, 0x55, sizeof from);
    CHECK_INT(unx_recv(server, &r, 0), 1);
    CHECK_INT(unx_addr_compare(&from, &me), 0);
    /* The answer goes to where the question came from, by the very struct. */
    m.addr = &from;
    CHECK_INT(unx_send(server, &m, 0), 1);
    CHECK_INT(unx_recv(client, &r, 0), 1);
    CHECK_INT(unx_addr_compare(&from, &to), 0);
    CHECK_INT(unx_addr_unnamed(&from), 0);
    CHECK_INT(unx_send(server, &m, 0), -EDESTADDRREQ);
    from.len = 0;
    CHECK(unx_send(server, &m, 0) < 0);
    CHECK_INT(unx_addr_abstract(&from, "unx-nobody-is-here", 18), 0);
    CHECK_INT(unx_send(server, &m, 0), -ECONNREFUSED);
    CHECK_INT(unx_addr_path(&from, "/nowhere/at/all"), 0);
    CHECK_INT(unx_send(server, &m, 0), -ENOENT);
    check_nothing(client);
    close(server);
    close(client);
}

static void unnamed_source(void)
{
    const int server = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    const int client = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    struct unx_addr to, from;
    named(server, &to, "unnamed");
    char data[8];
    const struct iovec out = BYTES("ping"), in = {data, sizeof data};
    struct unx_msg m = message(&out, 1), r = message(&in, 1);
    m.addr = &to;
    r.addr = &from;
    memset(&from, 0x55, sizeof from);
    CHECK_INT(unx_send(client, &m, 0), 1);
    CHECK_INT(unx_recv(server, &r, 0), 1);
    const void *name;
    size_t len;
    CHECK_INT(unx_addr_name(&from, &name, &len), UNX_UNNAMED);
    CHECK(name == NULL && len == 0);
    close(server);
    close(client);
}

static const struct test_case cases[] = {
    CASE(answer_of_send),      CASE(answer_of_recv), CASE(errno_alone),        CASE(vectored),
    CASE(vectored_with_holes), CASE(empty_packets),  CASE(datagram_addresses), CASE(unnamed_source),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
