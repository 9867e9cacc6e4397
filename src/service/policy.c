// SPDX-License-Identifier: MIT
/*
 * Who may talk to this server.
 *
 * Promises: 0 only if somebody on the list was named by the kernel and every requirement is met; a list of groups is
 * seen whole or the check fails; what a connection says and what a message says are never mixed in one decision.
 *
 * What surprised us: a connection tells effective ids, a message real ones. 65534 stands for every user that this user
 * namespace cannot name, so it is no name. A label may end with a NUL of its own or not,
 * which unx_peer_label() settles.
 */
#include "sys.h"

#include <errno.h>
#include <string.h>
#include <unx/policy.h>

#define ADMIT_ALL (UNX_ADMIT_ROOT | UNX_ADMIT_SAME_USER | UNX_ADMIT_ANY_USER)

static int policy_check(const struct unx_policy *p)
{
    if (p == NULL || (p->admit & ~ADMIT_ALL) != 0 || (p->need & ~UNX_NEED_PIDFD) != 0 ||
        (p->uids == NULL && p->nuids > 0) || (p->gids == NULL && p->ngids > 0) ||
        (p->reserved[0] | p->reserved[1] | p->reserved[2] | p->reserved[3]) != 0) {
        return -EINVAL;
    }
    return 0;
}

/* ---- by name ---- */

static bool user_listed(const struct unx_policy *p, const struct unx_cred *c)
{
    struct unx_cred self;
    if ((c->known & UNX_KNOWN_UID) == 0) {
        return false;
    }
    if ((p->admit & UNX_ADMIT_ANY_USER) != 0 || ((p->admit & UNX_ADMIT_ROOT) != 0 && c->uid == 0)) {
        return true;
    }
    if (p->admit & UNX_ADMIT_SAME_USER) {
        sys_own_cred(&self, true);
        if (c->uid == self.uid) {
            return true;
        }
    }
    for (unsigned i = 0; i < p->nuids; i++) {
        if (p->uids[i] == c->uid) {
            return true;
        }
    }
    return false;
}

static bool group_listed(const struct unx_policy *p, const gid_t *groups, unsigned n)
{
    const gid_t nobody = 65534;
    for (unsigned i = 0; i < n; i++) {
        for (unsigned k = 0; groups[i] != nobody && k < p->ngids; k++) {
            if (p->gids[k] == groups[i]) {
                return true;
            }
        }
    }
    return false;
}

/* The reason against these ids alone; a supplementary group may answer it still, unless it is UNX_WHY_NOBODY. */
static unsigned judge(const struct unx_policy *p, const struct unx_cred *c)
{
    if (p->admit == 0 && p->nuids == 0 && p->ngids == 0) {
        return UNX_WHY_NOBODY;
    }
    const bool group = (c->known & UNX_KNOWN_GID) != 0 && group_listed(p, &c->gid, 1);
    if (group || user_listed(p, c)) {
        return 0;
    }
    return c->known & UNX_KNOWN_UID ? UNX_WHY_USER : UNX_WHY_UNKNOWN;
}

/* 1: one of its supplementary groups is listed. */
static int has_group(const struct unx_policy *p, int fd)
{
    gid_t some[256], *all = NULL;
    unsigned n = 0;
    int r = unx_peer_groups(fd, some, sizeof some / sizeof *some, &n);
    if (r == -ERANGE) {
        all = sys_allocate(n * sizeof *all);
        r = all == NULL ? -ENOMEM : unx_peer_groups(fd, all, n, &n);
    }
    if (r == 0) {
        r = group_listed(p, all != NULL ? all : some, n);
    }
    sys_free(all);
    return r == -EOPNOTSUPP ? 0 : r;
}

/* ---- requirements: 0, or an error; reasons are added to *why ---- */

static int process_runs(int pidfd, unsigned *why)
{
    const int r = unx_pidfd_check(pidfd, 0);
    *why |= r == 0 ? UNX_WHY_GONE : 0;
    return r < 0 ? r : 0;
}

