// SPDX-License-Identifier: MIT
/*
 * Being the service manager: notifications that a raw sendmsg(2) sent, and their text.
 */
#include "activation.h"

#include <poll.h>

static char data[UNX_NOTIFY_MAX + 1];
static const struct iovec whole = {data, sizeof data};
static int fds[RAW_MAX_FDS];
static struct unx_cred sender;

static struct unx_msg room(unsigned nfds)
{
    return (struct unx_msg){.iov = &whole, .niov = 1, .fds = fds, .nfds = nfds, .cred = &sender};
}

struct sockets {
    int manager, service;
};

static struct sockets sockets(unsigned flags)
{
    struct unx_addr a;
    struct sockets s;
    CHECK_INT(unx_addr_path(&a, raw_file("n")), 0);
    s.manager = unx_notify_bind(flags, &a, 0600);
    CHECK(s.manager >= 0);
    s.service = raw_connect(SOCK_DGRAM, raw_path(raw_file("n")));
    return s;
}

static void close_sockets(struct sockets s)
{
    close(s.manager);
    close(s.service);
}

static void check_text(const char *p, size_t len, const char *want)
{
    CHECK((p == NULL) == (want == NULL));
    CHECK_MEM(p, len, want, want ? strlen(want) : 0);
}

static void socket_of_a_manager(void)
{
    struct unx_addr a;
    unsigned blind = 0;
    const struct sockets s = sockets(UNX_NONBLOCK);
    CHECK_INT(raw_get(s.manager, SO_TYPE), SOCK_DGRAM);
    CHECK(raw_nonblock(s.manager) && raw_cloexec(s.manager));
    const unsigned flags = raw_flags(s.manager, &blind);
    CHECK_INT((flags | blind) & (UNX_PASSCRED | UNX_PASSFDS), UNX_PASSCRED | UNX_PASSFDS);
    CHECK_INT(unx_addr_path(&a, raw_file("n")), 0);
    CHECK_INT(QUIET(unx_notify_bind(0, &a, 0600)), -EADDRINUSE);
    CHECK_INT(QUIET(unx_notify_bind(UNX_PASSFDS, &a, 0600)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_bind(0, NULL, 0600)), -EINVAL);
    close_sockets(s);
}

static void all_fields(void)
{
    const struct sockets s = sockets(0);
    const char *const text = "READY=1\nSTATUS=half = done\nMAINPID=4711\nERRNO=2\nWATCHDOG_USEC=3000000\n"
                             "EXTEND_TIMEOUT_USEC=1\nMONOTONIC_USEC=18446744073709551615\nX_OWN=1\n";
    struct unx_notification n;
    struct unx_msg m = room(1);
    int p[2];
    raw_pipe(p);
    raw_send(s.service, text, strlen(text), &p[1], 1);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_READY | UNX_NOTIFY_STATUS | UNX_NOTIFY_MAINPID | UNX_NOTIFY_ERRNO |
                          UNX_NOTIFY_WATCHDOG_USEC | UNX_NOTIFY_EXTEND_USEC | UNX_NOTIFY_MONOTONIC_USEC |
                          UNX_NOTIFY_OTHER);
    check_text(n.status, n.status_len, "half = done");
    CHECK_INT(n.mainpid, 4711);
    CHECK_INT(n.error, -2);
    CHECK_INT(n.watchdog_usec, 3000000);
    CHECK_INT(n.extend_usec, 1);
    CHECK(n.monotonic_usec == UINT64_MAX);
    CHECK(n.name == NULL && n.name_len == 0);
    CHECK_INT(m.len, strlen(text));
    CHECK(m.got & UNX_GOT_CRED);
    CHECK_INT(sender.known, UNX_KNOWN_ALL);
    CHECK_INT(sender.pid, getpid());
    /* Descriptors are the caller's, whatever the text says of them. */
    CHECK_INT(m.fds_got, 1);
    CHECK(raw_same_file(fds[0], p[1]) && raw_cloexec(fds[0]));
    close(fds[0]);
    close(p[0]);
    close(p[1]);
    close_sockets(s);
}

