/* SPDX-License-Identifier: MIT */
/* What the two halves of the example "chat" share. Their protocol is packets; the first one of a member is its name. */
#ifndef CHAT_H
#define CHAT_H

#include <unx/engine.h>
#include <unx/policy.h>

#define CHAT_LINE 500 /* bytes of a line, at most */
#define CHAT_NAME 96  /* bytes that the room puts in front of one */

/* An operation, and what is done with its events; NULL: nothing. */
struct task {
    struct unx_op op; /* first: the op of an event is the task */
    void (*done)(const struct unx_event *ev);
};

extern struct unx_engine *engine;
/* An abstract name has no permissions: both sides look at who is there. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

int begin(int result); /* counts an operation that a call has started; returns what the call did */
/* Until no operation is out any more. A signal that asks us to end is an event for finish(). */
int run(void (*finish)(const struct unx_event *ev));
int fail(const char *what, int error);
int serve(const struct unx_addr *a); /* chat_room.c */

#endif
