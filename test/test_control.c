// SPDX-License-Identifier: MIT
/*
 * Control messages written and read over a buffer of the caller's, at every alignment, capacity and length.
 *
 * What surprised us: a message whose data was cut is delivered all the same, shorter than its type.
 */
#include "message.h"

#include <stdlib.h>
#include <unx/control.h>

#define SPACE_OF_NOTHING CMSG_SPACE(0)

/* Three messages: two descriptors (numbers that are not open), credentials, and an unknown one. */
static size_t write_three(char *buf, size_t size)
{
    static const int fds[2] = {900, 901};
    static const struct unx_cred cred = {.pid = 12, .uid = 34, .gid = 56, .known = UNX_KNOWN_ALL};
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, buf, size), 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 2, 0), 0);
    CHECK_INT(w.nfds, 2);
    CHECK_INT(unx_control_add_cred(&w, &cred), 0);
    CHECK_INT(unx_control_add(&w, 4711, -3, "abcde", 5), 0);
    CHECK_INT(w.len, unx_control_space(8) + unx_control_space(12) + unx_control_space(5));
    return w.len;
}

static void read_three(char *buf, size_t len)
{
    struct unx_control_reader r;
    struct unx_control_item item;
    struct unx_cred c;
    int fds[2];
    CHECK_INT(unx_control_reader_init(&r, buf, len), 0);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(item.level, SOL_SOCKET);
    CHECK_INT(item.type, SCM_RIGHTS);
    CHECK_INT(item.len, 8);
    CHECK_INT(unx_control_nfds(&item), 2);
    memcpy(fds, item.data, sizeof fds);
    CHECK(fds[0] == 900 && fds[1] == 901);
    CHECK_INT(unx_control_cred(&item, &c), -EINVAL);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(item.type, SCM_CREDENTIALS);
    CHECK_INT(unx_control_nfds(&item), 0);
    CHECK_INT(unx_control_cred(&item, &c), 0);
    CHECK(c.pid == 12 && c.uid == 34 && c.gid == 56 && c.known == UNX_KNOWN_ALL);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(item.level, 4711);
    CHECK_INT(item.type, -3);
    CHECK_MEM(item.data, item.len, "abcde", 5);
    CHECK_INT(unx_control_nfds(&item), 0);
    CHECK_INT(unx_control_next(&r, &item), 0);
    CHECK_INT(unx_control_next(&r, &item), 0);
}

static void every_alignment(void)
{
    for (size_t at = 0; at < 16; at++) {
        /* Exactly as large as it has to be, so that a sanitizer sees a step too far. */
        const size_t size = unx_control_space(8) + unx_control_space(12) + unx_control_space(5);
        char *block = malloc(size + at);
        memset(block, 0x55, size + at);
        CHECK_INT(write_three(block + at, size), size);
        read_three(block + at, size);
        for (size_t i = 0; i < at; i++) {
            CHECK_INT(block[i], 0x55);
        }
        free(block);
    }
}

static void as_the_kernel_lays_it_out(void)
{
    union {
        struct cmsghdr h;
        char room[256];
    } b;
    memset(&b, 0x55, sizeof b);
    struct msghdr h = {.msg_control = b.room, .msg_controllen = write_three(b.room, sizeof b.room)};
    struct cmsghdr *c = CMSG_FIRSTHDR(&h);
    CHECK(c != NULL && c->cmsg_len == CMSG_LEN(8) && c->cmsg_type == SCM_RIGHTS);
    c = CMSG_NXTHDR(&h, c);
    CHECK(c != NULL && c->cmsg_len == CMSG_LEN(12) && c->cmsg_type == SCM_CREDENTIALS);
    /* Padding is not what was in the buffer before. */
    CHECK_MEM((char *)CMSG_DATA(c) + 12, CMSG_ALIGN(12) - 12, "\0\0\0\0", CMSG_ALIGN(12) - 12);
    c = CMSG_NXTHDR(&h, c);
    CHECK(c != NULL && c->cmsg_len == CMSG_LEN(5) && c->cmsg_level == 4711);
    CHECK_MEM((char *)CMSG_DATA(c) + 5, 3, "\0\0\0", 3);
    for (size_t i = 0; i < 64; i++) {
        CHECK_INT(unx_control_space(i), CMSG_SPACE(i));
    }
    CHECK_INT(unx_control_space(SIZE_MAX), 0);
    CHECK_INT(unx_control_space(SIZE_MAX - 20), 0);
}

