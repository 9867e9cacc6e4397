// SPDX-License-Identifier: MIT
/*
 * What can be asked of a socket that exists, and changed on it.
 *
 * Promises: each call first makes sure that it is an AF_UNIX socket; nothing is changed if it is not.
 */
#include "addr.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>

static int address(int fd, struct unx_addr *a, int (*ask)(int, struct unx_addr *))
{
    struct unx_addr answer;
    int r = a == NULL ? -EINVAL : ask(fd, &answer);
    if (r == 0) {
        r = addr_from_kernel(&answer);
    }
    if (r == 0) {
        *a = answer;
    }
    return r;
}

int unx_local_addr(int fd, struct unx_addr *a)
{
    return address(fd, a, sys_local_addr);
}

int unx_peer_addr(int fd, struct unx_addr *a)
{
    return address(fd, a, sys_peer_addr);
}

int unx_dup(int fd)
{
    const int r = socket_ours(fd);
    return r < 0 ? r : sys_dup(fd);
}

int unx_shutdown(int fd, int how)
{
    const int r = how == SHUT_RD || how == SHUT_WR || how == SHUT_RDWR ? socket_ours(fd) : -EINVAL;
    return r < 0 ? r : sys_shutdown(fd, how);
}

int unx_set_nonblock(int fd, int on)
{
    const int r = socket_ours(fd);
    return r < 0 ? r : sys_set_nonblock(fd, on != 0);
}

int unx_get_nonblock(int fd)
{
    const int r = socket_ours(fd);
    return r < 0 ? r : sys_get_nonblock(fd);
}

int unx_set_timeout(int fd, unsigned which, int timeout_ms)
{
    if ((which != UNX_RECV && which != UNX_SEND) || timeout_ms == 0 || timeout_ms < -1) {
        return -EINVAL;
    }
    const int r = socket_ours(fd);
    return r < 0 ? r : sys_set_timeout(fd, which, timeout_ms < 0 ? -1 : timeout_ms * INT64_C(1000000));
}

int unx_get_timeout(int fd, unsigned which, int *timeout_ms)
{
    int64_t ns = -1;
    if ((which != UNX_RECV && which != UNX_SEND) || timeout_ms == NULL) {
        return -EINVAL;
    }
    int r = socket_ours(fd);
    if (r == 0) {
        r = sys_get_timeout(fd, which, &ns);
    }
    if (r < 0) {
        return r;
    }
    const int64_t ms = ns < 0 ? -1 : (ns + 999999) / 1000000;
    *timeout_ms = ms > INT32_MAX ? INT32_MAX : (int)ms;
    return 0;
}

int unx_take_error(int fd, int *error)
{
    int taken = 0;
    int r = error == NULL ? -EINVAL : socket_ours(fd);
    if (r == 0) {
        r = sys_take_error(fd, &taken);
    }
    if (r == 0) {
        *error = taken;
    }
    return r;
}

/* A stream has no packets. */
static int packets(int fd)
{
    int r = socket_ours(fd);
    if (r == 0) {
        r = sys_type(fd);
    }
    return r < 0 ? r : r == SOCK_STREAM ? -EOPNOTSUPP : 0;
}

int unx_max_packet(int fd)
{
    const int r = packets(fd);
    return r < 0 ? r : sys_max_packet(fd);
}

/* What the system makes of a wish for a buffer of `bytes`: tried on a socket of no consequence, since it may be less
 * than what a privileged process gave this one before. */
static int possible_buffer(int type, int bytes)
{
    const int fd = type < 0 ? type : sys_socket(type, false);
    int r = fd < 0 ? fd : sys_set_send_buffer(fd, bytes);
    if (r == 0) {
        r = sys_send_buffer(fd);
    }
    if (fd >= 0) {
        sys_close(fd);
    }
    return r;
}

int unx_grow_packet(int fd, size_t size)
{
    const int max = unx_max_packet(fd);
    if (max < 0 || (size_t)max >= size) {
        return max;
    }
    const int now = sys_send_buffer(fd);
    const int missing = (size < SOCKET_BIGBUF * 2 ? (int)size : SOCKET_BIGBUF * 2) - max;
    const int wish = now > INT32_MAX - missing - 1 ? INT32_MAX : now + missing + 1;
    int r = now < 0 ? now : missing <= 0 ? 0 : possible_buffer(sys_type(fd), wish);
    if (r > now) {
        r = sys_set_send_buffer(fd, wish);
    }
    return r < 0 ? r : sys_max_packet(fd);
}
