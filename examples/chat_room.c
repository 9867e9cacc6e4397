// SPDX-License-Identifier: MIT
/*
 * The room of the example "chat": each packet of a member goes to all others,
 * with the name and the user of who sent it.
 *
 * Nothing is copied: a line stays in the buffer that it came in until all others have it. So an empty pool slows down
 * those who talk, and who does not read is dropped after PATIENCE_MS, the deadline of each send. They arrive in order.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>
#include <unx/listener.h>

#include "chat.h"

enum { MEMBERS = 32, BUFFERS = 64, PATIENCE_MS = 3000 };

struct member {
    struct task in, bye;
    enum { FREE, SILENT, HERE, GONE } state; /* SILENT: has not told its name yet */
    int fd;
    struct unx_cred who; /* who opened the connection, as the kernel says */
    char name[32];
    const char *how; /* it went */
};

struct line { /* on its way to everybody */
    unsigned uses;
    struct unx_msg *words; /* the engine's; or NULL, which it refuses to take back */
    struct iovec iov[2];
    char who[CHAT_NAME];
    struct delivery {
        struct task task;
        struct unx_msg m;
        struct member *to;
    } to[MEMBERS];
};

static struct member members[MEMBERS]; /* the first is the door: "in" are connections; SILENT: open */

static void unuse(struct line *l)
{
    if (--l->uses == 0) {
        unx_engine_return(engine, l->words);
        free(l);
    }
}

static void leave(struct member *c, const char *how)
{
    if (c->state == FREE || c->state == GONE)
        return;
    c->state = GONE, c->how = how;
    begin(unx_engine_close(engine, &c->bye.op, c->fd)); /* what is out comes back first, and this last: gone() */
}

static void delivered(const struct unx_event *ev)
{
    if (ev->result < 0)
        leave(((struct delivery *)ev->op)->to, ev->result == -ETIMEDOUT ? " was dropped: does not read" : " has left");
    unuse(ev->op->data);
}

/* "NAME (uid N)", how, and the words of a message, to everybody who is here but for who has said them. */
static void say(const struct member *from, const char *how, struct unx_msg *words)
{
    struct line *l = calloc(1, sizeof *l);
    if (!l) {
        unx_engine_return(engine, words);
        return;
    }
    l->uses = 1, l->words = words;
    l->iov[0].iov_base = l->who;
    l->iov[0].iov_len = (size_t)snprintf(l->who, CHAT_NAME, "%s (uid %u)%s", from->name, (unsigned)from->who.uid, how);
    if (words)
        l->iov[1] = (struct iovec){words->iov[0].iov_base, words->len};
    for (struct member *c = members; c < members + MEMBERS; c++) {
        struct delivery *d = &l->to[c - members];
        if (c->state != HERE || (words && c == from))
            continue;
        *d = (struct delivery){.task = {{.data = l}, delivered}, .m = {.iov = l->iov, .niov = 2}, .to = c};
        l->uses += begin(unx_engine_send(engine, &d->task.op, c->fd, &d->m, 0, PATIENCE_MS)) >= 0;
    }
    unuse(l);
}

static void gone(const struct unx_event *ev)
{
    struct member *c = ev->op->data;
    c->state = FREE;
    if (c->name[0] && members[0].state == SILENT)
        say(c, c->how, NULL);
}

static void heard(const struct unx_event *ev)
{
    struct member *c = ev->op->data;
    const int talks = c->state == HERE && ev->result > 0;
    if (c->state == SILENT && ev->result > 0) {
        snprintf(c->name, sizeof c->name, "%.*s", (int)ev->msg->len, (char *)ev->msg->iov[0].iov_base);
        c->state = HERE;
        say(c, " has joined", NULL);
    }
    if (talks)
        say(c, ": ", ev->msg);
    else
        unx_engine_return(engine, ev->msg);
    if (!(ev->flags & UNX_MORE))
        leave(c, " has left");
}

static void accepted(const struct unx_event *ev)
{
    struct member *c = members;
    while (c < members + MEMBERS && c->state != FREE)
        c++;
    struct unx_cred who;
    if (ev->result < 0) /* cancelled; or no descriptor is left: it tries again by itself */
        return;
    if (members[0].state != SILENT || c == members + MEMBERS ||
        unx_policy_check(&same_user, ev->result, &who, NULL) < 0) {
        close(ev->result); /* the engine has not seen it yet */
        return;
    }
    *c = (struct member){.in.done = heard, .bye.done = gone, .state = SILENT, .fd = ev->result, .who = who};
    c->in.op.data = c->bye.op.data = c;
    if (begin(unx_engine_recv(engine, &c->in.op, c->fd, NULL, UNX_STANDING, -1)) < 0)
        leave(c, "");
}

static void finish(const struct unx_event *ev)
{
    (void)ev;
    for (struct member *c = members; c < members + MEMBERS; c++)
        leave(c, "");
}

int serve(const struct unx_addr *a)
{
    struct unx_listener *l;
    int r = unx_listener_open(&l, SOCK_SEQPACKET, 0, a, NULL);
    members[0] = (struct member){.in.done = accepted, .bye = {{.data = members}, gone}, .state = SILENT};
    members[0].fd = unx_dup(unx_listener_fd(l)); /* the engine closes what it has seen */
    r = r < 0 ? r : unx_engine_buffers(engine, BUFFERS, CHAT_LINE);
    r = r < 0 ? r : begin(unx_engine_accept(engine, &members[0].in.op, members[0].fd, UNX_STANDING, -1));
    if (r >= 0 && dprintf(STDOUT_FILENO, "listening\n") > 0)
        r = run(finish);
    unx_listener_close(l);
    return r < 0 ? fail("serve", r) : 0;
}
