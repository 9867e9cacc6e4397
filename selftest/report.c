// SPDX-License-Identifier: MIT
/*
 * How a row tells its result, and what rows share.
 *
 * What surprised us: a soft limit of 256 descriptors is the default on macOS, so the rows that need more raise it.
 */
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "selftest.h"

int open_before;
static char notes[2048];

int count_open(void)
{
    int n = 0;
    for (int fd = 0; fd < 1200; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

static _Noreturn void end(const char *verdict, int status, const char *text)
{
    printf("%-9s  %s\n%s", verdict, text, notes);
    fflush(stdout);
    _exit(status);
}

static _Noreturn void end_clean(const char *verdict, const char *text)
{
    const int left = count_open() - open_before;
    char said[600];
    if (left == 0) {
        end(verdict, 0, text);
    }
    snprintf(said, sizeof said, "%d descriptors too many are open; else: %s %s", left, verdict, text);
    end("WRONG", 1, said);
}

#define FORMATTED(text)                                                                                                \
    char text[512];                                                                                                    \
    va_list arguments;                                                                                                 \
    va_start(arguments, format);                                                                                       \
    vsnprintf(text, sizeof text, format, arguments);                                                                   \
    va_end(arguments)

void ok(const char *format, ...)
{
    FORMATTED(text);
    end_clean("ok", text);
}

void wrong(const char *format, ...)
{
    FORMATTED(text);
    end("WRONG", 1, text);
}

void not_tried(const char *format, ...)
{
    FORMATTED(text);
    end_clean("not tried", text);
}

void not_there(int error, bool system_can)
{
    char text[512];
    snprintf(text, sizeof text, "%s%s", error_text(error), system_can ? "; but the system can" : "");
    if (system_can) {
        end("WRONG", 1, text);
    }
    end_clean("not there", text);
}

void raw(const char *format, ...)
{
    FORMATTED(text);
    const size_t n = strlen(notes);
    snprintf(notes + n, sizeof notes - n, "%-9s    system: %s\n", "", text);
}

const char *error_text(int error)
{
    static char text[400];
    const int e = error < 0 ? -error : error;
    snprintf(text, sizeof text, "%s%d %s (%s)", e == EOPNOTSUPP ? "EOPNOTSUPP " : "", e, strerror(e), unx_explain(e));
    return text;
}

int need(int result, const char *call)
{
    if (result < 0) {
        wrong("%s: %s", call, error_text(result));
    }
    return result;
}

int can(int result, bool system_can)
{
    if (result == -EOPNOTSUPP) {
        not_there(result, system_can);
    }
    return result;
}

void close_all(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        close(fds[i]);
    }
}

int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

const char *in_folder(const char *name)
{
    static char text[2][1200];
    static unsigned turn;
    turn = !turn;
    snprintf(text[turn], sizeof text[turn], "%s/%s", folder, name);
    return text[turn];
}

const char long_folder[] =
    "a-name-of-199-bytes-"
    "ddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd"
    "dddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddddd";

int sweep(void)
{
    static const char *const names[] = {"door",  "door.unx-new", "to",    "from", "file0",
                                        "file1", "file2",        "file3", "file4"};
    char inside[300];
    int n = 0;
    for (unsigned i = 0; i < sizeof names / sizeof *names; i++) {
        n += unlink(in_folder(names[i])) == 0;
    }
    snprintf(inside, sizeof inside, "%s/socket", long_folder);
    n += unlink(in_folder(inside)) == 0;
    n += rmdir(in_folder(long_folder)) == 0;
    return n;
}

struct unx_addr address(const char *name)
{
    struct unx_addr a;
    NEED(unx_addr_path(&a, in_folder(name)));
    return a;
}

bool system_has_packets(void)
{
    int fds[2];
    const bool has = socketpair(AF_UNIX, SOCK_SEQPACKET, 0, fds) == 0;
    if (has) {
        close_all(fds, 2);
    }
    return has;
}

int best_type(void)
{
    return system_has_packets() ? SOCK_SEQPACKET : SOCK_STREAM;
}

void pair(int type, unsigned flags, int fds[2])
{
    /* Without an option, only the type can be missing. */
    const bool options = (flags & (UNX_PASSCRED | UNX_PASSPIDFD | UNX_PASSSEC | UNX_TIMESTAMP)) != 0;
    const bool type_there = type != SOCK_SEQPACKET || system_has_packets();
    need(can(unx_pair(type, flags, fds), !options && type_there), "unx_pair()");
}

void raw_pair(int type, int fds[2])
{
    if (socketpair(AF_UNIX, type, 0, fds) < 0) {
        not_tried("socketpair(2): %s", error_text(errno));
    }
}

void post(int fd, const char *text)
{
    const struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    NEED(unx_send(fd, &m, UNX_DONTWAIT));
    if (m.len != strlen(text)) {
        wrong("%zu of %zu bytes went", m.len, strlen(text));
    }
}

void take(int fd, const char *text)
{
    char got[200];
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    const int r = unx_recv(fd, &m, UNX_DONTWAIT);
    if (r != 1) {
        wrong("\"%s\" did not come: %s", text, r == 0 ? "the end" : error_text(r));
    }
    if (m.len != strlen(text) || memcmp(got, text, m.len) != 0) {
        wrong("\"%.*s\" (%zu bytes) came instead of \"%s\"", (int)(m.len < 40 ? m.len : 40), got, m.len, text);
    }
}

void take_end(int fd)
{
    char got[8];
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    struct unx_msg m = {.iov = &iov, .niov = 1};
    const int r = unx_recv(fd, &m, UNX_DONTWAIT);
    if (r != 0) {
        wrong("the end did not come: %s", r > 0 ? "a message" : error_text(r));
    }
}

void make_files(int *fds, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        char name[16];
        snprintf(name, sizeof name, "file%u", i);
        fds[i] = open(in_folder(name), O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        if (fds[i] < 0 || write(fds[i], "xxxxxxxxxxxxxxxx", i) != (ssize_t)i) {
            not_tried("%s: %s", in_folder(name), error_text(errno));
        }
        unlink(in_folder(name));
    }
}

bool is_file(int fd, unsigned i)
{
    struct stat st;
    return fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == (off_t)i;
}
