// SPDX-License-Identifier: MIT
/*
 * The numbers that the rest of the library is compiled with, and that each system has its own of. With the first
 * line of each file of a system the one place that names systems; everything else that differs is behind a function of
 * sys.h, in such a file.
 *
 *  SYS_FDS_MAX        descriptors that one message may carry
 *  SYS_CRED_ROOM      bytes of credentials that are sent with one
 *  SYS_CONTROL_ROOM   bytes for all control data that can come with one message
 *  SYS_CONTROL_ALIGN  where the next control message in a buffer begins (CMSG_ALIGN)
 *  SYS_PATH_MAX       bytes of a path in an address
 *  SYS_EVENTS_FORK    whether a child of fork(2) has what sys_event() made; else its number is free there
 *  SYS_SET_ADDR_LEN() writes the length into an address too
 *  SYS_TYPE_*         types of control messages at level SOL_SOCKET; -1: this system has no such message
 *
 * What surprised us: macOS installs all descriptors of a message, whatever room there is, so the room has to be for the
 * 512 that it lets a sender give. OpenBSD keeps 16 bytes for each descriptor in a buffer of 2048. FreeBSD and NetBSD
 * have the same 2048 bytes, and 8 for each.
 */
#ifndef UNX_SYS_SYSTEM_H
#define UNX_SYS_SYSTEM_H

#include <poll.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/un.h>

#if defined(__linux__)

#include "sys_linux_number.h"

#define SYS_FDS_MAX 253
#define SYS_CRED_ROOM 12
#define SYS_EVENTS_FORK 1
#define SYS_CONTROL_ROOM 1392
#define SYS_CONTROL_ALIGN sizeof(size_t)
#define SYS_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)
#define SYS_SET_ADDR_LEN(a) ((void)0)
/* By number: the time of two words is not what a C library with times of 64 bits calls SO_TIMESTAMPNS. */
#define SYS_TYPE_CRED LINUX_SCM_CREDENTIALS
#define SYS_TYPE_CRED_SENT (-1)
#define SYS_TYPE_LABEL LINUX_SCM_SECURITY
#define SYS_TYPE_PIDFD LINUX_SCM_PIDFD
#define SYS_TYPE_TIME LINUX_SO_TIMESTAMPNS_OLD
#define SYS_TYPE_TIME_NEW LINUX_SO_TIMESTAMPNS_NEW

#else

#if !defined(__APPLE__) && !defined(__FreeBSD__) && !defined(__OpenBSD__) && !defined(__NetBSD__) &&                   \
    !defined(__DragonFly__) && !defined(__sun)
#error libunx has no files in src/sys for this system
#endif

#if defined(__OpenBSD__)
#define SYS_FDS_MAX 127
#else
#define SYS_FDS_MAX 253
#endif
#define SYS_CRED_ROOM 96
#if defined(__sun)
#define SYS_EVENTS_FORK 1
#else
#define SYS_EVENTS_FORK 0 /* kqueue(2) */
#endif
#define SYS_CONTROL_ROOM 2064 /* 512 descriptors; or 253, and credentials with 250 groups */

#if defined(__APPLE__) || (defined(__sun) && !defined(__sparc))
#define SYS_CONTROL_ALIGN sizeof(int)
#else
#define SYS_CONTROL_ALIGN sizeof(long)
#endif

/* These want the NUL inside. */
#if defined(__OpenBSD__) || defined(__sun)
#define SYS_PATH_MAX (sizeof(((struct sockaddr_un *)0)->sun_path) - 1)
#else
#define SYS_PATH_MAX sizeof(((struct sockaddr_un *)0)->sun_path)
#endif

/* The length inside of an address, of a system that has it. */
#if defined(__sun)
#define SYS_SET_ADDR_LEN(a) ((void)0)
#else
#define SYS_SET_ADDR_LEN(a) ((void)((a)->sa.sa_len = (unsigned char)(a)->len))
#endif

/* CRED is what the receiver asked for, CRED_SENT what the sender had the kernel fill in. */
#if defined(__FreeBSD__)
#define SYS_TYPE_CRED SCM_CREDS2
#define SYS_TYPE_CRED_SENT SCM_CREDS
#elif defined(__DragonFly__)
#define SYS_TYPE_CRED (-1)
#define SYS_TYPE_CRED_SENT SCM_CREDS
#elif defined(__NetBSD__)
#define SYS_TYPE_CRED SCM_CREDS
#define SYS_TYPE_CRED_SENT (-1)
#elif defined(__sun)
#define SYS_TYPE_CRED SCM_UCRED
#define SYS_TYPE_CRED_SENT (-1)
#else
#define SYS_TYPE_CRED (-1)
#define SYS_TYPE_CRED_SENT (-1)
#endif
#define SYS_TYPE_LABEL (-1)
#define SYS_TYPE_PIDFD (-1)
#define SYS_TYPE_TIME (-1)
#define SYS_TYPE_TIME_NEW (-1)

/* Where the system has no such event, sys_poll() finds out otherwise. The bit is nobody else's. */
#ifndef POLLRDHUP
#define POLLRDHUP 0x4000
#endif
#ifndef MSG_WAITFORONE
#define MSG_WAITFORONE 0x40000000
#endif
#if defined(__APPLE__) || defined(__DragonFly__) || defined(__sun)
struct mmsghdr {
    struct msghdr msg_hdr;
    unsigned msg_len;
};
#endif

#endif
#endif
