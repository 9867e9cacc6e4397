// SPDX-License-Identifier: MIT
/*
 * The journal's native protocol: an entry is a datagram, or if it is large a sealed memfd with an empty datagram; and
 * a stream of lines for standard output. Our server gets what libsystemd and systemd-cat send; our client writes to a
 * real systemd-journald, which our side starts with three sockets as a service manager would, and which tells it that
 * it is ready.
 *
 * What surprised us: libsystemd first raises its send buffer as far as it may, so it depends on the limits of a system
 * whether 300 kB are a datagram or a memfd; 20 MB are a memfd.
 */
#include "interop.h"

#include <sys/mman.h>
#include <unx/activation.h>

static const char native[] = "/run/systemd/journal/socket";
static const char output[] = "/run/systemd/journal/stdout";
static const char settings[] =
    "[Journal]\nStorage=volatile\nAudit=no\nReadKMsg=no\nForwardToSyslog=no\nForwardToKMsg=no\n"
    "ForwardToConsole=no\nForwardToWall=no\nRateLimitIntervalSec=0\nSyncIntervalSec=1h\n";

static void journal_world(void)
{
    world();
    world_empty("/var/log");
    world_file("/run/systemd/journald.conf.d/test.conf", settings);
    world_file(native, NULL);
}

/* ---- our server ---- */

#define PYTHON                                                                                                         \
    "import ctypes, sys\n"                                                                                             \
    "sd = ctypes.CDLL('libsystemd.so.0')\n"                                                                            \
    "text = b'x' * int(sys.argv[1])\n"                                                                                 \
    "sys.exit(-sd.sd_journal_send(b'MESSAGE=%s', b'two\\nlines', b'BLOCK=%s', text, b'SYSLOG_IDENTIFIER=us', None))\n"

/* The entry that came last, from wherever it is. */
static const char *entry(size_t *n, int *sealed)
{
    struct stat st;
    *n = got.len;
    *sealed = 0;
    if (got.len)
        return got_data;
    CHECK_INT(got.fds_got, 1);
    CHECK(raw_cloexec(got_fds[0]));
    CHECK(fstat(got_fds[0], &st) == 0);
    CHECK_INT(fcntl(got_fds[0], F_GET_SEALS), F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE);
    *sealed = 1;
    *n = (size_t)st.st_size;
    const char *p = mmap(NULL, *n, PROT_READ, MAP_PRIVATE, got_fds[0], 0);
    CHECK(p != MAP_FAILED);
    close(got_fds[0]);
    return p;
}

