// SPDX-License-Identifier: MIT
/*
 * A thread that is stopped at chosen system calls (between.h), by a filter that asks another thread.
 *
 * What surprised us: the filter also holds for the last calls of the thread that ends, so somebody has to answer until
 * it has been joined.
 */
#include "between.h"
#include "harness.h"

#include <linux/filter.h>
#include <linux/seccomp.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#define NUMBERS_MAX 8

struct stopped {
    const int *numbers;
    unsigned n;
    int (*call)(void *arg);
    void *arg;
    int watched, result;
    pthread_barrier_t ready;
    atomic_bool done;
};

static int watch(const int *numbers, unsigned n)
{
    struct sock_filter code[NUMBERS_MAX + 3];
    CHECK(n <= NUMBERS_MAX);
    code[0] = (struct sock_filter)BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, nr));
    for (unsigned i = 0; i < n; i++) {
        code[1 + i] =
            (struct sock_filter)BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (unsigned)numbers[i], (unsigned char)(n - i), 0);
    }
    code[1 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW);
    code[2 + n] = (struct sock_filter)BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_USER_NOTIF);
    const struct sock_fprog program = {(unsigned short)(n + 3), code};
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
        return -1;
    }
    return (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, SECCOMP_FILTER_FLAG_NEW_LISTENER, &program);
}

static void *run(void *arg)
{
    struct stopped *s = arg;
    s->watched = watch(s->numbers, s->n);
    pthread_barrier_wait(&s->ready);
    if (s->watched >= 0) {
        s->result = s->call(s->arg);
    }
    s->done = true;
    return NULL;
}

int between(const int *numbers, unsigned n, int (*call)(void *arg), int (*event)(void *arg, int number), void *arg)
{
    struct stopped s = {.numbers = numbers, .n = n, .call = call, .arg = arg};
    pthread_t thread;
    CHECK_INT(pthread_barrier_init(&s.ready, NULL, 2), 0);
    harness_dir(); /* made before both ask for it */
    CHECK_INT(pthread_create(&thread, NULL, run, &s), 0);
    pthread_barrier_wait(&s.ready);
    while (s.watched >= 0 && !s.done) {
        struct pollfd p = {s.watched, POLLIN, 0};
        struct seccomp_notif at = {.id = 0};
        if (poll(&p, 1, 10) <= 0 || (p.revents & POLLIN) == 0 || ioctl(s.watched, SECCOMP_IOCTL_NOTIF_RECV, &at) != 0) {
            continue;
        }
        const int error = s.done ? 0 : event(arg, at.data.nr);
        struct seccomp_notif_resp answer = {
            .id = at.id, .error = error, .flags = error == 0 ? SECCOMP_USER_NOTIF_FLAG_CONTINUE : 0};
        CHECK_INT(ioctl(s.watched, SECCOMP_IOCTL_NOTIF_SEND, &answer), 0);
    }
    CHECK_INT(pthread_join(thread, NULL), 0);
    pthread_barrier_destroy(&s.ready);
    if (s.watched < 0) {
        SKIP("no filter of system calls that tells here");
    }
    close(s.watched);
    return s.result;
}
