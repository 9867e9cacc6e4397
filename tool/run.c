// SPDX-License-Identifier: MIT
/*
 * A program for a message: the message on its standard input, descriptors from 3 on, who sent it in its environment.
 *
 * Promises: the program gets 0, 1, 2 and the descriptors of the message, and no other; neither a program that does not
 * read nor one that does not end stops anybody else; what it prints is bounded.
 *
 * What surprised us: SIG_IGN is inherited by a program, and so is the mask of blocked signals; both are put back. A
 * grandchild may keep the pipe open after the program has ended: then what is there is all that is waited for.
 */
#include "tool.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/activation.h>

#define FDS_START UNX_ACTIVATION_FIRST

extern char **environ;

void run_keep_private(void)
{
    DIR *d = opendir("/proc/self/fd");
    if (!d) {
        struct rlimit limit = {0};
        getrlimit(RLIMIT_NOFILE, &limit);
        const int end = limit.rlim_cur < 65536 ? (int)limit.rlim_cur : 65536;
        for (int fd = FDS_START; fd < end; fd++) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
        return;
    }
    for (const struct dirent *e; (e = readdir(d)) != NULL;) {
        const int fd = atoi(e->d_name);
        if (fd >= FDS_START) {
            fcntl(fd, F_SETFD, FD_CLOEXEC);
        }
    }
    closedir(d);
}

static void set_number(const char *name, bool known, long long n)
{
    char text[32];
    snprintf(text, sizeof(text), "%lld", n);
    if (known) {
        setenv(name, text, 1);
    } else {
        unsetenv(name);
    }
}

void run_peer(const struct who *w, const struct unx_addr *from)
{
    char text[UNX_ADDR_TEXT];
    set_number("UNX_PEER_PID", w->cred.known & UNX_KNOWN_PID, w->cred.pid);
    set_number("UNX_PEER_UID", w->cred.known & UNX_KNOWN_UID, w->cred.uid);
    set_number("UNX_PEER_GID", w->cred.known & UNX_KNOWN_GID, w->cred.gid);
    unsetenv("UNX_PEER_ADDR");
    if (from && unx_addr_format(from, text, sizeof(text)) > 0) {
        setenv("UNX_PEER_ADDR", text, 1);
    }
}

int run_program(char *const *command, const int *fds, unsigned n, const char *const *names)
{
    size_t vars = UNX_ACTIVATION_VARS, room = UNX_ACTIVATION_TEXT;
    for (char *const *var = environ; *var; var++) {
        vars++;
    }
    for (unsigned i = 0; names && i < n; i++) {
        room += strlen(names[i]) + 1;
    }
    // The variables that we may have ourselves are about other descriptors: they are left out, or replaced.
    const struct unx_activation a = {.fds = fds,
                                     .nfds = n,
                                     .names = names,
                                     .inherit = environ,
                                     .env = must_alloc(NULL, vars * sizeof(char *)),
                                     .env_max = (unsigned)vars,
                                     .text = must_alloc(NULL, room),
                                     .text_max = room};
    int r = unx_activation_pass(&a, 0);
    if (r == 0) {
        signals_release();
        // There is no execvpe(3) everywhere.
        char **const before = environ;
        environ = a.env;
        execvp(command[0], command);
        r = -errno;
        environ = before;
    }
    free(a.env);
    free(a.text);
    return r;
}

void run_or_exit(char *const *command, const int *fds, unsigned n, const char *const *names)
{
    const int r = run_program(command, fds, n, names);
    report("%s: cannot be run: %s (%s)", command[0], strerror(-r), report_errno_name(r));
    _exit(r == -ENOENT ? 127 : 126);
}

static void become(char *const *command, const struct message *m, int in, int out)
{
    static const struct who nobody;
    const char *names[FDS_MAX];
    if (dup2(in, STDIN_FILENO) < 0 || (out >= 0 && dup2(out, STDOUT_FILENO) < 0)) {
        report_error(DOING_OTHER, command[0], -errno);
        _exit(126);
    }
    for (unsigned i = 0; i < m->nfds; i++) {
        names[i] = fd_kind(m->fds[i]);
    }
    run_peer(m->sender ? m->sender : m->peer ? m->peer : &nobody, m->from);
    run_or_exit(command, m->fds, m->nfds, names);
}

