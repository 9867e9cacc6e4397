// SPDX-License-Identifier: MIT
/*
 * Loaded before the programs of a MemorySanitizer build (LD_PRELOAD): the calls of libc that its run time does not
 * know, because they became functions of their own in glibc 2.33: those with 64 bits by name. What they write counts as
 * written. In other programs it does nothing.
 */
#include "preload.h"

#include <stddef.h>
#include <sys/stat.h>

extern void __msan_unpoison(const volatile void *p, size_t n) __attribute__((weak));

static int written(int result, struct stat64 *st)
{
    if (result == 0 && __msan_unpoison != NULL) {
        __msan_unpoison(st, sizeof *st);
    }
    return result;
}

int stat64(const char *restrict path, struct stat64 *restrict st)
{
    int (*real)(const char *, struct stat64 *) = next("stat64");
    return written(real(path, st), st);
}

int lstat64(const char *restrict path, struct stat64 *restrict st)
{
    int (*real)(const char *, struct stat64 *) = next("lstat64");
    return written(real(path, st), st);
}

int fstat64(int fd, struct stat64 *st)
{
    int (*real)(int, struct stat64 *) = next("fstat64");
    return written(real(fd, st), st);
}

int fstatat64(int dirfd, const char *restrict path, struct stat64 *restrict st, int flags)
{
    int (*real)(int, const char *, struct stat64 *, int) = next("fstatat64");
    return written(real(dirfd, path, st, flags), st);
}
