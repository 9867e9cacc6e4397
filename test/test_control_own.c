// SPDX-License-Identifier: MIT
/*
 * Who owns the descriptors in control data: taken or not, lent or given, sent or not; on the library's calls and on the
 * caller's own recvmsg(2).
 */
#include "message.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unx/control.h>

/* n copies of a new pipe's write end; the pipe tells when all are closed. */
static int copies(int *fds, unsigned n)
{
    int p[2];
    raw_pipe(p);
    for (unsigned i = 0; i < n; i++) {
        fds[i] = fcntl(p[1], F_DUPFD_CLOEXEC, 3);
        CHECK(fds[i] >= 0);
    }
    close(p[1]);
    return p[0];
}

static void check_ended(int read_end)
{
    CHECK(raw_pipe_ended(read_end));
    close(read_end);
}

static void given_and_lent(void)
{
    char buf[UNX_CONTROL_ROOM];
    int lent[3], given[2], more[1];
    const int lent_pipe = copies(lent, 3), given_pipe = copies(given, 2), more_pipe = copies(more, 1);
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
    CHECK_INT(unx_control_add_fds(&w, lent, 2, 0), 0);
    CHECK_INT(unx_control_add_fds(&w, given, 2, UNX_GIVE), 0);
    CHECK_INT(unx_control_add_fds(&w, lent + 2, 1, 0), 0);
    CHECK_INT(unx_control_add_fds(&w, more, 1, UNX_GIVE), 0);
    CHECK_INT(unx_control_writer_close(&w), 0);
    check_ended(given_pipe);
    check_ended(more_pipe);
    CHECK(!raw_is_open(given[0]) && !raw_is_open(given[1]) && !raw_is_open(more[0]));
    for (unsigned i = 0; i < 3; i++) {
        CHECK(raw_is_open(lent[i]));
        close(lent[i]);
    }
    check_ended(lent_pipe);
    /* A second close has nothing left to close. */
    CHECK_INT(unx_control_writer_close(&w), 0);
}

static void many_given(void)
{
    char buf[UNX_CONTROL_ROOM];
    int fds[253];
    const int pipe = copies(fds, 253);
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
    for (unsigned i = 0; i < 253; i++) {
        const int r = unx_control_add_fds(&w, &fds[i], 1, i % 3 ? UNX_GIVE : 0);
        if (r == -ENOSPC) {
            CHECK_INT(unx_control_add_fds(&w, &fds[i], 1, UNX_GIVE), -ENOSPC);
            break;
        }
        CHECK_INT(r, 0);
    }
    const unsigned in_it = w.nfds;
    CHECK_INT(unx_control_writer_close(&w), 0);
    for (unsigned i = 0; i < 253; i++) {
        CHECK_INT(raw_is_open(fds[i]), i % 3 == 0 || i >= in_it);
        if (raw_is_open(fds[i])) {
            close(fds[i]);
        }
    }
    check_ended(pipe);
}

static void not_given_when_it_failed(void)
{
    char buf[64];
    int fds[20];
    const int pipe = copies(fds, 20);
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
    CHECK_INT(unx_control_add_fds(&w, fds, 20, UNX_GIVE), -ENOSPC);
    const int last = fds[19];
    fds[19] = -1;
    CHECK_INT(unx_control_add_fds(&w, fds, 20, UNX_GIVE), -EBADF);
    fds[19] = last;
    CHECK_INT(unx_control_writer_close(&w), 0);
    for (unsigned i = 0; i < 20; i++) {
        CHECK(raw_is_open(fds[i]));
        close(fds[i]);
    }
    check_ended(pipe);
}

/* Descriptors that were added as any other message are lent, and do not confuse whose the given ones are. */
static void raw_rights_beside_given(void)
{
    char buf[UNX_CONTROL_ROOM];
    int raw[1], given[1];
    const int raw_pipe_end = copies(raw, 1), given_pipe = copies(given, 1);
    struct unx_control_writer w;
    CHECK_INT(unx_control_writer_init(&w, buf, sizeof buf), 0);
    CHECK_INT(unx_control_add(&w, SOL_SOCKET, SCM_RIGHTS, raw, sizeof raw), 0);
    CHECK_INT(unx_control_add_fds(&w, given, 1, UNX_GIVE), 0);
    CHECK_INT(unx_control_writer_close(&w), 0);
    CHECK(raw_is_open(raw[0]));
    CHECK(!raw_is_open(given[0]));
    close(raw[0]);
    check_ended(raw_pipe_end);
    check_ended(given_pipe);
}

