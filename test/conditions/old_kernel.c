// SPDX-License-Identifier: MIT
/*
 * Runs a program on an older kernel, as far as a filter of system calls can make one:
 *
 *     old_kernel PROFILE PROGRAM [ARGUMENT...]
 *     old_kernel --check [PROFILE...]
 *
 * PROFILE is linux_4_9 and the like (any release: what is newer is unknown), without_NAME for one thing of the list
 * (without_pidfds: whatever has to do with them), container (io_uring is forbidden, as container engines do), or
 * old_container (a filter that is older than the kernel, and forbids with EPERM what it has never heard of). --check
 * makes the calls themselves and sees them fail.
 *
 * Promises: the answer is the one that such a kernel gives (ENOSYS, ENOPROTOOPT, EINVAL, ENOTTY). What it does not
 * have: the behaviour of older calls, and what is said by memory and not by an argument.
 *
 * What surprised us: a filter need not give up new privileges when root sets it, and then programs that run with the
 * rights of others still do. clone3(2) that says EPERM leaves a C library without threads, so container engines say
 * ENOSYS.
 */
#include "old_kernel.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const usual[] = {
    "linux_3_10",
    "linux_4_9",
    "linux_5_4",
    "linux_5_10",
    "linux_6_1",
    "linux_6_12",
    "container",
    "old_container",
    "without_io_uring_setup",
    "without_pidfd_open",
    "without_pidfds",
    "without_accept4",
    "without_memfd_create",
    "without_close_range",
    "without_renameat2",
    "without_epoll_pwait2",
    "without_SO_PEERPIDFD",
    "without_SO_PASSRIGHTS",
};

static int refuse(scmp_filter_ctx filter, const struct lack *l, int error)
{
    const int r = seccomp_rule_add_array(filter, SCMP_ACT_ERRNO((uint32_t)error), l->number, l->nargs, l->arg);
    return r == -EEXIST ? 0 : r;
}

/* An older ring is refused for its flags only where there is one at all. */
static bool hidden(const struct lack *l, unsigned release)
{
    return l->number == SYS_io_uring_setup && l->since == LINUX(6, 1) && release < LINUX(5, 1);
}

static bool lacking(const struct lack *l, const char *profile, unsigned release)
{
    if (release != 0) {
        return l->since > release && !hidden(l, release);
    }
    if (strcmp(profile, "without_pidfds") == 0) {
        return strcasestr(l->name, "pidfd") != NULL;
    }
    return strncmp(profile, "without_", 8) == 0 && strcmp(profile + 8, l->name) == 0;
}

/* 0: the profile is no release. */
static unsigned release_of(const char *profile)
{
    unsigned major, minor;
    char more;
    return sscanf(profile, "linux_%u_%u%c", &major, &minor, &more) == 2 ? LINUX(major, minor) : 0;
}

/* All numbers that are newer than the release: how many rules, or an error. */
static int refuse_common(scmp_filter_ctx filter, unsigned release, int error)
{
    int n = 0;
    for (size_t i = 0; i < ncommon; i++) {
        const struct lack l = {.number = FIRST_COMMON_NUMBER + (int)i};
        if (common_since[i] <= release) {
            continue;
        }
        const int r = refuse(filter, &l, l.number == SYS_clone3 ? ENOSYS : error);
        if (r < 0) {
            return r;
        }
        n++;
    }
    return n;
}

static int refuse_options(scmp_filter_ctx filter, unsigned release)
{
    const unsigned first = first_unknown_option(release);
    static const int calls[] = {SYS_getsockopt, SYS_setsockopt};
    for (unsigned i = 0; first != 0 && i < 2; i++) {
        const struct lack l = {
            .number = calls[i],
            .nargs = 2,
            .arg = {SCMP_A1_32(SCMP_CMP_EQ, SOL_SOCKET, 0), SCMP_A2_32(SCMP_CMP_GE, first, 0)},
        };
        const int r = refuse(filter, &l, ENOPROTOOPT);
        if (r < 0) {
            return r;
        }
    }
    return 0;
}

