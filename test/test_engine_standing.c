// SPDX-License-Identifier: MIT
/*
 * Standing receives: an event for each message until the end, and nothing lost on the way, whatever comes in between
 * and whenever they are cancelled.
 */
#include "engine.h"

#include <stdlib.h>

static void stop(struct unx_engine *e, struct unx_op *op, const int s[2])
{
    START(unx_engine_cancel(e, op));
    LAST(e, op, -ECANCELED);
    leave_pair(e, s);
}

static void brings_each_message(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int late = 0; late < 2; late++) {
            ROW("%s, %d", raw_type_name(raw_types[t]), late);
            int s[2];
            raw_pair(raw_types[t], s);
            struct unx_op op = {.data = s};
            if (late) {
                STAND(e, &op, s[0]);
                QUIET_FOR(e, 5);
            }
            raw_send(s[1], "one", 3, NULL, 0);
            if (!late) {
                STAND(e, &op, s[0]);
            }
            struct unx_msg *const m = STAND_GETS(e, &op, "one");
            CHECK(m->cred == NULL && m->pidfd == NULL);
            CHECK_INT(m->fds_got, 0);
            CHECK_INT(m->got, 0);
            give_back(e, m);
            QUIET_FOR(e, 5);
            raw_send(s[1], "two", 3, NULL, 0);
            give_back(e, STAND_GETS(e, &op, "two"));
            CHECK(op.data == s);
            stop(e, &op, s);
        }
    }
}

/* What the caller takes is its own, and -1 says so; the rest is closed with the buffer. */
static void descriptors_are_taken_or_closed(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2], p[2], fds[RAW_MAX_FDS], taken;
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        for (unsigned i = 0; i < RAW_MAX_FDS; i++) {
            fds[i] = p[1];
        }
        struct unx_op op = {0};
        STAND(e, &op, s[0]);
        raw_send(s[1], "x", 1, fds, RAW_MAX_FDS);
        struct unx_msg *m = STAND_GETS(e, &op, "x");
        CHECK_INT(m->got, UNX_GOT_FDS);
        CHECK_INT(m->fds_got, RAW_MAX_FDS);
        for (unsigned i = 0; i < RAW_MAX_FDS; i++) {
            CHECK(raw_same_file(m->fds[i], p[1]) && raw_cloexec(m->fds[i]));
        }
        taken = m->fds[7];
        m->fds[7] = -1;
        give_back(e, m);
        CHECK(raw_is_open(taken));
        close(p[1]);
        CHECK(!raw_pipe_ended(p[0]));
        close(taken);
        CHECK(raw_pipe_ended(p[0]));
        close(p[0]);
        stop(e, &op, s);
    }
}

static void senders_are_told(struct unx_engine *e)
{
    int s[2];
    const int r = unx_pair(SOCK_SEQPACKET, UNX_PASSCRED | UNX_PASSPIDFD, s);
    if (r == -EOPNOTSUPP) {
        SKIP("no pidfds with messages on this kernel");
    }
    CHECK_INT(r, 0);
    struct unx_op op = {0};
    STAND(e, &op, s[0]);
    const int before = harness_nfds();
    for (int take = 0; take < 2; take++) {
        raw_send(s[1], "x", 1, NULL, 0);
        struct unx_msg *const m = STAND_GETS(e, &op, "x");
        CHECK_INT(m->got, UNX_GOT_CRED | UNX_GOT_PIDFD);
        CHECK(m->cred != NULL && m->pidfd != NULL);
        CHECK_INT(m->cred->known, UNX_KNOWN_ALL);
        CHECK_INT(m->cred->pid, getpid());
        const int pidfd = *m->pidfd;
        CHECK_INT(unx_pidfd_check(pidfd, getpid()), 1);
        if (take) {
            *m->pidfd = -1;
        }
        give_back(e, m);
        CHECK_INT(harness_nfds(), before + take);
        if (take) {
            close(pidfd);
        }
    }
    stop(e, &op, s);
}

