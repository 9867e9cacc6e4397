// SPDX-License-Identifier: MIT
/*
 * Bad pointers, sizes, reserved words and addresses: a NULL where none is allowed, a length that no memory has, a
 * message that contradicts itself. -EINVAL or what the header says; nothing sent, nothing received, nothing left open.
 */
#include "message.h"
#include "raw_addr.h"

#include <fcntl.h>
#include <limits.h>
#include <netinet/in.h>
#include <poll.h>
#include <unx/control.h>

static char data[64];
static const struct iovec one = {data, sizeof data};

static void null_of_addresses(void)
{
    struct unx_addr a;
    char text[UNX_ADDR_TEXT];
    CHECK_INT(unx_addr_abstract(&a, "x", 1), 0);
    CHECK_INT(unx_addr_path(NULL, "x"), -EINVAL);
    CHECK_INT(unx_addr_path(&a, NULL), -EINVAL);
    CHECK_INT(unx_addr_path_at(NULL, AT_FDCWD, "x"), -EINVAL);
    CHECK_INT(unx_addr_path_at(&a, AT_FDCWD, NULL), -EINVAL);
    CHECK_INT(unx_addr_abstract(NULL, "x", 1), -EINVAL);
    CHECK_INT(unx_addr_abstract(&a, NULL, 1), -EINVAL);
    CHECK_INT(unx_addr_unnamed(NULL), -EINVAL);
    CHECK_INT(unx_addr_sockaddr(NULL, &a.sa, a.len), -EINVAL);
    CHECK_INT(unx_addr_sockaddr(&a, NULL, 8), -EINVAL);
    CHECK_INT(unx_addr_name(NULL, NULL, NULL), -EINVAL);
    CHECK_INT(unx_addr_absolute(NULL), -EINVAL);
    CHECK_INT(unx_addr_parse(NULL, "x"), -EINVAL);
    CHECK_INT(unx_addr_parse(&a, NULL), -EINVAL);
    CHECK_INT(unx_addr_format(NULL, text, sizeof text), -EINVAL);
    CHECK_INT(unx_addr_format(&a, NULL, sizeof text), -EINVAL);
}

static void null_of_sockets(void)
{
    struct unx_addr a;
    int s[2];
    raw_pair(SOCK_STREAM, s);
    CHECK_INT(unx_addr_abstract(&a, "unx-null", 8), 0);
    CHECK_INT(unx_pair(SOCK_STREAM, 0, NULL), -EINVAL);
    CHECK_INT(unx_bind(SOCK_STREAM, 0, NULL, UNX_MODE_UMASK), -EINVAL);
    CHECK_INT(unx_listen(SOCK_STREAM, 0, NULL, -1, UNX_MODE_UMASK), -EINVAL);
    CHECK_INT(unx_listen_path(SOCK_STREAM, 0, AT_FDCWD, NULL, -1, UNX_MODE_UMASK), -EINVAL);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, NULL, 0), -EINVAL);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, &a, NULL, 0), -EINVAL);
    CHECK_INT(unx_connect_path(SOCK_STREAM, 0, AT_FDCWD, NULL, 0), -EINVAL);
    CHECK_INT(unx_bind_to(s[0], NULL, UNX_MODE_UMASK), -EINVAL);
    CHECK_INT(unx_connect_to(s[0], NULL), -EINVAL);
    CHECK_INT(unx_local_addr(s[0], NULL), -EINVAL);
    CHECK_INT(unx_peer_addr(s[0], NULL), -EINVAL);
    CHECK_INT(unx_get_timeout(s[0], UNX_RECV, NULL), -EINVAL);
    CHECK_INT(unx_take_error(s[0], NULL), -EINVAL);
    CHECK_INT(unx_cred_real(NULL), -EINVAL);
    CHECK_INT(unx_cred_effective(NULL), -EINVAL);
    CHECK_INT(unx_peer_cred(s[0], NULL), -EINVAL);
    CHECK_INT(unx_peer_groups(s[0], NULL, 0, NULL), -EINVAL);
    unsigned n;
    CHECK_INT(unx_peer_groups(s[0], NULL, 3, &n), -EINVAL);
    CHECK_INT(unx_peer_label(s[0], NULL, 0, NULL), -EINVAL);
    size_t len;
    CHECK_INT(unx_peer_label(s[0], NULL, 3, &len), -EINVAL);
    CHECK_INT(unx_send(s[0], NULL, 0), -EINVAL);
    CHECK_INT(unx_recv(s[0], NULL, UNX_DONTWAIT), -EINVAL);
    close_pair(s);
}

