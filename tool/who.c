// SPDX-License-Identifier: MIT
/*
 * A peer: ids, groups, label, whether there is a pidfd, and its program.
 *
 * Promises: what is not known is said to be unknown and never guessed. A program is named only if, after its name was
 * read from /proc, the pidfd says that this pid is still that process: without that,
 * a pid may be somebody else's by now.
 *
 * Who is connected is whoever made the connection, with its effective ids of that moment; who sent a message has the
 * real ids of the moment of sending, unless it chose others that it may use. The two can differ.
 */
#include "tool.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* Takes the pidfd. */
static void find_program(struct who *w, int pidfd)
{
    w->pidfd = pidfd >= 0;
    if (pidfd < 0) {
        return;
    }
    char link[64], path[PATH_MAX];
    ssize_t len = -1;
    if (w->cred.known & UNX_KNOWN_PID) {
        snprintf(link, sizeof(link), "/proc/%lld/exe", (long long)w->cred.pid);
        len = readlink(link, path, sizeof(path) - 1);
    }
    const bool same = w->cred.known & UNX_KNOWN_PID && unx_pidfd_check(pidfd, w->cred.pid) == 1;
    // In this order: a process that ends in between has run.
    w->runs = same || unx_pidfd_check(pidfd, 0) == 1;
    w->pidfd_pid = same ? w->cred.pid : 0;
    if (len > 0 && same) {
        path[len] = '\0';
        w->program = must_alloc(NULL, (size_t)len + 1);
        memcpy(w->program, path, (size_t)len + 1);
    }
    close(pidfd);
}

static void find_groups(struct who *w, int fd)
{
    unsigned max = 64;
    int r;
    do {
        w->groups = must_alloc(w->groups, max * sizeof(*w->groups));
        r = unx_peer_groups(fd, w->groups, max, &w->ngroups);
        max = w->ngroups > max ? w->ngroups : max;
    } while (r == -ERANGE);
    w->groups_known = r >= 0;
}

static void find_label(struct who *w, int fd)
{
    size_t max = 256, len = 0;
    int r;
    do {
        w->label = must_alloc(w->label, max);
        r = unx_peer_label(fd, w->label, max, &len);
        max = len + 1 > max ? len + 1 : max;
    } while (r == -ERANGE);
    if (r < 0) {
        free(w->label);
        w->label = NULL;
    }
}

void who_connected(struct who *w, int fd)
{
    *w = (struct who){0};
    unx_peer_cred(fd, &w->cred);
    find_groups(w, fd);
    find_label(w, fd);
    find_program(w, unx_peer_pidfd(fd));
}

void who_sent(struct who *w, const struct unx_cred *cred, int pidfd, const char *label)
{
    *w = (struct who){.cred = *cred};
    if (label && *label) {
        w->label = must_alloc(NULL, strlen(label) + 1);
        strcpy(w->label, label);
    }
    find_program(w, pidfd);
}

void who_free(struct who *w)
{
    free(w->groups);
    free(w->label);
    free(w->program);
    *w = (struct who){0};
}

static void text_id(struct text *t, const char *name, bool known, long long id)
{
    if (known) {
        text_printf(t, "%s %lld, ", name, id);
    } else {
        text_printf(t, "%s unknown, ", name);
    }
}

void who_text(const struct who *w, struct text *t)
{
    text_id(t, "pid", w->cred.known & UNX_KNOWN_PID, w->cred.pid);
    text_id(t, "uid", w->cred.known & UNX_KNOWN_UID, w->cred.uid);
    text_id(t, "gid", w->cred.known & UNX_KNOWN_GID, w->cred.gid);
    text_puts(t, w->groups_known ? w->ngroups ? "groups" : "groups none" : "groups unknown");
    for (unsigned i = 0; w->groups_known && i < w->ngroups; i++) {
        text_printf(t, " %lld", (long long)w->groups[i]);
    }
    text_printf(t, ", pidfd %s, ", w->pidfd ? "yes" : "no");
    if (w->label) {
        text_puts(t, "label ");
        text_quote(t, w->label, strlen(w->label));
        text_puts(t, ", ");
    }
    text_puts(t, "program ");
    if (w->program) {
        text_escape(t, w->program, strlen(w->program));
    } else {
        text_puts(t, "unknown");
    }
}

static void json_id(struct text *t, const char *key, bool known, long long id)
{
    if (known) {
        json_number(t, key, id);
    } else {
        json_null(t, key);
    }
}

void who_json(const struct who *w, struct text *t)
{
    text_puts(t, "{");
    json_id(t, "pid", w->cred.known & UNX_KNOWN_PID, w->cred.pid);
    json_id(t, "uid", w->cred.known & UNX_KNOWN_UID, w->cred.uid);
    json_id(t, "gid", w->cred.known & UNX_KNOWN_GID, w->cred.gid);
    if (w->groups_known) {
        json_key(t, "groups");
        text_puts(t, "[");
        for (unsigned i = 0; i < w->ngroups; i++) {
            text_printf(t, "%s%lld", i ? "," : "", (long long)w->groups[i]);
        }
        text_puts(t, "]");
    } else {
        json_null(t, "groups");
    }
    json_bool(t, "pidfd", w->pidfd);
    if (w->label) {
        json_string(t, "label", w->label);
    } else {
        json_null(t, "label");
    }
    if (w->program) {
        json_string(t, "program", w->program);
    } else {
        json_null(t, "program");
    }
    text_puts(t, "}");
}
