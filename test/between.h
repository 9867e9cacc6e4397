// SPDX-License-Identifier: MIT
/*
 * Between two system calls of one call: a thread is stopped at chosen ones, and what happens meanwhile is up to the
 * test, which may also say that the system call fails.
 */
#ifndef TEST_BETWEEN_H
#define TEST_BETWEEN_H

/* Runs call(arg) in a thread of its own, and returns its result. When it comes to one of the `n` system calls of
 * `numbers`, event(arg, number) is called in this thread; 0: it shall go on; a negative errno value is what the system
 * call returns instead. Skips the case where the kernel cannot do that. */
int between(const int *numbers, unsigned n, int (*call)(void *arg), int (*event)(void *arg, int number), void *arg);

#endif
