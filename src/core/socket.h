// SPDX-License-Identifier: MIT
/* What the calls that make sockets share. */
#ifndef UNX_SOCKET_H
#define UNX_SOCKET_H

#include <unx/unx.h>

#define SOCKET_PASS (UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP)
#define SOCKET_FLAGS (UNX_NONBLOCK | UNX_BIGBUF | SOCKET_PASS)
#define SOCKET_ACCEPT (UNX_NONBLOCK | UNX_TIMESTAMP | UNX_BIGBUF | UNX_INTR)

/* unx_socket(), but with UNX_NONBLOCK taken as the state at birth alone. */
int socket_new(int type, unsigned flags);

/* The buffer of UNX_BIGBUF. */
#define SOCKET_BIGBUF (4 << 20)

/* The type of a socket that unx_adopt() takes, or the error of those that it does not; nothing is changed. */
int socket_adoptable(int fd, int type, unsigned flags);

/* 0: an AF_UNIX socket; -EAFNOSUPPORT, -EBADF, -ENOTSOCK. */
int socket_ours(int fd);

#endif
