// SPDX-License-Identifier: MIT
/*
 * Who is at the other end, as each system tells it: by an option of the socket, by an object, with a message.
 *
 * What surprised us: these structs have room for one group or sixteen, and say so in a number that may be larger.
 * What Linux tells of a pair of sockets, some of these systems do not know.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define GROUPS 1024
/* Where the system has an option of this name, it has its number, too. */
#define LINUX_SO_PEERCRED 17

struct who {
    struct ucred u;
    gid_t groups[GROUPS];
    unsigned ngroups;
};

static bool is_pair(int fd)
{
    struct sockaddr_un a;
    socklen_t own = sizeof a, peer = sizeof a;
    const socklen_t head = offsetof(struct sockaddr_un, sun_path);
    return getsockname(fd, (struct sockaddr *)&a, &own) == 0 && own <= head &&
           getpeername(fd, (struct sockaddr *)&a, &peer) == 0 && peer <= head;
}

/* -1 and errno: EINVAL of a socket that nobody is connected to. */
static int __attribute__((unused)) who_is(int fd, struct who *w)
{
    int listens = 0;
    socklen_t len = sizeof listens;
    memset(w, 0, sizeof *w);
    if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) != 0) {
        return -1;
    }
    len = sizeof w->u;
    if (getsockopt(fd, SOL_SOCKET, LINUX_SO_PEERCRED, &w->u, &len) != 0) {
        return -1;
    }
    if (listens || (w->u.pid == 0 && w->u.uid == (uid_t)-1) || (!fake->peer_of_pair && is_pair(fd))) {
        return fail(EINVAL);
    }
    gid_t groups[GROUPS];
    len = sizeof groups;
    const int before = errno;
    if (getsockopt(fd, SOL_SOCKET, 59 /* SO_PEERGROUPS */, groups, &len) == 0) {
        w->ngroups = len / sizeof(gid_t);
        memcpy(w->groups, groups, len);
    } else if (errno == ERANGE) {
        w->ngroups = GROUPS;
    }
    errno = before;
    return 0;
}

static int __attribute__((unused)) answer(void *value, socklen_t *len, const void *what, socklen_t size)
{
    memcpy(value, what, *len < size ? *len : size);
    *len = *len < size ? *len : size;
    return 0;
}

#if defined(FAKE_FREEBSD) || defined(FAKE_DRAGONFLY) || defined(FAKE_DARWIN)
static int answer_xucred(int fd, void *value, socklen_t *len)
{
    struct who w;
    struct xucred x;
    if (who_is(fd, &w) != 0) {
        return -1;
    }
    memset(&x, 0, sizeof x);
    x.cr_version = XUCRED_VERSION;
    x.cr_uid = w.u.uid;
    x.cr_groups[0] = w.u.gid;
    const unsigned room = sizeof x.cr_groups / sizeof *x.cr_groups - 1;
    const unsigned n = w.ngroups < room ? w.ngroups : room;
    memcpy(x.cr_groups + 1, w.groups, n * sizeof(gid_t));
    x.cr_ngroups = (short)(n + 1);
#if defined(FAKE_FREEBSD)
    x.cr_pid = w.u.pid;
#endif
    return answer(value, len, &x, sizeof x);
}
#endif

int fake_identity_option(int fd, int level, int name, void *value, socklen_t *len)
{
    (void)fd;
    (void)value;
    (void)len;
#if defined(FAKE_FREEBSD) || defined(FAKE_DRAGONFLY) || defined(FAKE_DARWIN)
    if (level == 0 && name == LOCAL_PEERCRED) {
        return answer_xucred(fd, value, len);
    }
#endif
#if defined(FAKE_DARWIN)
    struct who w;
    if (level == SOL_LOCAL && name == LOCAL_PEERPID) {
        return who_is(fd, &w) != 0 ? -1 : answer(value, len, &w.u.pid, sizeof w.u.pid);
    }
#elif defined(FAKE_OPENBSD)
    struct who w;
    if (level == SOL_SOCKET && name == SO_PEERCRED) {
        if (who_is(fd, &w) != 0) {
            return -1;
        }
        const struct sockpeercred peer = {.uid = w.u.uid, .gid = w.u.gid, .pid = w.u.pid};
        return answer(value, len, &peer, sizeof peer);
    }
#elif defined(FAKE_NETBSD)
    struct who w;
    if (level == 0 && name == LOCAL_PEEREID) {
        if (who_is(fd, &w) != 0) {
            return -1;
        }
        const struct unpcbid peer = {.unp_pid = w.u.pid, .unp_euid = w.u.uid, .unp_egid = w.u.gid};
        return answer(value, len, &peer, sizeof peer);
    }
#endif
    (void)level;
    (void)name;
    return fail(ENOPROTOOPT);
}

