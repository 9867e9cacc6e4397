// SPDX-License-Identifier: MIT
/*
 * unx listen: a server that prints who sends what, and answers by itself or by a program.
 *
 * Promises: see serve.c and client.c.
 */
#include "tool.h"

int cmd_listen(const struct options *o)
{
    if (o->echo && o->command) {
        return report_fail(STATUS_USAGE, "--echo and a program: one or the other");
    }
    return serve(o, false);
}
