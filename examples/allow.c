// SPDX-License-Identifier: MIT
/*
 * Who may talk to this server: an abstract name has no permissions, so the server looks at each connection itself.
 *
 *     example_allow serve @secret user:www-data group:adm root &
 *     example_allow ask @secret
 *
 * The policy is a value: whom to admit, and what everybody has to bring. It is checked in one call, before a byte of
 * the client is read; 0 alone lets it in. A refused client is told so and not why: the reason goes to our own log.
 */
#include <errno.h>
#include <grp.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

#define MAX 16

static uid_t uids[MAX];
static gid_t gids[MAX];
static struct unx_policy policy = {.uids = uids, .gids = gids};

static int fail(const char *what, int error)
{
    fprintf(stderr, "allow: %s: %s\n", what, unx_explain(error));
    return 1;
}

/* A number, all of it and nothing else; -1: it is a name. */
static long number(const char *text)
{
    char *end;
    const long n = strtol(text, &end, 10);
    return *text != '\0' && *end == '\0' && n >= 0 && n < 65534 ? n : -1;
}

/* Adds "root", "same", "any", "pidfd", "user:NAME" or "group:NAME", by name or number.
 * False: nobody knows who that is. */
static int allow(const char *who)
{
    if (!strcmp(who, "root")) {
        policy.admit |= UNX_ADMIT_ROOT;
    } else if (!strcmp(who, "same")) {
        policy.admit |= UNX_ADMIT_SAME_USER;
    } else if (!strcmp(who, "any")) {
        policy.admit |= UNX_ADMIT_ANY_USER;
    } else if (!strcmp(who, "pidfd")) {
        policy.need |= UNX_NEED_PIDFD;
    } else if (!strncmp(who, "user:", 5) && policy.nuids < MAX) {
        const struct passwd *p = getpwnam(who + 5);
        if (!p && number(who + 5) < 0)
            return 0;
        uids[policy.nuids++] = p ? p->pw_uid : (uid_t)number(who + 5);
    } else if (!strncmp(who, "group:", 6) && policy.ngids < MAX) {
        const struct group *g = getgrnam(who + 6);
        if (!g && number(who + 6) < 0)
            return 0;
        gids[policy.ngids++] = g ? g->gr_gid : (gid_t)number(who + 6);
    } else {
        return 0;
    }
    return 1;
}

static void answer(int fd, const char *text)
{
    const struct iovec data = {(void *)text, strlen(text)};
    struct unx_msg m = {.iov = &data, .niov = 1};
    unx_send(fd, &m, UNX_DONTWAIT);
    close(fd);
}

static int serve(const struct unx_addr *a)
{
    const int listener = unx_listen(SOCK_SEQPACKET, 0, a, -1, UNX_MODE_UMASK);
    if (listener < 0)
        return fail("listen", listener);
    printf("listening\n");
    fflush(stdout);
    int fd;
    while ((fd = unx_accept(listener, 0, NULL)) >= 0) {
        struct unx_cred who;
        unsigned why;
        const int r = unx_policy_check(&policy, fd, &who, &why);
        if (r == 0) {
            printf("uid %u: admitted\n", (unsigned)who.uid);
            answer(fd, "the secret is 42");
        } else {
            const char *reason = r == -EACCES ? unx_policy_explain(why) : unx_explain(r);
            printf("uid %ld: refused: %s\n", who.known & UNX_KNOWN_UID ? (long)who.uid : -1L, reason);
            answer(fd, "refused");
        }
        fflush(stdout);
    }
    close(listener);
    return fail("accept", fd);
}

static int ask(const struct unx_addr *a)
{
    const int fd = unx_connect(SOCK_SEQPACKET, 0, NULL, a, 2000);
    if (fd < 0)
        return fail("connect", fd);
    char buf[256];
    const struct iovec room = {buf, sizeof buf};
    struct unx_msg m = {.iov = &room, .niov = 1};
    const int r = unx_recv(fd, &m, 0);
    close(fd);
    if (r <= 0)
        return fail("no answer", r < 0 ? r : -ECONNRESET);
    printf("%.*s\n", (int)m.len, buf);
    return 0;
}

int main(int argc, char **argv)
{
    const int serving = argc >= 4 && !strcmp(argv[1], "serve");
    struct unx_addr a;
    if (!serving && !(argc == 3 && !strcmp(argv[1], "ask"))) {
        fprintf(stderr, "usage: allow serve ADDR root|same|any|pidfd|user:NAME|group:NAME... | allow ask ADDR\n");
        return 2;
    }
    for (int i = 3; i < argc; i++) {
        if (!allow(argv[i])) {
            fprintf(stderr, "allow: %s: no such user or group\n", argv[i]);
            return 2;
        }
    }
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serving ? serve(&a) : ask(&a);
}
