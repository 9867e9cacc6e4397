// SPDX-License-Identifier: MIT
/*
 * macOS: what it does its own way.
 *
 * Promises: descriptors are close-on-exec as soon as this process can make them so: there is no way to be born so, and
 * a fork(2) with exec(2) in another thread may fall in between.
 *
 * What surprised us: there are no packets with a connection (SOCK_SEQPACKET). All descriptors of a message are
 * installed, and then control data is cut to the room there was, with the length that it had: so the room is always for
 * all of them. LOCAL_PEERPID is who used the socket last, LOCAL_PEERCRED who connected. Which directory a relative path
 * begins in can be said for each thread alone, by a function that its headers do not declare and its library
 * has since 10.5.
 */
#if defined(__APPLE__)
#include "sys_posix.h"

#include <stdio.h>
#include <string.h>
#include <sys/ucred.h>

int pthread_fchdir_np(int fd); /* -1: the directory of the process again */

/* ---- sockets ---- */

/* A new socket, as this library promises it. */
static int finish(int fd, bool nonblock)
{
    const int on = 1;
    int r = fd < 0 ? fd : sys_set_cloexec(fd);
    if (r >= 0) {
        r = QUIET(setsockopt(fd, SOL_SOCKET, SO_NOSIGPIPE, &on, sizeof on));
        /* What is closed by the other side already has no options. */
        r = r == -EINVAL ? 0 : r;
    }
    if (r >= 0) {
        r = sys_set_nonblock(fd, nonblock);
    }
    if (r < 0 && fd >= 0) {
        sys_close(fd);
    }
    return r < 0 ? r : fd;
}

static int known_type(int type, int r)
{
    return type == SOCK_SEQPACKET && (r == -EPROTONOSUPPORT || r == -EPROTOTYPE) ? -EOPNOTSUPP : r;
}

int sys_socket(int type, bool nonblock)
{
    return finish(known_type(type, QUIET(socket(AF_UNIX, type, 0))), nonblock);
}

int sys_pair(int type, bool nonblock, int fds[2])
{
    int made[2];
    int r = known_type(type, QUIET(socketpair(AF_UNIX, type, 0, made)));
    if (r < 0) {
        return r;
    }
    r = finish(made[0], nonblock);
    if (r < 0) {
        sys_close(made[1]);
        return r;
    }
    r = finish(made[1], nonblock);
    if (r < 0) {
        sys_close(made[0]);
        return r;
    }
    memcpy(fds, made, sizeof made);
    return 0;
}

int system_accept(int fd, bool nonblock, struct sockaddr *sa, socklen_t *len)
{
    return finish(QUIET(UNCANCELLED(accept(fd, sa, len))), nonblock);
}

int system_bind(int fd, const struct unx_addr *a)
{
    return posix_bind(fd, a);
}

int system_connect(int fd, const struct unx_addr *a)
{
    return posix_connect(fd, a);
}

int sys_in_directory(int dirfd, int (*work)(void *arg), void *arg)
{
    int r = QUIET(pthread_fchdir_np(dirfd));
    if (r == 0) {
        r = work(arg);
        (void)QUIET(pthread_fchdir_np(-1));
    }
    return r;
}

int sys_pass(int fd, unsigned what, bool on)
{
    (void)fd;
    /* Descriptors are always taken, and what is not wanted is closed on arrival. */
    return what == UNX_PASSFDS || !on ? 0 : -EOPNOTSUPP;
}

int sys_pipe(int fds[2])
{
    int made[2];
    int r = QUIET(pipe(made));
    for (int i = 0; r == 0 && i < 2; i++) {
        r = sys_set_cloexec(made[i]);
        if (r < 0) {
            sys_close(made[0]);
            sys_close(made[1]);
        }
    }
    if (r == 0) {
        memcpy(fds, made, sizeof made);
    }
    return r;
}

/* ---- messages ---- */

int system_send_flags(int fd, size_t size, int flags)
{
    (void)fd;
    (void)size;
    (void)flags;
    return MSG_NOSIGNAL;
}

