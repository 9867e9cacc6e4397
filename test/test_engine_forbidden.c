// SPDX-License-Identifier: MIT
/*
 * A system that refuses: no io_uring, no epoll, no memory for a connection. A filter of system calls says so for it.
 */
#include "engine.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

/* From now on this call fails with this error, in this process; several may be forbidden one after the other. */
static void forbid(unsigned number, unsigned error)
{
    struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no filters of system calls here");
    }
}

static void check_works(const char *backend)
{
    struct unx_engine *e;
    START(unx_engine_new(&e, 0, 0));
    CHECK_MEM(unx_engine_backend(e), strlen(unx_engine_backend(e)), backend, strlen(backend));
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    struct job in;
    struct unx_op standing = {0};
    job_recv_any(e, &in, s[0]);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &in, "x");
    STAND(e, &standing, s[0]);
    raw_send(s[1], "y", 1, NULL, 0);
    give_back(e, STAND_GETS(e, &standing, "y"));
    START(unx_engine_cancel(e, &standing));
    LAST(e, &standing, -ECANCELED);
    leave_pair(e, s);
    engine_used(e);
}

static void check_refused(unsigned flag)
{
    struct unx_engine *e = (struct unx_engine *)&e;
    CHECK_INT(QUIET(unx_engine_new(&e, 0, flag)), -EOPNOTSUPP);
    CHECK(e == NULL);
}

/* Containers answer with either of these. */
static void without(unsigned error)
{
    forbid(SYS_io_uring_setup, error);
    check_refused(UNX_ENGINE_URING);
    check_works("epoll");
    forbid(SYS_epoll_create1, error);
    check_refused(UNX_ENGINE_EPOLL);
    check_works("poll");
}

static void backends_that_are_not_allowed(void)
{
    without(EPERM);
}

static void backends_that_do_not_exist(void)
{
    without(ENOSYS);
}

/* A ring can be made, but not used. */
static void a_ring_that_cannot_be_entered(void)
{
    forbid(SYS_io_uring_enter, EPERM);
    struct unx_engine *e;
    const int r = QUIET(unx_engine_new(&e, 0, UNX_ENGINE_URING));
    if (r == 0) {
        /* Whoever asked for it is told by the first call that needs it. */
        struct unx_event ev;
        CHECK_INT(unx_engine_reap(e, &ev, 1, 0), -EPERM);
        CHECK_INT(unx_engine_free(e), 0);
        SKIP("a ring is not tried before it is taken");
    }
    CHECK_INT(r, -EOPNOTSUPP);
    check_works("epoll");
}

static void no_memory_for_connections(void)
{
    static const int errors[] = {ENFILE, ENOBUFS, ENOMEM};
    raw_need_socket_calls();
    for (unsigned i = 0; i < 3; i++) {
        ROW("%d", errors[i]);
        struct unx_engine *e;
        START(unx_engine_new(&e, 0, 0));
        const int listener = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("server")), 5);
        CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
        const int client = raw_connect(SOCK_SEQPACKET, raw_path(raw_file("server")));
        forbid(SYS_accept4, (unsigned)errors[i]);
        struct unx_op op = {0};
        const int64_t start = raw_now();
        START(unx_engine_accept(e, &op, listener, UNX_STANDING, -1));
        for (int n = 0; n < 3; n++) {
            MORE(e, &op, -errors[i]);
            raw_took(start, 100 * n);
        }
        START(unx_engine_cancel(e, &op));
        LAST(e, &op, -ECANCELED);
        START(unx_engine_accept(e, &op, listener, 0, -1));
        LAST(e, &op, -errors[i]);
        leave(e, listener);
        close(client);
        unlink(raw_file("server"));
        engine_used(e);
    }
}

static const struct test_case cases[] = {
    CASE(backends_that_are_not_allowed),
    CASE(backends_that_do_not_exist),
    CASE(a_ring_that_cannot_be_entered),
    CASE(no_memory_for_connections),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
