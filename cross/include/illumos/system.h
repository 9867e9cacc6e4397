/* SPDX-License-Identifier: MIT */
/*
 * illumos of 2023, as far as libunx needs it: numbers, types and structs for 64-bit x86, each line with the manual page
 * or the header that it is from. Only for compiling where that system is not;
 * cross/check.py compares them with another source.
 */
#ifndef CROSS_SYSTEM_H
#define CROSS_SYSTEM_H

#include <stddef.h>
#include <stdint.h>

/* ---- errno ---- */
#define EPERM 1             /* intro(2) */
#define ENOENT 2            /* intro(2) */
#define ESRCH 3             /* intro(2) */
#define EINTR 4             /* intro(2) */
#define EIO 5               /* intro(2) */
#define ENXIO 6             /* intro(2) */
#define E2BIG 7             /* intro(2) */
#define EBADF 9             /* intro(2) */
#define EAGAIN 11           /* intro(2) */
#define ENOMEM 12           /* intro(2) */
#define EACCES 13           /* intro(2) */
#define EFAULT 14           /* intro(2) */
#define EBUSY 16            /* intro(2) */
#define EEXIST 17           /* intro(2) */
#define ENODEV 19           /* intro(2) */
#define ENOTDIR 20          /* intro(2) */
#define EINVAL 22           /* intro(2) */
#define ENFILE 23           /* intro(2) */
#define EMFILE 24           /* intro(2) */
#define EFBIG 27            /* intro(2) */
#define ENOSPC 28           /* intro(2) */
#define EROFS 30            /* intro(2) */
#define EPIPE 32            /* intro(2) */
#define ERANGE 34           /* intro(2) */
#define ENAMETOOLONG 78     /* intro(2) */
#define ENOSYS 89           /* intro(2) */
#define ELOOP 90            /* intro(2) */
#define ENOMSG 35           /* intro(2) */
#define EPROTO 71           /* intro(2) */
#define ECANCELED 47        /* intro(2) */
#define EBADMSG 77          /* intro(2) */
#define ENOTSOCK 95         /* intro(2) */
#define EDESTADDRREQ 96     /* intro(2) */
#define EMSGSIZE 97         /* intro(2) */
#define EPROTOTYPE 98       /* intro(2) */
#define ENOPROTOOPT 99      /* intro(2) */
#define EPROTONOSUPPORT 120 /* intro(2) */
#define EOPNOTSUPP 122      /* intro(2) */
#define EAFNOSUPPORT 124    /* intro(2) */
#define EADDRINUSE 125      /* intro(2) */
#define ECONNABORTED 130    /* intro(2) */
#define ECONNRESET 131      /* intro(2) */
#define ENOBUFS 132         /* intro(2) */
#define EISCONN 133         /* intro(2) */
#define ENOTCONN 134        /* intro(2) */
#define ETOOMANYREFS 144    /* intro(2) */
#define ESHUTDOWN 143       /* intro(2) */
#define ETIMEDOUT 145       /* intro(2) */
#define ECONNREFUSED 146    /* intro(2) */
#define EALREADY 149        /* intro(2) */
#define EINPROGRESS 150     /* intro(2) */

