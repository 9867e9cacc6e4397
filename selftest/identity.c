// SPDX-License-Identifier: MIT
/*
 * Rows about identity: of the peer, and with each message; time stamps.
 *
 * What surprised us: NetBSD, and FreeBSD without LOCAL_CREDS_PERSISTENT, give credentials with the first message of a
 * connection alone, and a pair has no peer to tell of on NetBSD and DragonFly BSD. So each row says with what.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "selftest.h"

/* Wrong, if what is known is not ours. What is known goes to text. */
static void check_cred(const struct unx_cred *c, const struct unx_cred *own, const char *whose, char text[24])
{
    const bool pid = (c->known & UNX_KNOWN_PID) != 0, uid = (c->known & UNX_KNOWN_UID) != 0;
    const bool gid = (c->known & UNX_KNOWN_GID) != 0;
    if ((pid && c->pid != own->pid) || (uid && c->uid != own->uid) || (gid && c->gid != own->gid)) {
        wrong("%s: pid %ld, uid %ld, gid %ld (known %u), and it is %ld, %ld, %ld", whose, (long)c->pid, (long)c->uid,
              (long)c->gid, c->known, (long)own->pid, (long)own->uid, (long)own->gid);
    }
    snprintf(text, 24, "%s%s%s", pid ? "pid " : "", uid ? "uid " : "", gid ? "gid" : "");
}

static bool unmapped(const struct unx_cred *own)
{
    return own->uid == 65534 || own->gid == 65534;
}

static void peer_of_pair(void)
{
    int fds[2];
    char text[24];
    struct unx_cred c = {.known = 0}, own;
    NEED(unx_cred_effective(&own));
    pair(best_type(), 0, fds);
    const int r = unx_peer_cred(fds[0], &c);
    close_all(fds, 2);
    if (r == -ENOTCONN || r == -EOPNOTSUPP) {
        not_there(r, false);
    }
    need(r, "unx_peer_cred()");
    check_cred(&c, &own, "the peer", text);
    ok("%s", text);
}

static void peer_of_connection(void)
{
    char of_client[24], of_server[24];
    struct unx_cred c = {.known = 0}, own;
    struct unx_addr a = address("door");
    NEED(unx_cred_effective(&own));
    const int door = NEED(unx_listen(best_type(), 0, &a, 1, UNX_MODE_UMASK));
    const int client = NEED(unx_connect(best_type(), 0, NULL, &a, 1000));
    const int server = NEED(unx_accept(door, 0, NULL));
    unlink(in_folder("door"));
    NEED(unx_peer_cred(server, &c));
    check_cred(&c, &own, "the client", of_client);
    if ((c.known & UNX_KNOWN_UID) == 0 && !unmapped(&own)) {
        wrong("the uid of the client is not known");
    }
    NEED(unx_peer_cred(client, &c));
    check_cred(&c, &own, "the server", of_server);
    const int r = unx_peer_cred(door, &c);
    if (r != -ENOTCONN) {
        wrong("a listener has a peer: %s", error_text(r));
    }
    close_all((int[]){door, client, server}, 3);
    ok("of the client %s; of the server %s", of_client, of_server);
}

static void groups(void)
{
    int fds[2];
    gid_t of_peer[1024], own[1024];
    unsigned n = 0;
    pair(best_type(), 0, fds);
    const int r = unx_peer_groups(fds[0], of_peer, 1024, &n);
    close_all(fds, 2);
    if (r == -ENOTCONN || r == -EOPNOTSUPP) {
        not_there(r, false);
    }
    need(r, "unx_peer_groups()");
    const int nown = getgroups(1024, own);
    for (unsigned i = 0; i < n; i++) {
        bool ours = of_peer[i] == getegid();
        for (int k = 0; k < nown && !ours; k++) {
            ours = of_peer[i] == own[k];
        }
        if (!ours) {
            wrong("group %ld is not ours", (long)of_peer[i]);
        }
    }
    ok("%u; getgroups(2) says %d", n, nown);
}

static void label(void)
{
    int fds[2];
    char text[256];
    size_t len;
    pair(best_type(), 0, fds);
    const int r = unx_peer_label(fds[0], text, sizeof text, &len);
    close_all(fds, 2);
    need(can(r, false), "unx_peer_label()");
    ok("%zu bytes", len);
}

static void pidfd(void)
{
    int fds[2];
    pair(best_type(), 0, fds);
    const int peer = unx_peer_pidfd(fds[0]);
    close_all(fds, 2);
    need(can(peer, false), "unx_peer_pidfd()");
    const int r = unx_pidfd_check(peer, getpid());
    if (r != 1) {
        wrong("it is not this process: %d", r);
    }
    close(peer);
    ok("of this process");
}

