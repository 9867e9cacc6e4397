// SPDX-License-Identifier: MIT
/*
 * All that a message carries, through the engine: descriptors and credentials both ways, what is cut, what is kept, raw
 * control data; and who owns what while an operation is out.
 */
#include "engine.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unx/control.h>

/* Whether the receive is out before the message comes, or comes to what is there. */
#define TWICE(late) for (int late = 0; late < 2; late++)

static void recv_when(struct unx_engine *e, struct job *j, int fd, unsigned flags, int late)
{
    job_recv(e, j, fd, flags, -1);
    if (late) {
        QUIET_FOR(e, 5);
    }
}

static void descriptors_arrive(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        TWICE(late)
        {
            ROW("%s, %d", raw_type_name(raw_types[t]), late);
            int s[2], p[2], fds[RAW_MAX_FDS], room[RAW_MAX_FDS + 7];
            raw_pair(raw_types[t], s);
            raw_pipe(p);
            for (unsigned i = 0; i < RAW_MAX_FDS; i++) {
                fds[i] = p[i % 2];
            }
            struct job j;
            job_room(&j);
            memset(room, 0x55, sizeof room);
            j.m.fds = room;
            j.m.nfds = RAW_MAX_FDS + 7;
            if (late) {
                recv_when(e, &j, s[0], 0, 1);
                raw_send(s[1], "x", 1, fds, RAW_MAX_FDS);
            } else {
                raw_send(s[1], "x", 1, fds, RAW_MAX_FDS);
                recv_when(e, &j, s[0], 0, 0);
            }
            JOB_GETS(e, &j, "x");
            CHECK_INT(j.m.got, UNX_GOT_FDS);
            CHECK_INT(j.m.fds_got, RAW_MAX_FDS);
            for (unsigned i = 0; i < RAW_MAX_FDS + 7; i++) {
                if (i >= RAW_MAX_FDS) {
                    CHECK_INT(room[i], -1);
                    continue;
                }
                CHECK(raw_same_file(room[i], p[i % 2]) && raw_cloexec(room[i]));
                CHECK_INT(fcntl(room[i], F_GETFL) & O_ACCMODE, i % 2 ? O_WRONLY : O_RDONLY);
                close(room[i]);
            }
            close_pair(p);
            leave_pair(e, s);
        }
    }
}

/* Lent until the last event, however long that takes; what arrives is the file that was lent, and nobody keeps it. */
static void lent_descriptors(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        for (int cancel = 0; cancel < 2; cancel++) {
            ROW("%s, %s", raw_type_name(raw_types[t]), cancel ? "cancelled" : "sent");
            int s[2], p[2];
            char data[4096];
            struct raw_got g;
            raw_pair(raw_types[t], s);
            raw_pipe(p);
            fill_socket(s[0], 1000);
            struct job j;
            job_bytes(&j, "x", 1);
            j.m.fds = &p[1];
            j.m.nfds = 1;
            job_send(e, &j, s[0], 0, -1);
            QUIET_FOR(e, 10);
            if (cancel) {
                START(unx_engine_cancel(e, &j.op));
                JOB_LAST(e, &j, -ECANCELED);
                CHECK_INT(j.m.len, 0);
                close(p[1]);
                CHECK(raw_pipe_ended(p[0]));
            }
            unsigned nfds = 0, rounds = 0;
            do {
                raw_recv(s[1], data, sizeof data, MSG_DONTWAIT, &g);
                if (g.result == -EAGAIN && !cancel && rounds++ == 0) {
                    JOB_LAST(e, &j, 1);
                    g.result = 1;
                }
                if (g.nfds > 0) {
                    CHECK_INT(nfds++, 0);
                    CHECK_INT(g.nfds, 1);
                    CHECK(raw_same_file(g.fds[0], p[1]));
                    raw_close_fds(&g);
                }
            } while (g.result > 0);
            CHECK_INT(nfds, !cancel);
            if (!cancel) {
                close(p[1]);
                CHECK(raw_pipe_ended(p[0]));
            }
            close(p[0]);
            leave_pair(e, s);
        }
    }
}

static void more_descriptors_than_room(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        TWICE(partial)
        {
            ROW("%s, %d", raw_type_name(raw_types[t]), partial);
            int s[2], p[2], room[2] = {77, 77};
            raw_pair(raw_types[t], s);
            raw_pipe(p);
            const int fds[3] = {p[1], p[1], p[1]}, before = harness_nfds();
            struct job j;
            job_room(&j);
            j.m.fds = room;
            j.m.nfds = 2;
            recv_when(e, &j, s[0], partial ? UNX_PARTIAL : 0, 1);
            raw_send(s[1], "x", 1, fds, 3);
            JOB_LAST(e, &j, partial ? 1 : -ENOBUFS);
            CHECK_INT(j.m.got & UNX_CUT_FDS, UNX_CUT_FDS);
            CHECK_INT(j.m.fds_got, partial ? 2 : 0);
            for (int i = 0; i < 2; i++) {
                CHECK(partial ? raw_same_file(room[i], p[1]) : room[i] == -1);
                if (partial) {
                    close(room[i]);
                }
            }
            CHECK_INT(harness_nfds(), before);
            close_pair(p);
            leave_pair(e, s);
        }
    }
}

