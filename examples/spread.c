// SPDX-License-Identifier: MIT
/*
 * An echo server on several processors: one engine per thread, and connections spread over them.
 *
 *     example_spread @echo 4 &
 *     example_echo ask @echo hello
 *
 * The first thread accepts, and posts each connection to the engine that has the fewest: an operation that comes out
 * there as an event, with the descriptor as its result. From then on it is that thread's alone, and nothing is locked.
 * One operation serves a connection all its life: receiving and answering take turns,
 * so who does not read is not read from.
 */
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <unx/engine.h>
#include <unx/policy.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every connection.
 * See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

enum { WORKERS = 64, CONNECTIONS = 1024, ROOM = 65536 };

static struct worker {
    pthread_t thread;
    struct unx_engine *engine;
    struct unx_op stop; /* posted last of all */
    atomic_uint load;   /* connections that it has, or that are on their way to it */
    unsigned served, stopping;
} workers[WORKERS];

static struct connection {
    _Atomic(struct worker *) owner; /* NULL: free */
    struct unx_op op, bye;
    enum { COMING, READING, ANSWERING } state;
    int fd; /* -1: it is being closed */
    struct iovec iov;
    struct unx_msg m;
    char data[ROOM];
} connections[CONNECTIONS];

/* What is next, after this result? A packet that is too large is gone, and no more than that. 0: the end. */
static void go_on(struct worker *w, struct connection *c, int r)
{
    const int answer = c->state == READING && r > 0;
    if (r > 0 || unx_one_message(r)) {
        c->state = answer ? ANSWERING : READING;
        c->iov = (struct iovec){c->data, answer ? c->m.len : ROOM};
        c->m = (struct unx_msg){.iov = &c->iov, .niov = 1};
        if ((answer ? unx_engine_send(w->engine, &c->op, c->fd, &c->m, 0, -1)
                    : unx_engine_recv(w->engine, &c->op, c->fd, &c->m, 0, -1)) >= 0)
            return;
    }
    unx_engine_close(w->engine, &c->bye, c->fd); /* what is out comes back first */
    c->fd = -1;
}

static void *work(void *arg)
{
    struct worker *w = arg;
    struct unx_event ev[64];
    while (!w->stopping || w->load > 0) {
        const int n = unx_engine_reap(w->engine, ev, 64, -1);
        for (int i = 0; i < n; i++) {
            struct connection *c = ev[i].op->data;
            if (ev[i].op == &w->stop) {
                w->stopping = 1;
                for (c = connections; c < connections + CONNECTIONS; c++)
                    if (c->owner == w)
                        go_on(w, c, 0);
            } else if (ev[i].op == &c->bye) {
                c->owner = NULL;
                w->load--;
            } else {
                if (c->state == COMING)
                    c->fd = ev[i].result, w->served++;
                go_on(w, c, c->state == COMING ? 1 : ev[i].result);
            }
        }
    }
    return NULL;
}

/* To the engine with the fewest; of several that have as many, to each in turn. */
static void hand_out(int fd, unsigned nworkers)
{
    static unsigned turn;
    struct worker *w = &workers[++turn % nworkers];
    for (unsigned i = 1; i < nworkers; i++)
        if (workers[(turn + i) % nworkers].load < w->load)
            w = &workers[(turn + i) % nworkers];
    struct connection *c = connections;
    while (c < connections + CONNECTIONS && c->owner)
        c++;
    if (c < connections + CONNECTIONS && unx_policy_check(&same_user, fd, NULL, NULL) == 0) {
        c->state = COMING, c->op.data = c->bye.data = c;
        c->owner = w;
        w->load++;
        unx_engine_post(w->engine, &c->op, fd);
    } else {
        close(fd);
    }
}

int main(int argc, char **argv)
{
    const unsigned n = argc == 3 ? (unsigned)atoi(argv[2]) : 0;
    if (n < 1 || n > WORKERS)
        return fprintf(stderr, "usage: spread ADDR THREADS\n"), 2;
    sigset_t set;
    sigemptyset(&set), sigaddset(&set, SIGINT), sigaddset(&set, SIGTERM);
    sigprocmask(SIG_BLOCK, &set, NULL); /* in the threads, too: signals are read from a descriptor */
    struct unx_engine *door;
    struct unx_addr a;
    struct unx_op accepting = {0}, closing = {0}, signals = {0};
    int r = unx_addr_parse(&a, argv[1]);
    const int fd = r < 0 ? r : unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &a, -1, UNX_MODE_UMASK);
    r = fd < 0 ? fd : unx_engine_new(&door, 0, 0);
    r = r < 0 ? r : unx_engine_accept(door, &accepting, fd, UNX_STANDING, -1);
    r = r < 0 ? r : unx_engine_poll(door, &signals, signalfd(-1, &set, SFD_CLOEXEC), POLLIN, -1);
    for (struct worker *w = workers; r >= 0 && w < workers + n; w++) {
        r = unx_engine_new(&w->engine, 0, 0);
        r = r < 0 ? r : -pthread_create(&w->thread, NULL, work, w);
    }
    if (r < 0)
        return fprintf(stderr, "spread: %s\n", unx_explain(r)), 1;
    dprintf(STDOUT_FILENO, "listening\n");
    for (struct unx_event ev = {0}; ev.op != &closing;) {
        if (unx_engine_reap(door, &ev, 1, -1) <= 0)
            continue;
        if (ev.op == &signals)
            unx_engine_close(door, &closing, fd); /* what is accepting ends first */
        else if (ev.op == &accepting && ev.result >= 0)
            hand_out(ev.result, n);
    }
    for (struct worker *w = workers; w < workers + n; w++) {
        unx_engine_post(w->engine, &w->stop, 0);
        pthread_join(w->thread, NULL);
        printf("thread %d: %u connections\n", (int)(w - workers), w->served);
        r |= unx_engine_free(w->engine);
    }
    unx_engine_free(door);
    return r < 0;
}
