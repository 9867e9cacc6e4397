/* SPDX-License-Identifier: MIT */
/*
 * DragonFly BSD 6, as far as libunx needs it: numbers, types and structs for 64-bit x86, each line with the manual page
 * or the header that it is from. Only for compiling where that system is not;
 * cross/check.py compares them with another source.
 */
#ifndef CROSS_SYSTEM_H
#define CROSS_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* ---- errno ---- */
#define EPERM 1            /* intro(2) */
#define ENOENT 2           /* intro(2) */
#define ESRCH 3            /* intro(2) */
#define EINTR 4            /* intro(2) */
#define EIO 5              /* intro(2) */
#define ENXIO 6            /* intro(2) */
#define E2BIG 7            /* intro(2) */
#define EBADF 9            /* intro(2) */
#define EAGAIN 35          /* intro(2) */
#define ENOMEM 12          /* intro(2) */
#define EACCES 13          /* intro(2) */
#define EFAULT 14          /* intro(2) */
#define EBUSY 16           /* intro(2) */
#define EEXIST 17          /* intro(2) */
#define ENODEV 19          /* intro(2) */
#define ENOTDIR 20         /* intro(2) */
#define EINVAL 22          /* intro(2) */
#define ENFILE 23          /* intro(2) */
#define EMFILE 24          /* intro(2) */
#define EFBIG 27           /* intro(2) */
#define ENOSPC 28          /* intro(2) */
#define EROFS 30           /* intro(2) */
#define EPIPE 32           /* intro(2) */
#define ERANGE 34          /* intro(2) */
#define ENAMETOOLONG 63    /* intro(2) */
#define ENOSYS 78          /* intro(2) */
#define ELOOP 62           /* intro(2) */
#define ENOMSG 83          /* intro(2) */
#define EPROTO 92          /* intro(2) */
#define ECANCELED 85       /* intro(2) */
#define EBADMSG 89         /* intro(2) */
#define ENOTSOCK 38        /* intro(2) */
#define EDESTADDRREQ 39    /* intro(2) */
#define EMSGSIZE 40        /* intro(2) */
#define EPROTOTYPE 41      /* intro(2) */
#define ENOPROTOOPT 42     /* intro(2) */
#define EPROTONOSUPPORT 43 /* intro(2) */
#define EOPNOTSUPP 45      /* intro(2) */
#define EAFNOSUPPORT 47    /* intro(2) */
#define EADDRINUSE 48      /* intro(2) */
#define ECONNABORTED 53    /* intro(2) */
#define ECONNRESET 54      /* intro(2) */
#define ENOBUFS 55         /* intro(2) */
#define EISCONN 56         /* intro(2) */
#define ENOTCONN 57        /* intro(2) */
#define ETOOMANYREFS 59    /* intro(2) */
#define ESHUTDOWN 58       /* intro(2) */
#define ETIMEDOUT 60       /* intro(2) */
#define ECONNREFUSED 61    /* intro(2) */
#define EALREADY 37        /* intro(2) */
#define EINPROGRESS 36     /* intro(2) */

/* ---- files ---- */
#define O_RDONLY 0            /* open(2) */
#define O_RDWR 2              /* open(2) */
#define O_CREAT 0x200         /* open(2) */
#define O_NONBLOCK 4          /* open(2) */
#define O_NOCTTY 0x8000       /* open(2) */
#define O_NOFOLLOW 0x100      /* open(2) */
#define O_DIRECTORY 0x8000000 /* open(2) */
#define O_CLOEXEC 0x20000     /* open(2) */
#define F_GETFD 1             /* fcntl(2) */
#define F_SETFD 2             /* fcntl(2) */
#define F_GETFL 3             /* fcntl(2) */
#define F_DUPFD_CLOEXEC 17    /* fcntl(2) */
#define FD_CLOEXEC 1          /* fcntl(2) */
#define AT_FDCWD (-328243)    /* openat(2) */
#define AT_SYMLINK_NOFOLLOW 1 /* openat(2) */
#define LOCK_EX 2             /* flock(2) */
#define LOCK_NB 4             /* flock(2) */
#define LOCK_UN 8             /* flock(2) */

/* ---- stat ---- */
#define S_IFMT 0170000   /* stat(2) */
#define S_IFSOCK 0140000 /* stat(2) */

/* ---- waiting ---- */
#define POLLIN 1    /* poll(2) */
#define POLLPRI 2   /* poll(2) */
#define POLLOUT 4   /* poll(2) */
#define POLLERR 8   /* poll(2) */
#define POLLHUP 16  /* poll(2) */
#define POLLNVAL 32 /* poll(2) */

