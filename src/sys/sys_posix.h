// SPDX-License-Identifier: MIT
/*
 * What the files of every system but Linux share: quiet calls, and what the common files ask the file of the system.
 */
#ifndef UNX_SYS_POSIX_H
#define UNX_SYS_POSIX_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

#include "sys.h"

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

#define UNCANCELLED(call)                                                                                              \
    ({                                                                                                                 \
        int cancel_before_;                                                                                            \
        pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &cancel_before_);                                               \
        __auto_type uncancelled_ = (call);                                                                             \
        pthread_setcancelstate(cancel_before_, NULL);                                                                  \
        uncancelled_;                                                                                                  \
    })

/* ---- in sys_posix.c ---- */

/* A socket option as an int, or a negative errno value; -EOPNOTSUPP where it is not known. */
int posix_option(int fd, int level, int name);
int posix_set_option(int fd, int level, int name, int value);

/* One attempt of bind(2) and connect(2), in the directory that this thread works in. */
int posix_bind(int fd, const struct unx_addr *a);
int posix_connect(int fd, const struct unx_addr *a);

/* ---- in the file of the system ---- */

/* Whether nothing will come any more: POLLRDHUP, 0 or a negative errno value. */
int system_read_ended(int fd);

/* One attempt: what came is close-on-exec. MSG_TRUNC in msg_flags says whether a packet was cut; the result is what fits. */
ssize_t system_recvmsg(int fd, struct msghdr *h, int flags);

/* What goes with the flags of every send on this socket: MSG_NOSIGNAL, and MSG_EOR on packets. */
int system_send_flags(int fd);

/* The directory that this thread works in by sys_in_directory(), AT_FDCWD for that of the process; bind(2) and connect(2) there. */
int system_bind(int fd, const struct unx_addr *a);
int system_connect(int fd, const struct unx_addr *a);

#endif
