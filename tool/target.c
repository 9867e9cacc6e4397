// SPDX-License-Identifier: MIT
/*
 * An address as it was typed: parsed, connected to, and listened at.
 *
 * Promises: a path of any length works wherever an address does; what a crashed server left behind is replaced, and
 * nothing else; why a name cannot be had is told apart: a live server, a file that is no socket,
 * something that cannot be seen.
 *
 * To tell it, a path socket is probed by a *datagram* connect: whatever is bound there answers EPROTOTYPE or takes it
 * without its server seeing a connection; a full backlog is not mistaken for nobody.
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int hex_digit(char c)
{
    static const char digits[] = "0123456789abcdefABCDEF";
    const char *p = c ? strchr(digits, c) : NULL;
    return !p ? -1 : p - digits < 16 ? (int)(p - digits) : (int)(p - digits) - 6;
}

/* The path that the text form stands for; NULL: it cannot be one. For those that no address can hold. */
static char *decode_path(const char *text)
{
    char *path = must_alloc(NULL, strlen(text) + 1);
    size_t len = 0;
    for (const char *s = text; *s; s++) {
        char c = *s;
        if (c == '\\') {
            s++;
            if (*s == 'x' && hex_digit(s[1]) >= 0 && hex_digit(s[2]) >= 0) {
                c = (char)(hex_digit(s[1]) << 4 | hex_digit(s[2]));
                s += 2;
            } else {
                c = *s == '\\' ? '\\' : *s == 'n' ? '\n' : *s == 'r' ? '\r' : *s == 't' ? '\t' : '\0';
            }
        }
        if (c == '\0') {
            free(path);
            return NULL;
        }
        path[len++] = c;
    }
    path[len] = '\0';
    return path;
}

static void refuse(const char *text, int err)
{
    if (*text == '\0') {
        report_fail(STATUS_USAGE, "an empty address; write /path, ./path or @abstract-name");
    } else if (err == -ENAMETOOLONG) {
        report_fail(STATUS_USAGE, "%s: too long; an abstract name has at most %d bytes", text,
                    unx_limit(UNX_LIMIT_ABSTRACT));
    } else if (err == -EOPNOTSUPP) {
        report_fail(STATUS_USAGE, "%s: this system has no abstract names; write /path or ./path", text);
    } else {
        report_fail(
            STATUS_USAGE,
            "%s: a bad escape, or a NUL in a path; \\xHH, \\\\, \\n, \\r, \\t (and in @names \\0) stand for bytes",
            text);
    }
}

bool target_parse(struct target *t, const char *text)
{
    *t = (struct target){.text = text};
    const int r = unx_addr_parse(&t->addr, text);
    const void *name;
    size_t len;
    if (r == -ENAMETOOLONG && *text != '@') {
        t->addr.len = 0;
        t->path = decode_path(text);
    } else if (r >= 0 && unx_addr_name(&t->addr, &name, &len) == UNX_PATH) {
        t->path = must_alloc(NULL, len + 1);
        memcpy(t->path, name, len);
        t->path[len] = '\0';
    }
    if (r >= 0 || t->path) {
        return true;
    }
    refuse(text, r == -ENAMETOOLONG && *text != '@' ? -EINVAL : r);
    return false;
}

static int connect_once(const struct target *t, int type, unsigned flags, int timeout)
{
    return t->addr.len ? unx_connect(type, flags, NULL, &t->addr, timeout)
                       : unx_connect_path(type, flags, AT_FDCWD, t->path, timeout);
}

/* These only add to what is known about a peer, and are younger than the rest. */
static const unsigned optional_flags[] = {0, UNX_PASSPIDFD, UNX_PASSPIDFD | UNX_PASSSEC};
#define NOPTIONAL (sizeof(optional_flags) / sizeof(*optional_flags))

int target_connect(const struct target *t, int type, unsigned flags, int timeout)
{
    int fd = -EOPNOTSUPP;
    for (size_t i = 0; i < NOPTIONAL && fd == -EOPNOTSUPP; i++) {
        fd = connect_once(t, type, flags & ~optional_flags[i], timeout);
    }
    return fd;
}

int target_open(const struct target *t, struct unx_listener **l, const struct options *o, unsigned flags,
                unsigned needed)
{
    struct unx_listener_options wish = UNX_LISTENER_OPTIONS;
    wish.backlog = o->backlog;

    // Of the library, 0 asks for its default.
    const bool none = o->mode == 0;
    const mode_t before = none ? umask(0777) : 0;
    wish.mode = none ? UNX_MODE_UMASK : o->mode;
    int r = -EOPNOTSUPP;
    for (size_t i = 0; i < NOPTIONAL && r == -EOPNOTSUPP; i++) {
        const unsigned wanted = (flags & ~optional_flags[i]) | needed;
        r = t->path ? unx_listener_open_path(l, o->type, wanted, AT_FDCWD, t->path, &wish)
                    : unx_listener_open(l, o->type, wanted, &t->addr, &wish);
    }
    if (none) {
        umask(before);
    }
    return r;
}

void target_close(const struct target *t, struct unx_listener **l)
{
    const int r = *l ? unx_listener_close(*l) : 0;
    *l = NULL;
    if (r < 0) {
        report_fail(STATUS_SYSTEM, "%s: the socket file stays: %s (%s)", t->text, unx_explain(r), report_errno_name(r));
    }
}

void target_free(struct target *t)
{
    free(t->path);
    t->path = NULL;
}

int target_connect_failed(const struct target *t, int err)
{
    if (err == -EPROTOTYPE) {
        return report_fail(STATUS_NOBODY, "%s: a socket of another type is there; try another --type (EPROTOTYPE)",
                           t->text);
    }
    return report_error(DOING_CONNECT, t->text, err);
}

static int taken(const struct target *t)
{
    struct stat st;
    if (!t->path) {
        return report_fail(STATUS_SYSTEM,
                           "%s: somebody has this name already, or a copy of its descriptor (EADDRINUSE)", t->text);
    }
    if (lstat(t->path, &st) == 0 && !S_ISSOCK(st.st_mode)) {
        return report_fail(STATUS_SYSTEM, "%s: this file exists, and is no socket; it stays as it is (EADDRINUSE)",
                           t->text);
    }
    const int fd = unx_connect_path(SOCK_DGRAM, 0, AT_FDCWD, t->path, 0);
    if (fd >= 0) {
        close(fd);
    }
    if (fd >= 0 || fd == -EPROTOTYPE || fd == -EPERM || fd == -EAGAIN) {
        return report_fail(STATUS_SYSTEM, "%s: somebody serves there now; `unx peer` says who (EADDRINUSE)", t->text);
    }
    return report_fail(STATUS_SYSTEM,
                       "%s: this name is taken, and whether somebody serves there cannot be seen: %s (EADDRINUSE)",
                       t->text, report_errno_name(fd));
}

int target_open_failed(const struct target *t, int err)
{
    if (err == -EADDRINUSE) {
        return taken(t);
    }
    if (t->path && (err == -ENOENT || err == -ENOTDIR)) {
        return report_fail(STATUS_SYSTEM, "%s: its directory does not exist (%s)", t->text, report_errno_name(err));
    }
    if (t->path && err == -ETIMEDOUT) {
        return report_fail(
            STATUS_TIMEOUT,
            "%s: another program keeps its directory locked, as if it was opening a socket there all the "
            "time (ETIMEDOUT)",
            t->text);
    }
    return report_error(DOING_BIND, t->text, err);
}
