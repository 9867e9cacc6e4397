// SPDX-License-Identifier: MIT
/*
 * What happens to the files of a listener between two steps of opening it: the new one is swapped for another, a
 * foreign program puts its own there, or nothing can be learned. Owner and mode are given to our own file or to none,
 * what is not ours keeps its name, and no file stays behind.
 */
#include "between.h"
#include "listener.h"

#include <sys/syscall.h>

enum { OTHER = 12345 };

struct opening {
    unsigned way; /* 0: unx_bind(), 1: unx_listen(), 2: unx_listener_open_path() */
    mode_t mode;
    uid_t owner; /* of a listener */
    int fd;
    struct unx_listener *l;
    bool bound;
    unsigned calls;   /* since then, that were stopped */
    const char *name; /* of the new file, in the directory of the case */
    int error;        /* of each call that asks about a file, since then */
    unsigned failing; /* how many of them */
};

/* For the thread that opens, beside the other one's raw_file(). */
static const char *sock_path(void)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/sock", harness_dir());
    return path;
}

static int open_it(void *arg)
{
    struct opening *o = arg;
    const char *path = sock_path();
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, path), 0);
    if (o->way == 2) {
        struct unx_listener_options options = UNX_LISTENER_OPTIONS;
        options.mode = o->mode;
        options.owner = o->owner;
        return unx_listener_open_path(&o->l, SOCK_STREAM, 0, AT_FDCWD, path, &options);
    }
    o->fd = o->way == 0 ? unx_bind(SOCK_STREAM, 0, &a, o->mode) : unx_listen(SOCK_STREAM, 0, &a, 5, o->mode);
    return o->fd < 0 ? o->fd : 0;
}

static void close_it(struct opening *o)
{
    if (o->way == 2) {
        close_listener(o->l);
    } else if (o->fd >= 0) {
        close(o->fd);
    }
}

/* ---- another file has the name ---- */

/* The first file that is opened after bind(2) is the new one, whose identity is known by then. */
static int swap(void *arg, int number)
{
    struct opening *o = arg;
    if (number == SYS_bind) {
        o->bound = true;
    } else if (o->bound && o->calls++ == 0) {
        CHECK_INT(rename(raw_file(o->name), raw_file("taken")), 0);
        CHECK_INT(rename(raw_file("victim"), raw_file(o->name)), 0);
    }
    return 0;
}

/* A socket of somebody else, which may be used by whoever could use it before. */
static void swapped(struct opening o)
{
    static const int numbers[] = {SYS_bind, SYS_openat};
    struct stat before, after;
    raw_need_socket_calls();
    close(raw_bind(SOCK_STREAM, raw_path(raw_file("victim"))));
    CHECK_INT(chmod(raw_file("victim"), 0500), 0);
    CHECK_INT(lstat(raw_file("victim"), &before), 0);
    CHECK_INT(between(numbers, 2, open_it, swap, &o), -EPERM);
    CHECK(o.calls > 0);
    CHECK_INT(lstat(raw_file(o.name), &after), 0);
    CHECK(after.st_ino == before.st_ino);
    CHECK_INT(after.st_mode, before.st_mode);
    CHECK_INT(after.st_uid, before.st_uid);
    CHECK_INT(names_in(harness_dir()), 2);
    CHECK_INT(unlink(raw_file(o.name)), 0);
    CHECK_INT(unlink(raw_file("taken")), 0);
}

static void owner_of_a_swapped_file(void)
{
    const uid_t owner = geteuid() == 0 ? OTHER : geteuid();
    swapped((struct opening){.way = 2, .mode = 0666, .owner = owner, .name = "sock.unx-new"});
    swapped((struct opening){.way = 2, .mode = UNX_MODE_UMASK, .owner = owner, .name = "sock.unx-new"});
}

static void mode_of_a_swapped_file(void)
{
    for (unsigned way = 0; way < 3; way++) {
        ROW("way %u", way);
        swapped(
            (struct opening){.way = way, .mode = 0777, .owner = (uid_t)-1, .name = way == 2 ? "sock.unx-new" : "sock"});
    }
}

/* ---- others do not ask for the lock ---- */

struct claiming {
    unsigned calls; /* calls that were stopped */
    int foreign;
};

static int open_stale(void *arg)
{
    (void)arg;
    struct unx_listener *l;
    return unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, sock_path(), NULL);
}

/* A foreign program serves there just before our file changes places with the stale one; and it removes ours, whose
 * place it wants, just before they change places again. */
static int steps_in(void *arg, int number)
{
    struct claiming *c = arg;
    (void)number;
    if (++c->calls == 1) {
        c->foreign = raw_listen(SOCK_STREAM, raw_path(raw_file("foreign")), 5);
        CHECK_INT(rename(raw_file("foreign"), raw_file("sock")), 0);
    } else if (c->calls == 2) {
        CHECK_INT(unlink(raw_file("sock")), 0);
    }
    return 0;
}