static void null_of_control(void)
{
    char room[64];
    struct unx_control_writer w;
    struct unx_control_reader r;
    struct unx_control_item item = {.level = SOL_SOCKET, .type = SCM_RIGHTS, .data = room, .len = 8};
    struct unx_cred c = {.known = UNX_KNOWN_ALL};
    int fd = 900;
    CHECK_INT(unx_control_writer_init(NULL, room, sizeof room), -EINVAL);
    CHECK_INT(unx_control_writer_init(&w, NULL, 1), -EINVAL);
    CHECK_INT(unx_control_writer_init(&w, room, sizeof room), 0);
    CHECK_INT(unx_control_add(NULL, 1, 2, "x", 1), -EINVAL);
    CHECK_INT(unx_control_add(&w, 1, 2, NULL, 1), -EINVAL);
    CHECK_INT(unx_control_add_fds(NULL, &fd, 1, 0), -EINVAL);
    CHECK_INT(unx_control_add_fds(&w, NULL, 1, 0), -EINVAL);
    CHECK_INT(unx_control_add_cred(NULL, &c), -EINVAL);
    CHECK_INT(unx_control_add_cred(&w, NULL), -EINVAL);
    CHECK_INT(unx_control_writer_close(NULL), -EINVAL);
    CHECK_INT(w.len, 0);
    CHECK_INT(unx_control_reader_init(NULL, room, sizeof room), -EINVAL);
    CHECK_INT(unx_control_reader_init(&r, NULL, 1), -EINVAL);
    CHECK_INT(unx_control_reader_init(&r, NULL, 0), 0);
    CHECK_INT(unx_control_next(&r, &item), 0);
    CHECK_INT(unx_control_next(NULL, &item), -EINVAL);
    CHECK_INT(unx_control_next(&r, NULL), -EINVAL);
    CHECK_INT(unx_control_nfds(NULL), -EINVAL);
    CHECK_INT(unx_control_take(NULL, &item, 0), -EINVAL);
    CHECK_INT(unx_control_take(&r, NULL, 0), -EINVAL);
    CHECK_INT(unx_control_cred(NULL, &c), -EINVAL);
    CHECK_INT(unx_control_cred(&item, NULL), -EINVAL);
    CHECK_INT(unx_control_reader_close(NULL), -EINVAL);
}

/* An item of another buffer, or one that a caller has changed, takes nothing. */
static void items_of_elsewhere(void)
{
    char room[64], other[64];
    struct unx_control_writer w;
    struct unx_control_reader r;
    struct unx_control_item item, bad;
    int fd = 900;
    CHECK_INT(unx_control_writer_init(&w, room, sizeof room), 0);
    CHECK_INT(unx_control_add_fds(&w, &fd, 1, 0), 0);
    CHECK_INT(unx_control_reader_init(&r, room, w.len), 0);
    CHECK_INT(unx_control_next(&r, &item), 1);
    bad = item;
    bad.data = other;
    CHECK_INT(unx_control_take(&r, &bad, 0), -EINVAL);
    bad = item;
    bad.len = SIZE_MAX;
    CHECK_INT(unx_control_take(&r, &bad, 0), -EINVAL);
    bad = item;
    bad.len = sizeof room;
    CHECK_INT(unx_control_take(&r, &bad, 1), -EINVAL);
    bad = item;
    bad.type = SCM_CREDENTIALS;
    CHECK_INT(unx_control_take(&r, &bad, 0), -EINVAL);
    CHECK_INT(unx_control_take(&r, &item, 1), -EINVAL);
    CHECK_INT(unx_control_take(&r, &item, 0xffffffffu), -EINVAL);
    CHECK_INT(unx_control_take(&r, &item, 0), 900);
}

static void reserved_of_control(void)
{
    char room[64];
    int fd = 900;
    struct unx_cred c = {.known = UNX_KNOWN_ALL};
    for (unsigned i = 0; i < 2; i++) {
        struct unx_control_writer w;
        struct unx_control_reader r;
        struct unx_control_item item;
        CHECK_INT(unx_control_writer_init(&w, room, sizeof room), 0);
        CHECK_INT(unx_control_add_fds(&w, &fd, 1, 0), 0);
        CHECK_INT(unx_control_reader_init(&r, room, w.len), 0);
        CHECK_INT(unx_control_next(&r, &item), 1);
        w.reserved[i] = 1;
        CHECK_INT(unx_control_add(&w, 1, 2, "x", 1), -EINVAL);
        CHECK_INT(unx_control_add_fds(&w, &fd, 1, 0), -EINVAL);
        CHECK_INT(unx_control_add_cred(&w, &c), -EINVAL);
        r.reserved[i] = 1;
        CHECK_INT(unx_control_next(&r, &item), -EINVAL);
        CHECK_INT(unx_control_take(&r, &item, 0), -EINVAL);
    }
}

