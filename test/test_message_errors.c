// SPDX-License-Identifier: MIT
/*
 * What a message cannot do: be larger than the send buffer allows, find room where none is, reach a peer that has gone,
 * carry more than bytes when it is to be plain. After each failure nothing was sent,
 * and nothing is lost that was queued.
 *
 * What surprised us: the limit of a packet is the send buffer less 32 bytes, and the receiver's buffer plays no part.
 */
#include "message.h"

#include <stdlib.h>

/* The largest packet is what the send buffer holds less 32 bytes; one byte more fails at once and sends nothing. */
static void largest_packet(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_DGRAM};
    for (unsigned t = 0; t < 2; t++) {
        int s[2];
        raw_pair(types[t], s);
        const size_t limit = (size_t)raw_get(s[0], SO_SNDBUF) - 32;
        char *out = malloc(limit + 1), *in = malloc(limit + 1);
        CHECK(out != NULL && in != NULL);
        raw_pattern(out, limit + 1, 0);
        const struct iovec good = {out, limit}, bad = {out, limit + 1}, room = {in, limit + 1};
        struct unx_msg m = message(&bad, 1), r = message(&room, 1);
        CHECK_INT(unx_send(s[0], &m, 0), -EMSGSIZE);
        CHECK_INT(m.len, 0);
        CHECK_INT(unx_send(s[0], &m, UNX_PLAIN), -EMSGSIZE);
        check_nothing(s[1]);
        m.iov = &good;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        CHECK_INT(unx_recv(s[1], &r, 0), 1);
        CHECK_INT(r.len, limit);
        CHECK(memcmp(in, out, limit) == 0);
        free(out);
        free(in);
        close_pair(s);
    }
}

static void no_room_now(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        static char data[4096];
        const struct iovec iov = {data, sizeof data};
        struct unx_msg m = message(&iov, 1);
        unsigned sent = 0;
        int r;
        while ((r = unx_send(s[0], &m, UNX_DONTWAIT)) == 1) {
            sent++;
        }
        CHECK(sent > 0);
        CHECK_INT(r, -EAGAIN);
        CHECK_INT(m.len, 0);
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT | UNX_PLAIN), -EAGAIN);
        CHECK_INT(unx_set_timeout(s[0], UNX_SEND, 50), 0);
        const int64_t start = raw_now();
        CHECK_INT(unx_send(s[0], &m, 0), -EAGAIN);
        CHECK(raw_now() - start >= 45);
        close_pair(s);
    }
}

static void nobody_there(void)
{
    char data[8] = "nothing";
    const struct iovec iov = {data, sizeof data};
    struct unx_msg m = message(&iov, 1);
    static const int gone[] = {-EPIPE, -EPIPE, -ECONNREFUSED};
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        close(s[1]);
        CHECK_INT(unx_send(s[0], &m, 0), gone[t]);
        close(s[0]);
        raw_pair(raw_types[t], s);
        CHECK_INT(shutdown(s[0], SHUT_WR), 0);
        CHECK_INT(unx_send(s[0], &m, 0), -EPIPE);
        CHECK_INT(unx_send(s[0], &m, UNX_PLAIN), -EPIPE);
        close_pair(s);
        const int alone = socket(AF_UNIX, raw_types[t] | SOCK_CLOEXEC, 0);
        CHECK_INT(unx_send(alone, &m, UNX_DONTWAIT), -ENOTCONN);
        close(alone);
    }
}

/* A reply that was queued before the peer went away is still there after the failed send: which has taken the
 * reset with it on SEQPACKET, and has left it behind the data on STREAM. */
static void replies_after_a_failed_send(void)
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    for (unsigned t = 0; t < 2; t++) {
        for (int unread = 0; unread < 2; unread++) {
            int s[2];
            raw_pair(types[t], s);
            char data[8];
            const struct iovec out = BYTES("request"), in = {data, sizeof data};
            struct unx_msg m = message(&out, 1), r = message(&in, 1);
            if (unread) {
                raw_send(s[0], "before", 6, NULL, 0);
            }
            raw_send(s[1], "no", 2, NULL, 0);
            close(s[1]);
            const int seqpacket = types[t] == SOCK_SEQPACKET;
            CHECK_INT(unx_send(s[0], &m, 0), unread && seqpacket ? -ECONNRESET : -EPIPE);
            CHECK_INT(unx_recv(s[0], &r, 0), 1);
            CHECK_MEM(data, r.len, "no", 2);
            CHECK_INT(unx_recv(s[0], &r, 0), unread && !seqpacket ? -ECONNRESET : 0);
            CHECK_INT(unx_recv(s[0], &r, 0), 0);
            close(s[0]);
        }
    }
}

static void plain_takes_bytes_alone(void)
{
    int s[2], fd = STDOUT_FILENO, room[1], pidfd;
    struct unx_addr addr;
    struct unx_cred cred;
    char data[8], control[64], label[8];
    const struct iovec iov[2] = {{data, 4}, {data + 4, 4}};
    raw_pair(SOCK_SEQPACKET, s);
    raw_send(s[1], "x", 1, NULL, 0);
    CHECK_INT(unx_cred_real(&cred), 0);
    CHECK_INT(unx_addr_abstract(&addr, "nobody", 6), 0);
    struct unx_msg bad[8];
    for (unsigned i = 0; i < 8; i++) {
        bad[i] = message(iov, 1);
    }
    bad[0].niov = 2;
    bad[1].niov = 0;
    bad[2].fds = room;
    bad[2].nfds = 1;
    room[0] = fd;
    bad[3].addr = &addr;
    bad[4].cred = &cred;
    bad[5].control = control;
    bad[5].control_max = sizeof control;
    bad[6].pidfd = &pidfd;
    bad[7].label = label;
    bad[7].label_max = sizeof label;
    for (unsigned i = 0; i < 8; i++) {
        const int sent = unx_send(s[0], &bad[i], UNX_PLAIN);
        CHECK_INT(sent, -EINVAL);
        CHECK_INT(unx_recv(s[0], &bad[i], UNX_PLAIN | UNX_DONTWAIT), -EINVAL);
    }
    check_nothing(s[1]);
    check_arrived(s[0], "x", 1);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(largest_packet),          CASE(no_room_now), CASE(nobody_there), CASE(replies_after_a_failed_send),
    CASE(plain_takes_bytes_alone),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