static void sent_and_received(void)
{
    for (unsigned t = 0; t < 3; t++) {
        for (size_t at = 0; at < 16; at++) {
            int s[2], fds[4];
            raw_pair(raw_types[t], s);
            raw_set(s[1], SO_PASSCRED, 1);
            const int pipe = copies(fds, 4);
            char out_room[UNX_CONTROL_ROOM + 16], in_room[UNX_CONTROL_ROOM + 16], data[8];
            struct unx_control_writer w;
            struct unx_cred me;
            CHECK_INT(unx_cred_real(&me), 0);
            CHECK_INT(unx_control_writer_init(&w, out_room + at, UNX_CONTROL_ROOM), 0);
            CHECK_INT(unx_control_add_cred(&w, &me), 0);
            CHECK_INT(unx_control_add_fds(&w, fds, 3, UNX_GIVE), 0);
            CHECK_INT(unx_control_add_fds(&w, fds + 3, 1, UNX_GIVE), 0);
            const struct iovec out = BYTES("x"), in = {data, sizeof data};
            struct unx_msg m = message(&out, 1), r = message(&in, 1);
            m.control = w.buf;
            m.control_max = w.len;
            CHECK_INT(unx_send(s[0], &m, 0), 1);
            CHECK_INT(unx_control_writer_close(&w), 0);
            r.control = in_room + at;
            r.control_max = UNX_CONTROL_ROOM;
            const int before = harness_nfds();
            CHECK_INT(unx_recv(s[1], &r, UNX_PEEK), 1);
            CHECK_INT(r.control_len, 0);
            CHECK_INT(harness_nfds(), before);
            CHECK_INT(unx_recv(s[1], &r, 0), 1);
            CHECK_INT(harness_nfds(), before + 4);
            struct unx_control_reader reader;
            struct unx_control_item item;
            CHECK_INT(unx_control_reader_init(&reader, r.control, r.control_len), 0);
            int taken = -1, got;
            while ((got = unx_control_next(&reader, &item)) == 1) {
                if (unx_control_nfds(&item) == 4) {
                    taken = unx_control_take(&reader, &item, 2);
                    CHECK_INT(unx_control_take(&reader, &item, 2), -EBADF);
                    CHECK_INT(unx_control_take(&reader, &item, 4), -EINVAL);
                }
            }
            CHECK_INT(got, 0);
            CHECK(taken >= 0 && raw_cloexec(taken));
            CHECK_INT(unx_control_reader_close(&reader), 3);
            CHECK_INT(unx_control_reader_close(&reader), 0);
            CHECK(!raw_pipe_ended(pipe));
            close(taken);
            check_ended(pipe);
            close_pair(s);
        }
    }
}

/* The reader closes what nobody took even where nothing was read, and where reading broke off. */
static void nothing_read(void)
{
    int s[2], fds[5];
    raw_pair(SOCK_SEQPACKET, s);
    const int pipe = copies(fds, 5);
    raw_send(s[0], "x", 1, fds, 5);
    for (unsigned i = 0; i < 5; i++) {
        close(fds[i]);
    }
    char control[512], c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    m.control = control;
    m.control_max = sizeof control;
    CHECK_INT(unx_recv(s[1], &m, 0), 1);
    struct unx_control_reader r;
    struct unx_control_item item;
    /* Rubbish behind the real message. */
    memset(control + m.control_len, 0xff, 40);
    CHECK_INT(unx_control_reader_init(&r, control, m.control_len + 40), 0);
    CHECK_INT(unx_control_next(&r, &item), 1);
    CHECK_INT(unx_control_next(&r, &item), -EBADMSG);
    CHECK_INT(unx_control_reader_close(&r), 5);
    check_ended(pipe);
    close_pair(s);
}

