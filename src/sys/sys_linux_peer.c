// SPDX-License-Identifier: MIT
/*
 * Linux: who is there.
 *
 * What surprised us: SO_PEERCRED succeeds on sockets of any family and state, with pid 0 and ids of -1. SO_PEERPIDFD of
 * a process that was reaped is EINVAL before Linux 6.16 and a good descriptor since. pidfd_send_signal(2)
 * takes a directory of /proc for a pidfd, and signal 0 is still taken by a zombie: so waitid(2) is asked whether it is
 * one, and poll(2) whether the process runs. SO_PEERPIDFD with a short length makes a descriptor and loses it.
 */
#if defined(__linux__)
#include "sys.h"
#include "sys_linux.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>

/* The first 64 bytes of struct pidfd_info, Linux 6.13. */
struct linux_pidfd_info {
    uint64_t mask, cgroupid;
    uint32_t pid, tgid, ppid, ids[8], exit_code;
};
#define LINUX_PIDFD_GET_INFO _IOWR(0xff, 11, struct linux_pidfd_info)
_Static_assert(sizeof(struct linux_pidfd_info) == 64, "the size is part of the request");

void sys_own_cred(struct unx_cred *c, bool effective)
{
    c->pid = getpid();
    c->uid = effective ? geteuid() : getuid();
    c->gid = effective ? getegid() : getgid();
    c->known = UNX_KNOWN_ALL;
}

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct ucred u = {.pid = 0};
    socklen_t len = sizeof u;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &u, &len));
    if (r < 0) {
        return r;
    }
    c->pid = u.pid;
    c->uid = u.uid;
    c->gid = u.gid;
    return 0;
}

int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    gid_t none;
    const unsigned most = 65536; /* NGROUPS_MAX of the kernel */
    socklen_t len = (socklen_t)((max < most ? max : most) * sizeof *groups);
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, LINUX_SO_PEERGROUPS, max == 0 ? &none : groups, &len));
    *n = r == 0 || r == -ERANGE ? (unsigned)(len / sizeof *groups) : 0;
    switch (r) {
    case -ENODATA:
        return -ENOTCONN;
    case -ENOPROTOOPT:
        return -EOPNOTSUPP;
    default:
        return r;
    }
}

int sys_peer_label(int fd, char *label, size_t max, size_t *len)
{
    char none;
    socklen_t n = max > 65536 ? 65536 : (socklen_t)max;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, SO_PEERSEC, max == 0 ? &none : label, &n));
    *len = r == 0 || r == -ERANGE ? n : 0;
    return r == -ENOPROTOOPT ? -EOPNOTSUPP : r;
}

int sys_peer_pidfd(int fd)
{
    int pidfd = -1;
    socklen_t len = sizeof pidfd;
    const int r = QUIET(getsockopt(fd, SOL_SOCKET, LINUX_SO_PEERPIDFD, &pidfd, &len));
    switch (r) {
    case 0:
        return pidfd;
    case -ENOPROTOOPT:
        return -EOPNOTSUPP;
    case -ENODATA:
        return -ENOTCONN;
    case -EINVAL:
        return -ESRCH;
    default:
        return r;
    }
}

int sys_pidfd_running(int pidfd)
{
    siginfo_t info;
    if (pidfd < 0) {
        return -EBADF;
    }
    /* Whose child it is does not matter here: only a pidfd gets further than EBADF. */
    const int r = QUIET(UNCANCELLED(waitid((idtype_t)LINUX_P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT)));
    if (r == -EBADF || r == -EINVAL) {
        return r == -EBADF ? r : -EOPNOTSUPP;
    }
    const int events = sys_poll(pidfd, POLLIN, 0);
    return events < 0 ? events : (events & POLLIN) == 0;
}

static int pid_from_fdinfo(int pidfd)
{
    char path[40];
    char text[512];
    snprintf(path, sizeof path, "/proc/self/fdinfo/%d", pidfd);
    const int fd = UNINTERRUPTED(UNCANCELLED(open(path, O_RDONLY | O_CLOEXEC)));
    if (fd < 0) {
        return fd == -ENOENT ? -EOPNOTSUPP : fd;
    }
    const ssize_t n = QUIET(UNCANCELLED(read(fd, text, sizeof text - 1)));
    sys_close(fd);
    if (n < 0) {
        return (int)n;
    }
    text[n] = '\0';
    const char *line = strstr(text, "\nPid:");
    int pid = 0;
    if (line == NULL || sscanf(line, "\nPid: %d", &pid) != 1) {
        return -EBADF;
    }
    return pid > 0 ? pid : -ESRCH;
}

int sys_pidfd_pid(int pidfd)
{
    struct linux_pidfd_info info = {.mask = 1};
    const int r = QUIET(ioctl(pidfd, LINUX_PIDFD_GET_INFO, &info));
    if (r == 0) {
        return info.pid > 0 ? (int)info.pid : -ESRCH;
    }
    return r == -ESRCH || r == -EREMOTE ? -ESRCH : pid_from_fdinfo(pidfd);
}

#endif
