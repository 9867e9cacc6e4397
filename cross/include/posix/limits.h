/* SPDX-License-Identifier: MIT */
/* As C11 has it for machines of 64 bits, and PATH_MAX of sys/syslimits.h. */
#ifndef CROSS_LIMITS_H
#define CROSS_LIMITS_H

#include <system.h>

#define INT_MAX 0x7fffffff
#define UINT_MAX 0xffffffffU
#define LONG_MAX 0x7fffffffffffffffL
#define ULONG_MAX 0xffffffffffffffffUL
#define PATH_MAX 1024
#define NAME_MAX 255

#endif
