// SPDX-License-Identifier: MIT
/*
 * Being started with sockets: what is adopted, what is not for this process, what makes no sense; and finding one of
 * them. Each case arranges descriptors 3 and following in a child of its own.
 */
#include "activation.h"

#include <netinet/in.h>
#include <sys/stat.h>

static void check_untouched(unsigned n)
{
    for (unsigned i = 0; i < n; i++)
        CHECK(!raw_cloexec(3 + (int)i));
}

/* Descriptors of every kind that a manager can pass, at 3 to 9. */
static void every_kind(void)
{
    int p[2], s[2];
    close_all();
    const int path = open("/", O_PATH | O_DIRECTORY);
    raw_pair(SOCK_STREAM, s);
    raw_pipe(p);
    const int packets = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("packets")), 5);
    const int datagrams = raw_bind(SOCK_DGRAM, raw_abstract(raw_name("d"), strlen(raw_name("d"))));
    const int inet = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(path >= 0 && inet >= 0);
    CHECK_INT(listen(inet, 5), 0);
    const int from[] = {packets, datagrams, s[0], p[0], inet, path, s[1]};
    for (unsigned i = 0; i < 7; i++)
        CHECK(fcntl(from[i], F_DUPFD, 100 + (int)i) == 100 + (int)i);
    for (int fd = 3; fd < 100; fd++)
        close(fd);
    for (unsigned i = 0; i < 7; i++)
        move_fd(100 + (int)i, 3 + (int)i);
}

static void adopts_child(void *arg)
{
    struct unx_activated got[8];
    (void)arg;
    every_kind();
    announce(7, "packets:d:c with blank:::\\:last");
    memset(got, 0x55, sizeof got);
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, 0)), 7);
    for (int i = 0; i < 7; i++) {
        CHECK_INT(got[i].fd, 3 + i);
        CHECK(raw_cloexec(3 + i));
        CHECK_INT(got[i].listening, i == 0 || i == 4);
        CHECK_INT(got[i].reserved[0] | got[i].reserved[1], 0);
    }
    static const struct {
        int family, type;
        const char *name;
    } want[7] = {
        {AF_UNIX, SOCK_SEQPACKET, "packets"},
        {AF_UNIX, SOCK_DGRAM, "d"},
        {AF_UNIX, SOCK_STREAM, "c with blank"},
        {0, 0, ""},
        {AF_INET, SOCK_STREAM, ""},
        {0, 0, "\\"},
        {AF_UNIX, SOCK_STREAM, "last"},
    };
    for (int i = 0; i < 7; i++) {
        ROW("descriptor %d", 3 + i);
        CHECK_INT(got[i].family, want[i].family);
        CHECK_INT(got[i].type, want[i].type);
        CHECK_MEM(got[i].name, strlen(got[i].name), want[i].name, strlen(want[i].name));
    }
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file("packets")), 0);
    CHECK_INT(unx_addr_compare(&got[0].addr, &a), 0);
    CHECK_INT(unx_addr_abstract(&a, raw_name("d"), strlen(raw_name("d"))), 0);
    CHECK_INT(unx_addr_compare(&got[1].addr, &a), 0);
    CHECK_INT(unx_addr_name(&got[2].addr, NULL, NULL), UNX_UNNAMED);
    for (int i = 3; i < 6; i++)
        CHECK_INT(got[i].addr.len, 0);
    CHECK(getenv("LISTEN_FDS") && getenv("LISTEN_PID") && getenv("LISTEN_FDNAMES"));
    CHECK_INT(QUIET(unx_activation_adopt(got, 7, UNX_UNSET)), 7);
    CHECK(!getenv("LISTEN_FDS") && !getenv("LISTEN_PID") && !getenv("LISTEN_FDNAMES"));
    CHECK_INT(QUIET(unx_activation_adopt(got, 7, UNX_UNSET)), 0);
    /* They are the caller's: the listener works. */
    const int client = raw_connect(SOCK_SEQPACKET, raw_path(raw_file("packets")));
    const int conn = unx_accept(3, 0, NULL);
    CHECK(conn >= 0);
    close(client);
}

static void adopts_every_kind(void)
{
    harness_dir();
    harness_wait(harness_fork(adopts_child, NULL));
}

