/* SPDX-License-Identifier: MIT */
/*
 * Before each file of the library that is compiled for the fake of another system: structs and numbers of that system
 * (SYSTEM_PART, made by declare.py), and its calls, which are functions of the fake.
 */
#ifndef FAKE_LIBRARY_H
#define FAKE_LIBRARY_H

/* glibc's own structs of messages keep out of the way. */
#define msghdr linux_msghdr
#define cmsghdr linux_cmsghdr
#define mmsghdr linux_mmsghdr
#define sendmsg linux_sendmsg
#define recvmsg linux_recvmsg
#define sendmmsg linux_sendmmsg
#define recvmmsg linux_recvmmsg
#pragma redefine_extname socket fake_socket
#pragma redefine_extname socketpair fake_socketpair
#pragma redefine_extname bind fake_bind
#pragma redefine_extname listen fake_listen
#pragma redefine_extname connect fake_connect
#pragma redefine_extname accept fake_accept
#pragma redefine_extname accept4 fake_accept4
#pragma redefine_extname getsockname fake_getsockname
#pragma redefine_extname getpeername fake_getpeername
#pragma redefine_extname getsockopt fake_getsockopt
#pragma redefine_extname setsockopt fake_setsockopt
#pragma redefine_extname shutdown fake_shutdown
#pragma redefine_extname recv fake_recv
#pragma redefine_extname send fake_send
#pragma redefine_extname poll fake_poll
#pragma redefine_extname stat fake_stat
#pragma redefine_extname fchmodat fake_fchmodat
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdalign.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>
#undef msghdr
#undef cmsghdr
#undef mmsghdr
#undef sendmsg
#undef recvmsg
#undef sendmmsg
#undef recvmmsg

/* What these systems do not have. */
#undef O_PATH
#undef CMSG_DATA
#undef CMSG_FIRSTHDR
#undef CMSG_NXTHDR
#undef CMSG_LEN
#undef CMSG_SPACE
#undef CMSG_ALIGN
#if defined(FAKE_DARWIN)
#undef SOCK_CLOEXEC
#undef SOCK_NONBLOCK
#undef MSG_CMSG_CLOEXEC
#endif

typedef struct ucred_s ucred_t;
#include SYSTEM_PART

#define CMSG_LEN(n) (CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)) + (n))
#define CMSG_SPACE(n) (CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)) + CROSS_CMSG_ALIGN(n))
#define CMSG_DATA(c) ((unsigned char *)(c) + CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)))
#define CMSG_FIRSTHDR(h) ((h)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(h)->msg_control : 0)
#define CMSG_NXTHDR(h, c) fake_cmsg_next(h, c)
#if defined(FAKE_TEST)
#define CMSG_ALIGN(n) CROSS_CMSG_ALIGN(n)
#endif

ssize_t sendmsg(int fd, const struct msghdr *h, int flags) __asm__("fake_sendmsg");
ssize_t recvmsg(int fd, struct msghdr *h, int flags) __asm__("fake_recvmsg");
struct cmsghdr *fake_cmsg_next(const struct msghdr *h, const struct cmsghdr *c);
int issetugid(void);
#if defined(FAKE_FREEBSD)
int bindat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len);
int connectat(int dirfd, int fd, const struct sockaddr *sa, socklen_t len);
int getosreldate(void);
#endif
#if defined(FAKE_DARWIN)
int renameatx_np(int fromdir, const char *from, int todir, const char *to, unsigned flags);
#endif
#if defined(FAKE_NETBSD)
int paccept(int fd, struct sockaddr *sa, socklen_t *len, const sigset_t *mask, int flags);
#endif
#if defined(FAKE_ILLUMOS)
int getpeerucred(int fd, ucred_t **u);
void ucred_free(ucred_t *u);
pid_t ucred_getpid(const ucred_t *u);
uid_t ucred_getruid(const ucred_t *u);
uid_t ucred_geteuid(const ucred_t *u);
gid_t ucred_getrgid(const ucred_t *u);
gid_t ucred_getegid(const ucred_t *u);
int ucred_getgroups(const ucred_t *u, const gid_t **groups);
#else
int kqueue(void);
int kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);
#endif

/* From here on this is that system. The compiler's own headers would look for others of it, so they are in already. */
#undef __linux__
#if defined(FAKE_DARWIN)
#define __APPLE__ 1
#elif defined(FAKE_FREEBSD)
#define __FreeBSD__ 13
#elif defined(FAKE_OPENBSD)
#define __OpenBSD__ 1
#elif defined(FAKE_NETBSD)
#define __NetBSD__ 1
#elif defined(FAKE_DRAGONFLY)
#define __DragonFly__ 1
#elif defined(FAKE_ILLUMOS)
#define __sun 1
#endif

#endif
