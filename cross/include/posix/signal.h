/* SPDX-License-Identifier: MIT */
/* As POSIX.1-2008 has it. It says which members a struct has, and not in which order: that is no system's here. */
#ifndef CROSS_SIGNAL_H
#define CROSS_SIGNAL_H

#include <system.h>

typedef int sig_atomic_t;
struct sigaction {
    void (*sa_handler)(int);
    sigset_t sa_mask;
    int sa_flags;
};
#define SIG_DFL ((void (*)(int))0)
#define SIG_IGN ((void (*)(int))1)

int kill(pid_t pid, int number);
int raise(int number);
int sigaction(int number, const struct sigaction *to, struct sigaction *before);
int sigaddset(sigset_t *set, int number);
int sigdelset(sigset_t *set, int number);
int sigemptyset(sigset_t *set);
int sigfillset(sigset_t *set);
int sigprocmask(int how, const sigset_t *to, sigset_t *before);
void (*signal(int number, void (*handler)(int)))(int);

#endif
