// SPDX-License-Identifier: MIT
/*
 * Paths that no address can hold, and names below a directory descriptor: listen, bind and connect, with /proc, without
 * it, and with one that belongs to another pid namespace. The working directory of every thread stays where it is, the
 * peer is this process, no temporary name is left.
 */
#include "deep.h"
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>
#include <unx/unx.h>

static void check_pid(int fd)
{
    struct ucred c;
    socklen_t len = sizeof c;
    CHECK_INT(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &c, &len), 0);
    CHECK_INT(c.pid, getpid());
}

static void check_connections(const struct deep *d, int type, int server, const char *name)
{
    for (int s = 0; s < SAYS; s++) {
        char path[8192];
        const int dirfd = said(d, s, name, path);
        for (unsigned flags = 0; flags <= UNX_NONBLOCK; flags++) {
            ROW("connect, %zu bytes, way %d, %.20s", d->len, s, name);
            const int fd = QUIET(unx_connect_path(type, flags, dirfd, path, 1000));
            if (fd < 0)
                CHECK_INT(fd, 0);
            CHECK_INT(raw_nonblock(fd), flags != 0);
            CHECK(raw_cloexec(fd));
            raw_send(fd, "hello", 5, NULL, 0);
            char text[8];
            struct raw_got g;
            int conn = server;
            if (type != SOCK_DGRAM) {
                conn = raw_accept(server);
                check_pid(conn);
                check_pid(fd);
            }
            raw_recv(conn, text, sizeof text, 0, &g);
            CHECK_MEM(text, (size_t)g.result, "hello", 5);
            if (type != SOCK_DGRAM)
                close(conn);
            close(fd);
        }
    }
}

/* Can a mode that is wider than the umask be given to a file, not to a name? fchmodat2(2), or /proc. */
static bool can_widen(void)
{
    const long call = 452;
    return access("/proc/self/fd", F_OK) == 0 || syscall(call, AT_FDCWD, "/", 0, -1) == 0 || errno == EINVAL;
}

