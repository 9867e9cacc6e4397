// SPDX-License-Identifier: MIT
/* A program as the server that is attacked: the command unx, or an example (command.c). */
#ifndef HOSTILE_COMMAND_H
#define HOSTILE_COMMAND_H

#include "run.h"

/* Becomes the program, with what it prints going to output[1]. */
void command_serve(const struct target *t, struct ground *g, int output[2]);

/* Reads what it prints, until its end, and writes down whom it names. */
void command_read(const struct target *t, struct ground *g, int fd);

/* Waits for its end, after SIGTERM: no crash. */
void command_ended(pid_t pid);

/* The programs, by their names. */
const struct target *command_target(const char *name);

#endif
