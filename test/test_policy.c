// SPDX-License-Identifier: MIT
/*
 * Who may talk to this server: every clause for and against peers of other users and groups, requirements, what is not
 * known, on connections and on messages.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <errno.h>
#include <grp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unx/policy.h>

/* ---- peers of all kinds ---- */

struct person {
    uid_t uid;
    gid_t gid;
    unsigned ngroups;
    gid_t groups[4]; /* then as many as ngroups says, counted up */
    bool ends;       /* before it is looked at */
    int ready[2], stay[2];
};

static struct raw_addr here(void)
{
    const char *name = raw_name("policy");
    return raw_abstract(name, strlen(name));
}

static void visit(void *arg)
{
    const struct person *p = arg;
    static gid_t groups[2000];
    for (unsigned i = 0; i < p->ngroups; i++) {
        groups[i] = i < 4 ? p->groups[i] : 100000 + i;
    }
    CHECK_INT(setgroups(p->ngroups, groups), 0);
    CHECK_INT(setresgid(p->gid, p->gid, p->gid), 0);
    CHECK_INT(setresuid(p->uid, p->uid, p->uid), 0);
    char name[64];
    snprintf(name, sizeof name, "unx-test-%d-policy", (int)getppid());
    const int fd = raw_connect(SOCK_SEQPACKET, raw_abstract(name, strlen(name)));
    raw_send(fd, "hello", 5, NULL, 0);
    CHECK_INT(write(p->ready[1], "r", 1), 1);
    char c;
    close(p->stay[1]);
    CHECK(p->ends || read(p->stay[0], &c, 1) == 0);
}

/* The server's end of a connection of such a person. */
static int visited_by(struct person *p, int listener, pid_t *pid)
{
    char c;
    raw_pair(SOCK_SEQPACKET, p->ready);
    raw_pair(SOCK_SEQPACKET, p->stay);
    *pid = harness_fork(visit, p);
    CHECK_INT(read(p->ready[0], &c, 1), 1);
    const int conn = raw_accept(listener);
    CHECK(conn >= 0);
    close(p->ready[0]);
    close(p->ready[1]);
    close(p->stay[0]);
    if (p->ends) {
        harness_wait(*pid);
    }
    return conn;
}

static void leave(struct person *p, int conn, pid_t pid)
{
    close(p->stay[1]);
    close(conn);
    if (!p->ends) {
        harness_wait(pid);
    }
}

static int server(void)
{
    if (geteuid() != 0) {
        SKIP("needs root to become other users");
    }
    const int listener = raw_listen(SOCK_SEQPACKET, here(), 8);
    raw_set(listener, SO_PASSCRED, 1);
    return listener;
}

static int check(const struct unx_policy *p, int fd, unsigned *why)
{
    struct unx_cred who;
    memset(&who, 0x55, sizeof who);
    *why = 0x55555555;
    const int r = QUIET(unx_policy_check(p, fd, &who, why));
    CHECK((r == 0) == (*why == 0) || r != -EACCES);
    CHECK(r != 0 || who.known != 0x55555555);
    CHECK_INT(unx_policy_check(p, fd, NULL, NULL), r);
    return r;
}

/* ---- users and groups ---- */

static const uid_t users[] = {1000, 1001, 65534};
static const gid_t groups[] = {20, 700, 65534};

/* Where the kernel does not tell the other groups of a peer, they admit nobody. */
static void need_groups(void)
{
    if (!raw_knows(RAW_SO_PEERGROUPS)) {
        SKIP("this kernel has no groups of a peer");
    }
}

static const struct {
    struct unx_policy p;
    const char *what;
    /* root, root in group 20; 1000; 1002; 1002 with 700 among its groups; 65534 */
    unsigned why[6];
} policies[] = {
#define N UNX_WHY_NOBODY
#define U UNX_WHY_USER
#define X UNX_WHY_UNKNOWN
    {{0}, "empty", {N, N, N, N, N, N}},
    {{.admit = UNX_ADMIT_ROOT}, "root", {0, 0, U, U, U, X}},
    {{.admit = UNX_ADMIT_SAME_USER}, "same user", {0, 0, U, U, U, X}},
    {{.admit = UNX_ADMIT_ANY_USER}, "any user", {0, 0, 0, 0, 0, X}},
    {{.uids = users, .nuids = 3}, "users", {U, U, 0, U, U, X}},
    {{.uids = users, .nuids = 0}, "an empty list", {N, N, N, N, N, N}},
    {{.gids = groups, .ngids = 3}, "groups", {U, 0, U, U, 0, X}},
    {{.uids = users, .nuids = 3, .gids = groups, .ngids = 3}, "users or groups", {U, 0, 0, U, 0, X}},
    {{.admit = UNX_ADMIT_ROOT, .gids = groups, .ngids = 3}, "root or groups", {0, 0, U, U, 0, X}},
#undef N
#undef U
#undef X
};

