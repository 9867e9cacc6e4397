// SPDX-License-Identifier: MIT
/* Receiving inside the library. */
#ifndef UNX_RECV_H
#define UNX_RECV_H

#include <stdbool.h>
#include <sys/socket.h>
#include <unx/unx.h>

#include "sys.h"

/* Room for every control message that can come with one message: time, credentials, label, descriptors, pidfd. */
#define RECV_CONTROL_MAX SYS_CONTROL_ROOM

/* One message as the system gave it. */
struct receiving {
    struct msghdr h;
    const struct iovec *plain; /* recv(2) into this, instead of recvmsg(2) */
    size_t control_max;
    bool reset; /* it came behind a reset of the connection */
};

/* 0 if a message can be received so; -EINVAL, -E2BIG. */
int recv_check(const struct unx_msg *m, unsigned flags);

/* Leaves the caller's room as it is when nothing comes. */
void recv_clear(struct unx_msg *m);

/* Waits and retries as flags say; `how` goes to the system. The full length, or a negative errno value. */
ssize_t recv_take(int fd, struct receiving *t, int how, unsigned flags);

/* The same from where a first attempt left it, with the negative answer `r`. */
ssize_t recv_take_on(int fd, struct receiving *t, int how, unsigned flags, ssize_t r);

/* What a length of 0 means: 1 an empty packet, 0 the end. */
int recv_zero(int fd, const struct receiving *t);

/* Points t at the room that m has. `control` holds RECV_CONTROL_MAX bytes,
 * and is used if m brings no buffer of its own. */
void recv_prepare(struct receiving *t, const struct unx_msg *m, unsigned flags, char *control);

/* The verdict on a message that came with `full` bytes: 1, or the error that it is. */
int recv_accept(struct unx_msg *m, const struct receiving *t, size_t full, unsigned flags);

/* The verdict on a message that may be large, small, cut or the end: `n` bytes by the system's count.
 * 1, 0, or the error. */
int recv_judge(int fd, struct unx_msg *m, const struct receiving *t, ssize_t n, unsigned flags);

/* Drops what came with the end, which is not a message: 0, or -ECONNRESET behind a reset. */
int recv_end(struct unx_msg *m, const struct receiving *t);

/* Hands what came in t's control data to m, closing what has no room, and judges it: 0, or the error of the message. */
int recv_deliver(struct unx_msg *m, const struct receiving *t);

/* Closes and forgets what recv_deliver() gave. */
void recv_withdraw(struct unx_msg *m);

#endif
