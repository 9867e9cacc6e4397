// SPDX-License-Identifier: MIT
/*
 * Linux: what an engine needs besides a socket: readiness of many descriptors, and a clock that can be polled.
 *
 * What surprised us: epoll(7) refuses regular files, with EPERM. It reports EPOLLHUP and EPOLLERR also to those who ask
 * for nothing, so who waits for nothing has to be taken out.
 */
#if defined(__linux__)
#include "sys.h"
#include "sys_linux.h"
#include "sys_linux_call.h"
#include "sys_linux_msan.h"

#include <poll.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>

static struct timespec timespec_of(int64_t ns)
{
    return (struct timespec){.tv_sec = (time_t)(ns / 1000000000), .tv_nsec = (long)(ns % 1000000000)};
}

int sys_event_clear(int event)
{
    uint64_t n;
    return (int)UNINTERRUPTED(UNCANCELLED(read(event, &n, sizeof n)));
}

int sys_clock(void)
{
    return QUIET(timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK));
}

int sys_clock_set(int clock, int64_t at)
{
    /* A time of zero would switch it off. */
    const struct itimerspec when = {.it_value = timespec_of(at < 0 ? 0 : at == 0 ? 1 : at)};
    return QUIET(timerfd_settime(clock, TFD_TIMER_ABSTIME, &when, NULL));
}

int sys_poll_many(struct pollfd *p, unsigned n, int64_t timeout_ns)
{
    const struct timespec ts = timespec_of(timeout_ns < 0 ? 0 : timeout_ns);
    return QUIET(UNCANCELLED(ppoll(p, n, timeout_ns < 0 ? NULL : &ts, NULL)));
}

int sys_epoll(void)
{
    return QUIET(epoll_create1(EPOLL_CLOEXEC));
}

int sys_epoll_watch(int epoll, int fd, unsigned before, unsigned events)
{
    struct epoll_event ev = {.events = events, .data.u64 = (uint32_t)fd};
    if (events == 0) {
        return QUIET(epoll_ctl(epoll, EPOLL_CTL_DEL, fd, &ev));
    }
    const int how = before == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;
    const int r = QUIET(epoll_ctl(epoll, how, fd, &ev));
    /* Somebody has closed it behind our back, and the number is another file's now. */
    if (r == -ENOENT) {
        return QUIET(epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &ev));
    }
    return r == -EEXIST ? QUIET(epoll_ctl(epoll, EPOLL_CTL_MOD, fd, &ev)) : r;
}

int sys_epoll_wait(int epoll, struct sys_ready *ready, unsigned max, int64_t timeout_ns)
{
    struct epoll_event ev[SYS_READY_MAX];
    const int n = (int)(max < SYS_READY_MAX ? max : SYS_READY_MAX);
    long r;
    if (timeout_ns <= 0) {
        r = linux_call(SYS_epoll_pwait, epoll, (long)ev, n, timeout_ns < 0 ? -1 : 0, 0, 0);
    } else {
        /* The kernel's own, which has 64 bits everywhere. */
        const struct {
            int64_t seconds, nanoseconds;
        } ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
        r = SINCE_ANDROID(35, QUIET(UNCANCELLED(syscall(LINUX_NR_epoll_pwait2, epoll, ev, n, &ts, NULL, 0))));
        if (r == -ENOSYS || r == -EPERM) { /* before Linux 5.11, or unknown to a filter that is older */
            const int64_t ms = (timeout_ns + 999999) / 1000000;
            r = QUIET(UNCANCELLED(epoll_wait(epoll, ev, n, ms > INT32_MAX ? INT32_MAX : (int)ms)));
        }
    }
    kernel_wrote(ev, r > 0 ? (size_t)r * sizeof *ev : 0);
    for (int i = 0; i < r; i++) {
        ready[i] = (struct sys_ready){.fd = (int)(uint32_t)ev[i].data.u64, .events = ev[i].events};
    }
    return (int)r;
}

#endif
