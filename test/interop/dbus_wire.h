/* SPDX-License-Identifier: MIT */
/*
 * As much of D-Bus messages as its test needs: little-endian, header fields by their codes, and a body that the
 * caller writes and reads itself. https://dbus.freedesktop.org/doc/dbus-specification.html
 */
#ifndef DBUS_WIRE_H
#define DBUS_WIRE_H

#include <stddef.h>
#include <stdint.h>

enum { DBUS_CALL = 1, DBUS_RETURN, DBUS_ERROR, DBUS_SIGNAL };

struct dbus_message {
    int type;
    uint32_t serial, reply_to, nfds;
    const char *path, *interface, *member, *destination, *sender,
        *signature; /* NULL: none; of one received: inside it */
    const void *body;
    size_t len;
};

/* Writes it; returns its length. */
size_t dbus_write(void *buf, size_t size, const struct dbus_message *m);

/* The length of the message that begins here, 0 if that cannot be told yet; reads one that is whole. */
size_t dbus_length(const void *buf, size_t have);
void dbus_read(const void *buf, struct dbus_message *m);

/* Appends to a body at *at: a string, a number; reads a string. */
void dbus_put_string(char *body, size_t *at, const char *s);
void dbus_put_number(char *body, size_t *at, uint32_t n);
const char *dbus_get_string(const struct dbus_message *m, size_t *at);
uint32_t dbus_get_number(const struct dbus_message *m, size_t *at);

#endif