/* ---- files ---- */
#define O_RDONLY 0                 /* open(2) */
#define O_RDWR 2                   /* open(2) */
#define O_CREAT 0x100              /* open(2) */
#define O_NONBLOCK 128             /* open(2) */
#define O_NOCTTY 0x800             /* open(2) */
#define O_NOFOLLOW 0x20000         /* open(2) */
#define O_DIRECTORY 0x1000000      /* open(2) */
#define O_CLOEXEC 0x800000         /* open(2) */
#define F_GETFD 1                  /* fcntl(2) */
#define F_SETFD 2                  /* fcntl(2) */
#define F_GETFL 3                  /* fcntl(2) */
#define F_DUPFD_CLOEXEC 37         /* fcntl(2) */
#define FD_CLOEXEC 1               /* fcntl(2) */
#define AT_FDCWD (-3041965)        /* openat(2) */
#define AT_SYMLINK_NOFOLLOW 0x1000 /* openat(2) */
#define LOCK_EX 2                  /* flock(3C) */
#define LOCK_NB 4                  /* flock(3C) */
#define LOCK_UN 8                  /* flock(3C) */

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
#define AF_UNSPEC 0             /* socket(3SOCKET) */
#define AF_UNIX 1               /* socket(3SOCKET) */
#define SOCK_STREAM 2           /* socket(3SOCKET) */
#define SOCK_DGRAM 1            /* socket(3SOCKET) */
#define SOCK_SEQPACKET 6        /* socket(3SOCKET) */
#define SOCK_CLOEXEC 0x80000    /* socket(3SOCKET) */
#define SOCK_NONBLOCK 0x100000  /* socket(3SOCKET) */
#define SOL_SOCKET 0xffff       /* getsockopt(3SOCKET) */
#define SO_ACCEPTCONN 2         /* getsockopt(3SOCKET) */
#define SO_LINGER 128           /* getsockopt(3SOCKET) */
#define SO_SNDBUF 0x1001        /* getsockopt(3SOCKET) */
#define SO_SNDTIMEO 0x1005      /* getsockopt(3SOCKET) */
#define SO_RCVTIMEO 0x1006      /* getsockopt(3SOCKET) */
#define SO_ERROR 0x1007         /* getsockopt(3SOCKET) */
#define SO_TYPE 0x1008          /* getsockopt(3SOCKET) */
#define SHUT_RD 0               /* shutdown(3SOCKET) */
#define SHUT_WR 1               /* shutdown(3SOCKET) */
#define SHUT_RDWR 2             /* shutdown(3SOCKET) */
#define MSG_PEEK 2              /* recv(3SOCKET) */
#define MSG_TRUNC 32            /* recv(3SOCKET) */
#define MSG_CTRUNC 16           /* recv(3SOCKET) */
#define MSG_DONTWAIT 128        /* recv(3SOCKET) */
#define MSG_CMSG_CLOEXEC 0x1000 /* recv(3SOCKET) */
#define MSG_EOR 8               /* send(3SOCKET) */
#define MSG_NOSIGNAL 0x200      /* send(3SOCKET) */
#define SCM_RIGHTS 0x1010       /* recv(3XNET) */

/* ---- process ---- */
#define RLIMIT_NOFILE 5          /* getrlimit(2) */
#define CLOCK_MONOTONIC 4        /* clock_gettime(3C) */
#define PTHREAD_CANCEL_DISABLE 1 /* pthread_setcancelstate(3C) */

/* ---- identity ---- */
#define SO_RECVUCRED 0x400 /* getsockopt(3SOCKET) */
#define SCM_UCRED 0x1012   /* getsockopt(3SOCKET) */

/* ---- events ---- */
#define EFD_CLOEXEC 0x80000 /* eventfd(3C) */
#define EFD_NONBLOCK 0x800  /* eventfd(3C) */
#define TFD_CLOEXEC 0x80000 /* timerfd_create(3C) */
#define TFD_NONBLOCK 0x800  /* timerfd_create(3C) */
#define TFD_TIMER_ABSTIME 1 /* timerfd_create(3C) */

/* ---- programs: the command and the self-test ---- */
#define ECHILD 10                        /* intro(2) */
#define EDEADLK 45                       /* intro(2) */
#define EDQUOT 49                        /* intro(2) */
#define EILSEQ 88                        /* intro(2) */
#define EISDIR 21                        /* intro(2) */
#define EMLINK 31                        /* intro(2) */
#define ENOEXEC 8                        /* intro(2) */
#define ENOLCK 46                        /* intro(2) */
#define ENOTEMPTY 93                     /* intro(2) */
#define ENOTTY 25                        /* intro(2) */
#define EOVERFLOW 79                     /* intro(2) */
#define ESPIPE 29                        /* intro(2) */
#define ESTALE 151                       /* intro(2) */
#define ETXTBSY 26                       /* intro(2) */
#define EXDEV 18                         /* intro(2) */
#define EADDRNOTAVAIL 126                /* intro(2) */
#define O_WRONLY 1                       /* open(2) */
#define O_ACCMODE 0x600003               /* open(2) */
#define F_SETFL 4                        /* fcntl(2) */
#define AF_INET 2                        /* socket(3SOCKET) */
#define AF_INET6 26                      /* socket(3SOCKET) */
#define SIGHUP 1                         /* signal.h(3HEAD) */
#define SIGINT 2                         /* signal.h(3HEAD) */
#define SIGKILL 9                        /* signal.h(3HEAD) */
#define SIGPIPE 13                       /* signal.h(3HEAD) */
#define SIGALRM 14                       /* signal.h(3HEAD) */
#define SIGTERM 15                       /* signal.h(3HEAD) */
#define SIGCHLD 18                       /* signal.h(3HEAD) */
#define SIG_BLOCK 1                      /* sigprocmask(2) */
#define SIG_SETMASK 3                    /* sigprocmask(2) */
#define WNOHANG 64                       /* waitpid(3C) */
#define ITIMER_REAL 0                    /* setitimer(2) */
#define RLIM_INFINITY 0xfffffffffffffffd /* getrlimit(2) */
#define CLOCK_REALTIME 3                 /* clock_gettime(3C) */
#define _SC_PAGESIZE 11                  /* sysconf(3C) */

