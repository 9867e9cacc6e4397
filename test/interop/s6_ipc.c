// SPDX-License-Identifier: MIT
/*
 * s6-ipcserver and s6-ipcclient: streams whose ends become the descriptors of a program, 0 and 1 of a server's, 6 and
 * 7 of a client's, and the peer's identity in its environment.
 *
 * What surprised us: there is nothing to wait for but the socket file, unless the server is asked by -1 to say that
 * it is ready, on its standard output.
 */
#include "interop.h"

static char block[70000];

static void their_server(void)
{
    char want[300];
    const char *path = raw_file("s");
    need("s6-ipcserverd");
    const char *const argv[] = {"s6-ipcserver",
                                "-1",
                                path,
                                need("sh"),
                                "-c",
                                "echo \"$PROTO $IPCREMOTEEUID $IPCREMOTEEGID $IPCREMOTEPATH.\"; exec cat",
                                NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    peer_says(&p, "\n", 1);
    raw_pattern(block, sizeof block, 1);
    /* Without a name, and with one. */
    for (int named = 0; named < 2; named++) {
        const char *own = raw_file("own");
        const struct unx_addr to = ours_addr(path), from = ours_addr(own);
        const int fd = unx_connect(SOCK_STREAM, 0, named ? &from : NULL, &to, PEER_WAIT);
        CHECK(fd >= 0);
        const int n = snprintf(want, sizeof want, "IPC %u %u %s.\n", geteuid(), getegid(), named ? own : "");
        ours_gets_bytes(fd, want, (size_t)n);
        ours_send(fd, block, sizeof block, NULL, 0);
        ours_gets_bytes(fd, block, sizeof block);
        CHECK_INT(unx_shutdown(fd, SHUT_WR), 0);
        ours_gets_end(fd);
        close(fd);
    }
    peer_stop(&p, SIGTERM);
}

static void their_client(void)
{
    const char *path = raw_file("s");
    const char *const argv[] = {"s6-ipcclient", path, need("sh"), "-c", "echo $PROTO >&7; cat <&6", NULL};
    const int listener = ours_listen(SOCK_STREAM, 0, path);
    struct peer p = peer_start(argv, NULL, NULL);
    const int fd = ours_accept(listener);
    struct unx_cred who;
    CHECK_INT(unx_peer_cred(fd, &who), 0);
    CHECK_INT(who.pid, p.pid);
    ours_gets_bytes(fd, "IPC\n", 4);
    raw_pattern(block, sizeof block, 2);
    /* More than the two queues hold, so it has to be read meanwhile. */
    for (size_t done = 0; done < sizeof block; done += 10000) {
        ours_send(fd, block + done, 10000, NULL, 0);
        peer_says(&p, block + done, 10000);
    }
    close(fd);
    peer_says_end(&p);
    peer_ends(&p, 0);
    close(listener);
}

static const struct test_case cases[] = {
    PEER_CASE(their_server),
    PEER_CASE(their_client),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
