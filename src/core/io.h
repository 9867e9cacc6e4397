// SPDX-License-Identifier: MIT
/* Waiting that survives signals. */
#ifndef UNX_IO_H
#define UNX_IO_H

#include <stdint.h>
#include <sys/types.h>

/* One attempt of a call. `how` is 0, or MSG_DONTWAIT. */
typedef ssize_t io_attempt(int fd, void *arg, int how);

/* Goes on after the first -EINTR of a call that began at `since`: as the socket's own timeout has it, for receiving or
 * sending (`which`: UNX_RECV, UNX_SEND). That is for those who wait; since -1: the call does not. */
ssize_t io_resume(int fd, int events, unsigned which, int64_t since, io_attempt *again, void *arg);

/* Attempts without waiting, until it is done or `deadline` (sys_now(), -1: never) has passed: then -EAGAIN. */
ssize_t io_until(int fd, int events, int64_t deadline, io_attempt *again, void *arg);

/* The deadline of a timeout in milliseconds, and what is left of one: both -1 without limit. */
int64_t io_deadline(int timeout_ms);
int64_t io_left(int64_t deadline);

#endif
