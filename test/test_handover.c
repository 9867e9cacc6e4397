// SPDX-License-Identifier: MIT
/*
 * Handing over when both sides do what they should: everything arrives, in order, whatever its size; and the arguments.
 */
#include "handover.h"

#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <netinet/in.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>

static void allow_descriptors(unsigned n)
{
    struct rlimit limit;
    CHECK(getrlimit(RLIMIT_NOFILE, &limit) == 0);
    if (limit.rlim_cur < n) {
        if (limit.rlim_max < n) {
            SKIP("%lu descriptors are all that this user may have", (unsigned long)limit.rlim_max);
        }
        limit.rlim_cur = n;
        CHECK(setrlimit(RLIMIT_NOFILE, &limit) == 0);
    }
}

static void check_sealed(int fd, size_t len)
{
    CHECK_INT(fcntl(fd, F_GET_SEALS) & 0xf, 0xf);
    CHECK(raw_cloexec(fd));
    CHECK_INT(lseek(fd, 0, SEEK_END), (long long)len);
    CHECK(pwrite(fd, "x", 1, 0) < 0 && errno == EPERM);
    CHECK(ftruncate(fd, 0) < 0 && errno == EPERM);
    const char *p = mmap(NULL, len, PROT_READ, MAP_PRIVATE, fd, 0);
    CHECK(p != MAP_FAILED);
    CHECK(raw_pattern_ok(p, len, 3));
    CHECK_INT(munmap((void *)(uintptr_t)p, len), 0);
}

static void check_state(const struct unx_handover *h, size_t len)
{
    CHECK_INT(h->state_len, (long long)len);
    if (len <= h->state_max) {
        CHECK_INT(h->state_fd, -1);
        CHECK(raw_pattern_ok(h->state, len, 3));
    } else {
        check_sealed(h->state_fd, len);
    }
}

static void check_list(const struct unx_handover *h, const struct unx_handover_fd *sent, unsigned n)
{
    CHECK_INT(h->fds_got, n);
    CHECK_INT(h->fds_full, n);
    for (unsigned i = 0; i < n; i++) {
        const struct unx_handover_fd *got = &h->fds[i];
        CHECK(got->fd >= 0 && got->fd != sent[i].fd && raw_cloexec(got->fd));
        CHECK(raw_same_file(got->fd, sent[i].fd));
        CHECK_INT(got->kind, sent[i].kind);
        CHECK_MEM(got->name, strlen(got->name), sent[i].name, strlen(sent[i].name));
    }
    for (unsigned i = n; i < h->nfds; i++) {
        CHECK_INT(h->fds[i].fd, -1);
    }
}

/* One hand-over of n descriptors and `len` bytes to a successor that has `more` room for descriptors and `room`
 * bytes. */
static void one(unsigned n, size_t len, unsigned more, size_t room, int sndbuf)
{
    ROW("%u descriptors, %zu bytes, room for %zu, send buffer %d", n, len, room, sndbuf);
    const int before = harness_nfds();
    int s[2], files[7];
    handover_pair(s);
    if (sndbuf > 0) {
        raw_set(s[0], SO_SNDBUF, sndbuf);
    }
    for (unsigned i = 0; i < 6; i += 2) {
        raw_pipe(files + i);
    }
    files[6] = unx_socket(SOCK_SEQPACKET, 0);
    struct unx_handover_fd *list = calloc(n + 1, sizeof *list), *arrived = calloc(n + more + 1, sizeof *arrived);
    char *state = malloc(len + 1), *state_room = malloc(room + 1);
    handover_list(list, n, files, 7);
    raw_pattern(state, len, 3);

    struct unx_handover h = handover_of(list, n, state, len);
    const struct unx_handover half = h;
    struct successor succ = {.reason = 0};
    const struct unx_handover succ_half = handover_of(arrived, n + more, state_room, room);
    successor_start(&succ, s[1], succ_half);
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 10000)), 0);
    successor_join(&succ);
    CHECK_INT(succ.received, 0);
    CHECK_INT(succ.confirmed, 0);
    CHECK_MEM(&h, offsetof(struct unx_handover, fds_got), &half, offsetof(struct unx_handover, fds_got));
    CHECK_MEM(&succ.h, offsetof(struct unx_handover, fds_got), &succ_half, offsetof(struct unx_handover, fds_got));
    CHECK_INT(h.reason, 0);
    CHECK(h.cred.known == UNX_KNOWN_ALL && h.cred.pid == getpid() && h.cred.uid == getuid());
    CHECK(succ.h.cred.known == UNX_KNOWN_ALL && succ.h.cred.pid == getpid());
    check_list(&succ.h, list, n);
    check_state(&succ.h, len);
    close_handed(&succ.h);
    for (unsigned i = 0; i < 7; i++) {
        CHECK_INT(close(files[i]), 0);
    }
    close_pair(s);
    free(list);
    free(arrived);
    free(state);
    free(state_room);
    CHECK_INT(harness_nfds(), before);
}

