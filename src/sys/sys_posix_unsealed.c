// SPDX-License-Identifier: MIT
/* Systems without files of memory that can be sealed: all but Linux and FreeBSD. */
#if !defined(__linux__) && !defined(__FreeBSD__)
#include "sys_posix.h"

int sys_sealed_file(const void *p, size_t n)
{
    (void)p;
    (void)n;
    return -EOPNOTSUPP;
}

int sys_sealed_size(int fd, uint64_t *size)
{
    (void)size;
    const int r = sys_check_open(fd);
    return r < 0 ? r : 0;
}

#endif
