// SPDX-License-Identifier: MIT
/*
 * Fuzz target: addresses, from text, from names, from what a kernel or another library may give as a sockaddr of any
 * length, and from memory that holds anything.
 *
 * Promises that are checked: parsing what was formatted gives the same address; a name is neither cut nor padded;
 * equal addresses are equal byte by byte; an error writes nothing.
 */
#include "fuzz.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/unx.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)
#define PATH_MAX_BYTES 108
#define ABSTRACT_MAX_BYTES 107

/* Every byte below the length, and 0 behind it. */
static void check_form(const struct unx_addr *a)
{
    CHECK(a->len >= HEAD && a->len <= HEAD + sizeof a->un.sun_path);
    for (size_t i = a->len; i < sizeof a->raw; i++) {
        CHECK_INT(a->raw[i], 0);
    }
    CHECK_INT(a->sa.sa_family, AF_UNIX);
}

static void check_sizes(const struct unx_addr *a, const char *text, int n)
{
    for (int size = 0; size <= n + 1; size += size < 6 || size > n - 3 ? 1 : n - 8 > size ? n - 8 - size : 1) {
        char *room = malloc((size_t)size);
        const int r = unx_addr_format(a, room, (size_t)size);
        CHECK_INT(r, size > n ? n : -ERANGE);
        CHECK(size == 0 || strcmp(room, size > n ? text : "") == 0);
        free(room);
    }
}

/* There and back again. */
static void check_text(const struct unx_addr *a)
{
    char text[UNX_ADDR_TEXT];
    struct unx_addr b;
    const void *name;
    size_t len;
    const int kind = unx_addr_name(a, &name, &len), n = unx_addr_format(a, text, sizeof text);
    CHECK(kind >= 0 && n >= 0);
    CHECK_INT(strlen(text), n);
    for (int i = 0; i < n; i++) {
        CHECK(text[i] >= 0x20 && text[i] <= 0x7e);
    }
    check_sizes(a, text, n);
    if (kind == UNX_UNNAMED || kind == UNX_NONE) {
        CHECK(n == 0 && unx_addr_parse(&b, text) == -EINVAL);
        return;
    }
    CHECK_INT(unx_addr_parse(&b, text), 0);
    CHECK_MEM(&b, sizeof b, a, sizeof *a);
    CHECK_INT(unx_addr_compare(a, &b), 0);
    CHECK(unx_addr_hash(a) == unx_addr_hash(&b));
}

/* The bytes that a text stands for, read by the rules in unx.h; -1: a bad escape. */
static int decode(const char *text, unsigned char *to)
{
    static const char letters[] = "\\nrt0", bytes[] = "\\\n\r\t";
    int n = 0;
    for (const char *p = text; *p != '\0'; p++) {
        if (*p != '\\') {
            to[n++] = (unsigned char)*p;
            continue;
        }
        p++;
        const char *letter = *p != '\0' ? strchr(letters, *p) : NULL;
        if (letter != NULL) {
            to[n++] = (unsigned char)bytes[letter - letters];
        } else if (*p == 'x' && p[1] != '\0' && strspn(p + 1, "0123456789abcdefABCDEF") >= 2) {
            const char two[3] = {p[1], p[2], '\0'};
            to[n++] = (unsigned char)strtoul(two, NULL, 16);
            p += 2;
        } else {
            return -1;
        }
    }
    return n;
}

static int want_parse(const char *text, const unsigned char *name, int n)
{
    const bool abstract = text[0] == '@';
    const bool nul = n > 0 && memchr(name, '\0', (size_t)n) != NULL;
    if (text[0] == '\0' || n < 0 || (!abstract && nul)) {
        return -EINVAL;
    }
    return n > (abstract ? ABSTRACT_MAX_BYTES : PATH_MAX_BYTES) ? -ENAMETOOLONG : 0;
}

static void from_text(struct bytes *in)
{
    char *text = take_text(in, '\0', 1500);
    unsigned char *name = malloc(strlen(text) + 1);
    struct unx_addr a, before;
    memset(&a, 0x5a, sizeof a);
    before = a;
    const int n = decode(text + (text[0] == '@'), name);
    const int want = want_parse(text, name, n), r = unx_addr_parse(&a, text);
    /* What is too long may be said before a bad escape is seen. */
    CHECK(r == want || (want == -EINVAL && r == -ENAMETOOLONG && strlen(text) > 255));
    if (r < 0) {
        CHECK_MEM(&a, sizeof a, &before, sizeof before);
    } else {
        const void *got;
        size_t len;
        CHECK_INT(unx_addr_name(&a, &got, &len), text[0] == '@' ? UNX_ABSTRACT : UNX_PATH);
        CHECK_MEM(got, len, name, (size_t)n);
        CHECK_INT(unx_addr_absolute(&a), text[0] == '@' ? -EINVAL : name[0] == '/');
        check_form(&a);
        check_text(&a);
    }
    free(name);
    free(text);
}

