// SPDX-License-Identifier: MIT
/*
 * The directory of a listener's file: its lock, who may write to it, paths of any length, one that cannot be read; and
 * that no file stays behind when something fails on the way.
 */
#include "deep.h"
#include "listener.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static const struct unx_listener_options usual = UNX_LISTENER_OPTIONS;

static int open_within(struct unx_listener **l, unsigned flags, const char *path, int lock_ms)
{
    struct unx_listener_options o = usual;
    o.lock_ms = lock_ms;
    return try_open(l, SOCK_SEQPACKET, flags, path, &o);
}

/* ---- the lock ---- */

static int lock_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(flock(fd, LOCK_EX), 0);
    return fd;
}

static void *release(void *arg)
{
    raw_sleep(100);
    close(*(int *)arg);
    return NULL;
}

static void waits_for_the_lock_within_bounds(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *l;
    int fd = lock_path(harness_dir(), O_RDONLY | O_DIRECTORY);
    int64_t start = raw_now();
    CHECK_INT(open_within(&l, 0, path, 0), -EAGAIN);
    raw_took(start, 0);
    start = raw_now();
    CHECK_INT(open_within(&l, 0, path, 100), -ETIMEDOUT);
    raw_took(start, 100);
    CHECK_INT(names_in(harness_dir()), 0);

    pthread_t thread;
    start = raw_now();
    CHECK_INT(pthread_create(&thread, NULL, release, &fd), 0);
    CHECK_INT(open_within(&l, 0, path, -1), 0);
    raw_took_with_others(start, 100);
    CHECK_INT(pthread_join(thread, NULL), 0);

    /* The file that cannot be removed safely stays, and the next one takes it over. */
    struct unx_listener *bounded;
    close_listener(l);
    CHECK_INT(open_within(&bounded, 0, path, 100), 0);
    fd = lock_path(harness_dir(), O_RDONLY | O_DIRECTORY);
    start = raw_now();
    CHECK_INT(unx_listener_close(bounded), -ETIMEDOUT);
    raw_took(start, 100);
    CHECK(exists(path));
    close(fd);
    close_listener(open_at(SOCK_SEQPACKET, 0, path));
    CHECK_INT(names_in(harness_dir()), 0);
}

/* Where nothing can be locked, neither the directory nor a file in it, nobody has the lock. The file stays, because
 * somebody may have locked it before: here it was left by such a one. */
static void nothing_can_be_locked(void)
{
    static const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_flock, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOLCK),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};
    struct unx_listener *before = open_at(SOCK_SEQPACKET, 0, raw_file("before")), *l;
    close(lock_path(raw_file("sock.unx-lock"), O_RDWR | O_CREAT));
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        close_listener(before);
        SKIP("no filter of system calls here");
    }
    CHECK_INT(open_within(&l, 0, raw_file("sock"), 0), -ENOLCK);
    CHECK(!exists(raw_file("sock")));
    CHECK_INT(unx_listener_close(before), -ENOLCK);
    CHECK(exists(raw_file("before")));
}

