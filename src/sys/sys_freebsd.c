// SPDX-License-Identifier: MIT
/*
 * FreeBSD: what it does its own way.
 *
 * Promises: a packet is whole, also where the kernel hands it out in pieces; if the rest of one is not there soon, it
 * is told as cut.
 *
 * What surprised us: since FreeBSD 15 a packet is what ends with MSG_EOR. Packets without it are glued together; who
 * does not wait sends as much of one as there is room for, so it is asked how much that is; a packet that finds too
 * little room arrives in pieces, which is why one socket should have one receiver; and what did not fit the receiver's
 * room stays queued instead of being dropped. An empty one is never sent, so it is refused. Before, a packet was whole
 * whatever its flags. MSG_TRUNC given to a receive comes back in msg_flags, as if something had been cut.
 * MSG_CMSG_CLOEXEC did nothing for some years, until FreeBSD 13. LOCAL_CREDS gives credentials with the first message
 * alone, LOCAL_CREDS_PERSISTENT (FreeBSD 13) with each; in what a sender attaches, the kernel fills in its own.
 */
#if defined(__FreeBSD__)
#include "sys_bsd.h"

#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/event.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/ucred.h>

#define SOL_OF_LOCAL 0 /* unix(4): the level of the options below */

int bsd_accept(int fd, struct sockaddr *sa, socklen_t *len, int flags)
{
    return QUIET(UNCANCELLED(accept4(fd, sa, len, flags)));
}

int sys_pass(int fd, unsigned what, bool on)
{
    switch (what) {
    case UNX_PASSFDS:
        /* Descriptors are always taken, and what is not wanted is closed on arrival. */
        return 0;
    case UNX_PASSCRED:
        return posix_set_option(fd, SOL_OF_LOCAL, LOCAL_CREDS_PERSISTENT, on);
    default:
        return on ? -EOPNOTSUPP : 0;
    }
}

/* ---- below a directory ---- */

static __thread int here = AT_FDCWD;

int sys_in_directory(int dirfd, int (*work)(void *arg), void *arg)
{
    const int before = here;
    here = dirfd;
    const int r = work(arg);
    here = before;
    return r;
}

int system_bind(int fd, const struct unx_addr *a)
{
    return here == AT_FDCWD ? posix_bind(fd, a) : QUIET(bindat(here, fd, &a->sa, a->len));
}

int system_connect(int fd, const struct unx_addr *a)
{
    return here == AT_FDCWD ? posix_connect(fd, a) : QUIET(UNCANCELLED(connectat(here, fd, &a->sa, a->len)));
}

/* ---- messages ---- */

/* Since then a packet is a part of a stream that ends with MSG_EOR. */
static bool packets_are_marks(void)
{
    return getosreldate() >= 1500000;
}

/* Whether the other side has room for so many bytes, or is gone. */
static bool has_room(int fd, size_t size)
{
    const struct timespec now = {0, 0};
    struct kevent ev;
    const int queue = sys_event();
    if (queue < 0) {
        /* A full table of descriptors is no reason not to send. */
        return true;
    }
    EV_SET(&ev, (uintptr_t)fd, EVFILT_WRITE, EV_ADD, 0, 0, 0);
    const int r = QUIET(UNCANCELLED(kevent(queue, &ev, 1, &ev, 1, &now)));
    sys_close(queue);
    struct unx_addr peer;
    if (r == 0 && sys_peer_addr(fd, &peer) == 0) {
        return false;
    }
    /* What is wrong is for the send to say. */
    return r <= 0 || (ev.flags & EV_EOF) != 0 || ev.data < 0 || (uint64_t)ev.data >= size;
}

int system_send_flags(int fd, size_t size, int flags)
{
    const int more = posix_send_flags(fd, size == 0 && packets_are_marks());
    if (more < 0 || (more & MSG_EOR) == 0 || !packets_are_marks()) {
        return more;
    }
    const int buffer = sys_send_buffer(fd);
    if (buffer >= 0 && size > (size_t)buffer) {
        return -EMSGSIZE;
    }
    /* Who does not wait would send what there is room for, and the rest would be missing. */
    const bool waits = (flags & MSG_DONTWAIT) == 0 && sys_get_nonblock(fd) == 0;
    if (waits || has_room(fd, size)) {
        return more;
    }
    /* poll(2) says again and again that there is room for a byte. */
    sys_sleep(1000000);
    return -EAGAIN;
}

