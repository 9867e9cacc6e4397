// SPDX-License-Identifier: MIT
/*
 * The BSDs and macOS: events and clocks by kqueue(2), and whether the other side has ended.
 *
 * An event is a kqueue with one timer, which fires at once: it needs one descriptor, is readable from then on until it
 * is taken, and every version of these systems has it. EVFILT_USER is younger.
 *
 * What surprised us: a kqueue is not inherited by fork(2), its number is free in the child. A timer that has fired and
 * was not taken is not set anew everywhere, so it is taken out first. There is no POLLRDHUP, but EV_EOF says the same,
 * also while there is something to read.
 */
#if !defined(__linux__) && !defined(__sun)
#include "sys_posix.h"

#include <poll.h>
#include <stdint.h>
#include <sys/event.h>
#include <sys/time.h>

static int change(int queue, uintptr_t ident, int filter, int flags, int64_t data)
{
    struct kevent ev;
    EV_SET(&ev, ident, filter, flags, 0, data, 0);
    return QUIET(UNCANCELLED(kevent(queue, &ev, 1, NULL, 0, NULL)));
}

static int take(int queue, struct kevent *ev)
{
    const struct timespec now = {0, 0};
    return QUIET(UNCANCELLED(kevent(queue, NULL, 0, ev, 1, &now)));
}

int sys_event(void)
{
    const int queue = QUIET(kqueue());
    const int r = queue < 0 ? queue : sys_set_cloexec(queue);
    if (r < 0 && queue >= 0) {
        sys_close(queue);
    }
    return r < 0 ? r : queue;
}

int sys_event_set(int event)
{
    return change(event, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, 1);
}

int sys_event_clear(int event)
{
    struct kevent ev;
    const int r = take(event, &ev);
    return r < 0 ? r : r == 0 ? -EAGAIN : (int)sizeof(uint64_t);
}

int sys_clock(void)
{
    return sys_event();
}

int sys_clock_set(int clock, int64_t at)
{
    const int r = change(clock, 1, EVFILT_TIMER, EV_DELETE, 0);
    if (at < 0 || (r < 0 && r != -ENOENT)) {
        return r == -ENOENT ? 0 : r;
    }
    const int64_t left = at - sys_now();
    const int64_t ms = left < 1000000 ? 1 : left / 1000000 + (left % 1000000 > 0);
    return change(clock, 1, EVFILT_TIMER, EV_ADD | EV_ONESHOT, ms > INT32_MAX ? INT32_MAX : ms);
}

int system_read_ended(int fd)
{
    struct kevent ev;
    const int queue = sys_event();
    if (queue < 0) {
        return queue;
    }
    int r = change(queue, (uintptr_t)fd, EVFILT_READ, EV_ADD, 0);
    if (r >= 0) {
        r = take(queue, &ev);
    }
    sys_close(queue);
    return r < 0 ? r : r > 0 && (ev.flags & EV_EOF) != 0 ? POLLRDHUP : 0;
}

#endif
