// SPDX-License-Identifier: MIT
/*
 * Handing over to and from somebody hostile: packets that no libunx would send, and states that could change under
 * their reader. A clear error each time, within the room that the caller gave, and every descriptor closed.
 */
#include "handover.h"

#include <fcntl.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#ifndef F_ADD_SEALS
#define F_ADD_SEALS 1033
#endif

/* One packet: its head, what follows it, and copies of one pipe's write end. */
struct packet {
    struct handover_wire head;
    size_t len;
    unsigned nfds;
    int file; /* instead of the pipe, if not 0 */
    char data[4096];
};

static struct packet packet(unsigned what, uint32_t count, uint32_t value)
{
    struct packet p;
    memset(&p, 0, sizeof p);
    p.head = wire(what);
    p.head.count = count;
    p.head.value = value;
    return p;
}

static struct packet items(uint32_t from, uint32_t n)
{
    struct packet p = packet(WIRE_ITEMS, n, from);
    p.len = n * sizeof(struct unx_handover_fd);
    p.nfds = n;
    return p;
}

static struct packet start_with_file(uint32_t count, int file, uint64_t len)
{
    struct packet p = packet(WIRE_START, count, 1);
    p.head.state_len = len;
    p.nfds = 1;
    p.file = file;
    return p;
}

static void put(int sock, const struct packet *p, int pipe_end)
{
    int fds[8];
    char bytes[sizeof p->head + sizeof p->data];
    memcpy(bytes, &p->head, sizeof p->head);
    memcpy(bytes + sizeof p->head, p->data, p->len);
    for (unsigned i = 0; i < p->nfds; i++) {
        fds[i] = p->file != 0 ? p->file : pipe_end;
    }
    raw_send(sock, bytes, sizeof p->head + p->len, fds, p->nfds);
}

/* A hostile old program sends these packets, and closes if the last one has what == 0. */
static void receive_bad(const struct packet *list, unsigned n, int error)
{
    int s[2], files[2];
    char state[100];
    struct unx_handover_fd room[4];
    const int before = harness_nfds();
    handover_pair(s);
    raw_pipe(files);
    for (unsigned i = 0; i < n && list[i].head.what != 0; i++) {
        put(s[0], &list[i], files[1]);
    }
    if (list[n - 1].head.what == 0) {
        close(s[0]);
    }
    struct unx_handover h = handover_of(room, 4, state, sizeof state);
    CHECK_INT(QUIET(unx_handover_receive(s[1], &h, 0, 5000)), error);
    check_handed_nothing(&h);
    close(s[1]);
    if (list[n - 1].head.what != 0) {
        close(s[0]);
    }
    close(files[1]);
    CHECK(raw_pipe_ended(files[0]));
    close(files[0]);
    CHECK_INT(harness_nfds(), before);
}

#define BAD(what, error, ...)                                                                                          \
    do {                                                                                                               \
        const struct packet list_[] = {__VA_ARGS__};                                                                   \
        ROW("%s", what);                                                                                               \
        receive_bad(list_, sizeof list_ / sizeof *list_, error);                                                       \
    } while (0)

static void bad_heads(void)
{
    struct packet p = packet(WIRE_START, 0, 0);
    p.head.magic++;
    BAD("another magic", -EPROTO, p);
    p.nfds = 1;
    BAD("another magic, with a descriptor", -EPROTO, p);
    p = packet(WIRE_START, 0, 0);
    p.head.magic = __builtin_bswap32(p.head.magic);
    BAD("another byte order", -EPROTO, p);
    p = packet(WIRE_START, 0, 0);
    p.head.version = 2;
    BAD("another version", -EPROTO, p);
    for (unsigned what = 1; what < 1000; what = what < 10 ? what + 1 : what * 3) {
        if (what != WIRE_START && what != WIRE_CANCEL) {
            p = packet(what, 0, 0);
            p.nfds = 1;
            BAD("another first packet", -EPROTO, p);
        }
    }
    for (size_t len = 0; len < sizeof p.head; len += 23) {
        int s[2], files[2];
        char junk[sizeof p.head] = {0};
        handover_pair(s);
        raw_pipe(files);
        raw_send(s[0], junk, len, &files[1], 1);
        struct unx_handover h = handover_of(NULL, 0, NULL, 0);
        CHECK_INT(unx_handover_receive(s[1], &h, 0, 1000), -EPROTO);
        close(files[1]);
        CHECK(raw_pipe_ended(files[0]));
        close(files[0]);
        close_pair(s);
    }
}

