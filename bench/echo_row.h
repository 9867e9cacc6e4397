// SPDX-License-Identifier: MIT
/* One row: all servers with the same load. */
#ifndef UNX_BENCH_ECHO_ROW_H
#define UNX_BENCH_ECHO_ROW_H

#include "bench.h"
#include "echo.h"

#define ECHO_MAX_SERVERS 48
#define ECHO_IDLE 10000 /* connections, if the limit for descriptors lets them be so many */

struct echo_options {
    unsigned slices; /* of each server in each row */
    double slice_ms;
    bool json, check;
    double tolerance;
    bool plain, msg;
    int type;       /* 0: each */
    unsigned count; /* 0: each */
    const char *only, *servers;
};

struct echo_row {
    const char *name;
    int type;
    unsigned count, active;
    enum { ECHO_CPU, ECHO_ONE_CORE, ECHO_SPINNING } what;
    double goal; /* of the engine, in the backend that it takes by itself: a ratio; and ahead of each peer */
};

/* Measures and prints; how many of its figures are off their goals, and how many servers failed. */
void echo_row(const struct echo_options *o, const struct echo_row *row, int *missed, int *failed);

/* Memory of the server for each of ECHO_IDLE idle connections. */
void echo_idle(const struct echo_options *o, const char *name, int *missed, int *failed);

#endif
