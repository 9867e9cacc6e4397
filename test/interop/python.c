// SPDX-License-Identifier: MIT
/*
 * Python's socket module: packets, empty ones too, descriptors and credentials in both directions, and what each side
 * sees when the other gives more descriptors than there is room for.
 *
 * What surprised us: recv_fds() reports MSG_CTRUNC and goes on, with the descriptors that did fit; here that is an
 * error and none is kept.
 */
#include "interop.h"

/* What every script begins with: s is a new socket of type argv[1], at the address argv[2]. Files go by name. */
#define BEGIN                                                                                                          \
    "import os, socket, struct, sys\n"                                                                                 \
    "kind, at = sys.argv[1:3]\n"                                                                                       \
    "s = socket.socket(socket.AF_UNIX, getattr(socket, 'SOCK_' + kind))\n"                                             \
    "at = '\\0' + at[1:] if at[0] == '@' else at\n"                                                                    \
    "def say(*words): print(*words, flush=True)\n"                                                                     \
    "def name(fd): return os.path.basename(os.readlink('/proc/self/fd/%d' % fd))\n"

static struct peer python(const char *script, int type, const char *address)
{
    const char *const argv[] = {"python3", "-c", script, raw_type_name(type), address, NULL};
    return peer_start(argv, NULL, NULL);
}

/* Both addresses of each type that connects. */
static void each(void (*run)(int type, const char *address))
{
    static const int types[] = {SOCK_SEQPACKET, SOCK_STREAM};
    need("python3");
    for (int i = 0; i < 4; i++) {
        char file[16];
        snprintf(file, sizeof file, "s%d", i);
        const char *address = i / 2 ? abstract_name(file) : raw_file(file);
        ROW("%s at %s", raw_type_name(types[i % 2]), address);
        run(types[i % 2], address);
    }
}

/* ---- it serves ---- */

static const char server[] = BEGIN "s.bind(at); s.listen()\n"
                                   "c, _ = s.accept()\n"
                                   "while True:\n"
                                   "    data, fds, flags, _ = socket.recv_fds(c, 200000, 100)\n"
                                   "    say(len(data), flags & socket.MSG_CTRUNC, *map(name, fds))\n"
                                   "    if data == b'end': break\n"
                                   "    socket.send_fds(c, [data[::-1]], fds) if fds else c.send(data[::-1])\n"
                                   "    for fd in fds: os.close(fd)\n"
                                   "c.close()\n";

static void with_server(int type, const char *address)
{
    static char block[60000], back[60000];
    struct peer p = python(server, type, address);
    const int fd = ours_connect(type, UNX_PASSFDS, address);
    const int a = file_with("a", "alpha"), b = file_with("b", "beta");
    const int both[] = {a, b, a};
    ours_send(fd, "with three", 10, both, 3);
    peer_says_line(&p, "10 0 a b a");
    ours_gets(fd, "eerht htiw", 10, 3);
    for (int i = 0; i < 3; i++)
        check_same_file(got_fds[i], both[i]);
    if (type == SOCK_SEQPACKET) {
        ours_send(fd, "", 0, NULL, 0);
        peer_says_line(&p, "0 0");
        ours_gets(fd, "", 0, 0);
        raw_pattern(block, sizeof block, 1);
        for (size_t i = 0; i < sizeof block; i++)
            back[i] = block[sizeof block - 1 - i];
        ours_send(fd, block, sizeof block, NULL, 0);
        peer_says_line(&p, "60000 0");
        ours_gets(fd, back, sizeof back, 0);
    }
    ours_send(fd, "end", 3, &a, 1);
    peer_says_line(&p, "3 0 a");
    ours_gets_end(fd);
    close(fd);
    close(a);
    close(b);
    peer_ends(&p, 0);
}

static void it_serves(void)
{
    each(with_server);
}

/* ---- it is the client ---- */

static const char client[] = BEGIN "s.connect(at)\n"
                                   "r, w = os.pipe()\n"
                                   "socket.send_fds(s, [b'a pipe'], [w])\n"
                                   "os.close(w)\n"
                                   "say(os.read(r, 100).decode(), len(os.read(r, 100)))\n"
                                   "data, fds, flags, _ = socket.recv_fds(s, 100, 2)\n"
                                   "say(data.decode(), *map(name, fds))\n"
                                   "if kind == 'SEQPACKET': s.send(b''); s.send(b'')\n"
                                   "s.send(b'x\\0y')\n"
                                   "s.shutdown(socket.SHUT_WR)\n"
                                   "say(len(s.recv(10)))\n";

