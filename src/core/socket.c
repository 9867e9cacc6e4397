// SPDX-License-Identifier: MIT
/*
 * Sockets: made, accepted, adopted.
 *
 * Promises: what a socket accepts is set before anyone can send to it; after an error nothing is open.
 *
 * What surprised us: SO_PASSCRED and its kin are inherited from the listener at the time of connect(2), so setting them
 * on an accepted socket comes too late for what was sent before. socket(2) takes SOCK_RAW and makes SOCK_DGRAM of it.
 * Linux takes SO_TIMESTAMPNS on a stream and never delivers a time. The time stamp option is not inherited.
 */
#include "socket.h"
#include "addr.h"
#include "io.h"
#include "sys.h"

#include <errno.h>
#include <poll.h>

/* 0, -EINVAL, -EOPNOTSUPP: of the type and flags of a socket to make. */
static int socket_check(int type, unsigned flags)
{
    if ((flags & ~SOCKET_FLAGS) != 0) {
        return -EINVAL;
    }
    switch (type) {
    case SOCK_STREAM:
        return flags & UNX_TIMESTAMP ? -EOPNOTSUPP : 0;
    case SOCK_SEQPACKET:
    case SOCK_DGRAM:
        return 0;
    default:
        return -EINVAL;
    }
}

/* Raises the send buffer to `bytes`, or as near as the system allows. */
static int socket_grow(int fd, int bytes)
{
    const int now = sys_send_buffer(fd);
    return now < 0 || now >= bytes ? now : sys_set_send_buffer(fd, bytes);
}

/* Sets on a new socket what it shall accept; what is not in flags is refused. */
static int socket_pass(int fd, int type, unsigned flags)
{
    static const unsigned asked[] = {UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC, UNX_TIMESTAMP};
    if ((flags & UNX_TIMESTAMP) != 0 && type == SOCK_STREAM) {
        return -EOPNOTSUPP;
    }
    int r = flags & UNX_PASSFDS ? 0 : sys_pass(fd, UNX_PASSFDS, false);
    for (unsigned i = 0; r >= 0 && (flags & SOCKET_PASS) != 0 && i < sizeof asked / sizeof *asked; i++) {
        if (flags & asked[i]) {
            r = sys_pass(fd, asked[i], true);
        }
    }
    return r < 0 || (flags & UNX_BIGBUF) == 0 ? r : socket_grow(fd, SOCKET_BIGBUF);
}

int socket_new(int type, unsigned flags)
{
    int fd = socket_check(type, flags);
    if (fd == 0) {
        fd = sys_socket(type, (flags & UNX_NONBLOCK) != 0);
    }
    if (fd < 0) {
        return fd;
    }
    const int r = socket_pass(fd, type, flags);
    if (r < 0) {
        sys_close(fd);
        return r;
    }
    return fd;
}

int unx_socket(int type, unsigned flags)
{
    return socket_new(type, flags);
}

int unx_pair(int type, unsigned flags, int fds[2])
{
    int made[2];
    int r = fds == NULL ? -EINVAL : socket_check(type, flags);
    if (r == 0) {
        r = sys_pair(type, (flags & UNX_NONBLOCK) != 0, made);
    }
    if (r < 0) {
        return r;
    }
    for (int i = 0; i < 2 && r >= 0; i++) {
        r = socket_pass(made[i], type, flags);
    }
    if (r < 0) {
        sys_close(made[0]);
        sys_close(made[1]);
        return r;
    }
    fds[0] = made[0];
    fds[1] = made[1];
    return 0;
}

struct accepting {
    bool nonblock;
    struct unx_addr *peer;
};

static ssize_t accept_once(int fd, void *arg, int how)
{
    const struct accepting *a = arg;
    /* The system has no way to say "do not wait" for one accept. */
    if (how != 0 && sys_poll(fd, POLLIN, 0) == 0) {
        return -EAGAIN;
    }
    return sys_accept(fd, a->nonblock, a->peer);
}

int unx_accept(int fd, unsigned flags, struct unx_addr *peer)
{
    if ((flags & ~SOCKET_ACCEPT) != 0) {
        return -EINVAL;
    }
    const int type = (flags & UNX_TIMESTAMP) != 0 ? sys_type(fd) : SOCK_SEQPACKET;
    if (type < 0 || type == SOCK_STREAM) {
        return type < 0 ? type : -EOPNOTSUPP;
    }
    struct unx_addr from;
    struct accepting a = {.nonblock = (flags & UNX_NONBLOCK) != 0, .peer = peer == NULL ? NULL : &from};
    const int64_t since = sys_now();
    int r = (int)accept_once(fd, &a, 0);
    if (r == -EINTR && (flags & UNX_INTR) == 0) {
        r = (int)io_resume(fd, POLLIN, UNX_RECV, since, accept_once, &a);
    }
    if (r < 0) {
        return r;
    }
    const int conn = r;
    r = peer == NULL ? 0 : addr_from_kernel(&from);
    if (r >= 0 && (flags & UNX_TIMESTAMP) != 0) {
        r = sys_pass(conn, UNX_TIMESTAMP, true);
    }
    if (r >= 0 && (flags & UNX_BIGBUF) != 0) {
        r = socket_grow(conn, SOCKET_BIGBUF);
    }
    if (r < 0) {
        sys_close(conn);
        return r;
    }
    if (peer != NULL) {
        *peer = from;
    }
    return conn;
}

int socket_ours(int fd)
{
    const int family = sys_family(fd);
    return family < 0 ? family : family == AF_UNIX ? 0 : -EAFNOSUPPORT;
}

int socket_adoptable(int fd, int type, unsigned flags)
{
    if ((flags & ~(SOCKET_FLAGS | UNX_LISTENING)) != 0 || (type != 0 && socket_check(type, 0) < 0)) {
        return -EINVAL;
    }
    int r = socket_ours(fd);
    const int is = r < 0 ? r : sys_type(fd);
    if (is < 0) {
        return is;
    }
    if (type != 0 && type != is) {
        return -EPROTOTYPE;
    }
    if ((flags & UNX_TIMESTAMP) != 0 && is == SOCK_STREAM) {
        return -EOPNOTSUPP;
    }
    if (flags & UNX_LISTENING) {
        r = sys_listening(fd);
        if (r <= 0) {
            return r < 0 ? r : -EINVAL;
        }
    }
    return is;
}

int unx_adopt(int fd, int type, unsigned flags)
{
    /* What a kernel may lack comes first, so that it is refused before anything has changed. */
    static const unsigned asked[] = {UNX_PASSPIDFD, UNX_PASSSEC, UNX_PASSFDS, UNX_PASSCRED, UNX_TIMESTAMP};
    const int is = socket_adoptable(fd, type, flags);
    int r = is;
    for (unsigned i = 0; r >= 0 && i < sizeof asked / sizeof *asked; i++) {
        r = flags & asked[i] ? sys_pass(fd, asked[i], true) : 0;
    }
    if (r >= 0) {
        r = sys_set_cloexec(fd);
    }
    if (r >= 0 && (flags & UNX_BIGBUF) != 0) {
        r = socket_grow(fd, SOCKET_BIGBUF);
    }
    if (r >= 0 && (flags & UNX_NONBLOCK) != 0) {
        r = sys_set_nonblock(fd, true);
    }
    return r < 0 ? r : is;
}
