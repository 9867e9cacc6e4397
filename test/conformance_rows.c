// SPDX-License-Identifier: MIT
/*
 * The rows of the conformance script: what happens, and what receiving has to say to it.
 *
 * What surprised us (Linux 6.18): SEQPACKET reports ECONNRESET before the replies that are still queued, STREAM behind
 * them, DGRAM not at all. An empty packet and the end look alike to recvmsg(2); told apart they can be by what else
 * came, by what is queued behind, or by the peer still being able to send. What is left is one case, and it has a row.
 *
 * Frames on a stream (FRM) are the packets of SEQPACKET (SEQ is both), but for a reset, which comes behind the
 * replies as on any stream, and for that one case, which they do not have.
 */
#include "conformance.h"

#include <errno.h>

#define SQP CAN_SEQPACKET
#define FRM CAN_FRAMES
#define SEQ (SQP | FRM)
#define STR CAN_STREAM
#define DGR CAN_DGRAM
#define PACKETS (SEQ | DGR)
#define CONNECTED (SEQ | STR)
#define EVERY (SEQ | STR | DGR)

#define STEPS(...)                                                                                                     \
    (const struct step[])                                                                                              \
    {                                                                                                                  \
        __VA_ARGS__,                                                                                                   \
        {                                                                                                              \
            .kind = STEP_DONE                                                                                          \
        }                                                                                                              \
    }
#define SEND(n)                                                                                                        \
    {                                                                                                                  \
        .kind = STEP_SEND, .bytes = (n)                                                                                \
    }
#define SEND_FDS(n, m)                                                                                                 \
    {                                                                                                                  \
        .kind = STEP_SEND, .bytes = (n), .fds = (m)                                                                    \
    }
#define EMPTY SEND(0)
#define REQUEST(n)                                                                                                     \
    {                                                                                                                  \
        .kind = STEP_REQUEST, .bytes = (n)                                                                             \
    }
#define CLOSE                                                                                                          \
    {                                                                                                                  \
        .kind = STEP_CLOSE                                                                                             \
    }
#define END                                                                                                            \
    {                                                                                                                  \
        .kind = STEP_END                                                                                               \
    }
#define STOP                                                                                                           \
    {                                                                                                                  \
        .kind = STEP_STOP                                                                                              \
    }
#define PASSCRED                                                                                                       \
    {                                                                                                                  \
        .kind = STEP_PASSCRED                                                                                          \
    }
#define NAME                                                                                                           \
    {                                                                                                                  \
        .kind = STEP_NAME                                                                                              \
    }
#define NOTHING                                                                                                        \
    {                                                                                                                  \
        .kind = STEP_NOTHING                                                                                           \
    }
#define RECEIVE(...)                                                                                                   \
    {                                                                                                                  \
        .kind = STEP_RECEIVE, .want = { __VA_ARGS__ }                                                                  \
    }
#define GETS(n) RECEIVE(.result = 1, .len = (n))
#define ENDS RECEIVE(.result = 0)

