// SPDX-License-Identifier: MIT
/*
 * Batches that cannot be sent, or are nonsense: each error is the one that a message alone would have.
 *
 * What surprised us (Linux 6.18): some errors are told once and then turn into others: a datagram socket whose receiver
 * has gone says ECONNREFUSED and then ENOTCONN, a reset SEQPACKET says ECONNRESET and then EPIPE.
 */
#include "message.h"
#include "raw_addr.h"

#include <unx/unx.h>

#define MANY 40u

/* A socket of this type whose next send fails, and in another way than those behind it. */
static int doomed(int type)
{
    int s[2];
    if (type == SOCK_DGRAM) {
        const char *name = raw_name("doomed");
        const struct raw_addr a = raw_abstract(name, strlen(name));
        s[1] = raw_bind(type, a);
        s[0] = raw_connect(type, a);
    } else {
        raw_pair(type, s);
        raw_send(s[0], "unread", 6, NULL, 0);
    }
    close(s[1]);
    return s[0];
}

static void errors_that_come_once(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (unsigned n = 1; n <= MANY; n += MANY - 1) {
            const int alone = doomed(raw_types[t]), batch = doomed(raw_types[t]);
            const struct iovec out = BYTES("hello");
            struct unx_msg one = message(&out, 1), many[MANY];
            for (unsigned i = 0; i < MANY; i++) {
                many[i] = message(&out, 1);
            }
            ROW("%s, %u messages", raw_type_name(raw_types[t]), n);
            for (unsigned i = 0; i < 3; i++) {
                const int want = unx_send(alone, &one, 0);
                CHECK(want < 0);
                CHECK_INT(unx_send_many(batch, many, n, 0), want);
                CHECK_INT(many[0].error, want);
                CHECK_INT(many[0].len, 0);
            }
            close(alone);
            close(batch);
        }
    }
}

static void the_first_error(void)
{
    const struct {
        int type, error;
    } rows[] = {{SOCK_DGRAM, -ECONNREFUSED}, {SOCK_SEQPACKET, -ECONNRESET}};
    for (unsigned i = 0; i < 2; i++) {
        const int fd = doomed(rows[i].type);
        const struct iovec out = BYTES("hello");
        struct unx_msg m[2] = {message(&out, 1), message(&out, 1)};
        CHECK_INT(unx_send_many(fd, m, 2, 0), rows[i].error);
        CHECK_INT(m[0].error, rows[i].error);
        close(fd);
    }
}

static void bad_arguments(void)
{
    int s[2], p[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pipe(p);
    char hi[] = "hi";
    struct iovec iov = {hi, 2};
    struct unx_msg m = message(&iov, 1);
    CHECK_INT(unx_send_many(s[0], NULL, 1, 0), -EINVAL);
    CHECK_INT(unx_recv_many(s[0], NULL, 1, 0), -EINVAL);
    CHECK_INT(unx_send_many(s[0], &m, 1, UNX_PEEK), -EINVAL);
    CHECK_INT(unx_recv_many(s[0], &m, 1, UNX_PEEK), -EINVAL);
    CHECK_INT(unx_recv_many(s[0], &m, 1, UNX_KEEP), -EINVAL);
    CHECK_INT(unx_send_many(-1, &m, 1, 0), -EBADF);
    CHECK_INT(unx_send_many(p[1], &m, 1, 0), -ENOTSOCK);
    CHECK_INT(unx_recv_many(-1, &m, 1, 0), -EBADF);
    CHECK_INT(unx_recv_many(p[0], &m, 1, 0), -ENOTSOCK);
    m.reserved[1] = 1;
    CHECK_INT(unx_recv_many(s[0], &m, 1, UNX_DONTWAIT), -EINVAL);
    CHECK_INT(m.error, -EINVAL);
    close_pair(p);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(errors_that_come_once),
    CASE(the_first_error),
    CASE(bad_arguments),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
