// SPDX-License-Identifier: MIT
/*
 * tmux(1): imsg, a stream of messages with a header of 16 bytes each, and a descriptor beside some of them: a client
 * lends its server its standard input and output. Our server with its client, and our client with its server, which
 * then writes into the pipe that we lent.
 *
 * What surprised us: a message says by a flag that a descriptor belongs to it, and its client sends each of them in a
 * sendmsg(2) whose last message is that one, so that a reader may find the descriptor before the message. Descriptors
 * have to be queued and handed out in order.
 */
#include "interop.h"

enum {
    FLAGS = 100,
    TERM,
    TTYNAME,
    STDIN = 104,
    ENVIRON,
    DONE,
    CLIENTPID,
    CWD,
    FEATURES,
    STDOUT,
    LONGFLAGS,
    COMMAND = 200,
    EXIT = 203,
    EXITED,
    EXITING,
    WRITE_OPEN = 303,
    WRITE,
    WRITE_READY,
    WRITE_CLOSE,
    HAS_FD = 1,
    PROTOCOL = 8,
    CONTROL = 0x2000 /* of the client's flags: tmux -C */
};

struct header {
    uint32_t type;
    uint16_t len, flags;
    uint32_t version, pid;
};

/* What came and was not taken yet. */
struct reader {
    int fd;
    size_t have;
    unsigned nfds;
    int fds[16];
    char data[65536];
};

struct message {
    struct header h;
    int fd; /* -1: none */
    size_t len;
    char body[16384];
};

/* Reads a message; 0 at the end. */
static int next_message(struct reader *r, struct message *m)
{
    for (;;) {
        if (r->have >= sizeof m->h) {
            memcpy(&m->h, r->data, sizeof m->h);
            CHECK(m->h.len >= sizeof m->h && m->h.len - sizeof m->h <= sizeof m->body);
        }
        if (r->have >= sizeof m->h && r->have >= m->h.len)
            break;
        const int result = ours_recv(r->fd);
        CHECK(result >= 0);
        if (result == 0) {
            CHECK_INT(r->have, 0);
            return 0;
        }
        CHECK(got.len <= sizeof r->data - r->have && r->nfds + got.fds_got <= 16);
        memcpy(r->data + r->have, got_data, got.len);
        r->have += got.len;
        for (unsigned i = 0; i < got.fds_got; i++)
            r->fds[r->nfds++] = got_fds[i];
    }
    m->len = m->h.len - sizeof m->h;
    memcpy(m->body, r->data + sizeof m->h, m->len);
    memmove(r->data, r->data + m->h.len, r->have -= m->h.len);
    CHECK_INT(m->h.version, PROTOCOL);
    m->fd = -1;
    if (m->h.flags & HAS_FD) {
        CHECK(r->nfds > 0);
        m->fd = r->fds[0];
        memmove(r->fds, r->fds + 1, --r->nfds * sizeof r->fds[0]);
    }
    return 1;
}

static void send_message(int to, uint32_t type, const void *body, size_t n, const int *lend)
{
    char whole[4096];
    const struct header h = {type, (uint16_t)(sizeof h + n), lend ? HAS_FD : 0, PROTOCOL, (uint32_t)-1};
    CHECK(n <= sizeof whole - sizeof h);
    memcpy(whole, &h, sizeof h);
    if (n)
        memcpy(whole + sizeof h, body, n);
    ours_send(to, whole, sizeof h + n, lend, lend ? 1 : 0);
}

static void gets_message(struct reader *r, struct message *m, uint32_t type)
{
    CHECK_INT(next_message(r, m), 1);
    CHECK_INT(m->h.type, type);
}

/* ---- its client ---- */

static void from_file(void *arg)
{
    CHECK(dup2(*(int *)arg, 0) == 0);
    CHECK_INT(setenv("TERM", "dumb", 1), 0);
    CHECK_INT(unsetenv("TMUX"), 0);
}

static void our_server_their_client(void)
{
    static struct reader r;
    static struct message m;
    static const uint32_t stream_and_stdout[] = {1, 1, 0}, stream[] = {1}, status[] = {3};
    int input = file_with("input", "standard input"), seen = 0;
    const char *path = raw_file("s");
    const char *const argv[] = {"tmux", "-S", path, "-f", "/dev/null", "some-command", "with an argument", NULL};
    need("tmux");
    const int listener = ours_listen(SOCK_STREAM, UNX_PASSFDS, path);
    struct peer p = peer_start(argv, from_file, &input);
    r.fd = ours_accept(listener);
    struct stat theirs, ours;
    CHECK(fstat(p.out, &ours) == 0);
    do {
        CHECK_INT(next_message(&r, &m), 1);
        CHECK_INT(m.fd >= 0, m.h.type == STDIN || m.h.type == STDOUT);
        if (m.h.type == STDIN)
            check_same_file(m.fd, input), seen |= 1;
        if (m.h.type == STDOUT) {
            CHECK(raw_cloexec(m.fd) && fstat(m.fd, &theirs) == 0);
            CHECK(theirs.st_dev == ours.st_dev && theirs.st_ino == ours.st_ino);
            CHECK_INT(write(m.fd, "directly\n", 9), 9);
            close(m.fd), seen |= 2;
        }
        if (m.h.type == TERM) {
            CHECK_MEM(m.body, m.len, "dumb", 5);
            seen |= 4;
        }
        if (m.h.type == CLIENTPID) {
            CHECK_MEM(m.body, m.len, &p.pid, sizeof p.pid);
            seen |= 8;
        }
    } while (m.h.type != COMMAND);
    CHECK_INT(seen, 15);
    CHECK_INT(r.nfds, 0);
    CHECK_MEM(m.body, m.len, "\2\0\0\0some-command\0with an argument\0", 34);
    send_message(r.fd, WRITE_OPEN, stream_and_stdout, sizeof stream_and_stdout, NULL);
    gets_message(&r, &m, WRITE_READY);
    CHECK_MEM(m.body, m.len, "\1\0\0\0\0\0\0\0", 8);
    send_message(r.fd, WRITE, "\1\0\0\0through the client\n", 23, NULL);
    send_message(r.fd, WRITE_CLOSE, stream, sizeof stream, NULL);
    send_message(r.fd, EXIT, status, sizeof status, NULL);
    peer_says(&p, "directly\nthrough the client\n", 28);
    peer_says_end(&p);
    peer_ends(&p, 3);
    CHECK_INT(next_message(&r, &m), 0);
    close(r.fd);
    close(listener);
    close(input);
}