static void sender_by_pidfd(void)
{
    struct unx_addr a;
    struct unx_notification n;
    int pidfd = -1;
    struct unx_msg m = {.iov = &whole, .niov = 1, .pidfd = &pidfd};
    CHECK_INT(unx_addr_path(&a, raw_file("n")), 0);
    const int fd = unx_notify_bind(UNX_PASSPIDFD, &a, 0600);
    if (fd == -EOPNOTSUPP)
        SKIP("this kernel has no pidfd of a sender");
    CHECK(fd >= 0);
    set_env("NOTIFY_SOCKET", raw_file("n"));
    CHECK_INT(unx_notify("READY=1", NULL, 0, 0, 1000), 1);
    CHECK_INT(QUIET(unx_notify_recv(fd, &m, &n, 0)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_READY);
    CHECK_INT(unx_pidfd_check(pidfd, getpid()), 1);
    close(pidfd);
    close(fd);
}

/* 768 descriptors, which is what a manager keeps for a service, by as many messages as that takes. */
static void stores_many(void)
{
    static int kept[768];
    struct unx_notification n;
    const struct sockets s = sockets(0);
    int p[2], many[RAW_MAX_FDS];
    unsigned have = 0;
    raw_pipe(p);
    for (int i = 0; i < RAW_MAX_FDS; i++)
        many[i] = p[1];
    while (have < 768) {
        const unsigned more = 768 - have < RAW_MAX_FDS ? 768 - have : RAW_MAX_FDS;
        struct unx_msg m = room(RAW_MAX_FDS);
        raw_send(s.service, "FDSTORE=1\nFDNAME=some\nFDPOLL=0", 30, many, more);
        CHECK_INT(unx_notify_recv(s.manager, &m, &n, 0), 1);
        CHECK_INT(n.what, UNX_NOTIFY_FDSTORE | UNX_NOTIFY_NAME | UNX_NOTIFY_NOPOLL);
        check_text(n.name, n.name_len, "some");
        CHECK_INT(m.fds_got, more);
        memcpy(kept + have, fds, more * sizeof *fds);
        have += more;
    }
    close(p[1]);
    CHECK(!raw_pipe_ended(p[0]));
    for (int i = 0; i < 768; i++)
        CHECK(close(kept[i]) == 0);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    close_sockets(s);
}

static bool hung_up(int fd)
{
    struct pollfd p = {.fd = fd};
    return poll(&p, 1, 0) == 1;
}

static void barriers(void)
{
    struct unx_notification n;
    const struct sockets s = sockets(0);
    int p[2];
    struct unx_msg m = room(2);
    raw_pipe(p);
    raw_send(s.service, "BARRIER=1", 9, &p[1], 1);
    close(p[1]);
    CHECK(!hung_up(p[0]));
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_BARRIER);
    CHECK_INT(m.fds_got, 0);
    CHECK_INT(m.got & UNX_GOT_FDS, 0);
    CHECK_INT(fds[0], -1);
    CHECK(hung_up(p[0]));
    close(p[0]);
    /* The caller answers. */
    raw_pipe(p);
    raw_send(s.service, "BARRIER=1\n", 10, &p[1], 1);
    close(p[1]);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, UNX_BARRIER)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_BARRIER);
    CHECK_INT(m.fds_got, 1);
    CHECK(!hung_up(p[0]));
    close(fds[0]);
    CHECK(hung_up(p[0]));
    close(p[0]);
    close_sockets(s);
}

/* What no service may send is bad, and leaves no descriptor. */
static void bad_messages(void)
{
    const struct {
        const char *text;
        size_t len;
        unsigned nfds;
    } rows[] = {
        {"BARRIER=1", 9, 0},
        {"BARRIER=1", 9, 2},
        {"BARRIER=1\nREADY=1", 17, 1},
        {"READY=1\nBARRIER=1", 17, 1},
        {"BARRIER=1\nBARRIER=1", 19, 1},
        {"BARRIER=1\nX", 11, 1},
        {"READY=1\0", 9, 1},
        {"READY=1\0STATUS=x", 16, 2},
        {"\0READY=1", 8, 1},
    };
    struct unx_notification n;
    const struct sockets s = sockets(0);
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned keep = 0; keep < 2; keep++) {
            struct unx_msg m = room(2);
            int p[2];
            ROW("row %u", i);
            raw_pipe(p);
            const int lent[] = {p[1], p[1]};
            raw_send(s.service, rows[i].text, rows[i].len, lent, rows[i].nfds);
            close(p[1]);
            CHECK_INT(unx_notify_recv(s.manager, &m, &n, keep ? UNX_BARRIER : 0), 1);
            CHECK_INT(n.what, UNX_NOTIFY_BAD);
            CHECK(n.status == NULL);
            CHECK_INT(m.fds_got, 0);
            CHECK(hung_up(p[0]));
            /* It is there to look at. */
            CHECK_MEM(data, m.len, rows[i].text, rows[i].len);
            close(p[0]);
        }
    close_sockets(s);
}

