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
int setenv(const char *name, const char *value, int replace);
void *realloc(void *p, size_t size);
int atoi(const char *text);
long strtol(const char *text, char **end, int base);
unsigned long strtoul(const char *text, char **end, int base);
long long strtoll(const char *text, char **end, int base);
unsigned long long strtoull(const char *text, char **end, int base);
void exit(int status) __attribute__((noreturn));
int atexit(void (*last)(void));
void abort(void) __attribute__((noreturn));
void qsort(void *p, size_t n, size_t size, int (*compare)(const void *a, const void *b));
char *mkdtemp(char *name);
#define EXIT_SUCCESS 0
#define EXIT_FAILURE 1

#endif
