// SPDX-License-Identifier: MIT
/*
 * Handing over: what goes over the socket, and what both sides share.
 *
 * Each packet starts with a struct handover_head in the byte order of the machine:
 *   READY    successor: it understands this version
 *   START    old: `count` descriptors will come, and a state of `state_len` bytes, which follow here if `value` is 0,
 *            and are a sealed file that comes with this packet if it is 1
 *   ITEMS    old: `count` struct unx_handover_fd follow, from index `value` on, and as many descriptors come with it
 *   END      old: that was all
 *   VERDICT  successor: `value` is its reason to refuse, 0: it has taken over
 *   CANCEL   old: it gave up, and serves
 * `fd` in an item means nothing to the receiver.
 */
#ifndef UNX_HANDOVER_INTERNAL_H
#define UNX_HANDOVER_INTERNAL_H

#include <stdbool.h>
#include <unx/handover.h>

enum handover_what {
    HANDOVER_READY = 1,
    HANDOVER_START,
    HANDOVER_ITEMS,
    HANDOVER_END,
    HANDOVER_VERDICT,
    HANDOVER_CANCEL
};

#define HANDOVER_MAGIC 0x48786e75u /* "unxH", and another machine's byte order is none */
#define HANDOVER_VERSION 1
#define HANDOVER_FDS 253    /* descriptors in one packet */
#define HANDOVER_SHORT 1024 /* a longer state goes in a file */

struct handover_head {
    uint32_t magic;
    uint16_t version, what;
    uint32_t count, value;
    uint64_t state_len;
};

/* One packet: to send, or room for one. */
struct handover_packet {
    struct handover_head head;
    void *data; /* behind the head */
    size_t len; /* sending: its length; receiving: its room, and then what came */
    int *fds;
    unsigned nfds; /* likewise */
    struct unx_cred cred;
    bool cred_came; /* with or without anything known */
};

/* Sends a packet with p->head.what and so on; until the deadline, then -EAGAIN. 0: once. */
int handover_put(int sock, struct handover_packet *p, int64_t deadline);

/* Receives one, and checks its head: -EPROTO, -ECONNRESET at the end. After an error no descriptor came. */
int handover_get(int sock, struct handover_packet *p, int64_t deadline);

/* Sends a packet that is a head alone. */
int handover_say(int sock, enum handover_what what, uint32_t count, uint32_t value, int64_t deadline);

/* Clears the answer and checks what both calls have in common, the socket and who its peer is. */
int handover_begin(int sock, struct unx_handover *h, unsigned flags, int timeout_ms);

/* 0, or -EPERM: this packet came with credentials that are not of our user. */
int handover_same_user(const struct handover_packet *p, unsigned flags);

#endif
