/* SPDX-License-Identifier: MIT */
/*
 * libunx: Unix domain sockets, whole.
 *
 * There is no socket object. Every call takes a plain descriptor and works on any AF_UNIX socket, whoever made it.
 * What the kernel's interface makes hard, one struct makes easy: data, descriptors and identity travel together in a
 * struct unx_msg, and nothing is ever cut, leaked or mistaken in silence.
 *
 * What holds for every call below:
 *  - It returns >= 0, or a negative errno value. errno itself is left alone.
 *    unx_explain() says what a value means here.
 *  - After a negative return no descriptor is open, and no file is there, that was not before.
 *  - Descriptors that are sent stay the caller's; descriptors that are received become the caller's.
 *  - Descriptors are close-on-exec from birth, SIGPIPE is never raised, and EINTR is retried with the remaining time
 *    (UNX_INTR: reported). No call is a cancellation point of pthread_cancel(3).
 *  - Nothing is allocated, logged or kept; no state is shared between calls, so any thread may call anything.
 *  - A flag that a call does not list is -EINVAL. So are a NULL that is not said to be allowed, and a reserved word
 *    not 0. A descriptor that is not open is -EBADF, one that is no socket is -ENOTSOCK, one of another family is
 *    -EAFNOSUPPORT where the call has to ask; moving messages and unx_accept() do not (it would
 *    cost a sixth of a message): give descriptors from elsewhere to unx_adopt() first.
 *  - timeout_ms is in milliseconds: 0 does not wait (-EAGAIN), -1 waits without limit, n waits so long (-ETIMEDOUT), by
 *    the monotonic clock.
 *  - The language is C11 or C++11.
 *  - type is SOCK_SEQPACKET, SOCK_STREAM or SOCK_DGRAM, else -EINVAL; -EOPNOTSUPP where this system lacks it.
 */
#ifndef UNX_UNX_H
#define UNX_UNX_H

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define UNX_VERSION_MAJOR 0
#define UNX_VERSION_MINOR 1
#define UNX_VERSION_PATCH 0

/* The version of the library that runs, as text: "0.1.0". */
const char *unx_version(void);

/* ---- Flags: each has a bit of its own, whichever call takes it ---- */

/* Of calls that make a socket. What a socket will accept is asked for when it is made, before anyone can send to it. */
#define UNX_NONBLOCK 0x00000001u  /* the resulting socket is non-blocking (O_NONBLOCK); says nothing about this call */
#define UNX_PASSFDS 0x00000002u   /* accept descriptors; else refused (SO_PASSRIGHTS, Linux 6.16), or closed */
#define UNX_PASSCRED 0x00000004u  /* credentials come with each message (SO_PASSCRED); binds to an autobind name */
#define UNX_PASSPIDFD 0x00000008u /* a pidfd of the sender comes with each message (SO_PASSPIDFD, Linux 6.5) */
#define UNX_PASSSEC 0x00000010u   /* the sender's security label comes with each message (SO_PASSSEC) */
/* UNX_TIMESTAMP: the time of sending comes with each message (SO_TIMESTAMPNS), or that of receiving if it was sent
 * before this was set, as it may be on an accepted connection; -EOPNOTSUPP on STREAM. */
#define UNX_TIMESTAMP 0x00000020u
#define UNX_LISTENING 0x00000040u /* unx_adopt(): the socket has to be listening */
#define UNX_BIGBUF 0x00000080u    /* a send buffer of 4 MiB, or as much of it as the system allows (SO_SNDBUF) */

/* Of calls that move messages. */
#define UNX_DONTWAIT 0x00000100u /* -EAGAIN instead of waiting, this once (MSG_DONTWAIT) */
#define UNX_INTR 0x00000200u     /* a signal ends the wait with -EINTR */
#define UNX_PEEK 0x00000400u     /* data and true length stay queued; descriptors and credentials are not looked at */
#define UNX_PEEK_FDS 0x00000800u /* everything stays queued and comes too: each such peek installs new descriptors */
#define UNX_PARTIAL 0x00001000u  /* a part will do: what was cut is said in `got` instead of being an error */
#define UNX_KEEP 0x00002000u     /* a packet larger than the room stays queued (-EMSGSIZE, full_len); one reader only */
#define UNX_PLAIN 0x00004000u    /* bytes alone, by send(2) and recv(2): descriptors that arrive are dropped unseen */