static void any_number_of_descriptors(void)
{
    static const unsigned counts[] = {0, 1, 2, 252, 253, 254, 505, 506, 507, 3000};
    allow_descriptors(4000);
    for (unsigned i = 0; i < sizeof counts / sizeof *counts; i++) {
        one(counts[i], 100, 0, 100, 0);
        one(counts[i], 0, 10, 0, 0);
    }
}

static void any_length_of_state(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    static const size_t lens[] = {0, 1, 1023, 1024, 1025, 4096, 300001, 20000003};
    for (unsigned i = 0; i < sizeof lens / sizeof *lens; i++) {
        one(2, lens[i], 1, 0, 0);
        one(2, lens[i], 1, lens[i], 0);
        one(2, lens[i], 1, lens[i] + 100, 0);
        if (lens[i] > 1) {
            one(2, lens[i], 1, lens[i] - 1, 0);
        }
    }
}

/* The least send buffer that there is holds one packet, and not one with all the descriptors it could have. */
static void smallest_buffer(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    allow_descriptors(4000);
    one(0, 0, 0, 0, 1);
    one(1000, 1000, 0, 2000, 1);
    one(1000, 100000, 0, 0, 1);
}

static void under_signals(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    allow_descriptors(4000);
    raw_signals_start();
    for (unsigned i = 0; i < 50; i++) {
        one(600, 100000, 0, 0, 1);
    }
    raw_signals_came(10);
}

/* A socket without UNX_PASSCRED says nothing about who speaks; a connection does as well as a pair. */
static void over_a_connection(void)
{
    struct unx_addr a;
    char path[200];
    snprintf(path, sizeof path, "%s/control", harness_dir());
    CHECK_INT(unx_addr_path(&a, path), 0);
    const int listener = unx_listen(SOCK_SEQPACKET, UNX_PASSFDS, &a, 1, 0600);
    const int ours = unx_connect(SOCK_SEQPACKET, UNX_PASSFDS, NULL, &a, 1000);
    const int theirs = unx_accept(listener, 0, NULL);
    CHECK(listener >= 0 && ours >= 0 && theirs >= 0);
    struct unx_handover_fd list[1], room[1];
    handover_list(list, 1, &listener, 1);
    struct unx_handover h = handover_of(list, 1, NULL, 0);
    struct successor succ = {.reason = 0};
    successor_start(&succ, theirs, handover_of(room, 1, NULL, 0));
    CHECK_INT(unx_handover_send(ours, &h, 0, 10000), 0);
    successor_join(&succ);
    CHECK_INT(succ.confirmed, 0);
    CHECK(h.cred.known == 0 && succ.h.cred.known == 0);
    CHECK_INT(unx_adopt(room[0].fd, SOCK_SEQPACKET, UNX_LISTENING), SOCK_SEQPACKET);
    close_handed(&succ.h);
    close(listener);
    close(ours);
    close(theirs);
}

/* Filling a file beyond the limit would kill the old program. */
static void state_over_the_file_limit(void)
{
    static char state[100000];
    struct rlimit limit;
    int s[2];
    handover_pair(s);
    CHECK(getrlimit(RLIMIT_FSIZE, &limit) == 0);
    limit.rlim_cur = 4096;
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    struct unx_handover h = handover_of(NULL, 0, state, sizeof state);
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 1000)), -EFBIG);
    struct unx_handover in = handover_of(NULL, 0, NULL, 0);
    CHECK_INT(unx_handover_receive(s[1], &in, 0, 1000), -ECANCELED);
    close_pair(s);
}

