// SPDX-License-Identifier: MIT
/* A live server, a client that knows whom it wants to talk to, and an attacker with another uid,
 * around one name (place.c). */
#ifndef HOSTILE_PLACE_H
#define HOSTILE_PLACE_H

#include "../harness.h"
#include "../raw.h"
#include "../raw_addr.h"

#include <stdatomic.h>
#include <unx/listener.h>
#include <unx/policy.h>

enum { OTHER = 65533 };

struct place {
    atomic_int stop, ready;
    atomic_uint attempts, bad;
    pid_t attacker;
    char path[120];
};

/* Shared with children. */
struct place *place_share(void);

/* Not root: skips. */
void place_need_root(void);

/* From now on with another uid. */
void place_become_other(void);

/* How long a case goes on: HOSTILE_MS, or 400. */
int place_ms(void);

/* A directory of the case with this mode, and the path of the name in it. */
void place_directory(struct place *p, const char *dir, mode_t mode);

/* A server that answers 'U' to everybody at its listener, in this process, until p->stop. */
void place_serve(struct place *p, struct unx_listener *l);

/* Connects, asks who is there, and takes a byte. 'U': our own server; 0: refused, because it is another user's, whose
 * pid and uid are in *who; a negative errno value: nobody. */
int place_ask(const char *path, struct unx_cred *who);

/* Cases of place_moved.c. */
void names_are_moved_around(void);
void names_are_moved_around_sticky(void);

#endif
