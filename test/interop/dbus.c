// SPDX-License-Identifier: MIT
/*
 * D-Bus: a stream that begins with a byte of its own, then lines of SASL, then messages, of which some have
 * descriptors. Our client with a real dbus-daemon, which passes a descriptor on from one of us to the other and back;
 * and libsystemd's client with our server, by one name and the other kind of name.
 *
 * What surprised us: libsystemd sends its whole side of the handshake at once and waits for one answer to all of it.
 */
#include "dbus_wire.h"
#include "interop.h"

struct bus {
    int fd;
    uint32_t serial;
    size_t have, used; /* of data */
    unsigned nfds;
    int fds[8];
    char guid[64], data[65536];
};

/* ---- messages ---- */

static void next_message(struct bus *b, struct dbus_message *m)
{
    memmove(b->data, b->data + b->used, b->have -= b->used);
    b->used = 0;
    for (;;) {
        const size_t len = dbus_length(b->data, b->have);
        if (len && len <= b->have) {
            dbus_read(b->data, m);
            b->used = len;
            return;
        }
        CHECK_INT(ours_recv(b->fd), 1);
        CHECK(got.len <= sizeof b->data - b->have && b->nfds + got.fds_got <= 8);
        memcpy(b->data + b->have, got_data, got.len);
        b->have += got.len;
        for (unsigned i = 0; i < got.fds_got; i++)
            b->fds[b->nfds++] = got_fds[i];
    }
}

static int take_fd(struct bus *b, const struct dbus_message *m)
{
    CHECK(m->nfds == 1 && b->nfds == 1);
    b->nfds = 0;
    return b->fds[0];
}

static void send_message(struct bus *b, struct dbus_message *m, const int *lend)
{
    char data[8192];
    m->serial = ++b->serial;
    m->nfds = lend ? 1 : 0;
    ours_send(b->fd, data, dbus_write(data, sizeof data, m), lend, m->nfds);
}

/* The answer to what was sent last; signals may come before it. */
static void next_answer(struct bus *b, struct dbus_message *m)
{
    do
        next_message(b, m);
    while (m->type == DBUS_SIGNAL);
    CHECK_INT(m->type, DBUS_RETURN);
    CHECK_INT(m->reply_to, b->serial);
}

/* ---- our client ---- */

static void open_bus(struct bus *b, const char *text, char *name)
{
    char line[128], hex[32] = "";
    struct dbus_message m;
    size_t at = 0;
    *b = (struct bus){.fd = ours_connect(SOCK_STREAM, UNX_PASSFDS, text)};
    snprintf(line, sizeof line, "%u", geteuid());
    for (const char *p = line; *p; p++)
        snprintf(hex + strlen(hex), 3, "%02x", *p);
    ours_send(b->fd, "", 1, NULL, 0);
    const int n = snprintf(line, sizeof line, "AUTH EXTERNAL %s\r\n", hex);
    ours_send(b->fd, line, (size_t)n, NULL, 0);
    const char *answer = ours_gets_line(b->fd, "\r\n");
    CHECK(!strncmp(answer, "OK ", 3) && strlen(answer) == 35);
    snprintf(b->guid, sizeof b->guid, "%s", answer + 3);
    ours_send(b->fd, "NEGOTIATE_UNIX_FD\r\n", 19, NULL, 0);
    answer = ours_gets_line(b->fd, "\r\n");
    CHECK_MEM(answer, strlen(answer), "AGREE_UNIX_FD", 13);
    ours_send(b->fd, "BEGIN\r\n", 7, NULL, 0);
    struct dbus_message hello = {.type = DBUS_CALL,
                                 .path = "/org/freedesktop/DBus",
                                 .interface = "org.freedesktop.DBus",
                                 .member = "Hello",
                                 .destination = "org.freedesktop.DBus"};
    send_message(b, &hello, NULL);
    next_answer(b, &m);
    CHECK_MEM(m.signature, strlen(m.signature), "s", 1);
    strcpy(name, dbus_get_string(&m, &at));
    CHECK(name[0] == ':');
}

