// SPDX-License-Identifier: MIT
/*
 * Rows about descriptors: passed, many, surplus, unwanted, with a full table, close-on-exec.
 *
 * What surprised us: macOS installs all descriptors of a message and then cuts the list, so that what is beyond the
 * room is open and nowhere named; what each system does there is told below the row.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include "selftest.h"

#define MANY 1024

/* Sends text with the descriptors. */
static int lend(int fd, const char *text, int *fds, unsigned n)
{
    const struct iovec iov = {.iov_base = (void *)text, .iov_len = strlen(text)};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = fds, .nfds = n};
    return unx_send(fd, &m, UNX_DONTWAIT);
}

static int borrow(int fd, int *fds, unsigned n, unsigned flags, struct unx_msg *m)
{
    char got[64];
    const struct iovec iov = {.iov_base = got, .iov_len = sizeof got};
    *m = (struct unx_msg){.iov = &iov, .niov = 1, .fds = n > 0 ? fds : NULL, .nfds = n};
    const int r = unx_recv(fd, m, flags | UNX_DONTWAIT);
    m->iov = NULL;
    return r;
}

static void pass(int type)
{
    int fds[2], lent[5], came[8];
    struct unx_msg m;
    pair(type, UNX_PASSFDS, fds);
    make_files(lent, 5);
    need(can(lend(fds[0], "five", lent, 5), true), "unx_send()");
    const int r = borrow(fds[1], came, 8, 0, &m);
    if (r != 1 || m.fds_got != 5 || m.len != 4) {
        wrong("%s, %u descriptors, %zu bytes", error_text(r), m.fds_got, m.len);
    }
    for (unsigned i = 0; i < 5; i++) {
        if (!is_file(came[i], i) || !is_file(lent[i], i)) {
            wrong("number %u is another file", i);
        }
    }
    close_all(came, 5);
    close_all(lent, 5);
    close_all(fds, 2);
    ok("five, in order");
}

static void pass_packet(void)
{
    pass(SOCK_SEQPACKET);
}

static void pass_stream(void)
{
    pass(SOCK_STREAM);
}

static void pass_datagram(void)
{
    pass(SOCK_DGRAM);
}

/* What sendmsg(2) by itself takes: whether n copies of a descriptor go. */
static bool system_takes(int fd, unsigned n)
{
    static union {
        struct cmsghdr h;
        char room[CMSG_SPACE(MANY * sizeof(int))];
    } control;
    int fds[2];
    char c = 'x';
    struct iovec iov = {.iov_base = &c, .iov_len = 1};
    struct msghdr h;
    raw_pair(SOCK_STREAM, fds);
    memset(&h, 0, sizeof h);
    memset(&control, 0, sizeof control);
    h.msg_iov = &iov;
    h.msg_iovlen = 1;
    h.msg_control = &control;
    h.msg_controllen = CMSG_SPACE(n * sizeof(int));
    control.h.cmsg_level = SOL_SOCKET;
    control.h.cmsg_type = SCM_RIGHTS;
    control.h.cmsg_len = CMSG_LEN(n * sizeof(int));
    for (unsigned i = 0; i < n; i++) {
        memcpy(CMSG_DATA(&control.h) + i * sizeof fd, &fd, sizeof fd);
    }
    const bool went = sendmsg(fds[0], &h, MSG_DONTWAIT) == 1;
    close_all(fds, 2);
    return went;
}

static unsigned system_limit(int fd)
{
    unsigned good = 0, bad = MANY;
    while (bad - good > 1) {
        const unsigned n = good + (bad - good) / 2;
        *(system_takes(fd, n) ? &good : &bad) = n;
    }
    return good;
}