static void users_and_groups(void)
{
    static const struct person people[6] = {
        {.uid = 0, .gid = 0},
        {.uid = 0, .gid = 20},
        {.uid = 1000, .gid = 1000},
        {.uid = 1002, .gid = 1002, .ngroups = 2, .groups = {21, 701}},
        {.uid = 1002, .gid = 1002, .ngroups = 3, .groups = {21, 65534, 700}},
        {.uid = 65534, .gid = 65534, .ngroups = 1, .groups = {65534}},
    };
    const int listener = server();
    for (int i = 0; i < 6; i++) {
        struct person p = people[i];
        pid_t pid;
        const int conn = visited_by(&p, listener, &pid);
        for (unsigned k = 0; k < sizeof policies / sizeof *policies; k++) {
            unsigned why;
            ROW("policy '%s', uid %u gid %u", policies[k].what, p.uid, p.gid);
            const bool hidden = i == 4 && policies[k].p.ngids > 0 && !raw_knows(RAW_SO_PEERGROUPS);
            const unsigned want = hidden ? UNX_WHY_USER : policies[k].why[i];
            CHECK_INT(check(&policies[k].p, conn, &why), want == 0 ? 0 : -EACCES);
            CHECK_INT(why, want);
            struct unx_cred who;
            CHECK(unx_policy_check(&policies[k].p, conn, &who, NULL) <= 0);
            CHECK(who.uid == p.uid && who.gid == p.gid && who.pid == pid);
        }
        leave(&p, conn, pid);
    }
    close(listener);
}

/* More groups than any buffer of ours: the last one decides. */
static void many_groups(void)
{
    need_groups();
    static const unsigned counts[] = {255, 256, 257, 2000};
    const int listener = server();
    for (int i = 0; i < 4; i++) {
        struct person p = {.uid = 1002, .gid = 1002, .ngroups = counts[i]};
        const gid_t last = 100000 + counts[i] - 1, none = last + 1;
        const struct unx_policy yes = {.gids = &last, .ngids = 1}, no = {.gids = &none, .ngids = 1};
        unsigned why;
        pid_t pid;
        const int conn = visited_by(&p, listener, &pid);
        CHECK_INT(check(&yes, conn, &why), 0);
        CHECK_INT(check(&no, conn, &why), -EACCES);
        leave(&p, conn, pid);
    }
    close(listener);
}

/* ---- requirements ---- */

static void pidfd_of_a_running_process(void)
{
    const int listener = server();
    for (int ends = 0; ends < 2; ends++) {
        struct person p = {.uid = 1000, .gid = 1000, .ends = ends};
        const struct unx_policy any = {.admit = UNX_ADMIT_ANY_USER, .need = UNX_NEED_PIDFD},
                                root = {.admit = UNX_ADMIT_ROOT, .need = UNX_NEED_PIDFD};
        unsigned why;
        pid_t pid;
        const int conn = visited_by(&p, listener, &pid);
        const int pidfd = unx_peer_pidfd(conn);
        if (pidfd == -EOPNOTSUPP) {
            CHECK_INT(check(&any, conn, &why), -EACCES);
            CHECK_INT(why, UNX_WHY_NO_PIDFD);
            SKIP("this kernel has no pidfd of a peer");
        }
        if (pidfd >= 0) {
            close(pidfd);
        }
        CHECK_INT(check(&any, conn, &why), ends ? -EACCES : 0);
        CHECK_INT(why, ends ? UNX_WHY_GONE : 0);
        CHECK_INT(check(&root, conn, &why), -EACCES);
        CHECK_INT(why, UNX_WHY_USER | (ends ? UNX_WHY_GONE : 0));
        if (!ends && raw_limit_works()) {
            raw_limit(0);
            CHECK_INT(QUIET(unx_policy_check(&any, conn, NULL, &why)), -EMFILE);
            raw_unlimit();
        }
        leave(&p, conn, pid);
    }
    close(listener);
}

static void label_of_a_connection(void)
{
    int s[2];
    unsigned why;
    char label[256];
    size_t len;
    raw_pair(SOCK_SEQPACKET, s);
    const struct unx_policy wrong = {.admit = UNX_ADMIT_SAME_USER, .label = "no such label"};
    const int r = unx_peer_label(s[0], label, sizeof label, &len);
    CHECK_INT(check(&wrong, s[0], &why), -EACCES);
    CHECK_INT(why, r == 0 ? UNX_WHY_LABEL : UNX_WHY_NO_LABEL);
    if (r == 0) {
        const struct unx_policy right = {.admit = UNX_ADMIT_SAME_USER, .label = label};
        CHECK_INT(check(&right, s[0], &why), 0);
    }
    close(s[0]);
    close(s[1]);
}

