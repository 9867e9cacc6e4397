// SPDX-License-Identifier: MIT
/*
 * Telling the service manager: the client of the notification protocol (sd_notify(3)).
 *
 * Promises: ends at the deadline, whatever the manager does; 0 when there is nobody to tell; the whole text goes, or an
 * error says that nothing went.
 *
 * What surprised us: a datagram socket that is not connected polls as writable while its receiver is full, so this one
 * connects first. The kernel adds credentials only if the receiver wants them when the message is sent; those that were
 * attached by the sender are there also if it asks for them later. In a user namespace without a mapping nobody can
 * attach any.
 */
#include "activation.h"
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <string.h>

/* 1: connected to the manager; 0: there is none. */
static int connect_manager(int *fd)
{
    const char *to = sys_environment("NOTIFY_SOCKET");
    struct unx_addr a;
    int r = -EAFNOSUPPORT;
    if (to == NULL) {
        return 0;
    }
    if (to[0] == '/') {
        r = unx_connect_path(SOCK_DGRAM, UNX_NONBLOCK, AT_FDCWD, to, 0);
    } else if (to[0] == '@') {
        r = to[1] == '\0' ? -EINVAL : unx_addr_abstract(&a, to + 1, strlen(to + 1));
        r = r < 0 ? r : unx_connect(SOCK_DGRAM, UNX_NONBLOCK, NULL, &a, 0);
    }
    *fd = r;
    return r < 0 ? r : 1;
}

static ssize_t tell_once(int fd, void *arg, int how)
{
    struct unx_msg *m = arg;
    (void)how; /* the socket is non-blocking */
    int r = unx_send(fd, m, 0);
    if ((r == -EPERM || r == -EINVAL) && m->cred != NULL) {
        m->cred = NULL;
        r = unx_send(fd, m, 0);
    }
    return r;
}

static int tell(const char *text, const int *fds, unsigned nfds, int64_t deadline)
{
    struct unx_cred own;
    const struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = (int *)fds, .nfds = nfds, .cred = &own};
    int fd, r = connect_manager(&fd);
    if (r <= 0) {
        return r;
    }
    sys_own_cred(&own, false);
    r = (int)io_until(fd, POLLOUT, deadline, tell_once, &m);
    sys_close(fd);
    return r;
}

/* What every call with a deadline returns; the environment stays after an error. */
static int told(int r, unsigned flags, int timeout_ms)
{
    static const char *const variables[] = {"NOTIFY_SOCKET", NULL};
    if (r >= 0) {
        env_unset(variables, flags);
    }
    return r == -EAGAIN && timeout_ms > 0 ? -ETIMEDOUT : r;
}

int unx_notify(const char *text, const int *fds, unsigned nfds, unsigned flags, int timeout_ms)
{
    const size_t len = text == NULL ? 0 : strnlen(text, UNX_NOTIFY_MAX + 1);
    if (len == 0 || (fds == NULL && nfds > 0) || (flags & ~UNX_UNSET) != 0 || timeout_ms < -1) {
        return -EINVAL;
    }
    if (len > UNX_NOTIFY_MAX) {
        return -EMSGSIZE;
    }
    return told(tell(text, fds, nfds, io_deadline(timeout_ms)), flags, timeout_ms);
}

/* Until every copy of the other end is closed. */
static int await_hangup(int fd, int64_t deadline)
{
    for (;;) {
        /* Nothing is asked for: the hang-up comes unasked. */
        const int events = sys_poll(fd, 0, io_left(deadline));
        if (events != -EINTR) {
            return events > 0 ? 1 : events == 0 ? -EAGAIN : events;
        }
    }
}

int unx_notify_barrier(unsigned flags, int timeout_ms)
{
    int fds[2];
    if ((flags & ~UNX_UNSET) != 0 || timeout_ms < -1) {
        return -EINVAL;
    }
    if (sys_environment("NOTIFY_SOCKET") == NULL) {
        return 0;
    }
    const int64_t deadline = io_deadline(timeout_ms);
    int r = sys_pipe(fds);
    if (r < 0) {
        return r;
    }
    r = tell("BARRIER=1", &fds[1], 1, deadline);
    sys_close(fds[1]);
    if (r > 0) {
        r = await_hangup(fds[0], deadline);
    }
    sys_close(fds[0]);
    return told(r, flags, timeout_ms);
}

/* 0: the value of a variable names this process; 1: another one; -EINVAL. */
static int for_other(const char *pid)
{
    struct unx_cred own;
    uint64_t to;
    sys_own_cred(&own, false);
    if (!text_number(pid, strlen(pid), INT_MAX, &to)) {
        return -EINVAL;
    }
    return to != (uint64_t)own.pid;
}

int unx_notify_watchdog(uint64_t *usec, unsigned flags)
{
    static const char *const variables[] = {"WATCHDOG_USEC", "WATCHDOG_PID", NULL};
    if (usec == NULL || (flags & ~UNX_UNSET) != 0) {
        return -EINVAL;
    }
    *usec = 0;
    const char *interval = sys_environment("WATCHDOG_USEC");
    const char *pid = sys_environment("WATCHDOG_PID");
    uint64_t n;
    int r = 0;
    if (interval != NULL) {
        r = pid == NULL ? 0 : for_other(pid);
        if (r == 0 && (!text_number(interval, strlen(interval), UINT64_MAX - 1, &n) || n == 0)) {
            r = -EINVAL;
        }
        if (r < 0) {
            return r;
        }
        *usec = r == 0 ? n : 0;
    }
    env_unset(variables, flags);
    return *usec > 0;
}
