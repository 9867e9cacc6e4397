// SPDX-License-Identifier: MIT
/*
 * The head of a frame: three bytes of length, least significant first, and the number of descriptors.
 *
 * Promises: pure functions on bytes; what they read may come from anywhere. Whatever is made of frames (packets on
 * a stream, messages packed together) has this head.
 */
#include "frame.h"

#include <errno.h>

void frame_write(unsigned char head[FRAME_HEAD], const struct frame *f)
{
    head[0] = (unsigned char)f->len;
    head[1] = (unsigned char)(f->len >> 8);
    head[2] = (unsigned char)(f->len >> 16);
    head[3] = (unsigned char)f->nfds;
}

int frame_read(const unsigned char *p, size_t n, struct frame *f)
{
    if (n < FRAME_HEAD) {
        return 0;
    }
    f->len = (size_t)p[0] | (size_t)p[1] << 8 | (size_t)p[2] << 16;
    f->nfds = p[3];
    return f->nfds <= FRAME_FDS_MAX ? 1 : -EPROTO;
}
