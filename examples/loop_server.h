/* SPDX-License-Identifier: MIT */
/* A small server that knows no event loop: loop_uv.c, loop_glib.c, loop_sd_event.c, loop_event.c,
 * loop_ev.c put it into one. */
#ifndef LOOP_SERVER_H
#define LOOP_SERVER_H

#include <stdbool.h>

#include <unx/engine.h>

struct server {
    struct unx_engine *engine;
    struct unx_op accept, close;
    int listener;
    bool listening, stopping;
    struct client *clients;
    unsigned nclients;
    unsigned long answered;
};

/* Listens, and makes the engine: 0, or 1 after a message on standard error. Then the engine is put into the loop. */
int server_open(struct server *s, const char *addr);

/* And then it begins: 0 or a negative errno value. */
int server_start(struct server *s);

/* For each event of the engine. True: it was the last one, after server_stop(). */
bool server_event(struct server *s, const struct unx_event *ev);

/* For other callbacks of the loop: tells every client how many they are; closes everything. */
void server_tell(struct server *s);
void server_stop(struct server *s);

/* When everything is closed, and nobody watches the engine any more. */
void server_free(struct server *s);

#endif
