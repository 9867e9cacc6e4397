/* SPDX-License-Identifier: MIT */
/* The side that runs the cases: driver.c has the cases, choose.c which failures, run.c one of them, told.c who was
 * told. */
#ifndef TORTURE_DRIVER_H
#define TORTURE_DRIVER_H

#include "../harness.h"
#include "torture.h"

struct torture_asked {
    unsigned each, sample, seed, clean_ms;
    double seconds;
    bool results, whole, list;
    const char *name, *point, *call;
};
extern struct torture_asked torture_asked;

struct torture_sum {
    unsigned long cases, skipped, calls, cut, runs, injected, passed, failed, waited, checked, faults;
    unsigned long left_out; /* failures of calls that were not chosen */
    unsigned long late;     /* those that were chosen, and for which there was no time, or that the sample leaves out */
    unsigned long slow, clean, unsteady;
};
extern struct torture_sum torture_sum;

extern const char *torture_program;
const char *error_name(int error);
double seconds_now(void);

/* ---- run.c ---- */
bool torture_prepare(const struct test_case *cases, size_t n);
/* Runs one case, and says how long it took; torture_said(): in what it printed. */
double torture_run(const char *name, int mode, const struct point *at, int error, unsigned ms);
bool torture_said(const char *what);
const char *torture_text(void);
/* One failure: whether something does not hold. */
void torture_one(const char *name, const struct point *p, int error, unsigned ms);

/* ---- choose.c ---- */
struct failure {
    struct point at;
    int error;
};
/* Of n calls: the failures that are to be tried, in an array of its own. *left_out: how many are not. */
struct failure *torture_choose(const struct point *points, unsigned n, unsigned *chosen, unsigned long *left_out);

/* ---- told.c ---- */
enum { SAME, OTHER, WAITED };
bool told_prepare(void);
bool was_swallowed(void);
bool was_renamed(const struct point *p, int error); /* another error came out, and not the one that comes anyway */
void swallowed_note(const char *name, const struct point *p, int error, int function, bool more, unsigned outcome);
void swallowed_tell(void);

#endif
