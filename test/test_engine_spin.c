// SPDX-License-Identifier: MIT
/* An engine that looks again and again for a while before it sleeps. */
#include "engine.h"

#include <time.h>

struct later {
    int fd;
    int cpu_ms;
};

static int64_t milliseconds_of(clockid_t clock)
{
    struct timespec t = {0, 0};
    clock_gettime(clock, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

/* Not before the one who waits has had so much of the processor, of which others may leave him little. */
static void send_later(void *arg)
{
    const struct later *later = arg;
    clockid_t clock;
    CHECK_INT(clock_getcpuclockid(getppid(), &clock), 0);
    const int64_t before = milliseconds_of(clock), until = raw_now() + 5000;
    raw_sleep(150);
    while (milliseconds_of(clock) - before < later->cpu_ms && raw_now() < until) {
        raw_sleep(5);
    }
    raw_send(later->fd, "x", 1, NULL, 0);
}

/* Looking again and again uses the processor, answers all the same, and keeps to the time; unasked it does not. */
static void spinning(struct unx_engine *e)
{
    raw_need_quiet();
    CHECK_INT(QUIET(unx_engine_spin(e, 1000001)), -EINVAL);
    CHECK_INT(QUIET(unx_engine_spin(NULL, 1)), -EINVAL);
    for (int spin = 0; spin < 2; spin++) {
        START(unx_engine_spin(e, spin ? 1000000 : 0));
        int s[2];
        raw_pair(SOCK_SEQPACKET, s);
        struct job in;
        job_recv_any(e, &in, s[0]);
        struct later later = {s[1], spin ? 20 : 0};
        const pid_t child = harness_fork(send_later, &later);
        const int64_t cpu = engine_cpu();
        JOB_GETS(e, &in, "x");
        const int64_t used = engine_cpu() - cpu;
        NOTE("spin %d: %lld us of the processor", spin, (long long)used);
        CHECK(spin ? used > (harness_slow() ? 1000 : 10000)
                   : used < (harness_sanitized() || raw_under_valgrind() ? 60000 : 5000));
        harness_wait(child);
        const int64_t start = raw_now();
        QUIET_FOR(e, 30);
        raw_took(start, 30);
        struct unx_op timer = {0};
        START(unx_engine_timer(e, &timer, 20));
        LAST(e, &timer, 0);
        START(unx_engine_wake(e));
        struct unx_event ev;
        CHECK_INT(unx_engine_reap(e, &ev, 1, -1), 0);
        raw_took(start, 50);
        leave_pair(e, s);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(spinning),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
