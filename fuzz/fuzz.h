// SPDX-License-Identifier: MIT
/*
 * What the fuzz targets share. A target is one file, fuzz_<name>.c, with LLVMFuzzerTestOneInput(): libFuzzer and
 * AFL++ call it with inputs of their own, main.c with those of a corpus.
 *
 * The checks are those of test/harness.h; here one that does not hold aborts, which is what fuzzers look for. With
 * FUZZ_TRACE in the environment every step of a program of calls is printed.
 */
#ifndef FUZZ_H
#define FUZZ_H

#include "../test/harness.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* ---- the input, taken piece by piece; what is missing is 0 ---- */

struct bytes {
    const uint8_t *p;
    size_t n;
};

unsigned take_byte(struct bytes *b);
unsigned take_number(struct bytes *b, unsigned below);   /* of 0 to below - 1, from as few bytes as it needs */
size_t take_some(struct bytes *b, void *to, size_t max); /* what there is of max bytes */

/* The next piece, in memory of exactly its size, so that a sanitizer sees a step beyond it: up to the byte `end` of the
 * input, which is left out, or to the end of the input, and at most max bytes. A NUL follows it in a text. */
char *take_text(struct bytes *b, int end, size_t max);
unsigned char *take_block(struct bytes *b, size_t max, size_t *n);

/* ---- descriptors ---- */

#define FUZZ_FDS 512 /* those above are not looked at */

/* Which descriptors are open. The second call aborts unless they are the same. */
void fds_before(void);
void fds_after(void);

/* The same with a table of one's own; `extra`: those that may be open besides. */
struct fd_table {
    bool open[FUZZ_FDS];
};
void fds_look(struct fd_table *t);
bool fds_same(const struct fd_table *before, const struct fd_table *after);

/* Is it this file? By device and inode. */
struct file_id {
    uint64_t dev, ino;
};
struct file_id file_of(int fd);
bool file_same(struct file_id a, struct file_id b);

#endif