/* ---- sockets ---- */
#define AF_UNSPEC 0              /* socket(2) */
#define AF_UNIX 1                /* socket(2) */
#define SOCK_STREAM 1            /* socket(2) */
#define SOCK_DGRAM 2             /* socket(2) */
#define SOCK_SEQPACKET 5         /* socket(2) */
#define SOCK_CLOEXEC 0x10000000  /* socket(2) */
#define SOCK_NONBLOCK 0x20000000 /* socket(2) */
#define SOL_SOCKET 0xffff        /* getsockopt(2) */
#define SO_ACCEPTCONN 2          /* getsockopt(2) */
#define SO_LINGER 128            /* getsockopt(2) */
#define SO_SNDBUF 0x1001         /* getsockopt(2) */
#define SO_SNDTIMEO 0x1005       /* getsockopt(2) */
#define SO_RCVTIMEO 0x1006       /* getsockopt(2) */
#define SO_ERROR 0x1007          /* getsockopt(2) */
#define SO_TYPE 0x1008           /* getsockopt(2) */
#define SHUT_RD 0                /* shutdown(2) */
#define SHUT_WR 1                /* shutdown(2) */
#define SHUT_RDWR 2              /* shutdown(2) */
#define MSG_PEEK 2               /* recv(2) */
#define MSG_TRUNC 16             /* recv(2) */
#define MSG_CTRUNC 32            /* recv(2) */
#define MSG_DONTWAIT 128         /* recv(2) */
#define MSG_CMSG_CLOEXEC 0x1000  /* recv(2) */
#define MSG_EOR 8                /* send(2) */
#define MSG_NOSIGNAL 0x400       /* send(2) */
#define SCM_RIGHTS 1             /* unix(4) */

/* ---- process ---- */
#define RLIMIT_NOFILE 8          /* getrlimit(2) */
#define CLOCK_MONOTONIC 4        /* clock_gettime(2) */
#define PTHREAD_CANCEL_DISABLE 1 /* pthread_setcancelstate(3) */

/* ---- kqueue ---- */
#define EVFILT_READ (-1)  /* kqueue(2) */
#define EVFILT_TIMER (-7) /* kqueue(2) */
#define EV_ADD 1          /* kqueue(2) */
#define EV_DELETE 2       /* kqueue(2) */
#define EV_ONESHOT 16     /* kqueue(2) */
#define EV_EOF 0x8000     /* kqueue(2) */

/* ---- identity ---- */
#define LOCAL_PEERCRED 1 /* unix(4) */
#define SCM_CREDS 3      /* unix(4) */
#define XUCRED_VERSION 0 /* unix(4), sys/ucred.h */
#define XU_NGROUPS 16    /* unix(4), sys/ucred.h */
#define CMGROUP_MAX 16   /* unix(4), sys/ucred.h */

/* ---- programs: the command and the self-test ---- */
#define ECHILD 10                        /* intro(2) */
#define EDEADLK 11                       /* intro(2) */
#define EDQUOT 69                        /* intro(2) */
#define EILSEQ 86                        /* intro(2) */
#define EISDIR 21                        /* intro(2) */
#define EMLINK 31                        /* intro(2) */
#define ENOEXEC 8                        /* intro(2) */
#define ENOLCK 77                        /* intro(2) */
#define ENOTEMPTY 66                     /* intro(2) */
#define ENOTTY 25                        /* intro(2) */
#define EOVERFLOW 84                     /* intro(2) */
#define ESPIPE 29                        /* intro(2) */
#define ESTALE 70                        /* intro(2) */
#define ETXTBSY 26                       /* intro(2) */
#define EXDEV 18                         /* intro(2) */
#define EADDRNOTAVAIL 49                 /* intro(2) */
#define O_WRONLY 1                       /* open(2) */
#define O_ACCMODE 3                      /* open(2) */
#define F_SETFL 4                        /* fcntl(2) */
#define AF_INET 2                        /* socket(2) */
#define AF_INET6 28                      /* socket(2) */
#define SIGHUP 1                         /* signal(3) */
#define SIGINT 2                         /* signal(3) */
#define SIGKILL 9                        /* signal(3) */
#define SIGPIPE 13                       /* signal(3) */
#define SIGALRM 14                       /* signal(3) */
#define SIGTERM 15                       /* signal(3) */
#define SIGCHLD 20                       /* signal(3) */
#define SIG_BLOCK 1                      /* sigprocmask(2) */
#define SIG_SETMASK 3                    /* sigprocmask(2) */
#define WNOHANG 1                        /* waitpid(2) */
#define ITIMER_REAL 0                    /* getitimer(2) */
#define RLIM_INFINITY 0x7fffffffffffffff /* getrlimit(2) */
#define CLOCK_REALTIME 0                 /* clock_gettime(2) */
#define _SC_PAGESIZE 47                  /* sysconf(3) */

