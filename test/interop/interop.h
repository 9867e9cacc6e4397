/* SPDX-License-Identifier: MIT */
/*
 * What the tests with other programs share: finding and starting a peer, a world of its own for those that use fixed
 * places, and the library's side of a conversation.
 *
 * The library's calls are what is tested here, so they do the work on our side; what a descriptor is, and what a peer
 * printed, is judged by the kernel's own calls. Every wait ends with the event that it waits for, or fails the case
 * after PEER_WAIT milliseconds.
 */
#ifndef INTEROP_H
#define INTEROP_H

#include "../harness.h"
#include "../raw.h"
#include "../raw_addr.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <unx/unx.h>

#define PEER_WAIT 60000

/* A case has time for interpreters to start on a machine that is busy with other tests. */
/* clang-format off */
#define PEER_CASE(f) { #f, f, 0, 200 }
/* clang-format on */

/* ---- The peer ---- */

struct peer {
    pid_t pid;
    int in, out; /* to its standard input, from its standard output; -1: closed */
};

/* The path of a program: below $UNX_INTEROP_ROOT, where packages were unpacked without being installed, or of the
 * system. Skips the case if it is not there. */
const char *need(const char *program);

/* Skips the case unless Python can load libsystemd. */
void need_libsystemd(void);

/* Starts argv[0], a path or a name for need(). What `setup` does in the child before (may be NULL), it does with
 * descriptors 0 and 1 in place. Standard error is seen only with UNX_INTEROP_VERBOSE=1. */
struct peer peer_start(const char *const argv[], void (*setup)(void *), void *arg);

/* The same for a program that goes by its name: argv[0] is not the path. */
struct peer peer_start_as(const char *path, const char *const argv[], void (*setup)(void *), void *arg);

/* A setup that passes descriptors as a service manager does, from 3 on; arg is a struct activate. */
struct activate {
    const int *fds;
    unsigned nfds;
    const char *const *names;
    const char *notify; /* an address in text form, or NULL */
};
void peer_activate(void *arg);

/* Writes to its standard input; closes it. */
void peer_say(struct peer *p, const void *data, size_t n);
void peer_hang_up(struct peer *p);

/* Its standard output brings exactly these bytes next; this line; a line, without its newline (static memory);
 * everything until the end (static memory, *n bytes); nothing but the end. */
void peer_says(struct peer *p, const void *data, size_t n);
void peer_says_line(struct peer *p, const char *want);
const char *peer_line(struct peer *p);
const char *peer_all(struct peer *p, size_t *n);
void peer_says_end(struct peer *p);

/* Closes both, waits for its end, which has to be this exit status. */
void peer_ends(struct peer *p, int status);

/* Ends it by a signal, of which it may die, or end with status 0 or 128 and the signal. */
void peer_stop(struct peer *p, int sig);

/* ---- A world of its own ---- */

/* From now on this case has its own mounts, network (and so abstract names), and an empty /run; the user is root in it.
 * Skips where that is not permitted. */
void world(void);

/* An empty file system at an existing directory; a file with this text below /run, with the directories above it. */
void world_empty(const char *directory);
void world_file(const char *path, const char *text);

/* An existing file reads as this text, and what is written to it goes nowhere. */
void world_over(const char *path, const char *text);

/* ---- Our side ---- */

/* Listens (SOCK_DGRAM: binds) at an address in text form; connects to one, as soon as somebody is there. */
int ours_listen(int type, unsigned flags, const char *text);
int ours_connect(int type, unsigned flags, const char *text);
int ours_accept(int listener);
struct unx_addr ours_addr(const char *text);

/* Sends everything, and that has to work. */
void ours_send(int fd, const void *data, size_t n, const int *fds, unsigned nfds);
void ours_send_to(int fd, const void *data, size_t n, const struct unx_addr *to);

/* One message: its result, and what came in `got`, with room for 2 MiB and for all descriptors. The next one writes
 * over it. */
extern struct unx_msg got;
extern char got_data[2 << 20];
extern int got_fds[253];
extern struct unx_cred got_cred;
extern struct unx_addr got_addr;
int ours_recv(int fd);

/* The next message is exactly this, with so many descriptors (in got_fds); the next bytes of a stream are these; the
 * end. */
void ours_gets(int fd, const void *data, size_t n, unsigned nfds);
void ours_gets_bytes(int fd, const void *data, size_t n);
void ours_gets_end(int fd);

/* A line of a stream, with its line end cut off (static memory); `end` is "\n", "\r\n" or what else ends it. */
const char *ours_gets_line(int fd, const char *end);

/* A file with this text in the directory of the case, open for reading and writing, at its begin. */
int file_with(const char *name, const char *text);

/* The descriptor is open, close-on-exec, and leads to the same file; to a file with exactly this text. Closes it. */
void check_same_file(int arrived, int original);
void check_file_text(int arrived, const char *text);

/* "@name" for a socket, unique to this run. */
const char *abstract_name(const char *word);

#endif
