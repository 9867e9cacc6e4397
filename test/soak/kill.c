// SPDX-License-Identifier: MIT
/*
 * soak_kill SECONDS BACKEND [CONNECTIONS [RATE [FILE]]]: the soak with kill -9 (kill.h). BACKEND: any, io_uring, epoll,
 * poll. CONNECTIONS: at most the limit of descriptors less 500. RATE: messages that each side sends in a second, about.
 * FILE: gets a line each second, for scripts/soak_plot.sh.
 * UNX_SOAK_SECONDS in the environment is used instead of SECONDS.
 *
 * Fails if anything was lost that was not in flight to the dead, if something has grown, or if the kernel keeps a
 * socket or a descriptor when all is over. The time is cut in cycles: two fifths of each with kills, then a calm.
 */
#include "kill.h"
#include "../raw.h"

#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define SPARE_FDS 500u
#define LONGEST_CYCLE 300.0
#define KILLS 12.0       /* of a cycle, about */
#define SHORTEST 1.0     /* seconds between two of them, about */
#define STILL_SECONDS 60 /* without a single message: it hangs */
#define END_SECONDS 60
#define OPEN_SECONDS 20

struct soak {
    struct kill_shared *s;
    struct kill_verdict verdict;
    struct kill_samples samples;
    pid_t pids[2];
    unsigned kills, kills_of[2], ncycles;
    uint64_t seed, dice;
    double began, next_kill, next_look, last_news;
    uint64_t messages;
    bool failed, own_sockets;
};

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static unsigned throw(struct soak * k, unsigned n)
{
    return kill_mix(k->seed, k->dice++, n);
}

static double throw_time(struct soak *k, double most)
{
    return most * throw(k, 1000) / 1000;
}

/* ---- processes ---- */

static void start(struct soak *k, unsigned side)
{
    atomic_fetch_add(&k->s->life[side], 1);
    fflush(NULL);
    k->pids[side] = fork();
    if (k->pids[side] == 0) {
        kill_run(k->s, side);
    }
    if (k->pids[side] < 0) {
        perror("soak_kill: fork");
        k->failed = true;
    }
}

static void kill_side(struct soak *k, unsigned side)
{
    int status;
    if (side == SERVER) {
        k->s->struck_at = raw_now();
    }
    kill(k->pids[side], SIGKILL);
    waitpid(k->pids[side], &status, 0);
    k->pids[side] = 0;
    if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL) {
        k->failed = true;
        fprintf(stderr, "soak_kill: the %s had ended by itself: %x\n", kill_sides[side], (unsigned)status);
    }
    kill_bury(k->s, side);
    k->kills_of[side]++;
}

/* One of them, or both; the next one comes at once, or a moment later. */
static void strike(struct soak *k)
{
    const unsigned what = throw(k, 10);
    /* Each of them at least once. */
    const unsigned first = k->kills == 0 ? CLIENT : k->kills == 1 ? SERVER : what < 5 ? CLIENT : SERVER;
    kill_side(k, first);
    if (what == 9) {
        kill_side(k, 1 - first);
    }
    if (throw(k, 2) == 0) {
        usleep((useconds_t)throw_time(k, 300000));
    }
    for (unsigned side = SERVER + 1; side-- > 0;) {
        if (k->pids[side] == 0) {
            start(k, side);
        }
    }
    k->kills++;
}

/* Has one of them ended without being told to? */
static void watch(struct soak *k)
{
    int status;
    const pid_t pid = waitpid(-1, &status, WNOHANG);
    for (unsigned side = 0; side < 2 && pid > 0; side++) {
        if (pid != k->pids[side]) {
            continue;
        }
        k->pids[side] = 0;
        if (!atomic_load(&k->s->stop) || !WIFEXITED(status) || WEXITSTATUS(status) != 0) {
            fprintf(stderr, "soak_kill: the %s has ended by itself: %x\n", kill_sides[side], (unsigned)status);
            k->failed = true;
        } else if (side == CLIENT) {
            atomic_store(&k->s->client_over, true);
        }
    }
    const uint64_t messages = k->s->totals[CLIENT].got + k->s->totals[SERVER].got;
    if (messages != k->messages) {
        k->messages = messages;
        k->last_news = now();
    } else if (now() > k->last_news + STILL_SECONDS) {
        fprintf(stderr, "soak_kill: no message for %d seconds\n", STILL_SECONDS);
        k->failed = true;
    }
}

