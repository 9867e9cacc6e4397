// SPDX-License-Identifier: MIT
/*
 * The text of a notification: a table, and texts made at random. Each text lies in memory of exactly its length, so
 * that a sanitizer sees a byte too far.
 */
#include "activation.h"

struct row {
    const char *text;
    unsigned what;
    const char *value; /* of STATUS, FDNAME */
};

#define OTHER UNX_NOTIFY_OTHER
static const struct row rows[] = {
    {"", 0, NULL},
    {"\n\n\n", 0, NULL},
    {"READY=1", UNX_NOTIFY_READY, NULL},
    {"READY=1\n", UNX_NOTIFY_READY, NULL},
    {"\nREADY=1\n\nSTOPPING=1", UNX_NOTIFY_READY | UNX_NOTIFY_STOPPING, NULL},
    {"READY=1\nREADY=1", UNX_NOTIFY_READY, NULL},
    {"READY=0", OTHER, NULL},
    {"READY=", OTHER, NULL},
    {"READY", OTHER, NULL},
    {"READY=11", OTHER, NULL},
    {" READY=1", OTHER, NULL},
    {"READY=1 ", OTHER, NULL},
    {"READY=1\r\n", OTHER, NULL},
    {"ready=1", OTHER, NULL},
    {"=", OTHER, NULL},
    {"=1", OTHER, NULL},
    {"RELOADING=1\nMONOTONIC_USEC=5", UNX_NOTIFY_RELOADING | UNX_NOTIFY_MONOTONIC_USEC, NULL},
    {"WATCHDOG=1", UNX_NOTIFY_WATCHDOG, NULL},
    {"WATCHDOG=trigger", UNX_NOTIFY_TRIGGER, NULL},
    {"WATCHDOG=2", OTHER, NULL},
    {"FDSTOREREMOVE=1\nFDNAME=a b", UNX_NOTIFY_FDSTOREREMOVE | UNX_NOTIFY_NAME, "a b"},
    {"FDPOLL=0", UNX_NOTIFY_NOPOLL, NULL},
    {"FDPOLL=1", OTHER, NULL},
    {"FDNAME=", UNX_NOTIFY_NAME, ""},
    {"FDNAME=a:b", OTHER, NULL},
    {"FDNAME=\x1b", OTHER, NULL},
    {"FDNAME=\xc3\xbc", OTHER, NULL},
    {"FDNAME=a:b\nFDNAME=c", OTHER | UNX_NOTIFY_NAME, "c"},
    {"STATUS=", UNX_NOTIFY_STATUS, ""},
    {"STATUS=a=b\x1b\xff", UNX_NOTIFY_STATUS, "a=b\x1b\xff"},
    {"STATUS=first\nSTATUS=second", UNX_NOTIFY_STATUS, "first"},
    {"STATUS", OTHER, NULL},
    {"STATUSX=1", OTHER, NULL},
    {"STATU=1", OTHER, NULL},
    {"MAINPID=2147483647", UNX_NOTIFY_MAINPID, NULL},
    {"MAINPID=0", OTHER, NULL},
    {"MAINPID=-1", OTHER, NULL},
    {"MAINPID=2147483648", OTHER, NULL},
    {"MAINPID=1x", OTHER, NULL},
    {"MAINPID=", OTHER, NULL},
    {"ERRNO=4095", UNX_NOTIFY_ERRNO, NULL},
    {"ERRNO=0", OTHER, NULL},
    {"ERRNO=4096", OTHER, NULL},
    {"WATCHDOG_USEC=18446744073709551616", OTHER, NULL},
    {"EXTEND_TIMEOUT_USEC=0", UNX_NOTIFY_EXTEND_USEC, NULL},
    {"BARRIER=1", UNX_NOTIFY_BARRIER, NULL},
    {"BARRIER=0", OTHER, NULL},
    {"BARRIER=1\nSTATUS=x", UNX_NOTIFY_BAD, NULL},
    {"BUSERROR=x\nEXIT_STATUS=1\nMAINPIDFD=1", OTHER, NULL},
};

static void check_inside(const char *text, size_t len, const char *p, size_t n)
{
    CHECK((p == NULL && n == 0) || (p >= text && n <= len && p + n <= text + len));
}

/* Parses a copy of exactly this length. */
static unsigned parse(const char *from, size_t len, const char *value)
{
    struct unx_notification n;
    char *text = malloc(len ? len : 1);
    memcpy(text, from, len);
    memset(&n, 0x55, sizeof n);
    CHECK_INT(QUIET(unx_notify_parse(text, len, &n)), 0);
    check_inside(text, len, n.status, n.status_len);
    check_inside(text, len, n.name, n.name_len);
    CHECK((n.status != NULL) == ((n.what & UNX_NOTIFY_STATUS) != 0));
    CHECK((n.name != NULL) == ((n.what & UNX_NOTIFY_NAME) != 0));
    CHECK((n.mainpid > 0) == ((n.what & UNX_NOTIFY_MAINPID) != 0));
    CHECK((n.error < 0) == ((n.what & UNX_NOTIFY_ERRNO) != 0));
    CHECK_INT(n.reserved[0] | n.reserved[1] | n.reserved[2] | n.reserved[3], 0);
    CHECK((n.what & UNX_NOTIFY_BAD) == 0 || n.what == UNX_NOTIFY_BAD);
    if (value && n.status)
        CHECK_MEM(n.status, n.status_len, value, strlen(value));
    if (value && n.name)
        CHECK_MEM(n.name, n.name_len, value, strlen(value));
    free(text);
    return n.what;
}

