/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it. It says which members a struct has, and not in which order: that is no system's here. */
#ifndef CROSS_DIRENT_H
#define CROSS_DIRENT_H

#include <system.h>

struct dirent {
    char d_name[256];
};
typedef struct cross_dir DIR;
DIR *opendir(const char *path);
int closedir(DIR *d);
struct dirent *readdir(DIR *d);

#endif
