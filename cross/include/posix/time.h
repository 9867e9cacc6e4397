/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_TIME_H
#define CROSS_TIME_H

#include <system.h>

int clock_gettime(clockid_t clock, struct timespec *ts);

#endif
