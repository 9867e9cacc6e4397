// SPDX-License-Identifier: MIT
/*
 * Linux: this process, and which descriptor is where in it. Async-signal-safe, but for the last one.
 *
 * What surprised us: a pidfd is an anonymous inode, the same one for all, before Linux 6.9. dup2(2) may say EBUSY while
 * another thread opens a file.
 */
#if defined(__linux__)
#define _FILE_OFFSET_BITS 64 /* else a large inode number is an error where a word has 32 bits */
#include "sys.h"
#include "sys_linux.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/vfs.h>

uint64_t sys_own_pidfdid(void)
{
    struct stat st;
    struct statfs fs;
    const int fd = (int)SINCE_ANDROID(31, QUIET(syscall(LINUX_NR_pidfd_open, getpid(), 0)));
    if (fd < 0) {
        return 0;
    }
    /* A kernel of 32 bits has room for half of the number. */
    const bool known = sizeof(long) == 8 && QUIET(fstatfs(fd, &fs)) == 0 && fs.f_type == LINUX_PIDFS;
    const uint64_t id = known && QUIET(fstat(fd, &st)) == 0 ? st.st_ino : 0;
    sys_close(fd);
    return id;
}

int sys_check_open(int fd)
{
    const int r = QUIET(fcntl(fd, F_GETFD));
    return r < 0 ? r : 0;
}

int sys_dup_above(int fd, int least)
{
    const int r = QUIET(fcntl(fd, F_DUPFD_CLOEXEC, least));
    return r == -EINVAL ? -EMFILE : r;
}

int sys_place(int from, int to)
{
    int r;
    do {
        r = from == to ? QUIET(fcntl(from, F_SETFD, 0)) : QUIET(dup2(from, to));
    } while (r == -EINTR || r == -EBUSY);
    return r < 0 ? r : 0;
}

unsigned sys_max_open(void)
{
    struct rlimit limit;
    const int r = QUIET(getrlimit(RLIMIT_NOFILE, &limit));
    return r < 0 || limit.rlim_cur > INT32_MAX ? INT32_MAX : (unsigned)limit.rlim_cur;
}

int sys_pipe(int fds[2])
{
    return QUIET(pipe2(fds, O_CLOEXEC));
}

void sys_environment_remove(const char *name)
{
    (void)QUIET(unsetenv(name));
}

#endif
