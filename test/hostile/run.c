// SPDX-License-Identifier: MIT
/*
 * Plays an attack on a server with a well-behaved client beside it (run.h).
 *
 * It goes on until it was tried and the server has written down who it was, or fifteen seconds more; then the server
 * has to be what it was before, and to end when it is told to. Whether all went well is judged in judge.c.
 */
#include "../harness.h"
#include "../raw.h"
#include "client.h"
#include "command.h"
#include "play.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

unsigned run_ms(void)
{
    const char *text = getenv("HOSTILE_MS");
    const unsigned ms = text == NULL ? 0 : (unsigned)strtoul(text, NULL, 10);
    return ms == 0 ? 100 : ms;
}

const char *run_why_not(const struct target *t, const struct attack *a)
{
    const unsigned needs = a->flags & (NEEDS_SEQ | NEEDS_STREAM | NEEDS_NOTIFY);
    const bool connections = (t->can & (NEEDS_SEQ | NEEDS_STREAM)) != 0;
    if ((needs & ~t->can) != 0 || ((a->flags & NEEDS_CONNECTIONS) != 0 && !connections)) {
        return "it does not serve such sockets";
    }
    if (t->strangers_only && geteuid() != 0) {
        return "not root";
    }
    if ((!t->ours || t->few) && (a->flags & HOLDS_UP) != 0) {
        return "who closes what it gets in its one thread waits for as long as the sender likes";
    }
    if (!t->ours && (a->flags & KNOWS_US) != 0) {
        return "it speaks another protocol";
    }
    if ((a->flags & (AS_ROOT_ONLY | AS_OTHER_ONLY | AS_NOBODY | FULL_TABLE)) != 0 && geteuid() != 0) {
        return "not root";
    }
    return NULL;
}

/* ---- a server and its client ---- */

static void serve(void *arg)
{
    struct play *p = arg;
    if (p->t->serve == NULL) {
        command_serve(p->t, &p->g, p->output);
    } else {
        p->t->serve(&p->g);
    }
}

static void read_output(void *arg)
{
    struct play *p = arg;
    close(p->output[1]);
    command_read(p->t, &p->g, p->output[0]);
}

static void be_client(void *arg)
{
    struct play *p = arg;
    client_run(&p->g);
}

static void wait_ready(struct play *p)
{
    const char *paths[] = {p->g.seq, p->g.stream, p->g.notify};
    struct stat st;
    const int64_t until = raw_now() + 10000;
    for (int i = 0; i < 3; i++) {
        while (paths[i][0] != '\0' && stat(paths[i], &st) != 0) {
            CHECK(raw_now() < until);
            raw_sleep(1);
        }
    }
}

static void start(struct play *p, const struct target *t)
{
    p->t = t;
    p->g =
        (struct ground){.shared = ground_share(), .echo = !t->ours, .one_at_a_time = t->one_at_a_time, .few = t->few};
    const char *dir = harness_dir();
    if (t->can & NEEDS_SEQ) {
        snprintf(p->g.seq, sizeof p->g.seq, "%s/seq", dir);
    }
    if (t->can & NEEDS_STREAM) {
        snprintf(p->g.stream, sizeof p->g.stream, "%s/stream", dir);
    }
    if (t->can & NEEDS_NOTIFY) {
        snprintf(p->g.notify, sizeof p->g.notify, "%s/notify", dir);
    }
    if (t->serve == NULL) {
        CHECK_INT(pipe2(p->output, O_CLOEXEC), 0);
        p->reader = harness_fork(read_output, p);
    }
    p->server = harness_fork(serve, p);
    if (t->serve == NULL) {
        close(p->output[0]);
        close(p->output[1]);
    }
    p->g.server = p->server;
    wait_ready(p);
    p->client = harness_fork(be_client, p);
    atomic_store(&p->g.shared->client_pid, p->client);
}

