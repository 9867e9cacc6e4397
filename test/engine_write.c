// SPDX-License-Identifier: MIT
/*
 * Writing random scripts (engine_script.h): steps are thrown until one is legal, and the model does each of them at
 * once, because what is legal next depends on it. Or decisions come from bytes, until they are used up. The end of a
 * script closes everything in an order in which blocking calls come back, too.
 */
#include "engine_script.h"
#include "harness.h"

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Appends a step that is legal; false if it is not. */
static bool put(struct dice *d, struct step *s)
{
    struct script *script = &d->script;
    if (!plan_legal(&d->plan, s)) {
        return false;
    }
    if (script->n > 0 && (script->steps[script->n - 1].last || !plan_fits_batch(&d->plan, s))) {
        script->steps[script->n - 1].last = true;
        plan_end_batch(&d->plan);
    }
    CHECK(script->n < script->max);
    s->id = (int)script->n;
    struct step *kept = &script->steps[script->n++];
    *kept = *s;
    plan_apply(&d->plan, kept);
    kept->last = d->plan.expiring < 0 && dice_roll(d, 3) == 0;
    return true;
}

/* Everything comes back and is closed. Twice, because the end of one operation makes others legal. */
static void finish(struct dice *d)
{
    const struct plan *p = &d->plan;
    if (p->expiring >= 0) {
        put(d, &(struct step){.kind = STEP_EXPIRE, .target = p->expiring});
    }
    while (!p->plain && p->model->nlive > 0) {
        CHECK(put(d, &(struct step){.kind = STEP_CANCEL, .target = p->model->live[0]->s->id}));
    }
    for (int i = 0; i < SLOTS; i++) {
        while (p->slots[i].used && p->slots[i].listener && p->model->connected[i] > p->model->accepted[i]) {
            CHECK(put(d, &(struct step){.kind = STEP_ACCEPT, .slot = i, .timeout = -1}));
        }
        if (p->slots[i].used && p->slots[i].listener && plan_out(p, i, DIR_IN) > 0) {
            CHECK(put(d, &(struct step){.kind = STEP_SHUT, .slot = i, .want = SHUT_RD}));
        }
    }
    for (unsigned turn = 0; turn < 2; turn++) {
        for (int i = 0; i < SLOTS; i++) {
            put(d, &(struct step){.kind = STEP_DRAIN, .slot = i, .size = 260000, .nfds = 253});
            if (plan_out(p, i, DIR_IN) + plan_out(p, i, DIR_POLL) > 0) {
                put(d, &(struct step){.kind = STEP_SHUT, .slot = i, .want = SHUT_RD});
            }
        }
    }
    for (int i = 0; i < SLOTS; i++) {
        if (p->slots[i].used && !put(d, &(struct step){.kind = STEP_CLOSE, .slot = i})) {
            side_complain(p->model, "cannot be closed at the end", (int)d->script.n);
        }
    }
    if (d->script.n > 0) {
        d->script.steps[d->script.n - 1].last = true;
    }
}

static struct dice *start(unsigned max, bool plain, struct side *model)
{
    struct dice *d = calloc(1, sizeof *d);
    CHECK(d != NULL);
    d->script = (struct script){.steps = calloc(max, sizeof(struct step)), .max = max, .plain = plain};
    CHECK(d->script.steps != NULL);
    model_open(model, max);
    plan_open(&d->plan, model, plain);
    return d;
}

static struct script end(struct dice *d, struct side *model)
{
    finish(d);
    side_close(model);
    if (model->complaint[0] != '\0') {
        NOTE("%s", model->complaint);
        CHECK(model->complaint[0] == '\0');
    }
    const struct script s = d->script;
    free(d);
    return s;
}

struct script script_random(uint64_t seed, unsigned operations, bool plain)
{
    struct side model;
    struct dice *d = start(operations + 400, plain, &model);
    d->state = seed;
    for (unsigned thrown = 0; d->script.n < operations; thrown++) {
        struct step s;
        dice_step(d, &s);
        put(d, &s);
        CHECK(thrown < operations * 200);
    }
    return end(d, &model);
}

struct script script_from_bytes(const unsigned char *p, size_t n, unsigned operations, bool plain)
{
    struct side model;
    struct dice *d = start(operations + 400, plain, &model);
    d->bytes = p;
    d->nbytes = n;
    while (d->nbytes > 0 && d->script.n < operations) {
        struct step s;
        dice_step(d, &s);
        put(d, &s);
    }
    return end(d, &model);
}

struct script script_filtered(const struct script *from, const bool *keep)
{
    struct side *model = calloc(1, sizeof *model);
    struct plan *p = calloc(1, sizeof *p);
    struct script to = {.steps = calloc(from->n + 1, sizeof(struct step)), .max = from->n, .plain = from->plain};
    CHECK(model != NULL && p != NULL && to.steps != NULL);
    model_open(model, (unsigned)from->steps[from->n - 1].id);
    plan_open(p, model, from->plain);
    for (unsigned i = 0; i < from->n; i++) {
        struct step *s = &to.steps[to.n];
        if (!keep[i] || !plan_legal(p, &from->steps[i])) {
            continue;
        }
        if (to.n > 0 && (s[-1].last || !plan_fits_batch(p, &from->steps[i]))) {
            s[-1].last = true;
            plan_end_batch(p);
        }
        *s = from->steps[i];
        to.n++;
        plan_apply(p, s);
    }
    if (to.n > 0) {
        to.steps[to.n - 1].last = true;
    }
    side_close(model);
    free(model);
    free(p);
    return to;
}

void script_free(struct script *s)
{
    free(s->steps);
    s->steps = NULL;
}
