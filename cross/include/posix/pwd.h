/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it. It says which members a struct has, and not in which order: that is no system's here. */
#ifndef CROSS_PWD_H
#define CROSS_PWD_H

#include <system.h>

struct passwd {
    char *pw_name;
    uid_t pw_uid;
    gid_t pw_gid;
    char *pw_dir;
    char *pw_shell;
};
struct passwd *getpwnam(const char *name);
struct passwd *getpwuid(uid_t uid);

#endif