const struct row conformance_rows[] = {
    {"data", EVERY, STEPS(SEND(5), GETS(5), NOTHING)},
    {"data that fills the room", EVERY, STEPS(SEND(5), RECEIVE(.result = 1, .room = 5, .len = 5), NOTHING)},
    {"each packet alone", PACKETS, STEPS(SEND(5), SEND(7), GETS(5), GETS(7), NOTHING)},
    {"a stream gives what is there", STR, STEPS(SEND(5), SEND(7), GETS(12), NOTHING)},
    {"the rest of a stream stays", STR, STEPS(SEND(9), RECEIVE(.result = 1, .room = 4, .len = 4), GETS(5), NOTHING)},

    {"empty packet first", PACKETS, STEPS(EMPTY, SEND(5), GETS(0), GETS(5), NOTHING)},
    {"empty packet in the middle", PACKETS, STEPS(SEND(5), EMPTY, SEND(7), GETS(5), GETS(0), GETS(7), NOTHING)},
    {"empty packets alone", PACKETS, STEPS(EMPTY, EMPTY, GETS(0), GETS(0), NOTHING)},
    {"empty packet, data, shutdown", SEQ, STEPS(EMPTY, SEND(5), END, GETS(0), GETS(5), ENDS, ENDS)},
    {"empty packets, data, close", SEQ, STEPS(EMPTY, EMPTY, SEND(5), CLOSE, GETS(0), GETS(0), GETS(5), ENDS)},
    {"empty packet last before shutdown, credentials on", SEQ,
     STEPS(PASSCRED, EMPTY, EMPTY, END, RECEIVE(.result = 1, .cred = WHO_ME), RECEIVE(.result = 1, .cred = WHO_ME),
           ENDS)},
    {"empty packet last before close, credentials on", SEQ,
     STEPS(PASSCRED, SEND(5), EMPTY, CLOSE, GETS(5), RECEIVE(.result = 1, .cred = WHO_ME), ENDS, ENDS)},
    {"empty packet last before close, with a descriptor", SEQ,
     STEPS(SEND_FDS(0, 1), CLOSE, RECEIVE(.result = 1, .fds = 1), ENDS)},
    /* The one case that stays ambiguous, as the manual says: the packet is taken for the end. */
    {"empty packet last before close, no marker", SQP, STEPS(SEND(5), EMPTY, CLOSE, GETS(5), ENDS, ENDS)},
    {"empty packet last before close, in frames", FRM, STEPS(SEND(5), EMPTY, CLOSE, GETS(5), GETS(0), ENDS, ENDS)},
    {"empty packet last before shutdown, in frames", FRM, STEPS(EMPTY, EMPTY, END, GETS(0), GETS(0), ENDS, ENDS)},
    {"empty datagram, then close", DGR, STEPS(EMPTY, CLOSE, GETS(0), NOTHING)},

    {"the end by shutdown", CONNECTED, STEPS(SEND(5), END, GETS(5), ENDS, ENDS)},
    {"the end by close", CONNECTED, STEPS(SEND(5), CLOSE, GETS(5), ENDS, ENDS)},
    {"nothing ever sent", CONNECTED, STEPS(CLOSE, ENDS, ENDS)},
    {"datagrams have no end", DGR, STEPS(SEND(5), END, GETS(5), NOTHING)},
    {"nor by close", DGR, STEPS(SEND(5), CLOSE, GETS(5), NOTHING)},
    {"own side shut down", EVERY, STEPS(STOP, ENDS, ENDS)},
    {"own side shut down, data queued", EVERY, STEPS(SEND(5), STOP, GETS(5), ENDS, ENDS)},

    {"reset, no reply", CONNECTED, STEPS(REQUEST(5), CLOSE, RECEIVE(.result = -ECONNRESET), ENDS, ENDS)},
    {"reset, one reply", SQP,
     STEPS(REQUEST(5), SEND(3), CLOSE, RECEIVE(.result = 1, .len = 3, .got = UNX_GOT_RESET), ENDS, ENDS)},
    {"reset, two replies", SQP,
     STEPS(REQUEST(5), SEND(3), SEND(4), CLOSE, RECEIVE(.result = 1, .len = 3, .got = UNX_GOT_RESET), GETS(4), ENDS)},
    {"reset, an empty reply between", SQP,
     STEPS(REQUEST(5), SEND(3), EMPTY, SEND(4), CLOSE, RECEIVE(.result = 1, .len = 3, .got = UNX_GOT_RESET), GETS(0),
           GETS(4), ENDS)},
    {"reset, an empty reply, credentials on", SQP,
     STEPS(PASSCRED, REQUEST(5), EMPTY, CLOSE, RECEIVE(.result = 1, .got = UNX_GOT_RESET, .cred = WHO_ME), ENDS)},
    {"reset, a reply with descriptors", SQP,
     STEPS(REQUEST(5), SEND_FDS(3, 2), CLOSE, RECEIVE(.result = 1, .len = 3, .fds = 2, .got = UNX_GOT_RESET), ENDS)},
    {"reset, a reply larger than the room", SQP,
     STEPS(REQUEST(5), SEND(9), SEND(3), CLOSE,
           RECEIVE(.result = -EMSGSIZE, .room = 4, .full_len = 9, .got = UNX_CUT_DATA | UNX_GOT_RESET), GETS(3), ENDS)},
    {"reset, a reply larger than the room, kept", SQP,
     STEPS(
         REQUEST(5), SEND(9), CLOSE,
         RECEIVE(.result = -EMSGSIZE, .flags = UNX_KEEP, .room = 4, .full_len = 9, .got = UNX_CUT_DATA | UNX_GOT_RESET),
         GETS(9), ENDS)},
    {"reset, one reply, a peek", SQP,
     STEPS(REQUEST(5), SEND(3), CLOSE, RECEIVE(.result = 1, .flags = UNX_PEEK, .len = 3, .got = UNX_GOT_RESET), GETS(3),
           ENDS)},
    {"reset, one reply, in frames", FRM,
     STEPS(REQUEST(5), SEND(3), CLOSE, GETS(3), RECEIVE(.result = -ECONNRESET), ENDS, ENDS)},
    {"reset, two replies, in frames", FRM,
     STEPS(REQUEST(5), SEND(3), SEND(4), CLOSE, GETS(3), GETS(4), RECEIVE(.result = -ECONNRESET), ENDS)},
    {"reset, an empty reply between, in frames", FRM,
     STEPS(REQUEST(5), SEND(3), EMPTY, SEND(4), CLOSE, GETS(3), GETS(0), GETS(4), RECEIVE(.result = -ECONNRESET),
           ENDS)},
    {"reset, an empty reply, credentials on, in frames", FRM,
     STEPS(PASSCRED, REQUEST(5), EMPTY, CLOSE, RECEIVE(.result = 1, .cred = WHO_ME), RECEIVE(.result = -ECONNRESET),
           ENDS)},
    {"reset, a reply with descriptors, in frames", FRM,
     STEPS(REQUEST(5), SEND_FDS(3, 2), CLOSE, RECEIVE(.result = 1, .len = 3, .fds = 2), RECEIVE(.result = -ECONNRESET),
           ENDS)},
    {"reset, a reply larger than the room, in frames", FRM,
     STEPS(REQUEST(5), SEND(9), SEND(3), CLOSE,
           RECEIVE(.result = -EMSGSIZE, .room = 4, .full_len = 9, .got = UNX_CUT_DATA), GETS(3),
           RECEIVE(.result = -ECONNRESET), ENDS)},
    {"reset, a reply larger than the room, kept, in frames", FRM,
     STEPS(REQUEST(5), SEND(9), CLOSE,
           RECEIVE(.result = -EMSGSIZE, .flags = UNX_KEEP, .room = 4, .full_len = 9, .got = UNX_CUT_DATA), GETS(9),
           RECEIVE(.result = -ECONNRESET), ENDS)},
    {"reset, one reply, a peek, in frames", FRM,
     STEPS(REQUEST(5), SEND(3), CLOSE, RECEIVE(.result = 1, .flags = UNX_PEEK, .len = 3), GETS(3),
           RECEIVE(.result = -ECONNRESET), ENDS)},
    {"reset, one reply on a stream", STR,
     STEPS(REQUEST(5), SEND(3), CLOSE, GETS(3), RECEIVE(.result = -ECONNRESET), ENDS)},
    {"reset, two replies on a stream", STR,
     STEPS(REQUEST(5), SEND(3), SEND(4), CLOSE, GETS(7), RECEIVE(.result = -ECONNRESET), ENDS)},
    {"unread request, datagrams", DGR, STEPS(REQUEST(5), SEND(3), SEND(4), CLOSE, GETS(3), GETS(4), NOTHING)},

    {"larger than the room", PACKETS,
     STEPS(SEND(9), SEND(3), RECEIVE(.result = -EMSGSIZE, .room = 4, .full_len = 9, .got = UNX_CUT_DATA), GETS(3),
           NOTHING)},
    {"larger than the room, partial", PACKETS,
     STEPS(SEND(9), SEND(3),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .room = 4, .len = 4, .full_len = 9, .got = UNX_CUT_DATA), GETS(3),
           NOTHING)},
    {"larger than the room, kept", PACKETS,
     STEPS(SEND(9), SEND(3),
           RECEIVE(.result = -EMSGSIZE, .flags = UNX_KEEP, .room = 4, .full_len = 9, .got = UNX_CUT_DATA),
           RECEIVE(.result = -EMSGSIZE, .flags = UNX_KEEP, .room = 8, .full_len = 9, .got = UNX_CUT_DATA),
           RECEIVE(.result = 1, .flags = UNX_KEEP, .room = 9, .len = 9), GETS(3), NOTHING)},
    {"larger than the room, with descriptors", PACKETS,
     STEPS(SEND_FDS(9, 2), SEND(3), RECEIVE(.result = -EMSGSIZE, .room = 4, .full_len = 9, .got = UNX_CUT_DATA),
           GETS(3), NOTHING)},
    {"larger than the room, partial, with descriptors", PACKETS,
     STEPS(
         SEND_FDS(9, 2),
         RECEIVE(.result = 1, .flags = UNX_PARTIAL, .room = 4, .len = 4, .full_len = 9, .fds = 2, .got = UNX_CUT_DATA),
         NOTHING)},
    {"larger than the room, kept, with descriptors", PACKETS,
     STEPS(SEND_FDS(9, 2),
           RECEIVE(.result = -EMSGSIZE, .flags = UNX_KEEP, .room = 4, .full_len = 9, .got = UNX_CUT_DATA),
           RECEIVE(.result = 1, .len = 9, .fds = 2), NOTHING)},

    {"descriptors", EVERY, STEPS(SEND_FDS(5, 3), RECEIVE(.result = 1, .len = 5, .fds = 3), NOTHING)},
    {"as many as there can be", EVERY, STEPS(SEND_FDS(5, 253), RECEIVE(.result = 1, .len = 5, .fds = 253), NOTHING)},
    {"descriptors on an empty packet", PACKETS, STEPS(SEND_FDS(0, 2), RECEIVE(.result = 1, .fds = 2), NOTHING)},
    {"2 descriptors, room for 1", EVERY,
     STEPS(SEND_FDS(5, 2), SEND(3), RECEIVE(.result = -ENOBUFS, .fd_room = 1, .got = UNX_CUT_FDS, .lost = 5), GETS(3),
           NOTHING)},
    {"2 descriptors, room for 1, partial", EVERY,
     STEPS(SEND_FDS(5, 2), SEND(3),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .fd_room = 1, .len = 5, .fds = 1, .got = UNX_CUT_FDS), GETS(3),
           NOTHING)},
    {"30 descriptors, room for 1", EVERY,
     STEPS(SEND_FDS(5, 30), RECEIVE(.result = -ENOBUFS, .fd_room = 1, .got = UNX_CUT_FDS, .lost = 5), NOTHING)},
    {"30 descriptors, room for 1, partial", EVERY,
     STEPS(SEND_FDS(5, 30),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .fd_room = 1, .len = 5, .fds = 1, .got = UNX_CUT_FDS), NOTHING)},
    {"253 descriptors, room for 252", EVERY,
     STEPS(SEND_FDS(5, 253), RECEIVE(.result = -ENOBUFS, .fd_room = 252, .got = UNX_CUT_FDS, .lost = 5), NOTHING)},
    {"253 descriptors, room for 252, partial", EVERY,
     STEPS(SEND_FDS(5, 253),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .fd_room = 252, .len = 5, .fds = 252, .got = UNX_CUT_FDS),
           NOTHING)},
    {"descriptors, no room", EVERY,
     STEPS(SEND_FDS(5, 2), RECEIVE(.result = -ENOBUFS, .fd_room = NONE, .got = UNX_CUT_FDS, .lost = 5), NOTHING)},
    {"descriptors, no room, partial", EVERY,
     STEPS(SEND_FDS(5, 2), RECEIVE(.result = 1, .flags = UNX_PARTIAL, .fd_room = NONE, .len = 5, .got = UNX_CUT_FDS),
           NOTHING)},
    {"both cut, partial", PACKETS,
     STEPS(SEND_FDS(9, 2),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .room = 4, .fd_room = 1, .len = 4, .full_len = 9, .fds = 1,
                   .got = UNX_CUT_DATA | UNX_CUT_FDS),
           NOTHING)},

    {"full table", EVERY,
     STEPS(SEND_FDS(5, 2), SEND(3), RECEIVE(.result = -EMFILE, .table = TABLE_FOR(0), .got = UNX_CUT_FDS, .lost = 5),
           GETS(3), NOTHING)},
    {"full table, partial", EVERY,
     STEPS(SEND_FDS(5, 2),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .table = TABLE_FOR(0), .len = 5, .got = UNX_CUT_FDS), NOTHING)},
    {"table for 2 of 5", EVERY,
     STEPS(SEND_FDS(5, 5), RECEIVE(.result = -EMFILE, .table = TABLE_FOR(2), .got = UNX_CUT_FDS, .lost = 5), NOTHING)},
    {"table for 2 of 5, partial", EVERY,
     STEPS(SEND_FDS(5, 5),
           RECEIVE(.result = 1, .flags = UNX_PARTIAL, .table = TABLE_FOR(2), .len = 5, .fds = 2, .got = UNX_CUT_FDS),
           NOTHING)},
    {"table for all", EVERY,
     STEPS(SEND_FDS(5, 2), RECEIVE(.result = 1, .table = TABLE_FOR(2), .len = 5, .fds = 2), NOTHING)},

    {"credentials", EVERY, STEPS(PASSCRED, SEND(5), RECEIVE(.result = 1, .len = 5, .cred = WHO_ME), NOTHING)},
    {"credentials not asked for in time", EVERY,
     STEPS(SEND(5), PASSCRED, RECEIVE(.result = 1, .len = 5, .cred = WHO_NOBODY), NOTHING)},
    {"credentials never asked for", EVERY, STEPS(SEND(5), RECEIVE(.result = 1, .len = 5, .cred = WHO_NOBODY), NOTHING)},
    {"the end has no sender", CONNECTED, STEPS(PASSCRED, CLOSE, RECEIVE(.result = 0, .cred = WHO_NOBODY))},
    {"the source of a datagram", DGR, STEPS(NAME, SEND(5), RECEIVE(.result = 1, .len = 5, .from = WHO_ME), NOTHING)},
    {"an unnamed source", DGR, STEPS(SEND(5), RECEIVE(.result = 1, .len = 5, .from = WHO_NOBODY), NOTHING)},

    {"no room", EVERY, STEPS(SEND(5), RECEIVE(.result = -EINVAL, .room = NONE), GETS(5), NOTHING)},
    {"no room, partial", EVERY,
     STEPS(SEND(5), RECEIVE(.result = -EINVAL, .flags = UNX_PARTIAL, .room = NONE), GETS(5), NOTHING)},
    {"no room, a peek", PACKETS,
     STEPS(SEND(5), RECEIVE(.result = 1, .flags = UNX_PEEK, .room = NONE, .full_len = 5, .got = UNX_CUT_DATA), GETS(5),
           NOTHING)},
    {"a short peek", PACKETS,
     STEPS(SEND(9), RECEIVE(.result = 1, .flags = UNX_PEEK, .room = 4, .len = 4, .full_len = 9, .got = UNX_CUT_DATA),
           RECEIVE(.result = 1, .flags = UNX_PEEK, .len = 9), GETS(9), NOTHING)},
    {"a peek into a stream", STR,
     STEPS(SEND(9), RECEIVE(.result = 1, .flags = UNX_PEEK, .room = 4, .len = 4), GETS(9), NOTHING)},
    {"a peek at descriptors", EVERY,
     STEPS(SEND_FDS(5, 2), RECEIVE(.result = 1, .flags = UNX_PEEK, .len = 5),
           RECEIVE(.result = 1, .flags = UNX_PEEK, .len = 5), RECEIVE(.result = 1, .len = 5, .fds = 2), NOTHING)},
    {"a peek with descriptors", EVERY,
     STEPS(SEND_FDS(5, 2), RECEIVE(.result = 1, .flags = UNX_PEEK_FDS, .len = 5, .fds = 2),
           RECEIVE(.result = 1, .flags = UNX_PEEK_FDS, .len = 5, .fds = 2), RECEIVE(.result = 1, .len = 5, .fds = 2),
           NOTHING)},
    {"a peek at an empty packet", PACKETS,
     STEPS(EMPTY, SEND(5), RECEIVE(.result = 1, .flags = UNX_PEEK), GETS(0), GETS(5), NOTHING)},
    {"a peek at an empty packet before close, credentials on", SEQ,
     STEPS(PASSCRED, EMPTY, CLOSE, RECEIVE(.result = 1, .flags = UNX_PEEK), RECEIVE(.result = 1, .cred = WHO_ME),
           ENDS)},
    {"a peek at the end", CONNECTED, STEPS(CLOSE, RECEIVE(.result = 0, .flags = UNX_PEEK), ENDS)},
};

const unsigned conformance_nrows = sizeof conformance_rows / sizeof *conformance_rows;
