// SPDX-License-Identifier: MIT
/*
 * The skeleton of a daemon: a listener that is safe to start twice and to restart under load, threads that accept, and
 * an end on SIGTERM or SIGINT that loses no client.
 *
 *     example_listener /run/me/sock &             then: example_echo ask /run/me/sock hello
 *     example_listener /run/me/sock replace &     takes the path from the one before; then kill that one
 *
 * The file has mode 0660, and is ours alone: started twice, the second one says that the name is taken; what a killed
 * one left behind is taken over; at the end the file goes, unless a successor has replaced it. Stopping is one call,
 * which a signal handler may make: every thread then serves who had connected already, and comes to its end.
 */
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <unx/listener.h>

#define THREADS 4

static struct unx_listener *listener;
static atomic_uint served;

static int fail(const char *what, int error)
{
    fprintf(stderr, "listener: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void on_signal(int sig)
{
    (void)sig;
    unx_listener_stop(listener, 0);
}

/* One request, one answer. A client that says nothing holds up its thread for two seconds. */
static void serve(int fd)
{
    char buf[65536];
    const struct iovec room = {buf, sizeof buf};
    struct unx_msg in = {.iov = &room, .niov = 1};
    unx_set_timeout(fd, UNX_RECV, 2000);
    if (unx_recv(fd, &in, 0) == 1) {
        const struct iovec data = {buf, in.len};
        struct unx_msg out = {.iov = &data, .niov = 1};
        if (unx_send(fd, &out, UNX_DONTWAIT) == 1)
            atomic_fetch_add(&served, 1);
    }
    close(fd);
}

static void *work(void *arg)
{
    int fd;
    while ((fd = unx_listener_accept(listener, 0, NULL, -1)) >= 0)
        serve(fd);
    if (fd != -ESHUTDOWN)
        fail("accept", fd);
    return arg;
}

int main(int argc, char **argv)
{
    const int replace = argc == 3 && !strcmp(argv[2], "replace");
    if (argc != 2 && !replace) {
        fprintf(stderr, "usage: listener PATH [replace]\n");
        return 2;
    }
    struct unx_listener_options options = UNX_LISTENER_OPTIONS;
    options.mode = 0660;
    const int r =
        unx_listener_open_path(&listener, SOCK_SEQPACKET, replace ? UNX_REPLACE : 0, AT_FDCWD, argv[1], &options);
    if (r < 0)
        return fail(argv[1], r);
    const struct sigaction sa = {.sa_handler = on_signal};
    sigaction(SIGTERM, &sa, NULL);
    sigaction(SIGINT, &sa, NULL);
    printf("listening\n");
    fflush(stdout);
    pthread_t thread[THREADS];
    int n = 0;
    while (n < THREADS && pthread_create(&thread[n], NULL, work, NULL) == 0)
        n++;
    if (n == 0)
        work(NULL);
    for (int i = 0; i < n; i++)
        pthread_join(thread[i], NULL);
    signal(SIGTERM, SIG_IGN); /* from here on there is nothing to stop */
    signal(SIGINT, SIG_IGN);
    const int closed = unx_listener_close(listener);
    if (closed < 0)
        fail("the file stays", closed);
    printf("stopped, %u served\n", atomic_load(&served));
    return 0;
}
