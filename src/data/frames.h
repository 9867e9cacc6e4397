// SPDX-License-Identifier: MIT
/* Frames inside the library: what was read and not yet received, without a system call. */
#ifndef UNX_FRAMES_INSIDE_H
#define UNX_FRAMES_INSIDE_H

#include <stdbool.h>
#include <unx/frames.h>

#include "frame.h"

/* One read from the socket, whose bytes are behind those that were there already, and its descriptors in
 * frames_room(). */
struct frames_read {
    size_t len;
    unsigned nfds;
    bool cut;              /* descriptors came that are not here */
    struct unx_cred *cred; /* known is 0: nobody's */
};

/* Where the bytes of the next read go, and its descriptors: at least one byte, f->nfds descriptors. */
struct iovec frames_room(struct unx_frames *f, int **fds);

/* Notes a read. */
void frames_took(struct unx_frames *f, const struct frames_read *r);

/* The frame that is first: 1; 0: its head is not there yet; -EPROTO, and then for ever, with everything closed. */
int frames_first(struct unx_frames *f, struct frame *first);

/* Whether as much of it is there as ever will be. */
bool frames_whole(const struct unx_frames *f, const struct frame *first);

/* Its data: how much of it, from where. Its descriptors, and whether some are missing. */
size_t frames_data(const struct unx_frames *f, const struct frame *first, const unsigned char **p);
unsigned frames_fds(const struct unx_frames *f, const struct frame *first, int **fds, bool *cut);

/* Forgets it; its descriptors are somebody else's by now. */
void frames_drop(struct unx_frames *f, const struct frame *first);

/* Closes and forgets all that was read. How many descriptors that were. */
unsigned frames_forget(struct unx_frames *f);

/* Whether something was read that is not a whole frame. */
bool frames_inside(const struct unx_frames *f);

/* ---- Time: that of the socket (unx_set_timeout()), which begins again with the second attempt of a call ---- */

/* When that is over: -1 is never, or nobody waits here. */
int frames_deadline(int fd, unsigned which, unsigned flags, int64_t *deadline);
bool frames_late(int64_t deadline);

/* Waits for these events: 0; -EAGAIN: it is over; -EINTR, if UNX_INTR is in flags. */
int frames_wait(int fd, int events, unsigned flags, int64_t deadline);

#endif
