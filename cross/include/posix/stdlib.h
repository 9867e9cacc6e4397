/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_STDLIB_H
#define CROSS_STDLIB_H

#include <system.h>

void *calloc(size_t n, size_t size);
void *malloc(size_t size);
void free(void *p);
char *getenv(const char *name);
int unsetenv(const char *name);

#endif