/* A listener keeps no lock: neither for others, nor through a child that was forked meanwhile. */
static void keeps_no_lock(void)
{
    struct unx_listener *l = open_at(SOCK_SEQPACKET, 0, raw_file("sock"));
    const int fd = open(harness_dir(), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK_INT(flock(fd, LOCK_EX | LOCK_NB), 0);
    close(fd);
    close_listener(l);
}

static void in_unreadable(void *arg)
{
    raw_become_nobody();
    const char *dir = arg;
    char path[200], lock[200];
    struct unx_listener *l, *other;
    snprintf(path, sizeof path, "%s/sock", dir);
    snprintf(lock, sizeof lock, "%s/sock.unx-lock", dir);
    CHECK(open(dir, O_RDONLY | O_DIRECTORY) < 0 && errno == EACCES);
    const int fd = lock_path(lock, O_RDWR | O_CREAT);
    CHECK_INT(open_within(&l, 0, path, 50), -ETIMEDOUT);
    CHECK(exists(lock));
    close(fd);
    make_stale(SOCK_STREAM, path);
    CHECK_INT(open_within(&l, 0, path, 1000), 0);
    CHECK_INT(open_within(&other, 0, path, 1000), -EADDRINUSE);
    CHECK(leads_to(SOCK_SEQPACKET, path, l));
    CHECK(!exists(lock));
    CHECK_INT(unx_listener_stop(l, 0), 0);
    CHECK(!exists(path) && !exists(lock));
    close_listener(l);
    CHECK_INT(open_within(&l, UNX_PRIVATE_DIR, path, 1000), 0);
    close_listener(l);
}

static void directory_that_cannot_be_read(void)
{
    char *dir = (char *)raw_file("dir");
    CHECK_INT(mkdir(dir, 0300), 0);
    if (geteuid() == 0) {
        CHECK_INT(chown(dir, 65534, 65534), 0);
    }
    harness_wait(harness_fork(in_unreadable, dir));
    CHECK_INT(names_in(dir), 0);
}

/* Six that cannot lock the directory: the lock file comes and goes under them. */
static void start_in_unreadable(void *arg)
{
    raw_become_nobody();
    int *const servers = arg;
    char path[200];
    snprintf(path, sizeof path, "%s/sock", raw_file("dir"));
    for (int i = 0; i < 100; i++) {
        struct unx_listener *l;
        const int r = try_open(&l, SOCK_STREAM, 0, path, NULL);
        CHECK(r == 0 || r == -EADDRINUSE);
        if (r == 0) {
            CHECK_INT(__atomic_add_fetch(servers, 1, __ATOMIC_SEQ_CST), 1);
            CHECK(leads_to(SOCK_STREAM, path, l));
            CHECK_INT(__atomic_sub_fetch(servers, 1, __ATOMIC_SEQ_CST), 0);
            close_listener(l);
        }
    }
}

static void one_at_a_time_by_lock_file(void)
{
    pid_t pid[6];
    const char *dir = raw_file("dir");
    CHECK_INT(mkdir(dir, 0300), 0);
    if (geteuid() == 0) {
        CHECK_INT(chown(dir, 65534, 65534), 0);
    }
    int *servers = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(servers != MAP_FAILED);
    for (int i = 0; i < 6; i++) {
        pid[i] = harness_fork(start_in_unreadable, servers);
    }
    for (int i = 0; i < 6; i++) {
        harness_wait(pid[i]);
    }
    CHECK_INT(names_in(dir), 0);
    CHECK_INT(munmap(servers, 4096), 0);
}

/* ---- who may write there ---- */

static void private_directory(void)
{
    static const struct {
        mode_t above, dir;
        uid_t owner;
        int result;
    } rows[] = {
        {0755, 0755, 0, 0},      {0755, 0700, 0, 0},       {0755, 0775, 0, -EPERM},
        {0755, 0757, 0, -EPERM}, {0755, 01777, 0, -EPERM}, {0777, 0700, 0, -EPERM},
        {0770, 0700, 0, -EPERM}, {01777, 0700, 0, 0},      {0755, 0700, 65534, -EPERM},
    };
    char above[100], dir[120], path[140];
    snprintf(above, sizeof above, "%s", raw_file("above"));
    snprintf(dir, sizeof dir, "%s/dir", above);
    snprintf(path, sizeof path, "%s/sock", dir);
    CHECK(mkdir(above, 0755) == 0 && mkdir(dir, 0755) == 0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("row %u", i);
        if (rows[i].owner != 0 && (geteuid() != 0 || chown(dir, rows[i].owner, (gid_t)-1) != 0)) {
            continue;
        }
        CHECK(chmod(above, rows[i].above) == 0 && chmod(dir, rows[i].dir) == 0);
        struct unx_listener *l;
        CHECK_INT(try_open(&l, SOCK_STREAM, UNX_PRIVATE_DIR, path, NULL), rows[i].result);
        close_listener(l);
        CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, NULL), 0);
        close_listener(l);
        CHECK_INT(names_in(dir), 0);
    }
}

/* ---- paths of any length ---- */

static void connect_and_leave(const struct deep *d, struct unx_listener *l, int dirfd, const char *path)
{
    const int client = unx_connect_path(SOCK_SEQPACKET, 0, dirfd, path, 1000);
    CHECK(client >= 0);
    const int conn = unx_listener_accept(l, 0, NULL, 1000);
    CHECK(conn >= 0);
    close(conn);
    close(client);
    CHECK_INT(entries(d), 1);
}

