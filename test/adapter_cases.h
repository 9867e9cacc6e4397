/* SPDX-License-Identifier: MIT */
/* What both parts of the cases of the adapters share. */
#ifndef TEST_ADAPTER_CASES_H
#define TEST_ADAPTER_CASES_H

#include "adapter.h"

#include <stdbool.h>

extern const struct loop *loop;
extern struct unx_engine *engine; /* of the case */
extern unsigned events;           /* counted by the functions that get them */
extern unsigned turns;            /* of run() */
extern bool over;                 /* run() has to end */

void end(void);
void run(void);       /* until end() */
void run_for(int ms); /* lets time pass in the loop */

/* Opens the loop and starts the adapter. False: this engine has no descriptor, which the adapter has to say,
 * and the case is over. */
bool begin(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev));
void finish(void);

/* adapter_end.c */
void rest_comes(struct unx_engine *e);
void others_have_their_turn(struct unx_engine *e);
void stopped_in_function(struct unx_engine *e);
void stopped_twice(struct unx_engine *e);
void freed_in_function(struct unx_engine *e);
void failure_is_told(struct unx_engine *e);

#endif
