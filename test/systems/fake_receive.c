// SPDX-License-Identifier: MIT
/*
 * recvmsg(2) of another system.
 *
 * What a receive of Linux has taken and the other system would have left is kept in this process, by socket, and
 * comes next: the data of a message whose descriptors found no place, the rest of a packet that did not fit and is
 * not dropped. poll(2) knows nothing of it, so who does not take it at once never gets it, which a test notices.
 */
#include "fake.h"

#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define KEPT 64
#define MOST ((size_t)1 << 22) /* bytes that a receive takes at most */
#define PIECE 4096             /* a longer packet comes in pieces, where that can be */

static struct kept {
    ino_t socket;
    char *data;
    size_t len, at;
    bool goes_on; /* after the last byte comes more of this packet */
} all_kept[KEPT];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct got {
    char *data;
    size_t len;
    int flags;
    bool goes_on;
    struct control control;
    struct sockaddr_un from;
    socklen_t from_len;
};

static ino_t socket_of(int fd)
{
    struct stat st;
    return fstat(fd, &st) == 0 ? st.st_ino : 0;
}

static struct kept *find(ino_t socket)
{
    for (size_t i = 0; i < KEPT; i++) {
        if (all_kept[i].socket == socket) {
            return &all_kept[i];
        }
    }
    return NULL;
}

static void keep(int fd, const char *data, size_t len, bool goes_on)
{
    struct kept *const k = find(0);
    if (k == NULL) {
        abort();
    }
    *k = (struct kept){.socket = socket_of(fd), .data = malloc(len + 1), .len = len, .goes_on = goes_on};
    memcpy(k->data, data, len);
}

/* By the system, which knows what is no memory. */
static int scatter(const struct their_msghdr *h, char *data, size_t len)
{
    const struct iovec from = {.iov_base = data, .iov_len = len};
    return len == 0 || process_vm_writev(getpid(), &from, 1, h->msg_iov, (size_t)h->msg_iovlen, 0) == (ssize_t)len ? 0
                                                                                                                   : -1;
}

static size_t room_of(const struct their_msghdr *h)
{
    size_t sum = 0;
    for (int i = 0; i < h->msg_iovlen; i++) {
        if (h->msg_iov[i].iov_len > SSIZE_MAX - sum) {
            return SIZE_MAX;
        }
        sum += h->msg_iov[i].iov_len;
    }
    return sum;
}

/* ---- what Linux brings ---- */

static bool take_fds(struct got *g, const int *fds, unsigned n, struct mark *mark)
{
    const bool marked = n > 0 && mark_read(fds[n - 1], mark);
    n -= marked;
    if (n > 0) {
        control_add(&g->control, SCM_RIGHTS, fds, n * sizeof(int));
    }
    return marked;
}

static void close_fds(const struct msghdr *l)
{
    struct msghdr h = *l;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&h); c != NULL; c = CMSG_NXTHDR(&h, c)) {
        const size_t n = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);
        for (size_t i = 0; c->cmsg_type == SCM_RIGHTS && i < n; i++) {
            int fd;
            memcpy(&fd, CMSG_DATA(c) + i * sizeof fd, sizeof fd);
            close(fd);
        }
    }
}

static void take_control(struct got *g, int fd, struct msghdr *l, bool peeks)
{
    struct mark mark = {.cred = false};
    struct ucred u;
    bool has_cred = false;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(l); c != NULL; c = CMSG_NXTHDR(l, c)) {
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_CREDENTIALS) {
            memcpy(&u, CMSG_DATA(c), sizeof u);
            has_cred = true;
        } else if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS) {
            int fds[FDS_MAX + 1];
            const unsigned n = (unsigned)((c->cmsg_len - CMSG_LEN(0)) / sizeof(int));
            memcpy(fds, CMSG_DATA(c), n * sizeof(int));
            g->goes_on = take_fds(g, fds, n, &mark) && mark.goes_on;
        }
    }
    /* A look is not what the identity was asked for. */
    if (!peeks) {
        control_identity(&g->control, fd, mark.cred ? &mark : NULL, has_cred ? &u : NULL);
    }
}

