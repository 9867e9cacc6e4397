// SPDX-License-Identifier: MIT
/*
 * No descriptor left: every public call that needs one, with none to be had, then one, then two, until it succeeds. A
 * call that fails says -EMFILE, leaves nothing open and no file behind, writes no result, and can be made again.
 *
 * What surprised us: a call may need more descriptors on its way than it returns, so it is not enough to try with none.
 */
#include "../message.h"
#include "../raw_addr.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unx/activation.h>
#include <unx/engine.h>
#include <unx/listener.h>
#include <unx/policy.h>

#define MOST 12 /* no call needs more at a time */

static struct {
    struct unx_addr at;    /* a listener's, non-blocking, with a client that waits */
    struct unx_addr fresh; /* a name that is free */
    char long_path[400];   /* that is free, too */
    char long_server[400]; /* where somebody listens */
    int listener, server;  /* of each */
    int s[2];              /* SEQPACKET, whatever comes with messages is wanted */
    int got[8];            /* what a call returned, to be closed */
    unsigned ngot;
    struct unx_listener *l;
    struct unx_engine *e;
} w;

static int keep(int r)
{
    if (r >= 0) {
        w.got[w.ngot++] = r;
    }
    return r;
}

static int makes_socket(void)
{
    return keep(unx_socket(SOCK_STREAM, UNX_PASSCRED));
}

static int makes_pair(void)
{
    int fds[2] = {-7, -7};
    const int r = unx_pair(SOCK_DGRAM, UNX_PASSFDS, fds);
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
    return keep(unx_bind(SOCK_DGRAM, 0, &w.fresh, 0666));
}

static int listens(void)
{
    return keep(unx_listen(SOCK_SEQPACKET, UNX_PASSFDS, &w.fresh, 5, 0600));
}

static int listens_far_away(void)
{
    return keep(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, w.long_path, 5, 0666));
}

static int connects(void)
{
    return keep(unx_connect(SOCK_STREAM, 0, NULL, &w.at, 1000));
}

static int connects_from_a_path(void)
{
    return keep(unx_connect(SOCK_STREAM, 0, &w.fresh, &w.at, 1000));
}

static int connects_far_away(void)
{
    return keep(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, w.long_server, 1000));
}

static int accepts(void)
{
    return keep(unx_accept(w.listener, UNX_BIGBUF, NULL));
}

static int copies(void)
{
    return keep(unx_dup(w.s[0]));
}

static int names_the_peer(void)
{
    const int r = unx_peer_pidfd(w.s[0]);
    return r == -EOPNOTSUPP ? 0 : keep(r);
}

static int judges_the_peer(void)
{
    const struct unx_policy p = {.admit = UNX_ADMIT_ANY_USER | UNX_ADMIT_ROOT, .need = UNX_NEED_PIDFD};
    const int r = unx_policy_check(&p, w.s[0], NULL, NULL);
    return r == -EACCES ? 0 : r;
}

static int sends(void)
{
    const int r = unx_send_fd(w.s[0], "x", 1, w.s[0]);
    if (r == 1) {
        char c;
        CHECK_INT(recv(w.s[1], &c, 1, 0), 1); /* and the kernel drops the descriptor */
    }
    return r;
}

/* A message with two descriptors. What fails is one message, so there is a new one for each attempt. */
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
    const int r = unx_recv(w.s[1], &m, 0);
    if (r < 0) {
        CHECK(fds[0] == -1 && fds[1] == -1 && pidfd == -1 && m.fds_got == 0);
        CHECK(unx_one_message(r));
        return r;
    }
    keep(fds[0]);
    keep(fds[1]);
    if (pidfd >= 0) {
        keep(pidfd);
    }
    return r;
}

