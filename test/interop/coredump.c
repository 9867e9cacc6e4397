// SPDX-License-Identifier: MIT
/*
 * systemd-coredump, whose two halves talk in packets: a field each, then an empty packet with the core as a
 * descriptor. Our server gets what the half sends that the kernel would start; our client sends to the half that
 * stores, which is started by systemd's activator, and by our own. What that one tells the journal comes to our
 * server, too.
 *
 * Nothing crashes here and nothing is stored on this system: the "core" is a text, and the places are ours (world()).
 *
 * What surprised us: it is the empty packet, not the end, that finishes a conversation; a receiver that takes a
 * length of 0 for the end loses the descriptor.
 */
#include "interop.h"

#include <pwd.h>
#include <stdarg.h>
#include <sys/mman.h>

static const char core[] = "this would be a core";
static const char journal[] = "/run/systemd/journal/socket";
static const char settings[] = "[Coredump]\nStorage=external\nCompress=no\n";

static void core_world(void)
{
    need("systemd-coredump");
    world();
    world_empty("/var/lib/systemd");
    world_file("/run/systemd/coredump.conf.d/test.conf", settings);
    /* It would switch core dumps off if it took us for process 1. */
    world_over("/proc/sys/kernel/core_pattern", "core\n");
}

/* It takes a process in the control group of process 1 for process 1, as we may be in a container. */
static void name_our_group(void)
{
    char path[64];
    snprintf(path, sizeof path, "/proc/%d/cgroup", (int)getpid());
    world_over(path, "1:name=systemd:/test.slice\n0::/test.slice\n");
}

/* ---- our server ---- */

static void expect_field(const char *format, ...)
{
    char want[256];
    va_list ap;
    va_start(ap, format);
    const int n = vsnprintf(want, sizeof want, format, ap);
    va_end(ap);
    CHECK_MEM(got_data, got.len, want, (size_t)n);
}

static int begins(const char *key)
{
    return got.len > strlen(key) && !memcmp(got_data, key, strlen(key));
}

static void our_server_their_client(void)
{
    char pid[16], uid[16], gid[16];
    core_world();
    name_our_group();
    world_file("/run/systemd/coredump", NULL);
    const int listener = ours_listen(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, "/run/systemd/coredump");
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    snprintf(uid, sizeof uid, "%u", getuid());
    snprintf(gid, sizeof gid, "%u", getgid());
    const char *const argv[] = {"systemd-coredump", pid, uid, gid, "11", "1700000000", "1000000", "a-host", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    int seen = 0;
    for (;;) {
        CHECK_INT(ours_recv(fd), 1);
        CHECK(got_cred.known == UNX_KNOWN_ALL && got_cred.pid == p.pid);
        if (got.len == 0)
            break;
        CHECK_INT(got.fds_got, 0);
        if (begins("COREDUMP_PID="))
            expect_field("COREDUMP_PID=%s", pid), seen |= 1;
        if (begins("COREDUMP_UID="))
            expect_field("COREDUMP_UID=%s", uid), seen |= 2;
        if (begins("COREDUMP_SIGNAL="))
            expect_field("COREDUMP_SIGNAL=11"), seen |= 4;
        if (begins("COREDUMP_TIMESTAMP="))
            expect_field("COREDUMP_TIMESTAMP=1700000000000000"), seen |= 8;
        if (begins("COREDUMP_HOSTNAME="))
            expect_field("COREDUMP_HOSTNAME=a-host"), seen |= 16;
        if (begins("COREDUMP_COMM="))
            expect_field("COREDUMP_COMM=interop_coredum"), seen |= 32;
    }
    CHECK_INT(seen, 63);
    /* Its standard input. */
    CHECK_INT(got.fds_got, 1);
    CHECK(raw_cloexec(got_fds[0]));
    const int in = got_fds[0];
    ours_gets_end(fd);
    close(fd);
    peer_say(&p, core, sizeof core);
    char data[64];
    const ssize_t n = read(in, data, sizeof data);
    CHECK(n > 0);
    CHECK_MEM(data, (size_t)n, core, sizeof core);
    peer_hang_up(&p);
    CHECK_INT(read(in, data, sizeof data), 0);
    close(in);
    peer_ends(&p, 0);
    close(listener);
}

/* ---- our client ---- */

static int core_file(void)
{
    const int fd = memfd_create("core", MFD_CLOEXEC);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, core, strlen(core)), strlen(core));
    CHECK_INT(lseek(fd, 0, SEEK_SET), 0);
    return fd;
}

