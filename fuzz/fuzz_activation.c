// SPDX-License-Identifier: MIT
/*
 * Fuzz target: being started with sockets. The variables LISTEN_* hold anything, and what is adopted has to be what a
 * reader of its own, written by the rules of sd_listen_fds(3), makes of them; and what unx_activation_pass() writes
 * is adopted as it was passed.
 *
 * Descriptors 3 to 18 of this process are of every kind; after each input they are put back.
 */
#include "activation.h"
#include "fuzz.h"
#include "sys.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FIRST 3
#define KEPT 16
#define COPIES 200 /* where they are kept */

static const char *const names_of[] = {"LISTEN_PID", "LISTEN_PIDFDID", "LISTEN_FDS", "LISTEN_FDNAMES"};

int LLVMFuzzerInitialize(int *argc, char ***argv);

static void put_back(void)
{
    for (int i = 0; i < KEPT; i++) {
        CHECK_INT(dup2(COPIES + i, FIRST + i), FIRST + i);
    }
}

int LLVMFuzzerInitialize(int *argc, char ***argv)
{
    int pair[2], kinds[7];
    struct unx_addr a;
    (void)argc;
    (void)argv;
    CHECK_INT(unx_addr_unnamed(&a), 0);
    kinds[0] = unx_listen(SOCK_SEQPACKET, 0, &a, 5, UNX_MODE_UMASK);
    kinds[1] = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    CHECK_INT(unx_pair(SOCK_STREAM, 0, pair), 0);
    kinds[2] = pair[0];
    kinds[3] = socket(AF_INET, SOCK_STREAM, 0);
    kinds[4] = open("/", O_PATH | O_DIRECTORY);
    kinds[5] = open("/dev/null", O_RDONLY);
    kinds[6] = unx_listen(SOCK_STREAM, 0, &a, 5, UNX_MODE_UMASK);
    for (int i = 0; i < KEPT; i++) {
        CHECK(kinds[i % 7] >= 0);
        CHECK_INT(fcntl(kinds[i % 7], F_DUPFD_CLOEXEC, COPIES + i), COPIES + i);
    }
    put_back();
    return 0;
}

/* ---- another reader of the same variables ---- */

/* The number, or `max` + 1: as text it has to look as printf(3) writes it. */
static unsigned long long number(const char *text, unsigned long long max)
{
    char again[32];
    const unsigned long long n = strtoull(text, NULL, 10);
    snprintf(again, sizeof again, "%llu", n);
    return strcmp(text, again) == 0 && n <= max ? n : max + 1;
}

static bool good_name(const char *p, size_t len)
{
    bool good = len <= 255;
    for (size_t i = 0; i < len; i++) {
        good &= p[i] >= ' ' && p[i] <= '~' && p[i] != ':';
    }
    return good;
}

/* Name i of the list, or NULL. */
static char *name_at(const char *names, unsigned i)
{
    for (; i > 0 && names != NULL; i--) {
        names = strchr(names, ':');
        names = names != NULL ? names + 1 : NULL;
    }
    return names == NULL ? NULL : strndup(names, strcspn(names, ":"));
}

static bool good_names(const char *names, unsigned n)
{
    bool good = true;
    unsigned i = 0;
    for (char *one; i <= n && (one = name_at(names, i)) != NULL; i++) {
        good &= good_name(one, strlen(one));
        free(one);
    }
    return good && i == n;
}

static int announced(const struct listen_vars *v, int pid, unsigned long long pidfdid)
{
    const unsigned long long to = v->pid != NULL ? number(v->pid, INT_MAX) : 0;
    if (v->pid == NULL || to > INT_MAX) {
        return v->pid == NULL ? 0 : -EINVAL;
    }
    if (to != (unsigned long long)pid) {
        return 0;
    }
    if (v->pidfdid != NULL) {
        char again[32];
        const unsigned long long id = strtoull(v->pidfdid, NULL, 10);
        snprintf(again, sizeof again, "%llu", id);
        if (strcmp(again, v->pidfdid) != 0) {
            return -EINVAL;
        }
        if (pidfdid != 0 && id != pidfdid) {
            return 0;
        }
    }
    if (v->fds == NULL) {
        return 0;
    }
    const unsigned long long n = number(v->fds, INT_MAX - 3);
    const bool counts = n > 0 && n <= INT_MAX - 3;
    /* A list of so many names does not fit any input. */
    return counts && (v->names == NULL || (n < 100000 && good_names(v->names, (unsigned)n))) ? (int)n : -EINVAL;
}

