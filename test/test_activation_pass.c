// SPDX-License-Identifier: MIT
/*
 * Starting a program with sockets: where the descriptors end up, and the environment. (test_activation_start.c: the
 * program.)
 */
#include "activation.h"

#include <sys/resource.h>
#include <sys/stat.h>

/* Room for the environment of a child. */
struct room {
    char *env[64];
    char text[1024];
};

static struct unx_activation activation(struct room *r, const int *fds, unsigned n, const char *const *names)
{
    return (struct unx_activation){
        .fds = fds, .nfds = n, .names = names, .env = r->env, .env_max = 64, .text = r->text, .text_max = 1024};
}

static const char *value(char *const *env, const char *name)
{
    const char *found = NULL;
    const size_t len = strlen(name);
    for (; *env; env++) {
        if (!strncmp(*env, name, len) && (*env)[len] == '=') {
            CHECK(found == NULL); /* once */
            found = *env + len + 1;
        }
    }
    return found;
}

static void check_value(char *const *env, const char *name, const char *want)
{
    const char *got = value(env, name);
    ROW("%s", name);
    CHECK((got == NULL) == (want == NULL));
    if (want)
        CHECK_MEM(got, strlen(got), want, strlen(want));
}

static ino_t inode(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

/* ---- where they end up ---- */

#define PLACES 4
#define RANGE 8 /* sources are 3 to 10: half of them in the way */

static void pass_child(void *arg)
{
    const int *fds = arg;
    struct room r;
    ino_t was[RANGE], want[PLACES];
    close_all();
    for (int i = 0; i < RANGE; i++) {
        const int fd = open("/dev", O_TMPFILE | O_RDWR | O_CLOEXEC);
        if (fd < 0) {
            int p[2];
            raw_pipe(p);
            close(p[1]);
            move_fd(p[0], 50);
            move_fd(50, 3 + i);
            CHECK_INT(fcntl(3 + i, F_SETFD, FD_CLOEXEC), 0);
        } else {
            CHECK_INT(fd, 3 + i);
        }
        was[i] = inode(3 + i);
    }
    for (int i = 0; i < PLACES; i++)
        want[i] = inode(fds[i]);
    const struct unx_activation a = activation(&r, fds, PLACES, NULL);
    CHECK_INT(QUIET(unx_activation_pass(&a, 0)), 0);
    for (int i = 0; i < PLACES; i++) {
        CHECK(inode(3 + i) == want[i]);
        CHECK(!raw_cloexec(3 + i));
    }
    for (int i = PLACES; i < RANGE; i++) {
        CHECK(inode(3 + i) == was[i]);
        CHECK(raw_cloexec(3 + i));
    }
    for (int fd = 3 + RANGE; fd < 100; fd++)
        CHECK(!raw_is_open(fd));
}

/* Every choice of four descriptors out of eight, also the same one several times: 4096 of them. */
static void every_order(void)
{
    for (int k = 0; k < RANGE * RANGE * RANGE * RANGE; k += harness_slow() ? 7 : 1) {
        int fds[PLACES];
        for (int i = 0, rest = k; i < PLACES; i++, rest /= RANGE)
            fds[i] = 3 + rest % RANGE;
        ROW("%d %d %d %d", fds[0], fds[1], fds[2], fds[3]);
        harness_wait(harness_fork(pass_child, fds));
    }
}

/* Standard input, and descriptors far away. */
static void far_child(void *arg)
{
    struct room r;
    int p[2];
    (void)arg;
    close_all();
    raw_pipe(p);
    CHECK(fcntl(p[0], F_DUPFD_CLOEXEC, 400) == 400);
    const ino_t want[2] = {inode(400), inode(0)};
    const int fds[] = {400, 0};
    const struct unx_activation a = activation(&r, fds, 2, NULL);
    CHECK_INT(QUIET(unx_activation_pass(&a, 0)), 0);
    CHECK(inode(3) == want[0] && inode(4) == want[1]);
    CHECK(!raw_cloexec(3) && !raw_cloexec(4) && !raw_cloexec(0) && raw_cloexec(400));
}

static void from_far(void)
{
    harness_wait(harness_fork(far_child, NULL));
}

/* After an error no descriptor was moved, and none is left open. */
static void refused(const struct unx_activation *a, unsigned flags, int want)
{
    const ino_t before[] = {inode(3), inode(4), inode(5)};
    const int n = harness_nfds();
    CHECK_INT(QUIET(unx_activation_pass(a, flags)), want);
    CHECK_INT(harness_nfds(), n);
    for (int i = 0; i < 3; i++) {
        CHECK(inode(3 + i) == before[i]);
        CHECK(raw_cloexec(3 + i));
    }
}

static void refusals_child(void *arg)
{
    struct room r;
    int s[2], many[UNX_ACTIVATION_MAX + 1];
    (void)arg;
    close_all();
    raw_pair(SOCK_STREAM, s);
    CHECK(dup3(s[0], 5, O_CLOEXEC) == 5);
    const int fds[] = {4, 3}, closed[] = {4, 77}, negative[] = {4, -1};
    const struct unx_activation good = activation(&r, fds, 2, NULL);
    struct unx_activation a = good;
    refused(NULL, 0, -EINVAL);
    for (unsigned bit = 0; bit < 32; bit++)
        refused(&good, 1u << bit, -EINVAL);
    a.fds = closed;
    refused(&a, 0, -EBADF);
    a.fds = negative;
    refused(&a, 0, -EBADF);
    a.fds = NULL;
    refused(&a, 0, -EINVAL);
    for (unsigned i = 0; i < UNX_ACTIVATION_MAX + 1; i++)
        many[i] = 3;
    a.fds = many;
    a.nfds = UNX_ACTIVATION_MAX + 1;
    refused(&a, 0, -E2BIG);
    for (unsigned i = 0; i < 4; i++) {
        a = good;
        a.reserved[i] = 1;
        refused(&a, 0, -EINVAL);
    }
    a = good;
    a.env = NULL;
    refused(&a, 0, -EINVAL);
    a = good;
    a.text = NULL;
    refused(&a, 0, -EINVAL);
    a = good;
    a.watchdog_usec = 1;
    refused(&a, 0, -EINVAL);
    char long_name[257] = "";
    memset(long_name, 'x', 256);
    const char *const bad[] = {"a:b", "a\nb", "\x80", "a\\b", long_name, NULL};
    for (unsigned i = 0; i < 6; i++) {
        const char *const names[] = {"good", bad[i]};
        a = good;
        a.names = names;
        ROW("name %u", i);
        refused(&a, 0, -EINVAL);
    }
    struct unx_addr to[3] = {{.len = 0}};
    CHECK_INT(unx_addr_path(&to[1], "relative"), 0);
    CHECK_INT(unx_addr_abstract(&to[2], "a\0b", 3), 0);
    for (unsigned i = 0; i < 3; i++) {
        a = good;
        a.notify = &to[i];
        refused(&a, 0, -EINVAL);
    }
}

static void refusals(void)
{
    harness_wait(harness_fork(refusals_child, NULL));
}

/* Too small a table of descriptors, at each of the sizes at which something may go wrong. */
static void check_limits(const int *fds, const ino_t *want)
{
    struct room r;
    const struct unx_activation a = activation(&r, fds, 5, NULL);
    const ino_t before[] = {inode(3), inode(4), inode(5)};
    unsigned refusals = 0;
    for (rlim_t n = 3; n < 16; n++) {
        const struct rlimit limit = {n, 4096};
        CHECK_INT(setrlimit(RLIMIT_NOFILE, &limit), 0);
        ROW("limit %d", (int)n);
        const int result = unx_activation_pass(&a, 0);
        if (result == 0) {
            for (int i = 0; i < 5; i++)
                CHECK(inode(3 + i) == want[i] && !raw_cloexec(3 + i));
            CHECK(!raw_is_open(8) && !raw_is_open(9));
            CHECK(refusals > 0);
            return;
        }
        CHECK_INT(result, -EMFILE);
        CHECK(inode(3) == before[0] && inode(4) == before[1] && inode(5) == before[2] && !raw_is_open(6));
        CHECK(raw_cloexec(3) && raw_cloexec(4) && raw_cloexec(5));
        refusals++;
    }
    CHECK(!"passed at last");
}

static void limit_child(void *arg)
{
    int s[2];
    close_all();
    raw_pair(SOCK_STREAM, s);
    CHECK(dup3(s[0], 5, O_CLOEXEC) == 5);
    /* Some have to move up first; none has to. */
    const int fds[2][5] = {{5, 4, 3, 5, 5}, {0, 1, 2, 0, 1}};
    const int *const from = fds[arg != NULL];
    ino_t want[5];
    for (int i = 0; i < 5; i++)
        want[i] = inode(from[i]);
    check_limits(from, want);
}

static void full_table(void)
{
    if (!raw_limit_works())
        SKIP("no limit of descriptors here");
    harness_wait(harness_fork(limit_child, NULL));
    harness_wait(harness_fork(limit_child, &environ));
}

/* ---- the environment ---- */

static const char *const inherited[] = {"PATH=/bin",        "LISTEN_FDS=9",     "LISTEN_PID=1",     "LISTEN_FDNAMES=x",
                                        "LISTEN_PIDFDID=1", "NOTIFY_SOCKET=/n", "WATCHDOG_USEC=10", "WATCHDOG_PID=1",
                                        "LISTEN_FDSX=1",    "LISTEN_FD=2",      "EMPTY=",           NULL};

static void env_child(void *arg)
{
    struct room r;
    int s[2];
    char pid[32], id[32];
    (void)arg;
    close_all();
    raw_pair(SOCK_STREAM, s);
    const int fds[] = {3, 4};
    const char *const names[] = {"one", ""};
    struct unx_activation a = activation(&r, fds, 2, names);
    struct unx_addr to;
    a.inherit = (char *const *)(uintptr_t)inherited;
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(id, sizeof id, "%llu", own_pidfdid());
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    check_value(r.env, "PATH", "/bin");
    check_value(r.env, "EMPTY", "");
    check_value(r.env, "LISTEN_FDSX", "1");
    check_value(r.env, "LISTEN_FD", "2");
    check_value(r.env, "LISTEN_FDS", "2");
    check_value(r.env, "LISTEN_PID", pid);
    check_value(r.env, "LISTEN_PIDFDID", strcmp(id, "0") ? id : NULL);
    check_value(r.env, "LISTEN_FDNAMES", "one:");
    check_value(r.env, "NOTIFY_SOCKET", "/n");
    check_value(r.env, "WATCHDOG_USEC", "10");
    /* A manager of its own. */
    CHECK_INT(unx_addr_abstract(&to, "the manager", 11), 0);
    a.notify = &to;
    a.names = NULL;
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    check_value(r.env, "NOTIFY_SOCKET", "@the manager");
    check_value(r.env, "WATCHDOG_USEC", NULL);
    check_value(r.env, "WATCHDOG_PID", NULL);
    check_value(r.env, "LISTEN_FDNAMES", NULL);
    CHECK_INT(unx_addr_path(&to, "/run/manager"), 0);
    a.watchdog_usec = UINT64_MAX;
    a.inherit = NULL;
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    check_value(r.env, "NOTIFY_SOCKET", "/run/manager");
    check_value(r.env, "WATCHDOG_USEC", "18446744073709551615");
    check_value(r.env, "WATCHDOG_PID", pid);
    check_value(r.env, "PATH", NULL);
    /* No descriptors at all: the variables go. */
    a = activation(&r, NULL, 0, NULL);
    a.inherit = (char *const *)(uintptr_t)inherited;
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    check_value(r.env, "LISTEN_FDS", NULL);
    check_value(r.env, "LISTEN_PID", NULL);
    check_value(r.env, "NOTIFY_SOCKET", "/n");
}

static void environment(void)
{
    harness_wait(harness_fork(env_child, NULL));
}

/* The rooms that the header promises are enough, and one less of anything is said. */
static void room_child(void *arg)
{
    enum { N = 12 };
    static char text[UNX_ACTIVATION_TEXT + N * (UNX_ACTIVATION_NAME + 1)];
    static char longest[UNX_ACTIVATION_NAME + 1];
    char path[128], *env[UNX_ACTIVATION_VARS + 2];
    const char *names[N];
    int fds[N], s[2];
    struct unx_addr to;
    (void)arg;
    close_all();
    raw_pair(SOCK_STREAM, s);
    memset(longest, 'n', UNX_ACTIVATION_NAME);
    memset(path, '/', 108);
    path[108] = 0;
    CHECK_INT(unx_addr_path(&to, path), 0);
    for (int i = 0; i < N; i++) {
        fds[i] = s[0];
        names[i] = longest;
    }
    static char one[] = "A=1", old[] = "LISTEN_FDS=1", two[] = "B=2";
    char *inherit[] = {one, old, two, NULL};
    struct unx_activation a = {.fds = fds,
                               .nfds = N,
                               .names = names,
                               .notify = &to,
                               .watchdog_usec = UINT64_MAX,
                               .inherit = inherit,
                               .env = env,
                               .env_max = UNX_ACTIVATION_VARS + 2,
                               .text = text,
                               .text_max = sizeof text};
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    size_t used = 0;
    for (unsigned i = 2; env[i]; i++)
        used += strlen(env[i]) + 1;
    unsigned vars = 0;
    while (env[vars])
        vars++;
    NOTE("%zu bytes of text for %zu, %u variables", used, sizeof text, vars);
    fds[0] = s[1];
    CHECK_INT(fcntl(3, F_SETFD, FD_CLOEXEC), 0);
    for (size_t max = 0; max < used; max++) {
        a.text_max = max;
        CHECK_INT(unx_activation_pass(&a, 0), -ENOSPC);
    }
    a.text_max = used;
    for (unsigned max = 0; max < vars + 1; max++) {
        a.env_max = max;
        CHECK_INT(unx_activation_pass(&a, 0), -ENOSPC);
    }
    CHECK(raw_cloexec(3));
    a.env_max = vars + 1;
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    CHECK(!raw_cloexec(3));
}

static void room_for_it(void)
{
    harness_wait(harness_fork(room_child, NULL));
}

static const struct test_case cases[] = {
    {"every_order", every_order, 0, 180},
    CASE(from_far),
    CASE(refusals),
    CASE(full_table),
    CASE(environment),
    CASE(room_for_it),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
