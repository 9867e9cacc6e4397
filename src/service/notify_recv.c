// SPDX-License-Identifier: MIT
/*
 * Being the service manager: the server of the notification protocol.
 *
 * Promises: each notification comes with the credentials of its sender; what no service may send leaves no descriptor
 * behind; a client that waits at a barrier is released, whoever forgets it.
 */
#include "message.h"
#include "sys.h"

#include <errno.h>
#include <unx/activation.h>

int unx_notify_bind(unsigned flags, const struct unx_addr *a, mode_t mode)
{
    if ((flags & ~(UNX_NONBLOCK | UNX_PASSPIDFD)) != 0) {
        return -EINVAL;
    }
    return unx_bind(SOCK_DGRAM, flags | UNX_PASSFDS | UNX_PASSCRED, a, mode);
}

static void drop_fds(struct unx_msg *m)
{
    for (unsigned i = 0; i < m->fds_got; i++) {
        sys_discard(m->fds[i]);
        m->fds[i] = -1;
    }
    m->fds_got = 0;
    m->got &= ~UNX_GOT_FDS;
}

int unx_notify_recv(int fd, struct unx_msg *m, struct unx_notification *n, unsigned flags)
{
    if (m == NULL || n == NULL || (flags & ~(UNX_DONTWAIT | UNX_INTR | UNX_BARRIER)) != 0) {
        return -EINVAL;
    }
    *n = (struct unx_notification){.what = 0};
    if (m->iov == NULL || m->niov != 1 || m->control != NULL || (m->cred == NULL && m->pidfd == NULL)) {
        message_reset(m);
        return message_done(m, -EINVAL);
    }
    const int r = unx_recv(fd, m, flags & ~UNX_BARRIER);
    if (r <= 0) {
        return r;
    }
    unx_notify_parse(m->iov->iov_base, m->len, n);
    const bool barrier = (n->what & UNX_NOTIFY_BARRIER) != 0;
    if (barrier && m->fds_got != 1) {
        n->what = UNX_NOTIFY_BAD;
    }
    if ((n->what & UNX_NOTIFY_BAD) != 0 || (barrier && (flags & UNX_BARRIER) == 0)) {
        drop_fds(m);
    }
    return r;
}
