// SPDX-License-Identifier: MIT
/*
 * Rows about names: paths, abstract names, files and their modes, who listens there, full backlogs, listeners.
 *
 * What surprised us: outside Linux a full backlog is ECONNREFUSED, as if nobody listened; the library tells them apart.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <unx/listener.h>

#include "selftest.h"

static void longest_path(void)
{
    char path[300];
    struct unx_addr a, b;
    const size_t max = (size_t)NEED(unx_limit(UNX_LIMIT_PATH));
    const size_t n = strlen(in_folder(""));
    memset(path, 'p', sizeof path);
    memcpy(path, in_folder(""), n);
    path[max + 1] = '\0';
    const int r = unx_addr_path(&a, path);
    if (r != -ENAMETOOLONG) {
        wrong("%zu bytes: %s", max + 1, error_text(r));
    }
    path[max] = '\0';
    NEED(unx_addr_path(&a, path));
    const int door = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 1000);
    const int named = unx_local_addr(door, &b);
    unlink(path);
    need(client, "unx_connect()");
    need(named, "unx_local_addr()");
    if (unx_addr_compare(&a, &b) != 0) {
        wrong("the system has made %u bytes of %u", (unsigned)b.len, (unsigned)a.len);
    }
    close_all((int[]){door, client}, 2);
    ok("%zu bytes, one more is ENAMETOOLONG", max);
}

static void any_path(void)
{
    char path[900];
    snprintf(path, sizeof path, "%s/socket", in_folder(long_folder));
    if (mkdir(in_folder(long_folder), 0700) < 0) {
        not_tried("mkdir(2): %s", error_text(errno));
    }
    const int door = unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, 1, 0600);
    const int client = door < 0 ? -1 : unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, path, 1000);
    unlink(path);
    rmdir(in_folder(long_folder));
    need(can(door, false), "unx_listen_path()");
    need(client, "unx_connect_path()");
    close_all((int[]){door, client}, 2);
    ok("%zu bytes", strlen(path));
}

static unsigned mode_of(const char *name)
{
    struct stat st;
    return stat(in_folder(name), &st) < 0 ? 0 : st.st_mode & 07777;
}

static void modes(void)
{
    const struct {
        mode_t umask, mode;
    } tries[] = {{0, 0600}, {077, 0666}, {022, 0640}};
    for (unsigned i = 0; i < sizeof tries / sizeof *tries; i++) {
        struct unx_addr a = address("door");
        umask(tries[i].umask);
        const int fd = unx_listen(SOCK_STREAM, 0, &a, 1, tries[i].mode);
        const unsigned is = mode_of("door");
        unlink(in_folder("door"));
        need(fd, "unx_listen()");
        if (is != tries[i].mode) {
            wrong("%o was asked for under umask %o, and it is %o", (unsigned)tries[i].mode, (unsigned)tries[i].umask,
                  is);
        }
        close(fd);
    }
    struct unx_addr a = address("door");
    const int fd = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, 0));
    const int client = unx_connect(SOCK_STREAM, 0, NULL, &a, 0);
    unlink(in_folder("door"));
    if (geteuid() != 0) {
        raw("mode 0 %s", client >= 0 ? "keeps nobody out" : "keeps others out");
    }
    if (client >= 0) {
        close(client);
    }
    close(fd);
    ok("as asked for, whatever the umask");
}

static void nobody(void)
{
    struct unx_addr a = address("door");
    int r = unx_connect(SOCK_STREAM, 0, NULL, &a, 0);
    if (r != -ENOENT) {
        wrong("no file: %s", error_text(r));
    }
    const int door = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    r = unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK);
    if (r != -EADDRINUSE) {
        wrong("a second listener: %s", error_text(r));
    }
    r = unx_connect(SOCK_DGRAM, 0, NULL, &a, 0);
    if (r != -EPROTOTYPE) {
        wrong("datagrams to a stream: %s", error_text(r));
    }
    close(door);
    r = unx_connect(SOCK_STREAM, 0, NULL, &a, 0);
    unlink(in_folder("door"));
    if (r != -ECONNREFUSED) {
        wrong("a stale file: %s", error_text(r));
    }
    ok("ENOENT, EADDRINUSE, EPROTOTYPE, ECONNREFUSED");
}

static void abstract(void)
{
    char name[32];
    const int n = snprintf(name, sizeof name, "unx-selftest%c%ld", 0, (long)getpid());
    struct unx_addr a;
#if defined(__linux__)
    const bool there = true;
#else
    const bool there = false;
#endif
    need(can(unx_addr_abstract(&a, name, (size_t)n), there), "unx_addr_abstract()");
    const int door = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    const int client = NEED(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000));
    close_all((int[]){door, client}, 2);
    const int r = unx_connect(SOCK_STREAM, 0, NULL, &a, 0);
    if (r != -ECONNREFUSED) {
        wrong("it has outlived its socket: %s", error_text(r));
    }
    ok("binary, and gone with its socket; up to %d bytes", unx_limit(UNX_LIMIT_ABSTRACT));
}

static void autobind(void)
{
    struct unx_addr a;
    NEED(unx_addr_unnamed(&a));
    const int fd = unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK);
    need(can(fd, false), "unx_bind()");
    NEED(unx_local_addr(fd, &a));
    if (unx_addr_name(&a, NULL, NULL) != UNX_ABSTRACT) {
        wrong("it has no name");
    }
    close(fd);
    ok("a name that nobody has");
}

static void backlog(void)
{
    int clients[200], n = 0;
    struct unx_addr a = address("door");
    const int door = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    int r = 0;
    while (n < 200 && (r = unx_connect(SOCK_STREAM, 0, NULL, &a, 0)) >= 0) {
        clients[n++] = r;
    }
    if (n == 200 || r != -EAGAIN) {
        wrong("client %d: %s", n + 1, error_text(r));
    }
    const int one = socket(AF_UNIX, SOCK_STREAM, 0);
    fcntl(one, F_SETFL, O_NONBLOCK);
    raw("connect(2) says %s", connect(one, &a.sa, a.len) < 0 ? strerror(errno) : "nothing");
    close(one);
    const int64_t since = now_ms();
    r = unx_connect(SOCK_STREAM, 0, NULL, &a, 60);
    const long long ms = (long long)(now_ms() - since);
    if (r != -ETIMEDOUT || ms < 45 || ms > 60 + patience_ms) {
        wrong("within 60 ms: %s, after %lld ms", error_text(r), ms);
    }
    const int server = NEED(unx_accept(door, 0, NULL));
    const int late = NEED(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000));
    unlink(in_folder("door"));
    close_all(clients, (unsigned)n);
    close_all((int[]){door, server, late}, 3);
    ok("after %d of 1: EAGAIN, ETIMEDOUT, and then there is room", n);
}

static void inherited(void)
{
    struct unx_addr a = address("door");
    for (unsigned i = 0; i < 2; i++) {
        const int door = NEED(unx_listen(SOCK_STREAM, i == 0 ? UNX_NONBLOCK : 0, &a, 1, UNX_MODE_UMASK));
        const int client = NEED(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000));
        unlink(in_folder("door"));
        struct unx_addr peer;
        const int server = NEED(unx_accept(door, i == 0 ? 0 : UNX_NONBLOCK, &peer));
        if (unx_get_nonblock(server) != (int)i || unx_addr_name(&peer, NULL, NULL) != UNX_UNNAMED) {
            wrong("O_NONBLOCK %d, address of kind %d", unx_get_nonblock(server), unx_addr_name(&peer, NULL, NULL));
        }
        close_all((int[]){door, client, server}, 3);
    }
    ok("O_NONBLOCK as asked for, address unnamed");
}

static void listener(void)
{
    struct unx_listener *l, *second;
    struct unx_addr a = address("door");
    /* A file that nobody has any more. */
    close(NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK)));
    NEED(unx_listener_open(&l, SOCK_STREAM, 0, &a, NULL));
    const unsigned mode = mode_of("door");
    int r = unx_listener_open(&second, SOCK_STREAM, 0, &a, NULL);
    if (r != -EADDRINUSE || mode != 0600) {
        wrong("a second one: %s; mode %o", error_text(r), mode);
    }
    const int client = NEED(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000));
    NEED(unx_listener_stop(l, 0));
    const int server = NEED(unx_listener_accept(l, 0, NULL, 1000));
    r = unx_listener_accept(l, 0, NULL, 500);
    if (r != -ESHUTDOWN || mode_of("door") != 0) {
        wrong("stopped: %s; its file is %s", error_text(r), mode_of("door") != 0 ? "there" : "gone");
    }
    NEED(unx_listener_close(l));
    close_all((int[]){client, server}, 2);
    ok("takes over what is stale, not what lives; stops; removes its file");
}

const struct row name_rows[] = {
    {"longest path of an address", longest_path},
    {"path of any length", any_path},
    {"mode of a socket file", modes},
    {"nobody, or another, is there", nobody},
    {"abstract name", abstract},
    {"name that the system picks", autobind},
    {"full backlog", backlog},
    {"accepted connection", inherited},
    {"listener", listener},
    {NULL, NULL},
};
