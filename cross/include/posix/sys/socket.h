/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it; numbers and types are those of the system. CMSG_LEN and its kin: CMSG_DATA(3). */
#ifndef CROSS_SYS_SOCKET_H
#define CROSS_SYS_SOCKET_H

#include <sys/types.h>
#include <sys/uio.h>
#include <system.h>

#define CMSG_LEN(n) (CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)) + (n))
#define CMSG_SPACE(n) (CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)) + CROSS_CMSG_ALIGN(n))
#define CMSG_DATA(c) ((unsigned char *)(c) + CROSS_CMSG_ALIGN(sizeof(struct cmsghdr)))
#define CMSG_FIRSTHDR(h) ((h)->msg_controllen >= sizeof(struct cmsghdr) ? (struct cmsghdr *)(h)->msg_control : 0)
struct cmsghdr *cross_cmsg_next(const struct msghdr *h, const struct cmsghdr *c);
#define CMSG_NXTHDR(h, c) cross_cmsg_next(h, c)

struct sockaddr_storage {
    sa_family_t ss_family;
    char ss_rest[254];
};

int socket(int family, int type, int protocol);
int socketpair(int family, int type, int protocol, int fds[2]);
int bind(int fd, const struct sockaddr *sa, socklen_t len);
int listen(int fd, int backlog);
int connect(int fd, const struct sockaddr *sa, socklen_t len);
int getsockname(int fd, struct sockaddr *sa, socklen_t *len);
int getpeername(int fd, struct sockaddr *sa, socklen_t *len);
int getsockopt(int fd, int level, int name, void *value, socklen_t *len);
int setsockopt(int fd, int level, int name, const void *value, socklen_t len);
int shutdown(int fd, int how);
ssize_t recv(int fd, void *p, size_t n, int flags);
ssize_t send(int fd, const void *p, size_t n, int flags);
ssize_t recvmsg(int fd, struct msghdr *h, int flags);
ssize_t sendmsg(int fd, const struct msghdr *h, int flags);

#endif
