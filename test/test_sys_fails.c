// SPDX-License-Identifier: MIT
/*
 * What src/sys does in several steps, with one of them failing: the torture takes each of its functions for one call,
 * so what is opened on the way has to be looked for here. Its error is told, nothing stays open, and no file is left.
 *
 * A filter says that the step fails (seccomp(2)), in a thread of its own. Where a C library makes another system call
 * for it, or no filter can be had, a case is skipped, which a call that can do nothing finds out.
 *
 * What surprised us: what a filter calls an argument has 64 bits everywhere and is loaded by halves, in the order of
 * the processor.
 */
#include "handover.h"
#include "listener.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <sys/prctl.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

/* No system call: what a processor does not have. */
#define NONE (-1)
#ifndef SYS_fchmodat2
#define SYS_fchmodat2 452
#endif
#ifndef SYS_fcntl64
#define SYS_fcntl64 NONE
#endif
#ifndef SYS_chmod
#define SYS_chmod NONE
#endif
#ifndef SYS_stat
#define SYS_stat NONE
#endif
#ifndef SYS_stat64
#define SYS_stat64 NONE
#endif
#ifndef SYS_fstat
#define SYS_fstat NONE
#endif
#ifndef SYS_fstat64
#define SYS_fstat64 NONE
#endif
#ifndef SYS_newfstatat
#define SYS_newfstatat NONE
#endif
#ifndef SYS_fstatat64
#define SYS_fstatat64 NONE
#endif
#ifndef SYS_statx
#define SYS_statx NONE
#endif
#ifndef SYS_fstatfs64
#define SYS_fstatfs64 NONE
#endif
#define ADD_SEALS 1033
#define EMPTY_PATH 0x1000
#define NO_AUTOMOUNT 0x800

/* This system call says `error`, if the lower half of this argument is as it says. */
struct step {
    int call;
    int error;
    enum { ALWAYS, IS, HAS_BITS } when;
    unsigned arg;
    uint32_t value;
};

enum { STEPS = 8, OF_STEP = 5 };
struct attempt {
    struct step steps[STEPS];
    bool (*fails)(void); /* makes the step so that it can do nothing: whether it fails as it shall */
    int (*call)(void *arg);
    void *arg;
    int filtered, result; /* filtered: 0, or why not */
};

static unsigned lower_half(unsigned arg)
{
    const unsigned behind = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ ? 4 : 0;
    return (unsigned)offsetof(struct seccomp_data, args) + arg * 8 + behind;
}

static int filter(const struct step *steps)
{
    struct sock_filter code[STEPS * OF_STEP + 1];
    unsigned n = 0;
    for (const struct step *s = steps; s < steps + STEPS && s->error != 0; s++) {
        const unsigned short jump = s->when == ALWAYS ? BPF_JGE : s->when == IS ? BPF_JEQ : BPF_JSET;
        const struct sock_filter one[OF_STEP] = {
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
            BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)s->call, 0, 3),
            BPF_STMT(BPF_LD | BPF_W | BPF_ABS, lower_half(s->arg)),
            BPF_JUMP((unsigned short)(BPF_JMP | BPF_K | jump), s->value, 0, 1),
            BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (uint32_t)s->error),
        };
        memcpy(code + n, one, sizeof one);
        n += OF_STEP;
    }
    code[n++] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    const struct sock_fprog program = {(unsigned short)n, code};
    const bool done =
        prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0 && prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) == 0;
    return done ? 0 : errno;
}

static void *run(void *arg)
{
    struct attempt *a = arg;
    a->filtered = filter(a->steps);
    a->filtered = a->filtered == 0 && !a->fails() ? ENOSYS : a->filtered;
    a->result = a->filtered == 0 ? a->call(a->arg) : 0;
    return NULL;
}

