/* SPDX-License-Identifier: MIT */
/* Instead of glibc's file of this name: a path is as long as the system has it. */
#if defined(FAKE_ILLUMOS)
#include_next <sys/un.h>
#elif !defined(_SYS_UN_H)
#define _SYS_UN_H 1
#include <bits/sockaddr.h>
#include <stddef.h>
#include <string.h>
struct sockaddr_un {
    __SOCKADDR_COMMON(sun_);
    char sun_path[104];
};
#endif
