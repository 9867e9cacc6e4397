// SPDX-License-Identifier: MIT
/*
 * Who opened the connection: credentials, groups and label of the peer, and every way of having none.
 *
 * What surprised us (Linux 6.18): sockets without a peer, and even those of other families, answer the question about
 * credentials with success and -1; a listener answers with its own. What is kept are the effective ids of the moment of
 * connect(2), for ever, though the socket may be somebody else's by now.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <grp.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/wait.h>

static void check_cred(int fd, pid_t pid, uid_t uid, gid_t gid)
{
    struct unx_cred c;
    memset(&c, 0x55, sizeof c);
    CHECK_INT(unx_peer_cred(fd, &c), 0);
    CHECK_INT(c.known, UNX_KNOWN_ALL);
    CHECK_INT(c.pid, pid);
    CHECK_INT(c.uid, uid);
    CHECK_INT(c.gid, gid);
}

static void pairs(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        check_cred(s[0], getpid(), geteuid(), getegid());
        check_cred(s[1], getpid(), geteuid(), getegid());
        close(s[1]);
        check_cred(s[0], getpid(), geteuid(), getegid());
        close(s[0]);
    }
}

struct client {
    struct raw_addr to;
    int type, go[2];
    unsigned ngroups;
};

/* Connects as 1000:1001 with some groups, then becomes somebody else and waits to be let go. */
static void connects(void *arg)
{
    const struct client *c = arg;
    gid_t groups[1000];
    for (unsigned i = 0; i < c->ngroups; i++) {
        groups[i] = 20 + i;
    }
    CHECK_INT(setgroups(c->ngroups, groups), 0);
    CHECK_INT(setresgid(0, 1001, 0), 0);
    CHECK_INT(setresuid(0, 1000, 0), 0);
    const int fd = raw_connect(c->type, c->to);
    CHECK_INT(setresuid(0, 0, 0), 0);
    CHECK_INT(setresgid(99, 99, 99), 0);
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresuid(99, 99, 99), 0);
    char byte;
    close(c->go[1]);
    while (read(c->go[0], &byte, 1) < 0 && errno == EAGAIN) {
        raw_sleep(5);
    }
    close(fd);
}

struct visit {
    struct client client;
    int listener, fd;
    pid_t pid;
};

static void begin(struct visit *v, int type, unsigned ngroups)
{
    if (getuid() != 0) {
        SKIP("only root can become another user");
    }
    const char *name = raw_name("peer");
    v->client = (struct client){.to = raw_abstract(name, strlen(name)), .type = type, .ngroups = ngroups};
    raw_pipe(v->client.go);
    v->listener = raw_listen(type, v->client.to, 5);
    v->pid = harness_fork(connects, &v->client);
    v->fd = raw_accept(v->listener);
    CHECK(v->fd >= 0);
}

static void end(struct visit *v)
{
    close_pair(v->client.go);
    harness_wait(v->pid);
    close(v->listener);
    close(v->fd);
}

static void of_the_moment_of_connect(void)
{
    for (unsigned t = 0; t < 2; t++) {
        struct visit v;
        begin(&v, raw_types[t], 3);
        raw_sleep(50);
        check_cred(v.fd, v.pid, 1000, 1001);
        close_pair(v.client.go);
        harness_wait(v.pid);
        /* Dead and reaped: the answer is the same, for it is about the opener. */
        check_cred(v.fd, v.pid, 1000, 1001);
        close(v.listener);
        close(v.fd);
    }
}

static void server_as_clients_see_it(void)
{
    for (unsigned t = 0; t < 2; t++) {
        const char *name = raw_name("server");
        const struct raw_addr a = raw_abstract(name, strlen(name));
        const int listener = raw_listen(raw_types[t], a, 5);
        const int fd = raw_connect(raw_types[t], a);
        check_cred(fd, getpid(), geteuid(), getegid());
        close(fd);
        close(listener);
    }
}

/* What a connection alone is asked for ends here where the kernel cannot answer at all. */
static int without(int option, int error)
{
    return error == -ENOTCONN && !raw_knows(option) ? -EOPNOTSUPP : error;
}

static void check_none(int fd, int error)
{
    struct unx_cred c;
    gid_t groups[4] = {4711, 4711, 4711, 4711};
    char label[64];
    unsigned n = 77;
    size_t len = 77;
    memset(&c, 0x55, sizeof c);
    const struct unx_cred before = c;
    CHECK_INT(unx_peer_cred(fd, &c), error);
    CHECK(memcmp(&before, &c, sizeof c) == 0 || c.known == 0);
    int r = unx_peer_groups(fd, groups, 4, &n);
    CHECK(r == error || r == without(RAW_SO_PEERGROUPS, error));
    CHECK_INT(groups[0], 4711);
    r = unx_peer_pidfd(fd);
    CHECK(r == error || r == without(RAW_SO_PEERPIDFD, error));
    r = unx_peer_label(fd, label, sizeof label, &len);
    CHECK(r == error || r == -EOPNOTSUPP);
}

