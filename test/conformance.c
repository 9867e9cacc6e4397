// SPDX-License-Identifier: MIT
/*
 * The interpreter of the conformance script (conformance.h): makes a pair of sockets for each row, lets things happen
 * to them by the kernel's own calls, and holds every answer of the way against what the row wants.
 *
 * Beside what a row says it checks, at each receive: the caller's half of the message is as it was; descriptors are the
 * files that were sent, in their order, close-on-exec; room that stayed empty is -1; and nothing else was opened. At
 * the end of a row every descriptor that was sent has to be closed, wherever it was: the pipes say so.
 */
#include "conformance.h"
#include "harness.h"
#include "raw.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define PIPES 3

int (*conformance_close)(int fd) = close;
struct conformance_frames conformance_frames;

struct run {
    const struct way *way;
    const struct row *row;
    int type;
    bool framed; /* packets, although the type is a stream */
    int near, far;
    int pipes[PIPES][2];
    unsigned packets_sent, packets_got; /* packet i carries a pattern of its own */
    size_t stream_sent, stream_got;
    unsigned receives, failures;
    bool brief; /* enough has been said of this way: one line for a row */
    char name[32];
};

static const char *type_name(const struct run *r)
{
    return r->framed ? "frames" : raw_type_name(r->type);
}

static bool bytes_alone(const struct run *r)
{
    return r->type == SOCK_STREAM && !r->framed;
}

static void differs(struct run *r, const char *what, long long got, long long want)
{
    if (r->failures++ > 0 && r->brief) {
        return;
    }
    NOTE("%s, %s, %s: receive %u: %s is %lld, want %lld", r->way->name, type_name(r), r->row->name, r->receives, what,
         got, want);
    r->failures++;
}

static void same(struct run *r, const char *what, long long got, long long want)
{
    if (got != want) {
        differs(r, what, got, want);
    }
}

/* Where the pattern of what is received next begins. */
static size_t pattern_at(const struct run *r)
{
    return bytes_alone(r) ? r->stream_got : r->packets_got * 1000;
}

static void far_sends(struct run *r, const struct step *s)
{
    char data[64];
    int fds[RAW_MAX_FDS];
    for (int i = 0; i < s->fds; i++) {
        fds[i] = r->pipes[i % PIPES][1];
    }
    raw_pattern(data, (size_t)s->bytes, bytes_alone(r) ? r->stream_sent : r->packets_sent * 1000);
    (r->framed ? conformance_frames.send : raw_send)(r->far, data, (size_t)s->bytes, fds, (unsigned)s->fds);
    r->packets_sent++;
    r->stream_sent += (size_t)s->bytes;
}

static void far_is_named(struct run *r)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    const int n = snprintf(r->name, sizeof r->name, "unx-conf-%d", (int)getpid());
    memcpy(a.sun_path + 1, r->name, (size_t)n);
    const socklen_t len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
    CHECK_INT(bind(r->far, (struct sockaddr *)&a, len), 0);
}

static void check_cred(struct run *r, const struct want *w, const struct unx_msg *m)
{
    if (w->cred == WHO_ME) {
        same(r, "cred.known", m->cred->known, UNX_KNOWN_ALL);
        same(r, "cred.pid", m->cred->pid, getpid());
        same(r, "cred.uid", m->cred->uid, getuid());
        same(r, "cred.gid", m->cred->gid, getgid());
        same(r, "UNX_GOT_CRED", (m->got & UNX_GOT_CRED) != 0, 1);
    } else if (w->cred == WHO_NOBODY) {
        same(r, "cred.known", m->cred->known, 0);
    }
}

static void check_source(struct run *r, const struct want *w, const struct unx_msg *m)
{
    const void *name = NULL;
    size_t len = 0;
    if (w->from == WHO_UNASKED) {
        return;
    }
    const int kind = unx_addr_name(m->addr, &name, &len);
    if (w->from == WHO_NOBODY) {
        same(r, "kind of source", kind, UNX_UNNAMED);
        return;
    }
    same(r, "kind of source", kind, UNX_ABSTRACT);
    if (len != strlen(r->name) || memcmp(name, r->name, len) != 0) {
        differs(r, "length of the source's name", (long long)len, (long long)strlen(r->name));
    }
}

