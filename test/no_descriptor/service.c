// SPDX-License-Identifier: MIT
/*
 * No descriptor left: listeners, activation, notification.
 *
 * What surprised us: stopping and closing must work without any, or a server whose table is full could never be ended.
 */
#include "no_descriptor.h"

#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unx/activation.h>

static int opens_a_listener(void)
{
    w.l = (struct unx_listener *)&w;
    const int r = QUIET(unx_listener_open(&w.l, SOCK_STREAM, UNX_SHED, &w.fresh, NULL));
    CHECK(r >= 0 || w.l == NULL);
    return r;
}

static int opens_a_listener_far_away(void)
{
    w.l = (struct unx_listener *)&w;
    const int r = QUIET(unx_listener_open_path(&w.l, SOCK_STREAM, 0, AT_FDCWD, w.long_path, NULL));
    CHECK(r >= 0 || w.l == NULL);
    return r;
}

static int takes_a_listener(void)
{
    raw_unlimit();
    const int fd = unx_listen(SOCK_SEQPACKET, UNX_NONBLOCK, &w.fresh, 5, 0600);
    raw_limit(w.allowed);
    w.l = (struct unx_listener *)&w;
    const int r = QUIET(unx_listener_adopt(&w.l, fd, SOCK_SEQPACKET, UNX_SHED));
    if (r < 0) {
        CHECK(w.l == NULL);
        CHECK_INT(close(fd), 0);
        unlink(raw_file("fresh"));
    }
    return r;
}

/* With a listener of its own: its client is still there after each failure. */
static int takes_a_client(void)
{
    raw_unlimit();
    if (w.l == NULL) {
        CHECK_INT(unx_listener_open(&w.l, SOCK_STREAM, 0, &w.fresh, NULL), 0);
    }
    const int client = raw_connect(SOCK_STREAM, raw_path(raw_file("fresh")));
    raw_limit(w.allowed);
    const int r = QUIET(unx_listener_accept(w.l, 0, NULL, 0));
    raw_unlimit();
    close(client);
    if (r < 0) {
        close(unx_listener_accept(w.l, 0, NULL, 0));
        CHECK_INT(unx_listener_accept(w.l, 0, NULL, 0), -EAGAIN);
        undo();
    }
    return keep(r);
}

static struct unx_listener *ready(void)
{
    struct unx_listener *l;
    raw_unlimit();
    CHECK_INT(unx_listener_open(&l, SOCK_STREAM, UNX_SHED, &w.fresh, NULL), 0);
    CHECK(access(raw_file("fresh"), F_OK) == 0);
    raw_limit(w.allowed);
    return l;
}

static int stops(void)
{
    struct unx_listener *const l = ready();
    CHECK_INT(QUIET(unx_listener_stop(l, 0)), 0);
    CHECK(access(raw_file("fresh"), F_OK) != 0);
    CHECK_INT(unx_listener_accept(l, 0, NULL, 0), -ESHUTDOWN);
    return unx_listener_close(l);
}

static int closes(void)
{
    struct unx_listener *const l = ready();
    CHECK_INT(QUIET(unx_listener_close(l)), 0);
    CHECK(access(raw_file("fresh"), F_OK) != 0);
    return 0;
}

/* ---- activation ---- */

/* A socket that is in the way of another one is put elsewhere first. */
static void becomes_a_service(void *arg)
{
    (void)arg;
    char *env[16], text[256];
    const int first = fcntl(w.s[0], F_DUPFD, 20), second = fcntl(w.listener, F_DUPFD, 20);
    CHECK(first >= 0 && second >= 0);
    CHECK_INT(dup2(first, 3), 3);
    CHECK_INT(dup2(second, 4), 4);
    const int crossed[2] = {4, 3};
    const struct unx_activation a = {
        .fds = crossed, .nfds = 2, .env = env, .env_max = 16, .text = text, .text_max = sizeof text};
    raw_limit(w.allowed);
    const int r = QUIET(unx_activation_pass(&a, 0));
    CHECK(r == 0 || r == -EMFILE);
    CHECK(raw_same_file(3, r == 0 ? second : first));
    CHECK(raw_same_file(4, r == 0 ? first : second));
    _exit(r == 0 ? 0 : 1);
}

