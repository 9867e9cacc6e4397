// SPDX-License-Identifier: MIT
/* Control messages inside the library: what is known of them, without a word about how they lie in memory. */
#ifndef UNX_CONTROL_INTERNAL_H
#define UNX_CONTROL_INTERNAL_H

#include <stdbool.h>
#include <unx/control.h>

enum control_kind { CONTROL_FDS, CONTROL_CRED, CONTROL_PIDFD, CONTROL_LABEL, CONTROL_TIME, CONTROL_OTHER };

/* The next message at *at, which moves on: 1, 0 at the end, -EBADMSG. Pure. */
int control_next(const void *buf, size_t len, size_t *at, struct unx_control_item *item);

enum control_kind control_kind(const struct unx_control_item *item);

/* Descriptor i of CONTROL_FDS and CONTROL_PIDFD. */
int control_fd(const struct unx_control_item *item, unsigned i);

/* If the buffer holds one message of descriptors and nothing else, at most `max` of them and all installed: copies them
 * and returns how many. Else 0, and nobody has taken any. */
unsigned control_take_fds(const void *buf, size_t len, int *fds, unsigned max);

/* Nanoseconds of CONTROL_TIME; false if it was cut, or is a time that no clock shows. */
bool control_time(const struct unx_control_item *item, int64_t *ns);

/* Appends a message without asking whether it fits: its data is `len` bytes from `data`. Returns the new length. */
size_t control_put_fds(void *buf, size_t at, const int *fds, unsigned n);
/* The same length where this system sends no credentials. */
size_t control_put_cred(void *buf, size_t at, const struct unx_cred *c);

/* Whether a buffer of `size` bytes, `used` of them written by the kernel, had room for one descriptor more. */
bool control_had_room(size_t size, size_t used);

/* Closes every descriptor in the buffer, and returns how many. */
int control_close(void *buf, size_t len);

/* Sets the bits of what is known, by the rules of struct unx_cred. */
void cred_judge(struct unx_cred *c);

#endif
