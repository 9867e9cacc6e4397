// SPDX-License-Identifier: MIT
/* Names in the file system, and binding to them. */
#ifndef UNX_BIND_H
#define UNX_BIND_H

#include <stdbool.h>
#include <unx/unx.h>

/* Where a socket gets its name: the address for bind(2), and the file it makes as the file calls see it. */
struct place {
    struct unx_addr addr;
    int dirfd;
    const char *name; /* NULL: no file */
    bool in_dir;      /* addr is relative to dirfd, not to the working directory */
    /* Of the file that place_bind() made; 0 before. */
    uint64_t dev, ino;
};

/* The place that an address names; name points into *p. */
int place_of(struct place *p, const struct unx_addr *a);

/* The place called `name` in the open directory `dir`; -ENAMETOOLONG if no address can hold it. */
int place_in(struct place *p, int dir, const char *name);

/* Binds fd there; mode as unx_bind() has it. After an error there is no file that was not before. */
int place_bind(int fd, struct place *p, mode_t mode);

/* 0 if nobody else can rename what is ours in an open directory; -EPERM if somebody can. */
int directory_holds_still(int dir);

/* Opens the directory of a path, for naming only; *name is the last component, inside path. */
int path_parent(int dirfd, const char *path, const char **name);

/* Whether an address can hold this path as it is. */
bool path_fits(int dirfd, const char *path);

/* 0 if a socket of this type can be asked to listen like this. */
int listen_check(int type, unsigned flags, int backlog);

/* Removes the file that place_bind() made, if it still has its name. */
void place_remove(const struct place *p);

#endif
