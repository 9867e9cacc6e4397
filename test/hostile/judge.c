// SPDX-License-Identifier: MIT
/*
 * What has to hold when a server was attacked: no round trip of its well-behaved client failed, or took longer than a
 * bound that a server which waits for somebody cannot keep; memory and descriptors stayed below a bound, and are what
 * they were; the server wrote down the attacker's pid and uid.
 */
#include "../harness.h"
#include "play.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Sleeps of an attack are ten seconds, so a server of ours that shares one is far beyond these. A command has no limit
 * for each user, and those who come to it last wait for all the others. */
enum { STAY_MS = 3000, FRESH_MS = 5000, NO_QUOTA_STAY_MS = 4000, NO_QUOTA_MS = 20000 };
/* Connections with a pidfd each, what waits to be closed, and 253 for each message that is looked at: a thread for each
 * of eight connections of two users, or eight buffers of an engine and one more that is read to the end. */
enum { MORE_FDS = 3 * 64 + 512 + 17 * 253 };
/* KiB: buffers of 64 connections, stacks of their threads. */
enum { MORE_MEMORY = 10 << 10 };

void play_check_client(const struct play *p)
{
    if (atomic_load(&p->g.shared->client_errors) != 0) {
        harness_fail(__FILE__, __LINE__, "the well-behaved client: %s", p->g.shared->client_said);
    }
}

/* ---- who did it ---- */

static bool wrote(const struct play *p, const struct attack *a, uid_t uid)
{
    /* Whoever has 65534 is nobody whom the kernel can name: its pid alone is known. */
    const uid_t written = uid == NOBODY ? (uid_t)-1 : uid;
    const bool ours = p->t->ours && a->logs != 0;
    const bool said = p->t->says_who && (a->flags & SPEAKS) != 0;
    return (!ours && !said) || ground_found(p->g.shared, ours ? a->logs : CAME, written) > 0;
}

bool play_wrote_all(const struct play *p, const struct attack *a)
{
    if (a->flags & AS_NOBODY) {
        return wrote(p, a, NOBODY);
    }
    if (a->flags & FULL_TABLE) {
        /* The kernel could not install what one of them lent. */
        return wrote(p, a, geteuid()) || wrote(p, a, OTHER);
    }
    const bool us = (a->flags & AS_OTHER_ONLY) == 0 && !p->t->strangers_only;
    const bool other = geteuid() == 0 && (a->flags & AS_ROOT_ONLY) == 0 && a->run != forged_credentials;
    const bool fooled = (a->flags & OWN_PIDS) == 0 ||
                        (atomic_load(&p->g.shared->naive_fooled) > 0 && atomic_load(&p->g.shared->not_fooled) > 0);
    return (!us || wrote(p, a, geteuid())) && (!other || wrote(p, a, OTHER)) && fooled;
}

bool play_tried(const struct play *p, const struct attack *a)
{
    /* With pids of its own it counts who was not fooled instead, which play_wrote_all() looks at. */
    return (a->flags & OWN_PIDS) != 0 || atomic_load(&p->g.shared->tries) > 0;
}

static void judge_trips(const struct play *p, bool full)
{
    static const char *const names[TRIPS] = {"packets", "stream", "notification", "new connection"};
    for (int i = 0; i < TRIPS; i++) {
        const unsigned ms = p->t->ours   ? (i == FRESH ? FRESH_MS : STAY_MS)
                            : i == FRESH ? NO_QUOTA_MS
                                         : NO_QUOTA_STAY_MS;
        const unsigned bound = ms * 1000u * (harness_slow() ? 3 : 1);
        if (p->during.slowest[i] > bound && !(full && i == FRESH)) {
            harness_fail(__FILE__, __LINE__, "the slowest round trip of %s took %u us", names[i], p->during.slowest[i]);
        }
        if (p->before.n[i] > 0 && p->during.n[i] == 0 && !(full && i == FRESH)) {
            harness_fail(__FILE__, __LINE__, "no round trip of %s while it was attacked", names[i]);
        }
    }
}

static void print_row(const struct play *p, const char *name)
{
    char trips[200] = "";
    for (int i = 0; i < TRIPS; i++) {
        if (p->before.n[i] > 0) {
            snprintf(trips + strlen(trips), sizeof trips - strlen(trips), " %6u %7u %7u |", p->before.median[i],
                     p->during.median[i], p->during.slowest[i]);
        }
    }
    NOTE("%-24s|%s %6ld %6ld %6ld | %4d %6d %4d | %u", name, trips, p->before.memory, p->during.memory, p->after.memory,
         p->before.fds, p->during.fds, p->after.fds, atomic_load(&p->g.shared->tries));
}

void play_judge(const struct play *p, const struct attack *a)
{
    const bool full = a != NULL && (a->flags & FULL_TABLE) != 0;
    print_row(p, a == NULL ? "all_at_once" : a->name);
    play_check_client(p);
    if (a != NULL && !play_tried(p, a)) {
        harness_fail(__FILE__, __LINE__, "nobody has attacked it");
    }
    judge_trips(p, full);
    if (p->after.fds > p->before.fds + 2) {
        harness_fail(__FILE__, __LINE__, "%d descriptors, and %d afterwards", p->before.fds, p->after.fds);
    }
    if (p->t->ours && p->during.fds > p->before.fds + MORE_FDS) {
        harness_fail(__FILE__, __LINE__, "%d descriptors while it was attacked", p->during.fds);
    }
    const long more = p->t->ours ? MORE_MEMORY : p->t->most_memory;
    if (!harness_slow() &&
        (p->during.memory > p->before.memory + more || p->after.memory > p->before.memory + p->t->kept_memory)) {
        harness_fail(__FILE__, __LINE__, "memory: %ld KiB before, at most %ld, then %ld", p->before.memory,
                     p->during.memory, p->after.memory);
    }
}
