// SPDX-License-Identifier: MIT
/*
 * A signal in a system call that does not wait: it is made again, and neither the timeout of the socket, which is for
 * those who wait, nor what is queued behind a reset changes that. Linux never interrupts such a call, which nothing
 * promises; so here a filter says EINTR (between.h).
 */
#include "between.h"
#include "message.h"

#include <sys/socket.h>
#include <sys/syscall.h>

#define TIMEOUT_MS 4000
#define SOON_MS 2000

struct interrupted {
    int fd;
    unsigned flags, let_pass, left; /* so many calls are made, and then so many are not */
    struct unx_msg *m;
    unsigned n; /* 0: one, not as a batch */
    int calls;
};

static int interrupt(void *arg, int number)
{
    (void)number;
    struct interrupted *i = arg;
    i->calls++;
    if (i->let_pass > 0) {
        i->let_pass--;
        return 0;
    }
    i->left -= i->left > 0;
    return i->left > 0 ? -EINTR : 0;
}

static int receive(void *arg)
{
    const struct interrupted *i = arg;
    return i->n > 0 ? unx_recv_many(i->fd, i->m, i->n, i->flags) : unx_recv(i->fd, i->m, i->flags);
}

static int transmit(void *arg)
{
    const struct interrupted *i = arg;
    return i->n > 0 ? unx_send_many(i->fd, i->m, i->n, i->flags) : unx_send(i->fd, i->m, i->flags);
}

static int try(struct interrupted *i, int (*call)(void *arg))
{
    static const int numbers[] = {SYS_sendto, SYS_sendmsg, SYS_sendmmsg, SYS_recvfrom, SYS_recvmsg, SYS_recvmmsg};
    const int r = between(numbers, sizeof numbers / sizeof *numbers, call, interrupt, i);
    if (i->calls == 0) {
        SKIP("here the library makes other system calls");
    }
    CHECK_INT(i->left, 0);
    return r;
}

/* It says so soon, because of a flag or by the socket's own mode. */
static void says_it_would_wait(int fd, struct unx_msg *m, int (*call)(void *arg))
{
    for (unsigned n = 0; n <= 2; n += 2) {
        for (int by_itself = 0; by_itself < 2; by_itself++) {
            ROW("%u messages, by itself %d", n, by_itself);
            struct interrupted i = {.fd = fd, .flags = by_itself ? 0 : UNX_DONTWAIT, .left = 4, .m = m, .n = n};
            CHECK_INT(unx_set_nonblock(fd, by_itself), 0);
            const int64_t start = raw_now();
            CHECK_INT(try(&i, call), -EAGAIN);
            CHECK(raw_now() - start < SOON_MS);
        }
    }
}

static void nothing_to_receive(void)
{
    int s[2];
    char data[2][8];
    const struct iovec room[2] = {{data[0], 8}, {data[1], 8}};
    struct unx_msg m[2] = {message(&room[0], 1), message(&room[1], 1)};
    raw_pair(SOCK_SEQPACKET, s);
    CHECK_INT(unx_set_timeout(s[0], UNX_RECV, TIMEOUT_MS), 0);
    says_it_would_wait(s[0], m, receive);
    close(s[0]);
    close(s[1]);
}

static void no_room(void)
{
    for (size_t parts = 1; parts <= 2; parts++) {
        int s[2];
        const struct iovec hello[2] = {BYTES("hel"), BYTES("lo")};
        struct unx_msg m[2] = {message(hello, parts), message(hello, parts)};
        raw_pair(SOCK_SEQPACKET, s);
        CHECK_INT(unx_set_timeout(s[0], UNX_SEND, TIMEOUT_MS), 0);
        while (raw_try_send(s[0], hello, 1, NULL, 0, MSG_DONTWAIT) > 0) {
        }
        says_it_would_wait(s[0], m, transmit);
        close(s[0]);
        close(s[1]);
    }
}

/* A peer that is gone has left something unread: its reset is told first, and what it sent is behind that. */
static void queued_behind_a_reset(void)
{
    for (unsigned n = 0; n <= 3; n += 3) {
        for (unsigned let_pass = 0; let_pass < 2; let_pass++) {
            ROW("%u messages, the first %u calls are made", n, let_pass);
            int s[2];
            char data[3][8];
            const struct iovec room[3] = {{data[0], 8}, {data[1], 8}, {data[2], 8}};
            struct unx_msg m[3] = {message(&room[0], 1), message(&room[1], 1), message(&room[2], 1)};
            raw_pair(SOCK_SEQPACKET, s);
            raw_send(s[1], "one", 3, NULL, 0);
            raw_send(s[1], "two", 3, NULL, 0);
            raw_send(s[0], "unread", 6, NULL, 0);
            close(s[1]);
            struct interrupted i = {.fd = s[0], .let_pass = let_pass, .left = 4, .m = m, .n = n};
            CHECK_INT(try(&i, receive), n > 0 ? 2 : 1);
            CHECK_INT(m[0].got & UNX_GOT_RESET, UNX_GOT_RESET);
            CHECK_MEM(data[0], m[0].len, "one", 3);
            close(s[0]);
        }
    }
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(nothing_to_receive),
        CASE(no_room),
        CASE(queued_behind_a_reset),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
