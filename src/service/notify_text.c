// SPDX-License-Identifier: MIT
/*
 * The text of a notification: pure functions over the caller's bytes.
 *
 * Promises: nothing outside of the text is read, and nothing is written; a line that makes no sense loses itself
 * alone; a message that cannot be what its sender meant is bad as a whole.
 */
#include "activation.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

/* Bit i of `what` is keys[i]: a line, or all before the value. */
static const char keys[][24] = {
    "READY=1",         "RELOADING=1",     "STOPPING=1", "WATCHDOG=1",     "WATCHDOG=trigger",
    "FDSTORE=1",       "FDSTOREREMOVE=1", "FDPOLL=0",   "BARRIER=1",      "STATUS=",
    "FDNAME=",         "MAINPID=",        "ERRNO=",     "WATCHDOG_USEC=", "EXTEND_TIMEOUT_USEC=",
    "MONOTONIC_USEC=",
};

int unx_notify_next(const char *text, size_t len, struct unx_notify_line *line)
{
    if (line == NULL || (text == NULL && len > 0)) {
        return -EINVAL;
    }
    size_t at = line->next;
    while (at < len && text[at] == '\n') {
        at++;
    }
    if (at >= len) {
        return 0;
    }
    const char *start = text + at;
    const char *newline = memchr(start, '\n', len - at);
    const size_t n = newline == NULL ? len - at : (size_t)(newline - start);
    const char *equals = memchr(start, '=', n);
    line->key = start;
    line->key_len = equals == NULL ? n : (size_t)(equals - start);
    line->value = equals == NULL ? NULL : equals + 1;
    line->value_len = equals == NULL ? 0 : n - line->key_len - 1;
    line->next = at + n;
    return 1;
}

/* The bit of a line; UNX_NOTIFY_OTHER. */
static unsigned bit_of(const struct unx_notify_line *line)
{
    for (unsigned i = 0; i < sizeof keys / sizeof *keys; i++) {
        const size_t len = strlen(keys[i]);
        const bool has_value = keys[i][len - 1] == '=';
        const size_t line_len = line->key_len + 1 + (has_value ? 0 : line->value_len);
        if (line->value != NULL && line_len == len && memcmp(line->key, keys[i], len) == 0) {
            return 1u << i;
        }
    }
    return UNX_NOTIFY_OTHER;
}

/* Takes the value of a line; false if it makes no sense. */
static bool take_value(struct unx_notification *n, unsigned bit, const char *p, size_t len)
{
    uint64_t v = 0;
    switch (bit) {
    case UNX_NOTIFY_STATUS:
        n->status = p;
        n->status_len = len;
        return true;
    case UNX_NOTIFY_NAME:
        n->name = p;
        n->name_len = len;
        return name_valid(p, len);
    case UNX_NOTIFY_MAINPID:
        n->mainpid = text_number(p, len, INT_MAX, &v) ? (pid_t)v : 0;
        return v > 0;
    case UNX_NOTIFY_ERRNO:
        n->error = text_number(p, len, 4095, &v) ? -(int)v : 0;
        return v > 0;
    case UNX_NOTIFY_WATCHDOG_USEC:
        return text_number(p, len, UINT64_MAX, &n->watchdog_usec);
    case UNX_NOTIFY_EXTEND_USEC:
        return text_number(p, len, UINT64_MAX, &n->extend_usec);
    case UNX_NOTIFY_MONOTONIC_USEC:
        return text_number(p, len, UINT64_MAX, &n->monotonic_usec);
    default:
        return true;
    }
}

int unx_notify_parse(const char *text, size_t len, struct unx_notification *n)
{
    struct unx_notify_line line = {.next = 0};
    unsigned lines = 0;
    if (n == NULL || (text == NULL && len > 0)) {
        return -EINVAL;
    }
    *n = (struct unx_notification){.what = 0};
    len -= len > 0 && text[len - 1] == '\0';
    if (len > 0 && memchr(text, '\0', len) != NULL) {
        n->what = UNX_NOTIFY_BAD;
        return 0;
    }
    while (unx_notify_next(text, len, &line) > 0) {
        const unsigned bit = bit_of(&line);
        lines++;
        if ((n->what & bit) == 0) {
            n->what |= take_value(n, bit, line.value, line.value_len) ? bit : UNX_NOTIFY_OTHER;
        }
    }
    if ((n->what & UNX_NOTIFY_NAME) == 0) {
        n->name = NULL;
        n->name_len = 0;
    }
    if ((n->what & UNX_NOTIFY_BARRIER) != 0 && lines > 1) {
        *n = (struct unx_notification){.what = UNX_NOTIFY_BAD};
    }
    return 0;
}

static bool one_line(const char *p)
{
    return strchr(p, '\n') == NULL;
}

int unx_notify_put(char *text, size_t size, const char *key, const char *value)
{
    const size_t len = text == NULL ? size : strnlen(text, size);
    if (len == size || key == NULL || value == NULL || key[0] == '\0') {
        return -EINVAL;
    }
    if (strchr(key, '=') != NULL || !one_line(key) || !one_line(value)) {
        return -EINVAL;
    }
    const size_t key_len = strlen(key), value_len = strlen(value), room = size - len - 1;
    if (key_len > room || value_len > room - key_len || room - key_len - value_len < 2) {
        return -ENOSPC;
    }
    char *at = text + len;
    memcpy(at, key, key_len);
    at[key_len] = '=';
    memcpy(at + key_len + 1, value, value_len);
    memcpy(at + key_len + 1 + value_len, "\n", 2);
    return (int)(len + key_len + value_len + 2);
}
