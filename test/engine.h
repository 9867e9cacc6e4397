/* SPDX-License-Identifier: MIT */
/*
 * What the tests of the engine share: every case runs once on every backend, with an engine of its own, at whose end
 * nothing may be left to reap and nothing be out. A backend that does not work here is a skip.
 */
#ifndef TEST_ENGINE_H
#define TEST_ENGINE_H

#include "harness.h"
#include "message.h"
#include "raw.h"
#include "raw_addr.h"

#include <stdbool.h>
#include <stdint.h>
#include <unx/engine.h>

struct engine_case {
    const char *name; /* as a case of the program it is called NAME_io_uring, NAME_epoll, NAME_poll */
    void (*run)(struct unx_engine *e);
    unsigned seconds; /* 0: 20 */
};

/* clang-format off */
#define ENGINE_CASE(f) { #f, f, 0 }
/* clang-format on */

int engine_main(int argc, char **argv, const struct engine_case *cases, size_t n);

/* The backend of the case that runs: its flag, its name. */
unsigned engine_flag(void);
const char *engine_name(void);

/* Skips the case under valgrind, where nothing else of a process runs while it waits in io_uring_enter(2). */
void engine_need_threads(void);

/* Another engine on the same backend. */
struct unx_engine *engine_make(unsigned depth);

/* Nothing is there to reap and nothing is out: frees it. */
void engine_used(struct unx_engine *e);

/* Starting an operation succeeds and leaves errno alone. */
#define START(call) CHECK_INT(QUIET(call), 0)

/* One event, within ten seconds. None within so many milliseconds. */
#define NEXT(e) engine_next(__FILE__, __LINE__, e)
#define QUIET_FOR(e, ms) engine_silent(__FILE__, __LINE__, e, ms)

/* The next event is the last one of this operation, or one of several, with this result. */
#define LAST(e, op, want) engine_expect(__FILE__, __LINE__, e, op, 0, want)
#define MORE(e, op, want) engine_expect(__FILE__, __LINE__, e, op, UNX_MORE, want)

struct unx_event engine_next(const char *file, int line, struct unx_engine *e);
void engine_silent(const char *file, int line, struct unx_engine *e, int ms);
struct unx_event engine_expect(const char *file, int line, struct unx_engine *e, const struct unx_op *op,
                               unsigned flags, int want);

/* ---- An operation that moves a message, with that message and room for it ---- */

struct job {
    struct unx_op op;
    struct unx_msg m, before;
    struct iovec iov;
    char data[256];
};

/* A message of these bytes; one with 256 bytes of room. What else belongs to it goes into j->m then. */
void job_bytes(struct job *j, const void *p, size_t n);
void job_room(struct job *j);

/* Starts it, as it is. */
void job_send(struct unx_engine *e, struct job *j, int fd, unsigned flags, int timeout_ms);
void job_recv(struct unx_engine *e, struct job *j, int fd, unsigned flags, int timeout_ms);

/* In one: text to send, room to receive. */
void job_send_text(struct unx_engine *e, struct job *j, int fd, const char *text);
void job_recv_any(struct unx_engine *e, struct job *j, int fd);

/* Its event, the next one or this one: the last, with this result, its message, and the caller's half untouched. */
#define JOB_LAST(e, j, want) job_last(__FILE__, __LINE__, NEXT(e), j, want)
#define JOB_EVENT(ev, j, want) job_last(__FILE__, __LINE__, ev, j, want)
void job_last(const char *file, int line, struct unx_event ev, const struct job *j, int want);

/* The same with result 1 and these bytes. */
#define JOB_GETS(e, j, text) job_gets(__FILE__, __LINE__, NEXT(e), j, text)
void job_gets(const char *file, int line, struct unx_event ev, const struct job *j, const char *text);

/* A standing receive: started; its next event is this message, not the last, with this text; given back. */
#define STAND(e, op, fd) START(unx_engine_recv(e, op, fd, NULL, UNX_STANDING, -1))
#define STAND_GETS(e, op, text) stand_gets(__FILE__, __LINE__, e, op, text, strlen(text))
#define STAND_BRINGS(e, op, p, n) stand_gets(__FILE__, __LINE__, e, op, p, n)
struct unx_msg *stand_gets(const char *file, int line, struct unx_engine *e, const struct unx_op *op, const void *p,
                           size_t n);
void give_back(struct unx_engine *e, struct unx_msg *m);

/* A number as a message: sent; the next event of a standing receive. */
void send_number(int fd, unsigned n);
struct unx_msg *stand_number(struct unx_engine *e, const struct unx_op *op, unsigned n);

/* Closes what the engine has seen, as it has to be: by the engine; nothing is out on it. */
void leave(struct unx_engine *e, int fd);
void leave_pair(struct unx_engine *e, const int s[2]);

/* Sends until the socket takes no more, in pieces of n bytes; how many pieces. */
unsigned fill_socket(int fd, size_t n);

/* Processor time of this process, in microseconds. */
int64_t engine_cpu(void);

#endif
