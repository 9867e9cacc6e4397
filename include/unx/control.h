/* SPDX-License-Identifier: MIT */
/*
 * Control messages (cmsg(3)) for those who need them all: a writer and a reader over the caller's buffer.
 *
 * The buffer may have any alignment. Every length is checked before it is trusted, so a reader may be given whatever a
 * recvmsg(2) of the caller's own returned, or bytes from anywhere. Both know which descriptors they still own, and
 * close those on unx_control_writer_close() and unx_control_reader_close(). Conventions are those of unx/unx.h.
 */
#ifndef UNX_CONTROL_H
#define UNX_CONTROL_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

/* Enough for one message with as many descriptors as it can hold, credentials, pidfd, time stamp and a label of 256. */
#define UNX_CONTROL_ROOM 1536

/* Bytes that one control message with `len` bytes of data takes in a buffer (CMSG_SPACE, as a function). 0: absurd. */
size_t unx_control_space(size_t len);

/* ---- Writing ---- */

/* The writer owns these descriptors from now on, and closes them in unx_control_writer_close(). */
#define UNX_GIVE 0x00100000u

struct unx_control_writer {
    void *buf;         /* then: struct unx_msg.control = buf, .control_max = len */
    size_t size;       /* its capacity */
    size_t len;        /* bytes written so far */
    unsigned nfds;     /* descriptors in it */
    uint32_t owned[8]; /* which of them it owns, a bit each */
    uint64_t reserved[2];
};

/* Starts an empty buffer. buf may be NULL when size is 0. */
int unx_control_writer_init(struct unx_control_writer *w, void *buf, size_t size);

/* Adds one message of any level and type. No room: -ENOSPC and nothing is added, here and below. */
int unx_control_add(struct unx_control_writer *w, int level, int type, const void *data, size_t len);

/* Adds descriptors (SCM_RIGHTS): lent, or with UNX_GIVE given. Over unx_limit(UNX_LIMIT_FDS) in all: -E2BIG; a negative
 * one: -EBADF. After an error none of them changed hands. */
int unx_control_add_fds(struct unx_control_writer *w, const int *fds, unsigned n, unsigned flags);

/* Adds credentials (SCM_CREDENTIALS, unix(7)); all three fields have to be known (-EINVAL). */
int unx_control_add_cred(struct unx_control_writer *w, const struct unx_cred *c);

/* Closes the descriptors that were given, and empties the writer: whether it was sent or not. */
int unx_control_writer_close(struct unx_control_writer *w);

/* ---- Reading ---- */

struct unx_control_reader {
    void *buf;
    size_t len;
    size_t next; /* where the next message starts */
    uint64_t reserved[2];
};

/* One control message. data points into the buffer and has the buffer's alignment: copy from it with memcpy(3). */
struct unx_control_item {
    int level, type;
    const void *data;
    size_t len; /* bytes of data that are really there */
    uint64_t reserved[2];
};

/* Reads `len` bytes of received control data. From now on the reader owns the descriptors in it. */
int unx_control_reader_init(struct unx_control_reader *r, void *buf, size_t len);

/* 1: *item is the next message; 0: there is none; -EBADMSG: a length that cannot be true, and no more can be read. */
int unx_control_next(struct unx_control_reader *r, struct unx_control_item *item);

/* How many descriptors an item holds: of SCM_RIGHTS, or 1 for SCM_PIDFD; 0 for any other. */
int unx_control_nfds(const struct unx_control_item *item);

/* Takes descriptor i of an item: it is the caller's now. Taken before: -EBADF. What the kernel could not install, it
 * marks by a negative errno value, which is returned (SCM_PIDFD: Linux 6.5). i out of range: -EINVAL. */
int unx_control_take(struct unx_control_reader *r, const struct unx_control_item *item, unsigned i);

/* The credentials of an item: -EINVAL if it is of another type, -EBADMSG if it was cut. */
int unx_control_cred(const struct unx_control_item *item, struct unx_cred *c);

/* Closes the descriptors that nobody took, in the whole buffer, read so far or not. Returns how many. */
int unx_control_reader_close(struct unx_control_reader *r);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
