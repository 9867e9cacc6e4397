/* SPDX-License-Identifier: MIT */
/* ioctl(2) */
#ifndef CROSS_SYS_FILIO_H
#define CROSS_SYS_FILIO_H

#include <system.h>

#endif
