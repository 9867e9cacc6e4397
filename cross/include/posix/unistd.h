/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. issetugid(2) and pipe2(2) are on all of them. */
#ifndef CROSS_UNISTD_H
#define CROSS_UNISTD_H

#include <sys/types.h>
#include <system.h>

int close(int fd);
int dup2(int from, int to);
int fchownat(int dirfd, const char *name, uid_t owner, gid_t group, int flags);
int issetugid(void);
int linkat(int dirfd, const char *from, int todir, const char *to, int flags);
int pipe2(int fds[2], int flags);
int unlinkat(int dirfd, const char *name, int flags);
pid_t getpid(void);
uid_t getuid(void);
uid_t geteuid(void);
gid_t getgid(void);
gid_t getegid(void);
ssize_t read(int fd, void *p, size_t n);
ssize_t write(int fd, const void *p, size_t n);
ssize_t pread(int fd, void *p, size_t n, off_t at);
ssize_t pwrite(int fd, const void *p, size_t n, off_t at);

#endif
