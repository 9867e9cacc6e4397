// SPDX-License-Identifier: MIT
/*
 * unx-selftest: what libunx does on this system, in less than five seconds, as a report that can be pasted.
 *
 *   unx-selftest           all rows
 *   unx-selftest WORD...   those whose name has one of the words in it
 *
 * On a machine that is much slower UNX_SELFTEST_SECONDS gives it more time.
 *
 * Needs no privilege, no configuration and no build system: `cc` builds it from the sources (CONTRIBUTING.md has the
 * line). Exit status 0: nothing is wrong; what is not there is not wrong, unless the system has it. Leaves no file.
 *
 * What surprised us: a row that hangs cannot be told by its own alarm when it tests signals, so this process waits for
 * it with a deadline. The name of the host is nobody's business, and is not in the report.
 */
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>
#if defined(__GLIBC__)
#include <gnu/libc-version.h>
#endif
#if defined(__FreeBSD__) || defined(__NetBSD__) || defined(__OpenBSD__) || defined(__DragonFly__)
#include <sys/param.h>
#endif

#include "selftest.h"

const char *folder;
int patience_ms;
static char folder_name[600];
static int64_t all_ms = 4500, row_ms;

/* ---- what this is ---- */

static const char *c_library(char *text, size_t size)
{
#if defined(__GLIBC__)
    snprintf(text, size, "glibc %s (built with %d.%d)", gnu_get_libc_version(), __GLIBC__, __GLIBC_MINOR__);
#elif defined(__ANDROID_API__)
    snprintf(text, size, "bionic, API %d", __ANDROID_API__);
#elif defined(__FreeBSD_version)
    snprintf(text, size, "__FreeBSD_version %d", __FreeBSD_version);
#elif defined(__NetBSD_Version__)
    snprintf(text, size, "__NetBSD_Version__ %d", __NetBSD_Version__);
#elif defined(OpenBSD)
    snprintf(text, size, "OpenBSD %d", OpenBSD);
#elif defined(__DragonFly_version)
    snprintf(text, size, "__DragonFly_version %d", __DragonFly_version);
#elif defined(__APPLE__)
    snprintf(text, size, "macOS, for at least %d", __ENVIRONMENT_MAC_OS_X_VERSION_MIN_REQUIRED__);
#elif defined(__linux__)
    snprintf(text, size, "neither glibc nor bionic: musl?");
#else
    snprintf(text, size, "that of the system");
#endif
    return text;
}

static void head(void)
{
    struct utsname u;
    char text[200];
    const int one = 1;
    const int r = uname(&u);
    printf("libunx self-test\n");
    printf("%-9s  %d.%d.%d (header), %s (library)\n", "libunx", UNX_VERSION_MAJOR, UNX_VERSION_MINOR, UNX_VERSION_PATCH,
           unx_version());
    printf("%-9s  %s %s, %s, %s\n", "system", r < 0 ? "?" : u.sysname, r < 0 ? "?" : u.release, r < 0 ? "?" : u.machine,
           r < 0 ? "?" : u.version);
    printf("%-9s  %s\n", "C library", c_library(text, sizeof text));
    printf("%-9s  %s, %zu bits, %s-endian\n", "compiler", __VERSION__, sizeof(void *) * 8,
           *(const char *)&one == 1 ? "little" : "big");
    printf("%-9s  %s\n\n", "user", geteuid() == 0 ? "root" : "ordinary");
}

static bool make_folder(void)
{
    const char *const places[] = {getenv("TMPDIR"), "/tmp", "/data/local/tmp", "."};
    for (unsigned i = 0; i < sizeof places / sizeof *places; i++) {
        /* Names of sockets have to fit behind it. */
        if (places[i] == NULL || strlen(places[i]) > 50) {
            continue;
        }
        snprintf(folder_name, sizeof folder_name, "%s/unx-self.XXXXXX", places[i]);
        if (mkdtemp(folder_name) != NULL) {
            folder = folder_name;
            return true;
        }
    }
    return false;
}

/* ---- rows ---- */

static void in_child(const struct row *row, int out)
{
    dup2(out, 1);
    close(out);
    open_before = count_open();
    row->run();
    wrong("the row has said nothing");
}

