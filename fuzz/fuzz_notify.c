// SPDX-License-Identifier: MIT
/*
 * Fuzz target: notifications (sd_notify(3)), as text, as a manager receives them with descriptors, and the variables
 * NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID.
 *
 * A text is also read by a reader of the target's own, which knows keys and values as C strings; and what
 * unx_notify_put() wrote has to come back line by line.
 */
#include "fuzz.h"

#include "../test/raw.h"

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <unx/activation.h>

/* ---- another reader ---- */

static bool number(const char *text, unsigned long long max, unsigned long long *n)
{
    char again[32];
    *n = strtoull(text, NULL, 10);
    snprintf(again, sizeof again, "%llu", *n);
    return strcmp(text, again) == 0 && *n <= max;
}

static bool good_name(const char *p)
{
    bool good = strlen(p) <= 255;
    for (; *p != '\0'; p++) {
        good &= *p >= ' ' && *p <= '~' && *p != ':';
    }
    return good;
}

struct said {
    unsigned what;
    unsigned long long mainpid, error, watchdog, extend, monotonic;
    char *status, *name;
};

static bool number_line(struct said *s, const char *key, const char *value, const char *want, unsigned bit,
                        unsigned long long low, unsigned long long max, unsigned long long *to)
{
    unsigned long long n;
    if (strcmp(key, want) != 0) {
        return false;
    }
    if ((s->what & bit) == 0 && number(value, max, &n) && n >= low) {
        *to = n;
        s->what |= bit;
    } else if ((s->what & bit) == 0) {
        s->what |= UNX_NOTIFY_OTHER;
    }
    return true;
}

static bool text_line(struct said *s, const char *key, const char *value)
{
    const bool status = strcmp(key, "STATUS") == 0;
    if (!status && strcmp(key, "FDNAME") != 0) {
        return false;
    }
    const unsigned bit = status ? UNX_NOTIFY_STATUS : UNX_NOTIFY_NAME;
    if ((s->what & bit) == 0 && (status || good_name(value))) {
        *(status ? &s->status : &s->name) = strdup(value);
        s->what |= bit;
    } else if ((s->what & bit) == 0) {
        s->what |= UNX_NOTIFY_OTHER;
    }
    return true;
}

static void line(struct said *s, char *text)
{
    static const char *const fixed[] = {"READY=1",   "RELOADING=1",     "STOPPING=1", "WATCHDOG=1", "WATCHDOG=trigger",
                                        "FDSTORE=1", "FDSTOREREMOVE=1", "FDPOLL=0",   "BARRIER=1"};
    for (unsigned i = 0; i < sizeof fixed / sizeof *fixed; i++) {
        if (strcmp(text, fixed[i]) == 0) {
            s->what |= 1u << i;
            return;
        }
    }
    char *value = strchr(text, '=');
    if (value == NULL) {
        s->what |= UNX_NOTIFY_OTHER;
        return;
    }
    *value++ = '\0';
    const bool known =
        number_line(s, text, value, "MAINPID", UNX_NOTIFY_MAINPID, 1, INT_MAX, &s->mainpid) ||
        number_line(s, text, value, "ERRNO", UNX_NOTIFY_ERRNO, 1, 4095, &s->error) ||
        number_line(s, text, value, "WATCHDOG_USEC", UNX_NOTIFY_WATCHDOG_USEC, 0, ULLONG_MAX, &s->watchdog) ||
        number_line(s, text, value, "EXTEND_TIMEOUT_USEC", UNX_NOTIFY_EXTEND_USEC, 0, ULLONG_MAX, &s->extend) ||
        number_line(s, text, value, "MONOTONIC_USEC", UNX_NOTIFY_MONOTONIC_USEC, 0, ULLONG_MAX, &s->monotonic) ||
        text_line(s, text, value);
    s->what |= known ? 0 : UNX_NOTIFY_OTHER;
}

static struct said read_text(const unsigned char *p, size_t len)
{
    struct said s = {.what = 0};
    unsigned lines = 0;
    len -= len > 0 && p[len - 1] == '\0';
    char *copy = calloc(1, len + 1), *rest = copy;
    CHECK(copy != NULL);
    if (len > 0) {
        memcpy(copy, p, len);
    }
    if (strlen(copy) < len) {
        s.what = UNX_NOTIFY_BAD;
        free(copy);
        return s;
    }
    for (char *one; (one = strsep(&rest, "\n")) != NULL;) {
        if (*one != '\0') {
            lines++;
            line(&s, one);
        }
    }
    if ((s.what & UNX_NOTIFY_BARRIER) != 0 && lines > 1) {
        free(s.status);
        free(s.name);
        s = (struct said){.what = UNX_NOTIFY_BAD};
    }
    free(copy);
    return s;
}