/* can_connect: 0, or the error that connecting has to end with. */
static void check_name(const struct deep *d, int type, enum say s, const char *name, mode_t mode, int can_connect)
{
    char path[8192];
    const int dirfd = said(d, s, name, path), backlog = type == SOCK_DGRAM ? UNX_BIND_ONLY : 16;
    const int before = harness_nfds();
    const unsigned files = entries(d);
    ROW("%s, %zu bytes, way %d, %.20s, mode %o", raw_type_name(type), d->len, s, name, mode);
    const int server = QUIET(unx_listen_path(type, 0, dirfd, path, backlog, mode));
    if (mode != UNX_MODE_UMASK && (mode & 022) != 0 && !can_widen()) {
        CHECK_INT(server, -EOPNOTSUPP);
        CHECK_INT(entries(d), files);
        CHECK_INT(harness_nfds(), before);
        return;
    }
    if (server < 0)
        CHECK_INT(server, 0);
    struct stat st;
    CHECK_INT(fstatat(d->fd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
    CHECK(S_ISSOCK(st.st_mode));
    CHECK_INT(st.st_mode & 07777, mode == UNX_MODE_UMASK ? 0755 : mode);
    CHECK_INT(st.st_nlink, 1);
    CHECK_INT(QUIET(unx_listen_path(type, 0, dirfd, path, backlog, mode)), -EADDRINUSE);
    CHECK_INT(entries(d), files + 1);
    if (can_connect) {
        CHECK_INT(QUIET(unx_connect_path(type, 0, dirfd, path, 1000)), can_connect);
        CHECK_INT(renameat(d->fd, name, d->fd, "short"), 0);
        name = "short";
    }
    check_connections(d, type, server, name);
    close(server);
    CHECK_INT(unlinkat(d->fd, name, 0), 0);
    CHECK_INT(harness_nfds(), before);
}

static void check_all(int long_name_connects)
{
    static const size_t lengths[] = {60, 300, 1000};
    static const size_t names[] = {1, 60, 107, 200, 255};
    static const mode_t modes[] = {0600, 0666, UNX_MODE_UMASK};
    umask(022);
    for (int l = 0; l < 3; l++) {
        struct deep d;
        make_deep(&d, lengths[l]);
        for (int n = 0; n < 5; n++) {
            char name[256];
            memset(name, 'n', names[n]);
            name[names[n]] = 0;
            for (int t = 0; t < 3; t++)
                for (int s = 0; s < SAYS; s++)
                    check_name(&d, raw_types[t], s, name, modes[(n + t + s) % 3],
                               names[n] > 108 ? long_name_connects : 0);
        }
        close_deep(&d);
    }
}

static void with_proc(void)
{
    check_all(0);
}

/* ---- without /proc ---- */

static void no_proc(void *arg)
{
    (void)arg;
    take_proc_away();
    check_all(-ENAMETOOLONG);
}

static void without_proc(void)
{
    harness_dir();
    harness_wait(harness_fork(no_proc, NULL));
}

static void mount_proc(void *arg)
{
    CHECK_INT(getpid(), 1);
    if (mount("proc", "/proc", "proc", 0, NULL))
        SKIP("/proc cannot be mounted: %s", strerror(errno));
    close(*(int *)arg);
    pause();
}

static void mount_in_new_namespace(void *arg)
{
    if (unshare(CLONE_NEWPID))
        SKIP("no new pid namespace: %s", strerror(errno));
    const pid_t child = harness_fork(mount_proc, arg);
    close(*(int *)arg);
    harness_wait(child);
}

/* The /proc of a pid namespace in which this process is not: /proc/self leads nowhere. */
static void foreign_proc(void *arg)
{
    (void)arg;
    if (unshare(CLONE_NEWNS))
        SKIP("no new mount namespace: %s", strerror(errno));
    if (mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL))
        SKIP("mounts cannot be made private: %s", strerror(errno));
    int ready[2];
    raw_pipe(ready);
    const pid_t child = harness_fork(mount_in_new_namespace, &ready[1]);
    close(ready[1]);
    for (int i = 0; !raw_pipe_ended(ready[0]); i++) {
        CHECK(i < 1000);
        raw_sleep(5);
    }
    if (access("/proc/1/fd", F_OK))
        harness_wait(child);
    CHECK_INT(access("/proc/self/fd", F_OK), -1);
    check_all(-ENAMETOOLONG);
    kill(child, SIGKILL);
    harness_wait(child);
}

static void with_a_foreign_proc(void)
{
    harness_dir();
    harness_wait(harness_fork(foreign_proc, NULL));
}

/* ---- nobody's working directory moves ---- */

static atomic_bool stop;
static atomic_uint looked;

static void *watch(void *arg)
{
    char now[4096];
    while (!stop) {
        CHECK(getcwd(now, sizeof now) != NULL);
        CHECK(!strcmp(now, arg));
        looked++;
    }
    return NULL;
}

static void work(void *how)
{
    if (how)
        take_proc_away();
    struct deep d;
    make_deep(&d, 300);
    char cwd[4096], path[8192];
    CHECK_INT(chdir("/tmp"), 0);
    CHECK(getcwd(cwd, sizeof cwd) != NULL);
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, watch, cwd), 0);
    raw_signals_start();
    for (int i = 0; i < (raw_under_valgrind() ? 50 : 500) || looked <= (raw_under_valgrind() ? 10 : 100); i++) {
        const int dirfd = said(&d, i % SAYS, "s", path);
        const int server = unx_listen_path(SOCK_STREAM, 0, dirfd, path, 4, 0600);
        CHECK(server >= 0);
        const int client = unx_connect_path(SOCK_STREAM, 0, dirfd, path, 1000);
        CHECK(client >= 0);
        close(client);
        close(server);
        CHECK_INT(unlinkat(d.fd, "s", 0), 0);
    }
    raw_signals_stop();
    stop = true;
    CHECK_INT(pthread_join(t, NULL), 0);
    char now[4096];
    CHECK(getcwd(now, sizeof now) != NULL);
    CHECK(!strcmp(now, cwd));
    close_deep(&d);
}

static void working_directory_stays(void)
{
    harness_dir();
    harness_wait(harness_fork(work, NULL));
}

static void working_directory_stays_without_proc(void)
{
    harness_dir();
    harness_wait(harness_fork(work, without));
}

/* A long path that starts in the working directory. */
static void relative(void *how)
{
    struct deep d;
    make_deep(&d, 300);
    if (how)
        take_proc_away();
    CHECK_INT(chdir(harness_dir()), 0);
    char path[8192];
    said(&d, BELOW_BASE, "s", path);
    const int server = QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, 4, 0600));
    CHECK(server >= 0);
    CHECK_INT(faccessat(d.fd, "s", F_OK, 0), 0);
    const int client = QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, path, 1000));
    CHECK(client >= 0);
    close(client);
    close(server);
    CHECK_INT(unlinkat(d.fd, "s", 0), 0);
    close_deep(&d);
}

static void relative_to_the_working_directory(void)
{
    harness_dir();
    harness_wait(harness_fork(relative, NULL));
    harness_wait(harness_fork(relative, without));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"with_proc", with_proc, 0, 60},
        {"without_proc", without_proc, 0, 60},
        {"with_a_foreign_proc", with_a_foreign_proc, 0, 60},
        CASE(working_directory_stays),
        CASE(working_directory_stays_without_proc),
        CASE(relative_to_the_working_directory),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
