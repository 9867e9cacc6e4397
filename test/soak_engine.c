// SPDX-License-Identifier: MIT
/*
 * soak_engine SECONDS BACKEND [CONNECTIONS]: the soak (soak.h) on io_uring, epoll or poll. Prints what both processes
 * counted, and fails if a message, a descriptor or an operation was lost.
 */
#include "raw.h"
#include "soak.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const char *const sides[2] = {"client", "server"};

void soak_fail(const struct soak *s, const char *fmt, ...)
{
    va_list ap;
    char text[400];
    va_start(ap, fmt);
    vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    fprintf(stderr, "soak_engine: %s: %s\n", s == NULL ? "soak" : sides[s->side], text);
    exit(1);
}

unsigned soak_throw(struct soak *s, unsigned n)
{
    uint64_t z = s->dice += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (unsigned)((z ^ (z >> 31)) >> 11) % n;
}

int64_t soak_now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * INT64_C(1000000000) + t.tv_nsec;
}

unsigned soak_nfds(void)
{
    unsigned n = 0;
    DIR *d = opendir("/proc/self/fd");
    while (d != NULL && readdir(d) != NULL) {
        n++;
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

struct unx_addr soak_name(const struct soak_shared *shared, int type)
{
    char name[64];
    struct unx_addr a;
    const int n = snprintf(name, sizeof name, "unx-soak-%llx-%d", (unsigned long long)shared->inodes[0], type);
    if (unx_addr_abstract(&a, name, (size_t)n) != 0) {
        soak_fail(NULL, "no name");
    }
    return a;
}

static struct soak_shared *share(unsigned seconds, unsigned backend, unsigned connections)
{
    const size_t size = sizeof(struct soak_shared) + connections * sizeof(struct soak_shared_connection);
    struct soak_shared *shared = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    if (shared == MAP_FAILED) {
        soak_fail(NULL, "no memory");
    }
    shared->seconds = seconds;
    shared->backend = backend;
    shared->connections = connections;
    for (unsigned i = 0; i < SOAK_FILES; i++) {
        struct stat st;
        raw_pipe(shared->files[i]);
        fstat(shared->files[i][1], &st);
        shared->inodes[i] = st.st_ino;
    }
    return shared;
}

static pid_t start(struct soak_shared *shared, enum soak_side side, const int listeners[2])
{
    const pid_t pid = fork();
    if (pid < 0) {
        soak_fail(NULL, "no process");
    }
    if (pid == 0) {
        alarm(shared->seconds + 60);
        soak_run(shared, side, listeners);
        exit(0);
    }
    return pid;
}

static bool succeeded(pid_t pids[2])
{
    bool fine = true;
    for (unsigned i = 0; i < 2; i++) {
        int status;
        const pid_t pid = wait(&status);
        const unsigned side = pid == pids[SERVER];
        pids[side] = 0;
        if (WIFSIGNALED(status)) {
            fprintf(stderr, "soak_engine: %s: killed by signal %d\n", sides[side], WTERMSIG(status));
        }
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fine = false;
            if (pids[1 - side] > 0) {
                kill(pids[1 - side], SIGKILL);
            }
        }
    }
    return fine;
}

static void print(const struct soak_shared *shared)
{
    static const char *const kinds[SOAK_KINDS] = {"sends", "receives", "standing", "accepts", "connects",
                                                  "polls", "timers",   "closes",   "posts"};
    for (unsigned side = 0; side < 2; side++) {
        const struct soak_totals *t = &shared->totals[side];
        printf("%s: connections opened %llu closed %llu; messages sent %llu got %llu; descriptors sent %llu got %llu\n",
               sides[side], (unsigned long long)t->opened, (unsigned long long)t->closed, (unsigned long long)t->sent,
               (unsigned long long)t->got, (unsigned long long)t->fds_sent, (unsigned long long)t->fds_got);
        printf(
            "  open descriptors: %u idle, %u at most, %u afterwards; cancelled %llu, late %llu, over before cancelled "
            "%llu\n  started/ended:",
            t->fds_before, t->fds_most, t->fds_after, (unsigned long long)t->cancelled, (unsigned long long)t->late,
            (unsigned long long)t->cancels_missed);
        for (unsigned k = 0; k < SOAK_KINDS; k++) {
            printf(" %s %llu/%llu", kinds[k], (unsigned long long)t->started[k], (unsigned long long)t->ended[k]);
        }
        printf("\n");
    }
    printf("connections compared %llu; still queued when closed: messages %llu, descriptors %llu\n",
           (unsigned long long)shared->compared, (unsigned long long)shared->missing,
           (unsigned long long)shared->fds_missing);
}

static unsigned judge(const struct soak_shared *shared)
{
    const struct soak_totals *c = &shared->totals[CLIENT], *s = &shared->totals[SERVER];
    unsigned wrong = 0;
    for (unsigned k = 0; k < SOAK_KINDS; k++) {
        wrong += c->started[k] != c->ended[k] || s->started[k] != s->ended[k];
    }
    wrong += c->opened != s->opened || c->opened != c->closed || s->opened != s->closed;
    wrong += shared->compared != c->opened || s->strangers > 0 || c->opened == 0;
    wrong += c->sent + s->sent != c->got + s->got + shared->missing || c->sent == 0 || s->sent == 0;
    wrong += c->fds_sent + s->fds_sent != c->fds_got + s->fds_got + shared->fds_missing || c->fds_sent == 0;
    return wrong;
}

/* The kernel takes sockets and rings of processes that have ended apart in its own time. */
static bool ends(int pipe_end)
{
    for (unsigned i = 0; i < 500 && !raw_pipe_ended(pipe_end); i++) {
        raw_collect();
        raw_sleep(20);
    }
    return raw_pipe_ended(pipe_end);
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"io_uring", "epoll", "poll"};
    static const unsigned backends[] = {UNX_ENGINE_URING, UNX_ENGINE_EPOLL, UNX_ENGINE_POLL};
    unsigned backend = 0;
    for (unsigned i = 0; i < 3 && argc > 2; i++) {
        backend = strcmp(argv[2], names[i]) == 0 ? backends[i] : backend;
    }
    if (argc < 3 || argc > 4 || backend == 0 || atoi(argv[1]) <= 0 || (argc == 4 && atoi(argv[3]) <= 0)) {
        fprintf(stderr, "usage: soak_engine SECONDS io_uring|epoll|poll [CONNECTIONS]\n");
        return 2;
    }
    struct unx_engine *e;
    if (unx_engine_new(&e, 0, backend) == -EOPNOTSUPP) {
        printf("%s does not work here\n", argv[2]);
        return 77;
    }
    unx_engine_free(e);
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    struct soak_shared *shared = share((unsigned)atoi(argv[1]), backend, argc == 4 ? (unsigned)atoi(argv[3]) : 64);
    int listeners[2];
    for (unsigned i = 0; i < 2; i++) {
        const int type = i == 0 ? SOCK_SEQPACKET : SOCK_STREAM;
        const struct unx_addr a = soak_name(shared, type);
        listeners[i] = unx_listen(type, UNX_PASSFDS | UNX_NONBLOCK, &a, 8, UNX_MODE_UMASK);
    }
    pid_t pids[2];
    pids[SERVER] = start(shared, SERVER, listeners);
    pids[CLIENT] = start(shared, CLIENT, listeners);
    const bool fine = succeeded(pids);
    print(shared);
    close(listeners[0]);
    close(listeners[1]);
    raw_collect();
    unsigned wrong = fine ? judge(shared) : 1;
    for (unsigned i = 0; i < SOAK_FILES; i++) {
        close(shared->files[i][1]);
        wrong += !ends(shared->files[i][0]);
    }
    printf("%s\n", wrong == 0 ? "nothing was lost" : "something is wrong");
    return wrong == 0 ? 0 : 1;
}