/* Of unx_set_timeout() and unx_get_timeout(). */
#define UNX_RECV 0x00010000u /* receiving and accepting (SO_RCVTIMEO) */
#define UNX_SEND 0x00020000u /* sending (SO_SNDTIMEO) */

/* ---- Addresses: struct unx_addr is a value, copy it, free nothing. See unx(7) for the three kinds. ---- */

struct unx_addr {
    socklen_t len; /* as bind(2) takes it; 0: no address */
    union {
        struct sockaddr sa;
        struct sockaddr_un un;
        char raw[256]; /* Linux answers up to 111 bytes, macOS up to 255 */
    };
};

/* Kinds of address, as unx_addr_name() returns them. */
#define UNX_NONE 0     /* no address at all (len 0) */
#define UNX_UNNAMED 1  /* an address without a name: an unbound socket, either end of a pair */
#define UNX_PATH 2     /* a file */
#define UNX_ABSTRACT 3 /* a name without a file (Linux); binary, its length is part of it; no permissions guard it */

#define UNX_MODE_UMASK ((mode_t)-1) /* leave the mode of a socket file to the umask */
#define UNX_ADDR_TEXT 1024          /* room for the text form of any address, with its NUL */

/* A path of 1 to unx_limit(UNX_LIMIT_PATH) bytes. Empty: -EINVAL (the kernel would take it for an abstract name).
 * Longer: -ENAMETOOLONG; unx_connect_path() and unx_listen_path() take paths of any length. */
int unx_addr_path(struct unx_addr *a, const char *path);

/* `name` below the open directory `dirfd` (AT_FDCWD: as unx_addr_path()), by way of /proc/self/fd: good while dirfd is
 * open, in this process. -ENAMETOOLONG as above, -EOPNOTSUPP on systems without it. */
int unx_addr_path_at(struct unx_addr *a, int dirfd, const char *name);

/* An abstract name of 0 to unx_limit(UNX_LIMIT_ABSTRACT) bytes, any bytes; neither cut nor padded. Longer:
 * -ENAMETOOLONG; -EOPNOTSUPP where there are none. `name` may be NULL when len is 0. */
int unx_addr_abstract(struct unx_addr *a, const void *name, size_t len);

/* The unnamed address. Binding to it lets Linux pick a free abstract name (autobind, unix(7)). */
int unx_addr_unnamed(struct unx_addr *a);

/* From a raw address of `len` bytes, as the kernel or another library gives it: copied, checked, and brought to the
 * form above (a path ends at its first NUL). Another family: -EAFNOSUPPORT; too long or too short: -EINVAL. The way
 * back is &a->sa and a->len. */
int unx_addr_sockaddr(struct unx_addr *a, const struct sockaddr *sa, socklen_t len);

/* The kind; the name goes to *name (inside *a, not NUL-terminated) and *len, either may be NULL. NULL and 0 for
 * UNX_NONE and UNX_UNNAMED. -EAFNOSUPPORT, -EINVAL for what is no address of this family. */
int unx_addr_name(const struct unx_addr *a, const void **name, size_t *len);

/* 1: an absolute path; 0: a relative one; -EINVAL: not a path. */
int unx_addr_absolute(const struct unx_addr *a);

/* Order as memcmp(3) has it, 0 for the same address: < 0 is no errno here. Kinds in the order above, then names. */
int unx_addr_compare(const struct unx_addr *a, const struct unx_addr *b);

/* The same number for the same address, in this version of the library; not proof against chosen collisions. */
uint64_t unx_addr_hash(const struct unx_addr *a);

/* Text form: "@name" is abstract, anything else a path; \xHH, \\, \n, \r, \t, \0 stand for bytes. A file called "@x" is
 * written "./@x" or "\x40x". "": -EINVAL. A bad escape: -EINVAL. A NUL inside a path: -EINVAL. */
int unx_addr_parse(struct unx_addr *a, const char *text);

/* The inverse: parsing what it writes gives an equal address, for every path and abstract name. Bytes outside
 * 0x20..0x7e become \xHH. An unnamed address and none write "". Returns the length without the NUL; no room: -ERANGE,
 * and `text` is "" if size > 0. UNX_ADDR_TEXT bytes are always enough. */
int unx_addr_format(const struct unx_addr *a, char *text, size_t size);

/* Limits of this system. */
#define UNX_LIMIT_PATH 1     /* bytes of a path in an address */
#define UNX_LIMIT_ABSTRACT 2 /* bytes of an abstract name; -EOPNOTSUPP where there are none */
#define UNX_LIMIT_FDS 3      /* descriptors of one message */
#define UNX_LIMIT_IOV 4      /* elements of an iovec array */
int unx_limit(int what);

