// SPDX-License-Identifier: MIT
/*
 * Telling the service manager, which here is a datagram socket of the test itself: what arrives, and who is said to
 * have sent it. (test_notify_wait.c: a manager that does not listen.)
 */
#include "activation.h"

#include <sched.h>
#include <sys/stat.h>

static int manager(const char *word)
{
    const int fd = raw_bind(SOCK_DGRAM, raw_path(raw_file(word)));
    raw_set(fd, SO_PASSCRED, 1);
    set_env("NOTIFY_SOCKET", raw_file(word));
    return fd;
}

/* The next notification has to be this text, of this process. */
static void check_told(int fd, const char *text, unsigned nfds)
{
    static char data[UNX_NOTIFY_MAX + 1];
    struct raw_got g;
    raw_recv(fd, data, sizeof data, MSG_DONTWAIT, &g);
    CHECK(g.result >= 0);
    CHECK_MEM(data, (size_t)g.result, text, strlen(text));
    CHECK_INT(g.nfds, nfds);
    CHECK(g.has_cred);
    CHECK_INT(g.cred.pid, getpid());
    CHECK_INT(g.cred.uid, getuid());
    CHECK_INT(g.cred.gid, getgid());
    raw_close_fds(&g);
}

static void nobody_to_tell(void)
{
    uint64_t usec = 1;
    set_env("NOTIFY_SOCKET", NULL);
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 0);
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, UNX_UNSET, -1)), 0);
    CHECK_INT(QUIET(unx_notify_barrier(0, -1)), 0);
    CHECK_INT(QUIET(unx_notify_watchdog(&usec, 0)), 0);
    CHECK_INT(usec, 0);
}

static void arrives_on_a_path(void)
{
    const int fd = manager("n");
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
    CHECK_INT(QUIET(unx_notify("STATUS=two\nWATCHDOG=1\n", NULL, 0, 0, 0)), 1);
    CHECK_INT(QUIET(unx_notify("X_ANYTHING", NULL, 0, 0, -1)), 1);
    check_told(fd, "READY=1", 0);
    check_told(fd, "STATUS=two\nWATCHDOG=1\n", 0);
    check_told(fd, "X_ANYTHING", 0);
    close(fd);
}

/* A name is taken byte by byte: a backslash is one, and nothing is appended. */
static void arrives_at_an_abstract_name(void)
{
    char name[108];
    const char *const words[] = {"plain", "with \\x20 in it", "@twice"};
    for (unsigned i = 0; i < 4; i++) {
        snprintf(name, sizeof name, "@%s", raw_name(i < 3 ? words[i] : "long"));
        if (i == 3) {
            const size_t n = strlen(name);
            memset(name + n, 'x', sizeof name - n);
        }
        char value[112];
        snprintf(value, sizeof value, "%.*s", 108, name);
        const int fd = raw_bind(SOCK_DGRAM, raw_abstract(value + 1, strlen(value + 1)));
        raw_set(fd, SO_PASSCRED, 1);
        set_env("NOTIFY_SOCKET", value);
        CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
        check_told(fd, "READY=1", 0);
        close(fd);
    }
}

static void arrives_on_a_long_path(void)
{
    char path[400];
    int n = snprintf(path, sizeof path, "%s", harness_dir());
    for (int i = 0; i < 2; i++) {
        n += snprintf(path + n, sizeof path - (size_t)n, "/%0100d", i);
        CHECK_INT(mkdir(path, 0755), 0);
    }
    snprintf(path + n, sizeof path - (size_t)n, "/notify");
    const int fd = unx_listen_path(SOCK_DGRAM, UNX_PASSCRED | UNX_PASSFDS, AT_FDCWD, path, UNX_BIND_ONLY, 0600);
    CHECK(fd >= 0);
    set_env("NOTIFY_SOCKET", path);
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
    check_told(fd, "READY=1", 0);
    close(fd);
}

static void descriptors(void)
{
    const int fd = manager("n");
    int p[2], many[RAW_MAX_FDS + 1];
    raw_pipe(p);
    for (int i = 0; i < RAW_MAX_FDS + 1; i++)
        many[i] = p[1];
    CHECK_INT(QUIET(unx_notify("FDSTORE=1\nFDNAME=x", many, 2, 0, 1000)), 1);
    check_told(fd, "FDSTORE=1\nFDNAME=x", 2);
    CHECK_INT(QUIET(unx_notify("FDSTORE=1", many, RAW_MAX_FDS, 0, 1000)), 1);
    check_told(fd, "FDSTORE=1", RAW_MAX_FDS);
    CHECK_INT(QUIET(unx_notify("FDSTORE=1", many, RAW_MAX_FDS + 1, 0, 1000)), -E2BIG);
    many[1] = -1;
    CHECK_INT(QUIET(unx_notify("FDSTORE=1", many, 2, 0, 1000)), -EBADF);
    many[1] = 900;
    CHECK_INT(QUIET(unx_notify("FDSTORE=1", many, 2, 0, 1000)), -EBADF);
    CHECK_INT(QUIET(unx_notify("FDSTORE=1", NULL, 2, 0, 1000)), -EINVAL);
    CHECK(!raw_pipe_ended(p[0]));
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    close(fd);
}

