// SPDX-License-Identifier: MIT
/*
 * What the Linux files share.
 */
#ifndef UNX_SYS_LINUX_H
#define UNX_SYS_LINUX_H

#include "sys_linux_number.h"
#include "sys_quiet.h"

/* Android ends an application that makes a system call which the C library of its release does not make: what is
 * younger than the oldest release that a program is for does not exist there. */
#if defined(__ANDROID__)
#define SINCE_ANDROID(release, call) (__ANDROID_API__ >= (release) ? (call) : -ENOSYS)
#else
#define SINCE_ANDROID(release, call) (call)
#endif

#endif
