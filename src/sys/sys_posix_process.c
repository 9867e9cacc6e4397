// SPDX-License-Identifier: MIT
/*
 * Every system but Linux: this process, its descriptors, its environment, memory. What all of them lack says so here.
 *
 * What surprised us: nobody else has a descriptor of a process that a peer could hand out, so everything about pidfds
 * and labels is -EOPNOTSUPP.
 */
#if !defined(__linux__)
#include "sys_posix.h"

#include <stdlib.h>
#include <sys/resource.h>
#include <sys/time.h>

void sys_own_cred(struct unx_cred *c, bool effective)
{
    c->pid = getpid();
    c->uid = effective ? geteuid() : getuid();
    c->gid = effective ? getegid() : getgid();
    c->known = UNX_KNOWN_ALL;
}

int sys_peer_label(int fd, char *label, size_t max, size_t *len)
{
    (void)fd;
    (void)label;
    (void)max;
    *len = 0;
    return -EOPNOTSUPP;
}

int sys_peer_pidfd(int fd)
{
    (void)fd;
    return -EOPNOTSUPP;
}

int sys_pidfd_running(int pidfd)
{
    return pidfd < 0 ? -EBADF : -EOPNOTSUPP;
}

int sys_pidfd_pid(int pidfd)
{
    return pidfd < 0 ? -EBADF : -EOPNOTSUPP;
}

uint64_t sys_own_pidfdid(void)
{
    return 0;
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
    } while (r == -EINTR);
    return r < 0 ? r : 0;
}

unsigned sys_max_open(void)
{
    struct rlimit limit;
    const int r = QUIET(getrlimit(RLIMIT_NOFILE, &limit));
    return r < 0 || limit.rlim_cur > INT32_MAX ? INT32_MAX : (unsigned)limit.rlim_cur;
}

ssize_t sys_pread(int fd, void *p, size_t n, uint64_t at)
{
    return QUIET(UNCANCELLED(pread(fd, p, n, (off_t)at)));
}

const char *sys_environment(const char *name)
{
    return issetugid() ? NULL : getenv(name);
}

void sys_environment_remove(const char *name)
{
    (void)QUIET(unsetenv(name));
}

void *sys_allocate(size_t size)
{
    const int errno_before = errno;
    void *p = calloc(1, size);
    MAY_CHANGE_ERRNO();
    errno = errno_before;
    return p;
}

void sys_free(void *p)
{
    const int errno_before = errno;
    free(p);
    MAY_CHANGE_ERRNO();
    errno = errno_before;
}

#endif
