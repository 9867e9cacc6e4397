// SPDX-License-Identifier: MIT
/* What the tests of messages share: a message full of rubbish where the answer goes, and a look at what arrived. */
#ifndef TEST_MESSAGE_H
#define TEST_MESSAGE_H

#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>
#include <unx/unx.h>

/* A struct iovec of a literal, without its NUL. */
#define BYTES(text)                                                                                                    \
    {                                                                                                                  \
        (char *)(text), sizeof(text) - 1                                                                               \
    }

/* A message whose answer holds rubbish. */
static inline struct unx_msg message(const struct iovec *iov, size_t niov)
{
    struct unx_msg m;
    memset(&m, 0x55, sizeof m);
    memset(&m, 0, offsetof(struct unx_msg, len));
    m.iov = iov;
    m.niov = niov;
    return m;
}

/* The caller's half has to be as it was. */
static inline void check_half(const struct unx_msg *before, const struct unx_msg *after)
{
    CHECK_MEM(after, offsetof(struct unx_msg, len), before, offsetof(struct unx_msg, len));
}

static inline void check_nothing(int fd)
{
    char c;
    struct raw_got g;
    raw_recv(fd, &c, 1, MSG_DONTWAIT, &g);
    CHECK_INT(g.result, -EAGAIN);
}

/* Exactly these bytes are next, without descriptors. */
static inline void check_arrived(int fd, const void *p, size_t n)
{
    char data[4096];
    struct raw_got g;
    raw_recv(fd, data, sizeof data, MSG_DONTWAIT, &g);
    CHECK_INT(g.flags & (MSG_TRUNC | MSG_CTRUNC), 0);
    CHECK_INT(g.nfds, 0);
    CHECK(g.result >= 0);
    CHECK_MEM(data, (size_t)g.result, p, n);
}

static inline void close_pair(const int s[2])
{
    close(s[0]);
    close(s[1]);
}

#endif
