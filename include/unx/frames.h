/* SPDX-License-Identifier: MIT */
/*
 * libunx-data: packets where there are none. A struct unx_frames carries the packets of SOCK_SEQPACKET, with their
 * descriptors and credentials, over a SOCK_STREAM socket: for systems without SEQPACKET, and for peers that speak
 * streams alone. Conventions are those of unx/unx.h.
 *
 * On the wire each packet is a frame: four bytes, then the data. The first three are the number of bytes of data,
 * least significant first; the fourth is the number of descriptors, 0 to 253; 254 and 255 are reserved. So a frame
 * without descriptors is a 32-bit little-endian length and the data. Descriptors are sent in one control message
 * together with the first byte of their frame. There is no greeting, no padding and no checksum. A sender that puts
 * several frames into one sendmsg(2) may send descriptors for the first of them only.
 *
 * A struct unx_frames is one direction of one socket, and the caller's memory, with a buffer that is the caller's
 * too. Nothing is allocated. The receiving one keeps what was read too early: the begin of a frame, frames behind
 * the one that was asked for, and their descriptors. The sending one keeps the rest of a frame that the socket did
 * not take. One thread at a time may use it, so a reader and a writer have one each, and need no lock. Nobody else
 * may read from the socket, or write to it, meanwhile.
 *
 * With unx_engine_poll() and the calls below, told not to wait (UNX_DONTWAIT, or a non-blocking socket), it runs on
 * an engine.
 */
#ifndef UNX_FRAMES_H
#define UNX_FRAMES_H

#include <unx/unx.h>

#ifdef __cplusplus
extern "C" {
#endif
#if defined(__GNUC__)
#pragma GCC visibility push(default)
#endif

#define UNX_FRAMES_MAX 0xffffffu /* bytes of data in the largest frame */

/* Bytes of buffer for packets of up to `bytes` bytes and, when receiving, up to `nfds` descriptors. A larger buffer
 * takes more packets out of the socket by one system call. */
#define UNX_FRAMES_ROOM(bytes, nfds) ((size_t)(bytes) + 8u + 8u * (size_t)(nfds))

/* All of it is the library's once unx_frames_init() has returned. */
struct unx_frames {
    void *buf;
    size_t size;
    unsigned which; /* UNX_SEND or UNX_RECV */
    int error;      /* what the peer did that cannot be mended */
    /* Bytes: of a frame to send, of frames that came. */
    unsigned char *bytes;
    size_t max;        /* so many fit */
    size_t start, end; /* those that count */
    size_t skip;       /* bytes to come that nobody wants any more */
    /* Descriptors that came: of the first frame that has some, and of a later one. */
    int *fds;
    unsigned nfds;           /* of one packet, at most */
    unsigned batches;        /* 0 to 2 */
    unsigned batch[2];       /* how many of each are here */
    unsigned first;          /* which one is the older */
    struct unx_cred cred[2]; /* whose the first frame is, and those behind it; what to send with the rest */
    uint64_t reserved[4];
};

/* Prepares f for one direction, `which` is UNX_SEND or UNX_RECV, with a buffer of size bytes. The largest packet is
 * then size - UNX_FRAMES_ROOM(0, nfds) bytes, and never more than UNX_FRAMES_MAX; a smaller buffer than for an
 * empty packet: -EINVAL. nfds: the most descriptors of one packet that are kept when receiving; those of a packet
 * with more are closed (over 253: -E2BIG; UNX_SEND: 0). */
int unx_frames_init(struct unx_frames *f, unsigned which, void *buf, size_t size, unsigned nfds);

/* Sends one packet, as unx_send() does on SEQPACKET. Returns 1. With m->addr, control, pidfd, label or skip:
 * -EINVAL. Larger than the buffer allows: -EMSGSIZE. Flags: UNX_DONTWAIT, UNX_INTR. A packet is taken whole or not
 * at all: once its first byte has gone the result is 1, and what the socket did not take is kept; then
 * unx_frames_pending() is > 0, and its descriptors may be closed all the same. So may happen if the call may not
 * wait, by a timeout, by a signal with UNX_INTR, and when the peer goes away meanwhile. The rest goes by
 * unx_frames_flush(), or with the next packet. -EAGAIN: that rest still has not gone, or the socket takes nothing;
 * after any negative return nothing of this packet was sent. */
int unx_frames_send(struct unx_frames *f, int fd, struct unx_msg *m, unsigned flags);

/* Sends what was kept: 0, nothing is left; or the error of unx_send(), and the rest is still there: -EAGAIN: wait
 * for POLLOUT. Flags: UNX_DONTWAIT, UNX_INTR. */
int unx_frames_flush(struct unx_frames *f, int fd, unsigned flags);

/* Receives one packet, as unx_recv() does on SEQPACKET: 1: a packet, also an empty one; 0: the end. With m->addr,
 * control, pidfd or label: -EINVAL. Flags: UNX_DONTWAIT, UNX_INTR, UNX_PEEK or UNX_PEEK_FDS, UNX_PARTIAL, UNX_KEEP.
 * Packets may be waiting in the buffer that poll(2) knows nothing of: receive until -EAGAIN, or ask
 * unx_frames_pending().
 *
 * Different from SEQPACKET: an empty packet is always told from the end. After a reset come the packets that are
 * left, and then -ECONNRESET, once. -EMSGSIZE is said as soon as the length is known; the rest of that packet is
 * dropped as it comes. A packet larger than the buffer is cut to it (UNX_PARTIAL), or kept until
 * unx_frames_buffer() gives more (UNX_KEEP). Descriptors of a packet that is kept or peeked at are open already.
 * Credentials are known if one sender wrote all of it.
 *
 * -ECONNRESET also: the connection ended in the middle of a packet, which is lost; then comes the end. -EPROTO:
 * what came is no frame, or its descriptors are not as it says; all is closed, and there will be no more but
 * -EPROTO. -EPROTOTYPE: so it is for a socket that is no stream. */
int unx_frames_recv(struct unx_frames *f, int fd, struct unx_msg *m, unsigned flags);

/* Sending: the number of bytes that are kept; wait for POLLOUT, and flush. Receiving: 1 if there is an answer
 * without asking the socket: do not wait for POLLIN; else 0. */
int unx_frames_pending(const struct unx_frames *f);

/* Goes on with another buffer, which does not overlap the one before; that one is the caller's again. -ENOBUFS:
 * what is kept would not fit, and nothing has changed. */
int unx_frames_buffer(struct unx_frames *f, void *buf, size_t size);

/* Closes the descriptors that came and that nobody received, and forgets all that is kept: as after
 * unx_frames_init(). Returns how many were closed. The socket is left alone. */
int unx_frames_close(struct unx_frames *f);

#if defined(__GNUC__)
#pragma GCC visibility pop
#endif
#ifdef __cplusplus
}
#endif
#endif