/* ---- what cannot be asked ---- */

static void not_connections(void)
{
    const struct unx_policy p = {.admit = UNX_ADMIT_ANY_USER | UNX_ADMIT_ROOT | UNX_ADMIT_SAME_USER};
    int fd[4] = {raw_socket(SOCK_STREAM), raw_listen(SOCK_STREAM, here(), 4), raw_socket(SOCK_DGRAM),
                 socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    static const int result[4] = {-ENOTCONN, -ENOTCONN, -ENOTCONN, -EAFNOSUPPORT};
    unsigned why;
    for (int i = 0; i < 4; i++) {
        struct unx_cred who = {.known = 7};
        ROW("descriptor %d", i);
        CHECK_INT(QUIET(unx_policy_check(&p, fd[i], &who, &why)), result[i]);
        CHECK_INT(who.known, 0);
        CHECK_INT(why, 0);
        close(fd[i]);
    }
    CHECK_INT(QUIET(unx_policy_check(&p, -1, NULL, NULL)), -EBADF);
    CHECK_INT(QUIET(unx_policy_check(&p, STDOUT_FILENO, NULL, NULL)), -ENOTSOCK);
}

static void bad_policies(void)
{
    static const struct unx_policy bad[] = {
        {.admit = 0x8},
        {.need = 0x2, .admit = UNX_ADMIT_ANY_USER},
        {.nuids = 1, .admit = UNX_ADMIT_ANY_USER},
        {.ngids = 1, .admit = UNX_ADMIT_ANY_USER},
        {.reserved = {0, 0, 0, 1}, .admit = UNX_ADMIT_ANY_USER},
    };
    int s[2];
    const struct unx_msg m = {.got = 0};
    raw_pair(SOCK_SEQPACKET, s);
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK_INT(QUIET(unx_policy_check(&bad[i], s[0], NULL, NULL)), -EINVAL);
        CHECK_INT(QUIET(unx_policy_check_msg(&bad[i], &m, NULL)), -EINVAL);
    }
    CHECK_INT(QUIET(unx_policy_check(NULL, s[0], NULL, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_policy_check_msg(NULL, &m, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_policy_check_msg(&(struct unx_policy){0}, NULL, NULL)), -EINVAL);
    close(s[0]);
    close(s[1]);
}

/* A message names the group of its sender, and no other. */
static void group_of_a_message(void)
{
    const int listener = server();
    struct person p = {.uid = 1002, .gid = 20, .ngroups = 1, .groups = {700}};
    pid_t pid;
    const int conn = visited_by(&p, listener, &pid);
    char text[16];
    struct unx_cred cred;
    const struct iovec iov = {text, sizeof text};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = &cred};
    const gid_t own = 20, other = 700;
    const struct unx_policy by_own = {.gids = &own, .ngids = 1}, by_other = {.gids = &other, .ngids = 1};
    unsigned why;
    CHECK_INT(unx_recv(conn, &m, 0), 1);
    CHECK_INT(unx_policy_check_msg(&by_own, &m, &why), 0);
    CHECK_INT(unx_policy_check_msg(&by_other, &m, &why), -EACCES);
    CHECK_INT(why, UNX_WHY_USER);
    CHECK_INT(check(&by_other, conn, &why), raw_knows(RAW_SO_PEERGROUPS) ? 0 : -EACCES);
    leave(&p, conn, pid);
    close(listener);
}

static void reasons_in_words(void)
{
    for (unsigned bit = 1; bit <= UNX_WHY_LABEL; bit <<= 1) {
        for (unsigned other = bit << 1; other <= UNX_WHY_LABEL; other <<= 1) {
            CHECK(strcmp(unx_policy_explain(bit), unx_policy_explain(other)) != 0);
            CHECK(strcmp(unx_policy_explain(bit | other), unx_policy_explain(bit)) == 0);
        }
        const char *text = unx_policy_explain(bit);
        CHECK(text[0] != '\0' && strchr(text, '\n') == NULL && text[strlen(text) - 1] != '.');
    }
    CHECK(unx_policy_explain(0) != NULL && unx_policy_explain(0x80000000u) != NULL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(users_and_groups), CASE(many_groups),  CASE(pidfd_of_a_running_process), CASE(label_of_a_connection),
        CASE(not_connections),  CASE(bad_policies), CASE(group_of_a_message),         CASE(reasons_in_words),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