static void what_is_too_long(struct unx_engine *e)
{
    START(unx_engine_buffers(e, 4, 4));
    for (unsigned t = 0; t < 3; t += 2) {
        for (unsigned partial = 0; partial < 2; partial++) {
            ROW("%s, %u", raw_type_name(raw_types[t]), partial);
            int s[2], p[2];
            raw_pair(raw_types[t], s);
            raw_pipe(p);
            struct unx_op op = {0};
            START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | (partial ? UNX_PARTIAL : 0), -1));
            raw_send(s[1], "fits", 4, NULL, 0);
            raw_send(s[1], "too long", 8, &p[1], 1);
            raw_send(s[1], "next", 4, NULL, 0);
            give_back(e, STAND_GETS(e, &op, "fits"));
            struct unx_msg *const m = MORE(e, &op, partial ? 1 : -EMSGSIZE).msg;
            CHECK_INT(m->error, partial ? 0 : -EMSGSIZE);
            CHECK_INT(m->full_len, 8);
            CHECK_INT(m->got & UNX_CUT_DATA, UNX_CUT_DATA);
            CHECK_INT(m->fds_got, partial);
            if (partial) {
                CHECK_MEM(m->iov[0].iov_base, m->len, "too ", 4);
            }
            give_back(e, m);
            close(p[1]);
            CHECK(raw_pipe_ended(p[0]));
            close(p[0]);
            give_back(e, STAND_GETS(e, &op, "next"));
            stop(e, &op, s);
        }
    }
}

static void a_full_table(struct unx_engine *e)
{
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_op op = {0};
        STAND(e, &op, s[0]);
        QUIET_FOR(e, 5);
        raw_limit(1);
        raw_send(s[1], "x", 1, s, 2);
        const struct unx_event ev = NEXT(e);
        raw_unlimit();
        CHECK(ev.op == &op);
        CHECK_INT(ev.result, -EMFILE);
        CHECK_INT(ev.flags, UNX_MORE);
        CHECK_INT(ev.msg->fds_got, 0);
        CHECK_INT(ev.msg->got & UNX_CUT_FDS, UNX_CUT_FDS);
        give_back(e, ev.msg);
        raw_send(s[1], "y", 1, s, 2);
        struct unx_msg *const m = STAND_GETS(e, &op, "y");
        CHECK_INT(m->fds_got, 2);
        give_back(e, m);
        stop(e, &op, s);
    }
}

static void empty_packets(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t += 2) {
        for (int cred = 0; cred < 2; cred++) {
            for (int late = 0; late < 2; late++) {
                ROW("%s, credentials %d, %s", raw_type_name(raw_types[t]), cred, late ? "one by one" : "at once");
                int s[2];
                raw_pair(raw_types[t], s);
                raw_set(s[0], SO_PASSCRED, cred);
                struct unx_op op = {0};
                STAND(e, &op, s[0]);
                QUIET_FOR(e, late ? 5 : 0);
                static const char *const texts[] = {"", "", "full", "", "more", "", ""};
                for (unsigned i = 0; i < 7; i++) {
                    raw_send(s[1], texts[i], strlen(texts[i]), NULL, 0);
                    if (late) {
                        give_back(e, STAND_GETS(e, &op, texts[i]));
                    }
                }
                for (unsigned i = 0; !late && i < 7; i++) {
                    give_back(e, STAND_GETS(e, &op, texts[i]));
                }
                QUIET_FOR(e, 5);
                if (t == 0) {
                    shutdown(s[1], SHUT_WR);
                    LAST(e, &op, 0);
                    leave_pair(e, s);
                } else {
                    stop(e, &op, s);
                }
            }
        }
    }
}

