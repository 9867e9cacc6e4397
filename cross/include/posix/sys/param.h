/* SPDX-License-Identifier: MIT */
/* Not of POSIX: the BSDs tell their version here. */
#ifndef CROSS_SYS_PARAM_H
#define CROSS_SYS_PARAM_H

#include <system.h>

#endif
