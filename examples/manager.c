// SPDX-License-Identifier: MIT
/*
 * A service manager in small: it listens for a service, starts it with the first client, and hears how it goes.
 *
 *     example_manager @echo example_service &
 *     example_echo ask @echo hello
 *
 * The service gets the listener as descriptor 3, and an address to be heard at. When it ends, or does not show up for
 * four seconds, the next client starts it again: the listener is the manager's, so no client is refused meanwhile. The
 * address is an abstract name, which anybody can send to: what counts is that the kernel says who did. Who may talk to
 * the service is for the service to say, because it is the one that accepts.
 */
#define _GNU_SOURCE 1 /* execvpe(3) */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <unx/activation.h>

#define WATCHDOG_MS 4000
#define TICK_MS 100

extern char **environ;
static volatile sig_atomic_t ended;

static int fail(const char *what, int error)
{
    fprintf(stderr, "manager: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void on_signal(int sig)
{
    ended = sig;
}

/* In the child: nothing here allocates, so this would also do in a program with threads. */
static void become_service(char **argv, int listener, const struct unx_addr *notify)
{
    static const char *const names[] = {"listener"};
    static char text[UNX_ACTIVATION_TEXT + sizeof "listener"], *env[1024];
    const struct unx_activation a = {.fds = &listener,
                                     .nfds = 1,
                                     .names = names,
                                     .notify = notify,
                                     .watchdog_usec = WATCHDOG_MS * 1000,
                                     .inherit = environ,
                                     .env = env,
                                     .env_max = 1024,
                                     .text = text,
                                     .text_max = sizeof text};
    const int r = unx_activation_pass(&a, 0);
    if (r == 0)
        execvpe(argv[0], argv, env);
    fail(argv[0], r < 0 ? r : -errno);
    _exit(127);
}

/* One notification, if it is the service's. 1: it has shown up. */
static int hear(int fd, pid_t service)
{
    char text[UNX_NOTIFY_MAX + 1];
    int barrier;
    struct unx_cred sender;
    const struct iovec room = {text, sizeof text};
    struct unx_msg m = {.iov = &room, .niov = 1, .fds = &barrier, .nfds = 1, .cred = &sender};
    struct unx_notification n;
    const int r = unx_notify_recv(fd, &m, &n, UNX_DONTWAIT);
    if (r < 0) {
        fail("notification", r);
        return 0;
    }
    if (m.fds_got == 1)
        close(barrier); /* this manager stores nothing */
    if (!(sender.known & UNX_KNOWN_PID) || sender.pid != service)
        return 0;
    if (n.what & UNX_NOTIFY_READY)
        printf("ready\n");
    for (size_t i = 0; i < n.status_len; i++) /* it may end up on a terminal */
        if ((unsigned char)n.status[i] < 0x20 || n.status[i] == 0x7f)
            text[n.status + i - text] = '?';
    if (n.what & UNX_NOTIFY_STATUS)
        printf("status: %.*s\n", (int)n.status_len, n.status);
    return (n.what & (UNX_NOTIFY_READY | UNX_NOTIFY_WATCHDOG)) != 0;
}

/* Until the service has ended. */
static void supervise(int fd, pid_t service)
{
    int status, quiet_ms = 0;
    while (waitpid(service, &status, WNOHANG) == 0) {
        if (unx_wait(fd, POLLIN, TICK_MS) > 0)
            quiet_ms = hear(fd, service) ? 0 : quiet_ms;
        else
            quiet_ms += TICK_MS;
        if (ended || quiet_ms > WATCHDOG_MS) {
            if (!ended)
                printf("no sign of life\n");
            kill(service, SIGKILL);
            waitpid(service, &status, 0);
            break;
        }
        fflush(stdout);
    }
    printf("the service has ended\n");
    fflush(stdout);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: manager ADDR PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    struct unx_addr a, here;
    int r = unx_addr_parse(&a, argv[1]);
    const int listener = r < 0 ? r : unx_listen(SOCK_SEQPACKET, 0, &a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail(argv[1], listener);
    unx_addr_unnamed(&here); /* the kernel picks a name */
    const int fd = unx_notify_bind(0, &here, UNX_MODE_UMASK);
    if (fd < 0 || (r = unx_local_addr(fd, &here)) < 0)
        return fail("notifications", fd < 0 ? fd : r);
    const struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    printf("listening\n");
    fflush(stdout);
    while (!ended) {
        r = unx_wait(listener, POLLIN, TICK_MS);
        if (r == -ETIMEDOUT)
            continue;
        if (r < 0)
            return fail("listener", r);
        const pid_t service = fork();
        if (service == 0)
            become_service(argv + 2, listener, &here);
        if (service < 0)
            return fail("fork", -errno);
        supervise(fd, service);
    }
    return 0;
}
