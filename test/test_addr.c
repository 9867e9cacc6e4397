// SPDX-License-Identifier: MIT
/*
 * Addresses as values: what they are made of, how they are told apart, what the kernel and other programs make of them.
 * (The text form is in test_addr_text.c, long paths are in test_long_path.c.)
 *
 * The checks of abstract names and of the empty path are also run with the mistakes that programs make: naive_* must
 * fail.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unx/unx.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

/* The kind and the name, both have to be right; an answer outside *a is a failure, too. */
static void check_name(const struct unx_addr *a, int kind, const void *want, size_t len)
{
    const void *name = "";
    size_t n = 4711;
    CHECK_INT(QUIET(unx_addr_name(a, &name, &n)), kind);
    CHECK_MEM(name, n, want, len);
    if (kind == UNX_PATH || kind == UNX_ABSTRACT)
        CHECK((const char *)name > (const char *)a && (const char *)name + n <= (const char *)(a + 1));
    else
        CHECK(name == NULL);
    CHECK_INT(unx_addr_name(a, NULL, NULL), kind);
}

static void path_of_every_length(void)
{
    CHECK_INT(unx_limit(UNX_LIMIT_PATH), 108);
    char path[120];
    for (size_t n = 1; n <= 109; n++) {
        memset(path, 'p', n);
        path[n] = 0;
        struct unx_addr a;
        memset(&a, 0xee, sizeof a);
        CHECK_INT(QUIET(unx_addr_path(&a, path)), n <= 108 ? 0 : -ENAMETOOLONG);
        if (n <= 108) {
            CHECK(a.len == HEAD + n || a.len == HEAD + n + 1);
            check_name(&a, UNX_PATH, path, n);
        }
    }
}

/* The kernel answers with 111 bytes here, one more than struct sockaddr_un has. */
static void path_of_108_bytes_round_trip(void)
{
    for (int i = 0; i < 3; i++) {
        const int type = raw_types[i];
        const char *server_path = raw_file_of(108);
        const int server = raw_bind(type, raw_path(server_path));
        struct unx_addr a, b;
        memset(&b, 0xee, sizeof b);
        CHECK_INT(QUIET(unx_local_addr(server, &b)), 0);
        check_name(&b, UNX_PATH, server_path, 108);
        CHECK_INT(unx_addr_path(&a, server_path), 0);
        CHECK_INT(unx_addr_compare(&a, &b), 0);
        CHECK_INT(unx_addr_hash(&a) == unx_addr_hash(&b), 1);
        if (type != SOCK_DGRAM)
            CHECK_INT(listen(server, 4), 0);
        char client_path[109];
        memcpy(client_path, server_path, 109);
        client_path[107] = 'Z';
        struct unx_addr from;
        CHECK_INT(unx_addr_path(&from, client_path), 0);
        const int client = QUIET(unx_connect(type, 0, &from, &a, 1000));
        CHECK(client >= 0);
        memset(&b, 0xee, sizeof b);
        CHECK_INT(QUIET(unx_peer_addr(client, &b)), 0);
        check_name(&b, UNX_PATH, server_path, 108);
        if (type != SOCK_DGRAM) {
            memset(&b, 0xee, sizeof b);
            const int accepted = QUIET(unx_accept(server, 0, &b));
            CHECK(accepted >= 0);
            check_name(&b, UNX_PATH, client_path, 108);
            close(accepted);
        }
        close(client);
        close(server);
        CHECK_INT(unlink(server_path), 0);
        CHECK_INT(unlink(client_path), 0);
    }
}

/* ---- abstract names: the length is part of the name ---- */

typedef int make_abstract(struct unx_addr *a, const void *name, size_t len);

static int naive_strlen(struct unx_addr *a, const void *name, size_t len)
{
    memset(a, 0, sizeof *a);
    a->sa.sa_family = AF_UNIX;
    snprintf(a->un.sun_path + 1, sizeof a->un.sun_path - 1, "%.*s", (int)len, (const char *)name);
    a->len = (socklen_t)(HEAD + 1 + strlen(a->un.sun_path + 1));
    return 0;
}

static int naive_sizeof(struct unx_addr *a, const void *name, size_t len)
{
    memset(a, 0, sizeof *a);
    a->sa.sa_family = AF_UNIX;
    memcpy(a->un.sun_path + 1, name, len);
    a->len = sizeof a->un;
    return 0;
}