/* ---- Sockets ---- */

/* In all of these: flags are UNX_NONBLOCK, UNX_PASSFDS, UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC, UNX_TIMESTAMP,
 * UNX_BIGBUF; the result is a descriptor that the caller closes with close(2).
 * An option the kernel does not know: -EOPNOTSUPP. */

/* An unbound socket: a datagram sender without a name, or one for calls of your own. */
int unx_socket(int type, unsigned flags);

/* A connected pair. On failure fds is not written. */
int unx_pair(int type, unsigned flags, int fds[2]);

/* A socket bound to an address: a datagram receiver. The unnamed address autobinds. For a path, `mode` is the mode of
 * the file, exactly, whatever the umask says, without a moment in which it is wider, and nobody can connect before it
 * is set; UNX_MODE_UMASK leaves it to the umask, and is the only mode an abstract name may have (else -EINVAL). -EPERM:
 * wider than the umask in a directory where others can rename our file. A name that exists, live or
 * stale: -EADDRINUSE. The file stays when the socket is closed: unlink(2) it. */
int unx_bind(int type, unsigned flags, const struct unx_addr *a, mode_t mode);

/* The same, and listening. backlog: -1 is as many as the system allows. DGRAM: -EOPNOTSUPP. UNX_TIMESTAMP is not for a
 * listener, because connections do not inherit it (-EINVAL): give it to unx_accept(). */
int unx_listen(int type, unsigned flags, const struct unx_addr *a, int backlog, mode_t mode);

/* The same for a path of any length the file system takes, relative to the directory `dirfd` or AT_FDCWD. Backlog
 * UNX_BIND_ONLY: do not listen, as unx_bind(). Never changes the working directory; works without /proc,
 * but for a mode that is wider than the umask, which takes Linux 6.6 there (-EOPNOTSUPP). */
int unx_listen_path(int type, unsigned flags, int dirfd, const char *path, int backlog, mode_t mode);
#define UNX_BIND_ONLY (-2)

/* A connected socket. `from`, if not NULL, is an address to bind first (for a path: under the umask; the file is
 * removed if the call fails, else the caller's). Waits for room in the server's backlog, up to timeout_ms.
 * -ECONNREFUSED: nobody listens there; -ENOENT: no such file; -EPROTOTYPE: a socket of another type. */
int unx_connect(int type, unsigned flags, const struct unx_addr *from, const struct unx_addr *to, int timeout_ms);

/* The same for a path of any length, relative to the directory `dirfd` or AT_FDCWD. Works without /proc, but there the
 * last component has to fit an address (-ENAMETOOLONG). */
int unx_connect_path(int type, unsigned flags, int dirfd, const char *path, int timeout_ms);

/* The next connection; flags are UNX_NONBLOCK, UNX_TIMESTAMP, UNX_BIGBUF and UNX_INTR. UNX_PASSFDS and the like come
 * from the listener and are refused here (-EINVAL), because the peer may have sent already. `peer`, if not NULL, gets
 * the peer's address (mostly unnamed: ask unx_peer_cred() who it is). A peer that has gone again is no error. -EMFILE,
 * -ENFILE: it stays queued. No connection: -EAGAIN on a non-blocking listener, or when its UNX_RECV timeout expires. */
int unx_accept(int fd, unsigned flags, struct unx_addr *peer);

/* Checks a descriptor from elsewhere: AF_UNIX (-EAFNOSUPPORT), of this type (-EPROTOTYPE; type 0: any), and with
 * UNX_LISTENING a listener (-EINVAL if not). Sets close-on-exec on the descriptor. Flags that are given are set on the
 * socket, which others may share; what is not given stays as it is, and so does everything if it is not the socket that
 * was asked for. Returns the type. Never closes it. */
int unx_adopt(int fd, int type, unsigned flags);

/* For a datagram socket that exists (another type: -EPROTOTYPE): name it; choose the one peer that it sends to and
 * hears; hear everybody again. Linux drops the messages that are queued when the peer changes: receive them before. */
int unx_bind_to(int fd, const struct unx_addr *a, mode_t mode);
int unx_connect_to(int fd, const struct unx_addr *to);
int unx_disconnect(int fd);

