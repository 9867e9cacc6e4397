// SPDX-License-Identifier: MIT
/*
 * A log server over datagrams, and a client that never hangs because of it.
 *
 *     example_log_server serve @log &
 *     printf 'one\ntwo\n' | example_log_server log @log
 *
 * Each datagram is one line; the kernel adds when it was sent (UNX_TIMESTAMP) and by whom (UNX_PASSCRED).
 * The client connects its datagram socket, for a reason: poll(2) then tells when the server has room again; for a
 * socket that is not connected it says "writable" at once, always. Linux queues about ten datagrams for a receiver
 * (net.unix.max_dgram_qlen), then sends fail with -EAGAIN: wait a moment, then lose lines, and say how many.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <unx/policy.h>
#include <unx/unx.h>

/* An abstract name has no permissions: who may talk to us is looked at here, for every line. See allow.c for more. */
static const struct unx_policy same_user = {.admit = UNX_ADMIT_SAME_USER};

static int fail(const char *what, int error)
{
    fprintf(stderr, "log_server: %s: %s\n", what, unx_explain(error));
    return 1;
}

static void print_line(const struct unx_msg *m, char *text)
{
    char when[32] = "unknown";
    const time_t seconds = (time_t)(m->time_ns / 1000000000);
    struct tm tm;
    if ((m->got & UNX_GOT_TIME) && gmtime_r(&seconds, &tm))
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%SZ", &tm);
    /* Whoever may write a log may not write lines of somebody else, nor control the terminal of its reader. */
    for (size_t i = 0; i < m->len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = '?';
    const struct unx_cred *c = m->cred;
    printf("%s uid %ld pid %ld: %.*s", when, c->known & UNX_KNOWN_UID ? (long)c->uid : -1,
           c->known & UNX_KNOWN_PID ? (long)c->pid : -1, (int)m->len, text);
    if (m->got & UNX_CUT_DATA)
        printf(" [%zu bytes more]", m->full_len - m->len);
    printf("\n");
    fflush(stdout);
}

static int serve(const struct unx_addr *a)
{
    const int fd = unx_bind(SOCK_DGRAM, UNX_PASSCRED | UNX_TIMESTAMP, a, UNX_MODE_UMASK);
    if (fd < 0)
        return fail("bind", fd);
    printf("listening\n");
    fflush(stdout);
    char text[512];
    struct unx_cred cred;
    const struct iovec room = {text, sizeof text};
    struct unx_msg m = {.iov = &room, .niov = 1, .cred = &cred};
    int r;
    while ((r = unx_recv(fd, &m, UNX_PARTIAL)) > 0 || unx_one_message(r))
        if (r > 0 && unx_policy_check_msg(&same_user, &m, NULL) == 0)
            print_line(&m, text);
    close(fd);
    return fail("receive", r);
}

/* 1: sent; 0: this line is lost; negative: there is no server any more. */
static int log_line(int fd, const struct unx_addr *a, const char *text, int may_wait)
{
    const struct iovec data = {(void *)text, strlen(text)};
    struct unx_msg m = {.iov = &data, .niov = 1};
    int r = unx_send(fd, &m, 0);
    if (r == -EAGAIN && may_wait && unx_wait(fd, POLLOUT, 200) > 0)
        r = unx_send(fd, &m, 0);
    /* A server that was started again is another socket, of the same name. */
    if ((r == -ECONNREFUSED || r == -ENOTCONN || r == -ECONNRESET) && (r = unx_connect_to(fd, a)) >= 0)
        r = unx_send(fd, &m, 0);
    return r == -EAGAIN ? 0 : r;
}

static int log_lines(const struct unx_addr *a)
{
    const int fd = unx_connect(SOCK_DGRAM, UNX_NONBLOCK, NULL, a, 0);
    if (fd < 0)
        return fail("connect", fd);
    char text[1000];
    unsigned lost = 0, lost_now = 0;
    int r = 0;
    while (r >= 0 && fgets(text, sizeof text, stdin)) {
        text[strcspn(text, "\n")] = 0;
        /* Only the first line that finds the server full waits: a program is slowed down once, not per line. */
        r = log_line(fd, a, text, lost_now == 0);
        lost_now = r > 0 ? 0 : lost_now + 1;
        lost += r <= 0;
    }
    close(fd);
    if (lost)
        fprintf(stderr, "log_server: %u lines lost\n", lost);
    return r < 0 ? fail("send", r) : lost != 0;
}

int main(int argc, char **argv)
{
    const int serving = argc == 3 && !strcmp(argv[1], "serve");
    if (!serving && !(argc == 3 && !strcmp(argv[1], "log"))) {
        fprintf(stderr, "usage: log_server serve ADDR | log_server log ADDR <lines\n");
        return 2;
    }
    struct unx_addr a;
    const int r = unx_addr_parse(&a, argv[2]);
    if (r < 0)
        return fail(argv[2], r);
    return serving ? serve(&a) : log_lines(&a);
}
