// SPDX-License-Identifier: MIT
/*
 * Many connections at once: 19,000, or the limit of descriptors less 500, each end in a process of its own; one message
 * and its answer on each; and what an idle connection costs the server in memory of its own,
 * beside what its program allocates.
 *
 * What surprised us: the first connections cost more than the later ones, because pools and tables are made for them,
 * so memory is compared between the first hundred and ten thousand.
 */
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>
#include <unx/engine.h>

#define MANY 19000u
#define SPARE 500u
#define FIRST 100u
#define IDLE 10000u
#define AT_ONCE 32u
#define MOST_BYTES 128 /* of an idle connection */

/* One end of a connection, as its program has to keep it. */
struct end {
    struct unx_op in, out;
    struct unx_msg m;
    struct iovec iov;
    uint64_t number;
    int fd;
};

struct many {
    unsigned backend, n;
    int control[2]; /* of the client, of the server */
    struct unx_addr name;
    int listener;
};

struct process {
    const struct many *many;
    struct unx_engine *e;
    struct end *ends;
    struct unx_op accept;
    unsigned open, started, sent, messages, ended;
    bool serves;
};

static struct process *process_new(const struct many *many, bool serves)
{
    struct process *p = calloc(1, sizeof *p);
    CHECK(p != NULL);
    p->many = many;
    p->serves = serves;
    p->ends = calloc(many->n, sizeof *p->ends);
    CHECK(p->ends != NULL);
    /* Touched here and now, so that it does not count later. */
    for (unsigned i = 0; i < many->n; i++) {
        *(volatile int *)&p->ends[i].fd = 0;
    }
    const int r = unx_engine_new(&p->e, 0, many->backend);
    if (r == -EOPNOTSUPP) {
        SKIP("this backend does not work here");
    }
    CHECK_INT(r, 0);
    return p;
}

static void opened(struct process *p, struct end *c, int fd)
{
    CHECK(fd >= 0);
    c->fd = fd;
    c->in.data = c->out.data = c;
    p->open++;
    CHECK_INT(unx_engine_recv(p->e, &c->in, fd, NULL, UNX_STANDING, -1), 0);
}

static void send_number(struct process *p, struct end *c)
{
    c->iov = (struct iovec){&c->number, sizeof c->number};
    c->m = (struct unx_msg){.iov = &c->iov, .niov = 1};
    CHECK_INT(unx_engine_send(p->e, &c->out, c->fd, &c->m, 0, -1), 0);
}

static void connect_next(struct process *p)
{
    struct end *c = &p->ends[p->started++];
    c->in.data = c;
    CHECK_INT(unx_engine_connect(p->e, &c->in, SOCK_SEQPACKET, 0, NULL, &p->many->name, -1), 0);
}

static void on_receive(struct process *p, struct end *c, const struct unx_event *ev)
{
    if ((ev->flags & UNX_MORE) == 0) {
        CHECK(ev->result == 0 || ev->result == -ECANCELED);
        p->ended++;
        if (p->serves) {
            CHECK_INT(ev->result, 0);
            CHECK_INT(unx_engine_close(p->e, &c->out, c->fd), 0);
        }
        return;
    }
    CHECK_INT(ev->result, 1);
    CHECK_INT(ev->msg->len, sizeof c->number);
    uint64_t number;
    memcpy(&number, ev->msg->iov->iov_base, sizeof number);
    CHECK_INT(unx_engine_return(p->e, ev->msg), 0);
    CHECK(p->serves || number == c->number);
    c->number = number;
    p->messages++;
    if (p->serves) {
        send_number(p, c);
    }
}

static void on_event(struct process *p, const struct unx_event *ev)
{
    struct end *c = ev->op->data;
    if (ev->op == &p->accept) {
        if ((ev->flags & UNX_MORE) != 0) {
            CHECK(p->open < p->many->n);
            opened(p, &p->ends[p->open], ev->result);
        }
    } else if (ev->op == &c->in && c->fd == 0) {
        opened(p, c, ev->result);
    } else if (ev->op == &c->in) {
        on_receive(p, c, ev);
    } else if (ev->msg == NULL) {
        CHECK_INT(ev->result, 0);
        c->fd = -1;
        p->open--;
    } else {
        CHECK_INT(ev->result, 1);
        p->sent++;
    }
}

static void reap_until(struct process *p, const unsigned *what, unsigned n)
{
    struct unx_event ev[256];
    while (*what != n) {
        const int got = unx_engine_reap(p->e, ev, 256, 20000);
        if (got <= 0) {
            NOTE("%s: %u of %u after twenty seconds of silence: %u open, %u messages, %u ended",
                 p->serves ? "server" : "client", *what, n, p->open, p->messages, p->ended);
        }
        CHECK(got > 0);
        for (int i = 0; i < got; i++) {
            on_event(p, &ev[i]);
        }
        while (!p->serves && what == &p->open && p->started < n && p->started - p->open < AT_ONCE) {
            connect_next(p);
        }
    }
}

static void free_all(struct process *p)
{
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(p->e, &ev, 1, 0), 0);
    CHECK_INT(unx_engine_free(p->e), 0);
    free(p->ends);
    free(p);
}

static void say(int fd)
{
    CHECK_INT(write(fd, "x", 1), 1);
}

