// SPDX-License-Identifier: MIT
/*
 * Who opened the connection, and whether that process is still there.
 *
 * Promises: an answer is about the peer or there is none; a list is whole or not written; an old kernel (EOPNOTSUPP), a
 * peer that is gone (ESRCH) and no peer at all (ENOTCONN) are three errors; a pidfd never comes from a pid.
 */
#include "control.h"
#include "socket.h"
#include "sys.h"

#include <errno.h>

int unx_cred_real(struct unx_cred *c)
{
    if (c == NULL) {
        return -EINVAL;
    }
    sys_own_cred(c, false);
    return 0;
}

int unx_cred_effective(struct unx_cred *c)
{
    if (c == NULL) {
        return -EINVAL;
    }
    sys_own_cred(c, true);
    return 0;
}

/* A listener answers these questions about itself, and a socket of another family answers them with nothing. */
static int has_peer(int fd)
{
    int r = socket_ours(fd);
    if (r == 0) {
        r = sys_listening(fd);
    }
    return r > 0 ? -ENOTCONN : r;
}

int unx_peer_cred(int fd, struct unx_cred *c)
{
    struct unx_cred peer = {.known = 0};
    int r = c == NULL ? -EINVAL : sys_peer_cred(fd, &peer);
    if (r == -ENOTCONN || r == -EOPNOTSUPP) {
        /* So it may be for a socket of another family too, to whom the option is something else. */
        const int ours = socket_ours(fd);
        return ours < 0 ? ours : r;
    }
    if (r < 0) {
        return r;
    }
    if (peer.pid == 0 && peer.uid == (uid_t)-1) {
        r = socket_ours(fd);
        return r < 0 ? r : -ENOTCONN;
    }
    r = sys_listening(fd);
    if (r == 0) {
        cred_judge(&peer);
        *c = peer;
    }
    return r > 0 ? -ENOTCONN : r;
}

int unx_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *ngroups)
{
    if (ngroups == NULL || (groups == NULL && max > 0)) {
        return -EINVAL;
    }
    *ngroups = 0;
    const int r = has_peer(fd);
    return r < 0 ? r : sys_peer_groups(fd, groups, max, ngroups);
}

int unx_peer_label(int fd, char *label, size_t max, size_t *len)
{
    if (len == NULL || (label == NULL && max > 0)) {
        return -EINVAL;
    }
    *len = 0;
    int r = has_peer(fd);
    if (r == 0) {
        r = sys_peer_label(fd, label, max, len);
    }
    if (r == 0 && *len > 0 && label != NULL && label[*len - 1] == '\0') {
        (*len)--;
    } else if (r == 0 && *len < max) {
        label[*len] = '\0';
    } else if (r == 0) {
        /* The kernel counts no NUL here, and there is no room for ours. */
        r = -ERANGE;
    }
    return r;
}

int unx_peer_pidfd(int fd)
{
    const int r = has_peer(fd);
    return r < 0 ? r : sys_peer_pidfd(fd);
}

int unx_pidfd_check(int pidfd, pid_t pid)
{
    if (pid < 0) {
        return -EINVAL;
    }
    int is = 0;
    int running = sys_pidfd_running(pidfd);
    if (running > 0 && pid > 0) {
        is = sys_pidfd_pid(pidfd);
        if (is < 0 && is != -ESRCH) {
            return is;
        }
        /* Asked again: if it runs now, the pid that was read is its own still. */
        running = sys_pidfd_running(pidfd);
    }
    return running < 0 ? running : running && (pid == 0 || is == pid);
}
