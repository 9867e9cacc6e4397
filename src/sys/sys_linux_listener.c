// SPDX-License-Identifier: MIT
/*
 * Linux: what a listener needs besides a socket: locks, files that change places, waiting for one of two.
 *
 * What surprised us: flock(2) takes a directory that was opened for reading, and the lock belongs to the open file, so
 * a child of fork(2) holds it too until somebody unlocks it by name. RENAME_EXCHANGE replaces a file and keeps what was
 * there, to be looked at afterwards. poll(2) overlooks negative descriptors.
 */
#if defined(__linux__)
#include "sys.h"
#include "sys_linux.h"

#include <poll.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

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

int sys_rename(int dirfd, const char *from, const char *to)
{
    return QUIET(renameat(dirfd, from, dirfd, to));
}

int sys_swap(int dirfd, const char *a, const char *b)
{
    const int r = (int)SINCE_ANDROID(30, QUIET(syscall(SYS_renameat2, dirfd, a, dirfd, b, LINUX_RENAME_EXCHANGE)));
    return r == -EINVAL || r == -ENOSYS ? -EOPNOTSUPP : r;
}

int sys_poll_or(int fd, int events, int event, int64_t timeout_ns)
{
    struct pollfd p[2] = {{.fd = fd, .events = (short)events}, {.fd = event, .events = POLLIN}};
    const struct timespec ts = {.tv_sec = (time_t)(timeout_ns / 1000000000),
                                .tv_nsec = (long)(timeout_ns % 1000000000)};
    const int r = QUIET(UNCANCELLED(ppoll(p, 2, timeout_ns < 0 ? NULL : &ts, NULL)));
    return r <= 0 ? r : p[0].revents & POLLNVAL ? -EBADF : p[0].revents;
}

#endif