static void from_names(struct bytes *in)
{
    struct unx_addr a;
    const void *got;
    size_t n, len;
    unsigned char *name = take_block(in, 300, &n);
    int r = unx_addr_abstract(&a, name, n);
    CHECK_INT(r, n > ABSTRACT_MAX_BYTES ? -ENAMETOOLONG : 0);
    if (r == 0) {
        CHECK_INT(unx_addr_name(&a, &got, &len), UNX_ABSTRACT);
        CHECK_MEM(got, len, name, n);
        CHECK_INT(a.len, HEAD + 1 + n);
        check_form(&a);
        check_text(&a);
    }
    struct bytes again = {name, n};
    char *path = take_text(&again, '\0', n);
    const size_t path_len = strlen(path);
    r = unx_addr_path(&a, path);
    CHECK_INT(r, path_len == 0 ? -EINVAL : path_len > PATH_MAX_BYTES ? -ENAMETOOLONG : 0);
    if (r == 0) {
        CHECK_INT(unx_addr_name(&a, &got, &len), UNX_PATH);
        CHECK_MEM(got, len, path, path_len);
        check_form(&a);
        check_text(&a);
    }
    const int r_at = unx_addr_path_at(&a, path_len % 2 ? AT_FDCWD : 0, path);
    CHECK(r_at == 0 || r < 0 || (r_at == -ENAMETOOLONG && path_len % 2 == 0));
    if (r_at == 0) {
        check_text(&a);
    }
    free(path);
    free(name);
}

static void from_sockaddr(struct bytes *in)
{
    const bool ours = take_byte(in) % 8 > 0;
    size_t n;
    unsigned char *raw = take_block(in, 300, &n);
    struct unx_addr a, before, b;
    const sa_family_t family = AF_UNIX;
    if (ours && n >= sizeof family) {
        memcpy(raw, &family, sizeof family);
    }
    memset(&a, 0x5a, sizeof a);
    before = a;
    const int r = unx_addr_sockaddr(&a, (const struct sockaddr *)raw, (socklen_t)n);
    CHECK(r == 0 || r == -EINVAL || r == -EAFNOSUPPORT);
    CHECK(r == 0 || memcmp(&a, &before, sizeof a) == 0);
    CHECK((r == -EINVAL) == (n < HEAD || n > sizeof a.raw ||
                             (memcmp(raw, &family, sizeof family) == 0 && n > HEAD &&
                              (raw[HEAD] != '\0' ? strnlen((char *)raw + HEAD, n - HEAD) : n - HEAD) > 108)));
    if (r == 0) {
        check_form(&a);
        check_text(&a);
        CHECK_INT(unx_addr_sockaddr(&b, &a.sa, a.len), 0);
        CHECK_MEM(&b, sizeof b, &a, sizeof a);
    }
    free(raw);
}

static int sign(int n)
{
    return (n > 0) - (n < 0);
}

/* A struct whose length, family and bytes are whatever they are. */
static void from_memory(struct bytes *in)
{
    struct unx_addr a[3];
    char text[UNX_ADDR_TEXT];
    for (unsigned i = 0; i < 3; i++) {
        memset(&a[i], 0, sizeof a[i]);
        const unsigned how = take_byte(in);
        a[i].len = how & 1 ? take_number(in, 300) : how & 2 ? 0xffffffffu - how : (socklen_t)HEAD + how / 32;
        take_some(in, a[i].raw, sizeof a[i].raw < how ? sizeof a[i].raw : how);
        a[i].sa.sa_family = how & 4 ? a[i].sa.sa_family : AF_UNIX;
        const void *name;
        size_t len;
        const int kind = unx_addr_name(&a[i], &name, &len);
        const int n = unx_addr_format(&a[i], text, sizeof text);
        CHECK(kind >= 0 ? n >= 0 : n == kind);
        CHECK(kind < UNX_PATH || (len <= sizeof a[i].raw - HEAD && (const char *)name >= a[i].raw));
        unx_addr_hash(&a[i]);
        unx_addr_absolute(&a[i]);
    }
    for (unsigned i = 0; i < 3; i++) {
        const struct unx_addr *p = &a[i], *q = &a[(i + 1) % 3], *s = &a[(i + 2) % 3];
        const int pq = sign(unx_addr_compare(p, q)), qs = sign(unx_addr_compare(q, s));
        CHECK_INT(pq, -sign(unx_addr_compare(q, p)));
        CHECK(unx_addr_compare(p, p) == 0);
        CHECK(pq < 0 || qs < 0 || sign(unx_addr_compare(p, s)) >= 0);
        CHECK(pq != 0 || unx_addr_hash(p) == unx_addr_hash(q));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    static void (*const ways[])(struct bytes *) = {from_text, from_names, from_sockaddr, from_memory};
    ways[take_number(&in, 4)](&in);
    return 0;
}
