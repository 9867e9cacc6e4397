// SPDX-License-Identifier: MIT
/*
 * The record of what became of an operation (engine_script.h): results, bytes, descriptors by the files they lead
 * to, identities.
 *
 * What a finished operation lent is overwritten at once: whoever still reads it, is seen.
 */
#include "engine_script.h"
#include "harness.h"
#include "raw.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define HASH_START 0xcbf29ce484222325u

static uint64_t hash(uint64_t h, const void *p, size_t n)
{
    const unsigned char *b = p;
    for (size_t i = 0; i < n; i++) {
        h = (h ^ b[i]) * 0x100000001b3u;
    }
    return h;
}

static int source(const struct unx_addr *a)
{
    const void *name;
    size_t len;
    char text[80];
    if (a == NULL || unx_addr_name(a, &name, &len) != UNX_ABSTRACT) {
        return 0;
    }
    snprintf(text, sizeof text, "%.*s", (int)len, (const char *)name);
    const char *id = strrchr(text, '-');
    return id != NULL && strncmp(text, "unx-same-", 9) == 0 ? 1000 + atoi(id + 1) : 1;
}

static uint64_t files_of(struct side *w, const struct op *o, uint64_t h, struct unx_msg *m)
{
    for (unsigned i = 0; i < m->fds_got; i++) {
        struct stat st;
        unsigned which = FILES;
        if (fstat(m->fds[i], &st) == 0) {
            for (which = 0; which < FILES && w->inodes[which] != st.st_ino; which++) {
            }
        }
        if (which == FILES || !raw_cloexec(m->fds[i])) {
            side_complain(w, "a descriptor arrived that was not sent, or not close-on-exec", o->s->id);
        }
        h = hash(h, &which, sizeof which);
        /* Some are left to whoever takes the buffer back. */
        if (o->s->kind != STEP_STAND || !w->leaves || i % 2 == 0) {
            close(m->fds[i]);
            m->fds[i] = -1;
        }
    }
    return h;
}

static struct record look(struct side *w, const struct op *o, struct unx_msg *m, int result)
{
    struct record r = {.result = result, .error = m->error, .len = m->len, .full_len = m->full_len, .got = m->got};
    size_t left = m->len;
    const bool in = o->dir == DIR_IN;
    r.bytes = HASH_START;
    for (size_t i = 0; in && i < m->niov && left > 0 && result == 1; i++) {
        const size_t n = left < m->iov[i].iov_len ? left : m->iov[i].iov_len;
        r.bytes = hash(r.bytes, m->iov[i].iov_base, n);
        left -= n;
    }
    if (in) {
        r.fds_got = m->fds_got;
        r.files = files_of(w, o, HASH_START, m);
        r.from = result == 1 ? source(m->addr) : 0;
        r.cred = m->cred == NULL ? 0 : m->cred->known | (m->cred->pid == getpid() ? 16u : 0);
    }
    return r;
}

/* Adds a message to those before the last event. Of a stream only bytes and descriptors count: into how many pieces the
 * bytes come, is chance. */
static void add(struct side *w, struct op *o, struct unx_msg *m, int result)
{
    struct record *r = &o->r;
    if (r->before == 0) {
        r->before_bytes = r->before_files = HASH_START;
    }
    if (o->type == SOCK_STREAM) {
        r->before_bytes = hash(r->before_bytes, m->iov[0].iov_base, result == 1 ? m->len : 0);
        r->before_files = files_of(w, o, r->before_files, m);
        r->before += m->len;
        return;
    }
    const struct record one = look(w, o, m, result);
    r->before_bytes = hash(r->before_bytes, &one.result, sizeof one.result);
    r->before_bytes = hash(r->before_bytes, &one.len, sizeof one.len);
    r->before_bytes = hash(r->before_bytes, &one.full_len, sizeof one.full_len);
    r->before_bytes = hash(r->before_bytes, &one.got, sizeof one.got);
    r->before_bytes = hash(r->before_bytes, &one.cred, sizeof one.cred);
    r->before_bytes = hash(r->before_bytes, &one.from, sizeof one.from);
    r->before_bytes = hash(r->before_bytes, &one.bytes, sizeof one.bytes);
    r->before_files = hash(r->before_files, &one.files, sizeof one.files);
    r->before++;
}

static void done(struct side *w, struct op *o)
{
    unsigned i = 0;
    while (i < w->nlive && w->live[i] != o) {
        i++;
    }
    if (i == w->nlive || o->state != OP_OUT) {
        side_complain(w, "a last event of an operation that is not out", o->s->id);
        return;
    }
    memmove(&w->live[i], &w->live[i + 1], (w->nlive - i - 1) * sizeof w->live[0]);
    w->nlive--;
    o->state = OP_DONE;
    if (o->data != NULL) {
        memset(o->data, 0xdd, o->s->kind == STEP_STAND ? POOL_SIZE : o->s->size);
        free(o->data);
        o->data = NULL;
    }
    memset(o->fds, 0xdd, sizeof o->fds);
    memset(&o->m, 0xdd, sizeof o->m);
}

void op_message(struct side *w, struct op *o, struct unx_msg *m, int result, bool more)
{
    if (m == &o->m && memcmp(&o->m, &o->lent, offsetof(struct unx_msg, len)) != 0) {
        side_complain(w, "the caller's half of a message was written", o->s->id);
    }
    if (more) {
        add(w, o, m, result);
        return;
    }
    const struct record before = o->r;
    o->r = look(w, o, m, result);
    o->r.before = before.before;
    o->r.before_bytes = before.before_bytes;
    o->r.before_files = before.before_files;
    done(w, o);
}

/* A connection that a listener gave goes to the slot that the model's went to. */
static void accepted(struct side *w, struct op *o, int fd)
{
    const struct side *model = w->model != NULL ? w->model : w;
    const int slot = o->s->slot;
    const unsigned k = w->accepted[slot]++;
    if (k >= model->connected[slot]) {
        side_complain(w, "more connections came than were made", o->s->id);
        close(fd);
        return;
    }
    if (!raw_cloexec(fd)) {
        side_complain(w, "an accepted descriptor is not close-on-exec", o->s->id);
    }
    w->fd[model->slots_of[slot][k]] = fd;
    w->type[model->slots_of[slot][k]] = w->type[slot];
}

void op_end(struct side *w, struct op *o, int result, bool more)
{
    const struct step *s = o->s;
    if (s->kind == STEP_ACCEPT && result >= 0) {
        accepted(w, o, result);
        result = 0;
    }
    if (s->kind == STEP_CONNECT && result >= 0) {
        w->fd[s->slot] = result;
        w->type[s->slot] = s->type;
        w->slots_of[s->slot2][w->connected[s->slot2]++] = s->target;
        result = 0;
    }
    if (s->kind == STEP_CLOSE) {
        w->fd[s->slot] = -1;
    }
    if (more) {
        o->r.before++;
        return;
    }
    o->r.result = result;
    done(w, o);
}
