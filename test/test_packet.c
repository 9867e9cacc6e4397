// SPDX-License-Identifier: MIT
/*
 * How large a packet may be: what unx_max_packet() says is what the kernel takes, and not a byte more; growing never
 * shrinks, and ends where the system ends it.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>
#include <unx/unx.h>

/* The kernel's own limit, whatever the buffer. */
#define LARGEST 4263616

static const int packet_types[] = {SOCK_SEQPACKET, SOCK_DGRAM};

static int wmem_max(void)
{
    FILE *f = fopen("/proc/sys/net/core/wmem_max", "re");
    int n = 0;
    CHECK(f != NULL);
    CHECK_INT(fscanf(f, "%d", &n), 1);
    fclose(f);
    return n;
}

static ssize_t try_size(int fd, size_t size)
{
    void *p = mmap(NULL, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    const ssize_t r = raw_try_send(fd, p, size, NULL, 0, MSG_DONTWAIT);
    munmap(p, size);
    return r;
}

/* Exactly what is said goes, and one byte more does not. */
static void check_max(int sv[2], int max)
{
    CHECK_INT(QUIET(unx_max_packet(sv[0])), max);
    if (max < LARGEST)
        CHECK_INT(try_size(sv[0], (size_t)max + 1), -EMSGSIZE);
    else
        CHECK(try_size(sv[0], (size_t)max + 1) < 0);
    const ssize_t r = try_size(sv[0], (size_t)max);
    if (max > 65536 && r == -ENOBUFS) {
        NOTE("the kernel has no memory in one piece for %d bytes now", max);
        return;
    }
    CHECK_INT(r, max);
    char c;
    CHECK_INT(recv(sv[1], &c, 1, MSG_TRUNC), max);
}

static void largest_packet(void)
{
    static const int buffers[] = {0, 2304, 8192, 100000, 212992, 1000000};
    for (int t = 0; t < 2; t++)
        for (size_t i = 0; i < sizeof buffers / sizeof *buffers; i++) {
            int sv[2];
            raw_pair(packet_types[t], sv);
            raw_set(sv[0], SO_SNDBUF, buffers[i]);
            ROW("%s, SO_SNDBUF %d", raw_type_name(packet_types[t]), buffers[i]);
            check_max(sv, raw_get(sv[0], SO_SNDBUF) - 32);
            close(sv[0]);
            close(sv[1]);
        }
}

static void growing(void)
{
    const int most = 2 * wmem_max();
    static const size_t sizes[] = {0, 1, 4544, 65536, 212960, 212961, 300001, 1048576, 4000000, 4263616, SIZE_MAX / 2};
    for (int t = 0; t < 2; t++) {
        int sv[2], before = 0;
        raw_pair(packet_types[t], sv);
        for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
            ROW("%s, %zu bytes", raw_type_name(packet_types[t]), sizes[i]);
            const int max = QUIET(unx_grow_packet(sv[0], sizes[i]));
            CHECK(max >= before);
            CHECK((size_t)max >= sizes[i] || max == LARGEST || raw_get(sv[0], SO_SNDBUF) == most);
            CHECK_INT(QUIET(unx_max_packet(sv[0])), max);
            /* No more than was asked for, apart from what the kernel rounds. */
            CHECK(max == before || (size_t)max <= sizes[i] + 4096 || i == 0);
            if (max <= 1048576 + 4096)
                check_max(sv, max);
            before = max;
        }
        close(sv[0]);
        close(sv[1]);
    }
}

/* A buffer that only a privileged process could make so large is not taken away. */
static void growing_never_shrinks(void)
{
    for (int t = 0; t < 2; t++) {
        int sv[2];
        const int want = 32 << 20;
        raw_pair(packet_types[t], sv);
        if (setsockopt(sv[0], SOL_SOCKET, SO_SNDBUFFORCE, &want, sizeof want))
            SKIP("SO_SNDBUFFORCE: %s", strerror(errno));
        const int buffer = raw_get(sv[0], SO_SNDBUF);
        CHECK(buffer >= want);
        CHECK_INT(QUIET(unx_max_packet(sv[0])), LARGEST);
        CHECK_INT(QUIET(unx_grow_packet(sv[0], 100)), LARGEST);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), buffer);
        CHECK_INT(QUIET(unx_grow_packet(sv[0], LARGEST)), LARGEST);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), buffer);
        CHECK_INT(QUIET(unx_grow_packet(sv[0], LARGEST + 1)), LARGEST);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), buffer);
        CHECK_INT(QUIET(unx_grow_packet(sv[0], SIZE_MAX)), LARGEST);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), buffer);
        check_max(sv, LARGEST);
        close(sv[0]);
        close(sv[1]);
    }
}

/* A big buffer holds many packets, and is what the system allows of 4 MiB. */
static void big_buffer(void)
{
    const int most = 2 * wmem_max(), want = most < 4 << 20 ? most : 4 << 20;
    for (int t = 0; t < 3; t++) {
        int sv[2];
        CHECK_INT(QUIET(unx_pair(raw_types[t], UNX_BIGBUF, sv)), 0);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), want);
        CHECK_INT(raw_get(sv[1], SO_SNDBUF), want);
        close(sv[0]);
        close(sv[1]);
        raw_pair(raw_types[t], sv);
        CHECK_INT(QUIET(unx_adopt(sv[0], 0, UNX_BIGBUF)), raw_types[t]);
        CHECK_INT(raw_get(sv[0], SO_SNDBUF), want);
        /* Larger already: it stays. */
        const int more = 16 << 20;
        if (!setsockopt(sv[1], SOL_SOCKET, SO_SNDBUFFORCE, &more, sizeof more)) {
            CHECK_INT(QUIET(unx_adopt(sv[1], 0, UNX_BIGBUF)), raw_types[t]);
            CHECK(raw_get(sv[1], SO_SNDBUF) >= more);
        }
        close(sv[0]);
        close(sv[1]);
    }
}

static void not_for_streams(void)
{
    int sv[2];
    raw_pair(SOCK_STREAM, sv);
    const int before = raw_get(sv[0], SO_SNDBUF);
    CHECK_INT(QUIET(unx_max_packet(sv[0])), -EOPNOTSUPP);
    CHECK_INT(QUIET(unx_grow_packet(sv[0], 1 << 20)), -EOPNOTSUPP);
    CHECK_INT(raw_get(sv[0], SO_SNDBUF), before);
    close(sv[0]);
    close(sv[1]);
    int p[2];
    raw_pipe(p);
    CHECK_INT(QUIET(unx_max_packet(p[0])), -ENOTSOCK);
    CHECK_INT(QUIET(unx_grow_packet(p[0], 1)), -ENOTSOCK);
    close(p[0]);
    close(p[1]);
    CHECK_INT(QUIET(unx_max_packet(-1)), -EBADF);
    CHECK_INT(QUIET(unx_grow_packet(p[0], 1)), -EBADF);
    const int udp = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(udp >= 0);
    CHECK_INT(QUIET(unx_max_packet(udp)), -EAFNOSUPPORT);
    CHECK_INT(QUIET(unx_grow_packet(udp, 1)), -EAFNOSUPPORT);
    close(udp);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(largest_packet), CASE(growing), CASE(growing_never_shrinks), CASE(big_buffer), CASE(not_for_streams),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
