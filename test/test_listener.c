// SPDX-License-Identifier: MIT
/*
 * The listener as an object: what it takes, what it refuses, what its socket and its connections are like, names
 * without a file, sockets from elsewhere. Paths, races,
 * stopping and full tables have tests of their own (test_listener_*.c).
 */
#include "listener.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

static const struct unx_listener_options usual = UNX_LISTENER_OPTIONS;

static struct unx_addr abstract(const char *word)
{
    struct unx_addr a;
    const char *name = raw_name(word);
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    return a;
}

/* ---- misuse ---- */

static void bad_arguments(void)
{
    static const struct {
        struct unx_listener_options o;
        int type, result;
        unsigned flags;
    } rows[] = {
        {UNX_LISTENER_OPTIONS, 99, -EINVAL, 0},
        {UNX_LISTENER_OPTIONS, SOCK_STREAM, -EINVAL, UNX_SHARED},
        {UNX_LISTENER_OPTIONS, SOCK_STREAM, -EINVAL, UNX_LISTENING},
        {UNX_LISTENER_OPTIONS, SOCK_SEQPACKET, -EINVAL, UNX_TIMESTAMP},
        {UNX_LISTENER_OPTIONS, SOCK_STREAM, -EINVAL, 0x80000000u},
        {{010000, (uid_t)-1, (gid_t)-1, -1, 0, {0}}, SOCK_STREAM, -EINVAL, 0},
        {{0, (uid_t)-1, (gid_t)-1, -2, 0, {0}}, SOCK_STREAM, -EINVAL, 0},
        {{0, (uid_t)-1, (gid_t)-1, -1, -2, {0}}, SOCK_STREAM, -EINVAL, 0},
        {{0, (uid_t)-1, (gid_t)-1, -1, 0, {0, 0, 0, 0, 0, 0, 1}}, SOCK_STREAM, -EINVAL, 0},
    };
    const char *path = raw_file("sock");
    struct unx_listener *l;
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("row %u", i);
        CHECK_INT(try_open(&l, rows[i].type, rows[i].flags, path, &rows[i].o), rows[i].result);
        CHECK_INT(QUIET(unx_listener_open(&l, rows[i].type, rows[i].flags, &a, &rows[i].o)), rows[i].result);
    }
    CHECK_INT(QUIET(unx_listener_open_path(NULL, SOCK_STREAM, 0, AT_FDCWD, path, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, NULL, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, "", NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, "/tmp/", NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_open_path(&l, SOCK_STREAM, 0, -7, "sock", NULL)), -EBADF);
    CHECK_INT(QUIET(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, harness_dir(), NULL)), -EADDRINUSE);
    CHECK_INT(QUIET(unx_listener_open(NULL, SOCK_STREAM, 0, &a, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_open(&l, SOCK_STREAM, 0, NULL, NULL)), -EINVAL);
    a.len = 0;
    CHECK_INT(QUIET(unx_listener_open(&l, SOCK_STREAM, 0, &a, NULL)), -EINVAL);
    CHECK_INT(names_in(harness_dir()), 0);
    CHECK_INT(QUIET(unx_listener_fd(NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_shed(NULL)), 0);
    CHECK_INT(QUIET(unx_listener_accept(NULL, 0, NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_stop(NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_close(NULL)), 0);
    CHECK_INT(QUIET(unx_listener_forget(NULL)), 0);
}

static void bad_calls(void)
{
    struct unx_listener *l = open_at(SOCK_STREAM, 0, raw_file("sock"));
    CHECK_INT(QUIET(unx_listener_accept(l, UNX_PASSFDS, NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_accept(l, UNX_SHED, NULL, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, -2)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_accept(l, UNX_TIMESTAMP, NULL, 0)), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_listener_stop(l, UNX_NONBLOCK)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_accept(l, 0, NULL, 0)), -EAGAIN);
    close_listener(l);
}

/* ---- the socket and its connections ---- */

static void connections(void)
{
    const char *path = raw_file("sock"), *own = raw_file("client");
    for (int i = 0; i < 4; i++) {
        const int type = i & 1 ? SOCK_STREAM : SOCK_SEQPACKET;
        const unsigned pass = i & 2 ? UNX_PASSFDS | UNX_PASSCRED : 0;
        struct unx_listener *l = open_at(type, pass, path);
        unsigned blind;
        CHECK(raw_cloexec(unx_listener_fd(l)) && raw_nonblock(unx_listener_fd(l)));
        CHECK_INT(raw_get(unx_listener_fd(l), SO_ACCEPTCONN), 1);
        struct unx_addr from, at;
        CHECK_INT(unx_addr_path(&at, own), 0);
        const int client = raw_bind(type, raw_path(own));
        const struct raw_addr to = raw_path(path);
        CHECK_INT(connect(client, &to.sa, to.len), 0);
        const int conn = QUIET(unx_listener_accept(l, i & 2 ? UNX_NONBLOCK | UNX_BIGBUF : 0, &from, 0));
        CHECK(conn >= 0 && raw_cloexec(conn));
        CHECK_INT(raw_nonblock(conn), i & 2 ? 1 : 0);
        CHECK(raw_get(conn, SO_SNDBUF) >= raw_get(client, SO_SNDBUF) * (i & 2 && geteuid() == 0 ? 2 : 1));
        CHECK_INT(unx_addr_compare(&from, &at), 0);
        const unsigned got = raw_flags(conn, &blind);
        CHECK_INT(got & ~(UNX_NONBLOCK | blind), pass & ~blind);
        close(conn);
        close(client);
        CHECK_INT(unlink(own), 0);
        close_listener(l);
    }
}

/* One allocation is not for us to see; the descriptors are: four at a path, three elsewhere. */
static void what_it_keeps(void)
{
    const int before = harness_nfds();
    struct unx_listener *l = open_at(SOCK_STREAM, 0, raw_file("sock")), *named;
    CHECK_INT(harness_nfds(), before + 4);
    const struct unx_addr a = abstract("keeps");
    CHECK_INT(QUIET(unx_listener_open(&named, SOCK_STREAM, 0, &a, NULL)), 0);
    CHECK_INT(harness_nfds(), before + 7);
    close_listener(named);
    close_listener(l);
    CHECK_INT(harness_nfds(), before);
}

static void address_and_path_are_one(void)
{
    const char *path = raw_file_of(108);
    struct unx_listener *l, *other;
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    CHECK_INT(QUIET(unx_listener_open(&l, SOCK_STREAM, 0, &a, NULL)), 0);
    CHECK(leads_to(SOCK_STREAM, path, l));
    CHECK_INT(try_open(&other, SOCK_STREAM, 0, path, NULL), -EADDRINUSE);
    close_listener(l);
    CHECK_INT(names_in(harness_dir()), 0);
}

static void datagram_receiver(void)
{
    for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
        struct unx_listener *l = open_at(SOCK_DGRAM, flags | UNX_TIMESTAMP, raw_file("sock"));
        CHECK_INT(raw_nonblock(unx_listener_fd(l)), flags);
        const int client = raw_connect(SOCK_DGRAM, raw_path(raw_file("sock")));
        raw_send(client, "hello", 5, NULL, 0);
        char text[8];
        const struct iovec iov = {text, sizeof text};
        struct unx_msg m = {.iov = &iov, .niov = 1};
        CHECK_INT(unx_recv(unx_listener_fd(l), &m, 0), 1);
        CHECK_MEM(text, m.len, "hello", 5);
        CHECK(m.got & UNX_GOT_TIME);
        close(client);
        close_listener(l);
    }
}

/* ---- names without a file ---- */

static void abstract_names(void)
{
    const struct unx_addr a = abstract("name");
    struct unx_listener *l, *other;
    static const struct {
        unsigned flags;
        mode_t mode;
        uid_t owner;
        gid_t group;
    } refused[] = {
        {UNX_REPLACE, 0, (uid_t)-1, (gid_t)-1},
        {UNX_PRIVATE_DIR, 0, (uid_t)-1, (gid_t)-1},
        {0, 0600, (uid_t)-1, (gid_t)-1},
        {0, 0, 0, (gid_t)-1},
        {0, 0, (uid_t)-1, 0},
    };
    for (unsigned i = 0; i < sizeof refused / sizeof *refused; i++) {
        struct unx_listener_options o = usual;
        o.mode = refused[i].mode;
        o.owner = refused[i].owner;
        o.group = refused[i].group;
        CHECK_INT(QUIET(unx_listener_open(&l, SOCK_STREAM, refused[i].flags, &a, &o)), -EINVAL);
    }
    for (int i = 0; i < 3; i++) {
        CHECK_INT(QUIET(unx_listener_open(&l, raw_types[i], 0, &a, NULL)), 0);
        CHECK_INT(QUIET(unx_listener_open(&other, raw_types[i], 0, &a, NULL)), -EADDRINUSE);
        CHECK_INT(unx_listener_stop(l, 0), 0);
        close_listener(l);
    }
    struct unx_addr unnamed, got;
    CHECK_INT(unx_addr_unnamed(&unnamed), 0);
    CHECK_INT(QUIET(unx_listener_open(&l, SOCK_SEQPACKET, 0, &unnamed, NULL)), 0);
    CHECK_INT(unx_local_addr(unx_listener_fd(l), &got), 0);
    CHECK_INT(unx_addr_name(&got, NULL, NULL), UNX_ABSTRACT);
    close_listener(l);
}

/* ---- sockets from elsewhere ---- */

static void adopting(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l;
    const int fd = raw_bind(SOCK_STREAM, raw_path(path));
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, SOCK_STREAM, UNX_NONBLOCK)), -EINVAL);
    CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
    CHECK_INT(listen(fd, 4), 0);
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, SOCK_SEQPACKET, 0)), -EPROTOTYPE);
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, SOCK_STREAM, UNX_REPLACE)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_adopt(NULL, fd, SOCK_STREAM, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_listener_adopt(&l, -1, SOCK_STREAM, 0)), -EBADF);
    CHECK_INT(QUIET(unx_listener_adopt(&l, STDOUT_FILENO, 0, 0)), -ENOTSOCK);
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, SOCK_STREAM, 0)), -EBUSY);
    CHECK(l == NULL && !raw_nonblock(fd) && raw_is_open(fd));
    CHECK_INT(QUIET(unx_listener_adopt(&l, fd, 0, UNX_NONBLOCK)), 0);
    CHECK(leads_to(SOCK_STREAM, path, l));

    /* Somebody else makes it block again: what waits could not be woken, and it is said. */
    CHECK_INT(fcntl(fd, F_SETFL, 0), 0);
    CHECK_INT(QUIET(unx_listener_stop(l, UNX_SHARED)), -EBUSY);
    CHECK_INT(QUIET(unx_listener_stop(l, 0)), -EBUSY);
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(QUIET(unx_listener_stop(l, 0)), 0);
    close_listener(l);
    CHECK(exists(path) && !raw_is_open(fd));

    const int receiver = raw_bind(SOCK_DGRAM, raw_path(raw_file("dgram")));
    CHECK_INT(QUIET(unx_listener_adopt(&l, receiver, SOCK_DGRAM, UNX_NONBLOCK)), 0);
    CHECK_INT(QUIET(unx_listener_stop(l, 0)), 0);
    close_listener(l);
    for (unsigned n = 0; n < 3; n++) {
        const int again = raw_listen(SOCK_STREAM, raw_path(raw_file("again")), 4);
        CHECK_INT(fcntl(again, F_SETFL, O_NONBLOCK), 0);
        raw_limit(n);
        const int r = QUIET(unx_listener_adopt(&l, again, 0, 0));
        raw_unlimit();
        CHECK_INT(r, n < 2 ? -EMFILE : 0);
        CHECK(raw_is_open(again));
        if (r < 0) {
            close(again);
        }
        close_listener(l);
        unlink(raw_file("again"));
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(bad_arguments),
        CASE(bad_calls),
        CASE(connections),
        CASE(what_it_keeps),
        CASE(address_and_path_are_one),
        CASE(datagram_receiver),
        CASE(abstract_names),
        CASE(adopting),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