static void the_end(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        for (int late = 0; late < 2; late++) {
            ROW("%s, %d", raw_type_name(raw_types[t]), late);
            int s[2];
            raw_pair(raw_types[t], s);
            struct unx_op op = {0};
            STAND(e, &op, s[0]);
            QUIET_FOR(e, late ? 5 : 0);
            raw_send(s[1], "last words", 10, NULL, 0);
            close(s[1]);
            give_back(e, STAND_GETS(e, &op, "last words"));
            const struct unx_event ev = LAST(e, &op, 0);
            CHECK(ev.msg == NULL);
            CHECK_INT(QUIET(unx_engine_cancel(e, &op)), -ENOENT);
            /* Once more it says the same. */
            STAND(e, &op, s[0]);
            LAST(e, &op, 0);
            leave(e, s[0]);
        }
    }
}

/* The peer has not read what it was sent. On a stream that comes behind its last data, else before them. */
static void a_reset(struct unx_engine *e)
{
    for (unsigned t = 0; t < 2; t++) {
        for (unsigned replies = 0; replies < 3; replies++) {
            for (int late = 0; late < 2; late++) {
                ROW("%s, %u replies, %d", raw_type_name(raw_types[t]), replies, late);
                int s[2];
                raw_pair(raw_types[t], s);
                struct unx_op op = {0};
                if (late) {
                    STAND(e, &op, s[0]);
                    QUIET_FOR(e, 5);
                }
                raw_send(s[0], "unread", 6, NULL, 0);
                for (unsigned i = 0; i < replies; i++) {
                    raw_send(s[1], "reply", 5, NULL, 0);
                }
                close(s[1]);
                if (!late) {
                    STAND(e, &op, s[0]);
                }
                for (unsigned i = 0; i < (t == 1 && replies > 0 ? 1 : replies); i++) {
                    struct unx_msg *const m = STAND_GETS(e, &op, t == 1 && replies == 2 ? "replyreply" : "reply");
                    CHECK_INT(m->got, t == 0 && i == 0 ? UNX_GOT_RESET : 0);
                    give_back(e, m);
                }
                const struct unx_event ev = LAST(e, &op, t == 1 || replies == 0 ? -ECONNRESET : 0);
                CHECK(ev.msg == NULL);
                leave(e, s[0]);
            }
        }
    }
}

static void a_stream_in_pieces(struct unx_engine *e)
{
    enum { SIZE = 100, ALL = 250000 };
    START(unx_engine_buffers(e, 7, SIZE));
    static char data[ALL];
    raw_pattern(data, ALL, 0);
    for (unsigned plain = 0; plain < 2; plain++) {
        ROW("plain %u", plain);
        int s[2];
        raw_pair(SOCK_STREAM, s);
        struct unx_op op = {0};
        struct job j;
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | (plain ? UNX_PLAIN : 0), -1));
        job_bytes(&j, data, ALL);
        job_send(e, &j, s[1], 0, -1);
        for (size_t got = 0, sent = 0; got < ALL || sent == 0;) {
            const struct unx_event ev = NEXT(e);
            if (ev.op == &j.op) {
                JOB_EVENT(ev, &j, 1);
                sent = 1;
                continue;
            }
            CHECK_INT(ev.result, 1);
            CHECK(ev.msg->len > 0 && ev.msg->len <= SIZE);
            CHECK(raw_pattern_ok(ev.msg->iov[0].iov_base, ev.msg->len, got));
            got += ev.msg->len;
            give_back(e, ev.msg);
        }
        stop(e, &op, s);
    }
}

static void plain_bytes(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2], p[2];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        struct unx_op op = {0};
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | UNX_PLAIN, -1));
        raw_send(s[1], "one", 3, &p[1], 1);
        close(p[1]);
        struct unx_msg *const m = STAND_GETS(e, &op, "one");
        CHECK_INT(m->fds_got, 0);
        CHECK(raw_pipe_ended(p[0]));
        give_back(e, m);
        close(p[0]);
        raw_send(s[1], "two", 3, NULL, 0);
        give_back(e, STAND_GETS(e, &op, "two"));
        stop(e, &op, s);
    }
}

