// SPDX-License-Identifier: MIT
/*
 * What all sides share (engine_script.h): sockets, files to lend, and the memory of operations.
 *
 * The bytes of a message follow from the number of its step, so two sides that send the same step send the same bytes.
 */
#include "engine_script.h"
#include "harness.h"
#include "raw.h"

#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static unsigned runs;

void side_complain(struct side *w, const char *what, int id)
{
    if (w->complaint[0] == '\0') {
        snprintf(w->complaint, sizeof w->complaint, "%s: step %d: %s", w->name, id, what);
    }
}

void side_open(struct side *w, const char *name, unsigned max_id, const struct side *model)
{
    memset(w, 0, sizeof *w);
    w->name = name;
    w->model = model;
    w->run = runs++;
    w->nops = max_id + 1;
    w->ops = calloc(w->nops, sizeof *w->ops);
    CHECK(w->ops != NULL);
    for (unsigned i = 0; i < SLOTS; i++) {
        w->fd[i] = -1;
    }
    for (unsigned i = 0; i < FILES; i++) {
        struct stat st;
        raw_pipe(w->files[i]);
        CHECK_INT(fstat(w->files[i][1], &st), 0);
        w->inodes[i] = st.st_ino;
    }
}

void side_close(struct side *w)
{
    if (w->end != NULL) {
        w->end(w);
    }
    for (unsigned i = 0; i < SLOTS; i++) {
        if (w->fd[i] >= 0) {
            close(w->fd[i]);
        }
    }
    for (unsigned i = 0; i < w->nops; i++) {
        if (w->ops[i] != NULL) {
            free(w->ops[i]->data);
            free(w->ops[i]);
        }
    }
    free(w->ops);
    raw_collect();
    for (unsigned i = 0; i < FILES; i++) {
        close(w->files[i][1]);
        if (!raw_pipe_ended(w->files[i][0])) {
            side_complain(w, "a descriptor that was lent is still open somewhere", -1);
        }
        close(w->files[i][0]);
    }
}

struct op *side_op(const struct side *w, int id)
{
    return id >= 0 && (unsigned)id < w->nops ? w->ops[id] : NULL;
}

bool step_is_op(const struct step *s)
{
    return s->kind >= STEP_CLOSE;
}

bool step_is_short(const struct step *s)
{
    return s->timeout > 0 && s->timeout < LONG_TIME && s->kind != STEP_TIMER;
}

enum direction step_direction(const struct step *s)
{
    switch (s->kind) {
    case STEP_RECV:
    case STEP_STAND:
    case STEP_DRAIN:
    case STEP_ACCEPT:
        return DIR_IN;
    case STEP_SEND:
        return DIR_OUT;
    case STEP_POLL:
        return DIR_POLL;
    default:
        return DIR_NONE;
    }
}

struct unx_addr side_name(const struct side *w, int slot)
{
    char name[64];
    struct unx_addr a;
    const int n = snprintf(name, sizeof name, "unx-same-%d-%u-%d", (int)getpid(), w->run, w->named_by[slot]);
    CHECK_INT(unx_addr_abstract(&a, name, (size_t)n), 0);
    return a;
}

/* ---- messages ---- */

static void fill(unsigned char *p, size_t n, int id)
{
    const unsigned start = (unsigned)id * 2654435761u >> 8;
    for (size_t i = 0; i < n; i++) {
        p[i] = (unsigned char)(start + i * 31 + (i >> 8) * 7);
    }
}

/* In up to three pieces. */
static void point(struct op *o, size_t size, unsigned split)
{
    const size_t first = split > 1 ? size / 3 : size, second = split > 2 ? size / 2 : size - first;
    size_t at = 0;
    const size_t sizes[3] = {first, second < size - first ? second : size - first, size};
    for (unsigned i = 0; i < split; i++) {
        const size_t n = i + 1 == split ? size - at : sizes[i];
        o->iov[i] = (struct iovec){o->data + at, n};
        at += n;
    }
    o->m.iov = o->iov;
    o->m.niov = split;
}

static void lend(struct side *w, struct op *o)
{
    const struct step *s = o->s;
    fill(o->data, s->size, s->id);
    for (unsigned i = 0; i < s->nfds; i++) {
        o->fds[i] = w->files[((unsigned)s->id * 7 + i) % FILES][1];
    }
    if (s->nfds > 0 && (s->want & SEND_BAD_FD) != 0) {
        o->fds[s->nfds - 1] = -1;
    }
    if (s->cred) {
        CHECK_INT(unx_cred_real(&o->cred), 0);
    }
    if (s->addr) {
        o->addr = side_name(w, s->slot2);
    }
}

