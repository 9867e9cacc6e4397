// SPDX-License-Identifier: MIT
/*
 * The mode of a new file: exact under every umask, and never wider for a moment. Neither the umask nor the working
 * directory is touched.
 *
 * The usual "bind, listen, chmod" is tried against the same attacker as naive_* and must fail.
 */
#include "bind.h"

#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>

static void check_modes(mode_t mask)
{
    static const mode_t modes[] = {0, 0200, 0600, 0660, 0666, 0770, 0777, 0755, 0222, 01777, 04711, 02770, 07777};
    const mode_t before = umask(mask);
    for (int w = 0; w < WAYS; w++)
        for (size_t i = 0; i < sizeof modes / sizeof *modes; i++) {
            ROW("%s, umask %03o, mode %04o", way_name[w], mask, modes[i]);
            const char *path = raw_file("s");
            const int fd = make(w, path, modes[i]);
            if (fd < 0)
                CHECK_INT(fd, 0);
            CHECK_INT(mode_of(path), modes[i]);
            CHECK_INT(umask(mask), mask);
            CHECK_INT(unlink(path), 0);
            close(fd);
        }
    for (int w = 0; w < WAYS; w++) {
        ROW("%s, umask %03o alone", way_name[w], mask);
        const char *path = raw_file("s");
        const int fd = make(w, path, UNX_MODE_UMASK);
        CHECK(fd >= 0);
        CHECK_INT(mode_of(path), 0777 & ~mask);
        CHECK_INT(unlink(path), 0);
        close(fd);
    }
    umask(before);
}

/* Without the descriptors that widening takes it is not bound at all, and can be later. */
static void nothing_is_bound_that_cannot_be_widened(void)
{
    if (!raw_limit_works()) {
        SKIP("limits of open descriptors are not heard of here");
    }
    static const mode_t modes[] = {0200, 0600, 0666};
    for (unsigned i = 0; i < 3; i++) {
        struct unx_addr a;
        const char *const path = raw_file("s");
        const int fd = raw_socket(SOCK_DGRAM);
        CHECK_INT(unx_addr_path(&a, path), 0);
        const mode_t before = umask(0777);
        int r = -EMFILE;
        for (unsigned n = 0; r == -EMFILE; n++) {
            ROW("mode %04o, with %u", modes[i], n);
            raw_limit(n);
            r = QUIET(unx_bind_to(fd, &a, modes[i]));
            raw_unlimit();
            CHECK_INT(access(path, F_OK), r == 0 ? 0 : -1);
        }
        umask(before);
        CHECK_INT(r, 0);
        CHECK_INT(mode_of(path), modes[i]);
        CHECK_INT(unlink(path), 0);
        close(fd);
    }
}

static void exact_mode_under_every_umask(void)
{
    check_modes(0);
    check_modes(022);
    check_modes(077);
    check_modes(0777);
}

static void as_nobody(void *arg)
{
    (void)arg;
    raw_become_nobody();
    check_modes(077);
    check_modes(0);
}

static void exact_mode_without_privilege(void)
{
    CHECK_INT(chmod(harness_dir(), 01777), 0);
    harness_wait(harness_fork(as_nobody, NULL));
}

/* Where others can rename what is ours, the name may lead to another file by the time that it is widened. */
static void never_wider_where_others_rename(void)
{
    const mode_t before = umask(077);
    CHECK_INT(chmod(harness_dir(), 0777), 0);
    for (int w = 0; w < WAYS; w++) {
        CHECK_INT(QUIET(make(w, raw_file("s"), 0660)), -EPERM);
        CHECK_INT(entries(), 0);
        const int fd = make(w, raw_file("s"), 0600);
        CHECK(fd >= 0);
        CHECK_INT(unlink(raw_file("s")), 0);
        close(fd);
    }
    umask(before);
}

static void wrong_modes(void)
{
    struct unx_addr name, unnamed;
    CHECK_INT(unx_addr_abstract(&name, raw_name("mode"), strlen(raw_name("mode"))), 0);
    CHECK_INT(unx_addr_unnamed(&unnamed), 0);
    static const mode_t modes[] = {0, 0600, 0777};
    for (int i = 0; i < 3; i++) {
        CHECK_INT(QUIET(unx_bind(SOCK_STREAM, 0, &name, modes[i])), -EINVAL);
        CHECK_INT(QUIET(unx_listen(SOCK_STREAM, 0, &name, 4, modes[i])), -EINVAL);
        CHECK_INT(QUIET(unx_bind(SOCK_DGRAM, 0, &unnamed, modes[i])), -EINVAL);
    }
    CHECK(!raw_listed(raw_name("mode")));
    for (int w = 0; w < WAYS; w++) {
        CHECK_INT(make(w, raw_file("s"), 010000), -EINVAL);
        CHECK_INT(make(w, raw_file("s"), S_IFSOCK | 0600), -EINVAL);
        CHECK_INT(make(w, raw_file("s"), (mode_t)-2), -EINVAL);
    }
    CHECK_INT(entries(), 0);
}