static void with_client(int type, const char *address)
{
    const int listener = ours_listen(type, UNX_PASSFDS | UNX_PASSCRED, address);
    struct peer p = python(client, type, address);
    const int fd = ours_accept(listener);
    struct unx_cred who;
    CHECK_INT(unx_peer_cred(fd, &who), 0);
    CHECK_INT(who.pid, p.pid);
    ours_gets(fd, "a pipe", 6, 1);
    CHECK(got_cred.known == UNX_KNOWN_ALL && got_cred.pid == p.pid && got_cred.uid == geteuid());
    struct stat st;
    CHECK(fstat(got_fds[0], &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK_INT(fcntl(got_fds[0], F_GETFL) & O_ACCMODE, O_WRONLY);
    CHECK_INT(write(got_fds[0], "through", 7), 7);
    close(got_fds[0]);
    peer_says_line(&p, "through 0");
    const int file = file_with("file", "text"), two[] = {file, listener};
    ours_send(fd, "two", 3, two, 2);
    const char *said = peer_line(&p);
    CHECK(!strncmp(said, "two file socket:[", 17));
    if (type == SOCK_SEQPACKET) {
        ours_gets(fd, "", 0, 0);
        ours_gets(fd, "", 0, 0);
    }
    ours_gets(fd, "x\0y", 3, 0);
    ours_gets_end(fd);
    close(fd);
    peer_says_line(&p, "0");
    close(file);
    close(listener);
    peer_ends(&p, 0);
}

static void it_is_the_client(void)
{
    each(with_client);
}

/* ---- too many descriptors ---- */

static const char cut[] = BEGIN "s.connect(at)\n"
                                "data, anc, flags, _ = s.recvmsg(100, socket.CMSG_SPACE(4))\n"
                                "n = sum(len(d) // 4 for _, _, d in anc)\n"
                                "say(data.decode(), bool(flags & socket.MSG_CTRUNC), n >= 1, n < 5)\n"
                                "socket.send_fds(s, [b'five'], [0] * 5)\n"
                                "socket.send_fds(s, [b'none'], [])\n"
                                "socket.send_fds(s, [b'one'], [0])\n";

static void too_many_descriptors(void)
{
    const char *path = raw_file("s");
    need("python3");
    const int listener = ours_listen(SOCK_SEQPACKET, UNX_PASSFDS, path);
    struct peer p = python(cut, SOCK_SEQPACKET, path);
    const int fd = ours_accept(listener), five[] = {0, 1, 2, 0, 1};
    ours_send(fd, "many", 4, five, 5);
    peer_says_line(&p, "many True True True");
    int room[2];
    char data[100];
    const struct iovec iov = {data, sizeof data};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = room, .nfds = 2};
    const int before = harness_nfds();
    CHECK_INT(unx_recv(fd, &m, 0), -ENOBUFS);
    CHECK_INT(unx_one_message(-ENOBUFS), 1);
    CHECK_INT(m.fds_got, 0);
    CHECK(m.got & UNX_CUT_FDS);
    CHECK_INT(harness_nfds(), before);
    ours_gets(fd, "none", 4, 0);
    ours_gets(fd, "one", 3, 1);
    close(got_fds[0]);
    ours_gets_end(fd);
    close(fd);
    close(listener);
    peer_ends(&p, 0);
}

/* ---- credentials and datagrams ---- */

static const char with_cred[] = BEGIN "s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)\n"
                                      "s.bind(at)\n"
                                      "say('ready')\n"
                                      "data, anc, flags, peer = s.recvmsg(100, 400)\n"
                                      "for level, what, value in anc:\n"
                                      "    if what == socket.SCM_CREDENTIALS: say(*struct.unpack('iii', value))\n"
                                      "    if what == socket.SCM_RIGHTS: say(name(struct.unpack('i', value)[0]))\n"
                                      "cred = struct.pack('iii', os.getpid(), os.getuid(), os.getgid())\n"
                                      "s.sendmsg([b'back', b'', b' to you'],\n"
                                      "  [(socket.SOL_SOCKET, socket.SCM_CREDENTIALS, cred)], 0, peer)\n"
                                      "s.sendto(b'', peer)\n";

static void datagrams_with_credentials(void)
{
    char want[64];
    const char *path = raw_file("s");
    const struct unx_addr to = ours_addr(path), own = ours_addr(raw_file("own"));
    need("python3");
    struct peer p = python(with_cred, SOCK_DGRAM, path);
    peer_says_line(&p, "ready");
    const int fd = unx_connect(SOCK_DGRAM, UNX_PASSCRED, &own, &to, 1000), file = file_with("file", "x");
    CHECK(fd >= 0);
    struct unx_cred mine;
    CHECK_INT(unx_cred_effective(&mine), 0);
    /* Root may claim to be another, and only so what was attached differs from what comes by itself. */
    if (geteuid() == 0)
        mine.uid = 12345, mine.gid = 54321;
    int lent = file;
    const struct iovec iov = {(char *)"q", 1};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = &lent, .nfds = 1, .cred = &mine};
    CHECK_INT(unx_send(fd, &m, 0), 1);
    const char *said = peer_line(&p);
    char *first = strdup(said);
    CHECK(first != NULL);
    const char *second = peer_line(&p);
    snprintf(want, sizeof want, "%d %d %d", (int)getpid(), (int)mine.uid, (int)mine.gid);
    CHECK((!strcmp(first, want) && !strcmp(second, "file")) || (!strcmp(second, want) && !strcmp(first, "file")));
    free(first);
    ours_gets(fd, "back to you", 11, 0);
    CHECK(got_cred.known == UNX_KNOWN_ALL && got_cred.pid == p.pid && got_cred.uid == getuid());
    CHECK_INT(unx_addr_compare(&got_addr, &to), 0);
    ours_gets(fd, "", 0, 0);
    close(fd);
    close(file);
    peer_ends(&p, 0);
}

static const struct test_case cases[] = {
    PEER_CASE(it_serves),
    PEER_CASE(it_is_the_client),
    PEER_CASE(too_many_descriptors),
    PEER_CASE(datagrams_with_credentials),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