/* The client has gone once round from now, at least. */
static void once_round(const struct play *p)
{
    const unsigned before = atomic_load(&p->g.shared->client_rounds);
    const int64_t until = raw_now() + 40000;
    while (atomic_load(&p->g.shared->client_rounds) < before + 2) {
        play_check_client(p);
        CHECK(raw_now() < until);
        raw_sleep(1);
    }
}

static void look(const struct play *p, struct figures *f, const char *which)
{
    f->fds = descriptors_of(p->server);
    f->memory = memory_now(p->server, which);
    for (int i = 0; i < TRIPS; i++) {
        f->median[i] = trip_median(p->g.shared, i);
        f->slowest[i] = atomic_load(&p->g.shared->trips[i].slowest);
        f->n[i] = atomic_load(&p->g.shared->trips[i].n);
    }
}

static void stop(struct play *p)
{
    atomic_store(&p->g.shared->stop_client, 1);
    harness_wait(p->client);
    play_check_client(p);
    atomic_store(&p->g.shared->stop_server, 1);
    const int64_t before = raw_now();
    CHECK_INT(kill(p->server, SIGTERM), 0);
    if (p->t->serve == NULL) {
        command_ended(p->server);
        harness_wait(p->reader);
    } else {
        harness_wait(p->server);
    }
    CHECK(raw_now() - before < SETTLE_MS);
}

/* ---- attackers ---- */

static const struct attack *attack_of_child;
static bool all_of_them;

static void attack_child(struct ground *g)
{
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (all_of_them) {
        /* They are more than processors, and it is not the scheduler that is attacked. */
        CHECK(nice(10) != -1 || errno == 0);
    }
    attack_of_child->run(g);
}

static void add_attacker(struct play *p, const struct attack *a, uid_t uid)
{
    p->g.uid = uid;
    attack_of_child = a;
    CHECK(p->nattackers < 128);
    p->attackers[p->nattackers++] = ground_fork(&p->g, attack_child);
}

/* By somebody with our uid, and by somebody with another. */
static void attack_with(struct play *p, const struct attack *a)
{
    const bool root = geteuid() == 0;
    if (a->flags & AS_NOBODY) {
        add_attacker(p, a, NOBODY);
        return;
    }
    if ((a->flags & AS_OTHER_ONLY) == 0 && !p->t->strangers_only) {
        add_attacker(p, a, geteuid());
    }
    if (root && (a->flags & AS_ROOT_ONLY) == 0) {
        add_attacker(p, a, OTHER);
    }
}

/* Looks at the descriptors until all attackers have ended. */
static void attend(struct play *p, const struct attack *a, unsigned ms)
{
    const bool full = a != NULL && (a->flags & FULL_TABLE) != 0;
    const int64_t enough = raw_now() + ms;
    int most = 0;
    for (unsigned i = 0; i < p->nattackers;) {
        int status;
        if (raw_now() >= enough && (a == NULL || (play_tried(p, a) && play_wrote_all(p, a)))) {
            atomic_store(&p->g.shared->stop_attack, 1);
        }
        const int n = descriptors_of(p->server);
        most = n > most ? n : most;
        if (waitpid(p->attackers[i], &status, WNOHANG) == p->attackers[i]) {
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0) {
                harness_fail(__FILE__, __LINE__, "an attacker ended with status %#x", (unsigned)status);
            }
            i++;
        }
        raw_sleep(1);
    }
    /* What the client has begun meanwhile counts, too: a round with a new connection. */
    const int last = p->t->can == NEEDS_NOTIFY ? NOTIFY : FRESH;
    const unsigned before = atomic_load(&p->g.shared->trips[last].n);
    const int64_t until = raw_now() + 40000;
    while (!full && atomic_load(&p->g.shared->trips[last].n) == before) {
        play_check_client(p);
        CHECK(raw_now() < until);
        raw_sleep(1);
    }
    look(p, &p->during, "VmHWM");
    p->during.fds = most;
}

static void settle(struct play *p)
{
    const int64_t until = raw_now() + SETTLE_MS;
    do {
        raw_sleep(2);
        look(p, &p->after, "VmRSS");
    } while (raw_now() < until && (p->after.fds > p->before.fds + 2));
    once_round(p);
}

