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
int unlink(const char *path);
int rmdir(const char *path);
int pipe(int fds[2]);
int dup(int fd);
int chdir(const char *path);
int isatty(int fd);
long sysconf(int what);
int getgroups(int n, gid_t *groups);
int execvp(const char *file, char *const *argv);
ssize_t readlink(const char *path, char *text, size_t size);
off_t lseek(int fd, off_t at, int whence);
pid_t fork(void);
pid_t getppid(void);
void _exit(int status) __attribute__((noreturn));
#define STDIN_FILENO 0
#define STDOUT_FILENO 1
#define STDERR_FILENO 2
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