static void check_fds(struct run *r, const struct want *w, const struct unx_msg *m)
{
    same(r, "fds_got", m->fds_got, w->fds);
    for (unsigned i = 0; i < m->nfds; i++) {
        if (i >= m->fds_got) {
            if (m->fds[i] != -1) {
                differs(r, "a descriptor behind fds_got", m->fds[i], -1);
                break;
            }
            continue;
        }
        if (!raw_same_file(m->fds[i], r->pipes[i % PIPES][1])) {
            differs(r, "a descriptor that is another file", m->fds[i], i);
        }
        same(r, "close-on-exec", raw_cloexec(m->fds[i]), 1);
        close(m->fds[i]);
    }
}

static void check_answer(struct run *r, const struct want *w, const struct unx_msg *m, int result)
{
    const unsigned cuts = UNX_CUT_DATA | UNX_CUT_FDS | UNX_CUT_PIDFD | UNX_CUT_LABEL | UNX_CUT_CONTROL;
    same(r, "the result", result, w->result);
    same(r, "error", m->error, w->result < 0 ? w->result : 0);
    same(r, "what was cut", m->got & cuts, w->got & cuts);
    if (w->result == 1) {
        same(r, "len", (long long)m->len, (long long)w->len);
        same(r, "full_len", (long long)m->full_len, (long long)(w->full_len > 0 ? w->full_len : w->len));
        same(r, "UNX_GOT_RESET", m->got & UNX_GOT_RESET, w->got & UNX_GOT_RESET);
        same(r, "UNX_GOT_FDS", (m->got & UNX_GOT_FDS) != 0, w->fds > 0);
        if (m->len <= w->len && !raw_pattern_ok(m->iov[0].iov_base, m->len, pattern_at(r))) {
            differs(r, "the number of bytes, which are not those sent,", (long long)m->len, (long long)m->len);
        }
    } else if (w->result == 0) {
        same(r, "len", (long long)m->len, 0);
        same(r, "got", m->got & ~UNX_GOT_OTHER, 0);
    } else if (w->full_len > 0) {
        same(r, "UNX_GOT_RESET", m->got & UNX_GOT_RESET, w->got & UNX_GOT_RESET);
        same(r, "full_len", (long long)m->full_len, (long long)w->full_len);
    }
    check_cred(r, w, m);
    check_source(r, w, m);
    check_fds(r, w, m);
}

/* Moves on to what the next receive has to find. */
static void advance(struct run *r, const struct want *w)
{
    if ((w->flags & (UNX_PEEK | UNX_PEEK_FDS)) != 0) {
        return;
    }
    if (bytes_alone(r)) {
        r->stream_got += w->result == 1 ? w->len : w->lost;
    } else if (w->result == 1 || w->result == -ENOBUFS || w->result == -EMFILE ||
               (w->result == -EMSGSIZE && (w->flags & UNX_KEEP) == 0)) {
        r->packets_got++;
    }
}

/* Descriptors that the way has taken and not yet given. */
static int held(const struct run *r)
{
    return r->framed ? (int)conformance_frames.held() : 0;
}