/* ---- what is adopted ---- */

static int first_closed(int n)
{
    for (int i = 0; i < n; i++) {
        if (i >= KEPT && fcntl(FIRST + i, F_GETFD) < 0) {
            return i;
        }
    }
    return n;
}

static void check_adopted(const struct unx_activated *list, int n, const char *names)
{
    for (int i = 0; i < n; i++) {
        const struct unx_activated *d = &list[i];
        char *name = names != NULL ? name_at(names, (unsigned)i) : strdup("unknown");
        CHECK_INT(d->fd, FIRST + i);
        CHECK(strcmp(d->name, name) == 0);
        CHECK_INT(d->family, i % 7 < 3 || i % 7 == 6 ? AF_UNIX : i % 7 == 3 ? AF_INET : 0);
        CHECK_INT(d->listening, i % 7 == 0 || i % 7 == 6);
        CHECK_INT(fcntl(d->fd, F_GETFD), FD_CLOEXEC);
        const int at = unx_activation_find(list, (unsigned)n, name, 0, 0, NULL);
        CHECK(at >= 0 && at <= i && strcmp(list[at].name, name) == 0);
        free(name);
    }
}

static void check_adopt(struct bytes *in, const struct listen_vars *v)
{
    struct unx_activated list[KEPT];
    const unsigned flags = take_byte(in) & 1 ? UNX_UNSET : 0, max = take_number(in, KEPT + 1);
    const bool count_only = flags == 0 && take_byte(in) % 4 == 0;
    const int n = announced(v, getpid(), sys_own_pidfdid());
    int want = n > 0 && first_closed(n) < n ? -EBADF : n;
    want = want > 0 && !count_only && (unsigned)want > max ? -ENOBUFS : want;
    CHECK_INT(unx_activation_adopt(count_only ? NULL : list, count_only ? 0 : max, flags), want);
    for (int i = 0; i < KEPT; i++) {
        CHECK_INT(fcntl(FIRST + i, F_GETFD), !count_only && i < want ? FD_CLOEXEC : 0);
    }
    if (want > 0 && !count_only) {
        check_adopted(list, want, v->names);
    }
    const char *const before[] = {v->pid, v->pidfdid, v->fds, v->names};
    for (unsigned i = 0; i < 4; i++) {
        const char *now = getenv(names_of[i]);
        const bool there = before[i] != NULL && (want < 0 || flags == 0);
        CHECK(there ? now != NULL && strcmp(now, before[i]) == 0 : now == NULL);
    }
}

static char *some_value(struct bytes *in, unsigned how, unsigned long long own)
{
    char *text = NULL;
    if (how == 0) {
        return NULL;
    }
    if (how < 3) {
        CHECK(asprintf(&text, "%llu", own) > 0);
        return text;
    }
    return take_text(in, '\n', 700);
}

static void from_text(struct bytes *in)
{
    struct bytes how = {in->p, in->n < 8 ? in->n : 8};
    in->p += how.n;
    in->n -= how.n;
    const unsigned which = take_byte(&how);
    char *values[4] = {
        some_value(in, which % 4, (unsigned long long)getpid()),
        some_value(in, which / 4 % 4, sys_own_pidfdid()),
        some_value(in, which / 16 % 4, 1 + which / 64),
        which & 128 ? take_text(in, '\n', 700) : NULL,
    };
    for (unsigned i = 0; i < 4; i++) {
        values[i] != NULL ? setenv(names_of[i], values[i], 1) : unsetenv(names_of[i]);
    }
    const struct listen_vars v = {values[0], values[1], values[2], values[3]};
    const int pid = (int)take_number(&how, 300);
    CHECK_INT(listen_count(&v, pid, which), announced(&v, pid, which));
    check_adopt(&how, &v);
    for (unsigned i = 0; i < 4; i++) {
        free(values[i]);
    }
}

