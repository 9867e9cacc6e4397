// SPDX-License-Identifier: MIT
/*
 * Flags that a call does not list, each bit of them, alone and beside all that it does list; types, times and choices
 * that do not exist. Always -EINVAL, before anything was made.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <unx/control.h>

static char data[64];
static const struct iovec one = {data, sizeof data};

static struct unx_addr nowhere;

static int flags_socket(unsigned flags)
{
    return unx_socket(SOCK_SEQPACKET, flags);
}

static int flags_pair(unsigned flags)
{
    int s[2];
    return unx_pair(SOCK_SEQPACKET, flags, s);
}

static int flags_bind(unsigned flags)
{
    return unx_bind(SOCK_DGRAM, flags, &nowhere, UNX_MODE_UMASK);
}

static int flags_listen(unsigned flags)
{
    return unx_listen(SOCK_SEQPACKET, flags, &nowhere, -1, UNX_MODE_UMASK);
}

static int flags_listen_path(unsigned flags)
{
    return unx_listen_path(SOCK_SEQPACKET, flags, AT_FDCWD, raw_file("flags"), -1, UNX_MODE_UMASK);
}

static int flags_connect(unsigned flags)
{
    return unx_connect(SOCK_SEQPACKET, flags, NULL, &nowhere, 0);
}

static int flags_connect_path(unsigned flags)
{
    return unx_connect_path(SOCK_SEQPACKET, flags, AT_FDCWD, "/nowhere", 0);
}

static int listener = -1, pair[2] = {-1, -1};

static int flags_accept(unsigned flags)
{
    return unx_accept(listener, flags, NULL);
}

static int flags_adopt(unsigned flags)
{
    return unx_adopt(listener, 0, flags);
}

static int flags_send(unsigned flags)
{
    struct unx_msg m = message(&one, 1);
    return unx_send(pair[0], &m, flags);
}

static int flags_recv(unsigned flags)
{
    struct unx_msg m = message(&one, 1);
    return unx_recv(pair[0], &m, flags | UNX_DONTWAIT);
}

static int flags_add_fds(unsigned flags)
{
    char room[64];
    struct unx_control_writer w;
    unx_control_writer_init(&w, room, sizeof room);
    return unx_control_add_fds(&w, &listener, 1, flags);
}

/* A flag that came later than the rest. */
#ifdef UNX_BIGBUF
#define BIGBUF UNX_BIGBUF
#else
#define BIGBUF 0
#endif
#define OF_SOCKETS (UNX_NONBLOCK | UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP | BIGBUF)
static const struct {
    const char *name;
    int (*run)(unsigned flags);
    unsigned known;
} flagged[] = {
    {"unx_socket", flags_socket, OF_SOCKETS},
    {"unx_pair", flags_pair, OF_SOCKETS},
    {"unx_bind", flags_bind, OF_SOCKETS},
    {"unx_listen", flags_listen, OF_SOCKETS},
    {"unx_listen_path", flags_listen_path, OF_SOCKETS},
    {"unx_connect", flags_connect, OF_SOCKETS},
    {"unx_connect_path", flags_connect_path, OF_SOCKETS},
    {"unx_accept", flags_accept, UNX_NONBLOCK | UNX_TIMESTAMP | UNX_INTR | BIGBUF},
    {"unx_adopt", flags_adopt, OF_SOCKETS | UNX_LISTENING},
    {"unx_send", flags_send, UNX_DONTWAIT | UNX_INTR | UNX_PLAIN},
    {"unx_recv", flags_recv, UNX_DONTWAIT | UNX_INTR | UNX_PEEK | UNX_PEEK_FDS | UNX_PARTIAL | UNX_KEEP | UNX_PLAIN},
    {"unx_control_add_fds", flags_add_fds, UNX_GIVE},
};

static unsigned complain(const char *name, unsigned flags, int got)
{
    if (got != -EINVAL) {
        NOTE("%s with flags 0x%x: %d, want %d", name, flags, got, -EINVAL);
    }
    return got != -EINVAL;
}

