// SPDX-License-Identifier: MIT
/* What the engine asks of liburing, made to fail as what it asks of src/sys is (fake.c). */
#include "torture.h"

#include <liburing.h>

#define BY_HAND(name)                                                                                                  \
    extern const int id_of_##name;                                                                                     \
    extern __typeof__(name) __real_##name, __wrap_##name;
#define INJECT(name)                                                                                                   \
    const int fail = inject(id_of_##name, __builtin_return_address(0));                                                \
    if (fail > 0)                                                                                                      \
    return -fail

BY_HAND(io_uring_queue_init_params)
int __wrap_io_uring_queue_init_params(unsigned entries, struct io_uring *ring, struct io_uring_params *p)
{
    INJECT(io_uring_queue_init_params);
    const int r = __real_io_uring_queue_init_params(entries, ring, p);
    if (r == 0)
        born(ring->ring_fd, id_of_io_uring_queue_init_params);
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
    return __real_io_uring_submit_and_get_events(ring);
}

BY_HAND(io_uring_submit_and_wait_timeout)
int __wrap_io_uring_submit_and_wait_timeout(struct io_uring *ring, struct io_uring_cqe **cqe, unsigned wait,
                                            struct __kernel_timespec *ts, sigset_t *set)
{
    INJECT(io_uring_submit_and_wait_timeout);
    return __real_io_uring_submit_and_wait_timeout(ring, cqe, wait, ts, set);
}
