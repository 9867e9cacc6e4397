// SPDX-License-Identifier: MIT
/*
 * Process 1, as which every container starts its service: there are as many as there are pid namespaces, and one may be
 * the parent of another. What was meant for one of them, or belongs to it, is not the other's.
 */
#include "activation.h"
#include "listener.h"

#include <sched.h>

struct first {
    void (*run)(void *);
    void *arg;
};

static void be_first(void *arg)
{
    const struct first *f = arg;
    CHECK_INT(getpid(), 1);
    f->run(f->arg);
}

static void make_namespace(void *arg)
{
    if (unshare(CLONE_NEWPID) != 0) {
        SKIP("no pid namespace: %s", strerror(errno));
    }
    harness_wait(harness_fork(be_first, arg));
}

/* Runs in a process that is the first of a pid namespace below this one. */
static void as_first(void (*run)(void *), void *arg)
{
    struct first f = {run, arg};
    if (geteuid() != 0) {
        SKIP("only root can make namespaces");
    }
    harness_wait(harness_fork(make_namespace, &f));
}

/* ---- started with sockets ---- */

static void adopts_nothing(void *arg)
{
    (void)arg;
    struct unx_activated got[1];
    CHECK_INT(QUIET(unx_activation_adopt(got, 1, 0)), 0);
    CHECK(!raw_cloexec(3));
}

static void adopts_one(void *arg)
{
    (void)arg;
    struct unx_activated got[1];
    CHECK_INT(QUIET(unx_activation_adopt(got, 1, 0)), 1);
    CHECK_INT(got[0].fd, 3);
    CHECK(raw_cloexec(3));
    CHECK_INT(fcntl(3, F_SETFD, 0), 0);
}

static void started(void *arg)
{
    (void)arg;
    announce(1, NULL);
    CHECK_MEM(getenv("LISTEN_PID"), strlen(getenv("LISTEN_PID")), "1", 1);
    adopts_one(NULL);
    /* By the pid alone our child, who is called so too, cannot know better. */
    as_first(adopts_one, NULL);
    if (own_pidfdid() == 0) {
        SKIP("this kernel has no number that tells processes for ever");
    }
    set_env_number("LISTEN_PIDFDID", own_pidfdid());
    as_first(adopts_nothing, NULL);
    adopts_one(NULL);
}

static void meant_for_another(void *arg)
{
    (void)arg;
    close_all();
    move_fd(raw_listen(SOCK_SEQPACKET, raw_path(raw_file("s")), 5), 3);
    announce(1, NULL);
    as_first(adopts_nothing, NULL);
    as_first(started, NULL);
}

static void sockets_for_the_first(void)
{
    harness_wait(harness_fork(meant_for_another, NULL));
}

/* ---- what it has opened ---- */

static void is_not_the_owner(void *arg)
{
    CHECK_INT(unx_listener_stop(arg, 0), -EBUSY);
    close_listener(arg);
}

static void owner(void *arg)
{
    struct unx_listener *l = open_at(SOCK_STREAM, 0, arg);
    if (own_pidfdid() == 0) {
        close_listener(l);
        SKIP("this kernel has no number that tells processes for ever");
    }
    as_first(is_not_the_owner, l);
    CHECK(leads_to(SOCK_STREAM, arg, l));
    CHECK_INT(unx_listener_stop(l, 0), 0);
    CHECK(!exists(arg));
    close_listener(l);
}

static void listener_of_the_first(void)
{
    as_first(owner, (char *)raw_file("sock"));
}

static const struct test_case cases[] = {
    CASE(sockets_for_the_first),
    CASE(listener_of_the_first),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
