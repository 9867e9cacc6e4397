// SPDX-License-Identifier: MIT
/*
 * What a public call makes and closes: a frame for each call that is under way, in its own thread.
 *
 * Promises: descriptors are counted where they are made, at src/sys, so that other threads of a test do not matter.
 * Public functions that the library calls itself belong to the outermost one.
 */
#include "torture.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <unistd.h>

#ifndef SCM_PIDFD
#define SCM_PIDFD 4
#endif

struct world *world;
static _Thread_local struct frame *now;
/* Not on the stacks, which tests make small, nor from malloc(3), which a signal handler must not call; nor beside the
 * variables of a test, which may try what lies behind them. */
#define FRAMES 64
static struct frame *frames;
static atomic_flag taken[FRAMES];

void fault(const char *fmt, ...)
{
    const unsigned i = atomic_fetch_add(&world->nfaults, 1);
    if (i >= sizeof world->faults / sizeof *world->faults)
        return;
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(world->faults[i], sizeof world->faults[i], fmt, ap);
    va_end(ap);
}

struct frame *frame_enter(int function, const void *from)
{
    if (world == NULL || world->mode == 0 || now != NULL)
        return NULL;
    unsigned i = 0;
    while (i < FRAMES && atomic_flag_test_and_set(&taken[i]))
        i++;
    if (i == FRAMES)
        return NULL;
    now = &frames[i];
    now->function = function;
    now->from = from;
    now->injected = now->foreign = now->looked = false;
    now->nbirths = now->nnoted = 0;
    now->errno_before = errno;
    return now;
}

bool frames_make(void)
{
    frames = mmap(NULL, FRAMES * sizeof *frames, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return frames != MAP_FAILED;
}

struct frame *frame_now(void)
{
    return now;
}

void frame_adopt(struct frame *f)
{
    now = f;
}

void frame_returned(struct frame *f, int r)
{
    const char *const name = public_names[f->function];
    if (errno != f->errno_before)
        fault("%s: errno was %d, is %d", name, f->errno_before, errno);
    atomic_fetch_add(&world->nchecked, 1);
    for (unsigned i = 0; i < f->nnoted; i++)
        world->trace[f->noted[i]].result = r;
    if (f->injected) {
        world->function = f->function;
        world->result = r;
        atomic_store(&world->inside, 0);
    }
}

void frame_leave(struct frame *f, bool frees)
{
    const char *const name = public_names[f->function];
    for (unsigned i = 0; i < f->nbirths; i++)
        fault("%s: descriptor %d of %s was left open", name, f->births[i].fd, fake_calls[f->births[i].call].name);
    if (f->foreign && !frees)
        fault("%s: closed descriptor %d, which it had not opened", name, f->foreign_fd);
    errno = f->errno_before;
    now = NULL;
    atomic_flag_clear(&taken[f - frames]);
    overdue_look();
}

void born(int fd, int call)
{
    struct frame *const f = now;
    if (f == NULL || fd < 0)
        return;
    if (public_needs_none[f->function])
        fault("%s: made descriptor %d, and test/no_descriptor/none.txt says that it needs none",
              public_names[f->function], fd);
    if (f->nbirths == BIRTHS)
        fault("%s: more than %d descriptors in one call", public_names[f->function], BIRTHS);
    else
        f->births[f->nbirths++] = (struct birth){fd, call};
}

static bool take(struct frame *f, int fd)
{
    for (unsigned i = 0; i < f->nbirths; i++) {
        if (f->births[i].fd == fd) {
            f->births[i] = f->births[--f->nbirths];
            return true;
        }
    }
    return false;
}

void gone(int fd, int closed, int call)
{
    struct frame *const f = now;
    if (f == NULL)
        return;
    /* Closing is what a caller asks unx_engine_close() for, whatever number that is. */
    if (closed == -EBADF && f->injected && strcmp(public_names[f->function], "unx_engine_close") != 0)
        fault("%s: %s of descriptor %d, which is not open", public_names[f->function], fake_calls[call].name, fd);
    if (!take(f, fd)) {
        f->foreign = true;
        f->foreign_fd = fd;
        engine_gone(fd);
    }
}

void handed(struct frame *f, int fd)
{
    if (fd >= 0 && !take(f, fd))
        fault("%s: handed out descriptor %d, which it had not opened, or had closed", public_names[f->function], fd);
}

void each_descriptor(const struct msghdr *h, void (*what)(int fd, int arg), int arg)
{
    /* Nothing here writes to it, but the macros are of their own mind. */
    struct msghdr *const any = (struct msghdr *)h;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(any); c != NULL; c = CMSG_NXTHDR(any, c)) {
        if (c->cmsg_level != SOL_SOCKET || (c->cmsg_type != SCM_RIGHTS && c->cmsg_type != SCM_PIDFD))
            continue;
        const unsigned char *const start = (const unsigned char *)h->msg_control;
        const size_t room = h->msg_controllen - (size_t)(CMSG_DATA(c) - start);
        const size_t len = c->cmsg_len - CMSG_LEN(0) < room ? c->cmsg_len - CMSG_LEN(0) : room;
        for (size_t i = 0; i < len / sizeof(int); i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            what(fd, arg);
        }
    }
}
