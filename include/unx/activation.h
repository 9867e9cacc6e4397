/* SPDX-License-Identifier: MIT */
/*
 * Being started with sockets, and telling how it goes: the protocols of service managers, both sides of each.
 *
 *  - Activation (sd_listen_fds(3)): a manager starts a service with open descriptors, 3 and following, and says so in
 *    the variables LISTEN_FDS, LISTEN_PID, LISTEN_PIDFDID and LISTEN_FDNAMES of its environment.
 *  - Notification (sd_notify(3)): the service sends lines KEY=VALUE to the datagram socket that NOTIFY_SOCKET names.
 *
 * Conventions are those of unx/unx.h. What a call takes from the environment counts as not set in a program that runs
 * with the rights of somebody else (AT_SECURE). UNX_UNSET removes the variables that were read, so that children do
 * not see them; after an error they stay. The environment belongs to the whole process: as with getenv(3), no other
 * thread may change it meanwhile.
 */
#ifndef UNX_ACTIVATION_H
#define UNX_ACTIVATION_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define UNX_UNSET 0x02000000u   /* remove the variables from the environment, unless the call fails */
#define UNX_BARRIER 0x04000000u /* unx_notify_recv(): the descriptor of a barrier becomes the caller's */

/* ---- Activation, the service's side ---- */

#define UNX_ACTIVATION_FIRST 3  /* the first descriptor that is passed */
#define UNX_ACTIVATION_NAME 255 /* bytes of a name; printable ASCII without ':', possibly none at all */

/* One descriptor that the service was started with. */
struct unx_activated {
    int fd;
    int family;                         /* AF_UNIX or another one; 0: not a socket */
    int type;                           /* SOCK_SEQPACKET, SOCK_STREAM, SOCK_DGRAM ...; 0: not a socket */
    int listening;                      /* 1: a listener; 0: not, such as a connection that the manager accepted */
    struct unx_addr addr;               /* AF_UNIX: what it is bound to; else len is 0 */
    char name[UNX_ACTIVATION_NAME + 1]; /* "unknown" if the manager gave no names */
    uint64_t reserved[2];
};

/* The descriptors that this process was started with: writes n of them to list and returns n; all are close-on-exec
 * then, and the caller's. 0: none, or they are for another process. `list` NULL, max 0 and no flags: only counts.
 * Everything is checked before anything is changed. -EINVAL: a variable that makes no sense; -EBADF: one of the
 * descriptors is not open; -ENOBUFS: there are more than max. Then nothing was adopted. Flags: UNX_UNSET.
 * For once per process, and before it opens files of its own: a second call cannot know whose descriptors it finds. */
int unx_activation_adopt(struct unx_activated *list, unsigned max, unsigned flags);

/* The index of the first of n whose name is `name` (NULL: any), whose type is `type` (0: any) and whose address is `a`
 * (NULL: any). A type, an address or UNX_LISTENING (flags: it has to be listening) asks for a Unix domain socket.
 * -ENOENT: none has the name and the address. Only one that is of another family: -EAFNOSUPPORT, of another type:
 * -EPROTOTYPE, that does not listen: -EINVAL. Never changes a descriptor: unx_adopt() gives it options. */
int unx_activation_find(const struct unx_activated *list, unsigned n, const char *name, int type, unsigned flags,
                        const struct unx_addr *a);

/* ---- Activation, the manager's side ---- */

#define UNX_ACTIVATION_MAX 1024 /* descriptors to pass */
#define UNX_ACTIVATION_TEXT 320 /* room for all variables; and for names, the length of each and one byte more */
#define UNX_ACTIVATION_VARS 8   /* pointers for all variables and the NULL; besides those of `inherit` */

