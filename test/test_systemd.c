// SPDX-License-Identifier: MIT
/*
 * Together with systemd's own programs, where they are installed: its activator with our service, our activator with
 * its library, its clients with our manager. (Our client with a manager of raw calls is in test_notify.c.)
 *
 * What surprised us: systemd-notify sends in the name of its parent if it may, and waits at a barrier before it ends.
 */
#include "activation.h"

#include <signal.h>
#include <sys/syscall.h>

static void need(const char *program)
{
    char path[256];
    static const char *const dirs[] = {"/usr/bin", "/bin", "/lib/systemd"};
    for (unsigned i = 0; i < 3; i++) {
        snprintf(path, sizeof path, "%s/%s", dirs[i], program);
        if (access(path, X_OK) == 0)
            return;
    }
    SKIP("%s is not installed", program);
}

static void quiet(void *arg)
{
    const int null = open("/dev/null", O_WRONLY | O_CLOEXEC);
    (void)arg;
    CHECK(null >= 0 && dup2(null, 2) == 2);
}

/* Until the activator listens. */
static int connect_soon(int type, struct raw_addr a)
{
    for (int tries = 0;; tries++) {
        const int fd = raw_try_connect(type, a);
        if (fd >= 0)
            return fd;
        CHECK(tries < 500);
        raw_sleep(20);
    }
}

/* ---- their activator ---- */

static void ask(int fd, const char *question, const char *want)
{
    char data[256];
    struct raw_got g;
    raw_send(fd, question, strlen(question), NULL, 0);
    raw_recv(fd, data, sizeof data, 0, &g);
    CHECK(g.result > 0);
    CHECK_MEM(data, (size_t)g.result, want, strlen(want));
}

static void their_activator_serves(void)
{
    int out;
    need("systemd-socket-activate");
    const char *const argv[] = {"systemd-socket-activate",
                                "--seqpacket",
                                "-l",
                                raw_file("a"),
                                "--fdname=first",
                                self(),
                                "--serve",
                                "first",
                                NULL};
    const pid_t pid = start_program(argv, &out, quiet, NULL);
    const int fd = connect_soon(SOCK_SEQPACKET, raw_path(raw_file("a")));
    ask(fd, "hello", "first: hello");
    close(fd);
    CHECK_INT(exit_status(pid), 0);
    close(out);
}

static void their_activator_passes_several(void)
{
    int out;
    char want[512], name[128];
    need("systemd-socket-activate");
    snprintf(name, sizeof name, "@%s", raw_name("b"));
    const char *const argv[] = {"systemd-socket-activate", "-l",   raw_file("a"), "-l", name,
                                "--fdname=one:two",        self(), "--list",      NULL};
    const pid_t pid = start_program(argv, &out, quiet, NULL);
    const int fd = connect_soon(SOCK_STREAM, raw_abstract(name + 1, strlen(name + 1)));
    const char *text = read_all(out);
    CHECK_INT(exit_status(pid), 0);
    snprintf(want, sizeof want, "2\n3 one STREAM listening %s\n4 two STREAM listening %s\n", raw_file("a"), name);
    CHECK_MEM(text, strlen(text), want, strlen(want));
    close(fd);
}

static void their_activator_passes_datagrams(void)
{
    int out;
    char want[512];
    need("systemd-socket-activate");
    const char *const argv[] = {"systemd-socket-activate", "--datagram", "-l", raw_file("a"), self(), "--list", NULL};
    const pid_t pid = start_program(argv, &out, quiet, NULL);
    const int fd = connect_soon(SOCK_DGRAM, raw_path(raw_file("a")));
    raw_send(fd, "x", 1, NULL, 0);
    const char *text = read_all(out);
    CHECK_INT(exit_status(pid), 0);
    snprintf(want, sizeof want, "1\n3 unknown DGRAM - %s\n", raw_file("a"));
    CHECK_MEM(text, strlen(text), want, strlen(want));
    close(fd);
}

static void their_activator_accepts(void)
{
    int out;
    char data[512];
    need("systemd-socket-activate");
    raw_need_call(SYS_accept4, "accept4"); /* which it calls itself */
    const char *const argv[] = {
        "systemd-socket-activate", "--seqpacket", "--accept", "-l", raw_file("a"), self(), "--list", NULL};
    const pid_t pid = start_program(argv, &out, quiet, NULL);
    for (int i = 0; i < 2; i++) {
        char want[300];
        const int fd = connect_soon(SOCK_SEQPACKET, raw_path(raw_file("a")));
        size_t len = 0;
        snprintf(want, sizeof want, "1\n3 unknown SEQPACKET - %s\n", raw_file("a"));
        while (len < strlen(want)) {
            const ssize_t n = read(out, data + len, sizeof data - len);
            CHECK(n > 0);
            len += (size_t)n;
        }
        CHECK_MEM(data, len, want, strlen(want));
        close(fd);
    }
    CHECK_INT(kill(pid, SIGTERM), 0);
    int status;
    CHECK_INT(waitpid(pid, &status, 0), pid);
    close(out);
}

