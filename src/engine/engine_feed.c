// SPDX-License-Identifier: MIT
/*
 * Standing receives that wait for a buffer.
 *
 * Promises: first come, first served, and nobody is asked for before there is one.
 */
#include "engine.h"

void feed_add(struct unx_engine *e, struct op *op)
{
    /* One that was fed, but others had eaten all before, keeps its place: in front, behind others like it. */
    op->starved = true;
    op->back = op->fed ? e->unfed : e->starved_last;
    struct op **const at = op->back != NULL ? &op->back->link : &e->starved;
    op->link = *at;
    *at = op;
    *(op->link != NULL ? &op->link->back : &e->starved_last) = op;
    e->unfed = op->fed ? op : e->unfed;
    op->fed = false;
}

void feed_remove(struct unx_engine *e, struct op *op)
{
    op->starved = false;
    e->unfed = e->unfed == op ? op->back : e->unfed;
    *(op->back != NULL ? &op->back->link : &e->starved) = op->link;
    *(op->link != NULL ? &op->link->back : &e->starved_last) = op->back;
    op->link = op->back = NULL;
}

void feed_all(struct unx_engine *e)
{
    /* No more than there are buffers, first come, first served: those that find nothing to receive use none, and the
     * next reaping goes on with the others. */
    e->unfed = NULL;
    for (unsigned n = run_full(e) ? 0 : e->nbuffers - e->buffers_out; n > 0 && e->starved != NULL; n--) {
        struct op *const op = e->starved;
        feed_remove(e, op);
        op->fed = true;
        op->blocked = false;
        run_line(e, op->fd, line_at(e, op->fd));
    }
}
