// SPDX-License-Identifier: MIT
/*
 * What the tests of activation and notification share: the environment, descriptors at given numbers, other programs,
 * and the program that a test becomes when it starts itself as a service.
 */
#ifndef TEST_ACTIVATION_H
#define TEST_ACTIVATION_H

#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/activation.h>

extern char **environ;

/* Sets a variable; NULL removes it. */
void set_env(const char *name, const char *value);
void set_env_number(const char *name, unsigned long long value);

/* LISTEN_* for this process. names NULL: not set. */
void announce(unsigned n, const char *names);

/* Moves fd to a number of its own choice. */
void move_fd(int fd, int to);

/* Closes 3 and all above: for a child that arranges its descriptors anew. */
void close_all(void);

/* The inode number of a pidfd of this process, asked without the library; 0: this kernel has none. */
unsigned long long own_pidfdid(void);

/* argv[1] of a test that was started as a service: what it does is said in activation.c. Returns the exit status, or -1
 * if the program was started as a test. */
int service_main(int argc, char **argv);

/* Starts a program with its standard output going to *out; between(arg) runs in the child before. */
pid_t start_program(const char *const argv[], int *out, void (*between)(void *arg), void *arg);

/* Reads to the end, closes, and returns the text (static memory). */
const char *read_all(int fd);

/* The exit status of a program that has to end by itself. */
int exit_status(pid_t pid);

/* The path of this program. */
const char *self(void);

#endif
