// SPDX-License-Identifier: MIT
/* Sending inside the library. */
#ifndef UNX_SEND_H
#define UNX_SEND_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <unx/unx.h>

#include "sys.h"

/* As many descriptors as a message can hold, and credentials;
 * each has a head of at most 16 bytes, and up to 8 behind it. */
#define SEND_CONTROL_MAX ((48 + SYS_FDS_MAX * sizeof(int) + SYS_CRED_ROOM + 7) & ~(size_t)7)

/* One attempt at bytes without anything else. `how` goes to the system. send(2) takes a length that no object can have
 * for a shorter one, and sends what lies behind; sendmsg(2) says EINVAL. */
static inline ssize_t send_bytes(int fd, const struct unx_msg *m, int how)
{
    if (m->niov == 1 && m->iov->iov_len <= PTRDIFF_MAX) {
        return sys_send(fd, m->iov->iov_base, m->iov->iov_len, how);
    }
    const struct msghdr h = {.msg_iov = (struct iovec *)m->iov, .msg_iovlen = m->niov};
    return sys_sendmsg(fd, &h, how);
}

/* 0 if a message can be sent so; -EINVAL, -E2BIG. */
int send_check(const struct unx_msg *m, unsigned flags);

/* Points h at a packet as it is to be sent; `control` holds SEND_CONTROL_MAX bytes. False if it cannot be sent like
 * this, unx_send() will say why. */
bool send_prepare(struct msghdr *h, const struct unx_msg *m, unsigned flags, char *control);

#endif
