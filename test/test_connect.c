// SPDX-License-Identifier: MIT
/*
 * Connecting to what is there and to what is not: each failure has its errno value and leaves nothing, neither a
 * descriptor nor the file of the address to connect from. (Waiting is in test_connect_wait.c.)
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/unx.h>

static struct unx_addr at(const char *path)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    return a;
}

/* By address, from an address, by path below the working directory, below a directory: all have to say the same. */
static void fails(int type, const char *path, int want)
{
    ROW("%s %s", raw_type_name(type), path);
    const struct unx_addr to = at(path), from = at(raw_file("from"));
    for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
        const int before = harness_nfds();
        CHECK_INT(QUIET(unx_connect(type, flags, NULL, &to, 1000)), want);
        CHECK_INT(QUIET(unx_connect(type, flags, NULL, &to, 0)), want);
        CHECK_INT(QUIET(unx_connect(type, flags, NULL, &to, -1)), want);
        CHECK_INT(QUIET(unx_connect(type, flags, &from, &to, 1000)), want);
        CHECK_INT(access(raw_file("from"), F_OK), -1);
        CHECK_INT(QUIET(unx_connect_path(type, flags, AT_FDCWD, path, 1000)), want);
        const int dir = open(harness_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(QUIET(unx_connect_path(type, flags, dir, path + strlen(harness_dir()) + 1, 1000)), want);
        close(dir);
        CHECK_INT(harness_nfds(), before);
    }
}

static void errors_of_paths(void)
{
    close(raw_bind(SOCK_STREAM, raw_path(raw_file("stale"))));
    const int bound = raw_bind(SOCK_STREAM, raw_path(raw_file("bound")));
    const int stopped = raw_listen(SOCK_STREAM, raw_path(raw_file("stopped")), 4);
    CHECK_INT(shutdown(stopped, SHUT_RD), 0);
    close(open(raw_file("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    CHECK_INT(mkdir(raw_file("dir"), 0755), 0);
    CHECK_INT(symlink("gone", raw_file("dangling")), 0);
    CHECK_INT(symlink("loop", raw_file("loop")), 0);
    fails(SOCK_STREAM, raw_file("missing"), -ENOENT);
    fails(SOCK_STREAM, raw_file("no/such/dir"), -ENOENT);
    fails(SOCK_STREAM, raw_file("dangling"), -ENOENT);
    fails(SOCK_STREAM, raw_file("file/below"), -ENOTDIR);
    fails(SOCK_STREAM, raw_file("loop"), -ELOOP);
    fails(SOCK_STREAM, raw_file("stale"), -ECONNREFUSED);
    fails(SOCK_STREAM, raw_file("bound"), -ECONNREFUSED);
    fails(SOCK_STREAM, raw_file("stopped"), -ECONNREFUSED);
    fails(SOCK_STREAM, raw_file("file"), -ECONNREFUSED);
    fails(SOCK_STREAM, raw_file("dir"), -ECONNREFUSED);
    close(stopped);
    close(bound);
}

static void errors_of_types(void)
{
    for (int t = 0; t < 3; t++) {
        const int type = raw_types[t];
        const int server = raw_bind(type, raw_path(raw_file(raw_type_name(type))));
        CHECK(type == SOCK_DGRAM || listen(server, 4) == 0);
        for (int u = 0; u < 3; u++)
            if (u != t)
                fails(raw_types[u], raw_file(raw_type_name(type)), -EPROTOTYPE);
        close(server);
    }
}

static void as_nobody(void *arg)
{
    raw_become_nobody();
    const struct unx_addr a = at(arg), b = at(raw_file("closed/s"));
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000)), -EACCES);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, arg, 1000)), -EACCES);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &b, 1000)), -EACCES);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &b, 4, 0600)), -EACCES);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, &b, &a, 1000)), -EACCES);
}

static void errors_of_permission(void)
{
    char path[256];
    snprintf(path, sizeof path, "%s", raw_file("private"));
    const struct unx_addr a = at(path);
    const int server = unx_listen(SOCK_STREAM, 0, &a, 4, 0600);
    CHECK(server >= 0);
    CHECK_INT(mkdir(raw_file("closed"), 0700), 0);
    const int inside = raw_listen(SOCK_STREAM, raw_path(raw_file("closed/s")), 4);
    CHECK_INT(chmod(raw_file("closed/s"), 0777), 0);
    harness_wait(harness_fork(as_nobody, path));
    close(inside);
    close(server);
}

static void errors_of_abstract_names(void)
{
    struct unx_addr a;
    const char *name = raw_name("nobody-is-here");
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    for (int t = 0; t < 3; t++) {
        CHECK_INT(QUIET(unx_connect(raw_types[t], 0, NULL, &a, 1000)), -ECONNREFUSED);
        CHECK_INT(QUIET(unx_connect(raw_types[t], UNX_NONBLOCK, NULL, &a, -1)), -ECONNREFUSED);
    }
}

static void misuse(void)
{
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("s")), 4);
    const struct unx_addr good = at(raw_file("s")), none = {0};
    struct unx_addr unnamed, inet = good, long_len = good;
    CHECK_INT(unx_addr_unnamed(&unnamed), 0);
    inet.sa.sa_family = AF_INET;
    long_len.len = 255;
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, NULL, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &none, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &unnamed, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &inet, 1000)), -EAFNOSUPPORT);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &long_len, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, &none, &good, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, &inet, &good, 1000)), -EAFNOSUPPORT);
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &good, -2)), -EINVAL);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, raw_file("s"), -2)), -EINVAL);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, NULL, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, -1, "s", 1000)), -EBADF);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, server, "s", 1000)), -ENOTDIR);
    /* An absolute path needs no directory. */
    const int fd = QUIET(unx_connect_path(SOCK_STREAM, 0, -1, raw_file("s"), 1000));
    CHECK(fd >= 0);
    close(fd);
    close(server);
}

