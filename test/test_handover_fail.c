// SPDX-License-Identifier: MIT
/*
 * Handing over when something goes wrong: a refusal, a deadline, a death on either side. Exactly one of the two serves
 * afterwards, both know which, and the other holds nothing.
 */
#include "handover.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/syscall.h>
#include <sys/wait.h>

/* An old program with two descriptors, one of which shows when its last copy is closed. */
struct old {
    int s[2], pipe[2], listener;
    struct unx_handover_fd list[2];
    char state[2000];
    struct unx_handover h;
    int before;
};

static void old_start(struct old *o)
{
    struct unx_addr a;
    o->before = harness_nfds();
    memset(o->state, 7, sizeof o->state);
    handover_pair(o->s);
    raw_pipe(o->pipe);
    CHECK_INT(unx_addr_unnamed(&a), 0);
    o->listener = unx_listen(SOCK_SEQPACKET, 0, &a, 1, UNX_MODE_UMASK);
    CHECK(o->listener >= 0);
    const int fds[2] = {o->pipe[1], o->listener};
    handover_list(o->list, 2, fds, 2);
    o->h = handover_of(o->list, 2, o->state, sizeof o->state);
}

/* It serves on: what it lent is open, here and, with its own copy closed too, nowhere else. */
static void old_end(struct old *o)
{
    CHECK(raw_is_open(o->pipe[1]));
    CHECK_INT(unx_adopt(o->listener, SOCK_SEQPACKET, UNX_LISTENING), SOCK_SEQPACKET);
    close_pair(o->s);
    close(o->listener);
    close(o->pipe[1]);
    raw_collect();
    CHECK(raw_pipe_ended(o->pipe[0]));
    close(o->pipe[0]);
    CHECK_INT(harness_nfds(), o->before);
}

/* A successor in a process of its own, which has nothing of the old one's but the socket. */
static void leave_old(struct old *o)
{
    close(o->s[0]);
    close(o->listener);
    close_pair(o->pipe);
}

static void refuse_after(void *arg)
{
    struct old *o = arg;
    struct unx_handover_fd room[2];
    leave_old(o);
    struct unx_handover h = handover_of(room, 2, NULL, 0);
    CHECK_INT(unx_handover_receive(o->s[1], &h, 0, 5000), 0);
    CHECK_INT(QUIET(unx_handover_confirm(o->s[1], 7)), 0);
    close_handed(&h);
}

static void refuse_before(void *arg)
{
    struct old *o = arg;
    leave_old(o);
    CHECK_INT(QUIET(unx_handover_confirm(o->s[1], UNX_HANDOVER_FAILED - 1)), 0);
}

static void refusals(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    void (*const successors[])(void *) = {refuse_after, refuse_before};
    for (unsigned i = 0; i < 2; i++) {
        struct old o;
        old_start(&o);
        const pid_t child = harness_fork(successors[i], &o);
        close(o.s[1]);
        CHECK_INT(QUIET(unx_handover_send(o.s[0], &o.h, 0, 10000)), -ECANCELED);
        CHECK_INT(o.h.reason, i == 0 ? 7 : UNX_HANDOVER_FAILED - 1);
        harness_wait(child);
        old_end(&o);
    }
}

static void little_room(void *arg)
{
    struct old *o = arg;
    struct unx_handover_fd room[1];
    leave_old(o);
    const int before = harness_nfds();
    struct unx_handover h = handover_of(room, 1, NULL, 0);
    CHECK_INT(QUIET(unx_handover_receive(o->s[1], &h, 0, 5000)), -ENOBUFS);
    check_handed_nothing(&h);
    CHECK_INT(h.fds_full, 2);
    CHECK_INT(harness_nfds(), before);
}

static void full_table(void *arg)
{
    struct old *o = arg;
    struct unx_handover_fd room[2];
    leave_old(o);
    raw_limit(0);
    struct unx_handover h = handover_of(room, 2, NULL, 0);
    CHECK_INT(QUIET(unx_handover_receive(o->s[1], &h, 0, 5000)), -EMFILE);
    raw_unlimit();
    check_handed_nothing(&h);
}

/* The state's file still finds a place in the table; the second descriptor does not. */
static void nearly_full_table(void *arg)
{
    struct old *o = arg;
    struct unx_handover_fd room[2];
    leave_old(o);
    const int before = harness_nfds();
    raw_limit(2);
    struct unx_handover h = handover_of(room, 2, NULL, 0);
    CHECK_INT(QUIET(unx_handover_receive(o->s[1], &h, 0, 5000)), -EMFILE);
    raw_unlimit();
    check_handed_nothing(&h);
    CHECK_INT(harness_nfds(), before);
}

/* A successor that cannot receive says why by itself. */
static void failures_are_told(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    void (*const successors[])(void *) = {little_room, full_table, nearly_full_table};
    const int reasons[] = {ENOBUFS, EMFILE, EMFILE};
    for (unsigned i = 0; i < 3; i++) {
        if (reasons[i] == EMFILE && !raw_limit_works()) {
            continue;
        }
        struct old o;
        old_start(&o);
        const pid_t child = harness_fork(successors[i], &o);
        close(o.s[1]);
        CHECK_INT(unx_handover_send(o.s[0], &o.h, 0, 10000), -ECANCELED);
        CHECK_INT(o.h.reason, UNX_HANDOVER_FAILED | (uint32_t)reasons[i]);
        harness_wait(child);
        old_end(&o);
    }
}