static void names_child(void *arg)
{
    static char names[1024];
    struct unx_activated got[2];
    (void)arg;
    every_kind();
    announce(2, NULL);
    CHECK_INT(unx_activation_adopt(got, 2, 0), 2);
    CHECK(!strcmp(got[0].name, "unknown") && !strcmp(got[1].name, "unknown"));
    announce(1, "");
    CHECK_INT(unx_activation_adopt(got, 2, 0), 1);
    CHECK(!strcmp(got[0].name, ""));
    announce(2, ":");
    CHECK_INT(unx_activation_adopt(got, 2, 0), 2);
    CHECK(!strcmp(got[0].name, "") && !strcmp(got[1].name, ""));
    memset(names, 'x', 511);
    names[255] = ':';
    announce(2, names);
    CHECK_INT(unx_activation_adopt(got, 2, 0), 2);
    CHECK_INT(strlen(got[0].name), 255);
    CHECK_INT(strlen(got[1].name), 255);
    names[511] = 'x';
    announce(2, names);
    CHECK_INT(unx_activation_adopt(got, 2, 0), -EINVAL);
}

static void names(void)
{
    harness_dir();
    harness_wait(harness_fork(names_child, NULL));
}

/* For another process, or for nobody: whatever else the variables say. */
static void not_for_us_child(void *arg)
{
    struct unx_activated got[8];
    (void)arg;
    every_kind();
    announce(3, "a:b:c");
    set_env_number("LISTEN_PID", (unsigned long long)getppid());
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, 0)), 0);
    set_env("LISTEN_FDS", "rubbish");
    set_env("LISTEN_PIDFDID", "rubbish");
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, 0)), 0);
    announce(3, "a:b:c");
    set_env("LISTEN_PID", NULL);
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, 0)), 0);
    announce(3, "a:b:c");
    set_env("LISTEN_FDS", NULL);
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, 0)), 0);
    check_untouched(7);
    const unsigned long long id = own_pidfdid();
    announce(3, "a:b:c");
    set_env_number("LISTEN_PIDFDID", id + 1);
    if (id == 0)
        NOTE("this kernel has no inode number for a process: LISTEN_PIDFDID counts for nothing");
    else
        CHECK_INT(QUIET(unx_activation_adopt(got, 8, UNX_UNSET)), 0);
    if (id > 0) {
        check_untouched(7);
        CHECK(!getenv("LISTEN_PID") && !getenv("LISTEN_PIDFDID") && !getenv("LISTEN_FDS") && !getenv("LISTEN_FDNAMES"));
        announce(3, "a:b:c");
        set_env_number("LISTEN_PIDFDID", id);
    }
    CHECK_INT(QUIET(unx_activation_adopt(got, 8, UNX_UNSET)), 3);
    CHECK(!getenv("LISTEN_PIDFDID"));
}

static void not_for_us(void)
{
    harness_dir();
    harness_wait(harness_fork(not_for_us_child, NULL));
}

/* The usual copy of the protocol: it takes what is meant for its parent. */
static void naive_child(void *arg)
{
    const char *n = getenv("LISTEN_FDS");
    (void)arg;
    CHECK_INT(n ? atoi(n) : 0, 0);
}

static void naive_service_takes_what_is_not_its_own(void)
{
    announce(3, "a:b:c");
    harness_wait(harness_fork(naive_child, NULL));
}

