// SPDX-License-Identifier: MIT
/*
 * The limit of descriptors at the next free number: loaded before a program (LD_PRELOAD), it lets each call of the
 * library that makes something run with no descriptor to be had, then with one, then with two, until it says something
 * other than -EMFILE. That last answer is the program's. A call that failed so must have left nothing open and nothing
 * behind, or what the program sees is not what it sees in peace.
 *
 * Left alone are calls that take something away before they fail (receiving, a listener that sheds a connection), and
 * processes with threads, whose descriptors would be missing elsewhere.
 *
 * What surprised us: a case that sets a limit of its own must find its own errors, so a limit is only ever lowered.
 */
#include "preload.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>
#include <unx/activation.h>
#include <unx/engine.h>
#include <unx/listener.h>
#include <unx/policy.h>

#define MOST 16 /* no call needs more at a time */

static bool threads;

static void __attribute__((constructor)) prepare(void)
{
    preload_look();
}

static bool is_open(int fd)
{
    return fcntl(fd, F_GETFD) >= 0;
}

/* What one call may have: n numbers, which are free. */
struct room {
    struct rlimit before;
    unsigned n;
    int number[MOST + 1];
};

static bool tighten(struct room *room, unsigned n)
{
    if (threads || n > MOST || getrlimit(RLIMIT_NOFILE, &room->before) != 0) {
        return false;
    }
    /* A new one gets the lowest number that is free: looking for it among thousands would take long. */
    for (room->n = 0; room->n <= n; room->n++) {
        room->number[room->n] = eventfd(0, EFD_CLOEXEC);
    }
    for (unsigned i = 0; i <= n; i++) {
        close(room->number[i]);
    }
    const struct rlimit tight = {(rlim_t)room->number[n], room->before.rlim_max};
    return room->number[n] >= 0 && tight.rlim_cur < room->before.rlim_cur && setrlimit(RLIMIT_NOFILE, &tight) == 0;
}

static void loosen(const struct room *room, const char *name, int result)
{
    setrlimit(RLIMIT_NOFILE, &room->before);
    for (unsigned i = 0; result == -EMFILE && i < room->n; i++) {
        if (is_open(room->number[i])) {
            fprintf(stderr, "no_descriptor: %s with %u descriptors failed, and left %d open\n", name, room->n - 1,
                    room->number[i]);
            abort();
        }
    }
}

#define UNTIL_IT_SUCCEEDS(name, parameters, arguments)                                                                 \
    int name parameters                                                                                                \
    {                                                                                                                  \
        static int(*real) parameters;                                                                                  \
        if (real == NULL) {                                                                                            \
            *(void **)&real = next(#name);                                                                             \
        }                                                                                                              \
        for (unsigned n = 0; by_program(__builtin_return_address(0)); n++) {                                           \
            struct room room;                                                                                          \
            const int error = errno;                                                                                   \
            const bool tight = tighten(&room, n);                                                                      \
            errno = error;                                                                                             \
            if (!tight) {                                                                                              \
                break;                                                                                                 \
            }                                                                                                          \
            const int result = real arguments, error_after = errno;                                                    \
            loosen(&room, #name, result);                                                                              \
            errno = error_after;                                                                                       \
            if (result != -EMFILE) {                                                                                   \
                return result;                                                                                         \
            }                                                                                                          \
        }                                                                                                              \
        return real arguments;                                                                                         \
    }

UNTIL_IT_SUCCEEDS(unx_socket, (int type, unsigned flags), (type, flags))
UNTIL_IT_SUCCEEDS(unx_pair, (int type, unsigned flags, int fds[2]), (type, flags, fds))
UNTIL_IT_SUCCEEDS(unx_bind, (int type, unsigned flags, const struct unx_addr *a, mode_t mode), (type, flags, a, mode))
UNTIL_IT_SUCCEEDS(unx_bind_to, (int fd, const struct unx_addr *a, mode_t mode), (fd, a, mode))
UNTIL_IT_SUCCEEDS(unx_listen, (int type, unsigned flags, const struct unx_addr *a, int backlog, mode_t mode),
                  (type, flags, a, backlog, mode))
UNTIL_IT_SUCCEEDS(unx_listen_path, (int type, unsigned flags, int dirfd, const char *path, int backlog, mode_t mode),
                  (type, flags, dirfd, path, backlog, mode))
UNTIL_IT_SUCCEEDS(unx_connect,
                  (int type, unsigned flags, const struct unx_addr *from, const struct unx_addr *to, int timeout_ms),
                  (type, flags, from, to, timeout_ms))
UNTIL_IT_SUCCEEDS(unx_connect_path, (int type, unsigned flags, int dirfd, const char *path, int timeout_ms),
                  (type, flags, dirfd, path, timeout_ms))
UNTIL_IT_SUCCEEDS(unx_connect_to, (int fd, const struct unx_addr *to), (fd, to))
UNTIL_IT_SUCCEEDS(unx_accept, (int fd, unsigned flags, struct unx_addr *peer), (fd, flags, peer))
UNTIL_IT_SUCCEEDS(unx_dup, (int fd), (fd))
UNTIL_IT_SUCCEEDS(unx_peer_pidfd, (int fd), (fd))
UNTIL_IT_SUCCEEDS(unx_policy_check, (const struct unx_policy *p, int fd, struct unx_cred *who, unsigned *why),
                  (p, fd, who, why))
UNTIL_IT_SUCCEEDS(unx_listener_open,
                  (struct unx_listener * *l, int type, unsigned flags, const struct unx_addr *a,
                   const struct unx_listener_options *o),
                  (l, type, flags, a, o))
UNTIL_IT_SUCCEEDS(unx_listener_open_path,
                  (struct unx_listener * *l, int type, unsigned flags, int dirfd, const char *path,
                   const struct unx_listener_options *o),
                  (l, type, flags, dirfd, path, o))
UNTIL_IT_SUCCEEDS(unx_listener_adopt, (struct unx_listener * *l, int fd, int type, unsigned flags),
                  (l, fd, type, flags))
UNTIL_IT_SUCCEEDS(unx_notify, (const char *text, const int *fds, unsigned nfds, unsigned flags, int timeout_ms),
                  (text, fds, nfds, flags, timeout_ms))
UNTIL_IT_SUCCEEDS(unx_notify_barrier, (unsigned flags, int timeout_ms), (flags, timeout_ms))
UNTIL_IT_SUCCEEDS(unx_notify_bind, (unsigned flags, const struct unx_addr *a, mode_t mode), (flags, a, mode))
UNTIL_IT_SUCCEEDS(unx_engine_new, (struct unx_engine * *e, unsigned depth, unsigned flags), (e, depth, flags))

int pthread_create(pthread_t *restrict t, const pthread_attr_t *restrict a, void *(*run)(void *), void *restrict arg)
{
    int (*real)(pthread_t *, const pthread_attr_t *, void *(*)(void *), void *) = next("pthread_create");
    threads = threads || by_program(__builtin_return_address(0));
    return real(t, a, run, arg);
}
