/* SPDX-License-Identifier: MIT */
/*
 * macOS, as far as the fake of its calls needs it, in the form of cross/include: each line with the manual page or
 * the header that it is from. Compiling for macOS uses Apple's own headers, so there is no other such list.
 */

/* ---- kqueue ---- */
#define EVFILT_READ (-1)  /* kqueue(2) */
#define EVFILT_TIMER (-7) /* kqueue(2) */
#define EV_ADD 1          /* kqueue(2) */
#define EV_DELETE 2       /* kqueue(2) */
#define EV_ONESHOT 16     /* kqueue(2) */
#define EV_EOF 0x8000     /* kqueue(2) */

/* ---- identity ---- */
#define SOL_LOCAL 0         /* unix(4) */
#define LOCAL_PEERCRED 1    /* unix(4) */
#define LOCAL_PEERPID 2     /* unix(4) */
#define SO_NOSIGPIPE 0x1022 /* getsockopt(2) */
#define XUCRED_VERSION 0    /* sys/ucred.h */
#define NGROUPS 16          /* sys/param.h */
#define RENAME_SWAP 2       /* rename(2) */
#define RENAME_EXCL 4       /* rename(2) */

/* ---- types and structs ---- */
struct msghdr { /* recv(2) */
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    int msg_iovlen;
    void *msg_control;
    socklen_t msg_controllen;
    int msg_flags;
};
struct cmsghdr { /* recv(2) */
    socklen_t cmsg_len;
    int cmsg_level;
    int cmsg_type;
};
struct kevent { /* kqueue(2) */
    uintptr_t ident;
    int16_t filter;
    uint16_t flags;
    uint32_t fflags;
    intptr_t data;
    void *udata;
};
struct xucred { /* sys/ucred.h */
    unsigned cr_version;
    uid_t cr_uid;
    short cr_ngroups;
    gid_t cr_groups[NGROUPS];
};
#define EV_SET(ev, i, f, fl, ff, d, u)                                                                                 \
    (*(ev) = (struct kevent){                                                                                          \
         .ident = (i), .filter = (f), .flags = (fl), .fflags = (ff), .data = (d), .udata = 0}) /* kqueue(2) */

/* ---- control messages: CMSG_DATA(3) ---- */
#define CROSS_CMSG_ALIGN(n) (((n) + sizeof(int) - 1) & ~(sizeof(int) - 1)) /* sys/socket.h */
