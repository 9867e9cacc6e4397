// SPDX-License-Identifier: MIT
/*
 * The self-test: what the library does on this system, and what the system does by itself, as a report to be pasted.
 *
 * Each row runs in a process of its own, which ends by one of the four calls below; so a row can crash or hang, and the
 * others are still told. A row that leaves a descriptor open is wrong, whatever else it says.
 */
#ifndef UNX_SELFTEST_H
#define UNX_SELFTEST_H

#include <stdbool.h>
#include <stdint.h>
#include <unx/unx.h>

struct row {
    const char *name;
    void (*run)(void);
};
extern const struct row message_rows[], waiting_rows[], descriptor_rows[], identity_rows[], name_rows[], engine_rows[];

/* ---- how a row ends ---- */
_Noreturn __attribute__((format(printf, 1, 2))) void ok(const char *format, ...);
_Noreturn __attribute__((format(printf, 1, 2))) void wrong(const char *format, ...);
/* The library says that this system cannot, by `error`. Wrong, if the system can. */
_Noreturn void not_there(int error, bool system_can);
_Noreturn __attribute__((format(printf, 1, 2))) void not_tried(const char *format, ...);

/* What the system does without the library: a line below the row. */
__attribute__((format(printf, 1, 2))) void raw(const char *format, ...);

/* An error as text, for either sign. */
const char *error_text(int error);

/* The result of a call that has to succeed; of one that may be -EOPNOTSUPP. */
int need(int result, const char *call);
int can(int result, bool system_can);
#define NEED(call) need((call), #call)

/* ---- what rows share ---- */
extern int open_before; /* descriptors that were open when the row began */
int count_open(void);
void close_all(int *fds, unsigned n);
int64_t now_ms(void);
extern int patience_ms; /* how late this machine may be */

/* The folder for files, and `name` in it: the answer is good until the next but one. */
extern const char *folder;
const char *in_folder(const char *name);
struct unx_addr address(const char *name);
extern const char long_folder[]; /* a name of 199 bytes */
/* Removes what rows that failed have left there: how many files. */
int sweep(void);

/* SEQPACKET, or STREAM where there is none. */
int best_type(void);
bool system_has_packets(void);
void pair(int type, unsigned flags, int fds[2]);
void raw_pair(int type, int fds[2]);

/* One message with the text, whole; the next message has to be that. */
void post(int fd, const char *text);
void take(int fd, const char *text);
void take_end(int fd);

/* A number of files, each as large as its index says, and whether a descriptor is of file number i. */
void make_files(int *fds, unsigned n);
bool is_file(int fd, unsigned i);

#endif
