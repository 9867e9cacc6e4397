// SPDX-License-Identifier: MIT
/* Attacks by what is sent, and how slowly, and by what is not read. */
#include "../harness.h"
#include "../raw.h"
#include "attack.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

int attack_connect(const char *path, int type)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    strcpy(a.sun_path, path);
    const int fd = socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return -errno;
    }
    const struct timeval half = {0, 500000};
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &half, sizeof half);
    if (connect(fd, (struct sockaddr *)&a, sizeof a) < 0) {
        const int error = -errno;
        close(fd);
        attack_pause_us(500);
        return error;
    }
    return fd;
}

int attack_send(int fd, const void *p, size_t n)
{
    const ssize_t r = send(fd, p, n, MSG_DONTWAIT | MSG_NOSIGNAL);
    return r < 0 ? -errno : (int)r;
}

int attack_request(int fd, int type, size_t n)
{
    static char data[4 + FRAME_MAX] = "    1234567";
    const uint32_t len = (uint32_t)n;
    memcpy(data, &len, 4);
    return type == SOCK_STREAM ? attack_send(fd, data, 4 + n) : attack_send(fd, data + 4, n);
}

bool attack_over(int fd)
{
    struct pollfd p = {.fd = fd, .events = POLLRDHUP};
    return poll(&p, 1, 0) > 0 && (p.revents & (POLLRDHUP | POLLHUP | POLLERR)) != 0;
}

bool attack_again(const struct ground *g, int fd, unsigned tried)
{
    return fd >= 0 && ground_on(g) && (tried == 0 || !attack_over(fd));
}

void attack_pause_us(unsigned us)
{
    usleep(us);
}

static int connect_any(struct ground *g, unsigned round, int *type)
{
    const bool stream = g->seq[0] == '\0' || (g->stream[0] != '\0' && round % 2 != 0);
    *type = stream ? SOCK_STREAM : SOCK_SEQPACKET;
    atomic_fetch_add(&g->shared->tries, 1);
    return attack_connect(stream ? g->stream : g->seq, *type);
}

static void wait_over(struct ground *g, int fd)
{
    while (fd >= 0 && ground_on(g) && !attack_over(fd)) {
        attack_pause_us(1000);
    }
}

void half_frames(struct ground *g)
{
    static const char body[100] = {1};
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = attack_connect(g->stream, SOCK_STREAM);
        const uint32_t len = 4000;
        atomic_fetch_add(&g->shared->tries, 1);
        attack_send(s, &len, round % 4 + 1);
        if (round % 4 == 3) {
            attack_send(s, body, sizeof body);
        }
        if (round % 8 == 7) {
            wait_over(g, s);
        }
        close(s);
    }
}

void bad_frames(struct ground *g)
{
    static const uint32_t lengths[] = {0, FRAME_MAX + 1, 0x7fffffff, 0x80000000, 0xffffffff, 0xfffffffc};
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = attack_connect(g->stream, SOCK_STREAM);
        atomic_fetch_add(&g->shared->tries, 1);
        attack_send(s, &lengths[round % 6], 4);
        attack_send(s, lengths, sizeof lengths);
        wait_over(g, s);
        close(s);
    }
}

/* A frame that would take seconds; many at once. */
void byte_by_byte(struct ground *g)
{
    enum { AT_ONCE = 6 };
    const uint32_t len = 4000;
    while (ground_on(g)) {
        int s[AT_ONCE];
        for (int i = 0; i < AT_ONCE; i++) {
            s[i] = attack_connect(g->stream, SOCK_STREAM);
        }
        for (unsigned n = 0; n < 1000 && ground_on(g) && !attack_over(s[AT_ONCE - 1]); n++) {
            for (int i = 0; i < AT_ONCE; i++) {
                attack_send(s[i], n < 4 ? (const char *)&len + n : "x", 1);
                atomic_fetch_add(&g->shared->tries, 1);
            }
            attack_pause_us(1000);
        }
        for (int i = 0; i < AT_ONCE; i++) {
            close(s[i]);
        }
    }
}

void never_reading(struct ground *g)
{
    int type;
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = connect_any(g, round, &type);
        while (s >= 0 && ground_on(g) && !attack_over(s)) {
            if (attack_request(s, type, 8) < 0) {
                attack_pause_us(200);
            }
        }
        close(s);
    }
}