/* ---- types and structs ---- */
typedef long ssize_t;            /* sys/types.h */
typedef int32_t pid_t;           /* sys/types.h */
typedef uint32_t uid_t;          /* sys/types.h */
typedef uint32_t gid_t;          /* sys/types.h */
typedef uint16_t mode_t;         /* sys/types.h */
typedef uint32_t dev_t;          /* sys/types.h */
typedef uint64_t ino_t;          /* sys/types.h */
typedef uint32_t nlink_t;        /* sys/types.h */
typedef int64_t off_t;           /* sys/types.h */
typedef int64_t blkcnt_t;        /* sys/types.h */
typedef int64_t blksize_t;       /* sys/types.h */
typedef int64_t time_t;          /* sys/types.h */
typedef int64_t suseconds_t;     /* sys/types.h */
typedef unsigned long clockid_t; /* clock_gettime(2) */
typedef uint32_t socklen_t;      /* socket(2) */
typedef uint8_t sa_family_t;     /* unix(4) */
typedef unsigned nfds_t;         /* poll(2) */
typedef int64_t rlim_t;          /* getrlimit(2) */
typedef struct {                 /* sigset(3) */
    unsigned bits[4];
} sigset_t;
struct timespec { /* clock_gettime(2) */
    time_t tv_sec;
    long tv_nsec;
};
struct timeval { /* gettimeofday(2) */
    time_t tv_sec;
    suseconds_t tv_usec;
};
struct iovec { /* readv(2) */
    void *iov_base;
    size_t iov_len;
};
struct pollfd { /* poll(2) */
    int fd;
    short events;
    short revents;
};
struct linger { /* getsockopt(2) */
    int l_onoff;
    int l_linger;
};
struct rlimit { /* getrlimit(2) */
    rlim_t rlim_cur;
    rlim_t rlim_max;
};
struct sockaddr { /* socket(2) */
    uint8_t sa_len;
    sa_family_t sa_family;
    char sa_data[14];
};
struct sockaddr_un { /* unix(4) */
    uint8_t sun_len;
    sa_family_t sun_family;
    char sun_path[104];
};
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
struct stat { /* stat(2) */
    ino_t st_ino;
    nlink_t st_nlink;
    dev_t st_dev;
    mode_t st_mode;
    uint16_t st_padding1;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    time_t st_atime;
    long st_atime_nsec;
    time_t st_mtime;
    long st_mtime_nsec;
    time_t st_ctime;
    long st_ctime_nsec;
    off_t st_size;
    int64_t st_blocks;
    uint32_t __old_st_blksize;
    uint32_t st_flags;
    uint32_t st_gen;
    int32_t st_lspare;
    int64_t st_blksize;
    int64_t st_qspare2;
};
struct kevent { /* kqueue(2) */
    uintptr_t ident;
    short filter;
    unsigned short flags;
    unsigned fflags;
    intptr_t data;
    void *udata;
};
struct cmsgcred { /* unix(4) */
    pid_t cmcred_pid;
    uid_t cmcred_uid;
    uid_t cmcred_euid;
    gid_t cmcred_gid;
    short cmcred_ngroups;
    gid_t cmcred_groups[16];
};
struct xucred { /* unix(4), sys/ucred.h */
    unsigned cr_version;
    uid_t cr_uid;
    short cr_ngroups;
    gid_t cr_groups[16];
    void *cr_unused;
};
#define EV_SET(ev, i, f, fl, ff, d, u)                                                                                 \
    (*(ev) = (struct kevent){                                                                                          \
         .ident = (i), .filter = (f), .flags = (fl), .fflags = (ff), .data = (d), .udata = 0}) /* kqueue(2) */

/* ---- control messages: CMSG_DATA(3) ---- */
#define CROSS_CMSG_ALIGN(n) (((n) + sizeof(long) - 1) & ~(sizeof(long) - 1)) /* sys/socket.h */

/* ---- ioctl ---- */
#define FIONREAD 0x4004667f /* ioctl(2) */
#define FIONBIO 0x8004667e  /* ioctl(2) */

int kqueue(void); /* kqueue(2) */
int kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);                          /* kqueue(2) */
int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags); /* accept(2) */

#endif
