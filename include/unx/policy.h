/* SPDX-License-Identifier: MIT */
/*
 * Who may talk to this server: a policy is a value, checked in one call on a connection or on a message.
 *
 * It lists who is admitted: a peer has to be one of them, and to meet every requirement. What is not known never
 * matches, and 0 alone means admitted: whatever else comes back, do not talk. Conventions are those of unx/unx.h.
 */
#ifndef UNX_POLICY_H
#define UNX_POLICY_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Who is admitted, besides uids and gids (admit). */
#define UNX_ADMIT_ROOT 0x1u      /* uid 0 */
#define UNX_ADMIT_SAME_USER 0x2u /* our own effective uid, at the time of the check */
#define UNX_ADMIT_ANY_USER 0x4u  /* every user that the kernel can name */
/* What everybody has to bring (need). */
#define UNX_NEED_PIDFD 0x1u /* a pidfd of a process that still runs */

struct unx_policy {
    unsigned admit;       /* UNX_ADMIT_* */
    unsigned need;        /* UNX_NEED_* */
    const uid_t *uids;    /* these users */
    const gid_t *gids;    /* users who have one of these as their group or, on a connection, as a supplementary group */
    unsigned nuids;       /* 65534, the kernel's number for users it cannot name here, never matches */
    unsigned ngids;       /* likewise */
    const char *label;    /* everybody has to have exactly this security label; NULL: whatever label */
    uint64_t reserved[4]; /* 0 */
};

/* Why somebody was refused (*why); several at once. */
#define UNX_WHY_NOBODY 0x01u   /* the policy admits nobody: no user, no group, no UNX_ADMIT_* */
#define UNX_WHY_UNKNOWN 0x02u  /* nothing is known about the peer that would do */
#define UNX_WHY_USER 0x04u     /* neither the user nor one of its groups is admitted */
#define UNX_WHY_NO_PIDFD 0x08u /* no pidfd: this kernel has none, or the message brought none */
#define UNX_WHY_GONE 0x10u     /* the process has ended */
#define UNX_WHY_NO_LABEL 0x20u /* no label: no security module gives one, or the message brought none */
#define UNX_WHY_LABEL 0x40u    /* another label */

/* Whether the process that opened this connection is admitted: its effective ids and all its groups, as unx_peer_cred()
 * and unx_peer_groups() tell them. 0: yes. -EACCES: no, and *why says what for; a policy that is empty admits nobody.
 * Another error: it could not be asked (-ENOTCONN, -EMFILE, -ENOMEM; -EINVAL for a policy with an unknown bit).
 * *who gets the peer, admitted or not, as far as it is known. who and why may be NULL. Allocates for the time of the
 * call if gids are given and the peer has more than 256 groups. */
int unx_policy_check(const struct unx_policy *p, int fd, struct unx_cred *who, unsigned *why);

/* Whether the sender of a received message is admitted: m->cred (real ids, or what a privileged sender claimed),
 * m->pidfd and m->label, as far as unx_recv() said that they came. A message tells no supplementary groups. -EACCES and
 * *why as above. */
int unx_policy_check_msg(const struct unx_policy *p, const struct unx_msg *m, unsigned *why);

/* The first reason in `why` as one English line without a full stop; never NULL. */
const char *unx_policy_explain(unsigned why);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
