// SPDX-License-Identifier: MIT
/*
 * The server behind `unx listen` and `unx recv`: serve.c has the loop and the end, serve_accept.c who comes,
 * client_receive.c how messages come, client.c what is done with them, client_program.c the programs that get them.
 *
 * One thread, one engine (unx/engine.h). Whatever may have to wait is an operation, and goes on when that has an event.
 * A datagram socket is treated as one client that never ends.
 */
#ifndef TOOL_SERVE_H
#define TOOL_SERVE_H

#include "tool.h"

/* Programs at a time; further messages stay queued in their sockets. */
#define JOBS_MAX 32
/* How long those that are connected when a signal comes are served what they had sent. */
#define DRAIN_MS 1000

struct server;

/* An operation, and who goes on when it has an event. */
struct task {
    struct unx_op op; /* the first, so that an event leads here */
    void (*then)(struct server *s, void *of, const struct unx_event *ev);
    void *of;
};

enum doing_what { READING, RUNNING, ANSWERING };

struct client {
    struct client *next, *prev;
    struct task receiving; /* standing; or it waits until there is something to receive */
    struct task sending;   /* the rest of a reply */
    struct task closing;
    bool is_receiving, pausing, is_closing;
    int fd;
    unsigned number; /* 0: the datagram socket */
    bool dgram;
    enum doing_what state;
    bool ended;               /* nothing more will be received */
    int end;                  /* because of this error; 0: it is the end */
    bool done;                /* to be closed */
    unsigned reads;           /* that may be tried before the next wait */
    struct kept *kept, *last; /* messages that came too early */
    struct client *behind;    /* of those that wait for a program */
    bool in_line, called;
    struct who who;    /* who connected */
    struct who sender; /* who sent the message, or the last bytes of `whole` */
    struct unx_addr from;
    struct text reply;
    struct iovec reply_iov;
    struct unx_msg reply_msg;
    struct text whole; /* a stream's bytes, where a message is all until the end */
    int *fds;          /* and its descriptors */
    unsigned nfds;
};

struct server {
    const struct options *o;
    bool is_recv;
    bool whole_streams; /* a message of a stream is all of it */
    bool standing;      /* messages come in buffers of the engine */
    size_t max;         /* of a message */
    struct unx_engine *engine;
    sigset_t while_waiting;
    struct allow allow;
    struct target target;
    struct unx_listener *listener;  /* NULL: none, or no more */
    int accept_fd;                  /* a copy of its socket, which the engine has; -1: none */
    struct task accepting, no_more; /* connections */
    bool accept_noted, accept_ending;
    struct client *clients;
    unsigned nclients;
    struct client *line, *line_end; /* those that wait for a program */
    struct program *programs;
    struct incoming in;
    unsigned connections, messages, jobs;
    int64_t idle_since; /* the last connection or message */
    bool draining;      /* a signal came */
    int64_t drain_until;
    bool stop;
};

/* ---- serve_accept.c ---- */

/* From now on connections are accepted; false: a line says why not. */
bool accept_start(struct server *s);
/* No more connections: nobody shall queue up in vain. */
void accept_end(struct server *s);
/* Those that wait already are the last ones. */
void accept_last(struct server *s);

/* ---- client.c ---- */

struct client *client_add(struct server *s, int fd, unsigned number, const struct unx_addr *from);
const char *client_where(const struct server *s, const struct client *c);
/* A message, or why it failed alone. What is taken of m is replaced by -1. */
void client_got(struct server *s, struct client *c, int r, struct unx_msg *m);
/* Nothing more will come. */
void client_ended(struct server *s, struct client *c);
/* The program that got the message has ended; takes the reply. */
void client_program_over(struct server *s, struct client *c, bool good, struct text *reply);
/* What it has out comes back, then it is gone. */
void client_close(struct server *s, struct client *c);
/* Prints who was refused and why. */
void server_refused(struct server *s, const struct message *m, const char *why);
/* Whether as many messages came as were asked for. */
bool server_has_enough(const struct server *s);

/* ---- client_receive.c ---- */

void client_receive_init(struct client *c);
/* Does what can be done now, and starts what has to wait; the client may be gone afterwards. */
void client_go_on(struct server *s, struct client *c);
/* A signal came: what is queued is served, and nothing else. */
void client_drain(struct server *s, struct client *c);
/* Those that wait for a program go on. */
void clients_in_line(struct server *s);
void client_forget_kept(struct client *c);

/* ---- client_program.c ---- */

/* Runs the program for a message; 0 or a negative errno value. */
int program_start(struct server *s, struct client *c, const struct message *m);
/* A child has ended. */
void programs_reap(struct server *s);
/* None matters any more. */
void programs_leave(struct server *s);

#endif
