// SPDX-License-Identifier: MIT
/*
 * The time of a call that makes several attempts on a socket that has a timeout.
 *
 * Promises: however many pieces come or go, and however many signals, the call ends when the time is over that
 * began with its second attempt. Who waits without limit, or not at all, does not ask the clock.
 */
#include "frames.h"
#include "io.h"
#include "sys.h"

#include <errno.h>

int frames_deadline(int fd, unsigned which, unsigned flags, int64_t *deadline)
{
    int64_t timeout = -1;
    int r = flags & UNX_DONTWAIT ? 0 : sys_get_timeout(fd, which, &timeout);
    *deadline = -1;
    if (r >= 0 && timeout >= 0 && (r = sys_get_nonblock(fd)) == 0) {
        *deadline = sys_now() + timeout;
    }
    return r < 0 ? r : 0;
}

bool frames_late(int64_t deadline)
{
    return io_left(deadline) == 0;
}

int frames_wait(int fd, int events, unsigned flags, int64_t deadline)
{
    int r;
    do {
        const int64_t left = io_left(deadline);
        r = left == 0 ? -EAGAIN : sys_poll(fd, events, left);
    } while (r == 0 || (r == -EINTR && (flags & UNX_INTR) == 0));
    return r < 0 ? r : 0;
}