static void close_one(int *fd)
{
    if (*fd >= 0) {
        close(*fd);
    }
    *fd = -1;
}

int pipe_cloexec(int fds[2])
{
    // There is no pipe2(2) everywhere, and no other thread here that could start a program in between.
    if (pipe(fds) < 0) {
        return -1;
    }
    fcntl(fds[0], F_SETFD, FD_CLOEXEC);
    fcntl(fds[1], F_SETFD, FD_CLOEXEC);
    return 0;
}

int job_start(struct job *j, char *const *command, const struct message *m, bool capture)
{
    int in[2] = {-1, -1}, out[2] = {-1, -1};
    int err = 0;
    *j = (struct job){.in = -1, .out = -1, .heard = !capture};
    if (pipe_cloexec(in) < 0 || (capture && pipe_cloexec(out) < 0) || (j->pid = fork()) < 0) {
        err = -errno;
        j->pid = 0;
    } else if (j->pid == 0) {
        become(command, m, in[0], out[1]);
    }
    close_one(&in[0]);
    close_one(&out[1]);
    if (err) {
        close_one(&in[1]);
        close_one(&out[0]);
        return err;
    }
    j->in = in[1];
    j->out = out[0];
    fcntl(j->in, F_SETFL, O_WRONLY | O_NONBLOCK);
    if (capture) {
        fcntl(j->out, F_SETFL, O_RDONLY | O_NONBLOCK);
    }
    j->data = must_alloc(NULL, m->len);
    memcpy(j->data, m->data, m->len);
    j->len = m->len;
    job_step(j, SIZE_MAX);
    return 0;
}

static void feed(struct job *j)
{
    while (!j->fed) {
        const ssize_t n = j->done < j->len ? write(j->in, j->data + j->done, j->len - j->done) : 0;
        if (n > 0) {
            j->done += (size_t)n;
        } else if (n == 0 || (errno != EINTR && errno != EAGAIN)) {
            // A program need not read all of it.
            j->fed = true;
        } else if (errno == EAGAIN) {
            return;
        }
    }
}

void job_step(struct job *j, size_t max)
{
    char buf[65536];
    feed(j);
    while (!j->heard) {
        const ssize_t n = read(j->out, buf, sizeof(buf));
        if (n > 0) {
            text_add(&j->reply, buf, (size_t)n);
            j->over = j->reply.len > max;
        }
        if (n == 0 || j->over || (n < 0 && errno != EINTR && errno != EAGAIN)) {
            j->heard = true;
        } else if (n < 0 && errno == EAGAIN) {
            return;
        }
    }
}

bool job_reap(struct job *j, size_t max)
{
    if (waitpid(j->pid, &j->wait_status, WNOHANG) != j->pid) {
        return false;
    }
    j->ended = true;
    job_step(j, max);
    j->fed = j->heard = true;
    return true;
}

bool run_result(int wait_status, const char *where, const char *program)
{
    if (WIFSIGNALED(wait_status)) {
        report_fail(STATUS_PROGRAM, "%s: %s was ended by signal %d (%s)", where, program, WTERMSIG(wait_status),
                    strsignal(WTERMSIG(wait_status)));
        return false;
    }
    if (WEXITSTATUS(wait_status) != 0) {
        report_fail(STATUS_PROGRAM, "%s: %s ended with status %d", where, program, WEXITSTATUS(wait_status));
        return false;
    }
    return true;
}

bool job_result(const struct job *j, const char *where, const char *program, size_t max)
{
    if (j->over) {
        report_fail(STATUS_CUT, "%s: %s printed more than the %zu bytes that --max allows; no reply", where, program,
                    max);
        return false;
    }
    return run_result(j->wait_status, where, program);
}

void job_free(struct job *j)
{
    free(j->data);
    text_free(&j->reply);
    *j = (struct job){.in = -1, .out = -1};
}
