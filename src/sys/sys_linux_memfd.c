// SPDX-License-Identifier: MIT
/*
 * Linux: files of memory that nobody can change any more, and what a program was started with.
 *
 * What surprised us: asking for the seals never leaves the kernel, whatever file it is, where fstat(2) may wait for a
 * server; so seals are asked for first. Writing more than RLIMIT_FSIZE to memory raises SIGXFSZ, which kills. Sealing
 * against writing fails while a writable mapping exists, so the file is filled by pwrite(2). A system may be told to
 * refuse files of memory that could be executed, and older kernels refuse to be told that this one cannot.
 */
#if defined(__linux__)
#define _FILE_OFFSET_BITS 64
#include "sys.h"
#include "sys_linux.h"

#include <stdlib.h>
#include <sys/auxv.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>

static long memfd_create_raw(unsigned flags)
{
    return SINCE_ANDROID(30, QUIET(syscall(SYS_memfd_create, "unx", flags)));
}

static int make(void)
{
    const unsigned flags = LINUX_MFD_CLOEXEC | LINUX_MFD_ALLOW_SEALING;
    long r = memfd_create_raw(flags | LINUX_MFD_NOEXEC_SEAL);
    if (r == -EINVAL) {
        r = memfd_create_raw(flags);
    }
    return r == -ENOSYS ? -EOPNOTSUPP : (int)r;
}

static int fill(int fd, const char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t r = QUIET(UNCANCELLED(pwrite(fd, p + done, n - done, (off_t)done)));
        if (r < 0 && r != -EINTR) {
            return (int)r;
        }
        done += r < 0 ? 0 : (size_t)r;
    }
    return QUIET(fcntl(fd, LINUX_F_ADD_SEALS, LINUX_SEALS));
}

int sys_sealed_file(const void *p, size_t n)
{
    struct rlimit limit;
    if (QUIET(getrlimit(RLIMIT_FSIZE, &limit)) == 0 && n > limit.rlim_cur) {
        return -EFBIG;
    }
    const int fd = make();
    const int r = fd < 0 ? fd : fill(fd, p, n);
    if (r < 0 && fd >= 0) {
        sys_close(fd);
    }
    return r < 0 ? r : fd;
}

int sys_sealed_size(int fd, uint64_t *size)
{
    struct stat st;
    const int seals = QUIET(fcntl(fd, LINUX_F_GET_SEALS));
    if (seals < 0) {
        return seals == -EINVAL ? 0 : seals;
    }
    if ((seals & LINUX_SEALS) != LINUX_SEALS) {
        return 0;
    }
    const int r = QUIET(fstat(fd, &st));
    if (r < 0) {
        return r;
    }
    *size = (uint64_t)st.st_size;
    return 1;
}

ssize_t sys_pread(int fd, void *p, size_t n, uint64_t at)
{
    return QUIET(UNCANCELLED(pread(fd, p, n, (off_t)at)));
}

const char *sys_environment(const char *name)
{
#if defined(__ANDROID__) /* bionic does not have the function */
    return getauxval(AT_SECURE) != 0 ? NULL : getenv(name);
#else
    return secure_getenv(name);
#endif
}

#endif
