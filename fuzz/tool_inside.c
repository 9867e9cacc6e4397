// SPDX-License-Identifier: MIT
/*
 * The command unx inside of a fuzz target (tool_inside.h), and readers of what it prints: JSON and quoted text, each
 * written for this purpose, so that a mistake of the command's own writer shows.
 *
 * The exit status is that of the first failure of a process; report.c is a part of this file, so that a run can start
 * anew.
 */
#include "tool_inside.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define write fuzz_write
#include "../tool/report.c"
#undef write

struct fuzz_tool fuzz_tool;

void tool_reset(void)
{
    text_free(&fuzz_tool.out);
    text_free(&fuzz_tool.err);
    memset(&fuzz_tool, 0, sizeof fuzz_tool);
    text_puts(&fuzz_tool.out, "");
    text_puts(&fuzz_tool.err, "");
    report_verb = NULL;
    first_status = 0;
}

ssize_t fuzz_read(int fd, void *p, size_t n)
{
    if (fd != STDIN_FILENO) {
        return read(fd, p, n);
    }
    const size_t left = fuzz_tool.len - fuzz_tool.at,
                 most = fuzz_tool.piece > 0 && fuzz_tool.piece < n ? fuzz_tool.piece : n;
    const size_t give = left < most ? left : most;
    if (give > 0) {
        memcpy(p, fuzz_tool.input + fuzz_tool.at, give);
    }
    fuzz_tool.at += give;
    return (ssize_t)give;
}

ssize_t fuzz_write(int fd, const void *p, size_t n)
{
    if (fd != STDOUT_FILENO && fd != STDERR_FILENO) {
        return write(fd, p, n);
    }
    text_add(fd == STDOUT_FILENO ? &fuzz_tool.out : &fuzz_tool.err, p, n);
    return (ssize_t)n;
}

/* Standard input always has something, or its end. */
int fuzz_poll(struct pollfd *p, nfds_t n, int timeout)
{
    bool input = false;
    if (fuzz_tool.peer != NULL) {
        fuzz_tool.peer(fuzz_tool.arg);
    }
    for (nfds_t i = 0; i < n; i++) {
        input |= p[i].fd == STDIN_FILENO;
    }
    if (n == 1 && input) {
        p->revents = POLLIN;
        return 1;
    }
    int r = 0;
    for (nfds_t i = 0; i < n; i++) {
        p[i].revents = 0;
        if (p[i].fd == STDIN_FILENO) {
            p[i].revents = POLLIN;
        } else if (p[i].fd >= 0) {
            poll(&p[i], 1, input ? 0 : timeout < 0 ? 2000 : timeout);
        }
        r += p[i].revents != 0;
    }
    CHECK(r > 0 || timeout >= 0);
    return r;
}

int fuzz_wait(int fd, int events, int timeout_ms)
{
    if (fuzz_tool.peer != NULL) {
        fuzz_tool.peer(fuzz_tool.arg);
    }
    const int r = unx_wait(fd, events, timeout_ms < 0 ? 2000 : timeout_ms);
    CHECK(r != -ETIMEDOUT || timeout_ms >= 0);
    return r;
}

/* ---- what was printed ---- */

void tool_check_printable(const struct text *t)
{
    for (size_t i = 0; i < t->len; i++) {
        CHECK((t->p[i] >= ' ' && t->p[i] <= '~') || t->p[i] == '\n');
    }
    CHECK(t->len == 0 || t->p[t->len - 1] == '\n');
}

void tool_check_err(void)
{
    const struct text *t = &fuzz_tool.err;
    tool_check_printable(t);
    for (size_t i = 0; i < t->len; i++) {
        if (i == 0 || t->p[i - 1] == '\n') {
            CHECK(strncmp(t->p + i, "unx", 3) == 0 && strchr(t->p + i, ':') != NULL);
        }
    }
}

/* Code points that are written as RFC 3629 has them come out as they went in. */
bool tool_utf8(const char *p, size_t n)
{
    const unsigned char *s = (const unsigned char *)p;
    for (size_t i = 0, k; i < n; i += k) {
        k = s[i] < 0x80                   ? 1
            : s[i] >= 0xc0 && s[i] < 0xe0 ? 2
            : s[i] >= 0xe0 && s[i] < 0xf0 ? 3
            : s[i] >= 0xf0 && s[i] < 0xf8 ? 4
                                          : 0;
        if (k == 0 || k > n - i) {
            return false;
        }
        unsigned c = k == 1 ? s[i] : s[i] & (0x7fu >> k);
        for (size_t m = 1; m < k; m++) {
            if ((s[i + m] & 0xc0) != 0x80) {
                return false;
            }
            c = c << 6 | (s[i + m] & 0x3f);
        }
        const size_t shortest = c < 0x80 ? 1 : c < 0x800 ? 2 : c < 0x10000 ? 3 : 4;
        if (shortest != k || (c >= 0xd800 && c < 0xe000) || c > 0x10ffff) {
            return false;
        }
    }
    return true;
}

