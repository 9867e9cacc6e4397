// SPDX-License-Identifier: MIT
/*
 * Fuzz target, differential: a program of sends, receives, descriptors, cuts, shutdowns, closes, cancels and
 * deadlines on sockets of all kinds (test/engine_script.h), whose decisions are the bytes of the input, runs on one
 * backend of the engine, or as blocking calls in threads, and beside it on the model. Whatever can be observed has to
 * be the same.
 *
 * The first bytes say which backend, how the engine is used, and whether a 1 kHz signal interrupts it all the while.
 * A backend that does not work here is passed over.
 */
#include "../test/engine_script.h"
#include "../test/raw.h"
#include "fuzz.h"

#include <stdio.h>
#include <string.h>

#define OPERATIONS 120

struct kind {
    unsigned backend; /* 0: blocking calls in threads */
    uint64_t seed;
};

static const unsigned backends[] = {UNX_ENGINE_EPOLL, UNX_ENGINE_URING, UNX_ENGINE_POLL, 0};

static void open_side(struct side *w, unsigned max_id, const struct side *model, const void *arg)
{
    const struct kind *k = arg;
    if (k->backend == 0) {
        threads_open(w, max_id, model);
    } else {
        engine_open(w, max_id, model, k->backend, k->seed);
    }
}

static bool works(unsigned i)
{
    static int known[4];
    struct unx_engine *e;
    if (known[i] == 0) {
        known[i] = backends[i] == 0 || unx_engine_new(&e, 1, backends[i]) == 0 ? 1 : -1;
        if (known[i] > 0 && backends[i] != 0) {
            CHECK_INT(unx_engine_free(e), 0);
        }
        if (known[i] < 0) {
            NOTE("backend %u does not work here: its inputs are passed over", i);
        }
    }
    return known[i] > 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    char why[1024];
    unsigned group = 0;
    const unsigned which = take_byte(&in), how = take_byte(&in);
    const struct kind k = {.backend = backends[which % 4], .seed = take_number(&in, 1 << 16)};
    const bool plain = k.backend == 0 || (how & 1);
    if (in.n == 0 || !works(which % 4)) {
        return 0;
    }
    fds_before();
    struct script s = script_from_bytes(in.p, in.n, OPERATIONS, plain);
    if (s.n > 0) {
        if (how >= 224) {
            raw_signals_start();
        }
        const unsigned steps = script_compare(&s, open_side, &k, 20000, why, &group);
        if (how >= 224) {
            raw_signals_stop();
        }
        if (steps > 0) {
            NOTE("after %u of %u steps: %s", steps, s.n, why);
            script_print(&s);
            CHECK(!"the results are the same");
        }
    }
    script_free(&s);
    raw_collect();
    fds_after();
    return 0;
}
