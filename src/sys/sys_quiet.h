// SPDX-License-Identifier: MIT
/* Calls of the C library as sys.h promises them: a negative errno value, errno as it was, no cancellation point. */
#ifndef UNX_SYS_QUIET_H
#define UNX_SYS_QUIET_H

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

/* clang takes it that calloc(3) and free(3) leave errno alone, and that there is nothing to restore behind them. */
#define MAY_CHANGE_ERRNO() __asm__ volatile("" ::: "memory")

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

#endif
