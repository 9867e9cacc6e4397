// SPDX-License-Identifier: MIT
/* What sending and receiving share: the checks of a struct unx_msg, and its answer. */
#ifndef UNX_MESSAGE_H
#define UNX_MESSAGE_H

#include <stdbool.h>
#include <unx/unx.h>

#include "sys.h"

/* Clears the answer. */
static inline void message_reset(struct unx_msg *m)
{
    m->len = m->full_len = m->control_len = m->label_len = 0;
    m->fds_got = m->got = 0;
    m->error = 0;
    m->time_ns = 0;
    m->more[0] = m->more[1] = m->more[2] = m->more[3] = 0;
}

/* Whether it is data with or without descriptors, and well formed: what most messages are. */
static inline bool message_is_simple(const struct unx_msg *m)
{
    const uintptr_t pointers =
        (uintptr_t)m->addr | (uintptr_t)m->cred | (uintptr_t)m->pidfd | (uintptr_t)m->label | (uintptr_t)m->control;
    const size_t sizes = m->label_max | m->control_max | m->skip;
    const uint64_t reserved = m->reserved[0] | m->reserved[1] | m->reserved[2] | m->reserved[3];
    return (pointers | sizes | reserved) == 0 && (m->nfds == 0 || m->fds != NULL) && m->iov != NULL &&
           m->niov - 1 < SYS_IOV_MAX && m->iov[0].iov_len > 0;
}

/* -EINVAL for what no call takes; `plain` also refuses all that UNX_PLAIN excludes. */
int message_check(const struct unx_msg *m, bool plain);

/* Bytes of data, or of room. */
size_t message_bytes(const struct unx_msg *m);

/* Whether there is room, or data, for a single byte. */
bool message_has_bytes(const struct unx_msg *m);

/* Notes how the message fared, and passes the result on. */
static inline int message_done(struct unx_msg *m, int result)
{
    m->error = result < 0 ? result : 0;
    return result;
}

#endif