static unsigned hex(const char *p, unsigned digits)
{
    char number[8] = "";
    memcpy(number, p, digits);
    CHECK(strspn(number, "0123456789abcdefABCDEF") == digits);
    return (unsigned)strtoul(number, NULL, 16);
}

static const char *json_value(const char *p);

/* Behind the string that starts here; `to`, if not NULL, gets its bytes. */
static const char *json_text(const char *p, struct text *to)
{
    CHECK_INT(*p, '"');
    for (p++; *p != '"'; p++) {
        char c = *p;
        CHECK((unsigned char)c >= 0x20);
        if (c == '\\') {
            p++;
            const char *letter = *p != '\0' ? strchr("\"\\/bfnrt", *p) : NULL;
            CHECK(letter != NULL || *p == 'u');
            const unsigned code = letter != NULL ? 0 : hex(p + 1, 4);
            /* The command writes control characters so, and nothing else. */
            CHECK(letter != NULL || code < 0x80);
            c = letter != NULL ? "\"\\/\b\f\n\r\t"[strchr("\"\\/bfnrt", *letter) - strchr("\"\\/bfnrt", '"')]
                               : (char)code;
            p += letter != NULL ? 0 : 4;
        }
        if (to != NULL) {
            text_add(to, &c, 1);
        }
    }
    return p + 1;
}

static const char *json_list(const char *p, char end, bool members)
{
    if (*++p == end) {
        return p + 1;
    }
    for (;; p++) {
        if (members) {
            p = json_text(p, NULL);
            CHECK_INT(*p, ':');
            p++;
        }
        p = json_value(p);
        if (*p == end) {
            return p + 1;
        }
        CHECK_INT(*p, ',');
    }
}

static const char *json_value(const char *p)
{
    static const char *const words[] = {"true", "false", "null"};
    if (*p == '"') {
        return json_text(p, NULL);
    }
    if (*p == '{' || *p == '[') {
        return json_list(p, *p == '{' ? '}' : ']', *p == '{');
    }
    for (unsigned i = 0; i < 3; i++) {
        if (strncmp(p, words[i], strlen(words[i])) == 0) {
            return p + strlen(words[i]);
        }
    }
    p += *p == '-';
    const size_t digits = strspn(p, "0123456789");
    CHECK(digits > 0 && (*p != '0' || digits == 1));
    return p + digits;
}

void tool_check_json(const struct text *t)
{
    CHECK(strlen(t->p) == t->len && tool_utf8(t->p, t->len));
    for (const char *p = t->p; *p != '\0';) {
        CHECK_INT(*p, '{');
        p = json_value(p);
        CHECK_INT(*p, '\n');
        p++;
    }
}

static void base64(const struct text *from, struct text *to)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    CHECK(from->len % 4 == 0);
    for (size_t i = 0; i < from->len; i += 4) {
        unsigned v = 0, n = 3;
        for (unsigned k = 0; k < 4; k++) {
            const char *digit = strchr(digits, from->p[i + k]);
            const bool pad = from->p[i + k] == '=' && k > 1 && i + 4 == from->len;
            CHECK((digit != NULL && *digit != '\0') || pad);
            n -= pad;
            v = v << 6 | (pad ? 0 : (unsigned)(digit - digits));
        }
        const char bytes[3] = {(char)(v >> 16), (char)(v >> 8), (char)v};
        text_add(to, bytes, n);
    }
}

bool tool_json_bytes(const struct text *t, const char *key, struct text *bytes)
{
    for (const char *p = t->p + 1; *p == '"';) {
        struct text name = {0}, value = {0};
        text_puts(&name, "");
        text_puts(&value, "");
        p = json_text(p, &name) + 1;
        const bool plain = strcmp(name.p, key) == 0;
        const bool coded = strncmp(name.p, key, strlen(key)) == 0 && strcmp(name.p + strlen(key), "_base64") == 0;
        if (plain || coded) {
            json_text(p, &value);
            if (coded) {
                base64(&value, bytes);
            } else {
                text_add(bytes, value.p, value.len);
            }
            CHECK(tool_utf8(bytes->p, bytes->len) == plain);
        }
        p = json_value(p);
        text_free(&name);
        text_free(&value);
        if (plain || coded) {
            return true;
        }
        p += *p == ',';
    }
    return false;
}

size_t tool_unquote(const char *p, struct text *bytes)
{
    const char *start = p;
    text_puts(bytes, "");
    CHECK_INT(*p, '"');
    for (p++; *p != '"'; p++) {
        char c = *p;
        CHECK(c >= ' ' && c <= '~');
        if (c == '\\') {
            p++;
            CHECK(*p != '\0' && strchr("nrtx\"\\", *p) != NULL);
            c = *p == 'n' ? '\n' : *p == 'r' ? '\r' : *p == 't' ? '\t' : *p == 'x' ? (char)hex(p + 1, 2) : *p;
            p += *p == 'x' ? 2 : 0;
        }
        text_add(bytes, &c, 1);
    }
    return (size_t)(p - start) + 1;
}