static void a_full_table(struct unx_engine *e)
{
    if (!raw_limit_works()) {
        SKIP("the table cannot be limited here");
    }
    for (unsigned t = 0; t < 3; t++) {
        TWICE(late)
        {
            ROW("%s, %d", raw_type_name(raw_types[t]), late);
            int s[2], room[2] = {77, 77};
            raw_pair(raw_types[t], s);
            struct job j, next;
            job_room(&j);
            j.m.fds = room;
            j.m.nfds = 2;
            if (late) {
                recv_when(e, &j, s[0], 0, 1);
            }
            raw_send(s[1], "x", 1, s, 2);
            raw_limit(1);
            if (!late) {
                recv_when(e, &j, s[0], 0, 0);
            }
            const struct unx_event ev = NEXT(e);
            raw_unlimit();
            JOB_EVENT(ev, &j, -EMFILE);
            CHECK_INT(j.m.fds_got, 0);
            CHECK(room[0] == -1 && room[1] == -1);
            raw_send(s[1], "y", 1, NULL, 0);
            job_recv_any(e, &next, s[0]);
            JOB_GETS(e, &next, "y");
            leave_pair(e, s);
        }
    }
}

static void credentials_both_ways(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        int s[2], pidfd = 77;
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSCRED, s), 0);
        struct unx_cred mine, theirs;
        CHECK_INT(unx_cred_effective(&mine), 0);
        memset(&theirs, 0x55, sizeof theirs);
        struct job in, out;
        job_room(&in);
        in.m.cred = &theirs;
        in.m.pidfd = &pidfd;
        recv_when(e, &in, s[0], 0, 1);
        job_bytes(&out, "who", 3);
        out.m.cred = &mine;
        job_send(e, &out, s[1], 0, -1);
        for (int i = 0; i < 2; i++) {
            const struct unx_event ev = NEXT(e);
            JOB_EVENT(ev, ev.op == &in.op ? &in : &out, 1);
        }
        CHECK_INT(in.m.got, UNX_GOT_CRED);
        CHECK_INT(theirs.known, UNX_KNOWN_ALL);
        CHECK_INT(theirs.pid, getpid());
        CHECK_INT(theirs.uid, geteuid());
        CHECK_INT(theirs.gid, getegid());
        CHECK_INT(pidfd, -1);
        leave_pair(e, s);
    }
}

static void a_pidfd_and_a_time(struct unx_engine *e)
{
    int s[2], pidfd = 77;
    const int r = unx_pair(SOCK_SEQPACKET, UNX_PASSPIDFD | UNX_TIMESTAMP, s);
    if (r == -EOPNOTSUPP) {
        SKIP("no pidfds with messages on this kernel");
    }
    CHECK_INT(r, 0);
    struct job j;
    job_room(&j);
    j.m.pidfd = &pidfd;
    recv_when(e, &j, s[0], 0, 1);
    raw_send(s[1], "x", 1, NULL, 0);
    JOB_GETS(e, &j, "x");
    CHECK_INT(j.m.got, UNX_GOT_PIDFD | UNX_GOT_TIME);
    CHECK(j.m.time_ns > INT64_C(1000000000000000000));
    CHECK_INT(unx_pidfd_check(pidfd, getpid()), 1);
    close(pidfd);
    /* Not wanted: closed. */
    const int before = harness_nfds();
    job_room(&j);
    recv_when(e, &j, s[0], 0, 1);
    raw_send(s[1], "y", 1, NULL, 0);
    JOB_GETS(e, &j, "y");
    CHECK_INT(harness_nfds(), before);
    leave_pair(e, s);
}

static void raw_control_data(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        char sent[UNX_CONTROL_ROOM], room[UNX_CONTROL_ROOM];
        int s[2], p[2];
        CHECK_INT(unx_pair(raw_types[t], UNX_PASSFDS | UNX_PASSCRED, s), 0);
        raw_pipe(p);
        struct unx_control_writer w;
        CHECK_INT(unx_control_writer_init(&w, sent, sizeof sent), 0);
        CHECK_INT(unx_control_add_fds(&w, p, 2, 0), 0);
        struct job in, out;
        job_room(&in);
        memset(room, 0, sizeof room);
        in.m.control = room;
        in.m.control_max = sizeof room;
        recv_when(e, &in, s[0], 0, 1);
        job_bytes(&out, "x", 1);
        out.m.control = sent;
        out.m.control_max = w.len;
        job_send(e, &out, s[1], 0, -1);
        for (int i = 0; i < 2; i++) {
            const struct unx_event ev = NEXT(e);
            JOB_EVENT(ev, ev.op == &in.op ? &in : &out, 1);
        }
        CHECK(in.m.control_len > 0 && in.m.control_len <= sizeof room);
        struct unx_control_reader r;
        struct unx_control_item item;
        unsigned nfds = 0, creds = 0;
        CHECK_INT(unx_control_reader_init(&r, room, in.m.control_len), 0);
        while (unx_control_next(&r, &item) == 1) {
            nfds += (unsigned)unx_control_nfds(&item);
            creds += item.level == SOL_SOCKET && item.type == SCM_CREDENTIALS;
        }
        CHECK_INT(nfds, 2);
        CHECK_INT(creds, 1);
        CHECK_INT(unx_control_reader_close(&r), 2);
        close_pair(p);
        leave_pair(e, s);
    }
}

