// SPDX-License-Identifier: MIT
/*
 * Listeners that start at once, at a path that a killed one has left: exactly one of them serves. The usual ways run
 * through the same rounds.
 */
#include "listener.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/mman.h>

static void *shared(size_t size)
{
    void *p = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(p != MAP_FAILED);
    return p;
}

static int bind_probe_unlink_bind(const char *path)
{
    const int fd = bind_and_listen(path);
    if (fd != -EADDRINUSE) {
        return fd;
    }
    const int client = raw_try_connect(SOCK_STREAM, raw_path(path));
    if (client >= 0) {
        close(client);
    }
    return client == -ECONNREFUSED ? unlink_and_bind(path) : -EADDRINUSE;
}

static struct unx_listener *opened;

static int open_safe(const char *path)
{
    const int r = try_open(&opened, SOCK_STREAM, 0, path, NULL);
    return r < 0 ? r : unx_listener_fd(opened);
}

enum { STARTERS = 6 };
#define ROUNDS ((int)harness_rounds(200))

static struct race {
    pthread_barrier_t at;
    atomic_int servers, answered, other_error;
    char path[100];
    int (*start)(const char *path);
} * race;

static void meet(void)
{
    const int r = pthread_barrier_wait(&race->at);
    CHECK(r == 0 || r == PTHREAD_BARRIER_SERIAL_THREAD);
}

static void starter(void *arg)
{
    (void)arg;
    for (int round = 0; round < ROUNDS; round++) {
        meet();
        const int fd = race->start(race->path);
        if (fd >= 0) {
            atomic_fetch_add(&race->servers, 1);
        } else if (fd != -EADDRINUSE) {
            atomic_store(&race->other_error, fd);
        }
        meet(); /* all have started; one client comes */
        meet();
        const int conn = fd < 0 ? -1 : accept(fd, NULL, NULL);
        if (conn >= 0) {
            atomic_fetch_add(&race->answered, 1);
            close(conn);
        }
        meet();
        if (fd >= 0 && race->start == open_safe) {
            close_listener(opened);
        } else if (fd >= 0) {
            unlink(race->path);
            close(fd);
        }
        meet();
    }
}

static void prepare(int round)
{
    switch (round % 4) {
    case 1:
        make_stale(SOCK_STREAM, race->path);
        break;
    case 2:
        make_stale(SOCK_SEQPACKET, race->path);
        break;
    default:
        break;
    }
}

/* Rounds in which not exactly one of those who started at once serves the path. */
static int race_rounds(int (*start)(const char *path), int *most)
{
    pthread_barrierattr_t attr;
    pid_t pid[STARTERS];
    race = shared(sizeof *race);
    race->start = start;
    snprintf(race->path, sizeof race->path, "%s", raw_file("sock"));
    CHECK_INT(pthread_barrierattr_init(&attr), 0);
    CHECK_INT(pthread_barrierattr_setpshared(&attr, PTHREAD_PROCESS_SHARED), 0);
    CHECK_INT(pthread_barrier_init(&race->at, &attr, STARTERS + 1), 0);
    for (int i = 0; i < STARTERS; i++) {
        pid[i] = harness_fork(starter, NULL);
    }
    int wrong = 0;
    *most = 0;
    for (int round = 0; round < ROUNDS; round++) {
        prepare(round);
        atomic_store(&race->servers, 0);
        atomic_store(&race->answered, 0);
        meet();
        meet();
        const int client = raw_try_connect(SOCK_STREAM, raw_path(race->path));
        const int servers = atomic_load(&race->servers);
        const int files = names_in(harness_dir());
        meet();
        meet();
        wrong += servers != 1 || client < 0 || atomic_load(&race->answered) != 1 || files != 1;
        *most = servers > *most ? servers : *most;
        if (client >= 0) {
            close(client);
        }
        meet();
        wrong += start == open_safe && names_in(harness_dir()) != 0;
    }
    for (int i = 0; i < STARTERS; i++) {
        harness_wait(pid[i]);
    }
    CHECK_INT(atomic_load(&race->other_error), 0);
    CHECK_INT(pthread_barrier_destroy(&race->at), 0);
    CHECK_INT(munmap(race, sizeof *race), 0);
    return wrong;
}

static void one_of_six_starts(void)
{
    int most;
    const int wrong = race_rounds(open_safe, &most);
    NOTE("%d starters, %d rounds: exactly one server in %d", STARTERS, ROUNDS, ROUNDS - wrong);
    CHECK_INT(wrong, 0);
    const int bad = race_rounds(bind_probe_unlink_bind, &most);
    NOTE("naive: bind, probe, unlink, bind: exactly one server in %d, at most %d", ROUNDS - bad, most);
}

static void naive_unlink_and_bind_starts(void)
{
    int most;
    const int wrong = race_rounds(unlink_and_bind, &most);
    NOTE("naive: unlink, bind: exactly one server in %d of %d, at most %d", ROUNDS - wrong, ROUNDS, most);
    CHECK_INT(wrong, 0);
}

int main(int argc, char **argv)
{
    static const struct test_case cases[] = {
        {"one_of_six_starts", one_of_six_starts, 0, 60},
        {"naive_unlink_and_bind_starts", naive_unlink_and_bind_starts, HARNESS_FAIL, 60},
    };
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
