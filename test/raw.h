// SPDX-License-Identifier: MIT
/*
 * The kernel's own calls, for tests: what the library sends is judged by recvmsg(2), what it receives was sent by
 * sendmsg(2), so that two mistakes of the library cannot hide each other. Everything here fails the case when the call
 * itself fails, unless its name says try.
 */
#ifndef TEST_RAW_H
#define TEST_RAW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>
#include <sys/uio.h>

/* Kernel numbers that older headers lack; the same on every architecture that the tests run on. */
#define RAW_SO_PASSPIDFD 76
#define RAW_SO_PEERPIDFD 77
#define RAW_SO_PASSRIGHTS 83
#define RAW_SO_TIMESTAMPNS 35
#define RAW_SO_PEERGROUPS 59
#define RAW_SO_INQ 84
#define RAW_SCM_PIDFD 4
#define RAW_MAX_FDS 253

/* The three types, to loop over. */
extern const int raw_types[3];
const char *raw_type_name(int type);

/* A connected pair, close-on-exec, with the kernel's defaults. */
void raw_pair(int type, int fds[2]);

/* Sets or reads an integer option of level SOL_SOCKET. */
void raw_set(int fd, int option, int value);
int raw_get(int fd, int option);

/* Does this kernel know such an option at all? */
bool raw_knows(int option);

/* Skips the case if this kernel, or a filter, has no such system call.
 * It is made with arguments that can do nothing. */
void raw_need_call(long number, const char *name);

/* One sendmsg(2) with descriptors; returns its result or a negative errno value. */
ssize_t raw_try_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds, int flags);

/* The same, and all of it has to go. */
void raw_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds);

/* One recvmsg(2) with room for every descriptor that a message can hold. */
struct raw_got {
    ssize_t result; /* or a negative errno value */
    int flags;
    unsigned nfds;
    int fds[RAW_MAX_FDS];
    bool has_cred;
    struct {
        pid_t pid;
        uid_t uid;
        gid_t gid;
    } cred;
};
void raw_recv(int fd, void *p, size_t max, int flags, struct raw_got *g);
void raw_close_fds(struct raw_got *g);

/* Fills with bytes that say where they stand, so that a shift or a hole shows. */
void raw_pattern(void *p, size_t n, size_t from);
bool raw_pattern_ok(const void *p, size_t n, size_t from);

/* Do two descriptors lead to the same file? Is this one close-on-exec? Is it open at all? */
bool raw_same_file(int a, int b);
bool raw_cloexec(int fd);
bool raw_is_open(int fd);

/* Lets exactly n more descriptors be opened, until raw_unlimit(). Under valgrind the kernel never hears of the limit:
 * raw_limit_works() tries it. */
void raw_limit(unsigned n);
void raw_unlimit(void);
bool raw_limit_works(void);

/* A pipe whose write end is passed around: once every copy of it is closed, wherever it was, raw_pipe_ended(). */
void raw_pipe(int fds[2]);
bool raw_pipe_ended(int read_end);

/* As accept4(2) with SOCK_CLOEXEC. */
int raw_accept(int listener);

/* A TCP socket with unsent data, whose last close sleeps for two seconds (SO_LINGER).
 * Its peer, *keep, reads nothing. */
int raw_lingering(int *keep);

/* Closes an AF_UNIX socket made for the purpose, which lets the kernel collect sockets nobody can reach any more. */
void raw_collect(void);

/* From now on all threads that are made run on one processor, one after the other. */
void raw_one_cpu(void);

/* This thread runs from now on only when no other one wants the processor. */
void raw_run_last(void);

/* Milliseconds of the monotonic clock. */
int64_t raw_now(void);
void raw_sleep(unsigned ms);

/* Waits until this process, or this thread of it (gettid(2)), is asleep, in the call that it was going to make,
 * or has ended. */
void raw_until_asleep(pid_t pid);

/* Bytes that the allocator has given out; 0: this C library does not say. */
size_t raw_allocated(void);

/* Does valgrind run this program? Its stacks are others, and a 1 kHz signal leaves it no time: there come fewer. */
bool raw_under_valgrind(void);
void raw_need_no_valgrind(const char *why); /* skips the case there */

/* Was this fault of an emulator found, by name in HARNESS_LACKS of the environment? See cross/linux/emulator.c. */
bool raw_lacks(const char *fault);

/* Skips the case where the calls of sockets are one, socketcall(2): a filter of system calls cannot tell them apart. */
void raw_need_socket_calls(void);

/* Skips the case where somebody interrupts or stops every process all the time (test/conditions): it is about when a
 * signal of its own comes, or how little time something takes. */
void raw_need_quiet(void);

/* Skips the case where each call is first made with too few descriptors (test/conditions), because what the library
 * then leaves as it is, or that somebody stands before it, shows. */
void raw_need_descriptors(void);

/* A 1 kHz SIGUSR1, handled without SA_RESTART (and on an alternate stack, if the thread has one), until
 * raw_signals_stop(), which returns how many were due when they came. */
void raw_signals_start(void);
unsigned raw_signals_stop(void);

/* Stops it, and more than so many were due; where time means little, one is enough. */
void raw_signals_came(unsigned usual);

#endif
