// SPDX-License-Identifier: MIT
/*
 * What the Linux files share: quiet calls, and kernel constants by number for headers that are older than the kernel.
 */
#ifndef UNX_SYS_LINUX_H
#define UNX_SYS_LINUX_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

/* The value of a call, or -errno, with errno as it was. */
#define QUIET(call)                                                                                                    \
    ({                                                                                                                 \
        const int errno_before_ = errno;                                                                               \
        __auto_type result_ = (call);                                                                                  \
        if (__builtin_expect(result_ < 0, 0)) {                                                                        \
            result_ = -errno;                                                                                          \
            errno = errno_before_;                                                                                     \
        }                                                                                                              \
        result_;                                                                                                       \
    })

/* The same, again after each signal: for what does not wait long, and has nothing to tell about it. */
#define UNINTERRUPTED(call)                                                                                            \
    ({                                                                                                                 \
        __auto_type once_ = QUIET(call);                                                                               \
        while (once_ == -EINTR) {                                                                                      \
            once_ = QUIET(call);                                                                                       \
        }                                                                                                              \
        once_;                                                                                                         \
    })

#if defined(__ANDROID__) /* bionic has no cancellation */
#define UNCANCELLED(call) (call)
#else
#define UNCANCELLED(call)                                                                                              \
    ({                                                                                                                 \
        int cancel_before_;                                                                                            \
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_before_);                                               \
        __auto_type uncancelled_ = (call);                                                                             \
        pthread_setcancelstate(cancel_before_, NULL);                                                                  \
        uncancelled_;                                                                                                  \
    })
#endif

/* From include/uapi/asm-generic/socket.h, and the headers of the architectures that differ. */
#if defined(__sparc__)
#define LINUX_NR(generic, parisc, sparc) (sparc)
#elif defined(__hppa__)
#define LINUX_NR(generic, parisc, sparc) (parisc)
#else
#define LINUX_NR(generic, parisc, sparc) (generic)
#endif
#ifndef SO_PEERGROUPS
#define SO_PEERGROUPS LINUX_NR(59, 0x4034, 0x3d)
#endif
#ifndef SO_PASSPIDFD
#define SO_PASSPIDFD LINUX_NR(76, 0x404a, 0x55)
#endif
#ifndef SO_PEERPIDFD
#define SO_PEERPIDFD LINUX_NR(77, 0x404b, 0x56)
#endif
#ifndef SO_PASSRIGHTS
#define SO_PASSRIGHTS LINUX_NR(83, 0x4051, 0x5c)
#endif
#ifndef SO_TIMESTAMPNS_NEW
#define SO_TIMESTAMPNS_NEW LINUX_NR(64, 0x4039, 0x42)
#endif

#endif