static void what_does_not_fit(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t += 2) {
        ROW("%s", raw_type_name(raw_types[t]));
        static const struct {
            unsigned flags;
            size_t room;
            int result;
            size_t len;
        } line[] = {
            {UNX_PEEK, 4, 1, 4},  {UNX_KEEP, 4, -EMSGSIZE, 0}, {UNX_KEEP, 8, -EMSGSIZE, 0},  {UNX_KEEP, 9, 1, 9},
            {0, 4, -EMSGSIZE, 0}, {UNX_PARTIAL, 4, 1, 4},      {UNX_PLAIN, 4, -EMSGSIZE, 0}, {0, 9, 1, 9},
        };
        enum { N = sizeof line / sizeof *line };
        struct job jobs[N];
        int s[2];
        raw_pair(raw_types[t], s);
        for (unsigned i = 0; i < N; i++) {
            job_room(&jobs[i]);
            jobs[i].iov.iov_len = line[i].room;
            job_recv(e, &jobs[i], s[0], line[i].flags, -1);
        }
        QUIET_FOR(e, 5);
        for (unsigned i = 0; i < 5; i++) {
            raw_send(s[1], "012345678", 9, NULL, 0);
        }
        for (unsigned i = 0; i < N; i++) {
            ROW("%s, %u", raw_type_name(raw_types[t]), i);
            JOB_LAST(e, &jobs[i], line[i].result);
            CHECK_INT(jobs[i].m.full_len, 9);
            CHECK_INT(jobs[i].m.got, line[i].room < 9 ? UNX_CUT_DATA : 0);
            if (line[i].result == 1) {
                CHECK_MEM(jobs[i].data, jobs[i].m.len, "012345678", line[i].len);
            }
        }
        leave_pair(e, s);
    }
}

static void a_peek_with_descriptors(struct unx_engine *e)
{
    for (unsigned t = 0; t < 3; t++) {
        ROW("%s", raw_type_name(raw_types[t]));
        static const unsigned flags[4] = {UNX_PEEK, UNX_PEEK_FDS, UNX_PEEK_FDS, 0};
        struct job jobs[4];
        int s[2], p[2], room[4][2];
        raw_pair(raw_types[t], s);
        raw_pipe(p);
        for (unsigned i = 0; i < 4; i++) {
            job_room(&jobs[i]);
            jobs[i].m.fds = room[i];
            jobs[i].m.nfds = 2;
            job_recv(e, &jobs[i], s[0], flags[i], -1);
        }
        QUIET_FOR(e, 5);
        raw_send(s[1], "x", 1, p, 2);
        for (unsigned i = 0; i < 4; i++) {
            JOB_GETS(e, &jobs[i], "x");
            CHECK_INT(jobs[i].m.fds_got, i == 0 ? 0 : 2);
            for (unsigned n = 0; n < 2; n++) {
                CHECK(i == 0 ? room[i][n] == -1 : raw_same_file(room[i][n], p[n]));
                if (i > 0) {
                    close(room[i][n]);
                }
            }
        }
        close_pair(p);
        leave_pair(e, s);
    }
}

static void empty_packets(struct unx_engine *e)
{
    for (unsigned cred = 0; cred < 2; cred++) {
        for (unsigned t = 0; t < 3; t += 2) {
            ROW("%s, credentials %u", raw_type_name(raw_types[t]), cred);
            int s[2];
            raw_pair(raw_types[t], s);
            raw_set(s[0], SO_PASSCRED, (int)cred);
            struct job jobs[4], out;
            for (unsigned i = 0; i < 4; i++) {
                job_recv_any(e, &jobs[i], s[0]);
            }
            job_send_text(e, &out, s[1], "");
            JOB_LAST(e, &out, 1);
            JOB_GETS(e, &jobs[0], "");
            raw_send(s[1], "", 0, NULL, 0);
            raw_send(s[1], "full", 4, NULL, 0);
            raw_send(s[1], "", 0, NULL, 0);
            JOB_GETS(e, &jobs[1], "");
            JOB_GETS(e, &jobs[2], "full");
            JOB_GETS(e, &jobs[3], "");
            leave_pair(e, s);
        }
    }
}

static const struct engine_case cases[] = {
    ENGINE_CASE(descriptors_arrive), ENGINE_CASE(lent_descriptors),      ENGINE_CASE(more_descriptors_than_room),
    ENGINE_CASE(a_full_table),       ENGINE_CASE(credentials_both_ways), ENGINE_CASE(a_pidfd_and_a_time),
    ENGINE_CASE(raw_control_data),   ENGINE_CASE(what_does_not_fit),     ENGINE_CASE(a_peek_with_descriptors),
    ENGINE_CASE(empty_packets),
};

int main(int argc, char **argv)
{
    return engine_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