static int receives_one(void)
{
    char c;
    raw_send(w.s[0], "a", 1, w.s, 1);
    return keep(unx_recv_fd(w.s[1], &c, 1, NULL));
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
    CHECK_INT(unx_recv_many(w.s[1], m, 2, 0), 2);
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

static int opens_a_listener(void)
{
    w.l = (struct unx_listener *)&w;
    const int r = unx_listener_open(&w.l, SOCK_STREAM, UNX_SHED, &w.fresh, NULL);
    CHECK(r >= 0 || w.l == NULL);
    return r;
}

static int opens_a_listener_far_away(void)
{
    w.l = (struct unx_listener *)&w;
    const int r = unx_listener_open_path(&w.l, SOCK_STREAM, 0, AT_FDCWD, w.long_path, NULL);
    CHECK(r >= 0 || w.l == NULL);
    return r;
}

static int binds_for_notifications(void)
{
    return keep(unx_notify_bind(0, &w.fresh, 0600));
}

static int makes_an_engine(unsigned flag)
{
    w.e = (struct unx_engine *)&w;
    const int r = unx_engine_new(&w.e, 0, flag);
    CHECK(r >= 0 || w.e == NULL);
    return r == -EOPNOTSUPP ? 0 : r;
}

static int makes_a_ring(void)
{
    return makes_an_engine(UNX_ENGINE_URING);
}

static int makes_an_epoll(void)
{
    return makes_an_engine(UNX_ENGINE_EPOLL);
}

static int makes_a_poll(void)
{
    return makes_an_engine(UNX_ENGINE_POLL);
}

/* ---- each with more and more ---- */

static void undo(void)
{
    for (unsigned i = 0; i < w.ngot; i++) {
        if (w.got[i] > 2) {
            close(w.got[i]);
        }
    }
    w.ngot = 0;
    if (w.l != NULL) {
        CHECK_INT(unx_listener_close(w.l), 0);
        w.l = NULL;
    }
    if (w.e != NULL) {
        CHECK_INT(unx_engine_free(w.e), 0);
        w.e = NULL;
    }
    unlink(raw_file("fresh"));
    unlink(w.long_path);
}

static unsigned files(void)
{
    unsigned n = 0;
    DIR *const d = opendir(harness_dir());
    CHECK(d != NULL);
    while (readdir(d) != NULL) {
        n++;
    }
    closedir(d);
    return n;
}

/* name: what the call is; needs: how many descriptors it has to have at the least. */
static void until_it_succeeds(const char *name, int (*call)(void), unsigned needs)
{
    const int before = harness_nfds();
    const unsigned nfiles = files();
    unsigned n = 0;
    int r;
    do {
        ROW("%s, %u to be had", name, n);
        CHECK(n <= MOST);
        raw_limit(n++);
        r = QUIET(call());
        raw_unlimit();
        if (r < 0) {
            CHECK_INT(r, -EMFILE);
            CHECK_INT(harness_nfds(), before);
            CHECK_INT(files(), nfiles);
            CHECK(access(w.long_path, F_OK) != 0);
        }
    } while (r < 0);
    CHECK(n - 1 >= needs);
    NOTE("%s: with %u", name, n - 1);
    undo();
    CHECK_INT(harness_nfds(), before);
}

static void make_long(char *path, const char *name)
{
    char part[130];
    memset(part, 'd', sizeof part - 1);
    part[sizeof part - 1] = '\0';
    snprintf(path, 400, "%s/%s", harness_dir(), part);
    mkdir(path, 0755);
    strncat(path, name, 20);
}

static void prepare(void)
{
    memset(&w, 0, sizeof w);
    if (!raw_limit_works()) {
        SKIP("the limit of descriptors is not kept here");
    }
    CHECK_INT(unx_addr_path(&w.at, raw_file("server")), 0);
    CHECK_INT(unx_addr_path(&w.fresh, raw_file("fresh")), 0);
    make_long(w.long_path, "/fresh");
    make_long(w.long_server, "/server");
    w.listener = unx_listen(SOCK_STREAM, UNX_NONBLOCK, &w.at, 100, 0600);
    w.server = unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, w.long_server, 100, 0600);
    CHECK(w.listener >= 0 && w.server >= 0);
    const int r = unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED | UNX_PASSPIDFD, w.s);
    CHECK(r == 0 || r == -EOPNOTSUPP);
    if (r < 0) {
        CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS | UNX_PASSCRED, w.s), 0);
    }
}

