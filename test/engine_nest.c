// SPDX-License-Identifier: MIT
/* What the tests of nested engines share (engine_nest.h). */
#include "engine_nest.h"

#include <poll.h>

bool readable_within(int fd, int ms)
{
    struct pollfd p = {fd, POLLIN, 0};
    const int n = poll(&p, 1, ms);
    CHECK(n == 0 || (n == 1 && p.revents == POLLIN));
    return n == 1;
}

int enter(struct unx_engine *e)
{
    const int fd = QUIET(unx_engine_fd(e));
    if (fd == -EOPNOTSUPP) {
        CHECK_INT(engine_flag() == UNX_ENGINE_POLL, 1);
        SKIP("poll has no descriptor to nest by");
    }
    CHECK(fd >= 0);
    CHECK(raw_cloexec(fd));
    CHECK_INT(QUIET(unx_engine_fd(e)), fd);
    struct unx_event ev;
    CHECK_INT(unx_engine_reap(e, &ev, 1, 0), 0);
    CHECK(!readable_within(fd, 10));
    return fd;
}

void settle(struct unx_engine *e, int fd)
{
    struct unx_event ev;
    CHECK_INT(QUIET(unx_engine_reap(e, &ev, 1, 0)), 0);
    CHECK(!readable_within(fd, 10));
}

struct unx_event told(struct unx_engine *e, int fd, const struct unx_op *op, int result, int line)
{
    struct unx_event ev[4];
    ROW("line %d", line);
    CHECK(readable_within(fd, 3000));
    int n = QUIET(unx_engine_reap(e, ev, 4, 0));
    if (n == 0) {
        CHECK(readable_within(fd, 3000));
        n = QUIET(unx_engine_reap(e, ev, 4, 0));
    }
    CHECK_INT(n, 1);
    CHECK(ev[0].op == op);
    CHECK_INT(ev[0].result, result);
    CHECK_INT(QUIET(unx_engine_reap(e, ev + 1, 3, 0)), 0);
    CHECK(!readable_within(fd, 10));
    return ev[0];
}