static void own_recvmsg(void)
{
    int s[2], fds[3];
    raw_pair(SOCK_SEQPACKET, s);
    raw_set(s[1], SO_PASSCRED, 1);
    const int pipe = copies(fds, 3);
    raw_send(s[0], "x", 1, fds, 3);
    for (unsigned i = 0; i < 3; i++) {
        close(fds[i]);
    }
    char control[UNX_CONTROL_ROOM], c;
    struct iovec in = {&c, 1};
    struct msghdr h = {.msg_iov = &in, .msg_iovlen = 1, .msg_control = control, .msg_controllen = sizeof control};
    CHECK_INT(recvmsg(s[1], &h, MSG_CMSG_CLOEXEC), 1);
    struct unx_control_reader r;
    struct unx_control_item item;
    struct unx_cred cred = {.known = 0};
    int taken[3], n = 0;
    CHECK_INT(unx_control_reader_init(&r, control, h.msg_controllen), 0);
    while (unx_control_next(&r, &item) == 1) {
        unx_control_cred(&item, &cred);
        for (int i = 0; i < unx_control_nfds(&item); i++) {
            taken[n++] = unx_control_take(&r, &item, (unsigned)i);
        }
    }
    CHECK_INT(n, 3);
    CHECK_INT(cred.known, UNX_KNOWN_ALL);
    CHECK_INT(cred.pid, getpid());
    CHECK_INT(unx_control_reader_close(&r), 0);
    for (int i = 0; i < 3; i++) {
        CHECK(raw_is_open(taken[i]));
        close(taken[i]);
    }
    check_ended(pipe);
    close_pair(s);
}

/* Too little room for control data is an error that leaves nothing open, or a part that says so. */
static void too_little_room(void)
{
    for (size_t room = 0; room < 80; room++) {
        for (int partial = 0; partial < 2; partial++) {
            int s[2], fds[8];
            raw_pair(SOCK_SEQPACKET, s);
            raw_set(s[1], SO_PASSCRED, 1);
            const int pipe = copies(fds, 8);
            raw_send(s[0], "x", 1, fds, 8);
            for (unsigned i = 0; i < 8; i++) {
                close(fds[i]);
            }
            char *control = malloc(room + 1), c;
            control[room] = 0x55;
            const struct iovec in = {&c, 1};
            struct unx_msg m = message(&in, 1);
            m.control = control;
            m.control_max = room;
            const int before = harness_nfds();
            const int r = unx_recv(s[1], &m, partial ? UNX_PARTIAL : 0);
            CHECK_INT(control[room], 0x55);
            CHECK(m.control_len <= room);
            CHECK_INT((m.got & UNX_CUT_CONTROL) != 0, room < CMSG_SPACE(12) + CMSG_LEN(32));
            if ((m.got & UNX_CUT_CONTROL) == 0 || partial) {
                CHECK_INT(r, 1);
                struct unx_control_reader reader;
                CHECK_INT(unx_control_reader_init(&reader, control, m.control_len), 0);
                const int opened = harness_nfds() - before;
                CHECK_INT(unx_control_reader_close(&reader), opened);
            } else {
                CHECK_INT(r, -ENOBUFS);
                CHECK_INT(m.control_len, 0);
            }
            CHECK_INT(harness_nfds(), before);
            check_ended(pipe);
            free(control);
            close_pair(s);
        }
    }
}

/* Where the table is full, a pidfd is a number below 0: an errno value, and never a descriptor to close. */
static void pidfd_that_is_an_error(void)
{
    int s[2];
    const int made = unx_pair(SOCK_SEQPACKET, UNX_PASSPIDFD, s);
    if (made == -EOPNOTSUPP || !raw_limit_works()) {
        SKIP("no pidfds with messages, or no limit of descriptors");
    }
    CHECK_INT(made, 0);
    raw_send(s[0], "x", 1, NULL, 0);
    char control[128], c;
    const struct iovec in = {&c, 1};
    struct unx_msg m = message(&in, 1);
    m.control = control;
    m.control_max = sizeof control;
    raw_limit(0);
    const int r = unx_recv(s[1], &m, 0);
    raw_unlimit();
    CHECK_INT(r, 1);
    struct unx_control_reader reader;
    struct unx_control_item item;
    CHECK_INT(unx_control_reader_init(&reader, control, m.control_len), 0);
    CHECK_INT(unx_control_next(&reader, &item), 1);
    CHECK_INT(unx_control_nfds(&item), 1);
    CHECK_INT(unx_control_take(&reader, &item, 0), -EMFILE);
    CHECK_INT(unx_control_reader_close(&reader), 0);
    close_pair(s);
}

static const struct test_case cases[] = {
    CASE(given_and_lent),
    CASE(many_given),
    CASE(not_given_when_it_failed),
    CASE(raw_rights_beside_given),
    CASE(sent_and_received),
    CASE(nothing_read),
    CASE(own_recvmsg),
    CASE(too_little_room),
    CASE(pidfd_that_is_an_error),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
