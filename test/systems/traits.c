// SPDX-License-Identifier: MIT
/*
 * What a system does its own way, one row each; FAKE says which it is.
 *
 * Sources are the manual pages unix(4), recv(2), send(2), connect(2), socketpair(2), kqueue(2) and fchmodat(2) of
 * each system (on illumos recv(3SOCKET), recv(3XNET) and so on); on FreeBSD 15 also sys/kern/uipc_usrreq.c, because
 * its packets are not in a manual. What a manual leaves open is as FreeBSD has it.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>

/* A row says what is not as on most. */
#pragma GCC diagnostic ignored "-Woverride-init"
#define BSD                                                                                                            \
    .length = true, .unnamed = 16, .path = 104, .packets = true, .empty = true, .empty_datagram = true,                \
    .cloexec = true, .refuses_full = true, .drops_full = true, .timeouts = true, .nofollow_mode = true,                \
    .trunc_returns = false, .fds_max = 253, .table_full = EMSGSIZE

static const struct traits all[] = {
    {.name = "freebsd",
     BSD,
     .table_full = EMFILE,
     .peer_of_pair = true,
     .trunc_returns = true,
     .marks = true,
     .empty = false},
    {.name = "freebsd14", BSD, .table_full = EMFILE, .peer_of_pair = true, .trunc_returns = true},
    {.name = "openbsd",
     BSD,
     .fds_max = 127,
     .peer_of_pair = true,
     .padded = true,
     .path = 103,
     .one_control = true,
     .small_fails = true},
    {.name = "netbsd", BSD, .unnamed = 106, .one_control = true, .proc = true},
    {.name = "dragonfly", BSD, .proc = true},
    {.name = "darwin",
     BSD,
     .packets = false,
     .cloexec = false,
     .one_control = true,
     .cut_leaks = true,
     .stream_buffer = 8192,
     .datagram_buffer = 2048},
    {.name = "illumos",
     .path = 107,
     .padded = true,
     .packets = true,
     .empty_datagram = true,
     .eor_of_streams = true,
     .cloexec = true,
     .refuses_full = true,
     .rdhup = true,
     .peer_of_pair = true,
     .proc = true,
     .fds_max = 253,
     .table_full = EMFILE},
};

static struct traits chosen;
const struct traits *const fake = &chosen;

static void __attribute__((constructor)) choose(void)
{
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (strcmp(all[i].name, FAKE) == 0) {
            chosen = all[i];
            return;
        }
    }
    abort();
}
