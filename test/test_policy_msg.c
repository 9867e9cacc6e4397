// SPDX-License-Identifier: MIT
/*
 * A policy and the sender of a message: what the kernel said with it counts, what did not come never matches.
 */
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <unistd.h>
#include <unx/policy.h>

static int check_message(const struct unx_policy *p, const struct unx_msg *m, unsigned *why)
{
    *why = 0x55555555;
    const int r = QUIET(unx_policy_check_msg(p, m, why));
    CHECK_INT(unx_policy_check_msg(p, m, NULL), r);
    CHECK((r == 0) == (*why == 0));
    return r;
}

static void sender_of_a_message(void)
{
    char text[16];
    struct unx_cred cred;
    int s[2], pidfd = -1;
    const struct iovec iov = {text, sizeof text};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = &cred};
    const struct unx_policy same = {.admit = UNX_ADMIT_SAME_USER}, pid = {.admit = UNX_ADMIT_SAME_USER, .need = 1};
    unsigned why;
    CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, s), 0);
    raw_send(s[0], "x", 1, NULL, 0);
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    /* Nothing came, whatever was in the struct. */
    cred = (struct unx_cred){getpid(), geteuid(), getegid(), UNX_KNOWN_ALL};
    CHECK_INT(check_message(&same, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_UNKNOWN);
    close(s[0]);
    close(s[1]);

    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSCRED, s), 0);
    raw_send(s[0], "x", 1, NULL, 0);
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    const unsigned as_nobody = geteuid() == 65534 ? UNX_WHY_UNKNOWN : 0;
    CHECK_INT(check_message(&same, &m, &why), as_nobody ? -EACCES : 0);
    CHECK_INT(check_message(&pid, &m, &why), -EACCES);
    CHECK_INT(why, as_nobody | UNX_WHY_NO_PIDFD);
    m.pidfd = &pidfd;
    raw_send(s[0], "x", 1, NULL, 0);
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    CHECK_INT(check_message(&pid, &m, &why), -EACCES);
    if (unx_adopt(s[1], 0, UNX_PASSPIDFD) < 0) {
        SKIP("this kernel has no pidfd of a sender");
    }
    raw_send(s[0], "x", 1, NULL, 0);
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    CHECK(pidfd >= 0);
    CHECK_INT(check_message(&pid, &m, &why), as_nobody ? -EACCES : 0);
    close(pidfd);
    close(s[0]);
    close(s[1]);
}

static void label_of_a_message(void)
{
    char label[] = "system_u:system_r:foo_t";
    struct unx_cred cred = {1, 0, 0, UNX_KNOWN_ALL};
    struct unx_msg m = {.cred = &cred, .label = label, .label_max = sizeof label, .got = UNX_GOT_CRED | UNX_GOT_LABEL};
    const struct unx_policy right = {.admit = UNX_ADMIT_ROOT, .label = "system_u:system_r:foo_t"},
                            wrong = {.admit = UNX_ADMIT_ROOT, .label = "system_u:system_r:foo_t2"};
    unsigned why;
    CHECK_INT(check_message(&right, &m, &why), 0);
    CHECK_INT(check_message(&wrong, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_LABEL);
    m.got |= UNX_CUT_LABEL;
    CHECK_INT(check_message(&right, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_NO_LABEL);
    m.got = UNX_GOT_CRED;
    CHECK_INT(check_message(&right, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_NO_LABEL);
}

/* The kernel sends credentials of uid 0 with the end of a stream, to whoever believes them. */
static void the_end_is_not_root(void)
{
    const struct unx_policy root = {.admit = UNX_ADMIT_ROOT};
    int s[2];
    char c;
    unsigned why;
    struct raw_got g;
    raw_pair(SOCK_STREAM, s);
    raw_set(s[1], SO_PASSCRED, 1);
    close(s[0]);
    raw_recv(s[1], &c, 1, 0, &g);
    if (g.result == 0 && g.has_cred) {
        NOTE("naive: the end of a stream comes from uid %u", g.cred.uid);
    }
    struct unx_cred cred;
    const struct iovec iov = {&c, 1};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = &cred};
    CHECK_INT(unx_recv(s[1], &m, 0), 0);
    CHECK_INT(check_message(&root, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_UNKNOWN);
    close(s[1]);
}

static const struct test_case cases[] = {
    CASE(sender_of_a_message),
    CASE(label_of_a_message),
    CASE(the_end_is_not_root),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