static const struct {
    const char *pid, *pidfdid, *fds, *names;
    int result;
} absurd[] = {
    {"self", NULL, "0", NULL, -EINVAL},
    {"self", NULL, "-1", NULL, -EINVAL},
    {"self", NULL, "", NULL, -EINVAL},
    {"self", NULL, " 1", NULL, -EINVAL},
    {"self", NULL, "1 ", NULL, -EINVAL},
    {"self", NULL, "+1", NULL, -EINVAL},
    {"self", NULL, "01", NULL, -EINVAL},
    {"self", NULL, "0x1", NULL, -EINVAL},
    {"self", NULL, "1.0", NULL, -EINVAL},
    {"self", NULL, "2147483645", NULL, -EINVAL},
    {"self", NULL, "2147483647", NULL, -EINVAL},
    {"self", NULL, "4294967297", NULL, -EINVAL},
    {"self", NULL, "18446744073709551617", NULL, -EINVAL},
    {"self", NULL, "99999999999999999999999999999999", NULL, -EINVAL},
    {"self", NULL, "2147483644", NULL, -EBADF},
    {"self", NULL, "8", NULL, -EBADF},
    {"self", NULL, "7", NULL, -ENOBUFS},
    {"self", NULL, "3", "a:b", -EINVAL},
    {"self", NULL, "3", "a:b:c:d", -EINVAL},
    {"self", NULL, "3", "", -EINVAL},
    {"self", NULL, "3", "a:b:c:", -EINVAL},
    {"self", NULL, "2", "a:b\n", -EINVAL},
    {"self", NULL, "2", "a:\xc3\xbc", -EINVAL},
    {"self", NULL, "2", "a:\x7f", -EINVAL},
    {"self", "", "3", NULL, -EINVAL},
    {"self", "x", "3", NULL, -EINVAL},
    {"self", "18446744073709551616", "3", NULL, -EINVAL},
    {"", NULL, "3", NULL, -EINVAL},
    {"x", NULL, "3", NULL, -EINVAL},
    {"-1", NULL, "3", NULL, -EINVAL},
    {"2147483648", NULL, "3", NULL, -EINVAL},
};

static void absurd_child(void *arg)
{
    struct unx_activated got[6];
    (void)arg;
    every_kind();
    for (unsigned i = 0; i < sizeof absurd / sizeof *absurd; i++) {
        ROW("row %u", i);
        announce(1, absurd[i].names);
        if (strcmp(absurd[i].pid, "self"))
            set_env("LISTEN_PID", absurd[i].pid);
        set_env("LISTEN_PIDFDID", absurd[i].pidfdid);
        set_env("LISTEN_FDS", absurd[i].fds);
        CHECK_INT(QUIET(unx_activation_adopt(got, 6, UNX_UNSET)), absurd[i].result);
        check_untouched(7);
        CHECK(getenv("LISTEN_PID") && getenv("LISTEN_FDS"));
    }
    /* One in the middle is closed. */
    close(5);
    announce(6, NULL);
    CHECK_INT(QUIET(unx_activation_adopt(got, 6, UNX_UNSET)), -EBADF);
    CHECK(!raw_cloexec(3) && !raw_cloexec(4) && !raw_cloexec(6));
}

static void absurd_values(void)
{
    harness_dir();
    harness_wait(harness_fork(absurd_child, NULL));
}

static void count_child(void *arg)
{
    struct unx_activated got[3];
    (void)arg;
    CHECK_INT(QUIET(unx_activation_adopt(NULL, 0, 0)), 0);
    every_kind();
    announce(3, "a:b:c");
    CHECK_INT(QUIET(unx_activation_adopt(NULL, 0, 0)), 3);
    check_untouched(7);
    CHECK_INT(QUIET(unx_activation_adopt(NULL, 1, 0)), -EINVAL);
    CHECK_INT(QUIET(unx_activation_adopt(NULL, 0, UNX_UNSET)), -EINVAL);
    for (unsigned bit = 0; bit < 32; bit++)
        if (1u << bit != UNX_UNSET)
            CHECK_INT(unx_activation_adopt(got, 3, 1u << bit), -EINVAL);
    CHECK_INT(QUIET(unx_activation_adopt(got, 0, 0)), -ENOBUFS);
    check_untouched(7);
    CHECK_INT(QUIET(unx_activation_adopt(got, 3, 0)), 3);
}

static void counts_and_arguments(void)
{
    harness_dir();
    harness_wait(harness_fork(count_child, NULL));
}

