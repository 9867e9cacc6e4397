/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_SYS_UIO_H
#define CROSS_SYS_UIO_H

#include <sys/types.h>
#include <system.h>

#endif
