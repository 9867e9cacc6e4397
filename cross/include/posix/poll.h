/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_POLL_H
#define CROSS_POLL_H

#include <system.h>

int poll(struct pollfd *p, nfds_t n, int timeout_ms);

#endif
