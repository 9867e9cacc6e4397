// SPDX-License-Identifier: MIT
/*
 * Attacks by descriptors: too many, too slow to close, in circles, of kinds that nobody expects; and control data that
 * makes no sense.
 *
 * What surprised us: a connection may be passed over itself, and then its peer holds both ends,
 * so closing ours ends nothing.
 */
#include "../harness.h"
#include "../raw.h"
#include "attack.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

static void same_fd(int fds[RAW_MAX_FDS], int fd)
{
    for (int i = 0; i < RAW_MAX_FDS; i++) {
        fds[i] = fd;
    }
}

void fd_flood(struct ground *g)
{
    int fds[RAW_MAX_FDS];
    const int fd = eventfd(0, EFD_CLOEXEC);
    same_fd(fds, fd);
    while (ground_on(g)) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        for (unsigned i = 0; attack_again(g, s, i); i++) {
            const ssize_t r = raw_try_send(s, "12345678", 8, fds, RAW_MAX_FDS, MSG_DONTWAIT);
            atomic_fetch_add(&g->shared->tries, r != -EAGAIN);
            if (r < 0) {
                attack_pause_us(100);
            }
        }
        close(s);
    }
    close(fd);
}

void fd_flood_unasked(struct ground *g)
{
    int fds[RAW_MAX_FDS];
    const int fd = eventfd(0, EFD_CLOEXEC);
    same_fd(fds, fd);
    while (ground_on(g)) {
        const int s = attack_connect(g->stream, SOCK_STREAM);
        for (unsigned i = 0; attack_again(g, s, i); i++) {
            const ssize_t r = raw_try_send(s, "12345678", 8, fds, RAW_MAX_FDS, MSG_DONTWAIT);
            atomic_fetch_add(&g->shared->tries, 1);
            if (r == -EPERM) {
                /* The kernel has refused it, and nobody noticed. So that somebody does: half a frame. */
                attack_send(s, "\1", 1);
            }
            attack_pause_us(1000);
        }
        close(s);
    }
    close(fd);
}

/* Meanwhile the server can open three descriptors more: who comes takes the last ones, stays, and lends it others. */
void fd_flood_full_table(struct ground *g)
{
    enum { HELD = 6, MESSAGES = 40 };
    int fds[4], p[2], s[HELD];
    raw_pipe(p);
    for (int i = 0; i < 4; i++) {
        fds[i] = p[1];
    }
    while (ground_on(g)) {
        for (int i = 0; i < HELD; i++) {
            s[i] = attack_connect(g->seq, SOCK_SEQPACKET);
            /* Who has said something whole may stay. */
            attack_request(s[i], SOCK_SEQPACKET, 8);
        }
        for (int i = 0; i < MESSAGES * HELD && ground_on(g); i++) {
            char reply[64];
            raw_try_send(s[i % HELD], "12345678", 8, fds, 4, MSG_DONTWAIT);
            atomic_fetch_add(&g->shared->tries, 1);
            recv(s[i % HELD], reply, sizeof reply, MSG_DONTWAIT);
            attack_pause_us(100);
        }
        for (int i = 0; i < HELD; i++) {
            close(s[i]);
        }
    }
    close(p[0]);
    close(p[1]);
}

static struct sockaddr_in slow_peer;

/* Where slow sockets lead to: nobody accepts, nobody reads. As long as it is there, they wait. */
static int slow_listener(void)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    socklen_t len = sizeof slow_peer;
    slow_peer = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small), 0);
    CHECK_INT(bind(fd, (struct sockaddr *)&slow_peer, len), 0);
    CHECK_INT(listen(fd, 4096), 0);
    CHECK_INT(getsockname(fd, (struct sockaddr *)&slow_peer, &len), 0);
    return fd;
}

/* A TCP socket with unsent data whose last close(2) takes ten seconds, but for that of a process that ends. */
static int slow_socket(void)
{
    static const char data[65536];
    const struct linger ten_seconds = {1, 10};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
    /* Or what waits to be sent would be the memory of all TCP of the machine. */
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small), 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&slow_peer, sizeof slow_peer), 0);
    while (send(fd, data, sizeof data, MSG_DONTWAIT) > 0) {
    }
    CHECK_INT(setsockopt(fd, SOL_SOCKET, SO_LINGER, &ten_seconds, sizeof ten_seconds), 0);
    return fd;
}

/* A connection that lives on in a child, or the server would notice our end before it comes to the message; and so much
 * to read before that we are gone when it does. Before there is anything slow that the child would have a copy of. */
