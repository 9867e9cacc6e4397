// SPDX-License-Identifier: MIT
/*
 * Who may talk: --allow as a policy, and what is said of those who are refused.
 *
 * Promises: a list that names nobody, or somebody who does not exist, is an error and not an empty list; who cannot be
 * asked about is refused; an abstract name, which no permissions guard, admits this user and root unless a list says
 * otherwise, and a path admits whoever its mode lets in.
 *
 * What surprised us: 65534 is the user `nobody`, and also what the kernel says of everybody whom it cannot name here,
 * so it names nobody.
 */
#include "tool.h"
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>

#define UNNAMED_ID 65534

/* Digits alone are an id, whether somebody has it or not. false: they are not, or too many. */
static bool parse_id(const char *s, unsigned *id)
{
    char *end;
    errno = 0;
    const unsigned long long n = strtoull(s, &end, 10);
    *id = (unsigned)n;
    return s[strspn(s, "0123456789")] == '\0' && *s && !*end && !errno && n < (unsigned)-1;
}

static bool id_of(const char *item, const char *name, bool group, unsigned *id)
{
    if (!parse_id(name, id)) {
        const struct passwd *user = group ? NULL : getpwnam(name);
        const struct group *entry = group ? getgrnam(name) : NULL;
        if (!user && !entry) {
            report_fail(STATUS_USAGE, "--allow %s: there is no such %s", item, group ? "group" : "user");
            return false;
        }
        *id = group ? entry->gr_gid : user->pw_uid;
    }
    if (*id == UNNAMED_ID) {
        report_fail(STATUS_USAGE,
                    "--allow %s: %d is the kernel's number for those that it cannot name, so it names nobody", item,
                    UNNAMED_ID);
        return false;
    }
    return true;
}

static bool add_user(struct allow *a, const char *item)
{
    unsigned id;
    if (!id_of(item, item + strlen("user:"), false, &id)) {
        return false;
    }
    a->uids = must_alloc(a->uids, (a->policy.nuids + 1) * sizeof(*a->uids));
    a->uids[a->policy.nuids++] = id;
    a->policy.uids = a->uids;
    return true;
}

static bool add_group(struct allow *a, const char *item)
{
    unsigned id;
    if (!id_of(item, item + strlen("group:"), true, &id)) {
        return false;
    }
    a->gids = must_alloc(a->gids, (a->policy.ngids + 1) * sizeof(*a->gids));
    a->gids[a->policy.ngids++] = id;
    a->policy.gids = a->gids;
    return true;
}

static bool add_item(struct allow *a, const char *item)
{
    if (strncmp(item, "user:", strlen("user:")) == 0) {
        return add_user(a, item);
    }
    if (strncmp(item, "group:", strlen("group:")) == 0) {
        return add_group(a, item);
    }
    if (strcmp(item, "root") == 0) {
        a->policy.admit |= UNX_ADMIT_ROOT;
    } else if (strcmp(item, "same-user") == 0) {
        a->policy.admit |= UNX_ADMIT_SAME_USER;
    } else if (strcmp(item, "anyone") == 0) {
        a->anyone = true;
    } else {
        report_fail(STATUS_USAGE,
                    "--allow %s: write user:NAME, group:NAME (or their numbers), same-user, root or anyone",
                    *item ? item : "\"\"");
        return false;
    }
    return true;
}

bool allow_add(struct allow *a, const char *list)
{
    char *items = must_alloc(NULL, strlen(list) + 1);
    strcpy(items, list);
    bool good = true;
    for (char *item = items, *next; good && item; item = next) {
        next = strchr(item, ',');
        if (next) {
            *next++ = '\0';
        }
        good = add_item(a, item);
    }
    free(items);
    a->given = true;
    if (good && a->anyone && (a->policy.admit || a->policy.nuids || a->policy.ngids)) {
        report_fail(STATUS_USAGE, "--allow: anyone is everybody already; leave out the others, or it");
        return false;
    }
    return good;
}

bool allow_default(struct allow *a, const struct target *t)
{
    if (a->given || t->path) {
        return false;
    }
    a->given = true;
    a->policy.admit = UNX_ADMIT_SAME_USER | UNX_ADMIT_ROOT;
    return true;
}

void allow_note(const char *where)
{
    report("%s: this user and root are admitted, because no permissions guard an abstract name; --allow says who else",
           where);
}

static bool admits_all(const struct allow *a)
{
    return !a->given || a->anyone;
}

/* NULL: admitted. */
static const char *reason(int result, unsigned why)
{
    return result == 0 ? NULL : result == -EACCES ? unx_policy_explain(why) : unx_explain(result);
}

const char *allow_connection(const struct allow *a, int fd)
{
    unsigned why = 0;
    const int r = admits_all(a) ? 0 : unx_policy_check(&a->policy, fd, NULL, &why);
    return reason(r, why);
}

const char *allow_message(const struct allow *a, const struct unx_msg *m)
{
    unsigned why = 0;
    const int r = admits_all(a) ? 0 : unx_policy_check_msg(&a->policy, m, &why);
    return reason(r, why);
}

void allow_free(struct allow *a)
{
    free(a->uids);
    free(a->gids);
    *a = (struct allow){0};
}

static void refusal_text(const struct message *m, const char *why, struct text *t)
{
    if (m->connection) {
        text_printf(t, "refused connection %u: %s\n  peer: ", m->connection, why);
    } else {
        text_printf(t, "refused a message of %s: %s\n  sender: ", report_bytes(m->len), why);
    }
    who_text(m->connection ? m->peer : m->sender, t);
    char from[UNX_ADDR_TEXT];
    if (unx_addr_format(m->from, from, sizeof(from)) > 0) {
        text_printf(t, "\n  from: %s", from);
    }
    text_puts(t, "\n");
}

static void refusal_json(const struct message *m, const char *why, struct text *t)
{
    text_puts(t, "{");
    json_string(t, "refused", why);
    if (m->connection) {
        json_number(t, "connection", m->connection);
    }
    json_string(t, "type", type_name(m->type));
    if (!m->connection) {
        json_number(t, "length", (long long)m->len);
    }
    json_key(t, m->connection ? "peer" : "sender");
    who_json(m->connection ? m->peer : m->sender, t);
    char from[UNX_ADDR_TEXT];
    if (unx_addr_format(m->from, from, sizeof(from)) > 0) {
        json_string(t, "from", from);
    }
    text_puts(t, "}\n");
}

void refusal_report(const char *where, const struct message *m, const char *why)
{
    struct text t = {0};
    who_text(m->connection ? m->peer : m->sender, &t);
    report("%s: refused: %s; %s", where, why, t.p);
    text_free(&t);
}

void refusal_show(const struct message *m, const char *why, bool json, struct text *t)
{
    if (json) {
        refusal_json(m, why, t);
    } else {
        refusal_text(m, why, t);
    }
}