/* How far a successor gets before it dies or hangs. */
enum stage { BEFORE, READY, RECEIVED, STAGES };

static void reach(const struct old *o, enum stage stage)
{
    static struct unx_handover_fd room[2];
    if (stage == READY) {
        const struct handover_wire ready = wire(WIRE_READY);
        raw_send(o->s[1], &ready, sizeof ready, NULL, 0);
    } else if (stage == RECEIVED) {
        struct unx_handover h = handover_of(room, 2, NULL, 0);
        CHECK_INT(unx_handover_receive(o->s[1], &h, 0, 5000), 0);
    }
}

struct dying {
    struct old *o;
    enum stage stage;
};

static void die(void *arg)
{
    const struct dying *d = arg;
    leave_old(d->o);
    reach(d->o, d->stage);
    if (d->stage == READY) {
        /* Not while the old one sends, which it would be told by another error. */
        handover_spoken(d->o->s[1]);
        raw_until_asleep(getppid());
    }
    raise(SIGKILL);
}

static void successor_dies(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    for (int stage = BEFORE; stage < STAGES; stage++) {
        struct old o;
        old_start(&o);
        ROW("stage %d", stage);
        struct dying d = {&o, (enum stage)stage};
        const pid_t child = harness_fork(die, &d);
        close(o.s[1]);
        CHECK_INT(QUIET(unx_handover_send(o.s[0], &o.h, 0, 10000)), -ECONNRESET);
        CHECK_INT(o.h.reason, 0);
        harness_wait(child);
        old_end(&o);
    }
}

static void send_until(struct old *o, int timeout_ms)
{
    const int64_t start = raw_now();
    CHECK_INT(QUIET(unx_handover_send(o->s[0], &o->h, 0, timeout_ms)), timeout_ms == 0 ? -EAGAIN : -ETIMEDOUT);
    raw_took(start, timeout_ms);
}

static void *receive_only(void *arg)
{
    struct successor *s = arg;
    s->received = unx_handover_receive(s->sock, &s->h, 0, 10000);
    return NULL;
}

/* A hanging successor costs the old one no more than the deadline, and comes too late in whatever it does then. */
static void successor_hangs(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    for (int stage = BEFORE; stage < STAGES; stage++) {
        for (int timeout_ms = 0; timeout_ms <= 120; timeout_ms += 60) {
            struct old o;
            struct unx_handover_fd room[2] = {{.fd = -1}, {.fd = -1}};
            struct unx_handover h = handover_of(room, 2, NULL, 0);
            struct successor succ = {.sock = -1};
            ROW("stage %d, %d ms", stage, timeout_ms);
            old_start(&o);
            if (timeout_ms == 120) {
                raw_signals_start();
            }
            if (stage == RECEIVED && timeout_ms > 0) {
                succ = (struct successor){.sock = o.s[1], .h = h};
                CHECK_INT(pthread_create(&succ.thread, NULL, receive_only, &succ), 0);
                handover_spoken(o.s[0]);
                send_until(&o, timeout_ms);
                successor_join(&succ);
                CHECK_INT(succ.received, 0);
                CHECK_INT(unx_handover_confirm(o.s[1], 0), -ECANCELED);
                close_handed(&succ.h);
            } else {
                reach(&o, stage == RECEIVED ? BEFORE : (enum stage)stage);
                send_until(&o, timeout_ms);
                /* Everything was sent to one that was ready: it learns that it is too late when it confirms. */
                const int received = QUIET(unx_handover_receive(o.s[1], &h, 0, 1000));
                CHECK_INT(received, stage == READY ? 0 : -ECANCELED);
                CHECK_INT(h.fds_got, stage == READY ? 2 : 0);
                CHECK_INT(received == 0 ? QUIET(unx_handover_confirm(o.s[1], 0)) : received, -ECANCELED);
                close_handed(&h);
            }
            if (timeout_ms == 120) {
                raw_signals_came(10);
            }
            old_end(&o);
        }
    }
}

/* A successor that never reads, and a list that the socket cannot hold: no word of giving up finds room. */
static void successor_never_reads(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    enum { N = 5000 };
    static struct unx_handover_fd list[N], room[N];
    struct old o;
    old_start(&o);
    raw_set(o.s[0], SO_SNDBUF, 20000);
    handover_list(list, N, &o.pipe[1], 1);
    o.h.fds = list;
    o.h.nfds = N;
    reach(&o, READY);
    send_until(&o, 100);
    struct unx_handover h = handover_of(room, N, NULL, 0);
    const int before = harness_nfds();
    CHECK_INT(unx_handover_receive(o.s[1], &h, 0, 1000), -ECONNRESET);
    check_handed_nothing(&h);
    CHECK_INT(harness_nfds(), before);
    old_end(&o);
}