static ssize_t from_linux(int fd, struct got *g, int flags)
{
    char room[CMSG_SPACE(sizeof(int) * (FDS_MAX + 1)) + 512] __attribute__((aligned(8)));
    struct iovec iov = {.iov_base = g->data, .iov_len = g->len};
    struct msghdr l = {.msg_name = &g->from,
                       .msg_namelen = sizeof g->from,
                       .msg_iov = &iov,
                       .msg_iovlen = 1,
                       .msg_control = room,
                       .msg_controllen = sizeof room};
    const bool peeks = (flags & MSG_PEEK) != 0;
    memset(&g->from, 0, sizeof g->from);
    g->control.len = 0;
    g->goes_on = false;
    const ssize_t n = recvmsg(fd, &l, flags);
    if (n < 0) {
        /* An error is told once, and a look leaves it where it is. */
        const bool reset = errno == ECONNRESET && peeks;
        const bool told = !peeks && (errno == EAGAIN || errno == ECONNRESET) && (hidden_get(fd) & HIDDEN_RESET) != 0;
        hidden_set(fd, (hidden_get(fd) & ~(told ? HIDDEN_RESET : 0)) | (reset ? HIDDEN_RESET : 0));
        return told ? fail(ECONNRESET) : n;
    }
    if (n == 0 && !peeks && (hidden_get(fd) & HIDDEN_RESET) != 0) {
        hidden_set(fd, hidden_get(fd) & ~HIDDEN_RESET);
        return fail(ECONNRESET);
    }
    g->from_len = l.msg_namelen;
    g->flags = l.msg_flags & (MSG_TRUNC | MSG_CTRUNC);
    g->len = (size_t)n;
    if ((g->flags & MSG_CTRUNC) != 0 || peeks) {
        close_fds(&l);
    }
    if ((g->flags & MSG_CTRUNC) == 0 && !peeks) {
        take_control(g, fd, &l, peeks);
    }
    if (peeks) {
        /* What lies in the kernel where descriptors will be. */
        const int garbage[2] = {0x2f3a4b80, -2017};
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&l); c != NULL; c = CMSG_NXTHDR(&l, c)) {
            if (c->cmsg_type == SCM_RIGHTS) {
                control_add(&g->control, SCM_RIGHTS, garbage, sizeof garbage);
            }
        }
    }
    return n;
}

/* ---- packets of which something is kept ---- */

static ssize_t from_kept(struct kept *k, struct got *g, int flags, size_t room)
{
    size_t n = k->len - k->at;
    n = n < room ? n : room;
    memcpy(g->data, k->data + k->at, n);
    g->len = n;
    g->goes_on = k->goes_on || k->at + n < k->len;
    g->flags = 0;
    g->from_len = 0;
    g->control.len = 0;
    if ((flags & MSG_PEEK) == 0) {
        k->at += n;
        if (k->at == k->len) {
            free(k->data);
            *k = (struct kept){.socket = 0};
        }
    }
    return (ssize_t)n;
}

/* A whole packet of Linux, of which no more than `room` is told of now. */
static ssize_t piece(int fd, struct got *g, int flags, size_t room)
{
    const ssize_t n = from_linux(fd, g, flags);
    const size_t most = room < PIECE ? room : PIECE;
    if (n < 0 || (size_t)n <= most) {
        return n;
    }
    if ((flags & MSG_PEEK) == 0) {
        keep(fd, g->data + most, (size_t)n - most, g->goes_on);
    }
    g->goes_on = true;
    g->len = most;
    return (ssize_t)most;
}

/* Descriptors had no place: they are gone, and what came with them on a connection is there for the next receive. */
static ssize_t no_place(int fd, const struct got *g, int type)
{
    if (type != SOCK_DGRAM && g->len > 0) {
        keep(fd, g->data, g->len, g->goes_on);
    }
    return fail(fake->table_full);
}

static bool nothing_there(int fd)
{
    char c;
    const int before = errno;
    const bool nothing = recv(fd, &c, 1, MSG_PEEK | MSG_DONTWAIT) < 0 && errno == EAGAIN;
    errno = before;
    return nothing;
}

