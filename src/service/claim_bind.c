// SPDX-License-Identifier: MIT
/*
 * What is at a path, and a new socket beside it.
 *
 * Promises: the server that is asked whether it lives sees no connection; mode and owner are right before the name is.
 *
 * What surprised us: a datagram connect(2) to a socket of any type says whether somebody has it: EPROTOTYPE, EPERM or
 * success even with a full backlog, before listen(2) and after shutdown(2); ECONNREFUSED only when nobody has. chown(2)
 * takes set-id bits away, so the mode comes after the owner. What others may do in a directory also hangs on the
 * directories above, where one who may rename can put another in its place.
 */
#include "bind.h"
#include "claim.h"
#include "connect.h"
#include "sys.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>

/* ---- what is there ---- */

struct probe {
    int fd;
    struct unx_addr to;
};

static int probe_there(void *arg)
{
    const struct probe *p = arg;
    return connect_once(p->fd, &p->to);
}

/* The name as the caller said the path, if that fits an address. */
static bool as_said(char text[CLAIM_NAME], const struct claim_wish *w, const char *name)
{
    const char *slash = strrchr(w->path, '/');
    const size_t before = slash == NULL ? 0 : (size_t)(slash + 1 - w->path);
    if (before + strlen(name) >= CLAIM_NAME) {
        return false;
    }
    memcpy(text, w->path, before);
    memcpy(text + before, name, strlen(name) + 1);
    return path_fits(w->dirfd, text);
}

/* Where nothing else leads into a directory: as the caller said it, if that is the same file. */
static int probe_as_said(struct probe *p, const struct claim_wish *w, const char *name, const struct sys_file *is)
{
    char text[CLAIM_NAME];
    struct sys_file f;
    if (!as_said(text, w, name) || sys_file_at(AT_FDCWD, text, &f) < 0 || f.dev != is->dev || f.ino != is->ino) {
        return -EOPNOTSUPP;
    }
    const int r = unx_addr_path(&p->to, text);
    return r < 0 ? r : probe_there(p);
}

static int probe(int file, const struct claim *c, const struct claim_wish *w, const char *name,
                 const struct sys_file *is)
{
    char text[32];
    struct probe p = {.fd = sys_socket(SOCK_DGRAM, true)};
    if (p.fd < 0) {
        return p.fd;
    }
    int r = file < 0 ? -EOPNOTSUPP : sys_fd_path(file, text, sizeof text);
    if (r >= 0) {
        r = unx_addr_path(&p.to, text);
        r = r < 0 ? r : probe_there(&p);
    } else if (r == -EOPNOTSUPP) {
        r = unx_addr_path(&p.to, name);
        r = r < 0 ? r : sys_in_directory(c->dir, probe_there, &p);
        r = r == -EOPNOTSUPP ? probe_as_said(&p, w, name, is) : r;
    }
    sys_close(p.fd);
    switch (r) {
    case -ECONNREFUSED:
        return CLAIM_STALE;
    case 0:
    case -EPROTOTYPE:
    case -EPERM:
    case -EACCES: /* we may not ask, so it may be alive */
        return CLAIM_LIVE;
    default:
        return r;
    }
}

int claim_look(const struct claim *c, const struct claim_wish *w, const char *name, struct sys_file *f)
{
    const int file = sys_open_own(c->dir, name);
    int r = file == -EOPNOTSUPP ? sys_file_at(c->dir, name, f) : file < 0 ? file : sys_file_of(file, f);
    if (r == 0) {
        r = f->is_socket ? probe(file, c, w, name, f) : CLAIM_FOREIGN;
    }
    if (file >= 0) {
        sys_close(file);
    }
    return r == -ENOENT ? CLAIM_FREE : r;
}

