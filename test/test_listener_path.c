// SPDX-License-Identifier: MIT
/*
 * What a listener takes over and what it leaves alone; the mode, the owner and the directory of its file; that only its
 * own file is removed, and that nothing but the file is ever left.
 */
#include "listener.h"

#include <stdlib.h>
#include <sys/file.h>
#include <sys/syscall.h>
#include <sys/wait.h>

static const struct unx_listener_options usual = UNX_LISTENER_OPTIONS;

static ino_t number_of(const char *path)
{
    struct stat st;
    CHECK_INT(lstat(path, &st), 0);
    return st.st_ino;
}

/* ---- stale, live, foreign ---- */

static void takes_over_what_is_stale(void)
{
    for (int i = 0; i < 9; i++) {
        const int type = raw_types[i % 3], before = raw_types[i / 3];
        const char *path = raw_file("sock");
        ROW("%s over a stale %s", raw_type_name(type), raw_type_name(before));
        make_stale(before, path);
        struct unx_listener *l = open_at(type, 0, path);
        CHECK_INT(mode_of(path), 0600);
        CHECK_INT(names_in(harness_dir()), 1);
        if (type != SOCK_DGRAM) {
            CHECK(leads_to(type, path, l));
        } else {
            const int fd = raw_connect(type, raw_path(path));
            raw_send(fd, "x", 1, NULL, 0);
            close(fd);
            char c;
            CHECK_INT(recv(unx_listener_fd(l), &c, 1, MSG_DONTWAIT), 1);
        }
        close_listener(l);
        CHECK_INT(names_in(harness_dir()), 0);
    }
}

enum state { LISTENING, NOT_YET, FULL, SHUT_DOWN, STATES };

/* A server that lives, and what keeps its backlog full. */
struct live {
    int fd, client;
};

static struct live make_live(int type, enum state state, const char *path)
{
    struct live s = {raw_bind(type, raw_path(path)), -1};
    if (type == SOCK_DGRAM) {
        CHECK(state != SHUT_DOWN || shutdown(s.fd, SHUT_RD) == 0);
        return s;
    }
    CHECK(state == NOT_YET || listen(s.fd, 0) == 0);
    if (state == FULL) {
        s.client = raw_connect(type, raw_path(path));
    }
    CHECK(state != SHUT_DOWN || shutdown(s.fd, SHUT_RD) == 0);
    return s;
}

static void end_live(struct live s, const char *path)
{
    close(s.fd);
    if (s.client >= 0) {
        close(s.client);
    }
    unlink(path);
}

/* Without asking for it by a flag, nobody who lives loses a path: 3 types, 4 states, 3 types of ours. */
static void leaves_what_lives(void)
{
    const char *path = raw_file("sock");
    int cases = 0, mistaken = 0;
    for (int i = 0; i < 9; i++) {
        for (enum state state = 0; state < STATES; state++) {
            const int type = raw_types[i % 3], theirs = raw_types[i / 3];
            ROW("%s where a %s lives, state %d", raw_type_name(type), raw_type_name(theirs), state);
            const struct live s = make_live(theirs, state, path);
            const ino_t number = number_of(path);
            struct unx_listener *l;
            CHECK_INT(try_open(&l, type, 0, path, NULL), -EADDRINUSE);
            CHECK_INT(number_of(path), number);
            CHECK_INT(names_in(harness_dir()), 1);
            CHECK(state != FULL || theirs == SOCK_DGRAM || connect_now(theirs, path) == -EAGAIN);
            const int naive = connect_now(type, path);
            if (naive >= 0) {
                close(naive);
            }
            cases++;
            mistaken += naive == -ECONNREFUSED;
            end_live(s, path);
        }
    }
    NOTE("naive: a probe by connect(2) of the own type takes %d of %d that live for dead", mistaken, cases);
    CHECK(mistaken > 0);
}

static void not_ours_to_ask(void *path)
{
    raw_become_nobody();
    struct unx_listener *l;
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, NULL), -EADDRINUSE);
    CHECK_INT(try_open(&l, SOCK_STREAM, UNX_REPLACE, path, NULL), -EADDRINUSE);
}