struct unx_activation {
    const int *fds; /* to lend the service */
    unsigned nfds;
    const char *const *names;      /* nfds of them, none with a backslash; NULL: no names */
    const struct unx_addr *notify; /* for NOTIFY_SOCKET: an absolute path, or an abstract name without NUL; or NULL */
    uint64_t watchdog_usec; /* with notify, for WATCHDOG_USEC: how often the service has to show up; 0: need not */
    char *const *inherit;   /* the variables that the service gets besides, as environ(7); NULL: none */
    char **env;             /* room for its environment, for execve(2) */
    unsigned env_max;       /* pointers in env, with that for the NULL */
    char *text;             /* room for the new variables */
    size_t text_max;
    uint64_t reserved[4]; /* 0 */
};

/* Puts the descriptors at 3 and following, open across execve(2), and writes the environment of this process, which
 * is about to become the service. Variables of activation in `inherit` are replaced, and with `notify` those of
 * notification. What was open at these numbers is closed; the descriptors that were passed stay open elsewhere, too:
 * make them close-on-exec. A process that goes on if execve(2) fails has to expect that its own at these numbers are
 * gone. Services expect blocking sockets, and the descriptors of a listener (unx/listener.h) are not:
 * unx_set_nonblock(fd, 0). For a child after fork(2) or vfork(2): async-signal-safe (signal-safety(7)). Returns 0.
 * -ENOSPC: no room in env or text; -EBADF: one is not open; -E2BIG: more than UNX_ACTIVATION_MAX; -EMFILE: more than
 * this process may have open. Then no descriptor was changed. */
int unx_activation_pass(const struct unx_activation *a, unsigned flags);

/* ---- Notification, the service's side ---- */

#define UNX_NOTIFY_MAX 4096 /* bytes of one notification: managers drop longer ones */

/* Tells the manager: lines KEY=VALUE such as "READY=1\nSTATUS=serving", with descriptors to lend
 * ("FDSTORE=1\nFDNAME=x"). 1: sent; 0: there is no NOTIFY_SOCKET, so nobody to tell. Waits for room in the manager's
 * queue, up to timeout_ms. The credentials of this process go with it. NOTIFY_SOCKET is an absolute path of any
 * length, or @ and an abstract name, both byte by byte; -EAFNOSUPPORT: anything else. -EMSGSIZE: more than
 * UNX_NOTIFY_MAX bytes. Errors of connecting and sending: unx_connect(), unx_send(); -ETIMEDOUT, and then nothing was
 * sent. fds may be NULL when nfds is 0. Flags: UNX_UNSET. */
int unx_notify(const char *text, const int *fds, unsigned nfds, unsigned flags, int timeout_ms);

/* Waits until the manager has received everything that was sent before (BARRIER=1). 1: it has, or it has ended; 0:
 * there is no manager. For a process that ends: its last words are otherwise those of nobody. Flags: UNX_UNSET. */
int unx_notify_barrier(unsigned flags, int timeout_ms);

/* 1: the manager expects "WATCHDOG=1" of this process, at least every *usec microseconds; half of that is a good
 * interval. 0: it does not, and *usec is 0. -EINVAL: WATCHDOG_USEC or WATCHDOG_PID makes no sense.
 * Flags: UNX_UNSET. */
int unx_notify_watchdog(uint64_t *usec, unsigned flags);

/* Appends a line to the text, which is "" at first: "KEY=value\n". Returns the new length. -EINVAL: a key that is
 * empty or has '=', a newline in either; -ENOSPC: no room. Then nothing was appended. Whatever somebody else wrote
 * has to go this way: with a newline in it, it would be a line of its own. */
int unx_notify_put(char *text, size_t size, const char *key, const char *value);

/* ---- Notification, the manager's side ---- */