/* Nobody but us and root may write here, nor rename a directory on the way here. */
int claim_private(int dir)
{
    struct unx_cred self;
    struct sys_file here, above;
    sys_own_cred(&self, true);
    int at = sys_open_dir(dir, ".");
    int r = at < 0 ? at : sys_file_of(at, &here);
    for (mode_t sticky = 0; r == 0; sticky = 01000) {
        if ((here.uid != self.uid && here.uid != 0) || ((here.mode & 022) != 0 && (here.mode & sticky) == 0)) {
            r = -EPERM;
            break;
        }
        const int up = sys_open_dir(at, "..");
        r = up < 0 ? up : sys_file_of(up, &above);
        sys_close(at);
        at = up;
        if (r == 0 && above.ino == here.ino && above.dev == here.dev) {
            break;
        }
        here = above;
    }
    if (at >= 0) {
        sys_close(at);
    }
    return r;
}

/* ---- a new one beside ---- */

void claim_beside(char name[CLAIM_NAME], const struct claim *c, const char *suffix, bool by_number)
{
    if (!by_number && snprintf(name, CLAIM_NAME, "%s.unx-%s", c->name, suffix) < CLAIM_NAME) {
        return;
    }
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (const char *p = c->name; *p != '\0'; p++) {
        hash = (hash ^ (unsigned char)*p) * UINT64_C(0x100000001b3);
    }
    snprintf(name, CLAIM_NAME, ".%016llx.unx-%s", (unsigned long long)hash, suffix);
}

/* The place of that name. Said as the caller said the path, if that fits, because this is what ss(8) will show. */
static int place_beside(struct place *p, const struct claim *c, const struct claim_wish *w, unsigned attempt,
                        char *name)
{
    char suffix[16];
    char text[CLAIM_NAME];
    snprintf(suffix, sizeof suffix, attempt == 0 ? "new" : "new%u", attempt);
    claim_beside(name, c, suffix, false);
    if (as_said(text, w, name)) {
        *p = (struct place){.dirfd = c->dir, .name = name};
        return unx_addr_path(&p->addr, text);
    }
    const int r = place_in(p, c->dir, name);
    if (r != -ENAMETOOLONG) {
        return r;
    }
    claim_beside(name, c, suffix, true);
    return place_in(p, c->dir, name);
}

static int give_away(const struct place *p, const struct unx_listener_options *o, mode_t mode)
{
    /* If somebody else moves files in this directory, nothing here is ours to give. */
    struct sys_file is = {.dev = p->dev, .ino = p->ino};
    /* Nothing was to be learned about it, which fails only with a mode; without one, the directory holds still. */
    int r = is.ino != 0 ? 0 : sys_file_at(p->dirfd, p->name, &is);
    r = r < 0 ? r : sys_set_owner_of(p->dirfd, p->name, &is, o->owner, o->group);
    return r < 0 || mode == UNX_MODE_UMASK ? r : sys_set_mode_of(p->dirfd, p->name, &is, mode);
}

int claim_bind(const struct claim *c, const struct claim_wish *w, char name[CLAIM_NAME])
{
    const struct unx_listener_options *o = w->options;
    const mode_t mode = o->mode == 0 ? 0600 : o->mode;
    const bool given = o->owner != (uid_t)-1 || o->group != (gid_t)-1;
    struct place p;
    /* Which file is ours is told by its name, and nothing but a mode of our own would show that it is another one. */
    int r = given && mode == UNX_MODE_UMASK ? directory_holds_still(c->dir) : 0;
    if (r < 0) {
        return r;
    }
    r = -EADDRINUSE;
    for (unsigned i = 0; i < 8 && r == -EADDRINUSE; i++) {
        struct sys_file left;
        r = place_beside(&p, c, w, i / 2, name);
        if (r == 0) {
            /* For a datagram socket, bound is open: to nobody, until it has its owner. */
            r = place_bind(w->fd, &p, given && mode != UNX_MODE_UMASK ? 0 : mode);
        }
        if (r == -EADDRINUSE && claim_look(c, w, name, &left) == CLAIM_STALE) {
            /* Of somebody who was killed in between; we hold the lock. */
            sys_unlink(c->dir, name);
        }
    }
    if (r == 0 && given) {
        r = give_away(&p, o, mode);
        if (r < 0 && p.ino != 0) {
            place_remove(&p);
        } else if (r < 0) {
            sys_unlink(c->dir, name); /* bind(2) has just made it, and then nothing was to be learned about it */
        }
    }
    return r;
}
