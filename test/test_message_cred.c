// SPDX-License-Identifier: MIT
/*
 * Who sent this message: credentials that the kernel attaches or the sender chooses.
 *
 * What surprised us (Linux 6.18): what the kernel attaches by itself are the real ids, what a connection keeps are the
 * effective ones; on a stream, messages of two users are kept apart only while the option is on.
 */
#include "message.h"

#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/wait.h>

static void need_root(void)
{
    if (getuid() != 0) {
        SKIP("only root can become another user");
    }
}

static void become(uid_t real, uid_t effective)
{
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresgid(real, effective, real), 0);
    CHECK_INT(setresuid(real, effective, real), 0);
}

static void check_cred(const struct unx_cred *c, pid_t pid, uid_t uid, gid_t gid)
{
    CHECK_INT(c->known, UNX_KNOWN_ALL);
    CHECK_INT(c->pid, pid);
    CHECK_INT(c->uid, uid);
    CHECK_INT(c->gid, gid);
}

static int receive(int fd, struct unx_cred *c)
{
    static char data[64];
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    memset(c, 0x55, sizeof *c);
    m.cred = c;
    const struct unx_msg before = m;
    const int r = unx_recv(fd, &m, UNX_DONTWAIT);
    check_half(&before, &m);
    CHECK_INT((m.got & UNX_GOT_CRED) != 0, c->known != 0);
    return r < 0 ? r : (int)m.len;
}

static int send_as(int fd, struct unx_cred *c)
{
    const struct iovec out = BYTES("me");
    struct unx_msg m = message(&out, 1);
    m.cred = c;
    return unx_send(fd, &m, 0);
}

static void attached_by_the_kernel(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        struct unx_cred c;
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(receive(s[1], &c), 1);
        check_cred(&c, getpid(), getuid(), getgid());
        CHECK_INT(receive(s[1], &c), -EAGAIN);
        CHECK_INT(c.known, 0);
        /* Not asked for: the message comes all the same. */
        char data[4];
        const struct iovec in = {data, sizeof data};
        struct unx_msg m = message(&in, 1);
        raw_send(s[0], "x", 1, NULL, 0);
        CHECK_INT(unx_recv(s[1], &m, 0), 1);
        CHECK_INT(m.got & ~UNX_GOT_CRED, 0);
        close_pair(s);
    }
}

static void own_ones_sent(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        struct unx_cred real, effective, c;
        CHECK_INT(unx_cred_real(&real), 0);
        CHECK_INT(unx_cred_effective(&effective), 0);
        check_cred(&real, getpid(), getuid(), getgid());
        check_cred(&effective, getpid(), geteuid(), getegid());
        const struct unx_cred before = real;
        CHECK_INT(send_as(s[0], &real), 1);
        CHECK(memcmp(&before, &real, sizeof real) == 0);
        CHECK_INT(receive(s[1], &c), 2);
        check_cred(&c, getpid(), getuid(), getgid());
        CHECK_INT(send_as(s[0], &effective), 1);
        CHECK_INT(receive(s[1], &c), 2);
        check_cred(&c, getpid(), geteuid(), getegid());
        close_pair(s);
    }
}

/* Half known credentials cannot be sent: which half would the receiver believe? */
static void half_known(void)
{
    int s[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSCRED, s), 0);
    for (unsigned known = 0; known < 16; known++) {
        struct unx_cred c;
        CHECK_INT(unx_cred_real(&c), 0);
        c.known = known;
        CHECK_INT(send_as(s[0], &c), known == UNX_KNOWN_ALL ? 1 : -EINVAL);
    }
    struct unx_cred c;
    CHECK_INT(receive(s[1], &c), 2);
    CHECK_INT(receive(s[1], &c), -EAGAIN);
    close_pair(s);
}

static void chosen_by_root(void)
{
    need_root();
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        struct unx_cred chosen = {.pid = getppid(), .uid = 1234, .gid = 4321, .known = UNX_KNOWN_ALL}, c;
        CHECK_INT(send_as(s[0], &chosen), 1);
        CHECK_INT(receive(s[1], &c), 2);
        check_cred(&c, getppid(), 1234, 4321);
        /* Ids that cannot be told from nobody's are not known, whoever sent them. */
        chosen.uid = 65534;
        CHECK_INT(send_as(s[0], &chosen), 1);
        CHECK_INT(receive(s[1], &c), 2);
        CHECK_INT(c.known, UNX_KNOWN_PID | UNX_KNOWN_GID);
        CHECK_INT(c.pid, getppid());
        CHECK_INT(c.gid, 4321);
        close_pair(s);
    }
}