static void one_too_small(size_t size)
{
    static const int fds[2] = {900, 901};
    static const struct unx_cred cred = {.pid = 12, .uid = 34, .gid = 56, .known = UNX_KNOWN_ALL};
    char *buf = malloc(size + 1);
    memset(buf, 0x55, size + 1);
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, size > 0 ? buf : NULL, size), 0);
    for (unsigned i = 0; i < 40; i++) {
        const struct unx_control_writer before = w;
        int r;
        size_t need;
        if (i % 3 == 0) {
            need = unx_control_space(sizeof fds);
            r = unx_control_add_fds(&w, fds, 2, 0);
        } else if (i % 3 == 1) {
            need = unx_control_space(12);
            r = unx_control_add_cred(&w, &cred);
        } else {
            need = unx_control_space(i);
            r = unx_control_add(&w, 1, 2, "0123456789012345678901234567890123456789", i);
        }
        if (before.len + need <= size) {
            CHECK_INT(r, 0);
            CHECK_INT(w.len, before.len + need);
        } else {
            CHECK_INT(r, -ENOSPC);
            CHECK(memcmp(&before, &w, sizeof w) == 0);
        }
    }
    CHECK_INT(buf[size], 0x55);
    CHECK_INT(unx_control_writer_close(&w), 0);
    CHECK_INT(w.len, 0);
    CHECK_INT(w.size, size);
    free(buf);
}

static void every_capacity(void)
{
    for (size_t size = 0; size <= 300; size++) {
        one_too_small(size);
    }
}

static void limits_of_the_writer(void)
{
    char buf[4096];
    int fds[254];
    struct unx_control_writer w;
    for (unsigned i = 0; i < 254; i++) {
        fds[i] = 900;
    }
    CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 254, 0), -E2BIG);
    CHECK_INT(unx_control_add_fds(&w, fds, 0xffffffffu, 0), -E2BIG);
    CHECK_INT(unx_control_add_fds(&w, fds, 126, 0), 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 128, 0), -E2BIG);
    CHECK_INT(unx_control_add_fds(&w, fds, 127, 0), 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 1, 0), -E2BIG);
    CHECK_INT(unx_control_add_fds(&w, fds, 0, 0), 0);
    CHECK_INT(w.nfds, 253);
    CHECK_INT(unx_control_writer_close(&w), 0);
    CHECK_INT(w.nfds, 0);
    fds[3] = -1;
    CHECK_INT(unx_control_add_fds(&w, fds, 5, UNX_GIVE), -EBADF);
    CHECK_INT(w.len, 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 1, 1), -EINVAL);
    CHECK_INT(unx_control_add(&w, 1, 2, fds, SIZE_MAX), -ENOSPC);
    CHECK_INT(unx_control_add(&w, 1, 2, fds, SIZE_MAX - 8), -ENOSPC);
    CHECK_INT(unx_control_add(&w, 1, 2, NULL, 0), 0);
    CHECK_INT(w.len, SPACE_OF_NOTHING);
    for (unsigned known = 0; known < 7; known++) {
        const struct unx_cred c = {.known = known};
        CHECK_INT(unx_control_add_cred(&w, &c), -EINVAL);
    }
}

/* Every length of a real buffer: what is whole is read, the rest is refused, nothing behind it is looked at. */
static void every_truncation(void)
{
    char whole[256];
    const size_t len = write_three(whole, sizeof whole);
    const size_t starts[] = {0, unx_control_space(8), unx_control_space(8) + unx_control_space(12)};
    const size_t needs[] = {CMSG_LEN(8), CMSG_LEN(12), CMSG_LEN(5)};
    for (size_t cut = 0; cut < len; cut++) {
        char *buf = malloc(cut + 1);
        memcpy(buf, whole, cut);
        struct unx_control_reader r;
        struct unx_control_item item;
        CHECK_INT(unx_control_reader_init(&r, buf, cut), 0);
        unsigned i = 0;
        int got;
        while ((got = unx_control_next(&r, &item)) == 1) {
            CHECK(i < 3);
            CHECK(starts[i] + needs[i] <= cut);
            CHECK((const char *)item.data + item.len <= buf + cut);
            i++;
        }
        const unsigned fit =
            (cut >= starts[0] + needs[0]) + (cut >= starts[1] + needs[1]) + (cut >= starts[2] + needs[2]);
        CHECK_INT(i, fit);
        CHECK_INT(got, i == 3 || cut <= starts[i] ? 0 : -EBADMSG);
        CHECK_INT(unx_control_next(&r, &item), got);
        free(buf);
    }
}

