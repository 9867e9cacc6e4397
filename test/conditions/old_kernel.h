/* SPDX-License-Identifier: MIT */
/* What older kernels and filters lack, as a list: see old_kernel_list.c. */
#ifndef OLD_KERNEL_H
#define OLD_KERNEL_H

#include <seccomp.h>
#include <stdbool.h>
#include <stddef.h>

#define LINUX(major, minor) ((major)*1000u + (minor)) /* 2.6.28 is (2, 28) */

/* One system call, or one argument of it, that came with one release. */
struct lack {
    const char *name; /* several may share one */
    unsigned since;   /* LINUX() */
    int number;
    int error; /* what a kernel says that lacks it */
    unsigned nargs;
    struct scmp_arg_cmp arg[2];
};

extern const struct lack lacks[];
extern const size_t nlacks;

/* Calls without a name here: those that came after one number had been agreed on for all architectures. */
#define FIRST_COMMON_NUMBER 424
extern const unsigned short common_since[];
extern const size_t ncommon;

/* Socket options, in the order of their numbers: 0 if this kernel lacks none. */
unsigned first_unknown_option(unsigned release);

#endif
