// SPDX-License-Identifier: MIT
/*
 * Side-by-side measurement: the same work done by hand-written system calls and by libunx, in one process. What libunx
 * is compared with is called the base, because now and then it is something else: its own single calls.
 *
 * Time is the processor time of this thread. The two sides take turns in slices of a few milliseconds, so that whatever
 * else the machine does meets both; each pair of slices gives one ratio, and the figure is the median of these.
 */
#ifndef UNX_BENCH_H
#define UNX_BENCH_H

#include <stdbool.h>
#include <stddef.h>

/* What one side does: `n` times the work with what the context says; `n` is a multiple of this, so that a side may do
 * as much of it at a time. 0, or a negative errno value. */
#define BENCH_MULTIPLE 32
struct bench_context {
    int type;      /* SOCK_* */
    size_t size;   /* bytes of a message */
    unsigned nfds; /* descriptors with each */
    unsigned flags;
    int fds[2]; /* the sockets, as setup() made them */
    int extra;  /* one more descriptor that the work needs, or -1 */
    char *buf;  /* for the bytes: the same memory for both sides, because its place in the caches matters */
    void *more; /* what else the work needs */
};
typedef int bench_side(struct bench_context *c, unsigned n);

struct bench_work {
    const char *name;
    bench_side *base, *unx;
    int type;
    size_t size;
    unsigned nfds, flags;
    double goal; /* the ratio to reach; 0: for information */
};

struct bench_result {
    double base_ns, unx_ns;  /* medians over all slices, for one message */
    double ratio;            /* median of the ratios of neighbouring slices */
    double ratio_of_medians; /* should be close to it */
    double spread;           /* half the distance between the quartiles of the ratios */
};

struct bench_options {
    unsigned slices;
    double slice_ms;
    bool json;
    bool check;
    double tolerance;
    const char *only;
};

/* Usage error: 2, printed. -1: go on. */
int bench_options(struct bench_options *o, int argc, char **argv);

/* Binds this thread to the core it runs on, where that is allowed;
 * and later a child to another one, if there is one. */
void bench_pin(void);
bool bench_can_pin_other(void);
bool bench_pin_other(void);

/* Sorts the values, and tells the one at a fraction of them: 0.5 is the median. */
double bench_quantile(double *v, unsigned n, double at);

int bench_measure(const struct bench_options *o, const struct bench_work *w, struct bench_context *c,
                  struct bench_result *r);

void bench_print_start(const struct bench_options *o);
/* Returns whether the goal is reached. */
bool bench_print(const struct bench_options *o, const struct bench_work *w, const struct bench_result *r);
void bench_print_end(const struct bench_options *o);
/* Whether nothing has been printed yet, of which the asker prints the first then. */
bool bench_first_row(void);

/* Measures and prints large packets between two processes; how many works there were. Adds to the counts. */
int bench_rates(const struct bench_options *o, int *missed, int *failed);

#endif
