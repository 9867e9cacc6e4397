// SPDX-License-Identifier: MIT
/*
 * The cases of the adapters, first part. Whatever loop it is: nothing that was started is forgotten,
 * and an idle loop sleeps.
 */
#include "adapter_cases.h"
#include "engine.h"
#include "raw_addr.h"

#include <poll.h>
#include <pthread.h>
#include <stdlib.h>

const struct loop *loop;
struct unx_engine *engine;
unsigned events, turns;
bool over;

void adapter_spoil(void *p, size_t n)
{
    memset(p, 0x55, n);
    free(p);
}

void end(void)
{
    over = true;
}

void run(void)
{
    for (over = false; !over; turns++)
        loop->turn();
}

void run_for(int ms)
{
    loop->after(ms, end);
    run();
}

bool begin(struct unx_engine *e, void (*event)(void *arg, const struct unx_event *ev))
{
    engine = e;
    loop->open();
    const int r = loop->start(e, event, &events);
    if (engine_flag() == UNX_ENGINE_POLL) {
        CHECK_INT(r, -EOPNOTSUPP);
        loop->close();
        return false;
    }
    CHECK_INT(r, 0);
    return true;
}

void finish(void)
{
    loop->stop();
    loop->drop();
    loop->close();
}

/* ---- Messages ---- */

#define MESSAGES 10000u

static struct unx_op standing;
static unsigned arrived;

static void take_message(void *arg, const struct unx_event *ev)
{
    CHECK(arg == &events);
    CHECK(ev->op == &standing);
    if (ev->result == 0) {
        CHECK_INT(ev->flags, 0);
        end();
        return;
    }
    CHECK_INT(ev->result, 1);
    CHECK_INT(ev->flags, UNX_MORE);
    CHECK_MEM(ev->msg->iov[0].iov_base, ev->msg->len, &arrived, sizeof arrived);
    CHECK_INT(unx_engine_return(engine, ev->msg), 0);
    arrived++;
}

static void send_messages(void *arg)
{
    const int fd = *(const int *)arg;
    for (unsigned i = 0; i < MESSAGES; i++)
        raw_send(fd, &i, sizeof i, NULL, 0);
}

static void ten_thousand_messages(struct unx_engine *e)
{
    if (!begin(e, take_message))
        return;
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    START(unx_engine_recv(e, &standing, s[0], NULL, UNX_STANDING, -1));
    const pid_t sender = harness_fork(send_messages, &s[1]);
    close(s[1]);
    run();
    CHECK_INT(arrived, MESSAGES);
    harness_wait(sender);
    finish();
    leave(e, s[0]);
}

/* ---- Whatever is started, and wherever ---- */

enum { POSTED, TIMED, READ, ROOM, ACCEPTED, CONNECTED, LATE, KINDS };

static struct {
    int pair[2], listener, client;
    struct unx_addr addr;
    struct job read;
    struct unx_op ops[KINDS], trigger;
    int results[KINDS];
    unsigned kind, wanted;
} all;

/* All of it can be done at once, but for the last one, which takes 50 ms. */
static void start_kind(unsigned kind)
{
    struct unx_engine *const e = engine;
    struct unx_op *const op = &all.ops[kind];
    switch (kind) {
    case POSTED:
        START(unx_engine_post(e, op, 7));
        break;
    case TIMED:
        START(unx_engine_timer(e, op, 0));
        break;
    case READ:
        job_recv_any(e, &all.read, all.pair[0]);
        break;
    case ROOM:
        START(unx_engine_poll(e, op, all.pair[1], POLLOUT, -1));
        break;
    case ACCEPTED:
        START(unx_engine_accept(e, op, all.listener, 0, -1));
        break;
    case CONNECTED:
        START(unx_engine_connect(e, op, SOCK_SEQPACKET, 0, NULL, &all.addr, -1));
        break;
    default:
        START(unx_engine_poll(e, op, all.pair[1], POLLIN, 50));
    }
}

static void start_one(void)
{
    start_kind(all.kind);
}

static void start_all(void)
{
    for (unsigned i = 0; i < KINDS; i++)
        start_kind(i);
}

static void take_kind(void *arg, const struct unx_event *ev)
{
    (void)arg;
    if (ev->op == &all.trigger) {
        start_all();
        return;
    }
    const ptrdiff_t kind = ev->op == &all.read.op ? READ : ev->op - all.ops;
    CHECK(kind >= 0 && kind < KINDS);
    CHECK_INT(all.results[kind], INT32_MIN);
    all.results[kind] = ev->result;
    if (++events == all.wanted)
        end();
}

static void prepare_all(void)
{
    raw_pair(SOCK_SEQPACKET, all.pair);
    raw_send(all.pair[1], "hello", 5, NULL, 0);
    unx_addr_unnamed(&all.addr);
    all.listener = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &all.addr, 8, UNX_MODE_UMASK);
    CHECK(all.listener >= 0);
    CHECK_INT(unx_local_addr(all.listener, &all.addr), 0);
    all.client = unx_connect(SOCK_SEQPACKET, 0, NULL, &all.addr, 1000);
    CHECK(all.client >= 0);
    for (unsigned i = 0; i < KINDS; i++)
        all.results[i] = INT32_MIN;
    all.wanted = KINDS;
}