/* How many rules, or an error. */
static int add_rules(scmp_filter_ctx filter, const char *profile)
{
    const unsigned release = release_of(profile);
    int n = 0;
    for (size_t i = 0; i < nlacks; i++) {
        if (lacking(&lacks[i], profile, release)) {
            const int r = refuse(filter, &lacks[i], lacks[i].error);
            if (r < 0) {
                return r;
            }
            n++;
        }
    }
    if (release != 0) {
        const int r = refuse_options(filter, release);
        return r < 0 ? r : refuse_common(filter, release, ENOSYS);
    }
    for (size_t i = 0; strcmp(profile, "old_container") == 0 && i < nlacks; i++) {
        const struct lack *const l = &lacks[i];
        const int r = l->number < FIRST_COMMON_NUMBER ? 0 : refuse(filter, l, l->number == SYS_clone3 ? ENOSYS : EPERM);
        if (r < 0) {
            return r;
        }
        n++;
    }
    for (int number = SYS_io_uring_setup; strcmp(profile, "container") == 0 && number < SYS_io_uring_setup + 3;
         number++) {
        const int r = refuse(filter, &(struct lack){.number = number}, EPERM);
        if (r < 0) {
            return r;
        }
        n++;
    }
    return n == 0 ? -ENOENT : n;
}

static int become(const char *profile)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    if (filter == NULL) {
        return -ENOMEM;
    }
    seccomp_attr_set(filter, SCMP_FLTATR_ACT_BADARCH, SCMP_ACT_ALLOW);
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, geteuid() != 0);
    int r = add_rules(filter, profile);
    if (r >= 0) {
        r = seccomp_load(filter);
    }
    seccomp_release(filter);
    return r;
}

/* ---- does the filter what it says? ---- */

/* The error of this call, with the arguments that the list speaks of and others that cannot do any harm. */
static int tried(const struct lack *l)
{
    long a[6] = {-1, -1, -1, -1, -1, -1};
    for (unsigned i = 0; i < l->nargs; i++) {
        a[l->arg[i].arg] = (long)(l->arg[i].op == SCMP_CMP_MASKED_EQ ? l->arg[i].datum_b : l->arg[i].datum_a);
    }
    return syscall(l->number, a[0], a[1], a[2], a[3], a[4], a[5]) < 0 ? errno : 0;
}

/* In a child: 0, or 1 after a word about what is wrong. */
static int check_one(const char *profile)
{
    const unsigned release = release_of(profile);
    int before[64];
    for (size_t i = 0; i < nlacks; i++) {
        before[i] = tried(&lacks[i]);
    }
    const int r = become(profile);
    if (r < 0) {
        printf("# %s: %s\n", profile, strerror(-r));
        return 1;
    }
    for (size_t i = 0; i < nlacks; i++) {
        const struct lack *const l = &lacks[i];
        const bool forbidden = (strcmp(profile, "container") == 0 && l->number == SYS_io_uring_setup) ||
                               (strcmp(profile, "old_container") == 0 && l->number >= FIRST_COMMON_NUMBER);
        const bool lacks_it = lacking(l, profile, release);
        const int want = forbidden ? l->number == SYS_clone3 ? ENOSYS : EPERM : lacks_it ? l->error : before[i];
        const int error = tried(l);
        /* Two things by one number: the stronger rule answers. */
        const bool twin = l->number == SYS_io_uring_setup || l->number == SYS_memfd_create;
        if (error != want && !(twin && error != before[i])) {
            printf("# %s: %s says %s, not %s\n", profile, l->name, strerror(error), strerror(want));
            return 1;
        }
        if (lacks_it && error == before[i] && l->error != EINVAL && l->error != ENOTTY) {
            printf("# %s: %s says %s also without the filter\n", profile, l->name, strerror(error));
            return 1;
        }
    }
    return 0;
}

static int check(const char *const *profiles, size_t n)
{
    int failed = 0;
    printf("1..%zu\n", n);
    for (size_t i = 0; i < n; i++) {
        fflush(stdout);
        int status = 1;
        const pid_t pid = fork();
        if (pid == 0) {
            const int r = check_one(profiles[i]);
            fflush(stdout);
            _exit(r);
        }
        if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0) {
            failed = 1;
        }
        printf("%s %zu - %s\n", status == 0 ? "ok" : "not ok", i + 1, profiles[i]);
    }
    return failed;
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "--check") == 0) {
        return argc > 2 ? check((const char *const *)argv + 2, (size_t)argc - 2)
                        : check(usual, sizeof usual / sizeof *usual);
    }
    if (argc < 3) {
        fprintf(stderr, "usage: old_kernel PROFILE PROGRAM [ARGUMENT...], old_kernel --check [PROFILE...]\n");
        return 2;
    }
    const int r = become(argv[1]);
    if (r == -ENOENT) {
        fprintf(stderr, "old_kernel: nothing is called %s\n", argv[1]);
        return 2;
    }
    if (r < 0) {
        printf("1..0 # SKIP no filters of system calls here: %s\n", strerror(-r));
        return 77;
    }
    execvp(argv[2], argv + 2);
    perror(argv[2]);
    return 2;
}
