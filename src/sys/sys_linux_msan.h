// SPDX-License-Identifier: MIT
/*
 * Linux: what a direct system call reads and writes, for MemorySanitizer, which knows those of libc only. In any other
 * build nothing of this is left.
 *
 * Promises: whatever goes to a peer is looked at, byte for byte, so that no memory that was never written leaves the
 * process; and what the kernel wrote counts as written, no more than that.
 *
 * What surprised us: with MSG_TRUNC the length of a message is larger than what was written of it.
 */
#ifndef UNX_SYS_LINUX_MSAN_H
#define UNX_SYS_LINUX_MSAN_H

#include <sys/socket.h>
#include <sys/uio.h>
#include <unx/unx.h>

#if defined(__has_feature)
#if __has_feature(memory_sanitizer)
#define UNX_MSAN 1
#endif
#endif

#ifdef UNX_MSAN
#include <sanitizer/msan_interface.h>

static inline void kernel_reads(const void *p, size_t n)
{
    /* What is longer may be no memory at all: the kernel will say so. */
    if (n > 0 && n < (size_t)1 << 24) {
        __msan_check_mem_is_initialized(p, n);
    }
}

static inline void kernel_wrote(const void *p, size_t n)
{
    __msan_unpoison(p, n);
}

static inline void kernel_reads_msg(const struct msghdr *h)
{
    kernel_reads(h->msg_name, h->msg_namelen);
    kernel_reads(h->msg_control, h->msg_controllen);
    kernel_reads(h->msg_iov, h->msg_iovlen * sizeof *h->msg_iov);
    for (size_t i = 0; i < h->msg_iovlen; i++) {
        kernel_reads(h->msg_iov[i].iov_base, h->msg_iov[i].iov_len);
    }
}

static inline void kernel_wrote_addr(const void *p, socklen_t len)
{
    const socklen_t room = sizeof((struct unx_addr *)0)->raw;
    kernel_wrote(p, len < room ? len : room);
}

static inline void kernel_wrote_msg(const struct msghdr *h, size_t n)
{
    kernel_wrote(h, sizeof *h);
    kernel_wrote_addr(h->msg_name, h->msg_namelen);
    kernel_wrote(h->msg_control, h->msg_controllen);
    for (size_t i = 0; i < h->msg_iovlen && n > 0; i++) {
        const size_t here = n < h->msg_iov[i].iov_len ? n : h->msg_iov[i].iov_len;
        kernel_wrote(h->msg_iov[i].iov_base, here);
        n -= here;
    }
}

#else

static inline void kernel_reads(const void *p, size_t n)
{
    (void)p;
    (void)n;
}

static inline void kernel_wrote(const void *p, size_t n)
{
    (void)p;
    (void)n;
}

static inline void kernel_reads_msg(const struct msghdr *h)
{
    (void)h;
}

static inline void kernel_wrote_addr(const void *p, socklen_t len)
{
    (void)p;
    (void)len;
}

static inline void kernel_wrote_msg(const struct msghdr *h, size_t n)
{
    (void)h;
    (void)n;
}

#endif
#endif
