// SPDX-License-Identifier: MIT
/*
 * Handing over between users: who the other side is, whether it may be given descriptors,
 * and how many may be on their way.
 *
 * What surprised us: uid 65534 says nothing, because it also stands for every uid that this user namespace cannot name;
 * so the other user here is another one.
 */
#include "handover.h"
#include "raw_addr.h"

#include <sched.h>
#include <sys/wait.h>

#define OTHER 12345

static void become_other(void)
{
    CHECK(setresuid(OTHER, OTHER, OTHER) == 0);
}

static void successor_is_other(void *arg)
{
    const int *s = arg;
    struct unx_handover_fd room[1];
    close(s[0]);
    become_other();
    struct unx_handover h = handover_of(room, 1, NULL, 0);
    CHECK_INT(unx_handover_receive(s[1], &h, UNX_ANY_USER, 5000), -ECANCELED);
}

static void successor_is_wanted(void *arg)
{
    const int *s = arg;
    struct unx_handover_fd room[1];
    close(s[0]);
    become_other();
    struct unx_handover h = handover_of(room, 1, NULL, 0);
    CHECK_INT(unx_handover_receive(s[1], &h, 0, 5000), -EPERM);
    CHECK_INT(h.fds_got, 0);
}

static void successor_drops_its_rights(void *arg)
{
    const int *s = arg;
    struct unx_handover_fd room[1];
    close(s[0]);
    struct unx_handover h = handover_of(room, 1, NULL, 0);
    CHECK_INT(unx_handover_receive(s[1], &h, 0, 5000), 0);
    become_other();
    CHECK_INT(unx_handover_confirm(s[1], 0), 0);
    close_handed(&h);
}

static void old_is_other(void *arg)
{
    const int *s = arg;
    struct unx_handover_fd list[1];
    handover_list(list, 1, &s[2], 1);
    close(s[1]);
    become_other();
    struct unx_handover h = handover_of(list, 1, NULL, 0);
    CHECK_INT(unx_handover_send(s[0], &h, UNX_ANY_USER, 5000), -ECANCELED);
    CHECK_INT(h.reason, UNX_HANDOVER_FAILED | EPERM);
}

/* The ends of a pair both belong to whoever made it, so it is the messages that say who speaks. */
static void other_users(void)
{
    if (geteuid() != 0) {
        SKIP("only root can be somebody else");
    }
    static const struct {
        void (*other)(void *);
        unsigned flags;
        int error;
    } rows[] = {
        {successor_is_other, 0, -EPERM},
        {successor_is_wanted, UNX_ANY_USER, -ECONNRESET},
        {successor_drops_its_rights, 0, 0},
    };
    for (unsigned i = 0; i < 3; i++) {
        int s[2];
        ROW("row %u", i);
        handover_pair(s);
        struct unx_handover_fd list[1];
        const int file = unx_socket(SOCK_DGRAM, 0);
        handover_list(list, 1, &file, 1);
        struct unx_handover h = handover_of(list, 1, NULL, 0);
        const pid_t child = harness_fork(rows[i].other, s);
        close(s[1]);
        CHECK_INT(unx_handover_send(s[0], &h, rows[i].flags, 5000), rows[i].error);
        /* The second one asked who we are, and said nothing. */
        CHECK_INT(h.cred.known, i == 1 ? 0 : UNX_KNOWN_ALL);
        CHECK_INT(h.cred.pid, i == 1 ? 0 : child);
        harness_wait(child);
        close(s[0]);
        close(file);
    }
    int s[3];
    handover_pair(s);
    s[2] = unx_socket(SOCK_DGRAM, 0);
    const pid_t child = harness_fork(old_is_other, s);
    close(s[0]);
    struct unx_handover_fd room[1];
    struct unx_handover h = handover_of(room, 1, NULL, 0);
    CHECK_INT(QUIET(unx_handover_receive(s[1], &h, 0, 5000)), -EPERM);
    check_handed_nothing(&h);
    harness_wait(child);
    close(s[1]);
    close(s[2]);
}

static void connect_as_other(void *arg)
{
    become_other();
    const int sock = unx_connect(SOCK_SEQPACKET, UNX_PASSFDS, NULL, arg, 1000);
    CHECK(sock >= 0);
    struct unx_handover h = handover_of(NULL, 0, NULL, 0);
    CHECK_INT(unx_handover_receive(sock, &h, UNX_ANY_USER, 5000), -ECONNRESET);
}

/* A connection says who opened it before anything is said on it. */
static void connection_of_another_user(void)
{
    if (geteuid() != 0) {
        SKIP("only root can be somebody else");
    }
    struct unx_addr a;
    CHECK_INT(unx_addr_unnamed(&a), 0);
    const int listener = unx_listen(SOCK_SEQPACKET, UNX_PASSFDS, &a, 1, UNX_MODE_UMASK);
    CHECK_INT(unx_local_addr(listener, &a), 0);
    const pid_t child = harness_fork(connect_as_other, &a);
    const int sock = unx_accept(listener, 0, NULL);
    CHECK(sock >= 0);
    struct unx_handover h = handover_of(NULL, 0, NULL, 0);
    CHECK_INT(QUIET(unx_handover_send(sock, &h, 0, 5000)), -EPERM);
    CHECK_INT(QUIET(unx_handover_receive(sock, &h, 0, 5000)), -EPERM);
    close(sock);
    harness_wait(child);
    close(listener);
}

/* ---- credentials that say nothing ---- */

struct unnamed {
    int s[2];
    bool old; /* whether the one inside is the old program */
};

