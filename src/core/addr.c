// SPDX-License-Identifier: MIT
/*
 * Addresses: made, taken apart, compared. Pure, but for asking the system's limits.
 *
 * Promises: nothing is cut and nothing is padded;
 * one address has one form, so equal addresses compare equal byte by byte.
 *
 * What surprised us: for an abstract name the length is the identity, so a name padded with NULs is another name; an
 * empty path given to bind(2) is an abstract name; a path of 108 bytes without a NUL is valid on Linux, and is answered
 * with a length of 111, one more than a sockaddr_un has.
 */
#include "addr.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>

static void set(struct unx_addr *a, socklen_t len)
{
    a->len = len;
    a->sa.sa_family = AF_UNIX;
    SYS_SET_ADDR_LEN(a);
}

int unx_addr_path(struct unx_addr *a, const char *path)
{
    if (a == NULL || path == NULL || path[0] == '\0') {
        return -EINVAL;
    }
    const size_t limit = (size_t)sys_limit(UNX_LIMIT_PATH);
    const size_t len = strnlen(path, limit + 1);
    if (len > limit) {
        return -ENAMETOOLONG;
    }
    memset(a, 0, sizeof *a);
    memcpy(a->un.sun_path, path, len);
    set(a, ADDR_HEAD + (socklen_t)(len < sizeof a->un.sun_path ? len + 1 : len));
    return 0;
}

int unx_addr_path_at(struct unx_addr *a, int dirfd, const char *name)
{
    if (a == NULL || name == NULL || name[0] == '\0') {
        return -EINVAL;
    }
    if (name[0] == '/' || dirfd == AT_FDCWD) {
        return unx_addr_path(a, name);
    }
    char path[160];
    const int n = sys_fd_path(dirfd, path, sizeof path);
    if (n < 0) {
        return n;
    }
    const size_t len = strnlen(name, sizeof path);
    if ((size_t)n + 1 + len + 1 > sizeof path) {
        return -ENAMETOOLONG;
    }
    path[n] = '/';
    memcpy(path + n + 1, name, len + 1);
    return unx_addr_path(a, path);
}

int unx_addr_abstract(struct unx_addr *a, const void *name, size_t len)
{
    const int limit = sys_limit(UNX_LIMIT_ABSTRACT);
    if (a == NULL || (name == NULL && len > 0)) {
        return -EINVAL;
    }
    if (limit < 0) {
        return limit;
    }
    if (len > (size_t)limit) {
        return -ENAMETOOLONG;
    }
    memset(a, 0, sizeof *a);
    if (len > 0) {
        memcpy(a->un.sun_path + 1, name, len);
    }
    set(a, ADDR_HEAD + 1 + (socklen_t)len);
    return 0;
}

int unx_addr_unnamed(struct unx_addr *a)
{
    if (a == NULL) {
        return -EINVAL;
    }
    memset(a, 0, sizeof *a);
    set(a, ADDR_HEAD);
    return 0;
}

int unx_addr_sockaddr(struct unx_addr *a, const struct sockaddr *sa, socklen_t len)
{
    if (a == NULL || sa == NULL || len < ADDR_HEAD || len > sizeof a->raw) {
        return -EINVAL;
    }
    struct unx_addr copy;
    memset(&copy, 0, sizeof copy);
    copy.len = len;
    memcpy(copy.raw, sa, len);
    const int r = addr_from_kernel(&copy);
    if (r == 0) {
        *a = copy;
    }
    return r;
}

