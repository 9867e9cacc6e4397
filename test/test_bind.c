// SPDX-License-Identifier: MIT
/*
 * Names in the file system: the mode is exact under every umask and never wider for a moment, what is there already
 * stays, and a failure leaves no file. Neither the umask nor the working directory is touched.
 *
 * The usual "bind, listen, chmod" is tried against the same attacker as naive_* and must fail.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/unx.h>

static struct unx_addr at(const char *path)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    return a;
}

/* How a name is made: each way has the same contract. */
enum way { BIND, LISTEN, BIND_PATH, LISTEN_PATH, BIND_BELOW, LISTEN_BELOW, BIND_TO, WAYS };
static const char *const way_name[WAYS] = {"bind",       "listen",       "bind path", "listen path",
                                           "bind below", "listen below", "bind_to"};

static bool listens(enum way w)
{
    return w == LISTEN || w == LISTEN_PATH || w == LISTEN_BELOW;
}

static int make(enum way w, const char *path, mode_t mode)
{
    const struct unx_addr a = at(path);
    const int type = listens(w) ? SOCK_SEQPACKET : SOCK_DGRAM;
    const int backlog = listens(w) ? 4 : UNX_BIND_ONLY;
    if (w == BIND)
        return QUIET(unx_bind(type, 0, &a, mode));
    if (w == LISTEN)
        return QUIET(unx_listen(type, 0, &a, 4, mode));
    if (w == BIND_PATH || w == LISTEN_PATH)
        return QUIET(unx_listen_path(type, 0, AT_FDCWD, path, backlog, mode));
    if (w == BIND_TO) {
        const int fd = unx_socket(type, 0);
        const int r = QUIET(unx_bind_to(fd, &a, mode));
        if (r == 0)
            return fd;
        close(fd);
        return r;
    }
    const int dir = open(harness_dir(), O_PATH | O_DIRECTORY | O_CLOEXEC);
    const int r = QUIET(unx_listen_path(type, 0, dir, strrchr(path, '/') + 1, backlog, mode));
    close(dir);
    return r;
}

static mode_t mode_of(const char *path)
{
    struct stat st;
    CHECK_INT(lstat(path, &st), 0);
    CHECK(S_ISSOCK(st.st_mode));
    return st.st_mode & 07777;
}

static unsigned entries(void)
{
    DIR *d = opendir(harness_dir());
    CHECK(d != NULL);
    unsigned n = 0;
    for (const struct dirent *e; (e = readdir(d));)
        n += e->d_name[0] != '.' || e->d_name[1] != (e->d_name[1] == '.' ? '.' : 0);
    closedir(d);
    return n;
}

/* ---- the mode ---- */

static void check_modes(mode_t mask)
{
    static const mode_t modes[] = {0, 0200, 0600, 0660, 0666, 0770, 0777, 0755, 0222, 01777, 04711, 02770, 07777};
    const mode_t before = umask(mask);
    for (int w = 0; w < WAYS; w++)
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
            ROW("%s, umask %03o, mode %04o", way_name[w], mask, modes[i]);
            const char *path = raw_file("s");
            const int fd = make(w, path, modes[i]);
            if (fd < 0)
                CHECK_INT(fd, 0);
            CHECK_INT(mode_of(path), modes[i]);
            CHECK_INT(umask(mask), mask);
            CHECK_INT(unlink(path), 0);
            close(fd);
        }
    for (int w = 0; w < WAYS; w++) {
        ROW("%s, umask %03o alone", way_name[w], mask);
        const char *path = raw_file("s");
        const int fd = make(w, path, UNX_MODE_UMASK);
        CHECK(fd >= 0);
        CHECK_INT(mode_of(path), 0777 & ~mask);
        CHECK_INT(unlink(path), 0);
        close(fd);
    }
    umask(before);
}

static void exact_mode_under_every_umask(void)
{
    check_modes(0);
    check_modes(022);
    check_modes(077);
    check_modes(0777);
}

static void as_nobody(void *arg)
{
    (void)arg;
    raw_become_nobody();
    check_modes(077);
    check_modes(0);
}

static void exact_mode_without_privilege(void)
{
    CHECK_INT(chmod(harness_dir(), 01777), 0);
    harness_wait(harness_fork(as_nobody, NULL));
}

/* Where others can rename what is ours, the name may lead to another file by the time that it is widened. */
static void never_wider_where_others_rename(void)
{
    const mode_t before = umask(077);
    CHECK_INT(chmod(harness_dir(), 0777), 0);
    for (int w = 0; w < WAYS; w++) {
        CHECK_INT(QUIET(make(w, raw_file("s"), 0660)), -EPERM);
        CHECK_INT(entries(), 0);
        const int fd = make(w, raw_file("s"), 0600);
        CHECK(fd >= 0);
        CHECK_INT(unlink(raw_file("s")), 0);
        close(fd);
    }
    umask(before);
}

static void as_connector(void *arg)
{
    struct unx_addr from, to;
    CHECK_INT(unx_addr_path(&from, arg), 0);
    CHECK_INT(unx_addr_path(&to, raw_file("full")), 0);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, &from, &to, 400), -ETIMEDOUT);
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
    CHECK_INT(unlink(path), 0);
    CHECK_INT(unx_addr_path(&from, path), 0);
    const int successor = unx_listen(SOCK_STREAM, 0, &from, -1, UNX_MODE_UMASK);
    CHECK(successor >= 0);
    harness_wait(child);
    struct stat st;
    CHECK_INT(stat(path, &st), 0);
    close(successor);
    close(client);
    close(listener);
}