static void any_length(void *arg)
{
    static const size_t names[] = {1, 60, 90, 108, 200, 247, 248, 255};
    static const size_t dirs[] = {60, 107, 108, 300, 3000};
    if (arg == without) {
        take_proc_away();
    }
    for (unsigned k = 0; k < sizeof dirs / sizeof *dirs; k++) {
        struct deep d;
        make_deep(&d, dirs[k]);
        for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
            /* Without /proc, nothing can ask who lives under a name that no address holds. */
            if (arg == without && names[i] > 108) {
                continue;
            }
            char name[256], path[8192];
            memset(name, 'n', names[i]);
            name[names[i]] = '\0';
            for (int s = 0; s < SAYS; s++) {
                const int dirfd = said(&d, s, name, path);
                struct unx_listener *l, *other;
                ROW("directory %zu, name %zu, way %d", dirs[k], names[i], s);
                CHECK_INT(unx_listener_open_path(&l, SOCK_SEQPACKET, 0, dirfd, path, NULL), 0);
                CHECK_INT(unx_listener_open_path(&other, SOCK_STREAM, 0, dirfd, path, NULL), -EADDRINUSE);
                connect_and_leave(&d, l, dirfd, path);
                CHECK_INT(unx_listener_open_path(&other, SOCK_SEQPACKET, UNX_REPLACE, dirfd, path, NULL), 0);
                close_listener(l);
                connect_and_leave(&d, other, dirfd, path);
                CHECK_INT(unx_listener_forget(other), 0);
                CHECK_INT(unx_listener_open_path(&l, SOCK_SEQPACKET, 0, dirfd, path, NULL), 0);
                connect_and_leave(&d, l, dirfd, path);
                close_listener(l);
                CHECK_INT(entries(&d), 0);
            }
        }
        close_deep(&d);
    }
}

static void paths_of_any_length(void)
{
    any_length(NULL);
}

static void paths_without_proc(void)
{
    harness_wait(harness_fork(any_length, without));
}

/* The working directory may change meanwhile: the file that is removed is the one that was made. */
static void relative_path(void)
{
    const int before = open(".", O_PATH | O_CLOEXEC);
    CHECK_INT(chdir(harness_dir()), 0);
    struct unx_listener *l = open_at(SOCK_STREAM, 0, "sock");
    CHECK_INT(fchdir(before), 0);
    close(before);
    CHECK(leads_to(SOCK_STREAM, raw_file("sock"), l));
    close_listener(l);
    CHECK_INT(names_in(harness_dir()), 0);
}

/* ---- failing on the way ---- */

static void in_unwritable(void *path)
{
    raw_become_nobody();
    struct unx_listener *l;
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, NULL), -EACCES);
}

static void failures_leave_nothing(void)
{
    char path[100], below[120];
    struct unx_listener *l;
    snprintf(path, sizeof path, "%s", raw_file("sock"));
    snprintf(below, sizeof below, "%s/sock", path);
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, below, NULL), -ENOENT);
    close(open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600));
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, below, NULL), -ENOTDIR);
    CHECK_INT(unlink(path), 0);
    harness_wait(harness_fork(in_unwritable, path));
    /* With room for n descriptors more, for every n until there is enough. */
    for (unsigned n = 0, done = 0; !done; n++) {
        make_stale(SOCK_STREAM, path);
        raw_limit(n);
        const int r = try_open(&l, SOCK_SEQPACKET, 0, path, NULL);
        raw_unlimit();
        ROW("room for %u", n);
        CHECK(n < 20 && (r == 0 || r == -EMFILE));
        CHECK_INT(names_in(harness_dir()), 1);
        done = r == 0;
        close_listener(l);
        unlink(path);
    }
}

/* What it may not remove any more stays, and that is told. */
static void in_locked_up(void *path)
{
    raw_become_nobody();
    struct unx_listener *l = open_at(SOCK_STREAM, 0, path);
    CHECK_INT(chmod(harness_dir(), 0555), 0);
    CHECK_INT(unx_listener_close(l), -EACCES);
    CHECK(exists(path));
    CHECK_INT(chmod(harness_dir(), 0700), 0);
}

static void a_file_that_cannot_be_removed(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s", raw_file("sock"));
    CHECK(geteuid() != 0 || chown(harness_dir(), 65534, 65534) == 0);
    harness_wait(harness_fork(in_locked_up, path));
    CHECK_INT(unlink(path), 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(waits_for_the_lock_within_bounds),
        CASE(nothing_can_be_locked),
        CASE(keeps_no_lock),
        CASE(directory_that_cannot_be_read),
        CASE(one_at_a_time_by_lock_file),
        CASE(private_directory),
        CASE(paths_of_any_length),
        CASE(paths_without_proc),
        CASE(relative_path),
        CASE(failures_leave_nothing),
        CASE(a_file_that_cannot_be_removed),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