static void hear(int fd)
{
    char c;
    CHECK_INT(read(fd, &c, 1), 1);
}

/* ---- the client ---- */

static void connect_to(struct process *p, unsigned n)
{
    if (p->started < n) {
        connect_next(p);
    }
    reap_until(p, &p->open, n);
    say(p->many->control[0]);
    hear(p->many->control[0]);
}

static void client(void *arg)
{
    const struct many *many = arg;
    close(many->control[1]);
    const int open_before = harness_nfds();
    struct process *p = process_new(many, false);
    connect_to(p, FIRST);
    connect_to(p, many->n < IDLE ? many->n : IDLE);
    connect_to(p, many->n);
    for (unsigned i = 0; i < many->n; i++) {
        p->ends[i].number = i + 1;
        send_number(p, &p->ends[i]);
    }
    reap_until(p, &p->messages, many->n);
    say(many->control[0]);
    hear(many->control[0]);
    for (unsigned i = 0; i < many->n; i++) {
        CHECK_INT(unx_engine_close(p->e, &p->ends[i].out, p->ends[i].fd), 0);
    }
    reap_until(p, &p->open, 0);
    CHECK_INT(p->ended, many->n);
    free_all(p);
    CHECK_INT(harness_nfds(), open_before);
}

/* ---- the server ---- */

struct memory {
    long long allocated, resident;
};

static struct memory memory(void)
{
    struct memory m = {0, 0};
    long long pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    CHECK(f != NULL && fscanf(f, "%*s %lld", &pages) == 1);
    fclose(f);
    m.allocated = (long long)raw_allocated();
    m.resident = pages * sysconf(_SC_PAGESIZE);
    return m;
}

static void accept_to(struct process *p, unsigned n)
{
    reap_until(p, &p->open, n);
    hear(p->many->control[1]);
}

static void measure(struct process *p)
{
    const unsigned idle = p->many->n < IDLE ? p->many->n : IDLE;
    memory();
    const struct memory before = memory();
    say(p->many->control[1]);
    accept_to(p, idle);
    const struct memory after = memory();
    const unsigned more = idle - FIRST;
    const double allocated = (double)(after.allocated - before.allocated) / more;
    const double resident = (double)(after.resident - before.resident) / more;
    NOTE("%s: an idle connection of %u: %.1f bytes allocated, %.1f bytes resident", unx_engine_backend(p->e), idle,
         allocated, resident);
    if (!harness_sanitized() && !raw_under_valgrind() && idle >= 1000) {
        CHECK(allocated <= MOST_BYTES);
        CHECK(resident <= MOST_BYTES);
    }
    say(p->many->control[1]);
}

static void server(void *arg)
{
    const struct many *many = arg;
    close(many->control[0]);
    const int open_before = harness_nfds();
    struct process *p = process_new(many, true);
    CHECK_INT(unx_engine_accept(p->e, &p->accept, many->listener, UNX_STANDING, -1), 0);
    accept_to(p, FIRST);
    measure(p);
    accept_to(p, many->n);
    say(many->control[1]);
    reap_until(p, &p->messages, many->n);
    reap_until(p, &p->sent, many->n);
    hear(many->control[1]);
    say(many->control[1]);
    reap_until(p, &p->ended, many->n);
    reap_until(p, &p->open, 0);
    NOTE("%s: %u connections, a message and its answer on each", unx_engine_backend(p->e), many->n);
    CHECK_INT(unx_engine_cancel(p->e, &p->accept), 0);
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(p->e, &ev, 1, 10000), 1);
    CHECK_INT(ev.result, -ECANCELED);
    free_all(p);
    CHECK_INT(harness_nfds(), open_before);
}

static void run(unsigned backend, unsigned n)
{
    struct rlimit limit;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &limit), 0);
    limit.rlim_cur = limit.rlim_max;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
    if (limit.rlim_max < SPARE + FIRST * 2) {
        SKIP("the limit of descriptors is %llu", (unsigned long long)limit.rlim_max);
    }
    struct many many = {.backend = backend, .n = limit.rlim_max - SPARE < n ? (unsigned)limit.rlim_max - SPARE : n};
    char name[32];
    const int len = snprintf(name, sizeof name, "unx-many-%d", (int)getpid());
    CHECK_INT(unx_addr_abstract(&many.name, name, (size_t)len), 0);
    many.listener = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &many.name, -1, UNX_MODE_UMASK);
    CHECK(many.listener >= 0);
    CHECK_INT(unx_pair(SOCK_STREAM, 0, many.control), 0);
    const pid_t a = harness_fork(server, &many), b = harness_fork(client, &many);
    /* Whoever waits for the other process hears when it has failed. */
    close(many.control[0]);
    close(many.control[1]);
    harness_wait(a);
    harness_wait(b);
    close(many.listener);
}

static void on_io_uring(void)
{
    run(UNX_ENGINE_URING, MANY);
}

static void on_epoll(void)
{
    run(UNX_ENGINE_EPOLL, MANY);
}

static void on_poll(void)
{
    run(UNX_ENGINE_POLL, 1000);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"on_io_uring", on_io_uring, 0, 120},
        {"on_epoll", on_epoll, 0, 120},
        {"on_poll", on_poll, 0, 120},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
