/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it. It says which members a struct has, and not in which order: that is no system's here. */
#ifndef CROSS_GRP_H
#define CROSS_GRP_H

#include <system.h>

struct group {
    char *gr_name;
    gid_t gr_gid;
    char **gr_mem;
};
struct group *getgrnam(const char *name);
struct group *getgrgid(gid_t gid);

#endif
