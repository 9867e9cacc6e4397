/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. */
#ifndef CROSS_STDIO_H
#define CROSS_STDIO_H

#include <stdarg.h>
#include <system.h>

int snprintf(char *text, size_t size, const char *format, ...) __attribute__((format(printf, 3, 4)));
int vsnprintf(char *text, size_t size, const char *format, va_list arguments) __attribute__((format(printf, 3, 0)));
int printf(const char *format, ...) __attribute__((format(printf, 1, 2)));
typedef struct cross_file FILE;
FILE *cross_stream(int which);
#define stdin cross_stream(0)
#define stdout cross_stream(1)
#define stderr cross_stream(2)
int fprintf(FILE *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
int dprintf(int fd, const char *format, ...) __attribute__((format(printf, 2, 3)));
int fflush(FILE *f);
int vasprintf(char **text, const char *format, va_list arguments) __attribute__((format(printf, 2, 0)));
int ferror(FILE *f);
int fclose(FILE *f);
int fputs(const char *text, FILE *f);
int fputc(int c, FILE *f);
int putchar(int c);
int puts(const char *text);
size_t fwrite(const void *p, size_t size, size_t n, FILE *f);

#endif
