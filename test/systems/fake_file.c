// SPDX-License-Identifier: MIT
/*
 * Files, directories and the process of another system, where those differ from Linux's.
 */
#include "fake.h"

#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

int fake_stat(const char *path, struct stat *st)
{
    return !fake->proc && strncmp(path, "/proc/", 6) == 0 ? fail(ENOENT) : stat(path, st);
}

int fake_fchmodat(int dirfd, const char *name, mode_t mode, int flags)
{
    return flags != 0 && !fake->nofollow_mode ? fail(EOPNOTSUPP) : fchmodat(dirfd, name, mode, flags);
}

int issetugid(void);

int issetugid(void)
{
    return getuid() != geteuid() || getgid() != getegid();
}

#if defined(FAKE_FREEBSD)
int getosreldate(void);
int bindat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len);
int connectat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len);

int getosreldate(void)
{
    return fake->marks ? 1500000 : 1402000;
}

#define NAME_ROOM sizeof(struct sockaddr_storage)

static int name_below(char name[NAME_ROOM], const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    if (address_in(&a, sa, len) < 0) {
        return -1;
    }
    snprintf(name, NAME_ROOM, "%s", ((struct sockaddr_un *)&a)->sun_path);
    return 0;
}

static struct sockaddr_un short_name(const char *format, int fd)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    snprintf(to.sun_path, sizeof to.sun_path, format, fd);
    return to;
}

int bindat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len)
{
    char name[NAME_ROOM];
    struct stat st;
    if (name_below(name, sa, len) != 0) {
        return -1;
    }
    if (name[0] == '/') {
        return fake_bind(fd, sa, len);
    }
    const int before = errno;
    if (fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW) == 0) {
        return fail(EADDRINUSE);
    }
    errno = before;
    /* A short name, which Linux has room for. */
    const struct sockaddr_un to = short_name("/proc/self/fd/%d/.bindat", dirfd);
    return bind(fd, (const struct sockaddr *)&to, sizeof to) != 0 ? -1 : renameat(dirfd, ".bindat", dirfd, name);
}

int connectat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len)
{
    char name[NAME_ROOM];
    if (name_below(name, sa, len) != 0) {
        return -1;
    }
    if (name[0] == '/') {
        return fake_connect(fd, sa, len);
    }
    const int file = openat(dirfd, name, O_PATH | O_CLOEXEC);
    if (file < 0) {
        return -1;
    }
    const struct sockaddr_un to = short_name("/proc/self/fd/%d", file);
    const int r = fake_connect(fd, (const struct sockaddr *)&to, sizeof to);
    const int error = errno;
    close(file);
    errno = error;
    return r;
}
#endif

#if defined(FAKE_NETBSD)
int paccept(int fd, struct sockaddr *sa, socklen_t *len, const sigset_t *mask, int flags);

int paccept(int fd, struct sockaddr *sa, socklen_t *len, const sigset_t *mask, int flags)
{
    (void)mask;
    return fake_accept4(fd, sa, len, flags);
}
#endif

#if defined(FAKE_DARWIN)
int pthread_fchdir_np(int fd);
int renameatx_np(int fromdir, const char *from, int todir, const char *to, unsigned flags);

int pthread_fchdir_np(int fd)
{
    static _Thread_local int outside = -1;
    if (fd >= 0) {
        /* From here on this thread has a directory of its own. */
        if (outside >= 0 || unshare(CLONE_FS) != 0) {
            return fail(EINVAL);
        }
        outside = open(".", O_PATH | O_CLOEXEC);
        if (outside < 0 || fchdir(fd) != 0) {
            const int error = errno;
            close(outside);
            outside = -1;
            return fail(error);
        }
        return 0;
    }
    const int r = outside < 0 ? fail(EINVAL) : fchdir(outside);
    close(outside);
    outside = -1;
    return r;
}

int renameatx_np(int fromdir, const char *from, int todir, const char *to, unsigned flags)
{
    return renameat2(fromdir, from, todir, to, flags == RENAME_SWAP ? RENAME_EXCHANGE : RENAME_NOREPLACE);
}
#endif