/* What the kernel says a socket is called, byte for byte, and who can connect to it. */
static void check_abstract(make_abstract *make, const void *name, size_t len)
{
    struct unx_addr a, b;
    memset(&a, 0xee, sizeof a);
    CHECK_INT(make(&a, name, len), 0);
    const int server = unx_listen(SOCK_SEQPACKET, 0, &a, 4, UNX_MODE_UMASK);
    if (server < 0)
        CHECK_INT(server, 0);
    struct raw_addr said = {.len = sizeof said.raw};
    CHECK_INT(getsockname(server, &said.sa, &said.len), 0);
    CHECK_MEM(said.raw + HEAD, said.len - HEAD, raw_abstract(name, len).raw + HEAD, len + 1);
    check_name(&a, UNX_ABSTRACT, name, len);
    CHECK_INT(unx_local_addr(server, &b), 0);
    check_name(&b, UNX_ABSTRACT, name, len);
    close(raw_connect(SOCK_SEQPACKET, raw_abstract(name, len)));
    if (len < 107) {
        CHECK_INT(raw_try_connect(SOCK_SEQPACKET, raw_padded(raw_abstract(name, len))), -ECONNREFUSED);
        /* The other way round: a server that pads is another server. */
        const int padded = raw_listen(SOCK_STREAM, raw_padded(raw_abstract(name, len)), 4);
        CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000), -ECONNREFUSED);
        char all[107] = {0};
        memcpy(all, name, len);
        CHECK_INT(make(&b, all, 107), 0);
        const int client = unx_connect(SOCK_STREAM, 0, NULL, &b, 1000);
        CHECK(client >= 0);
        close(client);
        close(padded);
    }
    close(server);
}

static void check_abstract_names(make_abstract *make)
{
    /* The empty name and others may be taken by somebody else on this machine, so not in its network namespace. */
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        SKIP("no new network namespace: %s", strerror(errno));
    CHECK_INT(unx_limit(UNX_LIMIT_ABSTRACT), 107);
    char all[107];
    for (int i = 0; i < 107; i++)
        all[i] = (char)(i * 29);
    check_abstract(make, "plain", 5);
    check_abstract(make, "a\0b", 3);
    check_abstract(make, "end\0", 4);
    check_abstract(make, "end", 3);
    check_abstract(make, "\0", 1);
    check_abstract(make, "", 0);
    check_abstract(make, "\n\xff\\@", 4);
    check_abstract(make, all, 106);
    check_abstract(make, all, 107);
}

static void abstract_names_are_bytes(void)
{
    check_abstract_names(unx_addr_abstract);
    struct unx_addr a;
    char name[108] = {0};
    CHECK_INT(QUIET(unx_addr_abstract(&a, name, 108)), -ENAMETOOLONG);
    CHECK_INT(QUIET(unx_addr_abstract(&a, name, SIZE_MAX)), -ENAMETOOLONG);
    CHECK_INT(QUIET(unx_addr_abstract(&a, NULL, 0)), 0);
    check_name(&a, UNX_ABSTRACT, "", 0);
    CHECK_INT(QUIET(unx_addr_abstract(&a, NULL, 1)), -EINVAL);
}

static void naive_abstract_by_strlen(void)
{
    check_abstract_names(naive_strlen);
}

static void naive_abstract_by_sizeof(void)
{
    check_abstract_names(naive_sizeof);
}

/* One name, two sockets: each type has names of its own. */
static void abstract_names_are_per_type(void)
{
    struct unx_addr a;
    const char *name = raw_name("types");
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    const int stream = unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK);
    CHECK(stream >= 0);
    CHECK_INT(unx_connect(SOCK_SEQPACKET, 0, NULL, &a, 1000), -ECONNREFUSED);
    const int packets = unx_listen(SOCK_SEQPACKET, 0, &a, 4, UNX_MODE_UMASK);
    CHECK(packets >= 0);
    CHECK_INT(unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK), -EADDRINUSE);
    close(stream);
    close(packets);
}

/* ---- no name ---- */

static void unnamed(void)
{
    struct unx_addr a;
    memset(&a, 0xee, sizeof a);
    CHECK_INT(QUIET(unx_addr_unnamed(&a)), 0);
    CHECK_INT(a.len, HEAD);
    check_name(&a, UNX_UNNAMED, NULL, 0);
    const struct unx_addr none = {0};
    check_name(&none, UNX_NONE, NULL, 0);
    for (int i = 0; i < 3; i++) {
        int sv[2];
        raw_pair(raw_types[i], sv);
        memset(&a, 0xee, sizeof a);
        CHECK_INT(QUIET(unx_local_addr(sv[0], &a)), 0);
        check_name(&a, UNX_UNNAMED, NULL, 0);
        memset(&a, 0xee, sizeof a);
        CHECK_INT(QUIET(unx_peer_addr(sv[0], &a)), 0);
        check_name(&a, UNX_UNNAMED, NULL, 0);
        close(sv[0]);
        close(sv[1]);
        const int fd = raw_socket(raw_types[i]);
        CHECK_INT(QUIET(unx_peer_addr(fd, &a)), -ENOTCONN);
        CHECK_INT(QUIET(unx_local_addr(fd, &a)), 0);
        check_name(&a, UNX_UNNAMED, NULL, 0);
        close(fd);
    }
}

