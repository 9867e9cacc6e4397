// SPDX-License-Identifier: MIT
/*
 * From control data to a struct unx_msg: every descriptor is handed over or closed, and what is missing is said.
 *
 * What surprised us: MSG_CTRUNC stands for a buffer that was too small, a full descriptor table, and the refusal of a
 * security module alike. With room for everything in the buffer, it means one of the last two. The pidfd of a sender
 * that found no place in the table is a negative number, without any flag.
 */
#include "control.h"
#include "recv.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

static void deliver_fds(struct unx_msg *m, const struct unx_control_item *item)
{
    const unsigned n = (unsigned)(item->len / sizeof(int));
    for (unsigned i = 0; i < n; i++) {
        const int fd = control_fd(item, i);
        if (fd >= 0 && m->fds_got < m->nfds) {
            m->fds[m->fds_got++] = fd;
        } else {
            m->got |= UNX_CUT_FDS;
            if (fd >= 0) {
                sys_discard(fd);
            }
        }
    }
}

static void deliver_pidfd(struct unx_msg *m, const struct unx_control_item *item)
{
    const int fd = unx_control_nfds(item) == 1 ? control_fd(item, 0) : -1;
    if (m->pidfd == NULL) {
        if (fd >= 0) {
            sys_close(fd);
        }
    } else if (fd >= 0) {
        *m->pidfd = fd;
        m->got |= UNX_GOT_PIDFD;
    } else {
        m->got |= UNX_CUT_PIDFD;
    }
}

static void deliver_label(struct unx_msg *m, const struct unx_control_item *item)
{
    const char *text = item->data;
    size_t len = strnlen(text, item->len);
    if (m->label == NULL) {
        return;
    }
    m->got |= UNX_GOT_LABEL;
    if (len >= m->label_max) {
        m->got |= UNX_CUT_LABEL;
        len = m->label_max == 0 ? 0 : m->label_max - 1;
    }
    if (m->label_max > 0) {
        memcpy(m->label, text, len);
        m->label[len] = '\0';
    }
    m->label_len = len;
}

static void deliver_other(struct unx_msg *m, const struct unx_control_item *item, enum control_kind kind)
{
    switch (kind) {
    case CONTROL_CRED:
        if (m->cred != NULL && unx_control_cred(item, m->cred) == 0) {
            m->got |= UNX_GOT_CRED;
        }
        break;
    case CONTROL_PIDFD:
        deliver_pidfd(m, item);
        break;
    case CONTROL_LABEL:
        deliver_label(m, item);
        break;
    case CONTROL_TIME:
        if (control_time(item, &m->time_ns)) {
            m->got |= UNX_GOT_TIME;
        }
        break;
    default:
        m->got |= UNX_GOT_OTHER;
        break;
    }
}

/* More came than the kernel gave us: more than there was room for, or more than it could install? */
static int why_cut(const struct unx_msg *m, const struct receiving *t)
{
    const bool full = !control_had_room(t->control_max, t->h.msg_controllen);
    return full || (m->control == NULL && m->fds_got == m->nfds) ? -ENOBUFS : -EMFILE;
}

static int deliver_raw(struct unx_msg *m, const struct receiving *t)
{
    m->control_len = t->h.msg_controllen;
    if ((t->h.msg_flags & MSG_CTRUNC) == 0) {
        return 0;
    }
    m->got |= UNX_CUT_CONTROL;
    return why_cut(m, t);
}

int recv_deliver(struct unx_msg *m, const struct receiving *t)
{
    struct unx_control_item item;
    size_t at = 0;

    if (m->control != NULL) {
        return deliver_raw(m, t);
    }
    while (control_next(t->h.msg_control, t->h.msg_controllen, &at, &item) > 0) {
        const enum control_kind kind = control_kind(&item);
        if (kind == CONTROL_FDS) {
            deliver_fds(m, &item);
        } else {
            deliver_other(m, &item, kind);
        }
    }
    if (m->fds_got > 0) {
        m->got |= UNX_GOT_FDS;
    }
    int error = m->got & UNX_CUT_LABEL ? -ERANGE : 0;
    if (m->got & UNX_CUT_PIDFD) {
        error = -EMFILE;
    }
    if (m->got & UNX_CUT_FDS) {
        error = -ENOBUFS;
    } else if ((t->h.msg_flags & MSG_CTRUNC) != 0) {
        m->got |= UNX_CUT_FDS;
        error = why_cut(m, t);
    }
    return error;
}

void recv_withdraw(struct unx_msg *m)
{
    if (m->control != NULL) {
        control_close(m->control, m->control_len);
        m->control_len = 0;
    }
    for (unsigned i = 0; i < m->fds_got; i++) {
        sys_discard(m->fds[i]);
        m->fds[i] = -1;
    }
    m->fds_got = 0;
    if (m->got & UNX_GOT_PIDFD) {
        sys_close(*m->pidfd);
        *m->pidfd = -1;
    }
    m->got &= ~(UNX_GOT_FDS | UNX_GOT_PIDFD);
}
