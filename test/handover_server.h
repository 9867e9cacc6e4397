// SPDX-License-Identifier: MIT
/*
 * A server that upgrades itself, for the test of handing over under load: the same program, run again by itself with
 * exec(3). It numbers what it answers, and the numbers go on through all upgrades. How an upgrade has to fail is said
 * in shared memory.
 */
#ifndef TEST_HANDOVER_SERVER_H
#define TEST_HANDOVER_SERVER_H

#include <stdatomic.h>
#include <stdint.h>
#include <sys/types.h>

enum mode {
    GOOD,
    OLD_KILLED,     /* by the successor, after it has received and before it confirms: an upgrade all the same */
    DIES_BEFORE,    /* the successor, before it is ready */
    DIES_AFTER,     /* after it has received, before it confirms */
    REFUSES,        /* after it has received */
    HAS_NO_ROOM,    /* for the descriptors */
    HANGS_BEFORE,   /* is never ready */
    HANGS_AFTER,    /* never confirms */
    NAIVE_RESTART,  /* no hand-over at all: close everything, start again */
    NAIVE_READS_ON, /* the old one takes requests, and hands over without having answered them */
    MODES
};

#define SERVER_REQUESTS 100000
#define SERVER_CONNS 32

/* Shared by the case, its clients and every server. */
struct plan {
    char path[108];
    _Atomic int mode;       /* of the next upgrade */
    _Atomic pid_t pid;      /* who serves */
    _Atomic int finished;   /* upgrades that were tried */
    _Atomic int upgrades;   /* that succeeded */
    _Atomic int failed;     /* line of a server's check that did not hold */
    _Atomic int base;       /* descriptors that every server is started with */
    _Atomic int owed;       /* replies that were waiting for room and were handed over */
    _Atomic unsigned pause; /* the longest time that a good hand-over took, in microseconds */
    _Atomic unsigned answered;
    _Atomic unsigned char seen[SERVER_REQUESTS + 1]; /* numbers that came back */
};

struct request {
    uint32_t client, number;
};

struct reply {
    struct request request;
    uint64_t count; /* of all requests that were ever answered */
};

/* The server. plan_fd is inherited. Never returns. */
void server_main(int plan_fd) __attribute__((noreturn));

#endif