static void most(void)
{
    static int lent[MANY], came[MANY];
    struct rlimit limit;
    struct unx_msg m;
    int fds[2], file;
    const unsigned max = (unsigned)NEED(unx_limit(UNX_LIMIT_FDS));
    getrlimit(RLIMIT_NOFILE, &limit);
    if (limit.rlim_cur < 600 && (limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= 600)) {
        limit.rlim_cur = 600;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
    if (limit.rlim_cur != RLIM_INFINITY && limit.rlim_cur < max + 50) {
        not_tried("no more than %lu descriptors may be open", (unsigned long)limit.rlim_cur);
    }
    make_files(&file, 1);
    raw("up to %u in one message", system_limit(file));
    pair(best_type(), UNX_PASSFDS, fds);
    for (unsigned i = 0; i < MANY; i++) {
        lent[i] = file;
    }
    int r = lend(fds[0], "many", lent, max + 1);
    if (r != -E2BIG) {
        wrong("%u: %s", max + 1, error_text(r));
    }
    need(lend(fds[0], "many", lent, max), "unx_send() with that many");
    r = borrow(fds[1], came, MANY, 0, &m);
    if (r != 1 || m.fds_got != max) {
        wrong("%u came of %u: %s", m.fds_got, max, error_text(r));
    }
    close_all(came, max);
    close_all(fds, 2);
    close(file);
    ok("%u, one more is E2BIG", max);
}

static void surplus(void)
{
    int fds[2], lent[5], came[2];
    struct unx_msg m;
    pair(best_type(), UNX_PASSFDS, fds);
    make_files(lent, 5);
    const int before = count_open();
    need(lend(fds[0], "a", lent, 5), "unx_send()");
    int r = borrow(fds[1], came, 2, 0, &m);
    if (r != -ENOBUFS || count_open() != before) {
        wrong("five into room for two: %s, %d are left open", error_text(r), count_open() - before);
    }
    need(lend(fds[0], "b", lent, 5), "unx_send()");
    r = borrow(fds[1], came, 2, UNX_PARTIAL, &m);
    if (r != 1 || m.fds_got != 2 || (m.got & UNX_CUT_FDS) == 0 || count_open() != before + 2 || !is_file(came[1], 1)) {
        wrong("with UNX_PARTIAL: %s, %u came, got %#x, %d are open", error_text(r), m.fds_got, m.got,
              count_open() - before);
    }
    close_all(came, 2);
    post(fds[0], "next");
    take(fds[1], "next");
    close_all(lent, 5);
    close_all(fds, 2);
    ok("closed, and told");
}

static void unasked(void)
{
    int fds[2], lent[3];
    struct unx_msg m;
    pair(best_type(), 0, fds);
    make_files(lent, 3);
    const int before = count_open();
    const int sent = lend(fds[0], "x", lent, 3);
    if (sent == 1) {
        const int r = borrow(fds[1], NULL, 0, 0, &m);
        if (r != -ENOBUFS || count_open() != before) {
            wrong("%s, %d are left open", error_text(r), count_open() - before);
        }
    } else if (sent != -EPERM) {
        wrong("sending: %s", error_text(sent));
    }
    close_all(lent, 3);
    close_all(fds, 2);
    ok("%s", sent == 1 ? "closed on arrival" : "refused by the system");
}

/* What recvmsg(2) by itself does with five descriptors and room for two. */
static void system_cuts(void)
{
    union {
        struct cmsghdr h;
        char room[CMSG_SPACE(2 * sizeof(int))];
    } control;
    int fds[2], lent[5];
    char c;
    struct iovec iov = {.iov_base = &c, .iov_len = 1};
    struct msghdr h;
    pair(SOCK_STREAM, UNX_PASSFDS, fds);
    make_files(lent, 5);
    const int before = count_open();
    need(lend(fds[0], "x", lent, 5), "unx_send()");
    memset(&h, 0, sizeof h);
    memset(&control, 0, sizeof control);
    h.msg_iov = &iov;
    h.msg_iovlen = 1;
    h.msg_control = &control;
    h.msg_controllen = sizeof control;
    const ssize_t n = recvmsg(fds[1], &h, 0);
    const int error = errno;
    const int installed = count_open() - before;
    const unsigned long told = n < 0 || h.msg_controllen < sizeof control.h ? 0 : (unsigned long)control.h.cmsg_len;
    raw("recvmsg(2) %s, %s; %d open, msg_controllen %lu, cmsg_len %lu", n < 0 ? strerror(error) : "returns",
        n >= 0 && (h.msg_flags & MSG_CTRUNC) != 0 ? "MSG_CTRUNC" : "no MSG_CTRUNC", installed,
        (unsigned long)h.msg_controllen, told);
    /* They are in no list, but this process is at its end. */
    for (int fd = 3; fd < 1200; fd++) {
        for (unsigned i = 1; i < 5; i++) {
            if (fd != fds[0] && fd != fds[1] && is_file(fd, i)) {
                close(fd);
                break;
            }
        }
    }
    close_all((int[]){fds[0], fds[1], lent[0]}, 3);
    for (int fd = 3; count_open() > open_before && fd < 1200; fd++) {
        if (is_file(fd, 0)) {
            close(fd);
        }
    }
    ok("%s", installed == 2 ? "no more than there was room for" : "see below");
}

static void full_table(void)
{
    int fds[2], lent[3], came[3];
    struct rlimit limit;
    struct unx_msg m;
    pair(best_type(), UNX_PASSFDS, fds);
    make_files(lent, 3);
    need(lend(fds[0], "x", lent, 3), "unx_send()");
    getrlimit(RLIMIT_NOFILE, &limit);
    const rlim_t allowed = limit.rlim_cur;
    limit.rlim_cur = (rlim_t)lent[2] + 2;
    if (setrlimit(RLIMIT_NOFILE, &limit) < 0) {
        not_tried("setrlimit(2): %s", error_text(errno));
    }
    const int before = count_open();
    const int r = borrow(fds[1], came, 3, 0, &m);
    const int left = count_open() - before;
    limit.rlim_cur = allowed;
    setrlimit(RLIMIT_NOFILE, &limit);
    if (r != -EMFILE || left != 0) {
        wrong("three with one place free: %s, %d are left open", error_text(r), left);
    }
    post(fds[0], "next");
    take(fds[1], "next");
    close_all(lent, 3);
    close_all(fds, 2);
    ok("EMFILE, nothing is left open, and the next message comes");
}

static void check_cloexec(int fd, const char *what)
{
    const int flags = fcntl(fd, F_GETFD);
    if (flags < 0 || (flags & FD_CLOEXEC) == 0) {
        wrong("%s is not close-on-exec", what);
    }
}

static void cloexec(void)
{
    int fds[2], lent[1], came[1];
    struct unx_msg m;
    struct unx_addr a = address("door");
    pair(SOCK_STREAM, UNX_PASSFDS, fds);
    make_files(lent, 1);
    need(lend(fds[0], "x", lent, 1), "unx_send()");
    need(borrow(fds[1], came, 1, 0, &m), "unx_recv()");
    const int door = NEED(unx_listen(SOCK_STREAM, 0, &a, 1, UNX_MODE_UMASK));
    const int client = NEED(unx_connect(SOCK_STREAM, 0, NULL, &a, 1000));
    const int server = NEED(unx_accept(door, 0, NULL));
    const int copy = NEED(unx_dup(client));
    unlink(in_folder("door"));
    check_cloexec(fds[0], "a pair");
    check_cloexec(door, "a listener");
    check_cloexec(client, "a client");
    check_cloexec(server, "an accepted connection");
    check_cloexec(came[0], "a received descriptor");
    check_cloexec(copy, "a copy");
#if !defined(SOCK_CLOEXEC)
    raw("no SOCK_CLOEXEC");
#endif
#if !defined(MSG_CMSG_CLOEXEC)
    raw("no MSG_CMSG_CLOEXEC");
#endif
    close_all((int[]){fds[0], fds[1], lent[0], came[0], door, client, server, copy}, 8);
    ok("all that the library made or received");
}

const struct row descriptor_rows[] = {
    {"descriptors in a packet", pass_packet},
    {"descriptors on a stream", pass_stream},
    {"descriptors in a datagram", pass_datagram},
    {"most descriptors of a message", most},
    {"surplus descriptors", surplus},
    {"descriptors that were not asked for", unasked},
    {"descriptors cut by the system", system_cuts},
    {"full table of descriptors", full_table},
    {"close-on-exec", cloexec},
    {NULL, NULL},
};
