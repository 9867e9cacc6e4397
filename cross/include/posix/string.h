/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_STRING_H
#define CROSS_STRING_H

#include <system.h>

void *memcpy(void *to, const void *from, size_t n);
void *memmove(void *to, const void *from, size_t n);
void *memset(void *to, int c, size_t n);
int memcmp(const void *a, const void *b, size_t n);
void *memchr(const void *p, int c, size_t n);
size_t strlen(const char *s);
size_t strnlen(const char *s, size_t max);
char *strchr(const char *s, int c);
char *strrchr(const char *s, int c);
int strcmp(const char *a, const char *b);
int strncmp(const char *a, const char *b, size_t n);
size_t strcspn(const char *s, const char *any);
size_t strspn(const char *s, const char *any);
char *strcpy(char *to, const char *from);
char *strdup(const char *s);
char *strstr(const char *s, const char *what);
char *strpbrk(const char *s, const char *any);
char *strerror(int error);
char *strsignal(int number);

#endif
