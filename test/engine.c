// SPDX-License-Identifier: MIT
/*
 * What the tests of the engine share (engine.h). A surplus event would go unseen where a case stops reaping too early,
 * so the end of each case reaps once more.
 */
#include "engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>

#define BACKENDS 3u

static const struct {
    const char *name;
    unsigned flag;
} backends[BACKENDS] = {
    {"io_uring", UNX_ENGINE_URING},
    {"epoll", UNX_ENGINE_EPOLL},
    {"poll", UNX_ENGINE_POLL},
};

static const struct engine_case *engine_cases;
static size_t engine_ncases;
static struct test_case *table;
static char (*names)[96];

static size_t number(void)
{
    return (size_t)(harness_case() - table);
}

void engine_need_threads(void)
{
    if (engine_flag() == UNX_ENGINE_URING) {
        raw_need_no_valgrind("who waits in io_uring_enter(2) stops all threads and signals");
    }
}

unsigned engine_flag(void)
{
    return backends[number() / engine_ncases].flag;
}

const char *engine_name(void)
{
    return backends[number() / engine_ncases].name;
}

struct unx_engine *engine_make(unsigned depth)
{
    struct unx_engine *e = (struct unx_engine *)&e;
    const int r = QUIET(unx_engine_new(&e, depth, engine_flag()));
    if (r == -EOPNOTSUPP && engine_flag() != UNX_ENGINE_POLL) {
        CHECK(e == NULL);
        SKIP("%s does not work here", engine_name());
    }
    CHECK_INT(r, 0);
    CHECK(e != NULL);
    return e;
}

void engine_used(struct unx_engine *e)
{
    struct unx_event ev;
    ROW("after the end of the case");
    if (QUIET(unx_engine_reap(e, &ev, 1, 0)) != 0) {
        harness_fail(__FILE__, __LINE__, "one event too many: result %d, flags %#x", ev.result, ev.flags);
    }
    CHECK_INT(QUIET(unx_engine_free(e)), 0);
}

static void run_one(void)
{
    struct unx_engine *e = engine_make(0);
    engine_cases[number() % engine_ncases].run(e);
    engine_used(e);
}

int engine_main(int argc, char **argv, const struct engine_case *cases, size_t n)
{
    engine_cases = cases;
    engine_ncases = n;
    table = calloc(n * BACKENDS, sizeof *table);
    names = calloc(n * BACKENDS, sizeof *names);
    if (table == NULL || names == NULL) {
        return 2;
    }
    for (size_t i = 0; i < n * BACKENDS; i++) {
        snprintf(names[i], sizeof *names, "%s_%s", cases[i % n].name, backends[i / n].name);
        table[i] = (struct test_case){names[i], run_one, 0, cases[i % n].seconds};
    }
    return harness_main(argc, argv, table, n * BACKENDS);
}

struct unx_event engine_next(const char *file, int line, struct unx_engine *e)
{
    struct unx_event ev;
    memset(&ev, 0x55, sizeof ev);
    const int64_t end = raw_now() + (harness_slow() ? 30000 : 10000);
    for (;;) {
        const int64_t left = end - raw_now();
        const int n = QUIET(unx_engine_reap(e, &ev, 1, left > 0 ? (int)left : 0));
        harness_check_int(file, line, "events or none", n < 0 ? n : 0, 0);
        if (n == 1) {
            return ev;
        }
        if (left <= 0) {
            harness_fail(file, line, "no event");
        }
    }
}

void engine_silent(const char *file, int line, struct unx_engine *e, int ms)
{
    struct unx_event ev;
    const int n = QUIET(unx_engine_reap(e, &ev, 1, ms));
    if (n == 1) {
        harness_fail(file, line, "an event that nobody wants: result %d, flags %#x", ev.result, ev.flags);
    }
    harness_check_int(file, line, "events", n, 0);
}

struct unx_event engine_expect(const char *file, int line, struct unx_engine *e, const struct unx_op *op,
                               unsigned flags, int want)
{
    const struct unx_event ev = engine_next(file, line, e);
    if (ev.op != op) {
        harness_fail(file, line, "the event of another operation: result %d, flags %#x", ev.result, ev.flags);
    }
    harness_check_int(file, line, "result", ev.result, want);
    harness_check_int(file, line, "flags", ev.flags, flags);
    return ev;
}