static void both(int *s, struct unx_msg m, int send, int recv)
{
    struct unx_msg again = m;
    CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), send);
    CHECK_INT(m.error, send);
    CHECK_INT(unx_recv(s[0], &again, UNX_DONTWAIT), recv);
    CHECK_INT(again.error, recv);
    check_nothing(s[1]);
}

/* Control data is there instead of all these. */
static void control_and_more(int *s)
{
    int fds[1] = {s[0]}, pidfd;
    char label[8], control[64] = "";
    struct unx_cred cred;
    CHECK_INT(unx_cred_real(&cred), 0);
    struct unx_msg good = message(&one, 1);
    good.control = control;
    good.control_max = sizeof control;
    struct unx_msg m = good;
    m.fds = fds;
    m.nfds = 1;
    both(s, m, -EINVAL, -EINVAL);
    m = good;
    m.cred = &cred;
    both(s, m, -EINVAL, -EINVAL);
    m = good;
    m.pidfd = &pidfd;
    both(s, m, -EINVAL, -EINVAL);
    m = good;
    m.label = label;
    m.label_max = sizeof label;
    both(s, m, -EINVAL, -EINVAL);
}

/* Each of these alone makes a message that no call takes; a byte is queued, and stays. */
static void messages(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], fds[4], pidfd;
        char label[8];
        raw_pair(raw_types[t], s);
        raw_send(s[1], "x", 1, s, 2);
        const struct unx_msg good = message(&one, 1);
        for (unsigned i = 0; i < 4; i++) {
            struct unx_msg m = good;
            m.reserved[i] = i % 2 ? 1 : UINT64_C(1) << 63;
            both(s, m, -EINVAL, -EINVAL);
        }
        struct unx_msg m = good;
        m.iov = NULL;
        both(s, m, -EINVAL, -EINVAL);
        m = good;
        m.nfds = 1;
        both(s, m, -EINVAL, -EINVAL);
        m = good;
        m.control_max = 16;
        both(s, m, -EINVAL, -EINVAL);
        m = good;
        m.label_max = 16;
        both(s, m, -EINVAL, -EINVAL);
        control_and_more(s);
        /* Not for sending. */
        m = good;
        m.pidfd = &pidfd;
        CHECK_INT(unx_send(s[0], &m, 0), -EINVAL);
        m = good;
        m.label = label;
        m.label_max = sizeof label;
        CHECK_INT(unx_send(s[0], &m, 0), -EINVAL);
        /* What is left can be received. */
        m = good;
        m.fds = fds;
        m.nfds = 4;
        CHECK_INT(unx_recv(s[0], &m, UNX_DONTWAIT), 1);
        CHECK_INT(m.fds_got, 2);
        close_pair(fds);
        close_pair(s);
    }
}

static void lengths(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2];
        raw_pair(raw_types[t], s);
        static const size_t huge[] = {SIZE_MAX, SIZE_MAX / 2 + 1, (size_t)SSIZE_MAX + 1};
        /* More lies behind than a stream takes at once: it would go. */
        static char much[1 << 20];
        for (unsigned i = 0; i < 3; i++) {
            const struct iovec iov = {much, huge[i]};
            struct unx_msg m = message(&iov, 1);
            CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), -EINVAL);
            CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT | UNX_PLAIN), -EINVAL);
            CHECK_INT(m.len, 0);
        }
        /* Their sum is more than a length can say. */
        const struct iovec wraps[2] = {{data, SSIZE_MAX}, {data, SSIZE_MAX}};
        struct unx_msg m = message(wraps, 2);
        CHECK(unx_send(s[0], &m, UNX_DONTWAIT) < 0);
        const struct iovec wild = {(void *)16, 64};
        m = message(&wild, 1);
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), -EFAULT);
        CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT | UNX_PLAIN), -EFAULT);
        check_nothing(s[1]);
        /* Received into nowhere the bytes are gone, but not the descriptors with them. */
        const int before = harness_nfds();
        raw_send(s[1], "x", 1, s, 2);
        CHECK_INT(unx_recv(s[0], &m, UNX_DONTWAIT), -EFAULT);
        CHECK_INT(harness_nfds(), before);
        close_pair(s);
    }
}

