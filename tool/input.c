// SPDX-License-Identifier: MIT
/*
 * What is sent: standard input, and the descriptors that --fd names.
 *
 * Promises: standard input keeps its flags, because others share its open file; memory is bounded, whatever comes; a
 * descriptor that was inherited is lent and stays open.
 */
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static bool is_number(const char *what)
{
    return what[strspn(what, "0123456789")] == '\0';
}

static int lend_one(const char *what)
{
    if (!is_number(what)) {
        const int fd = open(what, O_RDONLY | O_CLOEXEC | O_NOCTTY);
        if (fd < 0) {
            report_error(DOING_OTHER, what, -errno);
        }
        return fd;
    }
    errno = 0;
    const long n = strtol(what, NULL, 10);
    if (errno || n > INT_MAX || fcntl((int)n, F_GETFD) < 0 || standard_closed((int)n)) {
        report_fail(STATUS_USAGE,
                    "--fd %s: not an open descriptor; open it in the shell (%s<FILE), or write ./%s for a file", what,
                    what, what);
        return -1;
    }
    return (int)n;
}

bool lend_open(const struct options *o, int *fds)
{
    for (unsigned i = 0; i < o->nfds; i++) {
        fds[i] = -1;
    }
    for (unsigned i = 0; i < o->nfds; i++) {
        fds[i] = lend_one(o->fds[i]);
        if (fds[i] < 0) {
            lend_close(o, fds);
            return false;
        }
    }
    return true;
}

void lend_close(const struct options *o, int *fds)
{
    for (unsigned i = 0; i < o->nfds; i++) {
        if (fds[i] >= 0 && !is_number(o->fds[i])) {
            close(fds[i]);
        }
        fds[i] = -1;
    }
}

int input_more(struct text *t)
{
    char buf[65536];
    const ssize_t n = read(STDIN_FILENO, buf, sizeof(buf));
    if (n < 0) {
        if (errno == EINTR || errno == EAGAIN) {
            return 1;
        }
        report_error(DOING_OTHER, "standard input", -errno);
        return -1;
    }
    text_add(t, buf, (size_t)n);
    if (t->len > INPUT_MAX) {
        report_fail(STATUS_CUT,
                    "more than %zu bytes for one packet, and none can be so large; use --lines or --type stream",
                    INPUT_MAX);
        return -1;
    }
    return n > 0;
}

static int wait_for_more(struct text *t)
{
    poll(&(struct pollfd){.fd = STDIN_FILENO, .events = POLLIN}, 1, -1);
    return input_more(t);
}

bool input_whole(struct text *t)
{
    int r;
    while ((r = wait_for_more(t)) > 0) {
    }
    return r == 0;
}

int input_line(struct line_input *in, const char **line, size_t *len)
{
    for (size_t seen = in->at;;) {
        const char *end = in->text.len > seen ? memchr(in->text.p + seen, '\n', in->text.len - seen) : NULL;
        if (end || (in->ended && in->text.len > in->at)) {
            *line = in->text.p + in->at;
            *len = end ? (size_t)(end - *line) : in->text.len - in->at;
            in->at += *len + (end != NULL);
            return 1;
        }
        if (in->ended) {
            return 0;
        }
        seen = in->text.len - in->at;
        if (in->at) {
            memmove(in->text.p, in->text.p + in->at, seen);
            in->text.len = seen;
            in->at = 0;
        }
        const int r = wait_for_more(&in->text);
        if (r < 0) {
            return -1;
        }
        in->ended = r == 0;
    }
}
