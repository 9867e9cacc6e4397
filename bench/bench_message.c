// SPDX-License-Identifier: MIT
/*
 * What one message and one connection cost through libunx, beside the system calls written by hand.
 *
 *     scripts/bench.sh [--json] [--check 0.02] [--only 'seqpacket 64']
 *
 * One process, one thread, one core: a message is sent and received at once, so that nobody is ever woken. That makes
 * the calls as cheap as they can be, and what the library adds as visible as it can be. Both sides use the same sockets
 * and the same memory. The first line compares the raw calls with themselves: what differs from 1.000 there is the
 * noise of this machine at this moment.
 *
 * A batch is 32 messages sent and then received; figures are for one of them. The base of "batch" is sendmmsg(2) and
 * recvmmsg(2) of all 32. "Batch to singles" has unx_send() and unx_recv() as its base, 32 times the one and then 32
 * times the other, and "in turn" one message after the other, so that none is ever queued.
 *
 * Large packets from core to core, in rates, are bench_rate.c.
 */
#include "sides.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <unx/unx.h>

#define SEQ SOCK_SEQPACKET
#define STR SOCK_STREAM
#define DGR SOCK_DGRAM

static const struct bench_work works[] = {
    {"raw against itself, seqpacket 64 B", raw_message, raw_message, SEQ, 64, 0, 0, 0},
    {"seqpacket 64 B", raw_message, unx_message, SEQ, 64, 0, 0, 1.03},
    {"seqpacket 64 B, struct made anew", raw_message, unx_message_anew, SEQ, 64, 0, 0, 0},
    {"seqpacket 4 KiB", raw_message, unx_message, SEQ, 4096, 0, 0, 1.03},
    {"seqpacket 64 B, 1 descriptor", raw_message, unx_message, SEQ, 64, 1, 0, 1.03},
    {"seqpacket 64 B, 8 descriptors", raw_message, unx_message, SEQ, 64, 8, 0, 1.05},
    {"seqpacket 64 B, 253 descriptors", raw_message, unx_message, SEQ, 64, 253, 0, 1.05},
    {"seqpacket 64 B, plain", raw_plain, unx_message, SEQ, 64, 0, UNX_PLAIN, 1.03},
    {"seqpacket 64 B, plain, made anew", raw_plain, unx_message_anew, SEQ, 64, 0, UNX_PLAIN, 0},
    {"seqpacket 4 KiB, plain", raw_plain, unx_message, SEQ, 4096, 0, UNX_PLAIN, 1.03},
    {"stream 64 B", raw_message, unx_message, STR, 64, 0, 0, 0},
    {"stream 4 KiB", raw_message, unx_message, STR, 4096, 0, 0, 0},
    {"stream 64 B, 1 descriptor", raw_message, unx_message, STR, 64, 1, 0, 0},
    {"stream 64 B, plain", raw_plain, unx_message, STR, 64, 0, UNX_PLAIN, 0},
    {"frames 64 B", raw_message, unx_frame, STR, 64, 0, 0, 1.5},
    {"frames 4 KiB", raw_message, unx_frame, STR, 4096, 0, 0, 0},
    {"frames 200 KB", raw_message, unx_frame, STR, 200000, 0, 0, 0},
    {"frames 64 B, 1 descriptor", raw_message, unx_frame, STR, 64, 1, 0, 0},
    {"frames, 64 B, queued to in turn", unx_frame, unx_frame_queue, STR, 64, 0, 0, 0},
    {"datagram 64 B", raw_message, unx_message, DGR, 64, 0, 0, 0},
    {"datagram 4 KiB", raw_message, unx_message, DGR, 4096, 0, 0, 0},
    {"datagram 64 B, 1 descriptor", raw_message, unx_message, DGR, 64, 1, 0, 0},
    {"datagram 64 B, plain", raw_plain, unx_message, DGR, 64, 0, UNX_PLAIN, 0},
    {"batch, 64 B", raw_batch, unx_batch, SEQ, 64, 0, 0, 1.03},
    {"batch, 1 descriptor", raw_batch, unx_batch, SEQ, 64, 1, 0, 0},
    {"batch, credentials", raw_batch, unx_batch, SEQ, 64, 0, UNX_PASSCRED, 0},
    {"batch to singles, 64 B", unx_singles, unx_batch, SEQ, 64, 0, 0, 0.90},
    {"batch to singles, 1 descriptor", unx_singles, unx_batch, SEQ, 64, 1, 0, 0},
    {"batch to singles, credentials", unx_singles, unx_batch, SEQ, 64, 0, UNX_PASSCRED, 0},
    {"batch to singles in turn, 64 B", unx_singles_in_turn, unx_batch, SEQ, 64, 0, 0, 0},
    {"raw batch to raw singles in turn", raw_message, raw_batch, SEQ, 64, 0, 0, 0},
    {"connect, accept, credentials", raw_connect, unx_connect_accept, SEQ, 0, 0, UNX_PASSFDS, 1.05},
    {"the same, descriptors refused", raw_connect, unx_connect_accept, SEQ, 0, 0, 0, 0},
};

