// SPDX-License-Identifier: MIT
/*
 * The layer between the library and src/sys: counts calls, and makes one of them fail. Most wrappers are written by
 * generate.py; here are those that can do less than was asked for, or that speak in another way.
 *
 * What surprised us: calls of src/sys among themselves go through the wrappers as well, where they are in two files, so
 * they are let through. A process that is forked goes on counting from where its parent was, unless it is told.
 */
#include "sys.h"
#include "torture.h"

#include <errno.h>
#include <execinfo.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#define CALLS 128
static atomic_uint counters[CALLS];
static unsigned rank;
static _Thread_local int in_fake;
/* What comes from one place more often than this is not told apart any further: looking takes time. */
#define LOOKS 300
#define PLACES 4096
static atomic_uint *looks;
static pid_t own_pid;

static void forked(void)
{
    if (world == NULL)
        return;
    rank = atomic_fetch_add(&world->ranks, 1);
    for (unsigned i = 0; i < CALLS; i++)
        atomic_store(&counters[i], 0);
    for (unsigned i = 0; looks != NULL && i < PLACES; i++)
        atomic_store(&looks[i], 0);
    own_pid = getpid();
    /* The first is the harness. */
    if (world->mode == 2 && rank > 0)
        overdue_watch();
}

__attribute__((constructor)) static void follow_forks(void)
{
    pthread_atfork(NULL, NULL, forked);
}

void fake_enter(void)
{
    in_fake++;
}

void fake_leave(void)
{
    in_fake--;
}

static __attribute__((noinline)) uint32_t stack_of(int call, const void *site, const void *from)
{
    uint64_t h = ((uint64_t)call << 48 ^ (uintptr_t)site * 31 ^ (uintptr_t)from) * UINT64_C(0x9e3779b97f4a7c15);
    if (!world->stacks || atomic_fetch_add(&looks[h >> 52], 1) > LOOKS)
        return (uint32_t)(h >> 32);
    void *at[40];
    const int before = errno, n = backtrace(at, sizeof at / sizeof *at);
    errno = before;
    for (int i = 0; i < n; i++)
        h = (h ^ (uintptr_t)at[i]) * UINT64_C(0x9e3779b97f4a7c15);
    return (uint32_t)(h >> 32);
}