static void wrong_modes(void)
{
    struct unx_addr name, unnamed;
    CHECK_INT(unx_addr_abstract(&name, raw_name("mode"), strlen(raw_name("mode"))), 0);
    CHECK_INT(unx_addr_unnamed(&unnamed), 0);
    static const mode_t modes[] = {0, 0600, 0777};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(QUIET(unx_bind(SOCK_STREAM, 0, &name, modes[i])), -EINVAL);
        CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &name, 4, modes[i])), -EINVAL);
        CHECK_INT(QUIET(unx_bind(SOCK_DGRAM, 0, &unnamed, modes[i])), -EINVAL);
    }
    CHECK(!raw_listed(raw_name("mode")));
    for (int w = 0; w < WAYS; w++) {
        CHECK_INT(make(w, raw_file("s"), 010000), -EINVAL);
        CHECK_INT(make(w, raw_file("s"), S_IFSOCK | 0600), -EINVAL);
        CHECK_INT(make(w, raw_file("s"), (mode_t)-2), -EINVAL);
    }
    CHECK_INT(entries(), 0);
}

/* ---- somebody else tries to get in while the name is being made ---- */

static struct attack {
    char path[108];
    atomic_int tried, connected, stop;
} * attack;

static void attacker(void *arg)
{
    (void)arg;
    raw_become_nobody();
    const struct raw_addr a = raw_path(attack->path);
    while (!attack->stop) {
        const int fd = raw_try_connect(SOCK_STREAM, a);
        attack->tried++;
        if (fd >= 0) {
            attack->connected++;
            close(fd);
        }
    }
}

static int listen_unx(const char *path)
{
    const struct unx_addr a = at(path);
    return unx_listen(SOCK_STREAM, 0, &a, -1, 0600);
}

static int listen_path_unx(const char *path)
{
    return unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, -1, 0600);
}

static int naive_chmod(const char *path)
{
    const int fd = raw_listen(SOCK_STREAM, raw_path(path), -1);
    sched_yield();
    CHECK_INT(chmod(path, 0600), 0);
    return fd;
}

static void check_attack(int (*listen_at)(const char *path))
{
    if (geteuid() != 0)
        SKIP("needs root to become another user");
    attack = mmap(NULL, sizeof *attack, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(attack != MAP_FAILED);
    snprintf(attack->path, sizeof attack->path, "%s", raw_file("s"));
    const mode_t before = umask(0);
    const pid_t child = harness_fork(attacker, NULL);
    while (!attack->tried)
        raw_sleep(1);
    for (int i = 0; i < 1000; i++) {
        const int fd = listen_at(attack->path);
        CHECK(fd >= 0);
        sched_yield();
        CHECK_INT(unlink(attack->path), 0);
        close(fd);
    }
    attack->stop = 1;
    harness_wait(child);
    umask(before);
    NOTE("connected %d times of %d", attack->connected, attack->tried);
    CHECK_INT(attack->connected, 0);
    CHECK(attack->tried > 1000);
    munmap(attack, sizeof *attack);
}

static void nobody_gets_in(void)
{
    check_attack(listen_unx);
    check_attack(listen_path_unx);
}

static void naive_chmod_after_listen(void)
{
    check_attack(naive_chmod);
}

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

/* ---- while others watch the umask and the working directory of the process ---- */

static atomic_bool stop;

static void *watch(void *arg)
{
    char first[256], now[256];
    CHECK(getcwd(first, sizeof first) != NULL);
    while (!stop) {
        CHECK(getcwd(now, sizeof now) != NULL);
        CHECK(!strcmp(first, now));
        char line[256];
        FILE *f = fopen("/proc/self/status", "re");
        CHECK(f != NULL);
        unsigned mask = 01000;
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "Umask: %o", &mask) == 1)
                break;
        fclose(f);
        CHECK_INT(mask, *(const unsigned *)arg);
    }
    return NULL;
}

static void umask_is_never_changed(void)
{
    unsigned mask = umask(027);
    const mode_t before = mask;
    mask = 027;
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, watch, &mask), 0);
    for (int i = 0; i < 1000; i++)
        for (int w = 0; w < WAYS; w++) {
            const int fd = make(w, raw_file("s"), i & 1 ? 0777 : 0600);
            CHECK(fd >= 0);
            close(fd);
            CHECK_INT(unlink(raw_file("s")), 0);
        }
    stop = true;
    CHECK_INT(pthread_join(t, NULL), 0);
    umask(before);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(exact_mode_under_every_umask),
        CASE(exact_mode_without_privilege),
        CASE(never_wider_where_others_rename),
        CASE(a_successor_keeps_its_file),
        CASE(wrong_modes),
        {"nobody_gets_in", nobody_gets_in, 0, 60},
        {"naive_chmod_after_listen", naive_chmod_after_listen, HARNESS_FAIL, 60},
        CASE(what_is_there_stays),
        CASE(abstract_name_in_use),
        CASE(failures_leave_no_file),
        CASE(backlogs),
        {"umask_is_never_changed", umask_is_never_changed, 0, 60},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
