// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: the files that sockets are bound to, locks.
 *
 * Promises: nothing follows a last symbolic link;
 * what is changed is the file that was asked for, as far as a name can say.
 *
 * What surprised us: a socket file cannot be opened, not even to name it, so mode and owner go by name in a directory
 * that the caller has looked at. The mode of a socket cannot be chosen before it has a name: fchmod(2) fails, or
 * changes nothing that counts. For those that have to listen it is set in between, when nobody can connect; but a
 * client whose connect(2) has looked at the mode already, and goes on after listen(2), is let in.
 * Who cannot have that uses a directory of its own.
 */
#if !defined(__linux__)
#include "sys_posix.h"

#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>

static void fill(struct sys_file *f, const struct stat *st)
{
    f->dev = (uint64_t)st->st_dev;
    f->ino = st->st_ino;
    f->nlink = st->st_nlink;
    f->uid = st->st_uid;
    f->mode = st->st_mode & 07777;
    f->is_socket = S_ISSOCK(st->st_mode);
}

int sys_open_dir(int dirfd, const char *path)
{
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

int sys_open_path(int dirfd, const char *path)
{
    (void)dirfd;
    (void)path;
    return -EOPNOTSUPP;
}

int sys_open_own(int dirfd, const char *name)
{
    (void)dirfd;
    (void)name;
    return -EOPNOTSUPP;
}

int sys_file_at(int dirfd, const char *name, struct sys_file *f)
{
    struct stat st;
    const int r = QUIET(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW));
    if (r == 0) {
        fill(f, &st);
    }
    return r;
}

int sys_file_of(int fd, struct sys_file *f)
{
    struct stat st;
    const int r = QUIET(fstat(fd, &st));
    if (r == 0) {
        fill(f, &st);
    }
    return r;
}

/* A path that leads into an open directory, where the system has one (proc(5)), and nothing else behind that name. */
int sys_fd_path(int fd, char *text, size_t size)
{
    struct stat by_path, by_fd;
    char inside[48];
    const int n = snprintf(text, size, "/proc/self/fd/%d", fd);
    if (n < 0 || (size_t)n >= size) {
        return -ENAMETOOLONG;
    }
    const int r = QUIET(fstat(fd, &by_fd));
    if (r < 0) {
        return r;
    }
    snprintf(inside, sizeof inside, "%s/.", text);
    if (QUIET(stat(inside, &by_path)) < 0 || by_path.st_dev != by_fd.st_dev || by_path.st_ino != by_fd.st_ino) {
        return -EOPNOTSUPP;
    }
    return n;
}

int sys_set_mode(int fd, mode_t mode)
{
    (void)mode;
    const int type = sys_type(fd);
    /* For datagrams, bound is open. */
    return type < 0 ? type : type == SOCK_DGRAM ? -EOPNOTSUPP : 0;
}

static int same_file(int dirfd, const char *name, const struct sys_file *is)
{
    struct sys_file f;
    const int r = sys_file_at(dirfd, name, &f);
    return r < 0 ? r : f.dev == is->dev && f.ino == is->ino && f.is_socket && f.nlink == 1 ? 0 : -EPERM;
}

int sys_set_mode_of(int dirfd, const char *name, const struct sys_file *is, mode_t mode)
{
    const int r = same_file(dirfd, name, is);
    if (r < 0) {
        return r;
    }
    const int done = QUIET(fchmodat(dirfd, name, mode, AT_SYMLINK_NOFOLLOW));
#if defined(__sun)
    /* It knows the flag, and refuses it whatever the name is; that one was looked at right before. */
    return done == -EOPNOTSUPP ? QUIET(fchmodat(dirfd, name, mode, 0)) : done;
#else
    return done;
#endif
}

int sys_set_owner_of(int dirfd, const char *name, const struct sys_file *is, uid_t owner, gid_t group)
{
    const int r = same_file(dirfd, name, is);
    return r < 0 ? r : QUIET(fchownat(dirfd, name, owner, group, AT_SYMLINK_NOFOLLOW));
}

int sys_unlink(int dirfd, const char *name)
{
    return QUIET(unlinkat(dirfd, name, 0));
}

int sys_rename(int dirfd, const char *from, const char *to)
{
    return QUIET(renameat(dirfd, from, dirfd, to));
}

/* ---- locks ---- */

int sys_open_readable_dir(int dirfd)
{
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC)));
}

int sys_open_lock(int dirfd, const char *name)
{
    const int flags = O_RDWR | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, name, flags, 0600)));
}

int sys_lock(int fd)
{
    return QUIET(flock(fd, LOCK_EX | LOCK_NB));
}

int sys_unlock(int fd)
{
    return QUIET(flock(fd, LOCK_UN));
}

#endif
