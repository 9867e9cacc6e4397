// SPDX-License-Identifier: MIT
/*
 * Long paths that fail, servers with long paths that are full, many that start at once, and addresses below a directory
 * descriptor. Whatever happens, the directory has no entry that it should not have. (See test_long_path.c.)
 */
#include "deep.h"
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <sched.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/unx.h>

/* ---- failures ---- */

static void fails(void *how)
{
    struct deep d;
    make_deep(&d, 300);
    if (how)
        take_proc_away();
    char name[300], path[8192], huge[8192];
    memset(name, 'n', sizeof name);
    name[256] = 0;
    memset(huge, '/', sizeof huge);
    huge[sizeof huge - 1] = 0;
    const int before = harness_nfds();
    for (int s = 0; s < SAYS; s++) {
        int dirfd = said(&d, s, name, path);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, dirfd, path, 4, 0600)), -ENAMETOOLONG);
        CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, dirfd, path, 1000)), -ENAMETOOLONG);
        dirfd = said(&d, s, "missing", path);
        CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, dirfd, path, 1000)), -ENOENT);
        dirfd = said(&d, s, "missing/s", path);
        CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, dirfd, path, 1000)), -ENOENT);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, dirfd, path, 4, 0600)), -ENOENT);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, dirfd, path, UNX_BIND_ONLY, 0600)), -ENOENT);
        dirfd = said(&d, s, "s", path);
        CHECK_INT(QUIET(unx_listen_path(SOCK_DGRAM, 0, dirfd, path, 4, 0600)), -EOPNOTSUPP);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, dirfd, path, -3, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, UNX_TIMESTAMP, dirfd, path, 4, 0600)), -EINVAL);
        CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, dirfd, path, 4, 010600)), -EINVAL);
        CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, UNX_INTR, dirfd, path, 1000)), -EINVAL);
        CHECK_INT(entries(&d), 0);
    }
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, huge, 4, 0600)) < 0, 1);
    memset(huge, 'h', sizeof huge - 1);
    memcpy(huge, d.path, d.len);
    huge[d.len] = '/';
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, huge, 4, 0600)), -ENAMETOOLONG);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, huge, 1000)), -ENAMETOOLONG);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, -1, "s", 4, 0600)), -EBADF);
    CHECK_INT(harness_nfds(), before);
    close_deep(&d);
}

static void failures_leave_nothing(void)
{
    harness_dir();
    harness_wait(harness_fork(fails, NULL));
    harness_wait(harness_fork(fails, without));
}

/* Without /proc the work is done in a thread. Here none can be had, and that is an error like any other. */
static void thread_refused(void *arg)
{
    struct deep d;
    (void)arg;
    make_deep(&d, 300);
    const int server = unx_listen_path(SOCK_STREAM, 0, d.fd, "s", 4, 0600);
    CHECK(server >= 0);
    take_proc_away();
    if (unshare(CLONE_NEWPID))
        SKIP("no new pid namespace: %s", strerror(errno));
    const int before = harness_nfds();
    CHECK(QUIET(unx_connect_path(SOCK_STREAM, 0, d.fd, "s", 1000)) < 0);
    CHECK(QUIET(unx_listen_path(SOCK_STREAM, 0, d.fd, "t", 4, 0600)) < 0);
    CHECK(QUIET(unx_listen_path(SOCK_STREAM, 0, d.fd, "t", 4, UNX_MODE_UMASK)) < 0);
    CHECK_INT(harness_nfds(), before);
    CHECK_INT(entries(&d), 1);
    close(server);
    close_deep(&d);
}

static void no_thread_to_be_had(void)
{
    harness_dir();
    harness_wait(harness_fork(thread_refused, NULL));
}

