/* SPDX-License-Identifier: MIT */
/* What a case must leave as it was: open descriptors, umask, working directory. For harness.c alone. */
#ifndef HARNESS_STATE_H
#define HARNESS_STATE_H

#include <stddef.h>
#include <sys/types.h>

struct open_fd;

struct state {
    struct open_fd *fds;
    size_t nfds;
    mode_t umask;
    char cwd[4096];
};

void state_look(struct state *s);
void state_free(struct state *s);

/* 1: the descriptors differ, and how is printed. Another umask or working directory fails the case. */
int state_compare(const struct state *before, const struct state *after);

/* Removes a directory with all that is in it, however deep. */
void state_remove_tree(const char *path);

#endif