static void near_receives(struct run *r, const struct want *w)
{
    char data[64];
    int fds[RAW_MAX_FDS];
    struct unx_addr addr;
    struct unx_cred cred;
    memset(data, 0x55, sizeof data);
    memset(fds, 0x55, sizeof fds);
    memset(&addr, 0x55, sizeof addr);
    memset(&cred, 0x55, sizeof cred);
    const struct iovec room = {data, w->room == NONE ? 0 : w->room > 0 ? (size_t)w->room : sizeof data};
    struct unx_msg m;
    memset(&m, 0x55, sizeof m);
    m = (struct unx_msg){.iov = &room, .niov = 1};
    if ((r->way->can & CAN_FDS) != 0 && w->fd_room != NONE) {
        m.fds = fds;
        m.nfds = w->fd_room > 0 ? (unsigned)w->fd_room : RAW_MAX_FDS;
    }
    m.cred = w->cred != WHO_UNASKED && (r->way->can & CAN_CRED) != 0 ? &cred : NULL;
    m.addr = w->from != WHO_UNASKED ? &addr : NULL;
    const struct unx_msg before = m;
    const int open_before = harness_nfds(), held_before = held(r);
    if (w->table > 0) {
        raw_limit((unsigned)w->table - 1);
    }
    r->receives++;
    const int result = r->way->recv(r->near, &m, w->flags);
    if (w->table > 0) {
        raw_unlimit();
    }
    same(r, "the caller's half unchanged", memcmp(&before, &m, offsetof(struct unx_msg, len)), 0);
    same(r, "descriptors that were opened", harness_nfds() - open_before - (held(r) - held_before), m.fds_got);
    if (room.iov_len < sizeof data) {
        same(r, "the byte behind the room", data[room.iov_len], 0x55);
    }
    check_answer(r, w, &m, result);
    advance(r, w);
}

static void near_finds_nothing(struct run *r)
{
    if ((r->way->can & CAN_TRY) != 0) {
        const struct want again = {.result = -EAGAIN};
        near_receives(r, &again);
        return;
    }
    struct pollfd p = {.fd = r->near, .events = POLLIN};
    same(r, "readiness when nothing is left", poll(&p, 1, 0), 0);
}

static void take_step(struct run *r, const struct step *s)
{
    switch (s->kind) {
    case STEP_SEND:
        far_sends(r, s);
        break;
    case STEP_REQUEST:
        raw_send(r->near, "request?", (size_t)s->bytes, NULL, 0);
        break;
    case STEP_CLOSE:
        close(r->far);
        r->far = -1;
        break;
    case STEP_END:
        CHECK_INT(shutdown(r->far, SHUT_WR), 0);
        break;
    case STEP_STOP:
        CHECK_INT(shutdown(r->near, SHUT_RD), 0);
        break;
    case STEP_PASSCRED:
        raw_set(r->near, SO_PASSCRED, 1);
        break;
    case STEP_NAME:
        far_is_named(r);
        break;
    case STEP_RECEIVE:
        near_receives(r, &s->want);
        break;
    case STEP_NOTHING:
        near_finds_nothing(r);
        break;
    case STEP_DONE:
        break;
    }
}

static unsigned needs(const struct step *s)
{
    const struct want *w = &s->want;
    return (s->fds > 0 ? CAN_FDS : 0) | (s->kind == STEP_PASSCRED || w->cred != WHO_UNASKED ? CAN_CRED : 0) |
           (w->from != WHO_UNASKED ? CAN_ADDR : 0) | ((w->flags & UNX_PARTIAL) != 0 ? CAN_PARTIAL : 0) |
           ((w->flags & UNX_KEEP) != 0 ? CAN_KEEP : 0) | ((w->flags & UNX_PEEK) != 0 ? CAN_PEEK : 0) |
           ((w->flags & UNX_PEEK_FDS) != 0 ? CAN_PEEK_FDS : 0) | (w->room == NONE ? CAN_NO_ROOM : 0) |
           (w->table > 0 ? CAN_TABLE : 0) | (w->room != 0 ? CAN_ROOM : 0) | (w->fd_room != 0 ? CAN_FD_ROOM : 0);
}

