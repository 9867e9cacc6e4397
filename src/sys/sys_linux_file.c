// SPDX-License-Identifier: MIT
/*
 * Linux: the files that sockets are bound to, and paths that no address can hold.
 *
 * What surprised us: fchmod(2) on a socket that is not bound yet decides the mode of its file, and the umask still
 * masks it; after bind(2) it changes nothing. An O_PATH descriptor of the socket file itself is a way to connect to it.
 * /proc may be missing, or be that of another pid namespace, so a path through it is checked before it is used. A
 * thread can have a working directory of its own, and unlike a child process it connects under the pid of its process.
 */
#if defined(__linux__)
#define _FILE_OFFSET_BITS 64 /* else a large inode number is an error where a word has 32 bits */
#include "sys.h"
#include "sys_linux.h"

#include <limits.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static void fill(struct sys_file *f, const struct stat *st)
{
    f->dev = st->st_dev;
    f->ino = st->st_ino;
    f->nlink = st->st_nlink;
    f->uid = st->st_uid;
    f->mode = st->st_mode & 07777;
    f->is_socket = S_ISSOCK(st->st_mode);
}

int sys_open_dir(int dirfd, const char *path)
{
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, path, O_PATH | O_DIRECTORY | O_CLOEXEC)));
}

int sys_open_path(int dirfd, const char *path)
{
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, path, O_PATH | O_CLOEXEC)));
}

int sys_open_own(int dirfd, const char *name)
{
    return UNINTERRUPTED(UNCANCELLED(openat(dirfd, name, O_PATH | O_NOFOLLOW | O_CLOEXEC)));
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

int sys_fd_path(int fd, char *text, size_t size)
{
    struct stat by_path, by_fd;
    const int n = snprintf(text, size, "/proc/self/fd/%d", fd);
    if (n < 0 || (size_t)n >= size) {
        return -ENAMETOOLONG;
    }
    const int r = QUIET(fstat(fd, &by_fd));
    if (r < 0) {
        return r;
    }
    if (QUIET(stat(text, &by_path)) < 0 || by_path.st_dev != by_fd.st_dev || by_path.st_ino != by_fd.st_ino) {
        return -EOPNOTSUPP;
    }
    return n;
}

int sys_set_mode(int fd, mode_t mode)
{
    return QUIET(fchmod(fd, mode));
}

static int set_mode_path(int path_fd, mode_t mode)
{
    const long r = SINCE_ANDROID(INT_MAX, QUIET(syscall(LINUX_NR_fchmodat2, path_fd, "", mode, AT_EMPTY_PATH)));
    if (r != -ENOSYS && r != -EINVAL && r != -EPERM) {
        return (int)r;
    }
    /* An older kernel, or a filter that does not know the call. */
    char path[32];
    const int n = sys_fd_path(path_fd, path, sizeof path);
    return n < 0 ? n : QUIET(chmod(path, mode));
}

/* A descriptor of that very file. */
static int open_same(int dirfd, const char *name, const struct sys_file *is)
{
    struct sys_file f;
    const int fd = sys_open_own(dirfd, name);
    int r = fd < 0 ? fd : sys_file_of(fd, &f);
    if (r == 0) {
        r = f.dev == is->dev && f.ino == is->ino && f.is_socket && f.nlink == 1 ? 0 : -EPERM;
    }
    if (r < 0 && fd >= 0) {
        sys_close(fd);
    }
    return r < 0 ? r : fd;
}

int sys_set_mode_of(int dirfd, const char *name, const struct sys_file *is, mode_t mode)
{
    const int fd = open_same(dirfd, name, is);
    const int r = fd < 0 ? fd : set_mode_path(fd, mode);
    if (fd >= 0) {
        sys_close(fd);
    }
    return r;
}

int sys_set_owner_of(int dirfd, const char *name, const struct sys_file *is, uid_t owner, gid_t group)
{
    const int fd = open_same(dirfd, name, is);
    const int r = fd < 0 ? fd : QUIET(fchownat(fd, "", owner, group, AT_EMPTY_PATH));
    if (fd >= 0) {
        sys_close(fd);
    }
    return r;
}

int sys_unlink(int dirfd, const char *name)
{
    return QUIET(unlinkat(dirfd, name, 0));
}

int sys_rename_new(int dirfd, const char *from, const char *to)
{
    const long r = SINCE_ANDROID(30, QUIET(syscall(SYS_renameat2, dirfd, from, dirfd, to, LINUX_RENAME_NOREPLACE)));
    if (r != -ENOSYS && r != -EINVAL) {
        return (int)r;
    }
    /* A file system without the flag: a second name does not replace either. */
    const int linked = QUIET(linkat(dirfd, from, dirfd, to, 0));
    const int removed = linked < 0 ? linked : sys_unlink(dirfd, from);
    if (linked == 0 && removed < 0) {
        (void)sys_unlink(dirfd, to);
    }
    return removed;
}

struct errand {
    int dirfd;
    int (*work)(void *arg);
    void *arg;
    int result;
};

static void *run_errand(void *p)
{
    struct errand *e = p;
    /* Without a working directory of its own this thread would move that of the whole process. */
    e->result = QUIET(unshare(CLONE_FS));
    if (e->result == 0) {
        e->result = QUIET(fchdir(e->dirfd));
    }
    if (e->result == 0) {
        e->result = e->work(e->arg);
    }
    return NULL;
}

int sys_in_directory(int dirfd, int (*work)(void *arg), void *arg)
{
    struct errand e = {.dirfd = dirfd, .work = work, .arg = arg, .result = -EOPNOTSUPP};
    const int errno_before = errno;
    sigset_t all, before;
    pthread_t thread;

    /* Signals belong to the caller's threads. */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int r = pthread_create(&thread, NULL, run_errand, &e);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (r == 0) {
        r = UNCANCELLED(pthread_join(thread, NULL));
    }
    errno = errno_before;
    return r != 0 ? -r : e.result;
}

#endif
