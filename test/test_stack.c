// SPDX-License-Identifier: MIT
/*
 * What one message costs in memory: no allocation at all, and at most 2.5 KiB of stack, both measured.
 *
 * The stack is a thread's own, painted before the call; the deepest byte that changed is the mark. The allocator's
 * calls are counted by functions of the same names in this program, which the dynamic linker prefers. What surprised
 * us: the first call of any function of a shared library runs the linker,
 * which needs more stack than the function itself.
 */
#include "message.h"

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unx/control.h>

#define STACK_LIMIT 2560

#if defined(__GLIBC__) && !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__)
#define COUNTS 1
#endif
#if defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) || __has_feature(memory_sanitizer)
#undef COUNTS
#endif
#endif

static volatile unsigned allocations;

#ifdef COUNTS
extern void *__libc_malloc(size_t n);
extern void *__libc_calloc(size_t n, size_t size);
extern void *__libc_realloc(void *p, size_t n);
extern void *__libc_memalign(size_t align, size_t n);
extern void __libc_free(void *p);

void *malloc(size_t n)
{
    allocations++;
    return __libc_malloc(n);
}

void *calloc(size_t n, size_t size)
{
    allocations++;
    return __libc_calloc(n, size);
}

void *realloc(void *p, size_t n)
{
    allocations++;
    return __libc_realloc(p, n);
}

void *aligned_alloc(size_t align, size_t n)
{
    allocations++;
    return __libc_memalign(align, n);
}

void free(void *p)
{
    allocations++;
    __libc_free(p);
}
#endif

/* One run of each: everything it needs is static, so that the stack is the library's. */
static int s[2], fds[253], lent[253], pidfd;
static char data[256], control[UNX_CONTROL_ROOM], label[256];
static struct iovec iov[16];
static struct unx_cred cred, me;
static struct unx_addr addr;
static struct unx_msg m;
static int result;

