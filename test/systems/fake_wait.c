// SPDX-License-Identifier: MIT
/*
 * poll(2) and kqueue(2) of another system. A kqueue is a timer of Linux here, which is readable when it fires, as a
 * kqueue is.
 *
 * Promises: a kqueue is gone in the child of fork(2), and its number is free there.
 */
#include "fake.h"

#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/timerfd.h>
#include <unistd.h>

int fake_poll(struct pollfd *p, nfds_t n, int timeout_ms)
{
    short asked[1024];
    if (n > sizeof asked / sizeof *asked) {
        return fail(EINVAL);
    }
    for (nfds_t i = 0; i < n; i++) {
        asked[i] = p[i].events;
        if (!fake->rdhup) {
            p[i].events &= (short)~POLLRDHUP;
        }
    }
    const int r = poll(p, n, timeout_ms);
    for (nfds_t i = 0; i < n; i++) {
        p[i].events = asked[i];
    }
    return r;
}

#if !defined(FAKE_ILLUMOS)
/* Only FreeBSD's file asks for it. */
#if defined(EVFILT_WRITE)
#define WRITES EVFILT_WRITE
#else
#define WRITES (-1000)
#endif
#define NONE (-1001)
#define QUEUES 512
static struct queue {
    int fd; /* 0: none */
    bool timer;
    int filter, watched; /* of a socket: EVFILT_READ, EVFILT_WRITE, or NONE */
} queues[QUEUES];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

int kqueue(void);
int kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout);

static void in_the_child(void)
{
    pthread_mutex_init(&lock, NULL);
    memset(queues, 0, sizeof queues);
    /* Copies as well. */
    for (int fd = 3; fd < 1024; fd++) {
        struct itimerspec now;
        if (timerfd_gettime(fd, &now) == 0) {
            close(fd);
        }
    }
}

static void __attribute__((constructor)) watch_forks(void)
{
    pthread_atfork(NULL, NULL, in_the_child);
}

static struct queue *find(int fd)
{
    for (size_t i = 0; i < QUEUES; i++) {
        if (queues[i].fd == fd) {
            return &queues[i];
        }
    }
    return NULL;
}

int kqueue(void)
{
    const int fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK);
    if (fd < 0) {
        return fd;
    }
    const sigset_t before = call_begins(&lock);
    struct queue *q = find(fd);
    q = q != NULL ? q : find(0);
    /* Numbers that were closed since are free as well. */
    for (size_t i = 0; q == NULL && i < QUEUES; i++) {
        struct itimerspec now;
        q = timerfd_gettime(queues[i].fd, &now) != 0 ? &queues[i] : NULL;
    }
    if (q != NULL) {
        *q = (struct queue){.fd = fd, .filter = NONE};
    }
    call_ends(&lock, &before);
    if (q == NULL) {
        close(fd);
        return fail(ENOMEM);
    }
    return fd;
}

static int change(struct queue *q, const struct kevent *ev)
{
    struct itimerspec when = {.it_value = {0, 0}};
    const int filter = (int)ev->filter;
    if (filter == EVFILT_READ || filter == WRITES) {
        q->filter = filter;
        q->watched = (int)ev->ident;
        return 0;
    }
    if (ev->filter != EVFILT_TIMER || (ev->flags & (EV_ADD | EV_DELETE)) == 0) {
        return fail(EINVAL);
    }
    if ((ev->flags & EV_DELETE) != 0) {
        const bool was = q->timer;
        q->timer = false;
        timerfd_settime(q->fd, 0, &when, NULL);
        return was ? 0 : fail(ENOENT);
    }
    /* A timer that has fired is not set anew. */
    struct pollfd p = {.fd = q->fd, .events = POLLIN};
    if (q->timer && poll(&p, 1, 0) > 0) {
        return 0;
    }
    q->timer = true;
    when.it_value.tv_sec = (time_t)(ev->data / 1000);
    when.it_value.tv_nsec = (long)(ev->data % 1000) * 1000000;
    return timerfd_settime(q->fd, 0, &when, NULL);
}

static int take_socket(const struct queue *q, struct kevent *ev)
{
    struct pollfd p = {.fd = q->watched, .events = POLLIN | POLLRDHUP};
    const int r = poll(&p, 1, 0);
    ev->filter = (__typeof__(ev->filter))q->filter;
    ev->ident = (uintptr_t)q->watched;
    if (q->filter == WRITES) {
        int size = 0, queued = 0;
        socklen_t len = sizeof size;
        getsockopt(q->watched, SOL_SOCKET, SO_SNDBUF, &size, &len);
        ioctl(q->watched, SIOCOUTQ, &queued);
        ev->data = size > queued ? (size - queued) / 2 : 0;
        ev->flags = r > 0 && (p.revents & (POLLHUP | POLLERR)) != 0 ? EV_EOF : 0;
        return ev->data > 0 || ev->flags != 0;
    }
    ev->flags = r > 0 && (p.revents & (POLLRDHUP | POLLHUP)) != 0 ? EV_EOF : 0;
    return r > 0;
}

static int take(struct queue *q, struct kevent *ev)
{
    uint64_t times;
    memset(ev, 0, sizeof *ev);
    if (q->filter != NONE) {
        return take_socket(q, ev);
    }
    const int before = errno;
    const bool fired = read(q->fd, &times, sizeof times) == sizeof times;
    errno = before;
    if (fired) {
        q->timer = false;
        ev->filter = EVFILT_TIMER;
        ev->ident = 1;
    }
    return fired;
}

int kevent(int queue, const struct kevent *changes, int nchanges, struct kevent *events, int nevents,
           const struct timespec *timeout)
{
    const sigset_t before = call_begins(&lock);
    struct queue *const q = queue > 0 ? find(queue) : NULL;
    struct itimerspec now;
    int r = q != NULL && timerfd_gettime(queue, &now) == 0 ? 0 : fail(EBADF);
    for (int i = 0; r == 0 && i < nchanges; i++) {
        r = change(q, &changes[i]);
    }
    /* Nobody here waits in a kqueue. */
    if (r == 0 && nevents > 0) {
        r = timeout != NULL && timeout->tv_sec == 0 && timeout->tv_nsec == 0 ? take(q, events) : fail(EINVAL);
    }
    call_ends(&lock, &before);
    return r;
}
#endif