/* ---- their library ---- */

#define PYTHON                                                                                                         \
    "import ctypes, os, socket, sys\n"                                                                                 \
    "sd = ctypes.CDLL('libsystemd.so.0')\n"

static void need_library(void)
{
    int out;
    const char *const argv[] = {"python3", "-c", PYTHON, NULL};
    const pid_t pid = start_program(argv, &out, quiet, NULL);
    read_all(out);
    if (exit_status(pid) != 0)
        SKIP("no python3 with ctypes, or no libsystemd.so.0");
}

static const char listen_fds[] = PYTHON
    "names = ctypes.POINTER(ctypes.c_char_p)()\n"
    "n = sd.sd_listen_fds_with_names(1, ctypes.byref(names))\n"
    "path = sys.argv[1].encode()\n"
    "print(n, *[names[i].decode() for i in range(n)])\n"
    "print(sd.sd_is_socket_unix(3, socket.SOCK_SEQPACKET, 1, path, 0), sd.sd_is_socket_unix(3, 0, 1, b'/x', 0))\n"
    "print(sd.sd_is_socket(4, socket.AF_UNIX, socket.SOCK_DGRAM, 0), sd.sd_is_fifo(5, None))\n"
    "print(*[os.get_inheritable(fd) for fd in (3, 4, 5)])\n"
    "usec = ctypes.c_uint64()\n"
    "print(sd.sd_watchdog_enabled(1, ctypes.byref(usec)), usec.value)\n"
    "print(sd.sd_pid_notify_with_fds(0, 1, b'READY=1\\nSTATUS=from python', None, 0))\n"
    "print(sd.sd_listen_fds(0))\n";

struct start {
    int fds[3];
    struct unx_addr manager;
};

static void activate(void *arg)
{
    static char *env[256], text[UNX_ACTIVATION_TEXT + 64];
    static const char *const names[] = {"packets", "", "a pipe"};
    const struct start *s = arg;
    const struct unx_activation a = {.fds = s->fds,
                                     .nfds = 3,
                                     .names = names,
                                     .notify = &s->manager,
                                     .watchdog_usec = 2000000,
                                     .inherit = environ,
                                     .env = env,
                                     .env_max = 256,
                                     .text = text,
                                     .text_max = sizeof text};
    CHECK_INT(unx_activation_pass(&a, 0), 0);
    environ = env;
}

static char data[UNX_NOTIFY_MAX + 1];
static const struct iovec room = {data, sizeof data};
static struct unx_cred sender;
static int fds[16];

static void receive(int fd, struct unx_msg *m, struct unx_notification *n, unsigned flags)
{
    *m = (struct unx_msg){.iov = &room, .niov = 1, .fds = fds, .nfds = 16, .cred = &sender};
    CHECK(unx_wait(fd, 1 /* POLLIN */, 10000) > 0);
    CHECK_INT(unx_notify_recv(fd, m, n, flags), 1);
}

static void check_status(const struct unx_notification *n, const char *want)
{
    CHECK_MEM(n->status, n->status_len, want, strlen(want));
}

static void our_activator_with_their_library(void)
{
    struct start s;
    struct unx_notification n;
    struct unx_msg m;
    int p[2], out;
    need_library();
    CHECK_INT(unx_addr_path(&s.manager, raw_file("n")), 0);
    const int manager = unx_notify_bind(0, &s.manager, 0600);
    s.fds[0] = raw_listen(SOCK_SEQPACKET, raw_path(raw_file("a")), 5);
    s.fds[1] = raw_socket(SOCK_DGRAM);
    raw_pipe(p);
    s.fds[2] = p[0];
    const char *const argv[] = {"python3", "-c", listen_fds, raw_file("a"), NULL};
    const pid_t pid = start_program(argv, &out, activate, &s);
    receive(manager, &m, &n, 0);
    CHECK_INT(n.what, UNX_NOTIFY_READY | UNX_NOTIFY_STATUS);
    CHECK_INT(sender.pid, pid);
    check_status(&n, "from python");
    const char *text = read_all(out);
    const char *const want = "3 packets  a pipe\n1 0\n1 1\nFalse False False\n1 2000000\n1\n0\n";
    CHECK_MEM(text, strlen(text), want, strlen(want));
    CHECK_INT(exit_status(pid), 0);
    for (int i = 0; i < 3; i++)
        close(s.fds[i]);
    close(p[1]);
    close(manager);
}

