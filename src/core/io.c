// SPDX-License-Identifier: MIT
/*
 * Waiting that survives signals: the time that remains is counted on the monotonic clock.
 *
 * What surprised us: a socket timeout starts anew with each system call, so a call that is repeated blindly under a
 * 1 kHz signal never times out. A datagram socket without a peer polls as writable while its receiver is full.
 */
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

int64_t io_deadline(int timeout_ms)
{
    return timeout_ms < 0 ? -1 : sys_now() + timeout_ms * INT64_C(1000000);
}

int64_t io_left(int64_t deadline)
{
    if (deadline < 0) {
        return -1;
    }
    const int64_t left = deadline - sys_now();
    return left < 0 ? 0 : left;
}

ssize_t io_until(int fd, int events, int64_t deadline, io_attempt *again, void *arg)
{
    const int64_t pause = 1000000;
    for (int ready = 0;;) {
        const ssize_t r = again(fd, arg, MSG_DONTWAIT);
        if (r != -EAGAIN && r != -EINTR) {
            return r;
        }
        const int64_t left = io_left(deadline);
        if (left == 0) {
            return -EAGAIN;
        }
        if (ready > 0 && r == -EAGAIN) {
            /* It said ready and was not: asking again at once would be a busy loop. */
            sys_sleep(left < 0 || left > pause ? pause : left);
        }
        ready = sys_poll(fd, events, io_left(deadline));
        if (ready < 0 && ready != -EINTR) {
            return ready;
        }
    }
}

ssize_t io_resume(int fd, int events, unsigned which, int64_t since, io_attempt *again, void *arg)
{
    int64_t timeout = -1;
    int r = since < 0 ? 0 : sys_get_timeout(fd, which, &timeout);
    if (r == 0 && timeout >= 0) {
        r = sys_get_nonblock(fd);
    }
    if (r < 0) {
        return r;
    }
    if (timeout >= 0 && r == 0) {
        return io_until(fd, events, since + timeout, again, arg);
    }
    for (;;) {
        const ssize_t n = again(fd, arg, 0);
        if (n != -EINTR) {
            return n;
        }
    }
}

int unx_wait(int fd, int events, int timeout_ms)
{
    if (timeout_ms < -1 || fd < 0) {
        return fd < 0 ? -EBADF : -EINVAL;
    }
    const int64_t deadline = io_deadline(timeout_ms);
    for (;;) {
        const int r = sys_poll(fd, events, timeout_ms == 0 ? 0 : io_left(deadline));
        if (r == 0) {
            return timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT;
        }
        if (r != -EINTR) {
            return r;
        }
    }
}
