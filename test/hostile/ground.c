// SPDX-License-Identifier: MIT
/*
 * The ground on which a server is attacked (ground.h).
 *
 * What surprised us: since Linux 6.2 the size of /proc/PID/fd is the number of descriptors, which is cheap enough to be
 * asked a thousand times a second; before, it is 0, and they have to be counted.
 */
#include "ground.h"
#include "../harness.h"
#include "../raw.h"

#include <dirent.h>
#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

struct shared *ground_share(void)
{
    void *p = mmap(NULL, sizeof(struct shared), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

int64_t now_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

bool ground_on(const struct ground *g)
{
    return !atomic_load(&g->shared->stop_attack) && now_us() < g->until;
}

static void attacker_is(struct ground *g, pid_t pid)
{
    const unsigned n = atomic_fetch_add(&g->shared->nattackers, 1);
    atomic_store(&g->shared->attackers[n % ATTACKERS], pid);
}

pid_t ground_fork(struct ground *g, void (*child)(struct ground *g))
{
    const pid_t pid = fork();
    if (pid == 0) {
        attacker_is(g, getpid());
        if (g->uid != geteuid()) {
            CHECK(setgroups(0, NULL) == 0 && setresgid(g->uid, g->uid, g->uid) == 0 &&
                  setresuid(g->uid, g->uid, g->uid) == 0);
        }
        child(g);
        _exit(0);
    }
    CHECK(pid > 0);
    return pid;
}

void ground_join(struct ground *g)
{
    (void)g;
    int status;
    while (wait(&status) > 0) {
        if (WIFEXITED(status) && WEXITSTATUS(status) != 0) {
            _exit(WEXITSTATUS(status));
        }
    }
}

static pthread_mutex_t log_mutex = PTHREAD_MUTEX_INITIALIZER;

void ground_log(struct shared *s, unsigned kind, pid_t pid, uid_t uid)
{
    pthread_mutex_lock(&log_mutex);
    const unsigned n = atomic_load(&s->nentries);
    const unsigned there = n < ENTRIES ? n : ENTRIES;
    unsigned i = 0;
    while (i < there && (s->entries[i].kind != kind || s->entries[i].pid != pid || s->entries[i].uid != uid)) {
        i++;
    }
    if (i < there) {
        s->entries[i].count++;
    } else {
        /* Whoever floods the log with new names pushes out the oldest ones, and cannot make it grow. */
        s->entries[n % ENTRIES] = (struct entry){kind, pid, uid, 1};
        atomic_store(&s->nentries, n + 1 < 2 * ENTRIES ? n + 1 : ENTRIES);
    }
    pthread_mutex_unlock(&log_mutex);
}

static bool is_attacker(const struct shared *s, pid_t pid)
{
    const unsigned n = atomic_load(&s->nattackers);
    for (unsigned i = 0; i < n && i < ATTACKERS; i++) {
        if (atomic_load(&s->attackers[i]) == pid) {
            return true;
        }
    }
    return false;
}

unsigned ground_found(const struct shared *s, unsigned kinds, uid_t uid)
{
    const unsigned n = atomic_load(&s->nentries);
    unsigned found = 0;
    for (unsigned i = 0; i < n && i < ENTRIES; i++) {
        const struct entry *e = &s->entries[i];
        if ((e->kind & kinds) != 0 && e->uid == uid && is_attacker(s, e->pid)) {
            found += e->count;
        }
    }
    return found;
}

void ground_tell(const struct shared *s)
{
    const unsigned n = atomic_load(&s->nentries);
    for (unsigned i = 0; i < n && i < 40; i++) {
        const struct entry *e = &s->entries[i];
        NOTE("pid %d, uid %d: %#x, %u times%s", e->pid, (int)e->uid, e->kind, e->count,
             is_attacker(s, e->pid) ? "" : " (no attacker)");
    }
}

void trip_record(struct shared *s, int trip, int64_t us)
{
    struct trips *t = &s->trips[trip];
    t->us[atomic_load(&t->n) % SAMPLES] = (unsigned)us;
    atomic_fetch_add(&t->n, 1);
    if (us > atomic_load(&t->slowest)) {
        atomic_store(&t->slowest, (unsigned)us);
    }
}

static int by_value(const void *a, const void *b)
{
    const unsigned x = *(const unsigned *)a, y = *(const unsigned *)b;
    return x < y ? -1 : x > y;
}

unsigned trip_median(const struct shared *s, int trip)
{
    static unsigned sorted[SAMPLES];
    const struct trips *t = &s->trips[trip];
    const unsigned all = atomic_load(&t->n), n = all < SAMPLES ? all : SAMPLES;
    memcpy(sorted, t->us, n * sizeof *sorted);
    qsort(sorted, n, sizeof *sorted, by_value);
    return n == 0 ? 0 : sorted[n / 2];
}

void trips_reset(struct shared *s)
{
    for (int i = 0; i < TRIPS; i++) {
        atomic_store(&s->trips[i].n, 0);
        atomic_store(&s->trips[i].slowest, 0);
    }
}

long memory_now(pid_t pid, const char *which)
{
    char path[40], line[200];
    long kib = -1;
    snprintf(path, sizeof path, "/proc/%d/status", pid);
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof line, f) != NULL) {
        if (strncmp(line, which, strlen(which)) == 0) {
            kib = strtol(line + strlen(which) + 1, NULL, 10);
        }
    }
    if (f != NULL) {
        fclose(f);
    }
    return kib;
}

void memory_peak_reset(pid_t pid)
{
    char path[40];
    snprintf(path, sizeof path, "/proc/%d/clear_refs", pid);
    const int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd >= 0) {
        if (write(fd, "5", 1) != 1) {
            NOTE("the peak of the memory cannot be reset");
        }
        close(fd);
    }
}

int descriptors_of(pid_t pid)
{
    char path[40];
    struct stat st;
    snprintf(path, sizeof path, "/proc/%d/fd", pid);
    if (stat(path, &st) == 0 && st.st_size > 0) {
        return (int)st.st_size;
    }
    DIR *d = opendir(path);
    int n = -2; /* . and .. */
    while (d != NULL && readdir(d) != NULL) {
        n++;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

long processor_ms(pid_t pid)
{
    char path[40], text[1000] = "";
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *f = fopen(path, "re");
    if (f == NULL) {
        return -1;
    }
    const size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    const char *p = strrchr(text, ')');
    unsigned long user = 0, system = 0;
    if (p == NULL || sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &user, &system) != 2) {
        return -1;
    }
    return (long)(user + system) * 1000 / sysconf(_SC_CLK_TCK);
}
