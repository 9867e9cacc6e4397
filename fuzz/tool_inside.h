// SPDX-License-Identifier: MIT
/*
 * The command unx inside of a fuzz target: its sources are compiled with main, read, write, poll and unx_wait by
 * other names, so that what it prints is kept, its standard input comes in pieces as the target likes, and whoever is
 * at the other end of its socket moves while it waits.
 */
#ifndef FUZZ_TOOL_INSIDE_H
#define FUZZ_TOOL_INSIDE_H

#include "../tool/tool.h"
#include "fuzz.h"

#include <poll.h>

int tool_main(int argc, char **argv);
/* The verbs that would do something, where a target only wants to see what was understood. */
int fuzz_verb(const struct options *o);

ssize_t fuzz_read(int fd, void *p, size_t n);
ssize_t fuzz_write(int fd, const void *p, size_t n);
int fuzz_poll(struct pollfd *p, nfds_t n, int timeout);
int fuzz_wait(int fd, int events, int timeout_ms);

struct fuzz_tool {
    struct text out, err; /* what it printed */
    const char *input;    /* standard input, and how much of it a read gives at most; 0: all */
    size_t len, at, piece;
    void (*peer)(void *arg); /* called when it waits */
    void *arg;
};
extern struct fuzz_tool fuzz_tool;

/* Another run: nothing was printed, and nothing has failed yet. */
void tool_reset(void);
/* Every line on standard error starts with unx, and has nothing that is not printable. */
void tool_check_err(void);
/* Nothing but printable ASCII and line ends. */
void tool_check_printable(const struct text *t);
/* Exactly one JSON object on each line of it (RFC 8259), in UTF-8. */
void tool_check_json(const struct text *t);

/* The bytes of member `key` of a JSON object without nesting before it: as text, or as base64 under another key. */
bool tool_json_bytes(const struct text *t, const char *key, struct text *bytes);
/* Is it UTF-8? */
bool tool_utf8(const char *p, size_t n);
/* The bytes that a quoted text stands for; how many characters it takes, with both quotes. */
size_t tool_unquote(const char *p, struct text *bytes);

#endif