static void forging_child(void *arg)
{
    const int *s = arg;
    become(1000, 1001);
    struct unx_cred c;
    CHECK_INT(unx_cred_real(&c), 0);
    check_cred(&c, getpid(), 1000, 1000);
    CHECK_INT(unx_cred_effective(&c), 0);
    check_cred(&c, getpid(), 1001, 1001);
    CHECK_INT(send_as(s[0], &c), 1);
    CHECK_INT(unx_cred_real(&c), 0);
    CHECK_INT(send_as(s[0], &c), 1);
    c.uid = 0;
    CHECK_INT(send_as(s[0], &c), -EPERM);
    CHECK_INT(unx_cred_real(&c), 0);
    c.gid = 0;
    CHECK_INT(send_as(s[0], &c), -EPERM);
    CHECK_INT(unx_cred_real(&c), 0);
    c.pid = 1;
    CHECK_INT(send_as(s[0], &c), -EPERM);
}

static void forged_by_others(void)
{
    need_root();
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        const pid_t child = harness_fork(forging_child, s);
        harness_wait(child);
        struct unx_cred c;
        CHECK_INT(receive(s[1], &c), 2);
        check_cred(&c, child, 1001, 1001);
        CHECK_INT(receive(s[1], &c), 2);
        check_cred(&c, child, 1000, 1000);
        CHECK_INT(receive(s[1], &c), -EAGAIN);
        close_pair(s);
    }
}

static void plain_sender(void *arg)
{
    const int *s = arg;
    become(1000, 1001);
    raw_send(s[0], "y", 1, NULL, 0);
}

/* Several senders on one socket: each message, and on a stream each run of bytes, names its own. */
static void each_message_its_sender(void)
{
    need_root();
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        raw_send(s[0], "x", 1, NULL, 0);
        const pid_t child = harness_fork(plain_sender, s);
        harness_wait(child);
        raw_send(s[0], "z", 1, NULL, 0);
        struct unx_cred c;
        CHECK_INT(receive(s[1], &c), 1);
        check_cred(&c, getpid(), 0, 0);
        /* The real ids, though the effective ones are others. */
        CHECK_INT(receive(s[1], &c), 1);
        check_cred(&c, child, 1000, 1000);
        CHECK_INT(receive(s[1], &c), 1);
        check_cred(&c, getpid(), 0, 0);
        close_pair(s);
    }
}

static void with_descriptors(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], p[2], fds[253], lent[253];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED | UNX_PASSFDS, s), 0);
        raw_pipe(p);
        for (unsigned i = 0; i < 253; i++) {
            lent[i] = p[1];
        }
        struct unx_cred me, c;
        CHECK_INT(unx_cred_real(&me), 0);
        char data[4];
        const struct iovec out = BYTES("all"), in = {data, sizeof data};
        struct unx_msg m = message(&out, 1), r = message(&in, 1);
        m.cred = &me;
        m.fds = lent;
        m.nfds = 253;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        r.cred = &c;
        r.fds = fds;
        r.nfds = 253;
        CHECK_INT(unx_recv(s[1], &r, 0), 1);
        CHECK_INT(r.got, UNX_GOT_CRED | UNX_GOT_FDS);
        CHECK_INT(r.fds_got, 253);
        check_cred(&c, getpid(), getuid(), getgid());
        for (unsigned i = 0; i < r.fds_got; i++) {
            CHECK(raw_same_file(fds[i], p[1]));
            close(fds[i]);
        }
        close(p[1]);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        close_pair(s);
    }
}

static const struct test_case cases[] = {
    CASE(attached_by_the_kernel), CASE(own_ones_sent),           CASE(half_known),       CASE(chosen_by_root),
    CASE(forged_by_others),       CASE(each_message_its_sender), CASE(with_descriptors),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
