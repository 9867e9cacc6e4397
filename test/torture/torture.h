/* SPDX-License-Identifier: MIT */
/*
 * The torture: every test again and again, with one system call failing.
 *
 *  - fake.c stands between the library and src/sys (the linker's --wrap) and makes the n-th call of a function fail.
 *  - born.c knows which descriptors were made and closed inside of a public call, for each thread by itself.
 *  - check.c looks at each public call when it returns: what it says, what it handed out, what it left open or as a
 *    file.
 *  - operations.c does that for engines: every operation that was started has exactly one last event; ending.c looks at
 *    the end of a process, or of its time, whether one is out that could be done.
 *  - driver.c runs a case once to see which calls there are, and then once for each failure that choose.c has chosen;
 *    run.c judges what became of it, told.c whether the caller was told.
 *
 * generate.py writes the wrappers; calls.txt and public.txt are its tables. A test that fails after an injected failure
 * is right to. What must hold is what is checked here, and that nothing crashes, leaks, or hangs inside of the call.
 */
#ifndef TORTURE_H
#define TORTURE_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <unx/unx.h>

/* What inject() says besides an errno value: go on, and note what comes; leave it alone; do less; nothing is known. */
#define GO 0
#define PASS (-1)
#define SHORT (-2)
#define NONE (-3)

struct fake_call {
    const char *name, *page;
    int errors[40]; /* ends with 0 */
};
extern const struct fake_call fake_calls[];
extern const unsigned nfake_calls;
extern const char *const public_names[];
extern const bool public_needs_none[]; /* it works when no descriptor is left */

/* One call of a function of src/sys: the nth of it in the process that was the rank-th to be forked. */
struct point {
    uint16_t call, rank;
    uint32_t nth;
    uint16_t function;    /* the public function that it was for */
    uint32_t stack;       /* who called whom, down to the case: a hash */
    uintptr_t site, from; /* where in the library, and where in the test */
    int result;           /* what the public function returned, without a failure */
};
#define TRACE_MAX (1u << 21)

/* Shared by the driver, the case and all its children. */
struct world {
    int mode;    /* 0: off; 1: only notes the calls; 2: makes `at` fail with `error` */
    bool stacks; /* are to be noted, too */
    struct point at;
    int error;
    pid_t driver;
    atomic_uint ranks;
    atomic_int injected;
    atomic_int ending;    /* engines are being brought to their end */
    atomic_int over;      /* the case has ended itself, because its time was over */
    long long deadline;   /* of milliseconds() */
    int lie;              /* a call that says 0 where it was to fail: the torture looks whether it sees that itself */
    atomic_int inside;    /* 1 + the public function that has not returned since */
    int function, result; /* what became of it */
    atomic_int told;      /* the caller was told that something failed, by another way than this result */
    const void *op;       /* the operation that was started by the call in which it failed */
    atomic_uint nfaults, ntrace;
    atomic_uint nchecked; /* public calls that were looked at after their return */
    char faults[16][256];
    struct point trace[TRACE_MAX];
};
extern struct world *world;