/* What the way lacks for this row, in words, or NULL. */
static const char *lacks(const struct way *way, const struct row *row)
{
    static const struct {
        unsigned bit;
        const char *reason;
    } reasons[] = {
        {CAN_TYPES, "does not work on this type"}, {CAN_FDS, "hands over no descriptors"},
        {CAN_CRED, "hands over no credentials"},   {CAN_ADDR, "hands over no source"},
        {CAN_PARTIAL, "takes no UNX_PARTIAL"},     {CAN_KEEP, "takes no UNX_KEEP"},
        {CAN_PEEK, "takes no UNX_PEEK"},           {CAN_PEEK_FDS, "takes no UNX_PEEK_FDS"},
        {CAN_NO_ROOM, "always has room"},          {CAN_TABLE, "needs descriptors of its own"},
        {CAN_ROOM, "has room of its own"},         {CAN_FD_ROOM, "always has room for all descriptors"},
    };
    unsigned wanted = 0;
    for (const struct step *s = row->steps; s->kind != STEP_DONE; s++) {
        wanted |= needs(s);
    }
    const unsigned missing = wanted & ~way->can;
    for (unsigned i = 0; i < sizeof reasons / sizeof *reasons; i++) {
        if ((missing & reasons[i].bit) != 0) {
            return reasons[i].reason;
        }
    }
    if ((wanted & (CAN_KEEP | CAN_NO_ROOM)) != 0 && raw_lacks("no-buffer")) {
        return "runs where no call without a buffer is made";
    }
    if ((wanted & (CAN_TABLE | CAN_FD_ROOM)) != 0 && raw_lacks("no-cut")) {
        return "runs where nobody is told that control data was cut";
    }
    return (wanted & CAN_TABLE) != 0 && !raw_limit_works() ? "cannot be given a full table here" : NULL;
}

static void run_row(struct run *r)
{
    int s[2];
    raw_pair(r->type, s);
    r->near = s[0];
    r->far = s[1];
    if (r->framed) {
        conformance_frames.begin(r->near, r->far);
    }
    for (unsigned i = 0; i < PIPES; i++) {
        raw_pipe(r->pipes[i]);
    }
    for (const struct step *step = r->row->steps; step->kind != STEP_DONE; step++) {
        take_step(r, step);
    }
    CHECK_INT(conformance_close(r->near), 0);
    if (r->far >= 0) {
        close(r->far);
    }
    for (unsigned i = 0; i < PIPES; i++) {
        close(r->pipes[i][1]);
        same(r, "all copies of what was sent closed", raw_pipe_ended(r->pipes[i][0]), 1);
        close(r->pipes[i][0]);
    }
}

/* Runs a row on one type, and counts in `n`: failed checks, rows run, rows skipped. */
static void run_on(const struct way *way, const struct row *row, unsigned t, unsigned n[3])
{
    static const unsigned bits[4] = {CAN_SEQPACKET, CAN_STREAM, CAN_DGRAM, CAN_FRAMES};
    const bool framed = bits[t] == CAN_FRAMES;
    const int type = framed ? SOCK_STREAM : raw_types[t];
    if ((row->types & bits[t]) == 0) {
        return;
    }
    if ((way->can & bits[t]) == 0) {
        /* A way is for frames or for the system's types: the other rows are not what it lacks. */
        if (framed == ((way->can & CAN_FRAMES) != 0)) {
            NOTE("skipped: %s, %s: %s does not work on this type", raw_type_name(type), row->name, way->name);
            n[2]++;
        }
        return;
    }
    struct run r = {.way = way, .row = row, .type = type, .framed = framed, .brief = n[0] > 10};
    ROW("%s, %s, %s", way->name, type_name(&r), row->name);
    run_row(&r);
    n[0] += r.failures;
    n[1]++;
}

unsigned conformance_run(const struct way *way)
{
    unsigned n[3] = {0, 0, 0};
    for (unsigned i = 0; i < conformance_nrows; i++) {
        const char *reason = lacks(way, &conformance_rows[i]);
        if (reason != NULL) {
            NOTE("skipped: %s: %s %s", conformance_rows[i].name, way->name, reason);
            n[2]++;
            continue;
        }
        for (unsigned t = 0; t < 4; t++) {
            run_on(way, &conformance_rows[i], t, n);
        }
    }
    NOTE("%s: %u checks failed, %u rows run, %u skipped", way->name, n[0], n[1], n[2]);
    return n[0];
}
