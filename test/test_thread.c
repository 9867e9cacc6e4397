// SPDX-License-Identifier: MIT
/*
 * Threads: many on one socket, and some of them cancelled.
 *
 * What surprised us (glibc 2.36): a thread cancelled in recvmsg(2) may already have received, and then the descriptors
 * are nobody's; every second one of 3000 such threads leaked.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/syscall.h>

struct receiver {
    int fd, got;
    struct unx_msg m;
    pthread_barrier_t ready;
};

static void *receives(void *arg)
{
    struct receiver *r = arg;
    char c;
    const struct iovec in = {&c, 1};
    r->m = message(&in, 1);
    r->m.fds = &r->got;
    r->m.nfds = 1;
    raw_run_last();
    pthread_barrier_wait(&r->ready);
    CHECK_INT(unx_recv(r->fd, &r->m, 0), 1);
    return NULL;
}

static void *accepts(void *arg)
{
    struct receiver *r = arg;
    raw_run_last();
    pthread_barrier_wait(&r->ready);
    r->got = unx_accept(r->fd, 0, NULL);
    CHECK(r->got >= 0);
    return NULL;
}

static pthread_t start(struct receiver *r, void *(*run)(void *), int fd)
{
    pthread_t t;
    r->fd = fd;
    r->got = -1;
    CHECK_INT(pthread_barrier_init(&r->ready, NULL, 2), 0);
    CHECK_INT(pthread_create(&t, NULL, run, r), 0);
    pthread_barrier_wait(&r->ready);
    return t;
}

/* Every cancelled thread has what it received, or nothing was received. */
static void cancelled_receiver(void)
{
    int s[2], p[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pipe(p);
    /* The message and the cancellation are both there before the thread runs again. */
    raw_one_cpu();
    /* A thread that runs last runs seldom where others want the processor. */
    const int64_t start_ms = raw_now();
    for (unsigned i = 0; i < 500 && raw_now() - start_ms < 10000; i++) {
        struct receiver r;
        const pthread_t t = start(&r, receives, s[0]);
        if (i % 2) {
            raw_sleep(1);
        }
        raw_send(s[1], "x", 1, &p[1], 1);
        pthread_cancel(t);
        CHECK_INT(pthread_join(t, NULL), 0);
        CHECK(r.got >= 0);
        close(r.got);
        pthread_barrier_destroy(&r.ready);
    }
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    close_pair(s);
}

static void cancelled_acceptor(void)
{
    const char *name = raw_name("cancel");
    const struct raw_addr a = raw_abstract(name, strlen(name));
    const int listener = raw_listen(SOCK_STREAM, a, 5);
    raw_one_cpu();
    /* A thread that runs last runs seldom where others want the processor. */
    const int64_t start_ms = raw_now();
    for (unsigned i = 0; i < 500 && raw_now() - start_ms < 10000; i++) {
        struct receiver r;
        const pthread_t t = start(&r, accepts, listener);
        if (i % 2) {
            raw_sleep(1);
        }
        const int client = raw_connect(SOCK_STREAM, a);
        pthread_cancel(t);
        CHECK_INT(pthread_join(t, NULL), 0);
        CHECK(r.got >= 0);
        close(r.got);
        close(client);
        pthread_barrier_destroy(&r.ready);
    }
    close(listener);
}

/* A cancellation that is pending before the call and while it waits stays pending. */
static void waits_though_cancelled(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct receiver r;
    const pthread_t t = start(&r, receives, s[0]);
    pthread_cancel(t);
    raw_sleep(100);
    raw_send(s[1], "x", 1, &s[1], 1);
    CHECK_INT(pthread_join(t, NULL), 0);
    CHECK(r.got >= 0);
    close(r.got);
    pthread_barrier_destroy(&r.ready);
    close_pair(s);
}

/* Where the thread is: the line that is not left is the one that was cancelled. */
static volatile int where;
#define MUST(call, want)                                                                                               \
    do {                                                                                                               \
        where = __LINE__;                                                                                              \
        CHECK_INT(call, want);                                                                                         \
    } while (0)

static int checked(int fd)
{
    CHECK(fd >= 0);
    return fd;
}
#define NEW(call) (where = __LINE__, checked(call))

/* close(2) without being a cancellation point. */
static void put_away(int fd)
{
    CHECK_INT(syscall(SYS_close, fd), 0);
}

static void use_sockets(int listener, const struct unx_addr *to)
{
    struct unx_addr a, fresh;
    int s[2], ms, error;
    MUST(unx_pair(SOCK_STREAM, UNX_PASSCRED, s), 0);
    MUST(unx_accept(listener, 0, &a), -EAGAIN);
    const int client = NEW(unx_connect(SOCK_STREAM, 0, NULL, to, 100));
    const int server = NEW(unx_accept(listener, 0, &a));
    const int copy = NEW(unx_dup(server));
    MUST(unx_adopt(copy, SOCK_STREAM, UNX_NONBLOCK), SOCK_STREAM);
    MUST(unx_local_addr(server, &a), 0);
    MUST(unx_peer_addr(server, &a), 0);
    MUST(unx_set_nonblock(server, 0), 0);
    MUST(unx_get_nonblock(server), 0);
    MUST(unx_set_timeout(server, UNX_RECV, 50), 0);
    MUST(unx_get_timeout(server, UNX_RECV, &ms), 0);
    MUST(unx_take_error(server, &error), 0);
    MUST(unx_shutdown(server, SHUT_RDWR), 0);
    put_away(copy);
    put_away(server);
    put_away(client);
    MUST(unx_addr_path(&fresh, raw_file("cancel")), 0);
    const int bound = NEW(unx_bind(SOCK_DGRAM, 0, &fresh, 0600));
    const int sender = NEW(unx_socket(SOCK_DGRAM, 0));
    MUST(unx_connect_to(sender, &fresh), 0);
    MUST(unx_disconnect(sender), 0);
    put_away(sender);
    put_away(bound);
    const int path = NEW(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, raw_file_of(200), -1, 0600));
    const int far = NEW(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, raw_file_of(200), 100));
    put_away(far);
    put_away(path);
    put_away(s[0]);
    put_away(s[1]);
}

