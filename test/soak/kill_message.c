// SPDX-License-Identifier: MIT
/*
 * The messages of the soak with kill -9 (kill.h): length, bytes and descriptors follow from connection,
 * side and number.
 *
 * What surprised us: fstat(2) cannot tell the two ends of a pipe from each other, so the access mode is compared too.
 */
#include "../raw.h"
#include "kill.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define MAGIC 0x6b696c6cu
#define SMALL_BUFFER 1 /* the kernel makes 4608 of it */

bool kill_streams(unsigned record)
{
    return record % 2 == 1;
}

bool kill_slow(unsigned record)
{
    return record / 2 % 4 == 3;
}

unsigned kill_mix(uint64_t a, uint64_t b, unsigned n)
{
    uint64_t z = a * 0x9e3779b97f4a7c15u + b + 1;
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    z = (z ^ (z >> 32)) * 0xd6e8feb86659fd93u;
    return (unsigned)((z ^ (z >> 32)) >> 8) % n;
}

/* ---- what a message is ---- */

static uint64_t key(const struct kill_head *h)
{
    return ((uint64_t)h->record << 32 | h->generation) * 2 + h->side;
}

struct kill_head kill_head(unsigned record, uint32_t generation, unsigned side, uint64_t number)
{
    struct kill_head h = {MAGIC, record, generation, side, number, 0, 0};
    const uint64_t k = key(&h);
    const unsigned n = kill_mix(k, number * 4, 8);
    h.len = KILL_LEAST + kill_mix(k, number * 4 + 1, n == 0 ? KILL_BYTES - KILL_LEAST + 1 : 100);
    h.nfds = kill_mix(k, number * 4 + 2, 3) == 0 ? 1 + kill_mix(k, number * 4 + 3, KILL_FDS) : 0;
    return h;
}

unsigned kill_file(const struct kill_head *h, unsigned i)
{
    return kill_mix(key(h), ~(h->number * KILL_FDS + i), KILL_FILES);
}

void kill_write(const struct kill_head *h, unsigned char *bytes)
{
    memcpy(bytes, h, sizeof *h);
    raw_pattern(bytes + sizeof *h, h->len - sizeof *h, (size_t)(key(h) + h->number));
}

static bool is_file(const struct kill_file *f, int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 && st.st_dev == f->dev && st.st_ino == f->ino && fcntl(fd, F_GETFL) == f->flags &&
           fcntl(fd, F_GETFD) == FD_CLOEXEC;
}

const char *kill_read(const struct kill_shared *s, const struct kill_head *h, const unsigned char *bytes, size_t n,
                      const int *fds, unsigned nfds)
{
    if (n < sizeof *h || memcmp(bytes, h, sizeof *h) != 0) {
        return "another message";
    }
    if (n != h->len || !raw_pattern_ok(bytes + sizeof *h, n - sizeof *h, (size_t)(key(h) + h->number))) {
        return "its bytes are not those that were sent";
    }
    if (nfds != h->nfds) {
        return "another number of descriptors";
    }
    for (unsigned i = 0; i < nfds; i++) {
        if (!is_file(&s->files[kill_file(h, i)], fds[i])) {
            return "a descriptor leads elsewhere";
        }
    }
    return NULL;
}

/* ---- descriptors to send ---- */

static void add(struct kill_shared *s, unsigned *n, int fd)
{
    struct stat st;
    if (fd < 0 && errno == ENOSYS) {
        printf("no memfd_create(2) here\n");
        exit(77);
    }
    if (fd < 0 || fstat(fd, &st) != 0) {
        perror("soak_kill: a file to send");
        exit(1);
    }
    s->files[(*n)++] = (struct kill_file){fd, fcntl(fd, F_GETFL), st.st_dev, st.st_ino};
}

/* Both ends of one pipe are among them, the write end of another one, whose last copy is told by *pipe_end, and a
 * socket, which the kernel looks after when it is in flight. */
void kill_open_files(struct kill_shared *s, int *pipe_end)
{
    unsigned n = 0;
    int both[2], other[2], pair[2];
    raw_pipe(both);
    raw_pipe(other);
    *pipe_end = other[0];
    raw_pair(SOCK_STREAM, pair);
    add(s, &n, both[0]);
    add(s, &n, both[1]);
    add(s, &n, other[1]);
    add(s, &n, pair[0]);
    add(s, &n, pair[1]);
    add(s, &n, memfd_create("soak", MFD_CLOEXEC));
    add(s, &n, open("/dev/null", O_RDONLY | O_CLOEXEC));
    add(s, &n, open("/", O_PATH | O_CLOEXEC));
}

/* ---- what a queue holds ---- */

/* The smallest messages, each with a buffer of the kernel's own, until no more goes. */
static unsigned fill(bool stream, bool slow)
{
    int fds[2];
    char bytes[KILL_LEAST] = "";
    raw_pair(stream ? SOCK_STREAM : SOCK_SEQPACKET, fds);
    if (slow) {
        raw_set(fds[0], SO_SNDBUF, SMALL_BUFFER);
    }
    unsigned n = 0;
    while (raw_try_send(fds[0], bytes, sizeof bytes, NULL, 0, MSG_DONTWAIT) == (ssize_t)sizeof bytes) {
        n++;
    }
    close(fds[0]);
    close(fds[1]);
    return n;
}

/* In the hands of the receiver's engine: one message of a slow connection, else what the buffers hold. A stream has
 * several messages in each. */
void kill_measure_queues(struct kill_shared *s)
{
    for (unsigned stream = 0; stream < 2; stream++) {
        const unsigned of_buffer = stream ? KILL_BYTES / KILL_LEAST : 1;
        s->most_queued[stream][true] = fill(stream, true) + of_buffer;
        s->most_queued[stream][false] = fill(stream, false) + KILL_POOL * of_buffer;
    }
}
