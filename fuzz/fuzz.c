// SPDX-License-Identifier: MIT
/*
 * What the fuzz targets share (fuzz.h): the input, the table of descriptors, and the checks of test/harness.h, which
 * abort.
 *
 * What surprised us: reading /proc/self/fd after every input costs more than most inputs; poll(2) says POLLNVAL for a
 * number that is closed, all of them in one call (and for one that was opened with O_PATH).
 */
#include "fuzz.h"

#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char row[256];
static struct fd_table table;

/* Asked by the sanitizers' run time, if there is one. */
const char *__ubsan_default_options(void);
const char *__ubsan_default_options(void)
{
    return "halt_on_error=1:print_stacktrace=1";
}

/* ---- harness.h ---- */

void harness_note(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fputs("# ", stderr);
    vfprintf(stderr, fmt, ap);
    fputc('\n', stderr);
    va_end(ap);
}

void harness_row(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vsnprintf(row, sizeof row, fmt, ap);
    va_end(ap);
    if (getenv("FUZZ_TRACE") != NULL) {
        NOTE("%s", row);
    }
}

void harness_fail(const char *file, int line, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    fprintf(stderr, "# %s:%d: ", file, line);
    vfprintf(stderr, fmt, ap);
    fprintf(stderr, "%s%s\n", row[0] != '\0' ? "; tried: " : "", row);
    va_end(ap);
    abort();
}

void harness_check_int(const char *file, int line, const char *what, long long got, long long want)
{
    if (got != want) {
        harness_fail(file, line, "%s is %lld, want %lld", what, got, want);
    }
}

void harness_check_mem(const char *file, int line, const char *what, const void *p, size_t plen, const void *q,
                       size_t qlen)
{
    if (plen != qlen || (plen > 0 && memcmp(p, q, plen) != 0)) {
        harness_fail(file, line, "%s: %zu bytes that are not the %zu that were wanted", what, plen, qlen);
    }
}

void harness_skip(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    vprintf(fmt, ap);
    printf("\n");
    va_end(ap);
    fflush(stdout);
    _exit(77);
}

/* ---- the input ---- */

unsigned take_byte(struct bytes *b)
{
    if (b->n == 0) {
        return 0;
    }
    b->n--;
    return *b->p++;
}

unsigned take_number(struct bytes *b, unsigned below)
{
    unsigned n = 0;
    for (unsigned left = below - 1; left > 0; left >>= 8) {
        n = n << 8 | take_byte(b);
    }
    return n % below;
}

size_t take_some(struct bytes *b, void *to, size_t max)
{
    const size_t n = b->n < max ? b->n : max;
    if (n > 0) {
        memcpy(to, b->p, n);
    }
    b->p += n;
    b->n -= n;
    return n;
}

char *take_text(struct bytes *b, int end, size_t max)
{
    const uint8_t *stop = b->n > 0 ? memchr(b->p, end, b->n) : NULL;
    const size_t all = stop != NULL ? (size_t)(stop - b->p) : b->n;
    const size_t n = all < max ? all : max;
    char *text = malloc(n + 1);
    CHECK(text != NULL);
    take_some(b, text, n);
    text[n] = '\0';
    if (n == all && stop != NULL) {
        take_byte(b);
    }
    return text;
}

unsigned char *take_block(struct bytes *b, size_t max, size_t *n)
{
    *n = b->n < max ? b->n : max;
    unsigned char *p = malloc(*n);
    CHECK(p != NULL || *n == 0);
    take_some(b, p, *n);
    return p;
}

/* ---- descriptors ---- */

void fds_look(struct fd_table *t)
{
    struct pollfd p[FUZZ_FDS];
    for (int i = 0; i < FUZZ_FDS; i++) {
        p[i] = (struct pollfd){.fd = i};
    }
    CHECK(poll(p, FUZZ_FDS, 0) >= 0);
    for (int i = 0; i < FUZZ_FDS; i++) {
        t->open[i] = (p[i].revents & POLLNVAL) == 0;
    }
}

bool fds_same(const struct fd_table *before, const struct fd_table *after)
{
    for (int i = 0; i < FUZZ_FDS; i++) {
        if (before->open[i] != after->open[i]) {
            NOTE("descriptor %d was %s, and is %s", i, before->open[i] ? "open" : "closed",
                 after->open[i] ? "open" : "closed");
            return false;
        }
    }
    return true;
}

void fds_before(void)
{
    fds_look(&table);
}

void fds_after(void)
{
    struct fd_table now;
    fds_look(&now);
    CHECK(fds_same(&table, &now));
}

int harness_nfds(void)
{
    struct fd_table now;
    int n = 0;
    fds_look(&now);
    for (int i = 0; i < FUZZ_FDS; i++) {
        n += now.open[i];
    }
    return n;
}

struct file_id file_of(int fd)
{
    struct stat st;
    CHECK_INT(fstat(fd, &st), 0);
    return (struct file_id){st.st_dev, st.st_ino};
}

bool file_same(struct file_id a, struct file_id b)
{
    return a.dev == b.dev && a.ino == b.ino;
}
