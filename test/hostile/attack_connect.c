// SPDX-License-Identifier: MIT
/* Attacks by coming, going, and being stopped half-way. */
#include "../harness.h"
#include "../raw.h"
#include "attack.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

static int come(struct ground *g, unsigned round, int *type)
{
    const bool stream = g->seq[0] == '\0' || (g->stream[0] != '\0' && round % 2 != 0);
    *type = stream ? SOCK_STREAM : SOCK_SEQPACKET;
    atomic_fetch_add(&g->shared->tries, 1);
    return attack_connect(stream ? g->stream : g->seq, *type);
}

/* As many as there is room for in the backlog, all the time, by two processes. */
static void storm(struct ground *g)
{
    enum { HELD = 400 };
    static int held[HELD];
    for (int i = 0; i < HELD; i++) {
        held[i] = -1;
    }
    for (unsigned round = 0; ground_on(g); round++) {
        const bool stream = g->seq[0] == '\0' || (g->stream[0] != '\0' && round % 2 != 0);
        struct sockaddr_un a = {.sun_family = AF_UNIX};
        strcpy(a.sun_path, stream ? g->stream : g->seq);
        const int fd = socket(AF_UNIX, (stream ? SOCK_STREAM : SOCK_SEQPACKET) | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        atomic_fetch_add(&g->shared->tries, 1);
        if (fd >= 0 && connect(fd, (struct sockaddr *)&a, sizeof a) == 0) {
            if (held[round % HELD] >= 0) {
                close(held[round % HELD]);
            }
            held[round % HELD] = fd;
        } else {
            close(fd);
            attack_pause_us(20);
        }
    }
}

void connect_storm(struct ground *g)
{
    ground_fork(g, storm);
    storm(g);
    ground_join(g);
}

void come_and_go(struct ground *g)
{
    int type;
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = come(g, round, &type);
        if (s >= 0 && round % 3 == 0) {
            attack_request(s, type, 64);
        }
        close(s);
    }
}

/* It gets replies, and closes without reading them: the server's next call says ECONNRESET. */
void leave_unread(struct ground *g)
{
    int type;
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = come(g, round, &type);
        for (int i = 0; s >= 0 && i < 20; i++) {
            attack_request(s, type, 8);
        }
        attack_pause_us(round % 3 == 0 ? 1000 : 0);
        close(s);
    }
}

void shut_all_ways(struct ground *g)
{
    int type;
    for (unsigned round = 0; ground_on(g); round++) {
        const int s = come(g, round, &type);
        const int how = (int)(round / 2 % 3);
        if (s < 0) {
            continue;
        }
        if (round / 6 % 2 == 0) {
            attack_request(s, type, 8);
        }
        shutdown(s, how);
        attack_request(s, type, 8);
        if (round / 12 % 2 == 0) {
            shutdown(s, how == SHUT_RD ? SHUT_WR : SHUT_RD);
        }
        for (int i = 0; round / 24 % 4 == 0 && i < 200 && ground_on(g) && !attack_over(s); i++) {
            attack_pause_us(1000);
        }
        close(s);
    }
}

/* Says much, and is stopped before it reads a reply. */
static void stop_in_the_middle(struct ground *g)
{
    for (unsigned i = 0; i < 4; i++) {
        int type;
        const int s = come(g, i, &type);
        /* The third one says nothing at all. */
        for (int j = 0; s >= 0 && i != 2 && j < 100; j++) {
            attack_request(s, type, 8);
        }
        if (s >= 0 && type == SOCK_STREAM) {
            attack_send(s, "\x40", 1);
        }
    }
    raise(SIGSTOP);
}

void stopped_peers(struct ground *g)
{
    pid_t stopped[2];
    for (int i = 0; i < 2; i++) {
        stopped[i] = ground_fork(g, stop_in_the_middle);
        int status;
        CHECK(waitpid(stopped[i], &status, WUNTRACED) == stopped[i] && WIFSTOPPED(status));
    }
    while (ground_on(g)) {
        attack_pause_us(5000);
    }
    for (int i = 0; i < 2; i++) {
        kill(stopped[i], SIGCONT);
    }
    ground_join(g);
}

static void be_killed(struct ground *g)
{
    int type, fd[2];
    raw_pipe(fd);
    for (unsigned i = 0;; i++) {
        const int s = come(g, i, &type);
        for (int j = 0; s >= 0 && j < 10; j++) {
            if (type == SOCK_SEQPACKET) {
                raw_try_send(s, "12345678", 8, &fd[1], 1, MSG_DONTWAIT);
            }
            attack_request(s, type, 8 + (unsigned)j * 100);
        }
        if (i % 4 != 0) {
            close(s);
        }
        if (i > 400) {
            pause();
        }
    }
}

void killed_peers(struct ground *g)
{
    while (ground_on(g)) {
        const pid_t pid = ground_fork(g, be_killed);
        attack_pause_us(5000);
        kill(pid, SIGKILL);
        int status;
        waitpid(pid, &status, 0);
    }
}