static void addresses(void)
{
    int s[2];
    raw_pair(SOCK_DGRAM, s);
    const int alone = raw_socket(SOCK_DGRAM);
    struct unx_addr a;
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = 7};
    memset(&a, 0, sizeof a);
    memcpy(&a.sa, &in, sizeof in);
    a.len = sizeof in;
    struct unx_msg m = message(&one, 1);
    m.addr = &a;
    CHECK_INT(unx_send(alone, &m, 0), -EAFNOSUPPORT);
    CHECK_INT(unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK), -EAFNOSUPPORT);
    CHECK_INT(unx_listen(SOCK_STREAM, 0, &a, -1, UNX_MODE_UMASK), -EAFNOSUPPORT);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, &a, 0), -EAFNOSUPPORT);
    CHECK_INT(unx_connect(SOCK_STREAM, 0, &a, &a, 0), -EAFNOSUPPORT);
    CHECK_INT(unx_connect_to(alone, &a), -EAFNOSUPPORT);
    CHECK_INT(unx_bind_to(alone, &a, UNX_MODE_UMASK), -EAFNOSUPPORT);
    static const socklen_t lengths[] = {1, 112, 200, 255, 256, 257, 4096, INT_MAX, (socklen_t)-1};
    for (unsigned i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        memset(&a, 'x', sizeof a);
        a.un.sun_family = AF_UNIX;
        a.un.sun_path[0] = '\0';
        a.len = lengths[i];
        CHECK_INT(unx_send(alone, &m, 0), -EINVAL);
        CHECK_INT(unx_bind(SOCK_DGRAM, 0, &a, UNX_MODE_UMASK), -EINVAL);
        CHECK_INT(unx_listen(SOCK_STREAM, 0, &a, -1, UNX_MODE_UMASK), -EINVAL);
        CHECK_INT(unx_connect(SOCK_STREAM, 0, NULL, &a, 0), -EINVAL);
        CHECK_INT(unx_connect_to(alone, &a), -EINVAL);
    }
    check_nothing(s[1]);
    close(alone);
    close_pair(s);
}

/* Every value, and beyond: some text, without a full stop at its end. */
static void explanations(void)
{
    for (int i = -4200; i <= 4200; i++) {
        const char *text = unx_explain(i);
        CHECK(text != NULL && text[0] != '\0');
        CHECK(text[strlen(text) - 1] != '.');
        CHECK(strchr(text, '\n') == NULL);
        CHECK(strcmp(text, unx_explain(-i)) == 0);
    }
    CHECK(unx_explain(INT_MIN) != NULL && unx_explain(INT_MAX) != NULL);
    CHECK(strcmp(unx_explain(-EPERM), strerror(EPERM)) != 0);
    CHECK(strcmp(unx_explain(-ENOBUFS), strerror(ENOBUFS)) != 0);
    /* The end of an operation is not told as the news of a hand-over, nor its use as that of a listener. */
    CHECK(strstr(unx_explain(-ECANCELED), "cancelled") != NULL);
    CHECK(strstr(unx_explain(-EBUSY), "operation") != NULL);
    CHECK(unx_version() != NULL && strlen(unx_version()) >= 5);
}

static void one_message_alone(void)
{
    static const int alone[] = {-EMSGSIZE, -ENOBUFS, -EMFILE, -ERANGE};
    unsigned n = 0;
    for (int i = -4200; i <= 4200; i++) {
        int is = 0;
        for (unsigned j = 0; j < 4; j++) {
            is |= i == alone[j];
        }
        CHECK_INT(unx_one_message(i), is);
        n += (unsigned)is;
    }
    CHECK_INT(n, 4);
    CHECK_INT(unx_one_message(INT_MIN), 0);
}

/* Control data too short for a single header: the kernel would send the message without it, in silence. */
static void control_cut_short(void)
{
    for (unsigned t = 0; t < 3; t++) {
        int s[2], fd;
        char room[64];
        struct unx_control_writer w;
        raw_pair(raw_types[t], s);
        fd = s[0];
        CHECK_INT(unx_control_writer_init(&w, room, sizeof room), 0);
        CHECK_INT(unx_control_add_fds(&w, &fd, 1, 0), 0);
        struct unx_msg m = message(&one, 1);
        m.control = room;
        for (m.control_max = 1; m.control_max < unx_control_space(0); m.control_max++) {
            CHECK_INT(unx_send(s[0], &m, UNX_DONTWAIT), -EINVAL);
            CHECK_INT(m.error, -EINVAL);
            CHECK_INT(unx_send_many(s[0], &m, 1, UNX_DONTWAIT), -EINVAL);
            check_nothing(s[1]);
        }
        CHECK_INT(m.control_max, sizeof(struct cmsghdr));
        m.control_max = 0;
        CHECK_INT(unx_send(s[0], &m, 0), 1);
        check_arrived(s[1], data, sizeof data);
        close_pair(s);
    }
}

static const struct test_case cases[] = {
    CASE(null_of_addresses),   CASE(null_of_sockets),   CASE(null_of_control),   CASE(items_of_elsewhere),
    CASE(reserved_of_control), CASE(messages),          CASE(lengths),           CASE(addresses),
    CASE(explanations),        CASE(one_message_alone), CASE(control_cut_short),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