static void tell(int fd)
{
    char ids[3][64];
    snprintf(ids[0], sizeof ids[0], "COREDUMP_UID=%u", getuid());
    snprintf(ids[1], sizeof ids[1], "COREDUMP_GID=%u", getgid());
    snprintf(ids[2], sizeof ids[2], "COREDUMP_PID=%d", (int)getpid());
    const char *const fields[] = {ids[0],
                                  ids[1],
                                  ids[2],
                                  "COREDUMP_SIGNAL=11",
                                  "COREDUMP_TIMESTAMP=1700000000000000",
                                  "COREDUMP_RLIMIT=1000000",
                                  "COREDUMP_HOSTNAME=a-host",
                                  "COREDUMP_COMM=somebody"};
    for (unsigned i = 0; i < sizeof fields / sizeof *fields; i++)
        ours_send(fd, fields[i], strlen(fields[i]), NULL, 0);
    const int memfd = core_file();
    ours_send(fd, "", 0, &memfd, 1);
    close(memfd);
    ours_gets_end(fd);
    close(fd);
}

/* The journal message tells where the core was stored. The file is there, and nothing else is in it. */
static void check_stored(int journal_fd)
{
    static const char key[] = "COREDUMP_FILENAME=";
    char path[512];
    do
        CHECK_INT(ours_recv(journal_fd), 1);
    while (!memmem(got_data, got.len, key, strlen(key)));
    const char *field = memmem(got_data, got.len, key, strlen(key));
    const char *end = memchr(field, '\n', (size_t)(got_data + got.len - field));
    CHECK(memmem(got_data, got.len, "COREDUMP_COMM=somebody\n", 23) != NULL);
    CHECK(end != NULL);
    snprintf(path, sizeof path, "%.*s", (int)(end - field - (long)strlen(key)), field + strlen(key));
    const int fd = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(fd >= 0);
    check_file_text(fd, core);
}

/* It stores as a user of its own, if there is one. */
static void become_its_user(void *arg)
{
    const struct passwd *user = arg;
    if (setresgid(user->pw_gid, user->pw_gid, user->pw_gid) || setresuid(user->pw_uid, user->pw_uid, user->pw_uid))
        SKIP("its user is not known in this namespace");
}

static int store_world(void)
{
    core_world();
    struct passwd *user = getpwnam("systemd-coredump");
    if (user)
        harness_wait(harness_fork(become_its_user, user));
    world_file(journal, NULL);
    const int fd = ours_listen(SOCK_DGRAM, UNX_PASSCRED | UNX_PASSFDS, journal);
    /* That user has to reach it. */
    CHECK_INT(chmod(journal, 0666), 0);
    return fd;
}

static void our_client_by_their_activator(void)
{
    const int messages = store_world();
    const char *path = raw_file("s");
    const char *const argv[] = {"systemd-socket-activate", "--seqpacket", "--accept", "-l", path,
                                need("systemd-coredump"),  NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    tell(ours_connect(SOCK_SEQPACKET, 0, path));
    check_stored(messages);
    close(messages);
    peer_stop(&p, SIGTERM);
}

static void our_client_by_our_activator(void)
{
    const int messages = store_world();
    const char *path = raw_file("s");
    const int listener = ours_listen(SOCK_SEQPACKET, UNX_PASSFDS, path);
    const int client = ours_connect(SOCK_SEQPACKET, 0, path);
    const int server = ours_accept(listener);
    struct activate a = {.fds = &server, .nfds = 1};
    const char *const argv[] = {"systemd-coredump", NULL};
    struct peer p = peer_start(argv, peer_activate, &a);
    close(server);
    tell(client);
    check_stored(messages);
    peer_ends(&p, 0);
    close(messages);
    close(listener);
}

static const struct test_case cases[] = {
    PEER_CASE(our_server_their_client),
    PEER_CASE(our_client_by_their_activator),
    PEER_CASE(our_client_by_our_activator),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
