// SPDX-License-Identifier: MIT
/*
 * What receiving means, as a script: rows of what happens to a socket and of what each receive has to answer. Every way
 * of receiving runs through the same rows, so the script knows nothing of how a way receives; a row that asks for what
 * a way cannot do is skipped, and the reason is printed.
 */
#ifndef TEST_CONFORMANCE_H
#define TEST_CONFORMANCE_H

#include <unx/unx.h>

/* What a way can do. A row says by its steps what it asks for. */
#define CAN_SEQPACKET 0x0001u
#define CAN_STREAM 0x0002u
#define CAN_DGRAM 0x0004u
#define CAN_FDS 0x0008u      /* hands over descriptors */
#define CAN_CRED 0x0010u     /* hands over credentials, and so knows an empty packet by them */
#define CAN_ADDR 0x0020u     /* hands over the source */
#define CAN_PARTIAL 0x0040u  /* takes UNX_PARTIAL */
#define CAN_KEEP 0x0080u     /* takes UNX_KEEP */
#define CAN_PEEK 0x0100u     /* takes UNX_PEEK */
#define CAN_PEEK_FDS 0x0200u /* takes UNX_PEEK_FDS */
#define CAN_NO_ROOM 0x0400u  /* passes on a message without a byte of room */
#define CAN_TABLE 0x0800u    /* needs no descriptors of its own, so the table may be full */
#define CAN_TRY 0x1000u      /* never waits: -EAGAIN when nothing is there */
#define CAN_ROOM 0x2000u     /* takes the caller's room in bytes */
#define CAN_FD_ROOM 0x4000u  /* takes the caller's room for descriptors */
#define CAN_FRAMES 0x8000u   /* makes packets of a stream: the way says how they are sent */
#define CAN_TYPES (CAN_SEQPACKET | CAN_STREAM | CAN_DGRAM)
#define CAN_ALL 0x7fffu /* of the system's own types */

/* One way of receiving. recv has the contract of unx_recv(): m has one element of room, and the answer goes into m. */
struct way {
    const char *name;
    int (*recv)(int fd, struct unx_msg *m, unsigned flags);
    unsigned can; /* CAN_* */
};

/* Runs every row on every socket type, prints what differs and what was skipped, and returns how many checks failed. */
unsigned conformance_run(const struct way *way);

/* Closes the receiving side at the end of a row: close(2), unless a way has to be told. */
extern int (*conformance_close)(int fd);

/* What a way that CAN_FRAMES needs besides: it begins with a new pair; sends a packet from the far side; says how
 * many descriptors it has taken and not given. */
struct conformance_frames {
    void (*begin)(int near, int far);
    void (*send)(int far, const void *p, size_t n, const int *fds, unsigned nfds);
    unsigned (*held)(void);
};
extern struct conformance_frames conformance_frames;

/* ---- Between the script and its rows ---- */

enum step_kind {
    STEP_DONE,
    STEP_SEND,     /* the far side sends `bytes` bytes with `fds` descriptors; 0 bytes are an empty packet */
    STEP_REQUEST,  /* the near side sends `bytes` bytes, which the far side never reads */
    STEP_CLOSE,    /* the far side closes */
    STEP_END,      /* the far side shuts down writing */
    STEP_STOP,     /* the near side shuts down reading */
    STEP_PASSCRED, /* the near side asks for credentials */
    STEP_NAME,     /* the far side is bound to a name */
    STEP_RECEIVE,  /* the near side receives, and `want` says what */
    STEP_NOTHING   /* nothing is there to receive */
};

/* 0 stands for the usual in every field: 64 bytes of room, 253 descriptors, a table with space. */
#define NONE (-1)
#define TABLE_FOR(n) ((n) + 1)

enum who { WHO_UNASKED, WHO_ME, WHO_NOBODY };

struct want {
    int result;
    unsigned flags; /* UNX_* */
    int room;       /* bytes, or NONE */
    int fd_room;    /* descriptors, or NONE */
    int table;      /* TABLE_FOR(n): only n more descriptors can be opened */
    size_t len, full_len;
    unsigned fds;  /* the first so many of those that were sent */
    unsigned got;  /* UNX_GOT_RESET and UNX_CUT_* */
    size_t lost;   /* stream: bytes that are gone without having been returned */
    enum who cred; /* WHO_NOBODY: no field is known */
    enum who from; /* WHO_ME: the name of STEP_NAME; WHO_NOBODY: unnamed */
};

struct step {
    enum step_kind kind;
    int bytes, fds;
    struct want want;
};

struct row {
    const char *name;
    unsigned types; /* CAN_SEQPACKET, CAN_STREAM, CAN_DGRAM, CAN_FRAMES */
    const struct step *steps;
};

extern const struct row conformance_rows[];
extern const unsigned conformance_nrows;

#endif
