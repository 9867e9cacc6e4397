// SPDX-License-Identifier: MIT
/* One frame on the wire: its head, as pure functions on bytes. */
#ifndef UNX_FRAME_H
#define UNX_FRAME_H

#include <stddef.h>
#include <stdint.h>
#include <unx/frames.h>

#define FRAME_HEAD 4u      /* bytes in front of the data */
#define FRAME_FDS_MAX 253u /* 254 and 255 are reserved */

struct frame {
    size_t len;    /* bytes of data */
    unsigned nfds; /* descriptors that come with its first byte */
};

/* Writes the head of a frame: at most UNX_FRAMES_MAX bytes and FRAME_FDS_MAX descriptors. */
void frame_write(unsigned char head[FRAME_HEAD], const struct frame *f);

/* Reads a head from n bytes: 1; 0: there are too few; -EPROTO: it is none. */
int frame_read(const unsigned char *p, size_t n, struct frame *f);

#endif
