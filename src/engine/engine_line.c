// SPDX-License-Identifier: MIT
/*
 * The line of each descriptor: its two queues of operations, and those that only poll.
 *
 * Promises: a line is found by its number, stays where it is, and costs nothing but its memory while nothing is out.
 */
#include "engine.h"

#include <string.h>

static bool grow(struct unx_engine *e, unsigned block)
{
    unsigned n = e->nblocks == 0 ? 16 : e->nblocks;
    while (n <= block) {
        n *= 2;
    }
    struct block *const blocks = sys_allocate(n * sizeof *blocks);
    if (blocks == NULL) {
        return false;
    }
    if (e->nblocks > 0) {
        memcpy(blocks, e->blocks, e->nblocks * sizeof *blocks);
    }
    sys_free(e->blocks);
    e->blocks = blocks;
    e->nblocks = n;
    return true;
}

struct line *line_make(struct unx_engine *e, int fd)
{
    const unsigned block = (unsigned)fd / LINES;
    if (block >= e->nblocks && !grow(e, block)) {
        return NULL;
    }
    struct block *const b = &e->blocks[block];
    if (b->lines == NULL) {
        b->memory = sys_allocate(LINES * sizeof(struct line) + CACHE_LINE);
        b->lines = b->memory == NULL ? NULL : cache_aligned(b->memory);
    }
    return line_at(e, fd);
}

void line_add(struct line *l, struct op *op)
{
    op->next = NULL;
    if (op->kind == OP_POLL || op->kind == OP_INTERNAL) {
        op->prev = NULL;
        op->next = l->polls;
        if (l->polls != NULL) {
            l->polls->prev = op;
        }
        l->polls = op;
        return;
    }
    const int dir = line_of(op);
    op->prev = l->last[dir];
    *(op->prev == NULL ? &l->first[dir] : &op->prev->next) = op;
    l->last[dir] = op;
}

void line_remove(struct line *l, struct op *op)
{
    const bool polls = op->kind == OP_POLL || op->kind == OP_INTERNAL;
    const int dir = line_of(op);
    *(op->prev != NULL ? &op->prev->next : polls ? &l->polls : &l->first[dir]) = op->next;
    if (op->next != NULL) {
        op->next->prev = op->prev;
    } else if (!polls) {
        l->last[dir] = op->prev;
    }
    op->next = op->prev = NULL;
}