/* Something does not hold: a line for the report. */
void fault(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* ---- fake.c ---- */
int inject(int call, const void *site);
bool stacks_prepare(void); /* what a first look takes: files and memory */
bool shares_memory(void);  /* a child of vfork(2), whose parent goes on from here */
void not_injected(void);   /* there was nothing to do less of */
int answer(int call, int fail);
void fake_enter(void);
void fake_leave(void);

/* ---- born.c: a public call that is under way in this thread ---- */
#define BIRTHS 8192
#define NOTED 65536
struct birth {
    int fd, call;
};
struct frame {
    int function;
    const void *from;
    bool injected, foreign; /* foreign: closed what it had not opened */
    int injected_call, injected_error;
    int errno_before;
    struct birth births[BIRTHS];
    unsigned nbirths;
    unsigned noted[NOTED], nnoted; /* its calls, in the trace */
    int foreign_fd;
    unsigned processes;
    struct unx_msg before[2];
    int ints[2];
    bool looked;
    uint64_t files; /* of the directory, before */
};
struct frame *frame_enter(int function, const void *from); /* NULL: inside of another one, or off */
struct frame *frame_now(void);
bool frames_make(void);
void frame_adopt(struct frame *f); /* in a thread that the library made */
void frame_returned(struct frame *f, int r);
void frame_leave(struct frame *f, bool frees);
void born(int fd, int call);
void gone(int fd, int closed, int call);
void handed(struct frame *f, int fd);
struct msghdr;
/* What is done with each descriptor in control data. */
void each_descriptor(const struct msghdr *h, void (*what)(int fd, int arg), int arg);

/* ---- told.c: the caller learns of the failure by what is in a message, or by an event ---- */
void tell_any(void);
void tell_result(int r); /* of an event */
void tell_message(const struct unx_msg *m);

/* ---- check.c and files.c ---- */
void check_flags(struct frame *f, int r, unsigned flags);
bool threads_made(void); /* by the test, so that others may be at work */
void files_before(struct frame *f);
void files_after(struct frame *f, int r);
void before_pair(struct frame *f, const int *fds);
void check_pair(struct frame *f, int r, const int *fds);
void before_sent(struct frame *f, const struct unx_msg *m);
void check_sent(struct frame *f, int r, const struct unx_msg *m);
void before_sent_many(struct frame *f, const struct unx_msg *m, unsigned n);
void check_sent_many(struct frame *f, int r, const struct unx_msg *m, unsigned n);
void before_received(struct frame *f, const struct unx_msg *m);
void check_received(struct frame *f, int r, const struct unx_msg *m);
void before_received_many(struct frame *f, const struct unx_msg *m, unsigned n);
void check_received_many(struct frame *f, int r, const struct unx_msg *m, unsigned n);
void before_called(struct frame *f, const struct unx_msg *req, const struct unx_msg *rep);
void check_called(struct frame *f, int r, const struct unx_msg *req, const struct unx_msg *rep);
void before_some(struct frame *f, const int *fds, unsigned nfds);
void check_some(struct frame *f, int r, const int *fds, unsigned nfds);
struct unx_handover;
void before_taken_over(struct frame *f, const struct unx_handover *h);
void check_taken_over(struct frame *f, int r, const struct unx_handover *h);
struct unx_listener;
void before_object(struct frame *f, struct unx_listener *const *l);
void check_object(struct frame *f, int r, struct unx_listener *const *l);
void before_asks(struct frame *f);
void check_asks(struct frame *f, int r);
void before_spare(struct frame *f);
void check_spare(struct frame *f, int r);
void hand_message(struct frame *f, const struct unx_msg *m);

/* ---- operations.c ---- */
struct unx_engine;
struct unx_op;
struct unx_event;
void before_engine_made(struct frame *f, struct unx_engine *const *e);
void check_engine_made(struct frame *f, int r, struct unx_engine *const *e);
void before_engine_freed(struct frame *f, struct unx_engine *e);
void check_engine_freed(struct frame *f, int r, struct unx_engine *e);
void before_engine_started(struct frame *f, struct unx_engine *e, struct unx_op *op, struct unx_msg *m, int kind,
                           int fd, int events, int timeout_ms);
void check_engine_started(struct frame *f, int r, struct unx_engine *e, struct unx_op *op, struct unx_msg *m, int kind,
                          int fd, int events, int timeout_ms);
void before_engine_kept(struct frame *f, struct unx_engine *e);
void check_engine_kept(struct frame *f, int r, struct unx_engine *e);
void before_engine_reaped(struct frame *f, struct unx_engine *e, const struct unx_event *ev);
void check_engine_reaped(struct frame *f, int r, struct unx_engine *e, const struct unx_event *ev);
void before_engine_returned(struct frame *f, struct unx_engine *e, const struct unx_msg *m);
void check_engine_returned(struct frame *f, int r, struct unx_engine *e, const struct unx_msg *m);
void engine_gone(int fd); /* closed by the library, whoever had it */

/* ---- ending.c ---- */
/* Brings every engine of this process to its end, as a program would: at the end of a process after a failure. */
void engines_end(void);
/* Does that, and ends the process, when its time is over: asked for in each process of a case. */
void overdue_watch(void);
/* After a public call: whether the time was over meanwhile. */
void overdue_look(void);
long long milliseconds(void);

#endif