/* ---- with a message ---- */

#if defined(FAKE_ILLUMOS)
struct ucred_s {
    uint32_t size;
    uint32_t rest[15];
    struct who who;
};

static void add_identity(struct control *c, int fd, const struct ucred *u)
{
    /* Without groups. */
    const size_t len = offsetof(struct ucred_s, who) + sizeof *u;
    const struct ucred_s whole = {.size = (uint32_t)len, .who = {.u = *u}};
    (void)fd;
    control_add(c, SCM_UCRED, &whole, len);
}
#elif defined(FAKE_FREEBSD)
static void add_identity(struct control *c, int fd, const struct ucred *u)
{
    (void)fd;
    const struct sockcred2 s = {
        .sc_pid = u->pid, .sc_uid = u->uid, .sc_euid = u->uid, .sc_gid = u->gid, .sc_egid = u->gid, .sc_ngroups = 0};
    control_add(c, SCM_CREDS2, &s, sizeof s);
}
#elif defined(FAKE_NETBSD)
static void add_identity(struct control *c, int fd, const struct ucred *u)
{
    const struct sockcred s = {
        .sc_pid = u->pid, .sc_uid = u->uid, .sc_euid = u->uid, .sc_gid = u->gid, .sc_egid = u->gid, .sc_ngroups = 0};
    if (type_of(fd) != SOCK_DGRAM && (hidden_get(fd) & HIDDEN_CREDS_CAME) != 0) {
        return;
    }
    hidden_set(fd, HIDDEN_CREDS_CAME);
    control_add(c, SCM_CREDS, &s, sizeof s);
}
#else
static void add_identity(struct control *c, int fd, const struct ucred *u)
{
    (void)c;
    (void)fd;
    (void)u;
}
#endif

void control_identity(struct control *c, int fd, const struct mark *m, const struct ucred *u)
{
#if defined(FAKE_FREEBSD) || defined(FAKE_DRAGONFLY)
    if (m != NULL) {
        struct cmsgcred given;
        memset(&given, 0, sizeof given);
        given.cmcred_pid = m->pid;
        given.cmcred_uid = m->uid;
        given.cmcred_euid = m->euid;
        given.cmcred_gid = m->gid;
        given.cmcred_ngroups = 1;
        given.cmcred_groups[0] = m->gid;
        control_add(c, SCM_CREDS, &given, sizeof given);
    }
#endif
    (void)m;
    /* At its end a stream of Linux brings an identity of nobody. */
    if (u != NULL && (u->pid != 0 || u->uid != 0)) {
        add_identity(c, fd, u);
    }
}

/* ---- illumos: an object of its own ---- */

#if defined(FAKE_ILLUMOS)
int getpeerucred(int fd, ucred_t **u);
void ucred_free(ucred_t *u);
pid_t ucred_getpid(const ucred_t *u);
uid_t ucred_getruid(const ucred_t *u);
uid_t ucred_geteuid(const ucred_t *u);
gid_t ucred_getrgid(const ucred_t *u);
gid_t ucred_getegid(const ucred_t *u);
int ucred_getgroups(const ucred_t *u, const gid_t **groups);

int getpeerucred(int fd, ucred_t **u)
{
    struct who w;
    if (who_is(fd, &w) != 0) {
        return errno == EINVAL ? fail(ENOTCONN) : -1;
    }
    *u = calloc(1, sizeof **u);
    (*u)->size = sizeof **u;
    (*u)->who = w;
    return 0;
}

void ucred_free(ucred_t *u)
{
    free(u);
}

pid_t ucred_getpid(const ucred_t *u)
{
    return u->who.u.pid;
}

uid_t ucred_getruid(const ucred_t *u)
{
    return u->who.u.uid;
}

uid_t ucred_geteuid(const ucred_t *u)
{
    return u->who.u.uid;
}

gid_t ucred_getrgid(const ucred_t *u)
{
    return u->who.u.gid;
}

gid_t ucred_getegid(const ucred_t *u)
{
    return u->who.u.gid;
}

int ucred_getgroups(const ucred_t *u, const gid_t **groups)
{
    *groups = u->who.groups;
    return (int)u->who.ngroups;
}
#endif
