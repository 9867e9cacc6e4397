// SPDX-License-Identifier: MIT
/*
 * systemd-udevd and udevadm(8): control requests in packets of 280 bytes, credentials with each, an end marker, and
 * then a wait for the other side's end. Our client asks the real daemon to answer and to exit; our server is asked by
 * the real udevadm.
 *
 * It happens in namespaces of its own, with no rules, so that no device of this system is touched.
 *
 * What surprised us: the daemon listens with a backlog of 0, so that of several clients all but one have to wait. And
 * it asks for credentials on the accepted connection only: on Linux 6.18 what was sent before that came with those of
 * nobody, and it dropped the request. So a client does well to attach them itself.
 */
#include "interop.h"

enum { END, PING = 7, EXIT };

struct request {
    char version[16];
    uint32_t magic, type;
    char value[256];
};

static const char control[] = "/run/udev/control";

static void udev_world(void)
{
    static const char *const rules[] = {"/lib/udev/rules.d", "/usr/lib/udev/rules.d", "/etc/udev/rules.d"};
    need("udevadm");
    world();
    for (int i = 0; i < 3; i++)
        world_empty(rules[i]);
}

static struct request request(uint32_t type)
{
    struct request r = {.magic = 0xdead1dea, .type = type};
    const char *const argv[] = {"udevadm", "--version", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int version = atoi(peer_line(&p));
    snprintf(r.version, sizeof r.version, "udev-%d", version);
    peer_ends(&p, 0);
    return r;
}

static void send_as_us(int fd, const void *data, size_t n)
{
    struct unx_cred own;
    CHECK_INT(unx_cred_real(&own), 0);
    const struct iovec iov = {(void *)data, n};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = &own};
    CHECK_INT(unx_send(fd, &m, 0), 1);
}

static void ask(uint32_t type)
{
    const struct request what = request(type), end = request(END);
    const int fd = ours_connect(SOCK_SEQPACKET, 0, control);
    send_as_us(fd, &what, sizeof what);
    /* After this one it reads nothing more. */
    if (type != EXIT)
        send_as_us(fd, &end, sizeof end);
    ours_gets_end(fd);
    close(fd);
}

static struct peer start_daemon(void)
{
    const char *const argv[] = {"systemd-udevd", NULL};
    return peer_start_as(need("udevadm"), argv, NULL, NULL);
}

static void our_client_their_daemon(void)
{
    udev_world();
    struct peer p = start_daemon();
    ask(PING);
    struct unx_cred who;
    const int fd = ours_connect(SOCK_SEQPACKET, 0, control);
    CHECK_INT(unx_peer_cred(fd, &who), 0);
    CHECK(who.pid == p.pid && who.uid == 0);
    /* What is no request is refused: it ends the connection without an answer. */
    send_as_us(fd, "rubbish", 7);
    ours_gets_end(fd);
    close(fd);
    ask(EXIT);
    peer_says_end(&p);
    peer_ends(&p, 0);
}

static void ping(void *arg)
{
    (void)arg;
    ask(PING);
}

static void several_clients_at_a_backlog_of_none(void)
{
    enum { CLIENTS = 12 };
    pid_t pids[CLIENTS];
    udev_world();
    struct peer p = start_daemon();
    ask(PING);
    for (int i = 0; i < CLIENTS; i++)
        pids[i] = harness_fork(ping, NULL);
    for (int i = 0; i < CLIENTS; i++)
        harness_wait(pids[i]);
    ask(EXIT);
    peer_ends(&p, 0);
}

static void our_server_their_client(void)
{
    udev_world();
    const struct request want = request(PING), end = request(END);
    world_file(control, NULL);
    const int listener = ours_listen(SOCK_SEQPACKET, UNX_PASSCRED, control);
    const char *const argv[] = {"udevadm", "control", "--ping", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    ours_gets(fd, &want, sizeof want, 0);
    CHECK(got_cred.known == UNX_KNOWN_ALL && got_cred.pid == p.pid && got_cred.uid == 0);
    ours_gets(fd, &end, sizeof end, 0);
    CHECK(got_cred.pid == p.pid);
    /* Our end is the answer, and it waits for that. */
    CHECK_INT(waitpid(p.pid, NULL, WNOHANG), 0);
    close(fd);
    peer_says_end(&p);
    peer_ends(&p, 0);
    close(listener);
}

static const struct test_case cases[] = {
    PEER_CASE(our_client_their_daemon),
    PEER_CASE(several_clients_at_a_backlog_of_none),
    PEER_CASE(our_server_their_client),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