static void use_batches(const int s[2])
{
    char c[2];
    int fd;
    const struct iovec out = BYTES("x"), in = {c, sizeof c};
    struct unx_msg m[2] = {message(&out, 1), message(&out, 1)}, r[2] = {message(&in, 1), message(&in, 1)};
    MUST(unx_send_many(s[0], m, 2, 0), 2);
    MUST(unx_recv_many(s[1], r, 2, 0), 2);
    MUST(unx_recv_many(s[1], r, 2, UNX_DONTWAIT), -EAGAIN);
    MUST(unx_recv_many(s[1], r, 2, 0), -EAGAIN);
    MUST(unx_send_fds(s[0], "x", 1, s, 1), 1);
    MUST(unx_recv_fds(s[1], c, 1, &fd, 1), 1);
    put_away(fd);
    where = __LINE__;
    const int max = unx_max_packet(s[0]);
    CHECK(max > 0);
    where = __LINE__;
    CHECK(unx_grow_packet(s[0], (size_t)max + 1) >= max);
}

static void use_messages(void)
{
    int s[2];
    char c = 'x';
    const struct iovec iov = {&c, 1};
    struct unx_cred cred;
    MUST(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS, s), 0);
    struct unx_msg m = message(&iov, 1), r = message(&iov, 1);
    MUST(unx_send(s[0], &m, 0), 1);
    MUST(unx_wait(s[1], POLLIN, 100), POLLIN);
    MUST(unx_recv(s[1], &m, UNX_KEEP), 1);
    MUST(unx_send(s[0], &m, UNX_PLAIN), 1);
    MUST(unx_recv(s[1], &m, UNX_PLAIN), 1);
    MUST(unx_send_fd(s[0], "x", 1, s[0]), 1);
    MUST(unx_recv(s[1], &m, 0), -ENOBUFS);
    MUST(unx_set_timeout(s[1], UNX_RECV, 20), 0);
    MUST(unx_recv(s[1], &m, 0), -EAGAIN);
    use_batches(s);
    MUST(unx_call(s[0], &m, &r, 20), -ETIMEDOUT);
    MUST(unx_wait(s[0], POLLIN, 20), -ETIMEDOUT);
    MUST(unx_peer_cred(s[0], &cred), 0);
    where = __LINE__;
    const int pidfd = unx_peer_pidfd(s[0]);
    CHECK(pidfd >= 0 || pidfd == -EOPNOTSUPP);
    if (pidfd >= 0) {
        MUST(unx_pidfd_check(pidfd, getpid()), 1);
        put_away(pidfd);
    }
    put_away(s[0]);
    put_away(s[1]);
}

struct pending {
    int listener;
    struct unx_addr to;
    atomic_int finished;
};

/* Its cancellation is pending from the start, so the first cancellation point is its end. */
static void *calls_everything(void *arg)
{
    struct pending *p = arg;
    int state;
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state), 0);
    pthread_cancel(pthread_self());
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    use_sockets(p->listener, &p->to);
    use_messages();
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    CHECK_INT(state, PTHREAD_CANCEL_ENABLE);
    p->finished = 1;
    /* A sanitizer does not survive a thread that is unwound; so there it just ends. */
    if (!harness_sanitized()) {
        pthread_testcancel();
        p->finished = 2;
    }
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state), 0);
    return NULL;
}