/* The address of this end, of the other end. Not connected: -ENOTCONN. A connection reports the name that its listener
 * was bound to, even after a rename; take no decision by it. */
int unx_local_addr(int fd, struct unx_addr *a);
int unx_peer_addr(int fd, struct unx_addr *a);

/* A copy of the descriptor, never 0, 1 or 2. Both share the socket and its O_NONBLOCK. */
int unx_dup(int fd);

/* how is SHUT_RD, SHUT_WR or SHUT_RDWR: for every holder of the socket, not for this descriptor alone. */
int unx_shutdown(int fd, int how);

/* Switches O_NONBLOCK, for every holder of this socket; tells it (0, 1). */
int unx_set_nonblock(int fd, int on);
int unx_get_nonblock(int fd);

/* How long one blocking call may wait, until it returns -EAGAIN; -1: no limit; 0: -EINVAL. `which` is UNX_RECV (also of
 * accept) or UNX_SEND. Rounded up to the kernel's tick. For every holder of the socket. A send or receive that a signal
 * interrupts goes on for at most this time again, however many signals come. -EOPNOTSUPP on illumos. */
int unx_set_timeout(int fd, unsigned which, int timeout_ms);
int unx_get_timeout(int fd, unsigned which, int *timeout_ms);

/* The largest packet, in bytes, that this socket can send now: its SO_SNDBUF decides, not the receiver's buffer. A
 * stream has no such limit: -EOPNOTSUPP. */
int unx_max_packet(int fd);

/* Grows the send buffer until packets of `size` bytes fit, as far as the system allows (net.core.wmem_max, and 4 MiB);
 * never shrinks it. Returns what unx_max_packet() then says, which may be less than size. Packets near the limit move
 * one at a time: a buffer several times larger is several times faster. For every holder of the socket.
 * On a stream: -EOPNOTSUPP. */
int unx_grow_packet(int fd, size_t size);

/* Takes the pending error (SO_ERROR): *error is 0 or a negative errno value. Nobody else will see it again. */
int unx_take_error(int fd, int *error);

/* ---- Who is there: three questions, three calls (the second one is unx_msg.cred) ---- */

#define UNX_KNOWN_PID 0x1u
#define UNX_KNOWN_UID 0x2u
#define UNX_KNOWN_GID 0x4u
#define UNX_KNOWN_ALL 0x7u

/* Each field counts only if its bit is in `known`. Not known are: pid 0 (a process that this pid namespace cannot see),
 * uid and gid -1, and 65534, the kernel's number for ids that this user namespace cannot say. 0 in known: none came. */
struct unx_cred {
    pid_t pid;
    uid_t uid;
    gid_t gid;
    unsigned known; /* UNX_KNOWN_* */
};

/* The caller's own, to send: real ids (what the kernel attaches by itself), or effective ids. */
int unx_cred_real(struct unx_cred *c);
int unx_cred_effective(struct unx_cred *c);

/* Who opened the connection: its creator's pid and effective ids at the time of connect(2), listen(2) or socketpair(2),
 * for ever, whoever uses it now. Not connected, a listener, or a datagram socket that is no pair: -ENOTCONN. */
int unx_peer_cred(int fd, struct unx_cred *c);

/* The supplementary groups of the same process at the same time (SO_PEERGROUPS, Linux 4.13). *ngroups is how many there
 * are; -ERANGE if that is more than max, and none is written. groups may be NULL when max is 0. */
int unx_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *ngroups);

/* Its security label (SO_PEERSEC), NUL-terminated; *len without the NUL. -ERANGE: *len + 1 bytes are needed. No
 * security module gives labels here: -EOPNOTSUPP. label may be NULL when max is 0. */
int unx_peer_label(int fd, char *label, size_t max, size_t *len);

/* A pidfd of the same process (SO_PEERPIDFD, Linux 6.5), close-on-exec. Older kernel: -EOPNOTSUPP. The process is gone
 * and this kernel cannot name it any more: -ESRCH. Never derived from the pid, which may be somebody else's by now. */
int unx_peer_pidfd(int fd);

/* Is that process still there? 1: it runs, and if pid is not 0, pid is its pid in this process's pid namespace; 0: it
 * has ended, or pid is another's. Not a pidfd: -EBADF. */
int unx_pidfd_check(int pidfd, pid_t pid);

/* ---- Messages ---- */