bool stacks_prepare(void)
{
    void *at[2];
    looks = mmap(NULL, PLACES * sizeof *looks, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return looks != MAP_FAILED && backtrace(at, 2) > 0;
}

bool shares_memory(void)
{
    return getpid() != own_pid;
}

/* A call that may need a descriptor, if only on its way. */
static void check_none(const struct frame *f, int call)
{
    for (const int *e = fake_calls[call].errors; *e != 0; e++)
        if (*e == EMFILE && strncmp(fake_calls[call].name, "sys_", 4) == 0)
            fault("%s: needs %s, and test/no_descriptor/none.txt says that it needs no descriptor",
                  public_names[f->function], fake_calls[call].name);
}

int inject(int call, const void *site)
{
    struct frame *const f = frame_now();
    if (f == NULL || in_fake > 0 || world->mode == 0)
        return PASS;
    struct point here = {.call = (uint16_t)call,
                         .rank = (uint16_t)rank,
                         .nth = atomic_fetch_add(&counters[call], 1),
                         .function = (uint16_t)f->function,
                         .site = (uintptr_t)site,
                         .from = (uintptr_t)f->from};
    if (world->mode == 1) {
        if (public_needs_none[f->function])
            check_none(f, call);
        here.stack = stack_of(call, site, f->from);
        const unsigned i = atomic_fetch_add(&world->ntrace, 1);
        if (i < TRACE_MAX)
            world->trace[i] = here;
        if (i < TRACE_MAX && f->nnoted < NOTED)
            f->noted[f->nnoted++] = i;
        return GO;
    }
    if (call != world->at.call || here.rank != world->at.rank || here.nth != world->at.nth)
        return GO;
    world->at = here;
    f->injected = true;
    f->injected_call = call;
    f->injected_error = world->error;
    atomic_store(&world->inside, 1 + f->function);
    atomic_store(&world->injected, 1);
    return world->error;
}

void not_injected(void)
{
    frame_now()->injected = false;
    atomic_store(&world->inside, 0);
    atomic_store(&world->injected, 0);
}

int answer(int call, int fail)
{
    return call == world->lie ? 0 : -fail;
}

/* ---- messages ---- */

static bool is_stream(int fd)
{
    int type = 0;
    socklen_t len = sizeof type;
    const int before = errno;
    const bool stream = getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 && type == SOCK_STREAM;
    errno = before;
    return stream;
}

/* The first `len` bytes of an iovec array. */
static size_t cut(const struct iovec *iov, size_t n, size_t len, struct iovec *out)
{
    size_t used = 0;
    for (size_t i = 0; i < n && len > 0; i++) {
        if (iov[i].iov_len == 0)
            continue;
        out[used] = iov[i];
        if (out[used].iov_len > len)
            out[used].iov_len = len;
        len -= out[used++].iov_len;
    }
    return used;
}

static size_t bytes(const struct msghdr *h)
{
    size_t sum = 0;
    for (size_t i = 0; i < h->msg_iovlen; i++)
        sum += h->msg_iov[i].iov_len;
    return sum;
}

/* Where nothing is cut, nothing was injected. */
static bool can_cut(bool can)
{
    if (!can)
        not_injected();
    return can;
}

/* Who is told that nobody is there any more must find it so: nothing comes from there afterwards. */
static int told(int fd, int error)
{
    const bool nobody = error == EPIPE || error == ECONNRESET || error == ECONNREFUSED || error == ENOTCONN;
    const int before = errno;
    if (nobody)
        shutdown(fd, SHUT_RDWR);
    errno = before;
    return -error;
}

/* What goes before a real call by hand. */
#define BY_HAND(name)                                                                                                  \
    extern const int id_of_##name;                                                                                     \
    extern __typeof__(name) __real_##name, __wrap_##name;
#define INJECT(name, ...)                                                                                              \
    const int fail = inject(id_of_##name, __builtin_return_address(0));                                                \
    if (fail > 0)                                                                                                      \
        return -fail;                                                                                                  \
    if (fail == PASS)                                                                                                  \
    return __real_##name(__VA_ARGS__)

BY_HAND(sys_sendmsg)
ssize_t __wrap_sys_sendmsg(int fd, const struct msghdr *h, int flags)
{
    const int fail = inject(id_of_sys_sendmsg, __builtin_return_address(0));
    if (fail > 0)
        return told(fd, fail);
    if (fail == PASS)
        return __real_sys_sendmsg(fd, h, flags);
    struct iovec part[4];
    struct msghdr less = *h;
    if (fail == SHORT && is_stream(fd) && bytes(h) > 1 && h->msg_iovlen <= 4) {
        less.msg_iovlen = cut(h->msg_iov, h->msg_iovlen, bytes(h) / 2, part);
        less.msg_iov = part;
    } else if (fail == SHORT) {
        not_injected();
    }
    return __real_sys_sendmsg(fd, &less, flags);
}

BY_HAND(sys_send)
ssize_t __wrap_sys_send(int fd, const void *p, size_t n, int flags)
{
    const int fail = inject(id_of_sys_send, __builtin_return_address(0));
    if (fail > 0)
        return told(fd, fail);
    if (fail == PASS)
        return __real_sys_send(fd, p, n, flags);
    return __real_sys_send(fd, p, fail == SHORT && can_cut(n > 1 && is_stream(fd)) ? n / 2 : n, flags);
}

BY_HAND(sys_sendmmsg)
int __wrap_sys_sendmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    const int fail = inject(id_of_sys_sendmmsg, __builtin_return_address(0));
    if (fail > 0)
        return told(fd, fail);
    if (fail == PASS)
        return __real_sys_sendmmsg(fd, v, n, flags);
    return __real_sys_sendmmsg(fd, v, fail == SHORT && can_cut(n > 1) ? n / 2 : n, flags);
}

BY_HAND(sys_recvmsg)
ssize_t __wrap_sys_recvmsg(int fd, struct msghdr *h, int flags)
{
    INJECT(sys_recvmsg, fd, h, flags);
    struct iovec part[1];
    struct iovec *const whole = h->msg_iov;
    const size_t n = h->msg_iovlen;
    if (fail == SHORT && is_stream(fd) && bytes(h) > 1) {
        h->msg_iovlen = cut(whole, n, 1, part);
        h->msg_iov = part;
    } else if (fail == SHORT) {
        not_injected();
    }
    const ssize_t r = __real_sys_recvmsg(fd, h, flags);
    h->msg_iov = whole;
    h->msg_iovlen = n;
    if (r >= 0)
        each_descriptor(h, born, id_of_sys_recvmsg);
    return r;
}

BY_HAND(sys_recv)
ssize_t __wrap_sys_recv(int fd, void *p, size_t n, int flags)
{
    INJECT(sys_recv, fd, p, n, flags);
    return __real_sys_recv(fd, p, fail == SHORT && can_cut(n > 1 && is_stream(fd)) ? 1 : n, flags);
}

BY_HAND(sys_recvmmsg)
int __wrap_sys_recvmmsg(int fd, struct mmsghdr *v, unsigned n, int flags)
{
    INJECT(sys_recvmmsg, fd, v, n, flags);
    const int r = __real_sys_recvmmsg(fd, v, fail == SHORT && can_cut(n > 1) ? n / 2 : n, flags);
    for (int i = 0; i < r; i++)
        each_descriptor(&v[i].msg_hdr, born, id_of_sys_recvmmsg);
    return r;
}

BY_HAND(sys_pread)
ssize_t __wrap_sys_pread(int fd, void *p, size_t n, uint64_t at)
{
    INJECT(sys_pread, fd, p, n, at);
    return __real_sys_pread(fd, p, fail == SHORT && can_cut(n > 1) ? 1 : n, at);
}

/* ---- waiting ---- */

BY_HAND(sys_poll)
int __wrap_sys_poll(int fd, int events, int64_t timeout_ns)
{
    const int fail = inject(id_of_sys_poll, __builtin_return_address(0));
    /* src/sys retries by itself where it does not wait. */
    if (fail > 0 && !(fail == EINTR && timeout_ns == 0))
        return -fail;
    return __real_sys_poll(fd, events, timeout_ns);
}

BY_HAND(sys_epoll_wait)
int __wrap_sys_epoll_wait(int epoll, struct sys_ready *ready, unsigned max, int64_t timeout_ns)
{
    INJECT(sys_epoll_wait, epoll, ready, max, timeout_ns);
    return __real_sys_epoll_wait(epoll, ready, fail == SHORT && can_cut(max > 1) ? 1 : max, timeout_ns);
}

/* ---- what answers in another way ---- */

BY_HAND(sys_peer_groups)
int __wrap_sys_peer_groups(int fd, gid_t *groups, unsigned max, unsigned *n)
{
    *n = 0;
    INJECT(sys_peer_groups, fd, groups, max, n);
    return __real_sys_peer_groups(fd, groups, max, n);
}

BY_HAND(sys_peer_label)
int __wrap_sys_peer_label(int fd, char *label, size_t max, size_t *len)
{
    *len = 0;
    INJECT(sys_peer_label, fd, label, max, len);
    return __real_sys_peer_label(fd, label, max, len);
}

BY_HAND(sys_own_pidfdid)
uint64_t __wrap_sys_own_pidfdid(void)
{
    if (inject(id_of_sys_own_pidfdid, __builtin_return_address(0)) == NONE)
        return 0;
    fake_enter();
    const uint64_t id = __real_sys_own_pidfdid();
    fake_leave();
    return id;
}

BY_HAND(sys_allocate)
void *__wrap_sys_allocate(size_t size)
{
    return inject(id_of_sys_allocate, __builtin_return_address(0)) == NONE ? NULL : __real_sys_allocate(size);
}

struct errand {
    int (*work)(void *arg);
    void *arg;
    struct frame *f;
};

static int errand(void *p)
{
    const struct errand *const e = p;
    frame_adopt(e->f);
    const int r = e->work(e->arg);
    frame_adopt(NULL);
    return r;
}

BY_HAND(sys_in_directory)
int __wrap_sys_in_directory(int dirfd, int (*work)(void *arg), void *arg)
{
    INJECT(sys_in_directory, dirfd, work, arg);
    struct errand e = {work, arg, frame_now()};
    return __real_sys_in_directory(dirfd, errand, &e);
}
