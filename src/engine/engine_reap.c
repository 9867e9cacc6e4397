// SPDX-License-Identifier: MIT
/*
 * Events: reaping them, and making them from other threads.
 *
 * Promises: an operation has one last event, and is the caller's when it is in the caller's array. What is done already
 * is returned without asking the system, but not twice in a row, so that nobody starves.
 */
#include "engine.h"
#include "io.h"

#include <errno.h>

/* Whoever waits for other events need not be told of this one alone. */
static bool lazy(const struct op *op)
{
    return (op->flags & UNX_LAZY) != 0 && op->kind == OP_SEND && op->result == 1;
}

static void hand_over(struct unx_engine *e, struct op *op)
{
    struct unx_msg *const m = op->kind == OP_SEND || op->kind == OP_RECV ? op->msg : NULL;
    e->out[e->nout++] = (struct unx_event){.op = (struct unx_op *)op, .msg = m, .result = op->result};
    op->state = OP_IDLE;
    e->count--;
    e->hurried += !lazy(op) || run_full(e);
}

void event_last(struct unx_engine *e, struct op *op, int result)
{
    if (op->timed) {
        time_clear(e, op);
    }
    op->result = result;
    op->state = OP_DONE;
    if ((op->kind == OP_SEND || op->kind == OP_RECV) && op->msg != NULL) {
        op->msg->error = result < 0 ? result : 0;
    }
    if (op->now && result == 1) {
        op->state = OP_IDLE;
        e->count--;
        return;
    }
    if (e->done_first == NULL && event_room(e)) {
        hand_over(e, op);
        return;
    }
    op->next = NULL;
    *(e->done_first == NULL ? &e->done_first : &e->done_last->next) = op;
    e->done_last = op;
}

bool event_room_behind(const struct unx_engine *e, const struct op *op)
{
    for (const struct op *d = e->done_first; d != NULL; d = d->next) {
        if (d->fd == op->fd && line_of(d) == line_of(op)) {
            return false;
        }
    }
    return event_room(e);
}

static void hand_over_done(struct unx_engine *e)
{
    while (e->done_first != NULL && event_room(e)) {
        struct op *const op = e->done_first;
        e->done_first = op->next;
        hand_over(e, op);
    }
}

/* What other threads have posted, in their order. */
static void take_posted(struct unx_engine *e)
{
    struct op *newest = atomic_exchange_explicit(&e->posted, NULL, memory_order_acquire);
    struct op *oldest = NULL;
    while (newest != NULL) {
        struct op *const next = newest->link;
        newest->link = oldest;
        oldest = newest;
        newest = next;
    }
    while (oldest != NULL) {
        struct op *const op = oldest;
        oldest = op->link;
        op->link = NULL;
        e->count++;
        event_last(e, op, op->result);
    }
}

void engine_internal(struct unx_engine *e, struct op *op)
{
    if (op == &e->waking) {
        sys_event_clear(op->fd);
        take_posted(e);
    } else if (op == &e->ticking) {
        sys_event_clear(op->fd);
        e->clock_at = -1;
    } else {
        e->backend->internal(e, op);
    }
}

static void run_times(struct unx_engine *e)
{
    if (e->heap == NULL) {
        return;
    }
    const int64_t now = sys_now();
    while (e->heap != NULL && e->heap->at <= now) {
        run_time(e, e->heap, now);
    }
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* One round: what is there, or if nothing is, what comes until `deadline`. */
static int look(struct unx_engine *e, int64_t deadline)
{
    int64_t wait = 0;
    if (e->hurried == 0 && e->done_first == NULL && !e->more && !run_hungry(e)) {
        wait = io_left(e->heap == NULL ? deadline : sooner(deadline, e->heap->at));
    }
    if (wait != 0 && e->spin_ns > 0) {
        int64_t now = sys_now();
        const int64_t until = sooner(now + e->spin_ns, wait < 0 ? -1 : now + wait);
        do {
            const int r = e->backend->wait(e, 0);
            if (r < 0 || e->hurried > 0 || e->nout == e->room || run_hungry(e) || atomic_load(&e->woken)) {
                return r;
            }
            now = sys_now();
        } while (now < until && (e->heap == NULL || e->heap->at > now));
        wait = io_left(e->heap == NULL ? deadline : sooner(deadline, e->heap->at));
    }
    return e->backend->wait(e, wait);
}

int unx_engine_reap(struct unx_engine *e, struct unx_event *ev, unsigned max, int timeout_ms)
{
    if (e == NULL || ev == NULL || max == 0 || max > INT32_MAX || timeout_ms < -1) {
        return -EINVAL;
    }
    const int64_t deadline = io_deadline(timeout_ms);
    e->out = ev;
    e->nout = e->hurried = 0;
    /* What is done already does not fill the array twice in a row: then the system has its turn. */
    e->room = e->rested ? max - 1 : max;
    hand_over_done(e);
    e->room = max;
    int r = 0;
    bool over = !e->rested && (e->nout == max || e->hurried > 0);
    bool late = false;
    e->rested = over;
    while (!over) {
        r = look(e, deadline);
        run_times(e);
        hand_over_done(e);
        late = late || timeout_ms == 0 || (deadline >= 0 && io_left(deadline) == 0);
        if (atomic_load(&e->woken)) {
            late |= atomic_exchange(&e->woken, false);
        }
        over = e->hurried > 0 || e->nout == max || (r < 0 && r != -EINTR) || (late && !run_hungry(e) && !e->more);
    }
    if (e->nested >= 0) {
        /* What is held back would never be told of. Who has events comes again, and so does who has no room for
         * completions (-EBUSY), because these are told of. */
        const int flushed = e->backend->flush == NULL ? 0 : e->backend->flush(e);
        r = r >= 0 && flushed < 0 && flushed != -EBUSY ? flushed : r;
        engine_set_clock(e);
        if (e->done_first != NULL) {
            sys_event_set(e->event);
        }
    }
    e->out = NULL;
    e->draining = e->nout > 0;
    return e->nout > 0 || r == -EINTR ? (int)e->nout : r;
}

int unx_engine_wake(struct unx_engine *e)
{
    if (e == NULL) {
        return -EINVAL;
    }
    atomic_store(&e->woken, true);
    return sys_event_set(e->event);
}

int unx_engine_post(struct unx_engine *e, struct unx_op *u, int result)
{
    struct op *const op = op_of(u);
    if (e == NULL || op == NULL) {
        return -EINVAL;
    }
    if (op->state != OP_IDLE) {
        return -EBUSY;
    }
    *op = (struct op){.data = op->data, .kind = OP_POST, .state = OP_DONE, .fd = -1, .result = result};
    struct op *newest = atomic_load_explicit(&e->posted, memory_order_relaxed);
    do {
        op->link = newest;
    } while (
        !atomic_compare_exchange_weak_explicit(&e->posted, &newest, op, memory_order_release, memory_order_relaxed));
    /* Whoever found it empty rings, the others' are taken with it. */
    const int r = newest == NULL ? sys_event_set(e->event) : 0;
    if (r >= 0) {
        return 0;
    }
    /* Nobody hears of it, so it is taken back; but not from under others, who were told already that theirs will
     * come. */
    newest = op;
    if (atomic_compare_exchange_strong(&e->posted, &newest, NULL)) {
        op->state = OP_IDLE;
        return r;
    }
    sys_event_set(e->event);
    return 0;
}