static void foreign_file_keeps_its_name(void)
{
    raw_need_call(SYS_renameat2, "renameat2");
    static const int numbers[] = {SYS_renameat2};
    struct claiming c = {.calls = 0};
    make_stale(SOCK_STREAM, raw_file("sock"));
    CHECK_INT(between(numbers, 1, open_stale, steps_in, &c), -EADDRINUSE);
    CHECK(c.calls >= 2);
    close(raw_connect(SOCK_STREAM, raw_path(raw_file("sock"))));
    close(accept(c.foreign, NULL, NULL));
    CHECK_INT(names_in(harness_dir()), 1);
    close(c.foreign);
}

/* Our own new file is replaced before it gets its name. */
static int replaces_ours(void *arg, int number)
{
    struct claiming *c = arg;
    if (number == SYS_listen && c->calls++ == 0) {
        c->foreign = raw_listen(SOCK_STREAM, raw_path(raw_file("foreign")), 5);
        CHECK_INT(rename(raw_file("foreign"), raw_file("sock.unx-new")), 0);
    }
    return 0;
}

static void foreign_file_gets_no_name(void)
{
    static const int numbers[] = {SYS_listen};
    raw_need_socket_calls();
    struct claiming c = {.calls = 0};
    CHECK_INT(between(numbers, 1, open_stale, replaces_ours, &c), -EADDRINUSE);
    CHECK_INT(c.calls, 1);
    CHECK(!exists(raw_file("sock")) && exists(raw_file("sock.unx-new")));
    close(c.foreign);
}

/* ---- nothing can be learned ---- */

static int ask_fails(void *arg, int number)
{
    struct opening *o = arg;
    if (number == SYS_bind) {
        o->bound = true;
    } else if (o->bound) {
        o->calls++;
        return o->error;
    }
    return 0;
}

#ifdef SYS_newfstatat
#define SYS_ASK SYS_newfstatat
#else
#define SYS_ASK SYS_fstatat64
#endif

static void nothing_is_known(void)
{
    raw_need_quiet();
    static const int numbers[] = {SYS_bind, SYS_ASK};
    static const mode_t modes[] = {0600, 0777, UNX_MODE_UMASK};
    for (unsigned i = 0; i < 12; i++) {
        struct opening o = {.way = i / 3 < 2 ? i / 3 : 2, .mode = modes[i % 3], .owner = (uid_t)-1, .error = -EIO};
        o.owner = i / 3 == 3 ? geteuid() : (uid_t)-1;
        ROW("way %u, mode %o, owner %d", o.way, o.mode, (int)o.owner);
        const int r = between(numbers, 2, open_it, ask_fails, &o);
        if (o.calls == 0) {
            SKIP("this C library asks about files by another system call");
        }
        /* A name alone is made without being looked at. */
        const bool bare = o.way < 2 && o.mode == UNX_MODE_UMASK;
        CHECK_INT(r, bare ? 0 : -EIO);
        CHECK_INT(names_in(harness_dir()), bare ? 1 : 0);
        close_it(&o);
        unlink(raw_file("sock"));
    }
}

/* So often: a file that only its name leads to is asked about again before it is given away, and what fails then is
 * said, not what compares with a file that nobody knows. */
static int ask_fails_at_first(void *arg, int number)
{
    struct opening *o = arg;
    const int r = ask_fails(o, number);
    return o->calls <= o->failing ? r : 0;
}

static void nothing_is_known_at_first(void)
{
    raw_need_quiet();
    static const int numbers[] = {SYS_bind, SYS_ASK};
    for (unsigned times = 1; times <= 2; times++) {
        struct opening o = {.way = 2, .mode = UNX_MODE_UMASK, .owner = geteuid(), .error = -EIO, .failing = times};
        ROW("%u times", times);
        const int r = between(numbers, 2, open_it, ask_fails_at_first, &o);
        if (o.calls == 0) {
            SKIP("this C library asks about files by another system call");
        }
        CHECK_INT(r, times == 1 ? 0 : -EIO);
        CHECK(o.calls > 1);
        close_it(&o);
        CHECK_INT(names_in(harness_dir()), 0);
    }
}

/* ---- a name that stays ---- */

/* A file system that renames nothing without replacing, and removes nothing at first. */
static int stays(void *arg, int number)
{
    unsigned *removals = arg;
    return number == SYS_renameat2 ? -ENOSYS : number == SYS_unlinkat && (*removals)++ == 0 ? -EIO : 0;
}

/* Two names lead to the new socket by then, and it goes with both. */
static void second_name_that_stays(void)
{
    static const int numbers[] = {SYS_renameat2, SYS_unlinkat};
    unsigned removals = 0;
    CHECK_INT(between(numbers, 2, open_stale, stays, &removals), -EIO);
    CHECK(removals > 1);
    CHECK_INT(names_in(harness_dir()), 0);
}

static const struct test_case cases[] = {
    CASE(owner_of_a_swapped_file),   CASE(mode_of_a_swapped_file), CASE(foreign_file_keeps_its_name),
    CASE(foreign_file_gets_no_name), CASE(nothing_is_known),       CASE(nothing_is_known_at_first),
    CASE(second_name_that_stays),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
