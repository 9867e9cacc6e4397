// SPDX-License-Identifier: MIT
/*
 * Attacks on the name of a server, by another user who gets there first: squatted names, names beside that are taken, a
 * directory that is locked. Files that are moved around are in place_moved.c.
 */
#include "place.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- names that somebody else has first ---- */

static void squat(void *arg)
{
    struct place *p = arg;
    place_become_other();
    const int fd = p->path[0] == '@' ? raw_listen(SOCK_STREAM, raw_abstract(p->path + 1, strlen(p->path) - 1), 8)
                                     : raw_listen(SOCK_STREAM, raw_path(p->path), 8);
    if (p->path[0] != '@') {
        CHECK_INT(chmod(p->path, 0777), 0);
    }
    atomic_store(&p->ready, 1);
    while (!atomic_load(&p->stop)) {
        CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        const int c = accept(fd, NULL, NULL);
        if (c >= 0) {
            CHECK(send(c, "U", 1, MSG_NOSIGNAL) == 1 || errno == EPIPE);
            close(c);
        }
        raw_sleep(1);
    }
    close(fd);
}

/* The service does not start, rather than share; the client does not say a word, and knows who it was. */
static void check_squatted(struct place *p)
{
    const pid_t attacker = harness_fork(squat, p);
    while (!atomic_load(&p->ready)) {
        raw_sleep(1);
    }
    struct unx_addr a;
    struct unx_listener *l;
    CHECK_INT(unx_addr_parse(&a, p->path), 0);
    const int64_t until = raw_now() + place_ms() / 4;
    do {
        struct unx_cred who;
        CHECK_INT(unx_listener_open(&l, SOCK_STREAM, 0, &a, NULL), -EADDRINUSE);
        CHECK_INT(place_ask(p->path, &who), 0);
        CHECK_INT(who.known, UNX_KNOWN_ALL);
        CHECK_INT(who.uid, OTHER);
        CHECK_INT(who.pid, attacker);
    } while (raw_now() < until);
    atomic_store(&p->stop, 1);
    harness_wait(attacker);
}

static void squatted_abstract_name(void)
{
    struct place *p = place_share();
    place_need_root();
    snprintf(p->path, sizeof p->path, "@%s", raw_name("squatted"));
    check_squatted(p);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

static void squatted_path(void)
{
    struct place *p = place_share();
    place_need_root();
    place_directory(p, "sticky", 01777);
    check_squatted(p);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

/* ---- names beside that are taken ---- */

static void take_beside(void *arg)
{
    struct place *p = arg;
    static const char *const suffixes[] = {"new", "new1", "new2", "new3"};
    place_become_other();
    for (unsigned i = 0; i < 4; i++) {
        char name[160];
        snprintf(name, sizeof name, "%.100s.unx-%s", p->path, suffixes[i]);
        switch (i) {
        case 0:
            CHECK_INT(symlink("../precious", name), 0);
            break;
        case 1:
            CHECK_INT(mkdir(name, 0700), 0);
            break;
        case 2:
            CHECK_INT(mkfifo(name, 0600), 0);
            break;
        default:
            close(open(name, O_CREAT | O_CLOEXEC, 0600));
            break;
        }
    }
}

static void temporary_names_taken(void)
{
    struct place *p = place_share();
    struct unx_listener *l;
    place_need_root();
    place_directory(p, "sticky", 01777);
    harness_wait(harness_fork(take_beside, p));
    const int64_t start = raw_now();
    /* It does not start, says so at once, and everything is as it was. */
    CHECK_INT(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, p->path, NULL), -EADDRINUSE);
    CHECK(raw_now() - start < 2000);
    static const mode_t kinds[] = {S_IFLNK, S_IFDIR, S_IFIFO, S_IFREG};
    for (unsigned i = 0; i < 4; i++) {
        char name[160];
        struct stat st;
        snprintf(name, sizeof name, i == 0 ? "%.100s.unx-new" : "%.100s.unx-new%u", p->path, i);
        CHECK(lstat(name, &st) == 0 && (st.st_mode & S_IFMT) == kinds[i] && st.st_uid == OTHER);
    }
    CHECK_INT(munmap(p, sizeof *p), 0);
}

/* ---- a directory that somebody has locked ---- */

static void hold_lock(void *arg)
{
    struct place *p = arg;
    char dir[120];
    place_become_other();
    snprintf(dir, sizeof dir, "%.*s", (int)(strrchr(p->path, '/') - p->path), p->path);
    const int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    CHECK(fd >= 0 && flock(fd, LOCK_EX) == 0);
    atomic_store(&p->ready, 1);
    while (!atomic_load(&p->stop)) {
        raw_sleep(1);
    }
}

static struct unx_listener *live;

static void on_term(int sig)
{
    (void)sig;
    unx_listener_stop(live, 0);
}

static void serve_at(void *arg)
{
    struct place *p = arg;
    const struct unx_listener_options o = {.owner = (uid_t)-1, .group = (gid_t)-1, .backlog = -1, .lock_ms = 200};
    CHECK_INT(unx_listener_open_path(&live, SOCK_STREAM, 0, AT_FDCWD, p->path, &o), 0);
    signal(SIGTERM, on_term);
    atomic_store(&p->ready, 1);
    int fd;
    while ((fd = unx_listener_accept(live, 0, NULL, -1)) >= 0) {
        CHECK_INT(send(fd, "U", 1, MSG_NOSIGNAL), 1);
        close(fd);
    }
    CHECK_INT(fd, -ESHUTDOWN);
    const int64_t start = raw_now();
    /* Its file cannot be removed in time, which is said; it ends all the same. */
    CHECK_INT(unx_listener_close(live), -ETIMEDOUT);
    CHECK(raw_now() - start < 2000);
}

static void directory_is_locked(void)
{
    struct place *p = place_share();
    struct unx_listener *l;
    struct unx_cred who;
    place_need_root();
    place_directory(p, "readable", 0755);
    const pid_t server = harness_fork(serve_at, p);
    while (!atomic_load(&p->ready)) {
        raw_sleep(1);
    }
    atomic_store(&p->ready, 0);
    const pid_t attacker = harness_fork(hold_lock, p);
    while (!atomic_load(&p->ready)) {
        raw_sleep(1);
    }
    /* Whoever is served already does not notice; a second start is refused in time. */
    const struct unx_listener_options o = {.owner = (uid_t)-1, .group = (gid_t)-1, .backlog = -1, .lock_ms = 100};
    int64_t start = raw_now();
    CHECK_INT(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, p->path, &o), -ETIMEDOUT);
    CHECK(raw_now() - start >= 100 && raw_now() - start < 2000);
    for (int i = 0; i < 50; i++) {
        start = raw_now();
        CHECK_INT(place_ask(p->path, &who), 'U');
        CHECK(raw_now() - start < 5000);
    }
    CHECK_INT(kill(server, SIGTERM), 0);
    harness_wait(server);
    atomic_store(&p->stop, 1);
    harness_wait(attacker);
    /* What it left behind is taken over by the next. */
    CHECK_INT(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, p->path, NULL), 0);
    CHECK_INT(unx_listener_close(l), 0);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(squatted_abstract_name),
        CASE(squatted_path),
        {"names_are_moved_around", names_are_moved_around, 0, 120},
        {"names_are_moved_around_sticky", names_are_moved_around_sticky, 0, 120},
        CASE(temporary_names_taken),
        CASE(directory_is_locked),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