static void finish(void)
{
    close(w.listener);
    close(w.server);
    close(w.s[0]);
    close(w.s[1]);
}

static void calls(void)
{
    static const struct {
        const char *name;
        int (*call)(void);
        unsigned needs;
    } table[] = {
        {"unx_socket", makes_socket, 1},
        {"unx_pair", makes_pair, 2},
        {"unx_bind", binds, 1},
        {"unx_listen", listens, 1},
        {"unx_listen_path, long", listens_far_away, 2},
        {"unx_connect", connects, 1},
        {"unx_connect from a path", connects_from_a_path, 1},
        {"unx_connect_path, long", connects_far_away, 2},
        {"unx_accept", accepts, 1},
        {"unx_dup", copies, 1},
        {"unx_peer_pidfd", names_the_peer, 0},
        {"unx_policy_check", judges_the_peer, 0},
        {"unx_send_fd", sends, 0},
        {"unx_recv", receives, 2},
        {"unx_recv_fd", receives_one, 1},
        {"unx_recv_many", receives_many, 2},
        {"unx_listener_open", opens_a_listener, 2},
        {"unx_listener_open_path, long", opens_a_listener_far_away, 2},
        {"unx_notify_bind", binds_for_notifications, 1},
        {"unx_engine_new, io_uring", makes_a_ring, 0},
        {"unx_engine_new, epoll", makes_an_epoll, 1},
        {"unx_engine_new, poll", makes_a_poll, 0},
    };
    prepare();
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        until_it_succeeds(table[i].name, table[i].call, table[i].needs);
    }
    finish();
}

/* An engine at work: what runs out is told by an event, and when there is room again the connection is there. */
static void engines(void)
{
    static const unsigned flags[] = {UNX_ENGINE_URING, UNX_ENGINE_EPOLL, UNX_ENGINE_POLL};
    prepare();
    for (unsigned i = 0; i < 3; i++) {
        struct unx_event ev;
        struct unx_op accepting = {0}, connecting = {0};
        ROW("engine %u", i);
        const int made = unx_engine_new(&w.e, 0, flags[i]);
        if (made == -EOPNOTSUPP) {
            continue;
        }
        CHECK_INT(made, 0);
        const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("server")));
        raw_limit(0);
        CHECK_INT(QUIET(unx_engine_accept(w.e, &accepting, w.listener, 0, -1)), 0);
        CHECK_INT(QUIET(unx_engine_reap(w.e, &ev, 1, 5000)), 1);
        CHECK(ev.op == &accepting);
        CHECK_INT(ev.result, -EMFILE);
        /* Also misuse would be told so: by a result, or by the last event. */
        const int r = QUIET(unx_engine_connect(w.e, &connecting, SOCK_STREAM, 0, NULL, &w.at, -1));
        if (r == 0) {
            CHECK_INT(QUIET(unx_engine_reap(w.e, &ev, 1, 5000)), 1);
            CHECK(ev.op == &connecting);
        }
        CHECK_INT(r == 0 ? ev.result : r, -EMFILE);
        raw_unlimit();
        CHECK_INT(QUIET(unx_engine_accept(w.e, &accepting, w.listener, 0, -1)), 0);
        CHECK_INT(QUIET(unx_engine_reap(w.e, &ev, 1, 5000)), 1);
        CHECK(ev.result >= 0);
        close(ev.result);
        close(client);
        undo();
    }
    finish();
}

static const struct test_case cases[] = {CASE(calls), CASE(engines)};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
