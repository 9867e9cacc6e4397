/* SPDX-License-Identifier: MIT */
/* ioctl(2) */
#ifndef CROSS_SYS_IOCTL_H
#define CROSS_SYS_IOCTL_H

#include <system.h>

int ioctl(int fd, unsigned long request, ...);

#endif