/* The manager asks for credentials only when the message waits already. */
static void credentials_before_they_are_wanted(void)
{
    const int fd = raw_bind(SOCK_DGRAM, raw_path(raw_file("n")));
    set_env("NOTIFY_SOCKET", raw_file("n"));
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
    raw_set(fd, SO_PASSCRED, 1);
    check_told(fd, "READY=1", 0);
    close(fd);
}

static void unmapped_child(void *arg)
{
    (void)arg;
    if (unshare(CLONE_NEWUSER))
        SKIP("no user namespaces: %s", strerror(errno));
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
}

/* Where no id is mapped, no credentials can be attached: those that the kernel adds have to do. */
static void without_a_name_for_itself(void)
{
    char data[64];
    struct raw_got g;
    const int fd = manager("n");
    CHECK_INT(chmod(raw_file("n"), 0777), 0);
    const pid_t pid = harness_fork(unmapped_child, NULL);
    harness_wait(pid);
    raw_recv(fd, data, sizeof data, MSG_DONTWAIT, &g);
    CHECK_MEM(data, (size_t)g.result, "READY=1", 7);
    CHECK(g.has_cred);
    CHECK_INT(g.cred.pid, pid);
    CHECK_INT(g.cred.uid, getuid());
    close(fd);
}

static void refusals(void)
{
    static char text[UNX_NOTIFY_MAX + 2];
    const int stream = raw_listen(SOCK_STREAM, raw_path(raw_file("stream")), 5);
    const int fd = manager("n");
    memset(text, 'x', UNX_NOTIFY_MAX + 1);
    CHECK_INT(QUIET(unx_notify(text, NULL, 0, 0, 1000)), -EMSGSIZE);
    text[UNX_NOTIFY_MAX] = 0;
    CHECK_INT(QUIET(unx_notify(text, NULL, 0, 0, 1000)), 1);
    check_told(fd, text, 0);
    CHECK_INT(QUIET(unx_notify("", NULL, 0, 0, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_notify(NULL, NULL, 0, 0, 1000)), -EINVAL);
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, -2)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_barrier(0, -2)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_watchdog(NULL, 0)), -EINVAL);
    for (unsigned bit = 0; bit < 32; bit++) {
        uint64_t usec;
        if (1u << bit == UNX_UNSET)
            continue;
        CHECK_INT(unx_notify("READY=1", NULL, 0, 1u << bit, 1000), -EINVAL);
        CHECK_INT(unx_notify_barrier(1u << bit, 1000), -EINVAL);
        CHECK_INT(unx_notify_watchdog(&usec, 1u << bit), -EINVAL);
    }
    char too_long[120] = "@";
    memset(too_long + 1, 'x', 108);
    const struct {
        const char *to;
        int result;
    } rows[] = {
        {"", -EAFNOSUPPORT},
        {"relative/path", -EAFNOSUPPORT},
        {"vsock:2:1234", -EAFNOSUPPORT},
        {"@", -EINVAL},
        {too_long, -ENAMETOOLONG},
        {raw_file("missing"), -ENOENT},
        {raw_file("stream"), -EPROTOTYPE},
        {"/dev/null", -ECONNREFUSED},
        {"@unx-test-nobody-is-here", -ECONNREFUSED},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("NOTIFY_SOCKET=%s", rows[i].to);
        set_env("NOTIFY_SOCKET", rows[i].to);
        CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, UNX_UNSET, 1000)), rows[i].result);
        CHECK_INT(QUIET(unx_notify_barrier(UNX_UNSET, 1000)), rows[i].result);
        CHECK(getenv("NOTIFY_SOCKET"));
    }
    close(fd);
    set_env("NOTIFY_SOCKET", raw_file("n"));
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, UNX_UNSET, 1000)), -ECONNREFUSED);
    close(stream);
}

static void unset(void)
{
    const int fd = manager("n");
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 1);
    CHECK(getenv("NOTIFY_SOCKET"));
    CHECK_INT(QUIET(unx_notify("STOPPING=1", NULL, 0, UNX_UNSET, 1000)), 1);
    CHECK(!getenv("NOTIFY_SOCKET"));
    CHECK_INT(QUIET(unx_notify("READY=1", NULL, 0, 0, 1000)), 0);
    check_told(fd, "READY=1", 0);
    check_told(fd, "STOPPING=1", 0);
    close(fd);
}