static void flags(void)
{
    unsigned wrong = 0;
    const char *name = raw_name("flags");
    const struct raw_addr a = raw_abstract(name, strlen(name));
    listener = raw_listen(SOCK_SEQPACKET, a, 1);
    raw_pair(SOCK_SEQPACKET, pair);
    CHECK_INT(fcntl(listener, F_SETFL, O_NONBLOCK), 0);
    CHECK_INT(unx_addr_abstract(&nowhere, "unx-flags-nowhere", 17), 0);
    const int before = harness_nfds();
    for (unsigned i = 0; i < sizeof flagged / sizeof *flagged; i++) {
        for (unsigned bit = 0; bit < 32; bit++) {
            const unsigned flag = 1u << bit;
            if ((flagged[i].known & flag) == 0) {
                wrong += complain(flagged[i].name, flag, flagged[i].run(flag));
                wrong += complain(flagged[i].name, flag | flagged[i].known, flagged[i].run(flag | flagged[i].known));
            }
        }
    }
    CHECK_INT(unx_adopt(listener, 0, 0), SOCK_SEQPACKET);
    CHECK_INT(flags_recv(UNX_PEEK | UNX_PEEK_FDS), -EINVAL);
    CHECK_INT(harness_nfds(), before);
    check_nothing(pair[1]);
    CHECK(access(raw_file("flags"), F_OK) != 0);
    close(listener);
    close_pair(pair);
    CHECK_INT(wrong, 0);
}

static void types(void)
{
    static const int bad[] = {0, -1, 99, INT_MAX, SOCK_RAW, SOCK_STREAM | SOCK_CLOEXEC, SOCK_DGRAM | SOCK_NONBLOCK};
    int s[2] = {-7, -7};
    CHECK_INT(unx_addr_abstract(&nowhere, "unx-types-nowhere", 17), 0);
    raw_pair(SOCK_STREAM, pair);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(unx_socket(bad[i], 0), -EINVAL);
        CHECK_INT(unx_pair(bad[i], 0, s), -EINVAL);
        CHECK(s[0] == -7 && s[1] == -7);
        CHECK_INT(unx_bind(bad[i], 0, &nowhere, UNX_MODE_UMASK), -EINVAL);
        CHECK_INT(unx_listen(bad[i], 0, &nowhere, -1, UNX_MODE_UMASK), -EINVAL);
        CHECK_INT(unx_listen_path(bad[i], 0, AT_FDCWD, raw_file("types"), -1, UNX_MODE_UMASK), -EINVAL);
        CHECK_INT(unx_connect(bad[i], 0, NULL, &nowhere, 0), -EINVAL);
        CHECK_INT(unx_connect_path(bad[i], 0, AT_FDCWD, raw_file("types"), 0), -EINVAL);
        if (bad[i] != 0) {
            CHECK_INT(unx_adopt(pair[0], bad[i], 0), -EINVAL);
        }
    }
    CHECK(access(raw_file("types"), F_OK) != 0);
    CHECK_INT(unx_adopt(pair[0], SOCK_DGRAM, 0), -EPROTOTYPE);
    CHECK_INT(unx_adopt(pair[0], SOCK_STREAM, UNX_LISTENING), -EINVAL);
    CHECK_INT(unx_listen(SOCK_DGRAM, 0, &nowhere, -1, UNX_MODE_UMASK), -EOPNOTSUPP);
    CHECK_INT(unx_listen_path(SOCK_DGRAM, 0, AT_FDCWD, raw_file("types"), 5, UNX_MODE_UMASK), -EOPNOTSUPP);
    CHECK(access(raw_file("types"), F_OK) != 0);
    close_pair(pair);
}

static void times_and_options(void)
{
    int ms, s[2];
    static const int bad_times[] = {-2, -1000, INT_MIN};
    raw_pair(SOCK_STREAM, s);
    CHECK_INT(unx_addr_abstract(&nowhere, "unx-times-nowhere", 17), 0);
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(unx_wait(s[0], POLLIN, bad_times[i]), -EINVAL);
        CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, &nowhere, bad_times[i]), -EINVAL);
        CHECK_INT(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, "/nowhere", bad_times[i]), -EINVAL);
        CHECK_INT(unx_set_timeout(s[0], UNX_RECV, bad_times[i]), -EINVAL);
    }
    CHECK_INT(unx_set_timeout(s[0], UNX_RECV, 0), -EINVAL);
    static const unsigned bad_which[] = {0, UNX_RECV | UNX_SEND, 1, 0xffffffffu};
    for (unsigned i = 0; i < 4; i++) {
        CHECK_INT(unx_set_timeout(s[0], bad_which[i], 100), -EINVAL);
        CHECK_INT(unx_get_timeout(s[0], bad_which[i], &ms), -EINVAL);
    }
    static const int bad_how[] = {-1, 3, INT_MAX};
    for (unsigned i = 0; i < 3; i++) {
        CHECK_INT(unx_shutdown(s[0], bad_how[i]), -EINVAL);
    }
    static const int bad_limits[] = {0, -1, 5, 99, INT_MAX};
    for (unsigned i = 0; i < 5; i++) {
        CHECK_INT(unx_limit(bad_limits[i]), -EINVAL);
    }
    raw_send(s[0], "x", 1, NULL, 0);
    check_arrived(s[1], "x", 1);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(flags),
    CASE(types),
    CASE(times_and_options),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
