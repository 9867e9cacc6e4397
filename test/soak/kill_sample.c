// SPDX-License-Identifier: MIT
/*
 * What the soak with kill -9 (kill.h) uses, looked at once a second: memory and descriptors of both processes, sockets
 * that the kernel has, open files of the machine, and how many descriptors lie in the queues of some connections.
 *
 * A process that is killed every few seconds cannot show a leak, so there are calms without kills: nothing may grow
 * from the middle of a calm to its end, nor from the first calm to the last.
 */
#include "../harness.h"
#include "kill.h"

#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define LOOKED_AT 100   /* connections of each process, of which the queue is looked at */
#define MORE_KIB 1024   /* what may come and go of memory */
#define MORE_THINGS 128 /* of descriptors and sockets: connections that are just closing */

long kill_fds(pid_t pid)
{
    char name[40];
    struct stat st;
    snprintf(name, sizeof name, "/proc/%d/fd", (int)pid);
    if (stat(name, &st) != 0) {
        return -1;
    }
    if (st.st_size > 0) {
        return (long)st.st_size;
    }
    /* Before Linux 6.2 they have to be counted. */
    long n = -3;
    DIR *d = opendir(name);
    while (d != NULL && readdir(d) != NULL) {
        n++;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

/* The number behind the first of these words in a file, or -1. */
static long number(const char *name, const char *word)
{
    char text[2048];
    FILE *f = fopen(name, "re");
    if (f == NULL) {
        return -1;
    }
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = 0;
    const char *at = strstr(text, word);
    return at == NULL ? -1 : atol(at + strlen(word));
}

long kill_sockets(void)
{
    return number("/proc/self/net/sockstat", "sockets: used ");
}

static long rss(pid_t pid)
{
    char name[40];
    snprintf(name, sizeof name, "/proc/%d/status", (int)pid);
    return number(name, "VmRSS:");
}

/* Of some descriptors of a process, how many descriptors wait in their queues;
 * for all of them, if those are like the others. */
static long in_flight(pid_t pid, long nfds)
{
    long sum = 0, seen = 0;
    for (long i = 0; i < LOOKED_AT && nfds > 0; i++) {
        char name[60];
        snprintf(name, sizeof name, "/proc/%d/fdinfo/%ld", (int)pid, nfds * i / LOOKED_AT);
        const long n = number(name, "scm_fds:");
        sum += n > 0 ? n : 0;
        seen += n >= 0;
    }
    return seen == 0 ? 0 : sum * nfds / seen;
}

bool kill_samples_open(struct kill_samples *all, const char *file, unsigned max)
{
    *all = (struct kill_samples){.max = max};
    const size_t size = max * sizeof *all->sample;
    /* Processes that are started later would inherit it, and seem to grow. */
    all->sample = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (all->sample == MAP_FAILED || madvise(all->sample, size, MADV_DONTFORK) != 0) {
        return false;
    }
    all->file = file == NULL ? NULL : fopen(file, "we");
    if (all->file != NULL) {
        fprintf(all->file,
                "# second cycle calm kills connections client_rss_kib server_rss_kib client_fds server_fds sockets "
                "open_files in_flight messages\n");
    }
    return file == NULL || all->file != NULL;
}

void kill_samples_close(struct kill_samples *all)
{
    if (all->file != NULL) {
        fclose(all->file);
    }
    munmap(all->sample, all->max * sizeof *all->sample);
}

void kill_sample(struct kill_samples *all, const struct kill_shared *s, const pid_t pids[2], struct kill_sample now)
{
    for (unsigned side = 0; side < 2; side++) {
        now.rss[side] = rss(pids[side]);
        now.fds[side] = kill_fds(pids[side]);
        now.in_flight += in_flight(pids[side], now.fds[side]);
        now.messages += s->totals[side].got;
    }
    now.open = s->totals[CLIENT].open;
    now.sockets = kill_sockets();
    now.files = number("/proc/sys/fs/file-nr", "");
    if (all->n < all->max) {
        all->sample[all->n++] = now;
    }
    if (all->file != NULL) {
        fprintf(all->file, "%.1f %u %d %u %u %ld %ld %ld %ld %ld %ld %ld %llu\n", now.at, now.cycle, now.calm,
                now.kills, now.open, now.rss[0], now.rss[1], now.fds[0], now.fds[1], now.sockets, now.files,
                now.in_flight, (unsigned long long)now.messages);
        fflush(all->file);
    }
}

/* ---- what has grown ---- */

enum thing { CLIENT_RSS, SERVER_RSS, CLIENT_FDS, SERVER_FDS, SOCKETS, THINGS };

static long value(const struct kill_sample *s, enum thing thing)
{
    const long values[THINGS] = {s->rss[CLIENT], s->rss[SERVER], s->fds[CLIENT], s->fds[SERVER], s->sockets};
    return values[thing];
}

static int by_size(const void *a, const void *b)
{
    const long x = *(const long *)a, y = *(const long *)b;
    return (x > y) - (x < y);
}

/* The median of a part of a calm, given in fifths of it; -1 if nobody has looked then. */
static long median(const struct kill_samples *all, unsigned cycle, enum thing thing, unsigned fifth)
{
    unsigned first = 0, n = 0;
    for (unsigned i = 0; i < all->n; i++) {
        if (all->sample[i].cycle == cycle && all->sample[i].calm) {
            first = n++ == 0 ? i : first;
        }
    }
    const unsigned from = first + n * fifth / 5, to = first + n * (fifth + 1) / 5;
    long *values = calloc(to - from + 1, sizeof *values);
    if (values == NULL || to == from) {
        free(values);
        return -1;
    }
    for (unsigned i = from; i < to; i++) {
        values[i - from] = value(&all->sample[i], thing);
    }
    qsort(values, to - from, sizeof *values, by_size);
    const long m = values[(to - from) / 2];
    free(values);
    return m;
}

static unsigned compare(const char *when, enum thing thing, long from, long to)
{
    static const char *const names[THINGS] = {"memory of the client, KiB", "memory of the server, KiB",
                                              "descriptors of the client", "descriptors of the server", "sockets"};
    /* A sanitizer keeps what was freed for a while. */
    const long more = thing > SERVER_RSS ? MORE_THINGS : harness_slow() ? 16 * MORE_KIB : MORE_KIB;
    const bool grown = from < 0 || to < 0 || to > from + more;
    printf("  %s, %s: %ld, then %ld%s\n", names[thing], when, from, to, grown ? ": TOO MUCH" : "");
    return grown;
}

unsigned kill_grown(const struct kill_samples *all, bool own_sockets)
{
    unsigned wrong = 0;
    const unsigned last = all->n == 0 ? 0 : all->sample[all->n - 1].cycle;
    for (enum thing thing = 0; thing < (own_sockets ? THINGS : SOCKETS); thing++) {
        for (unsigned cycle = 0; cycle <= last; cycle++) {
            char when[40];
            snprintf(when, sizeof when, "calm %u, middle and end", cycle + 1);
            wrong += compare(when, thing, median(all, cycle, thing, 2), median(all, cycle, thing, 4));
        }
        if (last > 0) {
            wrong += compare("first and last calm", thing, median(all, 0, thing, 4), median(all, last, thing, 4));
        }
    }
    return wrong;
}
