// SPDX-License-Identifier: MIT
/*
 * The thread of a server that closes what came from others (server.h).
 *
 * What surprised us: closing a connection closes what is unread in it, closing a socket that was passed closes what is
 * in its queue, and so on; each waits for whatever it has to wait for. The library switches lingering off on what it
 * closes itself, which does not reach inside. But a process that ends does not linger (inet_release() asks for that).
 * So a child gets a copy of all, by being forked; this process closes its own, which are not the last ones; and the
 * child ends. That is also quick: reading 70,000 descriptors out of a connection to close each takes a hundred
 * times as long.
 */
#include "../harness.h"
#include "server.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

enum { CLOSER_MAX = 512 };
static struct {
    pthread_mutex_t mutex;
    pthread_cond_t more;
    pthread_t thread;
    int queue[CLOSER_MAX];
    unsigned n;
    bool end;
} closer = {.mutex = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER};

static void no_linger(int fd)
{
    const struct linger off = {0, 0};
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &off, sizeof off);
}

static void close_all(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
}

/* Closes them so that the last close of each is that of a child which ends. */
static void close_by_child(const int *fds, unsigned n)
{
    /* One at a time: two children that have copies of each other's pipe would wait for each other. */
    static pthread_mutex_t one = PTHREAD_MUTEX_INITIALIZER;
    int go[2];
    char c;
    pthread_mutex_lock(&one);
    const pid_t child = pipe2(go, O_CLOEXEC) == 0 ? fork() : -1;
    if (child == 0) {
        close(go[1]);
        _exit(read(go[0], &c, 1) < 0);
    }
    close_all(fds, n);
    if (child > 0) {
        close(go[0]);
        close(go[1]);
    }
    pthread_mutex_unlock(&one);
}

static void *closer_run(void *arg)
{
    static int now[CLOSER_MAX];
    pthread_mutex_lock(&closer.mutex);
    while (closer.n > 0 || !closer.end) {
        while (closer.n == 0 && !closer.end) {
            pthread_cond_wait(&closer.more, &closer.mutex);
        }
        const unsigned n = closer.n;
        memcpy(now, closer.queue, n * sizeof *now);
        closer.n = 0;
        pthread_mutex_unlock(&closer.mutex);
        close_by_child(now, n);
        pthread_mutex_lock(&closer.mutex);
    }
    pthread_mutex_unlock(&closer.mutex);
    return arg;
}

static void closer_add(int fd)
{
    pthread_mutex_lock(&closer.mutex);
    const bool room = closer.n < CLOSER_MAX;
    if (room) {
        closer.queue[closer.n++] = fd;
    }
    pthread_cond_signal(&closer.more);
    pthread_mutex_unlock(&closer.mutex);
    if (!room) {
        close_by_child(&fd, 1);
    }
}

bool fd_is_pipe(int fd)
{
    return fcntl(fd, F_GETPIPE_SZ) > 0;
}

void dispose(const int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (fd_is_pipe(fds[i])) {
            /* Nothing to wait for; and who waits for a barrier is not to wait for what others have sent. */
            close(fds[i]);
        } else {
            no_linger(fds[i]);
            closer_add(fds[i]);
        }
    }
}

void farewell(int fd)
{
    unx_shutdown(fd, SHUT_RDWR);
    closer_add(fd);
}

void closer_start(void)
{
    /* Nobody waits for the children. */
    CHECK(signal(SIGCHLD, SIG_IGN) != SIG_ERR);
    CHECK_INT(pthread_create(&closer.thread, NULL, closer_run, NULL), 0);
}

void closer_stop(void)
{
    pthread_mutex_lock(&closer.mutex);
    closer.end = true;
    pthread_cond_signal(&closer.more);
    pthread_mutex_unlock(&closer.mutex);
    CHECK_INT(pthread_join(closer.thread, NULL), 0);
}
