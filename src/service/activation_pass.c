// SPDX-License-Identifier: MIT
/*
 * Starting a program with sockets: what a service manager does between fork(2) and execve(2).
 *
 * Promises: async-signal-safe: no allocation, no stdio, no locks. The text is written and everything is checked
 * before the first descriptor moves.
 *
 * What surprised us: descriptors that shall go to 3 and following may lie there already, in another order, so those
 * in the way move up first. dup2(2) clears close-on-exec, but not if a descriptor is where it belongs. libsystemd
 * takes a backslash out of a name that it reads, although nobody puts one in, so such names cannot be passed.
 */
#include "activation.h"
#include "sys.h"

#include <errno.h>
#include <string.h>

/* The room for the new environment, and how much of it is used. */
struct vars {
    const struct unx_activation *a;
    unsigned nvars;
    size_t len;
    bool full;
};

static void put(struct vars *v, const char *p, size_t len)
{
    if (len > v->a->text_max - v->len) {
        v->full = true;
        return;
    }
    memcpy(v->a->text + v->len, p, len);
    v->len += len;
}

static void put_pointer(struct vars *v, char *p)
{
    if (v->nvars == v->a->env_max) {
        v->full = true;
        return;
    }
    v->a->env[v->nvars++] = p;
}

/* Starts a variable: "NAME=". */
static void put_name(struct vars *v, const char *name)
{
    put_pointer(v, v->a->text + v->len);
    put(v, name, strlen(name));
}

static void put_number(struct vars *v, const char *name, uint64_t n)
{
    char digits[21];
    size_t at = sizeof digits;
    digits[--at] = '\0';
    do {
        digits[--at] = (char)('0' + n % 10);
        n /= 10;
    } while (n > 0);
    put_name(v, name);
    put(v, digits + at, sizeof digits - at);
}

static void put_notify(struct vars *v, pid_t pid)
{
    const void *name = NULL;
    size_t len = 0;
    const int kind = unx_addr_name(v->a->notify, &name, &len);
    put_name(v, "NOTIFY_SOCKET=");
    put(v, "@", kind == UNX_ABSTRACT);
    put(v, name, len);
    put(v, "", 1);
    if (v->a->watchdog_usec > 0) {
        put_number(v, "WATCHDOG_USEC=", v->a->watchdog_usec);
        put_number(v, "WATCHDOG_PID=", (uint64_t)pid);
    }
}

/* Whether this call says what the variable says, so that the inherited one must not. */
static bool replaced(const struct unx_activation *a, const char *var)
{
    static const char names[][16] = {"LISTEN_FDS",    "LISTEN_PID",    "LISTEN_PIDFDID", "LISTEN_FDNAMES",
                                     "NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"};
    const size_t n = a->notify != NULL ? sizeof names / sizeof *names : 4;
    for (size_t i = 0; i < n; i++) {
        const size_t len = strlen(names[i]);
        if (strncmp(var, names[i], len) == 0 && var[len] == '=') {
            return true;
        }
    }
    return false;
}

static int write_env(const struct unx_activation *a)
{
    struct vars v = {.a = a};
    struct unx_cred own;
    sys_own_cred(&own, false);
    for (char *const *p = a->inherit; p != NULL && *p != NULL; p++) {
        if (!replaced(a, *p)) {
            put_pointer(&v, *p);
        }
    }
    if (a->nfds > 0) {
        const uint64_t pidfdid = sys_own_pidfdid();
        put_number(&v, "LISTEN_FDS=", a->nfds);
        put_number(&v, "LISTEN_PID=", (uint64_t)own.pid);
        if (pidfdid != 0) {
            put_number(&v, "LISTEN_PIDFDID=", pidfdid);
        }
        if (a->names != NULL) {
            put_name(&v, "LISTEN_FDNAMES=");
        }
    }
    for (unsigned i = 0; i < a->nfds && a->names != NULL; i++) {
        put(&v, a->names[i], strlen(a->names[i]));
        put(&v, i + 1 < a->nfds ? ":" : "", 1);
    }
    if (a->notify != NULL) {
        put_notify(&v, own.pid);
    }
    put_pointer(&v, NULL);
    return v.full ? -ENOSPC : 0;
}

static int check_notify(const struct unx_addr *a)
{
    const void *name;
    size_t len;
    const int kind = unx_addr_name(a, &name, &len);
    if (kind == UNX_PATH) {
        return unx_addr_absolute(a) == 1 ? 0 : -EINVAL;
    }
    return kind == UNX_ABSTRACT && len > 0 && memchr(name, '\0', len) == NULL ? 0 : -EINVAL;
}

static int check(const struct unx_activation *a, unsigned flags)
{
    const uint64_t reserved = a->reserved[0] | a->reserved[1] | a->reserved[2] | a->reserved[3];
    if (flags != 0 || reserved != 0 || (a->fds == NULL && a->nfds > 0) || a->env == NULL || a->text == NULL) {
        return -EINVAL;
    }
    if (a->nfds > UNX_ACTIVATION_MAX) {
        return -E2BIG;
    }
    for (unsigned i = 0; i < a->nfds && a->names != NULL; i++) {
        const char *name = a->names[i];
        if (name == NULL || !name_valid(name, strnlen(name, UNX_ACTIVATION_NAME + 1)) || strchr(name, '\\') != NULL) {
            return -EINVAL;
        }
    }
    if (a->notify == NULL ? a->watchdog_usec > 0 : check_notify(a->notify) < 0) {
        return -EINVAL;
    }
    int r = 0;
    for (unsigned i = 0; i < a->nfds && r == 0; i++) {
        r = sys_check_open(a->fds[i]);
    }
    return r == 0 && UNX_ACTIVATION_FIRST + a->nfds > sys_max_open() ? -EMFILE : r;
}

static int pass_fds(const int *fds, unsigned n)
{
    const int first = UNX_ACTIVATION_FIRST, end = first + (int)n;
    int from[UNX_ACTIVATION_MAX];
    int r = 0;
    unsigned i = 0;

    for (; i < n && r >= 0; i++) {
        const bool in_the_way = fds[i] >= first && fds[i] < end && fds[i] != first + (int)i;
        r = in_the_way ? sys_dup_above(fds[i], end) : fds[i];
        from[i] = r;
    }
    const unsigned looked_at = i;
    for (i = 0; i < n && r >= 0; i++) {
        r = sys_place(from[i], first + (int)i);
    }
    for (i = 0; i < looked_at; i++) {
        if (from[i] >= 0 && from[i] != fds[i]) {
            sys_close(from[i]);
        }
    }
    return r < 0 ? r : 0;
}

int unx_activation_pass(const struct unx_activation *a, unsigned flags)
{
    int r = a == NULL ? -EINVAL : check(a, flags);
    if (r == 0) {
        r = write_env(a);
    }
    return r == 0 ? pass_fds(a->fds, a->nfds) : r;
}