static void prepare_send(void)
{
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static void prepare_send_all(void)
{
    m = (struct unx_msg){.iov = iov, .niov = 16, .fds = lent, .nfds = 253, .cred = &me};
}

static void prepare_recv(void)
{
    raw_send(s[0], "x", 1, NULL, 0);
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static void prepare_recv_all(void)
{
    raw_send(s[0], "x", 1, lent, 253);
    m = (struct unx_msg){.iov = iov,
                         .niov = 16,
                         .fds = fds,
                         .nfds = 253,
                         .cred = &cred,
                         .addr = &addr,
                         .pidfd = &pidfd,
                         .label = label,
                         .label_max = sizeof label};
}

static void prepare_recv_control(void)
{
    raw_send(s[0], "x", 1, NULL, 0);
    m = (struct unx_msg){.iov = iov, .niov = 1, .control = control, .control_max = sizeof control};
}

static void prepare_surplus(void)
{
    raw_send(s[0], "x", 1, lent, 253);
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static void prepare_empty(void)
{
    raw_send(s[0], "", 0, NULL, 0);
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static void prepare_reset(void)
{
    raw_send(s[1], "unread", 6, NULL, 0);
    raw_send(s[0], "reply", 5, NULL, 0);
    close(s[0]);
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static void run_send(void)
{
    result = unx_send(s[0], &m, 0);
}

static void run_send_plain(void)
{
    result = unx_send(s[0], &m, UNX_PLAIN);
}

static void run_send_fd(void)
{
    result = unx_send_fd(s[0], data, 1, lent[0]);
}

static void run_recv(void)
{
    result = unx_recv(s[1], &m, 0);
}

static void run_recv_plain(void)
{
    result = unx_recv(s[1], &m, UNX_PLAIN);
}

static void run_recv_keep(void)
{
    result = unx_recv(s[1], &m, UNX_KEEP);
}

static void run_peek(void)
{
    result = unx_recv(s[1], &m, UNX_PEEK);
}

static void run_recv_fd(void)
{
    result = unx_recv_fd(s[1], data, sizeof data, NULL);
}

/* The time that is left after a signal is counted by more code than an undisturbed call needs. */
static void prepare_signals(void)
{
    m = (struct unx_msg){.iov = iov, .niov = 1};
    CHECK_INT(unx_set_timeout(s[1], UNX_RECV, 30), 0);
    raw_signals_start();
}

static void prepare_nothing(void)
{
    m = (struct unx_msg){.iov = iov, .niov = 1};
}

static const struct {
    const char *name;
    void (*prepare)(void);
    void (*run)(void);
    int want;
    unsigned limit;
} runs[] = {
    {"unx_send, bytes", prepare_send, run_send, 1, STACK_LIMIT},
    {"unx_send, 253 descriptors and credentials", prepare_send_all, run_send, 1, STACK_LIMIT},
    {"unx_send, plain", prepare_send, run_send_plain, 1, STACK_LIMIT},
    {"unx_send_fd", prepare_nothing, run_send_fd, 1, STACK_LIMIT},
    {"unx_recv, bytes", prepare_recv, run_recv, 1, STACK_LIMIT},
    {"unx_recv, everything", prepare_recv_all, run_recv, 1, STACK_LIMIT},
    {"unx_recv, control data", prepare_recv_control, run_recv, 1, STACK_LIMIT},
    {"unx_recv, plain", prepare_recv, run_recv_plain, 1, STACK_LIMIT},
    {"unx_recv, kept", prepare_recv, run_recv_keep, 1, STACK_LIMIT},
    {"unx_recv, a peek", prepare_recv, run_peek, 1, STACK_LIMIT},
    {"unx_recv, an empty packet", prepare_empty, run_recv, 1, STACK_LIMIT},
    {"unx_recv, 253 unwanted descriptors", prepare_surplus, run_recv, -ENOBUFS, STACK_LIMIT},
    {"unx_recv, behind a reset", prepare_reset, run_recv, 1, STACK_LIMIT},
    {"unx_recv, interrupted until it times out", prepare_signals, run_recv, -EAGAIN, STACK_LIMIT},
    {"unx_recv_fd", prepare_recv, run_recv_fd, -ENOMSG, STACK_LIMIT},
};

static void set_up(void)
{
    CHECK_INT(unx_pair(SOCK_SEQPACKET, UNX_PASSFDS, s), 0);
    CHECK_INT(unx_cred_real(&me), 0);
    for (unsigned i = 0; i < 253; i++) {
        lent[i] = s[0];
    }
    for (unsigned i = 0; i < 16; i++) {
        iov[i] = (struct iovec){data + 16 * i, 16};
    }
}

static void tidy(void)
{
    unsigned left = 10;
    for (unsigned i = 0; i < m.fds_got && m.fds == fds; i++) {
        close(fds[i]);
    }
    struct raw_got g;
    do {
        raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
        raw_close_fds(&g);
    } while (g.result > 0 && --left > 0);
    close_pair(s);
}

/* Prepares and runs one; under() is put around the call itself. */
static void each(unsigned i, void (*under)(unsigned i))
{
    set_up();
    runs[i].prepare();
    under(i);
    if (runs[i].prepare == prepare_signals) {
        raw_signals_stop();
    }
    CHECK_INT(result, runs[i].want);
    tidy();
}

static void just_run(unsigned i)
{
    runs[i].run();
}

static void count_allocations(unsigned i)
{
    const unsigned before = allocations;
    runs[i].run();
    if (allocations != before) {
        harness_fail(__FILE__, __LINE__, "%s: %u calls of the allocator", runs[i].name, allocations - before);
    }
}

static void no_allocation(void)
{
    void *volatile p = malloc(1);
    const unsigned before = allocations;
    free(p);
    if (allocations == before) {
        SKIP("the allocator cannot be counted here");
    }
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        each(i, count_allocations);
    }
}

#define STACK_SIZE (256u << 10)
#define PAINT 0xa7

static unsigned char *stack;
static size_t deepest;

/* Everything between the end of the stack and this frame is painted, but for a margin that the painting itself uses. */
static void __attribute__((noinline)) measure(unsigned i)
{
    unsigned char *const here = __builtin_frame_address(0);
    unsigned char *const top = here - 512;
    for (volatile unsigned char *p = stack; p < top; p++) {
        *p = PAINT;
    }
    runs[i].run();
    size_t untouched = 0;
    while (untouched < (size_t)(top - stack) && stack[untouched] == PAINT) {
        untouched++;
    }
    deepest = (size_t)(here - stack) - untouched;
}

static void *on_own_stack(void *arg)
{
    /* The handler's frame is not the library's. */
    const stack_t other = {.ss_sp = arg, .ss_size = STACK_SIZE};
    CHECK_INT(sigaltstack(&other, NULL), 0);
    unsigned over = 0;
    for (unsigned i = 0; i < sizeof runs / sizeof *runs; i++) {
        each(i, just_run);
        each(i, measure);
        NOTE("%4zu bytes: %s", deepest, runs[i].name);
        over += deepest > runs[i].limit;
    }
    CHECK_INT(over, 0);
    return NULL;
}

static void little_stack(void)
{
    if (harness_sanitized() || raw_under_valgrind()) {
        SKIP("the stack of a sanitizer, and of valgrind, is larger");
    }
#ifndef __OPTIMIZE__
    SKIP("a build without optimisation has larger frames");
#endif
    pthread_t thread;
    pthread_attr_t attr;
    stack = mmap(NULL, 2 * STACK_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
    CHECK(stack != MAP_FAILED);
    CHECK_INT(pthread_attr_init(&attr), 0);
    CHECK_INT(pthread_attr_setstack(&attr, stack, STACK_SIZE), 0);
    CHECK_INT(pthread_create(&thread, &attr, on_own_stack, stack + STACK_SIZE), 0);
    CHECK_INT(pthread_join(thread, NULL), 0);
    CHECK_INT(pthread_attr_destroy(&attr), 0);
    munmap(stack, 2 * STACK_SIZE);
}

static const struct test_case cases[] = {
    CASE(no_allocation),
    CASE(little_stack),
};

int main(int argc, char **argv)
{
    /* The linker, asked for a function at its first call, would need stack of its own; on the way of a signal that is
     * whenever one comes. */
    if (getenv("LD_BIND_NOW") == NULL && !raw_under_valgrind()) {
        setenv("LD_BIND_NOW", "1", 1);
        execv("/proc/self/exe", argv);
    }
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