static void nobody_there(void)
{
    for (unsigned t = 0; t < 3; t++) {
        const int alone = raw_socket(raw_types[t]);
        check_none(alone, -ENOTCONN);
        close(alone);
    }
    const char *name = raw_name("nobody");
    const struct raw_addr a = raw_abstract(name, strlen(name));
    for (unsigned t = 0; t < 2; t++) {
        const int listener = raw_listen(raw_types[t], a, 5);
        check_none(listener, -ENOTCONN);
        close(listener);
    }
    /* A datagram socket that has chosen whom it sends to was opened by nobody else. */
    const int receiver = raw_bind(SOCK_DGRAM, a);
    const int sender = raw_connect(SOCK_DGRAM, a);
    check_none(sender, -ENOTCONN);
    check_none(receiver, -ENOTCONN);
    close(receiver);
    close(sender);
}

static void no_socket_of_ours(void)
{
    static const int types[] = {SOCK_STREAM, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        const int fd = socket(AF_INET, types[t] | SOCK_CLOEXEC, 0);
        if (fd >= 0) {
            check_none(fd, -EAFNOSUPPORT);
            close(fd);
        }
    }
    int p[2];
    raw_pipe(p);
    check_none(p[0], -ENOTSOCK);
    close_pair(p);
    check_none(p[0], -EBADF);
    check_none(-1, -EBADF);
}

static void groups_of(unsigned count)
{
    struct visit v;
    static gid_t groups[1000];
    unsigned n = 0;
    if (!raw_knows(RAW_SO_PEERGROUPS)) {
        SKIP("this kernel has no groups of a peer");
    }
    begin(&v, SOCK_SEQPACKET, count);
    CHECK_INT(unx_peer_groups(v.fd, groups, 1000, &n), 0);
    CHECK_INT(n, count);
    for (unsigned i = 0; i < count; i++) {
        CHECK_INT(groups[i], 20 + i);
    }
    n = 0;
    CHECK_INT(unx_peer_groups(v.fd, groups, count, &n), 0);
    CHECK_INT(n, count);
    for (unsigned room = 0; room < count; room += 1 + room / 2) {
        memset(groups, 0x55, sizeof groups);
        n = 0;
        CHECK_INT(unx_peer_groups(v.fd, groups, room, &n), -ERANGE);
        CHECK_INT(n, count);
        for (unsigned i = 0; i < room; i++) {
            CHECK_INT(groups[i], 0x55555555);
        }
    }
    /* More room than the kernel has groups for is room enough. */
    static gid_t many[70000];
    static const unsigned rooms[] = {65535, 65536, 65537, 70000};
    for (unsigned i = 0; i < 4; i++) {
        n = 0;
        CHECK_INT(unx_peer_groups(v.fd, many, rooms[i], &n), 0);
        CHECK_INT(n, count);
        CHECK(count == 0 || (many[0] == 20 && many[count - 1] == 20 + count - 1));
    }
    n = 77;
    CHECK_INT(unx_peer_groups(v.fd, NULL, 0, &n), count > 0 ? -ERANGE : 0);
    CHECK_INT(n, count);
    end(&v);
}

static void groups(void)
{
    groups_of(0);
    groups_of(1);
    groups_of(3);
    groups_of(1000);
}

static void label(void)
{
    int s[2];
    char text[4096];
    size_t len = 77, need = 77;
    raw_pair(SOCK_STREAM, s);
    memset(text, 0x55, sizeof text);
    const int r = unx_peer_label(s[0], text, sizeof text, &len);
    if (r == -EOPNOTSUPP) {
        CHECK_INT(unx_peer_label(s[0], NULL, 0, &len), -EOPNOTSUPP);
        NOTE("no security module gives labels here");
    } else {
        CHECK_INT(r, 0);
        CHECK_INT(strlen(text), len);
        CHECK_INT(unx_peer_label(s[0], NULL, 0, &need), -ERANGE);
        CHECK_INT(unx_peer_label(s[0], text, len, &need), -ERANGE);
        CHECK_INT(need, len);
        CHECK_INT(unx_peer_label(s[0], text, len + 1, &need), 0);
    }
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(pairs),        CASE(of_the_moment_of_connect), CASE(server_as_clients_see_it),
    CASE(nobody_there), CASE(no_socket_of_ours),        CASE(groups),
    CASE(label),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
