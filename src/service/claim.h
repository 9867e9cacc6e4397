// SPDX-License-Identifier: MIT
/* A path that this process holds: taken over under a lock, and given back. */
#ifndef UNX_CLAIM_H
#define UNX_CLAIM_H

#include <stdbool.h>
#include <stdint.h>
#include <unx/listener.h>

#define CLAIM_NAME 256 /* NAME_MAX of Linux, and a NUL */

struct claim {
    int dir;           /* open, or -1: no path is held */
    bool lock_by_file; /* the directory itself cannot be locked */
    uint64_t dev, ino; /* of our socket file */
    char name[CLAIM_NAME];
};

struct claim_wish {
    int fd; /* the socket to bind, and to listen on unless backlog is UNX_BIND_ONLY */
    int backlog;
    unsigned flags; /* UNX_REPLACE, UNX_PRIVATE_DIR */
    int dirfd;
    const char *path;
    const struct unx_listener_options *options;
};

/* Takes the path; nothing is left behind on failure. */
int claim_take(struct claim *c, const struct claim_wish *w);

/* Removes our file. 1: done; 0: it is not ours any more;
 * negative: it could not be told, or the lock was not to be had. */
int claim_drop(struct claim *c, int lock_ms);

/* Forgets it. */
void claim_close(struct claim *c);

/* What is at a name (claim_bind.c). */
enum claim_there { CLAIM_FREE, CLAIM_STALE, CLAIM_LIVE, CLAIM_FOREIGN };
struct sys_file;
int claim_look(const struct claim *c, const struct claim_wish *w, const char *name, struct sys_file *f);

/* A name beside the one we want, for a moment: NAME.unx-SUFFIX, or a number for a NAME that leaves no room. */
void claim_beside(char name[CLAIM_NAME], const struct claim *c, const char *suffix, bool by_number);

/* Binds under such a name, with mode and owner as wished (claim_bind.c). */
int claim_bind(const struct claim *c, const struct claim_wish *w, char name[CLAIM_NAME]);

/* -EPERM if somebody else can move files in this directory, or move the directory. */
int claim_private(int dir);

#endif