static void limits(void)
{
    static char text[UNX_NOTIFY_MAX + 2];
    struct unx_notification n;
    const struct sockets s = sockets(0);
    int p[2];
    struct unx_msg m = room(1);
    memset(text, 'x', sizeof text);
    memcpy(text, "STATUS=", 7);
    raw_pipe(p);
    const int lent[] = {p[1], p[1]};
    raw_send(s.service, text, UNX_NOTIFY_MAX, NULL, 0);
    CHECK_INT(unx_notify_recv(s.manager, &m, &n, 0), 1);
    CHECK_INT(n.status_len, UNX_NOTIFY_MAX - 7);
    raw_send(s.service, text, sizeof text, lent, 1);
    raw_send(s.service, "FDSTORE=1", 9, lent, 2);
    raw_send(s.service, "", 0, NULL, 0);
    raw_send(s.service, "READY=1", 7, NULL, 0);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -EMSGSIZE);
    CHECK_INT(n.what, 0);
    CHECK(unx_one_message(-EMSGSIZE));
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -ENOBUFS);
    CHECK_INT(n.what, 0);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
    CHECK_INT(n.what, 0);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_READY);
    close(p[1]);
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, UNX_DONTWAIT)), -EAGAIN);
    CHECK_INT(m.error, -EAGAIN);
    close_sockets(s);
}

static void bad_arguments(void)
{
    struct unx_notification n;
    const struct sockets s = sockets(0);
    const struct iovec two[2] = {{data, 8}, {data + 8, 8}};
    char control[64];
    struct unx_msg m = room(1);
    raw_send(s.service, "READY=1", 7, NULL, 0);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, NULL, &n, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, NULL, 0)), -EINVAL);
    for (unsigned bit = 0; bit < 32; bit++)
        if (((1u << bit) & (UNX_DONTWAIT | UNX_INTR | UNX_BARRIER)) == 0)
            CHECK_INT(unx_notify_recv(s.manager, &m, &n, 1u << bit), -EINVAL);
    m.cred = NULL;
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -EINVAL);
    m = room(1);
    m.iov = two;
    m.niov = 2;
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -EINVAL);
    CHECK_INT(m.error, -EINVAL);
    m = room(1);
    m.iov = NULL;
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -EINVAL);
    m = room(0);
    m.control = control;
    m.control_max = sizeof control;
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), -EINVAL);
    m = room(1);
    CHECK_INT(QUIET(unx_notify_recv(-1, &m, &n, 0)), -EBADF);
    CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
    CHECK_INT(n.what, UNX_NOTIFY_READY);
    close_sockets(s);
}

/* A service of the library and a manager of the library. */
static void both_ours_child(void *arg)
{
    char text[128] = "";
    int p[2];
    (void)arg;
    raw_pipe(p);
    CHECK(unx_notify_put(text, sizeof text, "FDSTORE", "1") > 0);
    CHECK(unx_notify_put(text, sizeof text, "FDNAME", "pipe") > 0);
    CHECK_INT(unx_notify(text, &p[1], 1, 0, 1000), 1);
    CHECK_INT(unx_notify_barrier(0, 5000), 1);
    CHECK_INT(unx_notify("STOPPING=1", NULL, 0, UNX_UNSET, 1000), 1);
}

static void both_ours(void)
{
    struct unx_notification n;
    const struct sockets s = sockets(0);
    set_env("NOTIFY_SOCKET", raw_file("n"));
    const pid_t pid = harness_fork(both_ours_child, NULL);
    static const unsigned what[] = {UNX_NOTIFY_FDSTORE | UNX_NOTIFY_NAME, UNX_NOTIFY_BARRIER, UNX_NOTIFY_STOPPING};
    for (unsigned i = 0; i < 3; i++) {
        struct unx_msg m = room(4);
        CHECK_INT(QUIET(unx_notify_recv(s.manager, &m, &n, 0)), 1);
        CHECK_INT(n.what, what[i]);
        CHECK_INT(sender.pid, pid);
        CHECK_INT(m.fds_got, i == 0);
        if (i == 0)
            close(fds[0]);
    }
    harness_wait(pid);
    close_sockets(s);
}

static const struct test_case cases[] = {
    CASE(socket_of_a_manager), CASE(all_fields), CASE(sender_by_pidfd), CASE(stores_many), CASE(barriers),
    CASE(bad_messages),        CASE(limits),     CASE(bad_arguments),   CASE(both_ours),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
