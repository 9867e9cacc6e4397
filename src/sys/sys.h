// SPDX-License-Identifier: MIT
/*
 * The system, and nothing else: the only layer that makes system calls. One file per system behind this list.
 *
 * Promises: a result >= 0 or a negative errno value; errno left alone; no cancellation point; descriptors are
 * close-on-exec from birth; one call here is one attempt, but for opening a file, which goes on after a signal; what a
 * system lacks is -EOPNOTSUPP. Times are in nanoseconds of the monotonic clock, -1 is without limit. Nothing here
 * allocates by itself, but for sys_in_directory().
 */
#ifndef UNX_SYS_H
#define UNX_SYS_H

#include <stdbool.h>
#include <stdint.h>
#include <unx/unx.h>

#include "sys_system.h"

/* ---- sockets ---- */
int sys_socket(int type, bool nonblock);
int sys_pair(int type, bool nonblock, int fds[2]);
int sys_bind(int fd, const struct unx_addr *a);
int sys_listen(int fd, int backlog); /* -1: as many as the system allows */
int sys_connect(int fd, const struct unx_addr *a);
int sys_disconnect(int fd); /* datagrams */
int sys_accept(int fd, bool nonblock, struct unx_addr *peer);
int sys_local_addr(int fd, struct unx_addr *a); /* as the kernel answers: not checked, len may exceed the room */
int sys_peer_addr(int fd, struct unx_addr *a);
int sys_shutdown(int fd, int how);
int sys_close(int fd);
int sys_discard(int fd); /* closes what somebody else made: without the wait that SO_LINGER may hold */
int sys_dup(int fd);

/* ---- what a socket is, and its options ---- */
int sys_family(int fd);
int sys_type(int fd);
int sys_listening(int fd); /* 0 or 1 */
int sys_pass(int fd, unsigned what,
             bool on); /* one of UNX_PASSFDS, UNX_PASSCRED, UNX_PASSPIDFD, UNX_PASSSEC, UNX_TIMESTAMP */
int sys_set_timeout(int fd, unsigned which, int64_t ns);
int sys_get_timeout(int fd, unsigned which, int64_t *ns);
int sys_set_nonblock(int fd, bool on);
int sys_get_nonblock(int fd);
int sys_set_cloexec(int fd);
int sys_send_buffer(int fd); /* bytes that may be queued, with the system's own share */
int sys_set_send_buffer(int fd, int bytes);
int sys_max_packet(int fd);
int sys_take_error(int fd, int *error);
int sys_readable(int fd); /* bytes queued: of all packets on SEQPACKET, of the next one on DGRAM */

/* ---- messages ---- */
ssize_t sys_sendmsg(int fd, const struct msghdr *h, int flags);
ssize_t sys_recvmsg(int fd, struct msghdr *h, int flags); /* -> full length, descriptors close-on-exec */
int sys_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
int sys_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags);
ssize_t sys_send(int fd, const void *p, size_t n, int flags);
ssize_t sys_recv(int fd, void *p, size_t n, int flags); /* -> full length */

/* ---- credentials as the data of a control message of `type` ---- */
int sys_cred_read(int type, const void *data, size_t len, struct unx_cred *c); /* `known` is not judged; -EBADMSG */
size_t sys_cred_write(void *data, const struct unx_cred *c,
                      int *type); /* its length, at most SYS_CRED_ROOM; 0: cannot */

/* ---- waiting ---- */
int sys_poll(int fd, int events, int64_t timeout_ns); /* events that came, 0 after the time; -EINTR only if it waits */
int sys_poll_or(int fd, int events, int event,
                int64_t timeout_ns); /* also ends when `event` is set; either may be -1 */
int sys_event(void);
int sys_event_set(int event);
int sys_event_clear(int event); /* also of a clock */
int sys_clock(void);            /* a descriptor that is readable from the time that was set */
int sys_clock_set(int clock, int64_t at);
int64_t sys_now(void);
void sys_sleep(int64_t ns);

