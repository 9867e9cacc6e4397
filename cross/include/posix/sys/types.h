/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_SYS_TYPES_H
#define CROSS_SYS_TYPES_H

#include <system.h>

#endif
