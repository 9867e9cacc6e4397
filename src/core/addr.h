// SPDX-License-Identifier: MIT
/* Addresses inside the library: pure functions, no system calls. The public half is in unx/unx.h. */
#ifndef UNX_ADDR_H
#define UNX_ADDR_H

#include <unx/unx.h>

/* Bytes before the name in a sockaddr_un. */
#define ADDR_HEAD ((socklen_t)offsetof(struct sockaddr_un, sun_path))

/* 0 if bind(2) and connect(2) may be given this address; -EINVAL, -EAFNOSUPPORT. */
int addr_check(const struct unx_addr *a);

/* Brings what the kernel answered, with a->len as it set it, to the form that unx_addr_sockaddr() promises. No length
 * at all is an unnamed address: that is how a message of an unbound sender arrives. */
int addr_from_kernel(struct unx_addr *a);

#endif
