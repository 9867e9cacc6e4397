// SPDX-License-Identifier: MIT
/*
 * Stopping a listener while signals come, and in a thread that is being cancelled: it is done whole, whatever it has to
 * wait for on the way.
 */
#include "listener.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/file.h>

#define WAITS_MS 39 /* a stop, for a lock */

/* What stopping meets. */
enum situation { ALONE, REPLACED, LOCKED, UNREADABLE, SHARED, SITUATIONS };
static const char *const words[SITUATIONS] = {
    "alone", "replaced by a successor", "the directory is locked", "the directory cannot be read", "shared",
};

struct stopping {
    enum situation situation;
    struct unx_listener *l, *successor;
    char dir[120], path[140];
    pthread_t acceptor, holder;
    int accepted, lock;
    atomic_int result; /* of the stop; 1: it has not returned */
    int64_t took;
};

static void *accept_one(void *arg)
{
    struct stopping *s = arg;
    s->accepted = unx_listener_accept(s->l, 0, NULL, -1);
    return NULL;
}

/* Less than stopping waits for it. */
static void *let_go(void *arg)
{
    struct stopping *s = arg;
    raw_sleep(15);
    close(s->lock);
    return NULL;
}

static void prepare(struct stopping *s, enum situation situation)
{
    *s = (struct stopping){.situation = situation, .result = 1};
    ROW("%s", words[situation]);
    snprintf(s->dir, sizeof s->dir, "%s", raw_file("dir"));
    snprintf(s->path, sizeof s->path, "%s/sock", s->dir);
    CHECK_INT(mkdir(s->dir, situation == UNREADABLE ? 0300 : 0700), 0);
    s->l = open_at(SOCK_STREAM, 0, s->path);
    CHECK_INT(pthread_create(&s->acceptor, NULL, accept_one, s), 0);
    raw_sleep(20);
    if (situation == REPLACED) {
        s->successor = open_at(SOCK_STREAM, UNX_REPLACE, s->path);
    }
    if (situation == LOCKED) {
        s->lock = open(s->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        CHECK_INT(flock(s->lock, LOCK_EX), 0);
        CHECK_INT(pthread_create(&s->holder, NULL, let_go, s), 0);
    }
}

/* close(2), opendir(3) and the like would be cancellation points: here is nothing but the call. */
static void stop(struct stopping *s)
{
    const int64_t start = raw_now();
    s->result = unx_listener_stop(s->l, s->situation == SHARED ? UNX_SHARED : 0);
    s->took = raw_now() - start;
}

static void check_stopped(struct stopping *s)
{
    CHECK_INT(s->result, 0);
    CHECK_INT(pthread_join(s->acceptor, NULL), 0);
    CHECK_INT(s->accepted, -ESHUTDOWN);
    /* Where others use the processor, the lock may be let go too late. */
    if (s->situation != LOCKED || s->took < WAITS_MS) {
        CHECK_INT(exists(s->path), s->situation == REPLACED || s->situation == SHARED);
    }
    if (s->situation == LOCKED) {
        CHECK_INT(pthread_join(s->holder, NULL), 0);
    }
    if (s->situation == REPLACED) {
        /* Clients that were on the way to us have had their time. */
        CHECK(s->took >= 19);
        CHECK(leads_to(SOCK_STREAM, s->path, s->successor));
        close_listener(s->successor);
    }
    close_listener(s->l);
    unlink(s->path);
    CHECK_INT(rmdir(s->dir), 0);
}

static void under_signals(void)
{
    for (unsigned round = harness_rounds(5); round > 0; round--) {
        for (int i = 0; i < SITUATIONS; i++) {
            struct stopping s;
            prepare(&s, i);
            raw_signals_start();
            stop(&s);
            raw_signals_stop();
            check_stopped(&s);
        }
    }
}

/* Its cancellation is pending from the start, so the first cancellation point is its end. */
static void *stop_cancelled(void *arg)
{
    int state;
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state), 0);
    pthread_cancel(pthread_self());
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    stop(arg);
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_ENABLE, &state), 0);
    CHECK_INT(state, PTHREAD_CANCEL_ENABLE);
    /* A sanitizer does not survive a thread that is unwound; so there it just ends. */
    if (!harness_sanitized()) {
        pthread_testcancel();
    }
    CHECK_INT(pthread_setcancelstate(PTHREAD_CANCEL_DISABLE, &state), 0);
    return NULL;
}

static void all_situations_cancelled(void *arg)
{
    (void)arg;
    for (int i = 0; i < SITUATIONS; i++) {
        struct stopping s;
        pthread_t thread;
        void *end;
        prepare(&s, i);
        CHECK_INT(pthread_create(&thread, NULL, stop_cancelled, &s), 0);
        CHECK_INT(pthread_join(thread, &end), 0);
        CHECK(s.result != 1);
        CHECK(end == (harness_sanitized() ? NULL : PTHREAD_CANCELED));
        check_stopped(&s);
    }
}

/* Nobody but root may read a directory that forbids it. */
static void as_nobody(void *arg)
{
    raw_become_nobody();
    all_situations_cancelled(arg);
}

static void no_cancellation_point(void)
{
    all_situations_cancelled(NULL);
    if (geteuid() == 0) {
        CHECK_INT(chmod(harness_dir(), 0777), 0);
        harness_wait(harness_fork(as_nobody, NULL));
    }
}

static const struct test_case cases[] = {
    CASE(under_signals),
    CASE(no_cancellation_point),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