/* ---- the state of the result ---- */

static void state_of_the_result(void)
{
    for (int t = 0; t < 3; t++) {
        const int type = raw_types[t];
        const char *path = raw_file(raw_type_name(type));
        const int server = raw_bind(type, raw_path(path));
        CHECK(type == SOCK_DGRAM || listen(server, 16) == 0);
        const struct unx_addr to = at(path);
        static const int times[] = {0, 1, 1000, -1};
        for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++)
            for (int i = 0; i < 4; i++) {
                ROW("%s %#x %d", raw_type_name(type), flags, times[i]);
                const int fd = QUIET(unx_connect(type, flags, NULL, &to, times[i]));
                CHECK(fd >= 0);
                CHECK_INT(raw_nonblock(fd), flags != 0);
                struct unx_addr peer;
                CHECK_INT(unx_peer_addr(fd, &peer), 0);
                CHECK_INT(unx_addr_compare(&peer, &to), 0);
                raw_send(fd, "x", 1, NULL, 0);
                close(fd);
            }
        close(server);
    }
}

static void through_a_symbolic_link(void)
{
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("real")), 4);
    CHECK_INT(symlink("real", raw_file("link")), 0);
    const struct unx_addr to = at(raw_file("link"));
    int fd = QUIET(unx_connect(SOCK_STREAM, 0, NULL, &to, 1000));
    CHECK(fd >= 0);
    close(fd);
    const int dir = open(harness_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    fd = QUIET(unx_connect_path(SOCK_STREAM, 0, dir, "link", 1000));
    CHECK(fd >= 0);
    close(fd);
    close(dir);
    close(server);
}

/* ---- connecting from an address ---- */

static void from_an_address(void)
{
    for (int t = 0; t < 3; t++) {
        const int type = raw_types[t];
        const int server = raw_bind(type, raw_path(raw_file("server")));
        CHECK(type == SOCK_DGRAM || listen(server, 16) == 0);
        const struct unx_addr to = at(raw_file("server")), path = at(raw_file("client"));
        struct unx_addr named, unnamed, seen;
        const char *name = raw_name("client");
        CHECK_INT(unx_addr_abstract(&named, name, strlen(name)), 0);
        CHECK_INT(unx_addr_unnamed(&unnamed), 0);
        const struct unx_addr *const from[] = {&path, &named, &unnamed};
        for (int i = 0; i < 3; i++) {
            ROW("%s from %d", raw_type_name(type), i);
            const int fd = QUIET(unx_connect(type, 0, from[i], &to, 1000));
            CHECK(fd >= 0);
            CHECK_INT(unx_local_addr(fd, &seen), 0);
            if (i < 2)
                CHECK_INT(unx_addr_compare(&seen, from[i]), 0);
            else
                CHECK_INT(unx_addr_name(&seen, NULL, NULL), UNX_ABSTRACT);
            if (type != SOCK_DGRAM) {
                struct unx_addr peer;
                const int conn = unx_accept(server, 0, &peer);
                CHECK(conn >= 0);
                CHECK_INT(unx_addr_compare(&peer, &seen), 0);
                close(conn);
            }
            close(fd);
        }
        CHECK_INT(access(raw_file("client"), F_OK), 0);
        CHECK_INT(QUIET(unx_connect(type, 0, &path, &to, 1000)), -EADDRINUSE);
        CHECK_INT(access(raw_file("client"), F_OK), 0);
        CHECK_INT(unlink(raw_file("client")), 0);
        CHECK_INT(unlink(raw_file("server")), 0);
        close(server);
    }
}

/* The file goes with every failure that comes after it was made, and is made under the umask. */
static void from_file_is_removed(void)
{
    const int server = raw_listen(SOCK_STREAM, raw_path(raw_file("full")), 0);
    const int first = raw_connect(SOCK_STREAM, raw_path(raw_file("full")));
    const struct unx_addr to = at(raw_file("full")), from = at(raw_file("client"));
    for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
        CHECK_INT(QUIET(unx_connect(SOCK_STREAM, flags, &from, &to, 0)), -EAGAIN);
        CHECK_INT(access(raw_file("client"), F_OK), -1);
        CHECK_INT(QUIET(unx_connect(SOCK_STREAM, flags, &from, &to, 50)), -ETIMEDOUT);
        CHECK_INT(access(raw_file("client"), F_OK), -1);
    }
    /* What is no socket, or somebody else's, is not removed. */
    close(open(raw_file("client"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    CHECK_INT(QUIET(unx_connect(SOCK_STREAM, 0, &from, &to, 50)), -EADDRINUSE);
    struct stat st;
    CHECK_INT(lstat(raw_file("client"), &st), 0);
    CHECK(S_ISREG(st.st_mode));
    CHECK_INT(unlink(raw_file("client")), 0);
    const mode_t before = umask(027);
    close(raw_accept(server));
    const int fd = QUIET(unx_connect(SOCK_STREAM, 0, &from, &to, 1000));
    CHECK(fd >= 0);
    CHECK_INT(umask(before), 027);
    CHECK_INT(stat(raw_file("client"), &st), 0);
    CHECK_INT(st.st_mode & 07777, 0750);
    close(fd);
    close(first);
    close(server);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(errors_of_paths),          CASE(errors_of_types), CASE(errors_of_permission),
        CASE(errors_of_abstract_names), CASE(misuse),          CASE(state_of_the_result),
        CASE(through_a_symbolic_link),  CASE(from_an_address), CASE(from_file_is_removed),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
