// SPDX-License-Identifier: MIT
/* All servers, and which of them are meant. */
#include "echo.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *needs;
    const struct echo_server *list; /* NULL: not there when this was built */
} all[] = {
    {NULL, echo_epoll},
#ifdef ECHO_URING
    {"liburing", echo_uring},
#else
    {"liburing", NULL},
#endif
    {NULL, echo_engine},
#ifdef ECHO_UV
    {"libuv", echo_uv},
#else
    {"libuv", NULL},
#endif
#ifdef ECHO_EVENT
    {"libevent", echo_event},
#else
    {"libevent", NULL},
#endif
#ifdef ECHO_GLIB
    {"GLib", echo_glib},
#else
    {"GLib", NULL},
#endif
#ifdef ECHO_ASIO
    {"Boost.Asio", echo_asio},
#else
    {"Boost.Asio (or a C++ compiler)", NULL},
#endif
};
#define LISTS (sizeof all / sizeof *all)

/* Whether a server has this name. */
static bool is_name(const char *text, size_t len)
{
    for (size_t i = 0; i < LISTS; i++)
        for (const struct echo_server *s = all[i].list; s && s->name; s++)
            if (strlen(s->name) == len && memcmp(s->name, text, len) == 0)
                return true;
    return false;
}

/* A name means that server; the beginning of names, all that begin so. */
static bool is_named(const struct echo_server *s, const char *names)
{
    for (const char *p = names; p; p = strchr(p, ',')) {
        p += *p == ',';
        const size_t len = strcspn(p, ",");
        if (strncmp(s->name, p, len) == 0 && (s->name[len] == '\0' || !is_name(p, len)))
            return true;
    }
    return false;
}

unsigned echo_select(const char *names, bool plain, bool msg, const struct echo_server **v, unsigned max)
{
    unsigned n = 0;
    for (size_t i = 0; i < LISTS; i++) {
        for (const struct echo_server *s = all[i].list; s && s->name; s++) {
            const bool is_msg = s->kind == ECHO_RAW_MSG || s->kind == ECHO_ENGINE_MSG;
            if (n < max && (is_msg ? msg : plain) && (!names || is_named(s, names)))
                v[n++] = s;
        }
    }
    return n;
}

void echo_say_missing(void)
{
    for (size_t i = 0; i < LISTS; i++)
        if (!all[i].list)
            fprintf(stderr, "bench: skipped, for it was not there when this was built: %s\n", all[i].needs);
}