static int slow_connect(struct ground *g)
{
    const int s = attack_connect(g->seq, SOCK_SEQPACKET);
    if (fork() == 0) {
        for (int i = 0; i < 30 && s >= 0 && !attack_over(s); i++) {
            attack_pause_us(1000);
        }
        _exit(0);
    }
    return s;
}

static void keep_busy(int s)
{
    for (int i = 0; i < 120; i++) {
        attack_request(s, SOCK_SEQPACKET, 8);
    }
}

enum { SLOW = 8, SLOW_ROUNDS = 100 };
static int slow_fds[SLOW];

static void slow_make(void)
{
    for (int i = 0; i < SLOW; i++) {
        slow_fds[i] = slow_socket();
    }
}

/* As many as it may have room for, or more than that. */
static void send_slow(struct ground *g)
{
    const int s = slow_connect(g);
    slow_make();
    keep_busy(s);
    raw_try_send(s, "12345678", 8, slow_fds, getpid() % 2 == 0 ? SLOW : 1, MSG_DONTWAIT);
}

/* They are still in the queue when the server closes the connection, because the first message makes it do so. */
static void send_slow_unread(struct ground *g)
{
    int many[RAW_MAX_FDS];
    const int s = slow_connect(g);
    slow_make();
    same_fd(many, slow_fds[0]);
    keep_busy(s);
    raw_try_send(s, "12345678", 8, many, RAW_MAX_FDS, MSG_DONTWAIT);
    for (int i = 1; i < SLOW; i++) {
        raw_try_send(s, "12345678", 8, &slow_fds[i], 1, MSG_DONTWAIT);
    }
}

/* Sockets in whose queues they are: switching off lingering on these helps nothing.
 * As many as there may be room for, or more. */
static void send_slow_nested(struct ground *g)
{
    int pairs[SLOW][2], outer[SLOW];
    const int s = slow_connect(g);
    slow_make();
    for (int i = 0; i < SLOW; i++) {
        raw_pair(SOCK_STREAM, pairs[i]);
        raw_try_send(pairs[i][0], "x", 1, &slow_fds[i], 1, MSG_DONTWAIT);
        outer[i] = pairs[i][1];
    }
    keep_busy(s);
    raw_try_send(s, "12345678", 8, outer, getpid() % 2 == 0 ? SLOW : 1, MSG_DONTWAIT);
}

/* By a child each time: its end closes its copies without waiting, so that the last close is the server's. */
static void slow_loop(struct ground *g, void (*child)(struct ground *g))
{
    const int listener = slow_listener();
    for (unsigned round = 0; ground_on(g); round++) {
        int status;
        if (round >= SLOW_ROUNDS) {
            attack_pause_us(1000);
            continue;
        }
        const pid_t pid = ground_fork(g, child);
        waitpid(pid, &status, 0);
        CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        atomic_fetch_add(&g->shared->tries, 1);
        attack_pause_us(5000);
    }
    /* What waits for this end is let go when others have been served meanwhile, or have waited far too long. */
    const unsigned rounds = atomic_load(&g->shared->client_rounds);
    for (int i = 0; i < 5000 && atomic_load(&g->shared->client_rounds) < rounds + 8; i++) {
        attack_pause_us(1000);
    }
    close(listener);
}

void slow_close(struct ground *g)
{
    slow_loop(g, send_slow);
}

void slow_close_unread(struct ground *g)
{
    slow_loop(g, send_slow_unread);
}

void slow_close_nested(struct ground *g)
{
    slow_loop(g, send_slow_nested);
}

/* Two that hold each other, and one that holds itself,
 * each with a copy of `end`: nobody can reach them but the collector. */
static void make_circles(struct ground *g, int end)
{
    int s[2], t[2];
    raw_pair(SOCK_SEQPACKET, s);
    raw_pair(SOCK_STREAM, t);
    raw_try_send(s[0], "x", 1, (const int[]){t[1], end}, 2, MSG_DONTWAIT);
    raw_try_send(t[0], "x", 1, (const int[]){s[1], end}, 2, MSG_DONTWAIT);
    raw_try_send(s[1], "x", 1, (const int[]){s[0], s[1], end}, 3, MSG_DONTWAIT);
    const int c = attack_connect(g->seq, SOCK_SEQPACKET);
    if (c >= 0) {
        raw_try_send(c, "12345678", 8, (const int[]){c, s[0], t[0], end}, 4, MSG_DONTWAIT);
        raw_try_send(c, "12345678", 8, (const int[]){c, end}, 2, MSG_DONTWAIT);
        atomic_fetch_add(&g->shared->tries, 1);
    }
    close(s[0]);
    close(s[1]);
    close(t[0]);
    close(t[1]);
    close(c);
}

