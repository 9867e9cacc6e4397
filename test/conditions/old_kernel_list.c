// SPDX-License-Identifier: MIT
/*
 * What came when: every system call, option and flag newer than Linux 2.6.27 that the library, liburing or a C library
 * tries, by the "Versions" sections of the manual pages and the kernel's history.
 *
 * What surprised us: since Linux 5.1 numbers are the same on all architectures, and grow with time, so what a kernel of
 * a given age does not know is nearly "all from this number on". A ring of before Linux 6.1 exists and says
 * EINVAL to the flags of a newer one, which a filter cannot read: it says so to every ring.
 */
#include "old_kernel.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/syscall.h>

#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#define OPTION_PEERGROUPS 59
#define OPTION_TIMESTAMPNS_NEW 64
#define OPTION_PASSPIDFD 76
#define OPTION_PEERPIDFD 77
#define OPTION_PASSRIGHTS 83
#define FLAG_NOEXEC_SEAL 0x8u
#define TYPE_PIDFD 3
#define REQUEST_PIDFD_INFO 0xff0bu

/* clang-format off */
#define CALL(call, since, error) {#call, since, SYS_##call, error, 0, {{0}}}
#define OPTION_IS(number) {SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0), SCMP_A2_32(SCMP_CMP_EQ, number, 0)}
#define OPTION(option, since)                                                                                          \
    {"SO_" #option, since, SYS_getsockopt, ENOPROTOOPT, 2, OPTION_IS(OPTION_##option)},                                \
    {"SO_" #option, since, SYS_setsockopt, ENOPROTOOPT, 2, OPTION_IS(OPTION_##option)}

const struct lack lacks[] = {
    CALL(accept4, LINUX(2, 28), ENOSYS),
    CALL(recvmmsg, LINUX(2, 33), ENOSYS),
    CALL(sendmmsg, LINUX(3, 0), ENOSYS),
    CALL(renameat2, LINUX(3, 15), ENOSYS),
    CALL(memfd_create, LINUX(3, 17), ENOSYS),
    OPTION(PEERGROUPS, LINUX(4, 13)),
    OPTION(TIMESTAMPNS_NEW, LINUX(5, 1)),
    CALL(io_uring_setup, LINUX(5, 1), ENOSYS),
    CALL(pidfd_send_signal, LINUX(5, 1), ENOSYS),
    CALL(pidfd_open, LINUX(5, 3), ENOSYS),
    CALL(clone3, LINUX(5, 3), ENOSYS),
    {"P_PIDFD", LINUX(5, 4), SYS_waitid, EINVAL, 1, {SCMP_A0_32(SCMP_CMP_EQ, TYPE_PIDFD, 0)}},
    CALL(openat2, LINUX(5, 6), ENOSYS),
    CALL(close_range, LINUX(5, 9), ENOSYS),
    CALL(epoll_pwait2, LINUX(5, 11), ENOSYS),
    {"new_rings", LINUX(6, 1), SYS_io_uring_setup, EINVAL, 0, {{0}}},
    {"MFD_NOEXEC_SEAL", LINUX(6, 3), SYS_memfd_create, EINVAL, 1,
     {SCMP_A1_32(SCMP_CMP_MASKED_EQ, FLAG_NOEXEC_SEAL, FLAG_NOEXEC_SEAL)}},
    OPTION(PASSPIDFD, LINUX(6, 5)),
    OPTION(PEERPIDFD, LINUX(6, 5)),
    CALL(fchmodat2, LINUX(6, 6), ENOSYS),
    {"PIDFD_GET_INFO", LINUX(6, 13), SYS_ioctl, ENOTTY, 1,
     {SCMP_A1_32(SCMP_CMP_MASKED_EQ, 0xffffu, REQUEST_PIDFD_INFO)}},
    OPTION(PASSRIGHTS, LINUX(6, 16)),
};
/* clang-format on */
const size_t nlacks = sizeof lacks / sizeof *lacks;

const unsigned short common_since[] = {
    LINUX(5, 1),  LINUX(5, 1),  LINUX(5, 1),  LINUX(5, 1),                              /* 424: io_uring ends at 427 */
    LINUX(5, 2),  LINUX(5, 2),  LINUX(5, 2),  LINUX(5, 2),  LINUX(5, 2),  LINUX(5, 2),  /* 428: mounting */
    LINUX(5, 3),  LINUX(5, 3),  LINUX(5, 9),  LINUX(5, 6),  LINUX(5, 6),  LINUX(5, 8),  /* 434: pidfd_open */
    LINUX(5, 10), LINUX(5, 11), LINUX(5, 12), LINUX(5, 14), LINUX(5, 13), LINUX(5, 13), /* 440 */
    LINUX(5, 13), LINUX(5, 14), LINUX(5, 15), LINUX(5, 16), LINUX(5, 17), LINUX(6, 5),  /* 446 */
    LINUX(6, 6),  LINUX(6, 6),  LINUX(6, 7),  LINUX(6, 7),  LINUX(6, 7),  LINUX(6, 8),  /* 452: fchmodat2 */
    LINUX(6, 8),  LINUX(6, 8),  LINUX(6, 8),  LINUX(6, 8),  LINUX(6, 10), LINUX(6, 13), /* 458 */
    LINUX(6, 13), LINUX(6, 13), LINUX(6, 13), LINUX(6, 15), LINUX(6, 17), LINUX(6, 17), /* 464 */
};
const size_t ncommon = sizeof common_since / sizeof *common_since;

unsigned first_unknown_option(unsigned release)
{
    static const struct {
        unsigned option, since;
    } options[] = {
        {59, LINUX(4, 13)}, {60, LINUX(4, 14)}, {61, LINUX(4, 19)}, {62, LINUX(5, 0)},  {63, LINUX(5, 1)},
        {68, LINUX(5, 3)},  {69, LINUX(5, 11)}, {71, LINUX(5, 14)}, {72, LINUX(5, 16)}, {73, LINUX(5, 17)},
        {74, LINUX(6, 0)},  {76, LINUX(6, 5)},  {78, LINUX(6, 12)}, {81, LINUX(6, 13)}, {82, LINUX(6, 14)},
        {83, LINUX(6, 16)}, {84, LINUX(6, 17)},
    };
    for (size_t i = 0; i < sizeof options / sizeof *options; i++) {
        if (options[i].since > release) {
            return options[i].option;
        }
    }
    return 0;
}
