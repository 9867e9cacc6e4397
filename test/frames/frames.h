// SPDX-License-Identifier: MIT
/*
 * What the tests of frames share: frames written by hand, by the kernel's own calls, so that what the library
 * decodes was not encoded by it; and a receiving struct unx_frames that says what it has taken and not yet given.
 */
#ifndef TEST_FRAMES_H
#define TEST_FRAMES_H

#include "../message.h"

#include <stdbool.h>
#include <stdint.h>
#include <unx/frames.h>

#define HEAD 4u

/* The head of a frame, as it is on the wire. */
void wire_head(unsigned char head[HEAD], size_t len, unsigned nfds);

/* A frame into `to`: how many bytes. */
size_t wire_frame(unsigned char *to, const void *p, size_t n, unsigned nfds);

/* One frame by one sendmsg(2), whole. In pieces of one byte each, descriptors with the first. */
void wire_send(int fd, const void *p, size_t n, const int *fds, unsigned nfds);
void wire_send_bytes(int fd, const void *p, size_t n, const int *fds, unsigned nfds);

/* Receives one frame with the kernel's calls and compares it. */
void wire_expect(int fd, const void *p, size_t n, unsigned nfds);

/* Descriptors that came and have not been received. */
unsigned frames_held(const struct unx_frames *f);

/* A pair of streams, [0] to receive at and [1] to send from, and a struct for each direction, with room for so
 * much. */
struct link {
    int fd[2];
    struct unx_frames in, out;
    unsigned char *in_buf, *out_buf;
};
void link_open(struct link *l, size_t bytes, unsigned nfds, unsigned flags);
void link_close(struct link *l);

/* Sends these bytes as a packet; the result, and what unx_frames_send() answered is as that says. */
int link_sends(struct link *l, const void *p, size_t n, unsigned flags);

/* One packet is received and is this. Nothing is there. The end. */
void link_gets(struct link *l, const void *p, size_t n);
void link_nothing(struct link *l);
void link_ends(struct link *l, int result);

/* One receive with 64 bytes and 8 descriptors of room, told not to wait: its result; the answer is in *m until the
 * next one. */
int link_recv(struct link *l, unsigned flags, struct unx_msg **m);

#endif