static bool same_text(const char *p, size_t len, const char *want)
{
    return want == NULL ? p == NULL && len == 0 : len == strlen(want) && memcmp(p, want, len) == 0;
}

static void check_said(const struct unx_notification *n, const struct said *s)
{
    CHECK_INT(n->what, s->what);
    CHECK_INT(n->mainpid, s->mainpid);
    CHECK_INT(n->error, -(long long)s->error);
    CHECK(n->watchdog_usec == s->watchdog && n->extend_usec == s->extend && n->monotonic_usec == s->monotonic);
    CHECK(same_text(n->status, n->status_len, s->status));
    CHECK(same_text(n->name, n->name_len, s->name));
}

static void from_text(struct bytes *in)
{
    size_t len;
    struct unx_notification n;
    unsigned char *text = take_block(in, 4096, &len);
    struct said s = read_text(text, len);
    memset(&n, 0x5a, sizeof n);
    CHECK_INT(unx_notify_parse((char *)text, len, &n), 0);
    check_said(&n, &s);
    free(s.status);
    free(s.name);
    free(text);
}

/* ---- what was put is read ---- */

static void put_and_read(struct bytes *in)
{
    const size_t size = take_number(in, 600) + 1;
    char *text = calloc(1, size), *keys[20], *values[20];
    unsigned n = 0;
    size_t len = 0;
    CHECK(text != NULL);
    while (in->n > 0 && n < 20) {
        keys[n] = take_text(in, ' ', 60);
        values[n] = take_text(in, ';', 60);
        const bool good = keys[n][0] != '\0' && strpbrk(keys[n], "=\n") == NULL && strchr(values[n], '\n') == NULL;
        const size_t more = strlen(keys[n]) + strlen(values[n]) + 2;
        const int want = !good ? -EINVAL : len + more >= size ? -ENOSPC : (int)(len + more);
        CHECK_INT(unx_notify_put(text, size, keys[n], values[n]), want);
        if (want >= 0) {
            len += more;
            n++;
        } else {
            free(keys[n]);
            free(values[n]);
        }
        CHECK_INT(strlen(text), len);
    }
    struct unx_notify_line l = {.next = 0};
    for (unsigned i = 0; i < n; i++) {
        CHECK_INT(unx_notify_next(text, len, &l), 1);
        CHECK_MEM(l.key, l.key_len, keys[i], strlen(keys[i]));
        CHECK_MEM(l.value, l.value_len, values[i], strlen(values[i]));
        free(keys[i]);
        free(values[i]);
    }
    CHECK_INT(unx_notify_next(text, len, &l), 0);
    free(text);
}

/* ---- as a manager receives it ---- */

static void received(int fd, struct bytes *how, const unsigned char *text, size_t len, unsigned nfds)
{
    char data[UNX_NOTIFY_MAX + 1];
    int fds[8], pidfd = -1;
    struct unx_cred cred;
    struct unx_notification n;
    const struct iovec iov = {data, take_byte(how) % 8 ? sizeof data : take_byte(how) + 1};
    const unsigned room = take_number(how, 9), flags = take_byte(how) & 1 ? UNX_BARRIER : 0;
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = room, .cred = &cred, .pidfd = &pidfd};
    const int r = unx_notify_recv(fd, &m, &n, flags | UNX_DONTWAIT);
    CHECK_INT(r, len > iov.iov_len ? -EMSGSIZE : nfds > room ? -ENOBUFS : 1);
    if (r == 1) {
        struct said s = read_text(text, len);
        const bool barrier = (s.what & UNX_NOTIFY_BARRIER) != 0;
        if (barrier && nfds != 1) {
            s.what = UNX_NOTIFY_BAD;
        }
        const bool dropped = (s.what & UNX_NOTIFY_BAD) != 0 || (barrier && flags == 0);
        check_said(&n, &s);
        CHECK_INT(m.fds_got, dropped ? 0 : nfds);
        CHECK(cred.known == UNX_KNOWN_ALL && cred.pid == getpid());
        free(s.status);
        free(s.name);
    }
    for (unsigned i = 0; i < m.fds_got; i++) {
        close(fds[i]);
    }
}

static const char *const prefixes[] = {"@", "@", "/nonexistent/", "", "@unx-fuzz"};

