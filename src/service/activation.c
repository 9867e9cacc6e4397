// SPDX-License-Identifier: MIT
/*
 * Being started with sockets: the service's side of activation.
 *
 * Promises: every value is checked before a descriptor is touched; after an error nothing was adopted and the
 * environment is as it was; all descriptors are close-on-exec, and what each is has been asked of the kernel, not of
 * the environment.
 *
 * What surprised us: LISTEN_PID alone does not say that the variables are ours: they pass to children, and a child may
 * get the pid of a service that has ended. The inode number of a pidfd (Linux 6.9) is never used again.
 */
#include "activation.h"
#include "addr.h"
#include "sys.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

void env_unset(const char *const *names, unsigned flags)
{
    for (; (flags & UNX_UNSET) != 0 && *names != NULL; names++) {
        sys_environment_remove(*names);
    }
}

/* The names are in the environment: *names is good until it changes. */
static int announced(const char **names)
{
    const struct listen_vars v = {
        .pid = sys_environment("LISTEN_PID"),
        .pidfdid = sys_environment("LISTEN_PIDFDID"),
        .fds = sys_environment("LISTEN_FDS"),
        .names = sys_environment("LISTEN_FDNAMES"),
    };
    struct unx_cred own;
    sys_own_cred(&own, false);
    *names = v.names;
    return listen_count(&v, own.pid, v.pid != NULL && v.pidfdid != NULL ? sys_own_pidfdid() : 0);
}

static int describe(struct unx_activated *d, int fd, const char **names)
{
    const char *name = *names == NULL ? "unknown" : *names;
    const size_t len = *names == NULL ? strlen(name) : listen_name(names);

    *d = (struct unx_activated){.fd = fd};
    memcpy(d->name, name, len);
    const int family = sys_family(fd);
    if (family < 0) {
        /* It is open: EBADF is what the kernel says of an O_PATH descriptor. */
        return family == -ENOTSOCK || family == -EBADF ? 0 : family;
    }
    const int type = sys_type(fd), listening = sys_listening(fd);
    if (type < 0 || (listening < 0 && listening != -ENOPROTOOPT)) {
        return type < 0 ? type : listening;
    }
    d->family = family;
    d->type = type;
    d->listening = listening > 0;
    if (family != AF_UNIX) {
        return 0;
    }
    const int r = sys_local_addr(fd, &d->addr);
    return r < 0 ? r : addr_from_kernel(&d->addr);
}

int unx_activation_adopt(struct unx_activated *list, unsigned max, unsigned flags)
{
    static const char *const variables[] = {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES", NULL};
    const char *names;
    if ((flags & ~UNX_UNSET) != 0 || (list == NULL && (max > 0 || flags != 0))) {
        return -EINVAL;
    }
    const int n = announced(&names);
    int r = 0;
    for (int i = 0; i < n && r >= 0; i++) {
        r = sys_check_open(UNX_ACTIVATION_FIRST + i);
    }
    if (r >= 0 && list != NULL && n > 0) {
        r = (unsigned)n > max ? -ENOBUFS : 0;
    }
    if (r < 0 || n < 0 || list == NULL) {
        return r < 0 ? r : n;
    }
    for (int i = 0; i < n && r >= 0; i++) {
        r = describe(&list[i], UNX_ACTIVATION_FIRST + i, &names);
    }
    for (int i = 0; i < n && r >= 0; i++) {
        r = sys_set_cloexec(UNX_ACTIVATION_FIRST + i);
    }
    if (r < 0) {
        return r;
    }
    env_unset(variables, flags);
    return n;
}

/* 0: it is what is wanted; else why not. */
static int judge(const struct unx_activated *d, int type, unsigned flags, const struct unx_addr *a)
{
    if (d->family != AF_UNIX) {
        return type != 0 || flags != 0 || a != NULL ? -EAFNOSUPPORT : 0;
    }
    if (type != 0 && d->type != type) {
        return -EPROTOTYPE;
    }
    return flags != 0 && !d->listening ? -EINVAL : 0;
}

int unx_activation_find(const struct unx_activated *list, unsigned n, const char *name, int type, unsigned flags,
                        const struct unx_addr *a)
{
    int why = -ENOENT;
    if ((list == NULL && n > 0) || n > INT_MAX || (flags & ~UNX_LISTENING) != 0 || type < 0) {
        return -EINVAL;
    }
    for (unsigned i = 0; i < n; i++) {
        const struct unx_activated *d = &list[i];
        if ((name != NULL && strcmp(name, d->name) != 0) || (a != NULL && unx_addr_compare(a, &d->addr) != 0)) {
            continue;
        }
        const int r = judge(d, type, flags, a);
        if (r == 0) {
            return (int)i;
        }
        why = why == -ENOENT ? r : why;
    }
    return why;
}
