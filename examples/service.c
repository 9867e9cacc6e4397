// SPDX-License-Identifier: MIT
/*
 * A service: an echo server that a service manager may start with its socket, and that tells how it goes.
 *
 *     example_service @echo &                                                     by itself
 *     systemd-socket-activate --seqpacket -l @echo example_service &              with the socket of a manager
 *     example_manager @echo example_service &                                     the same, and the manager listens
 *     example_echo ask @echo hello
 *
 * One program for all of these: without a manager nothing is adopted, and nobody is told; neither is an error. It says
 * READY when it serves, STATUS after each client, and, if its manager wants that, that it is alive.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <unx/activation.h>
#include <unx/policy.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static uint64_t watchdog_usec;
static unsigned served;

static int fail(const char *what, int error)
{
    fprintf(stderr, "service: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void tell(const char *text)
{
    const int r = unx_notify(text, NULL, 0, 0, 1000); /* a manager that hangs costs a second, not the service */
    if (r < 0)
        fail("notify", r);
}

/* Waits for fd, and shows up at the watchdog meanwhile: twice as often as it has to. */
static int wait_alive(int fd)
{
    const int interval = watchdog_usec == 0 ? -1 : watchdog_usec / 2000 > 60000 ? 60000 : (int)(watchdog_usec / 2000);
    int r;
    while ((r = unx_wait(fd, POLLIN, interval)) == -ETIMEDOUT || r == -EAGAIN)
        tell("WATCHDOG=1");
    return r < 0 ? r : 0;
}

static int echo(int fd, char *buf, size_t size, size_t *len)
{
    const struct iovec room = {buf, size};
    struct unx_msg in = {.iov = &room, .niov = 1};
    int r;
    while ((r = wait_alive(fd)) == 0 && (r = unx_recv(fd, &in, 0)) == 1) {
        const struct iovec data = {buf, in.len};
        struct unx_msg out = {.iov = &data, .niov = 1};
        r = unx_send(fd, &out, UNX_DONTWAIT); /* who does not read gets no answer */
        if (r < 0)
            break;
        *len = in.len;
    }
    return r;
}

/* What a client wrote may hold anything; unx_notify_put() refuses a line that would be two. */
static void tell_status(const char *last, size_t len)
{
    char value[256], text[512] = "";
    snprintf(value, sizeof value, "%u served, the last one said: %.*s", ++served, len < 64 ? (int)len : 64, last);
    if (unx_notify_put(text, sizeof text, "STATUS", value) > 0)
        tell(text);
}

static int serve(int listener)
{
    static char buf[65536];
    int r, fd;
    while ((r = wait_alive(listener)) == 0) {
        if ((fd = unx_accept(listener, 0, NULL)) < 0)
            return fail("accept", fd);
        size_t len = 0;
        r = unx_policy_check(&same_user, fd, NULL, NULL);
        r = r < 0 ? r : echo(fd, buf, sizeof buf, &len);
        close(fd);
        if (r < 0)
            fail("client", r);
        tell_status(buf, len);
    }
    return fail("listener", r);
}

/* The socket that the manager gave us; without one, a socket of our own. */
static int get_listener(const char *address)
{
    struct unx_activated given[4];
    struct unx_addr a;
    const int n = unx_activation_adopt(given, 4, UNX_UNSET);
    if (n > 0) {
        const int i = unx_activation_find(given, (unsigned)n, NULL, SOCK_SEQPACKET, UNX_LISTENING, NULL);
        return i < 0 ? i : given[i].fd;
    }
    if (n < 0)
        return n;
    const int r = unx_addr_parse(&a, address);
    return r < 0 ? r : unx_listen(SOCK_SEQPACKET, 0, &a, -1, UNX_MODE_UMASK);
}

int main(int argc, char **argv)
{
    if (argc > 2) {
        fprintf(stderr, "usage: service [ADDR]\n");
        return 2;
    }
    const int listener = get_listener(argc == 2 ? argv[1] : "");
    if (listener < 0)
        return fail("no socket to listen on", listener);
    const int r = unx_notify_watchdog(&watchdog_usec, UNX_UNSET);
    if (r < 0)
        fail("watchdog", r);
    printf("listening\n");
    fflush(stdout);
    tell("READY=1\nSTATUS=serving");
    return serve(listener);
}