/* ---- their clients ---- */

/* systemd-notify at an address of each kind. */
static void notify_command(const char *address, int manager)
{
    struct unx_notification n;
    struct unx_msg m;
    int out;
    char pid_text[32];
    set_env("NOTIFY_SOCKET", address);
    snprintf(pid_text, sizeof pid_text, "--pid=%d", (int)getpid());
    const char *const argv[] = {"systemd-notify", "--ready", "--status=half = done", pid_text, NULL};
    const pid_t pid = start_program(argv, &out, NULL, NULL);
    receive(manager, &m, &n, 0);
    CHECK_INT(n.what, UNX_NOTIFY_READY | UNX_NOTIFY_STATUS | UNX_NOTIFY_MAINPID);
    check_status(&n, "half = done");
    CHECK_INT(n.mainpid, getpid());
    CHECK_INT(sender.known, UNX_KNOWN_ALL);
    CHECK_INT(sender.pid, geteuid() == 0 ? getpid() : pid);
    CHECK_INT(m.fds_got, 0);
    receive(manager, &m, &n, UNX_BARRIER);
    CHECK_INT(n.what, UNX_NOTIFY_BARRIER);
    CHECK_INT(m.fds_got, 1);
    /* It waits. */
    raw_sleep(100);
    CHECK_INT(waitpid(pid, NULL, WNOHANG), 0);
    close(fds[0]);
    CHECK_INT(exit_status(pid), 0);
    read_all(out);
}

static void their_notify_command(void)
{
    struct unx_addr a;
    char name[128];
    need("systemd-notify");
    CHECK_INT(unx_addr_path(&a, raw_file("n")), 0);
    int manager = unx_notify_bind(0, &a, 0600);
    CHECK(manager >= 0);
    notify_command(raw_file("n"), manager);
    close(manager);
    snprintf(name, sizeof name, "@%s", raw_name("n"));
    CHECK_INT(unx_addr_abstract(&a, name + 1, strlen(name + 1)), 0);
    manager = unx_notify_bind(0, &a, UNX_MODE_UMASK);
    CHECK(manager >= 0);
    notify_command(name, manager);
    close(manager);
}

static const char store[] = PYTHON "a, b = os.pipe()\n"
                                   "two = (ctypes.c_int * 2)(a, b)\n"
                                   "print(sd.sd_pid_notify_with_fds(0, 0, b'FDSTORE=1\\nFDNAME=foo', two, 2))\n"
                                   "print(sd.sd_notify_barrier(0, ctypes.c_uint64(5000000)))\n"
                                   "print(sd.sd_notify(0, b'WATCHDOG=1'))\n"
                                   "print(sd.sd_notify_barrier(0, ctypes.c_uint64(100000)))\n";

static void their_library_stores_and_waits(void)
{
    struct unx_addr a;
    struct unx_notification n;
    struct unx_msg m;
    int out;
    need_library();
    CHECK_INT(unx_addr_path(&a, raw_file("n")), 0);
    const int manager = unx_notify_bind(0, &a, 0600);
    set_env("NOTIFY_SOCKET", raw_file("n"));
    const char *const argv[] = {"python3", "-c", store, NULL};
    const pid_t pid = start_program(argv, &out, NULL, NULL);
    receive(manager, &m, &n, 0);
    CHECK_INT(n.what, UNX_NOTIFY_FDSTORE | UNX_NOTIFY_NAME);
    CHECK_MEM(n.name, n.name_len, "foo", 3);
    CHECK_INT(sender.pid, pid);
    CHECK_INT(m.fds_got, 2);
    CHECK_INT(write(fds[1], "x", 1), 1);
    CHECK_INT(read(fds[0], data, 2), 1);
    close(fds[0]);
    close(fds[1]);
    receive(manager, &m, &n, 0);
    CHECK_INT(n.what, UNX_NOTIFY_BARRIER);
    receive(manager, &m, &n, 0);
    CHECK_INT(n.what, UNX_NOTIFY_WATCHDOG);
    /* The second barrier is not answered. */
    const char *text = read_all(out);
    CHECK_INT(exit_status(pid), 0);
    CHECK_MEM(text, strlen(text), "1\n1\n1\n-110\n", 11);
    close(manager);
}

static const struct test_case cases[] = {
    CASE(their_activator_serves),           CASE(their_activator_passes_several),
    CASE(their_activator_passes_datagrams), CASE(their_activator_accepts),
    CASE(our_activator_with_their_library), CASE(their_notify_command),
    CASE(their_library_stores_and_waits),
};

int main(int argc, char **argv)
{
    const int status = service_main(argc, argv);
    return status >= 0 ? status : harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
