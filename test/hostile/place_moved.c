// SPDX-License-Identifier: MIT
/*
 * Attacks on the name of a server by another user who may write where it lies (place.h): files that are moved around
 * while a listener starts and stops.
 *
 * What surprised us: in a directory that others may write, a name says nothing, so a client has to look who is behind
 * it. And a file that somebody moves to a name just before that name is removed, is removed: unlink(2) takes a name,
 * not a file. It is one that the mover could have removed himself.
 */
#include "place.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

struct victim {
    int file;
    struct stat was;
    char path[120], socket[120];
};

static void victim_make(struct victim *v)
{
    snprintf(v->path, sizeof v->path, "%s/precious", harness_dir());
    snprintf(v->socket, sizeof v->socket, "%s/live", harness_dir());
    v->file = open(v->path, O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    CHECK(v->file >= 0 && write(v->file, "precious", 8) == 8 && fstat(v->file, &v->was) == 0);
}

static void victim_check(const struct victim *v)
{
    struct stat is;
    char text[9] = "";
    CHECK(lstat(v->path, &is) == 0 && pread(v->file, text, 9, 0) == 8);
    CHECK(is.st_ino == v->was.st_ino && is.st_mode == v->was.st_mode && is.st_uid == v->was.st_uid &&
          is.st_nlink == 1 && strcmp(text, "precious") == 0);
    CHECK(lstat(v->socket, &is) == 0 && S_ISSOCK(is.st_mode) && (is.st_mode & 0777) == 0600 && is.st_uid == 0);
}

/* A file of the attacker's own put at a name that the listener uses; what it has become after a moment. */
static void put_and_look(struct place *p, const char *name, unsigned round)
{
    char own[160];
    struct stat before, after;
    snprintf(own, sizeof own, "%.100s-own", p->path);
    const int fd = open(own, O_RDWR | O_CREAT | O_CLOEXEC, 0604);
    CHECK(fd >= 0 && fstat(fd, &before) == 0);
    if (rename(own, name) == 0) {
        usleep(round % 7 * 50);
        CHECK_INT(fstat(fd, &after), 0);
        /* Never its mode, nor its owner. */
        CHECK(after.st_mode == before.st_mode && after.st_uid == before.st_uid);
        atomic_fetch_add(&p->attempts, 1);
        atomic_fetch_add(&p->bad, after.st_nlink == 0);
        unlink(name);
    } else {
        unlink(own);
    }
    close(fd);
}

static void disturb(void *arg)
{
    struct place *p = arg;
    char beside[160], away[160];
    const char *victims[2] = {"../precious", "../live"};
    place_become_other();
    snprintf(beside, sizeof beside, "%.100s.unx-new", p->path);
    snprintf(away, sizeof away, "%.100s-away", p->path);
    const char *names[2] = {p->path, beside};
    for (unsigned round = 0; !atomic_load(&p->stop); round++) {
        const char *name = names[round / 8 % 2];
        switch (round % 8) {
        case 0:
        case 1:
            put_and_look(p, name, round);
            break;
        case 2:
        case 3:
            if (symlink(victims[round % 2], away) == 0 && rename(away, name) != 0) {
                unlink(away);
            }
            break;
        case 4: {
            const int fd = raw_try_bind(SOCK_STREAM, raw_path(away));
            if (fd >= 0) {
                CHECK_INT(listen(fd, 4), 0);
                rename(away, name);
                usleep(100);
                unlink(away);
                close(fd);
            }
            break;
        }
        case 5:
            /* Away with whatever is there, and back under the other name. */
            if (rename(name, away) == 0) {
                rename(away, names[1 - round / 8 % 2]);
            }
            break;
        case 6:
            unlink(name);
            mkdir(name, 0777);
            usleep(50);
            rmdir(name);
            break;
        default:
            unlink(p->path);
            unlink(beside);
            break;
        }
    }
}

static void be_live(void *arg)
{
    struct place *p = arg;
    struct unx_listener *l;
    char path[120];
    snprintf(path, sizeof path, "%s/live", harness_dir());
    CHECK_INT(unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, path, NULL), 0);
    atomic_store(&p->ready, 1);
    place_serve(p, l);
    CHECK_INT(unx_listener_close(l), 0);
}

static unsigned count_files(const char *path)
{
    DIR *d = opendir(path);
    unsigned n = 0;
    CHECK(d != NULL);
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        n += e->d_name[0] != '.';
    }
    closedir(d);
    return n;
}

/* Starts, asks who is there, stops; again and again, and until both sides have had their turn.
 * What may go wrong: the start, if somebody else's file is there. */
static void start_and_stop(struct place *p, unsigned *started, unsigned *reached, unsigned *refused)
{
    const int64_t enough = raw_now() + place_ms(), last = enough + 30000;
    while (raw_now() < enough || ((*reached == 0 || atomic_load(&p->attempts) == 0) && raw_now() < last)) {
        struct unx_listener *l;
        struct unx_cred who;
        const int r = unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, p->path, NULL);
        CHECK(r == 0 || r == -EADDRINUSE || r == -EPERM || r == -ENOENT || r == -ELOOP || r == -EISDIR);
        if (r != 0) {
            continue;
        }
        ++*started;
        struct unx_addr a;
        CHECK_INT(unx_addr_path(&a, p->path), 0);
        const int fd = unx_connect(SOCK_STREAM, 0, NULL, &a, 0);
        if (fd >= 0) {
            CHECK_INT(unx_peer_cred(fd, &who), 0);
            *reached += who.uid == 0 && who.pid == getpid();
            *refused += who.uid == OTHER;
            close(fd);
        }
        const int closed = unx_listener_close(l);
        CHECK(closed == 0 || closed == -EPERM || closed == -ENOENT || closed == -EISDIR);
    }
}

static void names_are_moved(mode_t mode)
{
    struct place *p = place_share();
    struct victim v;
    struct unx_cred who;
    char dir[100], live[100];
    unsigned started = 0, reached = 0, refused = 0;
    place_need_root();
    place_directory(p, "shared", mode);
    victim_make(&v);
    const pid_t other_server = harness_fork(be_live, p);
    while (!atomic_load(&p->ready)) {
        raw_sleep(1);
    }
    const pid_t attacker = harness_fork(disturb, p);
    start_and_stop(p, &started, &reached, &refused);
    victim_check(&v);
    snprintf(live, sizeof live, "%s/live", harness_dir());
    CHECK_INT(place_ask(live, &who), 'U');
    atomic_store(&p->stop, 1);
    harness_wait(attacker);
    harness_wait(other_server);
    NOTE("%u starts, %u clients came to us, %u to the attacker; %u files put there, %u of them removed", started,
         reached, refused, atomic_load(&p->attempts), atomic_load(&p->bad));
    CHECK(started > 0 && reached > 0 && atomic_load(&p->attempts) > 0);
    close(v.file);
    snprintf(dir, sizeof dir, "%s/shared", harness_dir());
    CHECK(count_files(dir) <= 3);
    CHECK_INT(munmap(p, sizeof *p), 0);
}

void names_are_moved_around(void)
{
    names_are_moved(0777);
}

void names_are_moved_around_sticky(void)
{
    names_are_moved(01777);
}
