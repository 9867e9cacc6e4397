// SPDX-License-Identifier: MIT
/*
 * Packets through a socket that is often full: each arrives whole, once and in order, or its send says that it did
 * not go. For systems on which a packet may go and come in parts.
 */
#include "../harness.h"
#include "../message.h"
#include "../raw.h"

#include <stdlib.h>
#include <string.h>
#include <unx/unx.h>

#define MOST 6000

/* Packet `n`: its length and its bytes follow from its number. */
static size_t length_of(unsigned n)
{
    return 1 + n * 2654435761u % MOST;
}

static void packet(unsigned char *p, unsigned n)
{
    raw_pattern(p, length_of(n), n * 7);
}

static int send_packet(int fd, unsigned n, unsigned flags)
{
    static unsigned char data[MOST];
    packet(data, n);
    const struct iovec iov[2] = {{data, length_of(n) / 3}, {data + length_of(n) / 3, length_of(n) - length_of(n) / 3}};
    struct unx_msg m = message(iov, 2);
    const int r = unx_send(fd, &m, flags);
    if (r == 1) {
        CHECK_INT(m.len, length_of(n));
    }
    return r;
}

static void check_packet(int fd, unsigned n)
{
    static unsigned char room[MOST + 1];
    const struct iovec iov = {room, sizeof room};
    struct unx_msg m = message(&iov, 1);
    ROW("packet %u", n);
    CHECK_INT(unx_recv(fd, &m, 0), 1);
    CHECK_INT(m.len, length_of(n));
    CHECK(raw_pattern_ok(room, m.len, n * 7));
}

/* Sent until there is no room, and received until there is some. */
static void who_does_not_wait(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    unsigned sent = 0, got = 0, full = 0;
    while (sent < 3000) {
        const int r = send_packet(s[0], sent, UNX_DONTWAIT);
        if (r == 1) {
            sent++;
            continue;
        }
        CHECK_INT(r, -EAGAIN);
        full++;
        for (unsigned some = 1 + full % 3; some > 0 && got < sent; some--) {
            check_packet(s[1], got++);
        }
    }
    CHECK(full > 100);
    while (got < sent) {
        check_packet(s[1], got++);
    }
    close_pair(s);
}

static void take_all(void *arg)
{
    const int *s = arg;
    close(s[0]);
    for (unsigned n = 0; n < 1000; n++) {
        if (n % 50 == 0) {
            raw_sleep(30);
        }
        check_packet(s[1], n);
    }
}

/* The socket's timeout passes again and again while a packet waits for room. */
static void who_waits_not_long(void)
{
    int s[2];
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_set_timeout(s[0], UNX_SEND, 3), 0);
    const pid_t reader = harness_fork(take_all, s);
    for (unsigned n = 0; n < 1000;) {
        const int r = send_packet(s[0], n, 0);
        CHECK(r == 1 || r == -EAGAIN);
        n += r == 1;
    }
    harness_wait(reader);
    close_pair(s);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(who_does_not_wait),
        CASE(who_waits_not_long),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
