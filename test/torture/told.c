// SPDX-License-Identifier: MIT
/*
 * Whether the caller was told that something failed: by a negative result, by the error of a message, or by an event.
 * What was not told has been swallowed: then swallowed.txt has to say why that is right, or it is a fault. So has
 * renamed.txt where a call returns an error that is neither the one that came nor the one it returns without a failure.
 *
 * Promises: with a failure that was swallowed, the rest of the test is the judge of whether what was promised has
 * happened. "same": it went on to its end as if nothing had been; "other": it noticed; "waited": it waited in vain.
 */
#include "driver.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const outcomes[] = {"same", "other", "waited"};

/* Those of one kind: how many there were, and the first. */
struct kind {
    struct point at;
    int error;
    bool more; /* the result was more than 0 */
    unsigned outcome;
    unsigned long count;
    char name[64];
};
#define KINDS 8192
static struct kind *kinds;
static unsigned nkinds;

/* Not beside the variables of a test, which may try what lies behind them. */
bool told_prepare(void)
{
    kinds = calloc(KINDS, sizeof *kinds);
    return kinds != NULL;
}

void tell_any(void)
{
    atomic_store(&world->told, 1);
}

void tell_result(int r)
{
    if (world == NULL || world->mode != 2 || !atomic_load(&world->injected))
        return;
    /* Where a ring takes no request, there is no memory for it. */
    const bool memory = world->error == NONE || strncmp(fake_calls[world->at.call].name, "io_uring_", 9) == 0;
    /* What is no errno value is a negative one there, and would be a number of bytes here. */
    if (r < 0 && (r == -world->error || (memory && r == -ENOMEM)))
        tell_any();
}

void tell_message(const struct unx_msg *m)
{
    if (m == NULL)
        return;
    tell_result(m->error);
    if (world->error == ECONNRESET && (m->got & UNX_GOT_RESET) != 0)
        tell_result(-ECONNRESET);
}

bool was_swallowed(void)
{
    return atomic_load(&world->injected) && atomic_load(&world->inside) == 0 && world->result >= 0 &&
           !atomic_load(&world->told);
}

bool was_renamed(const struct point *p, int error)
{
    return error > 0 && atomic_load(&world->injected) && atomic_load(&world->inside) == 0 && world->result < 0 &&
           world->result != -error && world->result != p->result;
}

void swallowed_note(const char *name, const struct point *p, int error, int function, bool more, unsigned outcome)
{
    unsigned i = 0;
    while (i < nkinds && (kinds[i].at.call != p->call || kinds[i].error != error || kinds[i].outcome != outcome ||
                          kinds[i].at.function != function || kinds[i].more != more))
        i++;
    if (i == KINDS)
        return;
    if (i == nkinds) {
        nkinds++;
        kinds[i].at = *p;
        kinds[i].at.function = (uint16_t)function;
        kinds[i].error = error;
        kinds[i].more = more;
        kinds[i].outcome = outcome;
        snprintf(kinds[i].name, sizeof kinds[i].name, "%s", name);
    }
    kinds[i].count++;
}

void swallowed_tell(void)
{
    for (unsigned i = 0; i < nkinds; i++) {
        const struct kind *const k = &kinds[i];
        printf("SWALLOWED %lu %s %s %s %s%s %s %s:%u.%u:%s\n", k->count, outcomes[k->outcome],
               fake_calls[k->at.call].name, error_name(k->error), public_names[k->at.function], k->more ? "+" : "",
               k->name, fake_calls[k->at.call].name, k->at.rank, k->at.nth, error_name(k->error));
    }
}