/* Another user's socket, which this one may not connect to, in a directory where everybody may write. */
static void leaves_what_it_may_not_ask(void)
{
    char path[100];
    snprintf(path, sizeof path, "%s", raw_file("sock"));
    CHECK_INT(chmod(harness_dir(), 01777), 0);
    for (int live = 0; live < 2; live++) {
        const int fd = raw_bind(SOCK_STREAM, raw_path(path));
        CHECK_INT(chmod(path, 0600), 0);
        CHECK_INT(listen(fd, 4), 0);
        if (!live) {
            close(fd);
        }
        const ino_t number = number_of(path);
        harness_wait(harness_fork(not_ours_to_ask, path));
        CHECK_INT(number_of(path), number);
        CHECK_INT(names_in(harness_dir()), 1);
        if (live) {
            close(fd);
        }
        unlink(path);
    }
}

static void make_foreign(int kind, const char *path)
{
    const int fd = kind == 0 ? open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0644) : -1;
    switch (kind) {
    case 0:
        CHECK_INT(write(fd, "precious", 8), 8);
        close(fd);
        break;
    case 1:
        CHECK_INT(mkdir(path, 0755), 0);
        break;
    case 2:
        CHECK_INT(symlink("nowhere", path), 0);
        break;
    case 3:
        CHECK_INT(symlink("stale", path), 0);
        break;
    default:
        CHECK_INT(mkfifo(path, 0600), 0);
        break;
    }
}

static void never_touches_what_is_no_socket(void)
{
    const char *path = raw_file("sock");
    make_stale(SOCK_STREAM, raw_file("stale"));
    for (int kind = 0; kind < 5; kind++) {
        make_foreign(kind, path);
        struct stat before, after;
        CHECK_INT(lstat(path, &before), 0);
        for (int i = 0; i < 6; i++) {
            struct unx_listener *l;
            ROW("kind %d, %s", kind, raw_type_name(raw_types[i % 3]));
            CHECK_INT(try_open(&l, raw_types[i % 3], i < 3 ? 0 : UNX_REPLACE, path, NULL), -EADDRINUSE);
        }
        CHECK_INT(lstat(path, &after), 0);
        CHECK_INT(after.st_ino, before.st_ino);
        CHECK_INT(after.st_mode, before.st_mode);
        CHECK_INT(after.st_size, before.st_size);
        CHECK_INT(names_in(harness_dir()), 2);
        CHECK_INT(remove(path), 0);
    }
    CHECK(exists(raw_file("stale")));
}

/* What a server that was killed in the middle left behind is cleared away; what lives under that name stays. */
static void leftovers(void)
{
    raw_need_descriptors(); /* who cannot ask whether it is stale takes another name */
    const char *path = raw_file("sock"), *new = raw_file("sock.unx-new");
    make_stale(SOCK_STREAM, new);
    close_listener(open_at(SOCK_SEQPACKET, 0, path));
    CHECK_INT(names_in(harness_dir()), 0);
    const int fd = raw_listen(SOCK_STREAM, raw_path(new), 4);
    struct unx_listener *l = open_at(SOCK_SEQPACKET, 0, path);
    CHECK(leads_to(SOCK_SEQPACKET, path, l));
    close(raw_connect(SOCK_STREAM, raw_path(new)));
    close_listener(l);
    CHECK_INT(names_in(harness_dir()), 1);
    close(fd);
}