static char buffer[SIDES_MAX_SIZE] __attribute__((aligned(4096)));

static int setup(const struct bench_work *w, struct bench_context *c, struct unx_addr *a)
{
    *c = (struct bench_context){.type = w->type,
                                .size = w->size,
                                .nfds = w->nfds,
                                .flags = w->flags,
                                .fds = {-1, -1},
                                .extra = -1,
                                .buf = buffer};
    if (w->base == raw_connect) {
        const int listener = unx_listen(w->type, w->flags, a, -1, UNX_MODE_UMASK);
        c->fds[0] = listener;
        c->more = a;
        /* Autobound: the kernel chose the name. */
        return listener < 0 ? listener : unx_local_addr(listener, a);
    }
    if (w->nfds > 0 && (c->extra = open("/dev/null", O_RDONLY | O_CLOEXEC)) < 0)
        return -errno;
    return unx_pair(w->type, (w->nfds > 0 ? UNX_PASSFDS : 0) | (w->flags & UNX_PASSCRED), c->fds);
}

static void cleanup(const struct bench_context *c)
{
    const int fds[] = {c->fds[0], c->fds[1], c->extra};
    for (size_t i = 0; i < sizeof fds / sizeof *fds; i++)
        if (fds[i] >= 0)
            close(fds[i]);
}

static int run(const struct bench_options *o, const struct bench_work *w, struct bench_result *result)
{
    struct bench_options options = *o;
    struct bench_context c;
    struct unx_addr a;
    /* Closed sockets are freed later, in bursts that hit either side: most of many short slices are free of them. */
    if (w->size == 0) {
        options.slices *= 10;
        options.slice_ms /= 4;
    }
    int r = unx_addr_unnamed(&a);
    if (r >= 0)
        r = setup(w, &c, &a);
    if (r >= 0)
        r = bench_measure(&options, w, &c, result);
    cleanup(&c);
    return r;
}

int main(int argc, char **argv)
{
    struct bench_options o;
    const int status = bench_options(&o, argc, argv);
    if (status >= 0)
        return status;
    /* 253 descriptors twice, and the user's limit may be 256. */
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0 && limit.rlim_cur < 1024) {
        limit.rlim_cur = limit.rlim_max < 1024 ? limit.rlim_max : 1024;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    bench_pin();
    bench_print_start(&o);
    int over = 0, failed = 0, ran = 0;
    for (size_t i = 0; i < sizeof works / sizeof *works; i++) {
        const struct bench_work *const w = &works[i];
        if (o.only && !strstr(w->name, o.only))
            continue;
        struct bench_result result;
        ran++;
        const int r = run(&o, w, &result);
        if (r < 0) {
            fprintf(stderr, "bench: %s: %s\n", w->name, unx_explain(r));
            failed++;
            continue;
        }
        bench_print(&o, w, &result);
        over += o.check && w->goal > 0 && result.ratio > w->goal + o.tolerance;
    }
    ran += bench_rates(&o, &over, &failed);
    bench_print_end(&o);
    if (ran == 0)
        fprintf(stderr, "bench: no work has '%s' in its name\n", o.only);
    if (over > 0)
        fprintf(stderr, "bench: %d off the goal by more than %g\n", over, o.tolerance);
    return ran == 0 ? 2 : over > 0 || failed > 0;
}