/* From here on the kernel answers memfd_create(2) with this error if its flags have one of these bits; 0: always. */
static void limit_memory_files(unsigned bits, int error)
{
    const struct sock_filter code[] = {
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr)),
        BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, SYS_memfd_create, 0, 3),
        BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, args[1])),
        BPF_JUMP(BPF_JMP | BPF_JSET | BPF_K, bits == 0 ? UINT32_MAX : bits, 0, 1),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ERRNO | (unsigned)error),
        BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW),
    };
    const struct sock_fprog program = {sizeof code / sizeof *code, (struct sock_filter *)(uintptr_t)code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_SECCOMP, SECCOMP_MODE_FILTER, &program) != 0) {
        SKIP("no filter of system calls here");
    }
}

/* Kernels before 6.3 do not know that a file of memory may be one that cannot be executed; some have no such files. */
static void older_kernels(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    limit_memory_files(8, EINVAL);
    one(2, 5000, 0, 0, 0);
    limit_memory_files(0, ENOSYS);
    one(2, 1000, 0, 1000, 0);
    char state[1025] = {0};
    struct unx_handover h = handover_of(NULL, 0, state, sizeof state);
    int s[2];
    handover_pair(s);
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 1000)), -EOPNOTSUPP);
    close_pair(s);
    /* A short state needs a file if the successor has no room for it. */
    handover_pair(s);
    h.state_max = 10;
    struct successor succ = {.reason = 0};
    successor_start(&succ, s[1], handover_of(NULL, 0, NULL, 0));
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 5000)), -ECANCELED);
    CHECK_INT(h.reason, UNX_HANDOVER_FAILED | EOPNOTSUPP);
    successor_join(&succ);
    CHECK_INT(succ.received, -EOPNOTSUPP);
    close_pair(s);
}

struct wrong_socket {
    const char *what;
    int fd, error;
};

static void wrong_sockets(void)
{
    int seq[2], stream[2], dgram[2], p[2];
    raw_pair(SOCK_SEQPACKET, seq);
    raw_pair(SOCK_STREAM, stream);
    raw_pair(SOCK_DGRAM, dgram);
    raw_pipe(p);
    struct unx_addr a;
    CHECK_INT(unx_addr_unnamed(&a), 0);
    const int inet = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), alone = unx_socket(SOCK_SEQPACKET, 0);
    const int listener = unx_listen(SOCK_SEQPACKET, 0, &a, 1, UNX_MODE_UMASK);
    const struct wrong_socket wrong[] = {
        {"a stream", stream[0], -EPROTOTYPE}, {"datagrams", dgram[0], -EPROTOTYPE},
        {"a pipe", p[0], -ENOTSOCK},          {"no descriptor", -1, -EBADF},
        {"a closed one", 900, -EBADF},        {"a TCP socket", inet, -EAFNOSUPPORT},
        {"not connected", alone, -ENOTCONN},  {"a listener", listener, -ENOTCONN},
    };
    for (unsigned i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        ROW("%s", wrong[i].what);
        struct unx_handover h = handover_of(NULL, 0, NULL, 0);
        CHECK_INT(QUIET(unx_handover_send(wrong[i].fd, &h, 0, 100)), wrong[i].error);
        CHECK_INT(QUIET(unx_handover_receive(wrong[i].fd, &h, 0, 100)), wrong[i].error);
        check_handed_nothing(&h);
        CHECK_INT(QUIET(unx_handover_confirm(wrong[i].fd, 0)), wrong[i].error);
    }
    close_pair(seq);
    close_pair(stream);
    close_pair(dgram);
    close_pair(p);
    close(inet);
    close(alone);
    close(listener);
}

