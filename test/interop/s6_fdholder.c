// SPDX-License-Identifier: MIT
/*
 * s6-fdholder: a program that keeps descriptors for others, over a stream of messages "length and number of
 * descriptors, then the bytes", all big-endian, with the descriptors beside them. Both ways: our client with its
 * daemon, and its clients with our server; and descriptors that one side stored and the other one took out.
 *
 * What surprised us: the descriptors of a message come with the first byte of its header, and so before anybody knows
 * that there are any.
 */
#include "interop.h"

#include <arpa/inet.h>

enum { HEADER = 6 };

static void send_message(int fd, const void *body, size_t n, const int *fds, unsigned nfds)
{
    unsigned char message[300];
    const uint32_t len = htonl((uint32_t)n);
    const uint16_t count = htons((uint16_t)nfds);
    CHECK(n <= sizeof message - HEADER);
    memcpy(message, &len, 4);
    memcpy(message + 4, &count, 2);
    memcpy(message + HEADER, body, n);
    ours_send(fd, message, HEADER + n, fds, nfds);
}

/* The body of the next message; returns its length. Exactly nfds descriptors come, and are in taken[]. */
static size_t receive_message(int fd, unsigned char *body, size_t max, int *taken, unsigned nfds)
{
    uint32_t len;
    uint16_t count;
    size_t have = 0;
    unsigned fds = 0;
    unsigned char message[300];
    do {
        CHECK_INT(ours_recv(fd), 1);
        CHECK(got.len <= sizeof message - have && fds + got.fds_got <= nfds);
        memcpy(message + have, got_data, got.len);
        have += got.len;
        for (unsigned i = 0; i < got.fds_got; i++)
            taken[fds++] = got_fds[i];
        memcpy(&len, message, 4);
        memcpy(&count, message + 4, 2);
    } while (have < HEADER || have < HEADER + ntohl(len));
    CHECK_INT(have, HEADER + ntohl(len));
    CHECK_INT(ntohs(count), nfds);
    CHECK_INT(fds, nfds);
    CHECK(ntohl(len) <= max);
    memcpy(body, message + HEADER, ntohl(len));
    return ntohl(len);
}

/* One question and its answer. Returns the first byte of the answer, which is 0 or an errno value. */
static int ask(int fd, const void *body, size_t n, const int *fds, unsigned nfds, int *taken, unsigned ntaken)
{
    unsigned char answer[256];
    send_message(fd, body, n, fds, nfds);
    CHECK_INT(receive_message(fd, answer, sizeof answer, taken, ntaken), 1);
    return answer[0];
}

/* An id in a question: its length, its bytes, a NUL. Returns what it takes. */
static size_t put_id(char *to, const char *id)
{
    const size_t n = strlen(id);
    to[0] = (char)n;
    memcpy(to + 1, id, n + 1);
    return n + 2;
}

static int store(int fd, const char *id, int lent)
{
    /* For ever: a time label of 12 bytes far away. */
    char body[64] = {'S', 0x60};
    return ask(fd, body, 13 + put_id(body + 13, id), &lent, 1, NULL, 0);
}

/* A descriptor that is taken out is kept no longer. */
static int take(int fd, const char *id, int *taken, unsigned ntaken)
{
    char body[64] = {'R', 1};
    return ask(fd, body, 2 + put_id(body + 2, id), NULL, 0, taken, ntaken);
}

/* ---- its daemon ---- */

struct daemon {
    struct peer peer;
    char path[256];
};

