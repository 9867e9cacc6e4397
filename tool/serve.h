// SPDX-License-Identifier: MIT
/*
 * The server behind `unx listen` and `unx recv`: serve.c has the loop, client.c what happens to one client.
 *
 * One thread, one poll(2). A datagram socket is treated as one client that never ends.
 */
#ifndef TOOL_SERVE_H
#define TOOL_SERVE_H

#include "tool.h"
#include <poll.h>

/* Programs at a time; further messages stay queued in their sockets. */
#define JOBS_MAX 32

enum doing_what { READING, RUNNING, ANSWERING };

struct client {
    int fd;
    unsigned number; /* 0: the datagram socket */
    bool dgram;
    enum doing_what state;
    bool ended;        /* it will send no more */
    bool done;         /* to be closed */
    int polled[3];     /* where its socket and its program's pipes stand in polls */
    struct who who;    /* who connected */
    struct who sender; /* who sent the message, or the last bytes of `whole` */
    struct unx_addr from;
    struct job job;
    struct text reply;
    size_t replied;               /* of a stream's reply */
    int64_t retry_at, give_up_at; /* a datagram's receiver has no room, and no event says when it has */
    struct text whole;            /* a stream's bytes, where a message is all until the end */
    int fds[FDS_MAX];             /* and its descriptors */
    unsigned nfds;
};

struct server {
    const struct options *o;
    bool is_recv;
    bool whole_streams; /* a message of a stream is all of it */
    struct allow allow;
    struct target target;
    struct unx_listener *listener; /* NULL: none, or no more */
    struct client **clients;
    size_t nclients, clients_room;
    struct pollfd *polls;
    size_t npolls, polls_room;
    int listener_polled; /* where it stands in polls, -1: nowhere */
    struct incoming in;
    unsigned connections, messages, jobs;
    bool accept_paused, accept_noted;
    int64_t accept_at;  /* when a paused listener is looked at again */
    int64_t idle_since; /* the last connection or message */
    bool stop;
};

struct client *client_new(int fd, unsigned number);
void client_free(struct client *c);
/* The next message, the end, or a failure. */
void client_receive(struct server *s, struct client *c);
/* Its program can be fed, has printed, or (ended) may have ended. */
void client_run(struct server *s, struct client *c, bool ended);
/* Sends what is left of the reply. */
void client_answer(struct server *s, struct client *c);
/* Prints who was refused and why. */
void server_refused(struct server *s, const struct message *m, const char *why);
/* Whether it may read another message now. */
bool client_may_read(const struct server *s);
/* Whether as many messages came as were asked for. */
bool server_has_enough(const struct server *s);

#endif
