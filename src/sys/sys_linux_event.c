// SPDX-License-Identifier: MIT
/*
 * Linux: what objects share, the listener and the engine: an event that wakes who waits, and memory.
 */
#if defined(__linux__)
#include "sys.h"
#include "sys_linux.h"

#include <stdlib.h>
#include <sys/eventfd.h>

int sys_event(void)
{
    return QUIET(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK));
}

int sys_event_set(int event)
{
    const int r = UNINTERRUPTED(UNCANCELLED(eventfd_write(event, 1)));
    /* It counts, and when it can count no further it has been set often enough. */
    return r == -EAGAIN ? 0 : r;
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
