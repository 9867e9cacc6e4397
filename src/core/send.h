// SPDX-License-Identifier: MIT
/* Sending inside the library. */
#ifndef UNX_SEND_H
#define UNX_SEND_H

#include <stdbool.h>
#include <sys/socket.h>
#include <unx/unx.h>

/* As many descriptors as a message can hold, and credentials. */
#define SEND_CONTROL_MAX 1072

/* 0 if a message can be sent so; -EINVAL, -E2BIG. */
int send_check(const struct unx_msg *m, unsigned flags);

/* Points h at a packet as it is to be sent; `control` holds SEND_CONTROL_MAX bytes. False if it cannot be sent like this,
 * unx_send() will say why. */
bool send_prepare(struct msghdr *h, const struct unx_msg *m, unsigned flags, char *control);

#endif