void op_prepare(struct side *w, struct op *o)
{
    const struct step *s = o->s;
    const size_t size = s->kind == STEP_STAND ? POOL_SIZE : s->size;
    const bool plain = (s->flags & UNX_PLAIN) != 0;
    memset(&o->m, 0x55, sizeof o->m);
    memset(&o->m, 0, offsetof(struct unx_msg, len));
    o->data = malloc(size + 1);
    CHECK(o->data != NULL);
    memset(o->data, 0x55, size + 1);
    point(o, size, s->split > 0 && !plain ? s->split : 1);
    if (s->nfds > 0) {
        o->m.fds = o->fds;
        o->m.nfds = s->nfds;
    }
    o->m.cred = s->cred ? &o->cred : NULL;
    o->m.addr = s->addr ? &o->addr : NULL;
    if (s->kind == STEP_SEND) {
        lend(w, o);
    }
    o->lent = o->m;
}

/* ---- steps ---- */

static void client(struct side *w, const struct step *s, unsigned flags)
{
    struct unx_addr a = side_name(w, s->slot);
    w->fd[s->slot] =
        (s->want & CLIENT_NAMED) != 0 ? unx_bind(SOCK_DGRAM, flags, &a, UNX_MODE_UMASK) : unx_socket(SOCK_DGRAM, flags);
    if ((s->want & CLIENT_CONNECTED) != 0) {
        a = side_name(w, s->slot2);
        CHECK_INT(unx_connect_to(w->fd[s->slot], &a), 0);
    }
}

static void make(struct side *w, const struct step *s)
{
    const unsigned flags = UNX_PASSFDS | (s->cred ? UNX_PASSCRED : 0);
    int pair[2];
    struct unx_addr a;
    w->type[s->slot] = s->type;
    w->named_by[s->slot] = s->id;
    if (s->kind == STEP_PAIR) {
        CHECK_INT(unx_pair(s->type, flags, pair), 0);
        w->fd[s->slot] = pair[0];
        w->fd[s->slot2] = pair[1];
        w->type[s->slot2] = s->type;
        for (unsigned i = 0; i < 2 && s->want > 0; i++) {
            raw_set(pair[i], SO_SNDBUF, (int)s->want);
        }
    } else if (s->kind == STEP_CLIENT) {
        client(w, s, flags);
    } else {
        a = side_name(w, s->slot);
        w->fd[s->slot] = s->kind == STEP_LISTEN
                             ? unx_listen(s->type, flags | UNX_NONBLOCK, &a, (int)s->want, UNX_MODE_UMASK)
                             : unx_bind(SOCK_DGRAM, flags, &a, UNX_MODE_UMASK);
    }
    CHECK(w->fd[s->slot] >= 0);
    w->accepted[s->slot] = w->connected[s->slot] = 0;
}

static void start(struct side *w, const struct step *s)
{
    struct op *o = calloc(1, sizeof *o);
    CHECK(o != NULL && w->nlive < OPERATIONS_MAX && w->ops[s->id] == NULL);
    o->s = s;
    o->state = OP_OUT;
    o->dir = step_direction(s);
    o->fd = s->kind == STEP_TIMER || s->kind == STEP_CONNECT ? -1 : w->fd[s->slot];
    o->type = s->kind == STEP_TIMER || s->kind == STEP_CONNECT ? s->type : w->type[s->slot];
    w->ops[s->id] = o;
    w->live[w->nlive++] = o;
    if (s->kind == STEP_SEND || s->kind == STEP_RECV || s->kind == STEP_STAND || s->kind == STEP_DRAIN) {
        op_prepare(w, o);
    }
    w->start(w, o);
}

void side_step(struct side *w, const struct step *s)
{
    struct op *target = s->kind == STEP_CANCEL || s->kind == STEP_EXPIRE ? side_op(w, s->target) : NULL;
    w->group = s->group;
    if (step_is_op(s)) {
        start(w, s);
    } else if (s->kind == STEP_SHUT) {
        CHECK_INT(unx_shutdown(w->fd[s->slot], (int)s->want), 0);
    } else if (s->kind == STEP_CANCEL) {
        if (w->cancel(w, target) != 0) {
            side_complain(w, "an operation that is out cannot be cancelled", s->target);
        }
    } else if (s->kind == STEP_EXPIRE) {
        if (w->model == NULL) {
            w->cancel(w, target);
            target->r.result = -ETIMEDOUT;
            target->r.error = target->r.error < 0 ? -ETIMEDOUT : 0;
        }
    } else {
        make(w, s);
    }
}