/* Leaves the server so many descriptors beyond those that it has. */
static void limit_server(const struct play *p, int more, struct rlimit *old)
{
    struct rlimit tight;
    CHECK_INT(prlimit(p->server, RLIMIT_NOFILE, NULL, &tight), 0);
    tight.rlim_cur = (rlim_t)(p->before.fds + more);
    /* All know it before it is so, and until it is not, and the client is not just about to connect. */
    if (more >= 0) {
        atomic_store(&p->g.shared->full_allowed, 1);
        once_round(p);
    }
    CHECK_INT(prlimit(p->server, RLIMIT_NOFILE, more < 0 ? old : &tight, more < 0 ? NULL : old), 0);
    if (more < 0) {
        once_round(p);
        atomic_store(&p->g.shared->full_allowed, 0);
    }
}

static void play(const struct target *t, const struct attack *a)
{
    static struct play p;
    struct rlimit limit;
    all_of_them = a == NULL;
    start(&p, t);
    once_round(&p);
    trips_reset(p.g.shared);
    raw_sleep(run_ms() / 2);
    once_round(&p);
    look(&p, &p.before, "VmRSS");
    memory_peak_reset(p.server);
    trips_reset(p.g.shared);
    if (a != NULL && (a->flags & FULL_TABLE) != 0) {
        limit_server(&p, 3, &limit);
    }
    /* What keeps no accounts serves everybody in turn: the longer the attack, the longer the wait behind it. */
    const unsigned ms = a == NULL && t->ours ? 3 * run_ms() : run_ms();
    /* On a busy machine it may take longer until everybody has had a turn. */
    p.g.until = now_us() + (int64_t)(ms + 15000) * 1000;
    for (unsigned i = 0; i < nattacks; i++) {
        const bool alone = (attacks[i].flags & (FULL_TABLE | OWN_PIDS)) != 0;
        if (a == &attacks[i] || (a == NULL && !alone && run_why_not(t, &attacks[i]) == NULL)) {
            attack_with(&p, &attacks[i]);
        }
    }
    attend(&p, a, ms);
    if (a != NULL && (a->flags & FULL_TABLE) != 0) {
        limit_server(&p, -1, &limit);
    }
    settle(&p);
    play_judge(&p, a);
    if (a != NULL && !play_wrote_all(&p, a)) {
        ground_tell(p.g.shared);
        harness_fail(__FILE__, __LINE__, "the server did not write down who did it: kinds %#x", a->logs);
    }
    if (a != NULL && (a->flags & OWN_PIDS) != 0) {
        NOTE("kill(2) took somebody else for the one who had ended %u times", atomic_load(&p.g.shared->naive_fooled));
    }
    stop(&p);
}

struct both {
    const struct target *t;
    const struct attack *a;
};

static void play_as_first(void *arg)
{
    const struct both *b = arg;
    /* A folder that was made the root, and is no mount, cannot have one that is ours alone. */
    if (unshare(CLONE_NEWNS) != 0 || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) != 0 ||
        mount("proc", "/proc", "proc", 0, NULL) != 0) {
        SKIP("no /proc of our own: %s", strerror(errno));
    }
    play(b->t, b->a);
}

/* The one who makes the namespace cannot fork any more when its first process has ended,
 * which is no way to end a case. */
static void play_inside(void *arg)
{
    if (unshare(CLONE_NEWPID) != 0) {
        SKIP("no pid namespace of our own: %s", strerror(errno));
    }
    harness_wait(harness_fork(play_as_first, arg));
}

void run_attack(const struct target *t, const struct attack *a)
{
    const char *why = a == NULL ? NULL : run_why_not(t, a);
    if (why != NULL) {
        SKIP("%s", why);
    }
    harness_dir();
    if (a != NULL && (a->flags & OWN_PIDS) != 0) {
        struct both b = {t, a};
        harness_wait(harness_fork(play_inside, &b));
        return;
    }
    play(t, a);
}
