// SPDX-License-Identifier: MIT
/*
 * The cases of the adapters, second part. Whatever loop it is: the others in it have their turn, nobody is called after
 * the end or loses an event by it, and an engine that fails is told of.
 */
#include "adapter_cases.h"
#include "engine.h"

#include <fcntl.h>

#define TURN 128 /* events that an adapter hands over before others have their turn; with the batch that crosses it: */
#define TURN_MAX (TURN + 31)

/* ---- Turns ---- */

#define OPS 1000u

static struct unx_op ops[OPS];
static unsigned counts[OPS];

static unsigned count(const struct unx_event *ev)
{
    const ptrdiff_t i = ev->op - ops;
    CHECK(i >= 0 && i < (ptrdiff_t)OPS);
    counts[i]++;
    events++;
    return (unsigned)i;
}

static void check_counts(unsigned from, unsigned n, unsigned want)
{
    for (unsigned i = from; i < from + n; i++)
        CHECK_INT(counts[i], want);
}

static void post(unsigned from, unsigned n)
{
    for (unsigned i = from; i < from + n; i++)
        START(unx_engine_post(engine, &ops[i], (int)i));
}

static void take_all(void *arg, const struct unx_event *ev)
{
    (void)arg;
    count(ev);
    if (events == OPS)
        end();
}

/* More than one turn's, all at once, and then nothing more happens: the rest comes without being asked for. */
void rest_comes(struct unx_engine *e)
{
    if (!begin(e, take_all))
        return;
    run_for(20);
    post(0, OPS);
    turns = 0;
    run();
    CHECK(turns >= OPS / TURN_MAX);
    check_counts(0, OPS, 1);
    finish();
}

static bool ending;
static unsigned ended;

static void take_and_post(void *arg, const struct unx_event *ev)
{
    (void)arg;
    const unsigned i = count(ev);
    if (!ending)
        post(i, 1);
    else if (++ended == 200)
        end();
}

/* Operations without end: no turn has more than its share, and a timer of the loop is not late. */
void others_have_their_turn(struct unx_engine *e)
{
    if (!begin(e, take_and_post))
        return;
    post(0, 200);
    const int64_t start = raw_now();
    int64_t waited = 0;
    loop->after(100, end);
    /* In that time a busy machine may come to one turn alone, in which there was nobody else. */
    for (over = false; !over || events <= 10 * TURN;) {
        const unsigned before = events;
        const bool last = over;
        loop->turn();
        waited = last ? waited : raw_now() - start;
        CHECK(events - before <= TURN_MAX);
    }
    CHECK(waited < 5000); /* libevent's clock is coarse: it may be early, too */
    ending = true;
    run();
    check_counts(200, OPS - 200, 0);
    finish();
}

/* ---- The end, in the middle ---- */

static struct unx_engine *own;
static bool stopped;

static void stop_at_ten(void *arg, const struct unx_event *ev)
{
    (void)arg;
    CHECK(!stopped);
    const unsigned i = count(ev);
    CHECK_INT(events, i + 1); /* in order, also those that are handed over by stopping */
    if (i != 9)
        return;
    loop->stop();
    stopped = true;
    loop->drop();
    end();
}

/* Each event comes once: by the function, or from the engine when the adapter has gone. Then another one goes on. */
void stopped_in_function(struct unx_engine *e)
{
    if (!begin(e, stop_at_ten))
        return;
    post(0, 500);
    run();
    CHECK(events >= 10 && events <= 10 + 31);
    const unsigned taken = events;
    run_for(20);
    CHECK_INT(events, taken);
    CHECK_INT(loop->start(e, take_all, NULL), 0);
    events += OPS - 500;
    run();
    check_counts(0, 500, 1);
    finish();
}

/* Every event of a batch asks for the end, while the first of them is still at it. */
static void stop_always(void *arg, const struct unx_event *ev)
{
    (void)arg;
    const unsigned i = count(ev);
    loop->stop();
    CHECK_INT(events, i == 0 ? 20 : i + 1);
    end();
}

void stopped_twice(struct unx_engine *e)
{
    if (!begin(e, stop_always))
        return;
    post(0, 20);
    run();
    check_counts(0, 20, 1);
    loop->drop();
    loop->close();
}

static void free_at_last(void *arg, const struct unx_event *ev)
{
    (void)arg;
    count(ev);
    if (events < 20)
        return;
    loop->stop();
    loop->drop();
    CHECK_INT(unx_engine_free(own), 0);
    end();
}

/* The function frees adapter and engine. */
void freed_in_function(struct unx_engine *e)
{
    if (engine_flag() == UNX_ENGINE_POLL) {
        CHECK(!begin(e, free_at_last));
        return;
    }
    own = engine_make(0);
    begin(own, free_at_last);
    post(0, 20);
    run();
    check_counts(0, 20, 1);
    run_for(20);
    loop->close();
}

/* ---- An engine that fails ---- */

static int kept = -1;

static void take_failure(void *arg, const struct unx_event *ev)
{
    (void)arg;
    CHECK(ev->op == NULL && ev->msg == NULL && ev->result < 0 && ev->flags == 0);
    dup2(kept, unx_engine_fd(engine));
    events++;
    end();
}

/* Its descriptor is exchanged for one that it cannot use, and that is readable for loops that poll by number. */
void failure_is_told(struct unx_engine *e)
{
    raw_need_quiet();
    if (engine_flag() == UNX_ENGINE_URING)
        SKIP("a ring does not fail so");
    if (!begin(e, take_failure))
        return;
    run_for(20);
    kept = fcntl(unx_engine_fd(e), F_DUPFD_CLOEXEC, 0);
    int p[2];
    raw_pipe(p);
    CHECK_INT(write(p[1], "", 1), 1);
    post(0, 1);
    dup2(p[0], unx_engine_fd(e));
    run();
    CHECK_INT(events, 1);
    turns = 0;
    run_for(50);
    CHECK(turns <= 2);
    finish();
    LAST(e, &ops[0], 0);
    close(kept);
    close(p[0]);
    close(p[1]);
}
