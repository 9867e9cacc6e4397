/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_SYS_TIME_H
#define CROSS_SYS_TIME_H

#include <system.h>

struct itimerval {
    struct timeval it_interval, it_value;
};
int setitimer(int which, const struct itimerval *to, struct itimerval *before);

#endif
