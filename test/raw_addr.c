// SPDX-License-Identifier: MIT
/*
 * Addresses and named sockets by the kernel's own calls (raw_addr.h).
 *
 * What surprised us: Linux takes a path of 108 bytes without a NUL, and then answers with 111 bytes, one more than
 * struct sockaddr_un has.
 */
#include "raw_addr.h"
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>
#include <unx/unx.h>

#define HEAD offsetof(struct sockaddr_un, sun_path)

struct raw_addr raw_path(const char *path)
{
    struct raw_addr a;
    memset(&a, 0, sizeof a);
    const size_t n = strlen(path);
    CHECK(n <= sizeof a.un.sun_path);
    a.un.sun_family = AF_UNIX;
    memcpy(a.raw + HEAD, path, n);
    a.len = (socklen_t)(HEAD + n + (n < sizeof a.un.sun_path));
    return a;
}

struct raw_addr raw_abstract(const void *name, size_t len)
{
    struct raw_addr a;
    memset(&a, 0, sizeof a);
    CHECK(len < sizeof a.un.sun_path);
    a.un.sun_family = AF_UNIX;
    if (len)
        memcpy(a.raw + HEAD + 1, name, len);
    a.len = (socklen_t)(HEAD + 1 + len);
    return a;
}

struct raw_addr raw_padded(struct raw_addr a)
{
    a.len = sizeof a.un;
    return a;
}

static char *text(void)
{
    static char texts[4][2048];
    static atomic_uint next; /* threads ask, too */
    return texts[atomic_fetch_add(&next, 1) % 4];
}

const char *raw_file(const char *name)
{
    char *t = text();
    snprintf(t, 2048, "%s/%s", harness_dir(), name);
    return t;
}

const char *raw_file_of(size_t len)
{
    char *t = text();
    const size_t n = (size_t)snprintf(t, 2048, "%s/", harness_dir());
    CHECK(len > n && len < 2048);
    for (size_t i = n; i < len; i++)
        t[i] = (char)('a' + i % 26);
    t[len] = 0;
    return t;
}

const char *raw_name(const char *word)
{
    char *t = text();
    snprintf(t, 2048, "unx-test-%d-%s", (int)getpid(), word);
    return t;
}

int raw_socket(int type)
{
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    return fd;
}

static int done(int fd, int result)
{
    const int error = errno;
    if (result == 0)
        return fd;
    close(fd);
    return -error;
}

int raw_try_bind(int type, struct raw_addr a)
{
    const int fd = raw_socket(type);
    return done(fd, bind(fd, &a.sa, a.len));
}

int raw_bind(int type, struct raw_addr a)
{
    const int fd = raw_try_bind(type, a);
    if (fd < 0)
        CHECK_INT(fd, 0);
    return fd;
}

int raw_listen(int type, struct raw_addr a, int backlog)
{
    const int fd = raw_bind(type, a);
    CHECK_INT(listen(fd, backlog), 0);
    return fd;
}

int raw_try_connect(int type, struct raw_addr a)
{
    const int fd = raw_socket(type);
    return done(fd, connect(fd, &a.sa, a.len));
}

int raw_connect(int type, struct raw_addr a)
{
    const int fd = raw_try_connect(type, a);
    if (fd < 0)
        CHECK_INT(fd, 0);
    return fd;
}

bool raw_listed(const char *end)
{
    FILE *f = fopen("/proc/net/unix", "re");
    CHECK(f != NULL);
    char line[512];
    bool found = false;
    const size_t n = strlen(end);
    while (fgets(line, sizeof line, f)) {
        line[strcspn(line, "\n")] = 0;
        const size_t len = strlen(line);
        found |= len >= n && !strcmp(line + len - n, end);
    }
    fclose(f);
    return found;
}

bool raw_nonblock(int fd)
{
    const int flags = fcntl(fd, F_GETFL);
    CHECK(flags >= 0);
    return (flags & O_NONBLOCK) != 0;
}

void raw_become_nobody(void)
{
    if (geteuid() != 0)
        SKIP("needs root to become another user");
    CHECK_INT(setgroups(0, NULL), 0);
    CHECK_INT(setresgid(65534, 65534, 65534), 0);
    CHECK_INT(setresuid(65534, 65534, 65534), 0);
}

int64_t raw_waited(void)
{
    FILE *f = fopen("/proc/thread-self/schedstat", "re");
    unsigned long long ran, waited;
    const bool known = f != NULL && fscanf(f, "%llu %llu", &ran, &waited) == 2 && ran > 0;
    if (f != NULL)
        fclose(f);
    return known ? (int64_t)(waited / 1000000) : 1000;
}

static void check_between(int64_t took, int64_t want, int64_t most)
{
    if (took < want - 1 || took > most)
        harness_fail(__FILE__, __LINE__, "took %lld ms, want %lld", (long long)took, (long long)want);
}

void raw_took(int64_t start, int64_t want)
{
    const int64_t took = raw_now() - start;
    check_between(took, want, want + (harness_slow() ? 2000 : 500) + raw_waited());
}

void raw_took_with_others(int64_t start, int64_t want)
{
    check_between(raw_now() - start, want, want + 4000);
}

void raw_until_asleep(pid_t pid)
{
    char name[64], state = 0;
    snprintf(name, sizeof name, "/proc/%d/stat", (int)pid);
    for (int64_t start = raw_now(); state != 'S' && state != 'Z'; raw_sleep(1)) {
        FILE *f = fopen(name, "re");
        CHECK(f != NULL);
        /* A name in it may have blanks, and ends with the last bracket. */
        char line[512] = "";
        CHECK(fgets(line, sizeof line, f) != NULL);
        fclose(f);
        state = strrchr(line, ')')[2];
        CHECK(raw_now() - start < 15000);
    }
    if (raw_under_valgrind())
        raw_sleep(50); /* there a thread also sleeps until it is its turn */
}

void raw_signals_came(unsigned usual)
{
    CHECK(raw_signals_stop() > (harness_slow() ? 0 : usual));
}

int raw_option(int fd, int option)
{
    int value = -1;
    socklen_t len = sizeof value;
    if (getsockopt(fd, SOL_SOCKET, option, &value, &len)) {
        CHECK_INT(errno, ENOPROTOOPT);
        return -1;
    }
    return value;
}

unsigned raw_flags(int fd, unsigned *blind)
{
    static const struct {
        unsigned flag;
        int option;
    } table[] = {
        {UNX_PASSFDS, RAW_SO_PASSRIGHTS},    {UNX_PASSCRED, SO_PASSCRED},
        {UNX_PASSPIDFD, RAW_SO_PASSPIDFD},   {UNX_PASSSEC, SO_PASSSEC},
        {UNX_TIMESTAMP, RAW_SO_TIMESTAMPNS}, {UNX_TIMESTAMP, 64 /* SO_TIMESTAMPNS_NEW */},
    };
    unsigned flags = raw_nonblock(fd) ? UNX_NONBLOCK : 0;
    /* Either option may have been taken for the time; the answer names the one that was. */
    *blind = 0;
    for (size_t i = 0; i < sizeof table / sizeof *table; i++) {
        const int value = raw_option(fd, table[i].option);
        if (value > 0)
            flags |= table[i].flag;
        if (value < 0)
            *blind |= table[i].flag;
    }
    return flags;
}
