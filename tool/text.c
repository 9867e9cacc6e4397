// SPDX-License-Identifier: MIT
/*
 * Text that grows, quoting, JSON, and standard output.
 *
 * Promises: what is printed in quotes is printable ASCII, so that no peer can steer a terminal; JSON is valid whatever
 * bytes came, and no byte is replaced: what is no UTF-8 is base64 under another key; one message is one write(2).
 *
 * Standard output whose reader has gone (EPIPE) is an end and no failure: `unx listen ADDR | head -1`.
 */
#include "tool.h"
#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void *must_alloc(void *p, size_t size)
{
    void *q = realloc(p, size ? size : 1);
    if (!q) {
        static const char message[] = "unx: out of memory\n";
        ssize_t ignored = write(STDERR_FILENO, message, sizeof(message) - 1);
        (void)ignored;
        _exit(STATUS_SYSTEM);
    }
    return q;
}

static void text_room(struct text *t, size_t more)
{
    if (t->cap - t->len > more) {
        return;
    }
    t->cap = (t->len + more + 1) * 2;
    t->p = must_alloc(t->p, t->cap);
}

void text_add(struct text *t, const void *p, size_t len)
{
    text_room(t, len);
    if (len) {
        memcpy(t->p + t->len, p, len);
    }
    t->len += len;
    t->p[t->len] = '\0';
}

void text_puts(struct text *t, const char *s)
{
    text_add(t, s, strlen(s));
}

void text_printf(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    char *s = NULL;
    const int len = vasprintf(&s, format, args);
    va_end(args);
    if (len < 0) {
        abort();
    }
    text_add(t, s, (size_t)len);
    free(s);
}

void text_free(struct text *t)
{
    free(t->p);
    *t = (struct text){0};
}

/* Without printf(3), because a peer chooses how many there are. */
static void add_hex(struct text *t, const char *lead, unsigned char c)
{
    static const char digits[] = "0123456789abcdef";
    const char hex[] = {digits[c >> 4], digits[c & 15]};
    text_puts(t, lead);
    text_add(t, hex, sizeof(hex));
}

static void escape(struct text *t, const unsigned char *p, size_t len, bool quotes)
{
    for (size_t i = 0; i < len; i++) {
        const unsigned char c = p[i];
        if (c == '\n') {
            text_puts(t, "\\n");
        } else if (c == '\r') {
            text_puts(t, "\\r");
        } else if (c == '\t') {
            text_puts(t, "\\t");
        } else if (c < 0x20 || c > 0x7e) {
            add_hex(t, "\\x", c);
        } else {
            if (quotes && (c == '"' || c == '\\')) {
                text_add(t, "\\", 1);
            }
            text_add(t, &c, 1);
        }
    }
}

void text_quote(struct text *t, const void *p, size_t len)
{
    text_add(t, "\"", 1);
    escape(t, p, len, true);
    text_add(t, "\"", 1);
}

void text_escape(struct text *t, const void *p, size_t len)
{
    escape(t, p, len, false);
}

/* Bytes of the UTF-8 character at p, 0 if there is none: no surrogates, nothing overlong (RFC 3629). */
static size_t utf8_length(const unsigned char *p, size_t len)
{
    static const struct {
        unsigned char first, last, low, high;
        size_t len;
    } forms[] = {{0x00, 0x7f, 0, 0, 1},       {0xc2, 0xdf, 0x80, 0xbf, 2}, {0xe0, 0xe0, 0xa0, 0xbf, 3},
                 {0xe1, 0xec, 0x80, 0xbf, 3}, {0xed, 0xed, 0x80, 0x9f, 3}, {0xee, 0xef, 0x80, 0xbf, 3},
                 {0xf0, 0xf0, 0x90, 0xbf, 4}, {0xf1, 0xf3, 0x80, 0xbf, 4}, {0xf4, 0xf4, 0x80, 0x8f, 4}};
    for (size_t i = 0; i < sizeof(forms) / sizeof(*forms); i++) {
        if (p[0] < forms[i].first || p[0] > forms[i].last) {
            continue;
        }
        if (forms[i].len > len || (forms[i].len > 1 && (p[1] < forms[i].low || p[1] > forms[i].high))) {
            return 0;
        }
        for (size_t k = 2; k < forms[i].len; k++) {
            if (p[k] < 0x80 || p[k] > 0xbf) {
                return 0;
            }
        }
        return forms[i].len;
    }
    return 0;
}

static void base64(struct text *t, const unsigned char *p, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < len; i += 3) {
        const size_t n = len - i < 3 ? len - i : 3;
        const unsigned v = (unsigned)p[i] << 16 | (n > 1 ? (unsigned)p[i + 1] << 8 : 0) | (n > 2 ? p[i + 2] : 0);
        const char four[4] = {digits[v >> 18], digits[v >> 12 & 63], n > 1 ? digits[v >> 6 & 63] : '=',
                              n > 2 ? digits[v & 63] : '='};
        text_add(t, four, sizeof(four));
    }
}

void json_key(struct text *t, const char *key)
{
    if (t->len && t->p[t->len - 1] != '{' && t->p[t->len - 1] != '[') {
        text_puts(t, ",");
    }
    if (key) {
        text_printf(t, "\"%s\":", key);
    }
}

void json_bytes(struct text *t, const char *key, const void *p, size_t len)
{
    const unsigned char *s = p;
    for (size_t i = 0, n; i < len; i += n) {
        n = utf8_length(s + i, len - i);
        if (!n) {
            json_key(t, NULL);
            text_printf(t, "\"%s_base64\":\"", key);
            base64(t, s, len);
            text_puts(t, "\"");
            return;
        }
    }
    json_key(t, key);
    text_puts(t, "\"");
    for (size_t i = 0; i < len; i++) {
        if (s[i] == '"' || s[i] == '\\') {
            text_puts(t, "\\");
        }
        if (s[i] < 0x20 || s[i] == 0x7f) {
            add_hex(t, "\\u00", s[i]);
        } else {
            text_add(t, s + i, 1);
        }
    }
    text_puts(t, "\"");
}

void json_string(struct text *t, const char *key, const char *s)
{
    json_bytes(t, key, s, strlen(s));
}

void json_number(struct text *t, const char *key, long long n)
{
    json_key(t, key);
    text_printf(t, "%lld", n);
}

void json_bool(struct text *t, const char *key, bool b)
{
    json_key(t, key);
    text_puts(t, b ? "true" : "false");
}

void json_null(struct text *t, const char *key)
{
    json_key(t, key);
    text_puts(t, "null");
}

bool out_write(const void *p, size_t len)
{
    const char *s = p;
    while (len) {
        const ssize_t n = write(STDOUT_FILENO, s, len);
        if (n >= 0) {
            s += n;
            len -= (size_t)n;
            continue;
        }
        if (errno == EAGAIN) {
            // Whoever shares our standard output has made it non-blocking.
            poll(&(struct pollfd){.fd = STDOUT_FILENO, .events = POLLOUT}, 1, -1);
        } else if (errno == EPIPE) {
            return false;
        } else if (errno != EINTR) {
            report_error(DOING_OTHER, "standard output", -errno);
            return false;
        }
    }
    return true;
}
