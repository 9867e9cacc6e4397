// SPDX-License-Identifier: MIT
/*
 * Making sockets: every way of making one, three types, every set of flags; what the kernel says the result is; and
 * that a failure leaves nothing. (What a new socket accepts is in test_socket_birth.c.)
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>
#include <unx/unx.h>

#define ALL (UNX_NONBLOCK | UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP | UNX_BIGBUF)

/* Each way of making a socket, of which n descriptors came; what it needs is made before, by raw calls. */
enum way { SOCKET, PAIR, BIND, LISTEN, LISTEN_PATH, CONNECT, CONNECT_PATH, ACCEPT, WAYS };
static const char *const way_name[WAYS] = {"socket",      "pair",    "bind",         "listen",
                                           "listen_path", "connect", "connect_path", "accept"};

struct made {
    int fd[2], n;
};

/* The i-th set of flags of SETS. */
enum { SETS = 1 << 7 };
static unsigned set(unsigned i)
{
    return (i & 0x3f) | (i & 0x40 ? UNX_BIGBUF : 0);
}

static bool can(enum way w, int type)
{
    return type != SOCK_DGRAM || (w != LISTEN && w != ACCEPT);
}

/* A result < 0 is the error; then nothing is in m. */
static int make(enum way w, int type, unsigned flags, struct made *m)
{
    struct unx_addr a;
    const char *path = raw_file(way_name[w]);
    CHECK_INT(unx_addr_path(&a, path), 0);
    *m = (struct made){{-1, -1}, 0};
    unlink(path);
    int r = -1, helper = -1, client = -1;
    if (w == CONNECT || w == CONNECT_PATH || w == ACCEPT) {
        helper = raw_bind(type, raw_path(path));
        CHECK(type == SOCK_DGRAM || listen(helper, 4) == 0);
    }
    if (w == ACCEPT)
        client = raw_connect(type, raw_path(path));
    switch (w) {
    case SOCKET:
        r = QUIET(unx_socket(type, flags));
        break;
    case PAIR:
        r = QUIET(unx_pair(type, flags, m->fd));
        break;
    case BIND:
        r = QUIET(unx_bind(type, flags, &a, UNX_MODE_UMASK));
        break;
    case LISTEN:
        r = QUIET(unx_listen(type, flags, &a, 4, UNX_MODE_UMASK));
        break;
    case LISTEN_PATH:
        r = QUIET(unx_listen_path(type, flags, AT_FDCWD, path, type == SOCK_DGRAM ? UNX_BIND_ONLY : 4, 0600));
        break;
    case CONNECT:
        r = QUIET(unx_connect(type, flags, NULL, &a, 1000));
        break;
    case CONNECT_PATH:
        r = QUIET(unx_connect_path(type, flags, AT_FDCWD, path, 1000));
        break;
    default:
        r = QUIET(unx_accept(helper, flags, NULL));
        break;
    }
    close(helper);
    close(client);
    if (w == PAIR) {
        m->n = r < 0 ? 0 : 2;
        return r;
    }
    m->n = r >= 0;
    m->fd[0] = r;
    return r;
}

static int usual_buffer;

static void check_made(int fd, int type, unsigned flags)
{
    CHECK_INT(raw_get(fd, SO_DOMAIN), AF_UNIX);
    CHECK_INT(raw_get(fd, SO_TYPE), type);
    CHECK(raw_cloexec(fd));
    unsigned blind, got = raw_flags(fd, &blind);
    if (raw_get(fd, SO_SNDBUF) > usual_buffer)
        got |= UNX_BIGBUF;
    if ((got | blind) != (flags | blind))
        harness_fail(__FILE__, __LINE__, "flags are %#x, want %#x", got, flags);
}

static void learn_usual_buffer(void)
{
    const int fd = raw_socket(SOCK_STREAM);
    usual_buffer = raw_get(fd, SO_SNDBUF);
    close(fd);
}

static void every_way_every_flag(void)
{
    learn_usual_buffer();
    for (int t = 0; t < 3; t++)
        for (int w = 0; w < ACCEPT; w++)
            for (unsigned i = 0; i < SETS && can(w, raw_types[t]); i++) {
                const unsigned flags = set(i);
                ROW("%s %s %#x", way_name[w], raw_type_name(raw_types[t]), flags);
                const int before = harness_nfds();
                struct made m;
                const int r = make(w, raw_types[t], flags, &m);
                const bool listens = w == LISTEN || (w == LISTEN_PATH && raw_types[t] != SOCK_DGRAM);
                if ((raw_types[t] == SOCK_STREAM || listens) && (flags & UNX_TIMESTAMP)) {
                    CHECK_INT(r, listens ? -EINVAL : -EOPNOTSUPP);
                    CHECK_INT(m.fd[1], -1);
                    CHECK_INT(harness_nfds(), before);
                    continue;
                }
                if ((flags & UNX_PASSPIDFD) && !raw_knows(RAW_SO_PASSPIDFD)) {
                    CHECK_INT(r, -EOPNOTSUPP);
                    CHECK_INT(harness_nfds(), before);
                    continue;
                }
                CHECK_INT(r >= 0 ? 0 : r, 0);
                for (int j = 0; j < m.n; j++) {
                    check_made(m.fd[j], raw_types[t], flags);
                    close(m.fd[j]);
                }
                CHECK_INT(harness_nfds(), before);
            }
}