/* Somebody without our lock puts a live socket over the stale one at the same time: it has to be there afterwards. */
static void racer(void *arg)
{
    const int *go = arg, talk = go[1];
    close(go[0]);
    char path[100], aside[100], c;
    snprintf(path, sizeof path, "%s", raw_file("sock"));
    snprintf(aside, sizeof aside, "%s", raw_file("aside"));
    for (unsigned round = 0; read(talk, &c, 1) == 1; round++) {
        const int fd = raw_listen(SOCK_STREAM, raw_path(aside), 4);
        CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
        CHECK_INT(send(talk, "r", 1, 0), 1);
        CHECK_INT(read(talk, &c, 1), 1);
        for (volatile unsigned i = 0; i < round % 64 * 200; i++) {
        }
        CHECK_INT(rename(aside, path), 0);
        CHECK_INT(send(talk, "r", 1, 0), 1);
        CHECK_INT(read(talk, &c, 1), 1);
        const int conn = accept(fd, NULL, NULL);
        CHECK(conn >= 0);
        close(conn);
        close(fd);
        unlink(path);
        CHECK_INT(send(talk, "r", 1, 0), 1);
    }
}

static void gives_back_what_came_between(void)
{
    raw_need_call(SYS_renameat2, "renameat2");
    const char *path = raw_file("sock");
    int go[2], opened = 0;
    char c;
    raw_pair(SOCK_SEQPACKET, go);
    const pid_t pid = harness_fork(racer, go);
    close(go[1]);
    const unsigned rounds = harness_rounds(2000);
    for (unsigned round = 0; round < rounds; round++) {
        make_stale(SOCK_STREAM, path);
        CHECK(write(go[0], "m", 1) == 1 && read(go[0], &c, 1) == 1);
        CHECK_INT(write(go[0], "g", 1), 1);
        struct unx_listener *l;
        const int r = try_open(&l, SOCK_STREAM, 0, path, NULL);
        CHECK(r == 0 || r == -EADDRINUSE);
        opened += r == 0;
        CHECK_INT(read(go[0], &c, 1), 1);
        const int client = raw_try_connect(SOCK_STREAM, raw_path(path));
        CHECK(client >= 0);
        close(client);
        CHECK(write(go[0], "a", 1) == 1 && read(go[0], &c, 1) == 1);
        close_listener(l);
        unlink(path);
    }
    NOTE("%u rounds: %d times before the other, who was never displaced", rounds, opened);
    close(go[0]);
    harness_wait(pid);
}

/* ---- the file: mode, owner ---- */

static void modes(void)
{
    static const mode_t wanted[] = {0600, 0660, 0666, 0777, 0700, 0222, 06777, 0, UNX_MODE_UMASK};
    static const mode_t umasks[] = {0, 022, 077, 0777};
    const char *path = raw_file("sock");
    for (unsigned i = 0; i < sizeof wanted / sizeof *wanted; i++) {
        for (unsigned k = 0; k < sizeof umasks / sizeof *umasks; k++) {
            for (int t = 0; t < 3; t++) {
                ROW("mode %o, umask %o, %s", wanted[i], umasks[k], raw_type_name(raw_types[t]));
                struct unx_listener_options o = usual;
                struct unx_listener *l;
                o.mode = wanted[i];
                const mode_t before = umask(umasks[k]);
                const int r = try_open(&l, raw_types[t], 0, path, &o);
                CHECK_INT(umask(before), umasks[k]);
                CHECK_INT(r, 0);
                const mode_t usual_mode = wanted[i] == UNX_MODE_UMASK ? 0777 & ~umasks[k] : 0600;
                CHECK_INT(mode_of(path), i < 7 ? wanted[i] : usual_mode);
                close_listener(l);
            }
        }
    }
}

static void give_to_root(void *path)
{
    raw_become_nobody();
    struct unx_listener_options o = usual;
    struct unx_listener *l;
    o.owner = 0;
    CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, &o), -EPERM);
}

static void owner_and_group(void)
{
    if (geteuid() != 0) {
        SKIP("needs root to give a file away");
    }
    const char *path = raw_file("sock");
    for (int i = 0; i < 4; i++) {
        struct unx_listener_options o = usual;
        struct unx_listener *l;
        struct stat st;
        o.owner = i & 1 ? 65534 : (uid_t)-1;
        o.group = i & 2 ? 12345 : (gid_t)-1;
        o.mode = 06670;
        CHECK_INT(try_open(&l, raw_types[i % 3], 0, path, &o), 0);
        CHECK_INT(lstat(path, &st), 0);
        CHECK_INT(st.st_uid, i & 1 ? 65534 : 0);
        CHECK_INT(st.st_gid, i & 2 ? 12345 : 0);
        CHECK_INT(st.st_mode & 07777, 06670);
        close_listener(l);
    }
    CHECK_INT(chmod(harness_dir(), 0777), 0);
    harness_wait(harness_fork(give_to_root, (void *)path));
    CHECK_INT(names_in(harness_dir()), 0);
}