/* ---- types and structs ---- */
typedef long ssize_t;         /* sys/types.h */
typedef int32_t pid_t;        /* sys/types.h */
typedef uint32_t uid_t;       /* sys/types.h */
typedef uint32_t gid_t;       /* sys/types.h */
typedef unsigned mode_t;      /* sys/types.h */
typedef unsigned long dev_t;  /* sys/types.h */
typedef unsigned long ino_t;  /* sys/types.h */
typedef unsigned nlink_t;     /* sys/types.h */
typedef long off_t;           /* sys/types.h */
typedef long blkcnt_t;        /* sys/types.h */
typedef int blksize_t;        /* sys/types.h */
typedef long time_t;          /* sys/types.h */
typedef long suseconds_t;     /* sys/types.h */
typedef int clockid_t;        /* clock_gettime(2) */
typedef unsigned socklen_t;   /* socket(2) */
typedef uint16_t sa_family_t; /* unix(4) */
typedef unsigned long nfds_t; /* poll(2) */
typedef unsigned long rlim_t; /* getrlimit(2) */
typedef struct {              /* signal.h(3HEAD) */
    unsigned bits[4];
} sigset_t;
struct timespec { /* clock_gettime(3C) */
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
struct linger { /* getsockopt(3SOCKET) */
    int l_onoff;
    int l_linger;
};
struct rlimit { /* getrlimit(2) */
    rlim_t rlim_cur;
    rlim_t rlim_max;
};
struct sockaddr { /* socket(3SOCKET) */
    sa_family_t sa_family;
    char sa_data[14];
};
struct sockaddr_un { /* recv(3XNET) */
    sa_family_t sun_family;
    char sun_path[108];
};
struct msghdr { /* recv(3SOCKET) */
    void *msg_name;
    socklen_t msg_namelen;
    struct iovec *msg_iov;
    int msg_iovlen;
    void *msg_control;
    socklen_t msg_controllen;
    int msg_flags;
};
struct cmsghdr { /* recv(3SOCKET) */
    socklen_t cmsg_len;
    int cmsg_level;
    int cmsg_type;
};
struct stat { /* stat(2) */
    dev_t st_dev;
    ino_t st_ino;
    mode_t st_mode;
    nlink_t st_nlink;
    uid_t st_uid;
    gid_t st_gid;
    dev_t st_rdev;
    off_t st_size;
    time_t st_atime;
    long st_atime_nsec;
    time_t st_mtime;
    long st_mtime_nsec;
    time_t st_ctime;
    long st_ctime_nsec;
    blksize_t st_blksize;
    blkcnt_t st_blocks;
    char __unused[16];
};

/* ---- control messages: CMSG_DATA(3) ---- */
#define CROSS_CMSG_ALIGN(n) (((n) + sizeof(int) - 1) & ~(sizeof(int) - 1)) /* sys/socket.h */

/* ---- ioctl ---- */
#define FIONREAD 0x4004667f /* streamio(4I) */
#define FIONBIO 0x8004667e  /* streamio(4I) */

/* ---- what no other system has ---- */
typedef struct ucred_s ucred_t;                              /* ucred_get(3C) */
int getpeerucred(int fd, ucred_t **u);                       /* getpeerucred(3C) */
void ucred_free(ucred_t *u);                                 /* ucred_get(3C) */
pid_t ucred_getpid(const ucred_t *u);                        /* ucred_get(3C) */
uid_t ucred_getruid(const ucred_t *u);                       /* ucred_get(3C) */
uid_t ucred_geteuid(const ucred_t *u);                       /* ucred_get(3C) */
gid_t ucred_getrgid(const ucred_t *u);                       /* ucred_get(3C) */
gid_t ucred_getegid(const ucred_t *u);                       /* ucred_get(3C) */
int ucred_getgroups(const ucred_t *u, const gid_t **groups); /* ucred_get(3C) */
int eventfd(unsigned count, int flags);                      /* eventfd(3C) */
struct itimerspec {                                          /* timerfd_create(3C) */
    struct timespec it_interval;
    struct timespec it_value;
};
int timerfd_create(int clock, int flags);                                                       /* timerfd_create(3C) */
int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *before); /* timerfd_create(3C) */
int accept4(int fd, struct sockaddr *sa, socklen_t *len, int flags);                            /* accept(3SOCKET) */

#endif
