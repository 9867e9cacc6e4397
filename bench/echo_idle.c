// SPDX-License-Identifier: MIT
/*
 * How much of its own memory a server has for an idle connection: what it has with ten thousand of them, less what it
 * has with a few, divided. All have been used before, a few at a time, if there is time for that.
 *
 * Counted are the pages that belong to the process alone and have been written, as the kernel says. From that goes
 * what the server itself allocates for a connection, and not the library; the kernel's own memory is not in it. Each
 * end is in a process of its own, because of the limit for descriptors.
 */
#include "echo_row.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <unx/unx.h>

#define FEW 256
#define IN_USE 32     /* at a time */
#define AT_A_TIME 200 /* connections handed over in one message */
#define TIME_LIMIT_S 30
#define SPARE 512 /* descriptors for everything else */
#define USE_S 1
#define GOAL 128

struct idle {
    const struct echo_server *server;
    unsigned count;
    int *fds;
    int control; /* to the server */
    pid_t pid;
};

static void nothing(int number)
{
    (void)number;
}

static unsigned at_a_time(unsigned left)
{
    return left < AT_A_TIME ? left : AT_A_TIME;
}

/* ---- The server's process: takes the connections, and says at the end how it was ---- */

static _Noreturn void serve(const struct idle *s, int control)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    signal(SIGALRM, SIG_DFL);
    close(s->control);
    free(s->fds);
    bench_pin_other();
    int *const fds = calloc(s->count, sizeof *fds);
    int r = fds ? 0 : -ENOMEM;
    for (unsigned i = 0; r >= 0 && i < s->count; i += at_a_time(s->count - i)) {
        char byte;
        r = unx_recv_fds(control, &byte, 1, fds + i, at_a_time(s->count - i));
    }
    const struct echo_job job = {fds, s->count, SOCK_SEQPACKET, 0};
    if (r >= 0)
        r = s->server->run(s->server, &job);
    _exit(send(control, &r, sizeof r, MSG_NOSIGNAL) < 0);
}

/* ---- The other ends ---- */

static int connect_all(struct idle *s)
{
    for (unsigned i = 0; i < s->count;) {
        int theirs[AT_A_TIME], r = 0;
        const unsigned n = at_a_time(s->count - i);
        unsigned made = 0;
        for (; r >= 0 && made < n; made += r >= 0) {
            int pair[2];
            r = unx_pair(SOCK_SEQPACKET, 0, pair);
            if (r >= 0) {
                s->fds[i + made] = pair[0];
                theirs[made] = pair[1];
            }
        }
        i += made;
        if (r >= 0)
            r = unx_send_fds(s->control, "", 1, theirs, n);
        for (unsigned k = 0; k < made; k++)
            close(theirs[k]);
        if (r < 0) {
            s->count = i;
            return r;
        }
    }
    return 0;
}

static int lost(const struct idle *s)
{
    int r = 0;
    const bool said = recv(s->control, &r, sizeof r, MSG_DONTWAIT) == sizeof r;
    return said && r < 0 ? r : -ETIMEDOUT;
}

static int use_all(const struct idle *s, unsigned requests)
{
    const time_t end = time(NULL) + USE_S;
    char bytes[ECHO_SIZE] = {0};
    for (unsigned i = 0; i < requests && time(NULL) <= end; i += IN_USE) {
        for (unsigned k = 0; k < IN_USE; k++)
            if (send(s->fds[(i + k) % s->count], bytes, sizeof bytes, MSG_NOSIGNAL) < 0)
                return lost(s);
        for (unsigned k = 0; k < IN_USE; k++)
            if (recv(s->fds[(i + k) % s->count], bytes, sizeof bytes, 0) != sizeof bytes)
                return lost(s);
    }
    return 0;
}

static double private_bytes(pid_t pid)
{
    char line[256];
    snprintf(line, sizeof line, "/proc/%d/smaps_rollup", (int)pid);
    FILE *const f = fopen(line, "re");
    double kib = -1;
    while (f && fgets(line, sizeof line, f))
        sscanf(line, "Private_Dirty: %lf", &kib);
    if (f)
        fclose(f);
    return kib * 1024;
}

