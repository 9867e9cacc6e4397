/* SPDX-License-Identifier: MIT */
/*
 * Before each file of the tests that is compiled for the fake of another system: an address of the library's has a
 * length in it, which Linux does not know, and what Linux answers has none. Everything else that a test does by
 * itself is done by Linux.
 */
#ifndef FAKE_TESTS_H
#define FAKE_TESTS_H

#pragma redefine_extname bind linux_bind
#pragma redefine_extname connect linux_connect
#pragma redefine_extname sendto linux_sendto
#pragma redefine_extname getsockname linux_getsockname
#pragma redefine_extname getpeername linux_getpeername
#include <sys/socket.h>

#endif
