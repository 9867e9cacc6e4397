// SPDX-License-Identifier: MIT
/*
 * Receiving through the engine means what receiving means: the conformance script on every backend, by single receives
 * and by standing ones.
 *
 * What surprised us: a standing receive that brings one message is the hardest way, because all that the backend has
 * taken too early shows as lost; so there is one whose pool is a single buffer,
 * and that is cancelled after each message.
 */
#include "conformance.h"
#include "engine.h"

#include <fcntl.h>

static struct unx_engine *engine;

/* What a cancelled receive said of the socket at its end, because it was over before: the next one is told. */
static int said;

static int close_by_engine(int fd)
{
    said = -ECANCELED;
    leave(engine, fd);
    return 0;
}

static int nothing_came(struct unx_msg *m, int result)
{
    const size_t at = offsetof(struct unx_msg, len);
    memset((char *)m + at, 0, sizeof *m - at);
    m->error = result < 0 ? result : 0;
    for (unsigned i = 0; i < m->nfds; i++) {
        m->fds[i] = -1;
    }
    if (m->cred != NULL) {
        m->cred->known = 0;
    }
    return result;
}

/* ---- single receives ---- */

static int timeout_ms;

static int recv_once(int fd, struct unx_msg *m, unsigned flags)
{
    struct unx_op op = {0};
    const int r = QUIET(unx_engine_recv(engine, &op, fd, m, flags, timeout_ms));
    if (r < 0) {
        /* It was not started, so nothing was written. */
        return nothing_came(m, r);
    }
    const struct unx_event ev = NEXT(engine);
    CHECK(ev.op == &op);
    CHECK(ev.msg == m);
    CHECK_INT(ev.flags, 0);
    return ev.result;
}

static int recv_once_plain(int fd, struct unx_msg *m, unsigned flags)
{
    return recv_once(fd, m, flags | UNX_PLAIN);
}

static int recv_once_nonblocking(int fd, struct unx_msg *m, unsigned flags)
{
    CHECK_INT(fcntl(fd, F_SETFL, O_NONBLOCK), 0);
    return recv_once(fd, m, flags);
}

static int recv_under_signals(int fd, struct unx_msg *m, unsigned flags)
{
    raw_signals_start();
    const int r = recv_once(fd, m, flags);
    raw_signals_stop();
    return r;
}

/* ---- standing receives ---- */

/* What a standing receive has brought, as unx_recv() would have it. */
static void take_over(struct unx_engine *e, struct unx_msg *m, struct unx_msg *from)
{
    const size_t at = offsetof(struct unx_msg, len);
    memcpy((char *)m + at, (const char *)from + at, sizeof *m - at);
    CHECK_INT(from->niov, 1);
    CHECK(from->len <= from->iov[0].iov_len && from->len <= m->iov[0].iov_len);
    if (from->error == 0) {
        memcpy(m->iov[0].iov_base, from->iov[0].iov_base, from->len);
    }
    CHECK(from->fds_got == 0 || from->fds != NULL);
    for (unsigned i = 0; i < m->nfds; i++) {
        m->fds[i] = i < from->fds_got ? from->fds[i] : -1;
        if (i < from->fds_got) {
            from->fds[i] = -1;
        }
    }
    if (m->cred != NULL) {
        *m->cred = from->cred != NULL ? *from->cred : (struct unx_cred){.known = 0};
    }
    CHECK_INT(from->cred != NULL, (from->got & UNX_GOT_CRED) != 0);
    CHECK(from->pidfd == NULL);
    if (m->addr != NULL) {
        CHECK_INT(unx_addr_unnamed(m->addr), 0);
        *m->addr = from->addr != NULL ? *from->addr : *m->addr;
    }
    START(unx_engine_return(e, from));
}

/* One buffer, one message, cancelled: the room of this message, and everything else stays in the socket. */
static int recv_one_of_a_stand(struct unx_engine *e, int fd, struct unx_msg *m, unsigned flags)
{
    struct unx_op op = {0};
    if (said != -ECANCELED) {
        const int r = said;
        said = -ECANCELED;
        return nothing_came(m, r);
    }
    START(unx_engine_recv(e, &op, fd, NULL, flags | UNX_STANDING, -1));
    struct unx_event ev = NEXT(e);
    CHECK(ev.op == &op);
    if (ev.flags == 0) {
        CHECK(ev.msg == NULL);
        return nothing_came(m, ev.result);
    }
    CHECK_INT(ev.flags, UNX_MORE);
    const int result = ev.result;
    struct unx_msg *const from = ev.msg;
    const int r = QUIET(unx_engine_cancel(e, &op));
    CHECK(r == 0 || r == -ENOENT);
    ev = NEXT(e);
    CHECK(ev.op == &op);
    CHECK_INT(ev.flags, 0);
    CHECK(ev.msg == NULL);
    CHECK(ev.result == -ECANCELED || ev.result == 0 || ev.result == -ECONNRESET);
    said = ev.result;
    CHECK_INT(from->error, result < 0 ? result : 0);
    take_over(e, m, from);
    return result;
}

#define ROOM 64u /* of the rows that say nothing else */

