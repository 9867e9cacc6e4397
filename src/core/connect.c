// SPDX-License-Identifier: MIT
/*
 * Connecting, with a deadline that holds.
 *
 * Promises: success means connected; a full backlog is waited for, not taken for a connection in progress; the wait
 * ends at the deadline, and meanwhile costs a few wake-ups a second.
 *
 * What surprised us: a non-blocking connect(2) to a full backlog is EAGAIN, and no event ever follows. A blocking one
 * can sleep for ever although there is room, when the kernel's wake-up went to a connector that a signal then took
 * away. So the wait is cut into slices by SO_SNDTIMEO, which also is the only timeout that connect(2) has,
 * and says EAGAIN.
 */
#include "connect.h"
#include "addr.h"
#include "bind.h"
#include "io.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>

static int connect_sliced(int fd, const struct unx_addr *to, int64_t deadline)
{
    const int64_t longest = 100000000, shortest = 1000000;
    int64_t set = 0;
    for (;;) {
        const int64_t left = io_left(deadline);
        if (left == 0) {
            return -ETIMEDOUT;
        }
        const int64_t slice = left < 0 || left > longest ? longest : left < shortest ? shortest : left;
        int r = slice == set ? 0 : sys_set_timeout(fd, UNX_SEND, slice);
        set = slice;
        /* Where sockets have no timeouts, a full backlog does not make connect(2) wait. */
        if (r == 0 || r == -EOPNOTSUPP) {
            r = sys_connect(fd, to);
        }
        if (r != -EAGAIN && r != -EINTR) {
            return r;
        }
    }
}

int connect_once(int fd, const struct unx_addr *to)
{
    int r;
    do {
        r = sys_connect(fd, to);
    } while (r == -EINTR);
    return r;
}

int connect_within(int fd, const struct unx_addr *to, unsigned flags, int timeout_ms)
{
    /* Mostly there is room: then nothing has to be switched and switched back. */
    int r = connect_once(fd, to);
    if (r == -EAGAIN && timeout_ms != 0) {
        const int64_t deadline = io_deadline(timeout_ms);
        r = sys_set_nonblock(fd, false);
        if (r == 0) {
            r = connect_sliced(fd, to, deadline);
        }
        if (r == 0) {
            r = sys_set_timeout(fd, UNX_SEND, -1);
        }
        return r < 0 || (flags & UNX_NONBLOCK) == 0 ? r : sys_set_nonblock(fd, true);
    }
    return r < 0 || (flags & UNX_NONBLOCK) != 0 ? r : sys_set_nonblock(fd, false);
}

int unx_connect(int type, unsigned flags, const struct unx_addr *from, const struct unx_addr *to, int timeout_ms)
{
    struct place p;
    p.name = NULL;
    int r = timeout_ms < -1 ? -EINVAL : addr_check(to);
    if (r == 0 && from != NULL) {
        r = place_of(&p, from);
    }
    const int fd = r < 0 ? r : socket_new(type, flags | UNX_NONBLOCK);
    if (fd < 0) {
        return fd;
    }
    if (from != NULL) {
        r = place_bind(fd, &p, UNX_MODE_UMASK);
    }
    if (r == 0) {
        r = connect_within(fd, to, flags, timeout_ms);
        if (r < 0) {
            place_remove(&p);
        }
    }
    if (r < 0) {
        sys_close(fd);
        return r;
    }
    return fd;
}