/* Calls `each` with every descriptor in control data whose lengths may claim more than there is. */
static void every_fd(const void *control, size_t len, void (*each)(int fd))
{
    struct cmsghdr h;
    const char *at = control;
    for (size_t left = len; left >= sizeof h;) {
        memcpy(&h, at, sizeof h);
        const size_t here = h.cmsg_len < left ? h.cmsg_len : left;
        if (here < sizeof h) {
            return;
        }
        const bool rights = h.cmsg_level == SOL_SOCKET && h.cmsg_type == SCM_RIGHTS;
        for (size_t i = sizeof h; rights && i + sizeof(int) <= here; i += sizeof(int)) {
            int fd;
            memcpy(&fd, at + i, sizeof fd);
            each(fd);
        }
        const size_t next = (here + sizeof(int) - 1) & ~(sizeof(int) - 1);
        at += next < left ? next : left;
        left -= next < left ? next : left;
    }
}

static void make_cloexec(int fd)
{
    (void)sys_set_cloexec(fd);
}

static void discard(int fd)
{
    (void)sys_discard(fd);
}

/* Hands over what there is room for: the message of descriptors is cut to whole ones, the others are closed. */
static void hand_over(struct msghdr *h, void *to, size_t size, char *all)
{
    struct cmsghdr first;
    size_t keep = h->msg_controllen;
    if (keep > size) {
        keep = size < sizeof first ? 0 : sizeof first + (size - sizeof first) / sizeof(int) * sizeof(int);
        h->msg_flags |= MSG_CTRUNC;
        if (keep > 0) {
            memcpy(&first, all, sizeof first);
            struct cmsghdr rest = first;
            rest.cmsg_len = (socklen_t)(h->msg_controllen - keep + sizeof rest);
            first.cmsg_len = (socklen_t)keep;
            memcpy(all, &first, sizeof first);
            memcpy(to, all, keep);
            /* A header in front of what was cut off makes it a message of its own. */
            memcpy(all + keep - sizeof rest, &rest, sizeof rest);
            every_fd(all + keep - sizeof rest, rest.cmsg_len, discard);
        } else {
            every_fd(all, h->msg_controllen, discard);
        }
    } else {
        memcpy(to, all, keep);
    }
    h->msg_control = to;
    h->msg_controllen = (socklen_t)keep;
}

ssize_t system_recvmsg(int fd, struct msghdr *h, int flags)
{
    char all[SYS_CONTROL_ROOM] __attribute__((aligned(8)));
    void *const control = h->msg_control;
    const size_t size = h->msg_controllen;
    const bool cut = size > 0 && size < sizeof all;
    if (cut) {
        h->msg_control = all;
        h->msg_controllen = sizeof all;
    }
    const ssize_t n = QUIET(UNCANCELLED(recvmsg(fd, h, flags)));
    if (n >= 0 && h->msg_control != NULL) {
        every_fd(h->msg_control, h->msg_controllen, make_cloexec);
    }
    if (cut && n >= 0) {
        hand_over(h, control, size, all);
    } else if (cut) {
        h->msg_control = control;
        h->msg_controllen = (socklen_t)size;
    }
    return n;
}

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    (void)type;
    (void)data;
    (void)len;
    (void)c;
    return -EBADMSG;
}

size_t sys_cred_write(void *data, const struct unx_cred *c, int *type)
{
    (void)data;
    (void)c;
    *type = -1;
    return 0;
}

/* ---- who ---- */

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct xucred x;
    const int r = posix_peer_xucred(fd, &x);
    if (r < 0) {
        return r;
    }
    const int pid = posix_option(fd, SOL_LOCAL, LOCAL_PEERPID);
    c->pid = pid < 0 ? 0 : pid;
    c->uid = x.cr_uid;
    c->gid = x.cr_groups[0];
    return 0;
}

/* ---- files ---- */

int sys_rename_new(int dirfd, const char *from, const char *to)
{
    const int r = QUIET(renameatx_np(dirfd, from, dirfd, to, RENAME_EXCL));
    if (r != -ENOTSUP && r != -EINVAL) {
        return r;
    }
    /* A file system without the flag: a second name does not replace either. */
    const int linked = QUIET(linkat(dirfd, from, dirfd, to, 0));
    const int removed = linked < 0 ? linked : sys_unlink(dirfd, from);
    if (linked == 0 && removed < 0) {
        (void)sys_unlink(dirfd, to);
    }
    return removed;
}

int sys_swap(int dirfd, const char *a, const char *b)
{
    const int r = QUIET(renameatx_np(dirfd, a, dirfd, b, RENAME_SWAP));
    return r == -ENOTSUP || r == -EINVAL ? -EOPNOTSUPP : r;
}

#endif
