// SPDX-License-Identifier: MIT
/*
 * What the files of every system but Linux share: what the common files ask the file of the system.
 */
#ifndef UNX_SYS_POSIX_H
#define UNX_SYS_POSIX_H

#include "sys.h"
#include "sys_quiet.h"

/* ---- in sys_posix.c ---- */

/* A socket option as an int, or a negative errno value; -EOPNOTSUPP where it is not known. */
int posix_option(int fd, int level, int name);
int posix_set_option(int fd, int level, int name, int value);

/* One attempt of bind(2) and connect(2), in the directory that this thread works in. */
int posix_bind(int fd, const struct unx_addr *a);
int posix_connect(int fd, const struct unx_addr *a);

/* ---- in sys_posix_message.c ---- */

/* MSG_NOSIGNAL, and MSG_EOR on packets; -EOPNOTSUPP on packets if `lost`. */
int posix_send_flags(int fd, bool lost);

/* Of the descriptors that came: for systems whose kernel may not do it. */
void posix_make_cloexec(struct msghdr *h);

/* ---- in sys_posix_xucred.c and sys_posix_cmsgcred.c: of the systems that have such structs ---- */
struct xucred;
int posix_peer_xucred(int fd, struct xucred *x);
int posix_cmsgcred_read(const void *data, size_t len, struct unx_cred *c);

/* ---- in the file of the system ---- */

/* Whether nothing will come any more: POLLRDHUP, 0 or a negative errno value. */
int system_read_ended(int fd);

/* One attempt: what came is close-on-exec. MSG_TRUNC in msg_flags says whether a packet was cut;
 * the result is what fits. */
ssize_t system_recvmsg(int fd, struct msghdr *h, int flags);

/* What goes with the flags of a send of so many bytes: MSG_NOSIGNAL, and MSG_EOR on packets. -EOPNOTSUPP for an empty
 * packet that would never arrive, -EAGAIN for one that would go in part. */
int system_send_flags(int fd, size_t size, int flags);

/* One attempt of accept(2), with what it makes close-on-exec. */
int system_accept(int fd, bool nonblock, struct sockaddr *sa, socklen_t *len);

/* The directory that this thread works in by sys_in_directory(), AT_FDCWD for that of the process;
 * bind(2) and connect(2) there. */
int system_bind(int fd, const struct unx_addr *a);
int system_connect(int fd, const struct unx_addr *a);

#endif
