// SPDX-License-Identifier: MIT
/*
 * What happens inside of one call, between two of its system calls: a signal, a reset.
 *
 * The moment is not left to luck: a filter of system calls stops the calling thread at its first ppoll(2), and it goes
 * on after the other thread has done its worst. The hammer at the end tries the same with nothing but speed.
 *
 * What surprised us (Linux 6.18): a signal interrupts even a ppoll(2) that does not wait.
 */
#include "message.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

#define BATCH 20u

struct race {
    int (*call)(struct race *r);
    int (*event)(pthread_t caller, struct race *r); /* what happens meanwhile; 0: the stopped call shall go on */
    int s[2], pidfd, result, watched;
    char data[BATCH][8];
    struct iovec iov[BATCH];
    struct unx_msg m[BATCH];
    pthread_barrier_t ready;
    atomic_bool done;
};

/* From here on each ppoll(2) of this thread waits until somebody says so: the descriptor to say it by. */
static int watch_polls(void)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_ppoll, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void *calls(void *arg)
{
    struct race *r = arg;
    r->watched = watch_polls();
    pthread_barrier_wait(&r->ready);
    if (r->watched >= 0) {
        r->result = r->call(r);
    }
    r->done = true;
    return NULL;
}

static void let_go_on(int watched, uint64_t id)
{
    struct seccomp_notif_resp answer = {.id = id, .flags = SECCOMP_USER_NOTIF_FLAG_CONTINUE};
    CHECK_INT(ioctl(watched, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
}

/* Runs the call, with the event in its first poll; the other polls pass. */
static void run(struct race *r)
{
    pthread_t t;
    CHECK_INT(pthread_barrier_init(&r->ready, NULL, 2), 0);
    CHECK_INT(pthread_create(&t, NULL, calls, r), 0);
    pthread_barrier_wait(&r->ready);
    unsigned polls = 0;
    while (r->watched >= 0 && !r->done) {
        struct pollfd p = {r->watched, POLLIN, 0};
        struct seccomp_notif stopped = {.id = 0};
        if (poll(&p, 1, 10) <= 0 || (p.revents & POLLIN) == 0) {
            continue;
        }
        if (ioctl(r->watched, SECCOMP_IOCTL_NOTIF_RECV, &stopped) == 0 && (polls++ > 0 || r->event(t, r) == 0)) {
            let_go_on(r->watched, stopped.id);
        }
    }
    CHECK_INT(pthread_join(t, NULL), 0);
    pthread_barrier_destroy(&r->ready);
    if (r->watched < 0) {
        SKIP("no filter of system calls that tells here");
    }
    close(r->watched);
    CHECK(polls > 0);
}

static void prepare(struct race *r, int type)
{
    memset(r, 0, sizeof *r);
    if (type != 0) {
        raw_pair(type, r->s);
    }
    for (unsigned i = 0; i < BATCH; i++) {
        r->iov[i] = (struct iovec){r->data[i], sizeof r->data[i]};
        r->m[i] = message(&r->iov[i], 1);
    }
}

static int receives(struct race *r)
{
    return unx_recv(r->s[0], r->m, UNX_DONTWAIT);
}

static int receives_many(struct race *r)
{
    return unx_recv_many(r->s[0], r->m, BATCH, UNX_DONTWAIT);
}

static int checks(struct race *r)
{
    return unx_pidfd_check(r->pidfd, getpid());
}

/* ---- a signal ---- */

static void on_signal(int number)
{
    (void)number;
}

static int signal_comes(pthread_t caller, struct race *r)
{
    (void)r;
    CHECK_INT(pthread_kill(caller, SIGUSR2), 0);
    return 1;
}

static void handle_signals(void)
{
    struct sigaction a = {.sa_handler = on_signal};
    sigemptyset(&a.sa_mask);
    CHECK_INT(sigaction(SIGUSR2, &a, NULL), 0);
}

static int open_pidfd(void)
{
    const int fd = (int)syscall(SYS_pidfd_open, getpid(), 0);
    if (fd < 0) {
        SKIP("no pidfds on this kernel");
    }
    return fd;
}

static void signal_and_an_empty_packet(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    handle_signals();
    for (unsigned many = 0; many < 2; many++) {
        for (unsigned t = 0; t < 2; t++) {
            if (many && types[t] == SOCK_DGRAM) {
                continue; /* a batch of datagrams needs no poll */
            }
            struct race r;
            prepare(&r, types[t]);
            const unsigned n = many ? BATCH : 1;
            for (unsigned i = 0; i < n; i++) {
                raw_send(r.s[1], "", 0, NULL, 0);
            }
            r.call = many ? receives_many : receives;
            r.event = signal_comes;
            run(&r);
            CHECK_INT(r.result, n);
            for (unsigned i = 0; i < n; i++) {
                CHECK_INT(r.m[i].error, 0);
                CHECK_INT(r.m[i].len, 0);
            }
            check_nothing(r.s[0]);
            close_pair(r.s);
        }
    }
}

static void signal_and_a_pidfd(void)
{
    struct race r;
    handle_signals();
    prepare(&r, 0);
    r.pidfd = open_pidfd();
    r.call = checks;
    r.event = signal_comes;
    run(&r);
    CHECK_INT(r.result, 1);
    close(r.pidfd);
}

/* ---- a reset, after the call has found nothing ---- */

static int reset_comes(pthread_t caller, struct race *r)
{
    (void)caller;
    raw_send(r->s[1], "one", 3, NULL, 0);
    raw_send(r->s[1], "two", 3, NULL, 0);
    close(r->s[1]);
    return 0;
}

static void reset_behind_nothing(void)
{
    for (unsigned many = 0; many < 2; many++) {
        struct race r;
        prepare(&r, SOCK_SEQPACKET);
        raw_send(r.s[0], "unread", 6, NULL, 0);
        r.call = many ? receives_many : receives;
        r.event = reset_comes;
        run(&r);
        CHECK_INT(r.result, 1);
        CHECK_MEM(r.data[0], r.m[0].len, "one", 3);
        CHECK_INT(r.m[0].got & UNX_GOT_RESET, UNX_GOT_RESET);
        CHECK_INT(receives(&r), 1);
        CHECK_MEM(r.data[0], r.m[0].len, "two", 3);
        CHECK_INT(r.m[0].got & UNX_GOT_RESET, 0);
        CHECK_INT(receives(&r), 0);
        close(r.s[0]);
    }
}

/* ---- the hammer ---- */

/* Half a second of it: of 500 signals some come at the wrong moment. */
static void hammer(struct race *r, unsigned n, int want)
{
    raw_need_no_valgrind("it interrupts what the kernel does not");
    raw_signals_start();
    const int64_t start = raw_now();
    while (raw_now() - start < 500) {
        for (unsigned i = 0; i < n; i++) {
            raw_send(r->s[1], "", 0, NULL, 0);
        }
        CHECK_INT(r->call(r), want);
    }
    raw_signals_came(10);
}

static void hammered_empty_packets(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned many = 0; many < 2; many++) {
        for (unsigned t = 0; t < 2; t++) {
            struct race r;
            const unsigned n = many ? BATCH : 1;
            prepare(&r, types[t]);
            r.call = many ? receives_many : receives;
            hammer(&r, n, (int)n);
            close_pair(r.s);
        }
    }
}

static void hammered_pidfd(void)
{
    struct race r;
    prepare(&r, 0);
    r.pidfd = open_pidfd();
    r.call = checks;
    hammer(&r, 0, 1);
    close(r.pidfd);
}

static const struct test_case cases[] = {
    CASE(signal_and_an_empty_packet), CASE(signal_and_a_pidfd), CASE(reset_behind_nothing),
    CASE(hammered_empty_packets),     CASE(hammered_pidfd),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
