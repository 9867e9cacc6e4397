// SPDX-License-Identifier: MIT
/*
 * A server that upgrades itself under load: nobody is refused, nothing is answered twice, and nothing is lost.
 *
 *     example_upgrade serve /tmp/count.sock &
 *     example_upgrade ask /tmp/count.sock 100000 &
 *     kill -HUP PID        PID is the one of the last "serving" line; after that the successor's
 *
 * On SIGHUP the server starts its own program anew, from the same path, which may hold a newer version by now, and
 * serves on. When the successor says that it is ready, the old one stops reading, hands over its listener, its
 * connections, and its state: the number of requests answered so far, and replies that found no room yet. If anything
 * fails, it reads on, as if nothing had been. A request that was read is answered before the next step, so none is in
 * anybody's hands meanwhile; a server that works longer on a request has to finish it,
 * or to make it a part of the state.
 */
#define _GNU_SOURCE 1 /* ppoll(2) */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <unx/handover.h>

#define MAX_CLIENTS 64
#define PATIENCE 5000 /* milliseconds, for a successor in each of its two steps */

/* What is handed over besides descriptors. A later version has to read what an earlier one wrote: say which it is. */
static struct state {
    unsigned version;
    unsigned long long served;
    struct reply {
        unsigned len; /* 0: nothing is owed */
        char text[60];
    } reply[MAX_CLIENTS];
} state = {.version = 1};

enum { CLIENT = 1, LISTENER }; /* kinds of descriptors; a client's name is its number */

static struct pollfd polled[MAX_CLIENTS + 2]; /* then the listener, then the socket to the successor */
static struct pollfd *const listener = &polled[MAX_CLIENTS], *const successor = &polled[MAX_CLIENTS + 1];
static volatile sig_atomic_t hangup;

static void on_hangup(int sig)
{
    (void)sig;
    hangup = 1;
}

