/* SPDX-License-Identifier: MIT */
/*
 * Linux: kernel constants by number, for headers that are older than the kernel; with no other header, so that
 * cross/linux/numbers.c can hold them against those of every processor.
 *
 * What surprised us: socket options have numbers of their own on parisc and sparc. System calls since 424 have one
 * number everywhere, but what it is counted from differs: on alpha, on the three ways to call of mips, and on x32.
 */
#ifndef UNX_SYS_LINUX_NUMBER_H
#define UNX_SYS_LINUX_NUMBER_H

#if defined(__sparc__)
#define LINUX_SO(generic, parisc, sparc) (sparc)
#elif defined(__hppa__)
#define LINUX_SO(generic, parisc, sparc) (parisc)
#else
#define LINUX_SO(generic, parisc, sparc) (generic)
#endif
#define LINUX_SO_PEERGROUPS LINUX_SO(59, 0x4034, 0x3d)
#define LINUX_SO_PASSPIDFD LINUX_SO(76, 0x404a, 0x55)
#define LINUX_SO_PEERPIDFD LINUX_SO(77, 0x404b, 0x56)
#define LINUX_SO_PASSRIGHTS LINUX_SO(83, 0x4051, 0x5c)
/* The time in two words of the machine, and in two of 64 bits. The type of a control message is the option's number. */
#define LINUX_SO_TIMESTAMPNS_OLD LINUX_SO(35, 0x4013, 0x21)
#define LINUX_SO_TIMESTAMPNS_NEW LINUX_SO(64, 0x4039, 0x42)

#define LINUX_SCM_CREDENTIALS 2
#define LINUX_SCM_SECURITY 3
#define LINUX_SCM_PIDFD 4

#if defined(__alpha__)
#define LINUX_NR(n) ((n) + 110)
#elif defined(__mips__) && _MIPS_SIM == 1
#define LINUX_NR(n) ((n) + 4000)
#elif defined(__mips__) && _MIPS_SIM == 2
#define LINUX_NR(n) ((n) + 6000)
#elif defined(__mips__)
#define LINUX_NR(n) ((n) + 5000)
#elif defined(__x86_64__) && defined(__ILP32__)
#define LINUX_NR(n) ((n) + 0x40000000)
#else
#define LINUX_NR(n) (n)
#endif
#define LINUX_NR_pidfd_open LINUX_NR(434)
#define LINUX_NR_epoll_pwait2 LINUX_NR(441)
#define LINUX_NR_fchmodat2 LINUX_NR(452)

/* What socketcall(2) is told. Not from <linux/net.h>, which cannot be included beside musl's own headers. */
#define LINUX_CALL_CONNECT 3
#define LINUX_CALL_SENDTO 11
#define LINUX_CALL_RECVFROM 12
#define LINUX_CALL_SENDMSG 16
#define LINUX_CALL_RECVMSG 17
#define LINUX_CALL_ACCEPT4 18
#define LINUX_CALL_RECVMMSG 19
#define LINUX_CALL_SENDMMSG 20

#define LINUX_P_PIDFD 3 /* Linux 5.4 */
#define LINUX_RENAME_NOREPLACE 1
#define LINUX_RENAME_EXCHANGE 2
#define LINUX_MFD_CLOEXEC 0x1u
#define LINUX_MFD_ALLOW_SEALING 0x2u
#define LINUX_MFD_NOEXEC_SEAL 0x8u /* Linux 6.3 */
#define LINUX_F_ADD_SEALS 1033
#define LINUX_F_GET_SEALS 1034
#define LINUX_SEALS 0xf /* seal, shrink, grow, write */
#define LINUX_PIDFS 0x50494446

#endif