/* ---- readiness of many: events are those of poll(2) ---- */
struct sys_ready {
    int fd;
    unsigned events;
};
#define SYS_READY_MAX 128u
struct pollfd;
int sys_poll_many(struct pollfd *p, unsigned n, int64_t timeout_ns);
int sys_epoll(void);
int sys_epoll_watch(int epoll, int fd, unsigned before, unsigned events); /* 0: no more. -EPERM: it is a file */
int sys_epoll_wait(int epoll, struct sys_ready *ready, unsigned max, int64_t timeout_ns);

/* ---- who ---- */
void sys_own_cred(struct unx_cred *c, bool effective);
int sys_peer_cred(int fd, struct unx_cred *c); /* `known` is not judged */
int sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n);
int sys_peer_label(int fd, char *label, size_t max, size_t *len);
int sys_peer_pidfd(int fd);
int sys_pidfd_running(int pidfd); /* 0 or 1; -EBADF: not a pidfd */
int sys_pidfd_pid(int pidfd);

/* ---- files: `name` is relative to dirfd, and no last component is followed ---- */
struct sys_file {
    uint64_t dev, ino, nlink;
    uid_t uid;
    mode_t mode; /* permission bits */
    bool is_socket;
};
int sys_open_dir(int dirfd, const char *path); /* O_PATH: good for naming only */
/* A socket too; -EOPNOTSUPP where none can be opened, and its name has to do. */
int sys_open_path(int dirfd, const char *path);   /* O_PATH, follows a last symbolic link as connect(2) does */
int sys_open_own(int dirfd, const char *name);    /* O_PATH, does not follow */
int sys_fd_path(int fd, char *text, size_t size); /* a path that leads to an open O_PATH descriptor: its length */
int sys_file_at(int dirfd, const char *name, struct sys_file *f);
int sys_file_of(int fd, struct sys_file *f);
/* The mode that a socket's file will have, as far as the system can before it is bound; what is missing is set before
 * anybody can connect. -EOPNOTSUPP: it can not, and for this type bound is open. */
int sys_set_mode(int fd, mode_t mode);
/* Of a socket's file, if that is what `is` says, and has one name; else -EPERM. */
int sys_set_mode_of(int dirfd, const char *name, const struct sys_file *is, mode_t mode);
int sys_set_owner_of(int dirfd, const char *name, const struct sys_file *is, uid_t owner, gid_t group);
int sys_unlink(int dirfd, const char *name);
int sys_rename_new(int dirfd, const char *from, const char *to); /* -EEXIST instead of replacing */
int sys_rename(int dirfd, const char *from, const char *to);
int sys_swap(int dirfd, const char *a, const char *b); /* two files change places; -EOPNOTSUPP */
int sys_open_readable_dir(int dirfd);                  /* the same directory, so that it can be locked */
int sys_open_lock(int dirfd, const char *name);
int sys_lock(int fd); /* -EAGAIN: somebody else has it */
int sys_unlock(int fd);

/* Runs `work` in a thread of this process that has `dirfd` as its own working directory, and returns its result. */
int sys_in_directory(int dirfd, int (*work)(void *arg), void *arg);

/* ---- this process ---- */
uint64_t sys_own_pidfdid(void); /* the inode number of a pidfd of its own, never used again; 0: this system has none */
int sys_check_open(int fd);     /* 0; -EBADF */
int sys_dup_above(int fd, int least);
int sys_place(int from, int to); /* to is a copy of from, or from itself; open across exec */
unsigned sys_max_open(void);     /* descriptors are below this */
int sys_pipe(int fds[2]);

/* ---- memory: of objects, never of calls on a descriptor ---- */
void *sys_allocate(size_t size); /* zeroed, or NULL */
void sys_free(void *p);

/* ---- files of memory, and the environment ---- */
int sys_sealed_file(const void *p, size_t n); /* with these bytes; nobody can change it any more */
int sys_sealed_size(int fd, uint64_t *size);  /* 1; 0: not such a file. Does not wait, whatever it is */
ssize_t sys_pread(int fd, void *p, size_t n, uint64_t at);
const char *sys_environment(const char *name); /* NULL: not set, or not to be believed (set-user-ID) */
void sys_environment_remove(const char *name);

/* ---- limits ---- */
#define SYS_IOV_MAX 1024 /* on every system here */
int sys_limit(int what);

#endif