static void bad_starts(void)
{
    struct packet p = packet(WIRE_START, 0, 0);
    p.nfds = 1;
    BAD("a short state with a descriptor", -EPROTO, p);
    p = packet(WIRE_START, 0, 0);
    p.len = 5;
    BAD("a state that was not announced", -EPROTO, p);
    p.head.state_len = 6;
    BAD("a short state that is shorter", -EPROTO, p);
    p.head.state_len = UINT64_MAX;
    BAD("a short state that is endless", -EPROTO, p);
    p.head.state_len = p.len = 1025;
    BAD("a short state that is long", -EPROTO, p);
    p = packet(WIRE_START, 0, 1);
    p.head.state_len = 5;
    BAD("a file that is not there", -EPROTO, p);
    p.nfds = 2;
    BAD("two files", -EPROTO, p);
    p.nfds = 1;
    p.len = 5;
    BAD("a file and bytes", -EPROTO, p);
    p = packet(WIRE_START, 0, 2);
    BAD("neither short nor a file", -EPROTO, p);
    BAD("more than the room", -ENOBUFS, packet(WIRE_START, 5, 0));
    BAD("far more than the room", -ENOBUFS, packet(WIRE_START, UINT32_MAX, 0));
}

static int memory(size_t size, int seals)
{
    const int fd = memfd_create("test", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    CHECK(fd >= 0);
    CHECK_INT(ftruncate(fd, (off_t)size), 0);
    CHECK_INT(seals == 0 ? 0 : fcntl(fd, F_ADD_SEALS, seals), 0);
    return fd;
}

/* A state that could shrink would kill the reader, one that could change would be believed after it was checked. */
static void bad_states(void)
{
    raw_need_call(SYS_memfd_create, "memfd_create");
    int files[2];
    char path[200];
    snprintf(path, sizeof path, "%s/file", harness_dir());
    raw_pipe(files);
    const struct {
        const char *what;
        int fd;
    } bad[] = {
        {"a regular file", open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600)},
        {"a pipe", files[0]},
        {"a directory", open(harness_dir(), O_RDONLY | O_CLOEXEC)},
        {"a name only", open(path, O_PATH | O_CLOEXEC)},
        {"a socket", unx_socket(SOCK_SEQPACKET, 0)},
        {"epoll", epoll_create1(EPOLL_CLOEXEC)},
        {"memory without seals", memory(2000, 0)},
        {"memory that may grow", memory(2000, 0xf & ~4)},
        {"memory that may shrink", memory(2000, 0xf & ~2)},
        {"memory that may be written", memory(2000, 0xf & ~8)},
        {"memory that is shorter", memory(1999, 0xf)},
        {"memory that is longer", memory(2001, 0xf)},
        {"memory without a byte", memory(0, 0xf)},
    };
    for (unsigned i = 0; i < sizeof bad / sizeof *bad; i++) {
        CHECK(bad[i].fd >= 0);
        const uint64_t len = i == sizeof bad / sizeof *bad - 1 ? 0 : 2000;
        const int error = strcmp(bad[i].what, "a name only") == 0 ? -EBADF : -EPROTO;
        BAD(bad[i].what, error, start_with_file(0, bad[i].fd, len));
        close(bad[i].fd);
    }
    close(files[1]);
}

static void bad_items(void)
{
    const struct packet start = packet(WIRE_START, 3, 0), end = packet(WIRE_END, 3, 0), closed = packet(0, 0, 0);
    struct packet p = items(0, 2);
    p.head.count = 3;
    BAD("fewer descriptors than said", -EPROTO, start, p);
    p.head.count = 1;
    BAD("more descriptors than said", -EPROTO, start, p);
    p = items(0, 2);
    p.len -= 1;
    BAD("items that are cut", -EPROTO, start, p);
    p.len += 2;
    BAD("items that are too long", -EPROTO, start, p);
    p = items(0, 2);
    memset(p.data + sizeof(struct unx_handover_fd) + 8, 'x', UNX_HANDOVER_NAME);
    BAD("a name without an end", -EPROTO, start, p, items(2, 1), end);
    BAD("more than announced at once", -EPROTO, start, items(0, 4), end);
    BAD("more than announced in sum", -EPROTO, start, items(0, 2), items(2, 2), end);
    BAD("another index", -EPROTO, start, items(1, 2), end);
    BAD("the same again", -EPROTO, start, items(0, 2), items(0, 1), end);
    BAD("an empty list", -EPROTO, start, items(0, 0), end);
    BAD("an early end", -EPROTO, start, items(0, 2), end);
    BAD("two starts", -EPROTO, start, start);
    BAD("too long a list", -EPROTO, start, items(0, 3), items(3, 1), end);
    BAD("another sum", -EPROTO, start, items(0, 3), packet(WIRE_END, 2, 0));
    p = end;
    p.len = 1;
    BAD("an end with bytes", -EPROTO, start, items(0, 3), p);
    p = end;
    p.nfds = 1;
    BAD("an end with a descriptor", -EPROTO, start, items(0, 3), p);
    BAD("given up after the start", -ECANCELED, start, packet(WIRE_CANCEL, 0, 0));
    BAD("given up within the list", -ECANCELED, start, items(0, 2), packet(WIRE_CANCEL, 0, 0));
    BAD("given up before the end", -ECANCELED, start, items(0, 3), packet(WIRE_CANCEL, 0, 0));
    BAD("closed at once", -ECONNRESET, closed);
    BAD("closed after the start", -ECONNRESET, start, closed);
    BAD("closed within the list", -ECONNRESET, start, items(0, 2), closed);
    BAD("closed before the end", -ECONNRESET, start, items(0, 3), closed);
}

