// SPDX-License-Identifier: MIT
/*
 * A signal every millisecond, without SA_RESTART: loaded before a program (LD_PRELOAD), it does that to each process
 * that is linked with libunx or is one of our tests, after exec(2) and after fork(2). Other programs, the shell and its
 * tools, are left alone; and so are the calls that a program itself makes, because it is libunx that has to live with
 * signals, not the test around it.
 *
 * What surprised us: a timer is not inherited across fork(2), so each child makes its own. Repeating an interrupted
 * call for the test would be wrong where it has a time limit of its own, which then starts anew each time: the signal
 * is blocked around the call instead, in this thread.
 */
#include "preload.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/file.h>
#include <sys/select.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define OUR_SIGNAL (SIGRTMIN + 7)

static void on_signal(int number)
{
    (void)number;
}

static void start(void)
{
    timer_t timer;
    struct sigevent event = {.sigev_notify = SIGEV_SIGNAL, .sigev_signo = OUR_SIGNAL};
    const struct itimerspec every = {{0, 1000000}, {0, 1000000}};
    if (timer_create(CLOCK_MONOTONIC, &event, &timer) != 0 || timer_settime(timer, 0, &every, NULL) != 0) {
        abort();
    }
}

static int ours(void)
{
    char path[256];
    const ssize_t n = readlink("/proc/self/exe", path, sizeof path - 1);
    path[n < 0 ? 0 : n] = '\0';
    return strstr(path, "/test_") != NULL || dlsym(RTLD_DEFAULT, "unx_version") != NULL;
}

static void __attribute__((constructor)) prepare(void)
{
    if (!ours()) {
        return;
    }
    preload_look();
    setenv("UNX_DISTURBED", "signals", 1);
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_ONSTACK};
    sigemptyset(&action.sa_mask);
    if (sigaction(OUR_SIGNAL, &action, NULL) != 0 || pthread_atfork(NULL, NULL, start) != 0) {
        abort();
    }
    start();
}

/* ---- what the program itself calls ---- */

static sigset_t block(void)
{
    sigset_t set, before;
    sigemptyset(&set);
    sigaddset(&set, OUR_SIGNAL);
    pthread_sigmask(SIG_BLOCK, &set, &before);
    return before;
}

#define UNDISTURBED(type, name, parameters, arguments)                                                                 \
    type name parameters                                                                                               \
    {                                                                                                                  \
        static type(*real) parameters;                                                                                 \
        if (real == NULL) {                                                                                            \
            *(void **)&real = next(#name);                                                                             \
        }                                                                                                              \
        if (!by_program(__builtin_return_address(0))) {                                                                \
            return real arguments;                                                                                     \
        }                                                                                                              \
        const sigset_t before = block();                                                                               \
        const type result = real arguments;                                                                            \
        const int error = errno;                                                                                       \
        pthread_sigmask(SIG_SETMASK, &before, NULL);                                                                   \
        errno = error;                                                                                                 \
        return result;                                                                                                 \
    }

UNDISTURBED(ssize_t, read, (int fd, void *p, size_t n), (fd, p, n))
UNDISTURBED(size_t, fwrite, (const void *p, size_t size, size_t n, FILE *f), (p, size, n, f))
UNDISTURBED(int, fflush, (FILE * f), (f))
UNDISTURBED(ssize_t, write, (int fd, const void *p, size_t n), (fd, p, n))
UNDISTURBED(ssize_t, recv, (int fd, void *p, size_t n, int flags), (fd, p, n, flags))
UNDISTURBED(ssize_t, recvfrom, (int fd, void *p, size_t n, int flags, struct sockaddr *sa, socklen_t *len),
            (fd, p, n, flags, sa, len))
UNDISTURBED(ssize_t, recvmsg, (int fd, struct msghdr *h, int flags), (fd, h, flags))
UNDISTURBED(ssize_t, send, (int fd, const void *p, size_t n, int flags), (fd, p, n, flags))
UNDISTURBED(ssize_t, sendto, (int fd, const void *p, size_t n, int flags, const struct sockaddr *sa, socklen_t len),
            (fd, p, n, flags, sa, len))
UNDISTURBED(ssize_t, sendmsg, (int fd, const struct msghdr *h, int flags), (fd, h, flags))
UNDISTURBED(int, accept, (int fd, struct sockaddr *sa, socklen_t *len), (fd, sa, len))
UNDISTURBED(int, accept4, (int fd, struct sockaddr *sa, socklen_t *len, int flags), (fd, sa, len, flags))
UNDISTURBED(int, connect, (int fd, const struct sockaddr *sa, socklen_t len), (fd, sa, len))
UNDISTURBED(int, poll, (struct pollfd * p, nfds_t n, int timeout), (p, n, timeout))
UNDISTURBED(int, ppoll, (struct pollfd * p, nfds_t n, const struct timespec *ts, const sigset_t *set), (p, n, ts, set))
UNDISTURBED(int, select, (int n, fd_set *r, fd_set *w, fd_set *x, struct timeval *tv), (n, r, w, x, tv))
UNDISTURBED(int, epoll_wait, (int fd, struct epoll_event *ev, int n, int timeout), (fd, ev, n, timeout))
UNDISTURBED(pid_t, wait, (int *status), (status))
UNDISTURBED(pid_t, waitpid, (pid_t pid, int *status, int options), (pid, status, options))
UNDISTURBED(int, waitid, (idtype_t type, id_t id, siginfo_t *info, int options), (type, id, info, options))
UNDISTURBED(int, nanosleep, (const struct timespec *ts, struct timespec *left), (ts, left))
UNDISTURBED(int, usleep, (useconds_t us), (us))
UNDISTURBED(unsigned, sleep, (unsigned s), (s))
UNDISTURBED(int, pause, (void), ())
UNDISTURBED(int, sem_wait, (sem_t * s), (s))
UNDISTURBED(int, sem_timedwait, (sem_t * s, const struct timespec *ts), (s, ts))
UNDISTURBED(int, flock, (int fd, int how), (fd, how))

long syscall(long number, ...)
{
    static long (*real)(long, ...);
    long a[6];
    va_list ap;
    va_start(ap, number);
    for (unsigned i = 0; i < 6; i++) {
        a[i] = va_arg(ap, long);
    }
    va_end(ap);
    if (real == NULL) {
        *(void **)&real = next("syscall");
    }
    if (!by_program(__builtin_return_address(0))) {
        return real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    }
    const sigset_t before = block();
    const long result = real(number, a[0], a[1], a[2], a[3], a[4], a[5]);
    const int error = errno;
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    errno = error;
    return result;
}