void passed_into_themselves(struct ground *g)
{
    int p[2];
    raw_pipe(p);
    while (ground_on(g)) {
        make_circles(g, p[1]);
        attack_pause_us(500);
    }
    close(p[1]);
    /* The server has let go of all that it got, and what nobody can reach is collected. */
    for (int i = 0; i < 2500 && !raw_pipe_ended(p[0]); i++) {
        raw_collect();
        attack_pause_us(10000);
    }
    CHECK(raw_pipe_ended(p[0]));
    close(p[0]);
}

void strange_fds(struct ground *g)
{
    const int kinds[] = {epoll_create1(EPOLL_CLOEXEC),
                         timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC),
                         open("/", O_PATH | O_CLOEXEC),
                         open("/dev/zero", O_RDWR | O_CLOEXEC),
                         memfd_create("attack", MFD_CLOEXEC),
                         (int)syscall(SYS_pidfd_open, getpid(), 0),
                         open("/proc/self/mem", O_RDWR | O_CLOEXEC),
                         open(".", O_RDONLY | O_DIRECTORY | O_CLOEXEC),
                         socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0)};
    const unsigned n = sizeof kinds / sizeof *kinds;
    /* An epoll that watches itself being passed, by way of the socket that passes it. */
    for (unsigned i = 0; ground_on(g); i++) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        struct epoll_event e = {.events = EPOLLIN};
        epoll_ctl(kinds[0], EPOLL_CTL_ADD, s, &e);
        if (kinds[i % n] >= 0 && s >= 0) {
            raw_try_send(s, "12345678", 8, &kinds[i % n], 1, MSG_DONTWAIT);
            atomic_fetch_add(&g->shared->tries, 1);
        }
        for (int j = 0; s >= 0 && j < 20 && ground_on(g) && !attack_over(s); j++) {
            attack_pause_us(500);
        }
        close(s);
    }
    for (unsigned i = 0; i < n; i++) {
        close(kinds[i]);
    }
}

/* All descriptors in flight that this user may have; another user is not to notice. */
void in_flight_limit(struct ground *g)
{
    const struct rlimit few = {64, 64};
    CHECK_INT(setrlimit(RLIMIT_NOFILE, &few), 0);
    int s[2], fds[RAW_MAX_FDS];
    raw_pair(SOCK_SEQPACKET, s);
    same_fd(fds, s[0]);
    bool full = false;
    for (int i = 0; i < 100 && !full; i++) {
        full = raw_try_send(s[0], "x", 1, fds, 50, MSG_DONTWAIT) == -ETOOMANYREFS;
        atomic_fetch_add(&g->shared->tries, 1);
    }
    CHECK(full);
    fd_flood_unasked(g);
    close(s[0]);
    close(s[1]);
}

/* ---- control data ---- */

static ssize_t send_control(int fd, void *control, size_t len)
{
    char data[16] = "1234567";
    struct iovec iov = {data, 8};
    const struct msghdr h = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = control, .msg_controllen = len};
    return syscall(SYS_sendmsg, fd, &h, MSG_DONTWAIT | MSG_NOSIGNAL);
}

static void garble(unsigned char *control, size_t *len, unsigned round, int fd)
{
    static const size_t lengths[] = {0, 1, 15, 16, 17, 18, 19, 20, 21, 24, 40, 4096, (size_t)-1, (size_t)1 << 40};
    static const int types[] = {SCM_RIGHTS, SCM_CREDENTIALS, 3, 4, 5, 29, 35, 37, 255, -1};
    struct cmsghdr h = {.cmsg_len = lengths[round % 14],
                        .cmsg_level = round / 14 % 3 == 2 ? 41 : SOL_SOCKET,
                        .cmsg_type = types[round / 42 % 10]};
    memset(control, (int)(round * 37 & 255), 256);
    memcpy(control, &h, sizeof h);
    memcpy(control + sizeof h, &fd, sizeof fd);
    *len = round % 5 == 0 ? lengths[round / 5 % 11] : 24 + round % 60;
    *len = *len > 200 ? 200 : *len;
}

void control_garbage(struct ground *g)
{
    unsigned char control[256] __attribute__((aligned(8)));
    size_t len;
    int p[2];
    raw_pipe(p);
    for (unsigned round = 0; ground_on(g);) {
        const int s = attack_connect(g->seq, SOCK_SEQPACKET);
        for (unsigned i = 0; i < 100 && attack_again(g, s, i); i++, round++) {
            char reply[64];
            garble(control, &len, round, p[1]);
            send_control(s, control, len);
            atomic_fetch_add(&g->shared->tries, 1);
            recv(s, reply, sizeof reply, MSG_DONTWAIT);
            attack_pause_us(50);
        }
        close(s);
    }
    close(p[0]);
    close(p[1]);
}
