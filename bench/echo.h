// SPDX-License-Identifier: MIT
/*
 * Echo: what answering one small request costs a server, for servers written by hand, on libunx and on other libraries.
 *
 * Every server is one function, which runs in a process of its own until the other end of a connection is closed. One
 * load generator drives them all, in another process; see echo_load.c for the load and for how time is counted.
 */
#ifndef UNX_BENCH_ECHO_H
#define UNX_BENCH_ECHO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define ECHO_SIZE 64      /* bytes of a request */
#define ECHO_ROOM 4096    /* bytes that a server has room for: it does not know how long requests are */
#define ECHO_CONTROL 1392 /* room for all the control data that one message can bring */

/* A server is compared with the best loop by hand that does the same: bytes alone, or whatever a message brings. */
enum echo_kind { ECHO_RAW, ECHO_RAW_MSG, ECHO_PEER, ECHO_ENGINE, ECHO_ENGINE_MSG };

#define ECHO_SEQPACKET 1u
#define ECHO_STREAM 2u
#define ECHO_BESIDE 8u /* a loop by hand that others are not compared with */
#define ECHO_ALONE 4u  /* only one connection, so only for the round trip on one core */

struct echo_job {
    const int *fds; /* blocking sockets; each brings a request at a time */
    unsigned nfds;
    int type;         /* SOCK_* */
    unsigned spin_us; /* for those that can wait without sleeping */
};

struct echo_server {
    const char *name;
    enum echo_kind kind;
    unsigned types; /* ECHO_SEQPACKET, ECHO_STREAM: what it can speak */
    /* 0 when a connection has ended, or a negative errno value. -EOPNOTSUPP: this system cannot. */
    int (*run)(const struct echo_server *s, const struct echo_job *j);
    unsigned variant;    /* what `run` makes of it */
    size_t caller_bytes; /* for each connection, allocated by the file here and not by a library */
};

/* The lists, each ended by a name of NULL. */
extern const struct echo_server echo_epoll[], echo_uring[], echo_engine[];
extern const struct echo_server echo_uv[], echo_event[], echo_glib[], echo_asio[];

/* Those of them that move bytes alone, or messages, or both, and that have one of these names, separated by commas, or
 * begin with it; NULL: all. Returns how many. */
unsigned echo_select(const char *names, bool plain, bool msg, const struct echo_server **v, unsigned max);
/* Tells which libraries were not there when this was built. */
void echo_say_missing(void);

/* ---- The load: echo_load.c ---- */

/* The connections, which all servers use in turn. */
struct echo_bed {
    int type;
    unsigned count;
    int *mine, *theirs;
    uint64_t *numbers; /* of the last request on each */
    int replies;       /* an epoll descriptor */
};

/* 0, or a negative errno value; then there is nothing to close. */
int echo_open(struct echo_bed *b, int type, unsigned count);
void echo_close(struct echo_bed *b);

struct echo_load {
    const struct echo_server *server;
    unsigned active;  /* connections that are used; the others are idle */
    unsigned spin_us; /* what the server may do before it sleeps */
    bool one_core;    /* both processes on one, and both sleep; else the generator does not */
};

/* For one request. */
struct echo_figures {
    double cpu_ns;  /* of the server */
    double wall_ns; /* from one request to the next, of all connections together */
};

/* Raises the limit for descriptors as far as it goes, and returns it. */
unsigned echo_raise_limit(void);

/* Starts the server, has it echo for about this long, and ends it. */
int echo_measure(const struct echo_bed *b, const struct echo_load *l, double ms, struct echo_figures *f);

#ifdef __cplusplus
}
#endif
#endif
