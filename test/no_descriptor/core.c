// SPDX-License-Identifier: MIT
/* No descriptor left: sockets, connections, messages. */
#include "no_descriptor.h"

#include <string.h>
#include <unx/policy.h>

static int makes_socket(void)
{
    return keep(QUIET(unx_socket(SOCK_STREAM, UNX_PASSCRED)));
}

static int makes_pair(void)
{
    int fds[2] = {-7, -7};
    const int r = QUIET(unx_pair(SOCK_DGRAM, UNX_PASSFDS, fds));
    if (r < 0) {
        CHECK(fds[0] == -7 && fds[1] == -7);
        return r;
    }
    keep(fds[0]);
    keep(fds[1]);
    return r;
}

static int binds(void)
{
    return keep(QUIET(unx_bind(SOCK_DGRAM, 0, &w.fresh, 0666)));
}

/* Neither makes one; but a file of a mode of its own, and an older kernel, take some on the way. */
static int names_a_socket(void)
{
    return QUIET(unx_bind_to(w.unnamed, &w.fresh, 0666));
}

static int asks_a_pidfd(void)
{
    return w.pidfd < 0 ? 0 : QUIET(unx_pidfd_check(w.pidfd, getpid()));
}

static int listens(void)
{
    return keep(QUIET(unx_listen(SOCK_SEQPACKET, UNX_PASSFDS, &w.fresh, 5, 0600)));
}

static int listens_far_away(void)
{
    return keep(QUIET(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, w.long_path, 5, 0666)));
}

static int connects(void)
{
    return keep(QUIET(unx_connect(SOCK_STREAM, 0, NULL, &w.at, 1000)));
}

static int connects_from_a_path(void)
{
    return keep(QUIET(unx_connect(SOCK_STREAM, 0, &w.fresh, &w.at, 1000)));
}

static int connects_far_away(void)
{
    return keep(QUIET(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, w.long_server, 1000)));
}

static int accepts(void)
{
    return keep(QUIET(unx_accept(w.listener, UNX_BIGBUF, NULL)));
}

static int copies(void)
{
    return keep(QUIET(unx_dup(w.s[0])));
}

static int names_the_peer(void)
{
    const int r = QUIET(unx_peer_pidfd(w.s[0]));
    return r == -EOPNOTSUPP ? 0 : keep(r);
}

static int judges_the_peer(void)
{
    const struct unx_policy p = {.admit = UNX_ADMIT_ANY_USER | UNX_ADMIT_ROOT, .need = UNX_NEED_PIDFD};
    const int r = QUIET(unx_policy_check(&p, w.s[0], NULL, NULL));
    return r == -EACCES ? 0 : r;
}

/* A socket of its own tells how far it can grow. */
static int grows(void)
{
    const int before = unx_max_packet(w.s[0]);
    const int r = QUIET(unx_grow_packet(w.s[0], (size_t)before + 1));
    CHECK(r < 0 ? unx_max_packet(w.s[0]) == before : r > before);
    return r;
}

/* ---- messages: what fails is one of them, so there is a new one for each attempt ---- */

static int receives(void)
{
    const int lent[2] = {w.s[0], w.s[1]};
    char data[4];
    int fds[2] = {-7, -7}, pidfd = -7;
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    raw_send(w.s[0], "abc", 3, lent, 2);
    m.fds = fds;
    m.nfds = 2;
    m.pidfd = &pidfd;
    const int r = QUIET(unx_recv(w.s[1], &m, 0));
    if (r < 0) {
        CHECK(fds[0] == -1 && fds[1] == -1 && pidfd == -1 && m.fds_got == 0);
        CHECK(unx_one_message(r));
        return r;
    }
    keep(fds[0]);
    keep(fds[1]);
    keep(pidfd);
    return r;
}