/* What a notification says (struct unx_notification). */
#define UNX_NOTIFY_READY 0x0001u     /* READY=1 */
#define UNX_NOTIFY_RELOADING 0x0002u /* RELOADING=1; with monotonic_usec since systemd 253 */
#define UNX_NOTIFY_STOPPING 0x0004u  /* STOPPING=1 */
#define UNX_NOTIFY_WATCHDOG 0x0008u  /* WATCHDOG=1: alive */
#define UNX_NOTIFY_TRIGGER 0x0010u   /* WATCHDOG=trigger: in trouble */
#define UNX_NOTIFY_FDSTORE 0x0020u   /* FDSTORE=1: keep these descriptors, as `name`, and pass them at the next start */
#define UNX_NOTIFY_FDSTOREREMOVE 0x0040u  /* FDSTOREREMOVE=1: forget those that are kept as `name` */
#define UNX_NOTIFY_NOPOLL 0x0080u         /* FDPOLL=0: keep them also when they hang up */
#define UNX_NOTIFY_BARRIER 0x0100u        /* BARRIER=1: close its descriptor when everything before is dealt with */
#define UNX_NOTIFY_STATUS 0x0200u         /* STATUS=: status */
#define UNX_NOTIFY_NAME 0x0400u           /* FDNAME=: name */
#define UNX_NOTIFY_MAINPID 0x0800u        /* MAINPID=: mainpid */
#define UNX_NOTIFY_ERRNO 0x1000u          /* ERRNO=: error */
#define UNX_NOTIFY_WATCHDOG_USEC 0x2000u  /* WATCHDOG_USEC=: watchdog_usec */
#define UNX_NOTIFY_EXTEND_USEC 0x4000u    /* EXTEND_TIMEOUT_USEC=: extend_usec */
#define UNX_NOTIFY_MONOTONIC_USEC 0x8000u /* MONOTONIC_USEC=: monotonic_usec */
#define UNX_NOTIFY_OTHER 0x10000u         /* also a line that is none of these, or with a value that makes no sense */
#define UNX_NOTIFY_BAD 0x20000u /* this alone: a NUL within, or a barrier that is not alone with one descriptor */

struct unx_notification {
    unsigned what;      /* UNX_NOTIFY_* */
    pid_t mainpid;      /* > 0; a claim of the sender, as everything here */
    int error;          /* 0, or a negative errno value */
    const char *status; /* inside the text, not NUL-terminated, any bytes but newline and NUL */
    size_t status_len;
    const char *name; /* as UNX_ACTIVATION_NAME has it */
    size_t name_len;
    uint64_t watchdog_usec, extend_usec, monotonic_usec;
    uint64_t reserved[4];
};

/* A socket to be notified at: unx_bind() of a datagram socket that accepts descriptors and gets credentials with each
 * message. Flags: UNX_NONBLOCK, UNX_PASSPIDFD. */
int unx_notify_bind(unsigned flags, const struct unx_addr *a, mode_t mode);

/* Receives one notification: as unx_recv(), and *n says what is in it. m has one iov, of UNX_NOTIFY_MAX + 1 bytes to
 * take what a service may send, room for descriptors, and cred or pidfd, by which the sender is known: else -EINVAL.
 * Unless known says that the pid came, nobody knows whose words these are. 1, or an error, after most of which the
 * next may be received: unx_one_message(). A barrier is answered at once: what came before has been returned by
 * earlier calls; with UNX_BARRIER its descriptor is the caller's, who closes it to answer. The descriptors of a bad
 * message are closed. Flags: UNX_DONTWAIT, UNX_INTR, UNX_BARRIER. */
int unx_notify_recv(int fd, struct unx_msg *m, struct unx_notification *n, unsigned flags);

/* What the text of a notification says; pure. Of a line that comes twice the first counts; one NUL at the end is none.
 * Whether a barrier has its descriptor is not seen here. Returns 0. */
int unx_notify_parse(const char *text, size_t len, struct unx_notification *n);

/* A line of the text, whatever its key. Start with a zeroed one. */
struct unx_notify_line {
    const char *key; /* inside the text, not NUL-terminated */
    size_t key_len;
    const char *value; /* NULL: the line has no '=' */
    size_t value_len;
    size_t next; /* where the next line starts */
    uint64_t reserved[2];
};

/* 1: *line is the next line that is not empty; 0: there is none. Pure. */
int unx_notify_next(const char *text, size_t len, struct unx_notify_line *line);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
