// SPDX-License-Identifier: MIT
/*
 * Addresses as text: parse and format are inverses for every path and every abstract name.
 *
 * That is tried with pseudo-random names, bytes of all values, those with a meaning in the text form more often.
 * UNX_TEST_SEED chooses others; the seed is printed.
 */
#include "harness.h"
#include "raw.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/unx.h>

static uint64_t seed;

static uint64_t random64(void)
{
    uint64_t z = (seed += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void start_random(void)
{
    const char *s = getenv("UNX_TEST_SEED");
    seed = s ? strtoull(s, NULL, 0) : 20240229;
    NOTE("UNX_TEST_SEED=%llu", (unsigned long long)seed);
}

static size_t random_name(char *name, size_t min, size_t max, int zero)
{
    static const char special[] = "@\\x0nrt./ aAfF1~\x7f\x1f\x80\xff\n\r\t\x1b\"'";
    const size_t len = min + random64() % (max - min + 1);
    const int plain = random64() % 2;
    for (size_t i = 0; i < len; i++) {
        do
            name[i] = (char)(plain ? (uint64_t)special[random64() % (sizeof special - 1)] : random64());
        while (!name[i] && !zero);
    }
    return len;
}

static void same(const struct unx_addr *a, const struct unx_addr *b)
{
    const void *p, *q;
    size_t n, m;
    CHECK_INT(unx_addr_name(a, &p, &n), unx_addr_name(b, &q, &m));
    CHECK_MEM(p, n, q, m);
    CHECK_INT(unx_addr_compare(a, b), 0);
    CHECK(unx_addr_hash(a) == unx_addr_hash(b));
}

typedef int format(const struct unx_addr *a, char *text, size_t size);

/* Most programs print a path as it is and an abstract name behind an "@". */
static int naive_format(const struct unx_addr *a, char *text, size_t size)
{
    const void *name;
    size_t len;
    const int kind = unx_addr_name(a, &name, &len);
    return snprintf(text, size, "%s%.*s", kind == UNX_ABSTRACT ? "@" : "", (int)len, (const char *)name);
}

static void check_inverse(format *f, unsigned rounds)
{
    start_random();
    for (unsigned i = 0; i < rounds; i++) {
        char name[128], text[UNX_ADDR_TEXT + 8];
        struct unx_addr a, b;
        memset(&b, 0xee, sizeof b);
        if (i & 1) {
            name[random_name(name, 1, 108, 0)] = 0;
            CHECK_INT(unx_addr_path(&a, name), 0);
        } else {
            const size_t len = random_name(name, 0, 107, 1);
            CHECK_INT(unx_addr_abstract(&a, name, len), 0);
        }
        memset(text, 0x55, sizeof text);
        const int n = f(&a, text, UNX_ADDR_TEXT);
        CHECK(n > 0 && n < UNX_ADDR_TEXT);
        CHECK_INT(strlen(text), n);
        for (const char *p = text; *p; p++)
            CHECK(*p >= 0x20 && *p <= 0x7e);
        CHECK_INT(unx_addr_parse(&b, text), 0);
        same(&a, &b);
        CHECK_INT(f(&a, text, (size_t)n + 1), n);
        memset(text, 0x55, sizeof text);
        CHECK_INT(f(&a, text, (size_t)n), -ERANGE);
        CHECK_INT(text[0], 0);
        CHECK_INT(text[n], 0x55);
    }
}

static unsigned many(void)
{
    return raw_under_valgrind() ? 40000 : 400000;
}

static void parse_and_format_are_inverses(void)
{
    check_inverse(unx_addr_format, many());
}

static void naive_format_is_no_inverse(void)
{
    check_inverse(naive_format, 1000);
}

/* Whatever text is accepted, what it became can be written and read again. */
static void any_text(void)
{
    start_random();
    unsigned taken = 0;
    for (unsigned i = 0; i < many(); i++) {
        char in[160], out[UNX_ADDR_TEXT];
        in[random_name(in, 1, 150, 0)] = 0;
        struct unx_addr a, b;
        const int r = unx_addr_parse(&a, in);
        CHECK(r == 0 || r == -EINVAL || r == -ENAMETOOLONG);
        if (r)
            continue;
        taken++;
        CHECK(unx_addr_format(&a, out, sizeof out) > 0);
        CHECK_INT(unx_addr_parse(&b, out), 0);
        same(&a, &b);
    }
    NOTE("%u of %u texts were addresses", taken, many());
    CHECK(taken > 1000);
}

static const struct {
    const char *text;
    int kind; /* or the error */
    const char *name;
    size_t len;
    const char *again; /* NULL: the same text */
} table[] = {
    {"/run/x", UNX_PATH, "/run/x", 6, NULL},
    {"./x", UNX_PATH, "./x", 3, NULL},
    {"x", UNX_PATH, "x", 1, NULL},
    {"x@y", UNX_PATH, "x@y", 3, NULL},
    {"./@x", UNX_PATH, "./@x", 4, NULL},
    {"\\x40x", UNX_PATH, "@x", 2, NULL},
    {"\\x40", UNX_PATH, "@", 1, NULL},
    {"@x", UNX_ABSTRACT, "x", 1, NULL},
    {"@", UNX_ABSTRACT, "", 0, NULL},
    {"@@x", UNX_ABSTRACT, "@x", 2, NULL},
    {"@\\x40x", UNX_ABSTRACT, "@x", 2, "@@x"},
    {"@a\\0b", UNX_ABSTRACT, "a\0b", 3, "@a\\x00b"},
    {"@a\\x00b\\x00", UNX_ABSTRACT, "a\0b\0", 4, NULL},
    {"@\\012", UNX_ABSTRACT,
     "\0"
     "12",
     3, "@\\x0012"},
    {"a\\\\b", UNX_PATH, "a\\b", 3, NULL},
    {"\\n\\r\\t", UNX_PATH, "\n\r\t", 3, "\\x0a\\x0d\\x09"},
    {"\\xfF\\x7F", UNX_PATH, "\xff\x7f", 2, "\\xff\\x7f"},
    {"\xc3\xa4", UNX_PATH, "\xc3\xa4", 2, "\\xc3\\xa4"},
    {" a b~", UNX_PATH, " a b~", 5, NULL},
    {"", -EINVAL, NULL, 0, NULL},
    {"\\", -EINVAL, NULL, 0, NULL},
    {"a\\", -EINVAL, NULL, 0, NULL},
    {"@\\", -EINVAL, NULL, 0, NULL},
    {"\\x", -EINVAL, NULL, 0, NULL},
    {"\\x4", -EINVAL, NULL, 0, NULL},
    {"@\\xg0", -EINVAL, NULL, 0, NULL},
    {"@\\x0g", -EINVAL, NULL, 0, NULL},
    {"@\\x-1", -EINVAL, NULL, 0, NULL},
    {"@\\x 1", -EINVAL, NULL, 0, NULL},
    {"@\\x+1", -EINVAL, NULL, 0, NULL},
    {"\\q", -EINVAL, NULL, 0, NULL},
    {"\\X41", -EINVAL, NULL, 0, NULL},
    {"\\0", -EINVAL, NULL, 0, NULL},
    {"a\\0", -EINVAL, NULL, 0, NULL},
    {"a\\x00b", -EINVAL, NULL, 0, NULL},
};

static void texts(void)
{
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        ROW("text \"%s\"", table[i].text);
        struct unx_addr a;
        memset(&a, 0xee, sizeof a);
        const int r = QUIET(unx_addr_parse(&a, table[i].text));
        CHECK_INT(r, table[i].kind < 0 ? table[i].kind : 0);
        if (r)
            continue;
        const void *name;
        size_t len;
        CHECK_INT(unx_addr_name(&a, &name, &len), table[i].kind);
        CHECK_MEM(name, len, table[i].name, table[i].len);
        char out[UNX_ADDR_TEXT];
        const char *want = table[i].again ? table[i].again : table[i].text;
        CHECK_INT(QUIET(unx_addr_format(&a, out, sizeof out)), strlen(want));
        CHECK_MEM(out, strlen(out), want, strlen(want));
    }
}

static void texts_at_the_limit(void)
{
    char text[1024];
    struct unx_addr a;
    memset(text, 'p', sizeof text);
    text[108] = 0;
    CHECK_INT(QUIET(unx_addr_parse(&a, text)), 0);
    memset(text, 'p', sizeof text);
    text[109] = 0;
    CHECK_INT(QUIET(unx_addr_parse(&a, text)), -ENAMETOOLONG);
    text[0] = '@';
    text[108] = 0;
    CHECK_INT(QUIET(unx_addr_parse(&a, text)), 0);
    memset(text, 'p', sizeof text);
    text[0] = '@';
    text[109] = 0;
    CHECK_INT(QUIET(unx_addr_parse(&a, text)), -ENAMETOOLONG);
    /* 108 bytes of four characters each are within it, 109 are not. */
    for (int n = 108; n <= 109; n++) {
        for (int i = 0; i < n; i++)
            memcpy(text + 4 * i, "\\xfe", 5);
        CHECK_INT(QUIET(unx_addr_parse(&a, text)), n == 108 ? 0 : -ENAMETOOLONG);
    }
}

static void texts_of_no_name(void)
{
    char text[4] = "abc";
    struct unx_addr a = {0};
    CHECK_INT(QUIET(unx_addr_format(&a, text, sizeof text)), 0);
    CHECK_INT(text[0], 0);
    CHECK_INT(unx_addr_unnamed(&a), 0);
    text[0] = 'a';
    CHECK_INT(QUIET(unx_addr_format(&a, text, 1)), 0);
    CHECK_INT(text[0], 0);
    CHECK_INT(unx_addr_path(&a, "p"), 0);
    text[0] = 'a';
    CHECK_INT(QUIET(unx_addr_format(&a, text, 0)), -ERANGE);
    CHECK_INT(text[0], 'a');
}

/* ---- a file called "@x" ---- */

static void in_directory(void *arg)
{
    (void)arg;
    CHECK_INT(chdir(harness_dir()), 0);
    static const char *const way[] = {"./@x", "\\x40x"};
    for (int i = 0; i < 2; i++) {
        struct unx_addr a;
        CHECK_INT(unx_addr_parse(&a, way[i]), 0);
        const int fd = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
        CHECK(fd >= 0);
        struct stat st;
        CHECK_INT(stat("@x", &st), 0);
        CHECK(S_ISSOCK(st.st_mode));
        CHECK_INT(unlink("@x"), 0);
        close(fd);
    }
    struct unx_addr a;
    CHECK_INT(unx_addr_parse(&a, raw_name("at")), 0);
    char text[128];
    snprintf(text, sizeof text, "@%s", raw_name("at"));
    CHECK_INT(unx_addr_parse(&a, text), 0);
    const int fd = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    CHECK_INT(access(text, F_OK), -1);
    close(fd);
}

static void file_called_at_x(void)
{
    harness_wait(harness_fork(in_directory, NULL));
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"parse_and_format_are_inverses", parse_and_format_are_inverses, 0, 60},
        {"naive_format_is_no_inverse", naive_format_is_no_inverse, HARNESS_FAIL, 0},
        {"any_text", any_text, 0, 60},
        CASE(texts),
        CASE(texts_at_the_limit),
        CASE(texts_of_no_name),
        CASE(file_called_at_x),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