/* Whatever is refused as misuse leaves the socket as it was, so a good hand-over follows on it. */
static void misuse(void)
{
    int s[2];
    handover_pair(s);
    struct unx_handover_fd list[2], room[2];
    handover_list(list, 2, &s[1], 1);
    struct unx_handover good = handover_of(list, 2, NULL, 0), h = good;
    CHECK_INT(QUIET(unx_handover_send(s[0], NULL, 0, 100)), -EINVAL);
    CHECK_INT(QUIET(unx_handover_receive(s[1], NULL, 0, 100)), -EINVAL);
    for (int receive = 0; receive < 2; receive++) {
        int (*const call)(int, struct unx_handover *, unsigned, int) =
            receive ? unx_handover_receive : unx_handover_send;
        CHECK_INT(QUIET(call(s[receive], &h, UNX_NONBLOCK, 100)), -EINVAL);
        CHECK_INT(QUIET(call(s[receive], &h, 0, -2)), -EINVAL);
        h.fds = NULL;
        CHECK_INT(QUIET(call(s[receive], &h, 0, 100)), -EINVAL);
        h = good;
        h.state_max = 1;
        CHECK_INT(QUIET(call(s[receive], &h, 0, 100)), -EINVAL);
        for (unsigned i = 0; i < 4; i++) {
            h = good;
            h.reserved[i] = 1;
            CHECK_INT(QUIET(call(s[receive], &h, 0, 100)), -EINVAL);
        }
        h = good;
    }
    list[1].fd = -1;
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 100)), -EBADF);
    list[1].fd = s[0];
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 100)), -EINVAL);
    list[1].fd = s[1];
    memset(list[1].name, 'x', sizeof list[1].name);
    CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 100)), -EINVAL);
    list[1].name[UNX_HANDOVER_NAME - 1] = '\0';
    CHECK_INT(QUIET(unx_handover_confirm(s[1], UNX_HANDOVER_FAILED)), -EINVAL);
    check_nothing(s[0]);
    check_nothing(s[1]);
    struct successor succ = {.reason = 0};
    successor_start(&succ, s[1], handover_of(room, 2, NULL, 0));
    CHECK_INT(unx_handover_send(s[0], &h, 0, 10000), 0);
    successor_join(&succ);
    CHECK_INT(strlen(room[1].name), UNX_HANDOVER_NAME - 1);
    close_handed(&succ.h);
    close_pair(s);
}

static void inherited_socket(void)
{
    static const char *const not_numbers[] = {"",      "-1",  "+3", " 3",         "3 ",
                                              "three", "0x3", "03", "2147483648", "99999999999999"};
    int s[2], stream[2], p[2];
    char number[16];
    CHECK_INT(unsetenv(UNX_HANDOVER_ENV), 0);
    CHECK_INT(QUIET(unx_handover_inherit(0)), -ENOENT);
    for (unsigned i = 0; i < sizeof not_numbers / sizeof *not_numbers; i++) {
        ROW("\"%s\"", not_numbers[i]);
        setenv(UNX_HANDOVER_ENV, not_numbers[i], 1);
        CHECK_INT(QUIET(unx_handover_inherit(UNX_UNSET)), -EINVAL);
        CHECK(getenv(UNX_HANDOVER_ENV) != NULL);
    }
    raw_pair(SOCK_STREAM, stream);
    raw_pipe(p);
    CHECK_INT(socketpair(AF_UNIX, SOCK_SEQPACKET, 0, s), 0);
    const int fds[] = {900, p[0], stream[0], s[1]}, results[] = {-EBADF, -ENOTSOCK, -EPROTOTYPE, s[1]};
    for (unsigned i = 0; i < 4; i++) {
        snprintf(number, sizeof number, "%d", fds[i]);
        setenv(UNX_HANDOVER_ENV, number, 1);
        CHECK_INT(QUIET(unx_handover_inherit(0)), results[i]);
    }
    CHECK(raw_cloexec(s[1]) && !raw_cloexec(s[0]));
    CHECK_INT(QUIET(unx_handover_inherit(UNX_NONBLOCK)), -EINVAL);
    CHECK_INT(QUIET(unx_handover_inherit(UNX_UNSET)), s[1]);
    CHECK_INT(QUIET(unx_handover_inherit(UNX_UNSET)), -ENOENT);
    CHECK(getenv(UNX_HANDOVER_ENV) == NULL);
    close_pair(stream);
    close_pair(p);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(any_number_of_descriptors),
    CASE(any_length_of_state),
    CASE(smallest_buffer),
    CASE(under_signals),
    CASE(over_a_connection),
    CASE(state_over_the_file_limit),
    CASE(older_kernels),
    CASE(wrong_sockets),
    CASE(misuse),
    CASE(inherited_socket),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
