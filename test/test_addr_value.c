// SPDX-License-Identifier: MIT
/*
 * Addresses from raw bytes, and in order: nothing from outside is believed; equal addresses compare and hash as equal.
 */
#include "harness.h"
#include "raw_addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unx/unx.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

static void same(const struct unx_addr *a, const struct unx_addr *b)
{
    const void *p, *q;
    size_t n, m;
    CHECK_INT(unx_addr_name(a, &p, &n), unx_addr_name(b, &q, &m));
    CHECK_MEM(p, n, q, m);
    CHECK_INT(unx_addr_compare(a, b), 0);
    CHECK(unx_addr_hash(a) == unx_addr_hash(b));
}

/* ---- from raw bytes ---- */

static int from_bytes(struct unx_addr *a, const void *name, size_t n, socklen_t len)
{
    union {
        struct sockaddr sa;
        char raw[300];
    } u;
    memset(&u, 'g', sizeof u);
    u.sa.sa_family = AF_UNIX;
    memcpy(u.raw + HEAD, name, n);
    memset(a, 0xee, sizeof *a);
    return QUIET(unx_addr_sockaddr(a, &u.sa, len));
}

static void from_sockaddr(void)
{
    struct unx_addr a, want;
    char long_path[110];
    memset(long_path, 'l', 108);
    long_path[108] = long_path[109] = 0;
    static const struct {
        const char *name;
        size_t n, len, want_len;
    } paths[] = {{"abc", 4, 4, 3}, {"abc", 3, 3, 3}, {"abc", 4, 108, 3}, {"a\0c", 4, 4, 1}, {"\x80", 2, 2, 1}};
    for (size_t i = 0; i < sizeof paths / sizeof *paths; i++) {
        CHECK_INT(from_bytes(&a, paths[i].name, paths[i].n, (socklen_t)(HEAD + paths[i].len)), 0);
        char path[8] = "";
        memcpy(path, paths[i].name, paths[i].want_len);
        CHECK_INT(unx_addr_path(&want, path), 0);
        same(&a, &want);
        CHECK_INT(a.len, want.len);
    }
    CHECK_INT(unx_addr_path(&want, long_path), 0);
    for (socklen_t extra = 0; extra <= 2; extra++) {
        CHECK_INT(from_bytes(&a, long_path, 110, HEAD + 108 + extra), 0);
        same(&a, &want);
    }
    CHECK_INT(from_bytes(&a, "\0a\0", 3, HEAD + 3), 0);
    CHECK_INT(unx_addr_abstract(&want, "a\0", 2), 0);
    same(&a, &want);
    CHECK_INT(from_bytes(&a, "\0", 1, HEAD + 1), 0);
    CHECK_INT(unx_addr_abstract(&want, "", 0), 0);
    same(&a, &want);
    CHECK_INT(from_bytes(&a, "x", 1, HEAD), 0);
    CHECK_INT(unx_addr_name(&a, NULL, NULL), UNX_UNNAMED);
}

static void from_sockaddr_refused(void)
{
    struct unx_addr a;
    char zeros[300];
    memset(zeros, 'z', sizeof zeros);
    /* No NUL in as many bytes as fit a struct unx_addr: none may be written behind them. */
    CHECK_INT(from_bytes(&a, zeros, 256 - HEAD, 256), -EINVAL);
    CHECK_INT(from_bytes(&a, zeros, 120, HEAD + 109), -EINVAL);
    CHECK_INT(from_bytes(&a, zeros, 120, 256), -EINVAL);
    CHECK_INT(from_bytes(&a, "x", 1, 257), -EINVAL);
    CHECK_INT(from_bytes(&a, "x", 1, 300), -EINVAL);
    CHECK_INT(from_bytes(&a, "x", 1, (socklen_t)-1), -EINVAL);
    CHECK_INT(from_bytes(&a, "x", 1, 1), -EINVAL);
    CHECK_INT(from_bytes(&a, "x", 1, 0), -EINVAL);
    /* An abstract name of 108 bytes: nothing can have it. */
    memset(zeros, 0, sizeof zeros);
    CHECK_INT(from_bytes(&a, zeros, 200, HEAD + 1 + 108), -EINVAL);
    CHECK_INT(from_bytes(&a, zeros, 200, HEAD + 1 + 107), 0);
    const struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons(80)};
    CHECK_INT(QUIET(unx_addr_sockaddr(&a, (const struct sockaddr *)&in, sizeof in)), -EAFNOSUPPORT);
    const struct sockaddr none = {.sa_family = AF_UNSPEC};
    CHECK_INT(QUIET(unx_addr_sockaddr(&a, &none, HEAD)), -EAFNOSUPPORT);
}

