// SPDX-License-Identifier: MIT
/*
 * Chat: a room in which everybody hears everybody, on the engine.
 *
 *     example_chat serve @room &
 *     example_chat join @room alice       what is typed goes to the room; the end of it leaves
 *
 * This file has the loop of both, and a member, who waits for what is typed and what the room says at once; the room is
 * in chat_room.c. An operation is memory of the program. A call starts it, and it comes back as an event, exactly once
 * as the last one: so the loop ends when nothing is out any more. Ending is no special case: close, and go on reaping.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include "chat.h"

struct unx_engine *engine;
static struct task signals;
static unsigned out; /* operations whose last event is still to come */

int fail(const char *what, int error)
{
    fprintf(stderr, "chat: %s: %s\n", what, unx_explain(error));
    return 1;
}

int begin(int result)
{
    out += result >= 0;
    return result;
}

int run(void (*finish)(const struct unx_event *ev))
{
    struct unx_event ev[64];
    int n = 0;
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGINT), sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL);
    signals.done = finish;
    begin(unx_engine_poll(engine, &signals.op, signalfd(-1, &set, SFD_CLOEXEC), POLLIN, -1));
    while (out > 0 && (n = unx_engine_reap(engine, ev, 64, -1)) >= 0) {
        for (int i = 0; i < n; i++) {
            const struct task *t = (const struct task *)ev[i].op;
            out -= !(ev[i].flags & UNX_MORE);
            if (t->done)
                t->done(&ev[i]);
        }
    }
    return n < 0 ? n : 0;
}

/* ---- A member ---- */

static struct task keys, words, in, bye;
static int sock, ending, status;
static char text[CHAT_LINE];
static struct iovec data;
static struct unx_msg message = {.iov = &data, .niov = 1};

static void say(char *what, size_t len)
{
    data = (struct iovec){what, len};
    begin(unx_engine_send(engine, &words.op, sock, &message, 0, -1));
}

/* What was lent to the operation is ours again: the text, the message, and the operation itself. */
static void said(const struct unx_event *ev)
{
    if (ev->result > 0 && !ending)
        begin(unx_engine_poll(engine, &keys.op, STDIN_FILENO, POLLIN, -1));
}

static void typed(const struct unx_event *ev)
{
    const ssize_t n = ev->result > 0 ? read(STDIN_FILENO, text, sizeof text) : 0;
    if (n > 0) {
        say(text, (size_t)n - (text[n - 1] == '\n'));
    } else {
        ending = 1;
        unx_shutdown(sock, SHUT_WR); /* the room has heard all of it when it closes, too */
    }
}

/* Everything comes back now. */
static void part(const struct unx_event *ev)
{
    (void)ev;
    ending = 1;
    unx_engine_cancel(engine, &signals.op);
    unx_engine_cancel(engine, &keys.op);
    begin(unx_engine_close(engine, &bye.op, sock));
    sock = -1;
}

static void heard(const struct unx_event *ev)
{
    for (size_t i = 0; ev->msg && i < ev->msg->len; i++) {
        const unsigned char c = ((unsigned char *)ev->msg->iov[0].iov_base)[i];
        putchar(c < 0x20 || c == 0x7f ? ' ' : c); /* who may talk to us may not control our terminal */
    }
    if (ev->msg) {
        puts("");
        fflush(stdout);
        unx_engine_return(engine, ev->msg);
    }
    if (!(ev->flags & UNX_MORE)) {
        status = ending ? 0 : fail("the room is closed", ev->result < 0 ? ev->result : -ECONNRESET);
        part(ev);
    }
}

static int join(const struct unx_addr *a, char *name)
{
    sock = unx_connect(SOCK_SEQPACKET, 0, NULL, a, 2000);
    int r = sock < 0 ? sock : unx_policy_check(&same_user, sock, NULL, NULL); /* anybody may have taken the name */
    in.done = heard, keys.done = typed, words.done = said;
    r = r < 0 ? r : unx_engine_buffers(engine, 16, CHAT_LINE + CHAT_NAME);
    r = r < 0 ? r : begin(unx_engine_recv(engine, &in.op, sock, NULL, UNX_STANDING, -1));
    if (r >= 0) {
        say(name, strlen(name));
        r = run(part);
    }
    return r < 0 ? fail("join", r) : status;
}

int main(int argc, char **argv)
{
    const int serving = argc == 3 && !strcmp(argv[1], "serve");
    if (!serving && !(argc == 4 && !strcmp(argv[1], "join"))) {
        fprintf(stderr, "usage: chat serve ADDR | chat join ADDR NAME\n");
        return 2;
    }
    struct unx_addr a;
    int r = unx_addr_parse(&a, argv[2]);
    if (r >= 0)
        r = unx_engine_new(&engine, 0, 0);
    if (r < 0)
        return fail(argv[2], r);
    status = serving ? serve(&a) : join(&a, argv[3]);
    r = unx_engine_free(engine);
    return r < 0 ? fail("operations are out", r) : status;
}
