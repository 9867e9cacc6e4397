// SPDX-License-Identifier: MIT
/*
 * A program as the server that is attacked (command.h).
 *
 * The command unx admits anyone here, because the point is what it does with them. The examples admit their own user,
 * so strangers attack them. HOSTILE_TOOL and HOSTILE_EXAMPLES say where the programs are.
 */
#include "command.h"
#include "../harness.h"
#include "attack.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define ANYONE "--allow", "anyone", "--mode", "666", "--max", "65536"
/* KiB: a pool of 16 MiB, and what is printed; of the pool io_uring touches whatever it once needed. */
enum {
    UNX_MEMORY = 40 << 10,
    UNX_KEPT = 2 << 10,
    RING_KEPT = 24 << 10,
    EXAMPLE_MEMORY = 4 << 10,
    EXAMPLE_KEPT = 1 << 10
};

static const struct target targets[] = {
    {.name = "unx_io_uring",
     .can = NEEDS_SEQ,
     .command = {"%u/unx", "listen", "--echo", ANYONE, "--engine", "io_uring", "%p"},
     .says_who = true,
     .most_memory = UNX_MEMORY,
     .kept_memory = RING_KEPT},
    {.name = "unx_epoll",
     .can = NEEDS_SEQ,
     .command = {"%u/unx", "listen", "--echo", ANYONE, "--engine", "epoll", "%p"},
     .says_who = true,
     .most_memory = UNX_MEMORY,
     .kept_memory = UNX_KEPT},
    {.name = "unx_stream",
     .can = NEEDS_STREAM,
     .command = {"%u/unx", "listen", "--echo", ANYONE, "--type", "stream", "%p"},
     .says_who = true,
     .most_memory = UNX_MEMORY,
     .kept_memory = UNX_KEPT},
    {.name = "unx_dgram",
     .can = NEEDS_NOTIFY,
     .command = {"%u/unx", "listen", ANYONE, "--type", "dgram", "%p"},
     .says_who = true,
     .most_memory = UNX_MEMORY,
     .kept_memory = UNX_KEPT},
    {.name = "unx_recv",
     .can = NEEDS_NOTIFY,
     .command = {"%u/unx", "recv", "--count", "1000000000", ANYONE, "--type", "dgram", "%p"},
     .says_who = true,
     .most_memory = UNX_MEMORY,
     .kept_memory = UNX_KEPT},
    {.name = "own_poll",
     .can = NEEDS_SEQ,
     .command = {"%e/example_own_poll", "seqpacket", "%p"},
     .strangers_only = true,
     .most_memory = EXAMPLE_MEMORY,
     .kept_memory = EXAMPLE_KEPT},
    {.name = "own_poll_stream",
     .can = NEEDS_STREAM,
     .command = {"%e/example_own_poll", "stream", "%p"},
     .strangers_only = true,
     .most_memory = EXAMPLE_MEMORY,
     .kept_memory = EXAMPLE_KEPT},
    {.name = "echo",
     .can = NEEDS_SEQ,
     .command = {"%e/example_echo", "serve", "%p"},
     .one_at_a_time = true,
     .strangers_only = true,
     .most_memory = EXAMPLE_MEMORY,
     .kept_memory = EXAMPLE_KEPT},
};

const struct target *command_target(const char *name)
{
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        if (strcmp(name, targets[i].name) == 0) {
            return &targets[i];
        }
    }
    return NULL;
}

static char *expand(const char *word, const char *path)
{
    const char *before = "", *variable = word[0] != '%' ? NULL : word[1] == 'u' ? "HOSTILE_TOOL" : "HOSTILE_EXAMPLES";
    char *whole = malloc(500);
    CHECK(whole != NULL);
    if (strcmp(word, "%p") == 0) {
        before = path;
        word += 2;
    } else if (variable != NULL) {
        before = getenv(variable);
        if (before == NULL) {
            SKIP("%s does not say where the programs are", variable);
        }
        word += 2;
    }
    snprintf(whole, 500, "%s%s", before, word);
    return whole;
}

void command_serve(const struct target *t, struct ground *g, int output[2])
{
    const char *path = g->seq[0] != '\0' ? g->seq : g->stream[0] != '\0' ? g->stream : g->notify;
    char *argv[COMMAND_WORDS + 1] = {NULL};
    for (int i = 0; i < COMMAND_WORDS && t->command[i] != NULL; i++) {
        argv[i] = expand(t->command[i], path);
    }
    CHECK(dup2(output[1], STDOUT_FILENO) >= 0 && dup2(output[1], STDERR_FILENO) >= 0);
    /* Strangers are to reach those that rely on nothing but their policy. */
    umask(0);
    signal(SIGPIPE, SIG_DFL);
    execv(argv[0], argv);
    SKIP("%s: %s", argv[0], strerror(errno));
}

void command_read(const struct target *t, struct ground *g, int fd)
{
    FILE *f = fdopen(fd, "r");
    static char line[16384];
    CHECK(f != NULL && setvbuf(f, NULL, _IOFBF, 1 << 18) == 0);
    while (fgets(line, sizeof line, f) != NULL) {
        int pid;
        unsigned uid;
        if (t->says_who && (sscanf(line, "  peer: pid %d, uid %u", &pid, &uid) == 2 ||
                            sscanf(line, "  sender: pid %d, uid %u", &pid, &uid) == 2)) {
            ground_log(g->shared, CAME, pid, uid);
        }
    }
    fclose(f);
}

void command_ended(pid_t pid)
{
    int status;
    while (waitpid(pid, &status, 0) < 0) {
        CHECK(errno == EINTR);
    }
    if (WIFSIGNALED(status) && WTERMSIG(status) != SIGTERM) {
        harness_fail(__FILE__, __LINE__, "the program was killed by signal %d", WTERMSIG(status));
    }
}
