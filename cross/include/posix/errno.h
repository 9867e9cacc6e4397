/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_ERRNO_H
#define CROSS_ERRNO_H

#include <system.h>

int *cross_errno(void);
#define errno (*cross_errno())

#endif
