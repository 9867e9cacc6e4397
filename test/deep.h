/* SPDX-License-Identifier: MIT */
/*
 * A directory whose path no address can hold, and a world without /proc, for tests.
 */
#ifndef TEST_DEEP_H
#define TEST_DEEP_H

#include <stddef.h>

/* A directory below harness_dir() whose path has `len` bytes. */
struct deep {
    char path[4096];
    size_t len;
    int fd, base;
};

void make_deep(struct deep *d, size_t len);
void close_deep(struct deep *d);

/* Entries in it, without "." and "..". */
unsigned entries(const struct deep *d);

/* Three ways to say one place: the whole path, the path below harness_dir(), the name below its own directory. */
enum say { WHOLE, BELOW_BASE, BELOW_DIR, SAYS };
int said(const struct deep *d, enum say s, const char *name, char path[8192]);

/* In a mount namespace of its own this process has no /proc from now on; the case is skipped where that is not
 * allowed. */
void take_proc_away(void);

/* An argument for harness_fork() that says so. */
extern char without[];

#endif