static void full_table(void)
{
    if (!raw_limit_works())
        SKIP("no limit of descriptors here");
    const int fd = manager("n");
    for (unsigned n = 0; n < 4; n++) {
        raw_limit(n);
        const int told = unx_notify("READY=1", NULL, 0, UNX_UNSET, 100);
        const int passed = unx_notify_barrier(UNX_UNSET, 10);
        raw_unlimit();
        ROW("room for %u", n);
        CHECK_INT(told, n < 1 ? -EMFILE : 1);
        CHECK_INT(passed, n < 3 ? (told == 1 ? 0 : -EMFILE) : 0);
        set_env("NOTIFY_SOCKET", raw_file("n"));
        raw_limit(n);
        const int barrier_alone = unx_notify_barrier(UNX_UNSET, 10);
        raw_unlimit();
        CHECK_INT(barrier_alone, n < 3 ? -EMFILE : -ETIMEDOUT);
    }
    close(fd);
}

/* ---- the watchdog, and text ---- */

static void watchdog(void)
{
    char own[32], other[32];
    snprintf(own, sizeof own, "%d", (int)getpid());
    snprintf(other, sizeof other, "%d", (int)getppid());
    const struct {
        const char *usec, *pid;
        int result;
        uint64_t want;
    } rows[] = {
        {"3000000", own, 1, 3000000},
        {"1", NULL, 1, 1},
        {"18446744073709551614", own, 1, UINT64_MAX - 1},
        {"3000000", other, 0, 0},
        {NULL, own, 0, 0},
        {NULL, "rubbish", 0, 0},
        {"rubbish", other, 0, 0},
        {"0", own, -EINVAL, 0},
        {"18446744073709551615", own, -EINVAL, 0},
        {"18446744073709551616", own, -EINVAL, 0},
        {"-1", own, -EINVAL, 0},
        {"1s", own, -EINVAL, 0},
        {"", own, -EINVAL, 0},
        {"3000000", "", -EINVAL, 0},
        {"3000000", "0x1", -EINVAL, 0},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        uint64_t usec = 77;
        ROW("row %u", i);
        set_env("WATCHDOG_USEC", rows[i].usec);
        set_env("WATCHDOG_PID", rows[i].pid);
        CHECK_INT(QUIET(unx_notify_watchdog(&usec, i % 2 ? UNX_UNSET : 0)), rows[i].result);
        CHECK_INT(usec, rows[i].want);
        if (rows[i].result >= 0 && i % 2)
            CHECK(!getenv("WATCHDOG_USEC") && !getenv("WATCHDOG_PID"));
        else
            CHECK(!!getenv("WATCHDOG_USEC") == !!rows[i].usec && !!getenv("WATCHDOG_PID") == !!rows[i].pid);
    }
}

static void puts_lines(void)
{
    char text[32] = "";
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "READY", "1")), 8);
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "STATUS", "a = b")), 21);
    CHECK_MEM(text, strlen(text), "READY=1\nSTATUS=a = b\n", 21);
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "X", "12345678")), -ENOSPC);
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "X", "1234567")), 31);
    CHECK_INT(strlen(text), 31);
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "X", "")), -ENOSPC);
    CHECK_MEM(text, strlen(text), "READY=1\nSTATUS=a = b\nX=1234567\n", 31);
    text[0] = 0;
    const char *const bad[][2] = {{"", "1"},   {"A=B", "1"}, {"A\nB", "1"}, {"STATUS", "a\nMAINPID=1"},
                                  {NULL, "1"}, {"A", NULL}};
    for (unsigned i = 0; i < 6; i++) {
        CHECK_INT(QUIET(unx_notify_put(text, sizeof text, bad[i][0], bad[i][1])), -EINVAL);
        CHECK_INT(text[0], 0);
    }
    CHECK_INT(QUIET(unx_notify_put(NULL, 32, "A", "1")), -EINVAL);
    CHECK_INT(QUIET(unx_notify_put(text, 0, "A", "1")), -EINVAL);
    CHECK_INT(QUIET(unx_notify_put(text, 1, "A", "1")), -ENOSPC);
    CHECK_INT(QUIET(unx_notify_put(text, 4, "A", "1")), -ENOSPC);
    CHECK_INT(QUIET(unx_notify_put(text, 5, "A", "1")), 4);
    memset(text, 'x', sizeof text);
    CHECK_INT(QUIET(unx_notify_put(text, sizeof text, "A", "1")), -EINVAL);
}

static const struct test_case cases[] = {
    CASE(nobody_to_tell),
    CASE(arrives_on_a_path),
    CASE(arrives_at_an_abstract_name),
    CASE(arrives_on_a_long_path),
    CASE(descriptors),
    CASE(credentials_before_they_are_wanted),
    CASE(without_a_name_for_itself),
    CASE(refusals),
    CASE(unset),
    CASE(full_table),
    CASE(watchdog),
    CASE(puts_lines),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
