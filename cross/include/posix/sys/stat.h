/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_SYS_STAT_H
#define CROSS_SYS_STAT_H

#include <system.h>

#define S_ISSOCK(mode) (((mode)&S_IFMT) == S_IFSOCK)
#define S_ISREG(mode) (((mode)&S_IFMT) == 0100000)
#define S_ISDIR(mode) (((mode)&S_IFMT) == 0040000)
#define S_ISFIFO(mode) (((mode)&S_IFMT) == 0010000)
#define S_ISCHR(mode) (((mode)&S_IFMT) == 0020000)
#define S_ISBLK(mode) (((mode)&S_IFMT) == 0060000)
#define S_ISLNK(mode) (((mode)&S_IFMT) == 0120000)
int mkdir(const char *path, mode_t mode);
int lstat(const char *path, struct stat *st);
mode_t umask(mode_t mode);
int fstat(int fd, struct stat *st);
int stat(const char *path, struct stat *st);
int fstatat(int dirfd, const char *name, struct stat *st, int flags);
int fchmodat(int dirfd, const char *name, mode_t mode, int flags);
int renameat(int fromdir, const char *from, int todir, const char *to);

#endif
