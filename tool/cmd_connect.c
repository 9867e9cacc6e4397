// SPDX-License-Identifier: MIT
/*
 * unx connect: standard input to a socket and its messages to standard output, both ways at once.
 *
 * Promises: see pump.c. An empty packet is told from the end: a server's packets come with its name,
 * and the end without.
 */
#include "tool.h"
#include <unistd.h>

int cmd_connect(const struct options *o)
{
    struct target t;
    int fds[FDS_MAX];
    if (o->lines && o->type == SOCK_STREAM) {
        return report_fail(STATUS_USAGE, "--lines: a stream has no packets; leave it out, lines go as they are");
    }
    if (!target_parse(&t, o->operand)) {
        return STATUS_USAGE;
    }
    const unsigned flags = (o->no_fds ? 0 : UNX_PASSFDS) | (o->cred ? UNX_PASSCRED | UNX_PASSPIDFD : 0);
    if (lend_open(o, fds)) {
        int fd = target_connect(&t, o->type, flags, o->timeout);
        if (fd < 0) {
            target_connect_failed(&t, fd);
        } else {
            if (reply_address(fd, o->type)) {
                pump(o, fd, fds, PUMP_CONNECT);
            }
            close(fd);
        }
        lend_close(o, fds);
    }
    target_free(&t);
    return report_status();
}