/* An address that the caller filled in by itself, wrongly. */
static void name_of_no_address(void)
{
    struct unx_addr a;
    memset(&a, 'x', sizeof a);
    a.sa.sa_family = AF_UNIX;
    static const struct {
        socklen_t len;
        int want;
    } table[] = {{1, -EINVAL}, {257, -EINVAL}, {(socklen_t)-1, -EINVAL}, {3, UNX_PATH}, {HEAD + 108, UNX_PATH}};
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        a.len = table[i].len;
        CHECK_INT(QUIET(unx_addr_name(&a, NULL, NULL)), table[i].want);
    }
    a.len = 256;
    CHECK(unx_addr_name(&a, NULL, NULL) != UNX_ABSTRACT);
    a.len = 8;
    a.sa.sa_family = AF_INET;
    CHECK_INT(QUIET(unx_addr_name(&a, NULL, NULL)), -EAFNOSUPPORT);
    CHECK_INT(QUIET(unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK)), -EAFNOSUPPORT);
}

/* ---- order, hash, kind ---- */

static void order(void)
{
    struct unx_addr a[11];
    memset(a, 0, sizeof a);
    CHECK_INT(unx_addr_unnamed(&a[1]), 0);
    static const char *const paths[] = {"a", "a/b", "ab", "b", "\xff"};
    for (int i = 0; i < 5; i++)
        CHECK_INT(unx_addr_path(&a[2 + i], paths[i]), 0);
    CHECK_INT(unx_addr_abstract(&a[7], "", 0), 0);
    CHECK_INT(unx_addr_abstract(&a[8], "\0", 1), 0);
    CHECK_INT(unx_addr_abstract(&a[9], "a", 1), 0);
    CHECK_INT(unx_addr_abstract(&a[10], "a\0", 2), 0);
    for (int i = 0; i < 11; i++)
        for (int j = 0; j < 11; j++) {
            const int c = QUIET(unx_addr_compare(&a[i], &a[j]));
            if ((c > 0) - (c < 0) != (i > j) - (i < j))
                CHECK_INT(100 * i + j, c);
            CHECK_INT(unx_addr_hash(&a[i]) == unx_addr_hash(&a[j]), i == j);
        }
    /* What lies behind the address is no part of it. */
    struct unx_addr b;
    memset(&b, 0xee, sizeof b);
    CHECK_INT(unx_addr_path(&b, "ab"), 0);
    memset(b.raw + HEAD + 3, 0x77, 20);
    CHECK_INT(unx_addr_compare(&a[4], &b), 0);
    CHECK(QUIET(unx_addr_hash(&a[4])) == unx_addr_hash(&b));
}

static int by_value(const void *a, const void *b)
{
    const uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

/* A hundred thousand names that differ little: no two hashes alike, and the low bits good enough for a table. */
static void hash_spreads(void)
{
    enum { N = 100000, BUCKETS = 1024 };
    static uint64_t h[N];
    static unsigned bucket[BUCKETS];
    for (int i = 0; i < N; i++) {
        char path[32];
        snprintf(path, sizeof path, "/run/service-%d", i);
        struct unx_addr a;
        CHECK_INT(unx_addr_path(&a, path), 0);
        h[i] = unx_addr_hash(&a);
        bucket[h[i] % BUCKETS]++;
    }
    qsort(h, N, sizeof *h, by_value);
    for (int i = 1; i < N; i++)
        CHECK(h[i] != h[i - 1]);
    for (int i = 0; i < BUCKETS; i++)
        CHECK(bucket[i] > N / BUCKETS / 3 && bucket[i] < N / BUCKETS * 3);
}

static void absolute(void)
{
    struct unx_addr a = {0};
    CHECK_INT(QUIET(unx_addr_absolute(&a)), -EINVAL);
    CHECK_INT(unx_addr_unnamed(&a), 0);
    CHECK_INT(QUIET(unx_addr_absolute(&a)), -EINVAL);
    CHECK_INT(unx_addr_abstract(&a, "/x", 2), 0);
    CHECK_INT(QUIET(unx_addr_absolute(&a)), -EINVAL);
    CHECK_INT(unx_addr_path(&a, "/x"), 0);
    CHECK_INT(QUIET(unx_addr_absolute(&a)), 1);
    CHECK_INT(unx_addr_path(&a, "x/"), 0);
    CHECK_INT(QUIET(unx_addr_absolute(&a)), 0);
    CHECK_INT(unx_addr_path(&a, "@/"), 0);
    CHECK_INT(QUIET(unx_addr_absolute(&a)), 0);
}

static void limits(void)
{
    CHECK_INT(QUIET(unx_limit(UNX_LIMIT_PATH)), 108);
    CHECK_INT(QUIET(unx_limit(UNX_LIMIT_ABSTRACT)), 107);
    CHECK_INT(QUIET(unx_limit(UNX_LIMIT_FDS)), 253);
    CHECK_INT(QUIET(unx_limit(UNX_LIMIT_IOV)), 1024);
    CHECK_INT(QUIET(unx_limit(0)), -EINVAL);
    CHECK_INT(QUIET(unx_limit(5)), -EINVAL);
    CHECK_INT(QUIET(unx_limit(-1)), -EINVAL);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(from_sockaddr), CASE(from_sockaddr_refused), CASE(name_of_no_address),
        CASE(order),         CASE(hash_spreads),          CASE(absolute),
        CASE(limits),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
