// SPDX-License-Identifier: MIT
/*
 * Tests of the tests: cases that must fail, each in its own way, to prove that the harness notices; and some that must
 * not, to prove that it does not cry wolf. A harness that misses one of these makes every other result worthless.
 */
#include "harness.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static void passes(void)
{
    CHECK(1);
    CHECK_INT(-EINVAL, -EINVAL);
    CHECK_MEM("a\0b", 3, "a\0b", 3);
    CHECK_MEM(NULL, 0, "", 0);
}

static void fails_check(void)
{
    CHECK(1 == 2);
}

static void fails_int(void)
{
    CHECK_INT(-EAGAIN, -EINVAL);
}

static void fails_mem(void)
{
    CHECK_MEM("ab", 2, "ab\n", 3);
}

static void *thread_that_fails(void *arg)
{
    CHECK(arg != NULL);
    return NULL;
}

static void fails_in_thread(void)
{
    pthread_t t;
    pthread_create(&t, NULL, thread_that_fails, NULL);
    pthread_join(t, NULL);
}

static void child_that_fails(void *arg)
{
    CHECK(arg != NULL);
}

static void fails_in_child(void)
{
    harness_wait(harness_fork(child_that_fails, NULL));
}

/* Nobody waits for it with harness_wait(): it counts all the same. */
static void fails_in_lost_child(void)
{
    int status;
    waitpid(harness_fork(child_that_fails, NULL), &status, 0);
}

static void child_that_crashes(void *arg)
{
    (void)arg;
    raise(SIGSEGV);
}

static void crashes_in_child(void)
{
    harness_wait(harness_fork(child_that_crashes, NULL));
}

static void leaks(void)
{
    CHECK(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0) >= 0);
}

static void closes_too_much(void)
{
    close(0);
}

/* The number of open descriptors is the same as before, and so are the numbers. */
static void swaps(void)
{
    CHECK_INT(close(0), 0);
    CHECK_INT(socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), 0);
}

/* Descriptors that are only in flight, in a cycle, are gone once the kernel has collected them. */
static void cycle_in_flight_is_no_leak(void)
{
    int sv[2];
    CHECK_INT(socketpair(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0, sv), 0);
    union {
        char buf[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } u = {{0}};
    struct msghdr mh = {.msg_control = &u, .msg_controllen = sizeof u};
    u.align.cmsg_level = SOL_SOCKET;
    u.align.cmsg_type = SCM_RIGHTS;
    u.align.cmsg_len = CMSG_LEN(sizeof(int));
    memcpy(CMSG_DATA(&u.align), &sv[1], sizeof(int));
    CHECK_INT(sendmsg(sv[0], &mh, 0), 0);
    close(sv[0]);
    close(sv[1]);
}

static void hangs(void)
{
    for (;;)
        pause();
}

static void child_that_hangs(void *arg)
{
    (void)arg;
    signal(SIGTERM, SIG_IGN);
    hangs();
}

static void hangs_in_child(void)
{
    harness_wait(harness_fork(child_that_hangs, NULL));
}

static void crashes(void)
{
    raise(SIGSEGV);
}

static void aborts(void)
{
    abort();
}

static void exits(void)
{
    exit(0);
}

static void changes_umask(void)
{
    umask(umask(0) ^ 0111);
}

static void changes_cwd(void)
{
    CHECK_INT(chdir(harness_dir()), 0);
}

static void lets_sigpipe_through(void)
{
    int p[2];
    CHECK_INT(pipe(p), 0);
    close(p[0]);
    CHECK(write(p[1], "x", 1) < 0);
    close(p[1]);
}

#if defined(__SANITIZE_ADDRESS__)
#define ADDRESSES 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define ADDRESSES 1
#endif
#endif
#ifndef ADDRESSES
#define ADDRESSES 0
#endif

/* The same address read after it was freed; a plain build cannot see it. */
static void sanitizer_is_heard(void)
{
    if (!harness_sanitized())
        SKIP("not a sanitizer build");
    char *volatile p = malloc(8);
    CHECK(p != NULL);
    free(p);
    CHECK(p[3] != 'q');
}

static void undefined_behaviour_is_heard(void)
{
    if (!ADDRESSES)
        SKIP("not a build with the address sanitizer");
    volatile int shift = 40;
    CHECK((1 << shift) != 3);
}

static void memory_leak_is_heard(void)
{
    if (!ADDRESSES)
        SKIP("not a build with the address sanitizer");
    char *volatile p = malloc(77);
    CHECK(p != NULL);
    p = NULL;
}

static void low_limit_is_put_back(void)
{
    struct rlimit r;
    CHECK_INT(getrlimit(RLIMIT_NOFILE, &r), 0);
    const int next = dup(0);
    CHECK_INT(close(next), 0);
    r.rlim_cur = (rlim_t)next;
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &r), 0);
    CHECK_INT(socket(AF_UNIX, SOCK_STREAM, 0), -1);
}

