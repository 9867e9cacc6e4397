// SPDX-License-Identifier: MIT
/*
 * A socket from elsewhere that is refused: it stays as it was, with its options, its close-on-exec and its blocking,
 * because others may share it and whoever offered it still has it.
 */
#include "listener.h"

#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

struct state {
    unsigned flags;
    bool cloexec;
    int buffer;
};

static struct state state_of(int fd)
{
    unsigned blind;
    return (struct state){raw_flags(fd, &blind), raw_cloexec(fd), raw_get(fd, SO_SNDBUF)};
}

static void check_state(int fd, struct state was)
{
    const struct state is = state_of(fd);
    CHECK(raw_is_open(fd));
    CHECK_INT(is.flags, was.flags);
    CHECK_INT(is.cloexec, was.cloexec);
    CHECK_INT(is.buffer, was.buffer);
}

/* Inherited, as it were: it blocks, and is not close-on-exec. */
static int inherited(int fd)
{
    CHECK_INT(fcntl(fd, F_SETFD, 0), 0);
    return fd;
}

static void wrong_sockets(void)
{
    const int server = inherited(raw_listen(SOCK_STREAM, raw_path(raw_file("s")), 4));
    const int bound = inherited(raw_bind(SOCK_SEQPACKET, raw_path(raw_file("b"))));
    const unsigned all = UNX_NONBLOCK | UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_BIGBUF;
    const struct state was_server = state_of(server), was_bound = state_of(bound);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_SEQPACKET, all)), -EPROTOTYPE);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_STREAM, all | UNX_TIMESTAMP)), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_STREAM, all | UNX_DONTWAIT)), -EINVAL);
    CHECK_INT(QUIET(unx_adopt(server, SOCK_RAW, all)), -EINVAL);
    CHECK_INT(QUIET(unx_adopt(bound, SOCK_SEQPACKET, all | UNX_LISTENING)), -EINVAL);
    check_state(server, was_server);
    check_state(bound, was_bound);
    close(server);
    close(bound);
}

static void refused_listeners(void)
{
    struct unx_listener *l;
    const int server = inherited(raw_listen(SOCK_STREAM, raw_path(raw_file("s")), 4));
    const int bound = inherited(raw_bind(SOCK_SEQPACKET, raw_path(raw_file("b"))));
    const int receiver = inherited(raw_socket(SOCK_DGRAM));
    const struct {
        int fd, type;
        unsigned flags;
        int error;
    } rows[] = {
        {server, SOCK_SEQPACKET, UNX_NONBLOCK, -EPROTOTYPE},
        {server, SOCK_STREAM, UNX_NONBLOCK | UNX_PASSFDS, -EINVAL},
        {server, SOCK_RAW, UNX_NONBLOCK, -EINVAL},
        {server, SOCK_STREAM, 0, -EBUSY},
        {server, 0, UNX_SHED, -EBUSY},
        {bound, SOCK_SEQPACKET, UNX_NONBLOCK, -EINVAL},
        {receiver, SOCK_DGRAM, UNX_NONBLOCK, -EINVAL},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        ROW("row %u", i);
        const struct state was = state_of(rows[i].fd);
        CHECK_INT(QUIET(unx_listener_adopt(&l, rows[i].fd, rows[i].type, rows[i].flags)), rows[i].error);
        CHECK(l == NULL);
        check_state(rows[i].fd, was);
    }
    close(bound);
    close(receiver);
    close(server);
}

static void no_room_for_a_listener(void)
{
    struct unx_listener *l;
    const int server = inherited(raw_listen(SOCK_STREAM, raw_path(raw_file("s")), 4));
    const struct state was = state_of(server);
    for (unsigned n = 0; n < 2; n++) {
        raw_limit(n);
        const int r = QUIET(unx_listener_adopt(&l, server, SOCK_STREAM, UNX_NONBLOCK));
        raw_unlimit();
        CHECK_INT(r, -EMFILE);
        check_state(server, was);
    }
    CHECK_INT(unx_listener_adopt(&l, server, SOCK_STREAM, UNX_NONBLOCK), 0);
    CHECK(raw_nonblock(server) && raw_cloexec(server));
    close_listener(l);
}

/* From here on no kernel knows SO_PASSPIDFD. */
static void become_old(void)
{
    raw_need_socket_calls();
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_setsockopt, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[2])),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, RAW_SO_PASSPIDFD, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | ENOPROTOOPT),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no filter of system calls here");
    }
}

static void option_that_the_kernel_lacks(void)
{
    become_old();
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    inherited(s[0]);
    const unsigned all = UNX_NONBLOCK | UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP;
    const struct state was = state_of(s[0]);
    CHECK_INT(QUIET(unx_adopt(s[0], SOCK_SEQPACKET, all | UNX_BIGBUF)), -EOPNOTSUPP);
    check_state(s[0], was);
    close(s[0]);
    close(s[1]);
}

static const struct test_case cases[] = {
    CASE(wrong_sockets),
    CASE(refused_listeners),
    CASE(no_room_for_a_listener),
    CASE(option_that_the_kernel_lacks),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
