/* SPDX-License-Identifier: MIT */
/*
 * Instead of glibc's file of this name: an address begins with its length and its family, a byte each, where the
 * system has that. The two have changed places, so that an address without a length, such as a test makes it, is also
 * one of Linux.
 */
#if defined(FAKE_ILLUMOS)
#include_next <bits/sockaddr.h>
#elif !defined(_BITS_SOCKADDR_H)
#define _BITS_SOCKADDR_H 1
typedef unsigned short sa_family_t;
#define __SOCKADDR_COMMON(prefix)                                                                                      \
    unsigned char prefix##family;                                                                                      \
    unsigned char prefix##len
#define __SOCKADDR_COMMON_SIZE (2 * sizeof(unsigned char))
#define _SS_SIZE 128
#endif