/* Without a mode of its own nothing tells our new file from one that somebody has put in its place. */
static void owner_where_others_rename(void)
{
    static const struct {
        mode_t dir, mode;
        uid_t owner_of_dir;
        int result;
    } rows[] = {
        {0755, UNX_MODE_UMASK, 0, 0},      {01777, UNX_MODE_UMASK, 0, 0},         {0777, UNX_MODE_UMASK, 0, -EPERM},
        {0775, UNX_MODE_UMASK, 0, -EPERM}, {0755, UNX_MODE_UMASK, 65534, -EPERM}, {0777, 0660, 0, 0},
    };
    if (geteuid() != 0) {
        SKIP("needs root to give a file away");
    }
    char path[140];
    const char *dir = raw_file("dir");
    CHECK(mkdir(dir, 0755) == 0 && snprintf(path, sizeof path, "%s/sock", dir) > 0);
    for (unsigned i = 0; i < 2 * sizeof rows / sizeof *rows; i++) {
        struct unx_listener_options o = usual;
        struct unx_listener *l;
        o.mode = rows[i / 2].mode;
        *(i % 2 ? &o.group : &o.owner) = 12345;
        ROW("row %u", i / 2);
        CHECK(chmod(dir, rows[i / 2].dir) == 0 && chown(dir, rows[i / 2].owner_of_dir, 0) == 0);
        CHECK_INT(try_open(&l, SOCK_STREAM, 0, path, &o), rows[i / 2].result);
        close_listener(l);
        CHECK_INT(names_in(dir), 0);
    }
}

/* ---- only our own file ---- */

static void removes_its_own_file_only(void)
{
    const char *path = raw_file("sock");
    struct unx_listener *old = open_at(SOCK_STREAM, 0, path), *new = open_at(SOCK_STREAM, UNX_REPLACE, path);
    close_listener(old);
    CHECK(leads_to(SOCK_STREAM, path, new));

    CHECK_INT(unlink(path), 0);
    close_listener(new);
    CHECK_INT(names_in(harness_dir()), 0);

    old = open_at(SOCK_SEQPACKET, 0, path);
    CHECK_INT(unlink(path), 0);
    const int fd = raw_listen(SOCK_STREAM, raw_path(path), 4);
    close_listener(old);
    close(raw_connect(SOCK_STREAM, raw_path(path)));
    close(fd);
    unlink(path);

    old = open_at(SOCK_SEQPACKET, 0, path);
    CHECK_INT(unlink(path), 0);
    make_foreign(0, path);
    CHECK_INT(unx_listener_stop(old, 0), 0);
    close_listener(old);
    CHECK(exists(path));
}

static void naive_close_removes_the_successors_file(void)
{
    const char *path = raw_file("sock");
    const int old = raw_listen(SOCK_STREAM, raw_path(path), 4);
    struct unx_listener *new = open_at(SOCK_STREAM, UNX_REPLACE, path);
    close(old);
    unlink(path);
    CHECK(leads_to(SOCK_STREAM, path, new));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(takes_over_what_is_stale),
        CASE(leaves_what_lives),
        CASE(leaves_what_it_may_not_ask),
        CASE(never_touches_what_is_no_socket),
        CASE(leftovers),
        {"gives_back_what_came_between", gives_back_what_came_between, 0, 120},
        CASE(modes),
        CASE(owner_and_group),
        CASE(owner_where_others_rename),
        CASE(removes_its_own_file_only),
        {"naive_close_removes_the_successors_file", naive_close_removes_the_successors_file, HARNESS_FAIL, 0},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
