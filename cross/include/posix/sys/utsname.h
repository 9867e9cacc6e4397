/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it. It says which members a struct has, and not in which order: that is no system's here. */
#ifndef CROSS_SYS_UTSNAME_H
#define CROSS_SYS_UTSNAME_H

#include <system.h>

struct utsname {
    char sysname[256], nodename[256], release[256], version[256], machine[256];
};
int uname(struct utsname *u);

#endif