static void table(void)
{
    char text[256];
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++) {
        const size_t len = strlen(rows[i].text);
        ROW("\"%s\"", rows[i].text);
        CHECK_INT(parse(rows[i].text, len, rows[i].value), rows[i].what);
        /* One NUL at the end is no part of the text; two are. */
        memcpy(text, rows[i].text, len);
        memset(text + len, 0, 2);
        CHECK_INT(parse(text, len + 1, rows[i].value), rows[i].what);
        CHECK_INT(parse(text, len + 2, NULL), UNX_NOTIFY_BAD);
    }
    char name[7 + 257] = "FDNAME=";
    memset(name + 7, 'n', 256);
    CHECK_INT(parse(name, 7 + 255, NULL), UNX_NOTIFY_NAME);
    CHECK_INT(parse(name, 7 + 256, NULL), UNX_NOTIFY_OTHER);
}

static void lines(void)
{
    const char *const text = "\nA=1\n\nB\nC=x=y\n=z";
    static const char *const want[][2] = {{"A", "1"}, {"B", NULL}, {"C", "x=y"}, {"", "z"}};
    struct unx_notify_line line;
    memset(&line, 0, sizeof line);
    for (unsigned i = 0; i < 4; i++) {
        CHECK_INT(QUIET(unx_notify_next(text, strlen(text), &line)), 1);
        CHECK_MEM(line.key, line.key_len, want[i][0], strlen(want[i][0]));
        CHECK((line.value == NULL) == (want[i][1] == NULL));
        CHECK_MEM(line.value, line.value_len, want[i][1], want[i][1] ? strlen(want[i][1]) : 0);
    }
    CHECK_INT(QUIET(unx_notify_next(text, strlen(text), &line)), 0);
    CHECK_INT(QUIET(unx_notify_next(text, strlen(text), &line)), 0);
    line.next = SIZE_MAX;
    CHECK_INT(QUIET(unx_notify_next(text, strlen(text), &line)), 0);
    line.next = 0;
    CHECK_INT(QUIET(unx_notify_next(NULL, 0, &line)), 0);
    CHECK_INT(QUIET(unx_notify_next(NULL, 1, &line)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_next("A", 1, NULL)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_parse("A", 1, NULL)), -EINVAL);
    struct unx_notification n;
    CHECK_INT(QUIET(unx_notify_parse(NULL, 1, &n)), -EINVAL);
    CHECK_INT(QUIET(unx_notify_parse(NULL, 0, &n)), 0);
}

static uint64_t seed = 1;

static unsigned chance(unsigned of)
{
    seed = seed * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
    return (unsigned)((seed >> 33) % of);
}

/* Rows of the table one after the other, some bytes changed, cut anywhere: and what the lines say of themselves. */
static void random_texts(void)
{
    char text[600];
    unsigned good = 0;
    for (int round = 0; round < 100000; round++) {
        size_t len = 0;
        for (unsigned i = chance(6); i > 0; i--) {
            const char *row = rows[chance(sizeof rows / sizeof *rows)].text;
            memcpy(text + len, row, strlen(row));
            len += strlen(row);
            text[len++] = '\n';
        }
        for (unsigned i = chance(3); i > 0 && len > 0; i--)
            text[chance((unsigned)len)] = (char)chance(256);
        len -= len > 0 ? chance(4) % len : 0;
        ROW("round %d", round);
        const unsigned what = parse(text, len, NULL);
        size_t lines_seen = 0, bytes = 0;
        struct unx_notify_line line;
        memset(&line, 0, sizeof line);
        while (unx_notify_next(text, len, &line) == 1) {
            check_inside(text, len, line.key, line.key_len);
            check_inside(text, len, line.value, line.value_len);
            bytes += line.key_len + line.value_len + (line.value != NULL);
            lines_seen++;
        }
        size_t newlines = 0;
        for (size_t i = 0; i < len; i++)
            newlines += text[i] == '\n';
        CHECK_INT(bytes + newlines, len);
        CHECK((what == 0) <= (lines_seen == 0 || (lines_seen == 1 && bytes == 1)));
        good += what != UNX_NOTIFY_BAD && what != 0;
    }
    CHECK(good > 50000);
}

static const struct test_case cases[] = {CASE(table), CASE(lines), CASE(random_texts)};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