static int recv_standing_one(int fd, struct unx_msg *m, unsigned flags)
{
    if (m->iov[0].iov_len == ROOM) {
        return recv_one_of_a_stand(engine, fd, m, flags);
    }
    /* Another size of buffers is another engine, which then knows nothing of this descriptor any more. */
    struct unx_engine *e = engine_make(1);
    START(unx_engine_buffers(e, 1, m->iov[0].iov_len));
    const int r = recv_one_of_a_stand(e, fd, m, flags);
    engine_used(e);
    return r;
}

static int recv_standing_one_plain(int fd, struct unx_msg *m, unsigned flags)
{
    return recv_standing_one(fd, m, flags | UNX_PLAIN);
}

/* One that goes on from row to row's end, with buffers to spare. */
static struct unx_op standing;
static bool stands;
static unsigned standing_flags;

static void stop_standing(void)
{
    if (!stands) {
        return;
    }
    const int r = QUIET(unx_engine_cancel(engine, &standing));
    CHECK(r == 0 || r == -ENOENT);
    struct unx_event ev;
    do {
        ev = NEXT(engine);
        CHECK(ev.op == &standing);
        if (ev.msg != NULL) {
            START(unx_engine_return(engine, ev.msg));
        }
    } while (ev.flags == UNX_MORE);
    stands = false;
}

static int close_standing(int fd)
{
    stop_standing();
    return close_by_engine(fd);
}

static int recv_standing(int fd, struct unx_msg *m, unsigned flags)
{
    if (stands && flags != standing_flags) {
        stop_standing();
    }
    if (!stands) {
        START(unx_engine_recv(engine, &standing, fd, NULL, flags | UNX_STANDING, -1));
        stands = true;
        standing_flags = flags;
    }
    const struct unx_event ev = NEXT(engine);
    CHECK(ev.op == &standing);
    if (ev.flags == 0) {
        CHECK(ev.msg == NULL);
        stands = false;
        return nothing_came(m, ev.result);
    }
    CHECK_INT(ev.flags, UNX_MORE);
    CHECK(ev.msg != NULL);
    CHECK_INT(ev.msg->error, ev.result < 0 ? ev.result : 0);
    take_over(engine, m, ev.msg);
    return ev.result;
}

/* ---- the cases ---- */

static void run(struct unx_engine *e, const char *name, int (*recv_call)(int fd, struct unx_msg *m, unsigned flags),
                unsigned can)
{
    const struct way way = {name, recv_call, can};
    engine = e;
    CHECK_INT(conformance_run(&way), 0);
}

/* One case for all ways of one kind, because each of them has the whole script to itself. */
static void single(struct unx_engine *e, int timeout, unsigned can)
{
    conformance_close = close_by_engine;
    timeout_ms = timeout;
    run(e, "a single receive", recv_once, can);
}

static void without_time(struct unx_engine *e)
{
    single(e, 0, CAN_ALL);
}

static void without_limit(struct unx_engine *e)
{
    single(e, -1, CAN_ALL & ~CAN_TRY);
}

static void with_a_deadline(struct unx_engine *e)
{
    single(e, 5000, CAN_ALL & ~CAN_TRY);
}

static void nonblocking(struct unx_engine *e)
{
    conformance_close = close_by_engine;
    timeout_ms = -1;
    run(e, "a single receive from a non-blocking socket", recv_once_nonblocking, CAN_ALL & ~CAN_TRY);
}

static void plain(struct unx_engine *e)
{
    conformance_close = close_by_engine;
    timeout_ms = -1;
    run(e, "a single receive of bytes", recv_once_plain,
        CAN_ALL & ~(CAN_TRY | CAN_FDS | CAN_CRED | CAN_ADDR | CAN_PEEK_FDS));
}

static void signals(struct unx_engine *e)
{
    conformance_close = close_by_engine;
    timeout_ms = 5000;
    run(e, "a single receive under signals", recv_under_signals, CAN_ALL & ~CAN_TRY);
}

#define STANDING_CAN (CAN_ALL & ~(CAN_TRY | CAN_KEEP | CAN_PEEK | CAN_PEEK_FDS | CAN_NO_ROOM | CAN_FD_ROOM))

static void standing_for_one(struct unx_engine *e)
{
    conformance_close = close_by_engine;
    START(unx_engine_buffers(e, 1, ROOM));
    said = -ECANCELED;
    run(e, "a standing receive of one message", recv_standing_one, STANDING_CAN);
}

static void standing_for_one_plain(struct unx_engine *e)
{
    conformance_close = close_by_engine;
    START(unx_engine_buffers(e, 1, ROOM));
    said = -ECANCELED;
    run(e, "a standing receive of one message's bytes", recv_standing_one_plain,
        STANDING_CAN & ~(CAN_FDS | CAN_CRED | CAN_ADDR));
}

static void standing_for_all(struct unx_engine *e)
{
    conformance_close = close_standing;
    START(unx_engine_buffers(e, 16, ROOM));
    run(e, "a standing receive", recv_standing, STANDING_CAN & ~CAN_ROOM);
}

static const struct engine_case cases[] = {
    ENGINE_CASE(without_time),
    ENGINE_CASE(without_limit),
    ENGINE_CASE(with_a_deadline),
    ENGINE_CASE(nonblocking),
    ENGINE_CASE(plain),
    ENGINE_CASE(signals),
    ENGINE_CASE(standing_for_one),
    ENGINE_CASE(standing_for_one_plain),
    ENGINE_CASE(standing_for_all),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
