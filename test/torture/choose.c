// SPDX-License-Identifier: MIT
/*
 * Which failures are tried: of calls that come from the same place, those that promise most.
 *
 * A place is a call together with all that has called it, from the library down to the case. With --each N the first N
 * calls of a place are tried, with every error. With --whole, which leaves no place and no error out: every call of a
 * place that has up to EVERY of them; of others the first FIRST and the last LAST with every error, and BETWEEN more
 * that are spread evenly, each with the next error in turn.
 *
 * What surprised us: the calls of all test programs number a million, times a dozen errors each; nearly all are the
 * same call from the same place, of a loop over lengths, fill levels or rounds.
 */
#include "driver.h"

#include <stdlib.h>
#include <string.h>

#define EVERY 6u
#define FIRST 2u
#define LAST 2u
#define BETWEEN 24u

struct place {
    uint32_t stack;
    uint16_t call;
    unsigned count, seen;
};

static struct place *find(struct place *places, unsigned mask, const struct point *p)
{
    unsigned i = p->stack & mask;
    while (places[i].count > 0 && (places[i].stack != p->stack || places[i].call != p->call))
        i = (i + 1) & mask;
    places[i].stack = p->stack;
    places[i].call = p->call;
    return &places[i];
}

static unsigned errors_of(const struct point *p)
{
    unsigned n = 0;
    while (fake_calls[p->call].errors[n] != 0)
        n++;
    return n;
}

/* How many errors this call is tried with, beginning with which one. */
static unsigned how_many(const struct place *place, unsigned errors, unsigned *from)
{
    const unsigned k = place->seen, n = place->count;
    *from = 0;
    if (!torture_asked.whole)
        return torture_asked.each == 0 || k < torture_asked.each ? errors : 0;
    if (n <= EVERY || k < FIRST || k >= n - LAST)
        return errors;
    const unsigned between = n - FIRST - LAST, at = k - FIRST, step = (between + BETWEEN - 1) / BETWEEN;
    *from = errors == 0 ? 0 : at / step % errors;
    return at % step == 0 ? 1 : 0;
}

struct failure *torture_choose(const struct point *points, unsigned n, unsigned *chosen, unsigned long *left_out)
{
    unsigned mask = 1023;
    while (mask < 2 * n)
        mask = mask * 2 + 1;
    struct place *const places = calloc(mask + 1, sizeof *places);
    struct failure *all = NULL;
    unsigned used = 0, room = 0;
    for (unsigned i = 0; i < n; i++)
        find(places, mask, &points[i])->count++;
    for (unsigned i = 0; i < n; i++) {
        struct place *const place = find(places, mask, &points[i]);
        const unsigned errors = errors_of(&points[i]);
        unsigned from;
        const unsigned tried = how_many(place, errors, &from);
        place->seen++;
        if (torture_asked.call != NULL && strcmp(fake_calls[points[i].call].name, torture_asked.call) != 0)
            continue;
        *left_out += errors - tried;
        for (unsigned j = 0; j < tried; j++) {
            if (used == room) {
                room = room * 2 + 1024;
                all = realloc(all, room * sizeof *all);
            }
            all[used++] = (struct failure){points[i], fake_calls[points[i].call].errors[from + j]};
        }
    }
    free(places);
    *chosen = used;
    return all;
}
