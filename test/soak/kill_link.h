// SPDX-License-Identifier: MIT
/*
 * One process of the soak with kill -9 (kill.h), and its end of each connection, a link.
 */
#ifndef TEST_SOAK_KILL_LINK_H
#define TEST_SOAK_KILL_LINK_H

#include "kill.h"

/* TAKE: a message of a slow connection, if one is there. WATCH: of a slow one, whether the other side has ended. */
enum kill_kind {
    KILL_ACCEPT,
    KILL_TICK,
    KILL_CONNECT,
    KILL_FIRST,
    KILL_STAND,
    KILL_TAKE,
    KILL_WATCH,
    KILL_SEND,
    KILL_CLOSE
};

struct kill_op {
    struct unx_op op;
    enum kill_kind kind;
    bool out;
    void *owner; /* a link, or a message that is sent */
};

struct kill_link {
    struct kill_op in, watch, closing;
    struct unx_msg m;
    struct iovec iov;
    int fds[KILL_FDS];
    int fd, record; /* record: -1 until the first message has come */
    uint32_t generation;
    bool used, streams, over_there, muted, shutting, shut, ended, going;
    unsigned sends;
    uint64_t next, last; /* numbers: to send, received */
    unsigned npart, npart_fds;
    int part_fds[2 * KILL_FDS];
    unsigned char room[KILL_BYTES], part[KILL_BYTES];
};

/* A message on its way. */
struct kill_out {
    struct kill_op op;
    struct kill_link *link;
    struct unx_msg m;
    struct iovec iov;
    struct kill_head head;
    int fds[KILL_FDS];
    unsigned char bytes[KILL_BYTES];
    struct kill_out *next;
};

struct kill_process {
    struct kill_shared *s;
    unsigned side;
    struct kill_totals *t;
    struct unx_engine *e;
    uint64_t seed, dice;
    struct kill_link *links;
    unsigned nlinks, *free_links, nfree, cursor, sweep;
    struct kill_out *outs, *free_outs;
    struct unx_addr names[2]; /* of packets, of streams; lent while connects are out */
    struct unx_listener *listeners[2];
    struct kill_op accepts[2], tick;
    unsigned connecting, taking;
    bool ending, refused;
};

/* Ends the process with what is wrong. */
void kill_fail(const struct kill_process *p, const char *fmt, ...) __attribute__((noreturn, format(printf, 2, 3)));
unsigned kill_throw(struct kill_process *p, unsigned n);
/* Notes the result of a call that starts an operation. */
void kill_started(struct kill_process *p, struct kill_op *o, enum kill_kind kind, void *owner, int result);

/* ---- kill_link.c ---- */

struct kill_link *kill_link_new(struct kill_process *p, int record, bool streams);
void kill_link_open(struct kill_process *p, struct kill_link *c, int fd);
void kill_link_free(struct kill_process *p, struct kill_link *c);
void kill_send(struct kill_process *p, struct kill_link *c);
void kill_sent(struct kill_process *p, struct kill_out *o, int result);
void kill_receive(struct kill_process *p, struct kill_link *c);
void kill_received(struct kill_process *p, struct kill_link *c, const struct unx_event *ev);
void kill_watched(struct kill_process *p, struct kill_link *c, int result);
/* Receives from a slow connection that need not rest any more. */
void kill_hurry(struct kill_process *p, struct kill_link *c);
/* Ends it in good order: what was begun is sent, and what the other end has sent is received. */
void kill_finish(struct kill_process *p, struct kill_link *c);
/* Ends it at once. */
void kill_drop(struct kill_process *p, struct kill_link *c);
void kill_dropped(struct kill_process *p, struct kill_link *c, int result);

#endif
