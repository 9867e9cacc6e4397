// SPDX-License-Identifier: MIT
/* The protocols of service managers inside the library: what their variables and names look like. */
#ifndef UNX_ACTIVATION_INTERNAL_H
#define UNX_ACTIVATION_INTERNAL_H

#include <stdbool.h>
#include <unx/activation.h>

/* ---- pure: activation_text.c ---- */

/* The values of LISTEN_*; NULL: not set. */
struct listen_vars {
    const char *pid, *pidfdid, *fds, *names;
};

/* How many descriptors they announce to process `pid`, whose pidfd has this inode number (0: not known); -EINVAL. */
int listen_count(const struct listen_vars *v, pid_t pid, uint64_t pidfdid);

/* The length of the first of several names; *names moves on to the next, NULL after the last. */
size_t listen_name(const char **names);

/* Whether it may be the name of a descriptor. */
bool name_valid(const char *p, size_t len);

/* Digits alone, without a leading zero, `max` at most, which is 9 or more. */
bool text_number(const char *p, size_t len, uint64_t max, uint64_t *value);

/* ---- the environment: activation.c ---- */

/* Removes these variables (NULL ends them) if the flags say UNX_UNSET. */
void env_unset(const char *const *names, unsigned flags);

#endif