static void check_all(void)
{
    CHECK_INT(all.results[POSTED], 7);
    CHECK_INT(all.results[TIMED], 0);
    CHECK_INT(all.results[READ], 1);
    CHECK(all.results[ROOM] & POLLOUT);
    CHECK(all.results[ACCEPTED] >= 0);
    CHECK(all.results[CONNECTED] >= 0);
    CHECK_INT(all.results[LATE], -ETIMEDOUT);
    finish();
    close(all.results[ACCEPTED]);
    close(all.results[CONNECTED]);
    close(all.client);
    leave(engine, all.listener);
    leave_pair(engine, all.pair);
}

/* In another callback of the loop, one after the other,
 * with a pause before each: the engine has nothing else to say. */
static void started_elsewhere(struct unx_engine *e)
{
    if (!begin(e, take_kind))
        return;
    prepare_all();
    for (unsigned i = 0; i < KINDS; i++) {
        ROW("kind %u", i);
        run_for(20);
        all.kind = i;
        all.wanted = i + 1;
        loop->after(1, start_one);
        run();
    }
    check_all();
}

static void started_before(struct unx_engine *e)
{
    engine = e;
    if (engine_flag() == UNX_ENGINE_POLL) {
        CHECK(!begin(e, take_kind));
        return;
    }
    CHECK(unx_engine_fd(e) >= 0);
    prepare_all();
    start_all();
    begin(e, take_kind);
    run();
    check_all();
}

/* Its descriptor was never asked for, and now it is too late: nothing is left of the attempt. */
static void started_too_late(struct unx_engine *e)
{
    if (engine_flag() == UNX_ENGINE_POLL) {
        CHECK(!begin(e, take_kind));
        return;
    }
    START(unx_engine_timer(e, &all.trigger, 0));
    loop->open();
    CHECK_INT(loop->start(e, take_kind, NULL), -EBUSY);
    loop->close();
    LAST(e, &all.trigger, 0);
}

static void started_in_function(struct unx_engine *e)
{
    if (!begin(e, take_kind))
        return;
    prepare_all();
    run_for(20);
    START(unx_engine_post(e, &all.trigger, 0));
    run();
    check_all();
}

static void *post_late(void *op)
{
    raw_sleep(50);
    CHECK_INT(unx_engine_post(engine, op, 42), 0);
    return NULL;
}

static void posted_by_a_thread(struct unx_engine *e)
{
    if (!begin(e, take_kind))
        return;
    prepare_all();
    all.wanted = 1;
    pthread_t thread;
    CHECK_INT(pthread_create(&thread, NULL, post_late, &all.ops[POSTED]), 0);
    run();
    pthread_join(thread, NULL);
    CHECK_INT(all.results[POSTED], 42);
    finish();
    close(all.client);
    close(all.listener);
    close(all.pair[0]);
    close(all.pair[1]);
}

/* ---- Waiting costs nothing ---- */

static void no_event(void *arg, const struct unx_event *ev)
{
    (void)arg;
    harness_fail(__FILE__, __LINE__, "an event, with result %d", ev->result);
}

static struct unx_op late;

static void take_late(void *arg, const struct unx_event *ev)
{
    if (ev->op != &late)
        no_event(arg, ev);
    CHECK_INT(ev->result, -ETIMEDOUT);
    end();
}

/* A standing receive and a deadline are out. The timer of the loop, and the deadline, are all that wakes it. */
static void idle_sleeps(struct unx_engine *e)
{
    raw_need_quiet();
    if (!begin(e, take_late))
        return;
    int s[2], t[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pair(SOCK_SEQPACKET, t);
    START(unx_engine_recv(e, &standing, s[0], NULL, UNX_STANDING, -1));
    run_for(20);
    const int64_t start = raw_now();
    START(unx_engine_poll(e, &late, t[0], POLLIN, 2000));
    run_for(20);
    turns = 0;
    const int64_t cpu = engine_cpu();
    run_for(300);
    CHECK(turns <= 2);
    run();
    raw_took(start, 2000);
    CHECK(turns <= 6);
    CHECK(engine_cpu() - cpu < 20000);
    finish();
    leave_pair(e, t);
    struct unx_op op = {0};
    START(unx_engine_close(e, &op, s[0]));
    LAST(e, &standing, -ECANCELED);
    LAST(e, &op, 0);
    close(s[1]);
}

int adapter_main(int argc, char **argv, const struct loop *l)
{
    static const struct engine_case cases[] = {
        ENGINE_CASE(ten_thousand_messages), ENGINE_CASE(started_elsewhere),   ENGINE_CASE(started_before),
        ENGINE_CASE(started_too_late),      ENGINE_CASE(started_in_function), ENGINE_CASE(posted_by_a_thread),
        ENGINE_CASE(idle_sleeps),           ENGINE_CASE(rest_comes),          ENGINE_CASE(others_have_their_turn),
        ENGINE_CASE(stopped_in_function),   ENGINE_CASE(stopped_twice),       ENGINE_CASE(freed_in_function),
        ENGINE_CASE(failure_is_told),
    };
    loop = l;
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
