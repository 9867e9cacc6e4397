// SPDX-License-Identifier: MIT
/*
 * What the engine asks of liburing, made to fail as what it asks of src/sys is (fake.c), and what comes back.
 *
 * A completion lies in memory that the ring shares with the program, so its result is changed there, after the call
 * that brought it and before the engine looks. Two kinds can be: that of a poll request, and the last one of a
 * standing receive. One that brings a buffer is left alone: what is in it has been received, with its descriptors, and
 * the kernel never says otherwise. So is one that answers a cancel, which nobody looks at.
 */
#include "torture.h"

#include "engine_uring.h"

#include <pthread.h>

#define BY_HAND(name)                                                                                                  \
    extern const int id_of_##name;                                                                                     \
    extern __typeof__(name) __real_##name, __wrap_##name;
#define INJECT(name)                                                                                                   \
    const int fail = inject(id_of_##name, __builtin_return_address(0));                                                \
    if (fail > 0)                                                                                                      \
    return -fail

/* Up to where the completions of each ring have been looked at. */
#define RINGS 128
static struct {
    const void *ring;
    unsigned seen;
} looked[RINGS];

static pthread_mutex_t looked_lock = PTHREAD_MUTEX_INITIALIZER;

static unsigned *seen_of(const void *ring)
{
    unsigned i = 0;
    pthread_mutex_lock(&looked_lock);
    while (i < RINGS - 1 && looked[i].ring != NULL && looked[i].ring != ring)
        i++;
    looked[i].ring = ring;
    pthread_mutex_unlock(&looked_lock);
    return &looked[i].seen;
}

extern const int id_of_completion_poll, id_of_completion_last;

static void completions(struct io_uring *ring, const void *site)
{
    unsigned *const seen = seen_of(ring->cq.ring_ptr);
    const unsigned head = *ring->cq.khead, tail = io_uring_smp_load_acquire(ring->cq.ktail);
    for (unsigned at = (int)(*seen - head) < 0 ? head : *seen; at != tail; at++) {
        struct io_uring_cqe *const c = &ring->cq.cqes[at & ring->cq.ring_mask];
        const unsigned tag = (unsigned)c->user_data & TAGS;
        const bool last = tag == 0 && (c->flags & (IORING_CQE_F_BUFFER | IORING_CQE_F_MORE)) == 0;
        if (tag != TAG_POLL && !last)
            continue;
        const int fail = inject(last ? id_of_completion_last : id_of_completion_poll, site);
        if (fail > 0)
            c->res = -fail;
    }
    *seen = tail;
}

/* Where the engine is about to look: a ring that does not defer its work fills itself. */
extern __typeof__(uring_enable) __real_uring_enable, __wrap_uring_enable;
int __wrap_uring_enable(struct uring *u)
{
    const int r = __real_uring_enable(u);
    if (u->enabled)
        completions(&u->ring, __builtin_return_address(0));
    return r;
}

BY_HAND(io_uring_queue_init_params)
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
    INJECT(io_uring_queue_init_params);
    const int r = __real_io_uring_queue_init_params(entries, ring, p);
    if (r == 0) {
        *seen_of(ring->cq.ring_ptr) = 0;
        born(ring->ring_fd, id_of_io_uring_queue_init_params);
    }
    return r;
}

extern __typeof__(io_uring_queue_exit) __real_io_uring_queue_exit, __wrap_io_uring_queue_exit;
void __wrap_io_uring_queue_exit(struct io_uring *ring)
{
    const int fd = ring->ring_fd;
    __real_io_uring_queue_exit(ring);
    gone(fd, 0, id_of_io_uring_queue_init_params);
}

BY_HAND(io_uring_register)
int __wrap_io_uring_register(unsigned fd, unsigned what, const void *arg, unsigned n)
{
    INJECT(io_uring_register);
    return __real_io_uring_register(fd, what, arg, n);
}

BY_HAND(io_uring_register_buf_ring)
int __wrap_io_uring_register_buf_ring(struct io_uring *ring, struct io_uring_buf_reg *reg, unsigned flags)
{
    INJECT(io_uring_register_buf_ring);
    return __real_io_uring_register_buf_ring(ring, reg, flags);
}

BY_HAND(io_uring_enter)
int __wrap_io_uring_enter(unsigned fd, unsigned submit, unsigned wait, unsigned flags, sigset_t *set)
{
    INJECT(io_uring_enter);
    return __real_io_uring_enter(fd, submit, wait, flags, set);
}

BY_HAND(io_uring_submit)
int __wrap_io_uring_submit(struct io_uring *ring)
{
    INJECT(io_uring_submit);
    return __real_io_uring_submit(ring);
}

BY_HAND(io_uring_submit_and_wait)
int __wrap_io_uring_submit_and_wait(struct io_uring *ring, unsigned wait)
{
    INJECT(io_uring_submit_and_wait);
    return __real_io_uring_submit_and_wait(ring, wait);
}

BY_HAND(io_uring_submit_and_get_events)
int __wrap_io_uring_submit_and_get_events(struct io_uring *ring)
{
    INJECT(io_uring_submit_and_get_events);
    const int r = __real_io_uring_submit_and_get_events(ring);
    completions(ring, __builtin_return_address(0));
    return r;
}

BY_HAND(io_uring_submit_and_wait_timeout)
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned wait,
                                            struct __kernel_timespec *ts, sigset_t *set)
{
    INJECT(io_uring_submit_and_wait_timeout);
    const int r = __real_io_uring_submit_and_wait_timeout(ring, cqe, wait, ts, set);
    completions(ring, __builtin_return_address(0));
    return r;
}
