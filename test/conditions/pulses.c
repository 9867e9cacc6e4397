// SPDX-License-Identifier: MIT
/*
 * Runs a program, and stops and continues every process of it, again and again, at times that nobody can foresee:
 *
 *     pulses PROGRAM [ARGUMENT...]
 *
 * SIGSTOP and SIGCONT interrupt waiting system calls, with EINTR where they have a time limit, although there is no
 * handler; and whoever is stopped between two calls finds another world afterwards. Ends as the program does.
 *
 * What surprised us: cases of the harness are process groups of their own, and outlive their parents, so this program
 * adopts orphans and looks in /proc who descends from it. A process that was stopped by somebody else is left as it is.
 */
#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define MOST 4096

struct process {
    pid_t pid, parent;
    char state;
};

static volatile sig_atomic_t ending;

static void end(int number)
{
    ending = number;
}

/* Everybody: how many. */
static size_t look(struct process *p)
{
    DIR *const d = opendir("/proc");
    size_t n = 0;
    for (const struct dirent *e; d != NULL && n < MOST && (e = readdir(d)) != NULL;) {
        char path[300], text[512];
        snprintf(path, sizeof path, "/proc/%s/stat", e->d_name);
        FILE *const f = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
        if (f == NULL) {
            continue;
        }
        const char *const line = fgets(text, sizeof text, f), *const name = line == NULL ? NULL : strrchr(text, ')');
        p[n].pid = (pid_t)atol(e->d_name);
        n += name != NULL && sscanf(name, ") %c %d", &p[n].state, &p[n].parent) == 2;
        fclose(f);
    }
    if (d != NULL) {
        closedir(d);
    }
    return n;
}

/* Those that descend from us, parents first. */
static size_t ours(pid_t *out)
{
    static struct process all[MOST];
    const size_t n = look(all);
    size_t found = 0, before;
    do {
        before = found;
        for (size_t i = 0; i < n; i++) {
            int is = all[i].parent == getpid();
            for (size_t k = 0; k < before && !is; k++) {
                is = out[k] == all[i].parent;
            }
            if (all[i].pid != 0 && is) {
                if (all[i].state != 'T' && all[i].state != 't' && all[i].state != 'Z') {
                    out[found++] = all[i].pid;
                }
                all[i].pid = 0;
            }
        }
    } while (found > before);
    return found;
}

static void pause_ms(unsigned least, unsigned more)
{
    const unsigned us = least * 1000 + (unsigned)(random() % (more * 1000));
    nanosleep(&(struct timespec){0, (long)us * 1000}, NULL);
}

/* Now and then all of them, mostly one in three. */
static void pulse(void)
{
    static pid_t pids[MOST], stopped[MOST];
    const size_t n = ours(pids);
    const int everybody = random() % 4 == 0;
    size_t nstopped = 0;
    for (size_t i = 0; i < n; i++) {
        if ((everybody || random() % 3 == 0) && kill(pids[i], SIGSTOP) == 0) {
            stopped[nstopped++] = pids[i];
        }
    }
    pause_ms(1, 4);
    for (size_t i = 0; i < nstopped; i++) {
        kill(stopped[i], SIGCONT);
    }
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: pulses PROGRAM [ARGUMENT...]\n");
        return 2;
    }
    prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0);
    signal(SIGTERM, end);
    signal(SIGINT, end);
    setenv("UNX_DISTURBED", "pulses", 1);
    srandom((unsigned)getpid() ^ (unsigned)time(NULL));
    const pid_t child = fork();
    if (child == 0) {
        execvp(argv[1], argv + 1);
        perror(argv[1]);
        _exit(127);
    }
    int status = 0;
    for (;;) {
        int other;
        pid_t ended;
        while ((ended = waitpid(-1, &other, WNOHANG)) > 0) {
            if (ended == child) {
                return WIFEXITED(other) ? WEXITSTATUS(other) : 128 + WTERMSIG(other);
            }
        }
        if (child < 0 || (ended < 0 && errno != EINTR)) {
            return 2;
        }
        if (ending) {
            kill(child, ending);
            waitpid(child, &status, 0);
            return 128 + ending;
        }
        pulse();
        pause_ms(5, 30);
    }
}
