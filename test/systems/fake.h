/* SPDX-License-Identifier: MIT */
/*
 * The calls of another system, played on Linux by what its manual pages say.
 *
 * fake_NAME() is called where the library's files of that system call NAME(). Structs of messages are those of the
 * system, so they are taken apart and put together here; numbers that both have are Linux's, since the tests are.
 * What differs from system to system is a row of traits (traits.c).
 */
#ifndef FAKE_H
#define FAKE_H

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>

#define msghdr their_msghdr
#define cmsghdr their_cmsghdr
#define mmsghdr their_mmsghdr
typedef struct ucred_s ucred_t;
#include SYSTEM_PART
#undef msghdr
#undef cmsghdr
#undef mmsghdr

struct traits {
    const char *name;
    bool length;                        /* an address has its length in it */
    bool padded;                        /* a name is answered with NULs behind it, as long as an address can be */
    socklen_t unnamed;                  /* the length of the address of what has no name */
    size_t path;                        /* bytes of a path, with its NUL where the system wants one */
    bool packets;                       /* SOCK_SEQPACKET */
    bool marks;                         /* a packet is what ends with MSG_EOR, and may come in pieces */
    bool eor_of_streams;                /* false: MSG_EOR on a stream is an error */
    bool empty;                         /* false: an empty packet with a connection, or any: */
    bool empty_datagram;                /*   is sent with success and never comes */
    bool cloexec;                       /* close-on-exec from birth: SOCK_CLOEXEC, MSG_CMSG_CLOEXEC */
    bool refuses_full;                  /* a full backlog is ECONNREFUSED, at once */
    bool drops_full;                    /* a datagram to a full receiver is ENOBUFS, at once */
    bool rdhup;                         /* POLLRDHUP */
    bool timeouts;                      /* SO_RCVTIMEO and SO_SNDTIMEO */
    bool peer_of_pair;                  /* a pair of sockets knows its peer's identity */
    bool one_control;                   /* one control message in a send, and nothing behind it */
    bool cut_leaks;                     /* all descriptors are installed, then control data is cut */
    bool small_fails;                   /* control data that does not fit fails the receive, as a full table does */
    bool trunc_returns;                 /* MSG_TRUNC given to a receive comes back */
    bool nofollow_mode;                 /* fchmodat(2) knows AT_SYMLINK_NOFOLLOW */
    bool proc;                          /* /proc/self/fd */
    unsigned fds_max;                   /* descriptors in a message */
    int table_full;                     /* what a receive says that finds no place for them */
    int stream_buffer, datagram_buffer; /* SO_SNDBUF of a new socket; 0: Linux's own */
};
extern const struct traits *const fake;

/* What a call keeps is changed by one at a time, and to the handler of a signal it has happened or not. */
static inline sigset_t call_begins(pthread_mutex_t *lock)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    pthread_mutex_lock(lock);
    return before;
}

static inline void call_ends(pthread_mutex_t *lock, const sigset_t *before)
{
    pthread_mutex_unlock(lock);
    pthread_sigmask(SIG_SETMASK, before, NULL);
}

/* ---- what is hidden in the socket itself, so that it goes wherever that goes ---- */
#define HIDDEN_CREDS_CAME 1 /* NetBSD: the first message of a connection has brought them */
#define HIDDEN_RESET 2      /* a look has heard of a reset, and so shall the next receive */
int hidden_get(int fd);
void hidden_set(int fd, int bits);

int type_of(int fd); /* -1 and errno */
int fail(int error); /* -1 and errno */

/* An address of theirs as one of Linux's: its length, or -1 and errno. */
int address_in(struct sockaddr_storage *to, const struct sockaddr *from, socklen_t len);
/* One of Linux's as theirs. *len is the room, and then its whole length. */
void address_out(struct sockaddr *to, socklen_t *len, const struct sockaddr_un *from, socklen_t from_len);

/* ---- what a message carries besides its bytes: a descriptor of memory that the receiver's fake takes out ---- */
struct mark {
    uint64_t magic;
    bool cred, goes_on; /* the sender's identity was asked for; the packet goes on */
    pid_t pid;
    uid_t uid, euid;
    gid_t gid;
};
int mark_make(const struct mark *m);
bool mark_read(int fd, struct mark *m); /* and closes it, if it is one */

/* ---- control data of theirs ---- */
#define CONTROL_MAX 4096
#define FDS_MAX 260
struct control {
    size_t len;
    char data[CONTROL_MAX] __attribute__((aligned(8)));
};
void control_add(struct control *c, int type, const void *data, size_t len);
/* What the system would add for a message that came with this identity. */
void control_identity(struct control *c, int fd, const struct mark *m, const struct ucred *u);
/* Writes it into the room that the caller gave, or what the system does instead; *flags gets MSG_CTRUNC. */
void control_drop(const struct control *c); /* closes what is in it */
void control_hand_over(const struct control *c, struct their_msghdr *h, int *flags);

int fake_socket(int family, int type, int protocol);
int fake_socketpair(int family, int type, int protocol, int fds[2]);
int fake_bind(int fd, const struct sockaddr *sa, socklen_t len);
int fake_listen(int fd, int backlog);
int fake_connect(int fd, const struct sockaddr *sa, socklen_t len);
int fake_accept(int fd, struct sockaddr *sa, socklen_t *len);
int fake_accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);
int fake_getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int fake_getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int fake_getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int fake_setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int fake_shutdown(int fd, int how);
ssize_t fake_recv(int fd, void *p, size_t n, int flags);
ssize_t fake_send(int fd, const void *p, size_t n, int flags);
ssize_t fake_sendmsg(int fd, const struct their_msghdr *h, int flags);
ssize_t fake_recvmsg(int fd, struct their_msghdr *h, int flags);
struct their_cmsghdr *fake_cmsg_next(const struct their_msghdr *h, const struct their_cmsghdr *c);
int fake_poll(struct pollfd *p, nfds_t n, int timeout_ms);
int fake_stat(const char *path, struct stat *st);
int fake_fchmodat(int dirfd, const char *name, mode_t mode, int flags);
int fake_identity_option(int fd, int level, int name, void *value, socklen_t *len);

#endif
