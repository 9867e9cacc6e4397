// SPDX-License-Identifier: MIT
/*
 * unx recv: one message, or so many, printed or given to a program.
 *
 * Promises: see serve.c and client.c. It answers nothing; what the program prints goes to standard output.
 */
#include "tool.h"

int cmd_recv(const struct options *o)
{
    return serve(o, true);
}