static void child_that_skips(void *arg)
{
    (void)arg;
    SKIP("a skip in a child skips the case");
}

static void skips_in_child(void)
{
    harness_wait(harness_fork(child_that_skips, NULL));
    CHECK(0);
}

/* Where one case tells the next one, both of this run of the harness alone: others may run beside it. */
static const char *last(void)
{
    static char path[64];
    snprintf(path, sizeof path, "/tmp/unx-test-harness-last-%d", (int)getppid());
    return path;
}

/* Two calls give one directory; what is left in it, ten levels deep, is removed with it (seen by the next case). */
static void directory_is_left_full(void)
{
    const char *dir = harness_dir();
    CHECK(dir == harness_dir());
    struct stat st;
    CHECK_INT(stat(dir, &st), 0);
    CHECK_INT(st.st_mode & 07777, 0755);
    char path[512];
    size_t n = (size_t)snprintf(path, sizeof path, "%s", dir);
    for (int i = 0; i < 10; i++) {
        n += (size_t)snprintf(path + n, sizeof path - n, "/level%d", i);
        CHECK_INT(mkdir(path, 0700), 0);
    }
    FILE *f = fopen(last(), "w");
    CHECK(f != NULL);
    fprintf(f, "%s", dir);
    fclose(f);
}

static void directory_is_removed(void)
{
    char dir[256] = "";
    FILE *f = fopen(last(), "r");
    if (!f)
        SKIP("runs after directory_is_left_full");
    CHECK_INT(fread(dir, 1, sizeof dir - 1, f) > 0, 1);
    fclose(f);
    unlink(last());
    CHECK_INT(access(dir, F_OK), -1);
    CHECK_INT(errno, ENOENT);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(passes),
        {"fails_check", fails_check, HARNESS_FAIL, 0},
        {"fails_int", fails_int, HARNESS_FAIL, 0},
        {"fails_mem", fails_mem, HARNESS_FAIL, 0},
        {"fails_in_thread", fails_in_thread, HARNESS_FAIL, 0},
        {"fails_in_child", fails_in_child, HARNESS_FAIL, 0},
        {"fails_in_lost_child", fails_in_lost_child, HARNESS_FAIL, 0},
        {"crashes_in_child", crashes_in_child, HARNESS_FAIL, 0},
        {"leaks", leaks, HARNESS_LEAK, 0},
        {"closes_too_much", closes_too_much, HARNESS_LEAK, 0},
        {"swaps", swaps, HARNESS_LEAK, 0},
        CASE(cycle_in_flight_is_no_leak),
        {"hangs", hangs, HARNESS_HANG, 1},
        {"hangs_in_child", hangs_in_child, HARNESS_HANG, 1},
        {"crashes", crashes, HARNESS_CRASH, 0},
        {"aborts", aborts, HARNESS_CRASH, 0},
        {"exits", exits, HARNESS_CRASH, 0},
        {"changes_umask", changes_umask, HARNESS_FAIL, 0},
        {"changes_cwd", changes_cwd, HARNESS_FAIL, 0},
        {"lets_sigpipe_through", lets_sigpipe_through, HARNESS_FAIL, 0},
        {"sanitizer_is_heard", sanitizer_is_heard, HARNESS_CRASH, 0},
        {"undefined_behaviour_is_heard", undefined_behaviour_is_heard, HARNESS_CRASH, 0},
        {"memory_leak_is_heard", memory_leak_is_heard, HARNESS_LEAK, 0},
        CASE(low_limit_is_put_back),
        {"skips_in_child", skips_in_child, HARNESS_SKIP, 0},
        CASE(directory_is_left_full),
        CASE(directory_is_removed),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