static void find_child(void *arg)
{
    struct unx_activated got[7];
    struct unx_addr a, b;
    (void)arg;
    every_kind();
    announce(7, "one:two:three:pipe:web:dir:three");
    CHECK_INT(unx_activation_adopt(got, 7, UNX_UNSET), 7);
    CHECK_INT(unx_addr_path(&a, raw_file("packets")), 0);
    CHECK_INT(unx_addr_abstract(&b, raw_name("d"), strlen(raw_name("d"))), 0);
    const struct {
        const char *name;
        int type;
        unsigned flags;
        const struct unx_addr *a;
        int result;
    } rows[] = {
        {NULL, 0, 0, NULL, 0},
        {"two", 0, 0, NULL, 1},
        {"three", 0, 0, NULL, 2},
        {"pipe", 0, 0, NULL, 3},
        {"one", SOCK_SEQPACKET, UNX_LISTENING, &a, 0},
        {NULL, SOCK_SEQPACKET, UNX_LISTENING, NULL, 0},
        {NULL, SOCK_DGRAM, 0, NULL, 1},
        {NULL, SOCK_STREAM, 0, NULL, 2},
        {NULL, 0, 0, &a, 0},
        {NULL, 0, 0, &b, 1},
        {"two", SOCK_DGRAM, 0, &b, 1},
        {"two", 0, 0, &a, -ENOENT},
        {"nobody", 0, 0, NULL, -ENOENT},
        {"", 0, 0, NULL, -ENOENT},
        {"one", SOCK_STREAM, 0, NULL, -EPROTOTYPE},
        {NULL, SOCK_STREAM, 0, &a, -EPROTOTYPE},
        {"three", SOCK_STREAM, UNX_LISTENING, NULL, -EINVAL},
        {"pipe", SOCK_STREAM, 0, NULL, -EAFNOSUPPORT},
        {"pipe", 0, UNX_LISTENING, NULL, -EAFNOSUPPORT},
        {"web", SOCK_STREAM, UNX_LISTENING, NULL, -EAFNOSUPPORT},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("row %u", i);
        CHECK_INT(QUIET(unx_activation_find(got, 7, rows[i].name, rows[i].type, rows[i].flags, rows[i].a)),
                  rows[i].result);
    }
    CHECK_INT(unx_activation_find(got, 0, NULL, 0, 0, NULL), -ENOENT);
    CHECK_INT(unx_activation_find(NULL, 0, NULL, 0, 0, NULL), -ENOENT);
    CHECK_INT(unx_activation_find(NULL, 1, NULL, 0, 0, NULL), -EINVAL);
    CHECK_INT(unx_activation_find(got, 7, NULL, 0, UNX_NONBLOCK, NULL), -EINVAL);
    CHECK_INT(unx_activation_find(got, 7, NULL, -1, 0, NULL), -EINVAL);
}

static void finds(void)
{
    harness_dir();
    harness_wait(harness_fork(find_child, NULL));
}

/* Whatever the variables say: one of the documented answers, and only an adoption changes a descriptor. */
static void random_child(void *arg)
{
    static const char letters[] = "0123456789::-+ abx\\\n\x80";
    struct unx_activated got[7];
    uint64_t seed = 1;
    unsigned adopted = 0;
    (void)arg;
    every_kind();
    for (int round = 0; round < 20000; round++) {
        static const char *const variables[] = {"LISTEN_FDS", "LISTEN_FDNAMES", "LISTEN_PIDFDID"};
        announce(1 + (unsigned)round % 7, NULL);
        for (unsigned v = 0; v < 3; v++) {
            char text[16];
            seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
            const unsigned len = (unsigned)(seed >> 60);
            for (unsigned i = 0; i < len; i++) {
                seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
                text[i] = letters[(seed >> 33) % (sizeof letters - 1)];
            }
            text[len] = 0;
            if ((seed >> 40) % (v == 0 ? 3 : 2) == 0)
                set_env(variables[v], text);
        }
        const int r = unx_activation_adopt(got, 7, 0);
        ROW("round %d: %d", round, r);
        CHECK(r == -EINVAL || r == -EBADF || (r >= 0 && r <= 7));
        for (int i = 0; i < 7; i++) {
            CHECK_INT(raw_cloexec(3 + i), i < r);
            CHECK_INT(fcntl(3 + i, F_SETFD, 0), 0);
        }
        adopted += r > 0;
    }
    CHECK(adopted > 100);
}

static void random_variables(void)
{
    harness_dir();
    harness_wait(harness_fork(random_child, NULL));
}

static const struct test_case cases[] = {
    CASE(adopts_every_kind),
    CASE(names),
    CASE(not_for_us),
    {"naive_service_takes_what_is_not_its_own", naive_service_takes_what_is_not_its_own, HARNESS_FAIL, 0},
    CASE(absurd_values),
    CASE(counts_and_arguments),
    CASE(finds),
    CASE(random_variables),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