/* ---- somebody else tries to get in while the name is being made ---- */

static struct attack {
    char path[108];
    atomic_int tried, connected, stop;
} * attack;

static void attacker(void *arg)
{
    (void)arg;
    raw_become_nobody();
    const struct raw_addr a = raw_path(attack->path);
    while (!attack->stop) {
        const int fd = raw_try_connect(SOCK_STREAM, a);
        attack->tried++;
        if (fd >= 0) {
            attack->connected++;
            close(fd);
        }
    }
}

static int listen_unx(const char *path)
{
    const struct unx_addr a = at(path);
    return unx_listen(SOCK_STREAM, 0, &a, -1, 0600);
}

static int listen_path_unx(const char *path)
{
    return unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, -1, 0600);
}

static int naive_chmod(const char *path)
{
    const int fd = raw_listen(SOCK_STREAM, raw_path(path), -1);
    sched_yield();
    CHECK_INT(chmod(path, 0600), 0);
    return fd;
}

static void check_attack(int (*listen_at)(const char *path))
{
    if (geteuid() != 0)
        SKIP("needs root to become another user");
    attack = mmap(NULL, sizeof *attack, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(attack != MAP_FAILED);
    snprintf(attack->path, sizeof attack->path, "%s", raw_file("s"));
    const mode_t before = umask(0);
    const pid_t child = harness_fork(attacker, NULL);
    while (!attack->tried)
        raw_sleep(1);
    const unsigned rounds = harness_rounds(1000);
    /* On a busy machine it may be some time until the attacker has its turn again. */
    for (unsigned i = 0; i < rounds || (i < 100 * rounds && (unsigned)attack->tried <= rounds); i++) {
        const int fd = listen_at(attack->path);
        CHECK(fd >= 0);
        sched_yield();
        CHECK_INT(unlink(attack->path), 0);
        close(fd);
    }
    attack->stop = 1;
    harness_wait(child);
    umask(before);
    NOTE("connected %d times of %d", attack->connected, attack->tried);
    CHECK_INT(attack->connected, 0);
    CHECK((unsigned)attack->tried > rounds);
    munmap(attack, sizeof *attack);
}

static void nobody_gets_in(void)
{
    check_attack(listen_unx);
    check_attack(listen_path_unx);
}

static void naive_chmod_after_listen(void)
{
    /* The attacker has to run at the right moment, which it mostly does in some of 1000 rounds, not always. */
    for (int i = 0; i < 20; i++)
        check_attack(naive_chmod);
}

/* ---- while others watch the umask and the working directory of the process ---- */

static atomic_bool stop;

static void *watch(void *arg)
{
    char first[256], now[256];
    CHECK(getcwd(first, sizeof first) != NULL);
    while (!stop) {
        CHECK(getcwd(now, sizeof now) != NULL);
        CHECK(!strcmp(first, now));
        char line[256];
        FILE *f = fopen("/proc/self/status", "re");
        CHECK(f != NULL);
        unsigned mask = 01000;
        while (fgets(line, sizeof line, f))
            if (sscanf(line, "Umask: %o", &mask) == 1)
                break;
        fclose(f);
        CHECK_INT(mask, *(const unsigned *)arg);
    }
    return NULL;
}

static void umask_is_never_changed(void)
{
    unsigned mask = umask(027);
    const mode_t before = mask;
    mask = 027;
    pthread_t t;
    CHECK_INT(pthread_create(&t, NULL, watch, &mask), 0);
    for (unsigned i = harness_rounds(1000); i > 0; i--)
        for (int w = 0; w < WAYS; w++) {
            const int fd = make(w, raw_file("s"), i & 1 ? 0777 : 0600);
            CHECK(fd >= 0);
            close(fd);
            CHECK_INT(unlink(raw_file("s")), 0);
        }
    stop = true;
    CHECK_INT(pthread_join(t, NULL), 0);
    umask(before);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(exact_mode_under_every_umask),
        CASE(nothing_is_bound_that_cannot_be_widened),
        CASE(exact_mode_without_privilege),
        CASE(never_wider_where_others_rename),
        CASE(wrong_modes),
        {"nobody_gets_in", nobody_gets_in, 0, 60},
        {"naive_chmod_after_listen", naive_chmod_after_listen, HARNESS_FAIL, 60},
        {"umask_is_never_changed", umask_is_never_changed, 0, 60},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
