// SPDX-License-Identifier: MIT
/*
 * A server that expects the worst, three times: a thread for each connection with blocking calls, one thread with
 * poll(2), and on an engine. What they have in common is here: whom they admit, how many, what they take,
 * and how they part.
 *
 * Its rules, which any server for users who do not trust each other needs:
 *  - so many connections in all, for each user, and for each process; who comes on top is turned away, who is in stays;
 *  - who has not sent a whole message in PATIENCE_MS is sent away, and so is who does not read the replies;
 *  - whatever breaks a rule is written down with its pid and uid, and the connection ends;
 *  - its table of descriptors has room for all that may come at one time: 253 for each message that is looked at,
 *    however few it wants, because the kernel puts them all into the table first; and in its messages, but for the
 *    server with few, which shows what the library closes;
 *  - what was received, and connections in which something may be left, are closed by a thread that has nothing else to
 *    do, so that their last close is that of a child which ends: only that never lingers.
 */
#ifndef HOSTILE_SERVER_H
#define HOSTILE_SERVER_H

#include "ground.h"

#include <unx/activation.h>
#include <unx/engine.h>
#include <unx/listener.h>
#include <unx/policy.h>
#include <unx/unx.h>

enum { CONNS = 64, CONNS_OF_USER = 28, CONNS_OF_PROCESS = 8 };
enum { PATIENCE_MS = 150, SEND_MS = 100, FDS_MAX = 4, EMPTIES_MAX = 32, LARGEST = 253, DESCRIPTORS = 8192 };

struct conn {
    bool used;
    int fd, type, pidfd;
    struct unx_cred who;
    int64_t since; /* the message that is awaited, or its first byte; 0: the first one was there, and none has begun */
    unsigned empties;
    size_t have; /* bytes of a frame */
    unsigned char frame[4 + FRAME_MAX];
    void *more; /* of the kind of server */
};

struct server {
    struct ground *ground;
    struct shared *shared;
    struct unx_listener *seq, *stream;
    int notify;
    pthread_mutex_t mutex; /* of conns */
    struct conn conns[CONNS];
    void (*wake)(void); /* when it shall end */
};

extern struct server *the_server;

/* Opens the sockets and starts the thread that closes. */
void server_open(struct server *s, struct ground *g);
/* Nothing is left of anybody; closes them. */
void server_close(struct server *s);
bool server_over(const struct server *s);

/* A new connection, admitted, or NULL: turned away. */
struct conn *server_admit(struct server *s, int fd, int type);

/* Forgets it; kind is why. Its descriptor is still open and is the caller's to give to farewell(). */
void server_leave(struct server *s, struct conn *c, unsigned kind);

/* Closes in the thread for it: descriptors that came; a connection, with all that is unread in it.
 * It has to be the last copy. */
void dispose(const int *fds, unsigned n);
void farewell(int fd);

/* Whether it is a pipe, asked without asking the file: whatever is behind it may take long to answer fstat(2). */
bool fd_is_pipe(int fd);

void closer_start(void);
void closer_stop(void);

/* A message came, or an error. 0: *r is the reply; else why the connection has to end. */
unsigned server_packet(struct server *s, struct conn *c, int result, struct unx_msg *m, struct reply *r);

/* Bytes of a stream came. Returns as above for the first whole frame in it, and how many bytes were used;
 * WANTS: not whole. */
enum { WANTS = 0x10000 };
unsigned server_bytes(struct server *s, struct conn *c, const void *p, size_t n, size_t *used, struct reply *r);
/* As unx_recv() on the stream tells: 0 for bytes, else why it has to end. */
unsigned server_stream_result(struct server *s, struct conn *c, int result, struct unx_msg *m);

/* What makes connections end that have not said anything whole in time. */
bool server_late(const struct conn *c, int64_t now);

/* One notification, if there is one. */
bool server_notification(struct server *s, unsigned flags);

/* A new connection could not be accepted. */
void server_full(struct server *s, int error);

void serve_threads(struct server *s);
void serve_poll(struct server *s);
void serve_engine(struct server *s, unsigned backend);

#endif
