// SPDX-License-Identifier: MIT
/*
 * A small model of a connected pair of Unix domain sockets: which data and which descriptors are queued where, and
 * what a send or a receive has to answer. It knows unx.h and unix(7), and nothing of the library's inside.
 */
#ifndef FUZZ_MESSAGE_MODEL_H
#define FUZZ_MESSAGE_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <unx/unx.h>

#define MODEL_MESSAGES 9 /* in a queue: a datagram socket takes ten before it makes its sender wait */
#define MODEL_BYTES 60000
#define MODEL_FILES 4
#define MODEL_BLOCKS (-EAGAIN)

struct model_message {
    unsigned id;
    size_t len, at; /* `at`: what was received of it, on a stream */
    unsigned nfds;
};

struct model_end {
    bool closed, shut_rd, shut_wr, cred;
    bool reset;  /* an error waits to be told */
    bool parted; /* a datagram socket that has been told that its peer is gone */
    struct model_message queue[MODEL_MESSAGES];
    unsigned n;
};

struct model {
    int type;
    struct model_end end[2];
};

/* What a call has to do. */
struct expect {
    int result;
    int or_result; /* the same, or another one that is as good */
    size_t len, full_len;
    unsigned got, nfds;
    bool unsure; /* descriptors may come that are not those of these bytes: nobody can tell */
    unsigned char data[MODEL_BYTES];
    unsigned char files[256];
};

struct model_room {
    size_t bytes;
    unsigned nfds, limit; /* limit: so many descriptors can be installed */
    bool cred;
    unsigned flags;
};

unsigned char model_byte(unsigned id, size_t i);
unsigned model_file(unsigned id, unsigned i);
bool model_has_room(const struct model *m, int end, size_t len); /* a send from this end need not wait */
int model_send(struct model *m, int end, unsigned id, size_t len, unsigned nfds);
void model_recv(struct model *m, int end, const struct model_room *room, struct expect *x);
bool model_readable(const struct model *m, int end);
void model_shutdown(struct model *m, int end, int how);
void model_close(struct model *m, int end);
int model_take_error(struct model *m, int end);

#endif
