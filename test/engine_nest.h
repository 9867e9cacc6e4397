/* SPDX-License-Identifier: MIT */
/* What the tests of nested engines share (engine_nest.c). */
#ifndef TEST_ENGINE_NEST_H
#define TEST_ENGINE_NEST_H

#include "engine.h"

/* Within so many milliseconds, with POLLIN alone. */
bool readable_within(int fd, int ms);

/* The engine's descriptor; nothing is there now. Skips where there is none. */
int enter(struct unx_engine *e);

/* Nothing is there but what was asked for, which may have to be started by a reaping; then it says nothing. */
void settle(struct unx_engine *e, int fd);

/* It says so, this event is there and no other, and then it says nothing any more. What was started a moment ago may
 * wake the loop once for nothing. */
struct unx_event told(struct unx_engine *e, int fd, const struct unx_op *op, int result, int line);
#define TOLD(e, fd, op, result) told(e, fd, op, result, __LINE__)

#endif
