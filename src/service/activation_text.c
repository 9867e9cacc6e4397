// SPDX-License-Identifier: MIT
/*
 * The variables LISTEN_* as text: pure functions.
 *
 * Promises: a value is believed whole or not at all; variables that are meant for another process are none, however
 * odd.
 *
 * What surprised us: libsystemd reads numbers as strtol(3) does, so that "010" means eight descriptors and " 1" one;
 * here they make no sense. LISTEN_FDNAMES may be empty: that is one name, the empty one.
 */
#include "activation.h"

#include <errno.h>
#include <limits.h>
#include <string.h>

bool text_number(const char *p, size_t len, uint64_t max, uint64_t *value)
{
    uint64_t v = 0;
    if (len == 0 || (p[0] == '0' && len > 1)) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        const unsigned digit = (unsigned)p[i] - '0';
        if (digit > 9 || v > (max - digit) / 10) {
            return false;
        }
        v = v * 10 + digit;
    }
    *value = v;
    return true;
}

bool name_valid(const char *p, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        if (p[i] < 0x20 || p[i] > 0x7e || p[i] == ':') {
            return false;
        }
    }
    return len <= UNX_ACTIVATION_NAME;
}

size_t listen_name(const char **names)
{
    const size_t len = strcspn(*names, ":");
    *names = (*names)[len] == ':' ? *names + len + 1 : NULL;
    return len;
}

static bool names_valid(const char *names, uint64_t n)
{
    for (; n > 0 && names != NULL; n--) {
        const char *name = names;
        if (!name_valid(name, listen_name(&names))) {
            return false;
        }
    }
    return n == 0 && names == NULL;
}

int listen_count(const struct listen_vars *v, pid_t pid, uint64_t pidfdid)
{
    uint64_t to, id, n;
    if (v->pid == NULL) {
        return 0;
    }
    if (!text_number(v->pid, strlen(v->pid), INT_MAX, &to)) {
        return -EINVAL;
    }
    if (to != (uint64_t)pid) {
        return 0;
    }
    if (v->pidfdid != NULL) {
        if (!text_number(v->pidfdid, strlen(v->pidfdid), UINT64_MAX, &id)) {
            return -EINVAL;
        }
        if (pidfdid != 0 && id != pidfdid) {
            return 0;
        }
    }
    if (v->fds == NULL) {
        return 0;
    }
    if (!text_number(v->fds, strlen(v->fds), INT_MAX - UNX_ACTIVATION_FIRST, &n) || n == 0) {
        return -EINVAL;
    }
    return v->names == NULL || names_valid(v->names, n) ? (int)n : -EINVAL;
}