/* ---- its server ---- */

static struct peer start_server(const char *path)
{
    const char *const argv[] = {"tmux", "-D", "-S", path, "-f", "/dev/null", NULL};
    need("tmux");
    int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
    struct peer p = peer_start(argv, from_file, &null);
    close(null);
    return p;
}

static void identify(int fd, uint64_t flags, const int *in, const int *out)
{
    const uint32_t old_flags = (uint32_t)flags, pid = (uint32_t)getpid(), features = 0;
    send_message(fd, FLAGS, &old_flags, sizeof old_flags, NULL);
    send_message(fd, LONGFLAGS, &flags, sizeof flags, NULL);
    send_message(fd, TERM, "dumb", 5, NULL);
    send_message(fd, FEATURES, &features, sizeof features, NULL);
    send_message(fd, TTYNAME, "", 1, NULL);
    send_message(fd, CWD, "/", 2, NULL);
    send_message(fd, STDIN, NULL, 0, in);
    send_message(fd, STDOUT, NULL, 0, out);
    send_message(fd, CLIENTPID, &pid, sizeof pid, NULL);
    send_message(fd, ENVIRON, "TERM=dumb", 10, NULL);
    send_message(fd, DONE, NULL, 0, NULL);
}

static const char command[] = "\4\0\0\0set-buffer\0in a buffer\0;\0show-buffer\0";

static void our_client_their_server(void)
{
    static struct reader r;
    static struct message m;
    int in[2], out[2];
    const char *path = raw_file("s");
    struct peer p = start_server(path);
    r.fd = ours_connect(SOCK_STREAM, 0, path);
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    identify(r.fd, 0, &in[0], &out[1]);
    send_message(r.fd, COMMAND, command, sizeof command - 1, NULL);
    gets_message(&r, &m, WRITE_OPEN);
    uint32_t answer[2] = {0, 0};
    memcpy(answer, m.body, sizeof answer[0]);
    send_message(r.fd, WRITE_READY, answer, sizeof answer, NULL);
    gets_message(&r, &m, WRITE);
    CHECK_MEM(m.body + 4, m.len - 4, "in a buffer", 11);
    gets_message(&r, &m, WRITE_CLOSE);
    gets_message(&r, &m, EXIT);
    CHECK_MEM(m.body, m.len, "\0\0\0\0", 4);
    send_message(r.fd, EXITING, NULL, 0, NULL);
    gets_message(&r, &m, EXITED);
    close(r.fd);
    for (int i = 0; i < 2; i++)
        close(in[i]), close(out[i]);
    peer_stop(&p, SIGTERM);
}

/* In control mode its server reads and writes the descriptors that it was lent. */
static void it_uses_the_descriptors_we_lent(void)
{
    static struct reader r;
    static struct message m;
    static const char wanted[] = "%begin \n%end \n%begin \nin a buffer\n%end \n";
    char line[256], all[512] = "";
    int in[2], out[2];
    const char *path = raw_file("s");
    struct peer p = start_server(path);
    r.fd = ours_connect(SOCK_STREAM, 0, path);
    CHECK(pipe2(in, O_CLOEXEC) == 0 && pipe2(out, O_CLOEXEC) == 0);
    identify(r.fd, CONTROL, &in[0], &out[1]);
    close(in[0]);
    close(out[1]);
    send_message(r.fd, COMMAND, command, sizeof command - 1, NULL);
    FILE *f = fdopen(out[0], "r");
    CHECK(f != NULL);
    while (strcmp(all, wanted) && fgets(line, sizeof line, f)) {
        /* Without the time and the numbers. */
        if (line[0] == '%')
            strcpy(strchr(line, ' ') + 1, "\n");
        strncat(all, line, sizeof all - strlen(all) - 1);
    }
    CHECK_MEM(all, strlen(all), wanted, strlen(wanted));
    fclose(f);
    close(in[1]);
    gets_message(&r, &m, EXIT);
    close(r.fd);
    peer_stop(&p, SIGTERM);
}

static const struct test_case cases[] = {
    PEER_CASE(our_server_their_client),
    PEER_CASE(our_client_their_server),
    PEER_CASE(it_uses_the_descriptors_we_lent),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