static struct peer start_daemon(const char *path, const char *name)
{
    char settings[1024];
    static char option[300];
    need("dbus-daemon");
    snprintf(settings, sizeof settings,
             "<busconfig><type>session</type><listen>unix:path=%s</listen><listen>unix:abstract=%s</listen>"
             "<auth>EXTERNAL</auth><policy context='default'><allow send_destination='*' eavesdrop='true'/>"
             "<allow eavesdrop='true'/><allow own='*'/></policy></busconfig>",
             path, name + 1);
    close(file_with("bus.conf", settings));
    snprintf(option, sizeof option, "--config-file=%s", raw_file("bus.conf"));
    const char *const argv[] = {"dbus-daemon", option, "--nofork", "--print-address", NULL};
    struct peer p = peer_start(argv, NULL, NULL);
    const char *address = peer_line(&p);
    CHECK(strstr(address, path) && strstr(address, name + 1));
    return p;
}

static void our_client_their_bus(void)
{
    static struct bus b;
    char own[64];
    const char *path = raw_file("bus"), *name = abstract_name("bus");
    struct peer p = start_daemon(path, name);
    for (int i = 0; i < 2; i++) {
        struct dbus_message m;
        size_t at = 0;
        open_bus(&b, i ? name : path, own);
        struct unx_cred who;
        CHECK_INT(unx_peer_cred(b.fd, &who), 0);
        CHECK_INT(who.pid, p.pid);
        struct dbus_message get = {.type = DBUS_CALL,
                                   .path = "/",
                                   .interface = "org.freedesktop.DBus",
                                   .member = "GetId",
                                   .destination = "org.freedesktop.DBus"};
        send_message(&b, &get, NULL);
        next_answer(&b, &m);
        CHECK_INT(strlen(dbus_get_string(&m, &at)), 32);
        /* The bus knows who we are. */
        char body[128];
        size_t len = 0;
        dbus_put_string(body, &len, own);
        struct dbus_message pid = {.type = DBUS_CALL,
                                   .path = "/",
                                   .interface = "org.freedesktop.DBus",
                                   .member = "GetConnectionUnixProcessID",
                                   .destination = "org.freedesktop.DBus",
                                   .signature = "s",
                                   .body = body,
                                   .len = len};
        send_message(&b, &pid, NULL);
        next_answer(&b, &m);
        at = 0;
        CHECK_INT(dbus_get_number(&m, &at), getpid());
        close(b.fd);
    }
    peer_stop(&p, SIGTERM);
}

static void a_descriptor_goes_through_the_bus(void)
{
    static struct bus a, b;
    char name_a[64], name_b[64], body[256];
    struct dbus_message m;
    const char *path = raw_file("bus"), *abstract = abstract_name("bus");
    struct peer p = start_daemon(path, abstract);
    open_bus(&a, path, name_a);
    open_bus(&b, abstract, name_b);
    const int there = file_with("there", "there"), back = file_with("back", "and back");
    size_t len = 0, at = 0;
    dbus_put_string(body, &len, "a file for you");
    dbus_put_number(body, &len, 0);
    struct dbus_message call = {.type = DBUS_CALL,
                                .path = "/x",
                                .interface = "test.x",
                                .member = "Take",
                                .destination = name_a,
                                .signature = "sh",
                                .body = body,
                                .len = len};
    send_message(&b, &call, &there);
    do
        next_message(&a, &m);
    while (m.type != DBUS_CALL);
    CHECK_MEM(m.sender, strlen(m.sender), name_b, strlen(name_b));
    CHECK_MEM(m.member, strlen(m.member), "Take", 4);
    CHECK_MEM(m.body, m.len, body, len);
    check_same_file(take_fd(&a, &m), there);
    len = 0;
    dbus_put_number(body, &len, 0);
    struct dbus_message reply = {
        .type = DBUS_RETURN, .reply_to = m.serial, .destination = name_b, .signature = "h", .body = body, .len = len};
    send_message(&a, &reply, &back);
    next_answer(&b, &m);
    CHECK_INT(dbus_get_number(&m, &at), 0);
    check_same_file(take_fd(&b, &m), back);
    close(a.fd);
    close(b.fd);
    close(there);
    close(back);
    peer_stop(&p, SIGTERM);
}

/* ---- our server ---- */

