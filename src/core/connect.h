// SPDX-License-Identifier: MIT
/* Connecting a socket that the library made itself. */
#ifndef UNX_CONNECT_H
#define UNX_CONNECT_H

#include <unx/unx.h>

/* One attempt, whatever signals come: nobody connects by halves here. */
int connect_once(int fd, const struct unx_addr *to);

/* Connects fd, which is non-blocking, within timeout_ms, and leaves it blocking or not as flags say. */
int connect_within(int fd, const struct unx_addr *to, unsigned flags, int timeout_ms);

#endif
