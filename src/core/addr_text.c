// SPDX-License-Identifier: MIT
/*
 * The text form of addresses: "@name" for an abstract one, anything else for a path, escapes for bytes.
 *
 * Promises: parsing what was formatted gives the same address; what cannot be understood is an error, never guessed.
 */
#include "addr.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static int hex(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* The byte that the text at *p stands for; *p moves on. Negative: a bad escape. */
static int next_byte(const char **p)
{
    const char c = *(*p)++;
    if (c != '\\') {
        return (unsigned char)c;
    }
    switch (*(*p)++) {
    case '\\':
        return '\\';
    case 'n':
        return '\n';
    case 'r':
        return '\r';
    case 't':
        return '\t';
    case '0':
        return '\0';
    case 'x': {
        const int high = hex((*p)[0]);
        const int low = high < 0 ? -1 : hex((*p)[1]);
        *p += 2;
        return low < 0 ? -EINVAL : high * 16 + low;
    }
    default:
        return -EINVAL;
    }
}

int unx_addr_parse(struct unx_addr *a, const char *text)
{
    char bytes[256];
    size_t n = 0;

    if (a == NULL || text == NULL || text[0] == '\0') {
        return -EINVAL;
    }
    const bool abstract = text[0] == '@';
    const char *p = text + abstract;
    while (*p != '\0') {
        const int byte = next_byte(&p);
        if (byte < 0 || (byte == 0 && !abstract)) {
            return -EINVAL;
        }
        if (n == sizeof bytes - 1) {
            return -ENAMETOOLONG;
        }
        bytes[n++] = (char)byte;
    }
    bytes[n] = '\0';
    return abstract ? unx_addr_abstract(a, bytes, n) : unx_addr_path(a, bytes);
}

static bool plain(unsigned char c)
{
    return c >= 0x20 && c <= 0x7e && c != '\\';
}

/* Writes one byte's text form to `to`, at most 4 characters; returns their number. */
static size_t put_byte(char *to, unsigned char c, bool escape)
{
    static const char digits[] = "0123456789abcdef";
    if (plain(c) && !escape) {
        to[0] = (char)c;
        return 1;
    }
    to[0] = '\\';
    if (c == '\\') {
        to[1] = '\\';
        return 2;
    }
    to[1] = 'x';
    to[2] = digits[c >> 4];
    to[3] = digits[c & 15];
    return 4;
}

int unx_addr_format(const struct unx_addr *a, char *text, size_t size)
{
    char all[UNX_ADDR_TEXT];
    const void *name = NULL;
    size_t len = 0, n = 0;

    if (text == NULL && size > 0) {
        return -EINVAL;
    }
    const int kind = unx_addr_name(a, &name, &len);
    if (kind >= 0) {
        if (kind == UNX_ABSTRACT) {
            all[n++] = '@';
        }
        for (size_t i = 0; i < len; i++) {
            const unsigned char c = ((const unsigned char *)name)[i];
            n += put_byte(all + n, c, kind == UNX_PATH && i == 0 && c == '@');
        }
    }
    if (size > 0) {
        text[0] = '\0';
    }
    if (kind < 0 || n >= size) {
        return kind < 0 ? kind : -ERANGE;
    }
    memcpy(text, all, n);
    text[n] = '\0';
    return (int)n;
}
