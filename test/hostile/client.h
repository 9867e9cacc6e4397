// SPDX-License-Identifier: MIT
/* The well-behaved client (client.c): runs until it is told to stop. */
#ifndef HOSTILE_CLIENT_H
#define HOSTILE_CLIENT_H

#include "ground.h"

void client_run(struct ground *g);

#endif