/* ---- the run ---- */

static void look(struct soak *k, unsigned cycle, bool calm)
{
    if (now() >= k->next_look) {
        k->next_look += 1;
        kill_sample(&k->samples, k->s, k->pids,
                    (struct kill_sample){.at = now() - k->began, .cycle = cycle, .calm = calm, .kills = k->kills});
    }
}

/* At the end of a calm all connections are there again, as soon as both sides have had their turn. */
static void check_open(struct soak *k, unsigned cycle)
{
    const unsigned target = k->s->target, least = target - target / 50 - 4;
    const double last = now() + OPEN_SECONDS;
    unsigned open = 0, met = 0;
    while ((open < least || met < least) && now() < last && !k->failed) {
        usleep(50000);
        watch(k);
        kill_settle(k->s, &k->verdict, false);
        open = k->s->totals[CLIENT].open;
        met = k->s->totals[SERVER].open;
    }
    if (open < least || met < least) {
        fprintf(stderr, "soak_kill: at the end of calm %u the client has %u connections, the server %u, of %u\n",
                cycle + 1, open, met, target);
        k->failed = true;
    }
}

static void run_cycles(struct soak *k)
{
    const double length = (double)k->s->seconds / k->ncycles;
    const double between = length * 0.4 / KILLS < SHORTEST ? SHORTEST : length * 0.4 / KILLS;
    for (unsigned cycle = 0; cycle < k->ncycles && !k->failed; cycle++) {
        double calm = k->began + (cycle + 0.4) * length, over = calm + length * 0.6;
        k->next_kill = now() + between / 2 + throw_time(k, between);
        while (now() < over && !k->failed) {
            usleep(50000);
            watch(k);
            /* Each side is killed once, however late that is on a busy machine, and a calm follows. */
            if (!k->failed && (now() < calm || k->kills < 2) && now() >= k->next_kill) {
                strike(k);
                calm = now() > calm ? now() : calm;
                over = calm + length * 0.6;
                k->next_kill = now() + between / 2 + throw_time(k, between);
            }
            kill_settle(k->s, &k->verdict, false);
            look(k, cycle, now() >= calm);
        }
        if (!k->failed) {
            check_open(k, cycle);
        }
    }
}

static void end(struct soak *k)
{
    const double last = now() + END_SECONDS;
    atomic_store(&k->s->stop, true);
    while ((k->pids[CLIENT] > 0 || k->pids[SERVER] > 0) && !k->failed) {
        usleep(50000);
        watch(k);
        kill_settle(k->s, &k->verdict, false);
        if (now() > last) {
            fprintf(stderr, "soak_kill: the end takes more than %d seconds: open %u and %u\n", END_SECONDS,
                    k->s->totals[CLIENT].open, k->s->totals[SERVER].open);
            k->failed = true;
        }
    }
    for (unsigned side = 0; side < 2; side++) {
        if (k->pids[side] > 0) {
            kill(k->pids[side], SIGKILL);
            waitpid(k->pids[side], NULL, 0);
        }
    }
    if (!k->failed) {
        kill_settle(k->s, &k->verdict, true);
    }
}

/* ---- what came of it ---- */

