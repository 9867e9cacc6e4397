/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_PTHREAD_H
#define CROSS_PTHREAD_H

#include <system.h>

int pthread_setcancelstate(int state, int *before);

#endif