/* A connection that has to wait for room, and what it says about one that is too full. */
static void full(void *how)
{
    struct deep d;
    make_deep(&d, 300);
    if (how)
        take_proc_away();
    const int server = unx_listen_path(SOCK_STREAM, 0, d.fd, "s", 0, 0600);
    CHECK(server >= 0);
    const int first = unx_connect_path(SOCK_STREAM, 0, d.fd, "s", 0);
    CHECK(first >= 0);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, d.fd, "s", 0)), -EAGAIN);
    const int64_t start = raw_now();
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, d.fd, "s", 200)), -ETIMEDOUT);
    raw_took(start, 200);
    CHECK_INT(QUIET(unx_connect_path(SOCK_SEQPACKET, 0, d.fd, "s", 200)), -EPROTOTYPE);
    close(server);
    CHECK_INT(QUIET(unx_connect_path(SOCK_STREAM, 0, d.fd, "s", 200)), -ECONNREFUSED);
    CHECK_INT(unlinkat(d.fd, "s", 0), 0);
    close(first);
    close_deep(&d);
}

static void full_backlog(void)
{
    harness_dir();
    harness_wait(harness_fork(full, NULL));
    harness_wait(harness_fork(full, without));
}

/* Many start at once under one long name: one gets it, and nothing else is there afterwards. */
static void one_starter(void *arg)
{
    const struct deep *d = arg;
    char name[201];
    memset(name, 'n', 200);
    name[200] = 0;
    raw_sleep(20);
    const int fd = QUIET(unx_listen_path(SOCK_STREAM, 0, d->fd, name, 4, 0666));
    if (fd < 0)
        CHECK_INT(fd, -EADDRINUSE);
    else
        CHECK_INT(mkdirat(d->base, "winner", 0755), 0);
    raw_sleep(100);
}

static void one_of_many(void)
{
    for (int round = 0; round < 10; round++) {
        struct deep d;
        make_deep(&d, 300);
        pid_t child[8];
        for (int i = 0; i < 8; i++)
            child[i] = harness_fork(one_starter, &d);
        for (int i = 0; i < 8; i++)
            harness_wait(child[i]);
        CHECK_INT(entries(&d), 1);
        CHECK_INT(unlinkat(d.base, "winner", AT_REMOVEDIR), 0);
        char name[201];
        memset(name, 'n', 200);
        name[200] = 0;
        CHECK_INT(unlinkat(d.fd, name, 0), 0);
        close_deep(&d);
    }
}

/* ---- an address below a directory ---- */

static void address_below_a_directory(void)
{
    struct deep d;
    make_deep(&d, 300);
    struct unx_addr a, b;
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, "s")), 0);
    CHECK_INT(unx_addr_name(&a, NULL, NULL), UNX_PATH);
    const int server = unx_listen(SOCK_STREAM, 0, &a, 4, 0640);
    CHECK(server >= 0);
    struct stat st;
    CHECK_INT(fstatat(d.fd, "s", &st, AT_SYMLINK_NOFOLLOW), 0);
    CHECK_INT(st.st_mode & 07777, 0640);
    const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 1000);
    CHECK(client >= 0);
    close(client);
    close(server);
    char name[120];
    memset(name, 'n', sizeof name);
    name[119] = 0;
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, name)), -ENAMETOOLONG);
    name[108] = 0;
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, name)), -ENAMETOOLONG);
    CHECK_INT(QUIET(unx_addr_path_at(&a, AT_FDCWD, name)), 0);
    CHECK_INT(unx_addr_path(&b, name), 0);
    CHECK_INT(unx_addr_compare(&a, &b), 0);
    name[80] = 0;
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, name)), 0);
    CHECK_INT(QUIET(unx_addr_path_at(&a, -1, "s")), -EBADF);
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, "")), -EINVAL);
    CHECK_INT(QUIET(unx_addr_path_at(NULL, d.fd, "s")), -EINVAL);
    CHECK_INT(QUIET(unx_addr_path_at(&a, d.fd, NULL)), -EINVAL);
    close_deep(&d);
}

static void ask_for_address(void *arg)
{
    (void)arg;
    const int dir = open(harness_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    take_proc_away();
    struct unx_addr a;
    CHECK_INT(QUIET(unx_addr_path_at(&a, dir, "s")), -EOPNOTSUPP);
}

static void address_needs_proc(void)
{
    harness_dir();
    harness_wait(harness_fork(ask_for_address, NULL));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(failures_leave_nothing),    CASE(no_thread_to_be_had), CASE(full_backlog), CASE(one_of_many),
        CASE(address_below_a_directory), CASE(address_needs_proc),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