/* The result of the call, behind which as many descriptors are open as before. */
static int try(struct attempt a)
{
    pthread_t thread;
    const int before = harness_nfds();
    CHECK_INT(pthread_create(&thread, NULL, run, &a), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    if (a.filtered != 0) {
        SKIP("this step cannot be made to fail here: %s", strerror(a.filtered));
    }
    CHECK_INT(harness_nfds(), before);
    return a.result;
}

/* ---- files of memory ---- */

static int send_state(void *arg)
{
    static char state[100000];
    struct unx_handover h = handover_of(NULL, 0, state, sizeof state);
    return unx_handover_send(*(int *)arg, &h, 0, 500);
}

static void try_state(struct attempt a)
{
    int s[2];
    handover_pair(s);
    a.call = send_state;
    a.arg = &s[0];
    CHECK_INT(try(a), -EIO);
    close(s[0]);
    close(s[1]);
}

static bool sealing_fails(void)
{
    return fcntl(-1, ADD_SEALS, 0) < 0 && errno == EIO;
}

static void a_state_that_cannot_be_sealed(void)
{
    try_state((struct attempt){.steps = {{SYS_fcntl, EIO, IS, 1, ADD_SEALS}, {SYS_fcntl64, EIO, IS, 1, ADD_SEALS}},
                               .fails = sealing_fails});
}

static bool writing_fails(void)
{
    return pwrite(-1, "", 1, 0) < 0 && errno == EIO;
}

static void a_state_that_cannot_be_written(void)
{
    try_state((struct attempt){.steps = {{.call = SYS_pwrite64, .error = EIO}}, .fails = writing_fails});
}

/* ---- who is there ---- */

static int check_pidfd(void *arg)
{
    return unx_pidfd_check(*(int *)arg, getpid());
}

enum { AS_MUCH_AS_IT_READS = 511 };

static bool reading_fails(void)
{
    char text[AS_MUCH_AS_IT_READS];
    return read(-1, text, sizeof text) < 0 && errno == EIO;
}

static void a_pidfd_that_cannot_be_read(void)
{
    int s[2];
    CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, s), 0);
    int pidfd = unx_peer_pidfd(s[0]);
    if (pidfd < 0) {
        SKIP("no pidfds here");
    }
    struct attempt a = {
        .steps = {{SYS_ioctl, ENOTTY, IS, 0, (uint32_t)pidfd}, {SYS_read, EIO, IS, 2, AS_MUCH_AS_IT_READS}},
        .fails = reading_fails,
        .call = check_pidfd,
        .arg = &pidfd};
    CHECK_INT(try(a), -EIO);
    close(pidfd);
    close(s[0]);
    close(s[1]);
}

/* ---- files of sockets ---- */

/* 0: unx_bind(), 1: unx_listener_open_path() */
static int make_file(void *arg)
{
    struct unx_addr a;
    CHECK_INT(unx_addr_path(&a, raw_file("sock")), 0);
    if (*(int *)arg == 0) {
        return unx_bind(SOCK_STREAM, 0, &a, 0666);
    }
    struct unx_listener *l;
    struct unx_listener_options o = UNX_LISTENER_OPTIONS;
    o.mode = 0666;
    o.owner = geteuid();
    return unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, raw_file("sock"), &o);
}

static void try_file(struct attempt a)
{
    const mode_t umask_before = umask(077);
    harness_dir();
    for (int way = 0; way < 2; way++) {
        ROW("way %d", way);
        a.call = make_file;
        a.arg = &way;
        CHECK_INT(try(a), -EIO);
        CHECK_INT(names_in(harness_dir()), 0);
    }
    umask(umask_before);
}

static bool new_mode_fails(void)
{
    return syscall(SYS_fchmodat2, -1, "", 0, 0) < 0 && errno == EIO;
}

static void a_mode_that_cannot_be_set(void)
{
    try_file((struct attempt){.steps = {{.call = SYS_fchmodat2, .error = EIO}}, .fails = new_mode_fails});
}

static bool old_mode_fails(void)
{
    return chmod("", 0) < 0 && errno == EIO;
}

static void a_mode_that_cannot_be_set_through_proc(void)
{
    if (access("/proc/self/fd", F_OK) != 0) {
        SKIP("no /proc here");
    }
    try_file((struct attempt){.steps = {{.call = SYS_fchmodat2, .error = ENOSYS},
                                        {.call = SYS_chmod, .error = EIO},
                                        {.call = SYS_fchmodat, .error = EIO}},
                              .fails = old_mode_fails});
}

static bool looking_fails(void)
{
    struct stat st;
    return fstat(STDOUT_FILENO, &st) < 0 && errno == EIO;
}

