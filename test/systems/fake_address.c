// SPDX-License-Identifier: MIT
/*
 * Addresses of another system, and what a socket hides.
 *
 * What surprised us: SO_INCOMING_CPU keeps any number on an AF_UNIX socket, and nothing else there looks at it. It is
 * where the socket is: after fork(2), in another process, in a descriptor that was passed.
 */
#include "fake.h"

#include <string.h>

#define HEAD ((socklen_t)offsetof(struct sockaddr_un, sun_path))

int fail(int error)
{
    errno = error;
    return -1;
}

int hidden_get(int fd)
{
    int bits = 0;
    socklen_t len = sizeof bits;
    const int before = errno;
    if (getsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &bits, &len) != 0 || bits == -1) {
        bits = 0;
    }
    errno = before;
    return bits;
}

void hidden_set(int fd, int bits)
{
    const int before = errno;
    setsockopt(fd, SOL_SOCKET, SO_INCOMING_CPU, &bits, sizeof bits);
    errno = before;
}

int type_of(int fd)
{
    int type = -1;
    socklen_t len = sizeof type;
    return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 ? type : -1;
}

int address_in(struct sockaddr_storage *to, const struct sockaddr *from, socklen_t len)
{
    memset(to, 0, sizeof *to);
    if (from == NULL || len <= HEAD || len > sizeof *to) {
        return fail(EINVAL);
    }
    memcpy(to, from, len);
    if (fake->length) {
        ((char *)to)[1] = 0;
    }
    if (to->ss_family != AF_UNIX) {
        return (int)len;
    }
    /* No names but paths: an empty one is a file that is not there. */
    const char *const path = ((struct sockaddr_un *)to)->sun_path;
    const size_t n = strnlen(path, len - HEAD);
    if (n == 0) {
        return fail(ENOENT);
    }
    return n > fake->path || len > sizeof(struct sockaddr_un) ? fail(EINVAL) : (int)len;
}

void address_out(struct sockaddr *to, socklen_t *len, const struct sockaddr_un *from, socklen_t from_len)
{
    char whole[sizeof(struct sockaddr_storage)];
    socklen_t n = from_len;
    memset(whole, 0, sizeof whole);
    memcpy(whole, from, from_len);
    if (from->sun_family == AF_UNIX && (from_len <= HEAD || from->sun_path[0] == '\0')) {
        /* Also what has a name on Linux that is none there. */
        memset(whole + HEAD, 0, sizeof whole - HEAD);
        n = fake->unnamed;
    } else if (from->sun_family == AF_UNIX && fake->padded) {
        n = HEAD + (socklen_t)fake->path + 1;
    }
    if (fake->length) {
        whole[1] = (char)n;
    }
    memcpy(to, whole, *len < n ? *len : n);
    *len = n;
}

/* ---- what the tests do by themselves (tests.h) ---- */

int linux_bind(int fd, const struct sockaddr *sa, socklen_t len);
int linux_connect(int fd, const struct sockaddr *sa, socklen_t len);
ssize_t linux_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *sa, socklen_t len);
int linux_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int linux_getpeername(int fd, struct sockaddr *sa, socklen_t *len);

static void without_length(struct sockaddr_storage *to, const struct sockaddr *from, socklen_t len)
{
    memset(to, 0, sizeof *to);
    memcpy(to, from, len < sizeof *to ? len : sizeof *to);
    if (fake->length && ((char *)to)[0] == AF_UNIX) {
        ((char *)to)[1] = 0;
    }
}

int linux_bind(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    without_length(&a, sa, len);
    return bind(fd, (struct sockaddr *)&a, len);
}

int linux_connect(int fd, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    without_length(&a, sa, len);
    return connect(fd, (struct sockaddr *)&a, len);
}

ssize_t linux_sendto(int fd, const void *p, size_t n, int flags, const struct sockaddr *sa, socklen_t len)
{
    struct sockaddr_storage a;
    if (sa == NULL) {
        return send(fd, p, n, flags);
    }
    without_length(&a, sa, len);
    return sendto(fd, p, n, flags, (struct sockaddr *)&a, len);
}

static void with_length(struct sockaddr *sa, socklen_t len)
{
    if (fake->length && sa->sa_family == AF_UNIX) {
        ((char *)sa)[1] = (char)len;
    }
}

int linux_getsockname(int fd, struct sockaddr *sa, socklen_t *len)
{
    const int r = getsockname(fd, sa, len);
    if (r == 0) {
        with_length(sa, *len);
    }
    return r;
}

int linux_getpeername(int fd, struct sockaddr *sa, socklen_t *len)
{
    const int r = getpeername(fd, sa, len);
    if (r == 0) {
        with_length(sa, *len);
    }
    return r;
}