static void sent(size_t size, int fd)
{
    static const char head[] = "MESSAGE\n\x09\0\0\0\0\0\0\0two\nlines\nBLOCK=", tail[] = "\nSYSLOG_IDENTIFIER=us\n";
    char number[16];
    size_t n;
    int sealed;
    ROW("a field of %zu bytes", size);
    snprintf(number, sizeof number, "%zu", size);
    const char *const argv[] = {"python3", "-c", PYTHON, number, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    CHECK_INT(ours_recv(fd), 1);
    CHECK(got_cred.known == UNX_KNOWN_ALL && got_cred.pid == p.pid && got_cred.uid == getuid());
    peer_ends(&p, 0);
    const char *data = entry(&n, &sealed);
    CHECK_INT(n, sizeof head - 1 + size + sizeof tail - 1);
    CHECK_MEM(data, sizeof head - 1, head, sizeof head - 1);
    for (size_t i = 0; i < size; i++)
        CHECK(data[sizeof head - 1 + i] == 'x');
    CHECK_MEM(data + sizeof head - 1 + size, sizeof tail - 1, tail, sizeof tail - 1);
    if (size < 1000)
        CHECK_INT(sealed, 0);
    if (size > sizeof got_data)
        CHECK_INT(sealed, 1);
    if (sealed)
        munmap((void *)data, n);
}

static void our_server_their_library(void)
{
    need_libsystemd();
    journal_world();
    const int fd = ours_listen(SOCK_DGRAM, UNX_PASSCRED | UNX_PASSFDS, native);
    sent(5, fd);
    sent(300000, fd);
    sent(20000000, fd);
    close(fd);
}

static void our_server_their_stream(void)
{
    static const char header[] = "us\n\n4\n1\n0\n0\n0\n";
    need("systemd-cat");
    journal_world();
    const int listener = ours_listen(SOCK_STREAM, 0, output);
    const char *const argv[] = {"systemd-cat", "-t", "us", "-p", "warning", need("printf"), "one\\ntwo", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    ours_gets_bytes(fd, header, sizeof header - 1);
    ours_gets_bytes(fd, "one\ntwo", 7);
    ours_gets_end(fd);
    close(fd);
    peer_ends(&p, 0);
    close(listener);
}

/* ---- their server ---- */

static struct peer start_journald(void)
{
    static const char *const names[] = {"stdout", "native", "syslog"};
    const char *notify = raw_file("notify");
    const struct unx_addr a = ours_addr(notify);
    const int manager = unx_notify_bind(0, &a, 0600);
    CHECK(manager >= 0);
    const int fds[] = {ours_listen(SOCK_STREAM, UNX_PASSCRED | UNX_PASSFDS, output),
                       ours_listen(SOCK_DGRAM, UNX_PASSCRED | UNX_PASSFDS, native),
                       ours_listen(SOCK_DGRAM, UNX_PASSCRED, "/run/systemd/journal/dev-log")};
    struct activate act = {.fds = fds, .nfds = 3, .names = names, .notify = notify};
    const char *const argv[] = {"systemd-journald", NULL};
    struct peer p = peer_start(argv, peer_activate, &act);
    for (int i = 0; i < 3; i++)
        close(fds[i]);
    struct unx_notification n = {0};
    while (!(n.what & UNX_NOTIFY_READY)) {
        char text[UNX_NOTIFY_MAX + 1];
        const struct iovec iov = {text, sizeof text};
        struct unx_msg m = {.iov = &iov, .niov = 1, .fds = got_fds, .nfds = 253, .cred = &got_cred};
        CHECK(unx_wait(manager, POLLIN, PEER_WAIT) > 0);
        CHECK_INT(unx_notify_recv(manager, &m, &n, 0), 1);
        CHECK_INT(got_cred.pid, p.pid);
        for (unsigned i = 0; i < m.fds_got; i++)
            close(got_fds[i]);
    }
    /* It goes on notifying, and must not wait for a reader. */
    close(manager);
    return p;
}

/* What the journal has for this match, as an export: the fields that we wrote are in it as we wrote them. */
static void check_entry(const char *match, const void *field, size_t n)
{
    size_t len;
    const char *const sync_argv[] = {"journalctl", "--sync", NULL};
    struct peer p = peer_start(sync_argv, NULL, NULL);
    peer_ends(&p, 0);
    const char *const argv[] = {"journalctl",       "-o",  "export", "--all", "--no-pager", "-D",
                                "/run/log/journal", match, NULL};
    p = peer_start(argv, NULL, NULL);
    const char *all = peer_all(&p, &len);
    peer_ends(&p, 0);
    if (!memmem(all, len, field, n))
        harness_fail(__FILE__, __LINE__, "%zu bytes, but not ours: %s", len, all);
}

static int sealed_entry(const char *text, size_t n)
{
    const int fd = memfd_create("entry", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, text, n), n);
    CHECK_INT(fcntl(fd, F_ADD_SEALS, F_SEAL_SEAL | F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

static void our_client_their_server(void)
{
    static const char small[] = "MESSAGE=small\nBINARY\n\x05\0\0\0\0\0\0\0a\nb\0c\n";
    static const char head[] = "MESSAGE=large\nBLOCK=";
    static char large[500000];
    need("systemd-journald");
    journal_world();
    struct peer p = start_journald();
    int fd = ours_connect(SOCK_DGRAM, 0, native);
    ours_send(fd, small, sizeof small - 1, NULL, 0);
    memcpy(large, head, sizeof head - 1);
    for (size_t i = sizeof head - 1; i < sizeof large - 1; i++)
        large[i] = (char)('a' + i % 26);
    large[sizeof large - 1] = '\n';
    const int memfd = sealed_entry(large, sizeof large);
    ours_send(fd, "", 0, &memfd, 1);
    close(memfd);
    close(fd);
    fd = ours_connect(SOCK_STREAM, 0, output);
    ours_send(fd, "us\n\n6\n0\n0\n0\n0\na line of ours\n", 29, NULL, 0);
    CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
    ours_gets_end(fd);
    close(fd);
    check_entry("MESSAGE=small", small + 14, sizeof small - 1 - 14);
    check_entry("MESSAGE=large", large + 14, sizeof large - 14);
    check_entry("MESSAGE=a line of ours", "SYSLOG_IDENTIFIER=us\n", 21);
    peer_stop(&p, SIGTERM);
}

static const struct test_case cases[] = {
    PEER_CASE(our_server_their_library),
    PEER_CASE(our_server_their_stream),
    PEER_CASE(our_client_their_server),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