/* What the child wrote, until it ends or its time is over: how much. */
static size_t collect(int in, char *text, size_t size, int64_t until)
{
    size_t n = 0;
    for (;;) {
        struct pollfd p = {.fd = in, .events = POLLIN};
        const int64_t left = until - now_ms();
        if (left <= 0 || poll(&p, 1, (int)left) == 0) {
            return n;
        }
        const ssize_t r = read(in, text + n, size - 1 - n);
        if (r == 0 || n + 1 >= size || (r < 0 && errno != EINTR)) {
            return n;
        }
        n += r > 0 ? (size_t)r : 0;
    }
}

/* 0: nothing is wrong with it. */
static int run(const struct row *row, int64_t deadline)
{
    char text[4096];
    int fds[2];
    const int64_t until = now_ms() + row_ms < deadline ? now_ms() + row_ms : deadline;
    if (until - now_ms() < 50) {
        printf("%-9s  %s: the time is up\n", "not tried", row->name);
        return 0;
    }
    fflush(stdout);
    if (pipe(fds) < 0) {
        printf("%-9s  %s: pipe(2): %s\n", "not tried", row->name, error_text(errno));
        return 0;
    }
    const pid_t child = fork();
    if (child == 0) {
        close(fds[0]);
        in_child(row, fds[1]);
    }
    close(fds[1]);
    size_t n = child < 0 ? 0 : collect(fds[0], text, sizeof text, until);
    const bool late = now_ms() >= until;
    close(fds[0]);
    int status = 0;
    if (child > 0) {
        kill(child, SIGKILL); /* It has ended, or will never. */
        while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
        }
    }
    text[n] = '\0';
    if (n > 10) {
        printf("%.9s  %s: %s", text, row->name, text + 11);
    } else {
        printf("%-9s  %s: no answer%s\n", "WRONG", row->name, late ? " in time" : "; it crashed");
    }
    const bool failed = n <= 10 || strncmp(text, "WRONG", 5) == 0;
    if (failed) {
        /* The rows behind it shall not stumble over what it has left. */
        sweep();
    }
    return failed;
}

static bool wanted(const struct row *row, int argc, char **argv)
{
    bool any = argc < 2;
    for (int i = 1; i < argc; i++) {
        any = any || strstr(row->name, argv[i]) != NULL;
    }
    return any;
}

static void set_times(void)
{
    const char *const seconds = getenv("UNX_SELFTEST_SECONDS");
    if (seconds != NULL && atoi(seconds) > 0) {
        all_ms = (int64_t)atoi(seconds) * 1000;
    }
    row_ms = all_ms / 3;
    patience_ms = (int)row_ms / 2;
}

/* Whether nothing is left of the folder but what failed. */
static bool clean(bool failed)
{
    const int left = sweep();
    if (left > 0 && !failed) {
        printf("%-9s  %d files were left\n", "WRONG", left);
    }
    if (rmdir(folder) < 0) {
        printf("%-9s  files are left in %s: %s\n", "WRONG", folder, error_text(errno));
        return false;
    }
    return left == 0 || failed;
}

int main(int argc, char **argv)
{
    const struct row *const groups[] = {message_rows,  waiting_rows, descriptor_rows,
                                        identity_rows, name_rows,    engine_rows};
    int failed = 0, done = 0;
    set_times();
    const int64_t deadline = now_ms() + all_ms;
    /* What a build farm or a shell may have left ignored. */
    signal(SIGPIPE, SIG_DFL);
    signal(SIGCHLD, SIG_DFL);
    umask(022);
    head();
    if (!make_folder()) {
        printf("%-9s  no place for files (TMPDIR): %s\n", "WRONG", error_text(errno));
        return 1;
    }
    for (unsigned g = 0; g < sizeof groups / sizeof *groups; g++) {
        for (const struct row *row = groups[g]; row->name != NULL; row++) {
            if (wanted(row, argc, argv)) {
                failed += run(row, deadline);
                done++;
            }
        }
    }
    failed += !clean(failed > 0);
    printf("\n%d rows, %d wrong\n", done, failed);
    return failed > 0;
}
