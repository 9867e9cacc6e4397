// SPDX-License-Identifier: MIT
/* Messages of D-Bus (dbus_wire.h). What does not fit or is not as specified fails the case. */
#include "dbus_wire.h"
#include "../harness.h"

#include <string.h>

enum { PATH = 1, INTERFACE, MEMBER, ERROR_NAME, REPLY_SERIAL, DESTINATION, SENDER, SIGNATURE, UNIX_FDS };

static size_t padded(size_t n, size_t to)
{
    return (n + to - 1) / to * to;
}

static uint32_t number_at(const char *p)
{
    uint32_t n;
    memcpy(&n, p, sizeof n);
    return n;
}

static void pad(char *buf, size_t *at, size_t to)
{
    const size_t end = padded(*at, to);
    memset(buf + *at, 0, end - *at);
    *at = end;
}

void dbus_put_number(char *body, size_t *at, uint32_t n)
{
    pad(body, at, 4);
    memcpy(body + *at, &n, sizeof n);
    *at += sizeof n;
}

void dbus_put_string(char *body, size_t *at, const char *s)
{
    dbus_put_number(body, at, (uint32_t)strlen(s));
    memcpy(body + *at, s, strlen(s) + 1);
    *at += strlen(s) + 1;
}

uint32_t dbus_get_number(const struct dbus_message *m, size_t *at)
{
    *at = padded(*at, 4);
    CHECK(*at + 4 <= m->len);
    *at += 4;
    return number_at((const char *)m->body + *at - 4);
}

const char *dbus_get_string(const struct dbus_message *m, size_t *at)
{
    const size_t n = dbus_get_number(m, at);
    const char *s = (const char *)m->body + *at;
    CHECK(n < m->len - *at && s[n] == 0);
    *at += n + 1;
    return s;
}

static void put_text_field(char *buf, size_t *at, int code, char kind, const char *value)
{
    if (!value)
        return;
    pad(buf, at, 8);
    const char head[] = {(char)code, 1, kind, 0};
    memcpy(buf + *at, head, sizeof head);
    *at += sizeof head;
    if (kind == 'g') {
        buf[(*at)++] = (char)strlen(value);
        memcpy(buf + *at, value, strlen(value) + 1);
        *at += strlen(value) + 1;
    } else {
        dbus_put_string(buf, at, value);
    }
}

static void put_number_field(char *buf, size_t *at, int code, uint32_t value)
{
    if (!value)
        return;
    pad(buf, at, 8);
    const char head[] = {(char)code, 1, 'u', 0};
    memcpy(buf + *at, head, sizeof head);
    *at += sizeof head;
    dbus_put_number(buf, at, value);
}

size_t dbus_write(void *to, size_t size, const struct dbus_message *m)
{
    char buf[4096] = {'l', (char)m->type, 0, 1};
    size_t at = 4;
    dbus_put_number(buf, &at, (uint32_t)m->len);
    dbus_put_number(buf, &at, m->serial);
    const size_t fields = at;
    dbus_put_number(buf, &at, 0);
    put_text_field(buf, &at, PATH, 'o', m->path);
    put_text_field(buf, &at, INTERFACE, 's', m->interface);
    put_text_field(buf, &at, MEMBER, 's', m->member);
    put_text_field(buf, &at, DESTINATION, 's', m->destination);
    put_text_field(buf, &at, SENDER, 's', m->sender);
    put_text_field(buf, &at, SIGNATURE, 'g', m->signature);
    put_number_field(buf, &at, REPLY_SERIAL, m->reply_to);
    put_number_field(buf, &at, UNIX_FDS, m->nfds);
    const uint32_t len = (uint32_t)(at - fields - 4);
    memcpy(buf + fields, &len, sizeof len);
    pad(buf, &at, 8);
    CHECK(at + m->len <= size && at < sizeof buf);
    memcpy(to, buf, at);
    if (m->len)
        memcpy((char *)to + at, m->body, m->len);
    return at + m->len;
}

size_t dbus_length(const void *buf, size_t have)
{
    const char *p = buf;
    if (have < 16)
        return 0;
    CHECK(p[0] == 'l' && p[3] == 1);
    return 16 + padded(number_at(p + 12), 8) + number_at(p + 4);
}

/* Reads the field at *at, and moves on. */
static void read_field(const char *p, size_t *at, struct dbus_message *m)
{
    const char **const text[] = {NULL, &m->path,        &m->interface, &m->member,   NULL,
                                 NULL, &m->destination, &m->sender,    &m->signature};
    const int code = p[*at], kind = p[*at + 2];
    *at += 4;
    if (kind == 'u') {
        *(code == REPLY_SERIAL ? &m->reply_to : &m->nfds) = number_at(p + *at);
        *at += 4;
    } else if (kind == 'g') {
        m->signature = p + *at + 1;
        *at += (size_t)(unsigned char)p[*at] + 2;
    } else {
        CHECK(kind == 's' || kind == 'o');
        if (code < SIGNATURE && text[code])
            *text[code] = p + *at + 4;
        *at += 4 + number_at(p + *at) + 1;
    }
}

void dbus_read(const void *buf, struct dbus_message *m)
{
    const char *p = buf;
    const size_t fields = number_at(p + 12);
    *m = (struct dbus_message){.type = p[1], .serial = number_at(p + 8), .len = number_at(p + 4)};
    for (size_t at = 16; at < 16 + fields; at = padded(at, 8))
        read_field(p, &at, m);
    m->body = p + 16 + padded(fields, 8);
}