/* What arrived (got). */
#define UNX_GOT_FDS 0x0001u
#define UNX_GOT_CRED 0x0002u
#define UNX_GOT_PIDFD 0x0004u
#define UNX_GOT_LABEL 0x0008u
#define UNX_GOT_TIME 0x0010u
#define UNX_GOT_RESET 0x0020u /* the peer has closed without reading all we sent; this message was still queued */
#define UNX_GOT_OTHER 0x0040u /* a control message that has no field here: receive with `control` to see it */
/* What was cut: with UNX_PARTIAL, in a peek, or told of a failure. */
#define UNX_CUT_DATA 0x0100u    /* the packet was larger than the room: full_len */
#define UNX_CUT_FDS 0x0200u     /* descriptors came that were closed: more than nfds, or none could be installed */
#define UNX_CUT_PIDFD 0x0400u   /* a pidfd could not be installed */
#define UNX_CUT_LABEL 0x0800u   /* the label was longer than label_max - 1 */
#define UNX_CUT_CONTROL 0x1000u /* control_max was too small */

struct unx_msg {
    /* Yours, never written (what the pointers lead to is, when receiving): the same message can be used again. */
    const struct iovec *iov; /* what to send, or room for what arrives */
    size_t niov;             /* at most unx_limit(UNX_LIMIT_IOV), else -EINVAL */
    int *fds;                /* what to lend the peer, or room for what it gives */
    unsigned nfds;           /* sending: at most unx_limit(UNX_LIMIT_FDS), receiving: 1024, else -E2BIG */
    struct unx_addr *addr;   /* datagrams: destination, or room for the source; or NULL */
    struct unx_cred *cred;   /* to attach (all three known), or room for the sender's; or NULL */
    int *pidfd;              /* room for a pidfd of the sender, -1 if none came; NULL: closed. Not for sending */
    char *label;             /* room for the sender's label, NUL-terminated; or NULL. Not for sending */
    size_t label_max;
    void *control;      /* raw control data (unx/control.h) instead of fds, cred, pidfd and label; or NULL */
    size_t control_max; /* its length when sending, its room when receiving */
    size_t skip;        /* sending on a stream: bytes already gone; > 0 sends no descriptors and no credentials again */
    uint64_t reserved[4]; /* 0 */
    /* The answer, written also on failure. */
    size_t len;         /* bytes moved */
    size_t full_len;    /* bytes the packet had; on a stream, and when sending, as len */
    size_t control_len; /* bytes in control */
    size_t label_len;   /* bytes of the label, without the NUL */
    unsigned fds_got;   /* fds[0..fds_got-1] are yours; the rest up to nfds are -1 */
    unsigned got;       /* UNX_GOT_*, UNX_CUT_* */
    int error;          /* 0, or the negative errno value of this message */
    int64_t time_ns;    /* UNX_GOT_TIME: when it was sent, nanoseconds since 1970 (CLOCK_REALTIME) */
    uint64_t more[4];
};

/* Sends one message. Returns 1. A packet goes whole or not at all; on a stream fewer bytes may go (len): call again
 * with skip raised by len, and its descriptors are not sent twice. Lent descriptors may be closed after the return.
 * Flags: UNX_DONTWAIT, UNX_INTR, UNX_PLAIN (one iov, no fds, cred, addr or control, else -EINVAL).
 * -EMSGSIZE: larger than the send buffer allows; -EAGAIN: no room now, or the UNX_SEND timeout expired; -EPIPE,
 * -ECONNRESET, -ECONNREFUSED, -ENOTCONN: nobody is there any more, but replies may be: receive until 0 (a datagram
 * socket loses them here: receive before). -EPERM: the receiver refuses descriptors, or these credentials are not ours
 * to send. -ETOOMANYREFS: too many descriptors of this user are in flight. -EBADF: fd, or one of fds, is not open.
 * -EDESTADDRREQ: addr is unnamed. -EINVAL also: a stream cannot carry an empty message, nor descriptors without a byte.
 * -EOPNOTSUPP: this system does not deliver an empty packet. After any negative return nothing was sent. */
int unx_send(int fd, struct unx_msg *m, unsigned flags);