/* A hostile successor says these, before and after it was lent everything. */
static void bad_successors(void)
{
    struct packet ready = packet(WIRE_READY, 0, 0), p[12];
    for (unsigned i = 0; i < 12; i++) {
        p[i] = ready;
    }
    p[0].head.magic = 0;
    p[1].head.version = 2;
    p[2].head.what = WIRE_START;
    p[3].head.what = WIRE_CANCEL;
    p[4].head.what = WIRE_VERDICT;
    p[5].len = 1;
    p[6].nfds = 1;
    for (unsigned i = 7; i < 12; i++) {
        p[i] = p[i - 7];
    }
    p[11] = ready;
    for (unsigned i = 0; i < 12; i++) {
        int s[2], files[2];
        struct unx_handover_fd list[2];
        ROW("row %u", i);
        handover_pair(s);
        raw_pipe(files);
        handover_list(list, 2, &files[1], 1);
        struct unx_handover h = handover_of(list, 2, NULL, 0);
        if (i >= 7) {
            put(s[1], &ready, files[1]);
        }
        put(s[1], &p[i], files[1]);
        CHECK_INT(QUIET(unx_handover_send(s[0], &h, 0, 2000)), -EPROTO);
        CHECK_INT(h.reason, 0);
        CHECK(raw_is_open(files[1]));
        close_pair(s);
        close(files[1]);
        CHECK(raw_pipe_ended(files[0]));
        close(files[0]);
    }
}

/* What may come from anywhere at all: random changes of a good conversation. */
static void random_packets(void)
{
    const unsigned rounds = harness_rounds(harness_slow() ? 3000 : 20000);
    unsigned good = 0;
    srandom(7);
    for (unsigned round = 0; round < rounds; round++) {
        struct packet list[4] = {packet(WIRE_START, 3, 0), items(0, 2), items(2, 1), packet(WIRE_END, 3, 0)};
        int s[2], files[2];
        struct unx_handover_fd room[4];
        ROW("round %u", round);
        handover_pair(s);
        raw_pipe(files);
        for (unsigned changes = random() % 3; changes > 0; changes--) {
            struct packet *p = &list[random() % 4];
            if (random() % 4 != 0) {
                ((unsigned char *)&p->head)[random() % sizeof p->head] = (unsigned char)(random() % 5);
            } else if (random() % 2) {
                p->nfds = random() % 4;
            } else {
                p->len = random() % 100;
            }
        }
        for (unsigned i = 0; i < 4; i++) {
            put(s[0], &list[random() % 20 == 0 ? (unsigned)random() % 4 : i], files[1]);
        }
        close(s[0]);
        struct unx_handover h = handover_of(room, 4, NULL, 0);
        if (unx_handover_receive(s[1], &h, 0, 1000) == 0) {
            good++;
            close_handed(&h);
        } else {
            check_handed_nothing(&h);
        }
        close(s[1]);
        close(files[1]);
        CHECK(raw_pipe_ended(files[0]));
        close(files[0]);
    }
    NOTE("%u rounds, %u of them a good hand-over", rounds, good);
    CHECK(good > 0 && good < rounds);
}

static const struct test_case cases[] = {
    CASE(bad_heads), CASE(bad_starts), CASE(bad_states), CASE(bad_items), CASE(bad_successors), CASE(random_packets),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