static void no_cancellation_point(void)
{
    struct pending p = {.finished = 0};
    const char *name = raw_name("pending");
    const struct raw_addr a = raw_abstract(name, strlen(name));
    p.listener = raw_listen(SOCK_STREAM, a, 5);
    CHECK_INT(fcntl(p.listener, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(unx_addr_abstract(&p.to, name, strlen(name)), 0);
    raw_file("made before, because it opens a directory");
    pthread_t t;
    void *end;
    CHECK_INT(pthread_create(&t, NULL, calls_everything, &p), 0);
    CHECK_INT(pthread_join(t, &end), 0);
    if (p.finished == 0) {
        harness_fail(__FILE__, where, "this call is a cancellation point");
    }
    CHECK_INT(p.finished, 1);
    CHECK(end == (harness_sanitized() ? NULL : PTHREAD_CANCELED));
    close(p.listener);
}

#define SENDERS 3
#define RECEIVERS 4
#define EACH 2000

struct crowd {
    int type, out, in;
    atomic_uint received, total;
    unsigned char seen[SENDERS][EACH];
};

struct member {
    struct crowd *crowd;
    unsigned number;
};

struct header {
    unsigned sender, number, len;
};

static void *crowd_sends(void *arg)
{
    const struct member *me = arg;
    for (unsigned i = 0; i < EACH; i++) {
        static _Thread_local char data[5000];
        const struct header h = {me->number, i, (i * 37 + me->number) % (sizeof data - 100) + 1};
        raw_pattern(data, h.len, i);
        const struct iovec iov[2] = {{(void *)&h, sizeof h}, {data, h.len}};
        struct unx_msg m = message(iov, 2);
        CHECK_INT(unx_send(me->crowd->out, &m, 0), 1);
        CHECK_INT(m.len, sizeof h + h.len);
    }
    return NULL;
}

static void *crowd_receives(void *arg)
{
    const struct member *me = arg;
    struct crowd *c = me->crowd;
    for (;;) {
        static _Thread_local char data[5000];
        struct header h;
        const struct iovec iov[2] = {{&h, sizeof h}, {data, sizeof data}};
        struct unx_msg m = message(iov, 2);
        CHECK_INT(unx_recv(c->in, &m, 0), 1);
        if (m.len == 1) {
            return NULL;
        }
        CHECK_INT(m.len, sizeof h + h.len);
        CHECK(h.sender < SENDERS && h.number < EACH);
        CHECK(raw_pattern_ok(data, h.len, h.number));
        CHECK_INT(__atomic_exchange_n(&c->seen[h.sender][h.number], 1, __ATOMIC_RELAXED), 0);
        c->received++;
    }
}

static void many(int type)
{
    int s[2];
    raw_pair(type, s);
    struct crowd *c = calloc(1, sizeof *c);
    c->out = s[0];
    c->in = s[1];
    pthread_t senders[SENDERS], receivers[RECEIVERS];
    struct member members[RECEIVERS];
    for (unsigned i = 0; i < RECEIVERS; i++) {
        members[i] = (struct member){c, i};
        CHECK_INT(pthread_create(&receivers[i], NULL, crowd_receives, &members[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        CHECK_INT(pthread_create(&senders[i], NULL, crowd_sends, &members[i]), 0);
    }
    for (unsigned i = 0; i < SENDERS; i++) {
        CHECK_INT(pthread_join(senders[i], NULL), 0);
    }
    /* A message of one byte sends one receiver home. */
    for (unsigned i = 0; i < RECEIVERS; i++) {
        raw_send(s[0], "x", 1, NULL, 0);
    }
    for (unsigned i = 0; i < RECEIVERS; i++) {
        CHECK_INT(pthread_join(receivers[i], NULL), 0);
    }
    CHECK_INT(c->received, SENDERS * EACH);
    free(c);
    close_pair(s);
}

static void many_on_a_seqpacket(void)
{
    many(SOCK_SEQPACKET);
}

static void many_on_a_datagram_pair(void)
{
    many(SOCK_DGRAM);
}

static const struct test_case cases[] = {
    {"cancelled_receiver", cancelled_receiver, 0, 60},
    {"cancelled_acceptor", cancelled_acceptor, 0, 60},
    {"waits_though_cancelled", waits_though_cancelled, 0, 60},
    CASE(no_cancellation_point),
    {"many_on_a_seqpacket", many_on_a_seqpacket, 0, 60},
    {"many_on_a_datagram_pair", many_on_a_datagram_pair, 0, 60},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