static ssize_t receive(int fd, struct got *g, int flags, size_t room, int type)
{
    const sigset_t before = call_begins(&lock);
    struct kept *const k = find(socket_of(fd));
    if (k != NULL) {
        const ssize_t n = from_kept(k, g, flags, room);
        call_ends(&lock, &before);
        return n;
    }
    call_ends(&lock, &before);
    const bool parts = type == SOCK_SEQPACKET && fake->marks;
    g->len = parts ? MOST : room;
    const int how = (flags & (MSG_PEEK | MSG_DONTWAIT)) | (fake->cloexec ? flags & MSG_CMSG_CLOEXEC : 0);
    return parts ? piece(fd, g, how, room) : from_linux(fd, g, how);
}

static int tell(const struct got *g, struct their_msghdr *h, int flags, int type)
{
    int came = g->flags & MSG_TRUNC;
    if (h->msg_name != NULL) {
        if (type == SOCK_DGRAM && g->from_len > 0) {
            address_out(h->msg_name, &h->msg_namelen, &g->from, g->from_len);
        } else {
            h->msg_namelen = 0;
        }
    }
    if (scatter(h, g->data, g->len) != 0) {
        control_drop(&g->control);
        return fail(EFAULT);
    }
    if ((flags & MSG_PEEK) != 0 && (h->msg_control == NULL || h->msg_controllen < g->control.len)) {
        /* There is nothing behind the numbers. */
        h->msg_controllen = 0;
    } else {
        control_hand_over(&g->control, h, &came);
    }
    if (type == SOCK_SEQPACKET && !g->goes_on && g->len > 0) {
        came |= MSG_EOR;
    }
    h->msg_flags = came | (fake->trunc_returns ? flags & MSG_TRUNC : 0);
    return 0;
}

static ssize_t receive_all(int fd, struct their_msghdr *h, int flags, struct got *g)
{
    const int type = type_of(fd);
    const size_t room = room_of(h);
    const size_t given = h->msg_control == NULL ? 0 : h->msg_controllen;
    ssize_t n = receive(fd, g, flags, room < MOST ? room : MOST, type);
    if (n >= 0 && fake->small_fails && given > 0 && g->control.len > CROSS_CMSG_ALIGN(given) &&
        (flags & MSG_PEEK) == 0) {
        control_drop(&g->control);
        g->flags |= MSG_CTRUNC;
    }
    if (n >= 0 && (g->flags & MSG_CTRUNC) != 0 && (flags & MSG_PEEK) == 0) {
        const sigset_t before = call_begins(&lock);
        n = no_place(fd, g, type);
        call_ends(&lock, &before);
    } else if (n >= 0) {
        n = tell(g, h, flags, type) != 0 ? -1 : n;
    }
    return n;
}

ssize_t fake_recvmsg(int fd, struct their_msghdr *h, int flags)
{
    const size_t room = room_of(h);
    if (type_of(fd) < 0) {
        return -1;
    }
    if (h->msg_iovlen <= 0 || room == SIZE_MAX) {
        return fail(h->msg_iovlen <= 0 ? EMSGSIZE : EINVAL);
    }
    if (room == 0 && (flags & MSG_PEEK) == 0 && nothing_there(fd)) {
        h->msg_flags = 0;
        h->msg_controllen = 0;
        h->msg_namelen = 0;
        return 0;
    }
    /* Neither the heap nor the stack of who calls: tests look at both. */
    struct got *const g =
        mmap(NULL, sizeof *g + MOST, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (g == MAP_FAILED) {
        abort();
    }
    g->data = (char *)(g + 1);
    const ssize_t n = receive_all(fd, h, flags, g);
    const int error = errno;
    munmap(g, sizeof *g + MOST);
    errno = error;
    return n;
}

ssize_t fake_recv(int fd, void *p, size_t n, int flags)
{
    struct iovec iov = {.iov_base = p, .iov_len = n};
    struct their_msghdr h = {.msg_iov = &iov, .msg_iovlen = 1};
    return fake_recvmsg(fd, &h, flags);
}