/* Room behind the first n bytes, or else somewhere to drop the rest. True: it is dropped. */
static bool room_behind(const struct msghdr *h, size_t n, struct iovec *next, char *scratch, size_t size)
{
    for (int i = 0; i < h->msg_iovlen; i++) {
        const size_t len = h->msg_iov[i].iov_len;
        if (n < len) {
            *next = (struct iovec){.iov_base = (char *)h->msg_iov[i].iov_base + n, .iov_len = len - n};
            return false;
        }
        n -= len;
    }
    *next = (struct iovec){.iov_base = scratch, .iov_len = size};
    return true;
}

/* The rest of a packet that began with n bytes. Its sender is in the middle of a send, so it is waited for,
 * but not long. */
static ssize_t rest_of_packet(int fd, struct msghdr *h, ssize_t n, int flags)
{
    const int64_t patience = 100000000;
    char scratch[1024];
    ssize_t kept = n;
    for (bool ended = false; !ended;) {
        struct iovec next;
        struct msghdr more;
        const bool drops = room_behind(h, (size_t)kept, &next, scratch, sizeof scratch);
        memset(&more, 0, sizeof more);
        more.msg_iov = &next;
        more.msg_iovlen = 1;
        const ssize_t r = bsd_recvmsg(fd, &more, flags);
        if (r == -EINTR || (r == -EAGAIN && sys_poll(fd, POLLIN, patience) > 0)) {
            continue;
        }
        ended = r <= 0 || (more.msg_flags & MSG_EOR) != 0;
        kept += r > 0 && !drops ? r : 0;
        if (r <= 0 || drops) {
            h->msg_flags |= MSG_TRUNC;
        }
    }
    return kept;
}

ssize_t system_recvmsg(int fd, struct msghdr *h, int flags)
{
    const ssize_t n = bsd_recvmsg(fd, h, flags);
    if (n >= 0 && h->msg_controllen > 0 && getosreldate() < 1400000) {
        posix_make_cloexec(h);
    }
    if (n <= 0 || (flags & MSG_PEEK) != 0 || (h->msg_flags & (MSG_EOR | MSG_TRUNC)) != 0 || !packets_are_marks()) {
        return n;
    }
    return sys_type(fd) == SOCK_SEQPACKET ? rest_of_packet(fd, h, n, flags) : n;
}

int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c)
{
    struct sockcred2 asked;
    if (type == SYS_TYPE_CRED_SENT) {
        return posix_cmsgcred_read(data, len, c);
    }
    /* One group is in the struct, and there may be none. */
    const size_t least = offsetof(struct sockcred2, sc_groups);
    if (len < least) {
        return -EBADMSG;
    }
    memcpy(&asked, data, least);
    *c = (struct unx_cred){.pid = asked.sc_pid, .uid = asked.sc_uid, .gid = asked.sc_gid};
    return 0;
}

/* ---- who ---- */

int sys_peer_cred(int fd, struct unx_cred *c)
{
    struct xucred x;
    const int r = posix_peer_xucred(fd, &x);
    if (r == 0) {
        c->pid = x.cr_pid; /* 0 before FreeBSD 13 */
        c->uid = x.cr_uid;
        c->gid = x.cr_groups[0];
    }
    return r;
}

/* ---- files of memory ---- */

#define SEALS (F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE)

static int fill(int fd, const char *p, size_t n)
{
    for (size_t done = 0; done < n;) {
        const ssize_t r = QUIET(UNCANCELLED(pwrite(fd, p + done, n - done, (off_t)done)));
        if (r < 0 && r != -EINTR) {
            return (int)r;
        }
        done += r < 0 ? 0 : (size_t)r;
    }
    return QUIET(fcntl(fd, F_ADD_SEALS, SEALS));
}

int sys_sealed_file(const void *p, size_t n)
{
    const int fd = QUIET(memfd_create("unx", MFD_CLOEXEC | MFD_ALLOW_SEALING));
    const int r = fd < 0 ? fd : fill(fd, p, n);
    if (r < 0 && fd >= 0) {
        sys_close(fd);
    }
    return r < 0 ? r : fd;
}

int sys_sealed_size(int fd, uint64_t *size)
{
    struct stat st;
    const int seals = QUIET(fcntl(fd, F_GET_SEALS));
    if (seals < 0 || (seals & SEALS) != SEALS) {
        return seals == -EINVAL || seals >= 0 ? 0 : seals;
    }
    const int r = QUIET(fstat(fd, &st));
    if (r < 0) {
        return r;
    }
    *size = (uint64_t)st.st_size;
    return 1;
}

#endif
