// SPDX-License-Identifier: MIT
/*
 * System calls without libc in between, for those where it counts: -errno straight from the kernel, errno untouched,
 * no cancellation point, and no indirect jump, which costs more than all that libunx does besides. Where no assembly is
 * written, syscall(2) does the same a little slower.
 *
 * linux_socket() is what to call for sockets. On some processors the calls had no numbers of their own before Linux
 * 4.3, and Android forbids those that they got: all go through socketcall(2) there, as they always did.
 *
 * A struct msghdr that was zeroed, or has all its fields set, has the kernel's layout with glibc, musl and bionic.
 */
#ifndef UNX_SYS_LINUX_CALL_H
#define UNX_SYS_LINUX_CALL_H

#include <sys/syscall.h>

#include "sys_linux.h"

#if defined(__x86_64__) && !defined(__ILP32__)

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long r10 __asm__("r10") = d;
    register long r8 __asm__("r8") = e;
    register long r9 __asm__("r9") = f;
    long result;
    __asm__ volatile("syscall"
                     : "=a"(result)
                     : "a"(number), "D"(a), "S"(b), "d"(c), "r"(r10), "r"(r8), "r"(r9)
                     : "rcx", "r11", "memory");
    return result;
}

#elif defined(__aarch64__)

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    register long x8 __asm__("x8") = number;
    register long x0 __asm__("x0") = a;
    register long x1 __asm__("x1") = b;
    register long x2 __asm__("x2") = c;
    register long x3 __asm__("x3") = d;
    register long x4 __asm__("x4") = e;
    register long x5 __asm__("x5") = f;
    __asm__ volatile("svc #0" : "+r"(x0) : "r"(x8), "r"(x1), "r"(x2), "r"(x3), "r"(x4), "r"(x5) : "memory");
    return x0;
}

#else

static inline long linux_call(long number, long a, long b, long c, long d, long e, long f)
{
    return QUIET(syscall(number, a, b, c, d, e, f));
}

#endif

#if defined(__i386__) || defined(__s390__) || defined(__sparc__) || defined(__m68k__)

static inline long linux_socketcall(int which, long a, long b, long c, long d, long e, long f)
{
    const long args[] = {a, b, c, d, e, f};
    return linux_call(SYS_socketcall, which, (long)args, 0, 0, 0, 0);
}

#define linux_socket(lower, UPPER, ...) linux_socketcall(LINUX_CALL_##UPPER, __VA_ARGS__)
#define LINUX_NO_ACCEPT4 (-EINVAL) /* for no such call, and for no listener: then accept(2) says so once more */

#else

#ifndef SYS_recvmmsg
#define SYS_recvmmsg SYS_recvmmsg_time64 /* without a time both are one */
#endif

#define linux_socket(lower, UPPER, ...) linux_call(SYS_##lower, __VA_ARGS__)
#define LINUX_NO_ACCEPT4 (-ENOSYS)

#endif
#endif
