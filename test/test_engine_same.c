// SPDX-License-Identifier: MIT
/*
 * Same results: random scripts of some thousand operations on pairs of all types, connections, listeners and datagram
 * sockets give the same observable results on every backend of the engine, by blocking calls,
 * and by calls that never wait.
 *
 * UNX_TEST_SEED=n runs one script with this seed; UNX_TEST_OPERATIONS=n makes it so long; UNX_TEST_LONG=1 runs for
 * minutes. A difference is printed with its seed,
 * its step and what is left of the script when steps are taken away as long as the difference stays.
 */
#include "engine_script.h"
#include "harness.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>

struct kind {
    unsigned backend; /* 0: blocking calls in threads */
    uint64_t seed;
};

static void open_side(struct side *w, unsigned max_id, const struct side *model, const void *arg)
{
    const struct kind *k = arg;
    if (k->backend == 0) {
        threads_open(w, max_id, model);
    } else {
        engine_open(w, max_id, model, k->backend, k->seed);
    }
}

static void tell(const struct script *s, const struct kind *k, unsigned steps, const char *why, unsigned group)
{
    NOTE("seed %llu, after %u of %u steps: %s", (unsigned long long)k->seed, steps, s->n, why);
    if (harness_repeats()) {
        return;
    }
    char smaller[1024];
    unsigned other;
    struct script small = script_shrink(s, steps, open_side, k, group);
    if (small.n > 0 && script_compare(&small, open_side, k, 1000, smaller, &other) != 0) {
        NOTE("%u steps are left: %s", small.n, smaller);
        script_print(&small);
    }
    script_free(&small);
}

static unsigned number(const char *name, unsigned otherwise)
{
    const char *text = getenv(name);
    return text != NULL ? (unsigned)strtoul(text, NULL, 0) : otherwise;
}

static void run(unsigned backend, bool plain)
{
    const bool one = getenv("UNX_TEST_SEED") != NULL;
    const unsigned first = number("UNX_TEST_SEED", plain ? 1000 : 2000);
    const unsigned operations = number("UNX_TEST_OPERATIONS", harness_rounds(3000));
    const bool short_run = one || harness_slow() || harness_repeats();
    const unsigned nseeds = !one && getenv("UNX_TEST_LONG") != NULL ? 200 : short_run ? 1 : 2;
    const int open_before = harness_nfds();
    for (unsigned i = 0; i < nseeds; i++) {
        char why[1024];
        unsigned group = 0;
        const struct kind k = {backend, first + i};
        struct script s = script_random(k.seed, operations, plain);
        const unsigned steps = script_compare(&s, open_side, &k, 5000, why, &group);
        if (steps > 0) {
            tell(&s, &k, steps, why, group);
            CHECK(!"the results are the same");
        }
        script_free(&s);
        raw_collect();
        CHECK_INT(harness_nfds(), open_before);
    }
    NOTE("%u scripts of %u operations, seeds %u to %u", nseeds, operations, first, first + nseeds - 1);
}

static void blocking_calls(void)
{
    run(0, true);
}

static void plain_on_poll(void)
{
    run(UNX_ENGINE_POLL, true);
}

static void plain_on_epoll(void)
{
    run(UNX_ENGINE_EPOLL, true);
}

static void plain_on_io_uring(void)
{
    run(UNX_ENGINE_URING, true);
}

static void cancels_and_deadlines_on_poll(void)
{
    run(UNX_ENGINE_POLL, false);
}

static void cancels_and_deadlines_on_epoll(void)
{
    run(UNX_ENGINE_EPOLL, false);
}

static void cancels_and_deadlines_on_io_uring(void)
{
    run(UNX_ENGINE_URING, false);
}

/* clang-format off */
#define LONG_CASE(f) { #f, f, 0, 1800 }
/* clang-format on */

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        LONG_CASE(blocking_calls),
        LONG_CASE(plain_on_poll),
        LONG_CASE(plain_on_epoll),
        LONG_CASE(plain_on_io_uring),
        LONG_CASE(cancels_and_deadlines_on_poll),
        LONG_CASE(cancels_and_deadlines_on_epoll),
        LONG_CASE(cancels_and_deadlines_on_io_uring),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