void never_writing(struct ground *g)
{
    enum { AT_ONCE = 12 };
    int type;
    while (ground_on(g)) {
        int s[AT_ONCE];
        for (unsigned i = 0; i < AT_ONCE; i++) {
            s[i] = connect_any(g, i, &type);
        }
        wait_over(g, s[0]);
        for (int i = 0; i < AT_ONCE; i++) {
            close(s[i]);
        }
    }
}

void empty_flood(struct ground *g)
{
    char reply[64];
    while (ground_on(g)) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        for (unsigned i = 0; attack_again(g, s, i); i++) {
            attack_send(s, "", 0);
            recv(s, reply, sizeof reply, MSG_DONTWAIT);
            atomic_fetch_add(&g->shared->tries, 1);
        }
        close(s);
    }
}

static void packets_of(struct ground *g, size_t size)
{
    char reply[64], *data = calloc(1, size);
    CHECK(data != NULL);
    while (ground_on(g)) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        const int most = 8 << 20;
        /* Beyond the limit of the system with the right to it, else up to it. */
        if (setsockopt(s, SOL_SOCKET, SO_SNDBUFFORCE, &most, sizeof most) != 0) {
            setsockopt(s, SOL_SOCKET, SO_SNDBUF, &most, sizeof most);
        }
        for (unsigned i = 0; attack_again(g, s, i); i++) {
            if (attack_send(s, data, size) < 0) {
                attack_pause_us(100);
            }
            atomic_fetch_add(&g->shared->tries, 1);
            recv(s, reply, sizeof reply, MSG_DONTWAIT);
        }
        close(s);
    }
    free(data);
}

void huge_packets(struct ground *g)
{
    packets_of(g, 4 << 20);
}

/* Nothing is wrong with them, there are only many. */
void large_packets(struct ground *g)
{
    packets_of(g, ROOM);
}

void out_of_band(struct ground *g)
{
    char reply[64];
    while (ground_on(g)) {
        const int s = attack_connect(g->stream, SOCK_STREAM);
        for (unsigned i = 0; i < 200 && attack_again(g, s, i); i++) {
            send(s, "!", 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
            attack_request(s, SOCK_STREAM, 100);
            send(s, "!", 1, MSG_OOB | MSG_DONTWAIT | MSG_NOSIGNAL);
            atomic_fetch_add(&g->shared->tries, 1);
            recv(s, reply, sizeof reply, MSG_DONTWAIT);
        }
        close(s);
    }
}

/* ---- the datagram socket ---- */

static int notify_socket(struct ground *g, struct sockaddr_un *a)
{
    *a = (struct sockaddr_un){.sun_family = AF_UNIX};
    strcpy(a->sun_path, g->notify);
    const int s = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    CHECK(s >= 0 && connect(s, (struct sockaddr *)a, sizeof *a) == 0);
    return s;
}

void notify_flood(struct ground *g)
{
    static char text[8192];
    struct sockaddr_un a;
    const int s = notify_socket(g, &a);
    memset(text, 'x', sizeof text);
    for (unsigned round = 0; ground_on(g); round++) {
        static const struct {
            const char *text;
            size_t len;
        } words[] = {{"", 0},
                     {"BARRIER=1", 9},
                     {"READY=1\nBARRIER=1\n", 18},
                     {"\0\0\0", 3},
                     {text, sizeof text},
                     {text, 4096},
                     {"MAINPID=1\nSTATUS=\1\2\n", 20}};
        const unsigned i = round % (sizeof words / sizeof *words);
        if (attack_send(s, words[i].text, words[i].len) == -EAGAIN) {
            struct pollfd p = {.fd = s, .events = POLLOUT};
            poll(&p, 1, 1);
        }
        atomic_fetch_add(&g->shared->tries, 1);
    }
    close(s);
}

void notify_fds(struct ground *g)
{
    struct sockaddr_un a;
    int fds[RAW_MAX_FDS], p[2];
    const int s = notify_socket(g, &a);
    raw_pipe(p);
    for (int i = 0; i < RAW_MAX_FDS; i++) {
        fds[i] = p[1];
    }
    for (unsigned round = 0; ground_on(g);) {
        static const unsigned counts[] = {RAW_MAX_FDS, 2, RAW_MAX_FDS, 1};
        const ssize_t r = raw_try_send(s, "BARRIER=1", 9, fds, counts[round % 4], MSG_DONTWAIT);
        if (r == -EAGAIN) {
            struct pollfd w = {.fd = s, .events = POLLOUT};
            poll(&w, 1, 1);
        }
        round += r > 0;
        atomic_fetch_add(&g->shared->tries, 1);
    }
    close(p[0]);
    close(p[1]);
    close(s);
}
