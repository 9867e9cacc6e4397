// SPDX-License-Identifier: MIT
/*
 * Sockets of another system: made, named, connected, accepted, and their options.
 *
 * What surprised us: Linux is asked for a connection without waiting, even where the caller waits, because only then
 * does a full backlog say so; and the socket waits again afterwards. Linux doubles a buffer's size, these systems do
 * not.
 */
#include "fake.h"

#include <fcntl.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static bool known(int type)
{
    const int kind = type & 0xf;
    return (kind != SOCK_SEQPACKET || fake->packets) && (fake->cloexec || kind == type);
}

static void born(int fd)
{
    const int size = type_of(fd) == SOCK_DGRAM ? fake->datagram_buffer : fake->stream_buffer;
    if (size > 0) {
        setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
    }
}

int fake_socket(int family, int type, int protocol)
{
    if (family != AF_UNIX || !known(type)) {
        return fail(family != AF_UNIX ? EAFNOSUPPORT : EPROTOTYPE);
    }
    const int fd = socket(family, type, protocol);
    if (fd >= 0) {
        born(fd);
    }
    return fd;
}

int fake_socketpair(int family, int type, int protocol, int fds[2])
{
    if (!known(type)) {
        return fail(EPROTOTYPE);
    }
    const int r = socketpair(family, type, protocol, fds);
    if (r == 0) {
        born(fds[0]);
        born(fds[1]);
    }
    return r;
}

int fake_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    const int n = type_of(fd) < 0 ? -1 : address_in(&a, sa, len);
    return n < 0 ? -1 : bind(fd, (struct sockaddr *)&a, (socklen_t)n);
}

int fake_listen(int fd, int backlog)
{
    return listen(fd, backlog);
}

static int connect_now(int fd, const struct sockaddr *sa, socklen_t len)
{
    const int flags = fcntl(fd, F_GETFL);
    if (flags < 0) {
        return -1;
    }
    fcntl(fd, F_SETFL, flags | O_NONBLOCK);
    const int r = connect(fd, sa, len);
    const int error = errno;
    fcntl(fd, F_SETFL, flags);
    if (r == 0) {
        return 0;
    }
    return fail(error == EAGAIN && type_of(fd) != SOCK_DGRAM ? ECONNREFUSED : error);
}

int fake_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    if (sa != NULL && len >= sizeof sa->sa_family && len <= sizeof a && ((const char *)sa)[0] == AF_UNSPEC) {
        const struct sockaddr none = {.sa_family = AF_UNSPEC};
        return connect(fd, &none, sizeof none);
    }
    const int n = type_of(fd) < 0 ? -1 : address_in(&a, sa, len);
    if (n < 0) {
        return -1;
    }
    return fake->refuses_full ? connect_now(fd, (struct sockaddr *)&a, (socklen_t)n)
                              : connect(fd, (struct sockaddr *)&a, (socklen_t)n);
}

static int accept_as(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    struct sockaddr_un un;
    socklen_t n = sizeof un;
    memset(&un, 0, sizeof un);
    const int r = accept4(fd, (struct sockaddr *)&un, &n, flags);
    if (r < 0) {
        return r;
    }
    if (sa != NULL) {
        address_out(sa, len, &un, n);
    }
    born(r);
    return r;
}

int fake_accept(int fd, struct sockaddr *sa, socklen_t *len)
{
    /* accept(2): what is made is as the listener. */
    const int flags = fcntl(fd, F_GETFL);
    return accept_as(fd, sa, len, flags >= 0 && (flags & O_NONBLOCK) != 0 ? SOCK_NONBLOCK : 0);
}

int fake_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    return fake->cloexec ? accept_as(fd, sa, len, flags) : fail(ENOSYS);
}

static int name_of(int r, struct sockaddr *sa, socklen_t *len, const struct sockaddr_un *un, socklen_t n)
{
    if (r == 0) {
        address_out(sa, len, un, n);
    }
    return r;
}

int fake_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
    struct sockaddr_un un;
    socklen_t n = sizeof un;
    memset(&un, 0, sizeof un);
    const int r = getsockname(fd, (struct sockaddr *)&un, &n);
    return name_of(r, sa, len, &un, n);
}

int fake_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
    struct sockaddr_un un;
    socklen_t n = sizeof un;
    memset(&un, 0, sizeof un);
    const int r = getpeername(fd, (struct sockaddr *)&un, &n);
    return name_of(r, sa, len, &un, n);
}

int fake_shutdown(int fd, int how)
{
    struct sockaddr_un un;
    socklen_t n = sizeof un;
    /* A listener as well: nobody is woken. */
    return getpeername(fd, (struct sockaddr *)&un, &n) != 0 ? -1 : shutdown(fd, how);
}

/* ---- options ---- */

static bool of_linux_alone(int level, int name)
{
    return level == SOL_SOCKET &&
           (name == SO_DOMAIN || name == SO_PROTOCOL || name == SO_PASSCRED || name == 17 /* SO_PEERCRED */);
}

int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len)
{
    if (of_linux_alone(level, name) || (!fake->timeouts && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))) {
        return fail(ENOPROTOOPT);
    }
    if (level != SOL_SOCKET || name > 0x200) {
        return fake_identity_option(fd, level, name, value, len);
    }
    const int r = getsockopt(fd, level, name, value, len);
    if (r == 0 && name == SO_SNDBUF) {
        *(int *)value /= 2;
    }
    return r;
}

static int set_buffer(int fd, int size)
{
    const int limit = 2 * 1024 * 1024;
    if (size > limit) {
        return fail(ENOBUFS);
    }
    return setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) == 0
               ? 0
               : setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size);
}

static int pass_identity(int fd, int on)
{
    hidden_set(fd, 0);
    return setsockopt(fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof on);
}

int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    if (of_linux_alone(level, name) || (!fake->timeouts && (name == SO_RCVTIMEO || name == SO_SNDTIMEO))) {
        return fail(ENOPROTOOPT);
    }
#if defined(FAKE_FREEBSD)
    if (level == 0 && name == LOCAL_CREDS_PERSISTENT) {
        return pass_identity(fd, *(const int *)value);
    }
#elif defined(FAKE_NETBSD)
    if (level == 0 && name == LOCAL_CREDS) {
        return pass_identity(fd, *(const int *)value);
    }
#elif defined(FAKE_ILLUMOS)
    if (level == SOL_SOCKET && name == SO_RECVUCRED) {
        return pass_identity(fd, *(const int *)value);
    }
#elif defined(FAKE_DARWIN)
    if (level == SOL_SOCKET && name == SO_NOSIGPIPE) {
        return 0;
    }
#endif
    (void)pass_identity;
    if (level != SOL_SOCKET || name > 0x200) {
        return fail(ENOPROTOOPT);
    }
    return name == SO_SNDBUF ? set_buffer(fd, *(const int *)value) : setsockopt(fd, level, name, value, len);
}