/* ---- what is passed is adopted ---- */

struct passing {
    struct unx_activation a;
    int fds[KEPT];
    char *names[KEPT], *inherit[9], *env[40], text[8000];
    struct file_id ids[KEPT];
    struct unx_addr notify;
    bool good, room;
};

static void some_passing(struct bytes *in, struct passing *p)
{
    const unsigned how = take_byte(in), n = take_number(in, KEPT + 1), ninherit = take_number(in, 9);
    p->room = how % 4 > 0;
    p->good = true;
    for (unsigned i = 0; i < n; i++) {
        p->fds[i] = FIRST + (int)take_number(in, KEPT);
        p->ids[i] = file_of(p->fds[i]);
        p->names[i] = how & 4 ? take_text(in, '\n', 300) : NULL;
        p->good &=
            p->names[i] == NULL || (good_name(p->names[i], strlen(p->names[i])) && strchr(p->names[i], '\\') == NULL);
    }
    for (unsigned i = 0; i < ninherit; i++) {
        p->inherit[i] = take_text(in, '\n', 100);
    }
    p->a = (struct unx_activation){.fds = p->fds, .nfds = n, .inherit = p->inherit, .env = p->env, .text = p->text};
    p->a.names = how & 4 ? (const char *const *)p->names : NULL;
    p->a.env_max = p->room ? 40 : take_number(in, 40);
    p->a.text_max = p->room ? sizeof p->text : take_number(in, 400);
    if (how & 8) {
        char *text = take_text(in, '\n', 100);
        size_t len;
        const void *name = NULL;
        const int r = unx_addr_parse(&p->notify, text);
        const int kind = r < 0 ? r : unx_addr_name(&p->notify, &name, &len);
        const bool fits = kind == UNX_ABSTRACT ? len > 0 && memchr(name, '\0', len) == NULL
                                               : kind == UNX_PATH && *(const char *)name == '/';
        p->a.notify = r < 0 ? NULL : &p->notify;
        p->good &= r < 0 || fits;
        p->a.watchdog_usec = r < 0 ? 0 : take_number(in, 1000);
        free(text);
    }
}

static void check_env(const struct passing *p)
{
    static const char *const ours[] = {"LISTEN_FDS=", "LISTEN_PID=", "LISTEN_PIDFDID=", "LISTEN_FDNAMES="};
    unsigned seen = 0;
    for (unsigned i = 0; i < 4; i++) {
        unsetenv(names_of[i]);
    }
    for (char *const *e = p->env; *e != NULL; e++) {
        for (unsigned i = 0; i < 4; i++) {
            if (strncmp(*e, ours[i], strlen(ours[i])) == 0) {
                CHECK((seen & 1u << i) == 0);
                seen |= 1u << i;
                const char *value = strchr(*e, '=') + 1;
                char *name = strndup(*e, (size_t)(value - 1 - *e));
                setenv(name, value, 1);
                free(name);
            }
        }
    }
}

static void from_pass(struct bytes *in)
{
    static struct passing p;
    struct unx_activated list[KEPT];
    memset(&p, 0, sizeof p);
    some_passing(in, &p);
    const int r = unx_activation_pass(&p.a, 0);
    CHECK(r == 0 ? p.good : r == (p.good ? -ENOSPC : -EINVAL));
    CHECK(!p.good || !p.room || r == 0);
    if (r == 0) {
        check_env(&p);
        CHECK_INT(unx_activation_adopt(list, KEPT, UNX_UNSET), (int)p.a.nfds);
        for (unsigned i = 0; i < p.a.nfds; i++) {
            CHECK(file_same(file_of(FIRST + (int)i), p.ids[i]));
            CHECK(strcmp(list[i].name, p.a.names != NULL ? p.names[i] : "unknown") == 0);
        }
    }
    for (unsigned i = 0; i < KEPT; i++) {
        free(p.names[i]);
    }
    for (unsigned i = 0; i < 9; i++) {
        free(p.inherit[i]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    put_back();
    fds_before();
    (take_number(&in, 3) > 0 ? from_text : from_pass)(&in);
    put_back();
    fds_after();
    return 0;
}