static void print(const struct soak *k)
{
    const struct kill_verdict *v = &k->verdict;
    printf("killed: %u clients, %u servers; connections judged %llu, never met by a server %llu\n", k->kills_of[CLIENT],
           k->kills_of[SERVER], (unsigned long long)v->judged, (unsigned long long)v->unmet);
    for (unsigned side = 0; side < 2; side++) {
        const struct kill_totals *t = &k->s->totals[side];
        printf(
            "%s: opened %llu, refused %llu, with a full table %llu; saw the end of %llu, closed before it %llu, killed "
            "over %llu\n",
            kill_sides[side], (unsigned long long)t->connected, (unsigned long long)t->refused,
            (unsigned long long)t->full, (unsigned long long)v->ends[side][0], (unsigned long long)v->ends[side][1],
            (unsigned long long)v->ends[side][2]);
        printf("  messages sent %llu, got %llu, failed %llu; descriptors sent %llu, got %llu:",
               (unsigned long long)t->sent, (unsigned long long)t->got, (unsigned long long)t->failed,
               (unsigned long long)t->fds_sent, (unsigned long long)t->fds_got);
        for (unsigned i = 0; i < KILL_FILES; i++) {
            printf(" %llu", (unsigned long long)t->fds_of[i]);
        }
        printf("\n");
    }
    printf("in flight to who was killed %llu messages, to who closed %llu, to servers that never met the connection "
           "%llu\n",
           (unsigned long long)v->missing_killed, (unsigned long long)v->missing_closed,
           (unsigned long long)v->missing_unmet);
    printf("  at most %llu on one connection; a queue and the engine hold of packets %u, slow %u; of a stream %u, slow "
           "%u\n",
           (unsigned long long)v->most_missing, k->s->most_queued[0][0], k->s->most_queued[0][1],
           k->s->most_queued[1][0], k->s->most_queued[1][1]);
    printf("came from killed senders that were not told yet: %llu\n", (unsigned long long)v->extra);
}

/* All that was sent is somewhere; and did the run do what it is for? */
static unsigned judge(const struct soak *k)
{
    const struct kill_verdict *v = &k->verdict;
    const struct kill_totals *c = &k->s->totals[CLIENT], *s = &k->s->totals[SERVER];
    unsigned wrong = (v->wrong > 0) + k->failed;
    const uint64_t sent = c->sent + s->sent, got = c->got + s->got;
    const uint64_t missing = v->missing_killed + v->missing_closed + v->missing_unmet;
    /* A killed process may have counted a message in its record and not yet in its sum, or the other way round. */
    const uint64_t doubt = 4 * (uint64_t)(k->kills_of[CLIENT] + k->kills_of[SERVER]);
    const uint64_t a = sent + v->extra, b = got + missing;
    if ((a > b ? a - b : b - a) > doubt) {
        printf("sent %llu, and %llu more than was told; got %llu, and %llu missing: that does not add up\n",
               (unsigned long long)sent, (unsigned long long)v->extra, (unsigned long long)got,
               (unsigned long long)missing);
        wrong++;
    }
    wrong += k->kills_of[CLIENT] == 0 || k->kills_of[SERVER] == 0 || c->got == 0 || s->got == 0 || v->judged == 0;
    for (unsigned i = 0; i < KILL_FILES; i++) {
        wrong += c->fds_of[i] == 0 || s->fds_of[i] == 0;
    }
    return wrong;
}

/* Closed sockets are gone, and with them the descriptors that lay in their queues. */
static unsigned check_kernel(const struct soak *k, int pipe_end, long sockets)
{
    const struct kill_shared *s = k->s;
    unsigned wrong = 0;
    for (unsigned i = 0; i < KILL_FILES; i++) {
        close(s->files[i].fd);
    }
    raw_collect();
    /* Those of processes that have ended go in the kernel's own time. */
    for (unsigned i = 0; i < 500 && (!raw_pipe_ended(pipe_end) || (k->own_sockets && kill_sockets() != sockets)); i++) {
        raw_sleep(20);
        raw_collect();
    }
    wrong += !raw_pipe_ended(pipe_end);
    wrong += k->own_sockets && kill_sockets() != sockets;
    printf(
        "sockets of this network namespace: %ld before, %ld afterwards; the last copy of a descriptor that was passed "
        "is %s\n",
        sockets, kill_sockets(), raw_pipe_ended(pipe_end) ? "closed" : "still somewhere");
    return wrong;
}

static struct kill_shared *share(unsigned target)
{
    const unsigned n = target + KILL_SPARE;
    const size_t size = sizeof(struct kill_shared) + n * sizeof(struct kill_record);
    struct kill_shared *s = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    if (s == MAP_FAILED) {
        perror("soak_kill: memory");
        exit(1);
    }
    s->target = target;
    s->nrecords = n;
    return s;
}

