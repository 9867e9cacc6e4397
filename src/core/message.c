// SPDX-License-Identifier: MIT
/*
 * One message: what sending and receiving have in common.
 *
 * Promises: the caller's half is read and never written; the answer is written also on failure.
 */
#include "message.h"

#include <errno.h>

int message_check(const struct unx_msg *m, bool plain)
{
    const bool reserved = (m->reserved[0] | m->reserved[1] | m->reserved[2] | m->reserved[3]) != 0;
    const bool missing = (m->iov == NULL && m->niov > 0) || (m->fds == NULL && m->nfds > 0) ||
                         (m->label == NULL && m->label_max > 0) || (m->control == NULL && m->control_max > 0);
    const bool parsed = m->nfds > 0 || m->cred != NULL || m->pidfd != NULL || m->label != NULL;
    if (reserved || missing || (m->control != NULL && parsed) || m->niov > SYS_IOV_MAX) {
        return -EINVAL;
    }
    if (plain && (m->niov != 1 || parsed || m->addr != NULL || m->control != NULL || m->skip > 0)) {
        return -EINVAL;
    }
    return 0;
}

size_t message_bytes(const struct unx_msg *m)
{
    size_t sum = 0;
    for (size_t i = 0; i < m->niov; i++) {
        sum += m->iov[i].iov_len;
    }
    return sum;
}

bool message_has_bytes(const struct unx_msg *m)
{
    for (size_t i = 0; i < m->niov; i++) {
        if (m->iov[i].iov_len > 0) {
            return true;
        }
    }
    return false;
}

int unx_one_message(int result)
{
    return result == -EMSGSIZE || result == -ENOBUFS || result == -EMFILE || result == -ERANGE;
}