static const char client[] = "import ctypes, os, sys\n"
                             "sd = ctypes.CDLL('libsystemd.so.0')\n"
                             "def ok(r):\n"
                             "    if r < 0: sys.exit(os.strerror(-r))\n"
                             "bus, reply = ctypes.c_void_p(), ctypes.c_void_p()\n"
                             "ok(sd.sd_bus_new(ctypes.byref(bus)))\n"
                             "ok(sd.sd_bus_set_address(bus, sys.argv[1].encode()))\n"
                             "ok(sd.sd_bus_set_bus_client(bus, 1))\n"
                             "ok(sd.sd_bus_negotiate_fds(bus, 1))\n"
                             "ok(sd.sd_bus_start(bus))\n"
                             "f = os.open(sys.argv[2], os.O_RDONLY)\n"
                             "ok(sd.sd_bus_call_method(bus, b'test.Peer', b'/x', b'test.x', b'Take', None, "
                             "ctypes.byref(reply), b'sh', b'hello', f))\n"
                             "text, fd = ctypes.c_char_p(), ctypes.c_int()\n"
                             "ok(sd.sd_bus_message_read(reply, b'sh', ctypes.byref(text), ctypes.byref(fd)))\n"
                             "print(text.value.decode(), os.pread(fd.value, 100, 0).decode())\n";

static void serve(struct bus *b, pid_t pid)
{
    static const char handshake[] = "\0AUTH EXTERNAL\r\nDATA\r\nNEGOTIATE_UNIX_FD\r\nBEGIN\r\n";
    static const char agreed[] = "DATA\r\nOK 0123456789abcdef0123456789abcdef\r\nAGREE_UNIX_FD\r\n";
    struct unx_cred who;
    struct dbus_message m;
    char body[256];
    size_t len = 0, at = 0;
    CHECK_INT(unx_peer_cred(b->fd, &who), 0);
    CHECK(who.known == UNX_KNOWN_ALL && who.pid == pid && who.uid == geteuid());
    ours_gets_bytes(b->fd, handshake, sizeof handshake - 1);
    ours_send(b->fd, agreed, sizeof agreed - 1, NULL, 0);
    next_message(b, &m);
    CHECK_MEM(m.member, strlen(m.member), "Hello", 5);
    dbus_put_string(body, &len, ":1.7");
    struct dbus_message hello = {.type = DBUS_RETURN,
                                 .reply_to = m.serial,
                                 .sender = "org.freedesktop.DBus",
                                 .signature = "s",
                                 .body = body,
                                 .len = len};
    send_message(b, &hello, NULL);

    next_message(b, &m);
    CHECK_MEM(m.member, strlen(m.member), "Take", 4);
    CHECK_MEM(m.signature, strlen(m.signature), "sh", 2);
    const char *text = dbus_get_string(&m, &at);
    CHECK_MEM(text, strlen(text), "hello", 5);
    CHECK_INT(dbus_get_number(&m, &at), 0);
    check_file_text(take_fd(b, &m), "their file");
    const int ours = file_with("ours", "our file");
    len = 0;
    dbus_put_string(body, &len, "taken, here is");
    dbus_put_number(body, &len, 0);
    struct dbus_message reply = {
        .type = DBUS_RETURN, .reply_to = m.serial, .sender = "test.Peer", .signature = "sh", .body = body, .len = len};
    send_message(b, &reply, &ours);
    close(ours);
}

static void our_server_their_library(void)
{
    static struct bus b;
    const char *path = raw_file("bus"), *name = abstract_name("bus");
    need_libsystemd();
    close(file_with("theirs", "their file"));
    for (int i = 0; i < 2; i++) {
        char address[256];
        const int listener = ours_listen(SOCK_STREAM, UNX_PASSFDS, i ? name : path);
        snprintf(address, sizeof address, "unix:%s=%s", i ? "abstract" : "path", i ? name + 1 : path);
        const char *const argv[] = {"python3", "-c", client, address, raw_file("theirs"), NULL};
        struct peer p = peer_start(argv, NULL, NULL);
        b = (struct bus){.fd = ours_accept(listener)};
        serve(&b, p.pid);
        peer_says_line(&p, "taken, here is our file");
        peer_says_end(&p);
        peer_ends(&p, 0);
        close(b.fd);
        close(listener);
    }
}

static const struct test_case cases[] = {
    PEER_CASE(our_client_their_bus),
    PEER_CASE(a_descriptor_goes_through_the_bus),
    PEER_CASE(our_server_their_library),
};

int main(int argc, char **argv)
{
    return harness_main(argc, argv, cases, sizeof cases / sizeof *cases);
}
