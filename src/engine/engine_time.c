// SPDX-License-Identifier: MIT
/*
 * The times at which something is to be done: a pairing heap inside of the operations, so that none has to be
 * allocated. Setting takes constant time, removing a logarithmic one on average.
 */
#include "engine.h"

/* `before` is the parent for a first child, else the sibling on the left; the rest of a pair's fields point down and
 * right. */
static struct op *meld(struct op *a, struct op *b)
{
    if (a == NULL || b == NULL) {
        return a == NULL ? b : a;
    }
    if (b->at < a->at) {
        struct op *const t = a;
        a = b;
        b = t;
    }
    b->before = a;
    b->sibling = a->child;
    if (a->child != NULL) {
        a->child->before = b;
    }
    a->child = b;
    return a;
}

/* Makes one heap of siblings: in pairs from the left, then those from the right. */
static struct op *join(struct op *first)
{
    struct op *pairs = NULL;
    while (first != NULL) {
        struct op *const a = first, *const b = a->sibling;
        first = b == NULL ? NULL : b->sibling;
        a->sibling = a->before = NULL;
        if (b != NULL) {
            b->sibling = b->before = NULL;
        }
        struct op *const pair = meld(a, b);
        pair->sibling = pairs;
        pairs = pair;
    }
    struct op *all = NULL;
    while (pairs != NULL) {
        struct op *const next = pairs->sibling;
        pairs->sibling = NULL;
        all = meld(all, pairs);
        pairs = next;
    }
    return all;
}

void time_clear(struct unx_engine *e, struct op *op)
{
    if (!op->timed) {
        return;
    }
    struct op *const below = join(op->child);
    if (e->heap == op) {
        e->heap = below;
    } else {
        *(op->before->child == op ? &op->before->child : &op->before->sibling) = op->sibling;
        if (op->sibling != NULL) {
            op->sibling->before = op->before;
        }
        e->heap = meld(e->heap, below);
    }
    op->child = op->sibling = op->before = NULL;
    op->timed = false;
}

void time_set(struct unx_engine *e, struct op *op, int64_t at)
{
    time_clear(e, op);
    op->at = at;
    op->timed = true;
    e->heap = meld(e->heap, op);
}