static void put_file(const char *path, const char *name, const char *content)
{
    char full[512];
    snprintf(full, sizeof full, "%s/%s", path, name);
    const int fd = open(full, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    CHECK_INT(write(fd, content, strlen(content)), strlen(content));
    close(fd);
}

/* Admits this user to everything. */
static void start_daemon(struct daemon *d)
{
    char rules[300], part[400];
    need("s6-fdholderd");
    snprintf(d->path, sizeof d->path, "%s", raw_file("fdh"));
    snprintf(rules, sizeof rules, "%s", raw_file("rules"));
    CHECK(mkdir(rules, 0700) == 0);
    snprintf(part, sizeof part, "%s/uid", rules);
    CHECK(mkdir(part, 0700) == 0);
    snprintf(part, sizeof part, "%s/uid/%u", rules, geteuid());
    CHECK(mkdir(part, 0700) == 0);
    put_file(part, "allow", "");
    strcat(part, "/env");
    CHECK(mkdir(part, 0700) == 0);
    put_file(part, "S6_FDHOLDER_LIST", "1");
    put_file(part, "S6_FDHOLDER_STORE_REGEX", ".");
    put_file(part, "S6_FDHOLDER_RETRIEVE_REGEX", ".");
    const char *const argv[] = {"s6-fdholder-daemon", "-1", "-i", rules, d->path, NULL};
    d->peer = peer_start(argv, NULL, NULL);
    peer_says(&d->peer, "\n", 1);
}

static void our_client_their_daemon(void)
{
    struct daemon d;
    unsigned char answer[64];
    int fd, taken, pair[2];
    start_daemon(&d);
    const int file = file_with("file", "kept");
    fd = ours_connect(SOCK_STREAM, UNX_PASSFDS, d.path);
    CHECK_INT(unx_pair(SOCK_SEQPACKET, 0, pair), 0);
    CHECK_INT(store(fd, "file", file), 0);
    CHECK_INT(store(fd, "socket", pair[0]), 0);
    CHECK_INT(store(fd, "file", file), EBUSY);
    close(pair[0]);
    send_message(fd, "L", 1, NULL, 0);
    const size_t n = receive_message(fd, answer, sizeof answer, NULL, 0);
    /* In no order. */
    if (memcmp(answer + 5, "file", 5))
        CHECK_MEM(answer, n, "\0\0\0\0\2socket\0file\0", 17);
    else
        CHECK_MEM(answer, n, "\0\0\0\0\2file\0socket\0", 17);
    close(fd);
    /* They outlive the connection. */
    fd = ours_connect(SOCK_STREAM, UNX_PASSFDS, d.path);
    CHECK_INT(take(fd, "file", &taken, 1), 0);
    check_same_file(taken, file);
    CHECK_INT(take(fd, "socket", &taken, 1), 0);
    ours_send(taken, "still connected", 15, NULL, 0);
    close(taken);
    ours_gets(pair[1], "still connected", 15, 0);
    CHECK_INT(take(fd, "file", NULL, 0), ENOENT);
    close(fd);
    close(file);
    close(pair[1]);
    peer_stop(&d.peer, SIGTERM);
}

static void from_file(void *arg)
{
    CHECK(dup2(*(int *)arg, 0) == 0);
}

static void run_client(const char *const argv[], int *input, const char *output)
{
    struct peer p = peer_start(argv, input ? from_file : NULL, input);
    peer_hang_up(&p);
    peer_says(&p, output, strlen(output));
    peer_says_end(&p);
    peer_ends(&p, 0);
}

static void stored_by_one_taken_by_the_other(void)
{
    struct daemon d;
    int taken, file = file_with("file", "theirs"), ours = file_with("ours", "ours");
    start_daemon(&d);
    const char *const store_argv[] = {"s6-fdholder-store", "-d", "0", d.path, "theirs", NULL};
    run_client(store_argv, &file, "");
    const int fd = ours_connect(SOCK_STREAM, UNX_PASSFDS, d.path);
    CHECK_INT(take(fd, "theirs", &taken, 1), 0);
    check_same_file(taken, file);
    CHECK_INT(store(fd, "ours", ours), 0);
    const char *const take_argv[] = {"s6-fdholder-retrieve", "-D", d.path, "ours", need("cat"), NULL};
    run_client(take_argv, NULL, "ours");
    close(fd);
    close(file);
    close(ours);
    peer_stop(&d.peer, SIGTERM);
}

/* ---- its clients ---- */

static void our_server_their_clients(void)
{
    static const unsigned char ok[] = {0}, missing[] = {ENOENT};
    unsigned char body[64];
    int kept, file = file_with("file", "through our server");
    const char *path = raw_file("fdh");
    need("s6-fdholder-store");
    const int listener = ours_listen(SOCK_STREAM, UNX_PASSFDS, path);

    const char *const store_argv[] = {"s6-fdholder-store", "-d", "0", path, "one", NULL};
    struct peer p = peer_start(store_argv, from_file, &file);
    int fd = ours_accept(listener);
    CHECK_INT(receive_message(fd, body, sizeof body, &kept, 1), 18);
    CHECK(body[0] == 'S');
    CHECK_MEM(body + 13, 5, "\3one", 5);
    CHECK(raw_cloexec(kept) && raw_same_file(kept, file));
    send_message(fd, ok, 1, NULL, 0);
    ours_gets_end(fd);
    close(fd);
    peer_ends(&p, 0);

    const char *const list_argv[] = {"s6-fdholder-list", path, NULL};
    p = peer_start(list_argv, NULL, NULL);
    fd = ours_accept(listener);
    CHECK_INT(receive_message(fd, body, sizeof body, NULL, 0), 1);
    CHECK(body[0] == 'L');
    send_message(fd, "\0\0\0\0\2one\0two\0", 13, NULL, 0);
    peer_says(&p, "one\ntwo\n", 8);
    close(fd);
    peer_ends(&p, 0);

    const char *const take_argv[] = {"s6-fdholder-retrieve", path, "one", need("cat"), NULL};
    p = peer_start(take_argv, NULL, NULL);
    fd = ours_accept(listener);
    CHECK_INT(receive_message(fd, body, sizeof body, NULL, 0), 7);
    CHECK_MEM(body, 7, "R\0\3one", 7);
    send_message(fd, ok, 1, &kept, 1);
    close(fd);
    peer_says(&p, "through our server", 18);
    peer_ends(&p, 0);

    p = peer_start(take_argv, NULL, NULL);
    fd = ours_accept(listener);
    CHECK_INT(receive_message(fd, body, sizeof body, NULL, 0), 7);
    send_message(fd, missing, 1, NULL, 0);
    close(fd);
    peer_says_end(&p);
    peer_ends(&p, 1);
    close(kept);
    close(file);
    close(listener);
}

static const struct test_case cases[] = {
    PEER_CASE(our_client_their_daemon),
    PEER_CASE(stored_by_one_taken_by_the_other),
    PEER_CASE(our_server_their_clients),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