static int measure(struct idle *s, unsigned requests, double *bytes)
{
    int control[2];
    int r = unx_pair(SOCK_SEQPACKET, UNX_PASSFDS, control);
    if (r < 0)
        return r;
    s->control = control[0];
    fflush(NULL);
    s->pid = fork();
    if (s->pid == 0)
        serve(s, control[1]);
    r = s->pid < 0 ? -errno : 0;
    close(control[1]);
    if (r == 0)
        r = connect_all(s);
    if (r == 0)
        r = use_all(s, requests);
    *bytes = r == 0 ? private_bytes(s->pid) : 0;
    if (s->pid > 0) {
        kill(s->pid, SIGKILL);
        while (waitpid(s->pid, NULL, 0) < 0 && errno == EINTR)
            ;
    }
    close(control[0]);
    for (unsigned i = 0; i < s->count; i++)
        close(s->fds[i]);
    return *bytes < 0 ? -EOPNOTSUPP : r;
}

/* For each connection, with all that the server's file allocates for it. */
static int both(const struct echo_server *server, unsigned count, double *each)
{
    struct idle s = {.server = server, .fds = calloc(count, sizeof(int))};
    double few = 0, many = 0;
    alarm(TIME_LIMIT_S);
    s.count = FEW;
    int r = s.fds ? measure(&s, count, &few) : -ENOMEM;
    s.count = count;
    if (r == 0)
        r = measure(&s, count, &many);
    alarm(0);
    free(s.fds);
    *each = (many - few) / (count - FEW);
    return r;
}

static void print(const struct echo_options *o, const char *name, const struct echo_server *s, double each, double goal)
{
    const double own = each - (double)s->caller_bytes - sizeof(int);
    char text[16];
    snprintf(text, sizeof text, goal > 0 ? "%.0f" : o->json ? "null" : "-", goal);
    if (o->json)
        printf("%s\n  {\"work\": \"%s\", \"server\": \"%s\", \"bytes\": %.0f, \"of_the_caller\": %zu, \"own\": %.0f, "
               "\"goal\": %s, \"ok\": %s}",
               bench_first_row() ? "" : ",", name, s->name, each, s->caller_bytes + sizeof(int), own, text,
               goal == 0 || own <= goal ? "true" : "false");
    else
        printf("  %-32s %10.0f %10zu %7.0f %7s %6s  %s\n", s->name, each, s->caller_bytes + sizeof(int), own, "", text,
               goal == 0     ? ""
               : own <= goal ? "ok"
                             : "over");
    fflush(stdout);
}

void echo_idle(const struct echo_options *o, const char *name, int *missed, int *failed)
{
    const struct echo_server *v[ECHO_MAX_SERVERS];
    const unsigned n = echo_select(o->servers, o->plain, o->msg, v, ECHO_MAX_SERVERS);
    const unsigned limit = echo_raise_limit();
    if (limit < SPARE + 8 * FEW) {
        fprintf(stderr, "bench: %s: skipped, needs more than the %u descriptors that are allowed\n", name, limit);
        return;
    }
    const unsigned count = ECHO_IDLE < limit - SPARE ? ECHO_IDLE : limit - SPARE;
    if (!o->json)
        printf("%s%-34s %10s %10s %7s %7s %6s\n", bench_first_row() ? "" : "\n", name, "bytes", "caller's", "own", "",
               "goal");
    /* A system call that waits has to return when the time is over. */
    sigaction(SIGALRM, &(const struct sigaction){.sa_handler = nothing}, NULL);
    bool engine = false;
    for (unsigned i = 0; i < n; i++) {
        if (!(v[i]->types & ECHO_SEQPACKET) || (v[i]->types & ECHO_BESIDE) || v[i]->kind == ECHO_RAW_MSG ||
            v[i]->kind == ECHO_ENGINE_MSG)
            continue;
        double each;
        const int r = both(v[i], count, &each);
        if (r < 0) {
            fprintf(stderr, "bench: %s, %s: %s: %s\n", name, v[i]->name, r == -EOPNOTSUPP ? "skipped" : "failed",
                    unx_explain(r));
            *failed += r != -EOPNOTSUPP;
            continue;
        }
        const double goal = v[i]->kind == ECHO_ENGINE && !engine ? GOAL : 0;
        engine = engine || goal > 0;
        print(o, name, v[i], each, goal);
        *missed += o->check && goal > 0 && each - (double)v[i]->caller_bytes - sizeof(int) > goal * (1 + o->tolerance);
    }
}