int addr_from_kernel(struct unx_addr *a)
{
    if (a->len == 0) {
        return unx_addr_unnamed(a);
    }
    if (a->len > sizeof a->raw) {
        a->len = sizeof a->raw;
    }
    if (a->len < ADDR_HEAD) {
        return -EINVAL;
    }
    if (a->sa.sa_family != AF_UNIX) {
        return -EAFNOSUPPORT;
    }
    if (unx_addr_name(a, NULL, NULL) == UNX_UNNAMED) {
        return unx_addr_unnamed(a);
    }
    if (a->len > ADDR_HEAD) {
        const bool path = a->raw[ADDR_HEAD] != '\0';
        const size_t limit = (size_t)sys_limit(UNX_LIMIT_PATH);
        const size_t len = path ? strnlen(a->raw + ADDR_HEAD, a->len - ADDR_HEAD) : a->len - ADDR_HEAD;
        if (len > limit) {
            return -EINVAL;
        }
        a->len = ADDR_HEAD + (socklen_t)(path && len < sizeof a->un.sun_path ? len + 1 : len);
        memset(a->raw + ADDR_HEAD + len, 0, sizeof a->raw - ADDR_HEAD - len);
    }
    SYS_SET_ADDR_LEN(a);
    return 0;
}

int addr_check(const struct unx_addr *a)
{
    if (a == NULL || a->len < ADDR_HEAD || a->len > ADDR_HEAD + (socklen_t)sizeof a->un.sun_path) {
        return -EINVAL;
    }
    return a->sa.sa_family == AF_UNIX ? 0 : -EAFNOSUPPORT;
}

int unx_addr_name(const struct unx_addr *a, const void **name, size_t *len)
{
    const char *start = NULL;
    size_t n = 0;
    int kind;

    if (a == NULL || a->len > sizeof a->raw || (a->len > 0 && a->len < ADDR_HEAD)) {
        return -EINVAL;
    }
    if (a->len == 0) {
        kind = UNX_NONE;
    } else if (a->sa.sa_family != AF_UNIX) {
        return -EAFNOSUPPORT;
    } else if (a->len == ADDR_HEAD || (a->raw[ADDR_HEAD] == '\0' && sys_limit(UNX_LIMIT_ABSTRACT) < 0)) {
        /* What other systems answer for it is as long as a struct. */
        kind = UNX_UNNAMED;
    } else if (a->raw[ADDR_HEAD] != '\0') {
        kind = UNX_PATH;
        start = a->raw + ADDR_HEAD;
        n = strnlen(start, a->len - ADDR_HEAD);
    } else {
        kind = UNX_ABSTRACT;
        start = a->raw + ADDR_HEAD + 1;
        n = a->len - ADDR_HEAD - 1;
    }
    if (name != NULL) {
        *name = start;
    }
    if (len != NULL) {
        *len = n;
    }
    return kind;
}

int unx_addr_absolute(const struct unx_addr *a)
{
    const void *name;
    const int kind = unx_addr_name(a, &name, NULL);
    if (kind < 0) {
        return kind;
    }
    return kind == UNX_PATH ? *(const char *)name == '/' : -EINVAL;
}

int unx_addr_compare(const struct unx_addr *a, const struct unx_addr *b)
{
    const void *p = NULL, *q = NULL;
    size_t n = 0, m = 0;
    const int kind_a = unx_addr_name(a, &p, &n);
    const int kind_b = unx_addr_name(b, &q, &m);
    if (kind_a != kind_b) {
        return kind_a < kind_b ? -1 : 1;
    }
    const size_t common = n < m ? n : m;
    const int order = common == 0 ? 0 : memcmp(p, q, common);
    return order != 0 ? order : (n > m) - (n < m);
}

uint64_t unx_addr_hash(const struct unx_addr *a)
{
    const void *name = NULL;
    size_t len = 0;
    const int kind = unx_addr_name(a, &name, &len);
    const unsigned char *p = name;

    /* FNV-1a, 64 bits */
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    h = (h ^ (unsigned)kind) * UINT64_C(0x100000001b3);
    for (size_t i = 0; i < len; i++) {
        h = (h ^ p[i]) * UINT64_C(0x100000001b3);
    }
    return h;
}

int unx_limit(int what)
{
    return what < 0 ? -EINVAL : sys_limit(what);
}
