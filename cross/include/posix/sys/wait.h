/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_SYS_WAIT_H
#define CROSS_SYS_WAIT_H

#include <system.h>

#define WIFEXITED(status) (((status)&0x7f) == 0)
#define WEXITSTATUS(status) (((status) >> 8) & 0xff)
#define WIFSIGNALED(status) (((status)&0x7f) != 0 && ((status)&0xff) != 0x7f)
#define WTERMSIG(status) ((status)&0x7f)
pid_t waitpid(pid_t pid, int *status, int options);

#endif
