// SPDX-License-Identifier: MIT
/*
 * Names that are in use, in the file system and elsewhere: what is there already stays, whoever put it there, and a
 * failure leaves no file. (The mode of a new file: test_bind_mode.c.)
 */
#include "bind.h"

/* ---- what is there stays ---- */

static void check_stays(const char *path, mode_t kind)
{
    struct stat before, after;
    CHECK_INT(lstat(path, &before), 0);
    CHECK_INT(before.st_mode & S_IFMT, kind);
    const unsigned n = entries();
    for (int w = 0; w < WAYS; w++)
        for (int m = 0; m < 3; m++) {
            static const mode_t modes[] = {0600, 0777, UNX_MODE_UMASK};
            ROW("%s over %s", way_name[w], path);
            CHECK_INT(make(w, path, modes[m]), -EADDRINUSE);
            CHECK_INT(lstat(path, &after), 0);
            CHECK_INT(after.st_ino, before.st_ino);
            CHECK_INT(after.st_mode, before.st_mode);
            CHECK_INT(after.st_nlink, before.st_nlink);
            CHECK_INT(entries(), n);
        }
}

static void what_is_there_stays(void)
{
    char path[6][108];
    static const char *const names[] = {"file", "dir", "link", "dangling", "stale", "live"};
    for (int i = 0; i < 6; i++)
        snprintf(path[i], sizeof path[i], "%s", raw_file(names[i]));
    close(open(path[0], O_CREAT | O_WRONLY | O_CLOEXEC, 0640));
    CHECK_INT(mkdir(path[1], 0750), 0);
    CHECK_INT(symlink("file", path[2]), 0);
    CHECK_INT(symlink("gone", path[3]), 0);
    close(raw_bind(SOCK_DGRAM, raw_path(path[4])));
    const int live = raw_listen(SOCK_SEQPACKET, raw_path(path[5]), 4);
    check_stays(path[0], S_IFREG);
    check_stays(path[1], S_IFDIR);
    check_stays(path[2], S_IFLNK);
    check_stays(path[3], S_IFLNK);
    check_stays(path[4], S_IFSOCK);
    check_stays(path[5], S_IFSOCK);
    close(raw_connect(SOCK_SEQPACKET, raw_path(path[5])));
    close(live);
}

static void abstract_name_in_use(void)
{
    struct unx_addr a;
    const char *name = raw_name("twice");
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    const int fd = QUIET(unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK));
    CHECK(fd >= 0);
    const int copy = QUIET(unx_dup(fd));
    close(fd);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK)), -EADDRINUSE);
    close(copy);
    const int again = QUIET(unx_listen(SOCK_STREAM, 0, &a, 4, UNX_MODE_UMASK));
    CHECK(again >= 0);
    close(again);
}

static void as_connector(void *arg)
{
    struct unx_addr from, to;
    CHECK_INT(unx_addr_path(&from, arg), 0);
    CHECK_INT(unx_addr_path(&to, raw_file("full")), 0);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, &from, &to, -1), -ECONNREFUSED);
}

/* A failed call removes the file that it made, and not one that somebody else has put there meanwhile. */
static void a_successor_keeps_its_file(void)
{
    struct unx_addr full, from;
    CHECK_INT(unx_addr_path(&full, raw_file("full")), 0);
    const int listener = unx_listen(SOCK_STREAM, 0, &full, 0, UNX_MODE_UMASK);
    const int client = unx_connect(SOCK_STREAM, 0, NULL, &full, 0);
    char path[200];
    snprintf(path, sizeof path, "%s", raw_file("from"));
    const pid_t child = harness_fork(as_connector, path);
    for (struct stat st; stat(path, &st) < 0;)
        raw_sleep(1);
    raw_until_asleep(child); /* by then it knows its own file */
    CHECK_INT(unlink(path), 0);
    CHECK_INT(unx_addr_path(&from, path), 0);
    const int successor = unx_listen(SOCK_STREAM, 0, &from, -1, UNX_MODE_UMASK);
    CHECK(successor >= 0);
    CHECK_INT(shutdown(listener, SHUT_RD), 0);
    harness_wait(child);
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    close(successor);
    close(client);
    close(listener);
}

/* ---- failures leave no file ---- */

static void failures_leave_no_file(void)
{
    struct unx_addr a = at(raw_file("s"));
    CHECK_INT(QUIET(unx_listen(SOCK_DGRAM, 0, &a, 4, 0600)), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_listen_path(SOCK_DGRAM, 0, AT_FDCWD, raw_file("s"), 4, 0600)), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &a, -2, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &a, UNX_BIND_ONLY, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, raw_file("s"), -3, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_listen(SOCK_STREAM, UNX_TIMESTAMP, &a, 4, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_bind(SOCK_STREAM, UNX_TIMESTAMP, &a, 0600)), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, -1, "s", 4, 0600)), -EBADF);
    CHECK_INT(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, NULL, 4, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_bind(SOCK_STREAM, 0, NULL, 0600)), -EINVAL);
    CHECK_INT(entries(), 0);
    for (int w = 0; w < WAYS - 1; w++) {
        if (w == BIND_BELOW || w == LISTEN_BELOW)
            continue;
        CHECK_INT(make(w, raw_file("no/such"), 0600), -ENOENT);
        CHECK_INT(make(w, raw_file("s/"), 0600), -ENOENT);
    }
    close(open(raw_file("file"), O_CREAT | O_WRONLY | O_CLOEXEC, 0644));
    CHECK_INT(make(LISTEN, raw_file("file/below"), 0600), -ENOTDIR);
    CHECK_INT(entries(), 1);
}

static void backlogs(void)
{
    static const struct {
        int backlog, fit;
    } table[] = {{0, 1}, {1, 2}, {3, 4}, {-1, 50}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++)
        for (int w = 0; w < 2; w++) {
            const char *path = raw_file("s");
            const struct unx_addr a = at(path);
            const int server = w ? unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, table[i].backlog, 0600)
                                 : unx_listen(SOCK_STREAM, 0, &a, table[i].backlog, 0600);
            CHECK(server >= 0);
            int client[50], n = 0;
            while (n < 50 && (client[n] = unx_connect(SOCK_STREAM, 0, NULL, &a, 0)) >= 0)
                n++;
            CHECK_INT(n, table[i].fit);
            CHECK(n == 50 || client[n] == -EAGAIN);
            while (n > 0)
                close(client[--n]);
            close(server);
            CHECK_INT(unlink(path), 0);
        }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(what_is_there_stays),
        CASE(abstract_name_in_use),
        CASE(a_successor_keeps_its_file),
        CASE(failures_leave_no_file),
        CASE(backlogs),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