/* By one byte, and with nothing else: one that fits is whole, the other is not handed out with more than its buffer. */
static void a_byte_too_long(struct unx_engine *e)
{
    START(unx_engine_buffers(e, 4, 4));
    for (unsigned i = 0; i < 8; i++) {
        const int type = raw_types[i % 2 * 2];
        const unsigned flags = (i & 2 ? UNX_PLAIN : 0) | (i & 4 ? UNX_PARTIAL : 0);
        ROW("%s, flags %#x", raw_type_name(type), flags);
        int s[2];
        struct unx_op op = {0};
        raw_pair(type, s);
        START(unx_engine_recv(e, &op, s[0], NULL, UNX_STANDING | flags, -1));
        raw_send(s[1], "fits", 4, NULL, 0);
        raw_send(s[1], "not it", 5, NULL, 0);
        raw_send(s[1], "next", 4, NULL, 0);
        give_back(e, STAND_GETS(e, &op, "fits"));
        struct unx_msg *const m = MORE(e, &op, flags & UNX_PARTIAL ? 1 : -EMSGSIZE).msg;
        CHECK_INT(m->len, 4);
        CHECK_INT(m->full_len, 5);
        CHECK_INT(m->got, UNX_CUT_DATA);
        CHECK_INT(m->iov[0].iov_len, 4);
        CHECK_MEM(m->iov[0].iov_base, m->len, "not ", 4);
        give_back(e, m);
        give_back(e, STAND_GETS(e, &op, "next"));
        stop(e, &op, s);
    }
}

/* Started and cancelled all the time, with a few buffers, while messages come: none is lost, none comes twice. */
static void cancelled_without_loss(struct unx_engine *e)
{
    enum { ALL = 3000 };
    START(unx_engine_buffers(e, 3, 64));
    for (unsigned t = 0; t < 3; t += 2) {
        int s[2];
        raw_pair(raw_types[t], s);
        struct unx_op op = {0};
        unsigned sent = 0, got = 0, random = 7, cancelled = 0;
        bool out = false;
        while (got < ALL) {
            random = random * 1103515245 + 12345;
            for (unsigned n = random >> 16 & 7; n > 0 && sent < ALL && sent < got + 20; n--) {
                raw_send(s[1], &sent, sizeof sent, NULL, 0);
                sent++;
            }
            if (!out) {
                STAND(e, &op, s[0]);
                out = true;
            } else if ((random >> 20 & 3) == 0) {
                const int r = QUIET(unx_engine_cancel(e, &op));
                CHECK(r == 0 || r == -ENOENT);
                cancelled++;
            }
            struct unx_event ev[4];
            const int n = unx_engine_reap(e, ev, 1 + (random >> 24 & 3), 0);
            for (int i = 0; i < n; i++) {
                if (ev[i].flags == 0) {
                    CHECK_INT(ev[i].result, -ECANCELED);
                    out = false;
                    continue;
                }
                CHECK(out);
                CHECK_INT(ev[i].result, 1);
                CHECK_MEM(ev[i].msg->iov[0].iov_base, ev[i].msg->len, &got, sizeof got);
                got++;
                give_back(e, ev[i].msg);
            }
        }
        NOTE("%s: cancelled %u times", raw_type_name(raw_types[t]), cancelled);
        CHECK(cancelled > 50);
        while (out) {
            unx_engine_cancel(e, &op);
            out = NEXT(e).flags != 0;
        }
        leave_pair(e, s);
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(brings_each_message),
    ENGINE_CASE(descriptors_are_taken_or_closed),
    ENGINE_CASE(senders_are_told),
    ENGINE_CASE(what_is_too_long),
    ENGINE_CASE(a_byte_too_long),
    ENGINE_CASE(a_full_table),
    ENGINE_CASE(empty_packets),
    ENGINE_CASE(the_end),
    ENGINE_CASE(a_reset),
    ENGINE_CASE(a_stream_in_pieces),
    ENGINE_CASE(plain_bytes),
    ENGINE_CASE(cancelled_without_loss),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
