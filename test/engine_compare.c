// SPDX-License-Identifier: MIT
/*
 * Two sides in lockstep (engine_script.h): the model does each step at once and comes to rest, the other side starts
 * the steps of a batch and is given time until it has all that the model has. More than that is as wrong as less.
 */
#include "engine_script.h"
#include "harness.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum verdict { SAME, BEHIND, DIFFERENT };

struct run {
    struct side *model, *other;
    int patience_ms;
    unsigned first, end; /* ids that are compared */
    char *why;
    int id; /* of what differs */
};

static const char *const names[STEP_KINDS] = {
    "pair", "listen", "server", "client", "shut", "cancel", "expire", "close",
    "send", "recv",   "stand",  "drain",  "poll", "timer",  "accept", "connect",
};

static void differ(struct run *r, const struct op *o, const char *what, long long want, long long got)
{
    r->id = o->s->id;
    if (r->why[0] == '\0') {
        snprintf(r->why, 1024, "%s: step %d, %s on slot %d: %s is %lld, the model's is %lld", r->other->name, o->s->id,
                 names[o->s->kind], o->s->slot, what, got, want);
    }
}

static bool same(struct run *r, const struct op *o, const char *what, long long want, long long got)
{
    if (want != got) {
        differ(r, o, what, want, got);
    }
    return want == got;
}

static bool same_record(struct run *run, const struct op *o, const struct record *a, const struct record *b)
{
    return same(run, o, "result", a->result, b->result) && same(run, o, "error", a->error, b->error) &&
           same(run, o, "len", (long long)a->len, (long long)b->len) &&
           same(run, o, "full_len", (long long)a->full_len, (long long)b->full_len) &&
           same(run, o, "got", a->got, b->got) && same(run, o, "fds_got", a->fds_got, b->fds_got) &&
           same(run, o, "what is known of cred", a->cred, b->cred) && same(run, o, "source", a->from, b->from) &&
           same(run, o, "hash of the bytes", (long long)a->bytes, (long long)b->bytes) &&
           same(run, o, "hash of the descriptors", (long long)a->files, (long long)b->files);
}

/* What came before the last event. */
static enum verdict compare_before(struct run *run, const struct op *a, const struct op *b)
{
    if (b->r.before != a->r.before) {
        if (b->r.before > a->r.before || b->state == OP_DONE) {
            differ(run, b, "messages or bytes before the last event", (long long)a->r.before, (long long)b->r.before);
        }
        return b->r.before > a->r.before || b->state == OP_DONE ? DIFFERENT : BEHIND;
    }
    const bool equal = a->r.before_bytes == b->r.before_bytes && a->r.before_files == b->r.before_files;
    if (!equal) {
        differ(run, b, "hash of what came before the last event", (long long)a->r.before_bytes,
               (long long)b->r.before_bytes);
    }
    return equal ? SAME : DIFFERENT;
}

static enum verdict compare_op(struct run *run, const struct op *a, const struct op *b)
{
    if (b->state == OP_DONE && a->state != OP_DONE) {
        differ(run, b, "an end, with a result that", 0, b->r.result);
        return DIFFERENT;
    }
    const enum verdict before = compare_before(run, a, b);
    if (before != SAME || a->state != OP_DONE) {
        return before;
    }
    if (b->state != OP_DONE) {
        return BEHIND;
    }
    return same_record(run, b, &a->r, &b->r) ? SAME : DIFFERENT;
}

static enum verdict compare_all(struct run *run)
{
    enum verdict verdict = SAME;
    bool settled = true;
    if (run->other->complaint[0] != '\0' || run->model->complaint[0] != '\0') {
        const char *text = run->other->complaint[0] != '\0' ? run->other->complaint : run->model->complaint;
        snprintf(run->why, 1024, "%s", text);
        return DIFFERENT;
    }
    for (unsigned id = run->first; id < run->end; id++) {
        const struct op *a = side_op(run->model, (int)id), *b = side_op(run->other, (int)id);
        const enum verdict one = a == NULL ? SAME : compare_op(run, a, b);
        if (one == DIFFERENT) {
            return one;
        }
        if (one == BEHIND && verdict == SAME) {
            run->id = (int)id;
        }
        verdict = one == BEHIND ? BEHIND : verdict;
        settled &= one == SAME && (a == NULL || a->state == OP_DONE);
        run->first = settled ? id + 1 : run->first;
    }
    return verdict;
}