static int fail(const char *what, int error)
{
    fprintf(stderr, "upgrade: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* ---- Serving ---- */

static void pay(unsigned i)
{
    struct reply *reply = &state.reply[i];
    const struct iovec data = {reply->text, reply->len};
    struct unx_msg m = {.iov = &data, .niov = 1};
    const int r = unx_send(polled[i].fd, &m, UNX_DONTWAIT);
    if (r != -EAGAIN)
        reply->len = 0; /* paid, or nobody is there to be paid: then the next receiving says so */
    polled[i].events = r == -EAGAIN ? POLLOUT : POLLIN;
}

static void serve_client(unsigned i)
{
    char text[32];
    const struct iovec room = {text, sizeof text - 1};
    struct unx_msg m = {.iov = &room, .niov = 1};
    struct reply *reply = &state.reply[i];
    if (!reply->len) {
        const int r = unx_recv(polled[i].fd, &m, UNX_DONTWAIT);
        if (r == -EAGAIN || unx_one_message(r))
            return;
        if (r <= 0) {
            close(polled[i].fd);
            polled[i].fd = -1;
            listener->events = POLLIN;
            return;
        }
        text[m.len] = 0;
        reply->len = (unsigned)snprintf(reply->text, sizeof reply->text, "%s %llu", text, ++state.served);
    }
    pay(i);
}

static void accept_client(void)
{
    unsigned i = 0;
    while (i < MAX_CLIENTS && polled[i].fd >= 0)
        i++;
    const int fd = i < MAX_CLIENTS ? unx_accept(listener->fd, 0, NULL) : -EMFILE;
    if (fd == -EMFILE || fd == -ENFILE)
        listener->events = 0; /* they wait in the backlog until somebody leaves */
    if (fd < 0)
        return;
    polled[i] = (struct pollfd){.fd = fd, .events = POLLIN};
    state.reply[i].len = 0;
}

/* One round; a signal may end it at once, and at no other time. */
static void serve_round(int timeout_ms)
{
    sigset_t none;
    sigemptyset(&none);
    const struct timespec timeout = {timeout_ms / 1000, timeout_ms % 1000 * 1000000L};
    if (ppoll(polled, MAX_CLIENTS + 2, timeout_ms < 0 ? NULL : &timeout, &none) < 0)
        return;
    for (unsigned i = 0; i < MAX_CLIENTS; i++)
        if (polled[i].fd >= 0 && polled[i].revents)
            serve_client(i);
    if (listener->revents)
        accept_client();
}

/* ---- The old one ---- */

static pid_t start_successor(char **argv, int sock)
{
    char number[12];
    snprintf(number, sizeof number, "%d", sock);
    fflush(stdout);
    const pid_t child = fork();
    if (child != 0)
        return child;
    if (fcntl(sock, F_SETFD, 0) == 0 && setenv(UNX_HANDOVER_ENV, number, 1) == 0)
        execvp(argv[0], argv);
    _exit(127);
}

static int hand_over(void)
{
    struct unx_handover_fd list[MAX_CLIENTS + 1] = {{listener->fd, LISTENER, ""}};
    struct unx_handover h = {.fds = list, .nfds = 1, .state = &state, .state_max = sizeof state};
    for (unsigned i = 0; i < MAX_CLIENTS; i++) {
        if (polled[i].fd < 0)
            continue;
        list[h.nfds] = (struct unx_handover_fd){.fd = polled[i].fd, .kind = CLIENT};
        snprintf(list[h.nfds++].name, UNX_HANDOVER_NAME, "%u", i);
    }
    const int r = unx_handover_send(successor->fd, &h, 0, PATIENCE);
    if (r == -ECANCELED && !(h.reason & UNX_HANDOVER_FAILED))
        fprintf(stderr, "upgrade: the successor refused, reason %u\n", h.reason);
    return r;
}

/* Returns only if it failed: then everything is as it was. */
static void upgrade(char **argv)
{
    int fds[2], r = unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, fds);
    if (r < 0) {
        fail("pair", r);
        return;
    }
    const pid_t child = start_successor(argv, fds[1]);
    close(fds[1]);
    *successor = (struct pollfd){.fd = fds[0], .events = POLLIN};
    /* Its start may take a while: serve on until it says something, or is gone. */
    for (const time_t end = time(NULL) + PATIENCE / 1000; child > 0 && !successor->revents && time(NULL) < end;)
        serve_round(100);
    if ((r = hand_over()) == 0) {
        printf("handed over: pid %ld\n", (long)getpid());
        exit(fflush(stdout) ? 1 : 0); /* closes our copies; the socket file is the successor's now */
    }
    fail("hand over", r);
    close(fds[0]);
    *successor = (struct pollfd){.fd = -1};
    if (child > 0) { /* it holds nothing of ours, but it may hang */
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
}

/* ---- The successor ---- */

static int take_over(int sock)
{
    struct unx_handover_fd list[MAX_CLIENTS + 1];
    struct unx_handover h = {.fds = list, .nfds = MAX_CLIENTS + 1, .state = &state, .state_max = sizeof state};
    int r = unx_handover_receive(sock, &h, 0, PATIENCE);
    if (r < 0)
        return r;
    int good = h.state_len == sizeof state && state.version == 1;
    for (unsigned i = 0; i < h.fds_got; i++) {
        const int place = list[i].kind == LISTENER ? MAX_CLIENTS : atoi(list[i].name);
        good &= place >= 0 && place <= MAX_CLIENTS;
        good &= unx_adopt(list[i].fd, SOCK_SEQPACKET, list[i].kind == LISTENER ? UNX_LISTENING : 0) >= 0;
        if (good)
            polled[place] = (struct pollfd){.fd = list[i].fd, .events = POLLIN};
        if (good && place < MAX_CLIENTS && state.reply[place].len)
            polled[place].events = POLLOUT;
    }
    r = unx_handover_confirm(sock, good ? 0 : 1);
    close(sock);
    /* -ECONNRESET: the old one died meanwhile, and if we do not serve, nobody does. */
    return !good ? -EPROTO : r == -ECONNRESET ? 0 : r;
}

static int serve(char **argv, const struct unx_addr *a)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP);
    sigprocmask(SIG_BLOCK, &blocked, NULL);
    signal(SIGHUP, on_hangup);
    for (unsigned i = 0; i < MAX_CLIENTS + 2; i++)
        polled[i] = (struct pollfd){.fd = -1, .events = POLLIN};
    const int sock = unx_handover_inherit(UNX_UNSET);
    int r = sock;
    if (sock >= 0)
        r = take_over(sock);
    else if (sock == -ENOENT)
        r = listener->fd = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, a, -1, 0600);
    if (r < 0)
        return fail(sock >= 0 ? "take over" : "listen", r);
    printf("serving: pid %ld, %llu served before\n", (long)getpid(), state.served);
    for (;;) {
        fflush(stdout);
        serve_round(-1);
        if (hangup) {
            hangup = 0;
            upgrade(argv);
        }
    }
}

/* ---- The client: each request has to be answered once, in order ---- */

static int ask(const struct unx_addr *a, unsigned long count)
{
    char text[32], expected[32], answer[64];
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, a, PATIENCE);
    if (fd < 0)
        return fail("connect", fd);
    for (unsigned long i = 1; i <= count; i++) {
        const int len = snprintf(text, sizeof text, "%lu", i), n = snprintf(expected, sizeof expected, "%lu ", i);
        const struct iovec data = {text, (size_t)len}, room = {answer, sizeof answer - 1};
        struct unx_msg req = {.iov = &data, .niov = 1}, rep = {.iov = &room, .niov = 1};
        const int r = unx_call(fd, &req, &rep, PATIENCE);
        if (r < 0)
            return fail(text, r);
        answer[rep.len] = 0;
        if (strncmp(answer, expected, (size_t)n)) {
            fprintf(stderr, "upgrade: request %s was answered with %s\n", text, answer);
            return 1;
        }
    }
    close(fd);
    printf("%lu answers, the last one: %s\n", count, answer);
    return fflush(stdout) ? 1 : 0;
}

int main(int argc, char **argv)
{
    const int serving = argc == 3 && !strcmp(argv[1], "serve");
    const unsigned long count = argc == 4 && !strcmp(argv[1], "ask") ? strtoul(argv[3], NULL, 10) : 0;
    if (!serving && !count) {
        fprintf(stderr, "usage: upgrade serve ADDR | upgrade ask ADDR COUNT\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serving ? serve(argv, &a) : ask(&a, count);
}