static int need_pidfd(int fd, unsigned *why)
{
    const int pidfd = unx_peer_pidfd(fd);
    if (pidfd == -EOPNOTSUPP || pidfd == -ESRCH) {
        *why |= pidfd == -ESRCH ? UNX_WHY_GONE : UNX_WHY_NO_PIDFD;
        return 0;
    }
    if (pidfd < 0) {
        return pidfd;
    }
    const int r = process_runs(pidfd, why);
    sys_close(pidfd);
    return r;
}

static int need_label(int fd, const char *wanted, unsigned *why)
{
    char label[1024];
    size_t len = 0;
    const int r = unx_peer_label(fd, label, sizeof label, &len);
    if (r == -EOPNOTSUPP) {
        *why |= UNX_WHY_NO_LABEL;
        return 0;
    }
    /* Longer than any that a policy is likely to want, and then it is another one. */
    if (r == -ERANGE || (r == 0 && strcmp(label, wanted) != 0)) {
        *why |= UNX_WHY_LABEL;
        return 0;
    }
    return r;
}

static int answer(int r, unsigned reasons, unsigned *why)
{
    if (why != NULL) {
        *why = reasons;
    }
    return r < 0 ? r : reasons != 0 ? -EACCES : 0;
}

int unx_policy_check(const struct unx_policy *p, int fd, struct unx_cred *who, unsigned *why)
{
    struct unx_cred peer = {.known = 0};
    unsigned reasons = 0;
    int r = policy_check(p);
    if (r == 0) {
        r = unx_peer_cred(fd, &peer);
    }
    if (who != NULL) {
        *who = peer;
    }
    if (r == 0) {
        reasons = judge(p, &peer);
    }
    if (r == 0 && (reasons & (UNX_WHY_USER | UNX_WHY_UNKNOWN)) != 0 && p->ngids > 0) {
        r = has_group(p, fd);
        reasons = r > 0 ? 0 : reasons;
    }
    if (r >= 0 && (p->need & UNX_NEED_PIDFD) != 0) {
        r = need_pidfd(fd, &reasons);
    }
    if (r >= 0 && p->label != NULL) {
        r = need_label(fd, p->label, &reasons);
    }
    return answer(r, reasons, why);
}

int unx_policy_check_msg(const struct unx_policy *p, const struct unx_msg *m, unsigned *why)
{
    const struct unx_cred none = {.known = 0};
    unsigned reasons = 0;
    int r = m == NULL ? -EINVAL : policy_check(p);
    if (r == 0) {
        reasons = judge(p, (m->got & UNX_GOT_CRED) != 0 && m->cred != NULL ? m->cred : &none);
    }
    if (r == 0 && (p->need & UNX_NEED_PIDFD) != 0) {
        if ((m->got & UNX_GOT_PIDFD) != 0 && m->pidfd != NULL && *m->pidfd >= 0) {
            r = process_runs(*m->pidfd, &reasons);
        } else {
            reasons |= UNX_WHY_NO_PIDFD;
        }
    }
    if (r == 0 && p->label != NULL) {
        if ((m->got & UNX_GOT_LABEL) == 0 || m->label == NULL || (m->got & UNX_CUT_LABEL) != 0) {
            reasons |= UNX_WHY_NO_LABEL;
        } else if (strcmp(m->label, p->label) != 0) {
            reasons |= UNX_WHY_LABEL;
        }
    }
    return answer(r, reasons, why);
}

const char *unx_policy_explain(unsigned why)
{
    static const char *const text[] = {
        "the policy admits nobody",
        "nothing is known about the peer that the policy could go by",
        "neither this user nor one of its groups is admitted",
        "there is no pidfd of the process",
        "the process has ended",
        "there is no security label",
        "the security label is another one",
    };
    for (unsigned i = 0; i < sizeof text / sizeof *text; i++) {
        if (why & (1u << i)) {
            return text[i];
        }
    }
    return why == 0 ? "admitted" : "refused for a reason that this version does not know";
}
