/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_STRINGS_H
#define CROSS_STRINGS_H

#include <system.h>

int strcasecmp(const char *a, const char *b);
int strncasecmp(const char *a, const char *b, size_t n);

#endif