/* In a child, because the numbers are this process's own otherwise. */
static int passes(void)
{
    raw_unlimit();
    const pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        becomes_a_service(NULL);
    }
    int status;
    CHECK(waitpid(pid, &status, 0) == pid && WIFEXITED(status) && WEXITSTATUS(status) <= 1);
    return WEXITSTATUS(status) == 0 ? 0 : -EMFILE;
}

/* ---- notification ---- */

static int binds_for_notifications(void)
{
    return keep(QUIET(unx_notify_bind(0, &w.fresh, 0600)));
}

/* A manager at this path, who is asked what has come when `notify` has returned. */
static int notifies_at(const char *path)
{
    raw_unlimit();
    setenv("NOTIFY_SOCKET", path, 1);
    const int manager = unx_listen_path(SOCK_DGRAM, UNX_PASSFDS, AT_FDCWD, path, UNX_BIND_ONLY, 0600);
    CHECK(manager >= 0);
    raw_limit(w.allowed);
    const int r = QUIET(unx_notify("READY=1", &w.s[0], 1, 0, 1000));
    raw_unlimit();
    struct raw_got g;
    char text[16];
    raw_recv(manager, text, sizeof text, MSG_DONTWAIT, &g);
    CHECK_INT(g.result, r == 1 ? 7 : -EAGAIN);
    raw_close_fds(&g);
    close(manager);
    unlink(path);
    unsetenv("NOTIFY_SOCKET");
    return r;
}

static int notifies(void)
{
    return notifies_at(raw_file("fresh"));
}

static int notifies_far_away(void)
{
    return notifies_at(w.long_path);
}

static void answers(void *arg)
{
    const int manager = *(const int *)arg;
    for (;;) {
        struct raw_got g;
        char text[16];
        raw_recv(manager, text, sizeof text, 0, &g);
        raw_close_fds(&g);
    }
}

static int waits_for_the_manager(void)
{
    raw_unlimit();
    setenv("NOTIFY_SOCKET", raw_file("fresh"), 1);
    int manager = unx_notify_bind(0, &w.fresh, 0600);
    const pid_t pid = harness_fork(answers, &manager);
    close(manager);
    raw_limit(w.allowed);
    const int r = QUIET(unx_notify_barrier(0, 5000));
    raw_unlimit();
    kill(pid, SIGKILL);
    harness_wait(pid);
    unlink(raw_file("fresh"));
    unsetenv("NOTIFY_SOCKET");
    return r;
}

static int hears_a_notification(void)
{
    static char text[UNX_NOTIFY_MAX + 1];
    int fd = -7;
    struct unx_cred sender;
    struct unx_notification n;
    const struct iovec in = {text, sizeof text};
    struct unx_msg m = message(&in, 1);
    m.fds = &fd;
    m.nfds = 1;
    m.cred = &sender;
    raw_unlimit();
    const int manager = unx_notify_bind(0, &w.fresh, 0600);
    const int service = raw_connect(SOCK_DGRAM, raw_path(raw_file("fresh")));
    raw_send(service, "FDSTORE=1", 9, &w.s[0], 1);
    raw_send(service, "READY=1", 7, NULL, 0);
    raw_limit(w.allowed);
    const int r = QUIET(unx_notify_recv(manager, &m, &n, 0));
    raw_unlimit();
    CHECK(r == 1 || (fd == -1 && unx_one_message(r)));
    keep(r == 1 ? fd : -1);
    CHECK_INT(unx_notify_recv(manager, &m, &n, UNX_DONTWAIT), 1);
    CHECK_INT(n.what, UNX_NOTIFY_READY);
    close(manager);
    close(service);
    unlink(raw_file("fresh"));
    return r;
}

const struct attempt service_attempts[] = {
    {"unx_listener_open", opens_a_listener, 2},
    {"unx_listener_open_path, long", opens_a_listener_far_away, 2},
    {"unx_listener_adopt", takes_a_listener, 1},
    {"unx_listener_accept", takes_a_client, 1},
    {"unx_listener_stop", stops, 0},
    {"unx_listener_close", closes, 0},
    {"unx_activation_pass", passes, 1},
    {"unx_notify_bind", binds_for_notifications, 1},
    {"unx_notify", notifies, 1},
    {"unx_notify, long", notifies_far_away, 2},
    {"unx_notify_barrier", waits_for_the_manager, 3},
    {"unx_notify_recv", hears_a_notification, 1},
    {NULL, NULL, 0},
};
