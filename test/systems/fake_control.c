// SPDX-License-Identifier: MIT
/*
 * Control data of another system: put together from what Linux brought, and put where the caller wants it, as that
 * system does.
 *
 * What surprised us: where the room is too small, macOS has installed all descriptors, and says in the header how
 * long the message was, not how long it is; who believes either loses them. Others take back what they cannot hand
 * over.
 */
#include "fake.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define HEAD CROSS_CMSG_ALIGN(sizeof(struct their_cmsghdr))

struct their_cmsghdr *fake_cmsg_next(const struct their_msghdr *h, const struct their_cmsghdr *c)
{
    char *const next = (char *)(uintptr_t)c + CROSS_CMSG_ALIGN(c->cmsg_len);
    char *const end = (char *)h->msg_control + h->msg_controllen;
    return next + HEAD > end ? NULL : (struct their_cmsghdr *)next;
}

void control_add(struct control *c, int type, const void *data, size_t len)
{
    const struct their_cmsghdr h = {.cmsg_len = (socklen_t)(HEAD + len), .cmsg_level = SOL_SOCKET, .cmsg_type = type};
    if (c->len + HEAD + len + 16 > sizeof c->data) {
        abort();
    }
    memcpy(c->data + c->len, &h, sizeof h);
    memcpy(c->data + c->len + HEAD, data, len);
    c->len += CROSS_CMSG_ALIGN(HEAD + len);
}

static void close_all(const char *message)
{
    struct their_cmsghdr h;
    memcpy(&h, message, sizeof h);
    for (size_t i = HEAD; h.cmsg_type == SCM_RIGHTS && i + sizeof(int) <= h.cmsg_len; i += sizeof(int)) {
        int fd;
        memcpy(&fd, message + i, sizeof fd);
        close(fd);
    }
}

void control_drop(const struct control *c)
{
    for (size_t at = 0; at < c->len;) {
        struct their_cmsghdr one;
        memcpy(&one, c->data + at, sizeof one);
        close_all(c->data + at);
        at += CROSS_CMSG_ALIGN(one.cmsg_len);
    }
}

void control_hand_over(const struct control *c, struct their_msghdr *h, int *flags)
{
    const size_t room = h->msg_control == NULL ? 0 : h->msg_controllen;
    h->msg_controllen = 0;
    if (fake->cut_leaks && room > 0) {
        const size_t n = c->len < room ? c->len : room;
        memcpy(h->msg_control, c->data, n);
        h->msg_controllen = (socklen_t)n;
        *flags |= n < c->len ? MSG_CTRUNC : 0;
        return;
    }
    for (size_t at = 0; at < c->len;) {
        struct their_cmsghdr one;
        memcpy(&one, c->data + at, sizeof one);
        const size_t space = CROSS_CMSG_ALIGN(one.cmsg_len);
        if (h->msg_controllen + one.cmsg_len <= room) {
            const size_t n = h->msg_controllen + space <= room ? space : one.cmsg_len;
            memcpy((char *)h->msg_control + h->msg_controllen, c->data + at, n);
            h->msg_controllen += (socklen_t)n;
        } else {
            close_all(c->data + at);
            *flags |= room > 0 ? MSG_CTRUNC : 0;
        }
        at += space;
    }
}