static void old_hangs(void)
{
    struct old o;
    struct unx_handover_fd room[2];
    old_start(&o);
    for (int timeout_ms = 0; timeout_ms < 100; timeout_ms += 60) {
        struct unx_handover h = handover_of(room, 2, NULL, 0);
        const int64_t start = raw_now();
        const int want = timeout_ms == 0 ? EAGAIN : ETIMEDOUT;
        CHECK_INT(QUIET(unx_handover_receive(o.s[1], &h, 0, timeout_ms)), -want);
        raw_took(start, timeout_ms);
        check_handed_nothing(&h);
        /* Both its readiness and its failure wait there for an old one that is late. */
        CHECK_INT(unx_handover_send(o.s[0], &o.h, 0, 1000), -ECANCELED);
        CHECK_INT(o.h.reason, UNX_HANDOVER_FAILED | (uint32_t)want);
        close_pair(o.s);
        handover_pair(o.s);
    }
    old_end(&o);
}

static void old_sends(void *arg)
{
    struct old *o = arg;
    close(o->s[1]);
    unx_handover_send(o->s[0], &o->h, 0, -1);
    CHECK(!"it was to be killed");
}

/* The old one is killed when it has said everything: the successor has it all, knows that it is alone, and serves. */
static void old_dies_before_the_confirmation(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    struct old o;
    struct unx_handover_fd room[2];
    old_start(&o);
    const pid_t child = harness_fork(old_sends, &o);
    close(o.s[0]);
    close(o.pipe[1]);
    struct unx_handover h = handover_of(room, 2, NULL, 0);
    CHECK_INT(unx_handover_receive(o.s[1], &h, 0, 10000), 0);
    CHECK_INT(kill(child, SIGKILL), 0);
    harness_wait(child);
    CHECK_INT(QUIET(unx_handover_confirm(o.s[1], 0)), -ECONNRESET);
    CHECK_INT(write(room[0].fd, "x", 1), 1);
    CHECK_INT(unx_adopt(room[1].fd, SOCK_SEQPACKET, UNX_LISTENING), SOCK_SEQPACKET);
    close_handed(&h);
    close(o.s[1]);
    close(o.pipe[0]);
    close(o.listener);
    CHECK_INT(harness_nfds(), o.before);
}

/* One that dies after the confirmation has nothing to say any more. */
static void old_dies_after_the_confirmation(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    struct old o;
    struct unx_handover_fd room[2];
    old_start(&o);
    const pid_t child = harness_fork(old_sends, &o);
    close(o.s[0]);
    struct unx_handover h = handover_of(room, 2, NULL, 0);
    CHECK_INT(unx_handover_receive(o.s[1], &h, 0, 10000), 0);
    CHECK_INT(kill(child, SIGSTOP), 0);
    CHECK_INT(unx_handover_confirm(o.s[1], 0), 0);
    CHECK_INT(kill(child, SIGKILL), 0);
    harness_wait(child);
    close_handed(&h);
    close(o.s[1]);
    close_pair(o.pipe);
    close(o.listener);
    CHECK_INT(harness_nfds(), o.before);
}

/* The deadline and the confirmation meet: whoever wins, both sides say the same. */
static void confirmation_at_the_deadline(void)
{
    const unsigned rounds = harness_rounds(harness_slow() ? 200 : 1500);
    unsigned taken = 0, kept = 0;
    int files[2];
    raw_pipe(files);
    const int64_t end = raw_now() + 10000;
    unsigned i = 0;
    /* Where others use the processor, one of them may be late all the time for a while. */
    for (; i < rounds || ((taken == 0 || kept == 0) && raw_now() < end); i++) {
        struct unx_handover_fd list[1], room[1];
        int s[2];
        handover_pair(s);
        handover_list(list, 1, files, 1);
        struct unx_handover h = handover_of(list, 1, NULL, 0);
        struct successor succ = {.pause_us = 2400 + i * 7 % 700};
        successor_start(&succ, s[1], handover_of(room, 1, NULL, 0));
        const int sent = unx_handover_send(s[0], &h, 0, 3);
        successor_join(&succ);
        if (succ.received == 0) {
            if (succ.confirmed == 0) {
                CHECK_INT(sent, 0);
                taken++;
            } else {
                CHECK_INT(succ.confirmed, -ECANCELED);
                CHECK_INT(sent, -ETIMEDOUT);
                kept++;
            }
        }
        close_handed(&succ.h);
        close_pair(s);
    }
    close_pair(files);
    NOTE("%u rounds: %u taken over, %u kept", i, taken, kept);
    CHECK(harness_slow() || (taken > 0 && kept > 0));
}

static const struct test_case cases[] = {
    CASE(refusals),
    CASE(failures_are_told),
    CASE(successor_dies),
    CASE(successor_hangs),
    CASE(successor_never_reads),
    CASE(old_hangs),
    CASE(old_dies_before_the_confirmation),
    CASE(old_dies_after_the_confirmation),
    {"confirmation_at_the_deadline", confirmation_at_the_deadline, 0, 60},
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
