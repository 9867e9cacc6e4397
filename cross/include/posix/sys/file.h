/* SPDX-License-Identifier: MIT */
/* flock(2) */
#ifndef CROSS_SYS_FILE_H
#define CROSS_SYS_FILE_H

#include <system.h>

int flock(int fd, int how);

#endif
