// SPDX-License-Identifier: MIT
/* What the files of FreeBSD, OpenBSD, NetBSD and DragonFly BSD share. */
#ifndef UNX_SYS_BSD_H
#define UNX_SYS_BSD_H

#include "sys_posix.h"

/* One attempt of recvmsg(2), with descriptors close-on-exec. */
ssize_t bsd_recvmsg(int fd, struct msghdr *h, int flags);

/* accept(2) of the system, with SOCK_CLOEXEC in flags. */
int bsd_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags);

#endif
