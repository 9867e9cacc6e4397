// SPDX-License-Identifier: MIT
/*
 * A system without accept4(2), as an old filter makes one: to be run by old_kernel without_accept4. Connections are
 * accepted all the same, close-on-exec, and blocking or not as asked for.
 */
#include "../message.h"
#include "../raw_addr.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/syscall.h>
#include <unx/engine.h>
#include <unx/listener.h>

static void need_none(void)
{
    if (syscall(SYS_accept4, -1, NULL, NULL, 0) != -1 || errno != ENOSYS) {
        SKIP("this system has accept4(2)");
    }
}

static void check_accepted(int fd, bool nonblock)
{
    CHECK(fd >= 0);
    CHECK_INT(fcntl(fd, F_GETFD), FD_CLOEXEC);
    CHECK_INT(fcntl(fd, F_GETFL) & O_NONBLOCK, nonblock ? O_NONBLOCK : 0);
    close(fd);
}

static void plain(void)
{
    need_none();
    for (unsigned t = 0; t < 2; t++) {
        struct unx_addr a;
        unlink(raw_file("s"));
        CHECK_INT(unx_addr_path(&a, raw_file("s")), 0);
        const int listener = unx_listen(raw_types[t], UNX_PASSFDS, &a, 5, 0600);
        CHECK(listener >= 0);
        const int first = unx_connect(raw_types[t], 0, NULL, &a, 1000);
        const int second = unx_connect(raw_types[t], 0, NULL, &a, 1000);
        CHECK(first >= 0 && second >= 0);
        struct unx_addr peer;
        check_accepted(unx_accept(listener, 0, NULL), false);
        check_accepted(unx_accept(listener, UNX_NONBLOCK, &peer), true);
        CHECK_INT(unx_addr_name(&peer, NULL, NULL), UNX_UNNAMED);
        CHECK_INT(unx_set_nonblock(listener, 1), 0);
        CHECK_INT(QUIET(unx_accept(listener, 0, NULL)), -EAGAIN);
        close(first);
        close(second);
        close(listener);
    }
}

static void by_a_listener(void)
{
    need_none();
    struct unx_addr a;
    struct unx_listener *l;
    CHECK_INT(unx_addr_path(&a, raw_file("l")), 0);
    CHECK_INT(unx_listener_open(&l, SOCK_STREAM, UNX_SHED, &a, NULL), 0);
    const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 1000);
    CHECK(client >= 0);
    check_accepted(unx_listener_accept(l, 0, NULL, 1000), false);
    close(client);
    CHECK_INT(unx_listener_close(l), 0);
}

static void by_an_engine(void)
{
    static const unsigned flags[] = {UNX_ENGINE_URING, UNX_ENGINE_EPOLL, UNX_ENGINE_POLL};
    need_none();
    for (unsigned i = 0; i < 3; i++) {
        struct unx_addr a;
        struct unx_engine *e;
        struct unx_event ev;
        struct unx_op op = {0};
        ROW("engine %u", i);
        if (unx_engine_new(&e, 0, flags[i]) == -EOPNOTSUPP) {
            continue;
        }
        unlink(raw_file("e"));
        CHECK_INT(unx_addr_path(&a, raw_file("e")), 0);
        const int listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &a, 5, 0600);
        const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 1000);
        CHECK(listener >= 0 && client >= 0);
        CHECK_INT(unx_engine_accept(e, &op, listener, UNX_NONBLOCK, -1), 0);
        CHECK_INT(unx_engine_reap(e, &ev, 1, 5000), 1);
        CHECK(ev.op == &op);
        check_accepted(ev.result, true);
        CHECK_INT(unx_engine_free(e), 0);
        close(client);
        close(listener);
    }
}

static const struct test_case cases[] = {CASE(plain), CASE(by_a_listener), CASE(by_an_engine)};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