static int peeks(void)
{
    char data[4];
    int fd = -7;
    const struct iovec in = {data, sizeof data};
    struct unx_msg m = message(&in, 1);
    raw_send(w.s[0], "abc", 3, w.s, 1);
    m.fds = &fd;
    m.nfds = 1;
    const int r = QUIET(unx_recv(w.s[1], &m, UNX_PEEK_FDS));
    CHECK(r == 1 || fd == -1);
    if (r == 1) {
        /* None could be installed: a peek says so and goes on, for nothing is lost. */
        CHECK(((m.got & UNX_CUT_FDS) != 0) == (fd == -1));
    }
    CHECK_INT(recv(w.s[1], data, sizeof data, 0), 3); /* and the kernel drops the descriptor */
    if (r == 1 && fd == -1) {
        return -EMFILE;
    }
    keep(fd);
    return r;
}

static int receives_one(void)
{
    char c;
    raw_send(w.s[0], "a", 1, w.s, 1);
    return keep(QUIET(unx_recv_fd(w.s[1], &c, 1, NULL)));
}

static int receives_some(void)
{
    const int lent[3] = {w.s[0], w.s[1], w.listener};
    int fds[3];
    char c;
    raw_send(w.s[0], "a", 1, lent, 3);
    const int r = QUIET(unx_recv_fds(w.s[1], &c, 1, fds, 3));
    for (unsigned i = 0; r > 0 && i < 3; i++) {
        CHECK(raw_same_file(keep(fds[i]), lent[i]));
    }
    return r;
}

static int receives_many(void)
{
    char data[2][4];
    int fds[2] = {-7, -7};
    const struct iovec in[2] = {{data[0], 4}, {data[1], 4}};
    struct unx_msg m[2] = {message(&in[0], 1), message(&in[1], 1)};
    for (unsigned i = 0; i < 2; i++) {
        raw_send(w.s[0], "abc", 3, w.s, 1);
        m[i].fds = &fds[i];
        m[i].nfds = 1;
    }
    CHECK_INT(QUIET(unx_recv_many(w.s[1], m, 2, 0)), 2);
    int r = 0;
    for (unsigned i = 0; i < 2; i++) {
        CHECK_INT(fds[i] >= 0, m[i].error == 0);
        r = m[i].error < 0 ? m[i].error : r;
        keep(fds[i]);
    }
    /* The first one may have had what the second one lacked. */
    if (r < 0 && w.ngot > 0) {
        close(w.got[--w.ngot]);
    }
    return r;
}

/* The reply is there before the request; the request has to arrive all the same. */
static int calls(void)
{
    char got[4] = "";
    int fd = -7;
    const struct iovec question = {(char *)"why", 3}, room = {got, sizeof got};
    struct unx_msg req = message(&question, 1), rep = message(&room, 1);
    rep.fds = &fd;
    rep.nfds = 1;
    raw_send(w.s[1], "yes", 3, w.s, 1);
    const int r = QUIET(unx_call(w.s[0], &req, &rep, 1000));
    char asked[4];
    CHECK_INT(recv(w.s[1], asked, sizeof asked, MSG_DONTWAIT), 3);
    CHECK(r == 1 || fd == -1);
    if (r == 1) {
        CHECK_MEM(got, rep.len, "yes", 3);
        keep(fd);
    }
    return r;
}

const struct attempt core_attempts[] = {
    {"unx_socket", makes_socket, 1},
    {"unx_pair", makes_pair, 2},
    {"unx_bind", binds, 1},
    {"unx_bind_to", names_a_socket, 0},
    {"unx_listen", listens, 1},
    {"unx_listen_path, long", listens_far_away, 2},
    {"unx_connect", connects, 1},
    {"unx_connect, from a path", connects_from_a_path, 1},
    {"unx_connect_path, long", connects_far_away, 2},
    {"unx_accept", accepts, 1},
    {"unx_dup", copies, 1},
    {"unx_peer_pidfd", names_the_peer, 0},
    {"unx_pidfd_check", asks_a_pidfd, 0},
    {"unx_policy_check", judges_the_peer, 0},
    {"unx_grow_packet", grows, 1},
    {"unx_recv", receives, 2},
    {"unx_recv, peek", peeks, 1},
    {"unx_recv_fd", receives_one, 1},
    {"unx_recv_fds", receives_some, 3},
    {"unx_recv_many", receives_many, 2},
    {"unx_call", calls, 1},
    {NULL, NULL, 0},
};