/* The kernel leaves the buffer as it is when the sender has no name: nothing of what was there may be taken for one. */
static void unnamed_sender(void)
{
    struct unx_addr a, source;
    CHECK_INT(unx_addr_path(&a, raw_file("dgram")), 0);
    const int receiver = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    CHECK(receiver >= 0);
    const int sender = raw_connect(SOCK_DGRAM, raw_path(raw_file("dgram")));
    raw_send(sender, "x", 1, NULL, 0);
    char c;
    struct iovec iov = {&c, 1};
    CHECK_INT(unx_addr_path(&source, "/this/was/there/before"), 0);
    struct unx_msg m = {.iov = &iov, .niov = 1, .addr = &source};
    CHECK_INT(QUIET(unx_recv(receiver, &m, 0)), 1);
    check_name(&source, UNX_UNNAMED, NULL, 0);
    close(sender);
    const int server = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("server")), 4);
    const int client = raw_connect(SOCK_SEQPACKET, raw_path(raw_file("server")));
    CHECK_INT(unx_addr_path(&source, "/this/was/there/before"), 0);
    const int accepted = QUIET(unx_accept(server, 0, &source));
    CHECK(accepted >= 0);
    check_name(&source, UNX_UNNAMED, NULL, 0);
    close(accepted);
    close(client);
    close(server);
    close(receiver);
}

static void autobind(void)
{
    struct unx_addr a, b, c;
    CHECK_INT(unx_addr_unnamed(&a), 0);
    const int one = QUIET(unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK));
    const int two = QUIET(unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK));
    CHECK(one >= 0 && two >= 0);
    CHECK_INT(unx_local_addr(one, &b), 0);
    CHECK_INT(unx_local_addr(two, &c), 0);
    const void *name;
    size_t len;
    CHECK_INT(unx_addr_name(&b, &name, &len), UNX_ABSTRACT);
    CHECK_INT(len, 5);
    CHECK_INT(strspn(name, "0123456789abcdef") >= 5, 1);
    CHECK(unx_addr_compare(&b, &c) != 0);
    close(one);
    close(two);
}

/* ---- the empty path, which the kernel takes for an abstract name ---- */

static unsigned listed(void)
{
    FILE *f = fopen("/proc/net/unix", "re");
    CHECK(f != NULL);
    unsigned n = 0;
    for (int c; (c = getc(f)) != EOF;)
        n += c == '\n';
    fclose(f);
    return n;
}

static int naive_path(struct unx_addr *a, const char *path)
{
    memset(a, 0, sizeof *a);
    a->sa.sa_family = AF_UNIX;
    strncpy(a->un.sun_path, path, sizeof a->un.sun_path - 1);
    a->len = sizeof a->un;
    return 0;
}

static void check_empty_path(int (*make)(struct unx_addr *a, const char *path))
{
    if (unshare(CLONE_NEWNET) && unshare(CLONE_NEWUSER | CLONE_NEWNET))
        SKIP("no new network namespace: %s", strerror(errno));
    const unsigned before = listed();
    struct unx_addr a = {0};
    const int r = make(&a, "");
    const int fd = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    CHECK_INT(listed(), before);
    CHECK_INT(r, -EINVAL);
    CHECK_INT(fd, -EINVAL);
    CHECK_INT(unx_connect(SOCK_DGRAM, 0, NULL, &a, 0), -EINVAL);
}

static void empty_path_is_refused(void)
{
    check_empty_path(unx_addr_path);
    struct unx_addr a = {0};
    CHECK_INT(QUIET(unx_addr_path_at(&a, AT_FDCWD, "")), -EINVAL);
    CHECK_INT(QUIET(unx_addr_parse(&a, "")), -EINVAL);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, "", 4, UNX_MODE_UMASK)), -EINVAL);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, "", 1000)), -EINVAL);
    CHECK(!raw_listed("@"));
}

static void naive_empty_path(void)
{
    check_empty_path(naive_path);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(path_of_every_length),
        CASE(path_of_108_bytes_round_trip),
        CASE(abstract_names_are_bytes),
        {"naive_abstract_by_strlen", naive_abstract_by_strlen, HARNESS_FAIL, 0},
        {"naive_abstract_by_sizeof", naive_abstract_by_sizeof, HARNESS_FAIL, 0},
        CASE(abstract_names_are_per_type),
        CASE(unnamed),
        CASE(unnamed_sender),
        CASE(autobind),
        CASE(empty_path_is_refused),
        {"naive_empty_path", naive_empty_path, HARNESS_FAIL, 0},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
