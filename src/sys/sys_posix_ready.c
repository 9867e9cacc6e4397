// SPDX-License-Identifier: MIT
/* Systems without epoll(7): poll(2) tells of the readiness of many, and an engine takes that when it hears of this. */
#if !defined(__linux__)
#include "sys_posix.h"

int sys_epoll(void)
{
    return -EOPNOTSUPP;
}

int sys_epoll_watch(int epoll, int fd, unsigned before, unsigned events)
{
    (void)epoll;
    (void)fd;
    (void)before;
    (void)events;
    return -EOPNOTSUPP;
}

int sys_epoll_wait(int epoll, struct sys_ready *ready, unsigned max, int64_t timeout_ns)
{
    (void)epoll;
    (void)ready;
    (void)max;
    (void)timeout_ns;
    return -EOPNOTSUPP;
}

#endif
