// SPDX-License-Identifier: MIT
/*
 * What the three hostile-proof servers have in common (server.h).
 */
#include "server.h"
#include "../harness.h"
#include "../raw.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

struct server *the_server;

/* ---- opening, closing ---- */

static void on_term(int sig)
{
    (void)sig;
    if (the_server->wake != NULL) {
        the_server->wake();
    }
}

void server_open(struct server *s, struct ground *g)
{
    the_server = s;
    s->ground = g;
    s->shared = g->shared;
    const struct rlimit enough = {DESCRIPTORS, DESCRIPTORS};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &enough), 0);
    CHECK_INT(pthread_mutex_init(&s->mutex, NULL), 0);
    const struct unx_listener_options o = {.mode = 0666, .owner = (uid_t)-1, .group = (gid_t)-1, .backlog = 64};
    CHECK_INT(unx_listener_open_path(&s->seq, SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, AT_FDCWD, g->seq, &o), 0);
    CHECK_INT(unx_listener_open_path(&s->stream, SOCK_STREAM, 0, AT_FDCWD, g->stream, &o), 0);
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, g->notify), 0);
    s->notify = unx_notify_bind(UNX_NONBLOCK, &a, 0666);
    CHECK(s->notify >= 0);
    const struct sigaction sa = {.sa_handler = on_term};
    CHECK_INT(sigaction(SIGTERM, &sa, NULL), 0);
    closer_start();
}

void server_close(struct server *s)
{
    for (int i = 0; i < CONNS; i++) {
        CHECK(!s->conns[i].used);
    }
    CHECK_INT(unx_listener_close(s->seq), 0);
    CHECK_INT(unx_listener_close(s->stream), 0);
    close(s->notify);
    unlink(s->ground->notify);
    closer_stop();
    CHECK_INT(pthread_mutex_destroy(&s->mutex), 0);
}

bool server_over(const struct server *s)
{
    return atomic_load(&s->shared->stop_server) != 0;
}

/* ---- whom ---- */

static pid_t pid_of(const struct unx_cred *c)
{
    return c->known & UNX_KNOWN_PID ? c->pid : 0;
}

static uid_t uid_of(const struct unx_cred *c)
{
    return c->known & UNX_KNOWN_UID ? c->uid : (uid_t)-1;
}

static void note(const struct server *s, unsigned kind, const struct unx_cred *who)
{
    ground_log(s->shared, kind, pid_of(who), uid_of(who));
}

static struct conn *place_for(struct server *s, const struct unx_cred *who)
{
    struct conn *free_one = NULL;
    unsigned of_user = 0, of_process = 0;
    for (int i = 0; i < CONNS; i++) {
        struct conn *c = &s->conns[i];
        of_user += c->used && c->who.uid == who->uid;
        of_process += c->used && c->who.pid == who->pid;
        free_one = c->used ? free_one : c;
    }
    return of_user >= CONNS_OF_USER || of_process >= CONNS_OF_PROCESS ? NULL : free_one;
}

struct conn *server_admit(struct server *s, int fd, int type)
{
    static const struct unx_policy anybody = {.admit = UNX_ADMIT_ANY_USER};
    struct unx_cred who = {0};
    struct conn *c = NULL;
    if (unx_policy_check(&anybody, fd, &who, NULL) < 0 || pid_of(&who) == 0) {
        note(s, REFUSED, &who);
    } else {
        pthread_mutex_lock(&s->mutex);
        c = place_for(s, &who);
        if (c != NULL) {
            *c = (struct conn){.used = true, .fd = fd, .type = type, .pidfd = -1, .who = who, .since = raw_now()};
        }
        pthread_mutex_unlock(&s->mutex);
        note(s, c == NULL ? QUOTA : CAME, &who);
    }
    if (c == NULL) {
        farewell(fd);
        return NULL;
    }
    c->pidfd = unx_peer_pidfd(fd);
    return c;
}

void server_leave(struct server *s, struct conn *c, unsigned kind)
{
    note(s, kind, &c->who);
    if (c->pidfd >= 0) {
        close(c->pidfd);
    }
    pthread_mutex_lock(&s->mutex);
    c->used = false;
    pthread_mutex_unlock(&s->mutex);
}

void server_full(struct server *s, int error)
{
    if (error == -EMFILE || error == -ENFILE || error == -ENOBUFS || error == -ENOMEM) {
        note(s, FULL, &(struct unx_cred){0});
    }
}

/* ---- what they say ---- */

/* Kept by nobody here: a pipe is what may come, and it is closed like all others. */
static unsigned take_fds(const struct unx_msg *m)
{
    unsigned why = m->fds_got > FDS_MAX ? FDS : 0;
    for (unsigned i = 0; i < m->fds_got && why == 0; i++) {
        why = fd_is_pipe(m->fds[i]) ? 0 : STRANGE;
    }
    dispose(m->fds, m->fds_got);
    for (unsigned i = 0; i < m->fds_got; i++) {
        m->fds[i] = -1;
    }
    return why;
}

static unsigned why_failed(int error)
{
    switch (error) {
    case 0:
        return ENDED;
    case -EMSGSIZE:
        return TOO_LARGE;
    case -ENOBUFS:
        return FDS;
    case -EMFILE:
        return FULL;
    default:
        return RESET;
    }
}