/* Sees of the other side neither pid nor uid nor gid. */
static void inside(void *arg)
{
    const struct unnamed *u = arg;
    struct unx_handover_fd one[1];
    struct unx_handover h;
    if (u->old) {
        const int file = unx_socket(SOCK_DGRAM, 0);
        handover_list(one, 1, &file, 1);
        h = handover_of(one, 1, NULL, 0);
        CHECK_INT(QUIET(unx_handover_send(u->s[0], &h, 0, 5000)), -EPERM);
        close(file);
    } else {
        h = handover_of(one, 1, NULL, 0);
        CHECK_INT(QUIET(unx_handover_receive(u->s[1], &h, 0, 5000)), -EPERM);
        check_handed_nothing(&h);
    }
    CHECK_INT(h.cred.known, 0);
}

/* The first process of a pid namespace, where pids of outside are 0. */
static void enter(void *arg)
{
    if (unshare(CLONE_NEWPID) != 0) {
        SKIP("no pid namespace: %s", strerror(errno));
    }
    harness_wait(harness_fork(inside, arg));
}

/* As user and group 65534, the numbers of those that a namespace cannot name. */
static void outside(void *arg)
{
    const struct unnamed *u = arg;
    struct unx_handover_fd one[1];
    raw_become_nobody();
    if (u->old) {
        struct unx_handover h = handover_of(one, 1, NULL, 0);
        CHECK_INT(unx_handover_receive(u->s[1], &h, UNX_ANY_USER, 5000), -ECANCELED);
    } else {
        const int file = unx_socket(SOCK_DGRAM, 0);
        handover_list(one, 1, &file, 1);
        struct unx_handover h = handover_of(one, 1, NULL, 0);
        CHECK_INT(unx_handover_send(u->s[0], &h, UNX_ANY_USER, 5000), -ECANCELED);
        CHECK_INT(h.reason, UNX_HANDOVER_FAILED | EPERM);
        close(file);
    }
}

/* Credentials came, and nothing is known by them: that is nobody, and not somebody who need not say who he is. */
static void credentials_that_say_nothing(void)
{
    if (geteuid() != 0) {
        SKIP("only root can make namespaces");
    }
    for (unsigned i = 0; i < 2; i++) {
        struct unnamed u = {.old = i == 1};
        ROW("inside is %s", u.old ? "the old program" : "the successor");
        handover_pair(u.s);
        const pid_t in = harness_fork(enter, &u), out = harness_fork(outside, &u);
        harness_wait(in);
        harness_wait(out);
        close_pair(u.s);
    }
}

/* A socket that did not ask for descriptors gets none. */
static void socket_without_descriptors(void)
{
    int s[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, s), 0);
    int refuses = 1;
    socklen_t len = sizeof refuses;
    if (getsockopt(s[1], SOL_SOCKET, RAW_SO_PASSRIGHTS, &refuses, &len) < 0) {
        SKIP("this kernel passes descriptors to every socket");
    }
    struct unx_handover_fd list[1], room[1];
    handover_list(list, 1, &s[1], 1);
    struct unx_handover h = handover_of(list, 1, NULL, 0);
    struct successor succ = {.reason = 0};
    successor_start(&succ, s[1], handover_of(room, 1, NULL, 0));
    CHECK_INT(unx_handover_send(s[0], &h, 0, 5000), -EPERM);
    successor_join(&succ);
    CHECK_INT(succ.received, -ECANCELED);
    close_pair(s);
}

struct in_flight {
    int queue[2];
    unsigned n;
};

static void *drain_later(void *arg)
{
    const struct in_flight *q = arg;
    raw_sleep(100);
    for (unsigned i = 0; i < q->n; i++) {
        struct raw_got g;
        char c;
        raw_recv(q->queue[1], &c, 1, 0, &g);
        raw_close_fds(&g);
    }
    return NULL;
}

/* Descriptors that are on their way elsewhere count against the user: waited for, and reported as what it is. */
static void too_many_in_flight(void)
{
    if (!raw_limit_works()) {
        SKIP("limits of open descriptors are not heard of here");
    }
    if (geteuid() == 0) {
        become_other();
    }
    for (int drained = 0; drained < 2; drained++) {
        struct in_flight q = {.n = 0};
        int s[2];
        pthread_t thread;
        raw_pair(SOCK_SEQPACKET, q.queue);
        const struct rlimit limit = {64, 64};
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
        while (q.n < 200 && raw_try_send(q.queue[0], "x", 1, q.queue, 1, MSG_DONTWAIT) == 1) {
            q.n++;
        }
        if (q.n == 200) {
            SKIP("this user may have any number of descriptors in flight");
        }
        handover_pair(s);
        struct unx_handover_fd list[1], room[1];
        handover_list(list, 1, &q.queue[0], 1);
        struct unx_handover h = handover_of(list, 1, NULL, 0);
        struct successor succ = {.reason = 0};
        successor_start(&succ, s[1], handover_of(room, 1, NULL, 0));
        if (drained) {
            CHECK_INT(pthread_create(&thread, NULL, drain_later, &q), 0);
        }
        handover_spoken(s[0]);
        CHECK_INT(unx_handover_send(s[0], &h, 0, drained ? 10000 : 100), drained ? 0 : -ETOOMANYREFS);
        successor_join(&succ);
        close_handed(&succ.h);
        if (drained) {
            CHECK_INT(pthread_join(thread, NULL), 0);
        }
        close_pair(s);
        close_pair(q.queue);
        raw_collect();
        raw_sleep(50);
    }
}

static const struct test_case cases[] = {
    CASE(other_users),
    CASE(connection_of_another_user),
    CASE(credentials_that_say_nothing),
    CASE(socket_without_descriptors),
    CASE(too_many_in_flight),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