void job_bytes(struct job *j, const void *p, size_t n)
{
    memset(j, 0, sizeof *j);
    j->iov = (struct iovec){(void *)(uintptr_t)p, n};
    j->m = message(&j->iov, 1);
}

void job_room(struct job *j)
{
    memset(j, 0, sizeof *j);
    j->iov = (struct iovec){j->data, sizeof j->data};
    j->m = message(&j->iov, 1);
}

void job_send(struct unx_engine *e, struct job *j, int fd, unsigned flags, int timeout_ms)
{
    j->before = j->m;
    START(unx_engine_send(e, &j->op, fd, &j->m, flags, timeout_ms));
}

void job_recv(struct unx_engine *e, struct job *j, int fd, unsigned flags, int timeout_ms)
{
    j->before = j->m;
    START(unx_engine_recv(e, &j->op, fd, &j->m, flags, timeout_ms));
}

void job_send_text(struct unx_engine *e, struct job *j, int fd, const char *text)
{
    job_bytes(j, text, strlen(text));
    job_send(e, j, fd, 0, -1);
}

void job_recv_any(struct unx_engine *e, struct job *j, int fd)
{
    job_room(j);
    job_recv(e, j, fd, 0, -1);
}

void job_last(const char *file, int line, struct unx_event ev, const struct job *j, int want)
{
    if (ev.op != &j->op) {
        harness_fail(file, line, "the event of another operation: result %d, flags %#x", ev.result, ev.flags);
    }
    harness_check_int(file, line, "result", ev.result, want);
    harness_check_int(file, line, "flags", ev.flags, 0);
    if (ev.msg != &j->m) {
        harness_fail(file, line, "the message is not the one of the operation");
    }
    harness_check_int(file, line, "error of the message", j->m.error, want < 0 ? want : 0);
    harness_check_mem(file, line, "the caller's half", &j->m, offsetof(struct unx_msg, len), &j->before,
                      offsetof(struct unx_msg, len));
}

void job_gets(const char *file, int line, struct unx_event ev, const struct job *j, const char *text)
{
    job_last(file, line, ev, j, 1);
    harness_check_mem(file, line, "data", j->iov.iov_base, j->m.len, text, strlen(text));
    harness_check_int(file, line, "full_len", (long long)j->m.full_len, (long long)j->m.len);
}

struct unx_msg *stand_gets(const char *file, int line, struct unx_engine *e, const struct unx_op *op, const void *p,
                           size_t n)
{
    struct unx_msg *const m = engine_expect(file, line, e, op, UNX_MORE, 1).msg;
    if (m == NULL) {
        harness_fail(file, line, "no message");
    }
    harness_check_int(file, line, "error", m->error, 0);
    harness_check_int(file, line, "niov", (long long)m->niov, 1);
    harness_check_int(file, line, "nfds", m->nfds, m->fds_got);
    harness_check_mem(file, line, "data", m->iov[0].iov_base, m->len, p, n);
    harness_check_int(file, line, "full_len", (long long)m->full_len, (long long)m->len);
    return m;
}

void send_number(int fd, unsigned n)
{
    raw_send(fd, &n, sizeof n, NULL, 0);
}

struct unx_msg *stand_number(struct unx_engine *e, const struct unx_op *op, unsigned n)
{
    return STAND_BRINGS(e, op, &n, sizeof n);
}

void give_back(struct unx_engine *e, struct unx_msg *m)
{
    START(unx_engine_return(e, m));
}

void leave(struct unx_engine *e, int fd)
{
    struct unx_op op = {0};
    START(unx_engine_close(e, &op, fd));
    CHECK(LAST(e, &op, 0).msg == NULL);
    CHECK(!raw_is_open(fd));
}

void leave_pair(struct unx_engine *e, const int s[2])
{
    leave(e, s[0]);
    leave(e, s[1]);
}

unsigned fill_socket(int fd, size_t n)
{
    char *piece = calloc(1, n);
    CHECK(piece != NULL);
    unsigned pieces = 0;
    while (raw_try_send(fd, piece, n, NULL, 0, MSG_DONTWAIT) > 0) {
        pieces++;
    }
    free(piece);
    return pieces;
}

int64_t engine_cpu(void)
{
    struct rusage r;
    CHECK_INT(getrusage(RUSAGE_SELF, &r), 0);
    return (int64_t)(r.ru_utime.tv_sec + r.ru_stime.tv_sec) * 1000000 + r.ru_utime.tv_usec + r.ru_stime.tv_usec;
}
