// SPDX-License-Identifier: MIT
/*
 * Notifications, byte by byte and descriptor by descriptor: what the library sends is taken by a manager written with
 * Python's calls, and what systemd-notify and libsystemd send comes to the library. What they mean is in
 * ../test_systemd.c.
 *
 * There is no real service manager among the peers: systemd as a user's manager moves every process of the control
 * group it is started in, which a test must not do.
 *
 * What surprised us: the descriptor of a barrier is the write end of a pipe, and its closing is the answer: a manager
 * that keeps what it does not know keeps its services waiting.
 */
#include "interop.h"

#include <unx/activation.h>

/* ---- their manager ---- */

static const char manager[] =
    "import fcntl, os, socket, struct, sys\n"
    "at = sys.argv[1]\n"
    "s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
    "s.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)\n"
    "s.bind('\\0' + at[1:] if at[0] == '@' else at)\n"
    "print('ready', flush=True)\n"
    "for i in range(3):\n"
    "    data, anc, flags, _ = s.recvmsg(5000, 4000)\n"
    "    pid, fds = 0, []\n"
    "    for level, what, value in anc:\n"
    "        if what == socket.SCM_CREDENTIALS: pid = struct.unpack('iii', value)[0]\n"
    "        else: fds = struct.unpack('%di' % (len(value) // 4), value)\n"
    "    links = [os.path.basename(os.readlink('/proc/self/fd/%d' % f)).split(':')[0] for f in fds]\n"
    "    print(repr(data.decode()), pid, flags, *links, flush=True)\n"
    "    if data == b'BARRIER=1' and fcntl.fcntl(fds[0], fcntl.F_GETFL) & os.O_WRONLY:\n"
    "        os.mkdir(sys.argv[2])\n"
    "    for f in fds: os.close(f)\n";

static void our_service(const char *address)
{
    char want[256];
    const char *mark = raw_file("received");
    const char *const argv[] = {"python3", "-c", manager, address, mark, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    peer_says_line(&p, "ready");
    CHECK_INT(setenv("NOTIFY_SOCKET", address, 1), 0);
    const int file = file_with("state", "x"), fds[] = {file, p.out, file};
    CHECK_INT(unx_notify("READY=1\nSTATUS=half = done\n", NULL, 0, 0, PEER_WAIT), 1);
    snprintf(want, sizeof want, "'READY=1\\nSTATUS=half = done\\n' %d 0", (int)getpid());
    peer_says_line(&p, want);
    CHECK_INT(unx_notify("FDSTORE=1\nFDNAME=three", fds, 3, 0, PEER_WAIT), 1);
    snprintf(want, sizeof want, "'FDSTORE=1\\nFDNAME=three' %d 0 state pipe state", (int)getpid());
    peer_says_line(&p, want);
    /* Returns when the manager has closed it, and not before it has received it. */
    CHECK_INT(unx_notify_barrier(0, PEER_WAIT), 1);
    CHECK(rmdir(mark) == 0);
    snprintf(want, sizeof want, "'BARRIER=1' %d 0 pipe", (int)getpid());
    peer_says_line(&p, want);
    close(file);
    peer_ends(&p, 0);
}

static void our_service_their_manager(void)
{
    need("python3");
    our_service(raw_file("n"));
    our_service(abstract_name("n"));
}

/* ---- our manager ---- */

static char text[UNX_NOTIFY_MAX + 1];

static void receive(int fd, struct unx_notification *n, const char *want, unsigned nfds)
{
    const struct iovec iov = {text, sizeof text};
    struct unx_msg m = {.iov = &iov, .niov = 1, .fds = got_fds, .nfds = 253, .cred = &got_cred};
    CHECK(unx_wait(fd, POLLIN, PEER_WAIT) > 0);
    CHECK_INT(unx_notify_recv(fd, &m, n, UNX_BARRIER), 1);
    CHECK_MEM(text, m.len, want, strlen(want));
    CHECK_INT(m.fds_got, nfds);
    CHECK_INT(got_cred.known, UNX_KNOWN_ALL);
}

static void their_command(void)
{
    struct unx_notification n;
    struct stat st;
    const char *name = abstract_name("n");
    need("systemd-notify");
    const struct unx_addr a = ours_addr(name);
    const int fd = unx_notify_bind(0, &a, UNX_MODE_UMASK);
    CHECK(fd >= 0);
    CHECK_INT(setenv("NOTIFY_SOCKET", name, 1), 0);
    const char *const argv[] = {"systemd-notify", "--ready", "--status=a b", "X_OURS=1", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    receive(fd, &n, "READY=1\nSTATUS=a b\nX_OURS=1", 0);
    CHECK_INT(n.what, UNX_NOTIFY_READY | UNX_NOTIFY_STATUS | UNX_NOTIFY_OTHER);
    receive(fd, &n, "BARRIER=1", 1);
    CHECK(raw_cloexec(got_fds[0]) && fstat(got_fds[0], &st) == 0 && S_ISFIFO(st.st_mode));
    CHECK_INT(fcntl(got_fds[0], F_GETFL) & O_ACCMODE, O_WRONLY);
    /* It waits for this. */
    CHECK_INT(waitpid(p.pid, NULL, WNOHANG), 0);
    close(got_fds[0]);
    peer_says_end(&p);
    peer_ends(&p, 0);
    close(fd);
}

static const char stores[] = "import ctypes, os, sys\n"
                             "sd = ctypes.CDLL('libsystemd.so.0')\n"
                             "fds = []\n"
                             "for i in range(200):\n"
                             "    f = os.memfd_create('m'); os.write(f, b'%d' % i); fds.append(f)\n"
                             "array = (ctypes.c_int * 200)(*fds)\n"
                             "print(sd.sd_pid_notify_with_fds(0, 0, b'FDSTORE=1\\nFDNAME=many', array, 200))\n"
                             "print(sd.sd_notify(0, b'X=' + b'y' * 4000))\n";

static void their_library_stores_many(void)
{
    char want[4003];
    struct unx_notification n;
    const struct unx_addr a = ours_addr(raw_file("n"));
    need_libsystemd();
    const int fd = unx_notify_bind(0, &a, 0600);
    CHECK(fd >= 0);
    CHECK_INT(setenv("NOTIFY_SOCKET", raw_file("n"), 1), 0);
    const char *const argv[] = {"python3", "-c", stores, NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    receive(fd, &n, "FDSTORE=1\nFDNAME=many", 200);
    CHECK_INT(got_cred.pid, p.pid);
    for (int i = 0; i < 200; i++) {
        snprintf(want, sizeof want, "%d", i);
        check_file_text(got_fds[i], want);
    }
    memset(want, 'y', sizeof want);
    memcpy(want, "X=", 2);
    want[4002] = 0;
    receive(fd, &n, want, 0);
    peer_says(&p, "1\n1\n", 4);
    peer_ends(&p, 0);
    close(fd);
}

static const struct test_case cases[] = {
    PEER_CASE(our_service_their_manager),
    PEER_CASE(their_command),
    PEER_CASE(their_library_stores_many),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