/* To the socket that the variable names, with its real name or with any text. */
static void told(struct bytes *in)
{
    struct bytes how = {in->p, in->n < 12 ? in->n : 12};
    in->p += how.n;
    in->n -= how.n;
    struct unx_addr a;
    char name[64], variable[400];
    snprintf(name, sizeof name, "unx-fuzz-notify-%d", (int)getpid());
    CHECK_INT(unx_addr_abstract(&a, name, strlen(name)), 0);
    const int fd = unx_notify_bind(UNX_NONBLOCK, &a, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    const unsigned kind = take_number(&how, 16), nfds = take_number(&how, 5);
    char *any = kind < 5 ? take_text(in, '\n', 200) : NULL;
    snprintf(variable, sizeof variable, "%s%s", kind < 5 ? prefixes[kind] : "@", kind < 5 ? any : name);
    /* No other path than one that does not exist. */
    variable[0] = kind == 3 && variable[0] == '/' ? '.' : variable[0];
    setenv("NOTIFY_SOCKET", variable, 1);
    char *text = take_text(in, '\0', 5000);
    const size_t len = strlen(text);
    const int fds[4] = {0, 0, 0, 0};
    const int r = unx_notify(text, fds, nfds, take_byte(&how) & 1 ? UNX_UNSET : 0, 0);
    if (len == 0 || len > UNX_NOTIFY_MAX) {
        CHECK_INT(r, len == 0 ? -EINVAL : -EMSGSIZE);
    } else if (kind >= 5 || strcmp(variable + 1, name) == 0) {
        CHECK_INT(r, 1);
        received(fd, &how, (unsigned char *)text, len, nfds);
    } else {
        CHECK(r < 0);
        CHECK(variable[0] == '@' || variable[0] == '/' || r == -EAFNOSUPPORT);
    }
    if (kind >= 8 && getenv("NOTIFY_SOCKET") != NULL) {
        /* Nobody answers it in time, but it is there to be answered. */
        CHECK_INT(unx_notify_barrier(UNX_UNSET, 0), -EAGAIN);
        received(fd, &how, (const unsigned char *)"BARRIER=1", strlen("BARRIER=1"), 1);
    }
    CHECK((getenv("NOTIFY_SOCKET") != NULL) == (r < 0 || strcmp(variable, "") == 0) || r == 1);
    free(text);
    free(any);
    close(fd);
}

/* Bytes that no client of ours would send. */
static void sent_raw(struct bytes *in)
{
    struct bytes how = {in->p, in->n < 8 ? in->n : 8};
    in->p += how.n;
    in->n -= how.n;
    const int fds[4] = {0, 0, 0, 0};
    int pair[2];
    size_t len;
    const unsigned nfds = take_number(&how, 5);
    unsigned char *text = take_block(in, 5000, &len);
    CHECK_INT(unx_pair(SOCK_DGRAM, UNX_PASSFDS | UNX_PASSCRED, pair), 0);
    raw_send(pair[0], text, len, fds, nfds);
    received(pair[1], &how, text, len, nfds);
    close(pair[0]);
    close(pair[1]);
    free(text);
}

static void watchdog(struct bytes *in)
{
    const unsigned how = take_byte(in);
    char own[32];
    uint64_t usec = 1;
    snprintf(own, sizeof own, "%d", (int)getpid());
    char *interval = how & 1 ? take_text(in, '\n', 40) : NULL, *pid = how & 2 ? take_text(in, '\n', 40) : NULL;
    const char *to = how & 2 ? pid : how & 4 ? own : NULL;
    interval != NULL ? setenv("WATCHDOG_USEC", interval, 1) : unsetenv("WATCHDOG_USEC");
    to != NULL ? setenv("WATCHDOG_PID", to, 1) : unsetenv("WATCHDOG_PID");
    unsigned long long n = 0, p = (unsigned long long)getpid();
    const bool good_pid = to == NULL || number(to, INT_MAX, &p);
    const bool ours = p == (unsigned long long)getpid();
    const bool good = interval != NULL && number(interval, ULLONG_MAX - 1, &n) && n > 0;
    const int want = interval == NULL ? 0 : !good_pid ? -EINVAL : !ours ? 0 : good ? 1 : -EINVAL;
    CHECK_INT(unx_notify_watchdog(&usec, how & 8 ? UNX_UNSET : 0), want);
    CHECK(want < 0 || usec == (want == 1 ? n : 0));
    CHECK((getenv("WATCHDOG_USEC") != NULL) == (interval != NULL && (want < 0 || (how & 8) == 0)));
    free(interval);
    free(pid);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct bytes in = {data, size};
    static void (*const ways[])(struct bytes *) = {from_text, from_text, put_and_read, told, sent_raw, watchdog};
    fds_before();
    ways[take_number(&in, 6)](&in);
    fds_after();
    return 0;
}