static enum verdict come_to_rest(struct run *run)
{
    enum verdict verdict;
    const int64_t end = raw_now() + run->patience_ms;
    while ((verdict = compare_all(run)) == BEHIND) {
        const int64_t left = end - raw_now();
        if (left > 0) {
            run->other->pump(run->other, (int)left);
            continue;
        }
        const struct op *a = side_op(run->model, run->id), *b = side_op(run->other, run->id);
        if (a->state == OP_DONE && a->r.before == b->r.before) {
            differ(run, b, "no end came; the result", a->r.result, 0);
        } else {
            differ(run, b, "too few messages came; their number", (long long)a->r.before, (long long)b->r.before);
        }
        return DIFFERENT;
    }
    for (unsigned i = 0; verdict == SAME && i < 1000 && run->other->pump(run->other, 0) > 0; i++) {
        verdict = compare_all(run);
    }
    if (verdict == SAME && run->other->rest != NULL) {
        run->other->rest(run->other, run->model);
    }
    return verdict;
}

unsigned script_compare(const struct script *s, side_opener *open, const void *arg, int patience_ms, char why[1024],
                        unsigned *group)
{
    /* Not freed when something is still out: calls may be blocked in them. */
    struct side *model = calloc(1, sizeof *model), *other = calloc(1, sizeof *other);
    CHECK(model != NULL && other != NULL);
    struct run run = {.model = model, .other = other, .patience_ms = patience_ms, .why = why, .id = -1};
    const unsigned max_id = (unsigned)s->steps[s->n - 1].id;
    why[0] = '\0';
    model_open(model, max_id);
    open(other, max_id, model, arg);
    for (unsigned i = 0; i < s->n; i++) {
        side_step(model, &s->steps[i]);
        model->pump(model, 0);
        side_step(other, &s->steps[i]);
        run.end = (unsigned)s->steps[i].id + 1;
        if (s->steps[i].last && come_to_rest(&run) == DIFFERENT) {
            const struct op *o = side_op(model, run.id);
            *group = o != NULL ? o->s->group : 0;
            return i + 1;
        }
    }
    if (model->nlive > 0) {
        return 0; /* a part of a script, whose end is missing */
    }
    side_close(model);
    side_close(other);
    const bool fine = model->complaint[0] == '\0' && other->complaint[0] == '\0';
    if (!fine) {
        snprintf(why, 1024, "%s%s", model->complaint, other->complaint);
        *group = 0;
    }
    free(model);
    free(other);
    return fine ? 0 : s->n;
}

void script_print(const struct script *s)
{
    for (unsigned i = s->n > 60 ? s->n - 60 : 0; i < s->n; i++) {
        const struct step *p = &s->steps[i];
        NOTE("  %4d %-7s slot %d, %d%s type %d timeout %d flags %#x want %u size %u fds %u split %u target %d%s%s%s",
             p->id, names[p->kind], p->slot, p->slot2, p->kind < STEP_CLOSE ? "" : " op", p->type, p->timeout, p->flags,
             p->want, p->size, p->nfds, p->split, p->target, p->cred ? " cred" : "", p->addr ? " addr" : "",
             p->last ? " --" : "");
    }
}

static bool still_differs(const struct script *s, const bool *keep, side_opener *open, const void *arg)
{
    char why[1024];
    unsigned group;
    struct script part = script_filtered(s, keep);
    const bool differs = part.n > 0 && script_compare(&part, open, arg, 300, why, &group) != 0;
    script_free(&part);
    return differs;
}

struct script script_shrink(const struct script *s, unsigned upto, side_opener *open, const void *arg, unsigned group)
{
    bool *keep = calloc(s->n, sizeof *keep), *fewer = calloc(s->n, sizeof *fewer);
    CHECK(keep != NULL && fewer != NULL);
    const int64_t end = raw_now() + 15000;
    for (unsigned i = 0; i < upto; i++) {
        keep[i] = true;
        fewer[i] = s->steps[i].group == group;
    }
    if (still_differs(s, fewer, open, arg)) {
        memcpy(keep, fewer, s->n * sizeof *keep);
    }
    unsigned left = 0;
    for (unsigned i = 0; i < upto; i++) {
        left += keep[i];
    }
    for (unsigned some = left / 2; some > 0 && raw_now() < end; some /= 2) {
        for (unsigned from = 0; from < upto && raw_now() < end;) {
            unsigned i = from;
            memcpy(fewer, keep, s->n * sizeof *keep);
            for (unsigned n = 0; i < upto && n < some; i++) {
                n += fewer[i];
                fewer[i] = false;
            }
            if (still_differs(s, fewer, open, arg)) {
                memcpy(keep, fewer, s->n * sizeof *keep);
            }
            from = i;
        }
    }
    struct script small = script_filtered(s, keep);
    free(keep);
    free(fewer);
    return small;
}