static void fill_reply(const struct server *s, const struct conn *c, const void *p, size_t n, struct reply *r)
{
    *r = (struct reply){0};
    memcpy(&r->number, p, n < sizeof r->number ? n : sizeof r->number);
    if (n > sizeof r->number && ((const char *)p)[sizeof r->number] == 'P') {
        /* "Is who opened this still there?" is asked of the pidfd; kill(2) would ask whoever has the pid now. */
        const bool there = c->pidfd >= 0 && unx_pidfd_check(c->pidfd, c->who.pid) == 1;
        r->flags |= there ? 0 : REPLY_OPENER_GONE;
        if (!there && kill(c->who.pid, 0) == 0) {
            atomic_fetch_add(&s->shared->naive_fooled, 1);
        }
        if (!there) {
            note(s, STALE_PID, &c->who);
        }
    }
}

/* The one who opened the connection, or another process of its user that asks about it. */
static bool speaks_for_itself(const struct conn *c, const struct unx_msg *m)
{
    if (m->cred == NULL || (m->got & UNX_GOT_CRED) == 0 || m->cred->known != UNX_KNOWN_ALL) {
        return false;
    }
    const bool asks = m->len > 8 && ((const char *)m->iov[0].iov_base)[8] == 'P';
    return m->cred->uid == c->who.uid && (asks || m->cred->pid == c->who.pid);
}

unsigned server_packet(struct server *s, struct conn *c, int result, struct unx_msg *m, struct reply *r)
{
    *r = (struct reply){0};
    if (result == -EMFILE && atomic_load(&s->shared->full_allowed)) {
        /* Not its fault, as far as anybody can tell. */
        note(s, FULL, &c->who);
        r->flags = REPLY_FULL;
        return 0;
    }
    if (result <= 0) {
        return why_failed(result);
    }
    r->nfds = m->fds_got;
    const unsigned nfds = m->fds_got, bad = take_fds(m);
    if (bad != 0) {
        return bad;
    }
    if (!speaks_for_itself(c, m)) {
        return FORGED;
    }
    if (m->len == 0 && ++c->empties > EMPTIES_MAX) {
        return EMPTY;
    }
    c->since = 0;
    fill_reply(s, c, m->iov[0].iov_base, m->len, r);
    r->nfds = nfds;
    return 0;
}

unsigned server_bytes(struct server *s, struct conn *c, const void *p, size_t n, size_t *used, struct reply *r)
{
    uint32_t len = 0;
    *used = 0;
    if (c->have == 0) {
        c->since = c->since != 0 ? c->since : raw_now();
    }
    while (*used < n || c->have >= 4) {
        if (c->have >= 4) {
            memcpy(&len, c->frame, 4);
            if (len == 0 || len > FRAME_MAX) {
                return BAD_FRAME;
            }
        }
        const size_t want = c->have < 4 ? 4 - c->have : 4 + len - c->have;
        const size_t take = want < n - *used ? want : n - *used;
        memcpy(c->frame + c->have, (const char *)p + *used, take);
        c->have += take;
        *used += take;
        if (c->have >= 4 && len > 0 && c->have == 4 + len) {
            c->have = 0;
            c->since = 0;
            fill_reply(s, c, c->frame + 4, len, r);
            return 0;
        }
        if (take == 0) {
            break;
        }
    }
    return WANTS;
}

unsigned server_stream_result(struct server *s, struct conn *c, int result, struct unx_msg *m)
{
    (void)s;
    if (result <= 0) {
        return result == 0 && c->have > 0 ? BAD_FRAME : why_failed(result);
    }
    if (m->fds_got > 0) {
        dispose(m->fds, m->fds_got);
        return FDS;
    }
    return 0;
}

bool server_late(const struct conn *c, int64_t now)
{
    return c->used && c->since != 0 && now - c->since > PATIENCE_MS;
}

bool server_notification(struct server *s, unsigned flags)
{
    static char text[UNX_NOTIFY_MAX + 1];
    int fds[LARGEST];
    struct unx_cred who = {0};
    struct unx_notification n;
    const struct iovec room = {text, sizeof text};
    const unsigned nfds = s->ground->few ? FDS_MAX : LARGEST;
    struct unx_msg m = {.iov = &room, .niov = 1, .fds = fds, .nfds = nfds, .cred = &who};
    const int r = unx_notify_recv(s->notify, &m, &n, flags | UNX_BARRIER);
    if (r == -EAGAIN || r == 0) {
        return false;
    }
    if (r < 0) {
        note(s, unx_one_message(r) ? why_failed(r) : BAD_FRAME, &who);
        return unx_one_message(r);
    }
    dispose(fds, m.fds_got);
    if (m.fds_got > 0 && (n.what & UNX_NOTIFY_BARRIER) == 0) {
        note(s, m.fds_got > FDS_MAX ? FDS : STRANGE, &who);
    } else if ((n.what & (UNX_NOTIFY_BAD | UNX_NOTIFY_OTHER)) != 0 || n.what == 0) {
        note(s, BAD_FRAME, &who);
    }
    return true;
}