/* Of what is open: files are asked about by their names before that. */
static void a_file_that_cannot_be_looked_at(void)
{
    int way = 1;
    harness_dir();
    struct attempt a = {.steps = {{.call = SYS_fstat, .error = EIO},
                                  {.call = SYS_fstat64, .error = EIO},
                                  {SYS_newfstatat, EIO, HAS_BITS, 3, EMPTY_PATH},
                                  {SYS_fstatat64, EIO, HAS_BITS, 3, EMPTY_PATH},
                                  {SYS_statx, EIO, HAS_BITS, 2, EMPTY_PATH}},
                        .fails = looking_fails,
                        .call = make_file,
                        .arg = &way};
    CHECK_INT(try(a), -EIO);
    CHECK_INT(names_in(harness_dir()), 0);
}

static bool giving_fails(void)
{
    return fchownat(-1, "", 0, 0, EMPTY_PATH) < 0 && errno == EIO;
}

static void an_owner_that_cannot_be_set(void)
{
    int way = 1;
    harness_dir();
    struct attempt a = {
        .steps = {{.call = SYS_fchownat, .error = EIO}}, .fails = giving_fails, .call = make_file, .arg = &way};
    CHECK_INT(try(a), -EIO);
    CHECK_INT(names_in(harness_dir()), 0);
}

/* ---- what is only good to know ---- */

static int open_and_close(void *arg)
{
    struct unx_listener *l;
    const int r = unx_listener_open_path(&l, SOCK_STREAM, 0, AT_FDCWD, arg, NULL);
    return r < 0 ? r : unx_listener_close(l);
}

static bool asking_fails(void)
{
    struct statfs fs;
    return fstatfs(-1, &fs) < 0 && errno == EIO;
}

/* Which process it is would be known better, and it serves all the same. */
static void a_process_that_cannot_be_told(void)
{
    harness_dir();
    struct attempt a = {.steps = {{.call = SYS_fstatfs, .error = EIO}, {.call = SYS_fstatfs64, .error = EIO}},
                        .fails = asking_fails,
                        .call = open_and_close,
                        .arg = (void *)(uintptr_t)raw_file("sock")};
    CHECK_INT(try(a), 0);
    CHECK_INT(names_in(harness_dir()), 0);
}

/* ---- a thread with a working directory of its own ---- */

static int connect_long(void *arg)
{
    return unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, arg, 1000);
}

static int listen_long(void *arg)
{
    return unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, arg, 4, 0600);
}

static bool leaving_fails(void)
{
    struct stat st;
    return stat("", &st) < 0 && errno == EXDEV && unshare(0) < 0 && errno == EIO;
}

/* Where /proc leads nowhere, as it does here if a name that it has cannot be looked at. */
static void a_directory_that_cannot_be_entered(void)
{
    static char dir[400], path[500];
    char name[121];
    memset(name, 'n', sizeof name);
    name[sizeof name - 1] = '\0';
    snprintf(dir, sizeof dir, "%s/%s", harness_dir(), name);
    snprintf(path, sizeof path, "%s/sock", dir);
    CHECK_INT(mkdir(dir, 0700), 0);
    struct attempt a = {.steps = {{.call = SYS_stat, .error = EXDEV},
                                  {.call = SYS_stat64, .error = EXDEV},
                                  {SYS_newfstatat, EXDEV, IS, 3, 0},
                                  {SYS_fstatat64, EXDEV, IS, 3, 0},
                                  {SYS_statx, EXDEV, IS, 2, 0},
                                  {SYS_statx, EXDEV, IS, 2, NO_AUTOMOUNT},
                                  {.call = SYS_unshare, .error = EIO}},
                        .fails = leaving_fails,
                        .call = listen_long,
                        .arg = path};
    CHECK_INT(try(a), -EIO);
    CHECK_INT(names_in(dir), 0);
    const int server = unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, path, 4, 0600);
    CHECK(server >= 0);
    a.call = connect_long;
    CHECK_INT(try(a), -EIO);
    close(server);
    CHECK_INT(unlink(path), 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        CASE(a_state_that_cannot_be_sealed),
        CASE(a_state_that_cannot_be_written),
        CASE(a_pidfd_that_cannot_be_read),
        CASE(a_mode_that_cannot_be_set),
        CASE(a_mode_that_cannot_be_set_through_proc),
        CASE(a_file_that_cannot_be_looked_at),
        CASE(an_owner_that_cannot_be_set),
        CASE(a_process_that_cannot_be_told),
        CASE(a_directory_that_cannot_be_entered),
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
