/* SPDX-License-Identifier: MIT */
/*
 * Handing over: a program passes its listeners, its open connections and its state to its successor, and goes on
 * serving unless the successor has confirmed. Nobody who is connected, or connects meanwhile, notices.
 *
 *     the old program                                   its successor
 *     unx_pair(), fork(2), exec(3)           ------>    unx_handover_inherit()
 *     serves on, until the socket is readable           reads its configuration, and so on
 *                                            <------    unx_handover_receive() says that it is ready, and waits
 *     answers what it has read, reads no more
 *     unx_handover_send()                    ------>    unx_handover_receive() returns with all of it
 *     returns 0                              <------    unx_handover_confirm(sock, 0), then serves
 *     closes its copies and ends
 *
 * Exactly one of the two serves. Until unx_handover_confirm() returns 0 that is the old one; after any error of
 * unx_handover_send() it still is, and goes on reading. From the moment at which unx_handover_confirm() returns 0 it is
 * the successor, even if the deadline of the old one passes at this very moment: the confirmation counts if it was sent
 * before the old one shut its end, and then unx_handover_send() returns 0 too,
 * and otherwise unx_handover_confirm() fails.
 *
 * The socket is a SOCK_SEQPACKET pair (or connection) made with UNX_PASSFDS, best with UNX_PASSCRED too, and good for
 * one attempt: after it, whatever its result, close it. No copy of the old one's end may be open in another process, or
 * its death goes unnoticed. Conventions are those of unx/unx.h; nothing is allocated.
 */
#ifndef UNX_HANDOVER_H
#define UNX_HANDOVER_H

#include <unx/activation.h> /* UNX_UNSET */
#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define UNX_ANY_USER 0x10000000u /* do not ask that the other side runs under the same uid */

#define UNX_HANDOVER_ENV "UNX_HANDOVER_FD" /* the environment variable that says which descriptor the socket is */
#define UNX_HANDOVER_NAME 24               /* room for the name of a descriptor, with its NUL */
#define UNX_HANDOVER_FAILED 0x80000000u /* a bit in `reason`: the library's own; the errno value is in the other bits */

/* One descriptor and what it is: both are the caller's own words. Order is kept. */
struct unx_handover_fd {
    int fd;
    uint32_t kind;
    char name[UNX_HANDOVER_NAME]; /* NUL-terminated */
};

struct unx_handover {
    /* Yours, never written (what the pointers lead to is, when receiving). */
    struct unx_handover_fd *fds; /* what to lend, or room for what is given */
    unsigned nfds;               /* any number; as many as the descriptor table holds is room enough for all */
    void *state;                 /* the state, any bytes; or room for it; NULL only if state_max is 0 */
    size_t state_max;            /* its length when sending, its room when receiving */
    uint64_t reserved[4];        /* 0 */
    /* The answer, written also on failure. */
    unsigned fds_got;     /* receiving: fds[0..fds_got-1] are yours; in the rest fd is -1 */
    unsigned fds_full;    /* receiving: how many the old one announced, also if that was more than nfds */
    uint64_t state_len;   /* receiving: how long the state is */
    int state_fd;         /* receiving: -1 if it is in `state`; else it was longer than state_max and is in this file */
    uint32_t reason;      /* sending: why the successor refused, or UNX_HANDOVER_FAILED | errno; 0: it did not */
    struct unx_cred cred; /* who the other side is, if the socket has UNX_PASSCRED; known 0: it has not */
    uint64_t more[4];
};

/* The old one: lends the descriptors and the state to the successor, within timeout_ms from waiting until it is ready
 * to its confirmation. Everything stays yours. 0: the successor has taken over; close the descriptors (close(2): a
 * shutdown(2) is for all holders), take them out of epoll(7), and do not remove socket files.
 * A short state travels in a message; a longer one in a file of memory, a copy that nobody can change any more
 * (memfd_create(2); -EOPNOTSUPP where there is none, -EFBIG over RLIMIT_FSIZE).
 * Flags: UNX_ANY_USER. The socket stays as it is, and nothing went, after -EINVAL (also: a name without NUL, sock among
 * fds), -EBADF (sock, or a negative fd), -EPROTOTYPE (not SEQPACKET), -ENOTCONN, and -EPERM from the check of the
 * peer (unx_peer_cred() names another uid). After any other error the successor has closed, or will close, what it got:
 * -ECANCELED: it refused, `reason` says why; -ETIMEDOUT; -ECONNRESET, -EPIPE: it is gone; -EPERM: it speaks under
 * another uid, or its socket refuses descriptors; -EPROTO: it does not speak this protocol, or another version; -EBADF:
 * one of fds is not open; -ETOOMANYREFS: until the deadline, too many descriptors of this user were in flight. */
int unx_handover_send(int sock, struct unx_handover *h, unsigned flags, int timeout_ms);

/* The successor: says that it is ready, and receives everything within timeout_ms. 0: everything is here,
 * close-on-exec, and not to be read from before unx_handover_confirm() returned 0. Any other result: nothing is open,
 * and the old one is told why (not after the errors that leave the socket as it is, as above; nor are fds written
 * then). state_fd is a file sealed against every change, checked before it is read: pread(2) it, or mmap(2) it with
 * PROT_READ and MAP_PRIVATE, and close it. What kind of file a descriptor is, is not checked: unx_adopt().
 * Flags: UNX_ANY_USER. -ECANCELED: the old one gave up; -ECONNRESET: it is gone, or closed the socket; -ENOBUFS: more
 * than nfds (fds_full); -EMFILE; -EPERM: it is of another uid; -EPROTO: what came is no hand-over, or of another
 * version, or the state is not sealed or not as long as announced;
 * -EFBIG: the state is longer than this system's size_t. */
int unx_handover_receive(int sock, struct unx_handover *h, unsigned flags, int timeout_ms);

/* The successor's last word. reason 0: it has taken over. Else it refuses (below UNX_HANDOVER_FAILED, or -EINVAL),
 * before or after unx_handover_receive(), and closes what it received. Does not wait. 0: the old one knows, or is dead,
 * and you serve. -ECANCELED: too late, the old one gave up and serves: close everything. -ECONNRESET: the old one is
 * gone and did not give up: nobody serves but you. After any other error it was not said, and the old one serves. */
int unx_handover_confirm(int sock, uint32_t reason);

/* The socket that UNX_HANDOVER_ENV names: checked to be SEQPACKET, and made close-on-exec. -ENOENT: there is no such
 * variable, so nobody hands over: start afresh (always so in a program that runs with the rights of somebody else).
 * -EINVAL: it is not a number; and as unx_adopt(). Flags: UNX_UNSET. Compare sd_listen_fds(3). */
int unx_handover_inherit(unsigned flags);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