static void lying_lengths(void)
{
    const size_t first = unx_control_space(8);
    const size_t lies[] = {
        0,          1,          CMSG_LEN(0) - 1,         SIZE_MAX, SIZE_MAX - 7, SIZE_MAX - 15, 1u << 31,
        0x7fffffff, 0xffffffff, SIZE_MAX - SIZE_MAX / 2, 4096};
    char buf[256];
    const size_t len = write_three(buf, sizeof buf);
    for (unsigned i = 0; i < sizeof lies / sizeof *lies; i++) {
        for (unsigned second = 0; second < 2; second++) {
            write_three(buf, sizeof buf);
            memcpy(buf + (second ? first : 0), &lies[i], sizeof lies[i]);
            struct unx_control_reader r;
            struct unx_control_item item;
            CHECK_INT(unx_control_reader_init(&r, buf, len), 0);
            if (second) {
                CHECK_INT(unx_control_next(&r, &item), 1);
            }
            CHECK_INT(unx_control_next(&r, &item), -EBADMSG);
            CHECK_INT(unx_control_next(&r, &item), -EBADMSG);
        }
    }
    /* One byte more than there is. */
    const size_t more = len - first + 1;
    write_three(buf, sizeof buf);
    memcpy(buf + first, &more, sizeof more);
    struct unx_control_reader r;
    struct unx_control_item item;
    CHECK_INT(unx_control_reader_init(&r, buf, len), 0);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(unx_control_next(&r, &item), -EBADMSG);
}

static void short_items(void)
{
    char buf[64];
    for (size_t len = 0; len < 13; len++) {
        struct unx_control_writer w;
        struct unx_control_reader r;
        struct unx_control_item item;
        struct unx_cred c = {.pid = 4711};
        CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
        CHECK_INT(unx_control_add(&w, SOL_SOCKET, SCM_CREDENTIALS, "0123456789abcdef", len), 0);
        CHECK_INT(unx_control_reader_init(&r, buf, w.len), 0);
        CHECK_INT(unx_control_next(&r, &item), 1);
        CHECK_INT(item.len, len);
        CHECK_INT(unx_control_cred(&item, &c), len < 12 ? -EBADMSG : 0);
        CHECK(len == 12 || c.pid == 4711);
        item.type = SCM_RIGHTS;
        CHECK_INT(unx_control_nfds(&item), len / sizeof(int));
        item.type = RAW_SCM_PIDFD;
        CHECK_INT(unx_control_nfds(&item), len >= sizeof(int));
    }
}

static uint64_t random_state = 88172645463325252u;

static uint64_t random_next(void)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return random_state;
}

/* Makes half of the buffers nearly right: real headers with wrong lengths. */
static void fill_random(char *buf, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        buf[i] = (char)random_next();
    }
    for (size_t at = 0; random_next() % 2 && at + sizeof(struct cmsghdr) <= len;) {
        const size_t n = random_next() % 40;
        struct cmsghdr h = {.cmsg_len = n, .cmsg_level = SOL_SOCKET, .cmsg_type = (int)(random_next() % 5)};
        memcpy(buf + at, &h, sizeof h);
        at += n < 16 ? 16 : (n + 7) & ~(size_t)7;
    }
}

static void random_bytes(void)
{
    unsigned items = 0, refused = 0;
    for (unsigned round = 0; round < 200000; round++) {
        const size_t len = random_next() % 129, at = random_next() % 16;
        char *block = malloc(len + at + 1), *buf = block + at;
        fill_random(buf, len);
        struct unx_control_reader r;
        struct unx_control_item item;
        struct unx_cred c;
        CHECK_INT(unx_control_reader_init(&r, buf, len), 0);
        int got;
        unsigned n = 0;
        while ((got = unx_control_next(&r, &item)) == 1) {
            const char *data = item.data;
            CHECK(data >= buf && item.len <= len && (size_t)(data - buf) + item.len <= len);
            CHECK(unx_control_nfds(&item) >= 0 && (size_t)unx_control_nfds(&item) <= item.len / sizeof(int));
            const int cred = unx_control_cred(&item, &c);
            CHECK(cred == 0 || cred == -EINVAL || cred == -EBADMSG);
            CHECK(++n <= len / sizeof(struct cmsghdr));
        }
        CHECK(got == 0 || got == -EBADMSG);
        items += n;
        refused += got < 0;
        free(block);
    }
    NOTE("%u messages read, %u buffers refused", items, refused);
    CHECK(items > 10000 && refused > 10000);
}

static const struct test_case cases[] = {
    CASE(every_alignment),  CASE(as_the_kernel_lays_it_out),
    CASE(every_capacity),   CASE(limits_of_the_writer),
    CASE(every_truncation), CASE(lying_lengths),
    CASE(short_items),      CASE(random_bytes),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