/* Connections come with what the listener was asked for; the rest is asked for when accepting. */
static void accepted_options(void)
{
    learn_usual_buffer();
    for (int t = 0; t < 2; t++)
        for (unsigned i = 0; i < SETS; i++) {
            const unsigned flags = set(i);
            if ((flags & UNX_TIMESTAMP) && raw_types[t] == SOCK_STREAM)
                continue;
            if ((flags & UNX_PASSPIDFD) && !raw_knows(RAW_SO_PASSPIDFD))
                continue;
            struct unx_addr a;
            const char *path = raw_file("s");
            unlink(path);
            CHECK_INT(unx_addr_path(&a, path), 0);
            const unsigned inherited = flags & ~(UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF);
            const int server = unx_listen(raw_types[t], inherited, &a, 4, UNX_MODE_UMASK);
            CHECK(server >= 0);
            const int client = raw_connect(raw_types[t], raw_path(path));
            ROW("%s %#x", raw_type_name(raw_types[t]), flags);
            const int fd = QUIET(unx_accept(server, flags & (UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF), NULL));
            CHECK(fd >= 0);
            check_made(fd, raw_types[t], flags);
            close(fd);
            close(client);
            close(server);
        }
}

/* ---- what must be refused, and leaves nothing ---- */

static void bad_types(void)
{
    static const int types[] = {SOCK_RAW, 0, -1, 99, SOCK_STREAM | SOCK_NONBLOCK, SOCK_DGRAM | SOCK_CLOEXEC, SOCK_RDM};
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file("bad")), 0);
    int fds[2] = {-7, -7};
    for (size_t i = 0; i < sizeof types / sizeof *types; i++) {
        ROW("type %d", types[i]);
        CHECK_INT(QUIET(unx_socket(types[i], 0)), -EINVAL);
        CHECK_INT(QUIET(unx_pair(types[i], 0, fds)), -EINVAL);
        CHECK_INT(QUIET(unx_bind(types[i], 0, &a, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_listen(types[i], 0, &a, 4, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_listen_path(types[i], 0, AT_FDCWD, raw_file("bad"), 4, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_listen_path(types[i], 0, AT_FDCWD, raw_file_of(300), 4, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_connect(types[i], 0, NULL, &a, 1000)), -EINVAL);
        CHECK_INT(QUIET(unx_connect(types[i], 0, &a, &a, 1000)), -EINVAL);
        CHECK_INT(QUIET(unx_connect_path(types[i], 0, AT_FDCWD, raw_file("bad"), 1000)), -EINVAL);
        CHECK_INT(QUIET(unx_connect_path(types[i], 0, AT_FDCWD, raw_file_of(300), 1000)), -EINVAL);
    }
    CHECK_INT(fds[0], -7);
    CHECK_INT(fds[1], -7);
    CHECK_INT(access(raw_file("bad"), F_OK), -1);
}

static void bad_flags(void)
{
    for (int w = 0; w < WAYS; w++)
        for (int bit = 0; bit < 32; bit++) {
            const unsigned flag = 1u << bit;
            const unsigned known = w == ACCEPT ? UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF | UNX_INTR
                                   : w == LISTEN || w == LISTEN_PATH ? ALL & ~UNX_TIMESTAMP
                                                                     : ALL;
            if (flag & known)
                continue;
            ROW("%s, bit %d", way_name[w], bit);
            struct made m;
            const int type = SOCK_SEQPACKET;
            CHECK_INT(make(w, type, flag, &m), -EINVAL);
            CHECK_INT(make(w, type, flag | UNX_NONBLOCK, &m), -EINVAL);
        }
    CHECK_INT(access(raw_file("bind"), F_OK), -1);
    CHECK_INT(access(raw_file("listen"), F_OK), -1);
    CHECK_INT(access(raw_file("listen_path"), F_OK), -1);
}

/* No number is free, or, for a pair, only one: -EMFILE, and neither a descriptor nor a file nor a written result. */
static void full_table(void)
{
    if (!raw_limit_works())
        SKIP("limits of open descriptors are not heard of here");
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("server")), 4);
    const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
    struct unx_addr a, to;
    CHECK_INT(unx_addr_path(&a, raw_file("new")), 0);
    CHECK_INT(unx_addr_path(&to, raw_file("server")), 0);
    const char *longer = raw_file_of(140);
    int fds[2] = {-7, -7};
    raw_limit(0);
    CHECK_INT(QUIET(unx_socket(SOCK_DGRAM, 0)), -EMFILE);
    CHECK_INT(QUIET(unx_pair(SOCK_DGRAM, 0, fds)), -EMFILE);
    CHECK_INT(QUIET(unx_bind(SOCK_DGRAM, 0, &a, 0600)), -EMFILE);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &a, 4, 0600)), -EMFILE);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, longer, 4, 0600)), -EMFILE);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, &a, &to, 1000)), -EMFILE);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, longer, 1000)), -EMFILE);
    CHECK_INT(QUIET(unx_accept(server, 0, NULL)), -EMFILE);
    CHECK_INT(QUIET(unx_dup(client)), -EMFILE);
    raw_unlimit();
    raw_limit(1);
    CHECK_INT(QUIET(unx_pair(SOCK_SEQPACKET, 0, fds)), -EMFILE);
    /* One for the socket, none for the directory. */
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, longer, 4, 0600)), -EMFILE);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, longer, 1000)), -EMFILE);
    raw_unlimit();
    CHECK_INT(fds[0], -7);
    CHECK_INT(fds[1], -7);
    CHECK_INT(access(raw_file("new"), F_OK), -1);
    const int fd = QUIET(unx_accept(server, 0, NULL));
    CHECK(fd >= 0);
    close(fd);
    close(client);
    close(server);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"every_way_every_flag", every_way_every_flag, 0, 60},
        CASE(accepted_options),
        CASE(bad_types),
        CASE(bad_flags),
        CASE(full_table),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