/* Receives one message. 1: a message (an empty packet too, len 0); 0: the end, there will be no more. On a stream: what
 * is there, and descriptors that came with a run of bytes ending at the last one returned (Linux 6.18 installs with
 * UNX_PEEK_FDS those of a later run, too).
 * Flags: UNX_DONTWAIT, UNX_INTR, UNX_PEEK or UNX_PEEK_FDS, UNX_PARTIAL, UNX_KEEP, UNX_PLAIN (as above; no pidfd, no
 * label). -EMSGSIZE: the packet was larger than the room; -ENOBUFS: it had more descriptors than nfds; -EMFILE: the
 * kernel could not install them all (table full, or a security module refused); -ERANGE: the label did not fit. In
 * these four cases the message is gone and all its descriptors are closed, unless UNX_PARTIAL makes it a result,
 * UNX_KEEP keeps the first, or it was a peek, which loses nothing; the next message is not affected: unx_one_message().
 * -ECONNRESET: the peer closed without reading all we sent, and nothing of its own is left to read. -EINVAL also: no
 * room for a single byte, without a peek of a packet.
 * Empty packets are told from the end, but for those sent last before a close, to a socket without UNX_PASSCRED (or
 * received with UNX_PLAIN); and the last datagram before the end that one's own SHUT_RD makes. */
int unx_recv(int fd, struct unx_msg *m, unsigned flags);

/* One descriptor with n bytes (at least 1 on a stream). Returns 1; on a stream all n bytes went, if need be after a
 * wait, and an error may leave the stream in the middle of them. */
int unx_send_fd(int sock, const void *p, size_t n, int fd);

/* One message with one descriptor: returns it; *len bytes are in p. More than one: -ENOBUFS. None: -ENOMSG, and the
 * bytes are in p all the same. The end: -ECONNRESET. A packet larger than max: -EMSGSIZE. len may be NULL. */
int unx_recv_fd(int sock, void *p, size_t max, size_t *len);

/* The same for any number of descriptors. A packet holds unx_limit(UNX_LIMIT_FDS) of them, more are -E2BIG. On a stream
 * more are split: one byte for each full message of them, the rest of the n bytes with the last (n too small for that:
 * -EINVAL). All, or an error. */
int unx_send_fds(int sock, const void *p, size_t n, const int *fds, unsigned nfds);

/* Exactly n bytes (at least 1) and exactly nfds descriptors: one packet, or on a stream in however many pieces they
 * come. Returns 1. More descriptors: -ENOBUFS; fewer: -ENOMSG; a packet of another length: -EMSGSIZE; the end:
 * -ECONNRESET. After an error all that came is closed, and a stream is somewhere in the middle. */
int unx_recv_fds(int sock, void *p, size_t n, int *fds, unsigned nfds);

/* Many messages in few system calls (sendmmsg(2), recvmmsg(2)). m[i].error says what became of each, and after a
 * failure m[i] owns nothing. n may be 0.
 * Sending: the number that went; the error itself if the first one failed. Fewer than n if one behind others failed:
 * m[result].error says why, and those behind it were not tried. That error is what a second attempt said, because the
 * system keeps the first one to itself; one that is told only once has then become the next: -EPIPE for -ECONNRESET,
 * -ENOTCONN for -ECONNREFUSED. Fewer also if a stream took one of them in part: the last one counted, look at its len.
 * Flags as unx_send(). Receiving: waits for the first and takes those that are there; the number taken, those that
 * failed alone (-EMSGSIZE, -ENOBUFS, -EMFILE, -ERANGE) counted too; 0: the end. A reset
 * is told by UNX_GOT_RESET on the first message behind it, or on the last one if none is. Flags: UNX_DONTWAIT,
 * UNX_INTR, UNX_PARTIAL, UNX_PLAIN. */
int unx_send_many(int fd, struct unx_msg *m, unsigned n, unsigned flags);
int unx_recv_many(int fd, struct unx_msg *m, unsigned n, unsigned flags);

/* Waits for events of poll(2) on fd and returns those that came, > 0; 0 does not occur.
 * POLLERR and POLLHUP come unasked. */
int unx_wait(int fd, int events, int timeout_ms);

/* Sends the request and receives one reply into rep, within timeout_ms for both. Returns 1. Leaves O_NONBLOCK alone.
 * The end before a reply: -ECONNRESET. After -ETIMEDOUT close the connection: the reply may still come, and would be
 * taken for that of the next call. What comes before the request has gone is returned all the same: then req->error
 * says why it has not, and req->len how much of it went. */
int unx_call(int fd, struct unx_msg *req, struct unx_msg *rep, int timeout_ms);

/* 1: this result of unx_recv() concerns one message alone, and the next may be received; 0: it concerns the socket. */
int unx_one_message(int result);

/* What an error means here, as one English line without a full stop; takes both signs; never NULL. */
const char *unx_explain(int error);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