static unsigned run(struct soak *k, const char *file)
{
    char dir[] = "/tmp/soak-XXXXXX";
    int pipe_end;
    const long sockets = kill_sockets();
    if (mkdtemp(dir) == NULL || !kill_samples_open(&k->samples, file, k->s->seconds + 10)) {
        perror("soak_kill: a file");
        return 1;
    }
    snprintf(k->s->path[0], sizeof k->s->path[0], "%s/packets", dir);
    snprintf(k->s->path[1], sizeof k->s->path[1], "%s/streams", dir);
    kill_open_files(k->s, &pipe_end);
    kill_measure_queues(k->s);
    k->seed = (uint64_t)getpid() << 32 | (uint64_t)time(NULL);
    k->ncycles = (unsigned)(k->s->seconds / LONGEST_CYCLE + 0.999);
    k->began = k->next_look = k->last_news = now();
    start(k, SERVER);
    start(k, CLIENT);
    run_cycles(k);
    end(k);
    print(k);
    unsigned wrong = judge(k) + check_kernel(k, pipe_end, sockets);
    if (!k->failed) {
        wrong += kill_grown(&k->samples, k->own_sockets);
    }
    kill_samples_close(&k->samples);
    unlink(k->s->path[0]);
    unlink(k->s->path[1]);
    if (rmdir(dir) != 0) {
        printf("a file is left in %s\n", dir);
        wrong++;
    }
    return wrong;
}

int main(int argc, char **argv)
{
    static const char *const names[] = {"any", "io_uring", "epoll", "poll"};
    static const unsigned backends[] = {0, UNX_ENGINE_URING, UNX_ENGINE_EPOLL, UNX_ENGINE_POLL};
    unsigned b = 0;
    while (argc > 2 && b < 4 && strcmp(argv[2], names[b]) != 0) {
        b++;
    }
    const char *const longer = getenv("UNX_SOAK_SECONDS");
    const int seconds = longer != NULL ? atoi(longer)
                        : argc > 1     ? atoi(argv[1])
                                       : 0,
              n = argc > 3 ? atoi(argv[3]) : 400;
    const int rate = argc > 4 ? atoi(argv[4]) : 2000;
    if (argc < 3 || argc > 6 || b == 4 || seconds < 5 || n < 16 || rate < 100) {
        fprintf(stderr, "usage: soak_kill SECONDS any|io_uring|epoll|poll [CONNECTIONS [RATE [FILE]]]\n");
        return 2;
    }
    struct unx_engine *e;
    if (unx_engine_new(&e, 0, backends[b]) == -EOPNOTSUPP) {
        printf("%s does not work here\n", argv[2]);
        return 77;
    }
    struct rlimit limit;
    getrlimit(RLIMIT_NOFILE, &limit);
    limit.rlim_cur = limit.rlim_max;
    setrlimit(RLIMIT_NOFILE, &limit);
    const unsigned most = limit.rlim_max < 1000000 ? (unsigned)limit.rlim_max - SPARE_FDS : 1000000;
    struct soak k = {.s = share((unsigned)n < most ? (unsigned)n : most)};
    k.s->seconds = (unsigned)seconds;
    k.s->backend = backends[b];
    k.s->rate = (unsigned)rate;
    printf("%s, %d seconds, %u connections\n", unx_engine_backend(e), seconds, k.s->target);
    unx_engine_free(e);
    /* Sockets are counted for a network namespace: one of our own, where that is allowed. */
    k.own_sockets = unshare(CLONE_NEWNET) == 0;
    printf("sockets are counted in %s\n",
           k.own_sockets ? "a network namespace of our own" : "a network namespace with others: not judged");
    const unsigned wrong = run(&k, argc > 5 ? argv[5] : NULL);
    printf("%s\n", wrong == 0 ? "nothing was lost but what was in flight to the dead" : "something is wrong");
    return wrong == 0 ? 0 : 1;
}
