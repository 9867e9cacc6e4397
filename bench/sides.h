// SPDX-License-Identifier: MIT
/* The two sides of each comparison, `n` times the work of the context: 0, or a negative errno value. */
#ifndef UNX_BENCH_SIDES_H
#define UNX_BENCH_SIDES_H

#include "bench.h"

#define SIDES_MAX_SIZE 204800
#define SIDES_MAX_FDS 253
#define SIDES_BATCH BENCH_MULTIPLE /* messages of a batch */
#define SIDES_BATCH_FDS 1          /* descriptors with each of them, at most */
#define SIDES_BATCH_ROOM 256       /* bytes of memory for each of them */

/* One message sent and received, with c->nfds descriptors that are closed again: by sendmsg(2) and recvmsg(2), or by
 * send(2) and recv(2), which is what c->flags = UNX_PLAIN stands for on the other side. */
bench_side raw_message, raw_plain;
bench_side unx_message, unx_message_anew;

/* The same as a frame on a stream, by unx_frames_send() and unx_frames_recv(); SIDES_BATCH of them sent and then
 * received. */
bench_side unx_frame, unx_frame_queue;

/* Only half of it, in two processes: to c->fds[0], from c->fds[1], without descriptors. */
bench_side raw_sender, raw_receiver;
bench_side unx_sender, unx_receiver;

/* SIDES_BATCH messages sent, then as many received, as often as `n` has it: by sendmmsg(2) and recvmmsg(2), by
 * unx_send_many() and unx_recv_many(), or by SIDES_BATCH times unx_send() and then as often unx_recv(). The last one
 * calls them in turn, one message at a time. With UNX_PASSCRED in c->flags each message has to bring credentials. */
bench_side raw_batch, unx_batch, unx_singles, unx_singles_in_turn;

/* connect, accept, credentials of the peer, close both; c->fds[0] is the listener, c->more its struct unx_addr. */
bench_side raw_connect, unx_connect_accept;

#endif