/* Receives three messages with room for all there is: with how many of them what came. */
static unsigned three(int *fds, struct unx_msg *m)
{
    char c;
    const struct iovec iov = {.iov_base = &c, .iov_len = 1};
    unsigned came = 0;
    m->iov = &iov;
    m->niov = 1;
    for (int i = 0; i < 3; i++) {
        post(fds[0], "x");
        const int r = unx_recv(fds[1], m, UNX_DONTWAIT);
        if (r != 1 || m->len != 1) {
            wrong("message %d: %s", i, error_text(r));
        }
        came += (m->got & (UNX_GOT_CRED | UNX_GOT_TIME | UNX_GOT_LABEL)) != 0;
        if (m->got & UNX_GOT_PIDFD) {
            came++;
            close(*m->pidfd);
        }
    }
    close_all(fds, 2);
    m->iov = NULL;
    return came;
}

static const char *with(unsigned came)
{
    return came == 3 ? "with each message" : came == 1 ? "with one of three messages" : "with none";
}

static void message_cred(void)
{
#if defined(__linux__) || defined(__FreeBSD__) || defined(__NetBSD__) || defined(__sun)
    const bool there = true;
#else
    const bool there = false;
#endif
    int fds[2];
    char text[24];
    struct unx_cred c, own;
    struct unx_msg m = {.cred = &c};
    NEED(unx_cred_real(&own));
    need(can(unx_pair(best_type(), UNX_PASSCRED, fds), there), "unx_pair()");
    /* The last of three may have none. */
    const unsigned came = three(fds, &m);
    if (came == 0) {
        wrong("they were asked for, and none came");
    }
    check_cred(&c, &own, "the sender", text);
    ok("%s %s", with(came), text);
}

static void attached_cred(void)
{
    int fds[2];
    char text[24], got;
    struct unx_cred c, own;
    NEED(unx_cred_real(&own));
    pair(best_type(), 0, fds);
    struct iovec iov = {.iov_base = (void *)"x", .iov_len = 1};
    struct unx_msg m = {.iov = &iov, .niov = 1, .cred = &own};
    const int r = unx_send(fds[0], &m, UNX_DONTWAIT);
    if (r == -EOPNOTSUPP) {
        close_all(fds, 2);
        not_there(r, false);
    }
    need(r, "unx_send()");
    iov.iov_base = &got;
    m.cred = &c;
    NEED(unx_recv(fds[1], &m, UNX_DONTWAIT));
    close_all(fds, 2);
    check_cred(&c, &own, "the sender", text);
    ok("%s", m.got & UNX_GOT_CRED ? text : "sent, and the receiver has to ask for them (UNX_PASSCRED)");
}

static void message_pidfd(void)
{
    int fds[2], sender;
    struct unx_msg m = {.pidfd = &sender};
    pair(best_type(), UNX_PASSPIDFD, fds);
    const unsigned came = three(fds, &m);
    if (came == 0) {
        wrong("they were asked for, and none came");
    }
    ok("%s", with(came));
}

static void message_label(void)
{
    int fds[2];
    char text[256];
    struct unx_msg m = {.label = text, .label_max = sizeof text};
    pair(best_type(), UNX_PASSSEC, fds);
    const unsigned came = three(fds, &m);
    ok("%s%s", with(came), came == 0 ? ": no security module has one" : "");
}

static void message_time(void)
{
    int fds[2];
    struct timespec now;
    struct unx_msg m = {.label = NULL};
    pair(system_has_packets() ? SOCK_SEQPACKET : SOCK_DGRAM, UNX_TIMESTAMP, fds);
    const unsigned came = three(fds, &m);
    clock_gettime(CLOCK_REALTIME, &now);
    const int64_t off = (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000 - m.time_ns / 1000000;
    if (came == 0) {
        wrong("they were asked for, and none came");
    }
    if (came == 3 && (off < 0 || off > 5000)) {
        wrong("%lld ms away from now", (long long)off);
    }
    ok("%s", with(came));
}

const struct row identity_rows[] = {
    {"credentials of the other end of a pair", peer_of_pair},
    {"credentials of the peer of a connection", peer_of_connection},
    {"groups of the peer", groups},
    {"label of the peer", label},
    {"pidfd of the peer", pidfd},
    {"credentials with messages", message_cred},
    {"credentials that a sender attaches", attached_cred},
    {"pidfds with messages", message_pidfd},
    {"labels with messages", message_label},
    {"times with messages", message_time},
    {NULL, NULL},
};
